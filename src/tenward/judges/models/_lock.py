"""One process at a time: an advisory lock on a file, released by the system when its holder dies."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

__all__ = ["exclusive_lock"]

_POLL_SECONDS = 0.2


@contextmanager
def exclusive_lock(path: Path, *, on_wait: Callable[[], None]) -> Generator[None, None, None]:
    """Hold the lock on ``path`` for the time of the block; wait while another process or thread holds it.

    Args:
        path: The lock file; created when missing and never deleted, since a waiting process holds it open.
        on_wait: Called once, when the lock is held by somebody else.

    Raises:
        OSError: The lock file cannot be opened, or the file system has no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _try_lock(descriptor):
            on_wait()
            while not _try_lock(descriptor):
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
