"""How a run and a plan look in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from tenward.cli._bars import bar
from tenward.cli._layout import columns, indented
from tenward.cli._views import cost_of, took

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from tenward.evaluation import Mean, Plan, Run, RunRecord, Summary
    from tenward.rubrics import Rubric

__all__ = ["plan_view", "run_view", "runs_view"]

_MOST = 10


def run_view(run: Run) -> RenderableType:
    """A run: the headline with its interval, the criteria, how the cases spread, and what it took."""
    record, summary = run.record, run.summary
    blocks: list[RenderableType] = [_title(run)]
    if summary.value is not None and summary.quality is not None:
        blocks += [_headline(summary.value, summary.quality), Text("")]
        blocks += [indented(_criteria(record.rubric, summary), by=2), Text("")]
        blocks += [indented(_histogram(summary), by=2), Text("")]
    blocks.extend(indented(line, by=2) for line in _remarks(run))
    blocks.append(indented(Text(took(record.seconds, summary.usage), style="dim"), by=2))
    blocks.append(indented(Text(f"run {record.id} · tenward report {record.id} -o FILE.html", style="dim"), by=2))
    return Group(*blocks)


def plan_view(plan: Plan, *, dataset: str, rubric: str, judge: str) -> RenderableType:
    """A plan: cases, calls after the cache, tokens and the worst price."""
    calls = plan.calls
    table = columns("", "", right=("",))
    table.add_row("cases", f"{plan.cases:,}")
    if plan.without_output:
        table.add_row("without an output, which cannot be judged", Text(f"{plan.without_output:,}", style="bold red"))
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


def runs_view(records: Sequence[RunRecord]) -> RenderableType:
    """Runs, one line each."""
    table = columns("run", "data set", "rubric", "judge", "cases", "status", right=("cases",))
    for record in records:
        split = "" if record.split == "all" else f" {record.split}"
        cases = "" if record.cases is None else f"{record.cases:,}"
        # Of a process that was killed, the store still says that it is running.
        stands: str = "running, or cut off" if record.status == "running" else record.status
        status = f"{stands}: {record.note}" if record.note else stands
        table.add_row(
            record.id,
            f"{record.dataset}{split}",
            record.rubric.rubric,
            record.judge,
            cases,
            Text(status, style="" if record.status == "finished" else "yellow"),
        )
    return table


def _title(run: Run) -> Text:
    record = run.record
    title = Text(record.dataset, style="bold")
    split = "" if record.split == "all" else f" · {record.split}"
    title.append(f"   {record.rubric.rubric} · {record.judge}{split} · {_cases(run.summary.cases)}", style="dim")
    if record.status != "finished":
        title.append(f"   {record.status}: {record.note}", style="bold red")
    return title


def _headline(value: Mean, quality: Mean) -> RenderableType:
    line = Text("quality ", style="bold")
    line.append(f"{quality.mean:.2f}", style="bold green")
    line.append(_interval(quality, 2), style="dim")
    line.append(f"   value {value.mean:.3f}", style="bold")
    line.append(_interval(value, 3), style="dim")
    return indented(line, by=2)


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
        lines.append(Text(f"intervals count {summary.value.units:,} groups, not cases", style="dim"))
    calls = run.calls
    if run.reused or calls.hits:
        lines.append(
            Text(f"{run.reused:,} results of an earlier start, {calls.hits:,} answers from the cache", style="dim")
        )
    return lines


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count:,} cases"


def _down(share: float) -> str:
    return f"{int(share * 1000) / 10:g} %"
