"""Student's t and the normal distribution: the few quantiles that intervals need."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenward.decisions._evidence import Sample

__all__ = ["normal_tail", "t_interval", "t_quantile"]

_NORMAL = NormalDist()
# Beyond this many degrees of freedom the normal quantile differs by less than 1 in 1,000.
_MANY = 2000


def normal_tail(z: float) -> float:
    """P(Z > z) for a standard normal Z."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


@lru_cache(maxsize=512)
def t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t.

    Args:
        probability: Above 0.5 and below 1.
        freedom: Degrees of freedom, 1 or more.
    """
    if freedom > _MANY:
        return _NORMAL.inv_cdf(probability)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        if 0.5 + _central(angle, freedom) / 2 < probability:
            low = angle
        else:
            high = angle
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _central(angle: float, freedom: int) -> float:
    """P(|T| < √freedom · tan(angle)): the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    return (angle + sine * total) * 2.0 / math.pi if odd else sine * total


def t_interval(sample: Sample, confidence: float) -> tuple[float, float]:
    """Two-sided t interval of a mean; unbounded below two differences.

    Args:
        sample: The differences.
        confidence: Such as 0.95.
    """
    if sample.n < 2:
        return -math.inf, math.inf
    reach = t_quantile((1.0 + confidence) / 2.0, sample.n - 1) * sample.standard_error
    return sample.mean - reach, sample.mean + reach
