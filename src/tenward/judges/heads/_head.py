"""What a head says of a state: points, how sure it is, and whether the state is one of those it knows.

Each criterion is a Bayesian linear regression (Bishop, *Pattern Recognition and Machine Learning*, 2006, section 3.3):
weights have a normal prior, ratings a normal error around the weighted sum, to which what a program counts and nearness
to some of the texts may add. How far the weights are known is kept along the axes on which the texts differ most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.judges.heads._bend import Bends, Landmarks
from tenward.judges.heads._counts import CountScale
from tenward.judges.heads._file import unpacked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tenward.judges.heads._file import HeadCriterion, HeadFile
    from tenward.judges.heads._text import TextState

    Array = NDArray[np.float64]

__all__ = ["Head", "HeadReading", "shrunk_covariance"]

_RIDGE = 1e-2  # share of the mean variance that is added to every coordinate's, so that none is taken for exact


@dataclass(frozen=True, kw_only=True)
class HeadReading:
    """What a head made of one state, for one criterion."""

    points: float
    """On the rubric's scale, mapped so that they spread as ratings do, where the head has such a map."""

    linear: float
    """Before that map, which is drawn towards the middle."""

    spread: float
    """Standard deviation of a rating around them, in points: of its own error and of what the texts left unknown."""


class Head:
    """A head ready to read: its numbers unpacked once.

    Args:
        file: The head.
    """

    def __init__(self, file: HeadFile) -> None:
        import numpy as np

        self.file = file
        self._centre = unpacked(file.centre)
        self._basis = unpacked(file.basis).reshape(file.axes, file.dimensions)
        seen = unpacked(file.seen).reshape(file.axes, file.axes)
        self._precision = np.linalg.inv(shrunk_covariance(seen, file.texts))
        self._weights = {name: unpacked(one.weights) for name, one in file.criteria.items()}
        self._unknown = {name: _posterior(seen, one) for name, one in file.criteria.items()}
        self._counted = {name: unpacked(one.counted) for name, one in file.criteria.items() if one.counted is not None}
        self.counts: CountScale | None = None
        if file.counts is not None:
            self.counts = CountScale(
                mean=unpacked(file.counts.mean),
                spread=unpacked(file.counts.spread),
                low=unpacked(file.counts.low),
                high=unpacked(file.counts.high),
            )
        self.landmarks: Landmarks | None = None
        if file.landmarks is not None:
            self.landmarks = Landmarks(
                sketches=unpacked(file.landmarks.sketches).reshape(file.landmarks.count, -1),
                counts=unpacked(file.landmarks.counts).reshape(file.landmarks.count, -1),
            )
        self._bends = {
            name: (Bends(self.landmarks, counted=one.bend.counted, width=one.bend.width), unpacked(one.bend.weights))
            for name, one in file.criteria.items()
            if one.bend is not None and self.landmarks is not None
        }

    def directions(self, criteria: Collection[str] | None = None) -> Array:
        """The weights of the criteria as directions of the states themselves, criteria times dimensions.

        Args:
            criteria: Only of these.
        """
        import numpy as np

        return np.array([weights for name, weights in self._weights.items() if criteria is None or name in criteria])

    def linear(self, criterion: str) -> tuple[Array, float]:
        """What is summed for a criterion, before any map: weights of a state of length 1, and what is added."""
        direction = self._weights[criterion]
        return direction, self.file.criteria[criterion].middle - float(direction @ self._centre)

    def bend(self, criterion: str) -> tuple[Bends, Array] | None:
        """Nearness to the landmarks as a criterion has it, and its weights; None where it does not bend."""
        return self._bends.get(criterion)

    def counted(self, criterion: str) -> Array | None:
        """The weights of what a program counts, for a criterion; None where that is not looked at."""
        return self._counted.get(criterion)

    def coordinates(self, text: TextState) -> tuple[Array, float]:
        """The coordinates of a text's mean state, and its distance from the span of the axes.

        Raises:
            ValueError: The state has other dimensions.
        """
        import numpy as np

        if text.mean.shape != (self.file.dimensions,):
            raise ValueError(f"a state of {text.mean.size} numbers, expected {self.file.dimensions}")
        around = text.mean - self._centre
        at = self._basis @ around
        return at, float(np.linalg.norm(around - self._basis.T @ at))

    def is_inside(self, text: TextState) -> bool:
        """Whether the text lies among those that the head was fitted to; elsewhere it has nothing to say."""
        at, residual = self.coordinates(text)
        distance = math.sqrt(max(0.0, float(at @ self._precision @ at)))
        return distance <= self.file.distance and residual <= self.file.residual

    def read(self, text: TextState) -> Mapping[str, HeadReading]:
        """Points and spread per criterion, whether or not the text lies inside."""
        import numpy as np

        at, _ = self.coordinates(text)
        counts = None if self.counts is None else self.counts.standard(text.counts)
        lo, hi = map(float, self.file.range)
        found: dict[str, HeadReading] = {}
        for name, one in self.file.criteria.items():
            summed = one.middle + float(self._weights[name] @ (text.at(name, one.own) - self._centre))
            if counts is not None and name in self._counted:
                summed += float(self._counted[name] @ counts)
            if counts is not None and name in self._bends:
                bends, bent = self._bends[name]
                summed += float(bent @ bends.features(text.mean[np.newaxis], counts[np.newaxis])[0])
            linear = min(max(summed, lo), hi)
            spread = math.sqrt(one.noise**2 + max(0.0, float(at @ self._unknown[name] @ at)))
            points = linear if one.scale is None else one.scale.points(linear, lo, hi)
            found[name] = HeadReading(points=points, linear=linear, spread=spread)
        return found


def shrunk_covariance(seen: Array, texts: int) -> Array:
    """Covariance of coordinates from the sum of their products; each gets a little of the mean variance more."""
    import numpy as np

    covariance = seen / max(texts, 1)
    return covariance + _RIDGE * float(np.trace(covariance)) / len(seen) * np.eye(len(seen))


def _posterior(seen: Array, one: HeadCriterion) -> Array:
    """Covariance of the weights: prior precision and what the texts add to it, inverted."""
    import numpy as np

    precision = seen / one.noise**2 + np.eye(len(seen)) / one.prior**2
    return np.asarray(np.linalg.inv(precision), dtype=np.float64)
