from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.errors import JudgeUnavailableError
from tenward.judges import JudgeSpec, ModelJudge
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, Garbage, Json, Logprobs, NoLogprobs, Status, StubServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.judges import CriterionVerdict, Explain
    from tenward.testing import Reply, Request
    from tests.judges.conftest import Bench

SCALES = [(0, 1), (1, 5), (0, 5), (1, 10), (0, 10)]


def rubric(*asks: str, scale: tuple[int, int] = (1, 5)) -> Rubric:
    """Return a rubric with one criterion, asked in these wordings."""
    head = f"rubric: r/v1\nabout: Is it good?\nscale: [{scale[0]}, {scale[1]}]\n"
    return Rubric.parse(f"{head}criteria:\n  one:\n    ask: {json.dumps(asks)}\n")


async def read(bench: Bench, probabilities: Mapping[str, float], asked: Rubric, **fields: Any) -> CriterionVerdict:
    """Return the one criterion's verdict when the endpoint reports these probabilities."""
    bench.server.script(default=Logprobs(probabilities))
    (criterion,) = (await bench.ask(rubric=asked, read="distribution", **fields)).criteria
    return criterion


async def test_the_score_is_the_expected_value(bench: Bench) -> None:
    """Score, spread and distribution follow from the reported probabilities, renormalised over the labels."""
    found = await read(bench, {"4": 0.5, "5": 0.2, "2": 0.1, "The": 0.15}, rubric("How clear is it?"))
    shares = {2: 0.125, 4: 0.625, 5: 0.25}
    mean = sum(position * share for position, share in shares.items())
    assert found.score == pytest.approx(mean)
    assert found.spread == pytest.approx(math.sqrt(sum(s * (p - mean) ** 2 for p, s in shares.items())))
    assert found.distribution == pytest.approx({1: 0, 2: 0.125, 3: 0, 4: 0.625, 5: 0.25})
    assert found.label_mass == pytest.approx(0.8)
    assert found.failure is None


@pytest.mark.parametrize(
    ("scale", "first", "last", "probabilities", "score"),
    [
        ((0, 1), 0, 1, {"0": 0.25, "1": 0.75}, 0.75),
        ((1, 5), 1, 5, {"1": 0.5, "5": 0.5}, 3),
        ((0, 5), 0, 5, {"0": 0.5, "3": 0.5}, 1.5),
        ((1, 10), 0, 9, {"0": 0.5, "9": 0.5}, 5.5),
        ((1, 10), 0, 9, {"4": 1.0}, 5),
        ((0, 10), 0, 9, {"9": 1.0}, 10),
        ((0, 10), 0, 9, {"0": 1.0}, 0),
        ((0, 10), 0, 9, {"3": 0.5, "6": 0.5}, 5),
    ],
)
async def test_every_scale_is_asked_on_single_digits(
    bench: Bench, scale: tuple[int, int], first: int, last: int, probabilities: dict[str, float], score: float
) -> None:
    """The question names the digits it wants, and each digit stands for a position on the rubric's scale."""
    found = await read(bench, probabilities, rubric("How clear is it?", scale=scale))
    assert found.score == pytest.approx(score)
    assert f"Rate from {first} (not at all) to {last} (fully)." in bench.server.requests[0].text()
    assert min(found.distribution) == scale[0]
    assert max(found.distribution) == scale[1]


@pytest.mark.parametrize(
    ("probabilities", "score", "mass"),
    [
        ({"4": 0.3, " 4": 0.3, "\n4": 0.2}, 4, 0.8),
        ({"4": 0.4, "5": 0.2, " 5": 0.2}, 4.5, 0.8),
        ({"4.": 0.5, "4": 0.5}, 4, 0.5),
        ({"44": 0.5, "5": 0.5}, 5, 0.5),
    ],
)
async def test_spellings_of_a_digit_are_added(
    bench: Bench, probabilities: dict[str, float], score: float, mass: float
) -> None:
    """White space around a label does not matter; any other character makes it another token."""
    found = await read(bench, probabilities, rubric("How clear is it?"))
    assert found.score == pytest.approx(score)
    assert found.label_mass == pytest.approx(mass)


async def test_spellings_of_yes_are_added(bench: Bench) -> None:
    """Yes and No are read in any case and with white space around them, as the ends of the scale."""
    answers = {"Yes": 0.3, "yes": 0.2, " YES": 0.1, "No": 0.1, " no": 0.1, "Maybe": 0.2}
    found = await read(bench, answers, rubric("Is it clear?"), probe="by-form")
    assert found.score == pytest.approx(1 + 4 * 0.75)
    assert found.distribution == pytest.approx({1: 0.25, 5: 0.75})
    assert found.label_mass == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("ask", "open_question"),
    [
        ("Is it clear?", False),
        ("Does every name say what it holds?", False),
        ("Can a newcomer follow it?", False),
        ("The code is clear.", False),
        ("However short, is it clear?", False),
        ("How clear is it?", True),
        ("how clear is it?", True),
        ("«How» clear is it?", True),
        ("What is missing?", True),
        ("What's missing?", True),
        ("Which parts are clear?", True),
        ("  Why would you merge it?", True),
        ("?", False),
        ("   ", False),
    ],
)
async def test_the_form_of_the_question_chooses_the_labels(bench: Bench, ask: str, open_question: bool) -> None:
    """By form, an open question gets a digit and any other Yes or No; with ``digits`` all get a digit."""
    bench.server.script(default=Logprobs({"4": 0.5, "Yes": 0.5}))
    await bench.ask(rubric=rubric(ask), read="distribution", probe="by-form")
    await bench.ask(rubric=rubric(ask), read="distribution", probe="digits")
    by_form, digits = (request.text() for request in bench.server.requests)
    assert by_form.endswith("Answer with one digit." if open_question else "Answer Yes or No.")
    assert digits.endswith("Answer with one digit.")


async def test_wordings_are_averaged(bench: Bench) -> None:
    """Each wording is asked; the distributions are averaged and the lowest label mass is kept."""

    def reply(request: Request) -> Reply:
        return Logprobs({"Yes": 0.9} if request.text().endswith("Yes or No.") else {"2": 0.25, "3": 0.25})

    bench.server.script(default=reply)
    asked = rubric("Is it correct?", "How useful is it?")
    (found,) = (await bench.ask(rubric=asked, read="distribution", probe="by-form")).criteria
    assert found.score == pytest.approx((5 + 2.5) / 2)
    assert found.distribution == pytest.approx({1: 0, 2: 0.25, 3: 0.25, 4: 0, 5: 0.5})
    assert found.label_mass == pytest.approx(0.5)
    assert len(bench.server.requests) == 2


async def test_one_wording_that_fails_leaves_the_criterion_unscored(bench: Bench) -> None:
    """A half-asked criterion would not compare with others."""
    bench.server.script([Logprobs({"4": 1.0}), Logprobs({"Well": 1.0})])
    verdict = await bench.ask(rubric=rubric("How clear is it?", "How plain is it?"), read="distribution")
    assert verdict.scores == {"one": None}
    assert verdict.usage.calls == 2


@pytest.mark.parametrize("probabilities", [{"The": 0.99}, {"The": 0.97, "4": 0.015}, {"7": 1.0}, {"": 1.0}])
async def test_an_answer_off_the_labels_is_no_score(bench: Bench, probabilities: dict[str, float]) -> None:
    """Where almost nothing lies on the labels the criterion is unscored, and the message says what was said."""
    found = await read(bench, probabilities, rubric("How clear is it?"))
    assert found.score is None
    assert found.failure is not None
    assert found.failure.kind == "schema"
    assert f"starts with {max(probabilities, key=probabilities.__getitem__)!r}" in found.failure.detail


async def test_a_rare_label_still_counts(bench: Bench) -> None:
    """A label mass of 3 % is read, and reported so that it can be doubted."""
    found = await read(bench, {"The": 0.96, "4": 0.03}, rubric("How clear is it?"))
    assert found.score == pytest.approx(4)
    assert found.label_mass == pytest.approx(0.03)


def without_alternatives(token: dict[str, object]) -> Garbage:
    """Return a completion whose token has a log-probability of its own, but no usable alternatives."""
    choice = {
        "index": 0,
        "finish_reason": "length",
        "message": {"role": "assistant", "content": "4"},
        "logprobs": {"content": [{"token": "4", "logprob": -0.1, **token}]},
    }
    return Garbage(json.dumps({"choices": [choice]}).encode())


@pytest.mark.parametrize(
    "reply",
    [
        NoLogprobs("4"),
        without_alternatives({}),
        without_alternatives({"top_logprobs": []}),
        without_alternatives({"top_logprobs": None}),
    ],
    ids=["null", "absent", "empty", "null alternatives"],
)
async def test_an_endpoint_without_log_probabilities_is_named(bench: Bench, reply: Reply) -> None:
    """No case could be read from it: the message says what is missing and the hint what to write instead."""
    bench.server.script(default=reply)
    with pytest.raises(JudgeUnavailableError, match=r"returns no log-probabilities for openai/stub") as caught:
        await bench.ask(read="distribution")
    assert "read: stated" in caught.value.hint
    assert len(bench.server.requests) == 1


async def test_a_provider_without_log_probabilities_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a distribution from a provider whose package is absent says what to install."""
    monkeypatch.setenv("GROQ_API_KEY", "gsk_0123456789abcdef")
    with pytest.raises(JudgeUnavailableError, match="provider 'groq'") as caught:
        await bench.ask(base_url=None, model="groq/some-model", read="distribution")
    assert "pip install 'tenward[groq]'" in caught.value.hint
    assert "gsk_" not in str(caught.value)


async def test_the_request_asks_for_one_token(bench: Bench) -> None:
    """One token, its log-probabilities with as many alternatives as there are, and no sampling."""
    await read(bench, {"4": 1.0}, rubric("How clear is it?"), extra_body={"top_k": 1})
    body = bench.server.requests[0].body
    asked = {key: body[key] for key in ("logprobs", "top_logprobs", "temperature", "max_tokens", "top_k")}
    assert asked == {"logprobs": True, "top_logprobs": 20, "temperature": 0, "max_tokens": 1, "top_k": 1}


async def test_a_failed_question_costs_one_criterion(bench: Bench) -> None:
    """The other criteria keep their scores, in the rubric's order."""

    def reply(request: Request) -> Reply:
        return Status(500) if request.text().endswith("Answer Yes or No.") else Logprobs({"4": 1.0})

    bench.server.script(default=reply)
    verdict = await bench.ask(read="distribution", probe="by-form")
    assert list(verdict.scores) == ["clarity", "tests"]
    assert verdict.scores["tests"] == pytest.approx(4)
    assert verdict.failures["clarity"].kind == "transport"


async def test_explaining_cannot_change_the_score(bench: Bench) -> None:
    """On demand the judge is given the scores to explain; the schema has no score, and one that it adds is ignored."""
    words = {"evidence": ["return 41 + 1"], "reason": "It says what it does at once.", "score": 1}
    answer = bench.answer(clarity=words, tests=words)
    bench.server.script([Logprobs({"4": 1.0}), Logprobs({"2": 0.5, "3": 0.5}), Json(answer)])
    verdict = await bench.ask(read="distribution", explained="model")
    assert verdict.scores == pytest.approx({"clarity": 4, "tests": 2.5})
    assert [item.reason for item in verdict.criteria] == ["It says what it does at once."] * 2
    assert verdict.criteria[0].evidence == ("return 41 + 1",)
    assert verdict.why_not_2_lower
    assert verdict.steps_to_10[0].criterion == "tests"
    request = bench.server.requests[-1]
    assert "clarity 4.0, tests 2.5. Explain them; do not change them." in request.text(role="user")
    assert '"score":' not in json.dumps(request.schema)
    assert verdict.usage.calls == 3


async def test_words_are_only_paid_for_on_demand(bench: Bench) -> None:
    """No structured call is made but on demand, and then where the file or the demand names the model."""
    bench.server.script(default=AutoJudge())
    demands: list[tuple[Explain, str, int, str]] = [
        (False, "model", 2, "program"),
        (True, "program", 2, "program"),
        ("program", "model", 2, "program"),
        (True, "model", 3, "model"),
        ("model", "program", 3, "model"),
    ]
    for asked, by, calls, author in demands:
        verdict = await bench.ask(read="distribution", explain=by, explained=asked)
        assert (verdict.usage.calls, verdict.words) == (calls, author)
        assert verdict.why_not_2_lower
        assert all(item.reason for item in verdict.criteria)


async def test_scores_stand_without_their_words(bench: Bench) -> None:
    """When the model cannot explain, scores and the program's words stay, and ``words_failure`` says why."""
    bench.server.script([Logprobs({"4": 1.0})] * 2, default=Status(500))
    verdict = await bench.ask(read="distribution", explained="model")
    assert verdict.scores == pytest.approx({"clarity": 4, "tests": 4})
    assert verdict.words_failure is not None
    assert verdict.words_failure.kind == "transport"
    assert verdict.words == "program"
    assert all(item.reason for item in verdict.criteria)


async def test_nothing_is_explained_without_a_score(bench: Bench) -> None:
    """Unscored criteria need no words, so none are asked for."""
    bench.server.script(default=Logprobs({"Well": 1.0}))
    verdict = await bench.ask(read="distribution", explained="model")
    assert set(verdict.scores.values()) == {None}
    assert len(bench.server.requests) == 2


@settings(max_examples=30, deadline=None)
@given(
    scale=st.sampled_from(SCALES),
    weights=st.lists(st.integers(0, 1000), min_size=10, max_size=10).filter(lambda w: w[0] + w[1] > 0),
    rest=st.integers(0, 2000),
    order=st.randoms(use_true_random=False),
)
def test_any_distribution_gives_a_score_on_the_scale(
    scale: tuple[int, int], weights: list[int], rest: int, order: Any
) -> None:
    """Whatever is reported, the score lies on the scale, the order of the labels is nothing, and the mass is told."""
    asked = rubric("How clear is it?", scale=scale)
    lo, hi = scale
    digits = range(lo, hi + 1) if hi <= 9 else range(10)
    counted = {str(digit): weight for digit, weight in zip(digits, weights, strict=False)}
    total = sum(counted.values()) + rest
    shares = [(label, weight / total) for label, weight in counted.items()] + [("Well", rest / total)]
    shuffled = list(shares)
    order.shuffle(shuffled)

    async def both() -> list[CriterionVerdict]:
        with StubServer([Logprobs(dict(shares)), Logprobs(dict(shuffled))]) as server:
            fields: dict[str, Any] = {"judge": "stub/v1", "model": "openai/stub", "base_url": server.base_url}
            judge = ModelJudge(JudgeSpec(**fields, read="distribution"))
            case = Case(id="c", output="text")
            verdicts = [(await judge.judge(case, asked)).criteria[0] for _ in range(2)]
            await judge.aclose()
            return verdicts

    one, other = asyncio.run(both())
    mass = 1 - rest / total
    if mass < 0.02:
        assert one.failure is not None
        return
    assert one.score is not None
    assert other.score is not None
    assert lo <= one.score <= hi
    assert one.score == pytest.approx(other.score)
    assert one.label_mass == pytest.approx(mass)
    assert math.fsum(one.distribution.values()) == pytest.approx(1)
    assert one.spread is not None
    assert 0 <= one.spread <= (hi - lo) / 2 + 1e-9
    step = (hi - lo) / (len(digits) - 1)
    expected = sum((lo + index * step) * counted[str(digit)] for index, digit in enumerate(digits))
    assert one.score == pytest.approx(expected / sum(counted.values()))


async def test_levels_stand_in_for_a_missing_input(bench: Bench) -> None:
    """``anchors: without-input`` shows the levels, and asks for a digit, only where the case has no input."""
    leveled = Rubric.parse(
        "rubric: r/v1\nabout: Is it good?\ncriteria:\n  a: {ask: 'Is it clear?', levels: {1: muddled, 5: plain}}\n"
    )
    bench.server.script([], default=Logprobs({"4": 0.6, "5": 0.4, "Yes": 0.0}))
    judge = ModelJudge(bench.spec(read="distribution", probe="by-form", anchors="without-input"))
    await judge.judge(Case(id="alone", output="Some text."), leveled)
    await judge.judge(Case(id="answer", output="Some text.", input="A question."), leveled)
    await judge.aclose()
    alone, answer = bench.server.requests
    assert "muddled" in alone.text(role="system")
    assert "Answer with one digit." in alone.text(role="user")
    assert "muddled" not in answer.text(role="system")
    assert "Answer Yes or No." in answer.text(role="user")


async def test_a_mean_in_the_middle_is_exact(bench: Bench) -> None:
    """Rounding errors of the probabilities do not put a score of 3 under a floor of 3."""
    shares = {"1": 0.005, "2": 0.004, "3": 0.982, "4": 0.004, "5": 0.005}
    assert (await read(bench, shares, rubric("How clear is it?"))).score == 3.0


def completion(logprobs: object) -> Garbage:
    """Return a completion of one token with these log-probabilities, whatever they are."""
    message = {"role": "assistant", "content": "4"}
    choice = {"index": 0, "finish_reason": "length", "message": message, "logprobs": logprobs}
    return Garbage(json.dumps({"choices": [choice]}).encode())


def alternatives(*ranked: object) -> Garbage:
    """Return a completion with these entries for its first token."""
    return completion({"content": [{"token": "4", "logprob": -0.1, "top_logprobs": list(ranked)}]})


@pytest.mark.parametrize(
    "reply",
    [
        alternatives({"token": "4", "logprob": math.nan}),
        alternatives({"token": "4", "logprob": math.inf}),
        alternatives({"token": "4", "logprob": 3.5}),
        alternatives({"token": "4", "logprob": None}),
        alternatives({"token": "4", "logprob": "likely"}),
        alternatives({"token": "4", "logprob": True}),
        alternatives({"token": "4"}),
        alternatives({"token": None, "logprob": -0.1}),
        alternatives({"token": 4, "logprob": -0.1}),
        alternatives(None),
        alternatives("4"),
        completion({"content": [{"token": "4", "logprob": -0.1, "top_logprobs": {"4": -0.1}}]}),
        completion({"content": [{"token": "4", "logprob": -0.1, "top_logprobs": "4"}]}),
        completion({"content": [None]}),
        completion({"content": "4"}),
        completion([{"token": "4"}]),
        completion("none"),
        Garbage(b'{"choices": [null]}'),
        Garbage(b'{"choices": {"0": null}}'),
    ],
)
async def test_what_is_no_log_probability_is_never_a_number(bench: Bench, reply: Reply) -> None:
    """A malformed answer is a broken call: asked once more, then unscored."""
    bench.server.script([reply], default=Logprobs({"2": 1.0}))
    asked = rubric("How clear is it?")
    assert (await bench.ask(rubric=asked, read="distribution")).scores == {"one": 2}
    assert len(bench.server.requests) == 2
    bench.server.script(default=reply)
    verdict = await bench.ask(rubric=asked, read="distribution")
    assert verdict.scores == {"one": None}
    assert verdict.failures["one"].kind == "transport"


@pytest.mark.parametrize(("read_as", "numbered"), [("distribution", False), ("stated", True)])
async def test_levels_are_not_numbered_otherwise_than_they_are_asked(
    bench: Bench, read_as: str, numbered: bool
) -> None:
    """On a scale beyond 9 a distribution is asked in other digits, so its levels stand in order and without numbers."""
    bench.server.script(default=AutoJudge())
    levels = "{10: all of it is clear, 0: none of it is clear}"
    text = "rubric: r/v1\nabout: Is it good?\nscale: [0, 10]\ncriteria:\n  one:\n    ask: How clear is it?\n"
    await bench.ask(rubric=Rubric.parse(f"{text}    levels: {levels}\n"), read=read_as)
    system = bench.server.requests[0].text(role="system")
    assert ("10 = all of it is clear" in system) == ("from 0 (worst) to 10 (best)" in system) == numbered
    assert system.index("none of it is clear") < system.index("all of it is clear")
