"""Files of the store: the cache folder, hashing, the stamp beside a verified file, the GGUF signature."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.errors import ModelStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "GGUF_MAGIC",
    "cache_folder",
    "folder_bytes",
    "has_stamp",
    "hash_file",
    "is_disk_full",
    "read_magic",
    "sync",
    "write_stamp",
]

GGUF_MAGIC = b"GGUF"
_BLOCK = 1024 * 1024


def cache_folder() -> Path:
    """Return the folder for everything that can be downloaded again.

    ``TENWARD_CACHE`` when set, else ``tenward`` inside the platform's cache folder for the current user:
    ``XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%`` on Windows.

    Raises:
        ModelStoreError: The home folder it depends on is not known.
    """
    try:
        return _cache_folder()
    except RuntimeError as error:  # what pathlib raises without a home folder, or for ~nobody
        message = f"found no folder for models: {error}"
        raise ModelStoreError(message, hint="set TENWARD_CACHE to a folder") from error


def _cache_folder() -> Path:
    if chosen := os.environ.get("TENWARD_CACHE"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tenward"


def hash_file(path: Path, on_bytes: Callable[[int], None]) -> str:
    """Return a file's SHA-256 in lower-case hexadecimal; ``on_bytes`` gets the bytes read so far."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if done % (32 * _BLOCK) == 0:
                on_bytes(done)
    on_bytes(done)
    return digest.hexdigest()


_hashes: dict[tuple[str, int, int], str] = {}


def hash_of(path: Path) -> str:
    """The same of a file nobody waits for, computed once per process as long as the file does not change."""
    status = path.stat()
    key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
    if key not in _hashes:
        _hashes[key] = hash_file(path, lambda _: None)
    return _hashes[key]


def read_magic(path: Path) -> bytes:
    """Return the first four bytes of a file; :data:`GGUF_MAGIC` for a model the engine can read."""
    with path.open("rb") as file:
        return file.read(len(GGUF_MAGIC))


def folder_bytes(folder: Path) -> int:
    """Return the sum of the file sizes under a folder; what vanishes meanwhile counts as nothing."""
    total = 0
    # Not Path.rglob, which raises when a folder vanishes between two of its steps.
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total


def is_disk_full(error: BaseException) -> bool:
    """Say whether an error means that the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def sync(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _stamp_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified.json")


def has_stamp(path: Path, sha256: str) -> bool:
    """Say whether the file was verified against this hash before and was not touched since."""
    try:
        status = path.stat()
        stamp: object = json.loads(_stamp_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp == {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256}


def write_stamp(path: Path, sha256: str, *, status: os.stat_result) -> None:
    """Record that a file has this hash.

    Args:
        path: The verified file.
        sha256: Its hash.
        status: What ``stat`` said of the file before it was hashed, so that a change during hashing shows.
    """
    stamp = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256}
    # A cache that is read-only for this user still works; it is only hashed at every start.
    with contextlib.suppress(OSError):
        _stamp_path(path).write_text(json.dumps(stamp) + "\n", encoding="utf-8")
