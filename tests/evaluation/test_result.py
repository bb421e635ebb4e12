from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.errors import GateError
from tenward.evaluation import Result, evaluate_case, result_as_dict
from tenward.judges import CriterionVerdict, Failure, Judge, JudgeSpec, ModelJudge, Step, Verdict
from tenward.rubrics import Rubric
from tenward.testing import Logprobs, ScriptedJudge, StubServer

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.judges import Explain

CASE = Case(id="doc", output="Five words are in here.", references=("Five words are in here.",))
CRITERIA = """\
criteria:
  a: {ask: "Is it a?", weight: 1}
  b: {ask: "Is it b?", weight: 4, floor: 2}
  c: {ask: "Is it c?", weight: 5}
"""
FAILED = Failure(kind="timeout", detail="no answer in time")


def rubric(more: str = "") -> Rubric:
    """Return a rubric with three criteria and further keys."""
    return Rubric.parse(f"rubric: r/v1\nabout: Is it good?\n{CRITERIA}{more}")


def plain(result: Result) -> Any:
    """Return the result as JSON data after a round trip that refuses NaN and infinities."""
    return json.loads(json.dumps(result_as_dict(result), allow_nan=False))


async def test_scores_become_quality_and_value() -> None:
    """Gates pass, the judge speaks, and the arithmetic is applied."""
    judge = ScriptedJudge({"a": 5, "b": 4, "c": 3})
    result = await evaluate_case(CASE, rubric(), judge)
    assert (result.status, result.passed) == ("scored", True)
    assert result.value == pytest.approx((0.5 + 1.6 + 1.5) / 5)
    assert result.quality == 7
    assert judge.cases == [CASE]
    assert result.case is CASE


async def test_a_failing_gate_asks_no_model() -> None:
    """A gate is plain code: where it fails nothing is paid for, and there is no score."""
    judge = ScriptedJudge({"a": 5, "b": 5, "c": 5})
    result = await evaluate_case(CASE, rubric("gates: [{max_words: 4}, {min_words: 1}]\n"), judge)
    assert judge.cases == []
    assert (result.status, result.passed) == ("gated", False)
    assert (result.quality, result.value, result.verdict, result.score, result.steps) == (None, None, None, None, ())
    assert [(gate.gate, gate.passed, gate.detail) for gate in result.gates] == [
        ("max_words: 4", False, "5 words"),
        ("min_words: 1", True, "5 words"),
    ]
    data = plain(result)
    assert (data["status"], data["quality"], data["criteria"]) == ("gated", None, {})
    assert data["gates"][0] == {"gate": "max_words: 4", "passed": False, "detail": "5 words"}


async def test_commands_run_in_the_folder_of_the_target(tmp_path: Path) -> None:
    """``run`` gates see the folder they are given, and a command that cannot start stops the run."""
    (tmp_path / "present.txt").write_text("here")
    judge = ScriptedJudge({"a": 5, "b": 5, "c": 5})
    gated = rubric("gates: [{run: test -f present.txt}]\n")
    assert (await evaluate_case(CASE, gated, judge, folder=tmp_path)).status == "scored"
    assert (await evaluate_case(CASE, gated, judge)).status == "gated"
    with pytest.raises(GateError, match="no-such-program"):
        await evaluate_case(CASE, rubric("gates: [{run: no-such-program}]\n"), judge)
    assert len(judge.cases) == 1


@pytest.mark.parametrize(
    ("scores", "status", "coverage"),
    [
        ({"a": FAILED, "b": 4, "c": 3}, "scored", 0.9),
        ({"a": 5, "b": FAILED, "c": 3}, "unscored", 0.6),
        ({"a": 5, "b": 4}, "unscored", 0.5),
        ({}, "unscored", 0),
    ],
)
async def test_an_unscored_criterion_is_no_zero(scores: dict[str, Any], status: str, coverage: float) -> None:
    """Its weight is left out and the coverage told; below the rubric's share the case is unscored."""
    result = await evaluate_case(CASE, rubric(), ScriptedJudge(scores))
    assert result.status == status
    assert result.score is not None
    assert result.score.coverage == pytest.approx(coverage)
    data = plain(result)
    if status == "scored":
        assert result.value == pytest.approx((4 * 4 + 5 * 3) / 9 / 5)
        assert data["criteria"]["a"]["failure"] == {"kind": "timeout", "detail": "no answer in time"}
    else:
        assert not result.passed
        assert (data["quality"], data["value"], data["weighted_sum"], data["normalized"]) == (None, None, None, None)


async def test_a_floor_fails_a_case_that_scores_well() -> None:
    """No average makes up for a criterion below its floor."""
    result = await evaluate_case(CASE, rubric(), ScriptedJudge({"a": 5, "b": 1, "c": 5}))
    assert (result.status, result.passed) == ("scored", False)
    assert plain(result)["below_floor"] == ["b"]


class Speaking(Judge):
    """A judge that scores all alike and suggests a step per criterion."""

    @property
    def name(self) -> str:
        """Return its name."""
        return "speaking/v1"

    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
        """Return scores whose headroom times weight is a: 1 x 4, b: 4 x 0, c: 5 x 1."""
        scores = {"a": 1, "b": 5, "c": 4}
        criteria = tuple(CriterionVerdict(criterion=name, score=score) for name, score in scores.items())
        steps = tuple(Step(criterion=name, text=f"Do {name}{number}.") for number in (1, 2) for name in "bac")
        return Verdict(judge=self.name, model="none", criteria=criteria, steps_to_10=steps if explain else ())


async def test_steps_are_ranked_by_what_they_can_win() -> None:
    """Weight times headroom of the criterion decides; steps of one criterion keep their order."""
    result = await evaluate_case(CASE, rubric(), Speaking(), explain=True)
    assert [step.text for step in result.steps] == ["Do c1.", "Do c2.", "Do a1.", "Do a2.", "Do b1.", "Do b2."]
    assert [step["step"] for step in plain(result)["steps_to_10"]] == [step.text for step in result.steps]
    assert (await evaluate_case(CASE, rubric(), Speaking())).steps == ()


async def test_references_are_blended_where_there_are_any() -> None:
    """The rubric's mix applies to a case with references; without them the judge alone counts."""
    mixed = rubric("references: {rouge_l: 1}\nmix: {judge: 0.5, references: 0.5}\n")
    judge = ScriptedJudge({"a": 1, "b": 1, "c": 1})
    result = await evaluate_case(CASE, mixed, judge)
    assert result.value == pytest.approx(0.5 * 0.2 + 0.5 * 1)
    assert plain(result)["references"] == pytest.approx(1)
    assert list(plain(result)["metrics"]) == ["rouge_l"]
    alone = await evaluate_case(Case(id="x", output=CASE.output), mixed, judge)
    assert alone.value == pytest.approx(0.2)
    assert plain(alone)["references"] is None


async def test_a_result_is_plain_data() -> None:
    """Numbers, words, distribution and usage are JSON; the judged text itself is left out."""
    with StubServer(default=Logprobs({"4": 0.5, "5": 0.25})) as server:
        fields: dict[str, Any] = {"judge": "stub/v1", "model": "openai/stub", "base_url": server.base_url}
        judge = ModelJudge(JudgeSpec(**fields, read="distribution"))
        result = await evaluate_case(CASE, rubric(), judge)
        await judge.aclose()
    data = plain(result)
    assert (data["target"], data["status"], data["model"]) == ("doc", "scored", "openai/stub")
    part = data["criteria"]["a"]
    assert part["score"] == pytest.approx(13 / 3)
    assert part["distribution"] == pytest.approx({"1": 0, "2": 0, "3": 0, "4": 2 / 3, "5": 1 / 3})
    assert part["share"] == pytest.approx(0.1)
    assert part["headroom"] == pytest.approx(0.1 * (5 - 13 / 3))
    assert data["usage"]["calls"] == 3
    assert data["usage"]["cost_usd"] is None
    assert set(data["fingerprint"]) >= {"model", "rubric", "prompt"}
    assert math.isclose(data["normalized"], data["value"])
    assert CASE.output not in json.dumps(data)


async def test_a_score_off_the_scale_is_a_fault_of_the_judge() -> None:
    """A judge of one's own that leaves the scale is found out, not clamped."""
    with pytest.raises(ValueError, match=r"score 7(\.0)? of a is off the scale 1 to 5"):
        await evaluate_case(CASE, rubric(), ScriptedJudge({"a": 7.0, "b": 1, "c": 1}))
    with pytest.raises(ValueError, match="off the scale"):
        await evaluate_case(CASE, rubric(), ScriptedJudge({"a": math.nan, "b": 1, "c": 1}))
