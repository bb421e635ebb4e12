"""Sight at the start of a loop: whether its judge tells the incumbent's outputs from worse ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenward.errors import LoopError
from tenward.judges import all_of
from tenward.loop._bench import RubricBench
from tenward.loop._scores import cases_of, mean
from tenward.loop._states import ProgressEvent
from tenward.sight import SUBTLE, NoLadderError, Reading, build_ladders, compare_readings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenward.datasets import Case
    from tenward.loop._bench import Bench
    from tenward.loop._control import Control
    from tenward.loop._scores import Incumbent
    from tenward.rubrics import Rubric
    from tenward.sight import Ladder, Sight

__all__ = ["SIGHT_SCORES", "look", "sight_cases", "sight_span"]

SIGHT_SCORES = "sight"
"""Whose scores the rungs' are in the journal."""

_MOST_CASES = 12
_PLAIN_RUNGS = ("other", "half", "vague", "reference")
_SUBTLE_RUNGS = 1
_PASSES = 5_000_000_000
_HELP = (
    "take a larger judge, criteria that name what makes an output right, or cases with references; outputs that are as "
    "poor as a stock phrase cannot be told from one either; --anyway starts the loop all the same"
)


def sight_cases(cases: int) -> int:
    """How many texts are judged to find out, at most.

    Args:
        cases: Dev cases in play.
    """
    return min(cases, _MOST_CASES) * (len(_PLAIN_RUNGS) + _SUBTLE_RUNGS)


def sight_span(calibration: Mapping[str, Any]) -> float | None:
    """From the worst text that the judge sees to the best, in units of the value that decides; None where unknown.

    The place where a decision rule learns how far apart values can be: its first guess may take it for its unit.
    """
    found = calibration.get("span")
    return float(found) if isinstance(found, int | float) else None


async def look(control: Control, bench: Bench, first: Incumbent, *, anyway: bool) -> dict[str, Any]:
    """Judge ladders of the outputs that the calibration has judged, and take out of the value what sees nothing.

    Args:
        control: The loop.
        bench: What measures; where that is no judge nothing is done.
        first: The incumbent, with the scores of the calibration; they are weighed anew where criteria are left out.
        anyway: Whether to go on with a judge that sees nothing.

    Returns:
        Facts of the calibration: ``sight`` (data of :class:`tenward.sight.Sight`), ``span``, ``left_out`` (criteria),
        and ``sight_lines`` for people. Of these only the last where sight is unknown.

    Raises:
        LoopError: The judge sees nothing, so the loop would burn its budget.
        OutOfBudgetError: A limit was reached; what was judged is kept.
    """
    if not isinstance(bench, RubricBench):
        return {}
    if not control.spec.has_cases:
        return {"sight_lines": ["sight: unknown, since a single text has no others to be set beside"]}
    outputs = list(_outputs(bench, first))
    if not outputs:
        return {"sight_lines": ["sight: unknown, since no output came as far as the judge"]}
    try:
        ladders = build_ladders(
            outputs,
            cases_at_most=_MOST_CASES,
            seed=control.state.seed,
            rungs=(*_PLAIN_RUNGS, *SUBTLE),
            subtle_at_most=_SUBTLE_RUNGS,
            nulls=False,
        )
    except NoLadderError as error:
        return {"sight_lines": [f"sight: unknown: {error.message}"]}
    readings = _known(ladders, first, bench.rubric) | await _read(control, bench, ladders)
    found = compare_readings(ladders, readings, bench.rubric, judge=bench.dev_judge.name, seed=control.state.seed)
    if found.is_blind and not anyway:
        raise LoopError(f"the loop would be led by a judge that sees nothing: {found.lines[0]}", hint=_HELP)
    lines, span = list(found.lines), found.span
    left_out = _left_out(found, bench.rubric) if control.spec.keep.blind is None else ()
    if left_out:
        share = float(sum(bench.rubric.shares[name] for name in left_out))
        lines.append(
            f"left out of what decides, for they see nothing: {', '.join(left_out)} ({share:.0%} of the weight); "
            "keep: {blind: use} counts them all the same"
        )
        bench.leave_out(left_out)
        first.weigh_anew(bench.weighed)
        span = compare_readings(ladders, readings, bench.deciding, judge=found.judge, seed=found.seed).span
    return {
        "sight": found.to_json(),
        "span": None if span is None else span * _judge_share(bench.rubric, ladders),
        "left_out": list(left_out),
        "sight_lines": lines,
    }


def _outputs(bench: RubricBench, first: Incumbent) -> Iterator[Case]:
    """The dev cases in play with what was produced for them, where a judge gave a score."""
    for case in cases_of(first.in_play):
        rows = [row for row in first.scores.rows(case) if row.value is not None and row.judged]
        if rows:
            yield replace(bench.case(case), output=rows[0].output)


def _known(ladders: Sequence[Ladder], first: Incumbent, rubric: Rubric) -> dict[tuple[str, str], Reading]:
    """The readings of the outputs themselves, which the calibration has: means over its passes."""
    found: dict[tuple[str, str], Reading] = {}
    for ladder in ladders:
        case, output = ladder.case.id, ladder.case.output
        rows = [row for row in first.scores.rows(case) if row.output == output and row.judged]
        shares = {name: mean(row.criteria.get(name) for row in rows) for name in rubric.criteria}
        found[case, output] = _reading(shares, rubric)
    return found


async def _read(control: Control, bench: RubricBench, ladders: Sequence[Ladder]) -> dict[tuple[str, str], Reading]:
    """Have every rung judged that was not before; each goes to the journal as soon as it is there."""
    found = {
        (row.case_id, row.output): _reading(row.criteria, bench.rubric) for row in control.journal.scores(SIGHT_SCORES)
    }
    todo = [
        (ladder.case.id, at, text)
        for ladder in ladders
        for at, text in enumerate(ladder.rungs.values())
        if (ladder.case.id, text) not in found
    ]
    waiting = iter(todo)
    done = 0

    async def work() -> None:
        nonlocal done
        for case, at, text in waiting:
            score = await bench.judge_output(case, text, sample=_PASSES, alone=True)
            found[case, text] = _reading(score.criteria, bench.rubric)
            control.scored(SIGHT_SCORES, replace(score, sample=at, result=None))
            done += 1
            control.emit(ProgressEvent(number=0, doing="sight", done=done, total=len(todo)))

    await all_of(work() for _ in range(min(control.concurrency, len(todo))))
    return found


def _reading(shares: Mapping[str, float | None], rubric: Rubric) -> Reading:
    lo, hi = rubric.scale.lo, rubric.scale.hi
    scores = {
        name: None if share is None else min(max(lo + share * (hi - lo), lo), hi) for name, share in shares.items()
    }
    return Reading(scores=scores, raw=scores)


def _left_out(found: Sight, rubric: Rubric) -> tuple[str, ...]:
    """The criteria whose weight is of no use; none where that would leave nothing to decide by."""
    blind = [name for name in found.blind if rubric.shares[name]]
    left = sum(share for name, share in rubric.shares.items() if name not in blind)
    return tuple(blind) if left and not found.is_blind else ()


def _judge_share(rubric: Rubric, ladders: Sequence[Ladder]) -> float:
    """The judge's part of the value that decides, beside reference metrics."""
    mixed = rubric.references and any(ladder.case.references for ladder in ladders)
    return rubric.mix.judge / (rubric.mix.judge + rubric.mix.references) if mixed else 1.0
