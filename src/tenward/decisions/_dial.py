"""How patient the race should be, by what a proposal costs beside judging it."""

from __future__ import annotations

__all__ = ["patience"]

# From the least ratio that a step is for. In simulation (`benchmarks/decisions.py`, at the ratios 0, 3, 10, 30, 100
# and 300) each did best of five on average over three worlds, or within the noise of it.
_STEPS = ((100.0, 0.01), (30.0, 0.02), (5.0, 0.03), (0.0, 0.05))


def patience(ratio: float) -> float:
    """Return the ``drop`` of a race that makes the most of a budget.

    A candidate that is dropped early saves judging and wastes a proposal. Where proposals are cheap, the next one is
    the better bet; where they are dear, a longer look at this one is.

    Args:
        ratio: What a proposal costs before its race, over what judging one case costs; 0 or more, also infinite.

    Returns:
        From 0.05, thrifty with judging, to 0.01, thorough.

    Raises:
        ValueError: The ratio is negative, or no number.
    """
    for least, drop in _STEPS:
        if ratio >= least:
            return drop
    raise ValueError(f"ratio must be 0 or more, got {ratio}")
