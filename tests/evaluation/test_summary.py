from __future__ import annotations

import math
from collections import Counter
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.evaluation import LEAST_UNITS, Mean, Result, Tally
from tenward.judges import CriterionVerdict, Failure, Usage, Verdict
from tenward.metrics import MetricScore, ReferenceScore
from tenward.rubrics import GateResult, Rubric, compute_score

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

RUBRIC = Rubric.parse(
    "rubric: r/v1\nabout: Is it good?\ncriteria:\n  a: {ask: Is it a, weight: 3, floor: 2}\n"
    "  b: {ask: Is it b, weight: 1}\nreferences: {rouge_l: 1}\nmix: {judge: 0.5, references: 0.5}\nmin_coverage: 0.5\n"
)
ONE = Rubric.parse("rubric: r/v1\nabout: Is it good?\nscale: [0, 10]\ncriteria: {a: Is it a}\n")

# The 97.5 % point of Student's t, from printed tables.
_PRINTED = """
1 12.7062  2 4.3027  3 3.1824  4 2.7764  5 2.5706  6 2.4469  7 2.3646  8 2.3060  9 2.2622  10 2.2281  12 2.1788
15 2.1314  20 2.0860  30 2.0423  40 2.0211  60 2.0003  120 1.9799  1000 1.9623
"""
T_TABLE = dict(zip(map(int, _PRINTED.split()[::2]), map(float, _PRINTED.split()[1::2]), strict=True))


def result(
    number: int,
    scores: tuple[float | None, float | None] | None,
    *,
    group: str = "",
    references: float | None = None,
    cost: float | None = 0.0,
) -> Result:
    """Return a result with these scores; None in place of both for a failed gate."""
    case = Case(id=f"c{number}", output="x", group=group)
    if scores is None:
        gates = (GateResult(gate="g", passed=False, detail=""),)
        return Result(case=case, rubric=RUBRIC, gates=gates, verdict=None, score=None)
    failure = Failure(kind="timeout", detail="")
    criteria = tuple(
        CriterionVerdict(criterion=name, score=score, failure=failure if score is None else None)
        for name, score in zip("ab", scores, strict=True)
    )
    usage = Usage(calls=2, prompt_tokens=number, completion_tokens=1, cost_usd=cost)
    verdict = Verdict(judge="j/v1", model="m", criteria=criteria, usage=usage, seconds=0.5)
    found = None
    if references is not None:
        metric = MetricScore(value=references, best_reference=0, signature="rouge", capped=number % 2 == 0)
        found = ReferenceScore(value=references, metrics={"rouge_l": metric})
    score = compute_score(RUBRIC, verdict.scores, references=references)
    return Result(case=case, rubric=RUBRIC, gates=(), verdict=verdict, score=score, references=found)


def one(number: int, value: float, group: str = "") -> Result:
    """Return a result whose only criterion has this score."""
    verdict = Verdict(judge="j/v1", model="m", criteria=(CriterionVerdict(criterion="a", score=value),))
    score = compute_score(ONE, verdict.scores)
    return Result(
        case=Case(id=str(number), output="x", group=group), rubric=ONE, gates=(), verdict=verdict, score=score
    )


def tallied(results: Sequence[Result]) -> Tally:
    """Return a tally of these results."""
    tally = Tally()
    for item in results:
        tally.add(item)
    return tally


def mean_of(values: Sequence[float], groups: Sequence[str] | None = None) -> Mean:
    """Return the mean of a criterion with these scores."""
    marks = groups or [""] * len(values)
    tally = tallied([one(n, value, mark) for n, (value, mark) in enumerate(zip(values, marks, strict=True))])
    return tally.summary().criteria["a"]


SCORES = st.none() | st.floats(1, 5)
ROWS = st.lists(
    st.tuples(st.none() | st.tuples(SCORES, SCORES), st.sampled_from(["", "", "g", "h"]), st.none() | st.floats(0, 1)),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(ROWS, st.randoms(use_true_random=False))
def test_a_tally_is_what_all_results_at_once_come_to(
    rows: list[tuple[tuple[float | None, float | None] | None, str, float | None]], order: random.Random
) -> None:
    """Counts, means, spreads, coverage, failures and usage equal a direct computation, in whatever order they come."""
    results = [result(n, scores, group=group, references=refs) for n, (scores, group, refs) in enumerate(rows)]
    mixed = list(results)
    order.shuffle(mixed)
    summary = tallied(mixed).summary()

    assert summary.cases == len(results)
    by_status = Counter(item.status for item in results)
    assert (summary.scored, summary.unscored, summary.gated) == tuple(
        by_status[status] for status in ("scored", "unscored", "gated")
    )
    judged = [item.score for item in results if item.score is not None]
    assert summary.coverage == pytest.approx(fmean(score.coverage for score in judged) if judged else 0)
    scored = [item for item in results if item.status == "scored"]
    assert summary.below_floor == sum(not item.passed for item in scored)
    assert summary.quality_counts == dict(sorted(Counter(item.quality for item in scored).items(), key=str))
    columns: dict[str, tuple[Mean | None, list[tuple[Result, float | None]]]] = {
        "value": (summary.value, [(item, item.value) for item in scored]),
        "quality": (summary.quality, [(item, item.quality) for item in scored]),
        "references": (summary.references, [(item, item.references.value) for item in results if item.references]),
        "rouge_l": (
            summary.metrics.get("rouge_l"),
            [(item, item.references.value) for item in results if item.references],
        ),
    }
    for name in "ab":
        found = [(item, item.verdict.scores[name]) for item in results if item.verdict]
        columns[name] = (summary.criteria.get(name), found)
    for name, (mean, pairs) in columns.items():
        check(name, mean, [(item, value) for item, value in pairs if value is not None])
    failures = sum(len(item.verdict.failures) for item in results if item.verdict)
    assert summary.failures == ({"timeout": failures} if failures else {})
    assert summary.usage.calls == 2 * len(judged)
    assert summary.usage.prompt_tokens == sum(item.verdict.usage.prompt_tokens for item in results if item.verdict)
    assert summary.judge_seconds == pytest.approx(0.5 * len(judged))
    assert summary.capped == sum(item.references is not None and item.case.id[-1] in "02468" for item in results)


def check(name: str, mean: Mean | None, pairs: Sequence[tuple[Result, float]]) -> None:
    """Compare a column with the plain formulas."""
    if not pairs:
        assert mean is None, name
        return
    assert mean is not None, name
    values = [value for _, value in pairs]
    middle = fmean(values)
    assert mean.n == len(values)
    assert mean.mean == pytest.approx(middle)
    assert mean.sd == (pytest.approx(stdev(values), abs=1e-7) if len(values) > 1 else None)
    groups: dict[str, list[float]] = {}
    for item, value in pairs:
        groups.setdefault(item.case.group or item.case.id, []).append(value)
    assert mean.units == len(groups)
    if len(groups) < LEAST_UNITS:
        assert (mean.low, mean.high) == (None, None)
        return
    meat = sum(sum(value - middle for value in group) ** 2 for group in groups.values())
    error = math.sqrt(len(groups) / (len(groups) - 1) * meat) / len(values)
    assert mean.low is not None
    assert mean.high is not None
    assert mean.high - mean.mean == pytest.approx(mean.mean - mean.low, abs=1e-9)
    if len(groups) - 1 in T_TABLE:
        assert mean.high - mean.mean == pytest.approx(T_TABLE[len(groups) - 1] * error, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("freedom", [freedom for freedom in T_TABLE if freedom >= LEAST_UNITS - 1])
def test_an_interval_uses_student_s_t(freedom: int) -> None:
    """Cases without groups: mean and t times s over the root of n, with t as printed tables have it."""
    values = [float(n % 7) for n in range(freedom + 1)]
    mean = mean_of(values)
    assert mean.units == mean.n == freedom + 1
    assert mean.high is not None
    assert (mean.high - mean.mean) / (stdev(values) / math.sqrt(freedom + 1)) == pytest.approx(
        T_TABLE[freedom], abs=6e-5, rel=3e-5
    )


def test_an_interval_counts_groups_not_cases() -> None:
    """By hand: six groups of two, twice (0, 2), (4, 6), (8, 10), mean 5, distances of their sums -8, 0 and 8.

    The variance is 6/5 · 4 · 64 / 12² = 32/15, its root 1.4606, and t for five degrees of freedom is 2.5706.
    """
    mean = mean_of([0, 2, 4, 6, 8, 10] * 2, list("aabbccddeeff"))
    assert (mean.n, mean.units, mean.mean) == (12, 6, 5)
    assert mean.sd == pytest.approx(math.sqrt(140 / 11))
    assert mean.low == pytest.approx(5 - 2.5706 * 1.4606, abs=1e-3)
    assert mean.high == pytest.approx(5 + 2.5706 * 1.4606, abs=1e-3)


def test_five_units_have_no_interval() -> None:
    """So few say so little that a printed interval would leave the scale."""
    assert mean_of([1.0, 2.0, 3.0, 4.0, 5.0]).low is None
    assert mean_of([1.0, 2.0, 3.0, 4.0, 5.0, 5.0]).low is not None


def test_repeating_every_case_in_its_group_makes_nothing_surer() -> None:
    """Ten copies of a case are no ten cases: the interval stays, while without groups it would shrink."""
    values = [2.0, 3.0, 7.0, 8.0, 9.0, 10.0]
    alone = mean_of(values)
    copied = mean_of(values * 10, [str(n) for n in range(6)] * 10)
    assert copied.low == pytest.approx(alone.low)
    assert copied.high == pytest.approx(alone.high)
    assert (copied.n, copied.units) == (60, 6)


def test_one_group_alone_has_no_interval() -> None:
    """A spread between groups cannot be seen from one of them; nor from a single case."""
    grouped, single = mean_of([1, 5, 9], ["g", "g", "g"]), mean_of([4])
    assert (grouped.mean, grouped.sd, grouped.low, grouped.high) == (5, 4, None, None)
    assert (single.mean, single.sd, single.low, single.high) == (4, None, None, None)


@pytest.mark.parametrize("value", [0.1, 4.3, 10.0])
def test_equal_scores_have_no_spread_at_all(value: float) -> None:
    """Not even by rounding: the spread of a thousand equal numbers is 0 and the interval a point."""
    mean = mean_of([value] * 1000)
    assert mean.mean == pytest.approx(value, rel=1e-14)
    assert mean.sd == 0
    assert mean.low == pytest.approx(value, abs=1e-12)
    assert mean.high == pytest.approx(value, abs=1e-12)


def test_the_order_of_the_cases_does_not_matter_to_the_last_digit() -> None:
    """Cases finish in another order each time; the mean and its interval are the same numbers, not nearly the same."""
    values = [0.1 * n for n in range(100)]
    one_way, other = mean_of(values), mean_of(values[::-1])
    assert (one_way.mean, one_way.low, one_way.high) == (other.mean, other.low, other.high)
    assert mean_of([6, 6, 7, 6, 7] * 8).mean == 6.4


def test_a_group_named_as_a_case_is_another_unit() -> None:
    """A case without a group is its own unit, even if a group bears its id."""
    tally = tallied([one(0, 1), one(1, 5, "0"), one(2, 9, "0")])
    assert tally.summary().criteria["a"].units == 2


def test_an_unknown_cost_stays_unknown() -> None:
    """One case whose cost nobody knows makes the sum unknown, never smaller."""
    known = tallied([result(n, (3, 3), cost=0.25) for n in range(3)])
    assert known.summary().usage.cost_usd == pytest.approx(0.75)
    known.add(result(3, (3, 3), cost=None))
    assert known.summary().usage.cost_usd is None


def test_nothing_at_all_is_no_number() -> None:
    """An empty tally has no means, and gated cases are in no coverage."""
    for tally in (Tally(), tallied([result(0, None)])):
        summary = tally.summary()
        assert (summary.value, summary.quality, summary.references, summary.coverage) == (None, None, None, 0)
        assert (summary.criteria, summary.metrics, summary.usage) == ({}, {}, Usage())
