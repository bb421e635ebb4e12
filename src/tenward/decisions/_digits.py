"""Numbers as people read them, with as many digits as they need: a judge may squeeze all it says into a hundredth."""

from __future__ import annotations

import math

__all__ = ["places", "signed", "worded"]

_USUAL = 3
_MOST = 5


def places(*numbers: float) -> int:
    """Digits after the point: three, or up to five where it takes them to show two of the largest number."""
    largest = max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)
    if largest == 0.0 or largest >= 0.01:
        return _USUAL
    return min(_MOST, 1 - math.floor(math.log10(largest)))


def signed(number: float, *others: float) -> str:
    """A difference with its sign, such as ``+0.041``, with the digits that it and others beside it need."""
    largest = max(abs(number), *map(abs, others), 0.0)
    return f"{number:+.2g}" if 0.0 < largest < 0.001 else f"{number:+.{places(largest)}f}"


def worded(number: float) -> str:
    """A size without zeros at its end, such as ``0.03``: two digits, or as many as a person wrote."""
    return f"{number:g}" if len(f"{number:g}") <= len("0.0375") else f"{number:.2g}"
