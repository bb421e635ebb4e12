"""A Python function as proposer, called in a process of its own so that it cannot harm the loop."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tenward.guards import is_list, is_mapping
from tenward.judges import Usage
from tenward.loop._edits import Edit, apply_edits
from tenward.loop._ideas import Idea
from tenward.loop.proposers._process import allowed_environment, beside, how_it_ended, read_small, run_beside
from tenward.loop.proposers._proposal import Proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tenward.containment import Room
    from tenward.loop._brief import Brief
    from tenward.loop._snapshot import Limits
    from tenward.processes import Completed

__all__ = ["PythonProposer"]

_ANSWER_BYTES = 25_000_000
_CALL = """
import functools, importlib, json, sys
target, answer, *folders = sys.argv[1:]
sys.path[:0] = folders
module, _, name = target.partition(":")
function = functools.reduce(getattr, name.split("."), importlib.import_module(module))
result = json.dumps(function(json.load(sys.stdin)))
with open(answer, "w", encoding="utf-8") as file:
    file.write(result)
"""


class PythonProposer:
    """Calls ``function(brief)`` with the brief as a dict, in the worktree as current folder.

    It returns a dict with ``title``, and as it likes ``rationale``, ``ruled_out`` (a list) and ``edits``: a list of
    ``{path, find, replace}`` or ``{path, text}``. Without ``edits`` it must have edited the files itself.

    Args:
        function: ``package.module:function``.
        folders: Where its package is looked for besides the installed ones, such as the top of the repository. Never
            the worktree: a candidate must not change its proposer.
        timeout: Seconds after which it is stopped.
        allow_env: Names of the environment variables it may see besides the usual harmless ones.
        mark: What the processes of the loop carry in their environment.
        room: What it may reach that may write some folders and read others, where it is contained; None for all that
            the user can.
        limits: How large files may become.
    """

    def __init__(
        self,
        function: str,
        *,
        folders: Sequence[Path] = (),
        timeout: float = 1800.0,
        allow_env: Sequence[str] = (),
        mark: str = "",
        room: Callable[..., Room] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._function = function
        self._folders = tuple(folder.resolve() for folder in folders)
        self._timeout = timeout
        self._allow_env = tuple(allow_env)
        self._mark = mark
        self._room = room
        self._limits = limits

    @property
    def brief_chars(self) -> int:
        """100,000: a function has all the parts at hand anyway."""
        return 100_000

    async def propose(self, brief: Brief, workdir: Path) -> Proposal:
        """Call the function; see :meth:`Proposer.propose`.

        Raises:
            LoopError: Python could not be started.
        """
        with beside(workdir) as scratch:
            path, folders, room = scratch / "answer.json", self._folders, None
            if self._room is not None:
                modules = _modules(folders)
                room, folders = self._room((workdir, scratch), read=modules.values()), (_linked(scratch, modules),)
            ended = await run_beside(
                # -P: the worktree, as current folder, must not stand before the standard library.
                [sys.executable, "-P", "-c", _CALL, self._function, str(path), *map(str, folders)],
                cwd=workdir,
                timeout=self._timeout,
                env=allowed_environment(self._allow_env, {}),
                stdin=json.dumps(brief.to_json()),
                mark=self._mark,
                room=room,
            )
            fault = how_it_ended(ended, self._timeout)
            answer = read_small(path, _ANSWER_BYTES) if fault is None else None
        if fault is not None:
            return _end("crashed", ended, faults=(fault,))
        return self._read(answer, ended, brief)

    def _read(self, answer: str | None, ended: Completed, brief: Brief) -> Proposal:
        try:
            data = json.loads(answer or "")
        except (ValueError, RecursionError):
            return _end("crashed", ended, faults=(f"{self._function} gave no answer that can be read",))
        try:
            idea, edits = _idea_and_edits(data, [past.number for past in brief.combine])
        except ValueError as error:
            return _end("invalid", ended, faults=(str(error),))
        if edits is None:
            return _end("edited", ended, idea=idea, in_place=True)
        applied = apply_edits(brief.files, edits, brief.editable, but_not=brief.but_not, limits=self._limits)
        if applied.faults:
            return _end("invalid", ended, idea=idea, faults=applied.faults)
        return _end("edited", ended, idea=idea, files=applied.files)


def _modules(folders: Sequence[Path]) -> dict[str, Path]:
    """What can be imported from folders, by the name of its file or folder; the first folder wins."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix == ".py" or (path / "__init__.py").is_file():
                found.setdefault(path.name, path.resolve())
    return found


def _linked(scratch: Path, modules: Mapping[str, Path]) -> Path:
    """A folder in which the modules are, and nothing else of what lies around them."""
    folder = scratch / "modules"
    folder.mkdir()
    for name, path in modules.items():
        (folder / name).symlink_to(path)
    return folder


def _idea_and_edits(data: object, combines: list[int]) -> tuple[Idea, list[Edit] | None]:
    """What the function returned; None for edits it made itself."""
    if not is_mapping(data):
        raise ValueError(f"found {type(data).__name__}, expected a dict with title and edits")
    edits = data.get("edits")
    if edits is not None and not is_list(edits):
        raise ValueError(f"edits: found {type(edits).__name__}, expected a list")
    idea = Idea.from_json({**data, "combines": combines})
    return idea, None if edits is None else [Edit.from_json(one) for one in edits]


def _end(ending: Any, ended: Completed, **parts: Any) -> Proposal:
    return Proposal(ending=ending, log=ended.tail, usage=Usage(cost_usd=None), seconds=ended.seconds, **parts)
