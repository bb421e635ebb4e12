"""What a loop will do, may change and can cost, before it does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from tenward.cli._layout import hanging
from tenward.cli._loop_data import scored_by
from tenward.cli._loop_views import duration, one_line
from tenward.cli._views import cost_of
from tenward.loop import PathPatterns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from tenward.cli._loop_open import OpenedLoop
    from tenward.evaluation import Producer, Store
    from tenward.judges import PlannedCalls
    from tenward.loop import LoopSpec, LoopState

__all__ = ["LoopPlan", "make_plan", "plan_data", "plan_page"]

_TRIED = 5  # cases that stand for all
_LABEL = 15


@dataclass(frozen=True, kw_only=True)
class LoopPlan:
    """Bounds of a loop."""

    may_change: Sequence[str]
    """Committed files that match ``edit``."""

    sealed: Sequence[str]
    """Files of the evaluator."""

    warnings: Sequence[str]
    """Sealed files that differ from what was committed, or are not committed."""

    dev: int
    """Units: cases, or groups of cases."""

    sealed_units: int
    in_play: int
    """Dev units that an attempt meets at most."""

    round_cases: int
    """Cases judged for one attempt at most, the incumbent beside it included."""

    round_calls: int | None
    """Calls for one attempt at most, without the proposer's; None where a command produces, or there is no judge."""

    round_tokens: int | None
    """Prompt and answer."""

    round_usd: float | None
    """None where a price is unknown."""

    seconds_per_case: float | None
    """As measured so far; None before the first case."""

    outlook: Sequence[str]
    """What the rule can see; empty before the calibration."""


def make_plan(loop: OpenedLoop, store: Store) -> LoopPlan:
    """Work out the bounds; nothing is asked of a model, and no command is run.

    Raises:
        TenwardError: A file of the loop is missing or faulty.
    """
    from tenward.loop import evaluator_files

    spec, state = loop.need_spec(), loop.state
    files = evaluator_files(spec, loop.top, loop.library)
    base = loop.record.base or loop.record.resolve("HEAD")
    committed = loop.record.trees.listing(base).files
    patterns = PathPatterns(spec.edit)
    missing = [path for path in files.inside if path not in committed]
    dev, sealed = _units(spec, loop)
    settings = getattr(spec.rule, "settings", spec.rule)
    in_play = min(dev, int(getattr(settings, "in_play", dev) or dev))
    most_sealed = min(sealed, int(getattr(settings, "sealed", sealed) or sealed))
    cases = in_play + 2 * most_sealed
    planned, tried = _one_case(spec, loop, store) if spec.has_cases else (None, 1)
    calls = tokens = None
    usd: float | None = None
    if planned is not None:
        calls = round(planned.most_calls * cases / tried)
        tokens = round((planned.prompt_tokens + planned.completion_tokens) * cases / tried)
        usd = None if planned.worst_usd is None else planned.worst_usd * cases / tried
    return LoopPlan(
        may_change=sorted(path for path in committed if patterns.match(path)),
        sealed=[*files.inside, *(f"{path.parent.name}/{path.name} (shipped)" for path in files.outside)],
        warnings=[f"{path} is not committed; the loop reads it from the commit it begins at" for path in missing],
        dev=dev,
        sealed_units=sealed,
        in_play=in_play,
        round_cases=cases,
        round_calls=calls,
        round_tokens=tokens,
        round_usd=usd,
        seconds_per_case=state.spent.seconds / state.spent.judged if state is not None and state.spent.judged else None,
        outlook=_outlook(spec, state, dev, sealed),
    )


def _units(spec: LoopSpec, loop: OpenedLoop) -> tuple[int, int]:
    if spec.score.dataset is None:
        return (spec.score.number.repeats if spec.score.number is not None else 1), 0
    units: dict[str, set[str]] = {"dev": set(), "sealed": set()}
    for case in _dataset(spec, loop).cases():
        units[case.split].add(case.group or f"case {case.id}")
    return len(units["dev"]), len(units["sealed"])


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
    prompt = (loop.top / produce.prompt).read_text(encoding="utf-8")
    return PromptProducer(
        prompt,
        produce.model.spec(loop.library, top=loop.top),
        max_tokens=produce.max_tokens or 1024,
        temperature=produce.temperature,
    )


def _outlook(spec: LoopSpec, state: LoopState | None, dev: int, sealed: int) -> Sequence[str]:
    from tenward.decisions import Pooled, PosteriorRace, outlook

    if state is None or not state.pooled or not isinstance(spec.rule, PosteriorRace) or not sealed:
        return ()
    judge_sd = float(state.calibration.get("judge_sd", 0.0))
    rounds = spec.budget.rounds or 20
    in_play = min(dev, spec.rule.settings.in_play)
    found = outlook(
        Pooled.from_json(dict(state.pooled)),
        judge_sd=judge_sd,
        dev=dev,
        sealed=sealed,
        budget=rounds * in_play,
        settings=spec.rule.settings,
    )
    return found.lines[:1]


def plan_page(loop: OpenedLoop, plan: LoopPlan) -> RenderableType:
    """The plan, for a person."""
    spec = loop.need_spec()
    title = Text(spec.loop, style="bold")
    title.append("   plan; nothing was asked and nothing was changed", style="dim")
    blocks: list[RenderableType] = [title]

    def part(label: str, text: Text | str) -> None:
        blocks.append(hanging(Text(label, style="dim"), text, indent=2, width=_LABEL))

    part("goal", one_line(spec.goal, longest=600))
    part("may change", Text("\n".join(plan.may_change) or "nothing", style="bold"))
    part("proposes", _proposes(spec))
    if spec.produce is not None:
        part("makes outputs", spec.produce.prompt or " ".join(spec.produce.command or ()))
    part("scored by", scored_by(spec))
    for stage in spec.stages:
        if stage.number is not None:
            part("stage", f"{' '.join(stage.number.command)} ({stage.number.goal})")
        else:
            part("stage", f"cases: {stage.cases}" if stage.cases is not None else " ".join(stage.run or ()))
    part("kept by", _keep_words(spec))
    part("sealed", "\n".join(plan.sealed) or "the command alone")
    for warning in plan.warnings:
        part("warning", Text(warning, style="yellow"))
    part("budget", _budget(spec))
    if spec.has_cases:
        noun = f"{plan.dev} dev and {plan.sealed_units} sealed units"
        part("cases", f"{noun}; an attempt meets {plan.in_play} dev at most, few meet sealed ones")
        part("an attempt", f"at most {plan.round_cases:,} cases judged{_bounds(plan, 1)}")
        rounds = spec.budget.rounds
        if rounds is not None:
            whole = rounds * plan.round_cases
            part(f"{rounds} attempts", f"at most {whole:,} cases judged{_bounds(plan, rounds)}; usually a small part")
    part("time", _time(plan, spec))
    for line in plan.outlook:
        part("outlook", line)
    if spec.has_cases and not plan.outlook:
        part("outlook", "known after the calibration, which is the first thing that a run does")
    return Group(*blocks)


def _proposes(spec: LoopSpec) -> str:
    propose = spec.propose
    if propose.llm is not None:
        return f"model {propose.llm.judge or propose.llm.model}"
    return " ".join(propose.command) if propose.command is not None else str(propose.python)


def _keep_words(spec: LoopSpec) -> str:
    rule = {"race": "a race of posterior odds, confirmed on sealed cases", "better": "a better number"}
    told = rule.get(spec.rule_name, f"rule {spec.rule_name}")
    floors = ", ".join(f"{name} by more than {margin:g}" for name, margin in spec.keep.never_lower.items())
    return f"{told}; never lowers {floors}" if floors else told


def _budget(spec: LoopSpec) -> str:
    budget = spec.budget
    told = {"rounds": "{:,} rounds", "hours": "{:g} hours", "usd": "${:g}", "calls": "{:,} calls"}
    limits = [(form, getattr(budget, name)) for name, form in told.items()]
    parts = [form.format(limit) for form, limit in limits if limit is not None]
    side = f", {spec.parallel} attempts side by side" if spec.parallel > 1 else ""
    return (", ".join(parts) or "no limit") + side


def _bounds(plan: LoopPlan, rounds: int) -> str:
    if plan.round_calls is None or plan.round_tokens is None:
        return ""
    price = "price unknown" if plan.round_usd is None else cost_of(rounds * plan.round_usd)
    return f", {rounds * plan.round_calls:,} calls, {rounds * plan.round_tokens:,} tokens, {price}"


def _time(plan: LoopPlan, spec: LoopSpec) -> str:
    if plan.seconds_per_case is None:
        return "not known before the first case" if spec.has_cases else "not known before the first attempt"
    longest = duration(plan.seconds_per_case * plan.round_cases)
    return f"{plan.seconds_per_case:.1f} s a case so far: {longest} an attempt at most"


def plan_data(loop: OpenedLoop, plan: LoopPlan) -> dict[str, Any]:
    """The plan as JSON-ready data."""
    spec = loop.need_spec()
    return {"loop": spec.loop, "budget": spec.budget.model_dump(), "parallel": spec.parallel, **asdict(plan)}
