"""Proposals: what a proposer is told, what it hands back, and what was learned for the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions import Decision
from tenward.errors import LoopError, TenwardError, UsageError
from tenward.evaluation import check_prompt, is_chat, result_from_data
from tenward.loop._brief import BriefLimits, Measured, build_brief, stuck_level, worst_results
from tenward.loop._budget import OutOfBudgetError
from tenward.loop._commands import in_thread
from tenward.loop._directions import use_of_files
from tenward.loop._edits import write_files
from tenward.loop._ideas import Idea, IdeaBook, PastIdea
from tenward.loop._ledger import Status
from tenward.loop._lent import lent_cases
from tenward.loop._objects import ObjectWriter
from tenward.loop._pool import draw_start
from tenward.loop._rebase import rebase
from tenward.loop._retro import Retro
from tenward.loop._scores import cases_of
from tenward.loop._spent import Spent
from tenward.loop.proposers import LlmProposer, NothingLeftError, write_retro

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenward.evaluation import Result
    from tenward.loop._brief import Brief
    from tenward.loop._control import Control
    from tenward.loop._pool import Start
    from tenward.loop._scores import Incumbent
    from tenward.loop._slots import Slot
    from tenward.loop._sources import Sources
    from tenward.loop._states import AttemptState
    from tenward.loop.proposers import Proposer

__all__ = ["Proposed", "Proposing"]

_ENDS = {"invalid": Status.INVALID, "crashed": Status.CRASHED, "edited": Status.DISCARD}
_MOST_TREES = 8
_PRINTED_CHARS = 600


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What a proposer came to; its change, if any, is in the slot."""

    idea: Idea | None
    log: str
    problem: str = ""
    """Why there is nothing to judge; empty if there is."""

    status: Status = Status.DISCARD
    """How the attempt ends where there is a problem."""


class Proposing:
    """Briefs a proposer and takes its change into a slot.

    Args:
        control: The loop.
        sources: What a brief may quote; None for nothing.
        past: Attempts that have ended, by number.
    """

    def __init__(self, control: Control, sources: Sources | None, past: Iterable[AttemptState]) -> None:
        self.book = IdeaBook()
        self.proposer: Proposer | None = None
        """Who proposes; to be set before the first proposal."""

        self.nothing_left = ""
        """Why no further attempt need be opened; empty where one may."""

        self._control = control
        self._sources = sources
        self._texts: dict[str, dict[str, str]] = {}
        self._without: dict[str, str] = {}
        self._told: tuple[int, list[Result]] = (-1, [])
        for attempt in past:
            self.learn(attempt)

    def learn(self, attempt: AttemptState) -> None:
        """Take the idea of an attempt that has ended into the book; placebos had none."""
        if (past := _past_idea(attempt)) is not None:
            self.book.add(past)

    def refusal(self, idea: Idea) -> str | None:
        """Why an idea is refused before its edits are read; None to take it."""
        past = self.book.is_repeat(idea, incumbent=self._control.state.incumbent)
        if past is None:
            return None
        return (
            f"the idea repeats that of attempt {past.number}, '{past.idea.title}', which ended as {past.status.value}"
        )

    def repeats(self, attempt: AttemptState) -> int | None:
        """The attempt whose idea this one repeats; None if it is new."""
        if not attempt.idea_file:
            return None
        past = self.book.is_repeat(Idea.from_json(dict(attempt.idea_file)), incumbent=attempt.parent)
        return None if past is None else past.number

    def unusable(self, attempt: AttemptState) -> str:
        """Why no output can come of a changed prompt; empty where it can, and where no prompt was changed."""
        produce = self._control.spec.produce
        path = "" if produce is None else produce.prompt or ""
        if path not in {change.path for change in attempt.changes}:
            return ""
        record = self._control.record
        entry = record.trees.listing(attempt.tree).files.get(path)
        if entry is None:
            return f"{path}: was deleted, expected the prompt"
        try:
            check_prompt(record.git.bodies([entry.name])[0].decode("utf-8", "replace"))
        except UsageError as error:
            return f"{path}: {error.message}"
        return ""

    def texts_of(self, tree: str) -> dict[str, str]:
        """The editable files of a tree that are UTF-8 text, by path."""
        if tree not in self._texts:
            record = self._control.record
            patterns = self._control.editable
            files = record.trees.listing(tree).files
            paths = [path for path, entry in sorted(files.items()) if patterns.match(path) and entry.mode[:3] == "100"]
            texts: dict[str, str] = {}
            for path, body in zip(paths, record.git.bodies([files[path].name for path in paths]), strict=True):
                try:
                    texts[path] = body.decode("utf-8")
                except UnicodeDecodeError:
                    continue
            if len(self._texts) >= _MOST_TREES:
                self._texts.clear()
            self._texts[tree] = texts
        return self._texts[tree]

    def without_evaluator(self, parent: str) -> str:
        """The files of an incumbent but for rubric, judges and cases, which are no proposer's business."""
        record, hidden = self._control.record, self._control.sealed.hidden
        there = record.trees.listing(parent).files
        gone = dict.fromkeys(path for path in hidden if path in there)
        if not gone:
            return parent
        if parent not in self._without:
            writer = ObjectWriter(record.git)
            self._without = {parent: record.trees.change(parent, gone, writer)}
            writer.store()
        return self._without[parent]

    def with_evaluator(self, tree: str, without: str, parent: str) -> str:
        """The candidate made from what :meth:`without_evaluator` gave, with the evaluator's files again."""
        if without == parent:
            return tree
        whole = rebase(self._control.record, base=without, tree=tree, onto=parent)
        # A fault is no part of the tree, so nothing can stand where the evaluator's files belong.
        assert whole is not None
        return whole

    def lent(self, tree: str) -> frozenset[str]:
        """The dev cases whose answers a tree's prompts show as worked examples."""
        dev = (case for case in self._control.sealed.cases if case.split == "dev")
        return lent_cases(self.texts_of(tree).values(), dev)

    def text_of(self, tree: str) -> str:
        """The same as one text."""
        return "\n".join(self.texts_of(tree).values())

    def start(self, attempt: AttemptState) -> Start | None:
        """Where an attempt begins, if not at the incumbent."""
        control = self._control
        return draw_start(
            control.record,
            self.book,
            size=control.spec.pool,
            incumbent=attempt.parent,
            noise=control.state.calibration.get("judge_sd") or 0.0,
            chance=control.dice("pool", attempt.number).random(),
            merge=self._combining,
        )

    async def propose(
        self, attempt: AttemptState, slot: Slot, incumbent: Incumbent, start: Start | None = None
    ) -> Proposed:
        """Let the proposer change a slot that is set to where the attempt begins.

        Raises:
            OutOfBudgetError: There is no money left for it.
            TenwardError: No other brief would fare better.
        """
        control = self._control
        assert self.proposer is not None
        if start is not None and start.idea is not None:
            return Proposed(idea=start.idea, log="")
        brief = await self.brief(attempt, incumbent, self.proposer.brief_chars, start)
        try:
            with control.purse.lend(attempt.number, judging=False):
                proposal = await self.proposer.propose(brief, slot.path)
        except NothingLeftError as error:
            self.nothing_left = error.message
            return Proposed(idea=None, log="", problem=f"invalid: {error.message}", status=Status.INVALID)
        usage = proposal.usage
        if usage.calls == 0 and usage.cost_usd:  # a program with a bill of its own, which no budget of ours has seen
            control.purse.add(Spent(usd=usage.cost_usd))
        if proposal.ending != "edited":
            why = "; ".join(proposal.faults) or "the proposer gave no reason"
            log = "\n".join(filter(None, [proposal.log, *proposal.faults]))
            problem = f"{proposal.ending}: {why}"
            return Proposed(idea=proposal.idea, log=log, problem=problem, status=_ENDS[proposal.ending])
        if proposal.files:
            try:
                write_files(slot.path, proposal.files)
            except LoopError as error:
                problem = f"invalid: {error.message}"
                return Proposed(idea=proposal.idea, log=proposal.log, problem=problem, status=Status.INVALID)
        return Proposed(idea=proposal.idea, log=proposal.log)

    async def reflect(self, attempt: AttemptState) -> Retro:
        """What was learned: by the proposer's model, if it writes freely, and else by the facts alone.

        Small models that write a sentence at a time are not asked: they make up reasons. Where there is no money or
        no model left, the facts stand.
        """
        told = Retro.from_json(dict(attempt.retro))
        if not isinstance(self.proposer, LlmProposer) or not attempt.idea_file or attempt.status is None:
            return told
        change = await in_thread(lambda: self._control.record.trees.diff(attempt.parent, attempt.tree))
        try:
            with self._control.purse.lend(attempt.number, judging=False):
                retro, _ = await write_retro(
                    self.proposer.model,
                    idea=Idea.from_json(dict(attempt.idea_file)),
                    change=change,
                    status=attempt.status,
                    template=told,
                    number=attempt.number,
                )
                return retro
        except (OutOfBudgetError, TenwardError):
            return told

    async def brief(self, attempt: AttemptState, incumbent: Incumbent, chars: int, start: Start | None = None) -> Brief:
        """What the proposer of an attempt is told; nothing of sealed cases, nothing of placebos."""
        spec, book = self._control.spec, self.book
        limits = BriefLimits(chars=chars)
        if self._control.wants_words:
            shown = worst_results(self._results(incumbent), limits.cases, attempt.number)
            if await incumbent.put_in_words([result.case.id for result in shown], number=attempt.number):
                self._told = (-1, [])
        combine: tuple[PastIdea, ...] = ()
        if self._combining and start is None:
            combine = next(iter(book.combinable(1)), ())
        files = self.texts_of(attempt.parent if start is None else start.tree)
        use = use_of_files(spec, chat=is_chat(files.get(spec.produce.prompt or "", "")) if spec.produce else False)
        return build_brief(
            number=attempt.number,
            goal=spec.goal,
            editable=spec.edit,
            but_not=self._control.fixed,
            files=files,
            results=self._results(incumbent),
            feedback=spec.feedback,
            measured=self._measured(incumbent),
            sources=self._sources,
            book=book,
            combine=combine,
            stuck=stuck_level(self._rounds_without_keep(), spec.stuck_after),
            chance=self._control.dice("arm", attempt.number).random(),
            use=use if start is None else f"{use} {start.words}",
            limits=limits,
        )

    @property
    def _combining(self) -> bool:
        """Whether it is time to put two near-misses together."""
        every = self._control.spec.combine_every
        return every is not None and len(self.book) > 0 and len(self.book) % every == 0

    def _rounds_without_keep(self) -> int:
        after = self._control.spec.stuck_after
        if after is None:
            return 0
        latest = self.book.last(4 * after)
        return next((at for at, past in enumerate(latest) if past.status is Status.KEEP), len(latest))

    def _results(self, incumbent: Incumbent) -> list[Result]:
        rubric = self._control.sealed.rubric
        if rubric is None:
            return []
        if self._told[0] == incumbent.epoch:
            return self._told[1]
        found: list[Result] = []
        for case in cases_of(incumbent.in_play):
            rows = [row for row in incumbent.scores.rows(case) if row.result is not None]
            if rows and rows[0].result is not None:
                found.append(result_from_data(dict(rows[0].result), rubric))
        self._told = (incumbent.epoch, found)
        return found

    def _measured(self, incumbent: Incumbent) -> Measured | None:
        number = self._control.spec.score.number
        if number is None or incumbent.mean is None:
            return None
        rows = incumbent.scores.all()
        return Measured(value=incumbent.mean, goal=number.goal, output=rows[-1].output if rows else "")


def _past_idea(attempt: AttemptState) -> PastIdea | None:
    if attempt.placebo or attempt.status is None:
        return None
    decision = None if attempt.decision is None else Decision.from_json(dict(attempt.decision))
    return PastIdea(
        number=attempt.number,
        idea=Idea.from_json(dict(attempt.idea_file)) if attempt.idea_file else Idea(title=attempt.reason or "none"),
        status=attempt.status,
        incumbent=attempt.parent,
        effect=None if decision is None else decision.effect,
        p_better=None if decision is None else decision.p_better,
        retro=Retro.from_json(dict(attempt.retro)) if attempt.retro else None,
        score=attempt.score,
        beside=attempt.incumbent_score,
        stages=tuple(stage.number for stage in attempt.stages),
        cases=sum({look.split: look.units for look in attempt.looks}.values()),
        printed=attempt.log[-_PRINTED_CHARS:] if _failed_a_stage(attempt) else "",
        tree=attempt.tree if decision is not None else "",
        by_unit=dict(attempt.by_unit),
    )


def _failed_a_stage(attempt: AttemptState) -> bool:
    """Whether it came no further than the stages, which know no sealed case; what a race prints may be of one."""
    return bool(attempt.stages) and not attempt.stages[-1].passed
