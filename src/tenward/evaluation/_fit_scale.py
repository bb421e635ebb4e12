"""Fit the map from a judge's raw readings to points that mean the levels, on ratings of the same texts.

Two shapes are tried, a line in the log-odds of the reading and a rising step function (isotonic regression, by pooling
adjacent violators: Barlow et al., 1972), and the one with the smaller cross-validated error is taken. Either predicts
the *mean* rating of a reading, so it has the correlation r of the ratings' spread: every text would come out near the
middle. It is stretched around its mean until its points spread over the square root of r times what the ratings do,
halfway (geometrically) between the best prediction and the ratings' own spread, and between half of that spread and the
widest one, 2r of it, that errs less than always saying the mean: hence no map where r is below a quarter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from tenward.errors import UsageError
from tenward.evaluation._folds import fold_of_units, rank_correlation
from tenward.judges import CriterionScale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tenward.datasets import Case
    from tenward.evaluation._result import Result
    from tenward.rubrics import Rubric, Scale

    Array: TypeAlias = NDArray[np.float64]
    Shape: TypeAlias = Callable[[Array], Array]

__all__ = ["FittedCriterion", "FittedScale", "Rated", "check_ratings", "fit_scale", "rated_texts", "ratings_of"]

_LEAST_CASES = 12
_LEAST_GROUPS = 4
_FOLDS = 5
_DRAWS = 5
"""Draws of folds that errors and correlations are averaged over; one alone may prefer either shape."""

_LEAST_CORRELATION = 0.25
"""Held-out correlation from which the stretched map errs less than a constant: √r < 2r."""

_KNOTS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
_EDGE = 0.1
"""Share of the scale at either end into which points beyond it are squeezed, so that none reach the end."""

_MIXED_IN = 0.1
"""Share of the line that a step function gets, so that it rises everywhere."""

_APART = 1e-4
_TRIES = 8
_MOST_AT_ONCE = 2.0
_CLOSE = 0.01


@dataclass(frozen=True, kw_only=True)
class Rated:
    """One text: what the judge read, raw, and what it was rated, per criterion."""

    case: str
    group: str
    """Its source; texts of one source are never on both sides of a cross-validation. Its id where it has none."""

    raw: Mapping[str, float]
    rating: Mapping[str, float]
    """On the rubric's scale."""

    has_input: bool = True
    """Whether the text had an input. Judges may be told other things where there is none."""


@dataclass(frozen=True, kw_only=True)
class FittedCriterion:
    """What became of one criterion."""

    scale: CriterionScale | None
    """The map; None where none holds out."""

    why: str
    """In words: how well it does, or why there is none."""

    cases: int
    mean: float
    """Mean rating."""

    sd: float
    """Standard deviation of the ratings."""

    raw_mean: float
    raw_sd: float
    mapped: tuple[float, ...] = ()
    """The mapped readings of the texts that have a reading and a rating, in their order, each by a map that was fitted
    without its source; empty where there is no map."""

    @property
    def mapped_mean(self) -> float | None:
        """Mean of :attr:`mapped`."""
        return math.fsum(self.mapped) / len(self.mapped) if self.mapped else None

    @property
    def mapped_sd(self) -> float | None:
        """Standard deviation of :attr:`mapped`."""
        mean = self.mapped_mean
        if mean is None:
            return None
        return math.sqrt(math.fsum((one - mean) ** 2 for one in self.mapped) / len(self.mapped))


@dataclass(frozen=True, kw_only=True)
class FittedScale:
    """Maps of one rubric."""

    criteria: Mapping[str, FittedCriterion]

    inputs: Literal["with", "without"]
    """Whether the texts it was fitted on had an input."""

    left_out: int = 0
    """Texts of the other, rarer kind."""

    error: float | None = None
    """Root mean squared error of the weighted sum in points, cross-validated; None unless every criterion has a map."""

    @property
    def maps(self) -> dict[str, CriterionScale]:
        """Those that hold out."""
        return {name: one.scale for name, one in self.criteria.items() if one.scale is not None}


def ratings_of(cases: Iterable[Case]) -> Iterator[Rated]:
    """The rated ones of some cases, before anything is read of them."""
    for case in cases:
        if case.human:
            group = case.group or f"\0{case.id}"
            yield Rated(case=case.id, group=group, raw={}, rating=case.human, has_input=bool(case.input))


def rated_texts(results: Iterable[Result]) -> Iterator[Rated]:
    """What a run read from its rated texts; those without a verdict or a rating are left out."""
    for result in results:
        if result.verdict is not None:
            raw = {name: one for name, one in result.verdict.raw_scores.items() if one is not None}
            yield from (replace(text, raw=raw) for text in ratings_of([result.case]))


def check_ratings(texts: Iterable[Rated], rubric: Rubric) -> None:
    """Nothing, where ratings are on the scale and there are enough for a map; what was read takes no part.

    Raises:
        UsageError: A rating is off the scale, or there are too few texts or sources.
    """
    lo, hi = rubric.scale.lo, rubric.scale.hi
    sources: dict[str, list[str]] = {name: [] for name in rubric.criteria}
    for text in texts:
        for name, rating in text.rating.items():
            if name not in rubric.criteria:
                continue
            if not lo <= rating <= hi:
                raise UsageError(
                    f"case {text.case!r}, human.{name}: found the rating {rating:g}, "
                    f"expected {lo} to {hi}, the scale of {rubric.rubric}",
                    hint="rate on the scale of the rubric, by its levels",
                )
            sources[name].append(text.group)
    counts = [(len(groups), len(set(groups))) for groups in sources.values()]
    if not any(_enough(*one) for one in counts):
        raise _too_few(counts, rubric, "rated")


def _enough(texts: int, groups: int) -> bool:
    return texts >= _LEAST_CASES and groups >= _LEAST_GROUPS


def _too_few(counts: Sequence[tuple[int, int]], rubric: Rubric, what: str) -> UsageError:
    texts, groups = max(counts)
    return UsageError(
        f"fitting a scale: found at most {texts} texts of {groups} sources that are {what} on one criterion, "
        f"expected {_LEAST_CASES} of {_LEAST_GROUPS} or more",
        hint=f"`human` holds ratings under the names of the rubric's criteria, {', '.join(rubric.criteria)}; "
        "without ratings, a ladder takes two texts of each case of another group",
    )


def fit_scale(texts: Iterable[Rated], rubric: Rubric, *, seed: int = 0) -> FittedScale:
    """Fit one map per criterion that is rated.

    Where some texts have an input and some have none, only the more frequent kind is fitted to.

    Args:
        texts: Rated texts.
        rubric: Their rubric; ratings are on its scale.
        seed: Of the folds.

    Raises:
        UsageError: A rating is off the scale, no criterion is rated, or there are too few texts or sources.
    """
    texts = tuple(texts)
    check_ratings(texts, rubric)
    with_input = 2 * sum(text.has_input for text in texts) >= len(texts)
    every, texts = len(texts), tuple(text for text in texts if text.has_input == with_input)
    found: dict[str, FittedCriterion] = {}
    off: dict[str, dict[str, float]] = {}  # mapped reading minus rating, by case
    counts: list[tuple[int, int]] = []
    for name in rubric.criteria:
        both = [text for text in texts if name in text.raw and name in text.rating]
        rows = [(text.raw[name], text.rating[name], text.group) for text in both]
        counts.append((len(rows), len({group for *_, group in rows})))
        if _enough(*counts[-1]):
            found[name] = one = _fit(rows, rubric.scale, seed)
            off[name] = {
                text.case: mapped - text.rating[name] for text, mapped in zip(both, one.mapped, strict=bool(one.mapped))
            }
    if not found:
        raise _too_few(counts, rubric, "scored and rated")
    return FittedScale(
        criteria=found,
        inputs="with" if with_input else "without",
        left_out=every - len(texts),
        error=_whole_error(off, rubric),
    )


def _whole_error(off: Mapping[str, Mapping[str, float]], rubric: Rubric) -> float | None:
    """Root mean square of what the weighted sums are off by, over the texts that have all criteria."""
    cases = set[str].intersection(*(set(off.get(name, ())) for name in rubric.criteria))
    if len(cases) < _LEAST_CASES:
        return None
    sums = [math.fsum(float(share) * off[name][case] for name, share in rubric.shares.items()) for case in cases]
    return math.sqrt(math.fsum(one**2 for one in sums) / len(sums))


def _fit(rows: Sequence[tuple[float, float, str]], scale: Scale, seed: int) -> FittedCriterion:
    import numpy as np

    raw = np.array([one for one, _, _ in rows])
    rating = np.array([one for _, one, _ in rows])
    groups = [group for *_, group in rows]
    facts = {
        "cases": len(rows),
        "mean": float(rating.mean()),
        "sd": float(rating.std()),
        "raw_mean": float(raw.mean()),
        "raw_sd": float(raw.std()),
    }

    def none(why: str) -> FittedCriterion:
        return FittedCriterion(scale=None, why=why, **facts)  # type: ignore[arg-type]

    if rating.std() == 0:
        return none(f"every text has the rating {rating[0]:g}, so nothing tells what a reading means")
    if np.ptp(raw) < _APART:
        return none("the judge reads the same from every text, so there is nothing to map")
    lo, hi = float(scale.lo), float(scale.hi)
    draws = [fold_of_units(groups, _FOLDS, np.random.default_rng([seed, draw])) for draw in range(_DRAWS)]
    held = {shape: [_held_out(shape, raw, rating, folds, lo, hi) for folds in draws] for shape in (_line, _steps)}
    means = [_held_out(_constant, raw, rating, folds, lo, hi) for folds in draws]
    shape = min(held, key=lambda one: float(np.mean([(found - rating) ** 2 for found in held[one]])))
    # Less the mean rating of the texts fitted to, which is the lower the higher that of the others is.
    r = float(np.mean([_correlation(found - mean, rating) for found, mean in zip(held[shape], means, strict=True)]))
    rho = rank_correlation(raw, rating)
    if r < _LEAST_CORRELATION:
        return none(
            f"its correlation with the ratings is {r:.2f}, below {_LEAST_CORRELATION}: "
            "a map would say more than the judge knows"
        )
    spread = math.sqrt(r) * float(rating.std())

    def stretched(raw: Array, rating: Array, lo: float, hi: float) -> Shape:
        one = _map(shape, raw, rating, math.sqrt(r) * float(rating.std()), lo, hi)
        return lambda x: _points(one, x, lo, hi)

    mapped = _held_out(stretched, raw, rating, draws[0], lo, hi)
    error, alone = (float(np.sqrt(((one - rating) ** 2).mean())) for one in (mapped, means[0]))
    if error >= alone:
        return none(
            f"a map would be off by {error:.2f} points on texts it was not fitted to; "
            f"always saying the mean only by {alone:.2f}"
        )
    fitted = _map(shape, raw, rating, spread, lo, hi).model_copy(
        update={
            "cases": len(rows),
            "groups": len(set(groups)),
            "error": round(error, 3),
            "constant_error": round(alone, 3),
            "spearman": round(rho, 3),
        }
    )
    return FittedCriterion(
        scale=fitted,
        why=f"off by {error:.2f} points on texts it was not fitted to; always saying the mean is off by {alone:.2f}",
        mapped=tuple(mapped.tolist()),
        **facts,  # type: ignore[arg-type]
    )


def _map(shape: Callable[..., Shape], raw: Array, rating: Array, spread: float, lo: float, hi: float) -> CriterionScale:
    """The map of a shape as knots, stretched around its mean until the points of these readings spread as asked."""
    import numpy as np

    predict = shape(raw, rating, lo, hi)
    predicted = predict(raw)
    middle = float(predicted.mean())
    # Readings at an end of the scale, as of a judge that says 5 to most, are mapped like others.
    ends = [end for end in (lo, hi) if (abs(raw - end) < _APART).any()]
    inside = np.quantile(raw, _KNOTS).clip(
        lo + (_APART if lo not in ends else 0), hi - (_APART if hi not in ends else 0)
    )
    xs = np.unique(np.concatenate([inside, ends]))
    if xs[-1] - xs[0] < _APART:
        xs = np.unique([raw.min(), raw.max()])
    xs = xs[np.concatenate([[True], np.diff(xs) >= _APART])]
    stretch = spread / max(float(predicted.std()), 1e-9)
    found = _knots(xs, middle + stretch * (predict(xs) - middle), lo, hi)
    # Knots and the ends of the scale take some of the spread; near the ends no stretch brings all of it back.
    for _ in range(_TRIES):
        reached = float(_points(found, raw, lo, hi).std())
        if abs(reached - spread) < _CLOSE * spread:
            break
        stretch *= min(max(spread / max(reached, 1e-9), 1 / _MOST_AT_ONCE), _MOST_AT_ONCE)
        found = _knots(xs, middle + stretch * (predict(xs) - middle), lo, hi)
    return found


def _knots(xs: Array, points: Array, lo: float, hi: float) -> CriterionScale:
    """The map through these points, squeezed into the scale, so that it rises everywhere."""
    knots: list[tuple[float, float]] = []
    for x, y in zip(xs.tolist(), _squeezed(points, lo, hi).tolist(), strict=True):
        least = knots[-1][1] + _APART if knots else lo + _APART
        knots.append((round(x, 6), round(max(y, least), 6)))
    return CriterionScale(knots=tuple(knots))


def _points(one: CriterionScale, raw: Array, lo: float, hi: float) -> Array:
    import numpy as np

    return np.array([one.points(float(x), lo, hi) for x in raw])


def _squeezed(points: Array, lo: float, hi: float) -> Array:
    """Points with those near and beyond the ends of the scale bent to stay inside it, in the same order."""
    import numpy as np

    room = _EDGE * (hi - lo)
    high = hi - room * np.exp(-(np.maximum(points - (hi - room), 0.0)) / room)
    low = lo + room * np.exp(-(np.maximum((lo + room) - points, 0.0)) / room)
    squeezed: Array = np.where(points > hi - room, high, np.where(points < lo + room, low, points))
    return squeezed


def _held_out(
    shape: Callable[..., Shape], raw: Array, rating: Array, folds: NDArray[np.int64], lo: float, hi: float
) -> Array:
    import numpy as np

    predicted = np.zeros(len(raw))
    for fold in sorted(set(folds.tolist())):
        rest = folds != fold
        predicted[~rest] = shape(raw[rest], rating[rest], lo, hi)(raw[~rest])
    return predicted


def _log_odds(raw: Array, lo: float, hi: float) -> Array:
    import numpy as np

    share = ((raw - lo) / (hi - lo)).clip(1e-6, 1 - 1e-6)
    odds: Array = np.log(share / (1 - share))
    return odds


def _constant(raw: Array, rating: Array, lo: float, hi: float) -> Shape:  # noqa: ARG001 - a shape like the others
    """The mean rating, whatever is read."""
    import numpy as np

    mean = float(rating.mean())
    return lambda x: np.full(len(x), mean)


def _line(raw: Array, rating: Array, lo: float, hi: float) -> Shape:
    """A line in the log-odds of the reading, by least squares; it never falls."""
    z = _log_odds(raw, lo, hi)
    variance = float(z.var())
    slope = max(float(((z - z.mean()) * (rating - rating.mean())).mean()) / variance, 0.0) if variance > 0 else 0.0
    middle, mean = float(z.mean()), float(rating.mean())
    return lambda x: mean + (slope or 1e-6) * (_log_odds(x, lo, hi) - middle)


def _steps(raw: Array, rating: Array, lo: float, hi: float) -> Shape:
    """Isotonic regression, joined by straight lines, with a little of the line so that it rises everywhere."""
    import numpy as np

    readings, at, counts = np.unique(raw, return_inverse=True, return_counts=True)  # equal readings are one block
    means = np.bincount(at, weights=rating) / counts
    blocks: list[tuple[float, float, int]] = []  # mean reading, mean rating, texts
    for x, y, n in zip(readings.tolist(), means.tolist(), counts.tolist(), strict=True):
        blocks.append((x, y, n))
        while len(blocks) > 1 and blocks[-2][1] >= blocks[-1][1]:
            (x1, y1, n1), (x0, y0, n0) = blocks.pop(), blocks.pop()
            both = n0 + n1
            blocks.append(((x0 * n0 + x1 * n1) / both, (y0 * n0 + y1 * n1) / both, both))
    xs, ys = np.array([x for x, _, _ in blocks]), np.array([y for _, y, _ in blocks])
    line = _line(raw, rating, lo, hi)
    return lambda x: (1 - _MIXED_IN) * np.interp(x, xs, ys) + _MIXED_IN * line(x)


def _correlation(one: Array, other: Array) -> float:
    import numpy as np

    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
