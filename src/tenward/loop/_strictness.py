"""How placebos that were kept make a loop stricter than its file asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tenward.decisions import PosteriorRace

if TYPE_CHECKING:
    from tenward.decisions import DecisionRule
    from tenward.loop._states import LoopState

__all__ = ["stricter", "with_placebo"]


def stricter(rule: DecisionRule, sure: float | None) -> DecisionRule:
    """The rule with another P(better) for a keep; itself where that is None, or where it has no such dial."""
    if sure is None or not isinstance(rule, PosteriorRace):
        return rule
    return replace(rule, settings=replace(rule.settings, sure=sure))


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
