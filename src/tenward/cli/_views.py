"""How a result looks in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tenward.datasets import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from tenward.evaluation import Result
    from tenward.judges import CriterionVerdict, Usage
    from tenward.rubrics import Part, Score

__all__ = ["ranking", "result_view"]

_BAR_CELLS = 20
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LONGEST_WORDS = 2000


def result_view(result: Result, *, judge: str) -> RenderableType:
    """One result: criteria with bars and words, the arithmetic, why not 2 lower, steps to 10, and what it took."""
    blocks: list[RenderableType] = [_title(result, judge)]
    blocks.extend(
        Text(
            f"  gate {printable(gate.gate)}: {'passed' if gate.passed else 'FAILED'} ({printable(gate.detail)})",
            style="" if gate.passed else "bold red",
        )
        for gate in result.gates
    )
    verdict, score = result.verdict, result.score
    if verdict is None or score is None:
        blocks.append(Text("  A gate failed, so no model was asked and there is no score.", style="bold"))
        return Padding(Group(*blocks), (0, 0, 1, 0), expand=False)
    parts = {part.criterion: part for part in score.parts}
    blocks.append(_criteria(verdict.criteria, parts, score))
    blocks.append(_conclusion(result, score))
    if verdict.why_not_2_lower:
        blocks.append(_labelled("why not 2 lower", verdict.why_not_2_lower))
    if result.steps:
        blocks.append(Text("\nsteps to 10", style="bold"))
        blocks.append(_steps(result, parts))
    if verdict.words_failure is not None and not verdict.why_not_2_lower:
        detail = printable(verdict.words_failure.detail)
        blocks.append(Text(f"\nno fit words: {verdict.words_failure.kind} ({detail})", style="yellow"))
    blocks.append(Text(f"\n{_took(verdict.seconds, verdict.usage)}", style="dim"))
    return Padding(Group(*blocks), (0, 0, 1, 0), expand=False)


def ranking(results: Sequence[Result], *, judge: str) -> RenderableType:
    """Several results, best first; those without a score come last and say why."""
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left", pad_edge=False)
    table.title = Text(f"{results[0].rubric.rubric} · {judge}", style="bold")
    table.add_column("rank", justify="right")
    table.add_column("target", overflow="fold")
    table.add_column("quality", justify="right")
    table.add_column("value", justify="right")
    for name in results[0].rubric.criteria:
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("")
    ordered = sorted(results, key=lambda result: (result.value is None, -(result.value or 0.0)))
    for rank, result in enumerate(ordered, 1):
        scores = result.verdict.scores if result.verdict is not None else {}
        cells = [_number(scores.get(name)) for name in result.rubric.criteria]
        table.add_row(
            str(rank) if result.value is not None else "–",
            printable(result.case.id),
            f"{result.quality}/10" if result.quality is not None else "–",
            f"{result.value:.3f}" if result.value is not None else "–",
            *cells,
            _remark(result),
        )
    return table


def _title(result: Result, judge: str) -> Text:
    title = Text(printable(result.case.id), style="bold")
    title.append(f"   {result.rubric.rubric} · {judge}", style="dim")
    return title


def _criteria(items: Sequence[CriterionVerdict], parts: dict[str, Part], score: Score) -> RenderableType:
    names = max(len("criterion"), *(len(item.criterion) for item in items))
    scale = f"{score.bottom} to {score.top}"
    lines: list[RenderableType] = [
        Text(f"  {'criterion':<{names}}  {scale:<{_BAR_CELLS}}  score  spread  weight", style="dim")
    ]
    for item in items:
        low = item.criterion in score.below_floor
        line = Text(f"  {item.criterion:<{names}}  ")
        if item.score is None:
            line.append(f"{'unscored':<{_BAR_CELLS}}  {'–':>5}", style="yellow")
        else:
            line.append_text(_bar(item.score, score, style="red" if low else "green"))
            line.append(f"  {_number(item.score):>5}", style="bold red" if low else "bold")
        spread = f"±{item.spread:.1f}" if item.spread is not None else ""
        line.append(f"  {spread:>6}  {parts[item.criterion].share:>6.0%}", style="dim")
        lines.append(line)
        words = _words(item, below_floor=low)
        if words is not None:
            lines.append(words)
    return Group(*lines)


def _words(item: CriterionVerdict, *, below_floor: bool) -> RenderableType | None:
    lines: list[Text] = []
    if below_floor:
        lines.append(Text("below its floor: this fails the candidate, whatever the rest says", style="red"))
    if item.failure is not None:
        lines.append(Text(f"{item.failure.kind}: {printable(item.failure.detail)}", style="yellow"))
    if item.reason:
        lines.append(Text(_say(item.reason)))
    lines.extend(Text(f"“{_say(quote)}”", style="italic dim") for quote in item.evidence)
    return Padding(Group(*lines), (0, 0, 0, 6), expand=False) if lines else None


def _conclusion(result: Result, score: Score) -> RenderableType:
    lines: list[RenderableType] = [Text("")]
    if result.quality is not None and result.value is not None:
        headline = Text("  quality ", style="bold")
        headline.append(f"{result.quality}/10", style="bold green" if result.passed else "bold red")
        headline.append(f"   value {result.value:.3f}", style="bold")
        if score.below_floor:
            headline.append(f"   failed: {', '.join(score.below_floor)} below floor", style="bold red")
        lines.append(headline)
    lines.extend(Text(f"  {line}", style="dim") for line in score.arithmetic)
    return Group(*lines)


def _steps(result: Result, parts: dict[str, Part]) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, step in enumerate(result.steps, 1):
        gain = parts[step.criterion].headroom
        table.add_row(f"  {number}.", Text(f"{step.criterion} (up to +{gain:.2f})", style="bold"), _say(step.text))
    return table


def _labelled(label: str, text: str) -> RenderableType:
    return Group(Text(f"\n{label}", style="bold"), Padding(Text(_say(text)), (0, 0, 0, 2), expand=False))


def _bar(score: float, scale: Score, *, style: str) -> Text:
    share = (score - scale.bottom) / (scale.top - scale.bottom)
    eighths = round(share * _BAR_CELLS * 8)
    full, rest = divmod(eighths, 8)
    bar = Text("█" * full + (_EIGHTHS[rest] if rest else ""), style=style)
    bar.append("·" * (_BAR_CELLS - len(bar)), style="dim")
    return bar


def _took(seconds: float, usage: Usage) -> str:
    cost = "cost unknown (no price in the judge file)" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
    if usage.cost_usd == 0:
        cost = "no cost"
    reused = f", {usage.cached_tokens:,} of them reused" if usage.cached_tokens else ""
    return (
        f"{seconds:.1f} s · {usage.calls} calls · {usage.prompt_tokens:,} prompt tokens{reused} · "
        f"{usage.completion_tokens:,} written · {cost}"
    )


def _remark(result: Result) -> str:
    if result.status == "gated":
        failed = next(gate for gate in result.gates if not gate.passed)
        return f"gate failed: {printable(failed.gate)}"
    if result.status == "unscored":
        return "unscored"
    assert result.score is not None
    if result.score.below_floor:
        return f"below floor: {', '.join(result.score.below_floor)}"
    return "" if result.score.coverage == 1 else f"coverage {result.score.coverage:.0%}"


def _say(text: str) -> str:
    return printable(text, longest=_LONGEST_WORDS)


def _number(score: float | None) -> str:
    if score is None:
        return "–"
    return str(int(score)) if score == int(score) else f"{score:.1f}"
