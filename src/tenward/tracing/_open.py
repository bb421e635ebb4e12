"""The sinks of a run, guarded: whatever fails in them, the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.errors import TenwardError
from tenward.tracing._files import traces_folder
from tenward.tracing._langsmith import LangSmithSink, to_stderr
from tenward.tracing._settings import LangSmithSettings
from tenward.tracing._sink import LocalSink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tenward.evaluation import Result, RunRecord, Summary
    from tenward.tracing._records import RunEnd, RunStart, Trace
    from tenward.tracing._sink import TraceSink

__all__ = ["Guarded", "open_trace"]

_NOT_WRITTEN = (
    "the trace of this run cannot be written any further; its results are kept, but `tenward trace push` cannot send "
    "all of them"
)
_NOT_SENT = "nothing more of this run is sent to LangSmith; `tenward trace push` sends the rest later"


def open_trace(
    folder: Path | None = None,
    *,
    warn: Callable[[str], None] = to_stderr,
    environ: Mapping[str, str] | None = None,
) -> TraceSink:
    """The sink for a run: the local file always, LangSmith where its key is set. Never raises, nor does the sink.

    Args:
        folder: Where trace files lie; the workspace's ``.tenward/traces`` by default.
        warn: Takes a line for the person when something could not be recorded or sent.
        environ: Where the key is looked for; the process's own variables by default.
    """
    folder = traces_folder() if folder is None else folder
    sinks: list[tuple[TraceSink, str]] = [(LocalSink(folder), _NOT_WRITTEN)]
    try:
        settings = LangSmithSettings.from_environment(environ)
    except TenwardError as error:
        warn(f"LangSmith: nothing is sent: {error.message}")
    else:
        if settings is not None:
            sinks.append((LangSmithSink(settings, folder, warn=warn), _NOT_SENT))
    return Guarded(sinks, warn=warn)


class Guarded:
    """Passes everything on to several sinks; one that raises is told of once, and left out from then on.

    Args:
        sinks: The sinks, in order, each with what it means for a person when it is left out.
        warn: Takes the line about a sink that failed.
    """

    def __init__(self, sinks: list[tuple[TraceSink, str]], *, warn: Callable[[str], None]) -> None:
        self._sinks = list(sinks)
        self._warn = warn

    def begin_run(self, record: RunRecord) -> None:
        """See :class:`TraceSink`; so also the other methods."""
        self._each(lambda sink: sink.begin_run(record))

    def result(self, position: int, result: Result) -> None:
        """Pass a result on."""
        self._each(lambda sink: sink.result(position, result))

    def end_run(self, record: RunRecord, summary: Summary) -> None:
        """Pass the end of the run on."""
        self._each(lambda sink: sink.end_run(record, summary))

    def begin(self, start: RunStart) -> None:
        """Pass on what begins."""
        self._each(lambda sink: sink.begin(start))

    def put(self, record: Trace | RunEnd) -> None:
        """Pass a record on."""
        self._each(lambda sink: sink.put(record))

    def close(self) -> None:
        """Close every sink."""
        self._each(lambda sink: sink.close())

    def _each(self, tell: Callable[[TraceSink], None]) -> None:
        for sink, lost in list(self._sinks):
            try:
                tell(sink)
            except Exception as error:  # noqa: BLE001 - a trace that cannot be written must not fail the run
                self._sinks.remove((sink, lost))
                self._warn(f"note: {lost} ({error})")
