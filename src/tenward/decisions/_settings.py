"""The settings of the default rule, and what it believes about proposals before it has seen one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

from tenward.errors import UsageError

__all__ = ["WORTHWHILE", "Prior", "RaceSettings"]

WORTHWHILE = 0.03
"""The effect worth looking for, in units."""


def _refuse(name: str, found: float, expected: str, hint: str) -> UsageError:
    return UsageError(f"{name}: found {found!r}, expected {expected}", hint=hint)


def _check_probability(name: str, value: float, *, hint: str) -> None:
    if not 0.0 < value < 1.0:
        raise _refuse(name, value, "a probability above 0 and below 1", hint)


def _check_positive(name: str, value: float, *, hint: str) -> None:
    if not 0.0 < value < math.inf:
        raise _refuse(name, value, "a number above 0", hint)


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is believed about a proposal's true effect. Sizes are in units: see :attr:`Pooled.unit`.

    A proposal is a gain, a loss, or a loss that fools the dev judge, to which it looks just like a gain. Sizes are
    exponential. What is neither a gain nor fooling is a loss.

    Attributes:
        good: Share of true gains.
        gain: Mean size of a gain.
        loss: Mean size of a loss.
        fooling: Share of losses that the dev judge takes for gains. 0 trusts the dev judge.
        leak: How much of that look, on average, the judge of the sealed cases may be shown too; at most ``gain``, so
            that a better sealed mean never speaks against a candidate. Of losses that look like great gains it may be
            shown as much as ``gain``.
        leap: Share of gains far beyond ``gain``, and of losses that the dev judge takes for such: a first guess only,
            since :class:`Pooled` learns either share from candidates that met sealed cases. With the default they cost
            next to nothing where there are none; without it, 0, most keeps are false where some proposals buy the
            judge outright.
        great: Mean size of those gains. Those losses look just as large on dev.
        half: Least share, also to begin with, of great looks that were bought and that the judge of the sealed cases
            sees by half. No part of P(better), which could not fall as a mean rises: it is weighed at the point of
            keeping, see :class:`PosteriorRace`. 0 trusts what sealed cases show.
        half_from: The smallest such look, in units. Below it ``fooling`` speaks for them.

    Raises:
        UsageError: A number is out of its range.
    """

    good: float = 0.10
    gain: float = 0.03
    loss: float = 0.02
    fooling: float = 0.25
    leak: float = 0.015
    leap: float = 3e-4
    great: float = 0.3
    half: float = 5e-4
    half_from: float = 0.15

    def __post_init__(self) -> None:
        _check_probability("prior.good", self.good, hint="0.1 means that one proposal in ten is a true gain")
        _check_positive("prior.gain", self.gain, hint="0.03 is the default, in units")
        _check_positive("prior.loss", self.loss, hint="0.02 is the default, in units")
        if not 0.0 <= self.fooling < 1.0 - self.good:
            hint = "shares of gains, losses and fooling proposals add up to 1, and losses need a share too"
            raise _refuse("prior.fooling", self.fooling, f"0 or more and below {1.0 - self.good:g}", hint)
        most = (1.0 - self.good - self.fooling) / 2
        if not 0.0 <= self.leap < most:
            raise _refuse("prior.leap", self.leap, f"0 or more and below {most:g}", "0.0003 is the default")
        if not 0.0 < self.leak <= self.gain:
            hint = "a judge that may be shown more than most gains are cannot confirm them"
            raise _refuse("prior.leak", self.leak, f"above 0 and at most gain, {self.gain:g}", hint)
        if not self.gain <= self.great < math.inf:
            raise _refuse("prior.great", self.great, f"at least gain, {self.gain:g}", "0.3 is the default, in units")
        if not 0.0 <= self.half < 1.0:
            raise _refuse("prior.half", self.half, "0 or more and below 1", "0.0005 is the default")
        _check_positive("prior.half_from", self.half_from, hint="0.15 is the default, in units")

    @property
    def expected(self) -> float:
        """Mean difference that proposals are expected to show on dev, in units."""
        return (self.good + self.fooling) * self.gain - (1.0 - self.good - self.fooling) * self.loss


@dataclass(frozen=True, kw_only=True)
class RaceSettings:
    """The dials of the posterior race; the defaults hold for judges with noise, :meth:`exact` for those without.

    ``drop`` is the one to turn: 0.05 is thrifty with judge calls, 0.01 thorough where proposals are dear.

    Attributes:
        in_play: How many dev units a candidate meets at most. With :class:`CaseEffects` 20 do for the 30 without.
        sealed: How many sealed units it meets at most.
        first_look: After how many dev units to look first. An earlier look spends less on a candidate and so decides
            on more of them: 2 is for proposals that cost next to nothing.
        drop: Discard on dev when P(effect > worthwhile) falls below it. Under the default prior it starts at 0.0375,
            below the default: the evidence must *raise* the odds. 0 never discards before the last look.
        worthwhile: The effect worth looking for, on the scale of the scores; None for 0.03 units.
        ask: Go on to the sealed cases when P(effect > 0) reaches it on dev, where what fools looks just like a gain: by
            the default prior it cannot exceed 0.29 there.
        ask_last: The same at the last dev look.
        seal_drop: Discard on sealed when P(effect > 0) falls below it.
        sure: Keep when P(effect > 0) reaches it on all the evidence.
        prior: What is believed about proposals.
        interaction_sd: First guess of how differently cases take to a change, in units; outweighed after a few
            candidates.
        guess_worth: How many observations that guess counts for at first. It fades as others come in.

    Raises:
        UsageError: A number is out of its range, or two contradict each other.
    """

    in_play: int = 20
    sealed: int = 120
    first_look: int = 3
    drop: float = 0.05
    worthwhile: float | None = None
    ask: float = 0.26
    ask_last: float = 0.16
    seal_drop: float = 0.16
    sure: float = 0.90
    prior: Prior = Prior()
    interaction_sd: float = 0.10
    guess_worth: float = 20.0

    @classmethod
    def exact(cls, **dials: Any) -> Self:
        """Return the settings for a judge that repeats itself, whose stored scores have no error to correct.

        In simulation an early look and the wary prior would each cost it a twelfth of the gain per proposal, and a
        tenth for the same calls. It looks first after 4 units, and has ``leak=0.01``.

        Args:
            dials: Those to set otherwise, by name.

        Raises:
            UsageError: A number is out of its range.
        """
        others: dict[str, Any] = {"first_look": 4, "prior": Prior(leak=0.01)}
        return cls(**(others | dials))

    def worthwhile_in(self, unit: float) -> float:
        """The effect worth looking for, where the unit is this large on the scale of the scores."""
        return WORTHWHILE * unit if self.worthwhile is None else self.worthwhile

    def __post_init__(self) -> None:
        for name, count in (("in_play", self.in_play), ("sealed", self.sealed), ("first_look", self.first_look)):
            if count < 1:
                raise _refuse(name, count, "1 or more", "leave it out for the default")
        if not 0.0 <= self.drop < 1.0:
            raise _refuse("drop", self.drop, "0 or more and below 1", "0.05 is thrifty, 0.01 thorough")
        if self.worthwhile is not None and not 0.0 <= self.worthwhile < math.inf:
            raise _refuse("worthwhile", self.worthwhile, "0 or more", "0.03 is three points in a hundred")
        for name, share in (("ask", self.ask), ("ask_last", self.ask_last), ("sure", self.sure)):
            _check_probability(name, share, hint="it is compared with P(effect > 0)")
        if self.ask_last > self.ask:
            hint = "the last dev look is the last chance, so it asks for less"
            raise _refuse("ask_last", self.ask_last, f"at most ask, {self.ask:g}", hint)
        if not 0.0 <= self.seal_drop < self.sure:
            hint = "between the two, the sealed cases go on being judged"
            raise _refuse("seal_drop", self.seal_drop, f"0 or more and below sure, {self.sure:g}", hint)
        _check_positive("interaction_sd", self.interaction_sd, hint="0.1 is typical")
        if not 1.0 <= self.guess_worth < math.inf:
            raise _refuse("guess_worth", self.guess_worth, "1 or more", "20 observations are typical")
