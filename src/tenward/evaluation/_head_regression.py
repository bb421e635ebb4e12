"""Ridge regression from coordinates to points, on ratings and on pairs, that starts from what was said before.

Each rating is a row, each pair ("this one is better than that one") a row of half the weight, since it has the noise of
two ratings: the better text is to lie a quarter of the scale above the other. Weights are held back towards a share of
earlier ones, where there are some. How much, which share, and which of several views of the texts is looked at, is
chosen by the error on sources left out.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from tenward.evaluation._folds import fold_of_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]
    Mask: TypeAlias = NDArray[np.bool_]

__all__ = ["Held", "Labelled", "Ridge", "choose", "held_out", "ridge"]

_FOLDS = 10
_HELD_BACK = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0)
"""Ridge penalties that are tried, as multiples of the mean squared distance of a text from the centre: with 1, the
prior weighs as much as one text of that distance along each axis."""

_SHARES = (1.0, 0.7, 0.4, 0.2, 0.0)
"""Of the earlier weights, from which a regression may start."""

_PAIR = 0.5
_DECOY = 0.5
"""What an empty text counts beside one that somebody rated: they lie apart, so that little is enough."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What is known of one criterion: rated texts and pairs, in coordinates around a common centre."""

    at: Array
    """Rated texts times axes."""

    rating: Array
    target: Array
    """What is regressed on: the ratings, or a monotone function of them."""

    groups: Sequence[str]
    """The source of each rated text."""

    real: Mask
    """Which rated texts somebody rated; the others are decoys."""

    apart: Array
    """Pairs times axes: coordinates of the better text less those of the other."""

    pair_groups: Sequence[str]
    margin: float
    """Points by which the better text of a pair is to lie above the other."""

    start: Array | None = None
    """Weights of an earlier head; None where there is none."""

    start_middle: float = 0.0
    """What it says where all coordinates are 0."""

    def without(self, groups: frozenset[str]) -> Labelled:
        """What is left without some sources."""
        kept, pairs = self.outside(groups)
        return replace(
            self,
            at=self.at[kept],
            rating=self.rating[kept],
            target=self.target[kept],
            real=self.real[kept],
            groups=[one for one, used in zip(self.groups, kept, strict=True) if used],
            apart=self.apart[pairs],
            pair_groups=[one for one, used in zip(self.pair_groups, pairs, strict=True) if used],
        )

    def outside(self, groups: frozenset[str]) -> tuple[Mask, Mask]:
        """Which rated texts and which pairs are of none of these sources."""
        import numpy as np

        rated, pairs = ([one not in groups for one in some] for some in (self.groups, self.pair_groups))
        return np.array(rated, dtype=bool), np.array(pairs, dtype=bool)

    @property
    def weight(self) -> Array:
        """How much each rated text counts."""
        import numpy as np

        return np.where(self.real, 1.0, _DECOY)

    @property
    def labels(self) -> int:
        """Ratings that somebody gave, and pairs."""
        return int(self.real.sum()) + len(self.apart)

    @property
    def spread(self) -> float:
        """Mean squared distance of a text from the centre."""
        rated = self.at - self.at.mean(axis=0) if len(self.at) else self.at
        squares = float((rated**2).sum()) + float((self.apart**2).sum()) / 2
        return squares / max(len(self.at) + len(self.apart), 1)


@dataclass(frozen=True, kw_only=True)
class Ridge:
    """A fitted regression."""

    weights: Array
    middle: float
    penalty: float
    share: float
    """Of the earlier weights, towards which these are held back, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What was said of each text and pair by a regression that was fitted, penalty and all, without its source."""

    points: Array
    apart: Array
    constant: Array
    """The mean rating of the other sources, by text."""


def ridge(known: Labelled, penalty: float, share: float) -> Ridge:
    """Fit with a given penalty and a given share of the earlier weights."""
    return _System.of(known).solve(known, penalty, share)


def choose(views: Sequence[Labelled], seed: int) -> tuple[int, Ridge]:
    """Fit with the view, the penalty and the share that err least on sources left out.

    Args:
        views: The same texts and pairs, looked at in one or several ways.
        seed: Of the folds.

    Returns:
        The place of the view among them, and the regression.
    """
    tried = [_try(known, seed) for known in views]
    place = min(range(len(views)), key=lambda one: tried[one].off)
    return place, ridge(views[place], tried[place].penalty, tried[place].share)


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """What errs least in one view."""

    penalty: float
    share: float
    off: float
    """Sum of squares, on sources left out."""


def _try(known: Labelled, seed: int) -> _Tried:
    shares = (0.0,) if known.start is None else _SHARES
    off = dict.fromkeys(itertools.product(_HELD_BACK, shares), 0.0)
    for left_out in _folds(known, seed, 99):
        rest = known.without(left_out)
        if not len(rest.at) and not len(rest.apart):
            continue
        rated, pairs = (~kept for kept in known.outside(left_out))
        system = _System.of(rest)
        for way in off:
            fitted = system.solve(rest, *way)
            said = fitted.middle + known.at[rated] @ fitted.weights - known.target[rated]
            apart = known.margin - known.apart[pairs] @ fitted.weights
            off[way] += float((known.weight[rated] * said**2).sum()) + _PAIR * float((apart**2).sum())
    best = min(off, key=off.__getitem__)
    return _Tried(penalty=best[0], share=best[1], off=off[best])


def held_out(views: Sequence[Labelled], seed: int, draw: int) -> Held:
    """Nested cross-validation by source: the choice is made anew without the texts that are predicted."""
    import numpy as np

    first = views[0]
    points, constant = np.zeros(len(first.at)), np.zeros(len(first.at))
    apart = np.zeros(len(first.apart))
    for left_out in _folds(first, seed, draw):
        rest = [known.without(left_out) for known in views]
        place, fitted = choose(rest, seed)
        known = views[place]
        rated, pairs = (~kept for kept in known.outside(left_out))
        points[rated] = fitted.middle + known.at[rated] @ fitted.weights
        real = rest[place].rating[rest[place].real]
        constant[rated] = float(real.mean()) if len(real) else fitted.middle
        apart[pairs] = known.apart[pairs] @ fitted.weights
    return Held(points=points, apart=apart, constant=constant)


@dataclass(frozen=True, kw_only=True)
class _System:
    """The normal equations, taken apart once for all penalties."""

    values: Array
    vectors: Array
    mean: Array
    spread: float

    @classmethod
    def of(cls, known: Labelled) -> _System:
        import numpy as np

        weight = known.weight
        mean = np.average(known.at, axis=0, weights=weight) if len(known.at) else np.zeros(known.at.shape[1])
        around = known.at - mean
        squares = around.T @ (around * weight[:, np.newaxis])
        values, vectors = np.linalg.eigh(squares + _PAIR * known.apart.T @ known.apart)
        return cls(values=values.clip(0), vectors=vectors, mean=mean, spread=known.spread)

    def solve(self, known: Labelled, penalty: float, share: float) -> Ridge:
        import numpy as np

        start = np.zeros(known.at.shape[1]) if known.start is None else share * known.start
        left = known.target - known.at @ start
        weight = known.weight
        middle = float(np.average(left, weights=weight)) if len(left) else known.start_middle
        wanted = (known.at - self.mean).T @ (weight * (left - middle))
        wanted = wanted + _PAIR * known.apart.T @ (known.margin - known.apart @ start)
        held_back = max(penalty * self.spread, 1e-12)  # all texts alike: nothing moves, and nothing is divided by 0
        moved = self.vectors @ ((self.vectors.T @ wanted) / (self.values + held_back))
        return Ridge(weights=start + moved, middle=middle - float(self.mean @ moved), penalty=penalty, share=share)


def _folds(known: Labelled, seed: int, draw: int) -> list[frozenset[str]]:
    """The sources, divided."""
    import numpy as np

    units = [*known.groups, *known.pair_groups]
    count = min(_FOLDS, len(set(units)))
    folds = fold_of_units(units, max(count, 2), np.random.default_rng([seed, draw]))
    divided: dict[int, set[str]] = {}
    for unit, fold in zip(units, folds.tolist(), strict=True):
        divided.setdefault(fold, set()).add(unit)
    return [frozenset(divided[fold]) for fold in sorted(divided)]
