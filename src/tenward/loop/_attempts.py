"""The steps of one attempt. Each is announced in the journal, can be taken twice, and names the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenward.decisions import CaseEffects, Decision, Pooled
from tenward.errors import LoopError, SystemicError, TenwardError
from tenward.loop._alarms import grader_quotes, mark_overruled, output_alarms, split_alarms
from tenward.loop._commands import in_thread
from tenward.loop._control import BrokenEvaluatorError
from tenward.loop._deciding import CandidateCrashedError, Duel, IncumbentMovedError
from tenward.loop._ledger import Draft, Status
from tenward.loop._loaded import loaded_unasked
from tenward.loop._notes import attempt_notes, change_of_criteria
from tenward.loop._placebo import UNCHANGED, damaged_tree
from tenward.loop._rebase import rebase
from tenward.loop._record import Outcome
from tenward.loop._retro import template_retro, trend_of
from tenward.loop._sentinels import drift_alarms
from tenward.loop._snapshot import snapshot
from tenward.loop._stages import run_stage
from tenward.loop._states import AttemptState, FileChange, LoopPhase, Phase
from tenward.loop._strictness import set_drop, with_dials, with_placebo, without_doubt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenward.decisions import DecisionRule, Floor
    from tenward.loop._alarm_names import Alarm
    from tenward.loop._bench import Bench, NumberBench
    from tenward.loop._control import Control
    from tenward.loop._proposing import Proposing
    from tenward.loop._scores import Incumbent
    from tenward.loop._slots import Slot
    from tenward.loop._states import LoopState

__all__ = ["Attempts"]

_LEFTOVERS = ("**/__pycache__/**", "**/.pytest_cache/**", "**/.DS_Store")
_LOG_CHARS = 4000
_IN_TURN = {Phase.RECORDING, Phase.REBASING, Phase.SETTLING}
_MOST_REBASES = 3


class Attempts:
    """Takes attempts from step to step.

    Args:
        control: The loop.
        bench: What measures.
        rule: What decides.
        floors: Criteria that may not be lowered.
        proposing: Who proposes, and what they are told.
        incumbent_of: The incumbent of an epoch.
        probe: Measures the cheaper numbers of stages; None where there are none.
    """

    def __init__(
        self,
        control: Control,
        bench: Bench,
        *,
        rule: DecisionRule,
        floors: tuple[Floor, ...],
        proposing: Proposing,
        incumbent_of: Callable[[AttemptState], Incumbent],
        probe: NumberBench | None,
    ) -> None:
        self._control = control
        self._bench = bench
        self._rule = rule
        self._floors = floors
        self.proposing = proposing
        self._incumbent_of = incumbent_of
        self._probe = probe

    async def run(self, attempt: AttemptState, slot: Slot) -> AttemptState:
        """Take an attempt to its end, from wherever it is.

        Raises:
            OutOfBudgetError: A limit is reached; it can go on later.
            BrokenEvaluatorError: The evaluator fails; it can go on once that is mended.
            TenwardError: Nothing can go on.
        """
        steps = {
            Phase.PROPOSING: self._propose,
            Phase.CHECKING: self._check,
            Phase.STAGING: self._stage,
            Phase.RACING: self._race,
            Phase.REFLECTING: self._reflect,
            Phase.RECORDING: self._record,
            Phase.REBASING: self._rebase,
            Phase.SETTLING: self._settle,
        }

        async def step() -> AttemptState:
            before = self._control.purse.spent
            now = await steps[attempt.phase](attempt, slot)
            took = replace(self._control.purse.spent - before, rounds=0)
            if attempt.phase is Phase.RACING:
                now = replace(now, racing=now.racing + took)
            now = replace(now, spent=now.spent + took)
            return self._control.go(now, forget=[] if now.open else [f"a{now.number}"])

        while attempt.open:
            if attempt.phase in _IN_TURN:
                # From the write to what follows from it, no other attempt may look at the incumbent.
                async with self._control.recording_turn:
                    while attempt.phase in _IN_TURN:
                        attempt = await step()
            else:
                attempt = await step()
        return attempt

    # -- proposing -----------------------------------------------------------------------------------------------

    async def _propose(self, attempt: AttemptState, slot: Slot) -> AttemptState:
        control = self._control
        if attempt.placebo:
            tree, done = control.tree_of(attempt.parent), UNCHANGED
            if attempt.placebo != UNCHANGED:
                chance = control.dice("damage", attempt.number)
                tree, done = damaged_tree(control.record, attempt.parent, control.editable, chance)
            return replace(attempt, phase=Phase.CHECKING, tree=tree, placebo=done, idea=f"Placebo: {done}")
        start = await in_thread(lambda: self.proposing.start(attempt))
        begun = attempt.parent if start is None else start.tree
        without = await in_thread(lambda: self.proposing.without_evaluator(begun))
        await in_thread(lambda: slot.reset(without))
        proposal = await self.proposing.propose(attempt, slot, self._incumbent_of(attempt), start)
        control.commands.sweep(slot.path)
        candidate = await in_thread(
            lambda: snapshot(slot, control.spec.edit, leftovers=_LEFTOVERS, sealed=control.sealed.programs)
        )
        idea = proposal.idea
        tree = self.proposing.with_evaluator(candidate.tree, without, begun)
        attempt = replace(
            attempt,
            start=() if start is None else tuple(past.number for past in start.of),
            idea="" if idea is None else idea.title,
            idea_note="" if idea is None else idea.rationale,
            idea_file={} if idea is None else idea.to_json(),
            log=proposal.log[-_LOG_CHARS:],
            tree=tree,
            changes=tuple(
                FileChange(path=ascii_path(path), kind=kind)
                for path, kind in control.record.trees.kinds(attempt.parent, tree).items()
            ),
            faults=tuple(str(fault) for fault in candidate.faults),
        )
        if proposal.problem and not attempt.faults:
            return self._end(attempt, proposal.status, proposal.problem)
        if start is not None and start.idea is None and not candidate.changes and not attempt.faults:
            return self._end(
                attempt, Status.DISCARD, f"discarded: nothing was changed in what attempt {start.of[0].number} had"
            )
        return replace(attempt, phase=Phase.CHECKING)

    async def _check(self, attempt: AttemptState, slot: Slot) -> AttemptState:  # noqa: ARG002 - as all steps
        if attempt.faults:
            return self._end(attempt, Status.INVALID, f"invalid: {attempt.faults[0]}")
        if not attempt.placebo:
            if not attempt.changes:
                return self._end(attempt, Status.DISCARD, "discarded: nothing was changed")
            added = [change.path for change in attempt.changes if change.kind == "added"]
            unusable = loaded_unasked(added, self._control.spec.edit) or self.proposing.unusable(attempt)
            if unusable := unusable or self._untestable(attempt):
                return self._end(attempt, Status.INVALID, f"invalid: {unusable}")
            if (past := self.proposing.repeats(attempt)) is not None:
                return self._end(attempt, Status.DISCARD, f"discarded: the idea repeats that of attempt {past}")
            for twin in self._control.journal.twins(attempt):
                if twin.status is Status.DISCARD and not twin.placebo and twin.decision is not None:
                    return self._end(attempt, Status.DISCARD, f"discarded: the same files as in attempt {twin.number}")
        return replace(attempt, phase=Phase.STAGING, **self._learned(attempt.epoch))

    # -- measuring -----------------------------------------------------------------------------------------------

    async def _stage(self, attempt: AttemptState, slot: Slot) -> AttemptState:
        stages = self._control.spec.stages
        at = len(attempt.stages)
        if at >= len(stages):
            return replace(attempt, phase=Phase.RACING, looks=())
        self._control.purse.check()
        duel = self._duel(attempt, slot)
        try:
            others = self.proposing.book.numbers_at(at)
            ended = await run_stage(self._control, stages[at], at, duel, slot, attempt, self._probe, others)
        except CandidateCrashedError as error:
            return self._crashed(attempt, str(error))
        attempt = replace(
            attempt,
            stages=(*attempt.stages, ended.state),
            log=ended.log[-_LOG_CHARS:] or attempt.log,
            shown={**attempt.shown, **duel.shown},
            by_unit={**attempt.by_unit, **duel.by_unit},
        )
        if ended.state.passed:
            return attempt
        if ended.crashed:
            return self._crashed(attempt, ended.log)
        return self._end(attempt, Status.DISCARD, f"discarded at {ended.state.stage}: {ended.state.detail}")

    async def _race(self, attempt: AttemptState, slot: Slot) -> AttemptState:
        self._control.purse.check()
        duel = self._duel(attempt, slot)
        try:
            rule = with_dials(self._rule, sure=attempt.sure, drop=attempt.drop)
            if self._incumbent_of(attempt).worth_nothing:
                rule = without_doubt(rule)
            verdicts = await duel.decide(rule, self._floors)
        except CandidateCrashedError as error:
            return self._crashed(attempt, str(error), sealed=error.split == "sealed")
        except IncumbentMovedError:
            return replace(attempt, phase=Phase.REBASING)
        except SystemicError:
            raise
        except TenwardError as error:
            await self._blame(attempt, slot, error)
            return self._crashed(attempt, error.message)
        decision = verdicts.decision
        attempt = replace(
            attempt,
            looks=verdicts.looks,
            shown={**attempt.shown, **duel.shown},
            by_unit={**attempt.by_unit, **duel.by_unit},
            decision=decision.to_json(),
            score=verdicts.score,
            incumbent_score=verdicts.incumbent_score,
        )
        status, reason = Status(decision.outcome), decision.reason
        if not attempt.placebo:
            attempt = replace(attempt, alarms=self._alarms(attempt, duel, decision))
            blocking = [alarm for alarm in attempt.alarms if not alarm.overruled]
            if status is Status.KEEP and blocking:
                status, reason = Status.UNDECIDED, f"undecided: alarm {blocking[0].text}; otherwise {reason}"
        if status is Status.KEEP and attempt.placebo:
            status, reason = Status.DISCARD, f"a placebo that would have been {reason}"
        return self._end(attempt, status, reason, duel)

    async def _blame(self, attempt: AttemptState, slot: Slot, error: TenwardError) -> None:
        """Find out whether a command that cannot be started is the candidate's doing.

        Raises:
            BrokenEvaluatorError: It cannot be started with the incumbent either.
        """
        try:
            case = self._bench.dev[0][0]
            await self._incumbent_of(attempt).try_out(case, split="dev", number=attempt.number, slot=slot)
        except TenwardError:
            raise BrokenEvaluatorError("the evaluator fails on the incumbent as well", error.message) from error

    def _duel(self, attempt: AttemptState, slot: Slot) -> Duel:
        return Duel(self._control, self._bench, self._incumbent_of(attempt), attempt, slot, but_not=self._lent(attempt))

    def _lent(self, attempt: AttemptState) -> frozenset[str]:
        """Dev cases that cannot test an attempt, since it or its incumbent shows their answers."""
        return self.proposing.lent(attempt.tree) | self.proposing.lent(attempt.parent)

    def _untestable(self, attempt: AttemptState) -> str:
        """Why no dev case can test an attempt; empty where one can."""
        lent, units = self._lent(attempt), self._incumbent_of(attempt).in_play
        if not lent or not all(set(unit) & lent for unit in units):
            return ""
        return "every dev case in play lends its answer as an example, so none is left to test it"

    def _alarms(self, attempt: AttemptState, duel: Duel, decision: Decision) -> tuple[Alarm, ...]:
        """What stands against a keep; of another end, what explains it."""
        control = self._control
        alarms = () if self._incumbent_of(attempt).worth_nothing else split_alarms(decision)
        if decision.outcome == "keep":
            alarms = (*self._bought(attempt, duel), *alarms, *drift_alarms(control.state.sentinels, attempt.epoch))
        return mark_overruled(alarms, control.spec.alarms.overrule)

    def _bought(self, attempt: AttemptState, duel: Duel) -> tuple[Alarm, ...]:
        sealed = self._control.sealed
        if sealed.rubric is None:
            return ()
        new, old = (self.proposing.text_of(name) for name in (attempt.tree, attempt.parent))
        rows = duel.table.all()
        cases = {row.case_id for row in rows}
        beside = [row for row in self._incumbent_of(attempt).scores.all() if row.case_id in cases]
        lent = self.proposing.lent(attempt.tree)  # what is shown as an example is no quote
        known = [case for case in sealed.cases if case.id not in lent]
        return (*grader_quotes(old, new, sealed.rubric, known), *output_alarms(rows, beside))

    def _learned(self, epoch: int) -> dict[str, Any]:
        """What is known for a race against the incumbent of an epoch, as facts of an attempt."""
        state = self._control.state
        effects = dict(state.effects) if epoch == state.epoch else {}
        drop = set_drop(state.costs, self._control.spec)
        return {"pooled": dict(state.pooled), "effects": effects, "sure": state.placebos.sure, "drop": drop}

    # -- ending --------------------------------------------------------------------------------------------------

    def _crashed(self, attempt: AttemptState, log: str, *, sealed: bool = False) -> AttemptState:
        """It ends as a crash; the reason reaches proposers, so of a sealed case it quotes nothing."""
        lines = [line for line in log.splitlines() if line.strip()]
        why = "on a sealed case" if sealed else lines[0][:300] if lines else "without a word"
        return self._end(replace(attempt, log=log[-_LOG_CHARS:]), Status.CRASHED, f"crashed: {why}")

    def _end(self, attempt: AttemptState, status: Status, reason: str, duel: Duel | None = None) -> AttemptState:
        """Name the end; nothing has happened yet."""
        criteria = {} if duel is None else change_of_criteria(duel.table, self._incumbent_of(attempt).scores)
        decision = None if attempt.decision is None else Decision.from_json(dict(attempt.decision))
        faults = [] if decision is not None else [*attempt.faults, reason]
        retro = template_retro(
            status,
            decision=decision,
            faults=faults,
            criteria=criteria,
            trend=trend_of(self.proposing.book, status),
        )
        return replace(
            attempt,
            phase=Phase.REFLECTING if decision is not None and not attempt.placebo else Phase.RECORDING,
            status=status,
            reason=reason,
            retro=retro.to_json(),
            tree=attempt.tree or self._control.tree_of(attempt.parent),
            ended=datetime.now(UTC),
        )

    async def _reflect(self, attempt: AttemptState, slot: Slot) -> AttemptState:  # noqa: ARG002 - as all steps
        retro = await self.proposing.reflect(attempt)
        return replace(attempt, phase=Phase.RECORDING, retro=retro.to_json())

    async def _record(self, attempt: AttemptState, slot: Slot) -> AttemptState:  # noqa: ARG002 - as all steps
        assert attempt.status is not None
        assert attempt.ended is not None
        control = self._control
        draft = Draft(
            number=attempt.number,
            status=attempt.status,
            parent=attempt.parent,
            tree=attempt.tree,
            description=attempt.idea or attempt.reason,
            score=attempt.score,
            began=attempt.began,
            ended=attempt.ended,
            notes=attempt_notes(attempt, control.journal.scores(f"a{attempt.number}")),
        )
        written = await in_thread(lambda: control.record.write(draft))
        match written.outcome:
            case Outcome.WRITTEN:
                return replace(attempt, phase=Phase.SETTLING, candidate=written.attempt.candidate)
            case Outcome.LOST_RACE:
                if written.incumbent and written.incumbent != control.state.incumbent:
                    control.adopt(written.incumbent, f"somebody moved the branch to {written.incumbent[:12]}")
                return replace(attempt, phase=Phase.REBASING)
            case Outcome.CHECKED_OUT:
                raise LoopError(
                    f"attempt {attempt.number} won, but the branch tenward/{control.record.loop} is checked out, "
                    "and moving it would put the files there out of step",
                    hint="check out another branch there, then run the loop again",
                )
            case Outcome.NUMBER_TAKEN:
                raise LoopError(
                    f"the record has another attempt {attempt.number} than the journal",
                    hint=f"move {control.journal.path} away; what has ended is kept in git",
                )

    async def _rebase(self, attempt: AttemptState, slot: Slot) -> AttemptState:  # noqa: ARG002 - as all steps
        state = self._control.state
        tree = None
        if attempt.rebased < _MOST_REBASES:
            tree = await in_thread(
                lambda: rebase(self._control.record, base=attempt.parent, tree=attempt.tree, onto=state.incumbent)
            )
        if tree is None:
            why = "the incumbent has moved, and the change cannot be put on the new one"
            return self._end(attempt, Status.UNDECIDED, f"undecided: {why}")
        self._control.journal.write(forget=[f"a{attempt.number}"])
        attempt = replace(
            attempt,
            phase=Phase.STAGING,
            parent=state.incumbent,
            epoch=state.epoch,
            tree=tree,
            rebased=attempt.rebased + 1,
            passes=attempt.passes + 1,
            stages=(),
            looks=(),
            decision=None,
            status=None,
            reason="",
            retro={},
            ended=None,
            alarms=(),
            shown={},
            by_unit={},
            **self._learned(state.epoch),
        )
        # An unchanged copy is to be what it is beside. Any other that comes to the same has nothing left to measure.
        if attempt.placebo != UNCHANGED and tree == self._control.tree_of(state.incumbent):
            return self._end(attempt, Status.DISCARD, "discarded: the new incumbent has this change already")
        return attempt

    async def _settle(self, attempt: AttemptState, slot: Slot) -> AttemptState:  # noqa: ARG002 - as all steps
        """Add up what was learned, in one transaction with the end of the attempt."""
        control, state = self._control, self._control.state
        closed = replace(attempt, phase=Phase.CLOSED)
        decision = None if attempt.decision is None else Decision.from_json(dict(attempt.decision))
        assert attempt.status is not None
        state = replace(state, effects=_after(state, attempt))
        if attempt.placebo:
            if decision is not None:  # one that was never decided says nothing of the rule
                state = with_placebo(state, attempt.placebo, kept=decision.outcome == "keep", rule=self._rule)
            control.state = state
            return closed
        counts = dict(state.counts)
        counts[attempt.status.value] = counts.get(attempt.status.value, 0) + 1
        pooled, costs = state.pooled, state.costs
        if decision is not None:
            pooled = Pooled.from_json(dict(pooled)).after(decision).to_json()
            costs = costs.after(attempt.spent, attempt.racing)
        control.state = replace(state, counts=counts, pooled=pooled, costs=costs)
        if attempt.status is Status.KEEP and decision is not None:
            control.state = replace(
                control.state,
                phase=LoopPhase.REJUDGING,
                incumbent=attempt.candidate,
                epoch=state.epoch + 1,
                incumbent_score=None,
                effects={},
                claimed=state.claimed + decision.effect,
            )
        self.proposing.learn(closed)
        control.state = replace(control.state, arms=dict(self.proposing.book.arms))
        return closed


def _after(state: LoopState, attempt: AttemptState) -> Mapping[str, Any]:
    """What is known of the incumbent's errors after an attempt that was not kept."""
    if not state.effects or attempt.epoch != state.epoch or not attempt.shown:
        return state.effects
    effects, shown = CaseEffects.from_json(dict(state.effects)), dict(attempt.shown)
    # An unchanged copy shows the incumbent's errors and nothing else, so it counts, as a proposal of the usual effect
    # would show them. Damage is no proposal: its loss, which all cases share, would be taken for an error of theirs.
    if attempt.placebo == UNCHANGED:
        shown = {unit: difference + effects.expected for unit, difference in shown.items()}
    elif attempt.placebo:
        return state.effects
    return effects.after(shown).to_json()


def ascii_path(path: str) -> str:
    """A path that can be written as UTF-8, whatever bytes it holds."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")
