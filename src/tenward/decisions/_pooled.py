"""What every candidate teaches: how much differences vary, and how often effects are large. All a rule remembers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tenward.decisions._evidence import LEAST_VARIANCE, Evidence, Leaps, Sample
from tenward.decisions._records import fields, number
from tenward.decisions._settings import RaceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenward.decisions._rule import Decision

__all__ = ["Pooled"]

_MEMORY = 3000.0
_LENT = 20.0
_LEAPS_WORTH = 100.0
_MOST_LEAPS = 0.2


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Pooled variance of the differences within candidates, and the shares of those with large effects.

    Attributes:
        dev_squares: Sum of squared deviations from each candidate's own mean, on dev units.
        dev_freedom: Degrees of freedom of that sum, at least 1. Beyond 3,000 both shrink in proportion, so that an old
            judge's noise fades.
        sealed_squares: The same sum on sealed units.
        sealed_freedom: Its degrees of freedom; 0 before the first confirm.
        leap_gains: How many candidates were large gains: the sum of their probabilities, on top of a first guess.
        leap_foolers: How many only seemed so to the dev judge, likewise.
        leaps_of: Of how many candidates, the 100 that the first guess counts for included.
    """

    dev_squares: float
    dev_freedom: float
    sealed_squares: float = 0.0
    sealed_freedom: float = 0.0
    leap_gains: float = 0.0
    leap_foolers: float = 0.0
    leaps_of: float = _LEAPS_WORTH

    @classmethod
    def initial(cls, judge_variance: float, *, settings: RaceSettings | None = None) -> Self:
        """Guess before the first candidate: the judge's noise, plus how differently cases take to a change.

        The candidate is judged once and the incumbent, typically, twice: hence 1.5 judge variances.

        Args:
            judge_variance: Variance of one judge's pass over the same output, from an A/A calibration. At least 0.
            settings: Give the spread over cases, for how many observations the guess counts, and the first guess at
                how often effects are large; the defaults if None.

        Raises:
            ValueError: The variance is negative or not finite.
        """
        if not 0 <= judge_variance < math.inf:
            raise ValueError(f"judge_variance must be finite and at least 0, got {judge_variance}")
        settings = settings or RaceSettings()
        variance = 1.5 * judge_variance + settings.interaction_sd**2
        return cls(
            dev_squares=settings.guess_worth * variance,
            dev_freedom=settings.guess_worth,
            leap_gains=settings.prior.leap * _LEAPS_WORTH,
            leap_foolers=settings.prior.leap * _LEAPS_WORTH,
        )

    @property
    def dev_variance(self) -> float:
        """Variance of the difference on one dev unit."""
        return max(self.dev_squares / self.dev_freedom, LEAST_VARIANCE)

    @property
    def sealed_variance(self) -> float:
        """Variance of the difference on one sealed unit; dev lends it 20 observations."""
        borrowed = _LENT * self.dev_variance
        return max((self.sealed_squares + borrowed) / (self.sealed_freedom + _LENT), LEAST_VARIANCE)

    @property
    def leaps(self) -> Leaps:
        """Shares of proposals with large effects, each at most 0.2."""
        return Leaps(
            gain=min(self.leap_gains / self.leaps_of, _MOST_LEAPS),
            fooling=min(self.leap_foolers / self.leaps_of, _MOST_LEAPS),
        )

    def weigh(self, dev: Iterable[float], sealed: Iterable[float]) -> Evidence:
        """Put a candidate's differences beside what was known before it."""
        return Evidence(
            dev=Sample.of(dev),
            sealed=Sample.of(sealed),
            dev_variance=self.dev_variance,
            sealed_variance=self.sealed_variance,
            leaps=self.leaps,
        )

    def after(self, decision: Decision) -> Self:
        """Learn from one candidate, however it ended.

        Candidates that raced side by side are added one after the other, in the order of their decisions.
        """
        evidence, leaps = decision.evidence, decision.leaps or Leaps()
        squares = self.dev_squares + evidence.dev.squares
        freedom = self.dev_freedom + max(evidence.dev.n - 1, 0)
        fade = min(1.0, _MEMORY / freedom)
        return type(self)(
            dev_squares=squares * fade,
            dev_freedom=min(freedom, _MEMORY),
            sealed_squares=self.sealed_squares + evidence.sealed.squares,
            sealed_freedom=self.sealed_freedom + max(evidence.sealed.n - 1, 0),
            leap_gains=self.leap_gains + leaps.gain,
            leap_foolers=self.leap_foolers + leaps.fooling,
            leaps_of=self.leaps_of + 1.0,
        )

    def to_json(self) -> dict[str, object]:
        """Plain numbers; JSON keeps every bit of them."""
        return {
            "dev_squares": self.dev_squares,
            "dev_freedom": self.dev_freedom,
            "sealed_squares": self.sealed_squares,
            "sealed_freedom": self.sealed_freedom,
            "leap_gains": self.leap_gains,
            "leap_foolers": self.leap_foolers,
            "leaps_of": self.leaps_of,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            UsageError: The value is damaged.
        """
        names = (
            "dev_squares",
            "dev_freedom",
            "sealed_squares",
            "sealed_freedom",
            "leap_gains",
            "leap_foolers",
            "leaps_of",
        )
        part = fields(value, of="rule state", names=names)
        return cls(
            dev_squares=number(part["dev_squares"], of="rule state.dev_squares", least=0.0),
            dev_freedom=number(part["dev_freedom"], of="rule state.dev_freedom", least=1.0),
            sealed_squares=number(part["sealed_squares"], of="rule state.sealed_squares", least=0.0),
            sealed_freedom=number(part["sealed_freedom"], of="rule state.sealed_freedom", least=0.0),
            leap_gains=number(part["leap_gains"], of="rule state.leap_gains", least=0.0),
            leap_foolers=number(part["leap_foolers"], of="rule state.leap_foolers", least=0.0),
            leaps_of=number(part["leaps_of"], of="rule state.leaps_of", least=1.0),
        )
