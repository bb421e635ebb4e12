"""Arms: the kinds of change that a portfolio tries, and which of them is tried next.

An arm is drawn by what it has brought per judged case, with a prior, so that one bad try does not end it, and a share
that every arm keeps (a bandit whose draws are proportional to estimated rates; compare Thompson, 1933, and the operator
selection of genetic programming). The same past and the same chance draw the same arm.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


__all__ = ["ARMS", "ARM_OWNERS", "ArmName", "ArmTally", "ArmTry", "arm_order", "arm_shares", "arm_tallies"]

ArmName = Literal[
    "rules", "examples", "sources", "playbook", "sentence", "drop", "rewrite", "command", "python", "search"
]
ARMS: tuple[ArmName, ...] = ("examples", "rules", "sources", "playbook", "sentence", "drop")
"""Those of a model's portfolio on one text, in the order in which each is tried once."""

ARM_OWNERS = {"sentence": "llm", "rewrite": "llm", "command": "command", "python": "python", "search": "search"}
"""The field of ``propose`` that an arm asks; a program of ours is the others."""

_FLOOR = 0.2
"""Share of all draws that is divided evenly among the arms."""

_PRIOR_CASES = 40
_PRIOR_RATE = 0.001
"""Gain per judged case that an arm is taken to bring before it was tried, as if so many cases had shown it."""

_NEARLY = 0.5
"""What the gain of a near-miss counts, of that of a keep."""


@dataclass(frozen=True, kw_only=True)
class ArmTally:
    """What one arm has come to."""

    tried: int = 0
    """Attempts that were judged."""

    kept: int = 0
    cases: int = 0
    """Cases judged for it, dev and sealed."""

    brought: float = 0.0
    """Gain of what was kept, and half of what near-misses seemed to gain, on the scale of values."""


@dataclass(frozen=True, kw_only=True)
class ArmTry:
    """One attempt that was judged, of one arm."""

    arm: str
    kept: bool
    nearly: bool
    """Whether it was not kept but looked more likely better than not."""

    effect: float
    """Estimate of its gain, on the scale of values."""

    cases: int
    """Cases judged for it."""


def arm_tallies(tries: Iterable[ArmTry]) -> dict[str, ArmTally]:
    """What each arm has come to, by its name."""
    found: dict[str, ArmTally] = {}
    for one in tries:
        old = found.get(one.arm, ArmTally())
        gain = max(one.effect, 0.0) * (1.0 if one.kept else _NEARLY if one.nearly else 0.0)
        found[one.arm] = ArmTally(
            tried=old.tried + 1, kept=old.kept + one.kept, cases=old.cases + one.cases, brought=old.brought + gain
        )
    return found


def arm_shares(arms: Sequence[str], tallies: Mapping[str, ArmTally]) -> dict[str, float]:
    """How probable each arm is in the next draw; they sum to 1.

    Args:
        arms: The arms of the loop; at least one.
        tallies: What they have come to.
    """
    rates: dict[str, float] = {}
    for arm in arms:
        told = tallies.get(arm, ArmTally())
        rates[arm] = (_PRIOR_RATE * _PRIOR_CASES + told.brought) / (_PRIOR_CASES + told.cases)
    whole = sum(rates.values())
    return {arm: _FLOOR / len(arms) + (1 - _FLOOR) * rate / whole for arm, rate in rates.items()}


def arm_order(arms: Sequence[str], tallies: Mapping[str, ArmTally], chance: float) -> list[str]:
    """All arms in the order in which to ask them: the untried as they stand, then the others as they are drawn.

    Args:
        arms: The arms of the loop.
        tallies: What they have come to.
        chance: Drawn for the attempt, 0 to 1.
    """
    dice = random.Random(chance)  # noqa: S311 - a draw, not a secret
    untried = [arm for arm in arms if not tallies.get(arm, ArmTally()).tried]
    left = [arm for arm in arms if arm not in untried]
    drawn: list[str] = []
    while left:
        shares = arm_shares(left, tallies)
        drawn.append(dice.choices(left, [shares[arm] for arm in left])[0])
        left.remove(drawn[-1])
    return [*untried, *drawn]
