"""Reference metrics for many cases: off the event loop, and over all cores once there are enough of them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Self

from tenward.metrics._score import score_references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        self._processes = processes or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
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
        if self._asked <= _IN_THREADS_FIRST or self._processes < 2:
            return await asyncio.to_thread(score_references, candidate, references, weights, corpus=self._corpus)
        if self._executor is None:
            # Not forked: this process has threads and an embedded engine.
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(
                self._processes, mp_context=context, initializer=_remember, initargs=(self._corpus,)
            )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, _score, candidate, tuple(references), dict(weights))


def _remember(corpus: tuple[str, ...]) -> None:
    global _corpus  # noqa: PLW0603 - the one way to give a worker process something once
    _corpus = corpus


def _score(candidate: str, references: tuple[str, ...], weights: dict[str, float]) -> ReferenceScore:
    return score_references(candidate, references, weights, corpus=_corpus)
