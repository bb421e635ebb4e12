"""What is known of the texts that a head is fitted to: ratings, pairs, sources, and where the regression starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

from tenward.evaluation._folds import mean_ranks
from tenward.evaluation._head_features import MANY
from tenward.evaluation._head_regression import Labelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tenward.datasets import Case, Preference
    from tenward.evaluation._fit_general import GeneralDirection
    from tenward.evaluation._head_features import View
    from tenward.judges.heads import Head, TextState
    from tenward.rubrics import Rubric

    Array: TypeAlias = NDArray[np.float64]

__all__ = ["LEAST_SOURCES", "StateOf", "joined", "labelled_of", "sources_of"]

LEAST_SOURCES = 4
"""Of the labels of a criterion, so that a head can be measured on sources that took no part."""

_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class StateOf:
    """One text, by its state."""

    case: str
    group: str
    """Its source; texts of one are never on both sides of a cross-validation."""

    state: TextState
    rating: Mapping[str, float]
    """On the rubric's scale; criteria may be missing."""

    length: int
    """Characters of the text: what a head sees beyond this is told apart."""

    decoy: bool = False
    """An empty text that a program wrote for an input and that is taken for the lowest level: it counts in fitting, and
    in no figure."""


def sources_of(cases: Sequence[Case]) -> dict[str, str]:
    """The source of each case by its id: its group, else its input, or its text where hardly an input differs."""
    alone = [case for case in cases if not case.group]
    by_input = len({case.input for case in alone}) >= LEAST_SOURCES
    return {case.id: f"\0{case.input if by_input else case.output}" for case in alone} | {
        case.id: case.group for case in cases if case.group
    }


def joined(groups: Mapping[str, str], pairs: Sequence[Preference]) -> dict[str, str]:
    """The source of each text by case, where those that a pair connects are one."""
    root = {group: group for group in groups.values()}

    def top(group: str) -> str:
        while root[group] != group:
            group = root[group]
        return group

    for pair in pairs:
        root[top(groups[pair.better])] = top(groups[pair.worse])
    return {case: top(group) for case, group in groups.items()}


def labelled_of(
    name: str,
    texts: Sequence[StateOf],
    pairs: Sequence[Preference],
    looked: View,
    where: Mapping[str, int],
    sources: Sequence[str],
    rubric: Rubric,
    earlier: Head | None,
    general: GeneralDirection | None,
) -> Labelled:
    import numpy as np

    rows = [row for row, text in enumerate(texts) if name in text.rating]
    ours = [(where[pair.better], where[pair.worse]) for pair in pairs if pair.criterion in {"", name}]
    lo, hi = rubric.scale.lo, rubric.scale.hi
    at = looked.at
    rating = np.array([texts[row].rating[name] for row in rows], dtype=np.float64)
    known = Labelled(
        at=at[rows],
        rating=rating,
        target=_spread_out(rating) if len(rows) >= MANY else rating,
        groups=[sources[row] for row in rows],
        real=np.array([not texts[row].decoy for row in rows], dtype=bool),
        apart=at[[better for better, _ in ours]] - at[[worse for _, worse in ours]],
        pair_groups=[sources[better] for better, _ in ours],
        margin=(hi - lo) / 4,
        start=None,
        start_middle=(lo + hi) / 2,
    )
    if earlier is not None and name in earlier.file.criteria:
        direction, middle = earlier.linear(name)
        bend = earlier.bend(name)
        start = looked.start(direction, earlier.counted(name), None if bend is None else bend[1])
        return replace(known, start=start, start_middle=middle + float(direction @ looked.centre))
    if general is None:
        return known
    start = looked.start(general.direction, None, None)
    said = float((at @ start).std())
    wide = float(known.rating.std()) if rows else known.margin  # the general direction is as wide as the ratings
    return replace(known, start=start * wide / said) if said else known


def _spread_out(rating: Array) -> Array:
    """Ratings half-way to a normal spread as wide as theirs (van der Waerden's scores).

    Where most texts have the highest rating, the few lowest ones would decide all.
    """
    import numpy as np

    if rating.std() == 0:
        return rating
    shares = mean_ranks(rating) / len(rating) + 0.5
    scores = np.array([_NORMAL.inv_cdf(share) for share in shares.tolist()])
    spread = rating.mean() + (scores - scores.mean()) * float(rating.std() / scores.std())
    return np.asarray((rating + spread) / 2, dtype=np.float64)
