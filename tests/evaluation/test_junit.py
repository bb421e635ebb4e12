from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tenward.datasets import Case
from tenward.evaluation import Result, RunRecord, junit_xml
from tenward.judges import CriterionVerdict, Failure, Step, Verdict
from tenward.rubrics import GateResult, Rubric, compute_score

RUBRIC = Rubric.parse(
    "rubric: r/v1\nabout: Good?\n"
    "criteria:\n  clear: {ask: Is it clear, weight: 3}\n  kind: {ask: Is it kind, floor: 3}\n"
)
RECORD = RunRecord(
    id="cases-1",
    created="2026-11-23T04:00:00+00:00",
    status="finished",
    dataset="cases/v1",
    dataset_digest="0" * 16,
    split="dev",
    cases=None,
    rubric=RUBRIC,
    judge="own/v1",
    judge_file={},
    fingerprint={"judge": "own/v1"},
    seconds=12.5,
)
FAILED = Failure(kind="timeout", detail="no answer in time")


def result(name: str, clear: float | None, kind: float | None, *, reason: str = "") -> Result:
    """Return the result of a case; None is a failure."""
    verdict = Verdict(
        judge="own/v1",
        model="none",
        criteria=tuple(
            CriterionVerdict(criterion=which, score=score, reason=reason, failure=FAILED if score is None else None)
            for which, score in (("clear", clear), ("kind", kind))
        ),
        steps_to_10=(Step(criterion="kind", text="Say thanks."),),
        seconds=1.25,
    )
    case = Case(id=name, output="text")
    return Result(case=case, rubric=RUBRIC, gates=(), verdict=verdict, score=compute_score(RUBRIC, verdict.scores))


def gated(name: str) -> Result:
    """Return the result of a case that failed one of two gates."""
    gates = (
        GateResult(gate="min_words: 1", passed=True, detail="5 words"),
        GateResult(gate="max_words: 4", passed=False, detail="5 words"),
    )
    return Result(case=Case(id=name, output="text"), rubric=RUBRIC, gates=gates, verdict=None, score=None)


def suite(*results: Result, fail_under: float | None = 7) -> ET.Element:
    """Return the suite as a reader of JUnit files sees it."""
    return ET.fromstring(junit_xml(RECORD, results, fail_under=fail_under).encode())


def test_one_test_case_per_case() -> None:
    """Names, times and totals are those of the run."""
    found = suite(result("good", 5, 5), result("poor", 2, 5), gated("long"), result("lost", None, None))
    assert found.tag == "testsuite"
    assert {name: found.get(name) for name in ("tests", "failures", "errors", "skipped", "time", "timestamp")} == {
        "tests": "4",
        "failures": "2",
        "errors": "1",
        "skipped": "0",
        "time": "12.500",
        "timestamp": "2026-11-23T04:00:00+00:00",
    }
    assert found.get("name") == "cases/v1 r/v1"
    cases = found.findall("testcase")
    assert [(case.get("classname"), case.get("name")) for case in cases] == [
        ("cases/v1", name) for name in ("good", "poor", "long", "lost")
    ]
    assert [case.get("time") for case in cases] == ["1.250", "1.250", "0.000", "1.250"]
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["failure"], ["error"]]
    told = {item.get("name"): item.get("value") for item in found.iter("property")}
    assert told == {
        "run": "cases-1",
        "judge": "own/v1",
        "rubric": "r/v1",
        "split": "dev",
        "scale": "raw readings",
        "status": "finished",
    }


@pytest.mark.parametrize(
    ("item", "kind", "message"),
    [
        (result("x", 2, 5), "quality", "quality is 6, below 7"),
        (gated("x"), "gate", "gate failed: max_words: 4 (5 words)"),
        (result("x", 5, 2), "floor", "kind is 2, below its floor 3"),
        (result("x", 1, 2), "floor", "kind is 2, below its floor 3; quality is 3, below 7"),
    ],
)
def test_a_failure_says_why(item: Result, kind: str, message: str) -> None:
    """Gate, floor and quality are told with the number found and the number wanted."""
    failure = suite(item).find("testcase/failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == (kind, message)


def test_a_failure_shows_scores_words_and_arithmetic() -> None:
    """The body is what a person needs to judge the judge."""
    failure = suite(result("x", 2, 5, reason="It rambles.")).find("testcase/failure")
    assert failure is not None
    lines = (failure.text or "").splitlines()
    assert lines[:2] == ["clear: 2 (It rambles.)", "kind: 5 (It rambles.)"]
    assert "weighted sum  0.75·2 + 0.25·5 = 2.75" in lines
    assert lines[-1] == "step to 10, kind: Say thanks."


def test_an_unscored_case_is_an_error_and_no_failure() -> None:
    """What the judge did not manage says nothing about the output."""
    error = suite(result("x", None, 4)).find("testcase/error")
    assert error is not None
    assert error.get("type") == "unscored"
    assert error.get("message") == "only 25% of the weight was scored (timeout)"
    assert (error.text or "").splitlines()[0] == "clear: unscored (timeout: no answer in time)"


def test_without_a_threshold_only_floors_and_gates_fail() -> None:
    """A poor quality is no failure unless somebody asked for more."""
    assert suite(result("x", 1, 3), fail_under=None).find("testcase/failure") is None
    assert suite(result("x", 5, 2), fail_under=None).find("testcase/failure") is not None


def test_an_empty_run_is_a_suite_without_tests() -> None:
    """A run that was stopped before its first case is valid XML too."""
    assert suite().get("tests") == "0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b & \"c\" > 'd'", None),
        ("]]> <![CDATA[", None),
        ("bell\x07 null\x00 escape\x1b[31m", "bell null escape[31m"),
        ("lone \ud800 mark \uffff and \ufffe", "lone  mark  and "),
        ("tab\tand \U0001f600 说明", None),
    ],
)
def test_any_text_makes_valid_xml(text: str, shown: str | None) -> None:
    """Markup is escaped, and what XML cannot hold is left out, in names and in bodies."""
    found = suite(result(text, 1, 3, reason=text))
    case = found.find("testcase")
    failure = found.find("testcase/failure")
    assert case is not None
    assert failure is not None
    expected: Any = text if shown is None else shown
    assert case.get("name") == expected
    assert f"clear: 1 ({expected})" in (failure.text or "")
