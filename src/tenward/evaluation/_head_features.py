"""What the regression of a head sees of a text: its state along axes, some counts, how near it is to landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tenward.judges.heads import COUNTS, Bends, CountScale, Landmarks, packed, sketch, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tenward.evaluation._fit_general import GeneralDirection
    from tenward.judges.heads import Head, TextState

    Array: TypeAlias = NDArray[np.float64]

__all__ = [
    "COUNTED",
    "MANY",
    "OWN_SHARES",
    "View",
    "directions_begun",
    "fresh_bends",
    "fresh_counts",
    "fresh_landmarks",
    "orthonormal",
    "view",
]

OWN_SHARES = (0.0, 1.0)
"""Of the state at the end of a criterion's own question that are tried; the rest is the mean over all questions."""

MANY = 100
"""Texts from which on a fresh head gets landmarks, and its ways to look are tried; fewer do not tell one from noise."""

_COUNT_SHARES = (0.1, 0.3, 0.6, 0.9)
"""Of a typical squared distance between two texts, as nearness has it, that are tried for what a program counts."""

COUNTED = (0.1, 0.15)
"""How much one standard deviation of a count may weigh, where a text's mean distance from the centre weighs 1."""

_BENT = 1.7
"""How much nearness to one landmark weighs likewise."""

_LANDMARKS = 128
_LEAST_APART = 1e-4
"""Median squared distance of two texts, of which two that share nothing have 2."""

_WIDTH = 0.6
"""Of a landmark's surroundings, as a share of the median squared distance between two texts."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One way to look at all texts, for one criterion."""

    own: float
    centre: Array
    basis: Array
    """Orthonormal axes times dimensions."""

    at: Array
    """Texts times axes, counts and landmarks."""

    bends: Bends | None
    counted: float
    """Of :data:`COUNTED`."""

    size: float
    """By which counts and nearness are multiplied, so that they weigh beside the coordinates along the axes."""

    def start(self, direction: Array, counted: Array | None, bent: Array | None) -> Array:
        """Weights of a head along these axes, counts and landmarks."""
        import numpy as np

        landmarks = self.at.shape[1] - len(self.basis) - len(COUNTS)
        return np.concatenate(
            [
                self.basis @ direction,
                np.zeros(len(COUNTS)) if counted is None else counted / (self.size * self.counted),
                np.zeros(landmarks) if bent is None else bent / (self.size * _BENT),
            ]
        )

    def weights(self, fitted: Array) -> tuple[Array, Array, Array | None]:
        """The weights of a state's numbers, of counts and of nearness, from those of a regression."""
        axes = len(self.basis)
        counted, bent = fitted[axes : axes + len(COUNTS)], fitted[axes + len(COUNTS) :]
        return (
            self.basis.T @ fitted[:axes],
            counted * self.size * self.counted,
            bent * self.size * _BENT if len(bent) else None,
        )


def view(
    criterion: str,
    own: float,
    states: Sequence[TextState],
    *,
    axes: int,
    begun: Array | None,
    counts: CountScale,
    counted: float,
    bends: Bends | None,
) -> View:
    """Look at texts for one criterion.

    Args:
        criterion: The criterion.
        own: Share of its own state.
        states: The texts.
        axes: Principal axes, at most.
        begun: Directions that are axes too.
        counts: How counts spread.
        counted: How much they weigh, of :data:`COUNTED`.
        bends: Landmarks, if any.
    """
    import numpy as np

    units = np.array([state.at(criterion, own) for state in states])
    centre = units.mean(axis=0)
    basis = orthonormal(units - centre, axes, begun)
    at = (units - centre) @ basis.T
    size = float(np.sqrt((at**2).sum(axis=1).mean())) or 1.0
    standard = counts.standard(np.array([state.counts for state in states]))
    at = np.hstack([at, size * counted * standard])
    if bends is not None:
        near = bends.features(np.array([state.mean for state in states]), standard)
        at = np.hstack([at, size * _BENT * near])
    return View(own=own, centre=centre, basis=basis, at=at, bends=bends, counted=counted, size=size)


def fresh_counts(states: Sequence[TextState]) -> CountScale:
    """How counts spread among these texts, as the file will hold it."""
    import numpy as np

    found = CountScale.of(np.array([state.counts for state in states]))
    return CountScale(**{name: _as_kept(getattr(found, name)) for name in ("mean", "spread", "low", "high")})


def fresh_landmarks(states: Sequence[TextState], counts: CountScale, seed: int) -> Landmarks | None:
    """Some of these texts, as the file will hold them; None where there are too few.

    Args:
        states: The texts.
        counts: How their counts spread.
        seed: Of the draw.
    """
    import numpy as np

    if len(states) < MANY:
        return None
    draw = np.random.default_rng([seed, 11])
    drawn: list[int] = draw.choice(len(states), size=min(_LANDMARKS, len(states) // 3), replace=False).tolist()
    sketches = sketch(np.array([states[row].mean for row in drawn]))
    counted = counts.standard(np.array([states[row].counts for row in drawn]))
    return Landmarks(**{name: _as_kept(one) for name, one in (("sketches", sketches), ("counts", counted))})


def fresh_bends(landmarks: Landmarks) -> list[Bends]:
    """Ways to weigh states and counts in how near two texts are."""
    import numpy as np

    states, counts = (float(np.median(_squares(one))) for one in (landmarks.sketches, landmarks.counts))
    if states < _LEAST_APART:  # most of the texts are one: nothing is near that is not the same
        return []
    return [
        Bends(
            landmarks,
            counted=round(states / counts * share / (1 - share), 6) if counts else 0.0,
            width=round(_WIDTH * states / (1 - share), 6),
        )
        for share in _COUNT_SHARES
    ]


def _squares(points: Array) -> Array:
    """Squared distances of any two."""
    import numpy as np

    apart = ((points[:, np.newaxis] - points) ** 2).sum(axis=2)
    return np.asarray(apart[np.triu_indices(len(points), 1)], dtype=np.float64)


def _as_kept(numbers: Array) -> Array:
    """Rounded as the file will hold them, so that a head says what was measured."""
    return unpacked(packed(numbers)).reshape(numbers.shape)


def directions_begun(earlier: Head | None, general: GeneralDirection | None) -> Array | None:
    """Directions from which regressions start; None where there are none."""
    import numpy as np

    found = [] if earlier is None else [earlier.directions()]
    found += [] if general is None else [general.direction[np.newaxis]]
    return np.vstack(found) if found else None


def orthonormal(around: Array, axes: int, begun: Array | None) -> Array:
    """Axes: the principal ones, and those from which the regressions start."""
    import numpy as np

    found = np.linalg.svd(around, full_matrices=False)[2][: min(axes, max(len(around) - 1, 1))]
    if begun is not None:
        found = np.linalg.qr(np.vstack([begun, found]).T)[0].T
    return np.asarray(found, dtype=np.float64)
