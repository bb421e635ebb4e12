"""Moving refs so that a race, or a kill at any instant, leaves all of them moved or none."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenward.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from tenward.loop._plumbing import Git

__all__ = ["Announcements", "move_refs"]

# Git holds the lock of a ref for milliseconds; one this old belongs to a process that was killed.
_STALE_SECONDS = 10.0
# Each try waits five seconds for a lock, so the third one meets a stale lock at the latest.
_TRIES = 3
_UPDATE = ("-c", "core.fsyncMethod=fsync", "update-ref", "--stdin")


def move_refs(git: Git, moves: Sequence[tuple[str, str, str | None]]) -> str:
    """Move refs in one transaction.

    Args:
        git: The repository.
        moves: For each ref its full name, the new value, and the value it must have now; None if it must not exist.

    Returns:
        What git complains of; empty if all refs were moved.
    """
    lines = [f"create {ref} {new}" if old is None else f"update {ref} {new} {old}" for ref, new, old in moves]
    locks = [git.folder / f"{ref}.lock" for ref, _, _ in moves]
    complaint = ""
    for _ in range(_TRIES):
        for lock in locks:
            _remove_stale(lock)
        reply = git.run(*_UPDATE, stdin="".join(f"{line}\n" for line in lines).encode())
        if not reply.status:
            return ""
        complaint = reply.complaint
        if not any(lock.exists() for lock in locks):
            break
    return complaint


def _remove_stale(lock: Path) -> None:
    try:
        if time.time() - lock.stat().st_mtime > _STALE_SECONDS:
            lock.unlink()
    except FileNotFoundError:
        pass  # its owner was alive after all
    except OSError as error:
        raise GitError(f"{lock}: left by a killed process: {error.strerror}", hint="remove it") from error


class Announcements:
    """What is about to be kept, on disk before the refs are moved.

    Git makes sure that two refs in a transaction move together unless it is killed while it renames the one file
    after the other. An announcement says then what is still to be done.

    Args:
        folder: Where they lie, one file for each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def announce(self, number: int, record: str) -> Generator[None, None, None]:
        """Announce a keep for the time of the block; the announcement stays if the block does not come to its end.

        Raises:
            GitError: It cannot be written.
        """
        path = self._folder / str(number)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(path.with_suffix(".new"), "w", encoding="ascii") as file:  # noqa: PTH123 - fsync needs the file
                file.write(record)
                file.flush()
                os.fsync(file.fileno())
            path.with_suffix(".new").replace(path)
        except OSError as error:
            raise GitError(f"{path}: cannot be written: {error.strerror}", hint="is the disk full?") from error
        yield
        self.withdraw(number)

    def withdraw(self, number: int) -> None:
        """Forget an announcement."""
        (self._folder / str(number)).unlink(missing_ok=True)

    def pending(self) -> dict[int, str]:
        """What was announced and not withdrawn: the record's name by the attempt's number."""
        if not self._folder.is_dir():
            return {}
        found = [path for path in self._folder.iterdir() if path.name.isascii() and path.name.isdigit()]
        return {int(path.name): path.read_text(encoding="ascii") for path in sorted(found)}
