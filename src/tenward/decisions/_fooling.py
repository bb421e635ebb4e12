"""A loss that the dev judge takes for a gain, and of which the sealed judge sees a part.

Dev sees s, which has the very law of gains: so nothing that dev shows is ever for fooling and against a gain, and no
gain lies in a hole between the two. The truth is -x, with x of the law of losses. Sealed sees w - x: w is exponential,
of mean size ``leak``, and what would exceed s is not seen at all (w = 0). ::

    dev: s ~ Exp(look)      sealed: w - x,  w ~ Exp(leak) if below s, else 0;  x ~ Exp(loss)

Given what dev saw, w - x then falls off faster than any gain of mean size ``leak`` or more. Hence a higher sealed mean
always speaks for the gain.

With s and x integrated in closed form, w is left: its density is log-concave, so it is summed over panels between its
mode, the points where it has fallen to nothing, and the two places where its shape turns.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from tenward.decisions._exponential import log_seen, slopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenward.decisions._shown import Shown

__all__ = ["leaks"]

# Gauss-Legendre, seven points on -1 to 1.
_RULE = (
    (-0.9491079123427586, 0.12948496616886973),
    (-0.7415311855993945, 0.27970539148927687),
    (-0.4058451513773972, 0.3818300505051187),
    (0.0, 0.4179591836734693),
    (0.4058451513773972, 0.3818300505051187),
    (0.7415311855993945, 0.27970539148927687),
    (0.9491079123427586, 0.12948496616886973),
)
_NOTHING = 22.0
_TURN = 3.0
_STEPS = 60


def leaks(shown: Shown, *, look: float, leak: float, loss: float) -> Iterator[tuple[float, float]]:
    """Yield what sealed may see of a fooling candidate beside its truth, each with its log likelihood.

    Args:
        shown: What was seen; sealed cases are among it.
        look: Mean size of what dev sees of such candidates.
        leak: Mean size of what sealed may see.
        loss: Mean size of their true loss.
    """
    # No leak at all: where w would be above s.
    both = 1.0 / (1.0 / look + 1.0 / leak)
    hidden = math.log(both / look) + log_seen(shown.dev, shown.dev_error, both)
    yield 0.0, hidden + log_seen(-shown.sealed, shown.sealed_error, loss)
    density = _Density(shown, look=look, leak=leak, loss=loss)
    edges = density.panels()
    for low, high in itertools.pairwise(edges):
        middle, half = (low + high) / 2, (high - low) / 2
        for at, weight in _RULE:
            w = middle + half * at
            yield w, density.log(w) + math.log(half * weight)


class _Density:
    """The log likelihood of a leak above 0. Concave, so its slope falls."""

    def __init__(self, shown: Shown, *, look: float, leak: float, loss: float) -> None:
        self._shown, self._look, self._loss, self._leak = shown, look, loss, leak
        self._rate = 1.0 / leak + 1.0 / look
        self._base = -math.log(leak)

    def log(self, w: float) -> float:
        """The log likelihood."""
        dev, dev_error, sealed, sealed_error = self._shown
        on_both = log_seen(dev - w, dev_error, self._look) + log_seen(w - sealed, sealed_error, self._loss)
        return self._base + on_both - self._rate * w

    def slopes(self, w: float) -> tuple[float, float]:
        """Its first and second derivative."""
        dev, dev_error, sealed, sealed_error = self._shown
        first, bend = slopes(dev - w, dev_error, self._look)
        other, more = slopes(w - sealed, sealed_error, self._loss)
        return other - first - self._rate, bend + more

    def panels(self) -> list[float]:
        """Points between which it is smooth, from where it is nothing to where it is nothing again."""
        at = self._shown
        top, width = self._mode()
        peak = self.log(top)
        low, high = self._reach(top, peak, width, -1.0), self._reach(top, peak, width, 1.0)
        edges = [low, top - (top - low) / 4, top, top + (high - top) / 4, high]
        for turn, error in (
            (at.dev - at.dev_error / self._look * at.dev_error, at.dev_error),
            (at.sealed + at.sealed_error / self._loss * at.sealed_error, at.sealed_error),
        ):
            # A turn that is wider than the panels around it is smooth to them.
            if 8.0 * error < high - low:
                edges += [point for point in (turn - _TURN * error, turn + _TURN * error) if low < point < high]
        return sorted(set(edges))

    def _mode(self) -> tuple[float, float]:
        """Where it is highest, by Newton's method between bounds, and how far from there it falls by about one."""
        slope, bend = self.slopes(0.0)
        low, high, w = 0.0, math.inf, 0.0
        if slope > 0.0:
            w = self._leak
            for _ in range(_STEPS):
                slope, bend = self.slopes(w)
                if slope * slope < -0.01 * bend:
                    break
                low, high = (w, high) if slope > 0.0 else (low, w)
                step = w - slope / bend if bend < 0.0 else math.inf
                if not low < step < high:
                    step = 4.0 * w if high == math.inf else (low + high) / 2
                w = step
        return w, 1.0 / max(abs(slope) if w == 0.0 else 0.0, math.sqrt(max(-bend, 0.0)), 0.1 * self._rate)

    def _reach(self, top: float, peak: float, width: float, side: float) -> float:
        """How far to go from the mode until nothing is left; not below 0."""
        if side < 0 and (top == 0.0 or self.log(0.0) > peak - _NOTHING):
            return 0.0
        near, far = 0.0, 4.0 * width
        while self.log(max(0.0, top + side * far)) > peak - _NOTHING:
            near, far = far, 2.0 * far
        for _ in range(2):
            middle = (near + far) / 2
            if self.log(max(0.0, top + side * middle)) > peak - _NOTHING:
                near = middle
            else:
                far = middle
        return max(0.0, top + side * far)
