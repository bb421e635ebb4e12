"""What the report of a loop shows, read from its journal and from git."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenward.cli._loop_check import check_view
from tenward.cli._loop_judges import shared_weakness
from tenward.decisions import NumberGain
from tenward.errors import TenwardError, UsageError
from tenward.judges import JudgeSpec, load_spec
from tenward.loop import arm_shares
from tenward.reports import ArmView, AttemptView, GainView, LookView, LoopView, NumberGainView, PlaceboView, StageView

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenward.cli._loop_open import OpenedLoop
    from tenward.judges import PanelSpec
    from tenward.loop import AttemptState, LoopRecord, LoopSpec, LoopState

__all__ = ["diff_of", "loop_view", "price_fault", "scored_by"]

_MOST_DIFFS = 1_000


def scored_by(spec: LoopSpec) -> str:
    """Rubric, judge and data set in a line, or the command."""
    score = spec.score
    if score.number is not None:
        return f"{' '.join(score.number.command)} ({score.number.goal})"
    return ", ".join([str(score.rubric), f"judge {score.judge or 'local'}", score.dataset or "the artefact itself"])


def diff_of(record: LoopRecord, attempt: AttemptState) -> str:
    """What an attempt changed, as a unified diff; empty where it changed nothing."""
    if not attempt.tree:
        return ""
    return record.trees.diff(attempt.parent, attempt.tree)


def loop_view(loop: OpenedLoop, state: LoopState) -> LoopView:
    """Everything that the report shows, as it is at this moment."""
    spec, journal = loop.spec, loop.journal
    attempts = [] if journal is None else list(journal.attempts())
    goal = str(state.calibration.get("goal", ""))  # of a number; a judge's loop has none
    if not goal and spec is not None and spec.score.number is not None:
        goal = spec.score.number.goal
    by_number = bool(goal)
    chart = _Heights(state, attempts, by_number=by_number)
    diffs = _diffs(loop.record, attempts)
    incumbent_score = state.incumbent_score
    if incumbent_score is None and by_number and chart.steps:  # a winner is measured again only when the loop goes on
        incumbent_score = chart.steps[-1][1]
    better = "less is better" if goal == "minimize" else "more is better"
    spent = state.spent
    shares = arm_shares(list(state.arms), state.arms) if state.arms else {}
    return LoopView(
        loop=state.loop,
        goal="" if spec is None else " ".join(spec.goal.split()),
        phase=state.phase.value,
        note=state.note,
        made=datetime.now(UTC),
        judged_by="" if spec is None else scored_by(spec),
        axis=f"The number of each attempt, {better}" if by_number else "Gain over the baseline, as claimed",
        steps=chart.steps,
        decimals=4 if by_number else 3,
        attempts=[_attempt(attempt, chart, diffs, loop=state.loop) for attempt in attempts],
        gain=None if by_number else _gain(state),
        number_gain=_number_gain(state, incumbent_score, goal=goal) if by_number else None,
        check=check_view(loop, state),
        claimed=None if by_number else state.claimed,
        baseline_score=state.baseline_score,
        incumbent_score=incumbent_score,
        baseline=state.baseline,
        incumbent=state.incumbent,
        branch=f"tenward/{state.loop}",
        placebos=PlaceboView(
            unchanged=state.placebos.unchanged,
            unchanged_kept=state.placebos.unchanged_kept,
            damaged=state.placebos.damaged,
            damaged_kept=state.placebos.damaged_kept,
            at_most=state.placebos.at_most,
            tightened=state.placebos.tightened,
        ),
        arms=[
            ArmView(name=name, tried=arm.tried, kept=arm.kept, brought=arm.brought, cases=arm.cases, share=shares[name])
            for name, arm in state.arms.items()
        ],
        shared_weakness=_shared_weakness(loop),
        calibration=[str(line) for line in (*state.calibration.get("lines", ()), *state.warnings)],
        rounds=spent.rounds,
        seconds=spent.seconds,
        judged=spent.judged,
        calls=spent.calls,
        usd=spent.usd,
        priced=spec is not None and _priced(loop, spec),
        seal=state.seal_parts,
    )


def _shared_weakness(loop: OpenedLoop) -> str:
    try:
        return shared_weakness(loop)
    except TenwardError:  # a file is gone by now
        return ""


def _priced(loop: OpenedLoop, spec: LoopSpec) -> bool:
    """Whether every model that the loop asks has a price, or is free; what a command asks by itself is not counted."""
    try:
        return not _without_price(loop, spec)
    except TenwardError:  # a file is gone by now
        return False


def _without_price(loop: OpenedLoop, spec: LoopSpec) -> tuple[str, ...]:
    """The models that the loop asks and whose price nobody has stated, each once.

    Raises:
        TenwardError: The file of one is missing or faulty.
    """
    asked = _models(loop, spec)
    return tuple(dict.fromkeys(model.model for model in asked if not model.local and model.price is None))


def price_fault(loop: OpenedLoop, spec: LoopSpec) -> UsageError | None:
    """What stands against a budget in dollars; None where every model has a price, or is free, or there is no such.

    Raises:
        TenwardError: The file of a model is missing or faulty.
    """
    unknown = () if spec.budget.usd is None else _without_price(loop, spec)
    if not unknown:
        return None
    return UsageError(
        f"budget.usd: found no price of {', '.join(unknown)}, expected the price of every model",
        hint="add `price: {input: …, output: …}` (US dollars per million tokens) to its file, or limit calls instead",
    )


def _models(loop: OpenedLoop, spec: LoopSpec) -> Iterator[JudgeSpec]:
    for ref in (spec.propose.llm, None if spec.produce is None else spec.produce.model):
        if ref is not None:
            yield ref.spec(loop.library, top=loop.top)
    if spec.score.rubric is not None:
        for name in (spec.score.judge or "local", None if spec.confirm is None else spec.confirm.judge):
            if name is not None:
                yield from _judges(loop, load_spec(loop.library.find("judges", loop.named(name))))


def _judges(loop: OpenedLoop, spec: JudgeSpec | PanelSpec) -> Iterator[JudgeSpec]:
    if isinstance(spec, JudgeSpec):
        yield spec
        return
    for member in spec.panel:
        yield from _judges(loop, load_spec(loop.library.find("judges", member)))


class _Heights:
    """Where attempts stand in the chart: by their number, or by the gain they claim on top of the incumbent's."""

    def __init__(self, state: LoopState, attempts: Sequence[AttemptState], *, by_number: bool) -> None:
        self._by_number = by_number
        self._levels: dict[int, float] = {0: 0.0}
        start = state.baseline_score if by_number else 0.0
        self.steps: list[tuple[int, float]] = [] if start is None else [(0, start)]
        for attempt in attempts:
            effect = _decided(attempt, "effect")
            if not _kept(attempt) or effect is None or not self.steps:
                continue
            level = self._levels.get(attempt.epoch, self.steps[-1][1]) + effect
            self._levels[attempt.epoch + 1] = level
            height = attempt.score if by_number and attempt.score is not None else level
            self.steps.append((attempt.number, height))

    def of(self, attempt: AttemptState) -> tuple[float | None, float | None, float | None]:
        """The attempt's height, and the ends of its interval."""
        effect = _decided(attempt, "effect")
        if self._by_number:
            return attempt.score, None, None
        if effect is None:
            return None, None, None
        level = self._levels[max(epoch for epoch in self._levels if epoch <= attempt.epoch)]
        low, high = _decided(attempt, "low"), _decided(attempt, "high")
        return level + effect, None if low is None else level + low, None if high is None else level + high


def _kept(attempt: AttemptState) -> bool:
    return attempt.status is not None and attempt.status.value == "keep" and not attempt.placebo


def _decided(attempt: AttemptState, name: str) -> float | None:
    value = None if attempt.decision is None else attempt.decision.get(name)
    return float(value) if isinstance(value, int | float) else None


def _gain(state: LoopState) -> GainView | None:
    headline: Mapping[str, Any] = state.headline
    if not headline or any(headline.get(name) is None for name in ("gain", "low", "high", "units")):
        return None
    return GainView(
        gain=float(headline["gain"]),
        low=float(headline["low"]),
        high=float(headline["high"]),
        units=int(headline["units"]),
        confirmed=bool(headline.get("confirmed")),
        text=str(headline.get("text", "")),
        noun=str(headline.get("noun", "case")),
        same=headline.get("winner") == state.baseline,
        disagreement=str(headline.get("disagreement", "")),
        beside=[str(one) for one in (headline.get("without", {}).get("text"), headline.get("loaded")) if one],
        earlier=headline.get("winner") not in (None, state.incumbent),
    )


def _number_gain(state: LoopState, now: float | None, *, goal: str) -> NumberGainView | None:
    """As it was measured at the end; before that, as it was measured on the way."""
    if state.incumbent == state.baseline:
        return None
    head: Mapping[str, Any] = state.headline
    at_end = head.get("winner") == state.incumbent and head.get("gain") is not None
    before, after = (head["baseline_mean"], head["winner_mean"]) if at_end else (state.baseline_score, now)
    if before is None or after is None:
        return None
    lower = goal == "minimize"
    if not at_end:
        told = NumberGain(before=before, after=after, lower_is_better=lower)
        basis = "as measured on the way; both are measured afresh when the loop ends"
        return NumberGainView(words=told.words, change=told.change, basis=basis, gain=told.gain)
    told = NumberGain(
        before=before,
        after=after,
        lower_is_better=lower,
        repeats=int(head["units"]),
        missing=int(head["missing"]),
        low=head.get("low"),
        high=head.get("high"),
    )
    return NumberGainView(
        words=told.words,
        change=told.change,
        basis=told.basis,
        gain=told.gain,
        confirmed=None if told.low is None else told.confirmed,
    )


def _attempt(attempt: AttemptState, chart: _Heights, diffs: Mapping[int, str], *, loop: str) -> AttemptView:
    at, low, high = chart.of(attempt)
    retro, decision = attempt.retro, attempt.decision or {}
    faithful = retro.get("true_to_idea")
    diff = diffs.get(attempt.number, "")
    if attempt.placebo == "unchanged" or not (attempt.changes or attempt.placebo):
        diff_note = "Nothing was changed."
    elif diff:
        diff_note = ""
    else:
        diff_note = f"git show refs/tenward/{loop}/attempts/{attempt.number:06d}^"
    return AttemptView(
        number=attempt.number,
        status="running" if attempt.status is None or attempt.open else attempt.status.value,
        phase=attempt.phase.value if attempt.open else "",
        placebo=attempt.placebo,
        idea="" if attempt.placebo else attempt.idea,
        idea_note=_note(attempt),
        reason=attempt.reason,
        diff=diff,
        diff_note=diff_note,
        stages=[
            StageView(stage=stage.stage, passed=stage.passed, detail=stage.detail, seconds=stage.seconds)
            for stage in attempt.stages
        ],
        looks=[LookView(split=look.split, units=look.units, differences=look.differences) for look in attempt.looks],
        effect=_decided(attempt, "effect"),
        low=_decided(attempt, "low"),
        high=_decided(attempt, "high"),
        p_better=_decided(attempt, "p_better"),
        floors=[str(floor) for floor in decision.get("floors", ())],
        score=attempt.score,
        incumbent_score=attempt.incumbent_score,
        at=at,
        at_low=low,
        at_high=high,
        faults=attempt.faults,
        alarms=[alarm.text for alarm in attempt.alarms],
        fooling=_decided(attempt, "fooling"),
        log=attempt.log,
        retro=str(retro.get("why", "")),
        true_to_idea=faithful if isinstance(faithful, bool) else None,
        trend=str(retro.get("trend", "")),
        suggested=[str(one) for one in retro.get("suggested", ())],
        commit=attempt.candidate,
        parent=attempt.parent,
        rebased=attempt.rebased,
        seconds=attempt.spent.seconds,
        judged=attempt.spent.judged,
        calls=attempt.spent.calls,
        usd=attempt.spent.usd,
    )


def _note(attempt: AttemptState) -> str:
    ruled_out = attempt.idea_file.get("ruled_out") or ()
    parts = [attempt.idea_note] if attempt.idea_note and not attempt.placebo else []
    if ruled_out:
        parts.append("Ruled out:\n" + "\n".join(f"- {direction}" for direction in ruled_out))
    return "\n\n".join(parts)


def _diffs(record: LoopRecord, attempts: Sequence[AttemptState]) -> dict[int, str]:
    """The changes of all keeps and of the latest others, read by one process of git."""
    there = [attempt for attempt in attempts if (attempt.candidate and attempt.changes) or attempt.placebo]
    there = [attempt for attempt in there if attempt.candidate]
    kept = [attempt for attempt in there if _kept(attempt)]
    chosen = {attempt.number: attempt for attempt in (*there[-_MOST_DIFFS:], *kept[-_MOST_DIFFS:])}
    if not chosen:
        return {}
    changes = record.trees.changes_of([attempt.candidate for attempt in chosen.values()])
    return {number: changes.get(attempt.candidate, "") for number, attempt in chosen.items()}
