"""How often the better one reads higher, with an interval that is honest for a dozen cases."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["auc_interval"]

_STEPS = 60
_TERMS = 400
_TINY = 1e-300


def auc_interval(wins: Sequence[Sequence[float]], *, confidence: float = 0.95) -> tuple[float, float, float]:
    """The AUC of paired readings, and its interval.

    The interval is that of Clopper and Pearson, with half a win for a tie. The pairs of one case share its output: to a
    judge that sees nothing all texts of a case are exchangeable, so two of its pairs correlate at exactly one third
    (Mann and Whitney 1947), and m pairs count for 3m / (m + 2) cases. Cases are taken to be independent.

    Args:
        wins: By case, for each of its pairs 1 where the better text read higher, 0.5 for a tie and 0 otherwise.
        confidence: Above 0 and below 1, two-sided.

    Returns:
        AUC and both ends of its interval, all 0 to 1.

    Raises:
        ValueError: There is no pair.
    """
    pairs = [win for case in wins for win in case]
    if not pairs:
        raise ValueError("no pair of readings")
    auc = math.fsum(pairs) / len(pairs)
    size = math.fsum(3 * len(case) / (len(case) + 2) for case in wins if case)
    tail = (1 - confidence) / 2
    won = auc * size
    low = 0.0 if won <= 0 else _beta_quantile(tail, won, size - won + 1)
    high = 1.0 if won >= size else _beta_quantile(1 - tail, won + 1, size - won)
    return auc, min(low, auc), max(high, auc)


@lru_cache(maxsize=4096)
def _beta_quantile(probability: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _beta_share(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun, 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / _away_from_0(1 - (a + b) * x / (a + 1))
    whole = d
    for m in range(1, _TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_0(1 + term * d)
            c = _away_from_0(1 + term / c)
            whole *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return math.exp(log_front) * whole / a


def _away_from_0(number: float) -> float:
    return number if abs(number) > _TINY else _TINY
