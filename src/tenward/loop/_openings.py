"""What a loop does before attempts and between them: it begins, tries its evaluator, measures its noise, rejudges."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenward.decisions import (
    Better,
    Decision,
    Pooled,
    PosteriorRace,
    RaceSettings,
    calibrate,
    outlook,
)
from tenward.errors import LoopError
from tenward.loop._commands import in_thread
from tenward.loop._control import BrokenEvaluatorError
from tenward.loop._headline import loaded, loaded_line
from tenward.loop._headroom import HEADROOM_SCORES, headroom
from tenward.loop._ledger import Status
from tenward.loop._notes import STATE_NOTE
from tenward.loop._scores import cases_of
from tenward.loop._seal import broken_seal
from tenward.loop._sentinels import MOST_SENTINELS, draw_sentinels
from tenward.loop._sight import SIGHT_SCORES, look, sight_span
from tenward.loop._stages import try_stages
from tenward.loop._states import AttemptState, LoopPhase, LoopState, Phase, read_state
from tenward.loop._strictness import with_placebo
from tenward.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenward.decisions import Calibration, DecisionRule
    from tenward.judges import Judge
    from tenward.loop._bench import Bench
    from tenward.loop._control import Control
    from tenward.loop._definition import LoopSpec
    from tenward.loop._journal import Journal
    from tenward.loop._record import LoopRecord
    from tenward.loop._scores import Incumbent
    from tenward.loop._seal import Sealed
    from tenward.rubrics import Rubric

__all__ = ["check_fingerprint", "open_loop", "prepare", "rejudge"]

_OLD_EPOCHS = 20
_TRIED = 3  # an incumbent may fail on some cases, and be the better for it later
_FREEDOM = 6  # passes in all below which nothing is known of the noise
_HALF = 0.5  # of the scale from 0 to 1: no candidate gains more, where nobody has measured what lies between outputs
_UNFINISHED = {LoopPhase.REJUDGING, LoopPhase.HEADLINE}


def open_loop(spec: LoopSpec, record: LoopRecord, journal: Journal, sealed: Sealed) -> LoopState:
    """Find out how a loop stands, and that it is still judged by what it was judged by.

    Raises:
        LoopError: Its evaluator was changed since it began.
    """
    state = journal.loop()
    if state is not None and not state.calibration and state.baseline != record.base and not journal.last_number():
        journal.write(forget=[f"e{state.epoch}"])  # its evaluator was broken, and it begins at another commit
        state = None
    if state is None:
        state = LoopState(
            loop=record.loop,
            phase=LoopPhase.TESTING,
            baseline=record.base,
            incumbent=record.incumbent,
            seed=spec.seed,
            seal=sealed.digest,
            seal_parts=sealed.parts,
        )
        state = _rebuilt(state, record, journal, spec.rule)
    broken = broken_seal(state.seal_parts, sealed.parts)
    if broken:
        raise LoopError(
            f"the loop '{record.loop}' is judged by other things than when it began: {', '.join(broken)}",
            hint="undo that, or give the loop a new name: scores from different evaluators are never compared",
        )
    return replace(state, seed=spec.seed, warnings=tuple(dict.fromkeys((*state.warnings, *sealed.warnings))))


def check_fingerprint(control: Control, rubric: Rubric, judges: tuple[Judge, Judge]) -> None:
    """See to it that the judges are those of the scores there are: a new version may ask in other words.

    Raises:
        LoopError: They are not; the message names what differs.
    """
    now = {
        f"{whose}, {name}": value
        for whose, judge in zip(("the judge", "the confirming judge"), judges, strict=True)
        for name, value in judge.fingerprint(rubric).items()
    }
    then = control.state.fingerprint
    if then and (broken := broken_seal(then, now)):
        raise LoopError(
            f"the loop '{control.state.loop}' was judged by another judge: {', '.join(broken)}",
            hint="go back to that one, or give the loop a new name: scores of different judges are never compared",
        )
    control.update(fingerprint=now)


def _rebuilt(state: LoopState, record: LoopRecord, journal: Journal, rule: DecisionRule) -> LoopState:
    """Take in what the record in git knows: the journal is new, as in a clone, or was lost."""
    counts: dict[str, int] = {}
    epoch = 0
    for one in record.attempts():
        note = record.notes(one.number).get(STATE_NOTE, b"")
        try:
            attempt = replace(read_state(AttemptState, note), phase=Phase.CLOSED, candidate=one.candidate)
        except ValueError:
            attempt = AttemptState(
                number=one.number,
                phase=Phase.CLOSED,
                parent=one.parent,
                epoch=epoch,
                began=one.began,
                ended=one.ended,
                idea=one.description,
                status=one.status,
                reason=one.status.value,
                score=one.score,
                candidate=one.candidate,
            )
        journal.write(attempt=attempt)
        epoch = max(epoch, attempt.epoch) + (one.status is Status.KEEP)  # an incumbent may be judged as a new one
        decision = None if attempt.decision is None else Decision.from_json(dict(attempt.decision))
        state = replace(state, spent=state.spent + replace(attempt.spent, rounds=1))
        if attempt.placebo:
            if decision is not None:
                state = with_placebo(state, attempt.placebo, kept=decision.outcome == "keep", rule=rule)
            continue
        if decision is not None:
            state = replace(state, costs=state.costs.after(attempt.spent, attempt.racing))
        counts[one.status.value] = counts.get(one.status.value, 0) + 1
        if one.status is Status.KEEP and decision is not None:
            state = replace(state, claimed=state.claimed + decision.effect)
    return replace(state, counts=counts, epoch=epoch)


def _put_aside(control: Control, bench: Bench) -> None:
    """Keep back what the headline takes."""
    sides = 3 if control.spec.produce is not None and control.spec.produce.without else 2
    control.purse.put_aside(sides * len(cases_of(bench.sealed)) + MOST_SENTINELS)


async def prepare(
    control: Control, bench: Bench, incumbent_at: Callable[[int, str], Incumbent], *, anyway: bool = False
) -> None:
    """Try the evaluator and measure its noise, unless an earlier process has.

    Args:
        control: The loop.
        bench: What measures.
        incumbent_at: The incumbent of an epoch.
        anyway: Whether to start although the rule can see nothing; a warning says so.

    Raises:
        BrokenEvaluatorError: It fails on the incumbent.
        LoopError: The judge or the rule can see nothing.
        UsageError: The rule and the data do not go together.
    """
    control.spec.rule.start(
        Pooled.initial(0.0), dev=len(bench.dev), sealed=len(bench.sealed), floors=control.spec.floors
    )
    if control.state.calibration:
        phase = control.state.phase
        control.update(phase=phase if phase in _UNFINISHED else LoopPhase.RUNNING, note="")
        _put_aside(control, bench)
        return
    first = incumbent_at(control.state.epoch, control.state.incumbent)
    if control.state.phase is not LoopPhase.CALIBRATING:
        control.update(phase=LoopPhase.TESTING, note="")
        await _try_evaluator(control, first)
        control.update(arrow=True, phase=LoopPhase.CALIBRATING)
    cases = cases_of(first.in_play)
    await first.measure(cases, split="dev", doing="calibration", at_least=max(2, math.ceil(_FREEDOM / len(cases))))
    _require_scores(first, cases)
    begun = control.journal.last_number() > 0
    room = await headroom(control, bench, first, anyway=anyway or begun)
    sight = await look(control, bench, first, anyway=anyway or begun)
    found = _calibrated(first, bench)
    if bench.scored_by_judge:
        first.judge_sd, first.unit = (found.judge_sd, found.unit) if found is not None else (0.0, 0.0)
        await first.measure(cases, split="dev", doing="calibration")
    variance = 0.0 if found is None else found.judge_variance
    rule = control.spec.rule_under(first.judge_sd)
    settings = getattr(rule, "settings", None)
    pooled = Pooled.initial(
        variance,
        cases_unit=first.unit,
        span=sight_span(sight) or 0.0,
        settings=settings if isinstance(settings, RaceSettings) else None,
    )
    for past in control.journal.attempts():  # of a loop whose journal was lost; a new one has none
        if past.decision is not None and not past.open and not past.placebo:
            pooled = pooled.after(Decision.from_json(dict(past.decision)))
    facts: dict[str, Any] = {"cases": len(cases), "mean": first.mean, "judge_sd": 0.0, "icc": None, "lines": []}
    facts["unit"] = first.unit
    if found is not None:
        lines = found.lines if bench.scored_by_judge else _number_lines(found, abs(bench.factor(first.mean)))
        facts |= {"judge_sd": found.judge_sd, "icc": found.icc, "lines": list(lines)}
    if not bench.scored_by_judge:
        facts["goal"] = "minimize" if bench.sign < 0 else "maximize"
    facts |= {**sight, "lines": [*facts["lines"], *room, *sight.get("sight_lines", ())]}
    facts["lines"] = [*facts["lines"], *[bench.scale_line] * bool(bench.scale_line)]
    if control.spec.produce is not None and control.spec.produce.loaded is not None:
        facts["lines"].append(loaded_line(loaded(first.scores, cases, control.spec.produce.loaded), "dev cases"))
    facts |= await _seen(rule, bench, pooled, first.judge_sd or 0.0, facts["lines"], anyway=anyway or begun)
    warnings = list(control.state.warnings)
    if facts.get("smallest_gain", 0.0) is None:
        warnings.append(f"it was started although it would see nothing: {facts['lines'][-1]}")
    if "sight" in sight and Sight.from_json(sight["sight"]).is_blind:
        warnings.append(f"it was started although its judge sees nothing: {sight['sight_lines'][0]}")
    control.update(
        arrow=True,
        phase=LoopPhase.RUNNING,
        pooled=pooled.to_json(),
        effects=first.effects(pooled),
        calibration=json.loads(json.dumps(facts)),
        incumbent_score=first.mean,
        baseline_score=first.mean if control.state.incumbent == control.state.baseline else None,
        sentinels=draw_sentinels(control, bench, first),
        warnings=tuple(warnings),
        forget=[SIGHT_SCORES, *HEADROOM_SCORES],
    )
    _put_aside(control, bench)


async def _seen(
    rule: DecisionRule, bench: Bench, pooled: Pooled, judge_sd: float, lines: Sequence[str], *, anyway: bool
) -> dict[str, Any]:
    """What the default rule can hope to see with these cases and this judge, or what another one risks.

    Raises:
        LoopError: Nothing at all: to start would be to burn the budget. Not where a user wants to, ``anyway``.
    """
    if isinstance(rule, Better) and bench.scored_by_judge:
        return {"lines": [*lines, rule.risk]}
    if not isinstance(rule, PosteriorRace) or not bench.scored_by_judge:
        return {}
    dev, sealed = len(bench.dev), len(bench.sealed)
    hoped = await in_thread(
        lambda: outlook(pooled, judge_sd=judge_sd, dev=dev, sealed=sealed, budget=0, settings=rule.settings)
    )
    reach = pooled.span or _HALF
    if hoped.smallest_gain is not None and hoped.smallest_gain > reach:
        hoped = replace(hoped, smallest_gain=None)
    if hoped.smallest_gain is None and not anyway:
        raise LoopError(
            f"the loop would see nothing: {hoped.lines[0]}",
            hint="take a steadier judge, more samples a verdict, or more sealed cases; --anyway starts it all the same",
        )
    return {"smallest_gain": hoped.smallest_gain, "lines": [*lines, hoped.lines[0]]}


async def _try_evaluator(control: Control, first: Incumbent) -> None:
    """Judge a case or three and run every check, before anything is spent on candidates."""
    slot = control.slots.slot(0)
    cases = cases_of(first.in_play)[:_TRIED]
    for case in cases:
        tried = await first.try_out(case, split="dev", number=0, slot=slot)
        if tried.value is not None and not tried.crashed:
            break
        if case == cases[-1]:
            where = f", at case {case!r}" if control.spec.has_cases else ""
            raise BrokenEvaluatorError(f"the evaluator fails on what the loop starts from{where}", tried.problem)
    await try_stages(control, control.state.incumbent, slot)


def _calibrated(first: Incumbent, bench: Bench) -> Calibration | None:
    """The noise of one pass; repeats of a number are passes over one case. None where there is one repeat only."""
    table = first.table()
    if not bench.scored_by_judge:
        factor = abs(bench.factor(first.mean))
        row = [None if value is None else factor * value for passes in table.values() for value in passes]
        return calibrate({"number": row}) if len(row) > 1 else None
    return calibrate(table, corrected=first.corrected)


def _number_lines(found: Calibration, factor: float) -> tuple[str, ...]:
    """The noise of a number in its own unit; whatever judges do has no place in it."""
    return (f"noise: sd {found.judge_sd / factor:.3g} of one measurement",)


def _require_scores(incumbent: Incumbent, cases: list[str]) -> None:
    values = incumbent.scores.values(cases)
    missing = [case for case, value in values.items() if value is None]
    if 2 * len(missing) > len(values):
        problem = next((row.problem for row in incumbent.scores.rows(missing[0])), "")
        incumbent.forget()
        raise BrokenEvaluatorError(
            f"the evaluator gives no score for {len(missing)} of {len(values)} cases of the incumbent", problem
        )


async def rejudge(control: Control, incumbent_at: Callable[[int, str], Incumbent]) -> None:
    """Judge the newest incumbent on cases drawn afresh; the scores that made it win are thrown away.

    Raises:
        BrokenEvaluatorError: Most of its cases get no score.
        OutOfBudgetError: A limit was reached.
    """
    state = control.state
    incumbent = incumbent_at(state.epoch, state.incumbent)
    cases = cases_of(incumbent.in_play)
    await incumbent.measure(cases, split="dev", doing="rejudging")
    _require_scores(incumbent, cases)
    if control.state.epoch != state.epoch:
        return  # an attempt beside this one has won meanwhile
    needed = [attempt.epoch for attempt in control.journal.open_attempts()]
    oldest = min([state.epoch, *needed])
    control.update(
        arrow=True,
        phase=LoopPhase.RUNNING,
        incumbent_score=incumbent.mean,
        baseline_score=incumbent.mean if state.incumbent == state.baseline else control.state.baseline_score,
        effects=incumbent.effects(Pooled.from_json(dict(control.state.pooled))),
        forget=[f"e{epoch}" for epoch in range(max(0, oldest - _OLD_EPOCHS), oldest)],
    )
