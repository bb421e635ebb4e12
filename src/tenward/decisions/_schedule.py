"""When to look, and how often the incumbent is judged."""

from __future__ import annotations

import math

__all__ = ["DEV_START", "SEALED_START", "looks", "passes"]

DEV_START = 4
SEALED_START = 8
# In units.
_AIM = 0.09
_ORDINARY = 0.12
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


def passes(judge_sd: float, *, unit: float = 0.0, split: str = "dev", corrected: bool = False) -> int:
    """How many passes the incumbent's stored score of a case averages, so that its noise stays near 0.09 units.

    Args:
        judge_sd: Standard deviation of one pass of the judge, from an A/A calibration.
        unit: What sizes are multiples of, as that calibration sees it; 0 where it sees none, and the judge is taken to
            be an ordinary one.
        split: ``dev`` (1 to 4 passes) or ``sealed`` (1 or 2).
        corrected: Whether differences are corrected by :class:`CaseEffects`, for which half as many are enough.
    """
    noise = judge_sd / unit if unit else _ORDINARY * (judge_sd > 0.0)
    count = max(1, min(math.ceil((noise / _AIM) ** 2), _MOST[split]))
    return max(1, count // 2) if corrected else count
