"""Commands of the user's, run without a shell, in their own process group, with a scrubbed environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.containment import Containment, Level, Room, containment

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["Completed", "run_command", "scrubbed_environment"]

_TAIL_BYTES = 4000
_LOOK_EVERY = 0.1
_MOST_PRINTED = 50_000_000
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "VIRTUAL_ENV",
    "TZ",
)


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How a command ended."""

    status: int | None
    """Exit status; negative for a signal; None when it was stopped: at its timeout, or for
    printing more than 50 MB."""

    tail: str
    """The last part of what it printed, at most 4,000 bytes; of standard error alone where standard output was asked
    for. A last line says so if it was stopped for printing."""

    seconds: float
    """Wall time, in seconds."""


def scrubbed_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The few variables a command needs to find its tools; nothing that could be a secret, plus ``extra``."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(extra or {})


def run_command(
    command: Sequence[str],
    *,
    cwd: Path,
    timeout: float,
    env: Mapping[str, str],
    stdin: str = "",
    stop: threading.Event | None = None,
    output: BinaryIO | None = None,
    room: Room | None = None,
) -> Completed:
    """Run ``command`` to its end or its timeout; whatever it started is killed with it.

    Args:
        command: Program and arguments; no shell takes part.
        cwd: Where it runs.
        timeout: Seconds after which it is stopped.
        env: All the variables it sees.
        stdin: What it reads from standard input.
        stop: Set from another thread, it stops the command as if at its timeout.
        output: An open file that gets its standard output, whole.
        room: What it may reach, where it is contained; None for all that the user can.

    Raises:
        OSError: The command could not be started.
        ValueError: The command or a variable holds a NUL character.
    """
    began = time.monotonic()
    # Files, not pipes: a grandchild that keeps a pipe open would make the reader wait for ever.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
        given.write(stdin.encode("utf-8", "surrogatepass"))
        given.seek(0)
        files = [printed] if output is None else [printed, output]

        def size() -> int:
            return sum(os.fstat(file.fileno()).st_size for file in files)

        within = Containment(Level.NONE) if room is None else containment()
        started = within.start(
            command,
            room or Room(write=()),
            env=env,
            cwd=cwd,
            stdin=given,
            stdout=printed if output is None else output,
            stderr=subprocess.STDOUT if output is None else printed,
        )
        with started as process:
            try:
                status = _wait(process, began + timeout, stop, size)
            finally:
                _kill_group(process)
        printed.seek(max(0, printed.seek(0, os.SEEK_END) - _TAIL_BYTES))
        tail = printed.read().decode("utf-8", "replace").strip()
        too_much = size() > _MOST_PRINTED
    if status is None and too_much:
        tail += f"\nprinted more than {_MOST_PRINTED:,} bytes"
    return Completed(status=status, tail=tail, seconds=time.monotonic() - began)


def _wait(
    process: subprocess.Popen[bytes], until: float, stop: threading.Event | None, printed: Callable[[], int]
) -> int | None:
    """The exit status; None when the time was up, the stop was asked for or too much was printed first."""
    while not (stop is not None and stop.is_set()) and printed() <= _MOST_PRINTED:
        left = until - time.monotonic()
        if left <= 0:
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=min(left, _LOOK_EVERY))
    return None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:  # pragma: no cover - no process groups on this platform
        process.kill()
    process.wait()
