"""Fit a head: from states of rated texts, or of pairs, to points per criterion, checked on sources that took no part.

The states, each of length 1, are reduced to their principal axes, on which, with nearness to some of the texts, each
criterion is a ridge regression; with an earlier head, its weights are axes too, and the regression starts from them.
How much it is held back, the noise of ratings and every figure come of cross-validation by source; the figures of one
in which even that choice was made without the texts they are of (nested). What a ridge says is drawn towards the
middle, so a map that was fitted to held-out predictions spreads it as ratings do.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tenward.errors import UsageError
from tenward.evaluation._fit_scale import Rated, fit_scale
from tenward.evaluation._folds import fold_of_units, rank_correlation
from tenward.evaluation._head_features import (
    COUNTED,
    MANY,
    OWN_SHARES,
    directions_begun,
    fresh_bends,
    fresh_counts,
    fresh_landmarks,
    orthonormal,
    view,
)
from tenward.evaluation._head_labels import StateOf, joined, labelled_of
from tenward.evaluation._head_regression import Labelled, choose, held_out
from tenward.judges.heads import head_digest, packed, shrunk_covariance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tenward.datasets import Preference
    from tenward.evaluation._fit_general import GeneralDirection
    from tenward.evaluation._head_features import View
    from tenward.evaluation._head_regression import Ridge
    from tenward.judges import CriterionScale
    from tenward.judges.heads import Bends, CountScale, Head, HeadFor, Landmarks, TextState
    from tenward.rubrics import Rubric

    Array: TypeAlias = NDArray[np.float64]

__all__ = ["FittedCriterionHead", "FittedHead", "fit_head", "partial_rank_correlation"]

_AXES = 128
_SHOWN = 32
"""Axes that a file keeps, to tell what is unlike the texts it was fitted to."""

_FOLDS = 10
_DRAWS = 3
"""Cross-validations whose mean is told; of many texts one is steady enough."""

_LEAST_TEXTS = 30
_LEAST_GROUPS = 8
_ROUNDING = 0.01
"""How far half precision may put a state of length 1 beside the axes it lies on."""

_KNOWN = 0.99
"""Share of texts of sources that took no part that lie no farther than the limits are counted from."""

_ROOM = 3.0
"""How many times as far a text may lie. Empty praise, half a text and orders to the judge lie up to twice as far; a
head that was shown decoys reads them low, as it should, where the plain reading does not."""


@dataclass(frozen=True, kw_only=True)
class FittedCriterionHead:
    """What became of one criterion."""

    data: dict[str, Any] | None
    """Of the file; None where it does not hold out."""

    why: str
    """How well it does, or why it does not, in words."""

    points: Mapping[str, float]
    """Points per rated text, by a head that was fitted without its source; by case."""

    apart: Sequence[float]
    """The same for pairs: points of the better text less those of the other, in their order."""


@dataclass(frozen=True, kw_only=True)
class FittedHead:
    """A head as data, and what became of each criterion."""

    data: dict[str, Any]
    """For :class:`tenward.judges.heads.HeadFile`; without criteria where none holds out."""

    criteria: Mapping[str, FittedCriterionHead]
    """Those for which there was enough."""


def fit_head(
    texts: Sequence[StateOf],
    rubric: Rubric,
    fitted_for: HeadFor,
    source: str,
    *,
    pairs: Sequence[Preference] = (),
    earlier: Head | None = None,
    general: GeneralDirection | None = None,
    anchors: Literal["ratings", "ladder"] = "ratings",
    least: tuple[int, int] = (_LEAST_TEXTS, _LEAST_GROUPS),
    axes: int = _AXES,
    seed: int = 0,
) -> FittedHead:
    """Fit the criteria of which enough is known.

    Args:
        texts: Texts of one kind, with the states that the same model, engine and question gave; decoys among them.
        rubric: Their rubric; ratings are on its scale.
        fitted_for: What the states hang on.
        source: What the texts are, under which licence, and who rated them.
        pairs: Which of two texts is better.
        earlier: A head of the same states, from whose weights to start.
        general: A direction in which better texts of any kind lie, from which to start where no earlier head reads.
        anchors: What the ratings are.
        least: How many rated texts and pairs together, and of how many sources, a criterion needs.
        axes: Principal axes on which to regress, at most.
        seed: Of the folds.

    Raises:
        UsageError: There are too few texts or sources.
    """
    import numpy as np

    states = [text.state for text in texts]
    real = [text for text in texts if not text.decoy]
    unit = np.array([text.state.mean for text in real])
    together = joined({text.case: text.group for text in texts}, pairs)
    sources = [together[text.case] for text in texts]
    begun = directions_begun(earlier, general)
    counts = None if earlier is None else earlier.counts
    counts = fresh_counts([text.state for text in real]) if counts is None else counts
    landmarks = None if earlier is None else earlier.landmarks
    landmarks = fresh_landmarks([text.state for text in real], counts, seed) if landmarks is None else landmarks
    where = {text.case: row for row, text in enumerate(texts)}
    many = len(real) >= MANY
    shares = OWN_SHARES if many and len(rubric.criteria) > 1 else (0.0,)
    weights = COUNTED if many else COUNTED[:1]
    looked = {
        name: _views(name, states, shares, weights, axes, begun, counts, landmarks, earlier) for name in rubric.criteria
    }
    known = {
        name: [labelled_of(name, texts, pairs, one, where, sources, rubric, earlier, general) for one in several]
        for name, several in looked.items()
    }
    labels = {name: (one.labels, len({*one.groups, *one.pair_groups})) for name, (one, *_) in known.items()}
    enough = [name for name, (count, groups) in labels.items() if count >= least[0] and groups >= least[1]]
    if not enough:
        most = max(labels.values(), default=(0, 0))
        raise UsageError(
            f"fitting a head: found at most {most[0]} rated texts or pairs of {most[1]} sources on one criterion, "
            f"expected {least[0]} or more of {least[1]} or more sources",
            hint=f"`human` holds ratings under the names of the rubric's criteria, {', '.join(rubric.criteria)}",
        )
    lengths = {text.case: float(text.length) for text in real}
    centre = unit.mean(axis=0)
    shown = orthonormal(unit - centre, min(axes, _SHOWN), begun)
    found = {name: _criterion(name, known[name], looked[name], centre, real, lengths, rubric, seed) for name in enough}
    seen = (unit - centre) @ shown.T
    of = [source for source, text in zip(sources, texts, strict=True) if not text.decoy]
    distance, residual = _farthest(unit, of, min(axes, _SHOWN), begun, seed)
    data: dict[str, Any] = {
        "head": rubric.rubric,
        "range": [rubric.scale.lo, rubric.scale.hi],
        "fitted_for": fitted_for.model_dump(mode="json"),
        "source": source,
        "anchors": anchors,
        "error": _error_of_sum(real, found, rubric),
        "dimensions": len(centre),
        "axes": len(shown),
        "centre": packed(centre),
        "basis": packed(shown),
        "seen": packed(seen.T @ seen),
        "texts": len(real),
        "distance": round(distance, 6),
        "residual": round(residual, 6),
        "criteria": {name: one.data for name, one in found.items() if one.data is not None},
    }
    data["counts"] = {name: packed(getattr(counts, name)) for name in ("mean", "spread", "low", "high")}
    if landmarks is not None:
        data["landmarks"] = {
            "count": len(landmarks.sketches),
            "sketches": packed(landmarks.sketches),
            "counts": packed(landmarks.counts),
        }
    return FittedHead(data={**data, "hash": head_digest(data)}, criteria=found)


def _views(
    name: str,
    states: Sequence[TextState],
    shares: Sequence[float],
    weights: Sequence[float],
    axes: int,
    begun: Array | None,
    counts: CountScale,
    landmarks: Landmarks | None,
    earlier: Head | None,
) -> list[View]:
    """The ways to look at texts for a criterion; with an earlier head that reads it, its own."""
    bends: Sequence[Bends | None] = (None,) if landmarks is None else fresh_bends(landmarks) or (None,)
    if earlier is not None and name in earlier.file.criteria:
        shares = (earlier.file.criteria[name].own,)
        bent = earlier.bend(name)
        bends, weights = (None if bent is None else bent[0],), weights[:1]
    return [
        view(name, own, states, axes=axes, begun=begun, counts=counts, counted=counted, bends=one)
        for own, one, counted in itertools.product(shares, bends, weights)
    ]


def _error_of_sum(texts: Sequence[StateOf], found: Mapping[str, FittedCriterionHead], rubric: Rubric) -> float | None:
    """Root mean squared error of the weighted sum over the texts that are rated on every criterion."""
    if not all(name in found and found[name].data is not None and found[name].points for name in rubric.criteria):
        return None
    whole = [
        math.fsum(
            float(share) * (found[name].points[text.case] - text.rating[name]) for name, share in rubric.shares.items()
        )
        for text in texts
        if rubric.criteria.keys() <= text.rating.keys()
    ]
    return round(math.sqrt(math.fsum(one**2 for one in whole) / len(whole)), 3) if whole else None


def _criterion(
    name: str,
    views: Sequence[Labelled],
    looked: Sequence[View],
    centre: Array,
    texts: Sequence[StateOf],
    lengths: Mapping[str, float],
    rubric: Rubric,
    seed: int,
) -> FittedCriterionHead:
    import numpy as np

    draws = [held_out(views, seed, draw) for draw in range(1 if len(texts) >= MANY else _DRAWS)]
    apart = np.mean([one.apart for one in draws], axis=0)
    place, ridge = choose(views, seed)
    known, fitted = views[place], _Fitted(ridge, looked[place], centre)
    if len(known.apart) and len(set(known.rating[known.real].tolist())) <= 1:  # no ratings, or all alike
        return _of_pairs(known, fitted, apart)
    rated = [text for text in texts if name in text.rating]
    rating, lo, hi = known.rating[known.real], float(rubric.scale.lo), float(rubric.scale.hi)
    said = np.mean([one.points for one in draws], axis=0)[known.real]
    points = {text.case: float(one) for text, one in zip(rated, said.clip(lo, hi), strict=True)}
    if rating.std() == 0:
        why = f"every text has the rating {rating[0]:g}, so nothing can be learned"
        return FittedCriterionHead(data=None, why=why, points=points, apart=apart.tolist())
    constant = np.mean([one.constant for one in draws], axis=0)[known.real]
    error, alone = (math.sqrt(float(((one - rating) ** 2).mean())) for one in (said, constant))
    if error >= alone:
        why = f"off by {error:.2f} points on sources that took no part; always saying the mean by {alone:.2f}"
        return FittedCriterionHead(data=None, why=why, points=points, apart=apart.tolist())
    scale = _map(name, rated, points, rubric, seed)
    rho = rank_correlation(said, rating)
    length = np.array([lengths[text.case] for text in rated])
    data = _data(
        known,
        fitted,
        error,
        constant_error=round(alone, 3),
        spearman=round(rho, 3),
        given_length=round(partial_rank_correlation(said, rating, length), 3),
        length=round(rank_correlation(length, rating), 3),
        pairs=len(known.apart),
    )
    if scale is not None:
        data["scale"] = scale.model_dump(mode="json", exclude_none=True)
        points = {case: scale.points(one, lo, hi) for case, one in points.items()}
    why = (
        f"off by {error:.2f} points on sources that took no part (always saying the mean: {alone:.2f}), "
        f"in the order of the ratings by {rho:.2f}"
    )
    return FittedCriterionHead(data=data, why=why, points=points, apart=apart.tolist())


def _of_pairs(known: Labelled, fitted: _Fitted, apart: Array) -> FittedCriterionHead:
    """Of a criterion of which only pairs are known."""
    right = float((apart > 0).mean())
    why = f"{right:.0%} of the pairs of sources that took no part in the right order"
    if right <= 0.5:
        return FittedCriterionHead(data=None, why=f"only {why}", points={}, apart=apart.tolist())
    error = math.sqrt(float(((known.margin - apart) ** 2).mean()) / 2)
    data = _data(known, fitted, error, constant_error=round(known.margin / math.sqrt(2), 3), pairs=len(apart))
    return FittedCriterionHead(data=data, why=why, points={}, apart=apart.tolist())


@dataclass(frozen=True)
class _Fitted:
    """A regression, and how it looks at texts."""

    ridge: Ridge
    looked: View
    centre: Array
    """Of the file, around which its weights are."""


def _data(known: Labelled, fitted: _Fitted, error: float, **figures: Any) -> dict[str, Any]:
    """One criterion as the file has it."""
    ridge, looked = fitted.ridge, fitted.looked
    count, axes = known.labels, min(len(looked.basis), _SHOWN)
    # Held-out residuals hold both the noise and what the weights are off by; the former is what is left of the latter.
    noise = max(error * math.sqrt(max(0.25, 1 - axes / (2 * count))), 1e-3)
    weights, counted, bent = looked.weights(ridge.weights)
    if looked.bends is not None and bent is not None:
        figures["bend"] = {"weights": packed(bent), "counted": looked.bends.counted, "width": looked.bends.width}
    return {
        "weights": packed(weights),
        "own": looked.own,
        "counted": packed(counted),
        "middle": round(ridge.middle + float(weights @ (fitted.centre - looked.centre)), 6),
        "noise": round(noise, 6),
        "prior": round(noise / math.sqrt(max(ridge.penalty * known.spread, 1e-12)), 6),
        "cases": int(known.real.sum()),
        "groups": len({*known.groups, *known.pair_groups}),
        "error": round(error, 3),
        **figures,
    }


def _map(
    name: str, rated: Sequence[StateOf], points: Mapping[str, float], rubric: Rubric, seed: int
) -> CriterionScale | None:
    texts = [
        Rated(case=text.case, group=text.group, raw={name: points[text.case]}, rating={name: text.rating[name]})
        for text in rated
    ]
    try:
        return fit_scale(texts, rubric, seed=seed).maps.get(name)
    except UsageError:  # too few for a map
        return None


def partial_rank_correlation(one: Array, other: Array, given: Array) -> float:
    """Rank correlation of two lists where a third is held fixed, from the three pairwise ones (Kendall, 1942)."""
    both, first, second = rank_correlation(one, other), rank_correlation(one, given), rank_correlation(other, given)
    room = (1 - first**2) * (1 - second**2)
    return max(-1.0, min(1.0, (both - first * second) / math.sqrt(room))) if room > 1e-12 else 0.0


def _farthest(unit: Array, sources: Sequence[str], axes: int, begun: Array | None, seed: int) -> tuple[float, float]:
    """How far texts may lie along axes of other sources, in standard deviations of those, and beside them."""
    import numpy as np

    folds = fold_of_units(sources, max(2, min(_FOLDS, len(set(sources)))), np.random.default_rng([seed, 7]))
    along, beside = np.zeros(len(unit)), np.zeros(len(unit))
    for fold in sorted(set(folds.tolist())):
        rest = folds != fold
        centre = unit[rest].mean(axis=0)
        basis = orthonormal(unit[rest] - centre, axes, begun)
        known, fresh = ((unit[which] - centre) @ basis.T for which in (rest, ~rest))
        covariance = shrunk_covariance(known.T @ known, len(known))
        along[~rest] = np.sqrt(np.einsum("ij,jk,ik->i", fresh, np.linalg.inv(covariance), fresh))
        beside[~rest] = np.linalg.norm(unit[~rest] - centre - fresh @ basis, axis=1)
    nearly_all = float(np.quantile(along, _KNOWN)), max(float(np.quantile(beside, _KNOWN)), _ROUNDING)
    return _ROOM * nearly_all[0], _ROOM * nearly_all[1]
