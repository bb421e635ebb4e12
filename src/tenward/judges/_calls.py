"""What a run lends to every call of its judges: a cache, a budget, and a limit on calls at the same time.

A judge outside of a run has none of them. They are lent through a context variable, so that judges made of judges,
and judges of other people, need not pass them on.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tenward.errors import UsageError
from tenward.judges._retry import CallFailedError
from tenward.judges._verdict import Failure, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from tenward.judges._retry import Deadline
    from tenward.judges._spec import Price

__all__ = [
    "Asked",
    "Budget",
    "CallCache",
    "Calls",
    "Limiter",
    "PlannedCalls",
    "call_key",
    "digest",
    "lend_calls",
    "lent_calls",
    "prompt_tokens_at_most",
    "refusals",
]

_MESSAGE_TOKENS = 64  # what a chat template adds
_RECOVER = 20  # answers in a row before one more call at the same time is tried


def digest(value: object) -> str:
    """Short hash of JSON-ready data, the same for equal data."""
    return hashlib.sha256(_canonical(value)).hexdigest()[:16]


def call_key(request: Mapping[str, Any]) -> str:
    """Hash of a whole request; equal requests get equal answers from the cache."""
    return hashlib.sha256(_canonical(request)).hexdigest()


def _canonical(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Whose question a call asks, and a hash of everything that makes it what it is; for explaining a cache miss."""

    slot: str
    """Judge, rubric, case and question by name: the same in every run, whatever has changed."""

    components: Mapping[str, str]
    """Hash per part of the request, by a name a person knows: ``levels``, ``output``, ``model``."""


@dataclass(frozen=True, kw_only=True)
class PlannedCalls:
    """What judging would take, before anything is paid."""

    calls: int = 0
    """If every answer is fit at once."""

    cached: int = 0
    """Of these, how many the cache would answer."""

    most_calls: int = 0
    """If every answer is asked for again as often as may be, without what the cache answers."""

    prompt_tokens: int = 0
    """An upper bound, for ``most_calls``."""

    completion_tokens: int = 0
    """An upper bound, for ``most_calls``."""

    worst_usd: float | None = 0.0
    """The most that ``most_calls`` can cost; None when the price is unknown."""

    def __add__(self, other: PlannedCalls) -> PlannedCalls:
        known = self.worst_usd is not None and other.worst_usd is not None
        return PlannedCalls(
            calls=self.calls + other.calls,
            cached=self.cached + other.cached,
            most_calls=self.most_calls + other.most_calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            worst_usd=(self.worst_usd or 0.0) + (other.worst_usd or 0.0) if known else None,
        )


class CallCache(Protocol):
    """Answers paid for, by the hash of their request."""

    def recall(self, key: str) -> str | None:
        """The answer to this request; None when it was never answered."""
        ...

    def remember(self, key: str, asked: Asked, answer: str) -> None:
        """Keep an answer; it survives a kill of the process from here on."""
        ...

    def why_missed(self, asked: Asked) -> tuple[str, ...]:
        """The components that changed since this question was last answered; empty when it never was."""
        ...


class Budget:
    """A hard limit on calls and on money; each call's worst case is reserved before it is made.

    Args:
        max_usd: US dollars; None for no limit.
        max_calls: Number of calls; None for no limit.

    Raises:
        UsageError: A limit is ``nan``, beyond which no sum ever goes.
    """

    def __init__(self, *, max_usd: float | None = None, max_calls: int | None = None) -> None:
        if max_usd is not None and math.isnan(max_usd):
            raise UsageError("max_usd: found nan, expected US dollars", hint="leave it out where there is no limit")
        self.max_usd = max_usd
        self.max_calls = max_calls
        self.spent_usd = 0.0
        self.calls = 0
        self._reserved = 0.0
        self.exhausted = False
        """Whether a call was refused."""

    @contextmanager
    def reserve(
        self, prompt_tokens: int, max_tokens: int, price: Price | None, *, free: bool
    ) -> Generator[list[Usage], None, None]:
        """Hold the worst price of one call; what it really took is put into the list by the caller.

        Args:
            prompt_tokens: Upper bound on the prompt; see :func:`prompt_tokens_at_most`.
            max_tokens: Upper bound on the answer.
            price: What tokens cost; None when nobody has said.
            free: Whether the call costs nothing, whatever it takes.

        Raises:
            CallFailedError: ``budget``: it would go beyond the limit.
            UsageError: There is a limit in dollars, and the judge file states no price.
        """
        worst = 0.0
        if self.max_usd is not None and not free:
            worst = self.worst_usd(prompt_tokens, max_tokens, price)
            if self.spent_usd + self._reserved + worst > self.max_usd:
                self._refuse(
                    f"the next call may cost ${worst:.4f}, of ${self.max_usd:g} only ${self.left_usd:.4f} left"
                )
        if self.max_calls is not None and self.calls >= self.max_calls:
            self._refuse(f"all {self.max_calls} calls are used")
        self.calls += 1
        self._reserved += worst
        took: list[Usage] = []
        billed = worst  # a call that broke off may have been billed: without an answer to say so, the worst counts
        try:
            yield took
        except Exception as error:
            if _was_turned_away(error):
                billed = 0.0
            raise
        finally:
            self._reserved -= worst
            # Nor does an answer that reports no tokens say what it costs.
            costs = [worst if usage.cost_usd is None else usage.cost_usd for usage in took]
            self.spent_usd += sum(costs) if took else billed

    @property
    def left_usd(self) -> float | None:
        """US dollars neither spent nor reserved; None without a limit."""
        return None if self.max_usd is None else max(0.0, self.max_usd - self.spent_usd - self._reserved)

    @staticmethod
    def worst_usd(prompt_tokens: int, max_tokens: int, price: Price | None) -> float:
        """The most one call can cost, in US dollars.

        Raises:
            UsageError: The judge file states no price.
        """
        if price is None:
            raise UsageError(
                "a budget in dollars needs the price of the judge's model, and its file states none",
                hint="add `price: {input: …, output: …}` (US dollars per million tokens), or limit calls instead",
            )
        return (prompt_tokens * price.input + max_tokens * price.output) / 1e6

    def _refuse(self, detail: str) -> None:
        self.exhausted = True
        refused = _refusals.get()
        if refused is not None:
            refused.append(detail)
        raise CallFailedError(Failure(kind="budget", detail=detail))


_refusals: ContextVar[list[str] | None] = ContextVar("tenward_refusals", default=None)


@contextmanager
def refusals() -> Generator[list[str], None, None]:
    """Collect why a budget refused calls made inside, in this task and those it starts.

    A judge may get over a refused call - the rest of a panel still holds half of the weight - but its verdict is then
    not the one that a larger budget would have given.
    """
    refused: list[str] = []
    token = _refusals.set(refused)
    try:
        yield refused
    finally:
        _refusals.reset(token)


def prompt_tokens_at_most(messages: list[dict[str, str]], *, schema_bytes: int = 0) -> int:
    """More tokens than these messages can have, and the schema of the answer that is sent beside them.

    One per byte: a tokenizer that knows no larger piece of a text, as of a table of digits, needs that many.
    """
    size = sum(len(message["content"].encode("utf-8", "surrogatepass")) for message in messages)
    return size + schema_bytes + _MESSAGE_TOKENS * len(messages)


def _was_turned_away(error: BaseException) -> bool:
    """Whether the endpoint answered with an error status, which nobody bills."""
    below: BaseException | None = error
    for _ in range(5):
        if below is None:
            return False
        status = getattr(below, "status_code", None)
        if isinstance(status, int):
            return status >= 400
        below = below.__cause__
    return False


class Limiter:
    """How many calls run at the same time: one more after a while without complaint, half as many after a 429.

    Additive increase, multiplicative decrease, as in TCP (Chiu and Jain, 1989). A ``Retry-After`` holds back every
    call, not only the one that was told.

    Args:
        most: Never more than so many.
        start: So many at first; ``most`` when left out.
    """

    def __init__(self, most: int, *, start: int | None = None) -> None:
        self.most = most
        self.allowed = min(most, start or most)
        self._running = 0
        self._smooth = 0
        self._not_before = 0.0
        self._last_cut = 0.0
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def slot(self, deadline: Deadline | None = None) -> AsyncGenerator[None]:
        """Held during one call; waiting for it does not count against the deadline of the case, if it has one."""
        began = time.monotonic()
        while self._running >= self.allowed or self._not_before > time.monotonic():
            pause = self._not_before - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
                continue
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except BaseException:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
                self._wake()  # it may have been woken in vain
                raise
        self._running += 1
        if deadline is not None:
            deadline.excuse(time.monotonic() - began)
        try:
            yield
        finally:
            self._running -= 1
            self._wake()

    def went_well(self) -> None:
        """An answer came."""
        self._smooth += 1
        if self._smooth >= _RECOVER and self.allowed < self.most:
            self.allowed += 1
            self._smooth = 0
            self._wake()

    def told_to_slow_down(self, retry_after: float | None) -> None:
        """A rate limit was hit; several complaints within a second are one."""
        now = time.monotonic()
        self._smooth = 0
        if retry_after:
            self._not_before = max(self._not_before, now + min(retry_after, 60.0))
        if now - self._last_cut > 1.0:
            self.allowed = max(1, self.allowed // 2)
            self._last_cut = now

    def _wake(self) -> None:
        free = self.allowed - self._running
        while self._waiting and free > 0:
            waiter = self._waiting.pop(0)
            if not waiter.done():
                waiter.set_result(None)
                free -= 1


@dataclass(kw_only=True)
class Calls:
    """What a run lends, and what came of it."""

    cache: CallCache | None = None
    budget: Budget | None = None
    limiter: Limiter | None = None
    sample: int = 0
    """Number of the pass: the same question asked again on purpose is another call."""

    hits: int = 0
    misses: int = 0
    missed_for: Counter[str] = field(default_factory=Counter[str])
    """How many misses each changed component explains; ``new`` for what was never asked before."""

    def recall(self, key: str) -> str | None:
        """The answer in the cache, counted as a hit where there is one."""
        answer = self.cache.recall(key) if self.cache is not None else None
        if answer is not None:
            self.hits += 1
        return answer

    def remember(self, key: str, asked: Asked, answer: str, *, fit: bool = True) -> None:
        """Count a miss, note why it was one, and keep the answer if it is ``fit`` to be used again."""
        self.misses += 1
        if self.cache is None:
            return
        self.missed_for.update(self.cache.why_missed(asked) or ("new",))
        if fit:
            self.cache.remember(key, asked, answer)


_NOTHING = Calls()
_lent: ContextVar[Calls] = ContextVar("tenward_calls", default=_NOTHING)


def lent_calls() -> Calls:
    """What the run around this call lends; a :class:`Calls` without anything outside of a run."""
    return _lent.get()


@contextmanager
def lend_calls(calls: Calls) -> Generator[Calls, None, None]:
    """Lend ``calls`` to every judge called inside, in this task and those it starts."""
    token = _lent.set(calls)
    try:
        yield calls
    finally:
        _lent.reset(token)
