from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import (
    AlphaRace,
    Better,
    Calibration,
    CaseEffects,
    Decision,
    DecisionRule,
    FixedLine,
    Floor,
    Headline,
    Look,
    Pooled,
    PosteriorRace,
    RaceSettings,
    calibrate,
    headline,
    outlook,
    passes,
)

if TYPE_CHECKING:
    from tenward.decisions import Split

DEV, SEALED, NOISE, INTERACTION = 30, 60, 0.12, 0.10
RULES: dict[str, DecisionRule] = {
    "race": PosteriorRace(),
    "exact": PosteriorRace(settings=RaceSettings.exact()),
    "line": FixedLine(),
    "alpha": AlphaRace(in_play=30),
    "better": Better(),
}


@dataclass
class Told:
    """What a loop came to."""

    calibration: Calibration
    looks: list[tuple[int, str, int]] = field(default_factory=list[tuple[int, str, int]])
    decisions: list[Decision] = field(default_factory=list[Decision])
    gain: Headline | None = None
    smallest: float | None = None

    @property
    def outcomes(self) -> list[str]:
        """How candidates ended, one after the other."""
        return [one.outcome for one in self.decisions]


class Loop:
    """A loop as the engine runs it, over scores that are all multiplied by a number, and moved by another."""

    def __init__(self, rule: DecisionRule, *, times: float, plus: float, noise: float, seed: int) -> None:
        self._rule, self._times, self._plus, self._noise = rule, times, plus, noise
        self._dice = random.Random(seed)
        self._incumbent = {f"c{at}": self._dice.gauss(0.5, 0.2) for at in range(DEV + SEALED)}
        self._cases: dict[Split, list[str]] = {
            "dev": list(self._incumbent)[:DEV],
            "sealed": list(self._incumbent)[DEV:],
        }

    def _judged(self, levels: dict[str, float], cases: list[str], count: int) -> dict[str, float]:
        """Mean scores of so many passes."""
        return {
            case: math.fsum(
                self._times * (levels[case] + self._noise * self._dice.gauss()) + self._plus for _ in range(count)
            )
            / count
            for case in cases
        }

    def run(self, candidates: int) -> Told:
        """Calibrate, race candidates, and measure the headline."""
        first = self._incumbent
        once, again = (self._judged(first, self._cases["dev"], 1) for _ in range(2))
        told = Told(calibrate({case: (once[case], again[case]) for case in once}, corrected=True))
        found, rule_settings = told.calibration, getattr(self._rule, "settings", None)
        state = Pooled.initial(found.judge_variance, cases_unit=found.unit, settings=rule_settings)
        sealed_passes = passes(found.judge_sd, unit=found.unit, split="sealed")
        stored = self._judged(first, self._cases["dev"], passes(found.judge_sd, unit=found.unit))
        effects = self._fresh(state, found)
        for number in range(candidates):
            gain = self._dice.choice([-0.05, -0.01, 0.03, 0.12, 0.3])
            levels = {case: at + self._dice.gauss(gain, INTERACTION) for case, at in self._incumbent.items()}
            race = self._rule.start(state, dev=DEV, sealed=SEALED, floors=[Floor(criterion="all")])
            reached: dict[Split, int] = {"dev": 0, "sealed": 0}
            shown: dict[str, float] = {}
            while isinstance(step := race.next(), Look):
                told.looks.append((number, step.split, step.units))
                new = self._cases[step.split][reached[step.split] : step.units]
                beside = stored if step.split == "dev" else self._judged(self._incumbent, new, sealed_passes)
                scores = self._judged(levels, new, 1)
                apart = {case: scores[case] - beside[case] for case in new}
                plain = list(apart.values())
                if step.split == "dev":
                    shown |= apart
                    plain = effects.correct(apart, variance=state.dev_variance)
                race.tell(plain, {"all": plain})
                reached[step.split] = step.units
            told.decisions.append(step)
            state = state.after(step)
            if step.outcome == "keep":
                self._incumbent = levels
                stored = self._judged(levels, self._cases["dev"], passes(found.judge_sd, unit=found.unit))
                effects = self._fresh(state, found)
            else:
                effects = effects.after(shown)
        before, after = (self._judged(one, self._cases["sealed"], 1) for one in (first, self._incumbent))
        told.gain = headline(before, after)
        if isinstance(self._rule, PosteriorRace):
            told.smallest = outlook(
                state, judge_sd=found.judge_sd, dev=DEV, sealed=SEALED, budget=1000, settings=self._rule.settings
            ).smallest_gain
        return told

    def _fresh(self, state: Pooled, found: Calibration) -> CaseEffects:
        return CaseEffects.start(judge_variance=found.judge_variance, passes=2, units=DEV, unit=state.unit)


@settings(deadline=None, max_examples=12)
@given(
    times=st.one_of(st.sampled_from([1 / 50, 1 / 8, 0.3, 50.0]), st.floats(1 / 50, 50)),
    plus=st.floats(-3, 3),
    seed=st.integers(0, 10_000),
    noise=st.sampled_from([NOISE, 0.0, 0.3]),
    name=st.sampled_from(sorted(RULES)),
)
def test_a_loop_does_not_know_the_scale(times: float, plus: float, seed: int, noise: float, name: str) -> None:
    """All scores times a number, and a number added: the same looks and keeps; claims and headline times it."""
    base, other = (
        Loop(RULES[name], times=by, plus=offset, noise=noise, seed=seed).run(8)
        for by, offset in ((1.0, 0.0), (times, plus))
    )
    assert other.looks == base.looks
    assert other.outcomes == base.outcomes
    assert other.calibration.unit == pytest.approx(times * base.calibration.unit, rel=1e-6)
    for one, scaled in zip(base.decisions, other.decisions, strict=True):
        assert scaled.effect == pytest.approx(times * one.effect, rel=1e-4, abs=1e-9 * times)
        assert scaled.p_better == (None if one.p_better is None else pytest.approx(one.p_better, abs=1e-5))
    assert base.gain is not None
    assert other.gain is not None
    assert other.gain.gain == pytest.approx(times * base.gain.gain, rel=1e-6, abs=1e-9)
    assert other.gain.low == pytest.approx(times * base.gain.low, rel=1e-6, abs=1e-9)
    assert (other.smallest is None) == (base.smallest is None)
    if base.smallest is not None:
        assert other.smallest == pytest.approx(times * base.smallest, rel=1e-6)


def test_loops_of_the_property_keep_something() -> None:
    """The loops above are not all alike: over a few seeds some candidates are kept and others are not."""
    ends = [
        one
        for seed in range(4)
        for one in Loop(PosteriorRace(), times=1, plus=0, noise=NOISE, seed=seed).run(8).outcomes
    ]
    assert 0 < ends.count("keep") < len(ends) / 2


def run(state: Pooled, gain: float, sd: float, rule: DecisionRule) -> Decision:
    """A race of a candidate whose differences are the quantiles of a normal distribution."""
    race = rule.start(state, dev=40, sealed=80)
    reached: dict[Split, int] = {"dev": 0, "sealed": 0}
    while isinstance(step := race.next(), Look):
        new = step.units - reached[step.split]
        race.tell([gain + sd * NormalDist().inv_cdf((at + 0.5) / new) for at in range(new)])
        reached[step.split] = step.units
    return step


def test_certain_is_not_the_same_as_worth_having() -> None:
    """A sure gain below a fiftieth of the judge's span is discarded, and the reason says so; a larger one is kept."""
    rule = PosteriorRace(settings=RaceSettings.exact())
    for span, outcome in ((0.0, "keep"), (0.2, "keep"), (0.8, "discard")):
        state = Pooled.initial(0.0, cases_unit=0.05, span=span)
        found = run(state, 0.01, 0.002, rule)
        assert found.outcome == outcome
        assert ("is not worth having with this judge" in found.reason) == (outcome == "discard")
    assert run(Pooled.initial(0.0, cases_unit=0.05, span=0.8), 0.03, 0.002, rule).outcome == "keep"


def test_candidates_that_change_nothing_teach_nothing() -> None:
    """After fifty outputs like the incumbent's, a candidate that changes something is weighed as before."""
    state = Pooled.initial(0.0, cases_unit=1.0)
    after = state
    for _ in range(50):
        after = after.after(run(after, 0.0, 0.0, PosteriorRace()))
    assert (after.dev_variance, after.sealed_variance, after.unit) == (
        state.dev_variance,
        state.sealed_variance,
        state.unit,
    )


def test_a_sudden_spread_is_no_certainty() -> None:
    """After fifty candidates with tiny differences, one with large ones is weighed with its own spread."""
    rule = PosteriorRace(settings=RaceSettings.exact())
    state = Pooled.initial(0.0)
    for _ in range(50):
        state = state.after(run(state, 0.0, 0.001, rule))
    dice = random.Random(4)
    kept = 0
    for _ in range(40):
        race = rule.start(state, dev=40, sealed=80)
        reached: dict[Split, int] = {"dev": 0, "sealed": 0}
        while isinstance(step := race.next(), Look):
            race.tell([dice.gauss(0.0, 0.1) for _ in range(step.units - reached[step.split])])
            reached[step.split] = step.units
        kept += step.outcome == "keep"
    assert kept <= 2
    assert run(state, 0.2, 0.1, rule).outcome == "keep"
