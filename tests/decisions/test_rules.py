from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import AlphaRace, Better, BettingRace, Decision, DecisionRule, FixedLine, Look, Pooled
from tenward.errors import UsageError

STATE = Pooled.initial(0.12**2)


def decide(rule: DecisionRule, dev: list[float], sealed: list[float]) -> Decision:
    """Run a race over all the given differences, in their order."""
    race = rule.start(STATE, dev=len(dev), sealed=len(sealed))
    pools = {"dev": dev, "sealed": sealed}
    reached = {"dev": 0, "sealed": 0}
    while isinstance(step := race.next(), Look):
        race.tell(pools[step.split][reached[step.split] : step.units])
        reached[step.split] = step.units
    return step


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_better_keeps_a_strictly_higher_mean(differences: list[float]) -> None:
    """The sign of the exact mean over all dev cases decides; no sealed case is asked."""
    decision = decide(Better(), differences, [])
    assert decision.outcome == ("keep" if math.fsum(differences) / len(differences) > 0 else "discard")
    assert decision.evidence.dev.n == len(differences)
    assert decision.p_better is None


def test_better_discards_a_tie() -> None:
    """Equal is not better."""
    assert decide(Better(), [0.5, -0.5], []).outcome == "discard"


def test_better_has_no_interval_for_a_single_number() -> None:
    """One number says nothing of its own noise."""
    decision = decide(Better(), [0.5], [])
    assert (decision.effect, decision.low, decision.high) == (0.5, None, None)


def test_an_effect_that_is_measured_has_a_t_interval() -> None:
    """Differences 0.1, 0.2, 0.6: mean 0.3 and 90 % interval by t(2) 2.92 and standard error 0.1528."""
    decision = decide(Better(), [0.1, 0.2, 0.6], [])
    assert decision.effect == pytest.approx(0.3)
    assert decision.low == pytest.approx(0.3 - 2.91999 * 0.152753, abs=1e-5)
    assert decision.high == pytest.approx(0.3 + 2.91999 * 0.152753, abs=1e-5)


def test_better_needs_a_dev_case() -> None:
    """Without any dev case there is nothing to compare."""
    with pytest.raises(UsageError, match="found 0 dev cases"):
        Better().start(STATE, dev=0, sealed=9)


def test_alpha_race_discards_what_can_hardly_pass() -> None:
    """A candidate level with the incumbent is dropped long before its sixty cases are judged."""
    decision = decide(AlphaRace(), [0.0] * 60, [0.0] * 120)
    assert decision.outcome == "discard"
    # At 22 cases the chance to pass is still 0.06, at 29 it is 0.02.
    assert decision.evidence.dev.n == 29
    assert "chance to pass on dev cases 0.0" in decision.reason


def test_alpha_race_judges_all_cases_before_a_keep() -> None:
    """A keep rests on every dev case in play and every sealed case, at a fixed error rate."""
    decision = decide(AlphaRace(), [0.1] * 60, [0.06] * 120)
    assert decision.outcome == "keep"
    assert (decision.evidence.dev.n, decision.evidence.sealed.n) == (60, 120)


@pytest.mark.parametrize("rule", [AlphaRace(), FixedLine()], ids=lambda rule: type(rule).__name__)
def test_a_ladder_step_is_needed_on_sealed(rule: DecisionRule) -> None:
    """What is ahead by less than the step on sealed cases is not kept, even if all of them agree."""
    step = 1.64 * math.sqrt(STATE.sealed_variance / 120)
    decision = decide(rule, [0.1] * 60, [0.6 * step] * 120)
    assert decision.outcome == "discard"
    assert "sealed cases" in decision.reason


def test_a_candidate_short_of_the_step_at_the_very_end_is_told_how_much() -> None:
    """At the last look the reason names the gain that was needed."""
    step = 1.64 * math.sqrt(STATE.sealed_variance / 120)
    decision = decide(AlphaRace(), [0.1] * 60, [0.97 * step] * 120)
    assert decision.outcome == "discard"
    assert f"{step:+.3f} needed on sealed cases" in decision.reason


def test_fixed_line_falls_as_cases_come_in() -> None:
    """0.06 is asked after four cases and 0.038 after thirty."""
    assert decide(FixedLine(), [0.059] * 30, [0.1] * 120).evidence.dev.n == 4
    assert decide(FixedLine(), [0.061] * 30, [0.1] * 120).outcome == "keep"
    fading = decide(FixedLine(), [0.07] * 17 + [-0.05] * 13, [0.1] * 120)
    assert fading.outcome == "discard"
    assert "the mean is below 0.0" in fading.reason


def test_betting_race_keeps_a_steady_gain_and_drops_a_loss() -> None:
    """A steady gain wins 20 to 1 on sealed units, long before they run out; a loss is dropped on dev."""
    steady = [0.2, 0.0, 0.3, 0.1] * 75
    kept = decide(BettingRace(), steady, steady)
    assert kept.outcome == "keep"
    assert kept.evidence.dev.n + kept.evidence.sealed.n < 100
    dropped = decide(BettingRace(), [-d for d in steady], steady)
    assert dropped.outcome == "discard"
    assert dropped.evidence.dev.n == 4
    assert "bets against it 1." in dropped.reason


def test_betting_race_discards_when_neither_bet_wins() -> None:
    """When the units run out before either bet wins, nothing was shown."""
    decision = decide(BettingRace(), [0.04, 0.02] * 10, [0.1] * 20)
    assert decision.outcome == "discard"
    assert decision.evidence.dev.n == 20


def test_betting_race_holds_its_promise_whatever_the_distribution() -> None:
    """Rare large gains and frequent small losses around 0: at most one in twenty wins on the sealed units."""
    dice = random.Random(3)
    kept = 0
    for _ in range(400):
        sealed = [0.9 if dice.random() < 0.1 else -0.1 for _ in range(200)]
        kept += decide(BettingRace(), [0.9] * 4, sealed).outcome == "keep"
    assert kept <= 20


def test_betting_race_needs_a_scale_from_0_to_1() -> None:
    """Differences beyond 1 would void the promise, so they are refused."""
    with pytest.raises(UsageError, match=r"found a difference of 1\.5, expected -1 to 1"):
        decide(BettingRace(), [0.1, 1.5, 0.0, 0.2], [0.0])


def test_betting_race_survives_more_money_than_a_float_holds() -> None:
    """A promise so strict that the next look jumps past the largest float still ends in a keep."""
    decision = decide(BettingRace(alpha=1e-300), [1.0] * 4, [1.0] * 3000)
    assert decision.outcome == "keep"
    assert decision.evidence.sealed.n > 1000
