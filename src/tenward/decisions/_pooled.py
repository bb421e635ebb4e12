"""How much differences vary, learned from every candidate: the only thing a rule remembers between decisions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tenward.decisions._evidence import LEAST_VARIANCE, Evidence, Sample
from tenward.decisions._records import fields, number
from tenward.decisions._settings import RaceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Pooled"]

_MEMORY = 3000.0
_LENT = 20.0


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Pooled variance of the differences within candidates, on dev and on sealed units.

    Attributes:
        dev_squares: Sum of squared deviations from each candidate's own mean, on dev units.
        dev_freedom: Degrees of freedom of that sum, at least 1. Beyond 3,000 both shrink in proportion, so that an old
            judge's noise fades.
        sealed_squares: The same sum on sealed units.
        sealed_freedom: Its degrees of freedom; 0 before the first confirm.
    """

    dev_squares: float
    dev_freedom: float
    sealed_squares: float = 0.0
    sealed_freedom: float = 0.0

    @classmethod
    def initial(cls, judge_variance: float, *, settings: RaceSettings | None = None) -> Self:
        """Guess before the first candidate: the judge's noise, plus how differently cases take to a change.

        The candidate is judged once and the incumbent, typically, twice: hence 1.5 judge variances.

        Args:
            judge_variance: Variance of one judge's pass over the same output, from an A/A calibration. At least 0.
            settings: Give the spread over cases, and for how many observations the guess counts; the defaults if None.

        Raises:
            ValueError: The variance is negative or not finite.
        """
        if not 0 <= judge_variance < math.inf:
            raise ValueError(f"judge_variance must be finite and at least 0, got {judge_variance}")
        settings = settings or RaceSettings()
        variance = 1.5 * judge_variance + settings.interaction_sd**2
        return cls(dev_squares=settings.guess_worth * variance, dev_freedom=settings.guess_worth)

    @property
    def dev_variance(self) -> float:
        """Variance of the difference on one dev unit."""
        return max(self.dev_squares / self.dev_freedom, LEAST_VARIANCE)

    @property
    def sealed_variance(self) -> float:
        """Variance of the difference on one sealed unit; dev lends it 20 observations."""
        borrowed = _LENT * self.dev_variance
        return max((self.sealed_squares + borrowed) / (self.sealed_freedom + _LENT), LEAST_VARIANCE)

    def weigh(self, dev: Iterable[float], sealed: Iterable[float]) -> Evidence:
        """Put a candidate's differences beside the variances known before it."""
        return Evidence(
            dev=Sample.of(dev),
            sealed=Sample.of(sealed),
            dev_variance=self.dev_variance,
            sealed_variance=self.sealed_variance,
        )

    def after(self, evidence: Evidence) -> Self:
        """Learn from one candidate, however it ended.

        Candidates that raced side by side are added one after the other, in the order of their decisions.
        """
        squares = self.dev_squares + evidence.dev.squares
        freedom = self.dev_freedom + max(evidence.dev.n - 1, 0)
        fade = min(1.0, _MEMORY / freedom)
        return type(self)(
            dev_squares=squares * fade,
            dev_freedom=min(freedom, _MEMORY),
            sealed_squares=self.sealed_squares + evidence.sealed.squares,
            sealed_freedom=self.sealed_freedom + max(evidence.sealed.n - 1, 0),
        )

    def to_json(self) -> dict[str, object]:
        """Plain numbers; JSON keeps every bit of them."""
        return {
            "dev_squares": self.dev_squares,
            "dev_freedom": self.dev_freedom,
            "sealed_squares": self.sealed_squares,
            "sealed_freedom": self.sealed_freedom,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            UsageError: The value is damaged.
        """
        part = fields(value, of="rule state", names=("dev_squares", "dev_freedom", "sealed_squares", "sealed_freedom"))
        return cls(
            dev_squares=number(part["dev_squares"], of="rule state.dev_squares", least=0.0),
            dev_freedom=number(part["dev_freedom"], of="rule state.dev_freedom", least=1.0),
            sealed_squares=number(part["sealed_squares"], of="rule state.sealed_squares", least=0.0),
            sealed_freedom=number(part["sealed_freedom"], of="rule state.sealed_freedom", least=0.0),
        )
