"""Reference metrics for many cases: off the event loop, and over all cores once there are enough of them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Self

from tenward.metrics._score import score_references

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from tenward.metrics._score import ReferenceScore

__all__ = ["MetricPool"]

_IN_THREADS_FIRST = 40  # cases; below it, starting processes takes longer than they save
_corpus: tuple[str, ...] = ()


class MetricPool:
    """Scores candidates against references for one run.

    Args:
        corpus: All references of the data set, for the word weights of ``bm25``.
        processes: How many to use; the number of cores when left out.
    """

    def __init__(self, *, corpus: Sequence[str] = (), processes: int | None = None) -> None:
        self._corpus = tuple(corpus)
        self._processes = processes or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
        self._asked = 0
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """The pool itself; its processes end with the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    async def score(self, candidate: str, references: Sequence[str], weights: Mapping[str, float]) -> ReferenceScore:
        """As :func:`score_references`, without holding up the event loop."""
        self._asked += 1
        if self._asked > _IN_THREADS_FIRST and self._processes > 1:
            try:
                return await self._in_a_process(candidate, tuple(references), dict(weights))
            except BrokenProcessPool:  # the system has ended one, perhaps for want of memory
                self._processes = 1
        return await asyncio.to_thread(score_references, candidate, references, weights, corpus=self._corpus)

    async def _in_a_process(
        self, candidate: str, references: tuple[str, ...], weights: dict[str, float]
    ) -> ReferenceScore:
        if self._executor is None:
            # Not forked: this process has threads and an embedded engine.
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(
                self._processes, mp_context=context, initializer=_begin, initargs=(self._corpus,)
            )
        with _without_main():
            future = self._executor.submit(_score, candidate, references, weights)
        return await asyncio.wrap_future(future)


@contextmanager
def _without_main() -> Generator[None, None, None]:
    """Hide the program, which a process that is spawned would run again from its top if it has no guard there."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin(corpus: tuple[str, ...]) -> None:
    global _corpus  # noqa: PLW0603 - the one way to give a worker process something once
    _corpus = corpus
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the run tells its workers to end
    threading.Thread(target=_end_with_the_run, daemon=True).start()


def _end_with_the_run() -> None:
    run = multiprocessing.parent_process()
    if run is not None:
        run.join()
        os._exit(1)  # it was killed, and a worker that waits for work would wait for ever


def _score(candidate: str, references: tuple[str, ...], weights: dict[str, float]) -> ReferenceScore:
    return score_references(candidate, references, weights, corpus=_corpus)
