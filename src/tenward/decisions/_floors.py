"""Criteria that a change may not lower, however much better it is as a whole: a test of non-inferiority."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tenward.decisions._digits import signed
from tenward.decisions._student import t_quantile
from tenward.errors import UsageError

if TYPE_CHECKING:
    from tenward.decisions._evidence import Sample

__all__ = ["Floor", "FloorFinding", "check_floor"]

# Judges give levels, so a handful of differences may all be 0 by chance. The guess keeps their spread from being 0.
_GUESS_SD = 0.20  # in units
_GUESS_WORTH = 4
_MARGIN = 0.05


@dataclass(frozen=True, kw_only=True)
class Floor:
    """One criterion of ``never_lower``.

    Attributes:
        criterion: Name of the criterion.
        margin: Loss that is tolerated, on the scale of the scores; None for 0.05 units. No test can show that nothing
            at all was lost.
        confidence: One-sided confidence that no more than the margin was lost, above 0.5 and below 1.

    Raises:
        UsageError: A number is out of its range.
    """

    criterion: str
    margin: float | None = None
    confidence: float = 0.90

    def __post_init__(self) -> None:
        if self.margin is not None and not 0.0 < self.margin <= 1.0:
            raise UsageError(
                f"never_lower, {self.criterion}: found a margin of {self.margin!r}, expected above 0 and at most 1",
                hint="0.05 tolerates a loss of five points in a hundred",
            )
        if not 0.5 < self.confidence < 1.0:
            raise UsageError(
                f"never_lower, {self.criterion}: found a confidence of {self.confidence!r}, "
                "expected above 0.5 and below 1",
                hint="0.9 is the default",
            )


@dataclass(frozen=True, kw_only=True)
class FloorFinding:
    """What the differences say about one floor."""

    status: Literal["holds", "lowered", "unclear"]
    text: str
    """One clause for people, such as ``accuracy holds: +0.010, at worst -0.031 (allowed -0.050)``."""


def check_floor(floor: Floor, sample: Sample, *, unit: float = 1.0) -> FloorFinding:
    """Test whether a criterion lost no more than its margin.

    It *holds* when the lower one-sided bound of the mean difference is at or above minus the margin; it is *lowered*
    when it does not hold and the upper bound is below 0; else it is *unclear*, and more cases may tell. The bounds are
    t bounds; the spread starts from a guess of 0.20 units that is worth 4 observations.

    Args:
        floor: What is tolerated.
        sample: Differences on that criterion, candidate minus incumbent.
        unit: What sizes are multiples of; see :attr:`Pooled.unit`.
    """
    margin = _MARGIN * unit if floor.margin is None else floor.margin
    if sample.n == 0:
        return FloorFinding(
            status="unclear", text=f"{floor.criterion} is not shown to hold: no case has a score for it"
        )
    freedom = sample.n - 1 + _GUESS_WORTH
    variance = (sample.squares + _GUESS_WORTH * (_GUESS_SD * unit) ** 2) / freedom
    reach = t_quantile(floor.confidence, freedom) * math.sqrt(variance / sample.n)
    worst = sample.mean - reach
    facts = f"{signed(sample.mean, margin)}, at worst {signed(worst, margin)} (allowed {signed(-margin)})"
    if worst >= -margin:
        return FloorFinding(status="holds", text=f"{floor.criterion} holds: {facts}")
    if sample.mean + reach < 0:
        return FloorFinding(status="lowered", text=f"{floor.criterion} is lowered: {facts}")
    return FloorFinding(status="unclear", text=f"{floor.criterion} is not shown to hold: {facts}")
