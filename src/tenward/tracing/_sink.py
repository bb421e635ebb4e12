"""Where spans go: the protocol, and the file that every run writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Protocol

from tenward.tracing._records import to_line
from tenward.tracing._trace import end_of, start_of, trace_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenward.evaluation import Result, RunRecord, Summary
    from tenward.tracing._records import Record, RunEnd, RunStart, Trace

__all__ = ["LocalSink", "TraceSink", "now"]

_CHUNK = 65_536


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class TraceSink(Protocol):
    """Takes what an evaluation does, as it happens. One run after the other; all calls come from one thread."""

    def begin_run(self, record: RunRecord) -> None:
        """A run begins, or goes on after a stop."""
        ...

    def result(self, position: int, result: Result) -> None:
        """A case was judged; ``position`` is its place in the data set, from 0."""
        ...

    def end_run(self, record: RunRecord, summary: Summary) -> None:
        """The run is over, or stopped; ``record`` says which."""
        ...

    def begin(self, start: RunStart) -> None:
        """What is recorded begins, where it is no evaluation: see :meth:`put`."""
        ...

    def put(self, record: Trace | RunEnd) -> None:
        """A trace, or the end, of what :meth:`begin` began."""
        ...

    def close(self) -> None:
        """Nothing more will come. A second call does nothing."""
        ...


class LocalSink:
    """Writes ``<run id>.jsonl``, one line for each result, handed to the system at once.

    What was written survives a kill of the process. A run that goes on later goes on in the same file, after what
    a kill may have left of a half line is removed.

    Args:
        folder: Where the files go; made when the first run begins.
        clock: Tells the time.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = now) -> None:
        self._folder = folder
        self._clock = clock
        self._run = ""
        self._file: BinaryIO | None = None

    def begin_run(self, record: RunRecord) -> None:
        """Open the run's file.

        Raises:
            OSError: It cannot be written; so also the other methods.
        """
        self.begin(start_of(record))

    def begin(self, start: RunStart) -> None:
        """Open the file of what begins."""
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        ignore = self._folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        self._file = (self._folder / f"{start.run}.jsonl").open("ab+")
        _cut_half_line(self._file)
        self._run = start.run
        self._write(start)

    def result(self, position: int, result: Result) -> None:
        """Append a result."""
        self._write(trace_of(self._run, position, result, self._clock()))

    def end_run(self, record: RunRecord, summary: Summary) -> None:
        """Append the end of the run and close its file."""
        self._write(end_of(record, summary, self._clock()))
        self.close()

    def put(self, record: Trace | RunEnd) -> None:
        """Append a record."""
        self._write(record)

    def close(self) -> None:
        """Close the file, if one is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, record: Record) -> None:
        if self._file is not None:
            self._file.write(to_line(record))
            self._file.flush()


def _cut_half_line(file: BinaryIO) -> None:
    end = start = file.seek(0, 2)
    while start > 0:
        start = max(0, start - _CHUNK)
        file.seek(start)
        newline = file.read(min(_CHUNK, end - start)).rfind(b"\n")
        if newline >= 0:
            start += newline + 1
            break
    if start < end:
        file.truncate(start)
