from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import instructor
import pytest
from instructor.core import InstructorRetryException
from openai import OpenAI
from pydantic import BaseModel, Field

from tenward.testing import AutoJudge, Request, StubServer

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

MODES = [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA]
CANDIDATE = "def area(w, h):\n    # multiplies the two sides, and nothing else is checked here\n    return w * h"
PROMPT = "Judge it.\n<candidate 0a1b2c>\n{}\n</candidate 0a1b2c>\nHow clear is it?"

Model = TypeVar("Model", bound=BaseModel)


class Kind(Enum):
    """An enumeration."""

    CODE = "code"
    PROSE = "prose"


class Step(BaseModel):
    """One entry of a list whose entries should differ."""

    criterion: Literal["clarity", "completeness", "tests"]
    advice: str = Field(min_length=120)


class Criterion(BaseModel):
    """One part of a verdict."""

    evidence: list[str] = Field(min_length=2)
    reason: str = Field(min_length=20, max_length=200)
    score: int | None = Field(ge=1, le=5)
    level: Literal[1, 3, 5]


class Tree(BaseModel):
    """A model that contains itself."""

    name: str
    children: list[Tree]
    parent: Tree | None


class Verdict(BaseModel):
    """A model with a field of every kind."""

    version: Literal["v1"]
    kind: Kind
    clarity: Criterion
    completeness: Criterion
    sure: float = Field(gt=0, lt=1)
    positive: int = Field(gt=0)
    below: int = Field(lt=0)
    pair: tuple[int, str]
    final: bool
    anything: Any
    tree: Tree
    quote: str = Field(min_length=60)
    why_not_2_lower: str
    steps_to_10: list[Step] = Field(min_length=3, max_length=3)
    nothing: None


def extract(
    judge: AutoJudge,
    model: type[Model],
    mode: instructor.Mode = instructor.Mode.TOOLS,
    content: str = PROMPT.format(CANDIDATE),
) -> Model:
    """One structured request to the judge."""
    with StubServer(default=judge) as server, OpenAI(base_url=server.base_url, api_key="k") as session:
        structured = instructor.from_openai(session, mode=mode)
        messages: Any = [{"role": "user", "content": content}]
        return structured.create(response_model=model, model="m", messages=messages, max_retries=0)


def ask(judge: AutoJudge, content: str, **options: Any) -> ChatCompletion:
    """One plain chat completion by the judge."""
    with StubServer(default=judge) as server, OpenAI(base_url=server.base_url, api_key="k") as session:
        messages: Any = [{"role": "user", "content": content}]
        return cast("ChatCompletion", session.chat.completions.create(model="m", messages=messages, **options))


def distribution(judge: AutoJudge, content: str) -> dict[str, float]:
    """Probability of each token of a one-token answer."""
    logprobs = ask(judge, content, logprobs=True, top_logprobs=20, max_tokens=1).choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    return {top.token: math.exp(top.logprob) for top in logprobs.content[0].top_logprobs}


@pytest.mark.parametrize("mode", MODES)
def test_nested_model_is_satisfied(mode: instructor.Mode) -> None:
    """A model with every kind of field validates, and its words are plausible."""
    verdict = extract(AutoJudge(), Verdict, mode)
    for criterion in (verdict.clarity, verdict.completeness):
        assert criterion.score is not None
        assert all(quote and quote in CANDIDATE for quote in criterion.evidence)
        assert len(criterion.reason.split()) >= 8
        assert "reason" in criterion.reason
    assert verdict.quote in CANDIDATE
    assert "why not 2 lower" in verdict.why_not_2_lower
    assert [step.criterion for step in verdict.steps_to_10] == ["clarity", "completeness", "tests"]


def test_both_modes_give_the_same_verdict() -> None:
    """The content follows from the messages, not from the way the schema is sent."""
    tools, schema = (extract(AutoJudge(), Verdict, mode) for mode in MODES)
    assert tools.model_dump() == schema.model_dump()


def test_fence_token_does_not_change_the_verdict() -> None:
    """The random token of a fence has no influence, the fenced text has."""
    prompt = PROMPT.format(CANDIDATE)
    prompts = [prompt, prompt.replace("0a1b2c", "ffee99"), PROMPT.format("Ein anderer Text als der erste.")]
    one, same, other = (extract(AutoJudge(), Verdict, content=content).model_dump() for content in prompts)
    assert one == same
    assert one != other


def test_quotes_come_from_the_last_fenced_block() -> None:
    """Tags named in the instructions, earlier blocks, and fences forged inside the block are not quoted."""
    forged = "<candidate ff>forged</candidate ff>"
    content = (
        f"Text in <candidate ab> is material.\n<candidate ab>early</candidate ab>\n"
        f"<candidate cd>\n{forged}\n</candidate cd>\nthe question"
    )
    verdict = extract(AutoJudge(), Criterion, content=content)
    assert verdict.evidence == [forged, forged]


@pytest.mark.parametrize("content", ["", PROMPT.format(""), "no fence at all"])
def test_missing_candidate_still_gives_a_verdict(content: str) -> None:
    """Without a fenced text, or with an empty one, the schema is satisfied all the same."""
    assert len(extract(AutoJudge(), Verdict, content=content).quote) >= 60


def test_integers_come_from_the_caller() -> None:
    """A function decides every integer by request and path."""
    seen: list[str] = []

    def score(request: Request, path: str) -> int:
        seen.append(path)
        return 5 if "return" in request.text() else 1

    verdict = extract(AutoJudge(integers=score), Criterion)
    assert (verdict.score, verdict.level, seen) == (5, 5, ["score", "level"])


def test_integers_off_the_scale_are_sent() -> None:
    """The caller's integer is sent as it is, so that an off-scale answer can be played."""
    with pytest.raises(InstructorRetryException, match="less than or equal to 5"):
        extract(AutoJudge(integers=lambda _request, _path: 9), Criterion)


def test_fixed_values_replace_what_would_be_made_up() -> None:
    """A value given by property name is used wherever the name occurs."""
    verdict = extract(AutoJudge(fixed={"score": None, "evidence": ["a", "b"]}), Verdict)
    assert (verdict.clarity.score, verdict.completeness.score) == (None, None)
    assert verdict.clarity.evidence == ["a", "b"]


def test_distribution_is_over_the_digits_of_the_scale() -> None:
    """One token with log-probabilities is a distribution over 1–5 that follows from the text."""
    found = distribution(AutoJudge(), "How clear?")
    assert sorted(found) == ["1", "2", "3", "4", "5"]
    assert math.isclose(sum(found.values()), 1)
    assert found == distribution(AutoJudge(), "How clear?")
    assert found != distribution(AutoJudge(), "How complete?")


def test_distribution_peaks_at_the_caller_s_integer() -> None:
    """The likeliest digit is the caller's."""
    found = distribution(AutoJudge(integers=lambda _request, _path: 2), "How clear?")
    assert max(found, key=found.__getitem__) == "2"


def test_answer_without_a_schema_is_a_sentence() -> None:
    """A plain question gets plain words."""
    content = ask(AutoJudge(), "hello").choices[0].message.content
    assert content is not None
    assert len(content.split()) >= 8
