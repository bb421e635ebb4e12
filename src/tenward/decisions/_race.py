"""The race itself: looks in their order, one reading at each, missing verdicts and floors. Rules supply the reading."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tenward.decisions._digits import signed
from tenward.decisions._evidence import Evidence, Sample
from tenward.decisions._floors import Floor, FloorFinding, check_floor
from tenward.decisions._rule import Decision, Look, Outcome, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenward.decisions._evidence import Leaps
    from tenward.decisions._pooled import Pooled

__all__ = ["Reading", "Sight", "Step", "SteppedRace"]

Step = Literal["more", "ask", "keep", "discard"]
_VERBS: dict[Outcome, str] = {"keep": "kept", "discard": "discarded", "undecided": "undecided"}


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a rule sees at one look."""

    split: Split
    last: bool
    """Whether this split has no further look."""

    to_come: int
    """Units of this split that were not judged yet."""

    dev: tuple[float, ...]
    """All differences on dev units so far."""

    sealed: tuple[float, ...]
    """All differences on sealed units so far."""

    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a rule makes of one look."""

    step: Step
    """``ask`` goes on to the sealed units. At the last look of a split ``more`` ends undecided."""

    why: str
    """One clause for people."""

    effect: float
    low: float | None
    """None where there is too little to tell, or where the race goes on and nobody asks."""

    high: float | None
    p_better: float | None = None
    fooling: float | None = None
    leaps: Leaps | None = None


class SteppedRace:
    """A race in looks: the driver that all shipped rules share.

    A look at which more than half of the split's units lack a difference decides nothing; when it is the last one, the
    race ends undecided. A keep must also hold every floor: while one is unclear the race goes on, and ends undecided
    when the units run out; one that is lowered ends it at once.

    Args:
        read: The rule: a pure function of what is seen.
        looks: Units at each look, rising, at least one on dev; sealed looks for a rule that ever says ``ask``.
        state: What earlier candidates taught, to weigh the differences with.
        floors: Criteria that may not be lowered, judged on the split that decides.
        noun: What a unit is called.

    Raises:
        ValueError: There is no dev look.
    """

    def __init__(
        self,
        *,
        read: Callable[[Sight], Reading],
        looks: Mapping[Split, Sequence[int]],
        state: Pooled,
        floors: Sequence[Floor] = (),
        noun: str = "case",
    ) -> None:
        if not looks.get("dev"):
            raise ValueError("a race needs at least one dev look")
        self._read = read
        self._looks = {split: tuple(units) for split, units in looks.items()}
        self._state = state
        self._floors = tuple(floors)
        self._noun = noun
        self._told: dict[Split, list[float]] = {"dev": [], "sealed": []}
        self._criteria: dict[str, list[float]] = {floor.criterion: [] for floor in floors}
        self._split: Split = "dev"
        self._index = 0
        self._decision: Decision | None = None

    def next(self) -> Look | Decision:
        """What to judge next, or how it ended. Asking twice changes nothing."""
        if self._decision is not None:
            return self._decision
        return Look(split=self._split, units=self._looks[self._split][self._index])

    def tell(self, differences: Sequence[float], criteria: Mapping[str, Sequence[float]] | None = None) -> None:
        """Answer the look of :meth:`next`; see :meth:`Race.tell`."""
        self._take(differences, criteria or {})
        sight = self._sight()
        reading = self._read(sight)
        step: str = reading.step
        findings: list[FloorFinding] = []
        reached, told = self._looks[self._split][self._index], len(self._told[self._split])
        if 2 * told < reached:
            step = "undecided" if sight.last else "more"
            why = f"only {told} of {self._count(reached, self._split)} have a verdict on both sides"
        else:
            why = f"{reading.why}; about {signed(reading.effect)} on {self._where(sight.evidence)}"
            if step == "keep":
                findings = [
                    check_floor(floor, Sample.of(self._criteria[floor.criterion]), unit=sight.evidence.unit)
                    for floor in self._floors
                ]
                step, why = _mind_floors(findings, why, last=sight.last)
            elif step == "more" and sight.last:
                step = "undecided"
        if step == "more":
            self._index += 1
        elif step == "ask":
            self._split, self._index = "sealed", 0
            self._criteria = {name: [] for name in self._criteria}
        else:
            outcome: Outcome = "keep" if step == "keep" else "discard" if step == "discard" else "undecided"
            self._decision = Decision(
                outcome=outcome,
                reason=f"{_VERBS[outcome]}: {why}",
                effect=reading.effect,
                low=reading.low,
                high=reading.high,
                p_better=reading.p_better,
                fooling=reading.fooling,
                leaps=reading.leaps,
                evidence=sight.evidence,
                floors=tuple(finding.text for finding in findings),
            )

    def _take(self, differences: Sequence[float], criteria: Mapping[str, Sequence[float]]) -> None:
        """Check what was told, all of it before any of it counts."""
        if self._decision is not None:
            raise ValueError("the race is over; start another one for the next candidate")
        looks = self._looks[self._split]
        new = looks[self._index] - (looks[self._index - 1] if self._index else 0)
        missing = [name for name in self._criteria if name not in criteria]
        if missing:
            raise ValueError(f"no differences for criteria with a floor: {', '.join(missing)}")
        for name, values in (("", differences), *((name, criteria[name]) for name in self._criteria)):
            of = f" of {name}" if name else ""
            if len(values) > new:
                raise ValueError(f"{len(values)} differences{of} for {new} new units")
            if not all(math.isfinite(value) for value in values):
                raise ValueError(f"differences{of} must be finite; leave out a unit without a verdict")
        self._told[self._split] += differences
        for name in self._criteria:
            self._criteria[name] += criteria[name]

    def _sight(self) -> Sight:
        looks = self._looks[self._split]
        return Sight(
            split=self._split,
            last=self._index + 1 == len(looks),
            to_come=looks[-1] - looks[self._index],
            dev=tuple(self._told["dev"]),
            sealed=tuple(self._told["sealed"]),
            evidence=self._state.weigh(self._told["dev"], self._told["sealed"]),
        )

    def _count(self, units: int, split: Split) -> str:
        return f"{units} {split} {self._noun}{'' if units == 1 else 's'}"

    def _where(self, evidence: Evidence) -> str:
        if self._split == "dev":
            return self._count(evidence.dev.n, "dev")
        return f"{evidence.dev.n} dev and {self._count(evidence.sealed.n, 'sealed')}"


def _mind_floors(findings: Sequence[FloorFinding], why: str, *, last: bool) -> tuple[str, str]:
    """Return the step and the reason of a candidate that is good enough as a whole."""
    lowered = [finding.text for finding in findings if finding.status == "lowered"]
    unclear = [finding.text for finding in findings if finding.status == "unclear"]
    if lowered:
        return "discard", f"{why}, but {'; '.join(lowered)}"
    if unclear:
        return "undecided" if last else "more", f"{why}, but {'; '.join(unclear)}"
    return "keep", why
