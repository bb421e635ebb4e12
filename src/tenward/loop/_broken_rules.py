"""Which gates the incumbent's outputs fail, how often and by how much: a gate is a rule, and no secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.evaluation import Result
    from tenward.rubrics import GateResult

__all__ = ["BrokenRule", "broken_rules"]


@dataclass(frozen=True, kw_only=True)
class BrokenRule:
    """A gate that some outputs fail, of which every one is worth nothing."""

    gate: str
    """The check as the rubric writes it, such as ``max_chars: 72``."""

    rule: str
    """The same in words; empty where the rubric has none."""

    failed: int
    """Cases whose output fails it."""

    cases: int
    """Cases that were looked at."""

    worst: str
    """By how much, such as ``the longest has 293 characters``; of one output what was found, if nothing is counted."""

    @property
    def said(self) -> str:
        """The rule in words, or else as the rubric writes it."""
        return self.rule or self.gate

    @property
    def told(self) -> str:
        """All but what was found, in a line."""
        words = f" ({self.rule})" if self.rule else ""
        return f"{self.gate}{words} fails on {self.failed} of {self.cases}"


def broken_rules(results: Sequence[Result]) -> tuple[BrokenRule, ...]:
    """The gates that fail, the one that fails most cases first.

    Args:
        results: Of the cases, one each.
    """
    failed: dict[str, list[GateResult]] = {}
    for result in results:
        for gate in result.gates:
            if not gate.passed:
                failed.setdefault(gate.gate, []).append(gate)
    found = [
        BrokenRule(gate=name, rule=some[0].rule, failed=len(some), cases=len(results), worst=_worst(some))
        for name, some in failed.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.failed))


def _worst(some: Sequence[GateResult]) -> str:
    counted = [gate for gate in some if gate.count is not None]
    if not counted:
        return some[0].detail
    most = some[0].gate.startswith("max_")
    worst = (max if most else min)(counted, key=lambda gate: gate.count or 0)
    return f"the {'longest' if most else 'shortest'} has {worst.detail}"
