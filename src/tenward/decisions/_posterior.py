"""How likely a candidate is better, given its differences and what is believed about proposals.

The prior is laid out on atoms: 24 quantiles of each of its parts, 72 in all for one way of fooling the sealed judge.
The likelihood of a mean of n differences is normal, so four numbers of evidence and two variances fix the answer. Plain
floats throughout: the sum runs in one fixed order, and the same evidence gives the same bits wherever it is computed
again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenward.decisions._evidence import Evidence
    from tenward.decisions._settings import Prior, RaceSettings

__all__ = ["Posterior", "posterior"]

_ATOMS = 24
_TAIL = 0.05


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What is believed of one candidate's true effect after its evidence."""

    better: float
    """P(effect > 0)."""

    worthwhile: float
    """P(effect > worthwhile)."""

    mean: float
    """Posterior mean of the effect: the gain that may be claimed. Shrunk, so it falls short of large gains."""

    low: float
    """5 % quantile of the effect."""

    high: float
    """95 % quantile of the effect."""

    fooling: float
    """P(the candidate is worse and fools the dev judge)."""


@lru_cache(maxsize=16)
def _layout(prior: Prior) -> tuple[tuple[float, ...], tuple[tuple[float, float, float], ...]]:
    """Return the effects in rising order, and per atom its log weight and what dev and sealed see of it.

    The atoms come as losses from the largest to the smallest, gains from the smallest to the largest, and, for each
    leak, fooling losses from the largest to the smallest; the effects leave out those, which repeat the losses.
    """
    sizes = [-math.log1p(-(j - 0.5) / _ATOMS) for j in range(1, _ATOMS + 1)]
    losses = [-prior.loss * size for size in reversed(sizes)]
    gains = [prior.gain * size for size in sizes]
    bad = math.log((1.0 - prior.good - prior.fooling) / _ATOMS)
    good = math.log(prior.good / _ATOMS)
    atoms = [(bad, effect, effect) for effect in losses]
    atoms += [(good, effect, effect) for effect in gains]
    for leak in sorted(set(prior.leaks)):
        share = prior.fooling * prior.leaks.count(leak) / len(prior.leaks)
        fooling = math.log(share / _ATOMS) if share > 0 else -math.inf
        atoms += [(fooling, effect + prior.shift, effect + leak * prior.shift) for effect in losses]
    return (*losses, *gains), tuple(atoms)


def posterior(evidence: Evidence, settings: RaceSettings) -> Posterior:
    """Weigh the prior with the evidence.

    Args:
        evidence: Means and numbers of differences, and their variances.
        settings: The prior, and what counts as worthwhile.
    """
    effects, atoms = _layout(settings.prior)
    at_dev, at_sealed = evidence.dev.mean, evidence.sealed.mean
    dev = evidence.dev.n / (2.0 * evidence.dev_variance)
    sealed = evidence.sealed.n / (2.0 * evidence.sealed_variance)
    logs = [
        log - dev * (at_dev - seen_dev) ** 2 - sealed * (at_sealed - seen_sealed) ** 2
        for log, seen_dev, seen_sealed in atoms
    ]
    top = max(logs)
    weights = [math.exp(log - top) for log in logs]
    losses, gains = weights[:_ATOMS], weights[_ATOMS : 2 * _ATOMS]
    fooling = [sum(weights[at::_ATOMS]) for at in range(2 * _ATOMS, 3 * _ATOMS)]
    whole = sum(weights)
    shares = [*map(add, losses, fooling), *gains]
    levels = list(accumulate(shares))
    return Posterior(
        better=sum(gains) / whole,
        worthwhile=sum(w for w, effect in zip(shares, effects, strict=True) if effect > settings.worthwhile) / whole,
        mean=sum(w * effect for w, effect in zip(shares, effects, strict=True)) / whole,
        low=effects[_first(levels, _TAIL)],
        high=effects[_first(levels, 1.0 - _TAIL)],
        fooling=sum(fooling) / whole,
    )


def _first(levels: list[float], share: float) -> int:
    """Index of the first running sum that reaches a share of the whole."""
    target = share * levels[-1]
    return next(index for index, level in enumerate(levels) if level >= target)
