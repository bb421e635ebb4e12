"""How a run and a plan look in a terminal."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from tenward.cli._bars import bar
from tenward.cli._layout import columns, indented
from tenward.cli._views import NO_GRADE, cost_of, read_as, took
from tenward.datasets import printable
from tenward.evaluation import LEAST_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from tenward.evaluation import Mean, Plan, Run, RunOutcome, RunRecord, RunStanding, Summary
    from tenward.judges import Usage
    from tenward.rubrics import Rubric

__all__ = ["plan_view", "run_view", "runs_view"]

_STANDS = {"finished": "complete"}
_STYLES = {"finished": "not bold green", "running": "not bold cyan"}


def run_view(run: Run, *, seconds: float, usage: Usage, store: Path | None) -> RenderableType:
    """A run: the headline with its interval, the criteria, how the cases spread, and what it took.

    Args:
        run: The run.
        seconds: What this start of it took.
        usage: The same in calls, tokens and dollars.
        store: The store that was named, to be named again.
    """
    record, summary = run.record, run.summary
    blocks: list[RenderableType] = [_title(run)]
    blocks += [indented(Text(one.text, style="bold red"), by=2) for one in summary.disagreements]
    if summary.value is not None:
        blocks += [*_headline(record, summary), Text("")]
        blocks += [indented(_criteria(record.rubric, summary), by=2), Text("")]
        blocks += [indented(_histogram(summary), by=2), Text("")]
    blocks.extend(indented(line, by=2) for line in _remarks(run))
    in_all = took(record.seconds, summary.usage)
    lines = [f"this start: {took(seconds, usage)}", f"in all: {in_all}"] if run.reused else [in_all]
    where = "" if store is None else f" --store {shlex.quote(str(store))}"
    lines.append(f"run {record.id} · tenward report {record.id}{where} -o FILE.html")
    blocks.extend(indented(Text(line, style="dim"), by=2) for line in lines)
    return Group(*blocks)


def plan_view(plan: Plan, *, dataset: str, rubric: str, judge: str) -> RenderableType:
    """A plan: cases, calls after the cache, tokens and the worst price."""
    calls = plan.calls
    table = columns("", "", right=("",))
    table.add_row("cases", f"{plan.cases:,}")
    if plan.with_references:
        table.add_row("with references to compare with", f"{plan.with_references:,}")
    table.add_row("calls, if every answer is fit at once", f"{calls.calls:,}")
    table.add_row("of these in the cache", f"{calls.cached:,}")
    table.add_row("calls to be paid, at most", Text(f"{calls.most_calls:,}", style="bold"))
    table.add_row("prompt tokens, at most", f"{calls.prompt_tokens:,}")
    table.add_row("tokens written, at most", f"{calls.completion_tokens:,}")
    worst = "unknown (no price in the judge file)" if calls.worst_usd is None else cost_of(calls.worst_usd)
    table.add_row("price, at most", Text(worst, style="bold"))
    title = Text(dataset, style="bold")
    title.append(f"   {rubric} · {judge} · plan", style="dim")
    note = Text("Nothing was asked. Bounds are for the worst case.", "dim")
    return Group(title, Text(""), indented(table, by=2), Text(""), indented(note, by=2))


def runs_view(runs: Sequence[tuple[RunRecord, RunStanding, RunOutcome]]) -> RenderableType:
    """Runs, a few lines each: how it stands, what was judged by whom, what it came to, and how to go on with it."""
    blocks: list[RenderableType] = []
    for record, standing, outcome in runs:
        title = Text(record.id, style="bold")
        title.append(f"   {_STANDS.get(standing, standing)}", style=_STYLES.get(standing, "not bold yellow"))
        title.append(f"   {record.created[:16].replace('T', ' ')} UTC", style="not bold dim")
        blocks += [title, indented(Text(printable(_what(record)), style="dim"), by=2)]
        blocks.append(indented(Text(_came_to(record, outcome)), by=2))
        if standing not in {"finished", "running"}:
            again = f"resume with: {record.command}" if record.command else "the same call in Python resumes it"
            lines = [record.note, again] if record.note else [again]
            blocks += [indented(Text(printable(line, longest=sys.maxsize)), by=2) for line in lines]
        blocks.append(Text(""))
    return Group(*blocks[:-1])


def _what(record: RunRecord) -> str:
    """What was judged, how and by whom; what is as usual goes without saying."""
    settings = record.settings
    parts = [record.dataset]
    if record.split != "all":
        parts.append(f"split {record.split}")
    if settings.get("limit"):
        parts.append(f"first {_cases(settings['limit'])}")
    if settings.get("sample"):
        parts.append(f"pass {settings['sample']}")
    if settings.get("explain"):
        parts.append("explained")
    if settings.get("cache") is False:
        parts.append("without the cache")
    parts += [record.rubric.rubric, record.judge, record.scale.words]
    made = settings.get("produce")
    if made:
        command = made.get("command")
        by = shlex.join(command) if command else f"{made.get('model')}, prompt {str(made.get('prompt'))[:8]}"
        parts.append(f"outputs by {by}")
    return " · ".join(parts)


def _came_to(record: RunRecord, outcome: RunOutcome) -> str:
    parts: list[str] = []
    if outcome.quality is not None and outcome.value is not None:
        if record.scale.is_grade:
            parts.append(f"quality {outcome.quality.mean:.2f}{_interval(outcome.quality, 2)}")
        parts.append(f"value {outcome.value.mean:.3f}{_interval(outcome.value, 3)}")
    parts.append(f"{outcome.scored:,} of {_cases(record.cases or outcome.cases)}")
    parts.append(f"coverage {_down(outcome.coverage)}")
    parts.append("cost unknown" if outcome.cost_usd is None else cost_of(outcome.cost_usd))
    return " · ".join(parts)


def _title(run: Run) -> Text:
    record = run.record
    title = Text(record.dataset, style="bold")
    split = "" if record.split == "all" else f" · {record.split}"
    judged = f"{record.rubric.rubric} · {record.judge} · {record.scale.words}"
    title.append(f"   {judged}{split} · {_cases(run.summary.cases)}", style="dim")
    if record.status != "finished":
        title.append(f"   {record.status}: {record.note}", style="bold red")
    return title


def _headline(record: RunRecord, summary: Summary) -> Iterator[RenderableType]:
    """The mean: as quality where it is a grade, else as what was read, with the quality in small print."""
    value, quality, points = summary.value, summary.quality, summary.weighted_sum
    assert value is not None
    assert quality is not None
    assert points is not None
    grade = record.scale.is_grade
    if grade:
        line = Text("quality ", style="bold")
        line.append(f"{quality.mean:.2f}", style="bold green")
        line.append(_interval(quality, 2), style="dim")
        about = record.scale.off(record.rubric)
        about = f"{about}, each case by itself" if about else ""
    else:
        line = Text("read as ")
        line.append(read_as(points.mean, record.rubric, 2))
        line.append(_interval(points, 2), style="dim")
        about = f"{NO_GRADE} (as quality {quality.mean:.2f} of 10)"
    line.append(f"   value {value.mean:.3f}", style="bold" if grade else "")
    line.append(_interval(value, 3), style="dim")
    line.append(f"   mean of {_cases(value.n)}", style="dim")
    yield indented(line, by=2)
    if about:
        yield indented(Text(about, style="dim"), by=2)


def _interval(mean: Mean, decimals: int) -> str:
    if mean.low is None or mean.high is None:
        return ""
    return f" [{mean.low:.{decimals}f}, {mean.high:.{decimals}f}]"


def _criteria(rubric: Rubric, summary: Summary) -> RenderableType:
    scale = rubric.scale
    width = max(len("criterion"), *map(len, rubric.criteria), *map(len, summary.metrics), len("references"))
    lines = [
        Text(f"{'criterion':<{width}}  {f'{scale.lo} to {scale.hi}':<20}   mean   95 %            sd  weight", "dim")
    ]
    shares = rubric.shares
    for name in rubric.criteria:
        mean = summary.criteria.get(name)
        line = Text(f"{name:<{width}}  ")
        if mean is None:
            line.append(f"{'never scored':<20}", style="yellow")
        else:
            line.append_text(bar((mean.mean - scale.lo) / (scale.hi - scale.lo), style="green"))
            line.append(f"  {mean.mean:>5.2f}", style="bold")
            line.append(_columns(mean, 2), style="dim")
            line.append(f"  {float(shares[name]):>6.0%}", style="dim")
        lines.append(line)
    for name, mean in summary.metrics.items():
        line = Text(f"{name:<{width}}  ")
        line.append_text(bar(mean.mean, style="blue"))
        line.append(f"  {mean.mean:>5.2f}", style="bold")
        line.append(_columns(mean, 2), style="dim")
        lines.append(line)
    return Group(*lines)


def _columns(mean: Mean, decimals: int) -> str:
    low = "" if mean.low is None else f"{mean.low:.{decimals}f} to {mean.high:.{decimals}f}"
    sd = "" if mean.sd is None else f"{mean.sd:.{decimals}f}"
    return f"   {low:<12}  {sd:>4}"


def _histogram(summary: Summary) -> RenderableType:
    most = max(summary.quality_counts.values())
    lines = [Text("quality  cases", style="dim")]
    for quality in range(min(summary.quality_counts), max(summary.quality_counts) + 1):
        count = summary.quality_counts.get(quality, 0)
        line = Text(f"{quality:>7}  ")
        line.append_text(bar(count / most, style="cyan", empty=" "))
        line.append(f"  {count:,}")
        lines.append(line)
    return Group(*lines)


def _remarks(run: Run) -> list[Text]:
    summary, rubric = run.summary, run.record.rubric
    lines: list[Text] = []
    if summary.coverage < 1 and summary.scored + summary.unscored:
        lines.append(
            Text(f"coverage {_down(summary.coverage)}: the rest has no score and is in no mean", style="yellow")
        )
    if summary.unscored:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.failures.items())
        lines.append(Text(f"{_cases(summary.unscored)} unscored; criteria that failed: {kinds}", style="yellow"))
    elif summary.failures:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.failures.items())
        lines.append(Text(f"criteria that failed: {kinds}", style="yellow"))
    if summary.gated:
        lines.append(Text(f"{_cases(summary.gated)} failed a gate, never judged", style="yellow"))
    if summary.below_floor:
        lines.append(Text(f"{_cases(summary.below_floor)} below a floor", style="red"))
    if rubric.references and summary.references is None:
        lines.append(Text("no case has references: the value is the judge's alone", style="dim"))
    elif summary.references is not None and summary.references.n < summary.scored:
        without = summary.scored - summary.references.n
        lines.append(Text(f"{_cases(without)} without references: there the value is the judge's alone", style="dim"))
    if summary.capped:
        lines.append(
            Text(f"{summary.capped:,} times a metric compared only the first part of a long text", style="dim")
        )
    if summary.value is not None and summary.value.units < summary.value.n:
        lines.append(Text(_over(summary.value), style="dim"))
    calls = run.calls
    if run.reused or calls.hits:
        lines.append(
            Text(f"{run.reused:,} results of an earlier start, {calls.hits:,} answers from the cache", style="dim")
        )
    return lines


def _over(value: Mean) -> str:
    groups = "1 group" if value.units == 1 else f"{value.units:,} groups"
    if value.low is None:
        return f"the cases come from {groups}, too few for an interval: {LEAST_UNITS} are needed"
    return f"means are over cases, intervals over {groups} of cases with the same source"


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count:,} cases"


def _down(share: float) -> str:
    return f"{int(share * 1000) / 10:g} %"
