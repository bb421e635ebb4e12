"""Which scale scores are shown on, and how far apart two of them must lie to tell them apart.

Readings that no map has calibrated order texts and are no grades, so surfaces print them as what they are: points of
the scale, with the word raw beside them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenward.evaluation._result import Result
    from tenward.judges import CriterionVerdict, Judge
    from tenward.rubrics import Rubric

__all__ = ["RAW_READINGS", "CloseCall", "ShownScale", "best_first", "close_calls", "shared_ranks", "shown_spread"]


@dataclass(frozen=True, kw_only=True)
class ShownScale:
    """The scale of a judge's scores under one rubric, as far as a reader needs to know it."""

    label: str = "raw"
    """``calibrated``, ``raw``, ``anchored, not rated``, or one of these ``but for`` some criteria."""

    source: str = ""
    """What the maps were fitted on; empty where there are none."""

    error: float | None = None
    """How far the weighted sum typically lies from the ratings of the map's texts, in points: the root mean squared
    difference, cross-validated. None where nobody knows."""

    mapped: float = 0.0
    """Share of the rubric's weight whose criteria are mapped, 0 to 1."""

    repeats: int = 1
    """Stated answers that each score is the mean of; their spread tells the noise of a judge that is asked again."""

    note: str = ""
    """Why a map that there is was left alone; empty otherwise."""

    @classmethod
    def of(cls, judge: Judge, rubric: Rubric) -> ShownScale:
        """The scale on which a judge reads under a rubric."""
        used = judge.scale(rubric)
        return cls(
            label=used.label(rubric),
            source=used.source,
            error=used.error,
            mapped=float(sum(share for name, share in rubric.shares.items() if name in used.mapped)),
            repeats=used.repeats,
            note=used.note,
        )

    @property
    def is_grade(self) -> bool:
        """Whether quality out of 10 can be read as a grade: criteria of more than half of the weight are mapped."""
        return self.mapped > 0.5

    @property
    def words(self) -> str:
        """The scale in a few words, to stand beside the name of the judge."""
        return "raw readings" if self.label == "raw" else self.label

    def off(self, rubric: Rubric) -> str:
        """How far a score typically lies from the ratings, in words; empty where nobody knows."""
        return "" if self.error is None else f"typically off by {self.error:.1f} points of {rubric.scale.hi}"

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready data; :meth:`from_dict` gives an equal one back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ShownScale:
        """What :meth:`as_dict` gave."""
        return cls(**data)


RAW_READINGS = ShownScale()


@dataclass(frozen=True, kw_only=True)
class CloseCall:
    """Two results whose order the judge cannot be relied on for."""

    first: str
    """Id of the case that stands higher."""

    second: str
    apart: float
    """How far they lie apart, in points of the weighted sum."""

    needed: float
    """How far they should: at that distance the order is right, or found again, three times of four."""

    again: bool
    """Whether ``needed`` comes of repeats alone, which show what the judge would say again, not what is right."""

    @property
    def text(self) -> str:
        """The finding in one line of words."""
        told = "for this judge to say so again three times of four" if self.again else "to be right three times of four"
        decimals = 1 if self.needed - self.apart >= 0.1 else 2
        apart, needed = (f"{number:.{decimals}f}" for number in (self.apart, self.needed))
        verb = "is" if needed == "1.0" else "are"
        return (
            f"{self.first} and {self.second} are too close to call: {apart} points apart, {needed} {verb} needed {told}"
        )


def shown_spread(item: CriterionVerdict) -> float | None:
    """The spread to print beside a score, in points; None where it is that of raw answers beside a mapped score."""
    return None if item.raw is not None and item.distribution and item.read != "hidden" else item.spread


def best_first(results: Iterable[Result]) -> list[Result]:
    """The results that have a score, the best first."""
    return sorted((one for one in results if one.value is not None), key=lambda one: -(one.value or 0.0))


def close_calls(ordered: Sequence[Result], scale: ShownScale) -> list[CloseCall] | None:
    """Neighbours in a ranking that lie closer than the judge can tell; None where no distance is known.

    An error of ``e`` points on each of two texts makes one of ``√2 e`` on their difference, so two that lie ``e`` apart
    are in the right order with probability Φ(1/√2) = .76. Of repeats, ``e`` is the root mean square of the standard
    errors of both weighted sums. The larger of the two errors counts.

    Args:
        ordered: Scored results under one rubric, the best first.
        scale: On which scale they are.
    """
    found: list[CloseCall] = []
    known = False
    for first, second in pairwise(ordered):
        needed = _needed(first, second, scale)
        known = known or needed is not None
        apart = _apart(first, second)
        if needed is not None and apart < needed:
            ids, again = (first.case.id, second.case.id), scale.error is None
            found.append(CloseCall(first=ids[0], second=ids[1], apart=apart, needed=needed, again=again))
    return found if known else None


def shared_ranks(ordered: Sequence[Result], scale: ShownScale) -> list[str]:
    """The rank of each result, counted from 1; ``1=`` for those that lie too close to the first of that rank.

    Args:
        ordered: Scored results under one rubric, the best first.
        scale: On which scale they are.
    """
    leads: list[int] = []
    for place, result in enumerate(ordered):
        lead = leads[-1] if leads else 0
        needed = _needed(ordered[lead], result, scale)
        leads.append(lead if needed is not None and _apart(ordered[lead], result) < needed else place)
    return [f"{lead + 1}{'=' if leads.count(lead) > 1 else ''}" for lead in leads]


def _needed(first: Result, second: Result, scale: ShownScale) -> float | None:
    """How far apart two results must lie, in points; None where nobody knows."""
    known = [one for one in (scale.error, _error_of_repeats(first, second, scale)) if one is not None]
    return max(known, default=None)


def _apart(first: Result, second: Result) -> float:
    """The difference in value as points of the judge's weighted sum; references, which have no noise, take part."""
    assert first.score is not None
    assert second.score is not None
    share = max(first.score.judge_share, second.score.judge_share)
    span = first.score.top - (first.score.bottom if first.score.by_range else 0)
    difference = abs((first.value or 0.0) - (second.value or 0.0))
    return round(difference / share * span, 9) if share else math.inf


def _error_of_repeats(first: Result, second: Result, scale: ShownScale) -> float | None:
    both = [_variance_of_repeats(one, scale) for one in (first, second)]
    known = [one for one in both if one is not None]
    return math.sqrt(math.fsum(known) / 2) if len(known) == 2 else None


def _variance_of_repeats(result: Result, scale: ShownScale) -> float | None:
    """Of the weighted sum, as the mean of repeated answers; None where there are no repeats."""
    if scale.repeats < 2 or result.verdict is None or result.score is None:
        return None
    shares = {part.criterion: part.effective_share for part in result.score.parts}
    spreads = [(shares[item.criterion], item.spread) for item in result.verdict.criteria if item.score is not None]
    if any(spread is None for _, spread in spreads):
        return None
    return math.fsum((share * (spread or 0.0)) ** 2 for share, spread in spreads) / scale.repeats
