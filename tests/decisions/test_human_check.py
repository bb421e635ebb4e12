from __future__ import annotations

import random
from statistics import mean

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tenward.decisions import human_check
from tenward.errors import UsageError

DIFFERENCES = st.floats(-1, 1).map(lambda value: round(value, 3))
ANSWERS = st.lists(st.tuples(DIFFERENCES, DIFFERENCES), min_size=6, max_size=40)
FURTHER = st.lists(DIFFERENCES, max_size=60)


def drawn(dice: random.Random, *, gain: float, bias: float, echo: float) -> tuple[float, float]:
    """One case: a person's difference in whole points of nine, and that of a judge that echoes it with a bias."""
    seen = dice.gauss(0, 0.2)
    person = round(9 * (gain + seen)) / 9
    return person, gain + bias + echo * seen + dice.gauss(0, 0.1)


def covered(answers: int, further: int, *, gain: float, bias: float, echo: float, runs: int) -> tuple[float, float]:
    """Share of intervals that hold the true gain, and the mean estimate."""
    dice = random.Random(7)
    hits, told = 0, list[float]()
    for _ in range(runs):
        pairs = [drawn(dice, gain=gain, bias=bias, echo=echo) for _ in range(answers + further)]
        found = human_check(pairs[:answers], [judged for _, judged in pairs[answers:]])
        hits += found.low <= gain <= found.high
        told.append(found.gain)
    return hits / runs, mean(told)


@pytest.mark.parametrize(("answers", "further"), [(6, 30), (12, 60), (30, 90)])
@pytest.mark.parametrize("echo", [0.0, 0.8])
def test_the_interval_covers_a_biased_judge_notwithstanding(answers: int, further: int, echo: float) -> None:
    """The judge overstates by a tenth, everywhere; 95 of 100 intervals hold the truth, and the mean estimate is it."""
    share, told = covered(answers, further, gain=0.0, bias=0.1, echo=echo, runs=800)
    assert 0.93 <= share <= 0.975
    assert abs(told) < 0.01


def test_the_judges_mean_alone_is_wrong_where_the_check_is_right() -> None:
    """A change that gains nothing and that the judge likes by a tenth: the judge is sure of it, the check is not."""
    dice = random.Random(3)
    pairs = [drawn(dice, gain=0.0, bias=0.1, echo=0.8) for _ in range(120)]
    found = human_check(pairs[:30], [judged for _, judged in pairs[30:]])
    assert found.judge_gain > 0.07
    assert found.low < 0 < found.high
    assert not found.confirmed
    assert found.bias == pytest.approx(0.1, abs=0.04)


def test_a_good_judge_shortens_the_interval() -> None:
    """With a judge that echoes the person the interval is a quarter shorter than from the answers alone."""
    dice = random.Random(11)
    pairs = [drawn(dice, gain=0.1, bias=0.05, echo=1.0) for _ in range(150)]
    answers, further = pairs[:30], [judged for _, judged in pairs[30:]]
    helped, alone = human_check(answers, further), human_check(answers, further, weight=0.0)
    assert helped.weight > 0.4
    assert helped.high - helped.low < 0.75 * (alone.high - alone.low)
    assert helped.confirmed


def test_without_the_judge_it_is_the_classical_interval() -> None:
    """Six differences 0, .1 … .5: mean .25, standard error .0764, t(5) 2.5706."""
    found = human_check([(step / 10, 0.3) for step in range(6)], [0.3, 0.4], weight=0.0)
    assert found.gain == pytest.approx(0.25)
    assert found.high - found.gain == pytest.approx(2.5706 * 0.0763763, abs=1e-5)
    assert found.text == "confirmed by a person: +0.250 (95 % interval +0.054 to +0.446) on 6 cases"


@settings(deadline=None)
@given(ANSWERS, FURTHER)
def test_a_constant_bias_of_the_judge_changes_nothing(answers: list[tuple[float, float]], further: list[float]) -> None:
    """A judge that adds the same to every difference gives the same gain and the same interval."""
    found = human_check(answers, further)
    moved = human_check([(person, judged + 0.25) for person, judged in answers], [judged + 0.25 for judged in further])
    assert (moved.gain, moved.low, moved.high) == pytest.approx((found.gain, found.low, found.high), abs=1e-6)
    assert moved.bias == pytest.approx(found.bias + 0.25)


@settings(deadline=None)
@given(ANSWERS, FURTHER)
def test_exchanging_first_and_last_turns_the_interval_round(
    answers: list[tuple[float, float]], further: list[float]
) -> None:
    """What is a gain one way is the same loss the other way."""
    there = human_check(answers, further)
    back = human_check([(-person, -judged) for person, judged in answers], [-judged for judged in further])
    assert (back.gain, back.low, back.high) == pytest.approx((-there.gain, -there.high, -there.low), abs=1e-9)
    assert (back.same, back.differing) == (there.same, there.differing)


@settings(deadline=None)
@given(ANSWERS)
def test_answers_alone_give_their_own_mean(answers: list[tuple[float, float]]) -> None:
    """Where every case was answered, what the judge says has no weight at all."""
    found = human_check(answers)
    assert found.weight == 0
    assert found.gain == pytest.approx(mean(person for person, _ in answers), abs=1e-9)


@settings(deadline=None)
@given(ANSWERS, FURTHER)
def test_the_weight_is_a_share(answers: list[tuple[float, float]], further: list[float]) -> None:
    """It is between 0 and 1 and 0 for a judge that never varies, and the interval is around the gain."""
    found = human_check(answers, further)
    assert 0 <= found.weight <= 1
    assert found.low <= found.gain <= found.high
    assume(further)
    flat = human_check([(person, 0.5) for person, _ in answers], [0.5] * len(further))
    assert (flat.weight, flat.correlation) == (0, None)


def test_fewer_than_six_answers_are_refused() -> None:
    """Five answers tell nothing that could be quoted."""
    with pytest.raises(UsageError, match="found 5 answers, expected at least 6"):
        human_check([(0.1, 0.1)] * 5, [0.1] * 50)


def test_agreement_counts_preferences() -> None:
    """A tie on either side is no preference; the rest agrees or not."""
    found = human_check([(0.1, 0.2), (0.2, -0.1), (0.0, 0.3), (-0.1, -0.2), (0.3, 0.0), (0.2, 0.2)])
    assert (found.same, found.differing) == (3, 4)
    assert "both prefer the same version on 3 of 4 cases, correlation 0." in found.agreement
    assert "on no case do both prefer a version" in human_check([(0.0, 0.1)] * 6).agreement
