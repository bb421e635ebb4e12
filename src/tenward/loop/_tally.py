"""How far the decisions of a loop can be trusted, measured while it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb
from typing import Self

__all__ = ["PlaceboTally"]


@dataclass(frozen=True, kw_only=True)
class PlaceboTally:
    """What became of the placebos: how far the loop's decisions can be trusted, measured while it runs."""

    unchanged: int = 0
    """Unchanged copies that were decided."""

    unchanged_kept: int = 0
    """Of these, how many were taken for an improvement."""

    damaged: int = 0
    """Deliberately damaged copies that were decided."""

    damaged_kept: int = 0
    """Of these, how many were taken for an improvement."""

    def after(self, placebo: str, *, kept: bool) -> Self:
        """The tally with one more.

        Args:
            placebo: ``unchanged``, or what harm was done.
            kept: Whether it would have been kept.
        """
        if placebo == "unchanged":
            return replace(self, unchanged=self.unchanged + 1, unchanged_kept=self.unchanged_kept + kept)
        return replace(self, damaged=self.damaged + 1, damaged_kept=self.damaged_kept + kept)

    @property
    def kept(self) -> int:
        """False keeps among all placebos."""
        return self.unchanged_kept + self.damaged_kept

    @property
    def all(self) -> int:
        """All placebos that were decided."""
        return self.unchanged + self.damaged

    @property
    def at_most(self) -> float:
        """Upper 95 % bound (Clopper and Pearson) of the share of placebos that are kept; 1 before the first."""
        return _upper_bound(self.kept, self.all)


def _upper_bound(hits: int, of: int) -> float:
    """The largest share under which ``hits`` or fewer of ``of`` still come up in 5 % of all cases."""
    if hits >= of:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(50):
        share = (low + high) / 2
        chance = sum(comb(of, n) * share**n * (1 - share) ** (of - n) for n in range(hits + 1))
        low, high = (share, high) if chance > 0.05 else (low, share)
    return high
