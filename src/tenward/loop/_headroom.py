"""Headroom at the start: where no output passes the gates, whether any other version makes a difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.errors import LoopError
from tenward.evaluation import result_from_data
from tenward.loop._bench import RubricBench
from tenward.loop._brief import build_brief
from tenward.loop._broken_rules import broken_rules
from tenward.loop._objects import ObjectWriter
from tenward.loop._scores import ScoreTable, cases_of, mean
from tenward.loop._trees import Entry
from tenward.loop.proposers import RulesArm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.evaluation import Result
    from tenward.loop._bench import Bench
    from tenward.loop._control import Control
    from tenward.loop._scores import Incumbent

__all__ = ["HEADROOM_SCORES", "headroom"]

HEADROOM_SCORES = ("headroom-empty", "headroom-plain")
"""Subjects of the journal, to be forgotten when the calibration is done."""

_MOST_CASES = 6
_PASS = 3_700_000_000
"""Number of a pass that no other use has."""

_ALIKE = 1e-9
_WORDS = {"empty": "empty", "plain": "with its rules said"}


async def headroom(control: Control, bench: Bench, first: Incumbent, *, anyway: bool) -> list[str]:
    """See what a flat start is: an artefact that any change lifts, or an evaluation that sees none.

    Another version, in which a program has said the rules that outputs break, is scored on a few dev cases, and where
    that makes no difference one that says nothing.

    Args:
        control: The loop.
        bench: What measures; a number is never flat.
        first: The incumbent, scored by the calibration.
        anyway: Whether to go on where nothing makes a difference.

    Returns:
        Lines for people; none where an output came as far as the judge, whose sight is tested apart, or where what may
        change is not one text.

    Raises:
        LoopError: All of them score the same on every case, so no loop could climb.
        OutOfBudgetError: A limit was reached; what was scored is kept.
    """
    cases = cases_of(first.in_play)
    values = [value for value in first.scores.values(cases).values() if value is not None]
    judged = any(row.judged for case in cases for row in first.scores.rows(case))
    if judged or len(values) < 2 or not isinstance(bench, RubricBench) or not control.spec.edits_one_text:
        return []
    path = control.spec.edit[0]
    listing = control.record.trees.listing(first.commit).files
    if path not in listing:
        return []
    results = _results(first, bench, cases)
    text = control.record.git.bodies([listing[path].name])[0].decode("utf-8", "replace")
    brief = build_brief(
        number=0, goal=control.spec.goal, editable=control.spec.edit, files={path: text}, results=results
    )
    plain = RulesArm().change(brief, text, lambda _idea: None)
    versions = {} if plain is None else {"plain": plain.text}
    versions["empty"] = "{input}\n" if control.spec.produce is not None else "-\n"
    found: dict[str, list[float]] = {}
    seen = list(values)
    for name, new in versions.items():
        if max(seen) - min(seen) < _ALIKE:  # else it is known that there is something to climb
            found[name] = await _scored(control, bench, name, {path: new}, first, cases)
            seen += found[name]
    what = "; ".join(f"{one.told}, {one.worst}" for one in broken_rules(results)) or "the outputs crash"
    start = f"flat start: all {len(values)} dev cases score {values[0]:.2f} ({what})"
    told = ", ".join(f"{mean(some) or 0.0:.2f} {_WORDS[name]}" for name, some in found.items())
    if max(seen) - min(seen) < _ALIKE:
        if not anyway:
            raise LoopError(
                f"{start}, and so do other versions: {told}",
                hint="start from an artefact of which some outputs pass every gate, or loosen a gate; --anyway starts "
                "it all the same",
            )
        return [f"{start}, and so do other versions: {told}"]
    return [f"{start}; headroom on {min(len(cases), _MOST_CASES)} of them: {told}"]


def _results(first: Incumbent, bench: RubricBench, cases: Sequence[str]) -> list[Result]:
    rows = [row for case in cases for row in first.scores.rows(case)[:1]]
    return [result_from_data(dict(row.result), bench.rubric) for row in rows if row.result is not None]


async def _scored(
    control: Control, bench: RubricBench, name: str, files: dict[str, str], first: Incumbent, cases: Sequence[str]
) -> list[float]:
    """The scores of another version on a few cases."""
    writer = ObjectWriter(control.record.git)
    there = control.record.trees.listing(first.commit).files
    changes: dict[str, Entry | None] = {
        path: Entry(there[path].mode, writer.add("blob", text.encode())) for path, text in files.items()
    }
    tree = control.record.trees.change(first.commit, changes, writer)
    writer.store()
    table = ScoreTable(control, bench, f"headroom-{name}")
    few = cases[:_MOST_CASES]
    await table.fill(
        [(case, _PASS) for case in few], split="dev", tree=tree, slot=control.slots.slot(0), doing="headroom"
    )
    return [value for value in table.values(few).values() if value is not None]
