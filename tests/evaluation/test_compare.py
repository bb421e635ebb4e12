from __future__ import annotations

import random
import statistics
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.evaluation import (
    ComparisonRefusedError,
    Result,
    RunRecord,
    Store,
    compare_runs,
    paired_results,
)
from tenward.judges import CriterionVerdict, Failure, JudgeSpec, ModelJudge, PanelJudge, Verdict
from tenward.metrics import MetricScore, ReferenceScore
from tenward.rubrics import GateResult, Rubric, compute_score

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from tenward.evaluation import Comparison, Difference
    from tenward.judges import Judge

    Scores = Mapping[str, tuple[float | None, float | None]]

RUBRIC = """\
rubric: r/v1
about: Is it good?
scale: [1, 5]
criteria:
  clear: {ask: Is it clear, weight: 60, levels: {1: "no", 5: "yes"}}
  kind: {ask: Is it kind, weight: 40}
references: {rouge_l: 2, chrf: 1}
mix: {judge: 0.8, references: 0.2}
"""
FAILED = Failure(kind="timeout", detail="no answer in time")


def rubric(**swaps: str) -> Rubric:
    """Return the rubric with pieces of its text replaced, given as ``old=new`` pairs numbered in their names."""
    text = RUBRIC
    for swap in swaps.values():
        old, new = swap.split(" => ")
        assert old in text
        text = text.replace(old, new)
    return Rubric.parse(text)


def record(name: str, of: Rubric | None = None, **changes: Any) -> RunRecord:
    """Return the record of a run of a judge of one's own."""
    fields: dict[str, Any] = {
        "id": name,
        "created": "2026-11-23T04:00:00+00:00",
        "status": "finished",
        "dataset": "cases",
        "dataset_digest": "0" * 16,
        "split": "all",
        "cases": None,
        "rubric": of or rubric(),
        "judge": "own/v1",
        "judge_file": {},
        "fingerprint": {"judge": "own/v1"},
    }
    return RunRecord(**fields | changes)


def judged_by(judge: Judge, name: str, of: Rubric | None = None) -> RunRecord:
    """Return the record of a run of this judge."""
    of = of or rubric()
    return record(name, of, judge=judge.name, judge_file=judge.describe(), fingerprint=dict(judge.fingerprint(of)))


def model_judge(**fields: Any) -> Judge:
    """Return a judge that would ask a service."""
    given: dict[str, Any] = {"judge": "gpt/v1", "model": "openai/gpt-x", "read": "stated"}
    return ModelJudge(JudgeSpec(**given | fields))


def result(case: Case, scores: Iterable[float | None], **changes: Any) -> Result:
    """Return the result of a case with scores for ``clear`` and ``kind``; None for a failure."""
    parts = zip(("clear", "kind"), scores, strict=True)
    verdict = Verdict(
        judge="own/v1",
        model="none",
        criteria=tuple(
            CriterionVerdict(criterion=name, score=score, failure=FAILED if score is None else None)
            for name, score in parts
        ),
    )
    score = compute_score(rubric(), verdict.scores)
    return replace(Result(case=case, rubric=rubric(), gates=(), verdict=verdict, score=score), **changes)


def results(scores: Scores, *, output: str = "text", groups: Mapping[str, str] | None = None) -> list[Result]:
    """Return results of cases without references."""
    groups = groups or {}
    return [
        result(Case(id=case, output=output, input=f"input of {case}", group=groups.get(case, "")), both)
        for case, both in scores.items()
    ]


@contextmanager
def stored(*runs: tuple[RunRecord, Iterable[Result]]) -> Generator[Store, None, None]:
    """Give a store that holds these runs."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite") as store:
        for run, found in runs:
            store.begin(run)
            store.add(run.id, list(enumerate(found)))
        yield store


def compared(a: Iterable[Result], b: Iterable[Result], **options: Any) -> Comparison:
    """Return the comparison of two runs with these results."""
    one, other = record("a"), record("b")
    with stored((one, a), (other, b)) as store:
        return compare_runs(store, one, other, **options)


def refusal(
    a: RunRecord, b: RunRecord, found_a: Iterable[Result] = (), found_b: Iterable[Result] = ()
) -> ComparisonRefusedError:
    """Return the error that comparing these runs raises."""
    cases = results({"c": (3, 3)})
    with (
        stored((a, found_a or cases), (b, found_b or cases)) as store,
        pytest.raises(ComparisonRefusedError) as caught,
    ):
        compare_runs(store, a, b)
    return caught.value


def accepted(a: RunRecord, b: RunRecord, found_a: Iterable[Result] = (), found_b: Iterable[Result] = ()) -> bool:
    """Whether these runs can be compared."""
    cases = results({"c": (3, 3)})
    with stored((a, found_a or cases), (b, found_b or cases)) as store:
        return compare_runs(store, a, b).pairs == 1


def rows(difference: Difference | None) -> tuple[float, ...]:
    """Return the numbers of a difference that turn their sign with the order of the runs."""
    assert difference is not None
    assert difference.low is not None
    assert difference.high is not None
    return difference.mean, difference.low, difference.high


def many(count: int, seed: int, *, mean: float = 3.0) -> Scores:
    """Return drawn scores for cases ``c0``, ``c1`` and so on."""
    draw = random.Random(seed)
    return {f"c{number}": (min(5, max(1, draw.gauss(mean, 0.5))), float(draw.randint(1, 5))) for number in range(count)}


# -- numbers -----------------------------------------------------------------------------------------------------

SCORE = st.one_of(st.none(), st.integers(1, 5).map(float))
PAIRS = st.lists(st.tuples(SCORE, SCORE, SCORE, SCORE, st.sampled_from(["", "g", "h"])), min_size=1, max_size=14)


def both_runs(drawn: list[Any]) -> tuple[list[Result], list[Result]]:
    """Return the results of two runs from drawn scores."""
    groups = {f"c{number}": row[4] for number, row in enumerate(drawn)}
    one = {f"c{number}": (row[0], row[1]) for number, row in enumerate(drawn)}
    other = {f"c{number}": (row[2], row[3]) for number, row in enumerate(drawn)}
    return results(one, groups=groups), results(other, groups=groups)


@settings(max_examples=30, deadline=None)
@given(drawn=PAIRS)
def test_the_other_way_round_is_the_negative(drawn: list[Any]) -> None:
    """Swapping the runs swaps wins and losses and turns the sign of every difference and interval."""
    one, other = both_runs(drawn)
    there, back = compared(one, other, resamples=200), compared(other, one, resamples=200)
    assert there.criteria.keys() == back.criteria.keys()
    pairs = [(there.value, back.value), (there.quality, back.quality)]
    pairs += [(there.criteria[name], back.criteria[name]) for name in there.criteria]
    for forth, reverse in pairs:
        assert (forth is None) == (reverse is None)
        if forth is None or reverse is None:
            continue
        assert (forth.n, forth.units, forth.ties) == (reverse.n, reverse.units, reverse.ties)
        assert (forth.wins, forth.losses) == (reverse.losses, reverse.wins)
        assert (forth.before, forth.after) == (reverse.after, reverse.before)
        assert forth.mean == pytest.approx(-reverse.mean, abs=1e-12)
        assert forth.after - forth.before == pytest.approx(forth.mean, abs=1e-9)
        assert (forth.low is None) == (reverse.high is None) == (forth.units < 6)
        if forth.low is not None and forth.high is not None and reverse.low is not None and reverse.high is not None:
            assert forth.low == pytest.approx(-reverse.high, abs=1e-9)
            assert forth.high == pytest.approx(-reverse.low, abs=1e-9)
            assert forth.low <= forth.mean <= forth.high


@settings(max_examples=20, deadline=None)
@given(drawn=PAIRS, order=st.randoms(use_true_random=False))
def test_the_order_of_the_cases_does_not_matter(drawn: list[Any], order: random.Random) -> None:
    """Shuffled results give the same numbers to the last digit, and the same cases that moved most."""
    one, other = both_runs(drawn)
    shuffled = [one[:], other[:]]
    for cases in shuffled:
        order.shuffle(cases)
    straight, mixed = compared(one, other, resamples=200), compared(*shuffled, resamples=200)
    assert (mixed.value, mixed.quality, mixed.criteria) == (straight.value, straight.quality, straight.criteria)
    assert [pair.a.case.id for pair in mixed.moved] == [pair.a.case.id for pair in straight.moved]


def test_a_run_beside_itself_has_not_moved() -> None:
    """The same run twice: every difference and interval is exactly 0, and all cases are ties."""
    run = record("a")
    with stored((run, results(many(20, 1)))) as store:
        comparison = compare_runs(store, run, run)
    for difference in (comparison.value, comparison.quality, *comparison.criteria.values()):
        assert difference is not None
        assert rows(difference) == (0, 0, 0)
        assert (difference.wins, difference.losses, difference.ties) == (0, 0, 20)
    assert comparison.moved == ()
    assert comparison.headline == "A and B are the same run: there is nothing to compare"


def test_values_criteria_and_quality_are_paired() -> None:
    """Each difference is B minus A on the same case, in the unit of what is compared."""
    comparison = compared(results({"x": (2, 3), "y": (4, 3)}), results({"y": (4, 4), "x": (4, 3)}))
    assert comparison.value is not None
    assert comparison.quality is not None
    assert comparison.value.mean == pytest.approx((0.6 * 2 / 5 + 0.4 * 1 / 5) / 2)
    assert comparison.criteria["clear"].mean == pytest.approx(1)
    assert comparison.criteria["kind"].mean == pytest.approx(0.5)
    assert (comparison.criteria["clear"].before, comparison.criteria["clear"].after) == (3, 4)
    assert (comparison.criteria["clear"].wins, comparison.criteria["clear"].ties) == (1, 1)
    assert comparison.criteria["clear"].sd == pytest.approx(statistics.stdev([2, 0]))
    assert comparison.quality.mean == pytest.approx((7 - 5 + 8 - 7) / 2)
    assert (comparison.pairs, comparison.value.n, comparison.value.units) == (2, 2, 2)


def test_a_group_counts_once() -> None:
    """Cases that share a source are one unit with the mean of their differences; wins are counted by case."""
    groups = {f"g{number}": "big" for number in range(10)}
    before: Scores = dict.fromkeys([*groups, *"abcdef"], (3.0, 3.0))
    after = {case: (5.0, 3.0) if case in groups else (3.0, 3.0) for case in before}
    comparison = compared(results(before, groups=groups), results(after, groups=groups))
    clear = comparison.criteria["clear"]
    assert (clear.n, clear.units, clear.wins, clear.ties) == (16, 7, 10, 6)
    assert clear.mean == pytest.approx(2 / 7)
    assert clear.low == 0
    assert "10 wins, 0 losses, 6 ties on 16 cases in 7 independent groups" in comparison.headline


def test_a_group_named_like_a_case_is_another_unit() -> None:
    """A group never takes in the case whose id is its name."""
    comparison = compared(
        results({"x": (1, 1), "y": (1, 1)}, groups={"y": "x"}), results({"x": (2, 1), "y": (2, 1)}, groups={"y": "x"})
    )
    assert comparison.criteria["clear"].units == 2


def test_cases_without_a_score_are_told_apart() -> None:
    """What only one run has, what was not scored and what failed a gate is named, and is in no difference."""
    gate = GateResult(gate="max_words: 4", passed=False, detail="5 words")
    gated = result(
        Case(id="gated", output="text", input="input of gated"), (3, 3), gates=(gate,), verdict=None, score=None
    )
    before = results({"a": (3, 3), "gated": (3, 3), "lost": (3, 3), "part": (3, None), "gone": (3, 3)})
    after = [*results({"new": (3, 3), "part": (4, 3), "lost": (None, None), "a": (4, None)}), gated]
    comparison = compared(before, after)
    assert (comparison.pairs, comparison.a.only, comparison.b.only) == (4, ("gone",), ("new",))
    assert (comparison.a.unscored, comparison.b.unscored) == (("part",), ("lost", "a"))
    assert (comparison.a.gated, comparison.b.gated) == ((), ("gated",))
    assert comparison.value is None
    assert comparison.criteria["clear"].n == 2
    assert "kind" not in comparison.criteria
    assert comparison.a.summary.coverage == pytest.approx((4 + 0.6) / 5)
    assert comparison.headline == "Nothing to compare: none of 4 cases was scored in both runs"
    with stored((record("a"), before), (record("b"), after)) as store:
        pairs = list(paired_results(store, record("a"), record("b")))
    assert {pair.a.case.id: pair.difference for pair in pairs} == dict.fromkeys(["a", "gated", "lost", "part"])


def test_the_cases_that_moved_most_come_with_both_texts() -> None:
    """The furthest first whatever the direction, equal ones by name, ties not at all, no more than asked for."""
    before: Scores = dict.fromkeys("abcdef", (3.0, 3.0))
    after: Scores = {**before, "a": (4.0, 3.0), "b": (1.0, 3.0), "c": (2.0, 3.0), "d": (5.0, 5.0)}
    one, other = results(before, output="old"), results(after, output="new")
    comparison = compared(one, other)
    assert [pair.a.case.id for pair in comparison.moved] == ["d", "b", "a", "c"]
    assert {(pair.a.case.output, pair.b.case.output) for pair in comparison.moved} == {("old", "new")}
    assert comparison.moved[1].difference == pytest.approx(-0.24)
    assert [pair.a.case.id for pair in compared(one, other, most_moved=2).moved] == ["d", "b"]
    assert compared(one, other, most_moved=0).moved == ()


def test_only_the_furthest_of_very_many_are_kept() -> None:
    """Texts of cases that others have overtaken are let go, and the right ones are left."""
    scores = {f"c{number:03}": (1 + number / 100, 3.0) for number in range(300)}
    comparison = compared(results(dict.fromkeys(scores, (1.0, 3.0))), results(scores), most_moved=3)
    assert [pair.a.case.id for pair in comparison.moved] == ["c299", "c298", "c297"]


def test_the_interval_of_normal_data_is_that_of_student() -> None:
    """The expanded percentile bootstrap agrees with the t interval where that one is right, for few units as well."""
    for count, t in ((8, 2.3646), (40, 2.0227)):
        differences = [NormalDist(0.1, 0.4).inv_cdf((number + 0.5) / count) for number in range(count)]
        before: Scores = {f"c{number}": (3.0, 3.0) for number in range(count)}
        after: Scores = {f"c{number}": (3.0 + d, 3.0) for number, d in enumerate(differences)}
        clear = compared(results(before), results(after), resamples=8000).criteria["clear"]
        half = t * statistics.stdev(differences) / count**0.5
        assert clear.low == pytest.approx(statistics.mean(differences) - half, abs=0.1 * half)
        assert clear.high == pytest.approx(statistics.mean(differences) + half, abs=0.1 * half)


def test_the_seed_decides_the_interval() -> None:
    """One seed gives one interval; another gives another, about the same."""
    one, other = results(many(30, 1)), results(many(30, 2, mean=3.4))
    assert compared(one, other).value == compared(one, other).value
    first, second = rows(compared(one, other).value), rows(compared(one, other, seed=1).value)
    assert first != second
    assert first == pytest.approx(second, abs=0.03)


@pytest.mark.parametrize(
    ("count", "shift", "said"),
    [
        (30, 1.0, "B is better by 0.120 [0."),
        (30, -1.0, "B is worse by 0.120 [0."),
        (5, 1.0, "B - A is +0.120, but these are too few to tell, 6 are needed: 5 wins, 0 losses, 0 ties on 5 cases"),
        (1, -1.0, "B - A is -0.120, but these are too few to tell, 6 are needed: 0 wins, 1 loss, 0 ties on 1 case"),
    ],
)
def test_the_headline_says_it_in_words(count: int, shift: float, said: str) -> None:
    """One line tells the direction, the size, the interval and the number of cases."""
    before: Scores = {f"c{number}": (3.0, 3.0) for number in range(count)}
    after: Scores = dict.fromkeys(before, (3.0 + shift, 3.0))
    assert compared(results(before), results(after)).headline.startswith(said)


def test_a_difference_within_chance_is_no_headline() -> None:
    """An interval that holds 0 is said to show nothing, with its sign on every number."""
    headline = compared(results(many(20, 1)), results(many(20, 2))).headline
    assert headline.startswith("No difference can be seen with these cases: B - A is ")
    assert headline.endswith(" ties on 20 cases")


def test_a_small_difference_is_not_shown_as_nothing() -> None:
    """A difference below the third decimal is written with as many decimals as it takes."""
    before: Scores = {f"c{number}": (3.0, 3.0) for number in range(8)}
    after: Scores = dict.fromkeys(before, (3.001, 3.0))
    assert compared(results(before), results(after)).headline.startswith("B is better by 0.00012 [0.00012, 0.00012], 8")


# -- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"model": "openai/gpt-y"}, "model: found openai/gpt-x in A and openai/gpt-y in B"),
        ({"read": "distribution"}, "reading: found stated/"),
        ({"samples": 3, "temperature": 0.5}, "temperature: found "),
        ({"seed": 7}, "seed: found "),
        ({"base_url": "http://localhost:1/v1"}, "endpoint: found openai in A and http://localhost:1/v1 in B"),
    ],
)
def test_another_judge_is_refused_by_component(fields: dict[str, Any], named: str) -> None:
    """Model, reading, sampling and endpoint are named with both values; one hash would tell nothing."""
    error = refusal(judged_by(model_judge(), "a"), judged_by(model_judge(**fields), "b"))
    assert error.exit_code == 2
    assert error.message.startswith("the scores of run A a and run B b do not measure the same\n")
    assert f"\n{named}" in error.message
    assert "schema" not in error.message
    assert "judge both with the same judge and rubric" in error.hint


def test_another_prompt_is_refused() -> None:
    """The version of the prompt is part of what defines a score."""
    run = judged_by(model_judge(), "a")
    error = refusal(run, replace(run, id="b", fingerprint={**run.fingerprint, "prompt": "old"}))
    assert f"prompt: found {run.fingerprint['prompt']} in A and old in B, expected the same" in error.message


@pytest.mark.parametrize(
    ("swap", "named"),
    [
        ("Is it clear => Is it very clear", "criteria.clear.ask: found Is it clear in A and Is it very clear in B"),
        ("kind: {ask => calm: {ask", "criteria.kind.ask: found Is it kind in A and nothing in B"),
        ("scale: [1, 5] => scale: [0, 5]", "scale: found 1 to 5 in A and 0 to 5 in B"),
        ('5: "yes" => 5: "very"', "criteria.clear.levels.5: found yes in A and very in B"),
        ("Is it good => Is it fine", "about: found Is it good? in A and Is it fine? in B"),
    ],
)
@pytest.mark.parametrize("judge", [None, model_judge(anchors=True)], ids=["own", "model"])
def test_another_wording_is_refused_by_field(judge: Judge | None, swap: str, named: str) -> None:
    """What the rubric asks is compared field by field, for judges that do not tell what they read as well."""
    other = rubric(swap=swap)
    runs = [judged_by(judge, name, of) if judge else record(name, of) for name, of in (("a", None), ("b", other))]
    error = refusal(runs[0], runs[1])
    assert f"\n{named}" in error.message
    assert "rubric: found" not in error.message
    assert "judge both with the same judge and rubric" in error.hint


@pytest.mark.parametrize(
    ("swap", "named"),
    [
        ("weight: 60 => weight: 20", "criteria.clear.weight: found 3/5 of the whole in A and 1/3 of the whole in B"),
        ("judge: 0.8 => judge: 0.6", "mix: found judge 0.8, references 0.2 in A and judge 0.75, references 0.25 in B"),
        ("rouge_l: 2 => rouge_l: 1", "references.rouge_l: found 0.666667 of the whole in A and 0.5 of the whole in B"),
        ("about: => normalize: range\nabout:", "normalize: found max in A and range in B"),
    ],
)
def test_another_weighing_is_refused_with_the_way_out(swap: str, named: str) -> None:
    """Verdicts that were turned into numbers differently need no new judging, only the same arithmetic."""
    judge = model_judge()
    error = refusal(judged_by(judge, "a"), judged_by(judge, "b", rubric(swap=swap)))
    assert f"\n{named}, expected the same" in error.message
    assert error.hint.startswith("weigh both alike: tenward eval again ")
    assert "nothing is paid twice" in error.hint


@pytest.mark.parametrize(
    "swaps",
    [
        {"one": "weight: 60 => weight: 3", "two": "weight: 40 => weight: 2"},
        {"one": "judge: 0.8 => judge: 4", "two": "references: 0.2 => references: 1"},
        {"one": "rouge_l: 2 => bleu: 0, rouge_l: 4", "two": "chrf: 1 => chrf: 2"},
        {"one": "about: => min_coverage: 0.5\ngates: [{max_words: 99}]\nabout:"},
        {"one": "weight: 40} => weight: 40, floor: 3}"},
        {"one": "r/v1 => r/v2"},
    ],
)
def test_what_changes_no_number_is_accepted(swaps: dict[str, str]) -> None:
    """The same ratios, another floor or gate, and another name of the rubric forbid nothing."""
    judge = model_judge()
    assert accepted(judged_by(judge, "a"), judged_by(judge, "b", rubric(**swaps)))


def test_metric_weights_matter_only_where_references_count() -> None:
    """Metrics that have no share in the value may be weighed as one likes."""
    alone = "judge: 0.8, references: 0.2 => judge: 1"
    judge = model_judge()
    runs = (
        judged_by(judge, "a", rubric(one=alone)),
        judged_by(judge, "b", rubric(one=alone, two="rouge_l: 2 => bleu: 1")),
    )
    assert accepted(*runs)


def test_members_of_a_panel_are_named() -> None:
    """A panel's components are those of its members, with their number and name; weights of members count."""
    panels = [
        PanelJudge("both/v1", [(model_judge(), 1), (model_judge(model=model, judge="x/v1", temperature=heat), weight)])
        for model, heat, weight in (("openai/x", 0.2, 1.0), ("openai/y", 0.4, 2.0))
    ]
    error = refusal(judged_by(panels[0], "a"), judged_by(panels[1], "b"))
    assert "2.x/v1.model: found openai/x in A and openai/y in B" in error.message
    assert "panel.2.member.temperature: found 0.2 in A and 0.4 in B" in error.message
    assert "panel: found gpt/v1=1,x/v1=1 in A and gpt/v1=1,x/v1=2 in B" in error.message


def test_long_lists_of_differences_are_cut() -> None:
    """Of very many differences the first are named and the rest counted."""
    run = record("a")
    error = refusal(run, replace(run, id="b", fingerprint={f"part{number}": "x" for number in range(20)}))
    assert error.message.splitlines()[-1] == "and 13 more"


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("input", "another task", "case c: input: found input of c in A and another task in B"),
        ("context", "rules", "case c: context: found an empty text in A and rules in B"),
        ("references", ("good",), "case c: references: found () in A and ('good',) in B"),
        ("group", "g", "case c: group: found an empty text in A and g in B"),
    ],
)
def test_other_inputs_are_refused(field: str, value: Any, named: str) -> None:
    """An id that stands for another task, context, reference or source in each run is no pair."""
    one = results({"c": (3, 3)})
    other = [replace(item, case=replace(item.case, **{field: value})) for item in one]
    error = refusal(record("a"), record("b", dataset_digest="1" * 16), one, other)
    assert f"{named}, expected the same" in error.message
    assert error.hint.startswith("judge both on the same cases")


def test_two_long_texts_are_shown_where_they_part() -> None:
    """Of two long inputs the place is shown where they begin to differ, escaped."""
    one = results({"c": (3, 3)})
    other = [replace(item, case=replace(item.case, input="same " * 50 + "then \x1b[31mthis")) for item in one]
    first = [replace(item, case=replace(item.case, input="same " * 50 + "then that")) for item in one]
    message = refusal(record("a"), record("b"), first, other).message
    assert "…" in message
    assert "then that in A" in message
    assert r"then \x1b[31mthis in B" in message


def test_other_outputs_are_what_a_comparison_is_for() -> None:
    """Two versions of an artefact on the same cases, ratings included, are compared."""
    one = results({"c": (3, 3)}, output="old")
    other = [replace(item, case=replace(item.case, output="new", human={"clear": 3})) for item in one]
    assert accepted(record("a"), record("b", dataset="other", dataset_digest="1" * 16), one, other)


def test_signatures_of_metrics_count_where_references_do() -> None:
    """Another library version is refused where it is part of the value, and no hindrance where it is not."""
    case = Case(id="c", output="text", references=("text",))

    def found(version: str) -> list[Result]:
        metric = MetricScore(value=0.5, best_reference=0, capped=False, signature=f"rouge-score {version}")
        return [result(case, (3, 3), references=ReferenceScore(value=0.5, metrics={"rouge_l": metric}))]

    error = refusal(record("a"), record("b"), found("1"), found("2"))
    assert "case c: rouge_l signature: found rouge-score 1 in A and rouge-score 2 in B" in error.message
    alone = rubric(swap="judge: 0.8, references: 0.2 => judge: 1")
    assert accepted(record("a", alone), record("b", alone), found("1"), found("2"))


def test_a_verdict_that_was_made_otherwise_is_refused() -> None:
    """Verdicts that were recorded elsewhere and replayed tell more of their making than the record of the run."""
    one = results({"c": (3, 3)})
    made: list[list[Result]] = []
    for version in ("1", "2"):
        verdict = one[0].verdict
        assert verdict is not None
        made.append([replace(one[0], verdict=replace(verdict, fingerprint={"prompt": version}))])
    error = refusal(record("a"), record("b"), made[0], made[1])
    assert "case c: prompt: found 1 in A and 2 in B" in error.message
    assert accepted(record("a"), record("b"), made[0], one)


def test_runs_without_a_common_case_are_refused() -> None:
    """Two splits of a data set have no pair, and the message says what each run holds."""
    error = refusal(
        record("a", split="dev"), record("b", split="sealed"), results({"x": (3, 3)}), results({"y": (3, 3)})
    )
    assert "share no case: found cases of cases (dev) and of cases (sealed)" in error.message
    assert error.hint == "compare two runs over the same data set"
