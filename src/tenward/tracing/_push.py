"""Sends what was recorded: after a run without a key or without a network, or after a kill."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tenward.tracing._client import Connection
from tenward.tracing._errors import LangSmithError
from tenward.tracing._files import SentMarks, find_trace, read_trace
from tenward.tracing._records import RunEnd, RunStart, Trace
from tenward.tracing._sender import BATCH, Sender, dataset_name
from tenward.tracing._settings import LangSmithSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["PushReport", "push"]

T = TypeVar("T")

_PAUSES = (1.0, 2.0, 4.0)
_BATCH_CHARS = 2_000_000


@dataclass(frozen=True, kw_only=True)
class PushReport:
    """What a push did."""

    run: str
    file: Path
    endpoint: str
    sent: int
    """Traces that were sent now."""

    already: int
    """Traces that had been sent before."""

    refused: tuple[str, ...]
    """Traces that the server did not accept: case and reason."""

    ended: bool
    """Whether the run's end is recorded; false for one that was killed or still goes on."""

    dataset: str | None
    """Name of the run's data set; None where the server turned out to know only traces."""


def push(
    run: str | Path,
    *,
    settings: LangSmithSettings | None = None,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> PushReport:
    """Send a recorded run to LangSmith; what was sent before is not sent again.

    Args:
        run: Path of a trace file, id of a run or a unique beginning of one, or ``last``.
        settings: Endpoint and key; those in the environment by default.
        folder: Where trace files lie; the workspace's by default.
        progress: Told after each batch how many traces are dealt with, and of how many.
        sleep: Waits between tries while the server is busy.

    Raises:
        UnknownNameError: There is no such trace file.
        DocumentError: The file is damaged; nothing was sent.
        LangSmithError: No key, a key that is not accepted, no answer; a second push goes on where this one stopped.
    """
    path = find_trace(run, folder)
    settings = settings or LangSmithSettings.required()
    total = sum(isinstance(record, Trace) for record in read_trace(path))
    records = read_trace(path)
    start = next(record for record in records if isinstance(record, RunStart))
    connection = Connection(settings)
    try:
        sender = Sender(connection, start)
        marks = SentMarks.load(path, settings.shown)
        work = _Push(sender, marks, total, progress or _no_progress, sleep)
        end: RunEnd | None = None
        for record in records:
            if isinstance(record, Trace):
                work.add(record)
            else:
                # A run that was taken up again after its end is at its end only at the last one.
                end = record if isinstance(record, RunEnd) else None
        work.flush()
        if end is not None:
            work.finish(end)
    finally:
        connection.close()
    return PushReport(
        run=start.run,
        file=path,
        endpoint=settings.shown,
        sent=work.sent,
        already=work.already,
        refused=tuple(work.refused),
        ended=end is not None,
        dataset=dataset_name(start) if sender.is_experiment or not work.sent else None,
    )


def _no_progress(_done: int, _total: int) -> None:
    pass


class _Push:
    """One pass over one file."""

    def __init__(
        self,
        sender: Sender,
        marks: SentMarks,
        total: int,
        progress: Callable[[int, int], None],
        sleep: Callable[[float], None],
    ) -> None:
        self._sender = sender
        self._marks = marks
        self._total = total
        self._progress = progress
        self._sleep = sleep
        self._batch: list[Trace] = []
        self._chars = 0
        self.sent = 0
        self.already = 0
        self.refused: list[str] = []

    def add(self, trace: Trace) -> None:
        if trace.trace_id in self._marks.traces or any(trace.trace_id == other.trace_id for other in self._batch):
            self.already += 1
        else:
            self._batch.append(trace)
            self._chars += sum(len(str(span.inputs)) + len(str(span.outputs)) for span in trace.spans)
            if len(self._batch) >= BATCH or self._chars >= _BATCH_CHARS:
                self.flush()

    def flush(self) -> None:
        if not self._batch:
            return
        refused = self._retried(lambda: self._sender.send(self._batch))
        self.refused += [f"{trace.case.id}: {error}" for trace, error in refused]
        kept = {trace.trace_id for trace, _ in refused}
        accepted = [trace.trace_id for trace in self._batch if trace.trace_id not in kept]
        self._marks.add(accepted)
        self.sent += len(accepted)
        self._batch, self._chars = [], 0
        self._progress(self.sent + self.already + len(self.refused), self._total)

    def finish(self, end: RunEnd) -> None:
        if not self._marks.ended or self.sent:
            self._retried(lambda: self._sender.finish(end))
            self._marks.end()

    def _retried(self, work: Callable[[], T]) -> T:
        for pause in _PAUSES:
            try:
                return work()
            except LangSmithError as error:
                if error.kind != "busy":
                    raise
                self._sleep(pause)
        return work()
