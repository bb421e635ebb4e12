"""Objects of git: what they are named, storing many at once, reading many one after another."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import zlib
from typing import IO, TYPE_CHECKING, Literal, Self

from tenward.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from tenward.loop._plumbing import Git

__all__ = ["BlobReader", "ObjectWriter", "object_name", "object_name_of_file"]

_CHUNK = 1 << 20
_TYPES = {"commit": 1, "tree": 2, "blob": 3}


def object_name(kind: str, body: bytes, algorithm: str) -> str:
    """The name git gives to an object."""
    return hashlib.new(algorithm, f"{kind} {len(body)}\0".encode() + body, usedforsecurity=False).hexdigest()


def object_name_of_file(file: IO[bytes], size: int, algorithm: str) -> str:
    """The name git gives to the content of an open file, which must be ``size`` bytes long."""
    digest = hashlib.new(algorithm, b"blob %d\0" % size, usedforsecurity=False)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


class ObjectWriter:
    """Collects objects and stores them all at once.

    They go to git as one pack. That is one process however many there are, and git checks them: it refuses a tree
    with a ``.git`` in it, and any object that names one which is not there.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._objects: dict[str, tuple[str, bytes]] = {}

    def add(self, kind: Literal["blob", "commit", "tree"], body: bytes) -> str:
        """Take in an object and return its name."""
        name = object_name(kind, body, self._git.algorithm)
        self._objects[name] = (kind, body)
        return name

    def store(self) -> None:
        """Store what was added; as loose objects, which is where git puts new ones.

        Raises:
            GitError: Git refuses them, or the disk is full.
        """
        if not self._objects:
            return
        parts = [struct.pack(">4sII", b"PACK", 2, len(self._objects))]
        for kind, body in self._objects.values():
            parts += [_pack_header(_TYPES[kind], len(body)), zlib.compress(body, 1)]
        pack = b"".join(parts)
        check = hashlib.new(self._git.algorithm, pack, usedforsecurity=False).digest()
        self._git.must("unpack-objects", "-q", "--strict", stdin=pack + check)
        self._objects.clear()


def _pack_header(kind: int, size: int) -> bytes:
    """Type and size in a pack: four bits of the size beside the type, then seven in each further byte."""
    header = bytearray([kind << 4 | size & 15])
    size >>= 4
    while size:
        header[-1] |= 0x80
        header.append(size & 0x7F)
        size >>= 7
    return bytes(header)


class BlobReader:
    """Reads blobs one after another from a single git process; a context manager."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def read(self, name: str) -> Generator[bytes, None, None]:
        """Yield the content of a blob piece by piece; it must be read to its end before the next one.

        Raises:
            GitError: There is no such blob.
        """
        process = self._process or self._start()
        asked, told = process.stdin, process.stdout
        assert asked is not None
        assert told is not None
        try:
            asked.write(f"{name}\n".encode())
            asked.flush()
        except BrokenPipeError as error:
            raise GitError("git cat-file ended early", hint="try `git fsck`") from error
        header = told.readline().split()
        if len(header) != 3 or header[1] != b"blob":
            raise self._git.missing(name)
        left = int(header[2])
        while left:
            chunk = told.read(min(left, _CHUNK))
            if not chunk:
                raise GitError("git cat-file ended early", hint="try `git fsck`")
            left -= len(chunk)
            yield chunk
        told.read(1)

    def _start(self) -> subprocess.Popen[bytes]:
        """Start git only when something must be read at all."""
        self._process = subprocess.Popen(
            self._git.command("cat-file", "--batch"),
            cwd=self._git.folder,
            env=self._git.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._process
