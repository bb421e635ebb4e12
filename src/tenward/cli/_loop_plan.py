"""What a loop will do, may change and can cost, before it does."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tenward.cli._loop_data import price_fault
from tenward.cli._loop_judges import shared_weakness
from tenward.containment import containment
from tenward.errors import UsageError
from tenward.loop import PathPatterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.cli._loop_open import OpenedLoop
    from tenward.evaluation import Producer, Store
    from tenward.judges import PlannedCalls
    from tenward.loop import EvaluatorFiles, LoopSpec, LoopState

__all__ = ["LoopPlan", "make_plan", "plan_data"]

_TRIED = 5  # cases that stand for all
_ASKED = 3  # two questions, and the retro


@dataclass(frozen=True, kw_only=True)
class LoopPlan:
    """Bounds of a loop."""

    may_change: Sequence[str]
    """Committed files that match ``edit``."""

    sealed: Mapping[str, str]
    """Hash per file that the score rests on, those that commands name included."""

    errors: Sequence[str]
    """What a run would refuse: commands that cannot be started, models without a price, too few cases for the rule."""

    notes: Sequence[str]
    """Files that are not committed as they are, which a run would refuse before the loop has begun."""

    dev: int
    """Units: cases, or groups of cases."""

    sealed_units: int
    in_play: int
    """Dev units that an attempt meets at most."""

    round_cases: int
    """Cases judged for one attempt at most, the incumbent beside it included."""

    round_calls: int | None
    """Calls for one attempt at most; None where a command produces, or the artefact itself is judged."""

    round_tokens: int | None
    """Prompt and answer."""

    round_usd: float | None
    """None where a price is unknown."""

    round_seconds: float | None
    """Most seconds of one attempt, by the time-outs; None where a judge scores."""

    arms: tuple[str, ...]
    """Kinds of change that are drawn from; none where the proposer has no such kinds."""

    searched: Mapping[str, str]
    """Where each setting is searched, by its name; none where the proposer searches none."""

    proposer_calls: int
    """Of a model that proposes, for one attempt at most, asking again included; 0 where none does."""

    proposer_tokens: int
    """Likewise."""

    seconds_per_case: float | None
    """As measured so far; None before the first case."""

    seconds_per_attempt: float | None
    """Likewise; None before the first attempt."""

    drop: float | None
    """What the dial ``drop`` of the race stands at; None for a rule without it."""

    cost_ratio: float | None
    """What an attempt costs before its race, over what a judged case costs; None before it is known."""

    shared_weakness: str
    """That the judges of dev and sealed cases share their weaknesses; empty where they are of different families."""

    contained: str
    """How the commands that run candidates are contained, in a line; empty where none does."""

    scale: str
    """Which scale the judges' scores are on, in a few words; empty where no judge scores."""

    outlook: Sequence[str]
    """What the rule can see, which is not known before the calibration, or what it risks."""

    sight_cases: int
    """Texts judged once, before the first attempt, to find out whether the judge can tell better from worse, at most;
    0 where that was done, or cannot be."""

    sight_calls: int | None
    """Calls for these at most; None where a command produces."""

    sight_tokens: int | None
    """Prompt and answer."""

    sight_usd: float | None
    """None where a price is unknown."""

    sight: Sequence[str]
    """What was found; empty before the calibration."""


def make_plan(loop: OpenedLoop, store: Store) -> LoopPlan:
    """Work out the bounds; nothing is asked of a model, and no command is run.

    Raises:
        TenwardError: A file of the loop is missing or faulty.
    """
    from tenward.judges import PlannedCalls
    from tenward.loop import evaluator_files, sealed_hashes, sight_cases

    spec, state = loop.need_spec(), loop.state
    committed = loop.record.trees.listing(loop.base).files
    files = evaluator_files(spec, loop.top, loop.library, committed=committed)
    patterns = PathPatterns(spec.edit, but=files.sealed_programs)
    notes, errors = _faults(loop, files)
    dev, sealed = _units(spec, loop)
    errors += _rule_faults(spec, dev, sealed)
    settings = getattr(spec.rule, "settings", spec.rule)
    in_play = min(dev, int(getattr(settings, "in_play", dev) or dev))
    most_sealed = min(sealed, int(getattr(settings, "sealed", sealed) or sealed))
    cases = in_play + (1 + _sealed_passes(state)) * most_sealed
    planned, tried = _one_case(spec, loop, store) if spec.has_cases else (None, 1)
    asked = _proposing(spec, loop)
    whole = _whole(planned, cases / tried, asked) if planned is not None or spec.score.number is not None else None
    spent = None if state is None else state.spent
    to_look = spec.produce is not None and spec.has_cases and not (state is not None and state.calibration)
    looked_at = sight_cases(in_play) if to_look else 0
    looks = None if planned is None else _whole(planned, looked_at / tried, PlannedCalls())
    return LoopPlan(
        may_change=sorted(path for path in committed if patterns.match(path)),
        sealed=sealed_hashes(files, loop.record, loop.base),
        errors=errors,
        notes=notes,
        dev=dev,
        sealed_units=sealed,
        in_play=in_play,
        round_cases=cases,
        round_calls=None if whole is None else whole.most_calls,
        round_tokens=None if whole is None else _tokens(whole),
        round_usd=None if whole is None else whole.worst_usd,
        round_seconds=_longest(spec, loop, cases + dev) if spec.score.number is not None else None,
        **_proposer(loop, spec),
        proposer_calls=asked.most_calls,
        proposer_tokens=_tokens(asked),
        seconds_per_case=spent.seconds / spent.judged if spent is not None and spent.judged else None,
        seconds_per_attempt=spent.seconds / spent.rounds if spent is not None and spent.rounds else None,
        drop=_drop(spec, state),
        cost_ratio=None if state is None else state.costs.ratio(spec),
        shared_weakness=shared_weakness(loop),
        contained=containment().level.words if spec.runs_candidates else "",
        scale=_scale(spec, loop),
        outlook=_outlook(spec, state, dev, sealed),
        sight_cases=looked_at,
        sight_calls=None if looks is None else looks.most_calls,
        sight_tokens=None if looks is None else _tokens(looks),
        sight_usd=None if looks is None else looks.worst_usd,
        sight=() if state is None else state.calibration.get("sight_lines", ()),
    )


def _scale(spec: LoopSpec, loop: OpenedLoop) -> str:
    from tenward.evaluation import ShownScale
    from tenward.judges import Judge
    from tenward.rubrics import Rubric

    if spec.score.rubric is None:
        return ""
    rubric = Rubric.load(loop.named(spec.score.rubric), library=loop.library)
    names = dict.fromkeys([spec.score.judge or "local", spec.confirm.judge if spec.confirm else None])
    judges = [Judge.load(loop.named(name), library=loop.library) for name in names if name]
    scales = [ShownScale.of(judge, rubric) for judge in judges]
    return ", ".join(f"{judge.name}: {scale.words}" for judge, scale in zip(judges, scales, strict=True))


def _faults(loop: OpenedLoop, files: EvaluatorFiles) -> tuple[list[str], list[str]]:
    """What is not committed as it is, and which commands cannot be started."""
    from tenward.loop import missing_programs, uncommitted
    from tenward.loop.proposers import proposer_fault

    spec, begun = loop.need_spec(), bool(loop.record.base)
    loose = uncommitted(loop.record, loop.base, files)
    notes = list(loop.notes)
    for file in loose:
        if not begun:
            notes.append(f"{file.told(loop.name)}; before a run, {file.hint}")
        elif files.loop != files.top / file.path:
            notes.append(f"{file.path}: the loop uses it as it was in {loop.base[:12]}, not as it is now")
    notes += [f"{path}: not committed yet; a loop starts from a commit" for path in loop.loose_artefact]
    modes = {path: entry.mode for path, entry in loop.record.trees.listing(loop.base).files.items()}
    if not begun:  # what will be committed before it begins is told above
        loose_paths = [*(file.path for file in loose if not file.known), *loop.loose_artefact]
        modes |= {path: "100755" if os.access(loop.top / path, os.X_OK) else "100644" for path in loose_paths}
    errors = [f"{missing.told}; {missing.hint}" for missing in missing_programs(spec, modes)]
    faults = (proposer_fault(spec, loop.top), price_fault(loop, spec))
    errors += [f"{fault.message}; {fault.hint}" for fault in faults if fault is not None]
    return notes, errors


def _rule_faults(spec: LoopSpec, dev: int, sealed: int) -> list[str]:
    """Why the rule cannot decide anything with so many units."""
    from tenward.decisions import Pooled

    try:
        spec.rule.start(Pooled.initial(0.0), dev=dev, sealed=sealed, floors=spec.floors)
    except UsageError as error:
        return [f"{error.message}; {error.hint}"]
    return []


def _proposer(loop: OpenedLoop, spec: LoopSpec) -> dict[str, Any]:
    """The arms of a portfolio, or the settings that are searched, if that is what proposes."""
    from tenward.loop.proposers import Portfolio, SearchProposer, make_proposer, proposer_fault

    if proposer_fault(spec, loop.top) is not None:  # told as an error
        return {"arms": (), "searched": {}}
    proposer = make_proposer(spec, loop.top, library=loop.library)
    parameters = proposer.parameters if isinstance(proposer, Portfolio | SearchProposer) else ()
    return {
        "arms": proposer.arms if isinstance(proposer, Portfolio) else (),
        "searched": {one.name: one.words for one in parameters},
    }


def _proposing(spec: LoopSpec, loop: OpenedLoop) -> PlannedCalls:
    """What a model takes to propose, for one attempt at most."""
    from tenward.judges import PlannedCalls
    from tenward.loop.proposers import plan_proposals

    if spec.propose.llm is None:
        return PlannedCalls()
    return plan_proposals(spec, spec.propose.llm.spec(loop.library, top=loop.top))


def _whole(planned: PlannedCalls | None, times: float, asked: PlannedCalls) -> PlannedCalls:
    """The proposer's calls and those of so many times the judge's."""
    if planned is None:
        return asked
    judged = replace(
        planned,
        most_calls=round(planned.most_calls * times),
        prompt_tokens=round(planned.prompt_tokens * times),
        completion_tokens=round(planned.completion_tokens * times),
        worst_usd=None if planned.worst_usd is None else planned.worst_usd * times,
    )
    return judged + asked


def _tokens(planned: PlannedCalls) -> int:
    return planned.prompt_tokens + planned.completion_tokens


def _longest(spec: LoopSpec, loop: OpenedLoop, repeats: int) -> float:
    """Seconds of one attempt by its time-outs: proposing, stages, and so many measurements."""
    propose, number = spec.propose, spec.score.number
    asked = propose.llm.spec(loop.library, top=loop.top) if propose.llm is not None else None
    seconds = propose.timeout if propose.command is not None or propose.python is not None else 0.0
    seconds += 0.0 if asked is None else _ASKED * asked.deadline
    for stage in spec.stages:
        seconds += stage.timeout if stage.run is not None else 0.0
        seconds += stage.number.timeout * stage.number.repeats if stage.number is not None else 0.0
    return seconds + (number.timeout * repeats if number is not None else 0.0)


def _units(spec: LoopSpec, loop: OpenedLoop) -> tuple[int, int]:
    if spec.score.dataset is None:
        repeats = spec.score.number.repeats if spec.score.number is not None else 1
        return repeats, repeats if repeats > 1 else 0  # a rule that confirms measures anew
    units: dict[str, set[str]] = {"dev": set(), "sealed": set()}
    for case in _dataset(spec, loop).cases():
        units[case.split].add(case.group or f"case {case.id}")
    most = spec.confirm.cases if spec.confirm is not None else None
    return len(units["dev"]), min(len(units["sealed"]), most or len(units["sealed"]))


def _dataset(spec: LoopSpec, loop: OpenedLoop) -> Any:
    from tenward.datasets import DataSet

    return DataSet.load(loop.named(spec.score.dataset or ""), library=loop.library)


def _one_case(spec: LoopSpec, loop: OpenedLoop, store: Store) -> tuple[PlannedCalls | None, int]:
    """The calls for a few dev cases, and how many those were; None where nobody can know."""
    from tenward.evaluation import plan_dataset
    from tenward.judges import Judge
    from tenward.rubrics import Rubric

    if spec.produce is not None and spec.produce.command is not None:
        return None, 1
    judge = Judge.load(loop.named(spec.score.judge or "local"), library=loop.library)
    rubric = Rubric.load(loop.named(spec.score.rubric or ""), library=loop.library)
    # Passes of a loop have numbers of their own, so no earlier answer stands for them.
    plan = plan_dataset(
        _dataset(spec, loop),
        rubric,
        judge,
        store=store,
        split="dev",
        limit=_TRIED,
        sample=1,
        producer=_producer(spec, loop),
    )
    return plan.calls, max(1, plan.cases - plan.without_output)


def _producer(spec: LoopSpec, loop: OpenedLoop) -> Producer | None:
    from tenward.evaluation import PromptProducer

    produce = spec.produce
    if produce is None or produce.prompt is None or produce.model is None:
        return None
    model = produce.model.spec(loop.library, top=loop.top)
    try:
        prompt = (loop.top / produce.prompt).read_text(encoding="utf-8", errors="replace")
        return PromptProducer(prompt, model, max_tokens=produce.max_tokens, temperature=produce.temperature)
    except OSError as error:
        raise UsageError(
            f"{produce.prompt}: cannot be read ({error.strerror})", hint="put the prompt back: git checkout"
        ) from error
    except UsageError as error:
        raise UsageError(f"{produce.prompt}: {error.message}", hint=error.hint) from error


def _sealed_passes(state: LoopState | None) -> int:
    """How often the incumbent is judged on a sealed case, at most."""
    from tenward.decisions import passes

    found: Mapping[str, Any] = {} if state is None else state.calibration
    return passes(float(found.get("judge_sd", 1.0)), unit=float(found.get("unit", 0.0)), split="sealed")


def _drop(spec: LoopSpec, state: LoopState | None) -> float | None:
    from tenward.decisions import PosteriorRace
    from tenward.loop import Costs, set_drop

    rule = spec.rule
    if not isinstance(rule, PosteriorRace):
        return None
    found = set_drop(Costs() if state is None else state.costs, spec)
    return rule.settings.drop if found is None else found


def _outlook(spec: LoopSpec, state: LoopState | None, dev: int, sealed: int) -> Sequence[str]:
    from tenward.decisions import Better, Pooled, PosteriorRace, outlook

    if isinstance(spec.rule, Better):
        return (spec.rule.risk,) if spec.score.rubric is not None else ()
    judge_sd = 0.0 if state is None else float(state.calibration.get("judge_sd", 0.0))
    rule = spec.rule_under(judge_sd)
    if state is None or not state.pooled or not isinstance(rule, PosteriorRace) or not sealed:
        return ()
    rounds = spec.budget.rounds or 20
    in_play = min(dev, rule.settings.in_play)
    found = outlook(
        Pooled.from_json(dict(state.pooled)),
        judge_sd=judge_sd,
        dev=dev,
        sealed=sealed,
        budget=rounds * in_play,
        settings=rule.settings,
    )
    return found.lines[:1]


def plan_data(loop: OpenedLoop, plan: LoopPlan) -> dict[str, Any]:
    """The plan as JSON-ready data."""
    spec = loop.need_spec()
    data = {"loop": spec.loop, "budget": spec.budget.model_dump(), "parallel": spec.parallel, **asdict(plan)}
    if plan.cost_ratio == math.inf:
        data["cost_ratio"] = None  # JSON has no infinity
    return data
