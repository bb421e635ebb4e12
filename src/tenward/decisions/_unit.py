"""The unit: how large differences are on this judge's scale. All sizes of the rules are multiples of it.

A judge that squeezes all scores into an eighth of the scale shows an eighth of every gain. So no size is fixed:
multiply all scores by a number, and the same candidates are kept, at the same looks. One unit is the scale on which the
benchmarks were made: cases have a standard deviation of 0.2, and the difference on one case varies by 0.178 around its
candidate's.
"""

from __future__ import annotations

import math

__all__ = ["SPAN_PARTS", "unit_of_cases", "unit_of_differences"]

_CASES = 0.2
_DIFFERENCE = math.sqrt(1.5 * 0.12**2 + 0.10**2)
# Where noise hides how cases differ, or all fail alike, a tenth of the noise's variance stands for it.
_NOISE = 0.1

SPAN_PARTS = 50.0
"""How much smaller than the span from worst to best an effect may be and still be worth having."""


def unit_of_cases(case_variance: float, judge_variance: float) -> float:
    """The unit by how far the incumbent's scores lie apart over cases; 0 where they do not vary at all.

    Args:
        case_variance: Variance over cases of what the judge says on average.
        judge_variance: Variance of one pass.
    """
    return math.sqrt(case_variance + _NOISE * judge_variance) / _CASES


def unit_of_differences(variance: float) -> float:
    """The unit by how much the differences within a candidate vary."""
    return math.sqrt(variance) / _DIFFERENCE
