from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenward.datasets import Case
from tenward.judges import judge_sentences, verdict_as_dict, verdict_from_dict
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, Logprobs, Status

if TYPE_CHECKING:
    from tenward.testing import Reply, Request
    from tests.judges.conftest import Bench

CASE = Case(id="c", output="def f(): return 1", input="Write f.")
TEXT = """\
rubric: r/v1
about: Is it good?
names: {candidate: code, input: task}
criteria:
  works:
    weight: 60
    ask: How well does it work?
    levels: {1: it fails, 5: right throughout}
    checks:
      - {says: An empty input is handled, otherwise: Handle empty input}
      - Errors are reported
  clear:
    weight: 40
    ask: How clear is it?
    checks: [{says: Each name says what it holds, otherwise: Rename what says nothing}]
"""
RUBRIC = Rubric.parse(TEXT)
YES = {"An empty input is handled": 0.1, "Errors are reported": 0.4, "Each name says what it holds": 0.9}


def answer(request: Request) -> Reply:
    """Give every question of degree a 3, and each check its probability."""
    text = request.text(role="user")
    sure = next((share for says, share in YES.items() if says in text), None)
    return Logprobs({"3": 1.0} if sure is None else {"Yes": sure, "No": 1 - sure})


async def test_checks_become_reasons_and_steps(bench: Bench) -> None:
    """Each is one more question on the same prompt; failed ones say what to do, and no score changes."""
    bench.server.script(default=answer)
    plain = await bench.ask(CASE, RUBRIC, read="distribution")
    asked = len(bench.server.requests)
    verdict = await bench.ask(CASE, RUBRIC, read="distribution", explained=True)
    assert verdict.scores == plain.scores == {"works": 3, "clear": 3}
    assert verdict.fingerprint == plain.fingerprint
    works, clear = verdict.criteria
    assert [(check.says, check.holds) for check in works.checks] == [
        ("An empty input is handled", False),
        ("Errors are reported", False),
    ]
    assert [check.probability for check in works.checks] == pytest.approx([0.1, 0.4])
    assert clear.in_words == f"{clear.reason} Holds: “Each name says what it holds” (90%)."
    assert [(step.criterion, step.text) for step in verdict.steps_to_10] == [
        ("works", "Handle empty input"),
        ("clear", "Improve on “How clear is it?”."),
        ("works", "Make this true: “Errors are reported”."),
    ]
    assert verdict.steps_to_10[0].at_stake == pytest.approx(0.9)
    texts = [request.text(role="user") for request in bench.server.requests[asked:]]
    assert len(texts) == 5
    assert all(text.startswith(texts[0].partition("How well")[0].partition("<")[0]) for text in texts)
    assert sorted(text.rpartition("\n\n")[2] for text in texts[2:]) == sorted(
        f"Is the following statement about the code true? {says}. Answer Yes or No." for says in YES
    )


async def test_checks_are_only_read_where_words_are_asked_for(bench: Bench) -> None:
    """Without words a rubric's checks cost nothing; a model's words and a judge that states do not use them."""
    bench.server.script(default=AutoJudge())
    for fields, explained, calls in (
        ({"read": "distribution"}, False, 2),
        ({"read": "distribution"}, "program", 5),
        ({"read": "distribution"}, "model", 3),
        ({"read": "stated"}, True, 1),
    ):
        verdict = await bench.ask(CASE, RUBRIC, explained=explained, **fields)  # type: ignore[arg-type]
        assert verdict.usage.calls == calls
        assert any(item.checks for item in verdict.criteria) == (calls == 5)
    assert not any("empty input" in str(request.body) for request in bench.server.requests[-4:])


async def test_a_check_that_cannot_be_read_is_missing(bench: Bench) -> None:
    """Scores, other checks and words stand, and it is said why one is missing."""

    def reply(request: Request) -> Reply:
        text = request.text(role="user")
        if "Errors are reported" in text:
            return Status(500)
        return Logprobs({"Perhaps": 1.0}) if "Each name" in text else answer(request)

    bench.server.script(default=reply)
    verdict = await bench.ask(CASE, RUBRIC, read="distribution", explained=True, retries=0)
    assert [len(item.checks) for item in verdict.criteria] == [1, 0]
    assert verdict.words == "program"
    assert not verdict.failures
    assert verdict.words_failure is not None
    assert verdict.words_failure.kind in {"transport", "schema"}


async def test_checks_survive_a_file(bench: Bench) -> None:
    """A verdict with checks is the same after it was stored."""
    bench.server.script(default=answer)
    verdict = await bench.ask(CASE, RUBRIC, read="distribution", explained=True)
    assert verdict_from_dict(verdict_as_dict(verdict)) == verdict
    assert replace(verdict, words="") != verdict


def test_the_sentence_around_a_check_is_one_that_judges_are_told() -> None:
    """A text that quotes it can be found out."""
    assert "Is the following statement about the code true?" in judge_sentences(RUBRIC)
