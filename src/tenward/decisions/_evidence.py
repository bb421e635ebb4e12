"""What a decision rests on: a few numbers from which it can be computed again, bit for bit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tenward.decisions._records import fields, number, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LEAST_UNIT", "LEAST_VARIANCE", "MOST_PROBABLE", "Evidence", "Leaps", "Sample"]

# A judge that never varies must not end in a division by zero. A spread of 10^-10 is far below any score step, on
# whatever scale; it is about what rounding leaves of equal scores.
LEAST_VARIANCE = 1e-20
LEAST_UNIT = 1e-12

# A probability is the quotient of two sums, and may come out above 1 by rounding.
MOST_PROBABLE = 1.0 + 1e-9


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Paired differences, candidate minus incumbent, one for each unit: a case, or the mean of a group of cases."""

    n: int
    """How many differences. A unit without a verdict is not among them; it never counts as 0."""

    mean: float
    """Their mean; 0 when there are none."""

    squares: float
    """Sum of their squared deviations from the mean."""

    @classmethod
    def of(cls, differences: Iterable[float]) -> Self:
        """Sum up differences. Sums are exact before rounding, so their order never matters."""
        values = tuple(differences)
        if not values:
            return cls(n=0, mean=0.0, squares=0.0)
        mean = math.fsum(values) / len(values)
        return cls(n=len(values), mean=mean, squares=math.fsum((value - mean) ** 2 for value in values))

    @property
    def standard_error(self) -> float:
        """Standard error of the mean from this sample's own spread; infinite below two differences."""
        return math.sqrt(self.squares / (self.n - 1) / self.n) if self.n > 1 else math.inf

    def to_json(self) -> dict[str, object]:
        """Plain numbers; JSON keeps every bit of them."""
        return {"n": self.n, "mean": self.mean, "squares": self.squares}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            UsageError: The value is damaged.
        """
        part = fields(value, of="sample", names=("n", "mean", "squares"))
        return cls(
            n=whole(part["n"], of="sample.n"),
            mean=number(part["mean"], of="sample.mean"),
            squares=number(part["squares"], of="sample.squares", least=0.0),
        )


@dataclass(frozen=True, kw_only=True)
class Leaps:
    """Effects far larger than usual: shares of proposals, or probabilities of one candidate."""

    gain: float = 0.0
    """True gains. 0 to 1."""

    fooling: float = 0.0
    """Losses that the dev judge takes for such gains. 0 to 1."""

    def to_json(self) -> dict[str, object]:
        """Plain numbers; JSON keeps every bit of them."""
        return {"gain": self.gain, "fooling": self.fooling}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            UsageError: The value is damaged.
        """
        part = fields(value, of="leaps", names=("gain", "fooling"))
        return cls(
            gain=number(part["gain"], of="leaps.gain", least=0.0, most=MOST_PROBABLE),
            fooling=number(part["fooling"], of="leaps.fooling", least=0.0, most=MOST_PROBABLE),
        )


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The differences of one candidate so far, and what earlier candidates taught, by which they were weighed."""

    dev: Sample
    sealed: Sample
    """Empty until the candidate got as far as the sealed cases."""

    dev_variance: float
    """Variance of one difference on a dev unit, pooled over earlier candidates. Above 0."""

    sealed_variance: float
    """The same for a sealed unit, whose judge may be another."""

    leaps: Leaps = Leaps()
    """Shares of proposals with large effects. They are not part of the prior, because they are learned."""

    unit: float = 1.0
    """What sizes are multiples of, such as those of the prior; see :attr:`Pooled.unit`. Above 0."""

    least: float = 0.0
    """The smallest effect worth having, however sure, where the judge's span is known; else 0."""

    @property
    def gap(self) -> float:
        """How much less the sealed units show than the dev units, in standard errors; 0 where either is missing."""
        if not self.dev.n or not self.sealed.n:
            return 0.0
        error = math.sqrt(self.dev_variance / self.dev.n + self.sealed_variance / self.sealed.n)
        return (self.dev.mean - self.sealed.mean) / error

    def to_json(self) -> dict[str, object]:
        """Plain numbers; JSON keeps every bit of them."""
        return {
            "dev": self.dev.to_json(),
            "sealed": self.sealed.to_json(),
            "dev_variance": self.dev_variance,
            "sealed_variance": self.sealed_variance,
            "leaps": self.leaps.to_json(),
            "unit": self.unit,
            "least": self.least,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            UsageError: The value is damaged.
        """
        names = ("dev", "sealed", "dev_variance", "sealed_variance", "leaps", "unit", "least")
        part = fields(value, of="evidence", names=names)
        return cls(
            dev=Sample.from_json(part["dev"]),
            sealed=Sample.from_json(part["sealed"]),
            dev_variance=number(part["dev_variance"], of="evidence.dev_variance", least=LEAST_VARIANCE),
            sealed_variance=number(part["sealed_variance"], of="evidence.sealed_variance", least=LEAST_VARIANCE),
            leaps=Leaps.from_json(part["leaps"]),
            unit=number(part["unit"], of="evidence.unit", least=LEAST_UNIT),
            least=number(part["least"], of="evidence.least", least=0.0),
        )
