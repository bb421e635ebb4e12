"""What the command line calls a target: a file, folder, ``-``, git revision or range, read as one case."""

from __future__ import annotations

import difflib
import os
import sys
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from tenward.datasets._case import Case
from tenward.datasets._files import read_file, read_folder, read_stdin
from tenward.datasets._revisions import Repository
from tenward.datasets._text import Limits, Material, printable
from tenward.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Target", "read_target"]

_Kind = Literal["file", "folder", "stdin", "revision", "range"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A target as it was read."""

    case: Case
    """The case to judge. Its id is the target as given; its context names what was left out."""

    kind: _Kind

    notes: tuple[str, ...] = ()
    """What was read, and what was left out and why: one printable line each, for people."""

    folder: Path | None = None
    """Where a gate's command should run: the file's folder, the folder, or the top of the work tree. None
    for standard input and bare repositories."""


def read_target(
    spec: str,
    *,
    input: str | None = None,  # noqa: A002 - the name of the case's field
    references: Sequence[str] = (),
    cwd: Path | None = None,
    stdin: BinaryIO | None = None,
    limits: Limits | None = None,
) -> Target:
    """Read a target as one case, without changing anything.

    ``-`` is standard input. Otherwise an existing path wins over a revision of the same name (a note says
    so). Then come ranges: ``A..B`` (the difference between the two) and ``A...B`` (what B changed since it
    left A). Then anything git takes for a revision: a commit or tag (its change against its first parent) or
    ``revision:path`` (that file at that revision).

    Args:
        spec: The target as the user wrote it.
        input: What the output answers; given, it replaces the commit messages of a revision or range.
        references: Known good outputs.
        cwd: Where paths and the repository are looked for; the current folder by default.
        stdin: Where ``-`` is read; the process's standard input by default.
        limits: Bounds on what is read.

    Raises:
        TargetError: There is no such target, or it cannot be read as text within the limits.
    """
    cwd = (cwd or Path.cwd()).absolute()
    limits = limits or Limits()
    kind: _Kind
    if spec == "-":
        material, kind, folder = _read_stdin(stdin, limits), "stdin", None
    elif spec.startswith("-"):
        raise TargetError(
            f"target {printable(spec)} starts with a dash, expected a path, a revision or - for stdin",
            hint="write ./ before the name of a file, refs/heads/ before the name of a branch",
        )
    elif spec and (path := _existing(cwd, spec)):
        material, kind, folder = _read_path(path, spec, cwd, limits)
    else:
        material, kind, folder = _read_from_git(spec, cwd, limits)
    case = Case(
        id=printable(spec, longest=1_000),
        output=material.output,
        input=material.input if input is None else input,
        references=tuple(references),
        context=material.context,
    )
    return Target(case=case, kind=kind, notes=material.notes, folder=folder)


def _read_stdin(stdin: BinaryIO | None, limits: Limits) -> Material:
    # The process may have been started without a standard input.
    stream = stdin or getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise TargetError("there is no standard input to read", hint="give a file instead of -")
    return read_stdin(stream, limits.file_bytes)


def _existing(cwd: Path, spec: str) -> Path | None:
    try:
        path = cwd / spec
        if path.exists():
            return path
        dangling = path.is_symlink()
    except (OSError, ValueError):  # too long for a name, or a NUL in it
        return None
    if dangling:
        raise TargetError(
            f"{printable(spec)} is a symbolic link to {printable(str(path.readlink()))}, which does not exist"
        )
    return None


def _read_path(path: Path, spec: str, cwd: Path, limits: Limits) -> tuple[Material, _Kind, Path]:
    name = printable(spec)
    kind: _Kind = "folder" if path.is_dir() else "file"
    if kind == "folder":
        material, folder = read_folder(path, name, limits), path
    else:
        material, folder = read_file(path, name, limits.file_bytes), path.parent
    if _is_revision_too(spec, cwd):
        note = f"{name} is a git revision too; the {kind} was read (for the revision, write {name}^0)"
        material = replace(material, notes=(*material.notes, note))
    return material, kind, folder


def _is_revision_too(spec: str, cwd: Path) -> bool:
    # Asking git costs more than reading a file, so only names that could be a branch or tag are asked about.
    if spec.startswith((".", "/")) or not any((folder / ".git").exists() for folder in (cwd, *cwd.parents)):
        return False
    try:
        return Repository(cwd).knows(spec)
    except TargetError:
        return False


def _read_from_git(spec: str, cwd: Path, limits: Limits) -> tuple[Material, _Kind, Path | None]:
    try:
        repository = Repository(cwd)
    except TargetError as error:
        raise _unknown(spec, cwd, f"no git revision: {error.message}", [], hint=error.hint) from error
    if sides := repository.sides(spec):
        return repository.read_range(spec, sides, limits), "range", repository.top
    if not repository.knows(spec):
        what = "no git revision or range" if ".." in spec else "no git revision"
        raise _unknown(spec, cwd, f"{what} of this name either", repository.names())
    return repository.read_revision(spec, limits), "revision", repository.top


def _unknown(spec: str, cwd: Path, tried: str, names: Sequence[str], *, hint: str = "") -> TargetError:
    near = _near(spec, cwd, names)
    if near:
        hint = f"did you mean {' or '.join(printable(name) for name in near)}?"
    return TargetError(
        f"no such target: {printable(spec) or '(an empty name)'}\n"
        f"  no file or folder of this name in {printable(str(cwd))}\n"
        f"  {tried}",
        hint=hint or "a target is a file, a folder, - for standard input, a git revision, or a range A..B",
    )


def _near(spec: str, cwd: Path, names: Sequence[str]) -> list[str]:
    parent, _, last = spec.rpartition("/")
    if len(last) > 255:
        return []
    candidates: list[str] = []
    try:
        with os.scandir(cwd / parent) as entries:
            candidates += [f"{parent}/{e.name}" if parent else e.name for e in islice(entries, 1_000)]
    except (OSError, ValueError):
        pass
    return difflib.get_close_matches(spec, sorted({*candidates, *names}), n=3, cutoff=0.7)
