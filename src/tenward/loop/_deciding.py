"""One candidate against the incumbent: look by look, until the rule has decided."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions import CaseEffects, Decision, Look, Pooled, differences_by_unit, signed, unit_differences
from tenward.loop._control import BrokenEvaluatorError
from tenward.loop._scores import ScoreTable, candidate_sample, cases_of, mean
from tenward.loop._states import LookState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tenward.decisions import DecisionRule, Floor, Split
    from tenward.loop._bench import Bench, Unit
    from tenward.loop._control import Control
    from tenward.loop._scores import Incumbent
    from tenward.loop._slots import Slot
    from tenward.loop._states import AttemptState

__all__ = ["CandidateCrashedError", "Duel", "IncumbentMovedError", "Verdicts"]

_HOPELESS = 1.645


class CandidateCrashedError(Exception):
    """The candidate fails where the incumbent does not; the message is the end of what it said.

    Args:
        said: That.
        split: Of the case; what was said of a sealed one is for people alone.
    """

    def __init__(self, said: str, split: Split) -> None:
        super().__init__(said)
        self.split = split


class IncumbentMovedError(Exception):
    """The incumbent was replaced meanwhile, so the dear part of the race would be in vain."""


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What a race came to."""

    looks: tuple[LookState, ...]
    decision: Decision
    score: float | None
    """The candidate's mean on the dev cases it met."""

    incumbent_score: float | None
    """The incumbent's on the same."""


class Duel:
    """A candidate beside the incumbent it was made from.

    Args:
        control: The loop.
        bench: What measures.
        incumbent: The incumbent.
        attempt: The candidate; its tree is known.
        slot: Where it is measured.
        but_not: Dev cases that cannot test it, since it or the incumbent shows their answers.
    """

    def __init__(
        self,
        control: Control,
        bench: Bench,
        incumbent: Incumbent,
        attempt: AttemptState,
        slot: Slot,
        *,
        but_not: Collection[str] = (),
    ) -> None:
        self._control = control
        self._bench = bench
        self._incumbent = incumbent
        self._attempt = attempt
        self._slot = slot
        # A single case is no sample of cases, so at least the judge's noise is averaged out, on either side alike.
        passes = incumbent.passes("dev") if len(bench.dev) == 1 else 1
        self._samples = [candidate_sample(attempt.number, attempt.passes, nth) for nth in range(passes)]
        self._order: dict[Split, Sequence[Unit]] = {
            "dev": [unit for unit in incumbent.order(attempt.number) if not set(unit) & set(but_not)],
            "sealed": incumbent.sealed,
        }
        self.table = ScoreTable(control, bench, f"a{attempt.number}")
        self._pooled = Pooled.from_json(dict(attempt.pooled))
        self._effects = CaseEffects.from_json(dict(attempt.effects)) if attempt.effects else None
        self.shown: dict[str, float] = {}
        """What the candidate showed so far; see :attr:`AttemptState.shown`."""

        self.by_unit: dict[str, float] = {}
        """The same, whoever scored; see :attr:`AttemptState.by_unit`."""

    async def decide(self, rule: DecisionRule, floors: Sequence[Floor]) -> Verdicts:
        """Race to the decision. The same scores give the same decision, so a race that was cut short is run again.

        Raises:
            CandidateCrashedError: It does not work.
            IncumbentMovedError: There is a new incumbent, and only the sealed cases are left.
            BrokenEvaluatorError: The incumbent does not work any more either.
            OutOfBudgetError: A limit was reached.
        """
        race = rule.start(
            self._pooled,
            dev=len(self._order["dev"]),
            sealed=len(self._order["sealed"]),
            floors=floors,
            noun=self._bench.noun,
        )
        reached: dict[Split, int] = {"dev": 0, "sealed": 0}
        looks: list[LookState] = []
        while isinstance(step := race.next(), Look):
            if step.split == "sealed" and self._control.state.epoch != self._attempt.epoch:
                raise IncumbentMovedError
            new = self._order[step.split][reached[step.split] : step.units]
            differences = await self.look(new, step.split)
            criteria = {floor.criterion: tuple(self._criterion(floor.criterion, new)) for floor in floors}
            looks.append(
                LookState(split=step.split, units=step.units, differences=tuple(differences), criteria=criteria)
            )
            race.tell(differences, criteria)
            reached[step.split] = step.units
        met = cases_of(self._order["dev"][: reached["dev"]])
        return Verdicts(
            looks=tuple(looks),
            decision=step,
            score=mean(self.table.values(met).values()),
            incumbent_score=mean(self._incumbent.scores.values(met).values()),
        )

    async def look(self, units: Sequence[Unit], split: Split) -> list[float]:
        """Measure units on both sides and return the differences of those with a score on both, as rules take them.

        Raises:
            CandidateCrashedError: As :meth:`decide`.
            BrokenEvaluatorError: As :meth:`decide`.
        """
        cases = cases_of(units)
        await self._incumbent.measure(cases, split=split, doing=f"incumbent, {split}")
        await self.table.fill(
            [(case, sample) for case in cases for sample in self._samples],
            split=split,
            tree=self._attempt.tree,
            slot=self._slot,
            doing=f"{split} look",
            number=self._attempt.number,
        )
        await self._check(cases, split)
        factor = self._bench.factor(self._incumbent.mean)
        new, old = self.table.values_at_worst(cases), self._incumbent.scores.values(cases)
        differences = differences_by_unit(_times(new, factor), _times(old, factor), self._bench.groups)
        if split == "dev":
            self.by_unit |= differences
        if split == "sealed" or self._effects is None:
            return list(differences.values())
        # What no judge said has none of a judge's error: there is nothing to correct, and nothing to learn.
        tables = (self.table, self._incumbent.scores)
        judged = {unit[0] for unit in units if all(table.is_judged(case) for table in tables for case in unit)}
        shown = {unit: difference for unit, difference in differences.items() if unit in judged}
        self.shown |= shown
        corrected = dict(zip(shown, self._effects.correct(shown, variance=self._pooled.dev_variance), strict=True))
        return [corrected.get(unit, difference) for unit, difference in differences.items()]

    async def looks_hopeless(self, units: int) -> tuple[bool, str]:
        """Whether a first glance rules the candidate out: its whole 90 % interval lies below 0.

        Args:
            units: How many dev units to look at.
        """
        chosen = self._order["dev"][:units]
        differences = await self.look(chosen, "dev")
        if not differences:
            return False, "no case has a score on both sides"
        middle = math.fsum(differences) / len(differences)
        variance = self._pooled.dev_variance if self._bench.scored_by_judge else 0.0
        margin = _HOPELESS * math.sqrt(variance / len(differences))
        count = f"{len(differences)} {self._bench.noun}{'' if len(differences) == 1 else 's'}"
        return middle + margin < 0, f"{signed(middle, margin)} on {count}, ±{signed(margin, middle)[1:]}"

    def _criterion(self, name: str, units: Sequence[Unit]) -> list[float]:
        cases = cases_of(units)
        new, old = self.table.criterion(name, cases), self._incumbent.scores.criterion(name, cases)
        return unit_differences(new, old, self._bench.groups)

    async def _check(self, cases: Sequence[str], split: Split) -> None:
        """Where most of the candidate's cases failed, find out whether it is the candidate's fault."""
        rows = [row for case in cases for row in self.table.rows(case) if row.sample in self._samples]
        crashed = [row for row in rows if row.crashed]
        missing = [row for row in rows if row.value is None]
        all_crashed = len(crashed) == len(rows) or (crashed and not self._bench.scored_by_judge)
        if not rows or not (all_crashed or 2 * len(missing) > len(rows)):
            return
        works = [row for row in crashed or missing if self._incumbent.works_on(row.case_id)]
        if all_crashed and self._bench.scored_by_judge and not works:
            return  # on these cases the incumbent crashes as well, and both are worth nothing there
        failed = (works or crashed or missing)[0]
        check = await self._incumbent.try_out(failed.case_id, split=split, number=self._attempt.number, slot=self._slot)
        if check.value is None or check.crashed:
            # Nothing of this says anything about the candidate: it is measured again once the evaluator works.
            self._control.update(forget=[self.table.subject])
            where = f", at case {failed.case_id!r}" if self._control.spec.has_cases else ""
            raise BrokenEvaluatorError(f"the evaluator fails on the incumbent as well{where}", check.problem)
        if all_crashed:
            raise CandidateCrashedError(failed.problem, split)


def _times(values: dict[str, float | None], factor: float) -> dict[str, float | None]:
    return {case: None if value is None else factor * value for case, value in values.items()}
