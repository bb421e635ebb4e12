"""How a loop turns the dials of its rule: by placebos that were kept, and by what proposals cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenward.decisions import PosteriorRace, patience

if TYPE_CHECKING:
    from tenward.decisions import DecisionRule
    from tenward.loop._definition import LoopSpec
    from tenward.loop._spent import Costs
    from tenward.loop._states import LoopState

__all__ = ["set_drop", "with_dials", "with_placebo", "without_doubt"]


def with_dials(rule: DecisionRule, *, sure: float | None, drop: float | None) -> DecisionRule:
    """The rule with other dials; one that is None stays, and a rule without such dials is itself."""
    if not isinstance(rule, PosteriorRace):
        return rule
    old = rule.settings
    new = replace(old, sure=old.sure if sure is None else sure, drop=old.drop if drop is None else drop)
    return replace(rule, settings=new)


def without_doubt(rule: DecisionRule) -> DecisionRule:
    """The rule where no judge can be fooled: of an incumbent that is worth nothing, since its outputs fail gates.

    What passes is worth no less, however kindly it is judged, so there is no bought look that hides a loss.
    """
    if not isinstance(rule, PosteriorRace):
        return rule
    prior = replace(rule.settings.prior, fooling=0.0, half=0.0)
    return replace(rule, settings=replace(rule.settings, prior=prior))


def set_drop(costs: Costs, spec: LoopSpec) -> float | None:
    """What ``drop`` should stand at, by what proposals cost; None where the file sets it, or nothing is known yet."""
    if spec.keep.drop is not None or not isinstance(spec.rule, PosteriorRace):
        return None
    ratio = costs.ratio(spec)
    return None if ratio is None else patience(ratio)


def with_placebo(state: LoopState, placebo: str, *, kept: bool, rule: DecisionRule) -> LoopState:
    """How a loop stands after one more placebo was decided.

    Args:
        state: How it stood.
        placebo: ``unchanged``, or what harm was done.
        kept: Whether it would have been kept.
        rule: The rule of the loop's file.
    """
    sure = rule.settings.sure if isinstance(rule, PosteriorRace) else None
    placebos = state.placebos.after(placebo, kept=kept, sure=sure)
    if placebos.sure == state.placebos.sure:
        return replace(state, placebos=placebos)
    told = f"the loop has tightened itself: {placebos.tightened}"
    return replace(state, placebos=placebos, warnings=(*state.warnings, told))
