"""The report of one run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tenward.reports._case_data import case_data, remark, rubric_data, state
from tenward.reports._format import FAILURE_WORDS, covered, number, plural
from tenward.reports._page import render_page
from tenward.reports._text import longest_for, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenward.evaluation import Result, RunRecord, Summary

__all__ = ["Column", "Row", "link", "render_run", "warnings"]

_STATES = ("passed", "below floor", "unscored", "gate failed")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the case table."""

    label: str
    numeric: bool = True
    title: str = ""
    """What a longer look shows; empty for nothing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case in the case table."""

    case: str
    href: str
    state: str
    cells: Sequence[tuple[str, str]]
    """Text and CSS class per column after the first."""

    keys: Sequence[float | str | None]
    """What the columns are sorted by; None comes last either way."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the case table needs of a result, kept until it is known how scores are written."""

    case: str
    state: str
    quality: int | None
    value: float | None
    scores: Sequence[float | None]
    low: Sequence[str]
    references: float | None
    remark: str


def link(case: str) -> str:
    """The address of a case inside the page."""
    return f"#case={quote(case, safe='')}"


def render_run(record: RunRecord, results: Iterable[Result], summary: Summary) -> str:
    """The report of one run as one self-contained HTML page.

    Args:
        record: What the run was.
        results: Its results, taken one at a time, in the order the table shows them first.
        summary: What the results come to.
    """
    rubric = record.rubric
    criteria = tuple(rubric.criteria)
    longest = longest_for(summary.cases)
    with_references = summary.references is not None
    found: list[_Found] = []
    cases: list[dict[str, Any]] = []
    models: dict[str, None] = {}
    for result in results:
        if result.verdict is not None:
            models[shown(result.verdict.model)] = None
        cases.append(case_data(result, rubric, longest=longest))
        found.append(_find(result, criteria))
    # Either no score has a decimal or all have, so that the points stand in line.
    whole = all(score is None or score == int(score) for item in found for score in item.scores)
    rows = [
        _row(item, criteria, grade=record.scale.is_grade, decimals=0 if whole else 1, with_references=with_references)
        for item in found
    ]
    states = Counter(row.state for row in rows)
    columns = [Column(label="case", numeric=False), Column(label="result", numeric=False), Column(label="quality")]
    columns += [Column(label="value", title="the scalar from 0 to 1")]
    columns += [Column(label=name, title=shown(item.ask[0])) for name, item in rubric.criteria.items()]
    columns += [Column(label="references", title="mean of the reference metrics")] * with_references
    columns += [Column(label="remark", numeric=False)]
    return render_page(
        "run.html",
        scripts=("basics.js", "table.js", "page.js", "detail.js", "run.js"),
        data={
            "rubric": rubric_data(rubric),
            "grade": record.scale.is_grade,
            "columns": [column.label for column in columns],
            "keys": [row.keys for row in rows],
            "states": [row.state for row in rows],
            "cases": cases,
        },
        record=record,
        rubric=rubric,
        summary=summary,
        models=list(models),
        contradictions=[f"{shown(one.text[:1].upper() + one.text[1:])}." for one in summary.disagreements],
        warnings=warnings(record, summary),
        failure_words=FAILURE_WORDS,
        columns=columns,
        rows=rows,
        states=[(name, states[name]) for name in _STATES if states[name]],
    )


def warnings(record: RunRecord, summary: Summary) -> list[str]:
    """What a reader must know before the numbers, one sentence each."""
    found: list[str] = []
    all_cases = f" of {record.cases:,}" if record.cases is not None else ""
    have = f"{summary.cases:,}{all_cases} cases have a result"
    if record.status == "stopped":
        found.append(f"Stopped early{f': {shown(record.note)}' if record.note else ''}. {have}; the run can go on.")
    elif record.status == "running":
        found.append(f"Not finished: the run is going on, or its process was ended. {have}.")
    elif record.cases is not None and summary.cases < record.cases:
        found.append(f"Not all cases: {have}.")
    if summary.unscored:
        were = "was" if summary.unscored == 1 else "were"
        found.append(f"{plural(summary.unscored, 'case')} {were} not scored and in no mean; see the failures by class.")
    if summary.scored + summary.unscored and summary.coverage < 1:
        found.append(f"Coverage {covered(summary.coverage)}: the rest of the weight has no score and is left out.")
    if summary.gated:
        found.append(f"{plural(summary.gated, 'case')} failed a gate; no model was asked and no mean counts them.")
    if summary.capped:
        found.append(f"{plural(summary.capped, 'text')} compared in part only: longer than a reference metric reads.")
    return found


def _find(result: Result, criteria: Sequence[str]) -> _Found:
    scores = result.verdict.scores if result.verdict is not None else {}
    return _Found(
        case=shown(result.case.id),
        state=state(result),
        quality=result.quality,
        value=result.value,
        scores=[None if (score := scores.get(name)) is None else round(score, 4) for name in criteria],
        low=result.score.below_floor if result.score else (),
        references=None if result.references is None else round(result.references.value, 4),
        remark=remark(result),
    )


def _row(item: _Found, criteria: Sequence[str], *, grade: bool, decimals: int, with_references: bool) -> Row:
    cells = [
        (item.state, f"state {item.state.replace(' ', '-')}"),
        ("–" if item.quality is None else str(item.quality), f"quality q{item.quality or 0}" if grade else ""),
        (number(item.value, 3), ""),
    ]
    for name, score in zip(criteria, item.scores, strict=True):
        cells.append((number(score, decimals), "low" if name in item.low else ""))
    references = [item.references] * with_references
    cells += [(number(value, 3), "") for value in references]
    cells.append((item.remark, "remark"))
    return Row(
        case=item.case,
        href=link(item.case),
        state=item.state,
        cells=cells,
        keys=[item.case, item.state, item.quality, item.value, *item.scores, *references, item.remark or None],
    )
