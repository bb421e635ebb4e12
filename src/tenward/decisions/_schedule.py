"""When to look, and how often the incumbent is judged."""

from __future__ import annotations

import math

__all__ = ["DEV_START", "SEALED_START", "looks", "passes"]

DEV_START = 4
SEALED_START = 8
_AIM = 0.09
_MOST = {"dev": 4, "sealed": 2}


def looks(most: int, *, start: int) -> tuple[int, ...]:
    """Numbers of units at which to look: ``start``, then 1.3 times as many each time and at least two more.

    Between two looks the units are judged as one batch, in parallel. With fewer units than ``start`` there is one look.

    Args:
        most: How many units there are, 0 or more.
        start: Units before the first look, 1 or more.
    """
    if most < 1:
        return ()
    schedule = [min(start, most)]
    while (last := schedule[-1]) < most:
        schedule.append(min(max(last + 2, round(1.3 * last)), most))
    return tuple(schedule)


def passes(judge_sd: float, *, split: str = "dev", corrected: bool = False) -> int:
    """How many passes the incumbent's stored score of a case averages, so that its noise stays near 0.09.

    Args:
        judge_sd: Standard deviation of one pass of the judge, from an A/A calibration, on the 0 to 1 scale.
        split: ``dev`` (1 to 4 passes) or ``sealed`` (1 or 2).
        corrected: Whether differences are corrected by :class:`CaseEffects`, for which half as many are enough.
    """
    count = max(1, min(math.ceil((judge_sd / _AIM) ** 2), _MOST[split]))
    return max(1, count // 2) if corrected else count
