"""One owner per loop: an advisory lock that the system releases when its holder dies."""

from __future__ import annotations

import json
import os
import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenward.errors import GitError, LoopError
from tenward.guards import is_mapping

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["hold_lock"]


@contextmanager
def hold_lock(path: Path, loop: str) -> Generator[None, None, None]:
    """Hold the lock of a loop for the time of the block; the lock of a dead process is free at once.

    The file says who holds it, as JSON with ``pid``, ``host`` and ``since``. It stays when the lock is given back.

    Raises:
        LoopError: Somebody else holds it; the message says who.
        GitError: The file cannot be opened, or the file system has no locks.
    """
    try:
        descriptor = _open_locked(path)
    except OSError as error:
        raise GitError(f"{path}: the loop cannot be locked: {error.strerror}", hint="use a local disk") from error
    if descriptor is None:
        raise LoopError(
            f"the loop '{loop}' is already running: {_holder(path)}",
            hint="wait until it ends, or stop that process; the lock frees itself",
        )
    try:
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat("T", "seconds")}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(owner).encode() + b"\n", 0)
        yield
    finally:
        os.close(descriptor)


def _holder(path: Path) -> str:
    """Who holds the lock, in words; the file may be half written or gone by now."""
    try:
        owner = json.loads(path.read_bytes())
    except (OSError, ValueError):
        owner = None
    if not is_mapping(owner):
        return "by another process"
    return f"by process {owner.get('pid')} on {owner.get('host')} since {owner.get('since')}"


def _open_locked(path: Path) -> int | None:
    """An open, locked file, or None if somebody else has the lock."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not _try_lock(descriptor):
                os.close(descriptor)
                return None
            # A lock on a file that somebody has removed meanwhile would keep nobody out.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116 - beside the fstat
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    import fcntl  # not on every platform

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
