"""Scores of candidates and incumbents: measured once, in the journal as soon as they are there."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from tenward.decisions import CaseEffects, PosteriorRace, passes
from tenward.judges import all_of
from tenward.loop._commands import in_thread
from tenward.loop._states import ProgressEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tenward.decisions import Pooled
    from tenward.loop._bench import Bench, Unit
    from tenward.loop._control import Control
    from tenward.loop._journal import CaseScore
    from tenward.loop._slots import Slot

__all__ = ["Incumbent", "ScoreTable", "candidate_sample", "cases_of", "mean"]

Split = Literal["dev", "sealed"]

# Numbers of passes: the same text judged on purpose once more is another call, so no two uses share a number.
_PER_EPOCH = 100
_CANDIDATES = 1_000_000_000
_CONTROLS = 2_000_000_000
_PER_CANDIDATE = 100


def candidate_sample(number: int, again: int, nth: int = 0) -> int:
    """The number of a pass over the candidate of an attempt.

    Args:
        number: The attempt.
        again: How often it was put on another incumbent, after which it is judged anew; 0 to 9.
        nth: Which of several passes; 0 to 9.
    """
    return _CANDIDATES + number * _PER_CANDIDATE + again * 10 + nth


def cases_of(units: Iterable[Unit]) -> list[str]:
    """The cases of units, in their order."""
    return [case for unit in units for case in unit]


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is there; None if nothing is."""
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


class ScoreTable:
    """The scores of one subject, by case and pass.

    Args:
        control: The loop.
        bench: What measures.
        subject: Whose scores they are in the journal.
    """

    def __init__(self, control: Control, bench: Bench, subject: str) -> None:
        self.subject = subject
        self._control = control
        self._bench = bench
        self._rows: dict[str, dict[int, CaseScore]] = {}
        for score in control.journal.scores(subject):
            self._rows.setdefault(score.case_id, {})[score.sample] = score

    def lacks(self, case: str, sample: int) -> bool:
        """Whether a pass over a case was not measured yet."""
        return sample not in self._rows.get(case, {})

    def rows(self, case: str) -> list[CaseScore]:
        """All passes over a case."""
        return [self._rows[case][sample] for sample in sorted(self._rows.get(case, {}))]

    def all(self) -> list[CaseScore]:
        """Everything, by case and pass."""
        return [row for case in sorted(self._rows) for row in self.rows(case)]

    def value(self, case: str) -> float | None:
        """Mean over the passes that gave a score; None if none did."""
        return mean(row.value for row in self.rows(case))

    def values(self, cases: Iterable[str]) -> dict[str, float | None]:
        """Mean over passes, by case."""
        return {case: self.value(case) for case in cases}

    def unheard(self, case: str) -> bool:
        """Whether no pass gave a score, and one of them for a reason that the text may have caused."""
        rows = self.rows(case)
        return all(row.value is None for row in rows) and any(row.unheard for row in rows)

    def values_at_worst(self, cases: Iterable[str]) -> dict[str, float | None]:
        """As :meth:`values`, where a text that may have caused its judge to fail is worth nothing."""
        return {case: 0.0 if self.unheard(case) else self.value(case) for case in cases}

    def criterion(self, name: str, cases: Iterable[str]) -> dict[str, float | None]:
        """The same for one criterion, as a share of the scale."""
        return {case: mean(row.criteria.get(name) for row in self.rows(case)) for case in cases}

    def is_judged(self, case: str) -> bool:
        """Whether a judge gave every score of a case; a crash and a failed gate are worth 0 without one."""
        return all(row.judged for row in self.rows(case) if row.value is not None)

    def says_little(self, case: str) -> bool:
        """Whether a case was judged, and without any words but those that a judge gives unasked."""
        verdicts = [row.result.get("verdict") for row in self.rows(case)[:1] if row.result is not None]
        return any(
            verdict
            and not any(
                one.get("checks" if verdict.get("words") == "program" else "reason") for one in verdict["criteria"]
            )
            for verdict in verdicts
        )

    def take_words(self, said: CaseScore) -> None:
        """Put the result of another pass over a case, with words, in place of its first one's; no number changes."""
        first = self.rows(said.case_id)[0]
        if said.result is not None and said.output == first.output:
            self._rows[said.case_id][first.sample] = score = replace(first, result=said.result)
            self._control.scored(self.subject, score)

    def put(self, score: CaseScore) -> None:
        """Have a score stand in place of that of the same case and pass."""
        self._rows.setdefault(score.case_id, {})[score.sample] = score
        self._control.scored(self.subject, score)

    async def fill(
        self,
        wanted: Sequence[tuple[str, int]],
        *,
        split: Split,
        tree: str,
        slot: Slot,
        doing: str,
        number: int = 0,
        explain: bool = False,
        fresh: bool = False,
    ) -> None:
        """Measure what is missing, all at the same time as far as calls allow.

        Args:
            wanted: Cases and passes.
            split: Where the cases come from.
            tree: The files to measure.
            slot: Where they are put; nobody else may use it meanwhile.
            doing: What for, in a word or two.
            number: The attempt; 0 for an incumbent.
            explain: Ask for words as well.
            fresh: Ask even an exact judge again.

        Raises:
            OutOfBudgetError: A limit was reached; what was measured so far is kept.
            TenwardError: No case could be measured.
        """
        missing = [(case, sample) for case, sample in wanted if self.lacks(case, sample)]
        if not missing:
            return
        laid = self._control.laid(tree)
        if slot.base != laid or self._bench.runs_commands:
            await in_thread(lambda: slot.reset(laid))
        done = 0

        async def one(case: str, sample: int) -> None:
            nonlocal done
            async with limit:
                asked = self._control.exact_pass if self._control.exact and not fresh else sample
                score = await self._bench.measure(
                    case, split=split, sample=asked, tree=tree, slot=slot, explain=explain
                )
            self.put(replace(score, sample=sample))
            done += 1
            self._control.emit(ProgressEvent(number=number, doing=doing, done=done, total=len(missing)))

        limit = asyncio.Semaphore(self._control.concurrency)
        await all_of(one(case, sample) for case, sample in missing)


class Incumbent:
    """One incumbent and what it scored, shared by all attempts against it.

    Args:
        control: The loop.
        bench: What measures.
        epoch: Which incumbent it is.
        commit: Its files.
        slot: Where it is measured.
        judge_sd: Standard deviation of one pass of the judge; None before the calibration.
        unit: What sizes are multiples of, as the calibration saw it; 0 before it, or where it saw none.
    """

    def __init__(
        self,
        control: Control,
        bench: Bench,
        *,
        epoch: int,
        commit: str,
        slot: Slot,
        judge_sd: float | None,
        unit: float = 0.0,
    ) -> None:
        self.epoch = epoch
        self.commit = commit
        self.scores = ScoreTable(control, bench, f"e{epoch}")
        self.judge_sd = judge_sd
        self.unit = unit
        self._control = control
        self._bench = bench
        self._slot = slot
        self._turn = control.incumbent_turn
        self._put_in_words: set[str] = set()
        units = list(bench.dev)
        control.dice("in play", epoch).shuffle(units)
        most = getattr(getattr(control.spec.rule, "settings", control.spec.rule), "in_play", None)
        self.in_play: tuple[Unit, ...] = tuple(units[:most])
        sealed = list(bench.sealed)
        control.dice("sealed").shuffle(sealed)  # the same order for every incumbent
        self.sealed: tuple[Unit, ...] = tuple(sealed)

    @property
    def corrected(self) -> bool:
        """Whether dev differences from it are corrected by what earlier candidates showed of its scores."""
        race = isinstance(self._control.spec.rule, PosteriorRace)
        # On a single case an error of its own cannot be told from that of all cases.
        return race and self._bench.scored_by_judge and len(self.in_play) > 1

    def passes(self, split: Split) -> int:
        """How many passes the judge's noise asks for, over one case."""
        if not self._bench.scored_by_judge:
            return 1
        return passes(self.judge_sd or 0.0, unit=self.unit, split=split, corrected=split == "dev" and self.corrected)

    def effects(self, pooled: Pooled) -> dict[str, object]:
        """What is known of the errors of its scores before any candidate, as data; empty if nothing is to correct.

        Args:
            pooled: What the rule has learned.
        """
        if not self.corrected or not self.judge_sd:
            return {}
        units = self.in_play
        scores = sum(row.value is not None for case in cases_of(units) for row in self.scores.rows(case))
        rule = self._control.spec.rule_under(self.judge_sd)
        return CaseEffects.start(
            judge_variance=self.judge_sd**2,
            passes=max(1, scores // len(units)),
            units=len(units),
            unit=pooled.unit,
            settings=rule.settings if isinstance(rule, PosteriorRace) else None,
        ).to_json()

    def order(self, number: int) -> tuple[Unit, ...]:
        """The dev units in play, in the order in which an attempt meets them."""
        units = list(self.in_play)
        self._control.dice("order", number).shuffle(units)
        return tuple(units)

    async def measure(self, cases: Sequence[str], *, split: Split, doing: str, at_least: int = 1) -> None:
        """See to it that cases have as many passes as the judge's noise asks for.

        Args:
            cases: The cases.
            split: Where they come from.
            doing: What for, in a word or two.
            at_least: More passes than that, if it asks for fewer.
        """
        count = max(at_least, self.passes(split)) if self._bench.scored_by_judge else 1
        first = self.epoch * _PER_EPOCH + (0 if split == "dev" else _PER_EPOCH // 2)
        async with self._turn:
            for nth in range(count):
                await self.scores.fill(
                    [(case, first + nth) for case in cases],
                    split=split,
                    tree=self._control.tree_of(self.commit),
                    slot=self._slot,
                    doing=doing,
                )

    async def put_in_words(self, cases: Sequence[str], *, number: int) -> bool:
        """Have the judge say what it found in dev cases as far as that costs extra; the numbers stay.

        Args:
            cases: The few cases that a proposer is shown: checks and a model's words are not free.
            number: The attempt it is done for.

        Returns:
            Whether there are words that were not there before.
        """
        if not self._bench.words_cost_extra():
            return False
        async with self._turn:
            wanted = [case for case in cases if case not in self._put_in_words and self.scores.says_little(case)]
            self._put_in_words.update(wanted)
            table = ScoreTable(self._control, self._bench, f"w{number}")
            await table.fill(
                [(case, self.epoch * _PER_EPOCH) for case in wanted],
                split="dev",
                tree=self._control.tree_of(self.commit),
                slot=self._slot,
                doing="words",
                number=number,
                explain=True,
            )
            for row in table.all():
                self.scores.take_words(row)
            if wanted:
                self._control.update(forget=[table.subject])
            return bool(wanted)

    def works_on(self, case: str) -> bool:
        """Whether it came to a score on a case."""
        return any(row.value is not None and not row.crashed for row in self.scores.rows(case))

    @property
    def worth_nothing(self) -> bool:
        """Whether each of its dev cases fails a gate or crashes, so that it is worth 0 before any judge is asked."""
        cases = cases_of(self.in_play)
        return bool(cases) and all(self.scores.value(case) == 0 and not self.scores.is_judged(case) for case in cases)

    async def try_out(self, case: str, *, split: Split, number: int, slot: Slot) -> CaseScore:
        """Measure it once more on one case, to see whether the evaluator works; the score is not kept.

        Args:
            case: The case.
            split: Where it comes from.
            number: The attempt that it is done for; 0 for none.
            slot: Where it is put.

        Raises:
            TenwardError: The evaluator does not work at all.
        """
        table = ScoreTable(self._control, self._bench, f"c{number}")
        await table.fill(
            [(case, _CONTROLS + number)],
            split=split,
            tree=self._control.tree_of(self.commit),
            slot=slot,
            doing="control",
            number=number,
            fresh=True,
        )
        self._control.update(forget=[table.subject])
        return table.rows(case)[0]

    def table(self) -> Mapping[str, Sequence[float | None]]:
        """All passes over the cases in play, by case, as a calibration takes them."""
        return {case: [row.value for row in self.scores.rows(case)] for case in cases_of(self.in_play)}

    def weigh_anew(self, weighed: Callable[[CaseScore], CaseScore]) -> None:
        """Put other values in place of those of the scores there are, as when weights are taken out."""
        for row in self.scores.all():
            self.scores.put(weighed(row))

    def forget(self) -> None:
        """Drop all its scores, here and in the journal: the evaluator was at fault."""
        self._control.update(forget=[self.scores.subject])
        self.scores = ScoreTable(self._control, self._bench, self.scores.subject)

    @property
    def mean(self) -> float | None:
        """Its mean on the cases in play."""
        return mean(self.scores.values(cases_of(self.in_play)).values())
