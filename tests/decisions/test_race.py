from __future__ import annotations

import itertools
import json
import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import (
    AlphaRace,
    Better,
    BettingRace,
    Decision,
    DecisionRule,
    Evidence,
    FixedLine,
    Floor,
    Look,
    Pooled,
    Posterior,
    PosteriorRace,
    Race,
    RaceSettings,
    Reading,
    SteppedRace,
    posterior,
)
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STATE = Pooled.initial(0.12**2, cases_unit=1.0)
RULES: list[DecisionRule] = [PosteriorRace(), Better(), AlphaRace(), FixedLine(), BettingRace()]
CONFIRMING: list[DecisionRule] = [PosteriorRace(), AlphaRace(), FixedLine(), BettingRace()]


def by_name(rule: DecisionRule) -> str:
    """Return a rule's name for the list of tests."""
    return type(rule).__name__


def run(race: Race, draw: Callable[[str, int], Sequence[float]]) -> Decision:
    """Answer every look with drawn differences of its new units, until there is a decision."""
    reached = {"dev": 0, "sealed": 0}
    while isinstance(step := race.next(), Look):
        race.tell(draw(step.split, step.units - reached[step.split]))
        reached[step.split] = step.units
    return step


def constant(value: float) -> Callable[[str, int], Sequence[float]]:
    """Return answers that are always the same difference."""
    return lambda _, new: [value] * new


def silence(_split: str, _new: int) -> Sequence[float]:
    """Return no difference, however many units there are."""
    return []


def test_a_hopeless_candidate_ends_after_three_cases() -> None:
    """Three cases at -0.2 are enough; the reason says why in one line."""
    decision = run(PosteriorRace().start(STATE, dev=30, sealed=120), constant(-0.2))
    assert decision.outcome == "discard"
    assert (decision.evidence.dev.n, decision.evidence.sealed.n) == (3, 0)
    assert decision.reason.startswith("discarded: P(gain above 0.03) 0.0")
    assert decision.reason.endswith("on 3 dev cases")


def test_a_clear_gain_is_kept_after_dev_and_sealed() -> None:
    """A gain on every case is asked for on the sealed ones and kept; effect and interval come from the posterior."""
    decision = run(PosteriorRace().start(STATE, dev=30, sealed=120), constant(0.25))
    assert decision.outcome == "keep"
    assert decision.p_better is not None
    assert decision.p_better >= 0.9
    assert decision.reason.startswith(f"kept: P(better) {decision.p_better:.3f}; about {decision.effect:+.3f} on ")
    assert decision.reason.endswith(f"dev and {decision.evidence.sealed.n} sealed cases")
    assert decision.low is not None
    assert decision.high is not None
    assert decision.low < decision.effect < decision.high


def test_a_gain_that_only_dev_sees_is_discarded() -> None:
    """What pleases the dev judge and nobody else does not survive the sealed cases."""
    race = PosteriorRace().start(STATE, dev=30, sealed=120)
    decision = run(race, lambda split, new: [0.25 if split == "dev" else -0.02] * new)
    assert decision.outcome == "discard"
    assert 0 < decision.evidence.sealed.n < 120


def test_looks_come_in_the_documented_order() -> None:
    """The race asks for the documented numbers of units, dev first, and for the same one until it is told."""
    race = PosteriorRace().start(STATE, dev=200, sealed=500)
    seen: dict[str, list[int]] = {"dev": [0], "sealed": [0]}
    while isinstance(look := race.next(), Look):
        assert race.next() == look
        # Neither here nor there, on dev and on sealed.
        value = 0.10 if look.split == "dev" else 0.03
        race.tell([value] * (look.units - seen[look.split][-1]))
        seen[look.split].append(look.units)
    assert seen["dev"] == [0, 3, 5, 7, 9, 12, 16, 20]
    assert seen["sealed"] == [0, 8, 10, 13, 17, 22, 29, 38, 49, 64, 83, 108, 120]
    assert look.outcome == "discard"
    assert "0.9 needed to keep" in look.reason


def test_the_first_look_is_a_dial() -> None:
    """An earlier first look discards after fewer cases; a later one than there are cases looks once at all."""
    for first, few in ((2, 30), (3, 30), (50, 9)):
        race = PosteriorRace(settings=RaceSettings(first_look=first)).start(STATE, dev=few, sealed=120)
        assert race.next() == Look(split="dev", units=min(first, few))
        assert run(race, constant(-0.3)).evidence.dev.n == min(first, few)


def test_the_last_dev_look_asks_for_less() -> None:
    """At the last look 0.16 is enough to be asked on the sealed cases; before it, 0.26 would be needed."""
    race = PosteriorRace().start(STATE, dev=30, sealed=120)
    reached = 0
    while isinstance(look := race.next(), Look) and look.split == "dev":
        race.tell([0.09] * (look.units - reached))
        reached = look.units
    assert race.next() == Look(split="sealed", units=8)
    assert reached == 20
    belief = posterior(STATE.weigh([0.09] * 20, []), PosteriorRace().settings)
    assert 0.16 <= belief.better < 0.26


@pytest.mark.parametrize("rule", RULES, ids=by_name)
@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6),
    keep_apart=st.floats(0, 0.4),
    cut=st.integers(0, 30),
)
def test_a_resumed_race_reaches_the_same_decision(rule: DecisionRule, seed: int, keep_apart: float, cut: int) -> None:
    """A race that is killed anywhere and told again, from a state out of JSON, ends in the same bits."""
    told: list[list[float]] = []
    dice = random.Random(seed)

    def draw(_: str, new: int) -> list[float]:
        told.append([dice.uniform(-0.3, 0.3) + keep_apart for _ in range(new)])
        return told[-1]

    decision = run(rule.start(STATE, dev=60, sealed=120), draw)
    again = rule.start(Pooled.from_json(json.loads(json.dumps(STATE.to_json()))), dev=60, sealed=120)
    for part in told[: min(cut, len(told))]:
        again.tell(json.loads(json.dumps(part)))
    for part in told[min(cut, len(told)) :]:
        again.tell(part)
    assert again.next() == decision
    assert Decision.from_json(json.loads(json.dumps(decision.to_json()))) == decision
    assert STATE.after(decision) == STATE.after(Decision.from_json(decision.to_json()))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(-0.1, 0.3))
def test_the_evidence_reproduces_the_decision(seed: int, effect: float) -> None:
    """The few numbers a decision stores give its probability and estimate again, bit for bit."""
    dice = random.Random(seed)
    rule = PosteriorRace()
    race = rule.start(STATE, dev=30, sealed=120)
    decision = run(race, lambda _, new: [dice.uniform(-0.2, 0.2) + effect for _ in range(new)])
    belief = posterior(decision.evidence, rule.settings)
    assert (decision.p_better, decision.effect) == (belief.better, belief.mean)
    assert (decision.low, decision.high) == (belief.low, belief.high)


def by_the_book(dev: list[float], sealed: list[float]) -> tuple[str, int, int]:
    """Return outcome and units by the rule as it is written down, for pools of 20 and 120."""
    defaults = RaceSettings()

    def blunt(mean: float, belief: Posterior, evidence: Evidence) -> bool:
        """Whether dev must tell more of a great look before sealed cases are asked."""
        great = (belief.leaps.gain + belief.leaps.fooling) / (belief.better + belief.fooling)
        return great > 0.5 and mean**2 * evidence.dev.n / evidence.dev_variance / 8 < math.log(9) + belief.half.odds

    n = m = 0
    for n in (3, 5, 7, 9, 12, 16, 20):
        evidence = STATE.weigh(dev[:n], [])
        belief = posterior(evidence, defaults)
        if belief.better >= (defaults.ask_last if n == 20 else defaults.ask):
            if n < 20 and blunt(math.fsum(dev[:n]) / n, belief, evidence):
                continue
            break
        if belief.worthwhile < 0.05 or n == 20:
            return "discard", n, 0
    for m in (8, 10, 13, 17, 22, 29, 38, 49, 64, 83, 108, 120):
        belief = posterior(STATE.weigh(dev[:n], sealed[:m]), defaults)
        if belief.better >= 0.90 and (belief.half.p < 0.5 or (m == 120 and belief.half.told < 0)):
            return "keep", n, m
        if belief.better < defaults.seal_drop or (belief.half.p > 0.8 and belief.half.told > 1.5):
            return "discard", n, m
    return "discard", n, m


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 0.5), st.floats(-0.1, 0.2))
def test_each_race_ends_where_the_written_rule_ends(seed: int, dev_effect: float, sealed_effect: float) -> None:
    """Outcome and number of units are those of the rule as it is written down, look by look."""
    dice = random.Random(seed)
    pools = {
        "dev": [dice.uniform(-0.15, 0.15) + dev_effect for _ in range(20)],
        "sealed": [dice.uniform(-0.15, 0.15) + sealed_effect for _ in range(120)],
    }
    sources = {split: iter(pool) for split, pool in pools.items()}
    race = PosteriorRace().start(STATE, dev=30, sealed=120)
    decision = run(race, lambda split, new: list(itertools.islice(sources[split], new)))
    expected = by_the_book(pools["dev"], pools["sealed"])
    assert (decision.outcome, decision.evidence.dev.n, decision.evidence.sealed.n) == expected


@pytest.mark.parametrize("rule", RULES, ids=by_name)
@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.permutations(range(3)))
def test_the_order_within_a_look_does_not_matter(
    rule: DecisionRule, differences: list[float], order: list[int]
) -> None:
    """Cases of one look are judged in parallel; who comes first changes nothing."""
    one, other = rule.start(STATE, dev=3, sealed=8), rule.start(STATE, dev=3, sealed=8)
    one.tell(differences)
    other.tell([differences[index] for index in order])
    assert one.next() == other.next()


@pytest.mark.parametrize("rule", RULES, ids=by_name)
@pytest.mark.parametrize(("dev", "sealed"), [(1, 1), (3, 2), (4, 8), (500, 1000)])
def test_any_size_of_pool_ends(rule: DecisionRule, dev: int, sealed: int) -> None:
    """With one case or a thousand, every race comes to an end within its units."""
    for value in (-0.3, 0.0, 0.03, 0.4):
        decision = run(rule.start(STATE, dev=dev, sealed=sealed), constant(value))
        assert decision.evidence.dev.n <= dev
        assert decision.evidence.sealed.n <= sealed


@pytest.mark.parametrize("rule", CONFIRMING, ids=by_name)
@pytest.mark.parametrize(("dev", "sealed"), [(0, 10), (10, 0)])
def test_a_rule_that_confirms_needs_both_splits(rule: DecisionRule, dev: int, sealed: int) -> None:
    """Without dev or sealed cases the rule refuses to start, and says what to do."""
    with pytest.raises(UsageError, match=f"found {dev} dev and {sealed} sealed cases") as caught:
        rule.start(STATE, dev=dev, sealed=sealed)
    assert "sealed" in caught.value.hint


def test_missing_verdicts_lower_the_count_and_are_not_zero() -> None:
    """A unit without a verdict leaves mean and probability to those that have one."""
    race = PosteriorRace().start(STATE, dev=30, sealed=120)
    race.tell([-0.2, -0.2])
    decision = race.next()
    assert isinstance(decision, Decision)
    assert decision.evidence.dev.n == 2
    assert decision.evidence.dev.mean == -0.2
    assert decision.p_better == posterior(STATE.weigh([-0.2, -0.2], []), PosteriorRace().settings).better


@pytest.mark.parametrize("rule", RULES, ids=by_name)
@pytest.mark.parametrize("value", [-0.5, 0.5])
def test_mostly_missing_verdicts_decide_nothing(rule: DecisionRule, value: float) -> None:
    """While fewer than half the units have a verdict the race goes on; at the end of dev it is undecided."""
    decision = run(rule.start(STATE, dev=10, sealed=20), lambda _, new: [value] * (new // 3))
    assert decision.outcome == "undecided"
    assert decision.reason.startswith("undecided: only ")
    assert decision.reason.endswith("of 10 dev cases have a verdict on both sides")


def test_no_verdict_at_all_is_undecided() -> None:
    """A judge that is silent throughout discards nobody."""
    decision = run(PosteriorRace().start(STATE, dev=5, sealed=5), silence)
    assert decision.outcome == "undecided"
    assert decision.reason == "undecided: only 0 of 5 dev cases have a verdict on both sides"


def test_silence_on_sealed_is_undecided() -> None:
    """A winner on dev whose sealed cases have no verdicts is neither kept nor discarded."""
    race = PosteriorRace().start(STATE, dev=30, sealed=12)
    decision = run(race, lambda split, new: [0.3] * new if split == "dev" else [])
    assert decision.outcome == "undecided"
    assert decision.reason == "undecided: only 0 of 12 sealed cases have a verdict on both sides"


@pytest.mark.parametrize(
    ("differences", "told"),
    [([0.1] * 5, "5 differences for 3 new units"), ([0.1, math.nan], "must be finite"), ([math.inf], "must be finite")],
)
def test_differences_that_cannot_be_are_refused(differences: list[float], told: str) -> None:
    """More differences than units, or one that is no number, are refused; the race stays as it was."""
    race = PosteriorRace().start(STATE, dev=30, sealed=120)
    with pytest.raises(ValueError, match=told):
        race.tell(differences)
    race.tell([-0.2] * 3)
    decision = race.next()
    assert isinstance(decision, Decision)
    assert decision.evidence.dev.n == 3


def test_a_race_that_is_over_takes_no_more() -> None:
    """A decision is final."""
    race = Better().start(STATE, dev=1, sealed=0)
    race.tell([0.1])
    with pytest.raises(ValueError, match="race is over"):
        race.tell([0.1])


def test_reasons_name_groups_and_single_units() -> None:
    """The reason counts what the caller calls a unit, in singular and plural."""
    assert run(Better().start(STATE, dev=1, sealed=0, noun="group"), constant(0.1)).reason.endswith("on 1 dev group")
    assert run(Better().start(STATE, dev=3, sealed=0, noun="group"), constant(0.1)).reason.endswith("on 3 dev groups")


def test_small_effects_of_other_measures_are_not_shown_as_zero() -> None:
    """A gain of 0.0000123 of some validation loss shows its digits."""
    assert "about +1.2e-05" in run(Better().start(STATE, dev=2, sealed=0), constant(1.23e-05)).reason


FLOOR = Floor(criterion="accuracy")


def with_floor(values: Callable[[str, int], Sequence[float]], *, sealed: int = 60) -> Decision:
    """Run a strong candidate whose accuracy differs as given."""
    race = PosteriorRace().start(STATE, dev=30, sealed=sealed, floors=[FLOOR])
    reached = {"dev": 0, "sealed": 0}
    while isinstance(step := race.next(), Look):
        new = step.units - reached[step.split]
        race.tell([0.25] * new, {"accuracy": values(step.split, new)})
        reached[step.split] = step.units
    return step


def test_a_floor_that_holds_lets_the_keep_through() -> None:
    """A better candidate whose accuracy stays is kept, with the finding on record."""
    decision = with_floor(lambda _, new: [0.0] * new)
    assert decision.outcome == "keep"
    assert decision.floors[0].startswith("accuracy holds: +0.000, at worst -0.0")


def test_a_lowered_floor_discards_a_better_candidate() -> None:
    """However much better the whole is, a criterion of `never_lower` that falls ends it."""
    decision = with_floor(lambda _, new: [-0.3] * new)
    assert decision.outcome == "discard"
    assert "but accuracy is lowered: -0.300" in decision.reason


def test_an_unclear_floor_asks_for_more_cases_and_then_stays_undecided() -> None:
    """A criterion that swings is not shown to hold; the race uses every sealed case and ends undecided."""
    swing = itertools.cycle([0.8, -0.8])
    decision = with_floor(lambda _, new: list(itertools.islice(swing, new)))
    assert decision.outcome == "undecided"
    assert decision.evidence.sealed.n == 60
    assert "but accuracy is not shown to hold" in decision.reason


def test_only_the_deciding_split_counts_for_a_floor() -> None:
    """Differences on dev do not save a criterion that no sealed case has a score for."""
    decision = with_floor(lambda split, new: [0.5] * new if split == "dev" else [])
    assert decision.outcome == "undecided"
    assert "no case has a score" in decision.reason


def test_a_floor_needs_its_differences() -> None:
    """Forgetting a criterion with a floor is a mistake of the caller, not a candidate that passes."""
    race = PosteriorRace().start(STATE, dev=30, sealed=120, floors=[FLOOR])
    with pytest.raises(ValueError, match="criteria with a floor: accuracy"):
        race.tell([0.1] * 3)
    with pytest.raises(ValueError, match="4 differences of accuracy for 3 new units"):
        race.tell([0.1] * 3, {"accuracy": [0.0] * 4})


def test_a_rule_of_ones_own_is_a_reading_and_its_looks() -> None:
    """Another rule needs a pure function of what is seen and its looks; the driver does the rest."""

    def read(sight: object) -> Reading:
        assert sight
        return Reading(step="more", why="nobody knows", effect=0.0, low=None, high=None)

    decision = run(SteppedRace(read=read, looks={"dev": (2, 5)}, state=STATE), constant(0.1))
    assert decision.outcome == "undecided"
    assert decision.reason == "undecided: nobody knows; about +0.000 on 5 dev cases"
    with pytest.raises(ValueError, match="at least one dev look"):
        SteppedRace(read=read, looks={"dev": ()}, state=STATE)


def simulate(
    rule: DecisionRule, *, effect: float, runs: int, sd: float = 0.12, fools: float = 0.0
) -> tuple[int, float]:
    """Return keeps and mean units of dev and sealed over races of candidates with one true effect."""
    dice = random.Random(20)
    state = Pooled.initial(sd**2)
    spread = math.sqrt(1.5 * sd**2 + 0.1**2)
    seen = {"dev": effect + fools, "sealed": effect + 0.25 * fools}

    def draw(split: str, new: int) -> list[float]:
        return [dice.gauss(seen[split], spread) for _ in range(new)]

    kept = units = 0
    for _ in range(runs):
        decision = run(rule.start(state, dev=30, sealed=120), draw)
        state = state.after(decision)
        kept += decision.outcome == "keep"
        units += decision.evidence.dev.n + decision.evidence.sealed.n
    return kept, units / runs


@pytest.mark.parametrize("sd", [0.03, 0.12, 0.20])
def test_a_candidate_that_changes_nothing_is_almost_never_kept(sd: float) -> None:
    """Of 800 candidates without any effect at most four are kept, for a few cases each."""
    kept, units = simulate(PosteriorRace(), effect=0.0, runs=800, sd=sd)
    assert kept <= 4
    assert units < 16


def test_a_worse_candidate_that_fools_the_dev_judge_is_almost_never_kept() -> None:
    """Candidates that dev sees at +0.06 and that are worse in truth fail on the sealed cases."""
    assert simulate(PosteriorRace(), effect=-0.02, runs=500, fools=0.08)[0] <= 10


def test_a_loop_that_met_bought_candidates_still_finds_a_great_gain() -> None:
    """Dev cannot tell them apart, so the sealed cases are asked; after five foolers most true leaps are still kept."""
    dice, rule = random.Random(7), PosteriorRace()
    state = Pooled.initial(0.05**2)

    def offer(dev: float, sealed: float) -> Decision:
        seen = {"dev": dev, "sealed": sealed}
        return run(
            rule.start(state, dev=20, sealed=60), lambda split, new: [dice.gauss(seen[split], 0.11) for _ in range(new)]
        )

    for _ in range(5):
        bought = offer(0.4, 0.08)
        assert bought.outcome == "discard"
        state = state.after(bought)
    assert state.leaps.fooling > 100 * state.leaps.gain
    assert sum(offer(gain, gain).outcome == "keep" for gain in (0.2, 0.3, 0.38, 0.5) for _ in range(25)) >= 75


def test_looks_of_which_sealed_cases_see_half_are_hardly_ever_kept() -> None:
    """Half of a bought look is more than most true gains; of 60 such proposals among 540 without effect few get by."""
    dice, rule = random.Random(11), PosteriorRace()
    state, kept = Pooled.initial(0.12**2), 0
    for number in range(600):
        bought = number % 10 == 0
        seen = {"dev": 0.28, "sealed": 0.13} if bought else {"dev": 0.0, "sealed": 0.0}

        def draw(split: str, new: int, seen: dict[str, float] = seen) -> list[float]:
            return [dice.gauss(seen[split], 0.16) for _ in range(new)]

        decision = run(rule.start(state, dev=20, sealed=120), draw)
        state = state.after(decision)
        kept += bought and decision.outcome == "keep"
    assert kept <= 8
    assert state.leaps.fooling > state.leaps.gain


def test_what_half_speaks_against_a_keep_says_so() -> None:
    """The reason sets what sealed cases show beside what dev shows, and the loop has learned that it was bought."""
    race = PosteriorRace().start(STATE, dev=20, sealed=60)
    dice = random.Random(3)
    decision = run(race, lambda split, new: [dice.gauss(0.6 if split == "dev" else 0.28, 0.1) for _ in range(new)])
    assert decision.outcome == "discard"
    assert "but sealed cases show +0." in decision.reason
    assert "P(bought, and half of it seen)" in decision.reason
    assert decision.leaps is not None
    assert decision.leaps.fooling > 0.8
    assert decision.fooling is not None
    assert decision.fooling > 0.8


def test_candidates_that_buy_the_dev_judge_outright_are_hardly_ever_kept() -> None:
    """Where every one is worse and seems better by 0.4, a keep or two, and then the rule has learned it."""
    assert simulate(PosteriorRace(), effect=-0.02, runs=300, fools=0.4)[0] <= 3


@pytest.mark.parametrize("rule", [PosteriorRace(), AlphaRace(), FixedLine()], ids=by_name)
def test_a_much_better_candidate_is_kept(rule: DecisionRule) -> None:
    """Four in five candidates that are better by 0.2 are kept."""
    assert simulate(rule, effect=0.2, runs=200)[0] >= 160
