"""Walking a folder that somebody else has written into, and removing what they left."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Found", "Stamp", "TooManyError", "file_clock", "open_folder", "remove_tree", "walk"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes whenever a file is written, replaced, linked, or given another mode."""

    device: int
    inode: int
    size: int
    mode: int
    links: int
    modified: int
    changed: int
    """Set by the system alone, in nanoseconds; unlike `modified`, no program can put it back."""

    @classmethod
    def of(cls, facts: os.stat_result) -> Stamp:
        """Take the stamp from what the system says of a file."""
        return cls(
            facts.st_dev,
            facts.st_ino,
            facts.st_size,
            facts.st_mode,
            facts.st_nlink,
            facts.st_mtime_ns,
            facts.st_ctime_ns,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Something found while walking."""

    folder: int
    """The open folder that holds it."""

    name: str
    """Its name there."""

    path: str
    """Its path from the top, with ``/``."""

    facts: os.stat_result
    """Of itself, not of what a symbolic link points to."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.facts.st_mode)


class TooManyError(Exception):
    """There is more than the walk was allowed to meet."""


def open_folder(path: str | Path, *, inside: int | None = None) -> int:
    """Open a folder, never through a symbolic link in its last name.

    Raises:
        OSError: It is no folder, or may not be read.
    """
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)


def walk(
    top: int,
    visit: Callable[[Found], bool],
    *,
    blocked: Callable[[Found], None],
    most: int | None = None,
) -> None:
    """Visit everything below an open folder, folders before what they hold, following no symbolic link.

    Args:
        top: The open folder.
        visit: Called for each thing found; for a folder its answer says whether to go in.
        blocked: Called for a folder that cannot be opened or read.
        most: How many things the walk may meet.

    Raises:
        TooManyError: There are more.
    """
    met = 0

    def descend(folder: int, prefix: str) -> None:
        nonlocal met
        found: list[Found] = []
        # The whole folder first: removing entries while reading it skips others on some file systems.
        with os.scandir(folder) as entries:
            for entry in entries:
                met += 1
                if most is not None and met > most:
                    raise TooManyError
                with contextlib.suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    found.append(Found(folder, entry.name, f"{prefix}{entry.name}", facts))
        for each in found:
            if not visit(each) or not each.is_folder:
                continue
            try:
                inner = open_folder(each.name, inside=folder)
            except OSError:
                blocked(each)
                continue
            try:
                descend(inner, f"{each.path}/")
            finally:
                os.close(inner)

    descend(top, "")


def remove_tree(folder: int, name: str, graves: Path) -> None:
    """Remove a folder with all it holds, however deep it is and whatever its modes are.

    Each folder inside is first moved up into a grave of its own, so neither the depth of the tree nor the length
    of its paths matters.

    Args:
        folder: The open folder that holds it.
        name: Its name there.
        graves: A folder on the same file system; whatever a killed process leaves there may be deleted.

    Raises:
        OSError: The system refuses.
    """
    graves.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="grave-", dir=graves) as grave:
        count = 0
        _make_movable(folder, name)
        os.rename(name, f"{grave}/0", src_dir_fd=folder)
        waiting = [f"{grave}/0"]
        while waiting:
            current = waiting.pop()
            inner = open_folder(current)
            try:
                with os.scandir(inner) as entries:
                    listed = list(entries)
                for entry in listed:
                    if entry.is_dir(follow_symlinks=False):
                        count += 1
                        _make_movable(inner, entry.name)
                        os.rename(entry.name, f"{grave}/{count}", src_dir_fd=inner)
                        waiting.append(f"{grave}/{count}")
                    else:
                        os.unlink(entry.name, dir_fd=inner)
            finally:
                os.close(inner)
            Path(current).rmdir()


def file_clock(folder: Path) -> int:
    """The time in nanoseconds by the clock that stamps the files of a folder, which may be a server's.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix="clock-", dir=folder) as file:
        return os.fstat(file.fileno()).st_ctime_ns


def _make_movable(folder: int, name: str) -> None:
    """Moving a folder changes its entry for the one above, so it must be writable."""
    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if facts.st_mode & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=folder)
