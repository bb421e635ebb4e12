"""What a loop begins with must be in the commit it begins at; from then on it goes by what was there."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenward.errors import DocumentError, LoopError
from tenward.guards import is_mapping
from tenward.loop._definition import LoopSpec
from tenward.loop._objects import BlobReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenward.loop._evaluator import EvaluatorFiles
    from tenward.loop._record import LoopRecord

__all__ = ["Uncommitted", "definition_notes", "sealed_definition", "start_definition", "uncommitted"]

# What the command line may set in place of the file, so it decides nothing about a score.
_LIMITS = ("budget", "parallel")


@dataclass(frozen=True, kw_only=True)
class Uncommitted:
    """A file that a loop rests on, and that is not in the commit as it lies in the working tree."""

    path: str
    """From the top of the repository."""

    base: str
    """The commit."""

    known: bool
    """Whether the commit holds another version of it."""

    @property
    def hint(self) -> str:
        """What to do."""
        path = shlex.quote(self.path)
        back = f", or put the change back: git checkout {self.base[:12]} -- {path}" if self.known else ""
        return f"commit it: git add {path} && git commit{back}"

    def told(self, loop: str) -> str:
        """What was found."""
        if self.known:
            return f"{self.path}: found it changed since the commit {self.base[:12]} that the loop '{loop}' begins at"
        return f"{self.path}: found it outside of the commit {self.base[:12]} that the loop '{loop}' begins at"


def uncommitted(record: LoopRecord, base: str, files: EvaluatorFiles) -> tuple[Uncommitted, ...]:
    """The files of the repository that a loop rests on and that differ from a commit, its own file first."""
    committed = record.trees.listing(base).files
    found: list[Uncommitted] = []
    with BlobReader(record.git) as reader:
        for name in files.inside:
            entry, path = committed.get(name), files.top / name
            if entry is None:
                found.append(Uncommitted(path=name, base=base, known=False))
            elif not path.is_file() or not _same(path.read_bytes(), b"".join(reader.read(entry.name))):
                found.append(Uncommitted(path=name, base=base, known=True))
    return tuple(found)


def _same(one: bytes, other: bytes) -> bool:
    """Whether two contents are one text; git may write other line ends into the working tree than it stores."""
    return one == other or one.replace(b"\r\n", b"\n") == other.replace(b"\r\n", b"\n")


def sealed_definition(record: LoopRecord, source: Path | None, top: Path) -> LoopSpec | None:
    """The loop as it began; None before that, and where neither git nor the commit holds its file.

    Args:
        record: The loop.
        source: Its file, which may be gone.
        top: Top of the repository.

    Raises:
        DocumentError: This version of the program does not read what an earlier one did.
    """
    base = record.base
    if not base:
        return None
    content = record.definition
    if content is None and (name := _inside(source, top)):
        entry = record.trees.listing(base).files.get(name)
        content = None if entry is None else record.git.bodies([entry.name])[0]
    return None if content is None else _parsed(content, record, source)


def definition_notes(then: LoopSpec, source: Path | None, record: LoopRecord) -> tuple[str, ...]:
    """What a user should know whose file is not what the loop began with; empty where it says the same."""
    stored = f"the loop '{record.loop}' goes by what it began with: git show refs/tenward/{record.loop}/definition"
    if source is None or not source.is_file():
        return (f"the file of the loop is gone; {stored}",)
    try:
        now = LoopSpec.parse(source.read_text(encoding="utf-8-sig"), source=str(source))
    except (DocumentError, UnicodeDecodeError):
        fields = "it cannot be read any more"
        limits = False
    else:
        changed = tuple(_changed(_dumped(then), _dumped(now)))
        if not changed:
            return ()
        fields = ", ".join(changed)
        limits = all(name.partition(".")[0] in _LIMITS for name in changed)
    advice = (
        "give limits on the command line (--rounds, --hours, --usd, --calls, --parallel), or put the change back"
        if limits
        else "put the change back, or give the loop another name to begin with it"
    )
    return (f"{source.parent.name}/{source.name} was changed since the loop began ({fields}); {stored}", advice)


def start_definition(spec: LoopSpec, record: LoopRecord, base: str, files: EvaluatorFiles) -> bytes | None:
    """What is stored of a loop's file when it begins; None for a loop that was read from text.

    Args:
        spec: The loop.
        record: Its record, which may not have begun.
        base: The commit it begins or began at.
        files: Where its files are.

    Raises:
        LoopError: It has not begun, and rests on a file that is not committed as it is; or it has, and ``spec`` is not
            what it began with.
    """
    then = sealed_definition(record, spec.source, files.top)
    if then is not None:
        changed = [name for name in _changed(_dumped(then), _dumped(spec)) if name.partition(".")[0] not in _LIMITS]
        if changed:
            raise LoopError(
                f"{spec.source or spec.loop}: found other fields than the loop began with: {', '.join(changed)}",
                hint="put the change back, or give the loop another name to begin with it",
            )
    if not record.base:
        for file in uncommitted(record, base, files):
            raise LoopError(file.told(record.loop), hint=file.hint)
    stored = record.definition
    if stored is not None or spec.source is None:
        return stored
    if (name := _inside(spec.source, files.top)) is None:
        return spec.source.read_bytes()
    entry = record.trees.listing(base).files.get(name)
    return None if entry is None else record.git.bodies([entry.name])[0]


def _inside(path: Path | None, top: Path) -> str | None:
    """The path from the top of the repository; None elsewhere."""
    if path is None or not path.resolve().is_relative_to(top.resolve()):
        return None
    return path.resolve().relative_to(top.resolve()).as_posix()


def _parsed(content: bytes, record: LoopRecord, source: Path | None) -> LoopSpec:
    text = content.decode("utf-8-sig", "replace")
    return LoopSpec.parse(text, source=f"refs/tenward/{record.loop}/definition", file=source)


def _dumped(spec: LoopSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True)


def _changed(then: object, now: object, name: str = "") -> Iterator[str]:
    """The fields that differ, with the parts they are in before them: ``budget.rounds``."""
    if is_mapping(then) and is_mapping(now):
        for key in dict.fromkeys([*then, *now]):
            yield from _changed(then.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif then != now:
        yield name
