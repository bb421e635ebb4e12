from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.evaluation import Result, ShownScale, best_first, close_calls, shared_ranks
from tenward.judges import (
    CriterionScale,
    CriterionVerdict,
    JudgeSpec,
    ModelJudge,
    PanelJudge,
    RubricScale,
    ScaleFile,
    Verdict,
)
from tenward.metrics import ReferenceScore
from tenward.rubrics import Rubric, compute_score
from tenward.testing import ScriptedJudge

RUBRIC_TEXT = """\
rubric: r/v1
about: Is it good?
criteria:
  a: {ask: Is it clear, weight: 60}
  b: {ask: Is it kind, weight: 40}
"""
RUBRIC = Rubric.parse(RUBRIC_TEXT)
MIXED = Rubric.parse(RUBRIC_TEXT + "references: {chrf: 1}\nmix: {judge: 0.5, references: 0.5}\n")
KNOWN = ShownScale(label="calibrated", error=0.9, mapped=1.0)


def result(name: str, score: float, *, spread: float | None = None, references: float | None = None) -> Result:
    """Return a result with this score for both criteria."""
    rubric = RUBRIC if references is None else MIXED
    parts = tuple(CriterionVerdict(criterion=one, score=score, spread=spread) for one in rubric.criteria)
    verdict = Verdict(judge="j/v1", model="m", criteria=parts)
    return Result(
        case=Case(id=name, output="x"),
        rubric=rubric,
        gates=(),
        verdict=verdict,
        score=compute_score(rubric, verdict.scores, references=references),
        references=None if references is None else ReferenceScore(value=references, metrics={}),
    )


def ranked(*scores: float) -> list[Result]:
    """Return results with these scores, the best first."""
    return best_first([result(f"{score:g}", score) for score in scores])


def test_neighbours_that_are_too_close_share_a_rank() -> None:
    """Below the error of the scale two texts have one rank, and a line says how far apart they should be."""
    ordered = ranked(2.5, 4.5, 4.2)
    assert shared_ranks(ordered, KNOWN) == ["1=", "1=", "3"]
    calls = close_calls(ordered, KNOWN)
    assert calls is not None
    (call,) = calls
    assert call.text == (
        "4.5 and 4.2 are too close to call: 0.3 points apart, 0.9 are needed to be right three times of four"
    )


def test_a_chain_of_close_neighbours_is_no_tie_of_its_ends() -> None:
    """What lies far enough from the first of a rank begins a rank of its own, though its neighbour is close."""
    ordered = ranked(4.0, 3.4, 2.8)
    assert shared_ranks(ordered, KNOWN) == ["1=", "1=", "3"]
    calls = close_calls(ordered, KNOWN)
    assert calls is not None
    assert [(call.first, call.second) for call in calls] == [("4", "3.4"), ("3.4", "2.8")]


def test_an_unknown_distance_stays_unknown() -> None:
    """Raw readings of a judge that is asked once are ranked, and nobody says how sure that is."""
    ordered = ranked(4.0, 3.99)
    assert close_calls(ordered, ShownScale()) is None
    assert shared_ranks(ordered, ShownScale()) == ["1", "2"]


def test_the_noise_of_repeats_counts_where_it_is_larger() -> None:
    """Spread over repeated answers tells what the judge would say again, not what is right."""
    noisy = [result("x", 4.0, spread=2.0), result("y", 3.5, spread=2.0)]
    raw = close_calls(noisy, ShownScale(repeats=4))
    assert raw is not None
    assert raw[0].needed == pytest.approx((0.36 + 0.16) ** 0.5 * 2.0 / 2)
    assert raw[0].text.endswith("0.7 are needed for this judge to say so again three times of four")
    both = close_calls(noisy, replace(KNOWN, repeats=4))
    assert both is not None
    assert both[0].needed == 0.9
    assert not both[0].again


def test_references_take_part_in_the_distance() -> None:
    """References have no noise, so what they add to a difference counts as points of the judge."""
    calls = close_calls([result("x", 4.0, references=0.9), result("y", 4.0, references=0.8)], KNOWN)
    assert calls is not None
    assert calls[0].apart == pytest.approx(0.5)
    assert close_calls([result("x", 4.0, references=0.9), result("y", 4.0, references=0.6)], KNOWN) == []


@given(st.lists(st.floats(1, 5), min_size=1, max_size=12), st.floats(0, 4))
def test_equal_ranks_are_never_far_apart(scores: list[float], error: float) -> None:
    """Any two of one rank lie closer than the error, and ranks rise with the order."""
    ordered = best_first([result(str(place), score) for place, score in enumerate(scores)])
    ranks = shared_ranks(ordered, replace(KNOWN, error=error))
    sums = [one.score.weighted_sum or 0.0 for one in ordered if one.score is not None]
    numbers = [int(rank.rstrip("=")) for rank in ranks]
    assert numbers == sorted(numbers)
    for rank, number, own in zip(ranks, numbers, sums, strict=True):
        assert sums[number - 1] - own <= error + 1e-9
        assert rank.endswith("=") == (ranks.count(rank) > 1)


def judge(name: str, rubric: Rubric, *mapped: str, samples: int = 1) -> ModelJudge:
    """Return a judge with maps for these criteria."""
    spec = JudgeSpec(judge=name, model="openai/x", read="stated", samples=samples)
    one = CriterionScale(knots=((2.0, 1.5), (4.0, 4.5)))
    maps = RubricScale(
        range=(1, 5),
        fitted_for=dict(ModelJudge(spec).fingerprint(rubric)),
        source="ratings",
        error=0.8,
        criteria=dict.fromkeys(mapped, one),
    )
    return ModelJudge(spec, [(Path("x.yaml"), ScaleFile(scale=name, rubrics={rubric.rubric: maps}))] if mapped else [])


def test_a_judge_s_scale_is_told_in_few_words() -> None:
    """Raw, calibrated, and calibrated in part, with the error, the repeats, and whether quality is a grade."""
    raw = ShownScale.of(judge("j/v1", RUBRIC, samples=3), RUBRIC)
    assert (raw.words, raw.is_grade, raw.error, raw.repeats) == ("raw readings", False, None, 3)
    whole = ShownScale.of(judge("j/v1", RUBRIC, "a", "b"), RUBRIC)
    assert (whole.words, whole.is_grade, whole.off(RUBRIC)) == ("calibrated", True, "typically off by 0.8 points of 5")
    part = ShownScale.of(judge("j/v1", RUBRIC, "b"), RUBRIC)
    assert (part.words, part.is_grade) == ("calibrated but for a", False)
    assert ShownScale.from_dict(whole.as_dict()) == whole
    assert ShownScale.of(ScriptedJudge({}), RUBRIC) == ShownScale()


def test_a_panel_is_calibrated_where_all_its_members_are() -> None:
    """Its own maps are those of its members; how far it is off nobody has measured."""
    members = [(judge("j/v1", RUBRIC, "a", "b"), 1.0), (judge("k/v1", RUBRIC, "a"), 1.0)]
    scale = ShownScale.of(PanelJudge("p/v1", members), RUBRIC)
    assert (scale.words, scale.error) == ("calibrated but for b", None)
    assert ShownScale.of(PanelJudge("p/v1", members[:1]), RUBRIC).words == "calibrated"
