"""Sentinels: a few outputs that are judged again and again. Where their scores move, the judge has moved.

A provider may change what answers under a name, and a machine may change how a model computes. The outputs stay the
same, so whatever differs between two passes, beyond the judge's own noise, is the judge.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from tenward.judges import all_of
from tenward.loop._alarm_names import Alarm
from tenward.loop._bench import RubricBench
from tenward.loop._scores import cases_of, mean
from tenward.loop._states import ProgressEvent, SentinelState

if TYPE_CHECKING:
    from tenward.loop._bench import Bench
    from tenward.loop._control import Control
    from tenward.loop._journal import CaseScore
    from tenward.loop._scores import Incumbent
    from tenward.loop._states import LoopState

__all__ = ["MOST_SENTINELS", "check_sentinels", "draw_sentinels", "drift_alarms"]

MOST_SENTINELS = 4
_EVERY = 10
_ERRORS = 4.0  # with 3, one quiet loop of 500 attempts in eight would see a drift
_SAME = 1e-9
_PASSES = 4_000_000_000
_OUTPUTS = "sentinels"
_AFRESH = "sentinels, afresh"


def draw_sentinels(control: Control, bench: Bench, first: Incumbent) -> SentinelState:
    """Draw a few outputs of the calibration by the loop's seed and put them into the journal.

    Args:
        control: The loop.
        bench: What measures; where that is no judge there are no sentinels.
        first: The incumbent that was judged for the calibration.
    """
    chosen: dict[str, list[CaseScore]] = {}
    if isinstance(bench, RubricBench):
        cases = cases_of(first.in_play)
        control.dice("sentinels").shuffle(cases)
        for case in cases:
            rows = [row for row in first.scores.rows(case) if row.value is not None and row.judged]
            if rows and len(chosen) < MOST_SENTINELS:
                chosen[case] = [row for row in rows if row.output == rows[0].output]
    kept = [replace(rows[0], result=None) for rows in chosen.values()]
    control.journal.write(scores=(_OUTPUTS, kept), forget=[_OUTPUTS, _AFRESH])
    return SentinelState(
        values={case: (mean(row.value for row in rows) or 0.0, len(rows)) for case, rows in chosen.items()},
        checked=_ended(control.state),
        epoch=control.state.epoch,
    )


async def check_sentinels(control: Control, bench: Bench, *, at_last: bool = False) -> None:
    """Judge the sentinels once more where that is due: after every ten attempts, and before the headline.

    Where their mean has moved by more than four standard errors, or that of an exact judge at all, the incumbent's
    scores are thrown away, and those of the sentinels stand in place of the calibration's.

    Args:
        control: The loop.
        bench: What measures.
        at_last: Whether the headline comes next.

    Raises:
        OutOfBudgetError: A limit was reached; what was judged is kept.
        TenwardError: No case could be judged.
    """
    known, ended = control.state.sentinels, _ended(control.state)
    if not isinstance(bench, RubricBench) or not known.values:
        return
    if ended - known.checked < (1 if at_last else _EVERY):
        return
    seen = {row.case_id: row.value for row in control.journal.scores(_AFRESH)}
    to_do = [row for row in control.journal.scores(_OUTPUTS) if row.case_id in known.values and row.case_id not in seen]
    done = 0

    async def judge(row: CaseScore) -> None:
        nonlocal done
        # A pass of a number that no other has, so that no answer from before stands for it.
        score = await bench.judge_output(row.case_id, row.output, sample=_PASSES + ended)
        seen[row.case_id] = score.value
        control.scored(_AFRESH, replace(score, result=None))
        done += 1
        control.emit(ProgressEvent(number=0, doing="sentinels", done=done, total=len(to_do)))

    await all_of(judge(row) for row in to_do)
    now = {case: value for case in known.values if (value := seen.get(case)) is not None}
    if not _has_moved(known, now, float(control.state.calibration["judge_sd"])):
        control.update(sentinels=replace(known, checked=ended), forget=[_AFRESH])
        return
    before, after = (mean(values) for values in ((known.values[case][0] for case in now), now.values()))
    control.adopt(
        control.state.incumbent,
        f"the judge has moved: {len(now)} outputs that it gave {before:.4f} in the mean got {after:.4f} after attempt "
        f"{control.journal.last_number()}; the incumbent is judged afresh, and no score from before is compared",
        forget=[_AFRESH],
        baseline_score=None,
        sentinels=SentinelState(
            values={case: (value, 1) for case, value in now.items()},
            checked=ended,
            drifts=known.drifts + 1,
            epoch=control.state.epoch + 1,
        ),
    )


def drift_alarms(sentinels: SentinelState, epoch: int) -> tuple[Alarm, ...]:
    """Whether an incumbent was judged before the judge moved.

    Args:
        sentinels: What is known of the judge.
        epoch: The incumbent.
    """
    if not sentinels.drifts or epoch >= sentinels.epoch:
        return ()
    return (Alarm(name="drift", evidence="the judge has moved since it judged the incumbent of this race"),)


def _has_moved(known: SentinelState, now: dict[str, float], judge_sd: float) -> bool:
    if not now:
        return False
    shifts = [value - known.values[case][0] for case, value in now.items()]
    if judge_sd == 0:
        return any(abs(shift) > _SAME for shift in shifts)
    variance = judge_sd**2 * sum(1 + 1 / known.values[case][1] for case in now)
    return abs(math.fsum(shifts)) > max(_ERRORS * math.sqrt(variance), _SAME)


def _ended(state: LoopState) -> int:
    """How many attempts have come to their end."""
    return sum(state.counts.values()) + state.placebos.all
