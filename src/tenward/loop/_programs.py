"""Whether the programs that a loop's file names are there, before the first of them is started."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.loop._trees import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenward.loop._definition import LoopSpec

__all__ = ["MissingProgram", "commands_of", "missing_programs"]

_INTERPRETER = re.compile(r"(ba|da|k|z)?sh|python[0-9.]*|node|ruby|perl|Rscript")


@dataclass(frozen=True, kw_only=True)
class MissingProgram:
    """A command that cannot be started."""

    told: str
    """Where it stands, what was found and what was expected."""

    hint: str


def commands_of(spec: LoopSpec, *, proposer: bool = False) -> Iterator[tuple[str, Sequence[str]]]:
    """The commands of the evaluation by field, in the order they are run; with ``proposer``, that one first."""
    if proposer and spec.propose.command is not None:
        yield "propose.command", spec.propose.command
    for number, stage in enumerate(spec.stages):
        if stage.run is not None:
            yield f"stages[{number}].run", stage.run
        if stage.number is not None:
            yield f"stages[{number}].number.command", stage.number.command
    if spec.score.number is not None:
        yield "score.number.command", spec.score.number.command
    if spec.produce is not None and spec.produce.command is not None:
        yield "produce.command", spec.produce.command


def missing_programs(spec: LoopSpec, modes: Mapping[str, str]) -> tuple[MissingProgram, ...]:
    """The commands whose program, or whose script where an interpreter is to run one, is not there; nor is the prompt.

    Args:
        spec: The loop.
        modes: Git's mode per file of the commit that the loop begins at: commands run among these files.
    """
    found = [(field, words, _fault(words, modes)) for field, words in commands_of(spec, proposer=True)]
    prompt = None if spec.produce is None else spec.produce.prompt
    if prompt is not None and prompt not in modes:
        hint = "commit it: a loop starts from a commit"
        found.append(("produce.prompt", [prompt], (f"the file {prompt} among the committed ones", hint)))
    return tuple(
        MissingProgram(told=f"{field}: found '{' '.join(words)}', expected {fault[0]}", hint=fault[1])
        for field, words, fault in found
        if fault is not None
    )


def _fault(words: Sequence[str], modes: Mapping[str, str]) -> tuple[str, str] | None:
    """What was expected, and what to do; None where all is well."""
    return _program_fault(words[0], modes) or _script_fault(words, modes)


def _program_fault(program: str, modes: Mapping[str, str]) -> tuple[str, str] | None:
    if "/" not in program:
        found = shutil.which(program) is not None
        hint = "install it, or write ./ before a file of the repository"
        return None if found else (f"a program '{program}' on PATH", hint)
    if posixpath.isabs(program):
        found = os.access(program, os.X_OK) and not Path(program).is_dir()
        return None if found else (f"a program at {program} that can be run", "is the path right?")
    name = posixpath.normpath(program)
    if name not in modes:
        hint = "commit it: the command runs among the files of the commit that the loop begins at"
        return f"the file {name} among the committed ones", hint
    if modes[name] == FILE:
        return f"{name} to be executable", f"git update-index --chmod=+x {name}, and commit"
    return None


def _script_fault(words: Sequence[str], modes: Mapping[str, str]) -> tuple[str, str] | None:
    script = words[1] if len(words) > 1 and _INTERPRETER.fullmatch(posixpath.basename(words[0])) else ""
    if not script or script.startswith("-") or re.search("[@{]", script):
        return None
    known = Path(script).exists() if posixpath.isabs(script) else posixpath.normpath(script) in modes
    hint = "commit it, or mend its path: it starts at the top of the repository"
    return None if known else (f"the file {script} among the committed ones", hint)
