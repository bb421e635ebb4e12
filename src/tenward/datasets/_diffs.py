"""A change between two trees as a unified diff that fits a limit, file by file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenward.datasets._left_out import reason_to_leave_out
from tenward.datasets._text import Limits, Material, left_out_notes, printable
from tenward.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.datasets._git import Git

__all__ = ["read_diff"]

_FILE_STARTS = b"diff --git "
_LOOKED_AT = 8_000  # bytes git itself looks at for a NUL
_LONGEST_HEADER = 20_000
_LARGEST_FORCED = 50_000_000

_OPTIONS = (
    "diff-tree",
    "-r",
    "--find-renames=50%",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-relative",
    "--diff-algorithm=histogram",
    "--ignore-submodules=none",
    "--submodule=short",
)

_PATCH = (
    "--patch",
    "--abbrev=12",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--inter-hunk-context=0",
    "--indent-heuristic",
)


@dataclass(frozen=True, kw_only=True)
class _Change:
    path: str
    added: int | None
    """Lines added; None for a binary file, 0 for a forced one."""
    deleted: int
    sections: int
    """Diffs git writes for it: two where a file becomes a link or the other way round."""
    forced: bool = False
    """Text that an attribute of the repository calls binary; the candidate may have set it to hide a change."""


@dataclass
class _Section:
    change: _Change
    size: int = 0
    pieces: list[bytes] = field(default_factory=list[bytes])


def read_diff(git: Git, before: str, after: str, what: str, limits: Limits) -> Material:
    """Read what changed from the tree of ``before`` to the tree of ``after``.

    Content is left as it stands, line endings included: a change of line endings is a change. A file that no
    longer fits is left out whole and named; smaller ones after it may still fit.

    Args:
        git: The repository.
        before: Full object name of a commit or tree.
        after: Full object name of a commit or tree.
        what: The change in words, for errors and the first note.
        limits: Bounds the diff by ``diff_bytes``.

    Raises:
        TargetError: Nothing changed, only binary files did, or no file's change can be shown.
    """
    changes = _changes(git, before, after)
    if not changes:
        raise TargetError(f"nothing changed in {what}", hint="give a revision or range that changes files")
    split = _Split(changes, limits.diff_bytes)
    options = [*_PATCH, f"--unified={limits.context_lines}", *(["--text"] if any(c.forced for c in changes) else [])]
    git.must(*_OPTIONS, *options, before, after, "--", write=split.write)
    sections = split.finish()
    # git counts no lines where an attribute says binary, so those that are shown are counted here.
    lines = [
        line for s in sections if s.change.forced for line in b"".join(s.pieces).partition(b"\n@@")[2].split(b"\n")
    ]
    added = sum(c.added or 0 for c in changes) + sum(line[:1] == b"+" for line in lines)
    deleted = sum(c.deleted for c in changes) + sum(line[:1] == b"-" for line in lines)
    total = f"{what}: {len(changes):,} file{'s' * (len(changes) != 1)}, +{added:,} −{deleted:,}"

    left_out: dict[str, list[str]] = {}
    for section in sections:
        name = section.change.path
        if reason := reason_to_leave_out(name):
            left_out.setdefault(reason, []).append(name)
        elif not section.pieces:
            reason = f"does not fit the limit of {limits.diff_bytes:,} bytes"
            left_out.setdefault(reason, []).append(f"{name} ({section.size:,} bytes)")
    notes = list(left_out_notes(left_out))
    shown = [section for section in sections if section.pieces]
    if binary := list(dict.fromkeys(s.change.path for s in shown if s.change.added is None)):
        named = ", ".join(printable(path) for path in binary[:3]) + (", …" if len(binary) > 3 else "")
        notes.append(f"{len(binary):,} binary file{'s' * (len(binary) != 1)} named, content not shown: {named}")
    if all(section.change.added is None for section in shown):
        raise TargetError(
            "\n".join([f"no change of text to judge in {total}", *notes]),
            hint="give a smaller range, or one file as revision:path",
        )
    return Material(
        output="".join(b"".join(section.pieces).decode("utf-8", "replace") for section in shown),
        context="\n".join(notes),
        notes=(total, *notes),
    )


def _changes(git: Git, before: str, after: str) -> list[_Change]:
    """List the changed files in the order in which git writes their diffs."""
    raw = git.must(*_OPTIONS, "--raw", "-z", before, after, "--").out.decode("utf-8", "replace").split("\0")
    twice: set[str] = set()
    blobs: dict[str, list[str]] = {}
    fields = iter(raw)
    for entry in fields:
        if entry.startswith(":"):
            path = next(fields)
            _, _, *names, status = entry.split(" ")
            if status[:1] == "T":
                twice.add(path)
            elif status[:1] in "RC":
                path = next(fields)
            blobs.setdefault(path, []).extend(name for name in names if name.strip("0"))
    counts = _counts(git, before, after)
    forced = {path for path, added, _ in counts if added == "-" and _is_text(git, blobs.get(path, []))}
    counts = [(path, "0", "0") if path in forced else (path, added, deleted) for path, added, deleted in counts]
    changes: list[_Change] = []
    for path, added, deleted in counts:
        binary = added == "-"
        changes.append(
            _Change(
                path=path,
                added=None if binary else int(added),
                deleted=0 if binary else int(deleted),
                sections=2 if path in twice else 1,
                forced=path in forced,
            )
        )
    return changes


def _counts(git: Git, before: str, after: str) -> list[tuple[str, str, str]]:
    """Path, lines added and lines deleted of each changed file; dashes for a binary one."""
    said = git.must(*_OPTIONS, "--numstat", "-z", before, after, "--").out.decode("utf-8", "replace")
    entries = iter(said.split("\0"))
    counts: list[tuple[str, str, str]] = []
    for entry in entries:
        if not entry:
            continue
        added, deleted, path = entry.split("\t", 2)
        if not path:  # a rename: the old and the new path follow
            next(entries)
            path = next(entries)
        counts.append((path, added, deleted))
    return counts


def _is_text(git: Git, blobs: Sequence[str]) -> bool:
    """Whether no blob is huge or holds a NUL near its start, whatever the attributes say."""
    for name in blobs:
        if int(git.must("cat-file", "-s", name).line) > _LARGEST_FORCED:
            return False
        if b"\0" in git.must("cat-file", "blob", name).out[:_LOOKED_AT]:
            return False
    return bool(blobs)


class _Split:
    """Takes a diff piece by piece and keeps the files that fit, so that memory stays bounded."""

    def __init__(self, changes: list[_Change], room: int) -> None:
        self._expected = iter([change for change in changes for _ in range(change.sections)])
        self._sections: list[_Section] = []
        self._room = room
        self._tail = b"\n"  # as if a line had ended, so that the first file starts like the others

    def write(self, piece: bytes) -> None:
        data = self._tail + piece
        # Lines of content start with a space, +, - or \, so this is the start of a file's diff, always.
        while (cut := data.find(b"\n" + _FILE_STARTS)) >= 0:
            self._append(data[: cut + 1])
            self._start()
            # The line feed belongs to the file before; the search goes on behind the start that was found.
            self._append(_FILE_STARTS)
            data = data[cut + 1 + len(_FILE_STARTS) :]
        keep = min(len(data), len(_FILE_STARTS))
        self._append(data[: len(data) - keep])
        self._tail = data[len(data) - keep :]

    def finish(self) -> list[_Section]:
        """Return every file's part in order; one that does not fit or is never shown has no pieces."""
        self._append(self._tail)
        self._close()
        for section in self._sections:
            head, content, _ = b"".join(section.pieces).partition(b"\n--- ")
            if section.change.added is None and content:  # git was told to show everything as text
                section.pieces = [head, b"\nBinary files differ\n"]
        return self._sections

    def _start(self) -> None:
        self._close()
        self._sections.append(_Section(next(self._expected)))

    def _close(self) -> None:
        if self._sections and self._sections[-1].pieces:
            self._room -= self._sections[-1].size

    def _append(self, data: bytes) -> None:
        if not self._sections:  # the line feed put before the first file
            return
        section = self._sections[-1]
        if section.change.added is None:
            data = data[: max(0, _LONGEST_HEADER - section.size)]
        section.size += len(data)
        if section.size > self._room or reason_to_leave_out(section.change.path):
            section.pieces.clear()
        else:
            section.pieces.append(data)
