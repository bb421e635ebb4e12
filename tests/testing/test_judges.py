from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.errors import DocumentError, JudgeUnavailableError
from tenward.judges import Failure, JudgeSpec, ModelJudge
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, Logprobs, RecordingJudge, ReplayJudge, ScriptedJudge, Status, StubServer

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "rubric: r/v1\nabout: Is it good?\ncriteria:\n  a:\n    ask: Is it a?\n    levels: {1: not a}\n  b: Is it b?\n"
RUBRIC = Rubric.parse(TEXT)
CASE = Case(id="c", output="One two \ud800 three.", input="A task.", references=("Good.",), context="Rules.")


async def test_a_scripted_judge_says_what_it_is_told() -> None:
    """Scores and failures are given as they are; what is left out is unscored."""
    failure = Failure(kind="refused", detail="no")
    judge = ScriptedJudge({"a": failure}, why_not_2_lower="because")
    verdict = await judge.judge(CASE, RUBRIC)
    assert verdict.scores == {"a": None, "b": None}
    assert verdict.failures == {"a": failure, "b": Failure(kind="schema", detail="not in the script")}
    assert verdict.why_not_2_lower == ""
    assert (await judge.judge(CASE, RUBRIC, explain=True)).why_not_2_lower == "because"
    assert judge.cases == [CASE, CASE]
    assert (judge.name, verdict.judge) == ("scripted/v1", "scripted/v1")


async def test_a_script_may_depend_on_the_case() -> None:
    """A function of the case gives each its own scores."""
    judge = ScriptedJudge(lambda case: {"a": len(case.output), "b": 1})
    assert [(await judge.judge(Case(id="c", output="x" * n), RUBRIC)).scores["a"] for n in (2, 3)] == [2, 3]


async def test_a_recording_is_replayed(tmp_path: Path) -> None:
    """What a model said, words, distributions and failures included, is said again without a model."""
    path = tmp_path / "verdicts.jsonl"
    with StubServer([Logprobs({"4": 0.5, "5": 0.25}), Logprobs({"Well": 1.0})], default=AutoJudge()) as server:
        fields: dict[str, Any] = {"judge": "stub/v1", "model": "openai/stub", "base_url": server.base_url}
        judge = RecordingJudge(ModelJudge(JudgeSpec(**fields, read="distribution")), path)
        assert judge.name == "stub/v1"
        one = await judge.judge(CASE, RUBRIC, explain=True)
        other = await judge.judge(replace(CASE, output="Another text."), RUBRIC)
        await judge.aclose()
    assert one.failures
    replay = ReplayJudge(path)
    assert replay.name == "replay/v1"
    assert await replay.judge(CASE, RUBRIC) == one
    assert await replay.judge(replace(CASE, output="Another text."), RUBRIC, explain=True) == other


async def test_what_does_not_define_a_verdict_may_change(tmp_path: Path) -> None:
    """Name, group and human ratings of a case, and the weights of a rubric, are not part of the question."""
    path = tmp_path / "verdicts.jsonl"
    verdict = await RecordingJudge(ScriptedJudge({"a": 4, "b": 2}), path).judge(CASE, RUBRIC)
    replay = ReplayJudge(path)
    renamed = replace(CASE, id="other", group="g", human={"a": 3.0})
    reweighted = Rubric.parse(TEXT.replace("    levels", "    weight: 9\n    floor: 2\n    levels"))
    assert await replay.judge(renamed, reweighted) == verdict


@pytest.mark.parametrize(
    "changed",
    [
        replace(CASE, output="One two three."),
        replace(CASE, input="Another task."),
        replace(CASE, references=("Good.", "Better.")),
        replace(CASE, context=""),
    ],
    ids=["output", "input", "references", "context"],
)
async def test_a_changed_case_is_refused(tmp_path: Path, changed: Case) -> None:
    """No verdict is passed off for a text that was not judged."""
    path = tmp_path / "verdicts.jsonl"
    await RecordingJudge(ScriptedJudge({"a": 4, "b": 2}), path).judge(CASE, RUBRIC)
    with pytest.raises(JudgeUnavailableError, match="holds no verdict on case 'c' under r/v1") as caught:
        await ReplayJudge(path).judge(changed, RUBRIC)
    assert "record it again" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new"),
    [("Is it a?", "Is it A?"), ("1: not a", "1: never a"), ("Is it good?", "Is it better?"), ("  b:", "  c:")],
)
async def test_a_changed_rubric_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """Questions, levels and purpose are what a verdict answers."""
    path = tmp_path / "verdicts.jsonl"
    await RecordingJudge(ScriptedJudge({"a": 4, "b": 2}), path).judge(CASE, RUBRIC)
    with pytest.raises(JudgeUnavailableError, match="holds no verdict"):
        await ReplayJudge(path).judge(CASE, Rubric.parse(TEXT.replace(old, new)))


async def test_a_fault_is_not_recorded(tmp_path: Path) -> None:
    """A judge that cannot work leaves no line."""
    path = tmp_path / "verdicts.jsonl"
    with StubServer(default=Status(401)) as server:
        judge = ModelJudge(JudgeSpec(judge="stub/v1", model="openai/stub", base_url=server.base_url))
        with pytest.raises(JudgeUnavailableError):
            await RecordingJudge(judge, path).judge(CASE, RUBRIC)
        await judge.aclose()
    assert not path.exists()


@pytest.mark.parametrize(
    "line",
    [
        "not JSON",
        "[]",
        "4",
        "{}",
        '{"key": "k"}',
        '{"key": "k", "verdict": {"judge": "j"}}',
        '{"key": [], "verdict": 1}',
    ],
)
def test_a_line_that_is_no_verdict_is_named(tmp_path: Path, line: str) -> None:
    """The message has the file and the line."""
    path = tmp_path / "verdicts.jsonl"
    good: dict[str, Any] = {"key": "k", "verdict": {"judge": "j/v1", "model": "m", "criteria": []}}
    path.write_text(f"{json.dumps(good)}\n{line}\n")
    with pytest.raises(DocumentError) as caught:
        ReplayJudge(path)
    assert str(path) in str(caught.value)
    assert [problem.line for problem in caught.value.problems] == [2]


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    """Without the file there is nothing to replay."""
    with pytest.raises(DocumentError, match="cannot be read"):
        ReplayJudge(tmp_path / "none.jsonl")


async def test_the_last_recording_of_a_case_counts(tmp_path: Path) -> None:
    """Lines are appended, so that a case judged again has its newer verdict."""
    path = tmp_path / "verdicts.jsonl"
    await RecordingJudge(ScriptedJudge({"a": 1, "b": 1}), path).judge(CASE, RUBRIC)
    path.write_text(path.read_text() + "\n")
    await RecordingJudge(ScriptedJudge({"a": 5, "b": 5}), path).judge(CASE, RUBRIC)
    assert (await ReplayJudge(path).judge(CASE, RUBRIC)).scores == {"a": 5, "b": 5}
