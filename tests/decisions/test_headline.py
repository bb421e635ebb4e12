from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import headline
from tenward.errors import UsageError

SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40)


def by_case(scores: list[float]) -> dict[str, float | None]:
    """Return scores under made-up case ids."""
    return {f"case-{index}": score for index, score in enumerate(scores)}


def test_the_interval_is_students_t() -> None:
    """Differences 0.1, 0.2, 0.6: mean 0.3, standard error 0.1528, t(2) 4.3027."""
    found = headline(by_case([0.0, 0.0, 0.0]), by_case([0.1, 0.2, 0.6]))
    assert found.gain == pytest.approx(0.3)
    assert found.low == pytest.approx(0.3 - 4.30265 * 0.152753, abs=1e-5)
    assert found.high == pytest.approx(0.3 + 4.30265 * 0.152753, abs=1e-5)
    assert not found.confirmed
    assert found.text == "not confirmed: +0.300 (95 % interval -0.357 to +0.957) on 3 sealed cases"


@pytest.mark.parametrize(("units", "t"), [(2, 12.7062), (11, 2.2281), (31, 2.0423), (120, 1.9801), (3001, 1.96)])
def test_the_quantile_fits_the_number_of_units(units: int, t: float) -> None:
    """The interval's reach in standard errors is the tabled quantile."""
    scores = [0.25 + 0.5 * (index % 2) for index in range(units)]
    found = headline(by_case([0.0] * units), by_case(scores))
    spread = sum((score - found.gain) ** 2 for score in scores) / (units - 1)
    assert (found.high - found.gain) / (spread / units) ** 0.5 == pytest.approx(t, abs=2e-3 if units > 2000 else 1e-4)


def test_a_confirmed_gain_says_so() -> None:
    """An interval above 0 confirms; units without a verdict are counted and named."""
    baseline = {**by_case([0.5, 0.5, 0.5, 0.5]), "case-9": 0.5}
    winner = {**by_case([0.7, 0.72, 0.71, 0.69]), "case-9": None}
    found = headline(baseline, winner)
    assert found.confirmed
    assert (found.units, found.missing) == (4, 1)
    assert found.text.startswith("confirmed: +0.205 (95 % interval ")
    assert found.text.endswith("on 4 sealed cases; 1 more without a verdict on both sides")
    assert headline({**baseline, "case-10": 0.5}, winner).missing == 2


@pytest.mark.parametrize(("winner", "confirmed"), [(0.1 + 0.2, False), (0.3001, True)])
def test_rounding_is_no_gain(winner: float, confirmed: bool) -> None:
    """Scores that differ by the rounding of a float alone are no confirmed gain; the smallest true step is."""
    found = headline(by_case([0.3] * 5), by_case([winner] * 5))
    assert found.low > 0
    assert found.confirmed is confirmed
    assert found.text.startswith("confirmed: " if confirmed else "not confirmed: ")


def test_groups_count_once() -> None:
    """Forty cases of two sources are two units, with the wide interval that two units deserve."""
    baseline = by_case([0.5] * 40)
    winner = by_case([0.6] * 20 + [0.8] * 20)
    groups = {f"case-{index}": "one" if index < 20 else "two" for index in range(40)}
    found = headline(baseline, winner, groups)
    assert found.units == 2
    assert not found.confirmed
    assert headline(baseline, winner).confirmed


@settings(deadline=None)
@given(SCORES)
def test_exchanging_baseline_and_winner_turns_the_interval_round(scores: list[tuple[float, float]]) -> None:
    """What is a gain one way is the same loss the other way."""
    one, other = by_case([pair[0] for pair in scores]), by_case([pair[1] for pair in scores])
    there, back = headline(one, other), headline(other, one)
    assert there.gain == pytest.approx(-back.gain)
    assert there.low == pytest.approx(-back.high)


def test_one_unit_is_not_enough() -> None:
    """A single unit has no interval, so there is no headline."""
    with pytest.raises(UsageError, match=r"found 1 sealed cases .* expected at least 2"):
        headline({"a": 0.5, "b": None}, {"a": 0.7, "b": 0.7})


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """With scores in steps of a tenth on 40 cases, about 95 of 100 intervals hold the true gain."""
    dice = random.Random(5)
    covered = 0
    for _ in range(600):
        before = [round(dice.betavariate(6, 3), 1) for _ in range(40)]
        # A quarter of the cases gains a level of 0.2, all others stay: a true gain of 0.05.
        after = [score + 0.2 * (dice.random() < 0.25) for score in before]
        found = headline(by_case(before), by_case(after))
        covered += found.low <= 0.05 <= found.high
    assert 540 <= covered <= 590
