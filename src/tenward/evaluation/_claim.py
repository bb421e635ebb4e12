"""Who is at a run: one byte of a lock file for each, which the system frees when the process that holds it dies."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from tenward.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["claim", "is_claimed"]

_TRIES = 3
_PAUSE = 0.02  # seconds; somebody who only looks holds a byte for less


@dataclass
class _Own:
    """What this process holds. It opens a lock file once: to close any handle of it would free all its bytes."""

    file: BinaryIO
    identities: set[str] = field(default_factory=set[str])


_held: dict[Path, _Own] = {}


@contextmanager
def claim(path: Path, identity: str) -> Generator[None, None, None]:
    """Keep everybody else from a run for the time of the block; does nothing where there are no locks.

    Args:
        path: The lock file; made when it is not there, and left there.
        identity: A hash in hexadecimal, of 15 digits or more.

    Raises:
        UsageError: Somebody is at it.
        StoreError: The lock file cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # not on every platform
        yield
        return
    place = path.absolute()
    own = _held.get(place)
    if own is not None and identity in own.identities:
        raise _taken("this process")
    if own is None:
        own = _held[place] = _Own(_open(place))
    own.identities.add(identity)
    try:
        for tried in range(_TRIES):
            try:
                fcntl.lockf(own.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(identity))
                break
            except (BlockingIOError, PermissionError) as error:
                if tried == _TRIES - 1:
                    raise _taken("another process") from error
                time.sleep(_PAUSE)
            except OSError:
                break  # a file system without locks
        yield
    finally:
        own.identities.discard(identity)
        if not own.identities:
            del _held[place]
            own.file.close()
        else:
            _free(own.file, identity)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("a+b")
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror or error})",
            hint="make it writable, or delete it; it holds nothing",
        ) from error


def is_claimed(path: Path, identity: str) -> bool | None:
    """Whether somebody is at a run; None where nobody can tell, because there are no locks."""
    own = _held.get(path.absolute())
    if own is not None:
        return identity in own.identities or _is_held(own.file, identity)
    try:
        with path.open("rb") as file:
            return _is_held(file, identity)
    except FileNotFoundError:
        return False
    except OSError:
        return None


def _is_held(file: BinaryIO, identity: str) -> bool | None:
    try:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _byte(identity))
    except (BlockingIOError, PermissionError):
        return True
    except (ImportError, OSError):
        return None
    _free(file, identity)
    return False


def _byte(identity: str) -> int:
    return int(identity[:15], 16)


def _free(file: BinaryIO, identity: str) -> None:
    import fcntl

    fcntl.lockf(file, fcntl.LOCK_UN, 1, _byte(identity))


def _taken(by: str) -> UsageError:
    return UsageError(
        f"{by} is judging the same cases, with the same rubric, judge and settings",
        hint="wait until it ends, or stop it; this command then goes on from there",
    )
