"""How the gain of a number is told: from where to where, and by how much that is better or worse."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NumberGain"]

_ALL_DIGITS = 17


@dataclass(frozen=True, kw_only=True)
class NumberGain:
    """What a loop began with against what it came to, in the number's own unit."""

    before: float
    after: float
    lower_is_better: bool = False
    repeats: int = 1
    """Fresh measurements of each side."""

    missing: int = 0
    """Repeats without a number on both sides."""

    low: float | None = None
    """Lower end of the 95 % interval of the gain, above 0 where better; None where each side was measured once."""

    high: float | None = None

    @property
    def gain(self) -> float:
        """Above 0 where the number became better, whichever way that is."""
        return self.before - self.after if self.lower_is_better else self.after - self.before

    @property
    def confirmed(self) -> bool:
        """Whether the gain is above 0, and the whole interval where there is one."""
        return self.gain > 0 if self.low is None else self.low > 0

    @property
    def words(self) -> str:
        """Such as ``better by 7.6``."""
        if not self.gain:
            return "the same"
        return f"{'worse' if self.gain < 0 else 'better'} by {_size(self.gain)}"

    @property
    def change(self) -> str:
        """Such as ``19.49 → 11.89, better by 7.6 (lower is better)``."""
        before, after = _sides(self.before, self.after)
        return f"{before} → {after}, {self.words} ({'lower' if self.lower_is_better else 'higher'} is better)"

    @property
    def basis(self) -> str:
        """How it was measured, with the interval where there is one."""
        if self.low is None or self.high is None:
            return "measured once each"
        missing = f"; {self.missing} more without a number on both sides" if self.missing else ""
        low, high = _size(self.low), _size(self.high)
        if self.low < 0 < self.high:
            interval = f"worse by {low} to better by {high}"
        else:
            interval = f"worse by {high} to {low}" if self.low < 0 else f"better by {low} to {high}"
        return f"95 % interval {interval}, on {self.repeats} fresh repeats{missing}"

    @property
    def text(self) -> str:
        """One line for people."""
        if self.gain <= 0:
            label = "no gain"
        elif self.low is None:
            label = "gain"
        else:
            label = "gain confirmed" if self.confirmed else "gain not confirmed"
        return f"{label}: {self.change}, {self.basis}"


def _size(gain: float) -> str:
    """A difference without its sign, to three digits."""
    size = abs(gain)
    return _plain(size) if size >= 100 else f"{size:.3g}"


def _plain(value: float, digits: int = 6) -> str:
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.{digits}g}"


def _sides(before: float, after: float) -> tuple[str, str]:
    """Two numbers, with as many digits as tell them apart."""
    for digits in range(6, _ALL_DIGITS):
        told = _plain(before, digits), _plain(after, digits)
        if told[0] != told[1] or before == after:
            return told
    return _plain(before, _ALL_DIGITS), _plain(after, _ALL_DIGITS)
