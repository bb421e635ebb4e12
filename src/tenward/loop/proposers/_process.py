"""Running somebody's program beside an event loop, so that no process outlives the wait for it."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.errors import LoopError
from tenward.loop._commands import marks
from tenward.processes import run_command, scrubbed_environment

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import BinaryIO

    from tenward.containment import Room
    from tenward.processes import Completed

__all__ = ["allowed_environment", "beside", "how_it_ended", "read_small", "run_beside"]


@contextmanager
def beside(workdir: Path) -> Generator[Path, None, None]:
    """A folder for the time of the block, beside a worktree and not in it.

    There and not among the system's temporary files: what a process that is killed leaves is removed with the worktrees
    that the next one does not use.
    """
    with tempfile.TemporaryDirectory(prefix=f"{workdir.name}.brief-", dir=workdir.parent) as folder:
        yield Path(folder)


def allowed_environment(names: Sequence[str], extra: Mapping[str, str]) -> dict[str, str]:
    """The variables a command sees: the harmless usual ones, those allowed by name where set, and ``extra``."""
    allowed = {name: os.environ[name] for name in names if name in os.environ}
    return scrubbed_environment({**allowed, **extra})


async def run_beside(
    command: Sequence[str],
    *,
    cwd: Path,
    timeout: float,  # noqa: ASYNC109 - the command's, which is killed and not cancelled
    env: Mapping[str, str],
    stdin: str,
    mark: str,
    output: BinaryIO | None = None,
    room: Room | None = None,
) -> Completed:
    """Run a command in a thread; when the task is cancelled, the command is killed before the task ends.

    Its environment says which loop and worktree it belongs to, and keeps git from looking for a repository above.

    Raises:
        LoopError: It could not be started.
    """
    stop = threading.Event()
    variables = {**env, **marks(mark, cwd), "GIT_CEILING_DIRECTORIES": str(cwd.parent)}
    run = asyncio.to_thread(
        run_command, command, cwd=cwd, timeout=timeout, env=variables, stdin=stdin, stop=stop, output=output, room=room
    )
    task = asyncio.ensure_future(run)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([task])
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LoopError(
            f"propose: '{command[0]}' could not be started: {reason}",
            hint="is it installed and on PATH, and committed where it is a file of the repository?",
        ) from error


def how_it_ended(ended: Completed, timeout: float) -> str | None:
    """What went wrong, in a line; None when all is well."""
    if ended.status == 0:
        return None
    if ended.status is None:
        return f"stopped after {timeout:g} s" if ended.seconds >= timeout else f"stopped: {_last_line(ended)}"
    return f"exit status {ended.status}: {_last_line(ended)}"


def _last_line(ended: Completed) -> str:
    return ended.tail.splitlines()[-1][:300] if ended.tail else "it printed nothing"


def read_small(path: Path, most: int) -> str | None:
    """The text of a regular file of at most ``most`` bytes; None where there is none. No link is followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            raw = file.read(most + 1)
            return raw.decode("utf-8") if len(raw) <= most else None
    except (OSError, UnicodeDecodeError):
        return None
