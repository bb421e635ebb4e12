from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tenward.decisions import CaseEffects, Decision, Pooled
from tenward.judges import Failure
from tenward.loop import AttemptState, Engine, Journal, LoopRecord, LoopSpec, LoopState, Status, journal_path
from tenward.testing import ScriptedJudge, ScriptedProposer, SimulatedJudge

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.judges import FailureKind

Change = Callable[[Any, "Path"], Mapping[str, str]]

PROMPT = "p.md"
RUBRIC = 'rubric: r/v1\nabout: Is it good?\nscale: [0, 10]\ncriteria: {good: "How good is it?"}\n'


def level(text: str) -> float:
    """Return the quality that a text states, 0.1 if it states none."""
    found = re.search(r"quality ([0-9.]+)", text)
    return float(found[1]) if found else 0.1


def make(top: Path, *, dev: int, sealed: int, files: Mapping[str, str] | None = None) -> Path:
    """Make a repository with a prompt of quality 0.5 and its evaluator."""
    rows = [{"id": f"d{at}", "input": f"task {at}", "split": "dev"} for at in range(dev)]
    rows += [{"id": f"s{at}", "input": f"hidden {at}", "split": "sealed"} for at in range(sealed)]
    top.mkdir()
    judge = "judge: j/v1\nmodel: local/qwen2.5-coder-1.5b-instruct\nread: distribution\n"
    cases = "".join(json.dumps(row) + "\n" for row in rows)
    given = {PROMPT: "quality 0.5\nSay it plainly.\nBe brief.\nBe kind.\n", "rubrics/r.yaml": RUBRIC}
    given |= {"judges/j.yaml": judge, "datasets/c.jsonl": cases, **(files or {})}
    for path, text in given.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
        (top / path).chmod(0o755)
    who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Begin")):
        subprocess.run(["git", "-C", str(top), *words], check=True)
    return top


async def run(
    top: Path, change: Change, judge: Any, *, rounds: int, more: str = "", placebo: float = 0.0
) -> tuple[LoopState, list[AttemptState]]:
    """Run the loop to its end; return how it stands and its attempts."""
    spec = LoopSpec.parse(
        f"loop: demo/v1\ngoal: Better.\nedit: [{PROMPT}]\npropose: {{python: 'no:body'}}\nplacebo: {placebo}\n"
        f"score: {{rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}}\n"
        f"combine_every: null\nbudget: {{rounds: {rounds}}}\n{more}\n"
    )
    record = LoopRecord.open(top, "demo")
    engine = Engine(spec, record, None, top=top, proposer=ScriptedProposer(change), judge=judge)
    state = await engine.run()
    with Journal(journal_path(record)) as journal:
        return state, list(journal.attempts())


def incumbent_scores(top: Path, epoch: int) -> list[tuple[str, float]]:
    """Return the stored scores of an incumbent on dev cases, by case."""
    with Journal(journal_path(LoopRecord.open(top, "demo"))) as journal:
        scores = [score for score in journal.scores(f"e{epoch}") if score.split == "dev"]
        return [(score.case_id, score.value) for score in scores if score.value is not None]


def to(value: float, number: int) -> dict[str, str]:
    """Return a prompt of some quality, unlike any other."""
    words = " ".join(f"w{random.Random(number * 100 + at).randrange(10**9)}" for at in range(8))
    return {PROMPT: f"quality {value:.3f}\n{words}\nmore\n", "": f"{words} {number}"}


def learned(attempts: list[AttemptState], start: CaseEffects) -> CaseEffects:
    """Return what attempts of one incumbent showed, in the order of their ends."""
    for attempt in attempts:
        start = start.after(attempt.shown)
    return start


def no_totals(state: LoopState) -> CaseEffects:
    """Return what was known when the present incumbent had been judged."""
    nothing: dict[str, object] = {"totals": {}}
    return CaseEffects.from_json({**state.effects, **nothing})


def units_met(state: LoopState) -> list[str]:
    """Return the units that candidates of the present incumbent met."""
    return list(CaseEffects.from_json(dict(state.effects)).totals)


async def test_a_candidate_is_corrected_by_what_those_before_it_showed(tmp_path: Path) -> None:
    """Each race begins with the sums of all earlier ones, and what it tells the rule is without them."""
    top = make(tmp_path / "work", dev=24, sealed=30)
    state, attempts = await run(
        top, lambda brief, _: to(0.47, brief.number), SimulatedJudge(level, noise=0.15), rounds=12
    )
    assert [one.status for one in attempts] == [Status.DISCARD] * 12
    start = no_totals(state)
    assert (start.units, state.calibration["cases"]) == (20, 20)
    for at, one in enumerate(attempts):
        known = CaseEffects.from_json(dict(one.effects))
        assert known == learned(attempts[:at], start)
        told = known.correct(one.shown, variance=Pooled.from_json(dict(one.pooled)).dev_variance)
        assert [value for look in one.looks if look.split == "dev" for value in look.differences] == told
        assert one.decision is not None
        evidence = Decision.from_json(dict(one.decision)).evidence
        assert evidence.dev.mean == pytest.approx(math.fsum(told) / len(told))
        assert one.score is not None
        assert one.incumbent_score is not None
        assert one.score - one.incumbent_score == pytest.approx(math.fsum(one.shown.values()) / len(one.shown))
    assert CaseEffects.from_json(dict(state.effects)) == learned(attempts, start)


async def test_what_is_taken_out_is_the_error_of_the_stored_scores(tmp_path: Path) -> None:
    """After some candidates the offsets follow how far the stored scores are off the truth, which only a test knows."""
    top = make(tmp_path / "work", dev=20, sealed=20)
    judge = SimulatedJudge(level, noise=0.2, interaction=0.03, seed=1)
    state, attempts = await run(top, lambda brief, _: to(0.45, brief.number), judge, rounds=60)
    assert state.epoch == 0
    effects = CaseEffects.from_json(dict(state.effects))
    variance = Pooled.from_json(dict(attempts[-1].pooled)).dev_variance
    stored: dict[str, list[float]] = {}
    for case, value in incumbent_scores(top, 0):
        stored.setdefault(case, []).append(value)
    errors = {case: sum(values) / len(values) - 0.5 for case, values in stored.items()}
    before = sum(error**2 for error in errors.values())
    after = sum((error + effects.offset(case, variance=variance)) ** 2 for case, error in errors.items())
    assert after < 0.6 * before


async def test_a_new_incumbent_is_learned_from_anew(tmp_path: Path) -> None:
    """A keep ends what is known of the stored scores; fewer passes are stored of an incumbent that is corrected."""
    top = make(tmp_path / "work", dev=20, sealed=60)
    state, attempts = await run(
        top,
        lambda brief, _: to(0.9 if brief.number == 4 else 0.3, brief.number),
        SimulatedJudge(level, noise=0.2),
        rounds=8,
    )
    assert [one.number for one in attempts if one.status is Status.KEEP] == [4]
    later = [one for one in attempts if one.number > 4]
    assert CaseEffects.from_json(dict(state.effects)) == learned(later, no_totals(state))
    assert CaseEffects.from_json(dict(later[0].effects)).totals == {}
    assert "passes over the incumbent: 2 on dev cases, 2 on sealed cases" in state.calibration["lines"]
    assert len(incumbent_scores(top, 1)) == 2 * 20


async def test_attempts_side_by_side_teach_what_they_showed_of_the_incumbent_that_stands(tmp_path: Path) -> None:
    """What ends after a keep was compared with the old scores, and says nothing of the new ones."""
    top = make(tmp_path / "work", dev=20, sealed=60)
    state, attempts = await run(
        top,
        lambda brief, _: to(0.9 if brief.number == 3 else 0.3, brief.number),
        SimulatedJudge(level, noise=0.15),
        rounds=9,
        more="parallel: 3",
    )
    assert state.epoch == 1
    later = [one for one in attempts if one.epoch == 1]
    assert 0 < len(later) < 9
    found = CaseEffects.from_json(dict(state.effects))
    expected = replace(found, totals={})
    for one in later:
        expected = expected.after(one.shown)
    assert {unit: count for unit, (count, _) in found.totals.items()} == {
        unit: count for unit, (count, _) in expected.totals.items()
    }
    for unit, (_, total) in found.totals.items():
        assert total == pytest.approx(expected.totals[unit][1])


async def test_a_judge_that_repeats_itself_is_not_corrected(tmp_path: Path) -> None:
    """There is no error to learn, and the first look comes a case later than with a noisy judge."""
    top = make(tmp_path / "work", dev=36, sealed=20)
    judge = SimulatedJudge(level, noise=0.0, interaction=0.1)
    state, attempts = await run(top, lambda brief, _: to(0.45, brief.number), judge, rounds=3)
    assert (state.effects, state.calibration["judge_sd"]) == ({}, 0.0)
    assert [(one.effects, one.shown) for one in attempts] == [({}, {})] * 3
    assert attempts[0].looks[0].units == 4


async def test_other_rules_are_not_corrected(tmp_path: Path) -> None:
    """A rule without a prior is told the plain differences, from as many passes as before."""
    top = make(tmp_path / "work", dev=20, sealed=20)
    judge = SimulatedJudge(level, noise=0.2)
    state, attempts = await run(
        top, lambda brief, _: to(0.3, brief.number), judge, rounds=2, more="keep: {rule: line, in_play: 10}"
    )
    assert state.effects == attempts[-1].effects == {}
    assert "passes over the incumbent: 4 on dev cases, 2 on sealed cases" in state.calibration["lines"]
    assert len(incumbent_scores(top, 0)) == 4 * 10


async def test_an_unchanged_copy_is_learned_from_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    """A copy shows the errors alone; what damage does to all cases is no error of theirs."""
    top = make(tmp_path / "work", dev=20, sealed=20)
    judge = SimulatedJudge(level, noise=0.15)
    state, attempts = await run(top, lambda brief, _: to(0.4, brief.number), judge, rounds=14, placebo=0.5)
    kinds = [one.placebo == "unchanged" for one in attempts if one.placebo]
    assert {True, False} == set(kinds)
    expected = no_totals(state)
    for one in attempts:
        shift = expected.expected if one.placebo else 0.0
        if one.placebo in {"", "unchanged"}:
            expected = expected.after({unit: value + shift for unit, value in one.shown.items()})
    assert CaseEffects.from_json(dict(state.effects)) == expected
    assert all(one.effects for one in attempts)


FAILS_ON_SOME = "#!/bin/sh\ngrep -q 'task 1' && exit 3\ncat p.md\n"


async def test_a_case_without_a_verdict_teaches_nothing(tmp_path: Path) -> None:
    """Where the output crashed the 0 is exact: it is neither corrected nor taken for the judge's error."""
    top = make(tmp_path / "work", dev=15, sealed=15, files={"run.sh": FAILS_ON_SOME})
    judge = SimulatedJudge(level, noise=0.15)
    state, attempts = await run(
        top, lambda brief, _: to(0.45, brief.number), judge, rounds=5, more="produce: {command: ./run.sh}"
    )
    crashing = {"d1", *(f"d{at}" for at in range(10, 15))}
    met = {unit for one in attempts for unit in one.shown}
    assert met
    assert not met & crashing
    assert not set(CaseEffects.from_json(dict(state.effects)).totals) & crashing
    assert sum(value == 0.0 for one in attempts for look in one.looks for value in look.differences) > 0


async def test_a_stage_of_few_cases_teaches_as_well(tmp_path: Path) -> None:
    """Candidates that end there are learned from like the others: only winners would be a biased sample."""
    top = make(tmp_path / "work", dev=20, sealed=20)
    judge = SimulatedJudge(level, noise=0.15)
    state, attempts = await run(
        top, lambda brief, _: to(0.1, brief.number), judge, rounds=3, more="stages: [{cases: 4}]"
    )
    assert [len(one.stages) for one in attempts if not one.looks] == [1] * 3
    assert all(len(one.shown) == 4 for one in attempts)
    assert sum(count for count, _ in CaseEffects.from_json(dict(state.effects)).totals.values()) == 12


@pytest.mark.parametrize(("dev", "sealed"), [(5, 20), (8, 16), (12, 20)])
async def test_a_small_loop_finds_what_is_large_and_keeps_no_harm(tmp_path: Path, dev: int, sealed: int) -> None:
    """With a handful of cases a large gain is kept, and of many harmful changes none."""
    top = make(tmp_path / "work", dev=dev, sealed=sealed)

    def change(brief: Any, _: Path) -> dict[str, str]:
        return to(0.85 if brief.number == 15 else 0.4, brief.number)

    state, attempts = await run(top, change, SimulatedJudge(level, noise=0.1), rounds=30)
    assert [one.number for one in attempts if one.status is Status.KEEP] == [15]
    assert state.headline["confirmed"] is True


async def test_planted_damage_is_never_kept(tmp_path: Path) -> None:
    """Of sixty changes that lose a little or much, under a noisy judge, not one is kept."""
    top = make(tmp_path / "work", dev=20, sealed=40)

    def change(brief: Any, _: Path) -> dict[str, str]:
        number: int = brief.number
        return to(0.5 - (0.05, 0.1, 0.3)[number % 3], number)

    state, _ = await run(top, change, SimulatedJudge(level, noise=0.2), rounds=60)
    assert state.counts == {"discard": 60}
    assert state.claimed == 0.0


@pytest.mark.parametrize("noise", [0.0, 0.1])
async def test_what_fools_the_dev_judge_is_stopped_by_the_sealed_cases(tmp_path: Path, noise: float) -> None:
    """A candidate that pleases on dev cases alone is asked for on the sealed ones, and discarded there."""
    top = make(tmp_path / "work", dev=20, sealed=60)
    dice = random.Random(3)

    def scores(case: Any) -> dict[str, float | Failure]:
        fools = "flatter" in case.output and case.id.startswith("d")
        value = level(case.output) + 0.2 * fools + dice.gauss(0, noise)
        return {"good": 10 * min(max(value + (hash_of(case.id) - 0.5) / 10, 0.0), 1.0)}

    def change(brief: Any, _: Path) -> dict[str, str]:
        words = to(0.48, brief.number)
        return {PROMPT: f"{words[PROMPT]}flatter the reader\n", "": words[""]}

    state, attempts = await run(top, change, ScriptedJudge(scores), rounds=6)
    assert state.counts == {"discard": 6}
    assert "sealed" in {look.split for one in attempts for look in one.looks}


@pytest.mark.parametrize(("gated", "ends"), [(True, "keep"), (False, "discard")])
async def test_what_lifts_outputs_over_gates_cannot_have_bought_the_judge(
    tmp_path: Path, gated: bool, ends: str
) -> None:
    """Sealed cases that show two thirds of a great gain stop what may please the judge, not what passes gates."""
    gate = "gates: [{forbids: rough}]\n" if gated else ""
    start = {PROMPT: "quality 0\nrough\n", "rubrics/r.yaml": RUBRIC + gate}
    top = make(tmp_path / "work", dev=4, sealed=10, files=start)
    sealed = (0.83, 0.0, 0.56, 0.68, 0.76, 0.74, 0.0, 0.69, 0.5, 0.5)

    def scores(case: Any) -> dict[str, float | Failure]:
        if "rough" in case.output:
            return {"good": 0.0}
        place = int(case.id[1:])
        return {"good": 7.8 + place / 10 if case.id.startswith("d") else 10 * sealed[place]}

    state, _ = await run(top, lambda brief, _: to(0.9, brief.number), ScriptedJudge(scores), rounds=1)
    assert state.counts == {ends: 1}


async def test_what_a_crash_says_of_a_sealed_case_reaches_no_proposer(tmp_path: Path) -> None:
    """A candidate that breaks down on sealed cases and prints them is a crash whose words are for people alone."""
    program = """
import json, sys
case, text = json.load(sys.stdin), open("p.md").read()
if "crash" in text and case["input"].startswith("hidden"):
    raise SystemExit(f"saw {case['input']}")
print(text)
"""
    top = make(tmp_path / "work", dev=4, sealed=8, files={"run.py": program})
    briefs: list[str] = []

    def change(brief: Any, _: Path) -> dict[str, str]:
        briefs.append(f"{brief.text}\n{json.dumps(brief.to_json())}")
        words = to(0.9, brief.number)
        return {PROMPT: f"{words[PROMPT]}crash\n", "": words[""]}

    judge = ScriptedJudge(lambda case: {"good": 10 * level(case.output)})
    more = f"produce: {{command: {sys.executable} run.py}}\n"
    _, attempts = await run(top, change, judge, rounds=2, more=more)
    assert attempts[0].status is Status.CRASHED
    assert attempts[0].reason == "crashed: on a sealed case"
    assert "saw hidden" in attempts[0].log
    assert "hidden" not in briefs[1]


def hash_of(name: str) -> float:
    """Return a number from 0 to 1 that only the name decides."""
    return random.Random(name).random()


async def test_the_simplest_rule_tells_what_it_risks(tmp_path: Path) -> None:
    """Where whatever scored higher is kept over cases, the calibration says how much of that is luck."""
    top = make(tmp_path / "work", dev=10, sealed=10)
    judge = SimulatedJudge(level, noise=0.1)
    state, _ = await run(top, lambda brief, _: to(0.1, brief.number), judge, rounds=1, more="keep: {rule: better}")
    assert "half to four fifths of such keeps are no gain" in state.calibration["lines"][-1]


async def test_a_loop_may_read_a_part_of_the_sealed_cases(tmp_path: Path) -> None:
    """As many as it says, the same ones for each version, and other ones under another seed."""
    drawn: list[set[str]] = []
    for seed in (0, 1):
        top = make(tmp_path / f"work{seed}", dev=20, sealed=40)
        state, _ = await run(
            top,
            lambda brief, _: to(0.9, brief.number),
            SimulatedJudge(level, noise=0.05),
            rounds=1,
            more=f"confirm: {{cases: 12}}\nseed: {seed}",
        )
        assert state.headline["units"] == 12
        with Journal(journal_path(LoopRecord.open(top, "demo"))) as journal:
            sides = [{row.case_id for row in journal.scores(f"h1-{side}")} for side in ("baseline", "winner")]
            before = {row.case_id for row in journal.scores("e0") if row.split == "sealed"}
        assert sides[0] == sides[1]
        assert before <= sides[0]
        drawn.append(sides[0])
    assert drawn[0] != drawn[1]


def falling_silent(kind: str, *, clever: bool) -> ScriptedJudge:
    """Return a judge that scores 5, and 7 of a text that is ``better`` where it gives a verdict on it at all.

    On every second case there is none on such a text, for some reason.
    """

    def judged(case: Case) -> Mapping[str, float | Failure]:
        number = int(case.id[1:])
        if "better" not in case.output:
            return {"good": 5.0}
        if clever and number % 2:
            return {"good": Failure(kind=cast("FailureKind", kind), detail="x")}
        return {"good": 7.0}

    return ScriptedJudge(judged)


def better(brief: Any, _: Path) -> dict[str, str]:
    """Return a text that says it is better."""
    return {PROMPT: f"better {brief.number} {to(0, brief.number)[PROMPT]}", "": to(0, brief.number)[""]}


@pytest.mark.parametrize("kind", ["refused", "truncated", "schema", "bad_quote", "off_scale", "too_long"])
async def test_nothing_is_won_by_falling_silent(tmp_path: Path, kind: str) -> None:
    """What gets no verdict for a reason that it may have caused itself counts as worth nothing, and is told."""
    top = make(tmp_path / "work", dev=20, sealed=30)
    state, attempts = await run(top, better, falling_silent(kind, clever=True), rounds=2)
    assert [one.status for one in attempts] == [Status.DISCARD] * 2
    assert state.epoch == 0
    assert min(value for one in attempts for value in one.by_unit.values()) == pytest.approx(-0.5)


async def test_what_the_machine_does_costs_no_candidate(tmp_path: Path) -> None:
    """A case without a verdict for want of a connection is left out on both sides."""
    top = make(tmp_path / "work", dev=20, sealed=30)
    state, attempts = await run(top, better, falling_silent("transport", clever=True), rounds=1)
    assert [one.status for one in attempts] == [Status.KEEP]
    assert all(value == pytest.approx(0.2) for value in attempts[0].by_unit.values())
    assert "unheard" not in state.headline


async def test_a_gain_with_outputs_that_were_not_heard_says_so(tmp_path: Path) -> None:
    """A few that make the judge fail raise an alarm; overruled, they count as worth nothing in the gain."""

    def judged(case: Case) -> Mapping[str, float | Failure]:
        if "better" in case.output and int(case.id[1:]) % 10 == 3:
            return {"good": Failure(kind="schema", detail="x")}
        return {"good": 9.0 if "better" in case.output else 3.0}

    top = make(tmp_path / "work", dev=20, sealed=40)
    _, attempts = await run(top, better, ScriptedJudge(judged), rounds=3)
    alarmed = [alarm for one in attempts for alarm in one.alarms]
    assert {alarm.name for alarm in alarmed} <= {"abstains"}
    other = make(tmp_path / "other", dev=20, sealed=40)
    more = "alarms: {overrule: [abstains]}"
    state, attempts = await run(other, better, ScriptedJudge(judged), rounds=3, more=more)
    assert Status.KEEP in [one.status for one in attempts]
    assert state.headline["unheard"] == 4
    assert "4 of the winner's outputs got no verdict and count as worth nothing" in state.headline["text"]
    assert state.headline["gain"] == pytest.approx(0.6 - 0.1 * 0.9)
