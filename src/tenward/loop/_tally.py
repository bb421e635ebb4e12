"""How far the decisions of a loop can be trusted, measured while it runs: by placebos, and by sentinel cases."""

from __future__ import annotations

import math
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations when a state is read back
from dataclasses import dataclass, field, replace
from typing import Self

__all__ = ["PlaceboTally", "SentinelState"]

_SURE_OF_BOUND = 0.05
_SURE_OF_TOO_MANY = 0.2
_MOST_SURE = 0.9995  # P(better) of 1 is never reached, so a rule that takes it would keep nothing
_NEGLIGIBLE = 1e-15


@dataclass(frozen=True, kw_only=True)
class PlaceboTally:
    """What became of the placebos, and how strict they have made the loop."""

    unchanged: int = 0
    """Unchanged copies that were decided."""

    unchanged_kept: int = 0
    """Of these, how many were taken for an improvement."""

    damaged: int = 0
    """Deliberately damaged copies that were decided."""

    damaged_kept: int = 0
    """Of these, how many were taken for an improvement."""

    sure: float | None = None
    """What P(better) a keep takes by now, where the loop has tightened itself; None where it goes by its file."""

    past: int = 0
    """Unchanged copies that were decided before it was tightened last; they say nothing of the stricter rule."""

    past_kept: int = 0
    """Of these, how many were taken for an improvement."""

    def after(self, placebo: str, *, kept: bool, sure: float | None = None) -> Self:
        """The tally with one more, tightened where too many unchanged copies are kept.

        Too many are kept where the lower 80 % bound (Clopper and Pearson) of their share, counted since the last time,
        lies above the share of false keeps that the rule promises, ``1 - sure``. ``sure`` then moves half-way to 1, and
        no further than 0.9995.

        Args:
            placebo: ``unchanged``, or what harm was done.
            kept: Whether it would have been kept.
            sure: What P(better) a keep takes by the loop's file; None for a rule that has no such dial.
        """
        if placebo != "unchanged":
            return replace(self, damaged=self.damaged + 1, damaged_kept=self.damaged_kept + kept)
        now = replace(self, unchanged=self.unchanged + 1, unchanged_kept=self.unchanged_kept + kept)
        if sure is None:
            return now
        asked = sure if self.sure is None else self.sure
        if asked >= _MOST_SURE:
            return now
        if _lower_bound(now.unchanged_kept - now.past_kept, now.unchanged - now.past) <= 1 - asked:
            return now
        return replace(now, sure=min((1 + asked) / 2, _MOST_SURE), past=now.unchanged, past_kept=now.unchanged_kept)

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
        return _upper_bound(self.kept, self.all, _SURE_OF_BOUND)

    @property
    def tightened(self) -> str:
        """That the loop has tightened itself, in a line; empty where it has not."""
        if self.sure is None:
            return ""
        return (
            f"{self.past_kept} of {self.past} unchanged copies were kept, so a keep now takes P(better) {self.sure:g}"
        )


@dataclass(frozen=True, kw_only=True)
class SentinelState:
    """What is known of the outputs that are judged again and again, to see whether the judge has moved."""

    values: Mapping[str, tuple[float, int]] = field(default_factory=dict[str, tuple[float, int]])
    """By case the mean that a fresh pass is compared with, and of how many passes it is; empty without sentinels."""

    checked: int = 0
    """How many attempts had ended at the last check."""

    drifts: int = 0
    """How often the judge was found to have moved."""

    epoch: int = 0
    """The first incumbent that was judged after the last time."""


def _upper_bound(hits: int, of: int, chance: float) -> float:
    """The largest share under which ``hits`` or fewer of ``of`` come up with this chance."""
    if hits >= of:
        return 1.0
    # Under a share of hits / of or less, that many or fewer come up in at least half of all cases.
    low, high = hits / of, 1.0
    for _ in range(50):
        share = (low + high) / 2
        low, high = (share, high) if _at_most(hits, of, share) > chance else (low, share)
    return high


def _at_most(hits: int, of: int, share: float) -> float:
    """How often ``hits`` or fewer of ``of`` come up, for a share above ``hits / of`` and below 1.

    Terms fall from ``hits`` downwards, so the sum ends where they stop to count. The first is made of logarithms, since
    the binomial coefficients of a thousand are beyond a float.
    """
    ways = math.lgamma(of + 1) - math.lgamma(hits + 1) - math.lgamma(of - hits + 1)
    found = term = math.exp(ways + hits * math.log(share) + (of - hits) * math.log1p(-share))
    odds = (1 - share) / share
    for n in range(hits, 0, -1):
        term *= odds * n / (of - n + 1)
        if term <= found * _NEGLIGIBLE:
            break
        found += term
    return found


def _lower_bound(hits: int, of: int) -> float:
    """The smallest share under which ``hits`` or more of ``of`` come up in 20 % of all cases."""
    return 1 - _upper_bound(of - hits, of, _SURE_OF_TOO_MANY)
