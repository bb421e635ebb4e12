"""The number a report may claim: the winner against the baseline, both judged afresh on all sealed cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions._digits import signed
from tenward.decisions._evidence import Sample
from tenward.decisions._student import t_interval
from tenward.decisions._units import group_units, unit_differences
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Headline", "headline"]

# Scores that people call equal, such as 0.1 + 0.2 and 0.3, differ by rounding, alike in each unit: an interval without
# width, a hair above 0. No scale has steps as small as this.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Headline:
    """Mean paired difference with its 95 % t interval over units."""

    gain: float
    low: float
    high: float
    units: int
    """Units with a score on both sides."""

    missing: int
    """Units without one."""

    noun: str = "case"
    """What a unit is called."""

    @property
    def confirmed(self) -> bool:
        """Whether the whole interval lies above 0, by more than rounding."""
        return self.low > _ROUNDING

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{'confirmed' if self.confirmed else 'not confirmed'}: {self.found}"

    @property
    def found(self) -> str:
        """What was found, without a verdict."""
        missing = f"; {self.missing} more without a verdict on both sides" if self.missing else ""
        numbers = (self.gain, self.low, self.high)
        gain, low, high = (signed(number, *numbers) for number in numbers)
        interval = f"95 % interval {low} to {high}"
        return f"{gain} ({interval}) on {self.units} sealed {self.noun}s{missing}"


def headline(
    baseline: Mapping[str, float | None],
    winner: Mapping[str, float | None],
    groups: Mapping[str, str] | None = None,
    *,
    noun: str = "case",
) -> Headline:
    """Compare the first and the last incumbent on sealed cases.

    The interval is Student's t over units: with tens of bounded differences it covers about as it says, and it needs no
    random numbers. Both sides must be judged afresh for it: scores that took part in a keep are partly luck.

    Args:
        baseline: Score by case id; None where there is no verdict.
        winner: The same for the winner.
        groups: Group by case id, for cases that have one.
        noun: What a unit is called: ``case`` or ``group``.

    Raises:
        UsageError: Fewer than two units have a score on both sides.
    """
    sample = Sample.of(unit_differences(winner, baseline, groups))
    if sample.n < 2:
        raise UsageError(
            f"headline: found {sample.n} sealed {noun}s with a score on both sides, expected at least 2",
            hint="judge the baseline and the winner on the same sealed cases",
        )
    low, high = t_interval(sample, 0.95)
    units = len(group_units([*winner, *baseline], groups))
    return Headline(gain=sample.mean, low=low, high=high, units=sample.n, missing=units - sample.n, noun=noun)
