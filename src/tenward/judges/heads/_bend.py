"""What a head says beyond a weighted sum: how a text's points bend with its nearness to some of those it was fitted to.

A Gaussian kernel on few landmarks (Nyström; Williams and Seeger, 2001). Texts are near where both their states and what
a program counts in them are: a state as a sketch of 256 numbers, whose distances are about its own (Charikar et al.,
2002). Far from all landmarks nothing is added, and the weighted sum stands alone.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["SKETCH", "Bends", "Landmarks", "sketch"]

SKETCH = 256
_LEAST = 1e-3  # of the kernel's eigenvalues, so that landmarks which lie together do not blow up rounding


def sketch(units: Array) -> Array:
    """Each row with random signs, its numbers summed in turn into 256; rows that are no longer stay as they are."""
    import numpy as np

    texts, dimensions = units.shape
    if dimensions <= SKETCH:
        return units
    bits = np.frombuffer(hashlib.shake_256(b"tenward").digest(-(-dimensions // 8)), dtype=np.uint8)
    signed = units * (np.unpackbits(bits)[:dimensions] * 2.0 - 1)
    filled = np.zeros((texts, -(-dimensions // SKETCH) * SKETCH))
    filled[:, :dimensions] = signed
    return np.asarray(filled.reshape(texts, -1, SKETCH).sum(axis=1), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """Some of the texts that a head was fitted to."""

    sketches: Array
    """Of their states, landmarks times numbers of a sketch."""

    counts: Array
    """What a program counts in them, in standard deviations, landmarks times counts."""


class Bends:
    """How near a text is to landmarks.

    Args:
        landmarks: Some texts.
        counted: What one standard deviation of one count adds to a squared distance.
        width: Squared distance at which nearness has fallen to 1/e.
    """

    def __init__(self, landmarks: Landmarks, *, counted: float, width: float) -> None:
        import numpy as np

        self.counted = counted
        self.width = width
        self._at = self._joined(landmarks.sketches, landmarks.counts)
        values, vectors = np.linalg.eigh(self._near(self._at))
        self._root = (vectors / np.sqrt(values.clip(_LEAST))) @ vectors.T

    def features(self, units: Array, counts: Array) -> Array:
        """Texts times landmarks: numbers whose products are about the kernel between two texts.

        Args:
            units: States of length 1, texts times dimensions.
            counts: In standard deviations, texts times counts.
        """
        import numpy as np

        return np.asarray(self._near(self._joined(sketch(units), counts)) @ self._root, dtype=np.float64)

    def _joined(self, sketches: Array, counts: Array) -> Array:
        import numpy as np

        return np.hstack([sketches, math.sqrt(self.counted) * counts])

    def _near(self, joined: Array) -> Array:
        import numpy as np

        squares = (joined**2).sum(axis=1)[:, np.newaxis] + (self._at**2).sum(axis=1)
        return np.asarray(np.exp(-(squares - 2 * joined @ self._at.T).clip(0) / self.width), dtype=np.float64)
