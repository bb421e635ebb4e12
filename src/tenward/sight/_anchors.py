"""Anchors for a map where nobody has rated anything: a right output is good, that of another case is poor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenward.evaluation import Rated, check_ratings
from tenward.sight._ladders import build_ladders
from tenward.sight._measure import read_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenward.datasets import Case
    from tenward.judges import Judge
    from tenward.rubrics import Rubric

__all__ = ["read_anchors"]

_FROM_THE_END = 1 / 8
"""How far the anchors lie from the ends of the scale, as a share of it: 4.5 and 1.5 of 1 to 5. Outputs are seldom
perfect, and the output of another case is seldom wrong in everything."""


async def read_anchors(
    cases: Iterable[Case],
    rubric: Rubric,
    judge: Judge,
    *,
    cases_at_most: int = 24,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Rated, ...]:
    """Read right outputs and other cases' ones, and rate the former near the top, the latter near the bottom.

    The right output of a case is its reference where it has one, else its own output. A criterion that another case's
    output does not lower, such as its form, gets ratings that its readings do not follow, and so no map.

    Args:
        cases: Cases with outputs or references, all of which are taken for good.
        rubric: What good is.
        judge: Who reads.
        cases_at_most: How many cases to draw, each of another group.
        seed: Which ones, and which other outputs they get.
        on_progress: Told how many texts of how many are read.

    Raises:
        NoLadderError: There are too few cases, no outputs, or all are alike.
        UsageError: There are too few for a map.
        SystemicError: The judge cannot work at all.
    """
    ladders = build_ladders(cases, cases_at_most=cases_at_most, seed=seed, rungs=("other", "reference"), nulls=False)
    lo, hi = rubric.scale.lo, rubric.scale.hi
    room = _FROM_THE_END * (hi - lo)
    anchors: list[tuple[tuple[str, str], Rated]] = []
    for ladder in ladders:
        case = ladder.case
        good, poor = ladder.rungs.get("reference", case.output), ladder.rungs.get("other")
        for text, rating in ((good, hi - room), (poor, lo + room)):
            if text is None:
                continue
            anchor = Rated(
                case=f"{case.id} rated {rating:g}",
                group=case.group or case.id,
                raw={},
                rating=dict.fromkeys(rubric.criteria, rating),
                has_input=bool(case.input),
            )
            anchors.append(((case.id, text), anchor))
    check_ratings((anchor for _, anchor in anchors), rubric)
    readings = await read_texts(ladders, rubric, judge, on_progress=on_progress)
    return tuple(
        replace(anchor, raw={name: one for name, one in readings[key].raw.items() if one is not None})
        for key, anchor in anchors
    )
