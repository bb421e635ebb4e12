"""The plan of a loop, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from tenward.cli._layout import hanging
from tenward.cli._loop_data import scored_by
from tenward.cli._loop_views import duration, one_line
from tenward.cli._views import cost_of
from tenward.datasets import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from tenward.cli._loop_open import OpenedLoop
    from tenward.cli._loop_plan import LoopPlan
    from tenward.loop import LoopSpec

__all__ = ["plan_page"]

_LABEL = 15
_LONGEST = 1_000


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
    part("proposes", _proposes(spec, plan))
    if spec.produce is not None:
        part("makes outputs", spec.produce.prompt or " ".join(spec.produce.command or ()))
    for label, told in _measured(spec, plan):
        part(label, told)
    part("kept by", _keep_words(spec))
    hashes = [f"{digest}  {printable(path)}" for path, digest in plan.sealed.items()]
    part("sealed", "\n".join(hashes) or "the command alone")
    for error in plan.errors:
        part("error", Text(one_line(error, longest=_LONGEST), style="red"))
    for told in (*plan.notes, *[plan.shared_weakness] * bool(plan.shared_weakness)):
        part("note", Text(one_line(told, longest=_LONGEST), style="yellow"))
    part("budget", _budget(spec))
    if spec.has_cases:
        noun = f"{plan.dev} dev and {plan.sealed_units} sealed units"
        part("cases", f"{noun}; an attempt meets {plan.in_play} dev at most, few meet sealed ones")
    if bounds := _bounds(spec, plan, 1):
        part("an attempt", f"at most {bounds}")
    rounds = spec.budget.rounds
    if rounds is not None and (bounds := _bounds(spec, plan, rounds)):
        part(f"{rounds} attempts", f"at most {bounds}; usually a small part")
    part("time", _time(plan, spec))
    for label, told in (*_sight(plan), *_hopes(spec, plan)):
        part(label, told)
    return Group(*blocks)


def _sight(plan: LoopPlan) -> Iterator[tuple[str, str]]:
    """What the judge sees, or what finding out takes."""
    for line in plan.sight:
        yield "sight", one_line(line, longest=_LONGEST)
    if plan.sight_cases:
        parts = [f"at most {plan.sight_cases:,} texts judged"]
        if plan.sight_calls is not None and plan.sight_tokens is not None:
            price = "price unknown" if plan.sight_usd is None else cost_of(plan.sight_usd)
            parts += [f"{plan.sight_calls:,} calls", f"{plan.sight_tokens:,} tokens", price]
        yield "sight", f"{', '.join(parts)}, once, to see whether the judge can tell better from worse"


def _hopes(spec: LoopSpec, plan: LoopPlan) -> Iterator[tuple[str, str]]:
    """How patient the rule is, and what it can see."""
    if plan.drop is not None:
        yield "patience", _patience(spec, plan)
    for line in plan.outlook:
        yield "outlook", line
    if spec.has_cases and not plan.outlook:
        first = f"tenward loop run {spec.name} --rounds 0"
        yield "outlook", f"known after the calibration: {first} makes it, with the headroom test, and tries nothing"


def _measured(spec: LoopSpec, plan: LoopPlan) -> Iterator[tuple[str, str]]:
    """What scores, on which scale, what commands can reach meanwhile, and the stages before."""
    yield "scored by", scored_by(spec)
    if plan.contained:
        yield "commands", plan.contained
    if plan.scale:
        yield "scale", plan.scale
    for stage in spec.stages:
        if stage.number is not None:
            best = f"; the best {stage.best:.0%} so far go on" if stage.best is not None else ""
            yield "stage", f"{' '.join(stage.number.command)} ({stage.number.goal}){best}"
        else:
            yield "stage", f"cases: {stage.cases}" if stage.cases is not None else " ".join(stage.run or ())


def _proposes(spec: LoopSpec, plan: LoopPlan) -> str:
    propose = spec.propose
    parts = [f"arms {', '.join(plan.arms)}"] if plan.arms else []
    if propose.llm is not None:
        asked = f"{plan.proposer_calls} calls and {plan.proposer_tokens:,} tokens"
        parts.append(f"model {propose.llm.judge or propose.llm.model}, at most {asked} an attempt")
    if propose.command is not None or propose.python is not None:
        parts.append(" ".join(propose.command) if propose.command is not None else propose.python or "")
    if propose.search is not None:
        ranges = ", ".join(f"{name} {where}" for name, where in plan.searched.items())
        parts.append(f"settings of {propose.search.file}, drawn by {propose.search.sampler}: {ranges}")
    return "; ".join(parts)


def _keep_words(spec: LoopSpec) -> str:
    rule = {"race": "P(better), asked on dev cases and then on sealed ones", "better": "a better number"}
    told = rule.get(spec.rule_name, f"rule {spec.rule_name}")
    floors = ", ".join(
        name if margin is None else f"{name} by more than {margin:g}" for name, margin in spec.keep.never_lower.items()
    )
    return f"{told}; never lowers {floors}" if floors else told


def _budget(spec: LoopSpec) -> str:
    budget = spec.budget
    told = {"rounds": "{:,} rounds", "hours": "{:g} hours", "usd": "${:g}", "calls": "{:,} calls"}
    limits = [(form, getattr(budget, name)) for name, form in told.items()]
    parts = [form.format(limit) for form, limit in limits if limit is not None]
    side = f", {spec.parallel} attempts side by side" if spec.parallel > 1 else ""
    return (", ".join(parts) or "no limit") + side


def _bounds(spec: LoopSpec, plan: LoopPlan, rounds: int) -> str:
    """What so many attempts take at most; empty where that is not known, or nothing."""
    parts = [f"{rounds * plan.round_cases:,} cases judged"] if spec.has_cases else []
    if plan.round_calls and plan.round_tokens is not None:
        price = "price unknown" if plan.round_usd is None else cost_of(rounds * plan.round_usd)
        parts += [f"{rounds * plan.round_calls:,} calls", f"{rounds * plan.round_tokens:,} tokens", price]
    return ", ".join(parts)


def _time(plan: LoopPlan, spec: LoopSpec) -> str:
    if plan.round_seconds is not None:
        bound = f"at most {duration(plan.round_seconds)} an attempt, by the time-outs"
        so_far = plan.seconds_per_attempt
        return bound if so_far is None else f"{duration(so_far)} an attempt so far; {bound}"
    if plan.seconds_per_case is None:
        return "not known before the first case" if spec.has_cases else "not known before the first attempt"
    longest = duration(plan.seconds_per_case * plan.round_cases)
    return f"{plan.seconds_per_case:.1f} s a case so far: {longest} an attempt at most"


def _patience(spec: LoopSpec, plan: LoopPlan) -> str:
    """Where the dial stands, and why."""
    told = f"drop {plan.drop:g} (0.05 thrifty with judging, 0.01 thorough)"
    if spec.keep.drop is not None:
        return f"{told}, as the file says"
    if spec.parallel > 1:
        return f"{told}; set it yourself: of attempts side by side nobody knows what each costs"
    if plan.cost_ratio is None:
        return f"{told} until five attempts have shown what a proposal costs"
    if plan.cost_ratio < 1:
        return f"{told}: proposals take less than a second, or cost less than judging one case"
    if plan.cost_ratio == float("inf"):
        return f"{told}: judging costs nothing beside a proposal"
    return f"{told}: a proposal costs as much as judging {plan.cost_ratio:,.0f} cases"
