"""Starting a command in its room, at the best level that the machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from tenward.containment._bwrap import bwrap_words
from tenward.containment._landlock import landlock_version, restrict_thread
from tenward.containment._room import Level, Room
from tenward.containment._seatbelt import seatbelt_words
from tenward.containment._seccomp import socket_filter
from tenward.containment._system import is_below_home
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

__all__ = ["Containment", "containment"]

Stream: TypeAlias = "int | IO[Any] | None"

_VARIABLE = "TENWARD_CONTAINMENT"
_PROBE_SECONDS = 10.0
_LEAST_LANDLOCK = 3
"""Before this version, of Linux 6.2, a file of the user's could be emptied although it could not be opened."""


class Containment:
    """Starts commands, each in its room.

    Args:
        level: How.
    """

    def __init__(self, level: Level) -> None:
        self.level = level

    @contextmanager
    def start(
        self,
        command: Sequence[str],
        room: Room,
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> Generator[subprocess.Popen[bytes], None, None]:
        """Start a command in a session of its own; its temporary folder is there for the time of the block.

        ``HOME`` and ``TMPDIR`` become that folder, unless the room has something of the user's home folder.

        Args:
            command: Program and arguments.
            room: What it may reach.
            cwd: Where it starts.
            env: Its variables.
            stdin: As for :class:`subprocess.Popen`.
            stdout: Likewise.
            stderr: Likewise.

        Raises:
            OSError: It cannot be started.
        """

        def begin(words: Sequence[str], env: Mapping[str, str], *, fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                list(words),
                cwd=cwd,
                env=dict(env),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                pass_fds=fds,
            )

        if self.level is Level.NONE:
            yield begin(command, env)
            return
        private = Path(tempfile.mkdtemp(prefix="room-", dir=room.scratch)).resolve()
        try:
            inside = "/tmp" if self.level is Level.BWRAP else str(private)  # noqa: S108 - a folder of its own
            variables = {**env, "TMPDIR": inside, "TMP": inside, "TEMP": inside}
            if not any(is_below_home(path) for path in (*room.read, *room.write)):
                variables["HOME"] = inside
            if self.level is Level.LANDLOCK:
                yield _in_thread(lambda: restrict_thread(room, private), lambda: begin(command, variables))
            elif self.level is Level.SEATBELT:
                yield begin([*seatbelt_words(room, private), *command], variables)
            else:
                with _filter_file(room) as file:
                    words = bwrap_words(room, private, filter_fd=file)
                    process = begin([*words, *command], variables, fds=[] if file is None else [file])
                yield process
        finally:
            _remove(private)


@contextmanager
def _filter_file(room: Room) -> Generator[int | None, None, None]:
    """A file that holds a filter of system calls; None for a processor that is not known."""
    code = socket_filter(network=room.network)
    if code is None:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(code)
        file.seek(0)
        yield file.fileno()


def _in_thread(restrict: Callable[[], None], begin: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a command from a thread that is restricted first, and ends then."""
    started: list[subprocess.Popen[bytes] | BaseException] = []

    def work() -> None:
        try:
            restrict()
            started.append(begin())
        except BaseException as error:  # noqa: BLE001 - handed on to who waits
            started.append(error)

    thread = threading.Thread(target=work, name="tenward-room")
    thread.start()
    thread.join()
    (found,) = started
    if isinstance(found, BaseException):
        raise found
    return found


def _remove(folder: Path) -> None:
    """Remove what a command left, as far as that goes: nobody else is given the folder."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False, capture_output=True)


def _works(level: Level) -> bool:
    """Whether the machine has a level: a command that does nothing runs in a room."""
    if level is Level.LANDLOCK and landlock_version() < _LEAST_LANDLOCK:
        return False
    program = {Level.BWRAP: "bwrap", Level.SEATBELT: "sandbox-exec"}.get(level)
    if program is not None and shutil.which(program) is None:
        return False
    if level is Level.SEATBELT and sys.platform != "darwin":
        return False
    try:
        with tempfile.TemporaryDirectory() as folder:
            room = Room(write=(Path(folder).resolve(),))
            with Containment(level).start(
                ["/bin/sh", "-c", "echo > there"],
                room,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                cwd=Path(folder),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                return process.wait(_PROBE_SECONDS) == 0 and (Path(folder) / "there").exists()
    except (OSError, subprocess.TimeoutExpired):
        return False


@cache
def _best() -> Level:
    return next((level for level in (Level.BWRAP, Level.LANDLOCK, Level.SEATBELT) if _works(level)), Level.NONE)


def containment() -> Containment:
    """The best that the machine has, or what ``TENWARD_CONTAINMENT`` names.

    Raises:
        UsageError: The variable names none, or one that does not work here.
    """
    wanted = os.environ.get(_VARIABLE)
    if not wanted:
        return Containment(_best())
    try:
        level = Level(wanted)
    except ValueError as error:
        raise UsageError(
            f"{_VARIABLE}: found {wanted!r}, expected one of {', '.join(Level)}", hint="leave it out for the best"
        ) from error
    if level is not Level.NONE and not _checked(level):
        raise UsageError(f"{_VARIABLE}: found {wanted}, which does not work here", hint="leave it out for the best")
    return Containment(level)


@cache
def _checked(level: Level) -> bool:
    return _works(level)
