from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenward.evaluation import Mean, ShownScale, evaluate_case
from tenward.reports import render_comparison
from tenward.rubrics import Rubric
from tenward.testing import ScriptedJudge

if TYPE_CHECKING:
    from tests.reports.conftest import Samples


def text_of(page: str) -> str:
    """What a reader sees without JavaScript, on one line."""
    visible = re.sub(r"(?s)<(style|script)\b.*?</\1>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", visible)).split())


def mean(low: float | None, high: float | None) -> Mean:
    """A paired difference with this interval."""
    middle = 0.1 if low is None or high is None else (low + high) / 2
    return Mean(n=20, units=20, mean=middle, sd=0.1, low=low, high=high)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (mean(0.01, 0.2), "B is better."),
        (mean(-0.2, -0.01), "A is better."),
        (mean(-0.1, 0.2), "No difference can be told."),
        (mean(0.0, 0.2), "No difference can be told."),
        (mean(None, None), "Too few independent cases to tell a difference."),
        (None, "No case was scored in both runs."),
    ],
)
def test_the_interval_decides_which_run_is_called_better(samples: Samples, value: Mean | None, verdict: str) -> None:
    """A run is called better only where the interval of the paired difference leaves out 0."""
    page = render_comparison(replace(samples.comparison(4), value=value, quality=None))
    assert verdict in text_of(page)


def test_differences_are_shown_with_sign_and_interval(samples: Samples) -> None:
    """The overall difference and each criterion's stand with their intervals, with a true minus sign."""
    view = samples.comparison(30)
    assert view.quality is not None
    text = text_of(render_comparison(view))
    assert f"{view.quality.mean:+.2f}".replace("-", "−") + " of quality 95 % interval" in text
    for name, difference in view.criteria.items():
        told = f"{difference.mean:+.2f} {difference.low:+.2f} to {difference.high:+.2f}".replace("-", "−")
        assert re.search(rf"{name} \d+ % [\d.]+ → [\d.]+ {re.escape(told)}", text)


def test_wins_losses_and_ties_are_counted_with_the_margin(samples: Samples) -> None:
    """A difference up to the margin is a tie, and a case without a score on one side is not compared."""
    view = samples.comparison(20)
    scored = [pair.difference for pair in view.pairs if pair.difference is not None]
    margin = sorted(abs(difference) for difference in scored)[len(scored) // 2]
    text = text_of(render_comparison(replace(view, tie=margin)))
    wins = sum(difference > margin + 1e-9 for difference in scored)
    ties = sum(abs(difference) <= margin + 1e-9 for difference in scored)
    losses, rest = len(scored) - wins - ties, len(view.pairs) - len(scored)
    assert f"B better {wins} A better {losses} tie {ties} not compared {rest} A difference of at most" in text


def test_the_cases_that_moved_most_come_first(samples: Samples) -> None:
    """The table is ordered by the size of the difference, with the cases that cannot be compared last."""
    page = render_comparison(samples.comparison(30))
    found = re.search(r'(?s)<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    moved = [key[4] for key in json.loads(found[1])["keys"]]
    sizes = [abs(difference) for difference in moved if difference is not None]
    assert sizes == sorted(sizes, reverse=True)
    assert moved[len(sizes) :] == [None] * (len(moved) - len(sizes))


def test_what_makes_two_runs_unlike_is_said_first(samples: Samples) -> None:
    """Different fingerprints, and cases that only one run has, are warnings and not footnotes."""
    view = samples.comparison(4)
    other = replace(view.record_b, fingerprint={"rubric": "a1b2c3", "prompt": "changed", "model": "0718293a"})
    text = text_of(render_comparison(replace(view, record_b=other, only_a=("x", "y"), only_b=tuple("abcdefg"))))
    assert "The scores do not measure the same: the runs differ in prompt." in text
    assert "2 cases in run A only, not compared: x, y." in text
    assert "7 cases in run B only, not compared: a, b, c, d, e and 2 more." in text


def test_runs_without_a_common_case_still_have_a_report(samples: Samples) -> None:
    """Nothing to compare is said in words."""
    view = replace(samples.comparison(2), pairs=(), value=None, quality=None, criteria={})
    assert "No case was scored in both runs." in text_of(render_comparison(view))


async def test_runs_under_unlike_rubrics_compare_what_they_share(samples: Samples) -> None:
    """A criterion that only one run has is no difference, and does not stop the report."""
    view = samples.comparison(2)
    older = Rubric.parse(
        "rubric: review/v1\nabout: Is it good?\ncriteria: {accuracy: 'Is it true?', length: 'Is it short?'}"
    )
    pair = view.pairs[0]
    judge = ScriptedJudge({"accuracy": 2, "length": 5})
    before = await evaluate_case(pair.case, older, judge)
    record = replace(view.record_a, rubric=older, fingerprint={"rubric": "other"})
    changed = replace(pair, result_a=before, difference=0.1)
    page = render_comparison(replace(view, record_a=record, pairs=[changed]))
    found = re.search(r'(?s)<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    keys = json.loads(found[1])["keys"][0]
    assert isinstance(keys[5], float)
    assert keys[6:] == [None, None]
    assert "the runs differ in rubric, prompt, model." in text_of(page)


def test_contradictions_and_whose_opinion_it_is(samples: Samples) -> None:
    """What references say stands first, and the interval is that of the judge's opinion."""
    told = "judge: A better in 11 of 11; references: B better in 8 of 11"
    view = replace(samples.comparison(12), disagreements=[told], opinion="95 % intervals are of what gpt/v1 would say")
    page = render_comparison(view)
    assert page.index(f"{told[:1].upper()}{told[1:]}.") < page.index('id="h-difference"')
    assert "95 % intervals are of what gpt/v1 would say." in page
    assert "of quality" in page
    raw = replace(view, record_a=replace(view.record_a, scale=ShownScale()))
    assert "of value, raw readings" in render_comparison(raw)
    assert 'class="big"' not in render_comparison(raw)
