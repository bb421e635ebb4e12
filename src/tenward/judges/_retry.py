"""Trying again: capped, jittered back-off under one deadline."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tenward.judges._failures import RETRYABLE, Broken
from tenward.judges._verdict import Failure, Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from tenward.judges._calls import Limiter

__all__ = ["CallFailedError", "Deadline", "all_of", "call_with_retries"]

T = TypeVar("T")

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0


class CallFailedError(Exception):
    """One call failed for good; the case (or the criterion) it was for is unscored. Never reaches a user."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.detail}")
        self.failure = failure
        self.usage = Usage()
        """What the call took although it failed: a refusal and a truncated answer are billed too."""


@dataclass(kw_only=True)
class Deadline:
    """The time one verdict may take, all calls and waits included."""

    seconds: float
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds left; at most 0 once it has passed."""
        return self.started + self.seconds - time.monotonic()

    def excuse(self, seconds: float) -> None:
        """Leave a wait out of the count that has nothing to do with the endpoint's answer."""
        self.started += seconds


async def all_of(calls: Iterable[Awaitable[T]]) -> list[T]:
    """The results of calls made at the same time; when one raises, the others are cancelled before it is passed on."""
    waiting = list(calls)
    if len(waiting) == 1:
        return [await waiting[0]]  # a task of its own would let go of the event loop, and of a connection just free
    tasks = [asyncio.ensure_future(call) for call in waiting]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def call_with_retries(
    call: Callable[[], Awaitable[T]],
    *,
    classify: Callable[[BaseException], Broken],
    retries: int,
    timeout: float,  # noqa: ASYNC109 - one of two limits; the deadline is the other
    deadline: Deadline,
    limiter: Limiter | None = None,
) -> T:
    """Await ``call()`` until it answers, fails for good, or the deadline passes.

    Waits ``0.5 · 2^n`` seconds, halved at random and capped at 30, or what the endpoint asked for with
    ``Retry-After`` where that is longer.

    Raises:
        CallFailedError: With the last failure, or ``timeout`` when the deadline left no time.
        JudgeUnavailableError: From ``classify``: no further case could be judged either.
    """
    attempt = 0
    while True:
        try:
            answer = await _attempt(call, timeout, deadline, limiter)
        except CallFailedError as error:
            broken = Broken(failure=error.failure)
        except Exception as error:  # noqa: BLE001 - every fault of an SDK is sorted, and unknown ones re-raised
            broken = classify(error)
        else:
            if limiter is not None:
                limiter.went_well()
            return answer
        if broken.failure.kind == "rate_limited" and limiter is not None:
            limiter.told_to_slow_down(broken.retry_after)
        if broken.failure.kind not in RETRYABLE or attempt >= retries:
            raise CallFailedError(_after(broken.failure, attempt + 1))
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        wait = max(wait, broken.retry_after or 0.0)
        if wait >= deadline.left:
            raise CallFailedError(_after(broken.failure, attempt + 1))
        await asyncio.sleep(wait)
        attempt += 1


async def _attempt(
    call: Callable[[], Awaitable[T]],
    timeout: float,  # noqa: ASYNC109 - as above
    deadline: Deadline,
    limiter: Limiter | None,
) -> T:
    async with limiter.slot(deadline) if limiter is not None else nullcontext():
        limit = min(timeout, deadline.left)
        if limit <= 0:
            detail = f"the deadline of {deadline.seconds:g} s for one case has passed"
            raise CallFailedError(Failure(kind="timeout", detail=detail))
        async with asyncio.timeout(limit):
            return await call()


def _after(failure: Failure, tries: int) -> Failure:
    if tries == 1:
        return failure
    return Failure(kind=failure.kind, detail=f"{failure.detail}, {tries} tries")
