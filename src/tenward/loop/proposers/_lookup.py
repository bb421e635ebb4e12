"""Whether the proposer that a loop's file names can be had: a function, found with none of it run, or a search."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.errors import LoopError, TenwardError
from tenward.guards import is_mapping
from tenward.loop.proposers import _whereabouts
from tenward.loop.proposers._make import search_proposer
from tenward.loop.proposers._process import allowed_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tenward.loop._definition import LoopSpec

__all__ = ["proposer_fault"]

_SECONDS = 60.0


def proposer_fault(spec: LoopSpec, top: Path) -> TenwardError | None:
    """Why the function that proposes cannot be called, or settings not be searched; None where they can be.

    A function is looked for by the Python, in the folders and with the variables that it will be called with. No code
    of the user's runs: what only running a module can show is taken to be there.

    Args:
        spec: The loop.
        top: Top of the repository.
    """
    if spec.propose.search is not None:
        try:
            search_proposer(spec, spec.propose.search, top)
        except TenwardError as error:
            return error
    function, top = spec.propose.python, top.resolve()
    if function is None:
        return None
    try:
        ended = subprocess.run(
            [sys.executable, "-P", str(_whereabouts.__file__), function, str(top)],
            cwd=top,
            env=allowed_environment(spec.propose.allow.env, {}),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        told: object = json.loads(ended.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):  # something else is wrong here; calling it will show what
        return None
    fault = _words(told, function, top) if is_mapping(told) else None
    if fault is None:
        return None
    return LoopError(f"propose.python: found '{function}', expected {fault[0]}", hint=fault[1])


def _words(told: Mapping[Any, Any], function: str, top: Path) -> tuple[str, str] | None:
    """What was expected, and what to do; None where nothing is wrong."""
    module, _, name = function.partition(":")
    path = Path(str(told.get("file", "")))
    file = path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path)
    if missing := told.get("missing"):
        kind = "module" if missing == module else "package"
        hint = f"write {module.replace('.', '/')}.py, from the top of the repository, or install it"
        return f"a {kind} '{missing}' in {top} or among the installed ones", hint
    if plain := told.get("no_package"):
        return f"'{plain}' to be a package", f"it is a single module, so '{module}' cannot be inside it"
    if told.get("folder"):
        return f"'{module}' to be a module", f"it is a folder; name a file in it, such as {module}.propose:{name}"
    if fault := told.get("fault"):
        return f"{file} to be Python that can be read", f"mend it: {fault}"
    if without := told.get("without"):
        return f"a function '{without}' in {file}", "is it spelt as it is there?"
    return None
