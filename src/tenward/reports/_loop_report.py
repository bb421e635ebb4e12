"""The report of a loop."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tenward.reports._format import duration, number, plural, signed
from tenward.reports._page import render_page
from tenward.reports._run_report import Column, Row, link
from tenward.reports._staircase import staircase
from tenward.reports._text import longest_for, shown

if TYPE_CHECKING:
    from tenward.reports._loop_view import AttemptView, LoopView, NumberGainView

__all__ = ["render_loop"]

_STATES = ("keep", "discard", "undecided", "invalid", "crashed", "placebo", "running")
_IN_A_CELL = 160
_FEW_PLACEBOS = 20


def render_loop(view: LoopView) -> str:
    """The report of a loop as one self-contained HTML page, at any time of its life."""
    attempts = sorted(view.attempts, key=lambda attempt: -attempt.number)
    longest = longest_for(len(attempts))
    rows = [_row(view, attempt) for attempt in attempts]
    found = Counter(row.state for row in rows)
    by_judge = view.claimed is not None
    columns = [Column(label="attempt"), Column(label="status", numeric=False), Column(label="idea", numeric=False)]
    columns.append(Column(label="effect", title="candidate minus incumbent, as estimated when it was decided"))
    columns += [Column(label="90 % interval", numeric=False, title="of the effect")] * by_judge
    columns += [Column(label="P(better)", title="probability that the effect is above 0")] * by_judge
    columns.append(Column(label="score", title="on the dev cases it met" if by_judge else "the number"))
    columns += [Column(label="judged", title="cases judged for it")] * by_judge
    columns.append(Column(label="time", title="wall time"))
    told = view.gain.disagreement if view.gain is not None and not view.gain.earlier else ""
    return render_page(
        "loop.html",
        scripts=("basics.js", "table.js", "page.js", "loop.js"),
        data={
            "noun": "attempt",
            "decimals": view.decimals,
            "columns": [column.label for column in columns],
            "keys": [row.keys for row in rows],
            "states": [row.state for row in rows],
            "cases": [_data(attempt, longest=longest) for attempt in attempts],
        },
        view=view,
        chart=staircase(view),
        contradictions=[f"{shown(told[:1].upper() + told[1:])}."] if told else [],
        warnings=_warnings(view),
        headline=_headline(view),
        columns=columns,
        rows=rows,
        found=found,
        states=[(name, found[name]) for name in _STATES if found[name]],
        kept=[
            (one.number, shown(one.idea or "–", longest=_IN_A_CELL), shown(one.reason.removeprefix("kept: ")))
            for one in attempts
            if one.state == "keep"
        ],
        placebo_words=_placebo_words(view),
        cost=_cost(view),
    )


def _headline(view: LoopView) -> str:
    """What the big number says, in a sentence."""
    number_gain, gain = view.number_gain, view.gain
    if number_gain is not None:
        return _number_headline(number_gain)
    if gain is not None and gain.earlier:
        return "The gain has not been measured for the present incumbent"
    if not any(attempt.state == "keep" for attempt in view.attempts):
        twice = "; the same version was judged twice, and this is what judging alone does"
        return f"No attempt was kept, so there is no gain{twice if gain else ' to measure'}"
    if gain is None:
        where = " on sealed cases" if view.claimed is not None else ""
        return f"The gain has not been measured{where}"
    if gain.confirmed:
        return "Confirmed: the winner is better than what the loop began with"
    return "Not confirmed: the interval contains 0, so the gain may be luck"


def _number_headline(told: NumberGainView) -> str:
    """Whether a number's gain is beyond its noise; nothing where each side was measured once."""
    if told.gain <= 0:
        return "No gain: the winner is no better than what the loop began with"
    if told.confirmed is None:
        return ""
    if told.confirmed:
        return "Confirmed: the winner is better than what the loop began with"
    return "Not confirmed: the interval contains 0, so the gain may be luck"


def _warnings(view: LoopView) -> list[str]:
    found: list[str] = []
    if view.phase == "stopped":
        found.append(f"Stopped early{f': {shown(view.note)}' if view.note else ''}. The loop can go on.")
    elif view.phase != "ended":
        found.append(f"Not finished: the loop was at “{view.phase}” when this page was made.")
    placebos = view.placebos
    if kept := placebos.unchanged_kept + placebos.damaged_kept:
        were = "was" if kept == 1 else "were"
        found.append(f"{plural(kept, 'placebo')} {were} taken for an improvement; see the placebos before the gain.")
    if placebos.tightened:
        found.append(f"The loop has tightened itself: {shown(placebos.tightened)}.")
    if view.shared_weakness:
        found.append(f"{shown(view.shared_weakness[:1].upper() + view.shared_weakness[1:])}.")
    return found


def _placebo_words(view: LoopView) -> str:
    placebos = view.placebos
    every = placebos.unchanged + placebos.damaged
    if not every:
        return "No placebo was decided yet, so nothing is known of false keeps."
    kept = placebos.unchanged_kept + placebos.damaged_kept
    told = f"{kept} of {plural(every, 'placebo')} kept. With 95 % certainty at most {placebos.at_most:.0%} are."
    if placebos.tightened:
        told = f"{told} The loop has tightened itself: {shown(placebos.tightened)}."
    return f"{told} Few placebos bound loosely." if every < _FEW_PLACEBOS else told


def _cost(view: LoopView) -> str:
    if not view.priced:
        return f"unknown (a model without a price){f', at least ${view.usd:,.4f}' if view.usd else ''}"
    return f"${view.usd:,.{2 if view.usd >= 10 else 4}f}" if view.usd else "no cost"


def _row(view: LoopView, attempt: AttemptView) -> Row:
    digits = view.decimals
    idea = shown(attempt.idea or (f"placebo: {attempt.placebo}" if attempt.placebo else "–"), longest=_IN_A_CELL)
    by_judge = view.claimed is not None
    interval = "–"
    if attempt.low is not None and attempt.high is not None:
        interval = f"{signed(attempt.low, digits)} to {signed(attempt.high, digits)}"
    direction = "" if not attempt.effect or attempt.state != "keep" else "up"
    cells = [
        (attempt.state, f"state {attempt.state}"),
        (idea.replace("\n", " "), "remark"),
        (signed(attempt.effect, digits), direction),
    ]
    keys: list[float | str | None] = [attempt.number, attempt.state, idea, attempt.effect]
    if by_judge:
        cells += [(interval, "span"), (number(attempt.p_better, 2), "")]
        keys += [attempt.low, attempt.p_better]
    cells.append((number(attempt.score, digits), ""))
    keys.append(attempt.score)
    if by_judge:
        cells.append((f"{attempt.judged:,}", ""))
        keys.append(attempt.judged)
    cells.append((duration(attempt.seconds), ""))
    keys.append(attempt.seconds)
    name = str(attempt.number)
    return Row(case=name, href=link(name), state=attempt.state, cells=cells, keys=keys)


def _data(attempt: AttemptView, *, longest: int) -> dict[str, Any]:
    """What the script shows of one attempt; what is empty is left out."""

    def text(value: str) -> str:
        return shown(value, longest=longest)

    took = [duration(attempt.seconds), *[plural(attempt.calls, "call")] * bool(attempt.calls)]
    took += [f"{plural(attempt.judged, 'case')} judged"] * bool(attempt.judged)
    took += [f"${attempt.usd:.4f}"] * bool(attempt.usd)
    data: dict[str, Any] = {
        "id": str(attempt.number),
        "state": attempt.state,
        "phase": attempt.phase,
        "placebo": text(attempt.placebo),
        "idea": text(attempt.idea),
        "note": text(attempt.idea_note),
        "reason": text(attempt.reason),
        "diff": text(attempt.diff),
        "diff_note": text(attempt.diff_note),
        "stages": [
            [text(stage.stage), stage.passed, text(stage.detail), round(stage.seconds, 2)] for stage in attempt.stages
        ],
        "looks": [[look.split, look.units, [round(value, 4) for value in look.differences]] for look in attempt.looks],
        "effect": attempt.effect,
        "low": attempt.low,
        "high": attempt.high,
        "p_better": attempt.p_better,
        "floors": [text(floor) for floor in attempt.floors],
        "score": attempt.score,
        "incumbent": attempt.incumbent_score,
        "faults": [text(fault) for fault in attempt.faults],
        "alarms": [text(alarm) for alarm in attempt.alarms],
        "fooling": attempt.fooling,
        "log": text(attempt.log),
        "retro": text(attempt.retro),
        "true_to_idea": attempt.true_to_idea,
        "trend": attempt.trend,
        "suggested": [text(item) for item in attempt.suggested],
        "commit": attempt.commit,
        "parent": attempt.parent,
        "rebased": attempt.rebased,
        "took": " · ".join(took),
    }
    return {name: value for name, value in data.items() if value is not None and value not in ("", [])}
