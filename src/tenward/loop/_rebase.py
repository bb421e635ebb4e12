"""Putting the change of one candidate on another incumbent."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.loop._objects import ObjectWriter
from tenward.loop._trees import Entry

if TYPE_CHECKING:
    from tenward.loop._record import LoopRecord
    from tenward.loop._trees import Listing

__all__ = ["rebase"]


def rebase(record: LoopRecord, *, base: str, tree: str, onto: str) -> str | None:
    """Make the tree that has the change from ``base`` to ``tree`` on ``onto``; None if the two do not go together.

    A file that only one side changed is taken from it; where both did, their lines are merged as git does.

    Args:
        record: The loop.
        base: What the candidate was made from.
        tree: The candidate's files.
        onto: The new incumbent.

    Raises:
        GitError: The repository cannot be read or written.
    """
    old, new, target = (record.trees.listing(name) for name in (base, tree, onto))
    writer = ObjectWriter(record.git)
    changes: dict[str, Entry | None] = {}
    for path in sorted({*old.files, *new.files}):
        before, wanted, there = old.files.get(path), new.files.get(path), target.files.get(path)
        if wanted in (before, there):
            continue
        if there == before:
            changes[path] = wanted
            continue
        merged = _merged(record, writer, before, wanted, there)
        if merged is None:
            return None
        changes[path] = merged
    if not _fit(target, changes):
        return None
    made = record.trees.change(onto, changes, writer)
    writer.store()
    return made


def _merged(
    record: LoopRecord, writer: ObjectWriter, before: Entry | None, wanted: Entry | None, there: Entry | None
) -> Entry | None:
    if before is None or wanted is None or there is None or len({before.mode, wanted.mode, there.mode}) > 1:
        return None
    bodies = record.git.bodies([there.name, before.name, wanted.name])
    record.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="merge-", dir=record.scratch) as scratch:
        paths = [Path(scratch) / name for name in ("there", "before", "wanted")]
        for path, body in zip(paths, bodies, strict=True):
            path.write_bytes(body)
        ended = subprocess.run(
            record.git.command("merge-file", "-p", "-q", *map(str, paths)),
            cwd=scratch,
            env=record.git.environment(),
            capture_output=True,
            check=False,
        )
    return Entry(wanted.mode, writer.add("blob", ended.stdout)) if ended.returncode == 0 else None


def _fit(target: Listing, changes: dict[str, Entry | None]) -> bool:
    """Whether no file comes to stand where a folder is, or below a file."""
    staying = {path for path in target.files if path not in changes} | {p for p, e in changes.items() if e is not None}
    folders = {path[:at] for path in staying for at, letter in enumerate(path) if letter == "/"}
    return not staying & folders
