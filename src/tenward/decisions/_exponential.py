"""An exponentially distributed effect, seen through the normal error of a mean: every integral in closed form.

For an effect x of mean size L, drawn as Exp(L), of which a mean y with standard error s was seen, ::

    ∫ exp(-x/L)/L · exp(-(y - x)²/2s²) dx = s/L · exp(-y²/2s²) · M(s/L - y/s)

with M the Mills ratio of the normal distribution. The effect given y is a normal one of mean y - s²/L, cut off at 0.
All is in logarithms and by the ratio M, so that nothing over- or underflows however sharp or blunt the evidence is.
"""

from __future__ import annotations

import math

__all__ = ["log_mills", "log_seen", "log_tail", "mean_size", "slopes", "squared", "steepness"]

_LARGEST = 1e150
_ROOT_2 = math.sqrt(2.0)
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)
# Where the asymptotic series is exact to 1 in 10^11 and erfc is still far from its end.
_FAR = 25.0
_VERY_FAR = 50.0


def log_mills(a: float) -> float:
    """Log of P(Z > a) over the density at a, for a standard normal Z.

    By erfc, or by the series of Abramowitz and Stegun, 26.2.12, where a is large.
    """
    if a < _FAR:
        if a < -_FAR:
            return 0.5 * a * a + _HALF_LOG_2_PI
        return math.log(0.5 * math.erfc(a / _ROOT_2)) + 0.5 * a * a + _HALF_LOG_2_PI
    square = 1.0 / (a * a)
    return math.log1p(square * (-1.0 + square * (3.0 + square * (-15.0 + 105.0 * square)))) - math.log(a)


def steepness(a: float) -> float:
    """The density at a over P(Z > a): the inverse of the Mills ratio, 0 where that overflows."""
    return math.exp(-log_mills(a))


def squared(ratio: float) -> float:
    """The square of a number, however large: beyond 1e150 nothing tells one from another."""
    return min(abs(ratio), _LARGEST) ** 2


def log_seen(y: float, s: float, size: float) -> float:
    """Log of the likelihood of an exponential effect, in which a certain effect of y has 0.

    Args:
        y: The mean that was seen.
        s: Its standard error, above 0; infinite where nothing was seen.
        size: Mean size of the effect, above 0.
    """
    if s == math.inf:
        return 0.0
    a = s / size - y / s
    if a >= 0.0:
        return math.log(s / size) - 0.5 * squared(y / s) + log_mills(a)
    whole = math.log1p(-0.5 * math.erfc(-a / _ROOT_2))
    return _HALF_LOG_2_PI + math.log(s / size) + (0.5 * s * s / size - y) / size + whole


def slopes(y: float, s: float, size: float) -> tuple[float, float]:
    """First and second derivative of :func:`log_seen` by y; the second is never above 0."""
    if s == math.inf:
        return 0.0, 0.0
    a = s / size - y / s
    steep = steepness(a)
    return steep / s - 1.0 / size, min(0.0, -steep * (steep - a) / (s * s))


def mean_size(y: float, s: float, size: float) -> float:
    """Mean of the effect, given what was seen; above 0."""
    if s == math.inf:
        return size
    a = s / size - y / s
    if a > _VERY_FAR:
        return s * (1.0 - 2.0 / (a * a)) / a
    return s * (steepness(a) - a)


def log_tail(above: float, y: float, s: float, size: float) -> float:
    """Log of P(effect > above), given what was seen, for ``above`` of 0 or more."""
    if s == math.inf:
        return -above / size
    # What is left of an exponential beyond a point is the same exponential from there.
    return min(0.0, log_seen(y - above, s, size) - log_seen(y, s, size) - above / size)
