"""A command as a producer: a case on its standard input, the output on its standard output."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shlex
import stat
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

from tenward.errors import UsageError
from tenward.evaluation._produce import Produced
from tenward.guards import is_list
from tenward.judges import Asked, Failure, PlannedCalls, call_key, digest, lent_calls
from tenward.processes import run_command, scrubbed_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tenward.containment import Room
    from tenward.datasets import Case
    from tenward.judges import FailureKind
    from tenward.processes import Completed

__all__ = ["CommandProducer"]

_MOST_BYTES = 200_000
_MOST_HASHED = 10_000_000
_MOST_TOLD = 20_000
_MOST_THREADS = 64
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")
_LOG_LINES, _LOG_CHARS = 3, 300


class CommandProducer:
    """Runs a command per case, without a shell, in its own process group, and takes what it prints.

    The command reads one JSON object with ``id``, ``input`` and ``context`` from standard input; known good outputs,
    ratings and the case's old output stay here. It sees few variables of the environment, none that could be a
    secret, and those of ``env``. What it prints on standard output is the output, without the white space around it;
    standard error is for talk. Whatever it started is killed when it ends.

    Args:
        command: Program and arguments, or a line that is split as a shell would, without any other meaning.
        folder: Where it runs.
        timeout: Seconds for one case.
        env: Names of further variables that it sees.
        version: What stands for everything the command reads and runs, such as a hash of a tree of git. Outputs are
            kept in the cache per version; without one nothing is kept, since a command may change.
        transcript: A file below the folder that the command may leave, ``{case}`` in it being the case's id with
            anything unusual as ``_``; the variable ``TENWARD_TRANSCRIPT`` holds its path. Its end is kept.
        room: What it may reach, where it is contained; None for all that the user can.

    Raises:
        UsageError: The command is empty or its quotes do not close, there is no such folder, or the timeout is not
            above 0.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        folder: Path,
        timeout: float = 600.0,
        env: Sequence[str] = (),
        version: str = "",
        transcript: str = "",
        room: Room | None = None,
    ) -> None:
        self.command = _words(command)
        self.folder = folder
        self.timeout = timeout
        self.env = tuple(env)
        self.version = version
        self.transcript = transcript
        self.room = room
        if not folder.is_dir():
            raise UsageError(f"{folder}: found no such folder, expected where the command runs", hint="make it first")
        if not timeout > 0:
            raise UsageError(f"timeout: found {timeout:g}, expected seconds above 0", hint="leave it out for 600")
        self._threads: ThreadPoolExecutor | None = None

    async def produce(self, case: Case) -> Produced:
        """See :meth:`Producer.produce`. Commands count as calls where calls at the same time are limited.

        Raises:
            UsageError: The command cannot be started.
        """
        calls = lent_calls()
        given = json.dumps({"id": case.id, "input": case.input, "context": case.context})
        told = {"kind": "command", "command": self.command, "version": self.version, "case": given}
        key = call_key(told | {"pass": calls.sample}) if self.version else ""
        if key and (known := _kept(calls.recall(key))) is not None:
            return known
        limiter = calls.limiter
        async with limiter.slot() if limiter is not None else nullcontext():
            produced = await self._run(given, self._place(case))
        if key and produced.failure is None:
            asked = Asked(
                slot=f"produce|{case.id}|{calls.sample}",
                components={
                    "command": digest(self.command),
                    "version": self.version,
                    "input": digest(case.input),
                    "context": digest(case.context),
                },
            )
            calls.remember(key, asked, json.dumps([produced.output, produced.transcript]))
        return produced

    def describe(self) -> dict[str, Any]:
        """The command, the variables it sees, and digests of the files it names; see :meth:`Producer.describe`."""
        described: dict[str, Any] = {"command": self.command, "timeout": self.timeout}
        if self.env:
            described["env"] = list(self.env)
        if self.version:
            described["version"] = self.version
        else:
            described["files"] = {word: found for word in self.command if (found := _file_digest(self.folder / word))}
        return described

    def plan(self, case: Case) -> tuple[PlannedCalls, str]:  # noqa: ARG002 - as the protocol has it
        """See :meth:`Producer.plan`. What a command will print, nobody knows; its limit bounds it."""
        return PlannedCalls(), "x" * _MOST_BYTES

    async def aclose(self) -> None:
        """Wait until no command is left; those whose case was cancelled are being killed."""
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)
            self._threads = None

    def _place(self, case: Case) -> Path | None:
        """Where the transcript of a case is to lie."""
        return self.folder / self.transcript.replace("{case}", _UNFIT.sub("_", case.id)) if self.transcript else None

    async def _run(self, given: str, left: Path | None) -> Produced:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="tenward-produce")
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._run_here, given, left, stop)
        except asyncio.CancelledError:
            stop.set()  # a thread cannot be cancelled; it kills the command, and aclose() waits for it
            raise

    def _run_here(self, given: str, left: Path | None, stop: threading.Event) -> Produced:
        passed = {name: os.environ[name] for name in self.env if name in os.environ}
        if left is not None and _is_below(left, self.folder):
            with suppress(OSError):
                left.parent.mkdir(parents=True, exist_ok=True)
                left.unlink(missing_ok=True)  # of an earlier pass
                passed["TENWARD_TRANSCRIPT"] = str(left)
        with tempfile.TemporaryFile() as printed:
            try:
                ended = run_command(
                    self.command,
                    cwd=self.folder,
                    timeout=self.timeout,
                    env=scrubbed_environment(passed),
                    stdin=given,
                    stop=stop,
                    output=printed,
                    room=self.room,
                )
            except (OSError, ValueError) as error:  # ValueError: a NUL character in the command
                reason = getattr(error, "strerror", None) or error
                raise UsageError(
                    f"the command {shlex.join(self.command)!r} could not be started: {reason}",
                    hint=f"is {self.command[0]!r} installed and executable? commands run without a shell",
                ) from error
            size = printed.seek(0, os.SEEK_END)
            printed.seek(0)
            raw = printed.read(_MOST_BYTES + 1)
        failure, output = self._read(ended, raw, size)
        told = "" if left is None else self._without_secrets(_end_of(left, self.folder))
        return Produced(output=output, failure=failure, transcript=told, seconds=ended.seconds)

    def _failed(self, kind: FailureKind, what: str, log: str) -> Failure:
        lines = self._without_secrets(" / ".join(line.strip() for line in log.splitlines()[-_LOG_LINES:]))
        return Failure(kind=kind, detail=f"{what}: {lines[-_LOG_CHARS:]}" if lines else what)

    def _without_secrets(self, text: str) -> str:
        for name in self.env:
            if value := os.environ.get(name, "").strip():
                text = text.replace(value, "[secret]")
        return text

    def _read(self, ended: Completed, raw: bytes, size: int) -> tuple[Failure | None, str]:
        log = ended.tail or raw[-4000:].decode("utf-8", "replace").strip()
        if ended.status is None and ended.seconds >= self.timeout:
            return self._failed("timeout", f"stopped after {self.timeout:g} s", log), ""
        if ended.status != 0:
            how = "stopped" if ended.status is None else f"exit status {ended.status}"
            return self._failed("crashed", how, log), ""
        if size > _MOST_BYTES:
            return self._failed("truncated", f"it printed {size:,} bytes, more than {_MOST_BYTES:,}", ""), ""
        try:
            output = raw.decode("utf-8").strip()
        except UnicodeDecodeError:
            return self._failed("schema", "what it printed is no UTF-8 text", ""), ""
        return (None, output) if output else (self._failed("schema", "it printed no text", log), "")


def _words(command: str | Sequence[str]) -> list[str]:
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise UsageError(f"the command {command!r}: {error}", hint="balance its quotes") from error
    if not words:
        raise UsageError("found an empty command, expected a program and its arguments", hint="such as ./run.sh")
    return words


def _file_digest(path: Path) -> str:
    """Digest of a file; empty for what is none, or too large to be a program's text."""
    try:
        if path.is_file() and path.stat().st_size <= _MOST_HASHED:
            return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except (OSError, ValueError):  # an argument need not be a path
        pass
    return ""


def _kept(answer: str | None) -> Produced | None:
    """What a cached answer holds; a damaged answer is none, and the command runs again."""
    try:
        kept = json.loads(answer) if answer is not None else None
    except ValueError:
        return None
    if not is_list(kept) or len(kept) != 2:
        return None
    output, transcript = kept
    if not isinstance(output, str) or not isinstance(transcript, str):
        return None
    return Produced(output=output, transcript=transcript)


def _is_below(path: Path, folder: Path) -> bool:
    return path.parent.resolve().is_relative_to(folder.resolve())


def _end_of(path: Path, folder: Path) -> str:
    """The end of a regular file below a folder; empty where there is none. No link is followed."""
    if not _is_below(path, folder):
        return ""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return ""
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_TOLD))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""
