from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import Decision, Evidence, Leaps, Pooled, RaceSettings, Sample
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def ended(evidence: Evidence, leaps: Leaps | None = None) -> Decision:
    """A race that ended with that evidence."""
    return Decision(
        outcome="discard", reason="", effect=0.0, low=None, high=None, p_better=None, evidence=evidence, leaps=leaps
    )


DIFFERENCES = st.lists(st.floats(-1, 1), max_size=40)


def test_a_sample_sums_up_differences() -> None:
    """Count, mean and squares are those of the textbook."""
    sample = Sample.of([0.1, 0.2, 0.6])
    assert sample.n == 3
    assert sample.mean == pytest.approx(0.3)
    assert sample.squares == pytest.approx(0.14)
    assert sample.standard_error == pytest.approx(math.sqrt(0.07 / 3))
    assert Sample.of([0.4]).standard_error == math.inf
    assert Sample.of([]) == Sample(n=0, mean=0.0, squares=0.0)


def test_the_first_guess_of_the_variance() -> None:
    """Before the first candidate: 1.5 judge variances and half of what lies between cases; sealed borrows it."""
    state = Pooled.initial(0.12**2, cases_unit=1.0)
    assert state.unit == 1.0
    assert state.dev_variance == pytest.approx(1.5 * 0.0144 + 0.01)
    assert state.sealed_variance == pytest.approx(state.dev_variance)
    assert Pooled.initial(0.0, cases_unit=0.1).dev_variance == pytest.approx(0.0001)


def test_every_candidate_teaches_the_variance() -> None:
    """Squares and degrees of freedom of dev and sealed add up; sealed leans on dev with 20 observations."""
    state = Pooled(guess=0.03)
    after = state.after(ended(state.weigh([0.0, 0.2], [0.1, 0.1, 0.4])))
    assert after.dev_squares == pytest.approx(0.02)
    assert after.sealed_squares == pytest.approx(0.06)
    assert (after.dev_freedom, after.sealed_freedom) == (1.0, 2.0)
    worth = 20 * (1 - 1 / 40)
    assert after.dev_variance == pytest.approx((worth * 0.03 + 0.02) / (worth + 1))
    assert after.sealed_variance == pytest.approx((0.06 + 20 * after.dev_variance) / 22)


def test_the_first_guess_fades() -> None:
    """After 41 differences with a spread of their own, nothing is left of a guess that was far off."""
    state = Pooled(guess=9.0)
    after = state.after(ended(state.weigh([0.1, -0.1] * 20 + [0.0], [])))
    assert after.dev_variance == pytest.approx(0.4 / 40)


def test_the_unit_is_that_of_cases_or_of_differences() -> None:
    """What a calibration saw stands; without it the unit is learned, and a span keeps it from vanishing."""
    quiet = [0.001, -0.001] * 21
    seen, blind, known = Pooled.initial(0.0, cases_unit=0.3), Pooled.initial(0.0), Pooled.initial(0.0, span=0.4)
    for state, unit in (
        (seen, 0.3),
        (blind, pytest.approx(0.001 * math.sqrt(42 / 41) / 0.1778, rel=1e-3)),
        (known, pytest.approx(0.04)),
    ):
        assert state.after(ended(state.weigh(quiet, []))).unit == unit


@pytest.mark.parametrize("differences", [[], [0.3]])
def test_fewer_than_two_differences_teach_nothing(differences: list[float]) -> None:
    """One difference or none has no spread to learn from."""
    state = Pooled.initial(0.01)
    after = state.after(ended(state.weigh(differences, differences)))
    assert (after.dev_variance, after.sealed_variance) == (state.dev_variance, state.sealed_variance)


def test_every_candidate_teaches_how_often_effects_are_large() -> None:
    """A first guess worth 100 candidates, then their mean probability; never more than a fifth."""
    state = Pooled.initial(0.01)
    assert (state.leaps.gain, state.leaps.fooling) == pytest.approx((3e-4, 3e-4))
    evidence = state.weigh([0.4], [0.1])
    assert evidence.leaps == state.leaps
    after = state.after(ended(evidence, leaps=Leaps(gain=0.05, fooling=0.9)))
    assert (after.leaps.gain, after.leaps.fooling) == pytest.approx((0.08 / 101, 0.93 / 101))
    assert state.after(ended(evidence)).leaps.fooling == pytest.approx(0.03 / 101)
    for _ in range(1000):
        state = state.after(ended(evidence, leaps=Leaps(gain=1.0, fooling=1.0)))
    assert state.leaps == Leaps(gain=0.2, fooling=0.2)


def test_old_noise_fades_beyond_three_thousand() -> None:
    """Degrees of freedom stop at 3,000, and scaling back leaves the variance as it is."""
    state = Pooled(guess=0.03, dev_squares=90.0, dev_freedom=2999.0)
    noisy = [1.0, -1.0, 1.0, -1.0]
    after = state.after(ended(state.weigh(noisy, [])))
    assert after.dev_freedom == 3000.0
    assert after.dev_squares == pytest.approx(94.0 * 3000 / 3002)


def test_a_judge_without_noise_keeps_a_variance_above_zero() -> None:
    """Ten thousand candidates without any spread leave a variance that can be divided by."""
    state = Pooled.initial(0.0)
    same = state.weigh([0.0] * 30, [0.0] * 120)
    for _ in range(10_000):
        state = state.after(ended(same))
    assert state.dev_variance > 0
    assert state.sealed_variance > 0


@pytest.mark.parametrize("variance", [-0.01, math.nan, math.inf])
def test_a_variance_that_cannot_be_is_refused(variance: float) -> None:
    """The first guess needs a judge variance of 0 or more."""
    with pytest.raises(ValueError, match="judge_variance must be finite and at least 0"):
        Pooled.initial(variance)


def test_the_settings_weigh_the_first_guess() -> None:
    """Spread over cases and worth of the guess come from the settings."""
    state = Pooled.initial(0.0, settings=RaceSettings(interaction_sd=0.2, guess_worth=5))
    assert state.dev_variance == pytest.approx(0.04)
    assert state.guess_worth == 5


@settings(deadline=None)
@given(DIFFERENCES, DIFFERENCES, st.floats(0, 0.2))
def test_json_keeps_every_bit(dev: list[float], sealed: list[float], judge_variance: float) -> None:
    """State and evidence come back from JSON as they went in."""
    state = Pooled.initial(judge_variance)
    evidence = state.weigh(dev, sealed)
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))) == evidence
    after = state.after(ended(evidence, leaps=Leaps(gain=0.2, fooling=0.3)))
    assert Pooled.from_json(json.loads(json.dumps(after.to_json()))) == after


HUGE = 10**400
GOOD_EVIDENCE = Pooled.initial(0.01).weigh([0.1, 0.2], []).to_json()
GOOD_DECISION = Decision(
    outcome="keep",
    reason="kept: because",
    effect=0.04,
    low=None,
    high=0.1,
    p_better=None,
    evidence=Evidence.from_json(GOOD_EVIDENCE),
    floors=("accuracy holds",),
)


def test_a_decision_comes_back_from_json() -> None:
    """A decision, with what it does not know as null, survives JSON."""
    assert Decision.from_json(json.loads(json.dumps(GOOD_DECISION.to_json()))) == GOOD_DECISION


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (Pooled.from_json, None),
        (Pooled.from_json, {"dev_squares": 1.0}),
        (Pooled.from_json, {**Pooled.initial(0.01).to_json(), "dev_freedom": -1}),
        (Pooled.from_json, {**Pooled.initial(0.01).to_json(), "dev_squares": "1"}),
        (Pooled.from_json, {**Pooled.initial(0.01).to_json(), "more": 1}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "dev_variance": 0.0}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "unit": 0.0}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "least": -0.1}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "sealed_variance": math.inf}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "dev": {"n": -1, "mean": 0.0, "squares": 0.0}}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "dev": {"n": True, "mean": 0.0, "squares": 0.0}}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "dev": {"n": 1, "mean": True, "squares": 0.0}}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "dev": {"n": HUGE, "mean": 0.0, "squares": 0.0}}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "dev": {"n": 1, "mean": -HUGE, "squares": 0.0}}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "dev_variance": HUGE}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "leaps": {"gain": 1.5, "fooling": 0.0}}),
        (Evidence.from_json, {**GOOD_EVIDENCE, "leaps": {"gain": 0.0, "fooling": 2}}),
        (Decision.from_json, {**GOOD_DECISION.to_json(), "outcome": "kept"}),
        (Decision.from_json, {**GOOD_DECISION.to_json(), "reason": 3}),
        (Decision.from_json, {**GOOD_DECISION.to_json(), "floors": "accuracy holds"}),
        (Decision.from_json, {**GOOD_DECISION.to_json(), "effect": None}),
        (Decision.from_json, {**GOOD_DECISION.to_json(), "effect": 100**3000}),
        (Decision.from_json, {**GOOD_DECISION.to_json(), "p_better": 1.01}),
        (Decision.from_json, {**GOOD_DECISION.to_json(), "p_better": -0.01}),
        (Decision.from_json, {**GOOD_DECISION.to_json(), "fooling": HUGE}),
        (Decision.from_json, {**GOOD_DECISION.to_json(), "fooling": 7}),
    ],
)
def test_a_damaged_record_is_refused(read: Callable[[object], object], value: object) -> None:
    """A journal that was changed by hand is told so, instead of leading to other decisions."""
    with pytest.raises(UsageError, match=r"found .*expected") as caught:
        read(value)
    assert caught.value.hint
