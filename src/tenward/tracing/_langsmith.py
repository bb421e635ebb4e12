"""LangSmith while a run goes on: in the background, without ever holding the run up."""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from tenward.tracing._client import Connection
from tenward.tracing._errors import LangSmithError
from tenward.tracing._files import SentMarks
from tenward.tracing._records import RunStart, Trace
from tenward.tracing._sender import BATCH, Sender
from tenward.tracing._sink import now
from tenward.tracing._trace import end_of, start_of, trace_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from tenward.evaluation import Result, RunRecord, Summary
    from tenward.tracing._records import Record, RunEnd
    from tenward.tracing._settings import LangSmithSettings

__all__ = ["CLOSE_SECONDS", "LangSmithSink", "to_stderr"]

CLOSE_SECONDS = 1.2
"""What a close may take, so that with the rest of a process's end it stays below two seconds."""

_QUEUE = 1_000
_GATHER_SECONDS = 1.0
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0


def to_stderr(message: str) -> None:
    """Print one line for the person at the terminal."""
    print(message, file=sys.stderr)


class LangSmithSink:
    """Sends each result soon after it comes, from a thread of its own.

    A fault of the server is met by trying again with growing pauses, an unaccepted key by giving up. Neither is
    raised. What cannot be sent is told once, in one line, by :meth:`close`; the run's file has it all.

    Args:
        settings: Endpoint and key.
        folder: Where the run's trace file lies; marks of what was sent are kept beside it.
        warn: Takes the one line.
        queue: Traces that may wait; those that come on top are left to a later push.
        clock: Tells the time.
    """

    def __init__(
        self,
        settings: LangSmithSettings,
        folder: Path,
        *,
        warn: Callable[[str], None] = to_stderr,
        queue: int = _QUEUE,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._warn = warn
        self._longest = queue
        self._clock = clock
        self._run = ""
        self._thread: threading.Thread | None = None
        # Everything below is shared with the thread and belongs to the condition.
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, Record]] = deque()
        self._unsent: Counter[str] = Counter()
        self._total = 0
        self._closing = False
        self._closed = False
        self._finished = False
        self._fault: LangSmithError | None = None

    def begin_run(self, record: RunRecord) -> None:
        """Take note of the run; the thread starts with the first."""
        self.begin(start_of(record))

    def begin(self, start: RunStart) -> None:
        """Take note of what begins."""
        self._run = start.run
        self._put(start)
        if self._thread is None:
            # A daemon: a request that hangs must not keep the process alive.
            self._thread = threading.Thread(target=self._work, name="tenward-langsmith", daemon=True)
            self._thread.start()

    def result(self, position: int, result: Result) -> None:
        """Queue a result."""
        self._put(trace_of(self._run, position, result, self._clock()))

    def end_run(self, record: RunRecord, summary: Summary) -> None:
        """Queue the end of the run."""
        self._put(end_of(record, summary, self._clock()))

    def put(self, record: Trace | RunEnd) -> None:
        """Queue a record."""
        self._put(record)

    def close(self, budget: float = CLOSE_SECONDS) -> None:
        """Send what is left, as far as that goes, and say what was not sent.

        Args:
            budget: Seconds after which to leave the rest.
        """
        if self._thread is None or self._closed:
            return
        self._closed = True
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._finished, budget)
            unsent, total, fault = +self._unsent, self._total, self._fault
        if unsent:
            reason = fault.message if fault else f"no time left for {self._settings.shown}"
            run = next(iter(unsent))
            more = f", and so for {len(unsent) - 1} more runs" if len(unsent) > 1 else ""
            self._warn(
                f"LangSmith: {sum(unsent.values())} of {total} records were not sent ({reason}); "
                f"`tenward trace push {run}` sends them later{more}"
            )

    def _put(self, record: Record) -> None:
        with self._changed:
            if not isinstance(record, RunStart):
                self._total += 1
                self._unsent[self._run] += 1
            if self._finished or (isinstance(record, Trace) and len(self._waiting) >= self._longest):
                return
            self._waiting.append((self._run, record))
            self._changed.notify_all()

    # What follows runs in the thread.

    def _work(self) -> None:
        connection: Connection | None = None
        try:
            connection = Connection(self._settings)
            self._send_all(connection)
        except LangSmithError as error:
            self._fault = error
        except Exception as error:  # noqa: BLE001 - tracing never fails a run; the fault is told at the close
            self._fault = LangSmithError(f"an unexpected {type(error).__name__} in sending")
        finally:
            if connection is not None:
                connection.close()
            with self._changed:
                self._finished = True
                self._waiting.clear()
                self._changed.notify_all()

    def _send_all(self, connection: Connection) -> None:
        """Send until the close, or until a fault that waiting does not mend."""
        sender: Sender | None = None
        marks: SentMarks | None = None
        delay = _FIRST_DELAY
        while batch := self._next_batch():
            run, first = batch[0]
            last_try = self._closing
            try:
                if isinstance(first, RunStart):
                    sender = Sender(connection, first)
                    marks = SentMarks.load(self._folder / f"{run}.jsonl", self._settings.shown)
                elif sender is not None and marks is not None:
                    self._send(sender, marks, run, [record for _, record in batch])
            except LangSmithError as error:
                self._fault = error
                if last_try or error.kind not in {"busy", "unreachable"}:
                    raise
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, delay)
                delay = min(2 * delay, _LONGEST_DELAY)
            else:
                delay = _FIRST_DELAY
                with self._changed:
                    for _ in batch:
                        self._waiting.popleft()

    def _next_batch(self) -> list[tuple[str, Record]]:
        """One start or end, or the traces that wait before the next of these; nothing after the close."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return []
            if not isinstance(self._waiting[0][1], Trace):
                return [self._waiting[0]]
            self._changed.wait_for(self._has_batch, _GATHER_SECONDS)
            return list(takewhile(lambda item: isinstance(item[1], Trace), islice(self._waiting, BATCH)))

    def _has_batch(self) -> bool:
        return self._closing or len(self._waiting) >= BATCH

    def _send(self, sender: Sender, marks: SentMarks, run: str, records: list[Record]) -> None:
        traces = [record for record in records if isinstance(record, Trace) and record.trace_id not in marks.traces]
        refused = sender.send(traces) if traces else []
        if refused:
            self._fault = refused[0][1]
        kept = {trace.trace_id for trace, _ in refused}
        for record in records:
            if not isinstance(record, Trace | RunStart):
                sender.finish(record)
                marks.end()
        accepted = [trace.trace_id for trace in traces if trace.trace_id not in kept]
        if accepted:
            marks.add(accepted)
        with self._changed:
            self._unsent[run] -= len(records) - len(kept)
