"""Cross-validation in which a source is never on both sides, and the correlation of ranks."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

__all__ = ["fold_of_units", "mean_ranks", "rank_correlation", "whole_numbers"]

U = TypeVar("U", str, tuple[bool, str])


def fold_of_units(units: Sequence[U], folds: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each case, from 0: units are never divided, and the folds are as even as they allow.

    Args:
        units: The unit of each case.
        folds: How many folds, 2 or more.
        random: Draws which units come together.
    """
    import numpy as np

    sizes = Counter(units)
    names = sorted(sizes)
    shuffled = [names[index] for index in whole_numbers(random.permutation(len(names)))]
    filled = [0] * folds
    fold_of: dict[U, int] = {}
    for unit in sorted(shuffled, key=lambda name: -sizes[name]):
        fold_of[unit] = filled.index(min(filled))
        filled[fold_of[unit]] += sizes[unit]
    return np.array([fold_of[unit] for unit in units])


def rank_correlation(one: Array, other: Array) -> float:
    """Spearman's, ties sharing their rank; 0 where one of both is constant, and so ranks nothing."""
    first, second = mean_ranks(one), mean_ranks(other)
    norm = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / norm if norm > 0 else 0.0


def mean_ranks(values: Array) -> Array:
    """Ranks around 0, ties sharing theirs."""
    import numpy as np

    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return np.asarray(ranks - ranks.mean(), dtype=np.float64)


def whole_numbers(array: NDArray[np.int64]) -> list[int]:
    """Plain numbers, for indexing plain lists."""
    return [int(number) for number in array]
