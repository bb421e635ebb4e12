"""A great look that was bought, and of which the judge of the sealed cases sees half.

Half of such a look is more than most true gains, so P(better) believes it; and it cannot do otherwise, as it never
falls when a mean rises. So this is no part of the posterior. It is weighed beside it, where a candidate would be asked
or kept, by the same evidence and by what the loop has learned of great looks::

    dev: s ~ half_from + Exp(great)      sealed: s / 2 - loss

The three limits were found in simulation, where true great gains and bought looks are rare or frequent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tenward.decisions._exponential import log_seen

if TYPE_CHECKING:
    from tenward.decisions._settings import Prior
    from tenward.decisions._shown import Shown

__all__ = ["HalfSeen", "half_seen"]

_DOUBTED = 0.5
_BOUGHT, _TOLD = 0.8, 1.5
_CLEAR = math.log(9.0)
_FAR = 700.0


class HalfSeen(NamedTuple):
    """What is believed of it."""

    p: float = 0.0
    """Its probability, against all hypotheses of the posterior."""

    told: float = 0.0
    """How much the evidence speaks for it and against a great gain: the logarithm of the ratio of likelihoods."""

    odds: float = 0.0
    """The logarithm of the odds of the two before the evidence."""

    most_told: float = 0.0
    """What ``told`` could at most come to, either way, with dev as it is and all sealed cases there could be."""

    def doubted(self, *, last: bool) -> bool:
        """Whether it is the likelier, so that the candidate may not be kept yet.

        Where no sealed case is left to clear it, the candidate's own evidence has to speak for it too: with few cases
        what the loop believes beforehand would else forbid every great gain.
        """
        return self.p >= _DOUBTED and not (last and self.told < 0.0)

    @property
    def sure(self) -> bool:
        """Whether it is likely by this candidate's own evidence, so that no more of it need be seen."""
        return self.p > _BOUGHT and self.told > _TOLD

    @property
    def blunt(self) -> bool:
        """Whether dev is too blunt for sealed cases ever to clear a great gain of it."""
        return self.most_told < _CLEAR + self.odds


def half_seen(prior: Prior, shown: Shown, *, leap: float, bought: float, others: float) -> HalfSeen:
    """Weigh it with the evidence.

    Args:
        prior: The sizes of great looks, and from where on they may be half seen.
        shown: What was seen.
        leap: Share of true great gains among proposals, as the posterior takes it; 0 leaves nothing to weigh.
        bought: Share of bought ones; 0 where the prior trusts the dev judge, likewise.
        others: Logarithm of the weight of all other hypotheses after the evidence.
    """
    if min(bought, leap, prior.half) <= 0.0 or shown.dev_error == math.inf:
        return HalfSeen()
    share = math.log(bought + prior.half)
    odds = share - math.log(leap)
    most = (shown.dev / shown.dev_error) ** 2 / 8.0  # half of the look, in errors, squared and halved
    if shown.sealed_error == math.inf:
        return HalfSeen(odds=odds, most_told=most)
    doubled = shown._replace(sealed=2.0 * (shown.sealed + prior.loss), sealed_error=2.0 * shown.sealed_error)
    half = _likelihood(doubled, prior.half_from, prior.great)
    against = others - share - half
    return HalfSeen(
        p=1.0 / (1.0 + math.exp(against)) if against < _FAR else 0.0,
        told=half - _likelihood(shown, 0.0, prior.great),
        odds=odds,
        most_told=most,
    )


def _likelihood(shown: Shown, start: float, size: float) -> float:
    """Log likelihood of an exponential effect above a start that both splits see alike."""
    mean, error, apart = shown.together()
    return apart + log_seen(mean - start, error, size)
