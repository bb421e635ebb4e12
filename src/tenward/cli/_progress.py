"""One line that says how far a run is; painted over on a terminal, printed now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from tenward.cli._console import lively, note

if TYPE_CHECKING:
    from collections.abc import Generator

    from tenward.evaluation import Progress, Result

__all__ = ["ProgressLine", "progress_text", "show_progress"]

_PAINT_EVERY = 0.1  # seconds
_PRINT_EVERY = 30.0


class ProgressLine:
    """Where the progress of a run is told."""

    def __init__(self) -> None:
        self._live = lively()
        self._last = time.monotonic()
        self._painted = False

    def update(self, progress: Progress, result: Result) -> None:  # noqa: ARG002 - as the run calls it
        """Tell it, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._last < (_PAINT_EVERY if self._live else _PRINT_EVERY):
            return
        self._last = now
        text = progress_text(progress)
        if self._live:
            click.echo(f"\r\x1b[2K{text}", nl=False, err=True)
            self._painted = True
        else:
            note(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._painted:
            click.echo("\r\x1b[2K", nl=False, err=True)


@contextmanager
def show_progress() -> Generator[ProgressLine, None, None]:
    """Show progress inside the block, and nothing after it."""
    line = ProgressLine()
    try:
        yield line
    finally:
        line.clear()


def progress_text(progress: Progress) -> str:
    """Such as ``34/60 · value 0.712 · coverage 100 % · 2.1 s a case · 55 s left · $0.02``."""
    summary = progress.tally.summary()
    total = f"/{progress.total:,}" if progress.total is not None else ""
    parts = [f"{progress.done:,}{total} cases"]
    if summary.value is not None:  # quality is a grade, which raw readings are not
        parts.append(f"value {summary.value.mean:.3f}")
    parts.append(f"coverage {int(summary.coverage * 100)} %")
    fresh = progress.done - progress.reused
    if fresh and progress.total is not None:
        left = progress.seconds / fresh * (progress.total - progress.done)
        parts.append(f"{_duration(left)} left")
    cost = summary.usage.cost_usd
    parts.append("cost unknown" if cost is None else f"${cost:.4f}" if cost else "no cost")
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
