from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tenward.decisions import AlphaRace, BettingRace, FixedLine, Floor, Prior, RaceSettings
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_defaults_are_the_documented_ones() -> None:
    """The defaults are those the simulations were made with."""
    settings = RaceSettings()
    assert (settings.in_play, settings.sealed, settings.first_look) == (20, 120, 3)
    assert (settings.drop, settings.worthwhile) == (0.05, None)
    assert settings.worthwhile_in(0.5) == 0.015
    assert RaceSettings(worthwhile=0.1).worthwhile_in(0.5) == 0.1
    assert (settings.ask, settings.ask_last, settings.seal_drop, settings.sure) == (0.26, 0.16, 0.16, 0.90)
    assert settings.prior == Prior(good=0.10, gain=0.03, loss=0.02, fooling=0.25, leak=0.015, leap=3e-4, great=0.3)
    assert (settings.prior.half, settings.prior.half_from) == (5e-4, 0.15)
    assert (settings.interaction_sd, settings.guess_worth) == (0.10, 20.0)


def test_a_judge_that_repeats_itself_has_settings_of_its_own() -> None:
    """Where there is no noise, a race looks later and trusts the sealed judge more; a dial that is set stays."""
    exact = RaceSettings.exact(drop=0.01, first_look=3)
    assert exact == RaceSettings(first_look=3, prior=Prior(leak=0.01), drop=0.01)
    assert RaceSettings.exact().first_look == 4


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: RaceSettings(in_play=0), "in_play"),
        (lambda: RaceSettings(sealed=-1), "sealed"),
        (lambda: RaceSettings(drop=1.0), "drop"),
        (lambda: RaceSettings(drop=math.nan), "drop"),
        (lambda: RaceSettings(worthwhile=-0.01), "worthwhile"),
        (lambda: RaceSettings(ask=0.0), "ask"),
        (lambda: RaceSettings(ask=0.3, ask_last=0.4), "ask_last"),
        (lambda: RaceSettings(sure=1.0), "sure"),
        (lambda: RaceSettings(seal_drop=0.95), "seal_drop"),
        (lambda: RaceSettings(interaction_sd=0.0), "interaction_sd"),
        (lambda: RaceSettings(guess_worth=0.5), "guess_worth"),
        (lambda: Prior(good=0.0), "prior.good"),
        (lambda: Prior(gain=math.inf), "prior.gain"),
        (lambda: Prior(loss=-0.02), "prior.loss"),
        (lambda: Prior(good=0.5, fooling=0.5), "prior.fooling"),
        (lambda: Prior(leap=0.5), "prior.leap"),
        (lambda: Prior(great=0.01), "prior.great"),
        (lambda: Prior(leak=0.0), "prior.leak"),
        (lambda: Prior(leak=0.04), "prior.leak"),
        (lambda: Prior(half=1.0), "prior.half"),
        (lambda: Prior(half_from=0.0), "prior.half_from"),
        (lambda: RaceSettings(first_look=0), "first_look"),
        (lambda: AlphaRace(alpha=0.5), "alpha"),
        (lambda: AlphaRace(in_play=0), "in_play"),
        (lambda: FixedLine(base=-0.1), "base"),
        (lambda: FixedLine(sealed=0), "sealed"),
        (lambda: FixedLine(step=0.0), "step"),
        (lambda: AlphaRace(step=math.nan), "step"),
        (lambda: BettingRace(alpha=0.0), "alpha"),
        (lambda: BettingRace(worthwhile=1.0), "worthwhile"),
        (lambda: Floor(criterion="accuracy", margin=0.0), "accuracy"),
        (lambda: Floor(criterion="accuracy", confidence=0.5), "accuracy"),
    ],
)
def test_a_dial_out_of_range_is_refused_by_name(make: Callable[[], object], named: str) -> None:
    """The refusal names the dial, what was found and what was expected, and gives a hint."""
    with pytest.raises(UsageError, match=rf"{named}.*: found .*expected") as caught:
        make()
    assert caught.value.hint
