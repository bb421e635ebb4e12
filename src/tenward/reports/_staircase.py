"""The chart of a loop: the incumbent's stairs, and every attempt as a point beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.reports._format import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.reports._loop_view import AttemptView, LoopView

__all__ = ["Point", "Staircase", "staircase"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 930.0, 16.0, 262.0
_MOST_WHISKERS = 150
_MOST_WHOLE = 20
_MOST_LINKS = 600
_TICKS = 5


@dataclass(frozen=True, kw_only=True)
class Point:
    """One attempt in the chart; coordinates in units of the drawing."""

    number: int
    state: str
    x: float
    y: float
    whisker: tuple[float, float] | None
    """Top and bottom of its interval."""

    told: str
    """What it is, for the pointer and the reader's voice."""


@dataclass(frozen=True, kw_only=True)
class Staircase:
    """The chart, ready to be drawn in 960 by 300 units."""

    stairs: str
    """The path of the incumbent."""

    points: Sequence[Point]
    missed: Sequence[Point]
    """Attempts that were never scored; they stand on the bottom line."""

    rows: Sequence[tuple[float, str]]
    """Lines across: height and what they stand for."""

    columns: Sequence[tuple[float, str]]
    """Numbers of attempts below the drawing."""

    linked: bool
    """Whether points are links; thousands of them would be in the way of the keyboard."""

    told: str
    """The chart in a sentence."""


def staircase(view: LoopView) -> Staircase | None:
    """Lay out the chart; None where nothing was measured yet."""
    if not view.steps:
        return None
    scored = [attempt for attempt in view.attempts if attempt.at is not None]
    kept = [attempt for attempt in scored if attempt.state == "keep"]
    few = len(scored) <= _MOST_WHISKERS
    with_whiskers = {attempt.number for attempt in (scored if few else kept[-_MOST_WHISKERS:])}
    heights = [height for _, height in view.steps]
    for attempt in scored:
        # Wide intervals of many discards would flatten the stairs; they are cut off at the edges.
        whole = attempt.number in with_whiskers and (attempt.state == "keep" or len(scored) <= _MOST_WHOLE)
        ends = (attempt.at_low, attempt.at_high) if whole else ()
        heights += [height for height in (attempt.at, *ends) if height is not None]
    low, high, ticks = _scale(heights)
    last = max([1, *(attempt.number for attempt in view.attempts)])

    def x_of(attempt: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * attempt / (last + 0.5), 1)

    def y_of(height: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * (min(max(height, low), high) - low) / (high - low), 1)

    def point(attempt: AttemptView) -> Point:
        whisker = None
        if attempt.number in with_whiskers and attempt.at_low is not None and attempt.at_high is not None:
            whisker = (y_of(attempt.at_high), y_of(attempt.at_low))
        return Point(
            number=attempt.number,
            state=attempt.state,
            x=x_of(attempt.number),
            y=_BOTTOM if attempt.at is None else y_of(attempt.at),
            whisker=whisker,
            told=f"Attempt {attempt.number}, {attempt.state}: {attempt.idea or attempt.placebo or 'no idea noted'}",
        )

    path = f"M{x_of(0)} {y_of(view.steps[0][1])}"
    for begins, height in view.steps[1:]:
        path += f"H{x_of(begins)}V{y_of(height)}"
    path += f"H{_RIGHT}"
    missed = [attempt for attempt in view.attempts if attempt.at is None and attempt.state != "running"]
    return Staircase(
        stairs=path,
        points=[point(attempt) for attempt in sorted(scored, key=lambda one: one.state == "keep")],
        missed=[point(attempt) for attempt in missed],
        rows=[(y_of(tick), _label(tick, ticks)) for tick in ticks],
        columns=[(x_of(attempt), f"{attempt:,}") for attempt in _numbers(last)],
        linked=len(view.attempts) <= _MOST_LINKS,
        told=(
            f"{view.axis}: from {number(view.steps[0][1], view.decimals)} to "
            f"{number(view.steps[-1][1], view.decimals)} over {last:,} attempts, {len(kept)} of them kept"
        ),
    )


def _scale(heights: Sequence[float]) -> tuple[float, float, list[float]]:
    """Ends of the axis and its ticks, at round numbers."""
    low, high = min(heights), max(heights)
    if high - low < 1e-9:
        low, high = low - 0.05 * max(1.0, abs(low)), high + 0.05 * max(1.0, abs(high))
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(place * step, 10) for place in range(first, end + 1)]
    return ticks[0], ticks[-1], ticks


def _label(tick: float, ticks: Sequence[float]) -> str:
    decimals = max(0, math.ceil(-math.log10(abs(ticks[1] - ticks[0]) * 1.0001)))
    needs_one_more = any(abs(round(value, decimals) - value) > 1e-9 for value in ticks)
    return number(tick, decimals + needs_one_more)


def _numbers(last: int) -> list[int]:
    step = next(size for power in range(7) for size in (10**power, 2 * 10**power, 5 * 10**power) if last / size <= 10)
    return [*range(0, last + 1, step)]
