"""What makes texts good in the eyes of people, whatever they are: one direction of the states of all kinds of texts.

The states of each kind are taken around their own mean, and its ratings in their own standard deviations, so that only
what is better and worse within a kind takes part. A ridge regression over all of them, its penalty chosen by leaving
out one kind after the other, orders texts of kinds that it never saw; a head for one kind can start from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tenward.errors import UsageError
from tenward.evaluation._folds import rank_correlation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tenward.evaluation._head_labels import StateOf

    Array: TypeAlias = NDArray[np.float64]

__all__ = ["GeneralDirection", "fit_general"]

_AXES = 96
_HELD_BACK = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Ridge penalties that are tried, beside states whose mean squared distance from their mean is 1."""

_ALONE = 0.3
"""The one that is taken where there is but one kind."""

_MOST = 1200
"""Ratings of one kind that count in full; more of them share that weight."""


@dataclass(frozen=True, kw_only=True)
class GeneralDirection:
    """Where better texts of any kind lie."""

    direction: Array
    """One number per dimension of a state of length 1; its size says nothing."""

    left_out: Mapping[str, float]
    """Mean rank correlation with the ratings of each kind, over its criteria, when the kind took no part; empty where
    there is but one."""


def fit_general(kinds: Mapping[str, Sequence[StateOf]]) -> GeneralDirection:
    """Fit the direction to several kinds of rated texts.

    Args:
        kinds: Rated texts by the name of their kind, such as the rubric by which they are rated.

    Raises:
        UsageError: No kind has ratings that differ.
    """
    import numpy as np

    parts = {name: one for name, texts in kinds.items() if (one := _part(texts)) is not None}
    if not parts:
        raise UsageError("fitting a direction: found no texts whose ratings differ, expected some of one kind or more")
    around = np.concatenate([one.unique for one in parts.values()])
    basis = np.linalg.svd(around, full_matrices=False)[2][:_AXES]
    size = float(np.sqrt((around**2).sum(axis=1).mean()))
    sums = {name: _sums(one.rows @ basis.T / size, one.rating) for name, one in parts.items()}
    scores: dict[float, dict[str, float]] = {_ALONE: {}} if len(parts) == 1 else {}
    for penalty in _HELD_BACK if len(parts) > 1 else ():
        scores[penalty] = {
            name: _order(one, basis.T @ _solve([sums[other] for other in parts if other != name], penalty))
            for name, one in parts.items()
        }
    best = max(scores, key=lambda penalty: sum(scores[penalty].values()))
    direction = basis.T @ _solve(list(sums.values()), best) / size
    return GeneralDirection(direction=direction, left_out=scores[best])


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One kind: its states around their mean, and for every rating the state again and the rating in its own unit."""

    unique: Array
    rows: Array
    rating: Array
    criteria: Mapping[str, tuple[NDArray[np.int64], Array]]
    """Place of the rated texts, and their ratings, by criterion."""


def _part(texts: Sequence[StateOf]) -> _Part | None:
    import numpy as np

    unit = np.array([text.state.mean for text in texts])
    unique = unit - unit.mean(axis=0)
    rows: list[Array] = []
    ratings: list[Array] = []
    criteria: dict[str, tuple[NDArray[np.int64], Array]] = {}
    for name in dict.fromkeys(name for text in texts for name in text.rating):
        places = np.array([place for place, text in enumerate(texts) if name in text.rating])
        rating = np.array([texts[place].rating[name] for place in places.tolist()], dtype=np.float64)
        if rating.std() == 0:
            continue
        rows.append(unique[places] - unique[places].mean(axis=0))
        ratings.append((rating - rating.mean()) / rating.std())
        criteria[name] = places, rating
    if not criteria:
        return None
    return _Part(unique=unique, rows=np.concatenate(rows), rating=np.concatenate(ratings), criteria=criteria)


def _sums(at: Array, rating: Array) -> tuple[Array, Array]:
    """What a kind adds to the normal equations."""
    weight = min(1.0, _MOST / len(at))
    return weight * at.T @ at, weight * at.T @ rating


def _solve(sums: Sequence[tuple[Array, Array]], penalty: float) -> Array:
    import numpy as np

    held = sum(one for one, _ in sums) + penalty * np.eye(len(sums[0][1]))
    return np.asarray(np.linalg.solve(held, sum(one for _, one in sums)), dtype=np.float64)


def _order(part: _Part, direction: Array) -> float:
    """Mean rank correlation over the criteria of a kind."""
    import numpy as np

    said = part.unique @ direction
    return float(np.mean([rank_correlation(said[places], rating) for places, rating in part.criteria.values()]))
