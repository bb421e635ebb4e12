"""Whether the programs that a loop's file names are there, before the first of them is started."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.loop._trees import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenward.loop._definition import LoopSpec

__all__ = ["MissingProgram", "commands_of", "missing_programs", "program_of", "simple_commands", "words_of"]

_INTERPRETER = re.compile(r"(ba|da|k|z)?sh|python[0-9.]*|node|ruby|perl|Rscript")
_SHELL = re.compile(r"(ba|da|k|z)?sh")
_OPERATOR = re.compile(r"[();<>|&]+")
_GIVES_TEXT = re.compile("-[a-z]*c")
# What stands before the program that matters: other programs, their options, durations, variables.
_BEFORE = re.compile(r"env|exec|nice|nohup|time|timeout|uv|poetry|run|-.*|[0-9.]+[smhd]?|[A-Za-z_]\w*=.*")
_TAKES_VALUE = {"-W", "-X"}


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


def simple_commands(words: Sequence[str]) -> list[Sequence[str]]:
    """The command itself, and each command of the text that a shell among its words is given with ``-c``."""
    found: list[Sequence[str]] = [words]
    shell = False
    for at, word in enumerate(words):
        if shell and _GIVES_TEXT.fullmatch(word) and at + 1 < len(words):
            lexer = shlex.shlex(words[at + 1].replace("\n", ";"), posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            lexer.commenters = ""
            part: list[str] = []
            try:
                tokens = list(lexer)
            except ValueError:  # a quote without an end: the shell will say so
                tokens = words[at + 1].split()
            for token in [*tokens, ";"]:
                if not _OPERATOR.fullmatch(token):
                    part.append(token)
                elif part and not {"<", ">"} & set(token):  # what is read or written is a word like others
                    found += simple_commands(part)
                    part = []
            break
        shell = shell or _SHELL.fullmatch(posixpath.basename(word)) is not None
    return found


def words_of(command: Sequence[str]) -> list[str]:
    """What in a simple command may name a file: its words, what follows a ``=``, a module, the file of a test."""
    words = [word.rpartition("=")[2].strip("'\"").partition("::")[0] for word in command]
    for option, name in pairwise(command):
        if option == "-m":
            path = name.replace(".", "/")
            words += [f"{path}.py", f"{path}/__main__.py"]
    return words


def program_of(command: Sequence[str]) -> list[str]:
    """The words of a simple command that may name the file it runs: its program, its interpreter's script or module."""
    at = next((at for at, word in enumerate(command) if not _BEFORE.fullmatch(word)), len(command))
    if at == len(command) or not _INTERPRETER.fullmatch(posixpath.basename(command[at])):
        return list(command[at : at + 1])
    at += 1
    while at < len(command) and command[at].startswith("-"):
        if command[at] == "-m":
            return words_of(command[at : at + 2])[2:]
        if _GIVES_TEXT.fullmatch(command[at]):
            return []
        at += 2 if command[at] in _TAKES_VALUE else 1
    return list(command[at : at + 1])


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
