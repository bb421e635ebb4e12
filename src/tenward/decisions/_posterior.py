"""How likely a candidate is better, given its differences and what is believed about proposals.

Sizes of effects are exponential in the prior, and the likelihood of a mean of n differences is normal, so all but one
integral has a closed form and no effect lies between two points of a grid. Four numbers of evidence, two variances, the
unit and the shares of large effects fix the answer. Plain floats throughout: sums run in one fixed order, and the same
evidence gives the same bits wherever it is computed again.

P(better) never falls when a mean rises: the dev mean before any sealed case, the sealed mean always. Every law of
losses, and of what fools the judges (:mod:`tenward.decisions._fooling`), falls off faster than every law of gains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tenward.decisions._evidence import Leaps
from tenward.decisions._exponential import log_seen, log_tail, mean_size
from tenward.decisions._fooling import leaks
from tenward.decisions._half_seen import HalfSeen, half_seen
from tenward.decisions._shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenward.decisions._evidence import Evidence
    from tenward.decisions._settings import Prior, RaceSettings

__all__ = ["Posterior", "posterior"]

_TAIL = 0.05
_FOOLERS_A_GAIN = 20.0
_STEPS = 40
_CLOSE = 1e-6
_NEGLIGIBLE = 1e-5
_NONE = 1e-300


class _Part(NamedTuple):
    """One law of effects, after the evidence: exponential, cut to what was seen. Sizes are in units."""

    weight: float
    """Its logarithm until all parts are known, then its share."""

    sign: float
    """1 for gains, -1 for losses."""

    kind: str
    y: float
    s: float
    size: float

    def above(self, effect: float) -> float:
        """P(the effect is above a number of 0 or more)."""
        return math.exp(log_tail(effect, self.y, self.s, self.size)) if self.sign > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What is believed of one candidate's true effect after its evidence."""

    better: float
    """P(effect > 0)."""

    worthwhile: float
    """P(effect > worthwhile)."""

    mean: float
    """Posterior mean of the effect: the gain that may be claimed. Shrunk, so it falls short of large gains."""

    fooling: float
    """P(the candidate is worse and fools the dev judge)."""

    leaps: Leaps
    """P(a large gain), part of ``better``, and P(a large seeming gain), part of ``fooling``."""

    half: HalfSeen = HalfSeen()  # noqa: RUF009 - a tuple, so sharing it is safe
    """A look that was bought and of which sealed cases see half. Held against all of the above, and part of none."""

    unit: float = 1.0
    parts: tuple[_Part, ...] = field(default=(), repr=False)
    """What the quantiles are found from."""

    @property
    def low(self) -> float:
        """5 % quantile of the effect."""
        return self.quantile(_TAIL)

    @property
    def high(self) -> float:
        """95 % quantile of the effect."""
        return self.quantile(1.0 - _TAIL)

    def quantile(self, share: float) -> float:
        """The effect below which a share of the belief lies, above 0 and below 1. It is searched for at each call."""
        worse = math.fsum(part.weight for part in self.parts if part.sign < 0)
        sign, target = (-1.0, share) if share < worse else (1.0, 1.0 - share)
        tails = dict[tuple[float, float, float], float]()
        for part in self.parts:
            if part.sign == sign:
                law = (part.y, part.s, part.size)
                tails[law] = tails.get(law, 0.0) + part.weight
        whole = math.fsum(tails.values())
        if not tails or whole <= target:
            return 0.0

        def excess(size: float) -> float:
            beyond = math.fsum(weight * math.exp(log_tail(size, *law)) for law, weight in tails.items())
            # Between bounds, so that a cliff on one side does not hold false position up on the other.
            return max(-1.0, min(1.0, math.log(max(beyond, _NONE) / target)))

        return sign * self.unit * _root(excess, min(1.0, math.log(whole / target)), next(iter(tails))[2])


def _root(excess: Callable[[float], float], at_zero: float, step: float) -> float:
    """Where a falling function that is above 0 at 0 reaches 0, by false position (Illinois)."""
    low, above = 0.0, at_zero
    while (below := excess(step)) > 0.0:
        low, above, step = step, below, 2.0 * step
    high, side = step, 0
    for _ in range(_STEPS):
        middle = high - below * (high - low) / (below - above)
        if high - low < _CLOSE * high or not low < middle < high:
            break
        found = excess(middle)
        if abs(found) < _CLOSE:
            return middle
        if found > 0.0:
            low, above = middle, found
            below, side = (below / 2 if side > 0 else below), 1
        else:
            high, below = middle, found
            above, side = (above / 2 if side < 0 else above), -1
    return (low + high) / 2


def posterior(evidence: Evidence, settings: RaceSettings) -> Posterior:
    """Weigh the prior with the evidence.

    Args:
        evidence: Means and numbers of differences, their variances, the unit, and how often effects are large.
        settings: The prior, and what counts as worthwhile.
    """
    unit = evidence.unit
    shown = Shown(
        dev=evidence.dev.mean / unit,
        dev_error=_error(evidence.dev.n, evidence.dev_variance, unit),
        sealed=evidence.sealed.mean / unit,
        sealed_error=_error(evidence.sealed.n, evidence.sealed_variance, unit),
    )
    believed = _believed(settings.prior, evidence.leaps, sealed=evidence.sealed.n > 0)
    parts = _parts(settings.prior, believed, shown)
    top = max(part.weight for part in parts)
    weights = [math.exp(part.weight - top) for part in parts]
    whole = math.fsum(weights)
    shares = [weight / whole for weight in weights]
    parts = [part._replace(weight=share) for part, share in zip(parts, shares, strict=True)]
    worthwhile = settings.worthwhile_in(unit) / unit
    by = {kind: math.fsum(part.weight for part in parts if part.kind == kind) for kind in _KINDS}
    return Posterior(
        better=min(1.0, by["gain"] + by["leap"]),
        worthwhile=math.fsum(part.weight * part.above(worthwhile) for part in parts if part.sign > 0),
        mean=unit * math.fsum(part.weight * part.sign * mean_size(part.y, part.s, part.size) for part in parts),
        fooling=min(1.0, by["fooling"] + by["strong"]),
        leaps=Leaps(gain=min(1.0, by["leap"]), fooling=min(1.0, by["strong"])),
        half=half_seen(settings.prior, shown, leap=believed.leap, bought=believed.strong, others=top + math.log(whole)),
        unit=unit,
        parts=tuple(part for part in parts if part.weight > _NEGLIGIBLE),
    )


_KINDS = ("loss", "gain", "leap", "fooling", "strong")


def _error(n: int, variance: float, unit: float) -> float:
    """Standard error of a mean, in units; infinite for that of none."""
    return math.sqrt(variance / n) / unit if n else math.inf


def _parts(prior: Prior, shares: _Shares, shown: Shown) -> list[_Part]:
    """The prior's laws, each with the logarithm of its weight after the evidence."""
    y, s, apart = shown.together()
    laws = (
        ("loss", -1.0, shares.loss, prior.loss),
        ("gain", 1.0, shares.gain, prior.gain),
        ("leap", 1.0, shares.leap, prior.great),
    )
    parts = [
        _Part(math.log(share) + apart + log_seen(sign * y, s, size), sign, kind, sign * y, s, size)
        for kind, sign, share, size in laws
        if share > 0.0
    ]
    fooling = (("fooling", shares.fooling, prior.gain, prior.leak), ("strong", shares.strong, prior.great, prior.gain))
    for kind, share, look, leak in fooling:
        if share <= 0.0:
            continue
        if shown.sealed_error == math.inf:
            log = math.log(share) + log_seen(shown.dev, shown.dev_error, look)
            parts.append(_Part(log, -1.0, kind, 0.0, math.inf, prior.loss))
            continue
        for w, log in leaks(shown, look=look, leak=leak, loss=prior.loss):
            parts.append(_Part(math.log(share) + log, -1.0, kind, w - shown.sealed, shown.sealed_error, prior.loss))
    return parts


class _Shares(NamedTuple):
    """Of proposals, by what they are."""

    loss: float
    gain: float
    leap: float
    fooling: float
    strong: float


def _believed(prior: Prior, leaps: Leaps, *, sealed: bool) -> _Shares:
    """The shares of the prior, with how often effects are large, and some hope in a loop that has met foolers.

    Dev cannot tell a great gain from what only seems one. Were leaps dropped there, no sealed case would ever teach
    the loop otherwise: on dev great gains are as likely beside great foolers as gains are beside foolers, which is also
    what keeps a higher mean from speaking against a candidate. On sealed cases the first look, of few cases, must not
    already be the last.
    """
    gain, fooling = leaps.gain, leaps.fooling
    if prior.fooling <= 0.0:
        fooling = 0.0
    elif sealed:
        gain = max(gain, fooling / _FOOLERS_A_GAIN)
    else:
        gain, fooling = _as_likely(gain, fooling, prior)
    most = (1.0 - prior.good - prior.fooling) / 2
    scale = min(1.0, most / (gain + fooling)) if gain + fooling > 0.0 else 1.0
    gain, fooling = scale * gain, scale * fooling
    loss = 1.0 - prior.good - prior.fooling - gain - fooling
    return _Shares(loss=loss, gain=prior.good, leap=gain, fooling=prior.fooling, strong=fooling)


def _as_likely(gain: float, fooling: float, prior: Prior) -> tuple[float, float]:
    both, odds = gain + fooling, prior.good / (prior.good + prior.fooling)
    gain = max(gain, odds * both)
    return gain, both - gain
