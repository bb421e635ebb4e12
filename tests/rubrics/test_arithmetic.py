from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.rubrics import Criterion, Mix, Rubric, Scale, compute_score, round_half_up

EXAMPLE = """\
rubric: example/v1
about: Is the review good?
scale: [1, 5]
criteria:
  correctness: {ask: 'Is it right?', weight: 25}
  clarity: {ask: 'Is it clear?', weight: 30}
  depth: {ask: 'Is it deep?', weight: 20}
  tone: {ask: 'Is it kind?', weight: 15}
  brevity: {ask: 'Is it short?', weight: 10}
"""
SCORES = {"correctness": 4.0, "clarity": 3.0, "depth": 4.0, "tone": 3.0, "brevity": 2.0}


def make(
    weights: list[float], *, scale: tuple[int, int] = (1, 5), by_range: bool = False, min_coverage: float = 0.8
) -> Rubric:
    """Return a rubric with criteria c0, c1, ... of these weights."""
    return Rubric(
        rubric="made/v1",
        about="What?",
        scale=Scale(lo=scale[0], hi=scale[1]),
        criteria={f"c{i}": Criterion(ask=("How?",), weight=weight) for i, weight in enumerate(weights)},
        normalize="range" if by_range else "max",
        min_coverage=min_coverage,
    )


SCALES = [(1, 5), (0, 10), (1, 10), (0, 1), (2, 7)]


@st.composite
def judged(draw: st.DrawFn, *, gaps: bool = False) -> tuple[Rubric, dict[str, float | None]]:
    """Draw a rubric and scores for it, with None among them if ``gaps``."""
    low, high = draw(st.sampled_from(SCALES))
    weights = draw(st.lists(st.integers(0, 100) | st.floats(0, 1000), min_size=1, max_size=6))
    if not any(weights):
        weights[0] = 1
    one: st.SearchStrategy[float | None] = st.floats(low, high) | st.integers(low, high)
    if gaps:
        one |= st.none()
    scores = draw(st.lists(one, min_size=len(weights), max_size=len(weights)))
    rubric = make(
        [float(weight) for weight in weights],
        scale=(low, high),
        by_range=draw(st.booleans()),
        min_coverage=draw(st.sampled_from([0.01, 0.5, 0.8, 1.0])),
    )
    return rubric, {f"c{i}": score for i, score in enumerate(scores)}


def test_the_worked_example_is_exact() -> None:
    """Scores 4 3 4 3 2 with weights 25/30/20/15/10 give exactly 3.35, 0.67 and 7."""
    score = compute_score(Rubric.parse(EXAMPLE), SCORES)
    assert (score.weighted_sum, score.normalized, score.quality, score.value) == (3.35, 0.67, 7, 0.67)
    assert (score.coverage, score.judge_share, score.references, score.below_floor) == (1.0, 1.0, None, ())
    assert score.scored


def test_the_worked_example_prints_its_arithmetic() -> None:
    """The printed lines are the calculation as a person would do it."""
    assert compute_score(Rubric.parse(EXAMPLE), SCORES).arithmetic == (
        "weighted sum  0.25·4 + 0.3·3 + 0.2·4 + 0.15·3 + 0.1·2 = 3.35",
        "normalized    3.35 / 5 = 0.67",
        "quality       1 + 9·0.67 = 7.03 → 7",
        "value         0.67 (no references: the judge alone)",
    )


def test_the_worked_example_shows_where_to_gain() -> None:
    """Each part holds its share and how much the weighted sum could still gain there."""
    parts = compute_score(Rubric.parse(EXAMPLE), SCORES).parts
    assert [part.criterion for part in parts] == list(SCORES)
    assert [part.share for part in parts] == [0.25, 0.3, 0.2, 0.15, 0.1]
    assert [part.effective_share for part in parts] == [0.25, 0.3, 0.2, 0.15, 0.1]
    assert [part.headroom for part in parts] == [0.25, 0.6, 0.2, 0.3, 0.3]


def test_range_maps_the_bottom_of_the_scale_to_zero() -> None:
    """With ``normalize: range`` the worked example gives (3.35 - 1) / (5 - 1), and says so."""
    score = compute_score(Rubric.parse(EXAMPLE + "normalize: range\n"), SCORES)
    assert (score.weighted_sum, score.normalized, score.quality) == (3.35, 0.5875, 6)
    assert score.arithmetic[1] == "normalized    (3.35 − 1) / (5 − 1) = 0.588"
    worst = compute_score(Rubric.parse(EXAMPLE + "normalize: range\n"), dict.fromkeys(SCORES, 1.0))
    assert (worst.normalized, worst.quality, worst.value) == (0.0, 1, 0.0)


def test_references_are_blended_by_the_mix() -> None:
    """With references the value is the mix of judge and metrics; the quality stays the judge's."""
    rubric = Rubric.parse(EXAMPLE + "references: {rouge_l: 1}\nmix: {judge: 0.7, references: 0.3}\n")
    score = compute_score(rubric, SCORES, references=0.5)
    assert (score.value, score.judge_share, score.references, score.quality) == (0.619, 0.7, 0.5, 7)
    assert score.arithmetic[-1] == "value         0.7·0.67 + 0.3·0.5 = 0.619"


def test_mix_shares_are_ratios() -> None:
    """Shares 7 and 3 are the same as 0.7 and 0.3."""
    text = EXAMPLE + "references: {rouge_l: 1}\nmix: "
    small = compute_score(Rubric.parse(text + "{judge: 0.7, references: 0.3}\n"), SCORES, references=0.25)
    large = compute_score(Rubric.parse(text + "{judge: 7, references: 3}\n"), SCORES, references=0.25)
    assert small == large


def test_without_references_the_judge_counts_alone() -> None:
    """A case without references is not punished by a mix that would use them."""
    rubric = Rubric.parse(EXAMPLE + "references: {rouge_l: 1}\nmix: {judge: 0, references: 1}\n")
    score = compute_score(rubric, SCORES)
    assert (score.value, score.judge_share, score.references) == (0.67, 1.0, None)


def test_references_of_zero_are_a_number_and_not_an_absence() -> None:
    """Metrics of 0 pull the value down; they are not taken for missing references."""
    rubric = Rubric.parse(EXAMPLE + "references: {rouge_l: 1}\nmix: {judge: 1, references: 1}\n")
    score = compute_score(rubric, SCORES, references=0.0)
    assert (score.value, score.judge_share, score.references) == (0.335, 0.5, 0.0)


def test_an_unscored_criterion_is_left_out_and_never_zero() -> None:
    """A missing score shrinks the coverage and leaves the other weights to share the whole."""
    rubric = make([3.0, 1.0, 1.0])
    score = compute_score(rubric, {"c0": 5.0, "c1": 3.0, "c2": None})
    assert (score.weighted_sum, score.coverage) == (4.5, 0.8)
    assert [part.effective_share for part in score.parts] == [0.75, 0.25, 0.0]
    assert (score.parts[2].score, score.parts[2].headroom) == (None, 0.0)
    assert score.arithmetic[0] == "weighted sum  0.75·5 + 0.25·3 = 4.5"
    assert score.arithmetic[-1] == "coverage      80% of the weight was scored; the rest is left out"
    assert score == compute_score(rubric, {"c0": 5.0, "c1": 3.0})


def test_below_the_coverage_there_is_no_number() -> None:
    """With too little weight scored the case is unscored: no sum, no quality, no value."""
    score = compute_score(make([2.0, 1.0, 1.0]), {"c0": 5.0, "c1": 3.0}, references=0.9)
    assert (score.weighted_sum, score.normalized, score.quality, score.value) == (None, None, None, None)
    assert (score.scored, score.coverage) == (False, 0.75)
    assert score.arithmetic == ("unscored: only 75% of the weight was scored",)


def test_coverage_is_compared_without_rounding_errors() -> None:
    """Eight of ten equal weights are 0.8 of the whole, though 0.1 has no exact binary form."""
    rubric = make([0.1] * 10, min_coverage=0.8)
    assert compute_score(rubric, {f"c{i}": 3.0 for i in range(8)}).scored
    assert not compute_score(rubric, {f"c{i}": 3.0 for i in range(7)}).scored


def test_scores_of_weightless_criteria_alone_are_no_score() -> None:
    """A criterion of weight 0 can be asked without ever counting."""
    rubric = make([1.0, 0.0], min_coverage=0.01)
    assert not compute_score(rubric, {"c1": 5.0}).scored
    assert compute_score(rubric, {"c0": 2.0, "c1": 5.0}).weighted_sum == 2.0


def test_no_scores_at_all_are_no_score() -> None:
    """An empty verdict is unscored, not zero."""
    score = compute_score(make([1.0]), {})
    assert (score.value, score.coverage) == (None, 0.0)


@pytest.mark.parametrize(("number", "whole"), [(6.5, 7), (7.5, 8), (6.49, 6), (0.5, 1), (2.0, 2), (-0.5, 0)])
def test_a_half_rounds_up(number: float, whole: int) -> None:
    """Halves go up, never to the even neighbour."""
    assert round_half_up(number) == whole


def test_quality_rounds_an_exact_half_up() -> None:
    """A normalized score of 11/18 makes exactly 6.5, which is 7."""
    rubric = make([11.0, 7.0], scale=(0, 1))
    score = compute_score(rubric, {"c0": 1.0, "c1": 0.0})
    assert score.quality == 7
    assert round_half_up(1 + 9 * Fraction(11, 18)) == 7


def test_floors_name_the_criteria_below_them() -> None:
    """Only scores below the floor are named: not those on it, nor the unscored."""
    criteria = {name: Criterion(ask=("How?",), floor=3) for name in ("under", "equal", "over", "unscored")}
    criteria["free"] = Criterion(ask=("How?",))
    rubric = Rubric(rubric="floors", about="What?", criteria=criteria)
    scores = {"under": 2.9, "equal": 3.0, "over": 4.0, "unscored": None, "free": 1.0}
    assert compute_score(rubric, scores).below_floor == ("under",)


@pytest.mark.parametrize("score", [0.0, 0.999, 5.001, 6.0, -1.0, math.inf, -math.inf, math.nan])
def test_a_score_off_the_scale_is_refused(score: float) -> None:
    """Scores off the scale are errors and are never clamped, NaN and infinity included."""
    with pytest.raises(ValueError, match=r"score .* of c0 is off the scale 1 to 5"):
        compute_score(make([1.0]), {"c0": score})


@pytest.mark.parametrize("references", [-0.01, 1.01, math.nan, math.inf])
def test_references_outside_zero_to_one_are_refused(references: float) -> None:
    """Reference metrics are shares; anything else is a fault of the caller."""
    with pytest.raises(ValueError, match="references must lie in 0 to 1"):
        compute_score(make([1.0]), {"c0": 3.0}, references=references)


def test_scores_for_unknown_criteria_are_refused() -> None:
    """A score that no criterion asked for is not silently dropped."""
    with pytest.raises(ValueError, match="scores for criteria the rubric lacks: a, b"):
        compute_score(make([1.0]), {"c0": 3.0, "b": 1.0, "a": 1.0})


@given(judged(gaps=True))
def test_the_result_equals_the_reference_formula(case: tuple[Rubric, dict[str, float | None]]) -> None:
    """Every number equals the formula, worked out independently with exact fractions."""
    rubric, scores = case
    weights = {name: Fraction(repr(criterion.weight)) for name, criterion in rubric.criteria.items()}
    given_scores = {name: Fraction(score) for name, score in scores.items() if score is not None}
    scored_weight = sum(weights[name] for name in given_scores)
    coverage = Fraction(scored_weight, sum(weights.values()))
    result = compute_score(rubric, scores)
    assert result.coverage == float(coverage)
    if coverage == 0 or coverage < Fraction(repr(rubric.min_coverage)):
        assert result.value is None
        return
    mean = Fraction(sum(weights[name] * score for name, score in given_scores.items()), scored_weight)
    low = rubric.scale.lo if rubric.normalize == "range" else 0
    normalized = Fraction(mean - low, rubric.scale.hi - low)
    assert (result.weighted_sum, result.normalized) == (float(mean), float(normalized))
    assert result.quality == math.floor(1 + 9 * normalized + Fraction(1, 2))


@given(judged(gaps=True), st.none() | st.floats(0, 1), st.floats(0, 1))
def test_every_number_stays_in_its_bounds(
    case: tuple[Rubric, dict[str, float | None]], references: float | None, judge: float
) -> None:
    """The weighted sum lies on the scale, shares and value in 0 to 1, the quality in 1 to 10."""
    rubric, scores = case
    rubric = rubric.model_copy(update={"mix": Mix(judge=judge, references=1 - judge)})
    result = compute_score(rubric, scores, references=references)
    assert 0 <= result.coverage <= 1
    assert 0 <= result.judge_share <= 1
    assert all(0 <= part.effective_share <= 1 and part.headroom >= 0 for part in result.parts)
    if result.weighted_sum is not None:
        assert rubric.scale.holds(result.weighted_sum)
        assert result.normalized is not None
        assert result.value is not None
        assert 0 <= result.normalized <= 1
        assert 0 <= result.value <= 1
        assert result.quality in range(1, 11)


@given(judged(gaps=True), st.sampled_from([2.0, 7.0, 900.0, 0.5, 0.1]))
def test_weights_are_ratios(case: tuple[Rubric, dict[str, float | None]], factor: float) -> None:
    """Scaling all weights by the same factor changes no number at all."""
    rubric, scores = case
    weights = [round(criterion.weight) + 1 for criterion in rubric.criteria.values()]
    span = (rubric.scale.lo, rubric.scale.hi)
    plain = make([float(weight) for weight in weights], scale=span)
    scaled = make([float(Fraction(weight) * Fraction(repr(factor))) for weight in weights], scale=span)
    assert compute_score(scaled, scores) == compute_score(plain, scores)


@given(judged(gaps=True), st.data())
def test_order_does_not_matter(case: tuple[Rubric, dict[str, float | None]], data: st.DataObject) -> None:
    """Neither the order of the criteria nor that of the scores changes a digit."""
    rubric, scores = case
    names = data.draw(st.permutations(list(scores)))
    shuffled = rubric.model_copy(update={"criteria": {name: rubric.criteria[name] for name in names}})
    one = compute_score(rubric, scores)
    other = compute_score(shuffled, {name: scores[name] for name in reversed(names)})
    assert (one.weighted_sum, one.normalized, one.quality, one.value, one.coverage) == (
        other.weighted_sum,
        other.normalized,
        other.quality,
        other.value,
        other.coverage,
    )
    assert {part.criterion: part for part in one.parts} == {part.criterion: part for part in other.parts}


@given(judged(), st.data())
def test_a_better_score_is_never_worse(case: tuple[Rubric, dict[str, float | None]], data: st.DataObject) -> None:
    """Raising one criterion's score never lowers the sum, the value or the quality."""
    rubric, scores = case
    name = data.draw(st.sampled_from(sorted(scores)))
    higher = data.draw(st.floats(scores[name] or 0.0, rubric.scale.hi))
    before, after = compute_score(rubric, scores), compute_score(rubric, scores | {name: higher})
    for low, high in (
        (before.weighted_sum, after.weighted_sum),
        (before.normalized, after.normalized),
        (before.quality, after.quality),
        (before.value, after.value),
    ):
        assert low is not None
        assert high is not None
        assert low <= high


@given(judged(gaps=True))
def test_leaving_out_is_the_same_as_a_rubric_without_it(case: tuple[Rubric, dict[str, float | None]]) -> None:
    """The sum with gaps is the sum of a rubric that has only the scored criteria."""
    rubric, scores = case
    result = compute_score(rubric, scores)
    if result.weighted_sum is not None:
        kept = {name: score for name, score in scores.items() if score is not None}
        criteria = {name: rubric.criteria[name] for name in kept}
        smaller = compute_score(rubric.model_copy(update={"criteria": criteria}), kept)
        assert (smaller.weighted_sum, smaller.value) == (result.weighted_sum, result.value)
        assert smaller.coverage == 1


def test_every_whole_verdict_of_the_example_is_between_its_ends() -> None:
    """Over all verdicts of a small rubric the quality covers its range and grows with the sum."""
    rubric = make([1.0, 2.0], by_range=True)
    results = [compute_score(rubric, {"c0": a, "c1": b}) for a, b in itertools.product(range(1, 6), repeat=2)]
    ordered = sorted((result.weighted_sum or 0, result.quality or 0) for result in results)
    qualities = [quality for _, quality in ordered]
    assert qualities == sorted(qualities)
    assert (qualities[0], qualities[-1]) == (1, 10)


@pytest.mark.parametrize(("weights", "shown"), [([999.9, 0.1], "99.9%"), ([99999, 1], "99.9%"), ([2, 1], "66.6%")])
def test_what_is_not_all_is_never_called_all(weights: list[float], shown: str) -> None:
    """Coverage is rounded down, so that an unscored case does not claim that everything was scored."""
    score = compute_score(make(weights, min_coverage=1.0), {"c0": 3.0})
    assert score.arithmetic == (f"unscored: only {shown} of the weight was scored",)


def test_the_quality_line_rounds_to_its_result() -> None:
    """Where three decimals would round the other way, there are more of them."""
    score = compute_score(make([1], scale=(0, 10)), {"c0": 6.1107})
    assert score.quality == 6
    assert "= 6.4996 → 6" in score.arithmetic[2]
