"""What was seen of a candidate, in units, and what an effect that both splits see alike makes of it."""

from __future__ import annotations

import math
from typing import NamedTuple

from tenward.decisions._exponential import squared

__all__ = ["Shown"]


class Shown(NamedTuple):
    """Means and their standard errors, infinite where nothing was judged."""

    dev: float
    dev_error: float
    sealed: float
    sealed_error: float

    def together(self) -> tuple[float, float, float]:
        """Both splits as one mean with its error, and what their distance costs, as a log likelihood."""
        if self.sealed_error == math.inf:
            return self.dev, self.dev_error, 0.0
        if self.dev_error == math.inf:
            return self.sealed, self.sealed_error, 0.0
        both = math.hypot(self.dev_error, self.sealed_error)
        on_dev, on_sealed = (self.sealed_error / both) ** 2, (self.dev_error / both) ** 2
        mean = on_dev * self.dev + on_sealed * self.sealed
        return mean, self.dev_error * (self.sealed_error / both), -0.5 * squared((self.dev - self.sealed) / both)
