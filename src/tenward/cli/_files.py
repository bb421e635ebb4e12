"""Files that commands write beside what they print."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tenward.cli._console import note
from tenward.errors import UsageError
from tenward.evaluation import Tally

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.evaluation import RunRecord, Store

__all__ = ["check_writable", "write_run_report", "write_text"]


def check_writable(path: Path | None) -> None:
    """Refuse, before anything is paid, a file that could not be written after it.

    Raises:
        UsageError: Its folder is not there or cannot be written to, or the path is no file.
    """
    if path is None:
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"{path}: found no folder {folder}, expected a file to write", hint="make the folder first")
    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "a device or pipe"
        raise UsageError(f"{path}: found {found}, expected a file to write", hint="name another file")
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"{path}: found a folder that cannot be written to, expected a file to write", hint="name another file"
        )


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        UsageError: It cannot be written.
    """
    path = path.resolve()  # what a link points to is written, and the link stays
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written ({error.strerror})", hint="name another file") from error


def write_run_report(store: Store, record: RunRecord, path: Path) -> None:
    """Render the HTML report of a run from the store, and say where it is."""
    from tenward.reports import render_run, write_report

    tally = Tally()
    for result in store.results(record):
        tally.add(result)
    write_report(path, render_run(record, store.results(record), tally.summary()))
    note(f"wrote {path}")
