"""How a comparison of two runs looks in a terminal."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.measure import Measurement
from rich.text import Text

from tenward.cli._console import ascii_only
from tenward.cli._layout import columns, hanging, indented
from tenward.datasets import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from tenward.evaluation import ComparedRun, Comparison, Difference, ResultPair

__all__ = ["comparison_view"]

_ARM = 10  # cells of a bar on either side of zero
_EXCERPT = 240
_BEFORE = 40
_IDS_SHOWN = 5
_TELLING = 0.05  # criteria that moved less are not named


def comparison_view(comparison: Comparison, *, width: int) -> RenderableType:
    """Two runs side by side: the headline, a row per criterion, what is missing, and the cases that moved most.

    Args:
        comparison: The comparison.
        width: Cells of a line; the bars are left out where the table would not fit.
    """
    a, b = comparison.a, comparison.b
    if comparison.is_same_run:
        return Group(_run("A, B", a, style="dim"), Text(f"\n{comparison.headline}", style="bold"))
    blocks: list[RenderableType] = [
        _run("A", a, style="dim"),
        _run("B", b, style="dim"),
        Text(""),
        *(Text(one.text, style="bold red") for one in comparison.disagreements),
        Text(f"{_typographic(comparison.headline)}\n", style=f"bold {_style(comparison.value)}"),
    ]
    rows = _rows(comparison)
    if rows:
        full = _table(rows, bars=True)
        console = Console(width=10_000)
        fits = Measurement.get(console, console.options, full).maximum <= width
        blocks.append(full if fits else _table(rows, bars=False))
        if any(found.low is not None for _, found, _, _ in rows):
            blocks.append(Text(f"\n{comparison.opinion}", style="dim"))
        if comparison.value is not None and comparison.value.units < comparison.value.n:
            blocks.append(Text(f"\n{_means(comparison.value)}", style="dim"))
    missing = [*_missing("A", a), *_missing("B", b)]
    if missing:
        blocks.append(Text(""))
        blocks.extend(indented(Text(line, style="yellow"), by=0) for line in missing)
    if comparison.moved:
        blocks.append(Text("\ncases that moved most", style="bold"))
        for pair in comparison.moved:
            blocks.extend(_moved(pair))
    return Group(*blocks)


def _means(value: Difference) -> str:
    return (
        f"Means and intervals are over {value.units:,} groups, each counted once; `tenward eval` shows the mean of the "
        f"{value.n:,} cases."
    )


def _run(name: str, run: ComparedRun, *, style: str) -> RenderableType:
    record, summary = run.record, run.summary
    told = f"{record.id}   {record.rubric.rubric} · {record.judge} · {record.scale.words} · {record.dataset}"
    told += f" · {summary.scored} of {summary.cases} cases scored"
    if summary.coverage < 1 and summary.scored + summary.unscored:
        told += f" · coverage {int(summary.coverage * 1000) / 10:g}%"
    return hanging(Text(name, style="bold"), Text(printable(told), style=style), indent=0, width=len(name) + 2)


def _style(difference: Difference | None) -> str:
    if difference is None or difference.low is None or difference.high is None:
        return ""
    return "green" if difference.low > 0 else "red" if difference.high < 0 else ""


Row = tuple[str, "Difference", float, int]
"""Name, difference, the span of its scale, and decimals."""


def _rows(comparison: Comparison) -> list[Row]:
    scale = comparison.b.record.rubric.scale
    rows: list[Row] = [(name, found, scale.hi - scale.lo, 2) for name, found in comparison.criteria.items()]
    if comparison.quality is not None:
        rows.append(("quality", comparison.quality, 9, 2))
    if comparison.value is not None:
        rows.append(("value", comparison.value, 1, 3))
    return rows


def _table(rows: Sequence[Row], *, bars: bool) -> Table:
    zero = "|" if ascii_only() else "│"
    change, counts = _typographic("B - A"), ("wins", "losses", "ties")
    bar = [f"{'worse':>{_ARM - 1}} {zero} better"] if bars else []
    table = columns("", "A", "B", change, "95 % interval", *bar, *counts, right=("A", "B", change, *counts))
    longest = max(_reach(found) / span for _, found, span, _ in rows)
    for name, found, span, places in rows:
        style = _style(found)
        interval = "–" if found.low is None or found.high is None else _between(found.low, found.high, places)
        cells: list[RenderableType] = [
            Text(name, style="bold" if name == "value" else ""),
            Text(f"{found.before:.{places}f}"),
            Text(f"{found.after:.{places}f}"),
            Text(_signed(found.mean, places), style=f"bold {style}"),
            Text(interval, style="dim"),
        ]
        if bars:
            cells.append(_bar(found, span * longest, style=style))
        cells += [Text(str(count)) for count in (found.wins, found.losses, found.ties)]
        table.add_row(*cells)
    return table


def _reach(found: Difference) -> float:
    return max(abs(end) for end in (found.mean, found.low or 0.0, found.high or 0.0))


def _bar(found: Difference, reach: float, *, style: str) -> Text:
    """Left of zero where B is worse, right where it is better: full up to the mean, thin along the interval."""
    full, thin, zero = ("#", "-", "|") if ascii_only() else ("█", "─", "│")
    bar = Text()
    for cell in range(2 * _ARM):
        if cell == _ARM:
            bar.append(zero, style="dim")
        middle = (cell - _ARM + 0.5) / _ARM * reach
        if reach and min(0.0, found.mean) <= middle <= max(0.0, found.mean):
            bar.append(full, style=style)
        elif reach and found.low is not None and found.high is not None and found.low <= middle <= found.high:
            bar.append(thin, style=style or "dim")
        else:
            bar.append(" ")
    return bar


def _missing(name: str, run: ComparedRun) -> Iterator[str]:
    """What the differences say nothing of."""
    told = (
        (run.only, f"in {name} only"),
        (run.gated, f"failed a gate in {name} and left out of the differences"),
        (run.unscored, f"not scored in {name} and left out of the differences"),
    )
    for ids, what in told:
        if ids:
            shown = ", ".join(printable(case, longest=40) for case in ids[:_IDS_SHOWN])
            more = f" and {len(ids) - _IDS_SHOWN:,} more" if len(ids) > _IDS_SHOWN else ""
            yield f"{len(ids):,} case{'s' * (len(ids) != 1)} {what}: {shown}{more}"


def _moved(pair: ResultPair) -> Iterator[RenderableType]:
    difference = pair.difference or 0.0
    title = Text(f"\n  {printable(pair.b.case.id)}", style="bold")
    arrow = "->" if ascii_only() else "→"
    title.append(f"   value {pair.a.value or 0.0:.3f} {arrow} {pair.b.value or 0.0:.3f}", style="not bold")
    title.append(f"   {_signed(difference, 3)}", style="green" if difference > 0 else "red")
    yield title
    criteria = ", ".join(f"{name} {_signed(change, 1)}" for name, change in _changes(pair))
    if criteria:
        yield indented(Text(criteria, style="dim"), by=4)
    one, other = pair.a.case.output, pair.b.case.output
    if one == other:
        yield hanging("=", f"{_excerpt(one, 0)} (the same text in both)", indent=4, width=3)
        return
    start = 0
    if max(len(one), len(other)) > _EXCERPT:
        start = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(one, other, strict=False))) - _BEFORE
    yield hanging("A", _excerpt(one, start), indent=4, width=3)
    yield hanging("B", _excerpt(other, start), indent=4, width=3)


def _changes(pair: ResultPair) -> list[tuple[str, float]]:
    """Criteria that moved, the furthest first."""
    before = pair.a.verdict.scores if pair.a.verdict else {}
    after = pair.b.verdict.scores if pair.b.verdict else {}
    found = [
        (name, new - old) for name, old in before.items() if old is not None and (new := after.get(name)) is not None
    ]
    return sorted((entry for entry in found if abs(entry[1]) >= _TELLING), key=lambda entry: -abs(entry[1]))


def _excerpt(text: str, start: int) -> str:
    """The text on one line, shortened, from the word at ``start``."""
    if start > 0:
        text = f"…{text[max(text.rfind(' ', 0, start), text.rfind(chr(10), 0, start)) + 1 :]}"
    return printable(" ".join(text.split()), longest=_EXCERPT) or "(nothing)"


def _between(low: float, high: float, places: int) -> str:
    return f"[{_signed(low, places)}, {_signed(high, places)}]"


def _signed(number: float, places: int) -> str:
    return _typographic(f"{round(number, places) + 0.0:+.{places}f}")


def _typographic(text: str) -> str:
    """Minus signs instead of hyphens before numbers and between names, where standard output can take them."""
    return text if ascii_only() else re.sub(r"(?<!\w)-(?=[\d ])", "−", text)
