"""Numbers as people read them, with as many digits as a scale needs: a judge may squeeze all it says into a hundredth."""

from __future__ import annotations

import math

__all__ = ["places", "signed", "worded"]

_USUAL = 3
_MOST = 12


def places(*numbers: float) -> int:
    """Digits after the point: three, or as many as show two of the largest number."""
    largest = max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)
    if largest == 0.0 or largest >= 0.01:
        return _USUAL
    return min(_MOST, 1 - math.floor(math.log10(largest)))


def signed(number: float, *others: float) -> str:
    """A difference with its sign, such as ``+0.041``; with the digits that it and others beside it need."""
    return f"{number:+.{places(number, *others)}f}"


def worded(number: float) -> str:
    """A size without zeros at its end, such as ``0.03``; to two digits where it comes from arithmetic."""
    return f"{number:.2g}"
