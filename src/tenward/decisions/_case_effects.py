"""What candidates tell about the incumbent's stored scores, so that later candidates are compared with less noise.

A stored score is the mean of a few passes, and its error is in every difference on that unit until the next keep. Many
candidates meet each unit, so the mean of their differences shows most of that error: a control variate for nothing.

::

    effects = CaseEffects.start(judge_variance=…, passes=…, units=…)      # for each new incumbent
    race.tell(effects.correct(differences, variance=state.dev_variance))  # dev looks only
    effects = effects.after(differences)                                  # when the candidate has ended, uncorrected

Differences go by unit. A candidate is corrected by what earlier ones showed, never by its own scores, so the order of
decisions must be that of learning; keep the value that a race began with beside it, and the race can be run again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from tenward.decisions._evidence import LEAST_UNIT, LEAST_VARIANCE
from tenward.decisions._records import fields, number, whole
from tenward.decisions._settings import RaceSettings
from tenward.errors import UsageError
from tenward.guards import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CaseEffects"]

# All in units. How far the mean of proposals may be from what the prior expects: it bounds what a shared shift is
# taken for.
_EXPECTED_SD = 0.02
# A candidate that lost or gained more than this, and more than two standard errors besides, says that of itself, not of
# the incumbent.
_MOST_LEARNED = 0.1
_ERRORS = 2.0
_INTERACTION = 0.1  # sd of an effect over cases; a guess is enough here
_HINT = "restore the record from its backup, or start the loop afresh"


@dataclass(frozen=True, kw_only=True)
class CaseEffects:
    """Errors of the stored scores of one incumbent, learned from the differences of candidates on dev units.

    The model is d = effect + error of the unit + noise. What a unit's mean deviates from that of all units is shrunk by
    the noise left in it; what all units share is shrunk by how well the mean effect of proposals is known.

    Attributes:
        stored_variance: Variance of a unit's stored score: the judge's variance over the number of passes. 0 for a
            judge that repeats itself, which is never corrected.
        units: Units in play, 1 or more.
        expected: Mean difference that proposals are expected to show.
        unit: What sizes are multiples of; see :attr:`Pooled.unit`. Above 0.
        totals: Number and sum of the differences, by unit.
    """

    stored_variance: float
    units: int
    expected: float
    unit: float
    totals: Mapping[str, tuple[int, float]]

    @classmethod
    def start(
        cls,
        *,
        judge_variance: float,
        passes: int,
        units: int,
        unit: float = 1.0,
        settings: RaceSettings | None = None,
    ) -> Self:
        """Know nothing yet of a new incumbent.

        Args:
            judge_variance: Variance of one pass over the same output, from an A/A calibration. At least 0.
            passes: Passes that a unit's stored score averages, 1 or more; those over all cases of a group count.
            units: Units in play, 1 or more.
            unit: What sizes are multiples of; see :attr:`Pooled.unit`.
            settings: Hold the prior, which says what to expect of proposals; the defaults if None.

        Raises:
            ValueError: A number is out of its range.
        """
        if not 0 <= judge_variance < math.inf or passes < 1 or units < 1:
            found = f"judge_variance {judge_variance}, passes {passes}, units {units}"
            raise ValueError(f"expected a variance of at least 0, and one pass and one unit or more, got {found}")
        prior = (settings or RaceSettings()).prior
        return cls(
            stored_variance=judge_variance / passes,
            units=units,
            expected=prior.expected * unit,
            unit=unit,
            totals={},
        )

    def offset(self, unit: str, *, variance: float) -> float:
        """Return how much too high a difference on a unit is expected to be.

        Args:
            unit: The unit; one that was never met shares what all units share.
            variance: Variance of one difference, as :attr:`Pooled.dev_variance` has it.
        """
        return self._offsets([unit], variance)[unit]

    def correct(self, differences: Mapping[str, float], *, variance: float) -> list[float]:
        """Return differences without the expected errors of the stored scores, in the same order.

        Args:
            differences: Candidate minus incumbent, by dev unit.
            variance: Variance of one difference, as :attr:`Pooled.dev_variance` has it.
        """
        offsets = self._offsets(differences, variance)
        return [difference - offsets[unit] for unit, difference in differences.items()]

    def after(self, differences: Mapping[str, float]) -> Self:
        """Learn from one candidate that was not kept, however far it came.

        What it gained or lost beyond what is expected, by more than 0.1 units and two standard errors, is left out:
        broken and bought candidates would else shift what all cases share.

        Args:
            differences: All it showed on dev units, by unit, *not* corrected.
        """
        totals = dict(self.totals)
        met = max(1, len(differences))
        mean = math.fsum(differences.values()) / met
        variance = 2 * self.stored_variance + (_INTERACTION * self.unit) ** 2
        most = _MOST_LEARNED * self.unit + _ERRORS * math.sqrt(variance / met)
        beyond = mean - min(max(mean, self.expected - most), self.expected + most)
        for unit, difference in differences.items():
            count, total = totals.get(unit, (0, 0.0))
            totals[unit] = (count + 1, total + difference - beyond)
        return replace(self, totals=totals)

    def _offsets(self, units: Mapping[str, float] | list[str], variance: float) -> dict[str, float]:
        met = sum(count for count, _ in self.totals.values())
        if not met or not self.stored_variance:
            return dict.fromkeys(units, 0.0)
        variance = max(variance, LEAST_VARIANCE)
        mean = math.fsum(total for _, total in self.totals.values()) / met
        common = self.stored_variance / self.units
        shared = (mean - self.expected) * common / (common + (_EXPECTED_SD * self.unit) ** 2 + variance / met)
        offsets: dict[str, float] = {}
        for unit in units:
            count, total = self.totals.get(unit, (0, 0.0))
            weight = count * self.stored_variance / (count * self.stored_variance + variance)
            offsets[unit] = shared + (weight * (total / count - mean) if count else 0.0)
        return offsets

    def to_json(self) -> dict[str, object]:
        """Plain values; JSON keeps every bit of the numbers."""
        return {
            "stored_variance": self.stored_variance,
            "units": self.units,
            "expected": self.expected,
            "unit": self.unit,
            "totals": {unit: list(pair) for unit, pair in self.totals.items()},
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            UsageError: The value is damaged.
        """
        part = fields(value, of="case effects", names=("stored_variance", "units", "expected", "unit", "totals"))
        totals, units = part["totals"], whole(part["units"], of="case effects.units")
        if not is_mapping(totals) or units < 1:
            raise UsageError(
                "case effects: found other values, expected a unit or more, and totals by unit", hint=_HINT
            )
        return cls(
            stored_variance=number(part["stored_variance"], of="case effects.stored_variance", least=0.0),
            units=units,
            expected=number(part["expected"], of="case effects.expected"),
            unit=number(part["unit"], of="case effects.unit", least=LEAST_UNIT),
            totals={str(unit): _pair(pair, of=f"case effects.totals.{unit}") for unit, pair in totals.items()},
        )


def _pair(value: object, *, of: str) -> tuple[int, float]:
    if not is_list(value) or len(value) != 2:
        raise UsageError(f"{of}: found {value!r}, expected a number of differences and their sum", hint=_HINT)
    return whole(value[0], of=of), number(value[1], of=of)
