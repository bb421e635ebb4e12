"""What is used up, and what an attempt costs before its race beside what judging costs in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tenward.loop._definition import LoopSpec

__all__ = ["Costs", "Spent"]

_ENOUGH = 5
# Proposals this quick cost nobody anything, and their seconds are mostly those of git, which vary.
_QUICK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What was used up."""

    rounds: int = 0
    """Attempts that were opened."""

    seconds: float = 0.0
    """Wall time; of a loop, of all its processes together."""

    judged: int = 0
    """Cases judged: one pass of the judge over one case."""

    calls: int = 0
    """Calls of models, by judges, producers and proposers; what came from the cache is none."""

    usd: float = 0.0
    """US dollars, as far as prices are known."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            rounds=self.rounds + other.rounds,
            seconds=self.seconds + other.seconds,
            judged=self.judged + other.judged,
            calls=self.calls + other.calls,
            usd=self.usd + other.usd,
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            rounds=self.rounds - other.rounds,
            seconds=self.seconds - other.seconds,
            judged=self.judged - other.judged,
            calls=self.calls - other.calls,
            usd=self.usd - other.usd,
        )


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What the attempts that raced took, placebos left out."""

    attempts: int = 0
    """How many they are."""

    before: Spent = field(default_factory=Spent)
    """Proposing, checks and stages: what an attempt costs however soon its race ends."""

    racing: Spent = field(default_factory=Spent)
    """Their races."""

    def after(self, whole: Spent, racing: Spent) -> Self:
        """The costs with one attempt more.

        Args:
            whole: All that it took.
            racing: The part of it that its race took.
        """
        return replace(
            self,
            attempts=self.attempts + 1,
            before=self.before + whole - racing,
            racing=self.racing + racing,
        )

    def ratio(self, spec: LoopSpec) -> float | None:
        """What an attempt costs before its race, over what one judged case costs in it.

        Counted in what runs out: dollars or calls where they are limited, else seconds. Seconds as well where nobody
        knows what a command or a function pays for its proposals.

        Args:
            spec: The loop.

        Returns:
            0 or more, also infinite where judging costs nothing; None before five attempts, and with attempts side by
            side, whose costs are not known one by one.
        """
        if self.attempts < _ENOUGH or not self.racing.judged or spec.parallel > 1:
            return None
        budget = spec.budget
        billed = spec.propose.llm is not None or self.before.usd > 0
        if billed and budget.usd is not None:
            before, racing = self.before.usd, self.racing.usd
        elif billed and budget.calls is not None:
            before, racing = float(self.before.calls), float(self.racing.calls)
        else:
            before, racing = self.before.seconds, self.racing.seconds
            if before / self.attempts < _QUICK_SECONDS:
                return 0.0
        each, case = before / self.attempts, racing / self.racing.judged
        return each / case if case > 0 else math.inf if each > 0 else 0.0
