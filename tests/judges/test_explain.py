from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.judges import CriterionVerdict, ModelJudge, PanelJudge, Verdict, explain_by_program
from tenward.rubrics import Rubric
from tenward.testing import Logprobs, ScriptedJudge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.judges.conftest import Bench

SCALES = [(0, 1), (1, 5), (0, 5), (1, 10), (0, 10)]
LEVELED = """\
rubric: r/v1
about: Is it good?
criteria:
  works:
    weight: 60
    ask: Does it work?
    levels: {1: it fails, 3: an edge case is wrong, 4: one doubtful place, 5: right throughout}
  clear:
    weight: 40
    ask: Is it clear?
    levels: {1: in the dark, 5: in the light}
"""


def rubric_of(levels: Mapping[str, Mapping[int, str]], scale: tuple[int, int] = (1, 5)) -> Rubric:
    """Return a rubric with these levels per criterion."""
    criteria = {
        name: {"ask": f"Is it {name}?", "levels": {str(level): text for level, text in told.items()}}
        for name, told in levels.items()
    }
    head = f"rubric: r/v1\nabout: Is it good?\nscale: [{scale[0]}, {scale[1]}]\n"
    return Rubric.parse(head + "criteria: " + _yaml(criteria))


def _yaml(criteria: Mapping[str, Any]) -> str:
    """Return flow-style YAML; JSON would turn the levels into texts."""
    return re.sub(r'"(\d+)":', r"\1:", json.dumps(criteria))


def said(rubric: Rubric, scores: Mapping[str, float], **fields: Any) -> Verdict:
    """Return the program's words for these scores; ``fields`` are of every criterion."""
    items = tuple(CriterionVerdict(criterion=name, score=score, **fields) for name, score in scores.items())
    return explain_by_program(Verdict(judge="j/v1", model="m", criteria=items), rubric)


@pytest.mark.parametrize(
    ("scores", "works", "clear"),
    [
        ((3.8, 3.0), "Between 3 “an edge case is wrong” and 4 “one doubtful place”, nearer 4.", "halfway."),
        ((3.05, 4.9), "Between 3 “an edge case is wrong” and 4 “one doubtful place”, close to 3.", "close to 5."),
        ((2.5, 2.0), "Between 1 “it fails” and 3 “an edge case is wrong”, nearer 3.", "nearer 1."),
        ((4.0, 5.0), "At 4 “one doubtful place”.", "At 5 “in the light”."),
    ],
)
def test_a_reason_names_the_levels_around_the_score(scores: tuple[float, float], works: str, clear: str) -> None:
    """Levels that are not written lie between their neighbours, and a score on a level is on that one."""
    first, second = said(Rubric.parse(LEVELED), dict(zip(("works", "clear"), scores, strict=True))).criteria
    assert first.reason == works
    assert second.reason.endswith(clear)


def test_without_levels_the_question_is_quoted() -> None:
    """Where the rubric does not say what a level means, its numbers and the question stand for it."""
    (one,) = said(rubric_of({"a": {}}), {"a": 3.7}).criteria
    assert one.reason == "Between 3 and 4 on “Is it a?”, nearer 4."
    (two,) = said(rubric_of({"a": {3: "in the middle"}}), {"a": 3.7}).criteria
    assert two.reason == "Above 3 “in the middle”."


@st.composite
def scored(draw: st.DrawFn) -> tuple[Rubric, dict[str, float], dict[float, float]]:
    """A rubric, a score per criterion, and a distribution that may or may not be of the same scale."""
    lo, hi = draw(st.sampled_from(SCALES))
    names = draw(st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]))
    chosen = st.sets(st.integers(lo, hi))
    levels = {name: {level: f"words of level {level}" for level in draw(chosen)} for name in names}
    scores = {name: draw(st.floats(lo, hi) | st.integers(lo, hi).map(float)) for name in names}
    positions = draw(st.sampled_from([(float(lo), float(hi)), tuple(map(float, range(lo, hi + 1)))]))
    weights = draw(st.lists(st.integers(0, 100), min_size=len(positions), max_size=len(positions)))
    total = sum(weights)
    assume(total)
    return rubric_of(levels, (lo, hi)), scores, {at: w / total for at, w in zip(positions, weights, strict=True)}


@given(scored(), st.booleans())
def test_words_never_contradict_the_score(
    made: tuple[Rubric, dict[str, float], dict[float, float]], read: bool
) -> None:
    """The levels a reason names bracket the score, those ruled out lie at least 1.5 below, and steps lead upwards."""
    rubric, scores, distribution = made
    verdict = said(rubric, scores, distribution=distribution if read else {})
    assert verdict.words == "program"
    assert verdict.scores == scores
    for item in verdict.criteria:
        score = scores[item.criterion]
        place, *near = item.reason.rpartition(", ")[::2] if item.reason.startswith("Between") else (item.reason, "")
        named = [int(number) for number in re.findall(r"\b(\d+)\b", re.sub(r"“[^”]*”", "", place))]
        match item.reason.split()[0]:
            case "Between":
                assert named[0] < score < named[1]
                nearest = re.search(r"\d+", near[0])
                assert nearest is None or abs(score - int(nearest[0])) <= (named[1] - named[0]) / 2
            case "At":
                assert named == [score]
            case "Below":
                assert score < named[0]
            case _:
                assert item.reason.startswith("Above")
                assert score > named[0]
    for name, level in re.findall(r"(\w) \(\d+% of the weight\) is not (\d+)", verdict.why_not_2_lower):
        assert rubric.scale.lo <= int(level) <= scores[name] - 1.5
    if verdict.why_not_2_lower.startswith("No criterion"):
        assert all(score - 2 < rubric.scale.lo for score in scores.values())
    for step in verdict.steps_to_10:
        level = re.match(r"Reach (\d+) ", step.text)
        assert scores[step.criterion] < rubric.scale.hi
        assert level is None or int(level[1]) > scores[step.criterion]


@pytest.mark.parametrize(
    ("distribution", "score", "argument"),
    [
        ({1: 0.02, 2: 0.07, 3: 0.1, 4: 0.51, 5: 0.3}, 4.0, "the judge gives only 9% to 2 or lower"),
        ({1: 0.25, 5: 0.75}, 4.0, "the judge answers Yes with 75%"),
        ({1: 0.0, 2: 0.0, 3: 0.1, 4: 0.9, 5: 0.0}, 3.9, "the judge gives only 0% to 2 or lower"),
        ({1: 0.1, 2: 0.1, 3: 0.7, 4: 0.1, 5: 0.0}, 4.5, "the judge's likeliest answer was 3, 70%"),
        ({}, 4.0, "the reading is 4.0"),
    ],
)
def test_why_not_2_lower_argues_with_what_was_read(
    distribution: dict[float, float], score: float, argument: str
) -> None:
    """The level two below is named, with the share that the judge gave it; a mapped score is not argued on its own."""
    mean = sum(at * share for at, share in distribution.items())
    score = mean if argument.startswith("the judge gives") else score
    why = said(rubric_of({"a": {2: "it limps"}}), {"a": score}, distribution=distribution).why_not_2_lower
    assert why.startswith("a (100% of the weight) is not ")
    assert argument in why
    assert ("2 “it limps”" in why) == (score < 4.5)


def test_the_argument_is_that_of_the_weightiest_points() -> None:
    """The criterion that contributes most comes first; at the bottom there is nothing to argue with."""
    rubric = Rubric.parse(LEVELED)
    why = said(rubric, {"works": 3.0, "clear": 5.0}).why_not_2_lower
    assert re.findall(r"(\w+) \(", why) == ["clear", "works"]
    assert said(rubric, {"works": 1.2, "clear": 2.0}).why_not_2_lower == (
        "No criterion stands 2 above the bottom of the scale."
    )
    assert said(rubric_of({"a": {}}, (0, 1)), {"a": 0.9}).why_not_2_lower == ""


def test_steps_are_the_next_levels_by_weight_and_headroom() -> None:
    """What can win most comes first, and the top needs no step."""
    rubric = Rubric.parse(LEVELED)
    steps = said(rubric, {"works": 4.0, "clear": 3.0}).steps_to_10
    assert [(step.criterion, step.text) for step in steps] == [
        ("clear", "Reach 5 “in the light”."),
        ("works", "Reach 5 “right throughout”."),
    ]
    assert [step.criterion for step in said(rubric, {"works": 5.0, "clear": 4.0}).steps_to_10] == ["clear"]


async def test_an_unscored_criterion_is_left_without_words(bench: Bench) -> None:
    """What failed has no reason; a verdict without any score has no words at all."""
    bench.server.script([Logprobs({"4": 1.0}), Logprobs({"Well": 1.0})])
    verdict = await bench.ask(read="distribution")
    assert [bool(item.reason) for item in verdict.criteria] == [True, False]
    bench.server.script(default=Logprobs({"Well": 1.0}))
    silent = await bench.ask(read="distribution")
    assert (silent.words, silent.why_not_2_lower, silent.steps_to_10) == ("", "", ())


class _Speaker(ScriptedJudge):
    """A judge with reasons of its own."""

    async def judge(self, case: Case, rubric: Rubric, **_: Any) -> Verdict:
        """The scripted verdict, with a reason."""
        verdict = await super().judge(case, rubric)
        items = (CriterionVerdict(criterion=one.criterion, score=one.score, reason="Seen.") for one in verdict.criteria)
        return Verdict(judge="speaker/v1", model="m", criteria=tuple(items), words="model")


async def test_a_panel_speaks_of_its_own_score(bench: Bench) -> None:
    """A program's words are made from the mean of all members; where a model wrote, its words stand."""
    bench.server.script(default=Logprobs({"5": 1.0}))
    low, high = ScriptedJudge({"clarity": 2, "tests": 2}), ModelJudge(bench.spec(read="distribution"))
    rubric = Rubric.parse("rubric: t/v1\nabout: Good?\ncriteria:\n  clarity: How clear is it?\n  tests: How tested?\n")
    case = Case(id="c", output="text")
    verdict = await PanelJudge("p/v1", [(low, 2.0), (high, 1.0)]).judge(case, rubric)
    assert verdict.words == "program"
    assert verdict.criteria[0].reason == "At 3 on “How clear is it?”."
    spoken = await PanelJudge("p/v1", [(_Speaker({"clarity": 1, "tests": 1}), 1.0), (high, 3.0)]).judge(case, rubric)
    await high.aclose()
    assert spoken.words == "model"
    assert [item.reason for item in spoken.criteria] == ["Seen.", "Seen."]
    assert spoken.scores == {"clarity": 4, "tests": 4}
