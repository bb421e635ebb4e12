"""The headline of a loop: first and last version, measured afresh on cases that no proposer saw."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tenward.decisions import NumberGain, headline
from tenward.evaluation import disagreement_in_winner
from tenward.guards import is_mapping
from tenward.loop._journal import headline_subjects
from tenward.loop._objects import ObjectWriter
from tenward.loop._paths import PathPatterns
from tenward.loop._scores import ScoreTable, cases_of, mean
from tenward.loop._sentinels import check_sentinels
from tenward.loop._states import LoopPhase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.loop._bench import Bench
    from tenward.loop._control import Control
    from tenward.loop._journal import CaseScore

__all__ = ["loaded", "loaded_line", "measure_headline"]

_HEADLINES = 3_000_000_000
_AGAIN = 3_500_000_000


async def measure_headline(control: Control, bench: Bench, *, asked: bool = False) -> None:
    """Measure baseline and winner afresh on all sealed cases, unless that was done or nothing was kept.

    Args:
        control: The loop.
        bench: What measures.
        asked: Whether somebody wants to know even where nothing was kept: the same version is then judged twice, which
            shows what judging alone makes of no gain.

    Raises:
        OutOfBudgetError: A limit was reached; what was measured is kept.
    """
    state = control.state
    units = bench.sealed or (bench.dev if not bench.scored_by_judge else ())
    unchanged = state.incumbent == state.baseline
    if not units or state.headline.get("winner") == state.incumbent:
        return
    if unchanged and not (asked and bench.scored_by_judge):
        return
    control.purse.open_aside()
    await check_sentinels(control, bench, at_last=True)
    state = control.state
    control.update(arrow=control.state.phase is not LoopPhase.HEADLINE, phase=LoopPhase.HEADLINE)
    cases = cases_of(units)
    values: list[dict[str, float | None]] = []
    tables: list[ScoreTable] = []
    sides = (("baseline", state.baseline, _HEADLINES), ("winner", state.incumbent, _AGAIN if unchanged else _HEADLINES))
    for subject, (name, commit, sample) in zip(headline_subjects(state.epoch), sides, strict=True):
        table = ScoreTable(control, bench, subject)
        await table.fill(
            [(case, sample + state.epoch) for case in cases],
            split="sealed",
            tree=control.tree_of(commit),
            slot=control.slots.slot(0),
            doing=f"headline, {name}",
        )
        values.append(table.values_at_worst(cases) if name == "winner" else table.values(cases))
        tables.append(table)
    before, after = ({case: _oriented(bench, value) for case, value in side.items()} for side in values)
    facts: dict[str, object] = {"winner": state.incumbent, "baseline_mean": mean(values[0].values())}
    facts["winner_mean"] = mean(values[1].values())
    both = [case for case in cases if before[case] is not None and after[case] is not None]
    if len(both) > 1 and bench.scored_by_judge:
        told = headline(before, after, bench.groups, noun=bench.noun)
        same = f"no gain, as nothing was kept; the same version judged twice: {told.found}"
        facts |= {
            "gain": told.gain,
            "low": told.low,
            "high": told.high,
            "units": told.units,
            "noun": told.noun,
            "missing": told.missing,
            "confirmed": told.confirmed and not unchanged,
            "text": same if unchanged else told.text,
        }
        if not unchanged and (unheard := sum(tables[1].unheard(case) for case in both)):
            facts["unheard"] = unheard
            facts["text"] = f"{told.text}; {unheard} of the winner's outputs got no verdict and count as worth nothing"
        if not unchanged and (contrary := _contradicted(bench, tables[0], tables[1], both)):
            facts["disagreement"] = contrary
    elif both:
        facts |= _number_facts(bench, before, after)
    produce = control.spec.produce
    if produce is not None and produce.without and bench.scored_by_judge:
        facts["without"] = await _done_without(control, bench, cases, after)
    if produce is not None and produce.loaded is not None:
        facts["loaded"] = loaded_line(loaded(tables[1], cases, produce.loaded), "sealed cases")
    control.update(headline=facts)


async def _done_without(
    control: Control, bench: Bench, cases: Sequence[str], winner: Mapping[str, float | None]
) -> dict[str, object]:
    """What the sealed cases are worth where the files that may change are taken away, and the winner beside it."""
    editable = PathPatterns(control.spec.edit)
    commit = control.state.incumbent
    writer = ObjectWriter(control.record.git)
    there = control.record.trees.listing(commit).files
    bare = control.record.trees.change(commit, {path: None for path in there if editable.match(path)}, writer)
    writer.store()
    table = ScoreTable(control, bench, f"h{control.state.epoch}-without")
    await table.fill(
        [(case, _HEADLINES + control.state.epoch) for case in cases],
        split="sealed",
        tree=bare,
        slot=control.slots.slot(0),
        doing="headline, without",
    )
    values = table.values(cases)
    facts: dict[str, object] = {"mean": mean(values.values())}
    if sum(values[case] is not None and winner[case] is not None for case in cases) > 1:
        told = headline(values, winner, bench.groups, noun=bench.noun)
        facts |= {
            "gain": told.gain,
            "low": told.low,
            "high": told.high,
            "text": f"winner beside doing without: {told.found}",
        }
    return facts


def loaded(table: ScoreTable, cases: Sequence[str], pattern: str) -> dict[str, int]:
    """Of how many cases the transcript shows that what may change was made use of."""
    wanted = re.compile(pattern)
    rows = [row for case in cases for row in table.rows(case)[:1]]
    left = [_transcript_of(row) for row in rows]
    return {"of": len(left), "count": sum(wanted.search(one) is not None for one in left)}


def loaded_line(told: Mapping[str, int], noun: str) -> str:
    """The same in words, with what to think of it where it was rarely."""
    line = f"made use of in {told['count']} of {told['of']} {noun}, by their transcripts"
    if 2 * told["count"] < told["of"]:
        line += ": what may change can hardly matter where it is not loaded"
    return line


def _transcript_of(row: CaseScore) -> str:
    produced = (row.result or {}).get("produced")
    return str(produced.get("transcript", "")) if is_mapping(produced) else ""


def _contradicted(bench: Bench, before: ScoreTable, after: ScoreTable, cases: Sequence[str]) -> str:
    """Where references see the other version win than the judge does, in a line; empty otherwise."""
    differences: list[tuple[float, float]] = []
    for case in cases:
        sides = [
            (mean(bench.judge_alone(row) for row in table.rows(case)), mean(row.references for row in table.rows(case)))
            for table in (before, after)
        ]
        (judged, likeness), (judged_after, likeness_after) = sides
        if judged is None or judged_after is None or likeness is None or likeness_after is None:
            continue
        differences.append((judged_after - judged, likeness_after - likeness))
    found = disagreement_in_winner(differences, "references", names=("baseline", "winner"))
    return "" if found is None else found.text


def _number_facts(
    bench: Bench, before: Mapping[str, float | None], after: Mapping[str, float | None]
) -> dict[str, object]:
    """The headline of a number: means of what both sides have, with an interval where there are repeats."""
    both = [case for case, value in before.items() if value is not None and after[case] is not None]
    told = NumberGain(
        before=bench.sign * (mean(before[case] for case in both) or 0.0),
        after=bench.sign * (mean(after[case] for case in both) or 0.0),
        lower_is_better=bench.sign < 0,
        repeats=len(both),
        missing=len(before) - len(both),
    )
    if len(both) > 1:
        found = headline(before, after, bench.groups)
        told = replace(told, low=found.low, high=found.high)
    return {
        "baseline_mean": told.before,
        "winner_mean": told.after,
        "gain": told.gain,
        "low": told.low,
        "high": told.high,
        "units": told.repeats,
        "missing": told.missing,
        "confirmed": told.confirmed,
        "text": told.text,
    }


def _oriented(bench: Bench, value: float | None) -> float | None:
    return None if value is None else bench.sign * value
