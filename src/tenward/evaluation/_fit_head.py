"""Fit a head: from states of rated texts to points per criterion, checked on texts of sources that took no part.

The states, each of length 1, are reduced to their principal axes, on which each criterion is a ridge regression. How
much it is held back, the noise of ratings and every figure come of cross-validation by source; the figures of one in
which even that choice was made without the texts they are of (nested). What a ridge says is drawn towards the middle,
so a map that was fitted to held-out predictions spreads it as ratings do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tenward.errors import UsageError
from tenward.evaluation._fit_scale import Rated, fit_scale
from tenward.evaluation._folds import fold_of_units, rank_correlation
from tenward.judges.heads import head_digest, packed, shrunk_covariance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tenward.judges import CriterionScale
    from tenward.judges.heads import HeadFor
    from tenward.rubrics import Rubric

    Array: TypeAlias = NDArray[np.float64]

__all__ = ["FittedHead", "StateOf", "fit_head"]

_AXES = 32
_FOLDS = 10
_DRAWS = 3
_HELD_BACK = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Ridge penalties that are tried, as multiples of the mean squared distance of a text from the centre: with 1, the
prior weighs as much as one text of that distance along each axis."""

_LEAST_TEXTS = 30
_LEAST_GROUPS = 8
_ROUNDING = 0.01
"""How far half precision may put a state of length 1 beside the axes it lies on."""

_KNOWN = 0.99
"""Share of texts of sources that took no part that lie inside."""


@dataclass(frozen=True, kw_only=True)
class StateOf:
    """One rated text, by its state."""

    case: str
    group: str
    """Its source; texts of one are never on both sides of a cross-validation."""

    state: Sequence[float] | Array
    rating: Mapping[str, float]
    """On the rubric's scale; criteria may be missing."""

    length: int
    """Characters of the text: what a head sees beyond this is told apart."""


@dataclass(frozen=True, kw_only=True)
class FittedHead:
    """A head as data, and what became of each criterion."""

    data: dict[str, Any]
    """For :class:`tenward.judges.heads.HeadFile`; without criteria where none holds out."""

    held_out: Mapping[str, Array]
    """Points per text that has a rating, by a head that was fitted without its source; by criterion."""

    why: Mapping[str, str]
    """Criterion by criterion, in words."""


def fit_head(
    texts: Sequence[StateOf],
    rubric: Rubric,
    fitted_for: HeadFor,
    source: str,
    *,
    anchors: Literal["ratings", "ladder"] = "ratings",
    axes: int = _AXES,
    seed: int = 0,
) -> FittedHead:
    """Fit the criteria that are rated.

    Args:
        texts: Rated texts of one kind, with the states that the same model, engine and question gave.
        rubric: Their rubric; ratings are on its scale.
        fitted_for: What the states hang on.
        source: What the texts are, under which licence, and who rated them.
        anchors: What the ratings are.
        axes: Principal axes that are kept, at most.
        seed: Of the folds.

    Raises:
        UsageError: There are too few texts or sources.
    """
    import numpy as np

    counts = {name: [text for text in texts if name in text.rating] for name in rubric.criteria}
    enough = {
        name: rated
        for name, rated in counts.items()
        if len(rated) >= _LEAST_TEXTS and len({text.group for text in rated}) >= _LEAST_GROUPS
    }
    if not enough:
        most = max((len(rated) for rated in counts.values()), default=0)
        raise UsageError(
            f"fitting a head: found at most {most} rated texts on one criterion, expected {_LEAST_TEXTS} or more "
            f"of {_LEAST_GROUPS} or more sources",
            hint=f"`human` holds ratings under the names of the rubric's criteria, {', '.join(rubric.criteria)}",
        )
    states = np.array([text.state for text in texts], dtype=np.float64)
    unit = states / np.linalg.norm(states, axis=1, keepdims=True)
    centre = unit.mean(axis=0)
    basis = np.linalg.svd(unit - centre, full_matrices=False)[2][: min(axes, len(texts) - 1)]
    at = (unit - centre) @ basis.T
    distance, residual = _farthest(unit, [text.group for text in texts], len(basis), seed)
    where = {text.case: row for row, text in enumerate(texts)}
    criteria: dict[str, dict[str, Any]] = {}
    held_out: dict[str, Array] = {}
    why: dict[str, str] = {}
    for name, rated in enough.items():
        one = _criterion(name, rated, at[[where[text.case] for text in rated]], rubric, seed)
        why[name] = one.why
        if one.data is not None:
            criteria[name], held_out[name] = one.data, one.points
    data: dict[str, Any] = {
        "head": rubric.rubric,
        "range": [rubric.scale.lo, rubric.scale.hi],
        "fitted_for": fitted_for.model_dump(mode="json"),
        "source": source,
        "anchors": anchors,
        "error": _error_of_sum(enough, held_out, rubric),
        "dimensions": states.shape[1],
        "axes": len(basis),
        "centre": packed(centre),
        "basis": packed(basis),
        "seen": packed(at.T @ at),
        "distance": round(distance, 6),
        "residual": round(residual, 6),
        "criteria": criteria,
    }
    return FittedHead(data={**data, "hash": head_digest(data)}, held_out=held_out, why=why)


def _error_of_sum(
    rated: Mapping[str, Sequence[StateOf]], held_out: Mapping[str, Array], rubric: Rubric
) -> float | None:
    """Root mean squared error of the weighted sum over the texts that are rated on every criterion."""
    import numpy as np

    if set(held_out) != set(rubric.criteria):
        return None
    off: dict[str, list[float]] = {}
    for name, share in rubric.shares.items():
        for text, points in zip(rated[name], held_out[name], strict=True):
            off.setdefault(text.case, []).append(float(share) * (float(points) - text.rating[name]))
    whole = [math.fsum(parts) for parts in off.values() if len(parts) == len(held_out)]
    return round(float(np.sqrt(np.mean(np.square(whole)))), 3) if whole else None


@dataclass(frozen=True, kw_only=True)
class _Criterion:
    why: str
    data: dict[str, Any] | None = None
    points: Array = None  # type: ignore[assignment]


def _criterion(name: str, rated: Sequence[StateOf], at: Array, rubric: Rubric, seed: int) -> _Criterion:
    import numpy as np

    rating = np.array([text.rating[name] for text in rated], dtype=np.float64)
    groups = [text.group for text in rated]
    if rating.std() == 0:
        return _Criterion(why=f"every text has the rating {rating[0]:g}, so nothing can be learned")
    draws = [fold_of_units(groups, _FOLDS, np.random.default_rng([seed, draw])) for draw in range(_DRAWS)]
    said = np.mean([_nested(at, rating, groups, folds, seed) for folds in draws], axis=0)
    alone = np.mean([_means(rating, folds) for folds in draws], axis=0)
    error, constant = (math.sqrt(float(((one - rating) ** 2).mean())) for one in (said, alone))
    rho = rank_correlation(said, rating)
    if error >= constant:
        return _Criterion(
            why=f"off by {error:.2f} points on sources that took no part; always saying the mean by {constant:.2f}"
        )
    lo, hi = rubric.scale.lo, rubric.scale.hi
    scale = _map(name, rated, said.clip(lo, hi), rubric, seed)
    penalty = _penalty(at, rating, groups, seed)
    weights, middle = _ridge(at, rating, penalty)
    around = at - at.mean(axis=0)
    variance = float((around**2).sum()) / len(at)
    # Held-out residuals hold both the noise and what the weights are off by; the former is what is left of the latter.
    noise = max(error * math.sqrt(max(0.25, 1 - at.shape[1] / (2 * len(at)))), 1e-3)
    prior = noise / math.sqrt(max(penalty * variance, 1e-12))
    length = np.array([float(text.length) for text in rated])
    data: dict[str, Any] = {
        "weights": packed(weights),
        "middle": round(middle, 6),
        "noise": round(noise, 6),
        "prior": round(prior, 6),
        "cases": len(rated),
        "groups": len(set(groups)),
        "error": round(error, 3),
        "constant_error": round(constant, 3),
        "spearman": round(rho, 3),
        "given_length": round(partial_rank_correlation(said, rating, length), 3),
        "length": round(rank_correlation(length, rating), 3),
    }
    if scale is not None:
        data["scale"] = scale.model_dump(mode="json", exclude_none=True)
    points = said if scale is None else np.array([scale.points(float(one), lo, hi) for one in said.clip(lo, hi)])
    return _Criterion(
        why=f"off by {error:.2f} points on sources that took no part (always saying the mean: {constant:.2f}), "
        f"in the order of the ratings by {rho:.2f}",
        data=data,
        points=points,
    )


def _map(name: str, rated: Sequence[StateOf], said: Array, rubric: Rubric, seed: int) -> CriterionScale | None:
    texts = [
        Rated(case=text.case, group=text.group, raw={name: float(one)}, rating={name: text.rating[name]})
        for text, one in zip(rated, said, strict=True)
    ]
    return fit_scale(texts, rubric, seed=seed).maps.get(name)


def partial_rank_correlation(one: Array, other: Array, given: Array) -> float:
    """Rank correlation of two lists where a third is held fixed, from the three pairwise ones (Kendall, 1942)."""
    both, first, second = rank_correlation(one, other), rank_correlation(one, given), rank_correlation(other, given)
    room = (1 - first**2) * (1 - second**2)
    return max(-1.0, min(1.0, (both - first * second) / math.sqrt(room))) if room > 1e-12 else 0.0


def _nested(at: Array, rating: Array, groups: Sequence[str], folds: NDArray[np.int64], seed: int) -> Array:
    """What a ridge says of each text that was fitted, its penalty chosen, without the text's fold."""
    import numpy as np

    said = np.zeros(len(rating))
    for fold in sorted(set(folds.tolist())):
        rest = folds != fold
        penalty = _penalty(at[rest], rating[rest], [g for g, used in zip(groups, rest, strict=True) if used], seed)
        weights, middle = _ridge(at[rest], rating[rest], penalty)
        said[~rest] = middle + at[~rest] @ weights
    return said


def _means(rating: Array, folds: NDArray[np.int64]) -> Array:
    import numpy as np

    return np.array([rating[folds != fold].mean() for fold in folds])


def _penalty(at: Array, rating: Array, groups: Sequence[str], seed: int) -> float:
    """The penalty whose held-out error is the least."""
    import numpy as np

    folds = fold_of_units(groups, min(_FOLDS, len(set(groups))), np.random.default_rng([seed, 99]))
    off = dict.fromkeys(_HELD_BACK, 0.0)
    for fold in sorted(set(folds.tolist())):
        rest = folds != fold
        for penalty in _HELD_BACK:
            weights, middle = _ridge(at[rest], rating[rest], penalty)
            off[penalty] += float(((middle + at[~rest] @ weights - rating[~rest]) ** 2).sum())
    return min(off, key=off.__getitem__)


def _ridge(at: Array, rating: Array, penalty: float) -> tuple[Array, float]:
    """Weights of the coordinates, and points where all are 0."""
    import numpy as np

    mean, middle = at.mean(axis=0), float(rating.mean())
    around = at - mean
    variance = float((around**2).sum()) / len(at)
    held = around.T @ around + penalty * variance * np.eye(at.shape[1])
    weights = np.asarray(np.linalg.solve(held, around.T @ (rating - middle)), dtype=np.float64)
    return weights, middle - float(mean @ weights)


def _farthest(unit: Array, groups: Sequence[str], axes: int, seed: int) -> tuple[float, float]:
    """How far nearly all texts lie along axes of other sources, in standard deviations of those, and beside them."""
    import numpy as np

    folds = fold_of_units(groups, min(_FOLDS, len(set(groups))), np.random.default_rng([seed, 7]))
    along, beside = np.zeros(len(unit)), np.zeros(len(unit))
    for fold in sorted(set(folds.tolist())):
        rest = folds != fold
        centre = unit[rest].mean(axis=0)
        basis = np.linalg.svd(unit[rest] - centre, full_matrices=False)[2][:axes]
        known, fresh = ((unit[which] - centre) @ basis.T for which in (rest, ~rest))
        covariance = shrunk_covariance(known.T @ known, len(known))
        along[~rest] = np.sqrt(np.einsum("ij,jk,ik->i", fresh, np.linalg.inv(covariance), fresh))
        beside[~rest] = np.linalg.norm(unit[~rest] - centre - fresh @ basis, axis=1)
    return float(np.quantile(along, _KNOWN)), max(float(np.quantile(beside, _KNOWN)), _ROUNDING)
