from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.evaluation import Disagreement, ShownScale, evaluate_case
from tenward.judges import CheckReading, Step, Usage, explain_by_program
from tenward.reports import render_run
from tenward.testing import ScriptedJudge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenward.evaluation import Result
    from tests.reports.conftest import Samples


class Outline(HTMLParser):
    """Elements of a page, in order, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))


def text_of(page: str) -> str:
    """What a reader sees without JavaScript, on one line."""
    visible = re.sub(r"(?s)<(style|script)\b.*?</\1>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", visible)).split())


def data_of(page: str) -> dict[str, Any]:
    """The data the page's script reads."""
    found = re.search(r'(?s)<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def quoting(
    samples: Samples, output: str, quotes: dict[str, tuple[str, ...]]
) -> list[tuple[str, list[str], list[str]]]:
    """The marked passages of an output: text, criteria that quote it, criteria whose quote ends there."""
    result = samples.judged([Case(id="a-1", output=output)])[0]
    assert result.verdict is not None
    criteria = tuple(replace(item, evidence=quotes.get(item.criterion, ())) for item in result.verdict.criteria)
    quoted = replace(result, verdict=replace(result.verdict, criteria=criteria))
    data = data_of(render_run(samples.record(1), [quoted], samples.sum_up([quoted])))
    names = [criterion["name"] for criterion in data["rubric"]["criteria"]]
    units = data["cases"][0]["output"].encode("utf-16-le")
    return [
        (units[2 * start : 2 * end].decode("utf-16-le"), [names[n] for n in over], [names[n] for n in ending])
        for start, end, over, ending in data["cases"][0].get("marks", [])
    ]


def test_a_report_says_who_wrote_its_words_and_what_was_checked(samples: Samples) -> None:
    """Checks stand with their probabilities; a step about a check is worth its share of what the criterion lacks."""
    (result,) = samples.results(1)
    assert result.verdict is not None
    items = tuple(replace(item, reason="", distribution={}) for item in result.verdict.criteria)
    bare = replace(result.verdict, criteria=items, why_not_2_lower="", steps_to_10=())
    verdict = explain_by_program(bare, result.rubric)
    checks = (CheckReading(says="It is short", probability=0.25), CheckReading(says="It is kind", probability=0.75))
    checked = (replace(verdict.criteria[0], checks=checks), *verdict.criteria[1:])
    step = Step(criterion="accuracy", text="Cut it", at_stake=0.75)
    told = replace(result, verdict=replace(verdict, criteria=checked, steps_to_10=(step,)))
    (case,) = data_of(render_run(samples.record(1), [told], samples.sum_up([told])))["cases"]
    assert case["words"] == "program"
    assert case["criteria"][0]["checks"] == [["It is short", 0.25, False], ["It is kind", 0.75, None]]
    assert case["criteria"][0]["reason"].startswith(("Between ", "At "))
    assert result.score is not None
    assert case["steps"] == [["accuracy", "Cut it", round(0.75 * result.score.parts[0].headroom, 3)]]


def test_the_head_of_a_report_says_what_was_judged_by_whom_and_when(samples: Samples) -> None:
    """Data set, rubric, judge, model, split and date stand above everything else."""
    text = text_of(samples.page(12))
    assert "review-comments judged by rubric review/v1 · judge gpt/v1 (openai/gpt-x) · calibrated · dev cases" in text
    assert "2026-11-23 04:15 UTC" in text


def test_the_headline_is_the_mean_quality_with_its_interval(samples: Samples) -> None:
    """The number never stands without its interval, and says how many cases and groups it is the mean of."""
    results = samples.results(40)
    summary = samples.sum_up(results)
    quality = summary.quality
    assert quality is not None
    assert quality.low is not None
    assert quality.high is not None
    text = text_of(render_run(samples.record(40), results, summary))
    assert f"{quality.mean:.1f} of 10 95 % interval {quality.low:.1f} to {quality.high:.1f}" in text
    assert f"Mean of {quality.n} scored cases in {quality.units} groups" in text


def test_one_case_has_no_interval_and_says_so(samples: Samples) -> None:
    """A single case shows its number, and no interval is made up for it."""
    assert "95 % interval no interval: fewer than two independent cases" in text_of(samples.page(1))


def test_a_run_without_any_result_still_has_a_report(samples: Samples) -> None:
    """Stopped before the first case: no number, no chart of nothing, but the record."""
    page = render_run(samples.record(9, status="stopped", note="budget: $0"), [], samples.sum_up([]))
    text = text_of(page)
    assert "Stopped early: budget: $0. 0 of 9 cases have a result" in text
    assert "No case was scored." in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "stopped", "note": "budget: $0.20 of $0.20 used"}, "Stopped early: budget: $0.20 of $0.20 used."),
        ({"status": "running"}, "Not finished: the run is going on, or its process was ended. 4 of 30 cases"),
        ({}, "Not all cases: 4 of 30 cases have a result."),
    ],
)
def test_a_run_that_is_not_whole_says_so_first(samples: Samples, changes: dict[str, str], said: str) -> None:
    """A banner names what ended the run and how many cases there are."""
    results = samples.results(4)
    page = render_run(samples.record(30, **changes), results, samples.sum_up(results))
    assert said in text_of(page)


def test_what_was_not_scored_is_announced_and_never_counts_as_zero(samples: Samples) -> None:
    """Coverage, unscored and gated cases have their warnings; the table shows a dash for a missing score."""
    results = samples.results(20)
    summary = samples.sum_up(results)
    page = render_run(samples.record(20), results, summary)
    text = text_of(page)
    assert f"{summary.unscored} cases were not scored and in no mean" in text
    assert f"Coverage {int(summary.coverage * 1000) / 10:g} %" in text
    assert "1 case failed a gate" in text
    assert "refused 3 the model refused to answer" in text
    assert "bad_quote 1 a cited quote does not stand in the text" in text
    keys = dict(zip([case["id"] for case in data_of(page)["cases"]], data_of(page)["keys"], strict=True))
    assert keys["comment-007"][2:7] == [None] * 5


def test_a_run_where_all_is_well_has_no_warning(samples: Samples) -> None:
    """No banner is shown where there is nothing to warn of."""
    assert 'class="banners"' not in samples.page(4)


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (None, "cost unknown (no price in the judge file)"),
        (0.0, "no cost"),
        (0.00001, "below $0.0001"),
        (0.5, "$1.0000"),
        (6.0, "$12.00"),
    ],
)
def test_cost_is_never_made_up(samples: Samples, cost: float | None, said: str) -> None:
    """An unknown price is unknown and not $0; a small one is not rounded to nothing."""
    results = samples.judged([samples.case(1), samples.case(2)], cost=cost)
    text = text_of(render_run(samples.record(2), results, samples.sum_up(results)))
    assert f"cost {said}" in text
    assert "$0.00 " not in text


def test_criteria_metrics_and_fingerprint_are_shown(samples: Samples) -> None:
    """Weights and means per criterion, metrics with their signatures, and every component of the fingerprint."""
    results = samples.results(12)
    summary = samples.sum_up(results)
    page = render_run(samples.record(12), results, summary)
    text = text_of(page)
    for name, weight in (("accuracy", "40 %"), ("clarity", "35 %"), ("kindness", "25 %")):
        mean = summary.criteria[name]
        assert re.search(rf"{name} (floor 2 )?(\d+ scored )?{weight} {mean.mean:.2f} {mean.low:.2f} to", text)
    for signature in summary.signatures.values():
        assert signature in text
    for part in ("rubric a1b2c3", "prompt d4e5f6", "model 0718293a", "sha256:3b1f0c55e2f0"):
        assert part in text


async def test_a_criterion_below_its_floor_is_marked(samples: Samples) -> None:
    """The row names the criterion in words, and the case carries the mark on the score."""
    rubric = samples.rubric()
    judge = ScriptedJudge({"accuracy": 1, "clarity": 5, "kindness": 5})
    result = await evaluate_case(Case(id="a", output="Five words are in here."), rubric, judge)
    data = data_of(render_run(samples.record(1), [result], samples.sum_up([result])))
    assert data["states"] == ["below floor"]
    assert data["keys"][0][-1] == "below floor: accuracy"
    assert [part.get("low", False) for part in data["cases"][0]["criteria"]] == [True, False, False]


def test_evidence_is_located_word_for_word(samples: Samples) -> None:
    """Passages that share text are cut into pieces, and each piece knows whose it is and whose end."""
    found = quoting(samples, "one two three four", {"accuracy": ("one two three",), "clarity": ("three four", "two")})
    assert found == [
        ("one ", ["accuracy"], []),
        ("two", ["accuracy", "clarity"], ["clarity"]),
        (" ", ["accuracy"], []),
        ("three", ["accuracy", "clarity"], ["accuracy"]),
        (" four", ["clarity"], ["clarity"]),
    ]


@pytest.mark.parametrize(
    ("output", "quote", "found"),
    [
        ("He said “stop\n  it” – twice.", 'said "stop it" - twice', ["said “stop\n  it” – twice"]),
        ("It CRASHES here.", "it crashes here.", ["It CRASHES here"]),
        ("first part, middle, last part", "first part ... last part", ["first part", "last part"]),
        ("\U0001f600\U0001f600 look here", "look here", ["look here"]),
        ("a\0b c", "a b", ["a␀b"]),
        ("a (b* [c", "(b* [c", ["(b* [c"]),
        ("nothing of it", "something else", []),
        ("nothing of it", "...", []),
        ("last part, first part", "first part ... last part", []),
    ],
)
def test_evidence_is_located_however_it_was_typed(samples: Samples, output: str, quote: str, found: list[str]) -> None:
    """White space, quotation marks, dashes, case and an ellipsis may differ; what is not there is not marked."""
    assert [text for text, _, _ in quoting(samples, output, {"accuracy": (quote,)})] == found


def test_the_policy_names_the_one_style_and_the_one_script(samples: Samples) -> None:
    """Everything is forbidden but the two inline blocks, by their hashes; nothing in the page points elsewhere."""
    page = samples.page(3)
    outline = Outline(page)
    policy = next(str(a["content"]) for _, a in outline.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        block = re.search(rf"(?s)<{tag}>(.*?)</{tag}>", page)
        assert block is not None
        digest = base64.b64encode(hashlib.sha256(block[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for tag, attributes in outline.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert not {"src", "style", "srcset", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert str(attributes.get("href", "#")).startswith("#")


def test_headings_are_in_order_and_every_table_has_a_caption(samples: Samples) -> None:
    """A screen reader can walk the page: no heading level is skipped, and no table is nameless."""
    tags = [tag for tag, _ in Outline(samples.page(20)).elements]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert tags.count("table") == tags.count("caption")


def test_results_are_taken_one_at_a_time(samples: Samples) -> None:
    """A generator will do, so a run can be read from a store while it is rendered; equal input gives an equal page."""
    results = samples.results(5)

    def stream() -> Iterator[Result]:
        yield from results

    summary = samples.sum_up(results)
    assert render_run(samples.record(5), stream(), summary) == render_run(samples.record(5), results, summary)


def test_very_long_texts_are_cut_and_say_so(samples: Samples) -> None:
    """One huge output does not make the report unreadable; its length is still told."""
    result = replace(samples.results(1)[0], case=Case(id="long", output="ab " * 100_000))
    output = data_of(render_run(samples.record(1), [result], samples.sum_up([result])))["cases"][0]["output"]
    assert output.endswith("\n[cut here: 300,000 characters in all]")
    assert len(output) < 100_100


def test_a_report_on_many_cases_stays_small(samples: Samples) -> None:
    """2,000 cases of ordinary length make a file that a browser opens easily."""
    few = samples.results(20)
    results = [
        replace(result, case=replace(result.case, id=f"{result.case.id}-{copy}"))
        for copy in range(100)
        for result in few
    ]
    page = render_run(samples.record(2000), results, samples.sum_up(results))
    assert len(data_of(page)["cases"]) == 2000
    assert len(page.encode()) < 8_000_000


def test_whole_scores_are_written_without_decimals(samples: Samples) -> None:
    """A judge that states whole numbers gets a table of whole numbers; one decimal anywhere gives all one."""
    result = samples.results(1)[0]
    assert result.verdict is not None

    def cells(*scores: float) -> list[str]:
        assert result.verdict is not None
        criteria = tuple(
            replace(item, score=score) for item, score in zip(result.verdict.criteria, scores, strict=True)
        )
        changed = replace(result, verdict=replace(result.verdict, criteria=criteria))
        row = re.search(
            r'(?s)<tr data-i="0">.*?</tr>', render_run(samples.record(1), [changed], samples.sum_up([changed]))
        )
        assert row is not None
        return re.findall(r"<td>([^<]*)</td>", row[0])[1:4]

    assert cells(5, 1, 3) == ["5", "1", "3"]
    assert cells(5, 1.25, 3) == ["5.0", "1.2", "3.0"]


def test_words_of_a_failure_reach_the_page(samples: Samples) -> None:
    """The class, what it means and what was found are in the case's data, beside what the case took."""
    page = samples.page(5)
    case = data_of(page)["cases"][4]
    assert case["criteria"][2]["failure"] == [
        "bad_quote",
        "a cited quote does not stand in the text",
        "the candidate does not contain 'very kind'",
    ]
    assert "3 calls · 1,840 prompt tokens, 1,200 of them reused · 212 written · $0.0012" in case["took"]


def test_an_unknown_cost_of_one_case_makes_the_sum_unknown(samples: Samples) -> None:
    """A sum with an unknown part is unknown."""
    first, second = samples.results(2)
    assert second.verdict is not None
    priceless = replace(second, verdict=replace(second.verdict, usage=Usage(calls=1, cost_usd=None)))
    results = [first, priceless]
    text = text_of(render_run(samples.record(2), results, samples.sum_up(results)))
    assert "cost cost unknown (no price in the judge file) calls 4" in text


def test_raw_readings_are_no_grade(samples: Samples) -> None:
    """What was read stands in the place of the big number, which is there where scores are calibrated."""
    page = samples.page(30, scale=ShownScale())
    text = text_of(page)
    assert "· raw readings ·" in text
    assert "Raw: compares texts, is no grade." in text
    assert 'class="big"' not in page
    assert data_of(page)["grade"] is False
    graded = samples.page(30)
    assert 'class="big"' in graded
    assert "Scores are calibrated, typically off by 0.7 points of 5, each case by itself." in text_of(graded)
    assert "fitted on 600 rated comments" in text_of(graded)


def test_the_raw_reading_stands_beside_the_score(samples: Samples) -> None:
    """A case's data hold what was read before it was mapped, and the weighted sum."""
    result = samples.results(1)[0]
    assert result.verdict is not None
    mapped = replace(result.verdict, criteria=tuple(replace(item, raw=3.25) for item in result.verdict.criteria))
    changed = replace(result, verdict=mapped)
    case = data_of(render_run(samples.record(1), [changed], samples.sum_up([changed])))["cases"][0]
    assert [criterion["raw"] for criterion in case["criteria"]] == [3.25] * 3
    assert result.score is not None
    assert case["sum"] == result.score.weighted_sum


def test_contradictions_come_before_everything(samples: Samples) -> None:
    """Where ratings order the cases against the judge, that stands above warnings and headline."""
    results = samples.results(30)
    told = "judge and ratings order these cases against each other (Spearman -.50, -.70 to -.20, on 30 cases)"
    against = Disagreement(against="ratings", text=told, cases=30)
    page = render_run(samples.record(40), results, replace(samples.sum_up(results), disagreements=(against,)))
    place = page.index(f"{told[:1].upper()}{told[1:]}.")
    assert place < page.index('aria-label="Warnings"') < page.index('id="h-quality"')
