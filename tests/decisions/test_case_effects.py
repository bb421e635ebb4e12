from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.decisions import CaseEffects, Prior, RaceSettings
from tenward.errors import UsageError

UNITS = [f"u{at}" for at in range(20)]
DIFFERENCES = st.dictionaries(st.sampled_from(UNITS), st.floats(-1.0, 1.0), min_size=1)


def fresh(judge_variance: float = 0.0144, passes: int = 1) -> CaseEffects:
    """Return the effects of an incumbent that no candidate has met."""
    return CaseEffects.start(judge_variance=judge_variance, passes=passes, units=len(UNITS))


def test_nothing_is_corrected_before_a_candidate_has_ended() -> None:
    """The first candidate is compared with the stored scores as they are."""
    assert fresh().correct({"u1": 0.25, "u0": -0.5}, variance=0.03) == [0.25, -0.5]


@given(DIFFERENCES, DIFFERENCES)
def test_an_exact_judge_is_never_corrected(past: dict[str, float], now: dict[str, float]) -> None:
    """Where judging twice gives the same score, stored scores have no error to learn."""
    effects = fresh(judge_variance=0.0).after(past)
    assert effects.correct(now, variance=0.03) == list(now.values())


def test_errors_of_stored_scores_are_learned_from_candidates() -> None:
    """After sixty candidates of six units each, most of the stored scores' error is gone from the differences."""
    dice = random.Random(3)
    raw = corrected = 0.0
    for _ in range(30):
        errors = {unit: dice.gauss(0.0, 0.12) for unit in UNITS}
        effects = fresh()
        for _ in range(60):
            effect = dice.choice([0.03, -0.01, -0.02, -0.04])
            met = dice.sample(UNITS, 6)
            effects = effects.after({unit: effect - errors[unit] + dice.gauss(0.0, 0.156) for unit in met})
        left = effects.correct({unit: -error for unit, error in errors.items()}, variance=0.03)
        raw += math.fsum(error**2 for error in errors.values())
        corrected += math.fsum(error**2 for error in left)
    assert corrected < 0.25 * raw


def test_what_all_units_share_is_taken_for_an_error_only_in_part() -> None:
    """Bad proposals look just like an incumbent that was judged too kindly, so less than that is taken off."""
    effects = fresh()
    for _ in range(500):
        effects = effects.after(dict.fromkeys(UNITS, -0.10))
    beyond = -0.10 - effects.expected
    offset = effects.offset("u0", variance=0.03)
    common = 0.0144 / 20
    assert offset == pytest.approx(beyond * common / (common + 0.02**2), rel=0.01)
    assert beyond < offset < 0.0


def test_a_unit_that_was_never_met_gets_what_all_share() -> None:
    """Only its own differences tell how a unit deviates from the others."""
    effects = fresh().after({"u0": 0.3, "u1": -0.3})
    unmet = effects.offset("u2", variance=0.03)
    assert effects.offset("u1", variance=0.03) < unmet < effects.offset("u0", variance=0.03)
    assert unmet == effects.offset("u3", variance=0.03)


def test_more_passes_leave_less_to_correct() -> None:
    """A stored score that averages more passes has a smaller error, so its deviation counts for less."""
    past = {"u0": 0.4, "u1": 0.0, "u2": 0.0}
    once, often = (fresh(passes=count).after(past) for count in (1, 4))
    assert once.offset("u0", variance=0.03) > often.offset("u0", variance=0.03) > 0.0


@pytest.mark.parametrize("sign", [-1, 1])
def test_broken_and_bought_candidates_shift_no_other(sign: int) -> None:
    """What one lost or gained is learned up to a bound, and its pattern over units whole."""

    def taught(extreme: float) -> list[float]:
        effects = fresh()
        pattern = {f"u{at}": sign * extreme + (0.05 if at % 2 else -0.05) for at in range(20)}
        for _ in range(20):
            effects = effects.after(pattern)
        return [effects.offset(unit, variance=0.03) for unit in ("u0", "u1")]

    assert taught(0.5) == pytest.approx(taught(0.9))
    even, odd = taught(0.9)
    assert abs(even + odd) < abs(sum(taught(0.1))) * 5
    assert odd - even == pytest.approx(taught(0.0)[1] - taught(0.0)[0])


@given(st.lists(DIFFERENCES, min_size=2, max_size=6))
def test_the_order_of_candidates_does_not_matter(candidates: list[dict[str, float]]) -> None:
    """Candidates that raced side by side may be added in either order."""
    there, back = fresh(), fresh()
    for one in candidates:
        there = there.after(one)
    for one in reversed(candidates):
        back = back.after(one)
    for unit in UNITS:
        assert there.offset(unit, variance=0.03) == pytest.approx(back.offset(unit, variance=0.03), abs=1e-12)


@given(DIFFERENCES, DIFFERENCES)
def test_a_journal_gives_back_every_bit(past: dict[str, float], now: dict[str, float]) -> None:
    """What was stored beside a race corrects it again in the very same way."""
    effects = fresh().after(past)
    again = CaseEffects.from_json(json.loads(json.dumps(effects.to_json())))
    assert again == effects
    assert again.correct(now, variance=0.03) == effects.correct(now, variance=0.03)


@pytest.mark.parametrize(
    "damage",
    [
        {"totals": []},
        {"totals": {"u0": [1]}},
        {"totals": {"u0": 3}},
        {"totals": {"u0": [0.5, 0.1]}},
        {"units": 0},
        {"stored_variance": -0.1},
        {"expected": "much"},
        {"more": 1},
    ],
)
def test_a_damaged_journal_is_refused(damage: dict[str, object]) -> None:
    """What cannot be read is named, with what to do."""
    with pytest.raises(UsageError, match="case effects") as caught:
        CaseEffects.from_json(fresh().after({"u0": 0.1}).to_json() | damage)
    assert caught.value.hint


@pytest.mark.parametrize("wrong", [{"judge_variance": -1.0}, {"judge_variance": math.nan}, {"passes": 0}, {"units": 0}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    """A negative variance, no pass and no unit are mistakes of the caller."""
    with pytest.raises(ValueError, match="expected a variance"):
        CaseEffects.start(**({"judge_variance": 0.01, "passes": 1, "units": 20} | wrong))  # type: ignore[arg-type]


def test_proposals_are_expected_to_do_what_the_prior_says() -> None:
    """Under the default prior a proposal loses about a point in a hundred on dev."""
    assert fresh().expected == pytest.approx(0.35 * 0.03 - 0.65 * 0.02)
    kind = RaceSettings(prior=Prior(good=0.5, fooling=0.0))
    known = CaseEffects.start(judge_variance=0.01, passes=1, units=5, settings=kind)
    assert known.expected == pytest.approx(0.5 * 0.03 - 0.5 * 0.02)
