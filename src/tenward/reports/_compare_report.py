"""The report of two runs side by side."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tenward.reports._case_data import case_data, rubric_data
from tenward.reports._format import number, plural, signed
from tenward.reports._page import render_page
from tenward.reports._run_report import Column, Row, link, warnings
from tenward.reports._text import longest_for, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.evaluation import RunRecord
    from tenward.reports._comparison import CasePair, ComparisonView

__all__ = ["render_comparison"]

_OUTCOMES = ("B better", "A better", "tie", "not compared")
_GIVEN = ("input", "context", "references", "group", "split", "human")
_MOVED_MOST = 5


def render_comparison(view: ComparisonView) -> str:
    """The report of a comparison as one self-contained HTML page; the cases that moved most come first."""
    rubric = view.record_b.rubric
    longest = longest_for(2 * len(view.pairs))
    pairs = sorted(view.pairs, key=_by_size)
    rows = [_row(view, pair) for pair in pairs]
    columns = [Column(label="case", numeric=False), Column(label="outcome", numeric=False)]
    columns += [Column(label="quality A"), Column(label="quality B"), Column(label="difference", title="value, B − A")]
    columns += [Column(label=name, title=f"B − A; {shown(item.ask[0])}") for name, item in rubric.criteria.items()]
    found = Counter(row.state for row in rows)
    return render_page(
        "comparison.html",
        scripts=("basics.js", "table.js", "page.js", "detail.js", "comparison.js"),
        data={
            "rubric": rubric_data(rubric),
            "grade": view.record_a.scale.is_grade and view.record_b.scale.is_grade,
            "columns": [column.label for column in columns],
            "keys": [row.keys for row in rows],
            "states": [row.state for row in rows],
            "cases": [_pair_data(view, pair, longest=longest) for pair in pairs],
        },
        view=view,
        rubric=rubric,
        verdict=_verdict(view),
        contradictions=[f"{shown(one[:1].upper() + one[1:])}." for one in view.disagreements],
        warnings=_warnings(view),
        gained=[row for row in rows if row.state == "B better"][:_MOVED_MOST],
        lost=[row for row in rows if row.state == "A better"][:_MOVED_MOST],
        columns=columns,
        rows=rows,
        found=found,
        states=[(name, found[name]) for name in _OUTCOMES if found[name]],
    )


def _by_size(pair: CasePair) -> tuple[bool, float]:
    return pair.difference is None, -abs(pair.difference or 0.0)


def _verdict(view: ComparisonView) -> str:
    value = view.value
    if view.record_a.id == view.record_b.id:
        return "A and B are the same run"
    if value is None:
        return "No case was scored in both runs"
    if value.low is None or value.high is None:
        return "Too few independent cases to tell a difference"
    if value.low > 0:
        return "B is better"
    return "A is better" if value.high < 0 else "No difference can be told"


def _warnings(view: ComparisonView) -> list[str]:
    found = _fingerprints(view.record_a, view.record_b)
    for name, only in (("A", view.only_a), ("B", view.only_b)):
        if only:
            found.append(f"{plural(len(only), 'case')} in run {name} only, not compared: {_some(only)}.")
    for name, record, summary in (("A", view.record_a, view.summary_a), ("B", view.record_b, view.summary_b)):
        own = warnings(record, summary)
        found += [f"Run {name}: {' '.join(own)}"] if own else []
    return found


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 5:,} more" if len(ids) > 5 else ""
    return ", ".join(map(shown, ids[:5])) + more


def _fingerprints(a: RunRecord, b: RunRecord) -> list[str]:
    components = dict.fromkeys([*a.fingerprint, *b.fingerprint])
    differ = [name for name in components if a.fingerprint.get(name) != b.fingerprint.get(name)]
    if not differ:
        return []
    return [f"The scores do not measure the same: the runs differ in {', '.join(map(shown, differ))}."]


def _row(view: ComparisonView, pair: CasePair) -> Row:
    case = shown(pair.case.id)
    outcome: str = view.outcome(pair)
    qualities = [pair.result_a.quality, pair.result_b.quality]
    keys: list[float | str | None] = [case, outcome, *qualities, pair.difference]
    cells = [(outcome, f"state {outcome.replace(' ', '-')}")]
    cells += [("–" if quality is None else str(quality), f"quality q{quality or 0}") for quality in qualities]
    cells.append((signed(pair.difference, 3), _direction(pair.difference)))
    for difference in _criteria(view, pair).values():
        keys.append(difference)
        cells.append((signed(difference, 1), _direction(difference)))
    return Row(case=case, href=link(case), state=outcome, cells=cells, keys=keys)


def _criteria(view: ComparisonView, pair: CasePair) -> dict[str, float | None]:
    a = pair.result_a.verdict.scores if pair.result_a.verdict else {}
    b = pair.result_b.verdict.scores if pair.result_b.verdict else {}
    found: dict[str, float | None] = {}
    for name in view.record_b.rubric.criteria:
        before, after = a.get(name), b.get(name)
        found[name] = None if before is None or after is None else round(after - before, 4)
    return found


def _direction(difference: float | None) -> str:
    if not difference or number(abs(difference), 3) == "0.000":
        return ""
    return "up" if difference > 0 else "down"


def _pair_data(view: ComparisonView, pair: CasePair, *, longest: int) -> dict[str, Any]:
    a = case_data(pair.result_a, view.record_b.rubric, longest=longest)
    b = case_data(pair.result_b, view.record_b.rubric, longest=longest)
    given: dict[str, Any] = {name: b.pop(name) for name in _GIVEN if name in b}
    for name in _GIVEN:
        a.pop(name, None)  # what both answer is the same, and stands there once
    return {"id": shown(pair.case.id), "state": view.outcome(pair), **given, "a": a, "b": b}
