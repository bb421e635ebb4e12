"""Commands of a loop, run in a slot: few variables, bounded files, contained where that can be had, no survivors."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tenward.processes import Completed, run_command, scrubbed_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenward.containment import Room
    from tenward.loop._allow_spec import AllowSpec
    from tenward.loop._slots import Slot

__all__ = ["Commands", "in_thread", "marks"]

_MARK = "TENWARD_LOOP"
_SLOT = "TENWARD_SLOT"
_FILE_BLOCKS = 2_097_152  # of 512 bytes: no file beyond 1 GiB
_LIMITS = f'ulimit -c 0; ulimit -f {_FILE_BLOCKS} 2>/dev/null; exec "$@"'
_LIMITED = ("/bin/sh", "-c", _LIMITS, "sh")
_MOST_SWEEPS = 10

T = TypeVar("T")


def marks(mark: str, slot: Path) -> dict[str, str]:
    """The variables by which whatever was started in a slot of a loop is found again."""
    return {_MARK: mark, _SLOT: str(slot)}


async def in_thread(work: Callable[[], T], stop: threading.Event | None = None) -> T:
    """Run ``work`` in a thread and wait for its end even when cancelled: nobody else may meet it half done.

    Args:
        work: What to do.
        stop: Set when cancelled, so that a long work can end early.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        await asyncio.wait([task])
        raise


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Runs the commands of one loop.

    Attributes:
        mark: What every process of the loop carries in its environment; must not be shared with another loop.
        slots: The folder of the loop's slots.
        allow: What commands may reach besides the usual; variables that are not set are left out.
        top: Where relative paths of that start.
        hide: What they are not to see, wherever it lies.
    """

    mark: str
    slots: Path
    allow: AllowSpec
    top: Path
    hide: tuple[Path, ...]

    @property
    def environment(self) -> dict[str, str]:
        """All the variables a command sees."""
        allowed = {name: os.environ[name] for name in self.allow.env if name in os.environ}
        return scrubbed_environment({**allowed, _MARK: self.mark})

    def room(self, folder: Path) -> Room:
        """What a command may reach that runs in a folder, where it is contained."""
        return self.allow.room((folder,), top=self.top, hide=self.hide)

    async def run(
        self,
        command: str | Sequence[str],
        *,
        cwd: Path,
        timeout: float,  # noqa: ASYNC109 - the command is stopped, not the task
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a command to its end or its timeout; whatever it started is killed with it.

        One that cannot be started at all ends with status 126 or 127, and the shell's words as its output.

        Args:
            command: Program and arguments; a text is split into words, no shell reads it.
            cwd: Where it runs.
            timeout: Seconds.
            env: Further variables.

        Raises:
            ValueError: The text has a quote without an end, or no words.
        """
        words = shlex.split(command) if isinstance(command, str) else list(command)
        if not words:
            raise ValueError("found an empty command, expected a program and its arguments")
        line = [*_LIMITED, *words]
        stop = threading.Event()
        environment = self.environment | marks(self.mark, cwd) | dict(env or {})
        try:
            return await in_thread(
                lambda: run_command(line, cwd=cwd, timeout=timeout, env=environment, stop=stop, room=self.room(cwd)),
                stop,
            )
        finally:
            self.sweep(cwd)

    def wrapped(self, command: Sequence[str], slot: Slot) -> list[str]:
        """The command with what :meth:`run` puts around it, for whoever runs it in a slot by themselves.

        It is the same for all slots of the loop, so that what it printed can be kept in a cache.
        """
        variables = {**slot.environment, _MARK: self.mark}
        return ["env", *(f"{name}={value}" for name, value in variables.items()), *_LIMITED, *command]

    def sweep(self, folder: Path | None = None) -> int:
        """Kill what was started for this loop and is still there, and return how many there were.

        A process can leave its group, but not, without meaning to, its environment or its folder; nobody's shell is
        killed for standing in a slot. Only where the system shows the processes as files, as Linux does.

        Args:
            folder: Only what belongs to this slot; all of the loop's if None.
        """
        if not sys.platform.startswith("linux"):
            return 0
        wanted = {f"{_MARK}={self.mark}".encode()}
        if folder is not None:
            wanted.add(f"{_SLOT}={folder}".encode())
        killed: set[int] = set()
        for _ in range(_MOST_SWEEPS):  # one that was killed may have started another before
            new = _kill_all(wanted, folder or self.slots) - killed
            if not new:
                break
            killed |= new
        return len(killed)


def _kill_all(wanted: set[bytes], folder: Path) -> set[int]:
    """Kill what has all these variables, or stands in the folder."""
    killed: set[int] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            marked = wanted <= set((process / "environ").read_bytes().split(b"\0"))
            if marked or _stands_in(process, folder):
                os.kill(int(process.name), signal.SIGKILL)
                killed.add(int(process.name))
    return killed


def _stands_in(process: Path, folder: Path) -> bool:
    """Whether a process without a terminal has its current folder there."""
    if not (process / "cwd").readlink().is_relative_to(folder):
        return False
    # The name of the program, in parentheses, may hold anything; the terminal is the fifth field behind it.
    fields = (process / "stat").read_bytes().rpartition(b")")[2].split()
    return fields[4] == b"0"
