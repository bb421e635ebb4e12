"""What a head says of a state: points, how sure it is, and whether the state is one of those it knows.

Each criterion is a Bayesian linear regression (Bishop, *Pattern Recognition and Machine Learning*, 2006, section 3.3):
weights have a normal prior, ratings a normal error around the weighted sum. How far the weights are known is kept along
the axes on which the texts differ most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.judges.heads._file import unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tenward.judges.heads._file import HeadCriterion, HeadFile

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
        self._criteria = {name: (unpacked(one.weights), _posterior(seen, one)) for name, one in file.criteria.items()}

    def directions(self) -> Array:
        """The weights of the criteria as directions of the states themselves, criteria times dimensions."""
        import numpy as np

        return np.array([self.linear(name)[0] for name in self.file.criteria])

    def linear(self, criterion: str) -> tuple[Array, float]:
        """What is summed for a criterion, before any map: weights of a state of length 1, and what is added."""
        direction, _ = self._criteria[criterion]
        return direction, self.file.criteria[criterion].middle - float(direction @ self._centre)

    def coordinates(self, state: Array) -> tuple[Array, float]:
        """The coordinates of a state, which is taken to length 1, and its distance from the span of the axes.

        Raises:
            ValueError: The state has other dimensions, or no length.
        """
        import numpy as np

        if state.shape != (self.file.dimensions,):
            raise ValueError(f"a state of {state.size} numbers, expected {self.file.dimensions}")
        length = float(np.linalg.norm(state))
        if not 0 < length < math.inf:
            raise ValueError("a state without length")
        around = state / length - self._centre
        at = self._basis @ around
        return at, float(np.linalg.norm(around - self._basis.T @ at))

    def is_inside(self, state: Array) -> bool:
        """Whether the state lies among those that the head was fitted to; elsewhere it has nothing to say."""
        at, residual = self.coordinates(state)
        distance = math.sqrt(max(0.0, float(at @ self._precision @ at)))
        return distance <= self.file.distance and residual <= self.file.residual

    def read(self, state: Array) -> Mapping[str, HeadReading]:
        """Points and spread per criterion, whether or not the state lies inside."""
        import numpy as np

        at, _ = self.coordinates(state)
        around = state / float(np.linalg.norm(state)) - self._centre
        lo, hi = map(float, self.file.range)
        found: dict[str, HeadReading] = {}
        for name, one in self.file.criteria.items():
            weights, unknown = self._criteria[name]
            linear = min(max(one.middle + float(weights @ around), lo), hi)
            spread = math.sqrt(one.noise**2 + max(0.0, float(at @ unknown @ at)))
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
