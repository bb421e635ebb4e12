from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tenward.datasets import Case
from tenward.errors import JudgeUnavailableError
from tenward.evaluation import Store
from tenward.judges import Budget, Calls, Failure, Judge, JudgeSpec, ModelJudge, lend_calls
from tenward.rubrics import Rubric
from tenward.sight import NoLadderError, Reading, Sight, build_ladders, compare_readings, measure_sight, plan_sight
from tenward.testing import AutoJudge, ScriptedJudge, StubServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenward.judges import Explain, Verdict
    from tenward.testing import Request

RUBRIC = Rubric.parse("""
rubric: r/v1
about: Is it good?
criteria: {clear: {ask: Is it clear, weight: 3}, kind: Is it kind}
gates: [{min_words: 3}, {forbids: LGTM}]
references: {rouge_l: 1}
mix: {judge: 0.5, references: 0.5}
""")
CASES = [
    Case(
        id=f"c{at}",
        input=f"Say what happened on day {at}.",
        output=f"On day {at} of May the council of Town{at} met. It gave {at}00 euros to Anna{at} Weber. All agreed.",
    )
    for at in range(20)
]
OUTPUTS = {case.output for case in CASES}


def luck(*names: object) -> float:
    """Return a number from 1 to 5 that depends on these names and means nothing."""
    return 1 + 4 * int(hashlib.sha256("|".join(map(str, names)).encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def is_right(case: Case) -> bool:
    """Whether a case holds the output that belongs to it."""
    return case.output == next(one.output for one in CASES if one.id == case.id)


def see_everything(case: Case) -> Mapping[str, float]:
    """Score the right output 4 and all else 3."""
    return dict.fromkeys(RUBRIC.criteria, 4.0 if is_right(case) else 3.0)


def see_nothing(case: Case) -> Mapping[str, float]:
    """Score by luck alone."""
    return {name: luck(name, case.output, case.id) for name in RUBRIC.criteria}


def see_length(case: Case) -> Mapping[str, float]:
    """Score by the number of characters alone."""
    return dict.fromkeys(RUBRIC.criteria, 1 + 4 * min(1.0, len(case.output) / 200))


async def test_a_judge_that_sees_everything_is_told_so() -> None:
    """Each rung reads lower in each case, the span is the difference, and no null candidate wins."""
    found = await measure_sight(CASES, RUBRIC, ScriptedJudge(see_everything), seed=3)
    assert (found.cases, found.blind, found.is_blind, found.unscored) == (12, (), False, 0)
    assert {rung.rung for rung in found.value.rungs} == {"other", "half", "shuffled", "vague", "facts"}
    for criterion in (found.value, *found.criteria):
        assert criterion.seen == "sees"
        for rung in criterion.rungs:
            assert (rung.pairs, rung.dropped, rung.auc, rung.high) == (12, 0, 1.0, 1.0)
            assert rung.low == pytest.approx(0.7354, abs=1e-3)
            assert rung.span == pytest.approx(1.0 if criterion is not found.value else 0.2)
    assert found.span == pytest.approx(0.2)
    assert all(null.wins == 0 for null in found.nulls)
    assert not found.only_length
    assert "sees (AUC 1.00" in found.lines[0]


async def test_a_judge_that_gives_everything_the_same_is_blind() -> None:
    """Ties count for half: all is blind, there is no span, and every null candidate reads as high as the output."""
    found = await measure_sight(CASES, RUBRIC, ScriptedJudge(dict.fromkeys(RUBRIC.criteria, 4.0)))
    assert found.is_blind
    assert (found.blind, found.span) == (("clear", "kind"), None)
    assert found.value.pooled.auc == 0.5
    assert all(null.wins == null.pairs for null in found.nulls)
    told = "\n".join(found.lines)
    assert "kind: blind here (AUC .50, .30 to .70): with this rubric and data the judge cannot tell better" in told
    assert "never should: other in 12 of 12, lgtm in 12 of 12" in told


async def test_judges_that_score_by_luck_are_rarely_seen_as_seeing() -> None:
    """Of forty judges that see nothing, a few pass by luck: one in ten or so, as the guide says."""
    rubric = Rubric.parse("rubric: r/v1\nabout: Is it good?\ncriteria: {clear: Is it clear}")
    blind = 0
    for judge in range(40):

        def scores(case: Case, judge: int = judge) -> Mapping[str, float]:
            return {"clear": luck(judge, case.output, case.id)}

        blind += (await measure_sight(CASES, rubric, ScriptedJudge(scores), nulls=False)).is_blind
    assert blind >= 30


async def test_a_criterion_is_found_blind_beside_one_that_sees() -> None:
    """Blindness is found per criterion, whatever the whole sees."""

    def scores(case: Case) -> Mapping[str, float]:
        return {"clear": see_everything(case)["clear"], "kind": 3.0}

    found = await measure_sight(CASES, RUBRIC, ScriptedJudge(scores))
    assert (found.blind, found.is_blind) == (("kind",), False)
    assert found.span == pytest.approx(0.15)


async def test_a_judge_that_reads_the_worse_one_higher_is_blind_and_turned() -> None:
    """What is told apart the wrong way round is no sight."""
    found = await measure_sight(
        CASES, RUBRIC, ScriptedJudge(lambda case: dict.fromkeys(RUBRIC.criteria, 2.0 if is_right(case) else 4.0))
    )
    assert found.value.seen == "turned"
    assert found.is_blind
    assert "the worse text reads higher" in found.lines[0]


async def test_a_judge_that_counts_characters_is_found_out() -> None:
    """Beside each rung stands what the mere length tells, and a judge that sees no more is named."""
    found = await measure_sight(CASES, RUBRIC, ScriptedJudge(see_length))
    by_length = {rung.rung: rung.auc for rung in found.length}
    assert (by_length["half"], by_length["shuffled"]) == (1.0, 0.5)
    assert {rung.rung: rung.auc for rung in found.value.rungs} == pytest.approx(by_length)
    assert found.only_length
    assert "it sees no more than one who counts characters" in found.lines


async def test_gates_and_references_have_no_part_in_it() -> None:
    """A gate that a stock phrase fails, or metrics that know the reference, say nothing of the judge."""
    judge = ScriptedJudge(dict.fromkeys(RUBRIC.criteria, 4.0))
    given = [Case(id=case.id, input=case.input, output="LGTM", references=(case.output,)) for case in CASES[:6]]
    given += [Case(id=f"{case.id}b", output=case.output, references=(f"{case.output} Yes.",)) for case in CASES[6:9]]
    found = await measure_sight(given, RUBRIC, judge)
    assert found.unscored == 0
    assert "reference" in {rung.rung for rung in found.value.rungs}
    assert found.value.pooled.auc == 0.5


async def test_the_reference_is_the_better_side() -> None:
    """A reference that reads higher than the output is seen, and lengthens the span."""
    given = [
        Case(id=case.id, output=case.output.replace("All agreed.", ""), references=(case.output,)) for case in CASES
    ]

    def read(case: Case) -> Mapping[str, float]:
        known = next(one for one in given if one.id == case.id)
        return dict.fromkeys(
            RUBRIC.criteria, 5.0 if case.output in known.references else 4.0 if case.output == known.output else 2.0
        )

    found = await measure_sight(given, RUBRIC, ScriptedJudge(read))
    rungs = {rung.rung: rung for rung in found.value.rungs}
    assert rungs["reference"].auc == 1.0
    assert rungs["reference"].span == pytest.approx(0.2)
    assert found.span == pytest.approx(0.2 + 0.4)


async def test_failures_are_no_low_scores() -> None:
    """A side that is not scored drops its pair, and is counted."""

    def scores(case: Case) -> Mapping[str, float | Failure]:
        failed = Failure(kind="timeout", detail="too slow")
        if case.output == "LGTM" or (case.id < "c12" and not is_right(case)):
            return dict.fromkeys(RUBRIC.criteria, failed)
        return see_everything(case)

    found = await measure_sight(CASES, RUBRIC, ScriptedJudge(scores))
    other = next(rung for rung in found.value.rungs if rung.rung == "other")
    assert 0 < other.pairs < 12
    assert (other.pairs + other.dropped, other.auc) == (12, 1.0)
    assert "lgtm" not in {null.null for null in found.nulls}
    assert found.unscored >= 12
    assert f"{found.unscored} texts got no score and are left out" in found.lines


async def test_nothing_scored_is_unknown_and_not_blind() -> None:
    """Of a judge that gives no score at all nothing is said."""
    failed = Failure(kind="timeout", detail="too slow")
    found = await measure_sight(CASES, RUBRIC, ScriptedJudge(dict.fromkeys(RUBRIC.criteria, failed)))
    assert (found.value.seen, found.is_blind, found.blind, found.nulls) == ("unknown", False, (), ())
    assert "unknown (no pair was read" in found.lines[0]


async def test_too_few_pairs_are_unknown_and_not_blind() -> None:
    """Where a rung could not show even if it were always told apart, nothing is called blind; six cases are enough."""
    same = ScriptedJudge(dict.fromkeys(RUBRIC.criteria, 4.0))
    few = await measure_sight(CASES[:4], RUBRIC, same, rungs=("other",))
    assert (few.value.seen, few.is_blind) == ("unknown", False)
    assert "too few cases to call it blind" in few.lines[0]
    assert (await measure_sight(CASES[:5], RUBRIC, same)).value.seen == "unknown"
    assert (await measure_sight(CASES[:6], RUBRIC, same)).is_blind
    assert (await measure_sight(CASES[:4], RUBRIC, ScriptedJudge(see_everything))).value.seen == "sees"


async def test_it_is_the_same_again_and_survives_json() -> None:
    """The same seed finds the same, and what was found can be kept."""
    judge = ScriptedJudge(see_nothing)
    found = await measure_sight(CASES, RUBRIC, judge, seed=7)
    assert found == await measure_sight(reversed(CASES), RUBRIC, judge, seed=7)
    data = json.loads(json.dumps(found.to_json()))
    assert Sight.from_json(data) == found
    assert (data["blind"], data["span"], data["lines"]) == (list(found.blind), found.span, list(found.lines))
    with pytest.raises(ValueError, match="cases"):
        Sight.from_json({**data, "cases": "many"})


async def test_progress_counts_texts() -> None:
    """Whoever waits is told how many texts of how many are read."""
    told: list[tuple[int, int]] = []
    judge = ScriptedJudge(see_everything)
    await measure_sight(CASES, RUBRIC, judge, on_progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(1, len(judge.cases) + 1))
    assert {total for _, total in told} == {len(judge.cases)}


async def test_a_data_set_without_ladders_is_refused_before_anything_is_asked() -> None:
    """Nothing is asked where nothing could be found."""
    judge = ScriptedJudge(see_everything)
    with pytest.raises(NoLadderError, match="expected at least 4"):
        await measure_sight(CASES[:3], RUBRIC, judge)
    assert judge.cases == []


async def test_a_judge_that_cannot_work_is_no_blind_one() -> None:
    """A fault that every case would share is passed on."""

    class Broken(Judge):
        @property
        def name(self) -> str:
            return "broken/v1"

        async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
            raise JudgeUnavailableError("no key")

    with pytest.raises(JudgeUnavailableError):
        await measure_sight(CASES, RUBRIC, Broken())


def by_length(request: Request, path: str) -> int:
    """Score by the length of the last user message."""
    return 1 + len(request.text(role="user")) % 5


async def test_what_was_read_is_not_asked_again_and_the_plan_knows_it(tmp_path: Path) -> None:
    """Calls go through cache and budget: a second time costs nothing, and a plan says so before."""
    with StubServer(default=AutoJudge(integers=by_length)) as server, Store(tmp_path / "store.sqlite") as store:
        spec = {"judge": "j/v1", "model": "openai/stub-model", "base_url": server.base_url, "read": "stated"}
        judge = ModelJudge(JudgeSpec.model_validate(spec | {"retries": 0}))
        ladders = build_ladders(CASES, cases_at_most=4)
        before = plan_sight(ladders, RUBRIC, judge, cache=store)
        texts = sum(len(list(ladder.texts)) for ladder in ladders)
        assert (before.calls, before.cached) == (texts, 0)
        with lend_calls(Calls(cache=store, budget=Budget(max_calls=1000))):
            found = await measure_sight(CASES, RUBRIC, judge, cases_at_most=4)
        asked = len(server.requests)
        assert asked == texts
        assert plan_sight(ladders, RUBRIC, judge, cache=store).most_calls == 0
        with lend_calls(Calls(cache=store)):
            assert await measure_sight(CASES, RUBRIC, judge, cases_at_most=4) == found
        assert len(server.requests) == asked
        with lend_calls(Calls(cache=None, budget=Budget(max_calls=5))):
            short = await measure_sight(CASES, RUBRIC, judge, cases_at_most=4, seed=5)
        assert (len(server.requests) - asked, short.value.seen) == (5, "unknown")
        assert short.unscored > 0
        await judge.aclose()


async def test_a_few_cases_that_may_well_be_seen_are_no_blindness() -> None:
    """Where the interval reaches far up, a dozen cases more would tell; nobody is called blind for want of them."""

    def see_some(case: Case) -> Mapping[str, float]:
        right = is_right(case) and case.id in {"c1", "c3", "c5", "c7", "c9", "c11", "c13", "c15"}
        return dict.fromkeys(RUBRIC.criteria, 4.0 if right else 3.5 if is_right(case) else 3.0 + luck(case.id) / 5)

    for seed in range(6):
        found = await measure_sight(
            CASES, RUBRIC, ScriptedJudge(see_some), cases_at_most=6, rungs=("other",), nulls=False, seed=seed
        )
        pooled = found.value.pooled
        assert pooled.low is not None
        assert pooled.high is not None
        if pooled.low <= 0.5 and pooled.high > 0.8:
            assert found.value.seen == "unknown"
            assert not found.is_blind
            break
    else:
        pytest.fail("no draw was in doubt")


async def test_what_one_rung_shows_does_not_hide_that_the_rest_is_turned() -> None:
    """A judge that tells a stock phrase, and reads everything else the wrong way round, is turned and stops a loop."""

    def mostly_turned(case: Case) -> Mapping[str, float]:
        vague = case.output not in OUTPUTS and not case.output.startswith(("On day", "It gave", "All agreed"))
        return dict.fromkeys(RUBRIC.criteria, 1.0 if vague else 3.0 if is_right(case) else 4.0)

    found = await measure_sight(CASES, RUBRIC, ScriptedJudge(mostly_turned))
    assert any(rung.sees for rung in found.value.rungs)
    assert found.value.seen == "turned"
    assert found.is_blind


async def test_a_rung_that_is_turned_is_named_beside_those_that_are_seen() -> None:
    """Where the whole sees, the rungs that it reads the wrong way round stand in its line."""

    def length_turned(case: Case) -> Mapping[str, float]:
        half = any(case.output != whole and whole.startswith(case.output) for whole in OUTPUTS)
        return dict.fromkeys(RUBRIC.criteria, 5.0 if half else 4.0 if is_right(case) else 3.0)

    found = await measure_sight(CASES, RUBRIC, ScriptedJudge(length_turned))
    assert found.value.seen == "sees"
    assert any("the wrong way round half" in line for line in found.lines)


def test_the_whole_is_told_by_what_is_shown() -> None:
    """A map keeps the order of each criterion, not that of their weighted sum, by which everything else decides."""
    ladders = build_ladders(CASES, cases_at_most=8, seed=0, rungs=("other",), nulls=False)
    readings: dict[tuple[str, str], Reading] = {}
    for ladder in ladders:
        for text in ladder.texts:
            right = text == ladder.case.output
            raw = {"clear": 4.0, "kind": 3.0} if right else {"clear": 3.9, "kind": 3.5}
            shown = {"clear": 4.0, "kind": 2.0} if right else {"clear": 3.9, "kind": 4.9}
            readings[ladder.case.id, text] = Reading(scores=shown, raw=raw)
    found = compare_readings(ladders, readings, RUBRIC, judge="j", seed=0)
    assert found.value.pooled.auc == 0
    assert found.criteria[0].pooled.auc == 1
