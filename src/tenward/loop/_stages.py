"""The cheap steps before the score: a check that exits with 0, a first glance at a few cases, a cheaper number."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.loop._commands import in_thread
from tenward.loop._control import BrokenEvaluatorError
from tenward.loop._scores import ScoreTable, mean
from tenward.loop._states import StageState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.loop._bench import NumberBench
    from tenward.loop._control import Control
    from tenward.loop._deciding import Duel
    from tenward.loop._definition import StageSpec
    from tenward.loop._slots import Slot
    from tenward.loop._states import AttemptState
    from tenward.processes import Completed

__all__ = ["StageEnd", "run_stage", "stage_name", "try_stages"]


@dataclass(frozen=True, kw_only=True)
class StageEnd:
    """How a stage ended."""

    state: StageState
    log: str = ""
    """What a command printed last."""

    crashed: bool = False
    """Whether the candidate broke down, rather than being found wanting."""


def stage_name(stage: StageSpec) -> str:
    """A stage as its file writes it."""
    if stage.run is not None:
        return f"run: {shlex.join(stage.run)}"
    if stage.number is not None:
        return f"number: {shlex.join(stage.number.command)}"
    return f"cases: {stage.cases}"


async def run_stage(
    control: Control,
    stage: StageSpec,
    at: int,
    duel: Duel,
    slot: Slot,
    attempt: AttemptState,
    probe: NumberBench | None,
    others: Sequence[float],
) -> StageEnd:
    """Take one stage; ``others`` are the numbers of other candidates at this one.

    Raises:
        CandidateCrashedError: It does not work on cases.
        BrokenEvaluatorError: Nor does the incumbent.
        OutOfBudgetError: A limit was reached.
    """
    name = stage_name(stage)
    if stage.run is not None:
        ended = await _run(control, stage, attempt.tree, slot)
        detail = _how(ended, stage.timeout)
        state = StageState(stage=name, passed=ended.status == 0, detail=detail, seconds=ended.seconds)
        # A signal or a time-out is no verdict of a check.
        crashed = ended.status is None or ended.status < 0
        return StageEnd(state=state, log=f"{detail}\n{ended.tail}" if crashed else ended.tail, crashed=crashed)
    if stage.number is not None:
        assert probe is not None
        return await _number(control, stage, at, name, slot, attempt, probe, others)
    if stage.cases is None or stage.cases == "all":
        return StageEnd(state=StageState(stage=name, passed=True, detail="the race goes over all of them"))
    hopeless, detail = await duel.looks_hopeless(stage.cases)
    return StageEnd(state=StageState(stage=name, passed=not hopeless, detail=detail))


async def try_stages(control: Control, commit: str, slot: Slot) -> None:
    """See to it that the incumbent passes every check: one that it fails would discard all candidates.

    Raises:
        BrokenEvaluatorError: It does not.
    """
    for stage in control.spec.stages:
        if stage.run is not None:
            ended = await _run(control, stage, commit, slot)
            if ended.status != 0:
                what = f"the stage '{stage_name(stage)}' fails on the incumbent: {_how(ended, stage.timeout)}"
                raise BrokenEvaluatorError(what, ended.tail)


async def _run(control: Control, stage: StageSpec, tree: str, slot: Slot) -> Completed:
    assert stage.run is not None
    await in_thread(lambda: slot.reset(control.laid(tree)))
    return await control.commands.run(stage.run, cwd=slot.path, timeout=stage.timeout, env=slot.environment)


def _how(ended: Completed, timeout: float) -> str:
    if ended.status is None:
        return f"stopped after {timeout:g} s"
    lines = [line for line in ended.tail.splitlines() if line.strip()]
    return f"exit status {ended.status}" + (f": {lines[-1][:200]}" if ended.status and lines else "")


async def _number(
    control: Control,
    stage: StageSpec,
    at: int,
    name: str,
    slot: Slot,
    attempt: AttemptState,
    probe: NumberBench,
    others: Sequence[float],
) -> StageEnd:
    """Measure the candidate, and the incumbent once for all candidates; who is not worse goes on, or is of the best."""
    number = stage.number
    assert number is not None
    sides: dict[str, list[float]] = {}
    seconds, log = 0.0, ""
    for subject, tree in ((f"e{attempt.epoch}", attempt.parent), (f"a{attempt.number}", attempt.tree)):
        table = ScoreTable(control, probe, subject)
        for nth in range(number.repeats):
            case = f"stage {at}, {nth:04d}"
            if table.lacks(case, attempt.passes if subject[0] == "a" else 0):
                sample = attempt.passes if subject[0] == "a" else 0
                score = await probe.run(number, case, split="dev", sample=sample, tree=tree, slot=slot)
                control.scored(subject, score)
            else:
                score = table.rows(case)[-1]
            if score.value is None:
                if subject[0] == "e":
                    control.update(forget=[subject])
                    raise BrokenEvaluatorError(f"the stage '{name}' fails on the incumbent", score.problem)
                state = StageState(stage=name, passed=False, detail=score.problem.splitlines()[0], seconds=seconds)
                return StageEnd(state=state, log=score.problem, crashed=True)
            sides.setdefault(subject[0], []).append(score.value)
            log = score.output
    new, old = mean(sides["a"]) or 0.0, mean(sides["e"]) or 0.0
    sign = -1 if number.goal == "minimize" else 1
    passed, detail = sign * new >= sign * old, f"{new:g}, the incumbent {old:g}"
    if stage.best is not None:
        place = 1 + sum(sign * other > sign * new for other in others)
        passed = passed or place <= math.ceil(stage.best * (len(others) + 1))
        detail += f", place {place} of {len(others) + 1}"
    state = StageState(stage=name, passed=passed, detail=detail, number=new)
    return StageEnd(state=state, log=log)
