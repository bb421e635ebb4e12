"""What a loop may spend, what it has spent, and what is put aside for the headline."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tenward.judges import Budget, Calls, Limiter, lend_calls, refusals
from tenward.loop._answers import OwnAnswers
from tenward.loop._spent import Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tenward.judges import CallCache
    from tenward.loop._definition import BudgetSpec

__all__ = ["OutOfBudgetError", "Purse", "RoundsDoneError"]

_MOST_PUT_ASIDE = 0.5


class OutOfBudgetError(Exception):
    """A limit is reached; the loop stops, and can go on with a larger one."""


class RoundsDoneError(OutOfBudgetError):
    """All rounds are done."""


class Purse:
    """Counts what is spent by one process, on top of what earlier ones spent, and says when to stop.

    Args:
        limits: The budget of the loop's file.
        spent: What earlier processes spent.
        cache: Answers that were paid for.
        owner: What tells the loop from any other, whose answers it does not take for its own.
        concurrency: Most calls at the same time.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        limits: BudgetSpec,
        spent: Spent,
        *,
        cache: CallCache | None,
        owner: str,
        concurrency: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._before = replace(spent, calls=0, usd=0.0)
        self._cache = cache
        self._own = None if cache is None else OwnAnswers(cache, owner)
        self._limiter = Limiter(concurrency)
        self._clock = clock
        self._began = clock()
        self._silent = 0
        self._judged = 0
        self._rounds = 0
        self._extra = Spent()
        self._aside_calls = 0
        self._aside_usd = 0.0
        self._left_usd = 0.0 if limits.usd is None else max(0.0, limits.usd - spent.usd)
        self._left_calls = 0 if limits.calls is None else max(0, limits.calls - spent.calls)
        # It goes on from what was spent, so that its refusals name the user's own limits.
        self._budget = Budget(max_usd=limits.usd, max_calls=limits.calls)
        self._budget.spent_usd, self._budget.calls = spent.usd, spent.calls

    @property
    def spent(self) -> Spent:
        """Everything spent so far, by all processes."""
        now = Spent(
            rounds=self._rounds,
            seconds=self._clock() - self._began,
            judged=self._judged,
            calls=self._budget.calls + self._silent,
            usd=self._budget.spent_usd,
        )
        return self._before + now + self._extra

    def put_aside(self, cases: int) -> None:
        """Keep back what judging so many cases takes, by what it took so far; at most half of what is left."""
        spent, limits = self.spent, self._limits
        if spent.judged:
            if limits.usd is not None:
                self._aside_usd = min(cases * spent.usd / spent.judged, _MOST_PUT_ASIDE * self._left_usd)
                self._budget.max_usd = limits.usd - self._aside_usd
            if limits.calls is not None:
                likely = round(cases * spent.calls / spent.judged)
                self._aside_calls = min(likely, int(_MOST_PUT_ASIDE * self._left_calls))
                self._budget.max_calls = limits.calls - self._aside_calls

    def open_aside(self) -> None:
        """Give out what was put aside; the headline is measured even when the time is up."""
        self._limits = self._limits.model_copy(update={"hours": None})
        self._aside_calls, self._aside_usd = 0, 0.0
        self._budget.max_usd, self._budget.max_calls = self._limits.usd, self._limits.calls

    def open_round(self) -> None:
        """Count a round.

        Raises:
            RoundsDoneError: There are no more.
            OutOfBudgetError: Another limit is reached.
        """
        limit = self._limits.rounds
        if limit is not None and self.spent.rounds >= limit:
            raise RoundsDoneError(f"all {limit} rounds are done")
        self.check()
        self._rounds += 1

    def check(self) -> None:
        """Stop before the next step where a limit is reached.

        Raises:
            OutOfBudgetError: One is.
        """
        limits, spent = self._limits, self.spent
        if limits.hours is not None and spent.seconds >= limits.hours * 3600:
            raise OutOfBudgetError(f"the time is up: {limits.hours:g} hours")
        if limits.usd is not None and spent.usd + self._aside_usd >= limits.usd:
            raise OutOfBudgetError(f"${spent.usd:.2f} of ${limits.usd:g} are spent{self._aside()}")
        if limits.calls is not None and spent.calls + self._aside_calls >= limits.calls:
            raise OutOfBudgetError(f"{spent.calls:,} of {limits.calls:,} calls are used{self._aside()}")

    def _aside(self) -> str:
        return ", the rest is put aside for the headline" if self._aside_calls or self._aside_usd else ""

    @contextmanager
    def lend(self, sample: int, *, judging: bool, shared: bool = False) -> Generator[Calls, None, None]:
        """Lend cache, budget and limits to what is called inside.

        Args:
            sample: Number of the pass.
            judging: Whether a case is judged inside; a judge that makes no use of what is lent counts as one call.
            shared: Whether answers to others will do, as those of a judge that repeats itself.

        Raises:
            OutOfBudgetError: At the end: a call was refused, so what came of it is not to be used.
        """
        self.check()
        calls = Calls(
            cache=self._cache if shared else self._own, budget=self._budget, limiter=self._limiter, sample=sample
        )
        with lend_calls(calls), refusals() as refused:
            yield calls
        if refused:
            raise OutOfBudgetError(f"{refused[0]}{self._aside()}")
        if judging:
            self._judged += 1
            self._silent += calls.hits + calls.misses == 0

    def add(self, spent: Spent) -> None:
        """Count what somebody else spent, such as a proposer with a bill of its own."""
        self._extra += replace(spent, rounds=0, seconds=0.0)
