"""How a result looks in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.measure import Measurement
from rich.styled import Styled
from rich.text import Text

from tenward.cli._bars import BAR_CELLS, bar
from tenward.cli._layout import columns, hanging, indented
from tenward.datasets import printable
from tenward.evaluation import best_first, close_calls, shared_ranks, shown_spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from tenward.evaluation import CloseCall, Result, ShownScale
    from tenward.judges import CriterionVerdict, Failure, Usage, Verdict
    from tenward.rubrics import GateResult, Part, Rubric, Score

__all__ = ["NO_GRADE", "cost_of", "ranking", "read_as", "result_view", "shared_failure", "took"]

NO_GRADE = "raw: compares texts, is no grade"
"""What is said of a reading that no map has calibrated."""

_LONGEST_WORDS = 2000
_MARKS = {True: ("✓", ""), False: ("✗", "yellow"), None: ("?", "dim")}
_MOST_CLOSE = 5  # pairs told one by one
_BY_PROGRAM = "put into words by a program, from the readings and the rubric"
_NO_SCORE = "; checks (✓ holds, ✗ does not, ? undecided, with how likely they hold) change no score"
_BY_MODEL = "words of the judge's model"
_HINTS_ONLY = "words of a small model: read them as hints; the scores do not depend on them"


def read_as(points: float, rubric: Rubric, decimals: int = 1) -> str:
    """A weighted sum in words: ``4.1 of 5``."""
    return f"{points:.{decimals}f} of {rubric.scale.hi}"


def result_view(result: Result, *, judge: str, scale: ShownScale) -> RenderableType:
    """One result: criteria with bars and words, the arithmetic, why not 2 lower, steps to 10, and what it took."""
    blocks: list[RenderableType] = [_title(result, judge, scale)]
    blocks.extend(_gate(gate) for gate in result.gates)
    verdict, score = result.verdict, result.score
    if verdict is None or score is None:
        blocks.append(Text("  A gate failed, so no model was asked and there is no score.", style="bold"))
        return Group(*blocks)
    parts = {part.criterion: part for part in score.parts}
    blocks.append(_criteria(verdict.criteria, parts, score, result.rubric))
    blocks.append(_conclusion(result, score, scale))
    if verdict.why_not_2_lower:
        blocks.append(Text("\n  why not 2 lower", style="bold"))
        blocks.append(indented(_say(verdict.why_not_2_lower), by=4))
    if result.steps:
        blocks.append(Text("\n  steps to 10", style="bold"))
        blocks.extend(_steps(result))
    if verdict.words_failure is not None and (verdict.words == "program" or not verdict.why_not_2_lower):
        detail = f"{verdict.words_failure.kind} ({printable(verdict.words_failure.detail)})"
        blocks.append(Text(""))
        blocks.append(indented(Text(f"words that were asked for are missing: {detail}", style="yellow"), by=2))
    if verdict.words:
        blocks.append(Text(""))
        blocks.append(indented(Text(_author(verdict), style="dim"), by=2))
    blocks.append(Text(""))
    blocks.append(
        indented(Text(" · ".join(filter(None, [verdict.how, took(verdict.seconds, verdict.usage)])), style="dim"), by=2)
    )
    return Group(*blocks)


def ranking(results: Sequence[Result], *, judge: str, scale: ShownScale, width: int) -> RenderableType:
    """Several results, best first; those without a score come last and say why.

    Args:
        results: Results under one rubric.
        judge: The judge's name.
        scale: Of the scores. Neighbours that lie closer than it tells apart share a rank.
        width: Cells of a line. The scores per criterion stand beside the ranks where they fit, else in a table of
            their own, and are left out where there are too many targets for that.
    """
    title = Text(f"{results[0].rubric.rubric} · {judge} · {scale.words}", style="bold")
    scored = best_first(results)
    ordered = [*scored, *(result for result in results if result.value is None)]
    calls = close_calls(scored, scale)
    ranks = shared_ranks(scored, scale) + ["–"] * (len(ordered) - len(scored))
    names = tuple(results[0].rubric.criteria)
    remarks = list(_of_the_order(scored, scale, calls))
    full = _ranks(ordered, ranks, scale, criteria=names)
    if _natural_width(full) <= width:
        return Group(title, full, *remarks)
    judged = [(rank, result) for rank, result in zip(ranks, ordered, strict=True) if result.verdict is not None]
    table = _ranks(ordered, ranks, scale)
    if not judged:
        return Group(title, table, *remarks)
    by_criterion = _scores_by_criterion(judged, names)
    if _natural_width(by_criterion) <= width:
        return Group(title, table, *remarks, Text(""), by_criterion)
    return Group(title, table, *remarks, Text("\nscores per criterion: --json", style="dim"))


def _of_the_order(scored: Sequence[Result], scale: ShownScale, calls: Sequence[CloseCall] | None) -> Iterator[Text]:
    """What a reader must know of a ranking: where it is no order, and what the numbers are not."""
    if len(scored) > 1 and calls is None:
        known = scale.mapped and scale.error is None
        why = f" while it is {scale.words}" if known else ": tenward judge scale finds out"
        yield Text(f"how far apart is enough is not known for this judge and rubric{why}", style="yellow")
    for call in (calls or ())[:_MOST_CLOSE]:
        yield Text(printable(call.text, longest=_LONGEST_WORDS), style="yellow")
    if calls is not None and len(calls) > _MOST_CLOSE:
        yield Text(f"and {len(calls) - _MOST_CLOSE} more neighbours are too close to call", style="yellow")
    if scored and not scale.is_grade:
        yield Text(NO_GRADE, style="dim")
    elif scored and (off := scale.off(scored[0].rubric)):
        yield Text(off, style="dim")


def _ranks(
    ordered: Sequence[Result], ranks: Sequence[str], scale: ShownScale, *, criteria: Sequence[str] = ()
) -> Table:
    head = "quality" if scale.is_grade else "read as"
    table = columns("rank", "target", head, "value", *criteria, "", right=("rank", head, "value", *criteria))
    for rank, result in zip(ranks, ordered, strict=True):
        scores = result.verdict.scores if result.verdict is not None else {}
        quality = Text("–")
        if result.quality is not None and result.score is not None:
            points = read_as(result.score.weighted_sum or 0.0, result.rubric, 2)
            told = f"{result.quality}/10" if scale.is_grade else points
            good = "bold green" if scale.is_grade else "bold"
            quality = Text(told, style=good if result.passed else "bold red")
        table.add_row(
            rank,
            printable(result.case.id),
            quality,
            f"{result.value:.3f}" if result.value is not None else "–",
            *(_number(scores.get(name), whole=_all_whole(ordered)) for name in criteria),
            Text(_remark(result), style="" if result.passed else "red"),
        )
    return table


def _scores_by_criterion(judged: Sequence[tuple[str, Result]], names: Sequence[str]) -> Table:
    ordered = [result for _, result in judged]
    ranks = [rank for rank, _ in judged]
    table = columns("rank", *ranks, right=tuple(ranks))
    for name in names:
        scores = [result.verdict.scores.get(name) if result.verdict is not None else None for result in ordered]
        table.add_row(name, *(_number(score, whole=_all_whole(ordered)) for score in scores))
    return table


def _natural_width(table: Table) -> int:
    console = Console(width=10_000)
    return Measurement.get(console, console.options, table).maximum


def _title(result: Result, judge: str, scale: ShownScale) -> Text:
    title = Text()
    title.append(printable(result.case.id), style="bold")
    title.append(f"   {result.rubric.rubric} · {judge} · {scale.words}", style="dim")
    return title


def _gate(gate: GateResult) -> RenderableType:
    style = "" if gate.passed else "bold red"
    label = Text("gate passed" if gate.passed else "gate FAILED", style=style)
    return hanging(label, Text(f"{printable(gate.gate)} ({printable(gate.detail)})", style=style), indent=2, width=13)


def _criteria(
    items: Sequence[CriterionVerdict], parts: dict[str, Part], score: Score, rubric: Rubric
) -> RenderableType:
    names = max(len("criterion"), *(len(item.criterion) for item in items))
    scale = f"{score.bottom} to {score.top}"
    spread_of = {item.criterion: shown_spread(item) for item in items}
    spreads = any(spread is not None for spread in spread_of.values())
    mapped = any(item.raw is not None for item in items)
    whole = all(item.score is None or item.score == int(item.score) for item in items)
    beside = f"{'    raw' if mapped else ''}{'  spread' if spreads else ''}"
    heading = f"{'criterion':<{names}}  {scale:<{BAR_CELLS}}  score{beside}  weight"
    lines: list[RenderableType] = [Text(f"  {heading}", style="dim")]
    shared = shared_failure(items)
    quoted: set[str] = set()
    for item in items:
        low = item.criterion in score.below_floor
        floor = rubric.criteria[item.criterion].floor if low else None
        line = Text(f"  {item.criterion:<{names}}  ")
        if item.score is None:
            line.append(f"{'unscored':<{BAR_CELLS}}  {'–':>5}", style="yellow")
        else:
            share = (item.score - score.bottom) / (score.top - score.bottom)
            line.append_text(bar(share, style="red" if low else "green"))
            line.append(f"  {_number(item.score, whole=whole):>5}", style="bold red" if low else "bold")
        if mapped:
            line.append(f"  {'' if item.raw is None else f'{item.raw:.2f}':>5}", style="dim")
        if spreads:
            spread = spread_of[item.criterion]
            line.append(f"  {'' if spread is None else f'±{spread:.1f}':>6}", style="dim")
        line.append(f"  {parts[item.criterion].share:>6.0%}", style="dim")
        lines.append(line)
        lines.extend(indented(words, by=6) for words in _words(item, quoted, floor=floor, failure=shared is None))
    if shared is not None:
        lines.append(indented(_failed("all criteria: ", shared), by=2))
    return Group(*lines)


def shared_failure(items: Sequence[CriterionVerdict]) -> Failure | None:
    """The one failure that all of several criteria have in common."""
    first = items[0].failure if len(items) > 1 else None
    same = first is not None and all(
        item.failure is not None and (item.failure.kind, item.failure.detail) == (first.kind, first.detail)
        for item in items
    )
    return first if same else None


def _failed(label: str, failure: Failure) -> Text:
    return Text(f"{label}{failure.kind}: {printable(failure.detail)}", style="yellow")


def _words(item: CriterionVerdict, quoted: set[str], *, floor: float | None, failure: bool) -> Iterator[Text]:
    """What stands under a criterion: the floor it is below, if any; evidence that is not in ``quoted`` already."""
    if floor is not None:
        yield Text(f"below its floor of {floor:g}: this fails the candidate, whatever the rest says", style="red")
    if failure and item.failure is not None:
        yield _failed("", item.failure)
    if item.reason:
        yield Text(_say(item.reason))
    for check in item.checks:
        mark, style = _MARKS[check.holds]
        yield Text(f"{mark} {_say(check.says)} ({check.probability:.0%})", style=style)
    for quote in item.evidence:
        if quote in quoted:
            continue
        quoted.add(quote)
        yield Text(f"“{_say(quote)}”", style="italic dim")


def _conclusion(result: Result, score: Score, scale: ShownScale) -> RenderableType:
    lines: list[RenderableType] = [Text("")]
    if result.quality is not None and result.value is not None:
        if scale.is_grade:
            headline = Text("quality ", style="bold")
            headline.append(f"{result.quality}/10", style="bold green" if result.passed else "bold red")
            about = scale.off(result.rubric)
        else:
            headline = Text("read as ")
            headline.append(read_as(score.weighted_sum or 0.0, result.rubric))
            about = NO_GRADE
        headline.append(f"   value {result.value:.3f}", style="bold" if scale.is_grade else "")
        if score.below_floor:
            headline.append(f"   failed: {', '.join(score.below_floor)} below floor", style="bold red")
        if about:
            headline.append(f"   {about}", style="not bold dim")
        lines.append(indented(headline, by=2))
    for line in score.arithmetic:
        label, _, rest = line.partition("  ")
        text = hanging(label, rest.strip(), indent=2, width=14) if rest else indented(label, by=2)
        lines.append(Styled(text, "dim"))
    if result.references is not None:
        found = ", ".join(
            f"{name} {metric.value:.3f}{' (only the first part was compared)' if metric.capped else ''}"
            for name, metric in result.references.metrics.items()
        )
        lines.append(Styled(hanging("references", found, indent=2, width=14), "dim"))
    return Group(*lines)


def _steps(result: Result) -> Iterator[RenderableType]:
    for number, step in enumerate(result.steps, 1):
        text = Text(f"{step.criterion} (up to +{result.gain(step):.2f} of {result.rubric.scale.hi})", style="bold")
        text.append(f"  {_say(step.text)}", style="not bold")
        yield hanging(f"{number}.", text, indent=4, width=4)


def took(seconds: float, usage: Usage) -> str:
    """Time, calls, tokens and cost in one line."""
    cost = "cost unknown (no price in the judge file)" if usage.cost_usd is None else cost_of(usage.cost_usd)
    reused = f", {usage.cached_tokens:,} of them reused" if usage.cached_tokens else ""
    calls = "1 call" if usage.calls == 1 else f"{usage.calls:,} calls"
    tokens = f"{usage.prompt_tokens:,} prompt tokens{reused} · {usage.completion_tokens:,} written"
    return f"{seconds:.1f} s · {calls} · {tokens} · {cost}"


def cost_of(usd: float) -> str:
    """US dollars as a person reads them; what costs nothing says so."""
    return f"${usd:.4f}" if usd else "no cost"


def _remark(result: Result) -> str:
    if result.status == "gated":
        failed = next(gate for gate in result.gates if not gate.passed)
        return f"gate failed: {printable(failed.gate)} ({printable(failed.detail)})"
    if result.status == "unscored":
        return "unscored"
    assert result.score is not None
    if result.score.below_floor:
        return f"below floor: {', '.join(result.score.below_floor)}"
    return "" if result.score.coverage == 1 else f"coverage {result.score.covered}"


def _author(verdict: Verdict) -> str:
    if verdict.words == "program":
        return _BY_PROGRAM + (_NO_SCORE if any(item.checks for item in verdict.criteria) else "")
    return _HINTS_ONLY if verdict.model.startswith("local/") else _BY_MODEL


def _say(text: str) -> str:
    return printable(text, longest=_LONGEST_WORDS)


def _number(score: float | None, *, whole: bool) -> str:
    if score is None:
        return "–"
    return str(int(score)) if whole else f"{score:.1f}"


def _all_whole(results: Sequence[Result]) -> bool:
    """Whether no score needs a decimal; then none is shown, and else all are, so that the points stand in line."""
    scores = [score for result in results if result.verdict is not None for score in result.verdict.scores.values()]
    return all(score is None or score == int(score) for score in scores)
