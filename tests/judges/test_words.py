from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.judges import Failure, Usage, Verdict, verdict_as_dict, verdict_from_dict
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, Garbage, Json, Logprobs, Status

if TYPE_CHECKING:
    from tenward.testing import Reply, Request
    from tests.judges.conftest import Bench

READ = [Logprobs({"4": 1.0}), Logprobs({"2": 1.0})]
"""The readings of the two criteria, before any words."""


def wants(request: Request) -> list[str]:
    """Return the fields that a structured request asks for."""
    return list(request.schema["properties"]) if request.schema else []


async def test_words_one_by_one(bench: Bench) -> None:
    """Each criterion's words come from a call of their own, which is told that criterion's score and question."""
    bench.server.script(READ, default=AutoJudge())
    verdict = await bench.ask(read="distribution", ask="one-by-one", explained="model")
    asked = {tuple(wants(request)): request.text(role="user") for request in bench.server.requests[2:]}
    assert set(asked) == {("clarity",), ("tests",), ("why_not_2_lower",), ("steps_to_10",)}
    assert "were given: clarity 4.0. Explain" in asked["clarity",]
    assert "Is the code clear to a newcomer?" in asked["clarity",]
    assert "were given: tests 2.0. Explain" in asked["tests",]
    assert "were given: clarity 4.0, tests 2.0. Explain" in asked["why_not_2_lower",]
    assert "The criteria: clarity, tests." in asked["steps_to_10",]
    assert all(item.reason and item.evidence for item in verdict.criteria)
    assert verdict.why_not_2_lower
    assert verdict.steps_to_10
    assert verdict.usage.calls == 6


async def test_only_scored_criteria_are_explained(bench: Bench) -> None:
    """A criterion without a score gets no words, and the judge is not told of it."""
    bench.server.script([Logprobs({"4": 1.0}), Logprobs({"Well": 1.0})], default=AutoJudge())
    verdict = await bench.ask(read="distribution", explained="model")
    assert wants(bench.server.requests[-1]) == ["clarity", "why_not_2_lower", "steps_to_10"]
    clarity, tests = verdict.criteria
    assert clarity.reason
    assert (tests.reason, tests.evidence) == ("", ())
    assert tests.failure is not None


@pytest.mark.parametrize("explain", [True, False])
async def test_the_words_of_a_bad_answer_are_left_out(bench: Bench, explain: bool) -> None:
    """An invented quote and an empty reason are not shown, whichever way the score was had."""
    bad = {"evidence": ["not in there"], "reason": "..."}
    readings: list[Reply] = [*READ] if explain else []
    bench.server.script(readings, default=Json(bench.answer(clarity=bad)))
    verdict = await bench.ask(read="distribution" if explain else "stated", explained="model" if explain else False)
    clarity, tests = verdict.criteria
    assert (clarity.reason, clarity.evidence) == ("", ())
    assert tests.evidence == ("return 41 + 1",)
    assert verdict.words_failure is not None
    assert "clarity" in verdict.words_failure.detail
    assert (clarity.score is None) == (not explain)


async def test_asking_again_for_words(bench: Bench) -> None:
    """An unfit explanation is asked for again, at most twice."""
    answers = [Json(bench.answer(why_not_2_lower="." * count)) for count in (1, 2, 3)]
    bench.server.script([*READ, *answers])
    verdict = await bench.ask(read="distribution", explained="model")
    assert len(bench.server.requests) == 5
    assert verdict.why_not_2_lower == ""
    assert verdict.words_failure == Failure(kind="schema", detail="why_not_2_lower: is empty or no sentence")


@pytest.mark.parametrize(
    "reason",
    [
        "没有测试，所以新手无法确认它的行为。",
        "Тестов нет, и это видно.",
        "名前が短すぎて意味が分からない",
        "缺少单元测试。",
        "テストなし",
    ],
)
async def test_words_in_any_script_are_words(bench: Bench, reason: str) -> None:
    """A sentence needs neither blanks nor Latin letters."""
    bench.server.script([Json(bench.answer(clarity={"reason": reason}))])
    assert (await bench.ask()).criteria[0].reason == reason


async def test_steps_are_checked_one_by_one(bench: Bench) -> None:
    """A step without a criterion of the rubric, or without words, is dropped; the others stay."""
    steps = [
        {"criterion": "clarity", "step": "Say in one line what the number means."},
        {"criterion": "beauty", "step": "Say it more beautifully than now."},
        {"criterion": "tests", "step": "..."},
        {"criterion": ["tests"], "step": "Call the function once."},
        {"criterion": "tests", "step": "Call the function\nonce in a test."},
    ]
    bench.server.script(default=Json(bench.answer(steps_to_10=steps)))
    verdict = await bench.ask()
    assert [(step.criterion, step.text) for step in verdict.steps_to_10] == [
        ("clarity", "Say in one line what the number means."),
        ("tests", "Call the function once in a test."),
    ]


async def test_usage_adds_up(bench: Bench) -> None:
    """Tokens, cached tokens and cost are summed over all calls of a verdict."""
    bench.server.script([*READ, Json(bench.answer(), usage=(100, 40))])
    verdict = await bench.ask(read="distribution", explained="model", price={"input": 1, "output": 3})
    usage = verdict.usage
    assert usage.calls == 3
    assert usage.completion_tokens == 42
    assert usage.cost_usd == pytest.approx((usage.prompt_tokens + 3 * 42) / 1e6)


async def test_an_unknown_price_stays_unknown(bench: Bench) -> None:
    """Without a price the cost is None, however many known costs are added to it."""
    bench.server.script(default=AutoJudge())
    usage = (await bench.ask()).usage
    assert usage.cost_usd is None
    assert (usage + Usage(cost_usd=1.0)).cost_usd is None
    assert (Usage(cost_usd=1.0, calls=1) + Usage(cost_usd=0.5, calls=2)) == Usage(cost_usd=1.5, calls=3)


async def test_cached_tokens_have_their_own_price(bench: Bench) -> None:
    """Tokens served from the provider's cache are counted once, at their price."""
    cached = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    cached |= {"prompt_tokens_details": {"cached_tokens": 80}}  # type: ignore[dict-item]
    bench.server.script(default=_with_usage(bench.answer(), cached))
    usage = (await bench.ask(price={"input": 10, "output": 20, "cached_input": 1})).usage
    assert (usage.prompt_tokens, usage.cached_tokens) == (100, 80)
    assert usage.cost_usd == pytest.approx((20 * 10 + 80 * 1 + 10 * 20) / 1e6)


@pytest.mark.parametrize("read", ["stated", "distribution"])
@pytest.mark.parametrize("count", ["many", math.nan, math.inf, -5, [], {}, None, 10**400], ids=str)
async def test_counters_that_are_none_count_nothing(bench: Bench, count: object, read: str) -> None:
    """An endpoint that reports noise instead of tokens costs no score; what it costs in money stays unknown."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    usage = {**dict.fromkeys(names, count), "prompt_tokens_details": {"cached_tokens": count}}
    timings = {"cache_n": count, "prompt_n": 3}

    def reply(request: Request) -> Reply:
        plain: Any = Json(bench.answer()) if request.schema else Logprobs({"4": 1.0})
        body = json.loads(plain.answer(request).body) | {"usage": usage, "timings": timings}
        return Garbage(json.dumps(body).encode())

    bench.server.script(default=reply)
    verdict = await bench.ask(read=read, price={"input": 1, "output": 2})
    assert not verdict.failures
    assert (verdict.usage.prompt_tokens, verdict.usage.completion_tokens, verdict.usage.cost_usd) == (0, 0, None)
    calls = verdict.engine.get("calls", [])
    assert all(value >= -5 and value < 10**6 for timings in calls for value in timings.values())


async def test_verdicts_survive_a_file(bench: Bench) -> None:
    """A verdict as JSON and back is the same verdict, with distributions, words and failures."""
    bench.server.script([Logprobs({"4": 0.5, "5": 0.25}), Logprobs({"Well": 1.0})], default=AutoJudge())
    verdict = await bench.ask(read="distribution", explained="model")
    assert verdict_from_dict(json.loads(json.dumps(verdict_as_dict(verdict)))) == verdict
    with pytest.raises(ValueError, match="criteria"):
        verdict_from_dict({"judge": "a/v1", "model": "m"})


def test_a_failure_for_every_criterion() -> None:
    """One failure can stand for a whole case."""
    failure = Failure(kind="budget", detail="the money is spent")
    verdict = Verdict.of_failure(failure, judge="a/v1", model="m", criteria=("x", "y"), seconds=1.0)
    assert verdict.scores == {"x": None, "y": None}
    assert verdict.failures == {"x": failure, "y": failure}
    assert verdict.seconds == 1


async def test_unscored_criteria_keep_a_place(bench: Bench) -> None:
    """A verdict has every criterion in the rubric's order, scored or not."""
    bench.server.script(default=Status(500))
    rubric = Rubric.parse("rubric: r/v1\nabout: Good?\ncriteria:\n  z: Is it z?\n  a: Is it a?\n")
    readings: list[dict[str, Any]] = [{"read": "distribution"}, {"ask": "one-by-one"}, {"samples": 2}]
    for fields in readings:
        verdict = await bench.ask(Case(id="c", output="text"), rubric, retries=0, **fields)
        assert [item.criterion for item in verdict.criteria] == ["z", "a"]


def _with_usage(answer: Any, usage: Any) -> Any:
    from dataclasses import replace

    class Counted:
        def answer(self, request: Request) -> Any:
            plain = Json(answer).answer(request)
            return replace(plain, body=json.dumps(json.loads(plain.body) | {"usage": usage}).encode())

    return Counted()
