from __future__ import annotations

import random
from dataclasses import replace

import pytest
import yaml

from tenward.datasets import Case
from tenward.errors import UsageError
from tenward.evaluation import Result, fit_mix, require_ratings
from tenward.judges import CriterionVerdict, Verdict
from tenward.metrics import MetricScore, ReferenceScore
from tenward.rubrics import Rubric, compute_score

TEXT = "rubric: r/v1\nabout: Good?\ncriteria:\n  a: {ask: Is it a, weight: 3}\n  b: {ask: Is it b, weight: 1}\n"
METRICS = "references: {rouge_l: 1, chrf: 1}\n"
RUBRIC = Rubric.parse(TEXT + METRICS)


def made(
    count: int,
    *,
    judge: float,
    metric: float,
    seed: int = 1,
    groups: int = 0,
    top: float = 5.0,
    scale: float = 1.0,
) -> list[Result]:
    """Return rated results whose judge and ``rouge_l`` follow the truth with this much noise; ``chrf`` is noise.

    Args:
        count: Cases.
        judge: Standard deviation of the judge's error, in points of the scale.
        metric: The same of the metric, in points of the scale, before it is brought to 0 to 1.
        seed: Of the noise.
        groups: Number of groups; 0 for none.
        top: The judge's scores are cut here.
        scale: Factor of the human ratings.
    """
    draw = random.Random(seed)
    found: list[Result] = []
    for number in range(count):
        truth = draw.uniform(1, 5)
        scores = dict.fromkeys("ab", min(top, max(1.0, truth + draw.gauss(0, judge))))
        likeness = min(1.0, max(0.0, (truth + draw.gauss(0, metric)) / 10))
        values = {"rouge_l": likeness, "chrf": draw.random()}
        case = Case(
            id=f"c{number}",
            output="text",
            references=("good",),
            human={"a": truth * scale, "b": truth * scale},
            group=f"g{number % groups}" if groups else "",
        )
        found.append(result(case, scores, values))
    return found


def result(case: Case, scores: dict[str, float], values: dict[str, float]) -> Result:
    """Return a result with these scores and metrics."""
    verdict = Verdict(
        judge="own/v1",
        model="none",
        criteria=tuple(CriterionVerdict(criterion=name, score=score) for name, score in scores.items()),
    )
    metrics = {
        name: MetricScore(value=value, best_reference=0, capped=False, signature=name) for name, value in values.items()
    }
    return Result(
        case=case,
        rubric=RUBRIC,
        gates=(),
        verdict=verdict,
        score=compute_score(RUBRIC, scores, references=0.5),
        references=ReferenceScore(value=0.5, metrics=metrics),
    )


def rated(results: list[Result], **human: float) -> list[Result]:
    """Return the results with these ratings and no others."""
    return [replace(item, case=replace(item.case, human=human)) for item in results]


def test_a_metric_that_knows_more_gets_its_share() -> None:
    """A noisy judge beside a metric that follows people: the mix helps, and its lines are a rubric's."""
    fitted = fit_mix(made(200, judge=1.5, metric=0.4), RUBRIC)
    assert fitted.helps
    assert fitted.after > fitted.before + 0.1
    assert 0 < fitted.low <= fitted.after - fitted.before <= fitted.high
    assert fitted.judge < 0.5
    assert fitted.references["rouge_l"] > 0.9
    assert (fitted.cases, fitted.units) == (200, 200)
    assert fitted.headline.startswith("The mix agrees better with people: Spearman 0.")
    mixed = Rubric.parse(TEXT + fitted.yaml)
    assert mixed.mix.judge == fitted.judge
    assert mixed.mix.judge + mixed.mix.references == pytest.approx(1)
    assert dict(mixed.metric_weights) == dict(fitted.references)


def test_metrics_that_are_noise_are_refused() -> None:
    """Where references say nothing about the ratings the answer is to keep the judge alone, whatever the draw."""
    for seed in range(12):
        fitted = fit_mix(made(40, judge=1.0, metric=50.0, seed=seed), RUBRIC, resamples=200)
        assert not fitted.helps
        assert fitted.yaml == ""
        assert fitted.headline.startswith("Keep the judge alone, ")


def test_a_judge_that_is_right_is_left_alone() -> None:
    """There is nothing to gain beside a judge that agrees with people."""
    fitted = fit_mix(made(60, judge=0.02, metric=2.0), RUBRIC, resamples=300)
    assert not fitted.helps
    assert fitted.before > 0.99
    assert fitted.judge > 0.9


def test_a_gain_within_chance_is_no_advice() -> None:
    """Few cases and a small gain: the numbers are told, the lines are not."""
    fitted = fit_mix(made(30, judge=0.8, metric=1.6), RUBRIC)
    assert fitted.low < 0 < fitted.high
    assert (fitted.helps, fitted.yaml) == (False, "")


def test_a_judge_that_ranks_nothing_has_no_correlation() -> None:
    """A judge that gives everything the same score counts as 0, and the metric takes over."""
    fitted = fit_mix(made(100, judge=0.0, metric=0.5, top=1.0), RUBRIC, resamples=300)
    assert fitted.before == 0
    assert fitted.judge == 0
    assert fitted.helps
    assert "mix: {judge: 0, references: 1}" in fitted.yaml


def test_the_scale_of_the_ratings_does_not_matter() -> None:
    """Ratings from 0 to 100 and from 1 to 5 give the same mix."""
    first = fit_mix(made(80, judge=1.0, metric=0.5), RUBRIC, resamples=200)
    second = fit_mix(made(80, judge=1.0, metric=0.5, scale=20), RUBRIC, resamples=200)
    assert (first.judge, first.references, first.after) == (second.judge, second.references, second.after)


def test_the_seed_decides_all() -> None:
    """The same seed gives the same result; another one other folds."""
    results = made(60, judge=1.0, metric=0.5)
    assert fit_mix(results, RUBRIC, resamples=200) == fit_mix(results, RUBRIC, resamples=200)
    other = fit_mix(results, RUBRIC, resamples=200, seed=1)
    assert other.before == fit_mix(results, RUBRIC, resamples=200).before
    assert other.judge == pytest.approx(fit_mix(results, RUBRIC, resamples=200).judge, abs=0.1)


def test_groups_are_the_units() -> None:
    """Cases of one source are judged by a mix that has not seen it, and the interval is over sources."""
    alone = fit_mix(made(120, judge=1.5, metric=0.5), RUBRIC, resamples=300)
    grouped = fit_mix(made(120, judge=1.5, metric=0.5, groups=8), RUBRIC, resamples=300)
    assert (grouped.units, grouped.before) == (8, alone.before)
    assert "120 rated cases in 8 groups" in grouped.headline


def test_the_rating_is_weighted_like_the_rubric() -> None:
    """Of the criteria's ratings the weighted mean counts: here that of ``a`` outweighs that of ``b``."""
    results = made(60, judge=0.05, metric=50.0)
    mixed = [
        replace(item, case=replace(item.case, human={"a": item.case.human["a"], "b": 6 - item.case.human["a"]}))
        for item in results
    ]
    assert fit_mix(mixed, RUBRIC, resamples=50).before > 0.99
    flipped = [
        replace(item, case=replace(item.case, human={"a": item.case.human["b"], "b": item.case.human["a"]}))
        for item in mixed
    ]
    assert fit_mix(flipped, RUBRIC, resamples=50).before < -0.99


def test_a_rating_of_the_whole_goes_first() -> None:
    """``value`` counts where it is given, and the cases without it are then left out."""
    results = made(60, judge=0.05, metric=50.0)
    whole = [
        replace(item, case=replace(item.case, human={**item.case.human, "value": -item.case.human["a"]}))
        for item in results[:40]
    ]
    fitted = fit_mix([*whole, *results[40:]], RUBRIC, resamples=50)
    assert fitted.cases == 40
    assert fitted.before < -0.99


def test_too_few_cases_are_refused_with_what_they_lack() -> None:
    """The message counts what there is, what is needed, and what the others lack."""
    results = made(40, judge=1, metric=1)
    unrated = rated(results[:5], other=3)
    bare = [replace(item, references=None, case=replace(item.case, references=())) for item in results[5:9]]
    lost = [
        replace(item, score=compute_score(RUBRIC, {}), verdict=replace(item.verdict, criteria=()))
        for item in results[9:12]
        if item.verdict is not None
    ]
    with pytest.raises(UsageError) as caught:
        fit_mix([*unrated, *bare, *lost, *results[12:]], RUBRIC)
    assert caught.value.message == (
        "fitting a mix: found 28 scored cases with references and human ratings, expected at least 30 "
        "(5 lack human ratings, 4 lack references, 3 lack a score)"
    )
    assert caught.value.hint.startswith("rate more cases")


def test_too_few_sources_are_refused() -> None:
    """Hundred cases of four sources cannot be put into five folds."""
    with pytest.raises(UsageError, match="found cases of 4 groups, expected at least 5"):
        fit_mix(made(100, judge=1, metric=1, groups=4), RUBRIC)


def test_ratings_that_are_all_the_same_are_refused() -> None:
    """Nothing can agree with a constant."""
    with pytest.raises(UsageError, match="found the rating 3 for every case, expected ratings that differ"):
        fit_mix(rated(made(40, judge=1, metric=1), a=3, b=3), RUBRIC)


def test_a_rubric_without_metrics_is_refused() -> None:
    """There is no mix without references, and the hint shows how to name them."""
    with pytest.raises(UsageError, match="r/v1: found no reference metrics to fit a mix of") as caught:
        fit_mix(made(40, judge=1, metric=1), Rubric.parse(TEXT))
    example = yaml.safe_load(caught.value.hint.partition("such as ")[2])
    assert Rubric.parse(TEXT + yaml.safe_dump(example)).metric_weights


def test_cases_that_could_be_fitted_to_pass_before_they_are_judged() -> None:
    """Whatever their scores will be: nothing that a run needs is refused."""
    require_ratings([item.case for item in made(30, judge=1, metric=1)], RUBRIC)


@pytest.mark.parametrize(
    ("cases", "rubric", "found"),
    [
        (made(29, judge=1, metric=1), RUBRIC, "found 29 cases with references and human ratings, expected at least 30"),
        (rated(made(40, judge=1, metric=1), other=3), RUBRIC, "found 0 cases .*40 lack human ratings"),
        (made(40, judge=1, metric=1, groups=4), RUBRIC, "found cases of 4 groups"),
        (rated(made(40, judge=1, metric=1), a=3, b=3), RUBRIC, "found the rating 3 for every case"),
        (made(40, judge=1, metric=1), Rubric.parse(TEXT), "found no reference metrics"),
    ],
)
def test_cases_that_cannot_be_fitted_to_are_refused_before_they_are_judged(
    cases: list[Result], rubric: Rubric, found: str
) -> None:
    """What the fit would refuse at the end is known at the beginning, when nothing is paid yet."""
    with pytest.raises(UsageError, match=found):
        require_ratings([item.case for item in cases], rubric)
