"""What every decision rule speaks: it asks for looks, is told differences, and ends in a decision. It does no I/O.

::

    race = rule.start(state, dev=30, sealed=120)
    while isinstance(step := race.next(), Look):
        race.tell(differences_of_the_next(step.units, step.split))
    state = state.after(step)          # whatever the end

The same state and the same differences give the same decision, so a killed loop tells a new race what it had told the
old one and goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

from tenward.decisions._evidence import MOST_PROBABLE, Evidence, Leaps
from tenward.decisions._records import fields, number
from tenward.errors import UsageError
from tenward.guards import is_list

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.decisions._floors import Floor
    from tenward.decisions._pooled import Pooled

__all__ = ["Decision", "DecisionRule", "Look", "Outcome", "Race", "Split"]

Split = Literal["dev", "sealed"]
Outcome = Literal["keep", "discard", "undecided"]
_OUTCOMES: tuple[Outcome, ...] = ("keep", "discard", "undecided")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the race wants judged next."""

    split: Split
    units: int
    """Units of the split to have reached by then, those of earlier looks included. A unit is a case, or a group."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How a candidate's race ended, and why."""

    outcome: Outcome
    """``keep``, ``discard``, or ``undecided`` where verdicts were missing or a floor stayed unclear to the end."""

    reason: str
    """One line for people, such as ``kept: P(better) 0.941; about +0.041 on 30 dev and 64 sealed cases``."""

    effect: float
    """Estimate of the true gain, on the scale of the differences. What a keep claims."""

    low: float | None
    """Lower end of its 90 % interval; None where there is too little to tell."""

    high: float | None
    """Upper end of its 90 % interval; None where there is too little to tell."""

    p_better: float | None
    """P(effect > 0); None for rules that do not state it."""

    evidence: Evidence
    """What it rests on."""

    floors: tuple[str, ...] = ()
    """What was found of each floor when the whole was good enough to keep; empty when it never was."""

    fooling: float | None = None
    """P(worse, and the dev judge takes it for better); None where no sealed unit was judged, and for rules that do not
    state it."""

    leaps: Leaps | None = None
    """P(a large gain) and P(what only seems one), for :meth:`Pooled.after` to learn from; None where ``fooling`` is."""

    def to_json(self) -> dict[str, object]:
        """Plain values; JSON keeps every bit of the numbers."""
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "effect": self.effect,
            "low": self.low,
            "high": self.high,
            "p_better": self.p_better,
            "fooling": self.fooling,
            "leaps": None if self.leaps is None else self.leaps.to_json(),
            "evidence": self.evidence.to_json(),
            "floors": list(self.floors),
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            UsageError: The value is damaged.
        """
        names = ("outcome", "reason", "effect", "low", "high", "p_better", "fooling", "leaps", "evidence", "floors")
        part = fields(value, of="decision", names=names)
        floors, reason = part["floors"], part["reason"]
        if not is_list(floors) or not isinstance(reason, str):
            raise UsageError(
                "decision: found other values, expected a text as reason and a list as floors",
                hint="restore the record from its backup, or start the loop afresh",
            )
        return cls(
            outcome=_outcome(part["outcome"]),
            reason=reason,
            effect=number(part["effect"], of="decision.effect"),
            low=_optional(part["low"], of="decision.low"),
            high=_optional(part["high"], of="decision.high"),
            p_better=_probability(part["p_better"], of="decision.p_better"),
            fooling=_probability(part["fooling"], of="decision.fooling"),
            leaps=None if part["leaps"] is None else Leaps.from_json(part["leaps"]),
            evidence=Evidence.from_json(part["evidence"]),
            floors=tuple(str(floor) for floor in floors),
        )


def _outcome(value: object) -> Outcome:
    for outcome in _OUTCOMES:
        if value == outcome:
            return outcome
    raise UsageError(
        f"decision.outcome: found {value!r}, expected keep, discard or undecided",
        hint="restore the record from its backup, or start the loop afresh",
    )


def _optional(value: object, *, of: str) -> float | None:
    return None if value is None else number(value, of=of)


def _probability(value: object, *, of: str) -> float | None:
    return None if value is None else number(value, of=of, least=0.0, most=MOST_PROBABLE)


class Race(Protocol):
    """One candidate on its way to a decision."""

    def next(self) -> Look | Decision:
        """What to judge next, or how it ended. Asking twice changes nothing."""
        ...

    def tell(self, differences: Sequence[float], criteria: Mapping[str, Sequence[float]] | None = None) -> None:
        """Answer the look of :meth:`next`.

        Args:
            differences: Candidate minus incumbent, of the units *new* in this look. A unit without a verdict on either
                side is left out.
            criteria: The same per criterion, for each criterion with a floor.

        Raises:
            ValueError: The race is over, there are more differences than units, one is not finite, or a criterion with
                a floor is missing.
        """
        ...


class DecisionRule(Protocol):
    """When a change is kept.

    After a keep, the caller throws the winner's scores away and judges the new incumbent afresh: a winning score is
    partly luck. What the incumbent scored on sealed cases is forgotten as well.
    """

    def start(self, state: Pooled, *, dev: int, sealed: int, floors: Sequence[Floor] = (), noun: str = "case") -> Race:
        """Begin the race of one candidate.

        Args:
            state: What earlier candidates taught.
            dev: Dev units there are, in an order drawn afresh for each candidate.
            sealed: Sealed units there are, in one fixed order.
            floors: Criteria that may not be lowered.
            noun: What a unit is called in reasons: ``case`` or ``group``.

        Raises:
            UsageError: There are too few units for this rule.
        """
        ...
