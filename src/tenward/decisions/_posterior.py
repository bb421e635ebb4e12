"""How likely a candidate is better, given its differences and what is believed about proposals.

The prior is laid out on atoms: 24 quantiles of each of its parts, where every way of fooling the judges is a part, and
one for each size of a large effect. The likelihood of a mean of n differences is normal, so four numbers of evidence,
two variances and the shares of large effects fix the answer. Plain floats throughout: the sum runs in one fixed order,
and the same evidence gives the same bits wherever it is computed again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING

from tenward.decisions._evidence import Leaps

if TYPE_CHECKING:
    from tenward.decisions._evidence import Evidence
    from tenward.decisions._settings import Prior, RaceSettings

__all__ = ["Posterior", "posterior"]

_QUANTILES = 24
_TAIL = 0.05
_FOOLERS_A_GAIN = 20.0


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

    leaps: Leaps
    """P(a large gain), part of ``better``, and P(fooling by a large shift), part of ``fooling``."""


@dataclass(frozen=True, kw_only=True)
class _Atoms:
    """The prior as points: plain losses, gains, and losses that fool the judges, those with a large shift last."""

    points: tuple[tuple[float, float, float], ...]
    """Log weight, and what dev and sealed see, of each."""

    effects: tuple[float, ...]
    """The true effect of each."""

    rising: tuple[int, ...]
    """The points in the order of their effects."""

    gains: slice
    large: slice
    """Part of ``gains``."""

    fooling: slice
    strong: slice
    """Part of ``fooling``."""


@lru_cache(maxsize=64)
def _atoms(prior: Prior, leaps: Leaps) -> _Atoms:
    """Lay out the prior, with those shares of large effects."""
    sizes = [-math.log1p(-(j - 0.5) / _QUANTILES) for j in range(1, _QUANTILES + 1)]
    losses = [-prior.loss * size for size in sizes]
    bad = 1.0 - prior.good - prior.fooling - leaps.gain - leaps.fooling
    parts = [(bad, 0.0, 0.0, losses), (prior.good, 0.0, 0.0, [prior.gain * size for size in sizes])]
    parts.append((leaps.gain, 0.0, 0.0, list(prior.leap_gains)))
    fooled = [(prior.fooling, prior.shift, losses)]
    # On dev such a loss looks just like a gain of that size, so that no size is for either alone.
    fooled += [(leaps.fooling / len(prior.leap_gains), gain + prior.loss, [-prior.loss]) for gain in prior.leap_gains]
    for share, shift, some in fooled:
        ways = [(prior.leaks.count(leak) / len(prior.leaks), leak) for leak in sorted(set(prior.leaks))]
        parts += [(share * weight, shift, leak * shift, some) for weight, leak in ways]
    effects = tuple(effect for *_, some in parts for effect in some)
    points = tuple(
        (math.log(share) - math.log(len(some)) if share > 0 else -math.inf, effect + dev, effect + sealed)
        for share, dev, sealed, some in parts
        for effect in some
    )
    gains, large = _QUANTILES, 2 * _QUANTILES
    fooling = large + len(prior.leap_gains)
    return _Atoms(
        points=points,
        effects=effects,
        rising=tuple(sorted(range(len(effects)), key=effects.__getitem__)),
        gains=slice(gains, fooling),
        large=slice(large, fooling),
        fooling=slice(fooling, None),
        strong=slice(fooling + len(set(prior.leaks)) * _QUANTILES, None),
    )


def posterior(evidence: Evidence, settings: RaceSettings) -> Posterior:
    """Weigh the prior with the evidence.

    Args:
        evidence: Means and numbers of differences, their variances, and how often effects are large.
        settings: The prior, and what counts as worthwhile.
    """
    atoms = _atoms(settings.prior, _believed(evidence.leaps, sealed=evidence.sealed.n > 0))
    at_dev, at_sealed = evidence.dev.mean, evidence.sealed.mean
    dev = evidence.dev.n / (2.0 * evidence.dev_variance)
    sealed = evidence.sealed.n / (2.0 * evidence.sealed_variance)
    logs = [
        log - dev * (at_dev - seen_dev) ** 2 - sealed * (at_sealed - seen_sealed) ** 2
        for log, seen_dev, seen_sealed in atoms.points
    ]
    top = max(logs)
    weights = [math.exp(log - top) for log in logs]
    whole = sum(weights)
    levels = list(accumulate(weights[at] for at in atoms.rising))
    return Posterior(
        better=sum(weights[atoms.gains]) / whole,
        worthwhile=sum(w for w, effect in zip(weights, atoms.effects, strict=True) if effect > settings.worthwhile)
        / whole,
        mean=sum(map(mul, weights, atoms.effects)) / whole,
        low=atoms.effects[atoms.rising[_first(levels, _TAIL)]],
        high=atoms.effects[atoms.rising[_first(levels, 1.0 - _TAIL)]],
        fooling=sum(weights[atoms.fooling]) / whole,
        leaps=Leaps(gain=sum(weights[atoms.large]) / whole, fooling=sum(weights[atoms.strong]) / whole),
    )


def _believed(leaps: Leaps, *, sealed: bool) -> Leaps:
    """How often effects are large, with some hope left for great gains in a loop that has met foolers.

    Dev cannot tell the two apart: were every leap dropped there, no sealed case would ever teach the loop otherwise. On
    sealed cases the first look, of few cases, must not already be the last.
    """
    hope = leaps.fooling / (_FOOLERS_A_GAIN if sealed else 1.0)
    return Leaps(gain=max(leaps.gain, hope), fooling=leaps.fooling)


def _first(levels: list[float], share: float) -> int:
    """Index of the first running sum that reaches a share of the whole."""
    target = share * levels[-1]
    return next(index for index, level in enumerate(levels) if level >= target)
