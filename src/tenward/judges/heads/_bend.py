"""What a head says beyond a weighted sum: how a text's points bend with its nearness to some of those it was fitted to.

A Gaussian kernel on few landmarks (Nyström; Williams and Seeger, 2001), each text in a sketch of its state of 256
numbers, whose distances are about the state's own (Charikar et al., 2002). Far from all landmarks nothing is added, and
the weighted sum stands alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["SKETCH", "Bends", "sketch"]

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


class Bends:
    """Landmarks, and how near a text is to them.

    Args:
        landmarks: Sketches of some texts, landmarks times numbers of a sketch.
        width: Squared distance at which nearness has fallen to 1/e.
    """

    def __init__(self, landmarks: Array, width: float) -> None:
        import numpy as np

        self.landmarks = landmarks
        self.width = width
        values, vectors = np.linalg.eigh(self._near(landmarks))
        self._root = (vectors / np.sqrt(values.clip(_LEAST))) @ vectors.T

    def features(self, units: Array) -> Array:
        """Texts times landmarks: numbers whose products are about the kernel between two texts.

        Args:
            units: States of length 1, texts times dimensions.
        """
        import numpy as np

        return np.asarray(self._near(sketch(units)) @ self._root, dtype=np.float64)

    def _near(self, sketches: Array) -> Array:
        import numpy as np

        squares = (sketches**2).sum(axis=1)[:, np.newaxis] + (self.landmarks**2).sum(axis=1)
        return np.asarray(np.exp(-(squares - 2 * sketches @ self.landmarks.T).clip(0) / self.width), dtype=np.float64)
