"""What every candidate teaches: how much differences vary, and how often effects are large. All a rule remembers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from tenward.decisions._evidence import LEAST_UNIT, LEAST_VARIANCE, Evidence, Leaps, Sample
from tenward.decisions._records import fields, number
from tenward.decisions._settings import RaceSettings
from tenward.decisions._unit import SPAN_PARTS, unit_of_differences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenward.decisions._rule import Decision

__all__ = ["Pooled"]

_MEMORY = 3000.0
_LENT = 20.0
_FADED = 40.0
_LEAPS_WORTH = 100.0
_MOST_LEAPS = 0.2
_SURPRISE = 3.0
_SPAN_SHARE = 0.1
_OF_DIFFERENCES = 0.5  # in all rows of the benchmarks but the noisiest the spread of the cases is the larger


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Pooled variance of the differences within candidates, the unit, and the shares of candidates with large effects.

    Attributes:
        guess: First guess of the variance on dev units. It fades, and is gone after 40 degrees of freedom.
        guess_worth: How many observations it counts for at first.
        cases_unit: The unit as the calibration saw it, by the incumbent's scores over cases; 0 where it did not.
        span: What lies between the worst and the best outputs on this judge's scale; 0 where nobody has looked.
        dev_squares: Sum of squared deviations from each candidate's own mean, on dev units.
        dev_freedom: Degrees of freedom of that sum. Beyond 3,000 both shrink in proportion, so that an old judge's
            noise fades.
        sealed_squares: The same sum on sealed units.
        sealed_freedom: Its degrees of freedom.
        leap_gains: How many candidates were large gains: the sum of their probabilities, on top of a first guess.
        leap_foolers: How many only seemed so to the dev judge, likewise.
        leaps_of: Of how many candidates, the 100 that the first guess counts for included.
    """

    guess: float
    guess_worth: float = 20.0
    cases_unit: float = 0.0
    span: float = 0.0
    dev_squares: float = 0.0
    dev_freedom: float = 0.0
    sealed_squares: float = 0.0
    sealed_freedom: float = 0.0
    leap_gains: float = 0.0
    leap_foolers: float = 0.0
    leaps_of: float = _LEAPS_WORTH

    @classmethod
    def initial(
        cls,
        judge_variance: float,
        *,
        cases_unit: float = 0.0,
        span: float = 0.0,
        settings: RaceSettings | None = None,
    ) -> Self:
        """Guess before the first candidate: the judge's noise, plus how differently cases take to a change.

        The candidate is judged once and the incumbent, typically, twice: hence 1.5 judge variances. That the latter is
        half of what lies between cases is a guess as well.

        Args:
            judge_variance: Variance of one judge's pass over the same output, from an A/A calibration. At least 0.
            cases_unit: The unit by the incumbent's scores over cases, :attr:`Calibration.unit`; 0 if not known.
            span: What lies between the worst and the best outputs on this judge's scale; 0 where it is not known.
            settings: Give the spread over cases, for how many observations the guess counts, and the first guess at
                how often effects are large; the defaults if None.

        Raises:
            ValueError: A number is negative or not finite.
        """
        for name, value in (("judge_variance", judge_variance), ("cases_unit", cases_unit), ("span", span)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be finite and at least 0, got {value}")
        settings = settings or RaceSettings()
        return cls(
            guess=max(1.5 * judge_variance + (settings.interaction_sd * (cases_unit or 1.0)) ** 2, LEAST_VARIANCE),
            guess_worth=settings.guess_worth,
            cases_unit=cases_unit,
            span=span,
            leap_gains=settings.prior.leap * _LEAPS_WORTH,
            leap_foolers=settings.prior.leap * _LEAPS_WORTH,
        )

    @property
    def dev_variance(self) -> float:
        """Variance of the difference on one dev unit."""
        worth = self.guess_worth * max(0.0, 1.0 - self.dev_freedom / _FADED)
        return max((worth * self.guess + self.dev_squares) / (worth + self.dev_freedom), LEAST_VARIANCE)

    @property
    def sealed_variance(self) -> float:
        """Variance of the difference on one sealed unit; dev lends it 20 observations."""
        borrowed = _LENT * self.dev_variance
        return max((self.sealed_squares + borrowed) / (self.sealed_freedom + _LENT), LEAST_VARIANCE)

    @property
    def unit(self) -> float:
        """What the sizes of the rules are multiples of, on the scale of the scores.

        By how far the incumbent's scores lie apart over cases, as the calibration saw it. Where it saw nothing, by what
        the differences of candidates teach. A span that is known bounds it from below, and so do half of those
        differences: outputs that are all alike lie nowhere apart, and gains over them are not the smaller for it.
        """
        learned = unit_of_differences(self.dev_variance)
        unit = max(self.cases_unit, _OF_DIFFERENCES * learned) if self.cases_unit else learned
        return max(unit, self.span * _SPAN_SHARE, LEAST_UNIT)

    @property
    def leaps(self) -> Leaps:
        """Shares of proposals with large effects, each at most 0.2."""
        return Leaps(
            gain=min(self.leap_gains / self.leaps_of, _MOST_LEAPS),
            fooling=min(self.leap_foolers / self.leaps_of, _MOST_LEAPS),
        )

    def weigh(self, dev: Iterable[float], sealed: Iterable[float]) -> Evidence:
        """Put a candidate's differences beside what was known before it.

        One whose differences vary far more than those of earlier candidates is weighed with its own variance, as low as
        that can reasonably be, and with a unit to match: what changes more may move more.
        """
        on_dev, on_sealed = Sample.of(dev), Sample.of(sealed)
        usual = self.dev_variance
        variance = max(usual, _at_least(on_dev))
        return Evidence(
            dev=on_dev,
            sealed=on_sealed,
            dev_variance=variance,
            sealed_variance=max(self.sealed_variance, _at_least(on_sealed)),
            leaps=self.leaps,
            unit=self.unit * math.sqrt(variance / usual),
            least=self.span / SPAN_PARTS,
        )

    def after(self, decision: Decision) -> Self:
        """Learn from one candidate, however it ended.

        Where no difference is other than 0 the candidate changed nothing, and says nothing of those that do.
        Candidates that raced side by side are added one after the other, in the order of their decisions.
        """
        evidence, leaps = decision.evidence, decision.leaps or Leaps()
        dev, sealed = evidence.dev, evidence.sealed
        squares, freedom = self.dev_squares + dev.squares, self.dev_freedom + _freedom(dev)
        fade = min(1.0, _MEMORY / freedom) if freedom else 1.0
        return replace(
            self,
            dev_squares=squares * fade,
            dev_freedom=freedom * fade,
            sealed_squares=self.sealed_squares + sealed.squares,
            sealed_freedom=self.sealed_freedom + _freedom(sealed),
            leap_gains=self.leap_gains + leaps.gain,
            leap_foolers=self.leap_foolers + leaps.fooling,
            leaps_of=self.leaps_of + 1.0,
        )

    def to_json(self) -> dict[str, object]:
        """Plain numbers; JSON keeps every bit of them."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            UsageError: The value is damaged.
        """
        part = fields(value, of="rule state", names=tuple(_FIELDS))
        return cls(
            **{name: number(part[name], of=f"rule state.{name}", least=least) for name, least in _FIELDS.items()}
        )


# Least value of each.
_FIELDS = {
    "guess": LEAST_VARIANCE,
    "guess_worth": 1.0,
    "cases_unit": 0.0,
    "span": 0.0,
    "dev_squares": 0.0,
    "dev_freedom": 0.0,
    "sealed_squares": 0.0,
    "sealed_freedom": 0.0,
    "leap_gains": 0.0,
    "leap_foolers": 0.0,
    "leaps_of": 1.0,
}


def _freedom(sample: Sample) -> int:
    """Degrees of freedom that a candidate adds."""
    return max(sample.n - 1, 0) if sample.squares or sample.mean else 0


def _at_least(sample: Sample) -> float:
    """The variance that a sample has at least: three standard errors of its square below what it shows."""
    freedom = sample.n - 1
    return sample.squares / (freedom + _SURPRISE * math.sqrt(2.0 * freedom)) if freedom > 0 else 0.0
