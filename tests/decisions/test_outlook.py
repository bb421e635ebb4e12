from __future__ import annotations

import pytest

from tenward.decisions import Outlook, Pooled, RaceSettings, outlook
from tenward.errors import UsageError


def look_ahead(
    sd: float, *, dev: int = 30, sealed: int = 120, budget: int = 6000, settings: RaceSettings | None = None
) -> Outlook:
    """Return the outlook of a judge with a given noise."""
    return outlook(
        Pooled.initial(sd**2, cases_unit=1.0), judge_sd=sd, dev=dev, sealed=sealed, budget=budget, settings=settings
    )


def test_noise_hides_small_gains() -> None:
    """The smallest gain that is seen grows with the judge's noise."""
    seen = [look_ahead(sd).smallest_gain for sd in (0.03, 0.12, 0.20)]
    assert None not in seen
    assert seen == sorted(seen, key=lambda gain: gain or 0.0)
    assert seen == pytest.approx([0.08, 0.12, 0.18], abs=0.015)


def test_the_same_set_up_has_the_same_outlook() -> None:
    """The simulation repeats itself exactly."""
    assert look_ahead(0.12) == look_ahead(0.12)


def test_the_budget_is_told_in_candidates() -> None:
    """6,000 calls decide on hundreds of candidates at about eight calls each, after the incumbent's passes."""
    found = look_ahead(0.12)
    assert (found.start, look_ahead(0.20).start) == (40, 40)
    assert 6 < found.calls < 9
    assert found.candidates == int((6000 - 40) / found.calls)
    assert f"6000 calls decide on about {found.candidates} candidates" in found.lines[1]


def test_a_thorough_setting_costs_more_and_sees_more() -> None:
    """Dropping later costs calls for each candidate and shows smaller gains."""
    thrifty, thorough = look_ahead(0.12), look_ahead(0.12, settings=RaceSettings(drop=0.01))
    assert thorough.calls > thrifty.calls
    assert thorough.smallest_gain is not None
    assert thrifty.smallest_gain is not None
    assert thorough.smallest_gain <= thrifty.smallest_gain


@pytest.mark.parametrize("unit", [1 / 50, 7.0])
def test_the_outlook_is_told_on_the_scale_of_the_judge(unit: float) -> None:
    """The same set-up on another scale: as many calls, and the smallest gain to scale."""
    base = look_ahead(0.12)
    found = outlook(
        Pooled.initial((0.12 * unit) ** 2, cases_unit=unit), judge_sd=0.12 * unit, dev=30, sealed=120, budget=6000
    )
    assert base.smallest_gain is not None
    assert found.smallest_gain == pytest.approx(unit * base.smallest_gain)
    assert (found.calls, found.start, found.candidates) == (base.calls, base.start, base.candidates)


def test_few_sealed_cases_and_a_noisy_judge_are_warned_about() -> None:
    """With twenty sealed cases and a noisy judge almost nothing is found, and the lines say so."""
    found = look_ahead(0.20, dev=10, sealed=20)
    assert found.smallest_gain is None or found.smallest_gain > 0.15
    assert any("with 20 sealed cases and a judge as noisy as this" in line for line in found.lines)
    assert len(look_ahead(0.20).lines) == 2


def test_a_judge_of_pure_noise_sees_next_to_nothing() -> None:
    """Only gains of more than half the scale would be seen, or none at all."""
    found = look_ahead(0.5, dev=6, sealed=8)
    assert found.smallest_gain is None or found.smallest_gain > 0.5


def test_a_budget_below_one_confirm_is_told_so() -> None:
    """A hundred calls do not pay for one candidate's way to a keep."""
    found = look_ahead(0.12, budget=100)
    assert any("do not pay for one full confirm: 300 are needed" in line for line in found.lines)
    assert look_ahead(0.12, budget=10).candidates == 0


def test_both_splits_are_needed() -> None:
    """There is no outlook without sealed cases."""
    with pytest.raises(UsageError, match="found 30 dev and 0 sealed cases"):
        look_ahead(0.12, sealed=0)
