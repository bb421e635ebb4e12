from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tenward.datasets import Case
from tenward.evaluation import Mean, Result, RunRecord, ShownScale, Summary, Tally, evaluate_case
from tenward.judges import Failure, Step, Usage
from tenward.reports import CasePair, ComparisonView, render_run, write_report
from tenward.rubrics import Rubric
from tenward.testing import ScriptedJudge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from playwright.sync_api import Browser, Page

RUBRIC = """\
rubric: review/v1
about: Is this review comment worth the author's time?
names: {candidate: comment, input: diff}
criteria:
  accuracy: {ask: "Is what it says true of the diff?", weight: 40, floor: 2, levels: {1: wrong, 3: partly, 5: right}}
  clarity: {ask: "How clear is it?", weight: 35}
  kindness: {ask: "How kind is it?", weight: 25}
gates: [{max_words: 400}]
references: {rouge_l: 1, chrf: 1}
mix: {judge: 0.8, references: 0.2}
"""
DIFF = """diff --git a/app.py b/app.py
@@ -1,4 +1,4 @@
 def run(items):
-    return items[{number}]
+    return items"""
SUBJECTS = ("the lock", "this loop", "the cache key", "`parse_duration`", "the retry", "this test", "the timeout")
FAULTS = ("is taken twice", "never ends when the list is empty", "drops the last entry", "ignores the time zone")
NAMES = ("accuracy", "clarity", "kindness")
ADVICE = ("Move it out of the branch", "Add a case for an empty list", "Return early", "Name the unit in the argument")


def rubric(more: str = "") -> Rubric:
    """The rubric of the samples, with further keys."""
    return Rubric.parse(RUBRIC + more)


def sample_case(number: int) -> Case:
    """A review comment that reads like one; the same for the same number."""
    chance = random.Random(number)
    subject, fault, advice = chance.choice(SUBJECTS), chance.choice(FAULTS), chance.choice(ADVICE)
    output = (
        f"I think {subject} {fault}: with two callers the second one waits for ever. {advice}, and say so in the "
        f"docstring.\n\nNit: “{subject}” could do with a better name – see the guide."
    )
    return Case(
        id=f"comment-{number:03}",
        input=DIFF.format(number=number),
        output=output,
        references=(f"{subject.capitalize()} {fault}. {advice}.", "Looks fine to me."),
        context="Comments are read by newcomers." if number % 5 == 0 else "",
        human={"accuracy": 1 + number % 5, "overall": 4} if number % 3 == 0 else {},
        group=f"change-{number // 3}" if number % 2 else "",
    )


def say(result: Result, *, seed: int = 0, cost: float | None = 0.0012) -> Result:
    """The result with the words, spreads and distributions of a judge that gives them."""
    assert result.verdict is not None
    case = result.case
    chance = random.Random(f"{case.id}/{seed}")
    sentence = case.output.split(". ")[0]
    middle = " ".join(sentence.split()[2:8])
    quotes = {"accuracy": (sentence,), "clarity": (middle, "better name - see the guide"), "kindness": ("I think",)}
    criteria = tuple(
        item
        if item.score is None
        else replace(
            item,
            reason=f"It names the place and the cause; {chance.choice(['the advice fits', 'the advice is vague'])}.",
            evidence=quotes.get(item.criterion, ()),
            spread=round(chance.uniform(0.2, 1.1), 2),
            distribution=around(item.score),
            label_mass=chance.choice([0.99, 0.97, 0.62]),
        )
        for item in result.verdict.criteria
    )
    verdict = replace(
        result.verdict,
        model="openai/gpt-x",
        criteria=criteria,
        why_not_2_lower="The fault is real and the comment says where it is.",
        steps_to_10=(
            Step(criterion="kindness", text="Ask instead of telling."),
            Step(criterion="accuracy", text="Show the two callers that wait for each other."),
        ),
        usage=Usage(calls=3, prompt_tokens=1840, cached_tokens=1200, completion_tokens=212, cost_usd=cost),
        seconds=2.4,
    )
    return replace(result, verdict=verdict)


def around(score: float) -> Mapping[float, float]:
    """A distribution over 1 to 5 with most of it near a score."""
    shares = {float(level): 2.0 ** (-3 * abs(level - score)) for level in range(1, 6)}
    total = sum(shares.values())
    return {level: share / total for level, share in shares.items()}


def scores_of(case: Case, *, lift: float = 0.0) -> Mapping[str, float | Failure]:
    """Scores that differ between cases; a few fail, or fall below the floor."""
    chance = random.Random(case.id)
    found: dict[str, float | Failure] = {
        name: min(5.0, max(1.0, round(chance.gauss(3.5 + lift, 0.9), 2))) for name in NAMES
    }
    number = int(case.id.rpartition("-")[2]) if case.id[-1].isdigit() else 0
    if number % 17 == 5:
        found["kindness"] = Failure(kind="bad_quote", detail="the candidate does not contain 'very kind'")
    if number % 23 == 7:
        found = dict.fromkeys(found, Failure(kind="refused", detail="the model declined to answer"))
    return found


def judged(cases: Sequence[Case], *, lifts: Sequence[float] = (0.0,), cost: float | None = 0.0012) -> list[Result]:
    """Cases with the verdicts of a scripted judge, and words for them; the lifts are taken in turn.

    A thread of its own runs the event loop, since a browser's loop may be running in this one.
    """

    async def run() -> list[Result]:
        results: list[Result] = []
        for number, case in enumerate(cases):
            lift = lifts[number % len(lifts)]
            judge = ScriptedJudge(partial(scores_of, lift=lift))
            result = await evaluate_case(case, rubric(), judge)
            results.append(say(result, seed=int(10 * lift), cost=cost) if result.verdict is not None else result)
        return results

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


def sample_results(count: int, *, cost: float | None = 0.0012) -> list[Result]:
    """Results of so many cases; every twentieth fails its gate."""
    cases = [sample_case(number) for number in range(1, count + 1)]
    long = [replace(case, output="word " * 401) if case.id.endswith("19") else case for case in cases]
    return judged(long, cost=cost)


def sum_up(results: list[Result]) -> Summary:
    """What results come to."""
    tally = Tally()
    for result in results:
        tally.add(result)
    return tally.summary()


def record(cases: int, **changes: object) -> RunRecord:
    """The record of a run over so many cases."""
    basis = RunRecord(
        id="reviews-20261123-041500-3f2a",
        created="2026-11-23T04:15:00+00:00",
        status="finished",
        dataset="review-comments",
        dataset_digest="sha256:3b1f0c55e2f0",
        split="dev",
        cases=cases,
        rubric=rubric(),
        judge="gpt/v1",
        judge_file={"judge": "gpt/v1", "model": "openai/gpt-x"},
        fingerprint={"rubric": "a1b2c3", "prompt": "d4e5f6", "model": "0718293a"},
        scale=ShownScale(label="calibrated", source="600 rated comments", error=0.7, mapped=1.0),
        settings={"explain": True},
        seconds=143.2,
    )
    return replace(basis, **changes)  # type: ignore[arg-type]


def mean_of(values: list[float]) -> Mean:
    """The mean of differences, with an interval of two standard errors."""
    mean = sum(values) / len(values)
    sd = (sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)) ** 0.5
    reach = 2 * sd / len(values) ** 0.5
    return Mean(n=len(values), units=len(values), mean=mean, sd=sd, low=mean - reach, high=mean + reach)


def comparison(before: list[Result]) -> ComparisonView:
    """A run beside a second one over the same cases with another wording, of which two thirds are better."""
    count = len(before)
    reworded = [replace(a.case, output=a.case.output.replace("I think", "It seems to me that")) for a in before]
    after = judged(reworded, lifts=(0.5, 0.5, -0.6))
    pairs = [
        CasePair(
            case=a.case,
            result_a=a,
            result_b=b,
            difference=None if a.value is None or b.value is None else b.value - a.value,
        )
        for a, b in zip(before, after, strict=True)
    ]
    criteria: dict[str, list[float]] = {}
    for a, b in zip(before, after, strict=True):
        if a.verdict is None or b.verdict is None:
            continue
        for name, score in a.verdict.scores.items():
            other = b.verdict.scores[name]
            if score is not None and other is not None:
                criteria.setdefault(name, []).append(other - score)
    return ComparisonView(
        record_a=record(count, id="reviews-20261122-090000-aaaa"),
        record_b=record(count, id="reviews-20261123-041500-bbbb"),
        summary_a=sum_up(before),
        summary_b=sum_up(after),
        pairs=pairs,
        value=mean_of([pair.difference for pair in pairs if pair.difference is not None]),
        quality=mean_of(
            [
                float(b.quality - a.quality)
                for a, b in zip(before, after, strict=True)
                if a.quality is not None and b.quality is not None
            ]
        ),
        criteria={name: mean_of(values) for name, values in criteria.items()},
    )


class Samples:
    """The builders above, for tests: modules of a test folder cannot import one another."""

    rubric = staticmethod(rubric)
    case = staticmethod(sample_case)
    judged = staticmethod(judged)
    sum_up = staticmethod(sum_up)
    record = staticmethod(record)

    def __init__(self) -> None:
        self._results: dict[int, list[Result]] = {}

    def results(self, count: int) -> list[Result]:
        """Results of so many cases; every twentieth or so fails its gate. Judged once, since that takes time."""
        if count not in self._results:
            self._results[count] = sample_results(count)
        return list(self._results[count])

    def comparison(self, count: int) -> ComparisonView:
        """Two runs over so many cases."""
        return comparison(self.results(count))

    def page(self, count: int, **changes: object) -> str:
        """The report of a run over so many cases."""
        results = self.results(count)
        return render_run(record(count, **changes), results, sum_up(results))


@pytest.fixture(scope="session")
def samples() -> Samples:
    """Runs and comparisons to report on."""
    return Samples()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium: the system's, else the one that Playwright installed.

    It lives for one module, since its event loop keeps this thread from running another one.
    """
    from playwright.sync_api import sync_playwright

    system = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=system, args=["--no-sandbox"])
        yield started
        started.close()


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Opens pages and remembers what they asked for and complained about."""

    browser: Browser
    folder: Path
    requests: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])

    def show(self, html: str, *, case: str = "", **options: Any) -> Page:
        """Write a page to a file and open it, in a window of its own with these options."""
        path = self.folder / "report.html"
        write_report(path, html)
        page = self.browser.new_context(**options).new_page()
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(path.as_uri() + (f"#case={quote(case, safe='')}" if case else ""))
        return page


@pytest.fixture
def watched(browser: Browser, tmp_path: Path) -> Iterator[Watched]:
    """Pages that may load their own file and nothing else, and must not complain."""
    window = Watched(browser=browser, folder=tmp_path)
    yield window
    for context in browser.contexts:
        context.close()
    assert {url.partition("#")[0] for url in window.requests} <= {(tmp_path / "report.html").as_uri()}
    assert window.complaints == []
