"""Reading a candidate out of a slot: what changed, and whatever no candidate may contain."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from tenward.errors import GitError
from tenward.loop._objects import ObjectWriter, object_name, object_name_of_file
from tenward.loop._paths import PathPatterns, collisions, folders_of, is_git_folder, steers_git
from tenward.loop._slots import GUARD, GUARD_TEXT, Known, Slot
from tenward.loop._trees import FILE, GITLINK, LINK, PROGRAM, Entry
from tenward.loop._walk import Found, Stamp, TooManyError, open_folder, walk

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tenward.loop._trees import Listing

__all__ = ["Candidate", "Change", "Fault", "FaultKind", "Limits", "snapshot"]

_MOST_FAULTS = 100


class FaultKind(StrEnum):
    """Why a candidate is invalid."""

    OUTSIDE = "outside the editable paths"
    SEALED = "sealed"
    SYMLINK = "symbolic link"
    SUBMODULE = "submodule"
    MODE = "changed mode"
    GIT = "git's own file"
    COLLISION = "name like another's"
    LARGE = "too large"
    MANY = "too many files"
    DEEP = "too deep"
    SPECIAL = "not a file"
    HARD_LINK = "hard link"
    UNREADABLE = "unreadable"
    UNSTABLE = "changed while it was read"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something no candidate may contain."""

    kind: FaultKind
    """What is wrong."""

    path: str
    """Where, from the top of the slot; bytes that are no UTF-8 are lone surrogates."""

    detail: str = ""
    """More about it; may be empty."""

    def __str__(self) -> str:
        """The fault in a line that can be printed whatever the path holds."""
        shown = (self.path if self.path.isprintable() else ascii(self.path)[1:-1]) or "."
        return f"{shown}: {self.kind.value}{f' ({self.detail})' if self.detail else ''}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One file that differs from the base."""

    path: str
    """From the top of the slot; bytes that are no UTF-8 are lone surrogates."""

    kind: Literal["added", "modified", "deleted"]
    """What became of it."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a candidate may be."""

    file_bytes: int = 1_000_000
    """Of one changed file."""

    total_bytes: int = 20_000_000
    """Of all changed files together."""

    files: int = 1_000
    """Changed files."""

    strays: int = 20_000
    """Files and folders met besides those of the base, leftovers included."""

    depth: int = 64
    """Folders within folders."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a slot holds, compared with its base."""

    tree: str
    """The base with the allowed changes, as a tree in git. A fault's file is never in it."""

    base: str
    """The tree or commit it was made from."""

    changes: Sequence[Change]
    """The allowed changes, by path."""

    faults: Sequence[Fault]
    """Why it is invalid; empty if it is valid. At most 100."""


def snapshot(
    slot: Slot,
    editable: Sequence[str],
    *,
    leftovers: Sequence[str] = (),
    sealed: Collection[str] = (),
    limits: Limits | None = None,
) -> Candidate:
    """Read what has become of a slot since it was reset, and store the allowed changes in git.

    Nothing is followed or trusted: folders are opened without following links, a file is opened first and then looked
    at, and the bytes that are hashed are the ones that were read. No process should be at work in the slot any more;
    a file that changes while it is read is a fault. Files left in the slot do not reach an evaluation if the slot is
    reset to the candidate first, which is what a caller should do.

    Args:
        slot: It must have been reset to the base.
        editable: Patterns of the paths that may change, as `PathPatterns` reads them.
        leftovers: Patterns of new files that are neither a change nor a fault, such as ``**/__pycache__/**``.
        sealed: Paths that may not change although a pattern matches them.
        limits: How much there may be.

    Raises:
        LoopError: A pattern is not one.
        GitError: The slot was not reset, or the repository cannot be written.
    """
    if not slot.base:
        raise GitError(f"{slot.path}: the slot has no base", hint="reset it to a commit first")
    reading = _Reading(slot, PathPatterns(editable), PathPatterns(leftovers), sealed, limits or Limits())
    reading.read()
    writer = ObjectWriter(slot.git)
    changes: dict[str, Entry | None] = dict.fromkeys(reading.deleted)
    changes |= {path: Entry(mode, writer.add("blob", content)) for path, (mode, content) in reading.written.items()}
    tree = slot.trees.change(slot.base, changes, writer)
    writer.store()
    return Candidate(
        tree=tree,
        base=slot.base,
        changes=tuple(
            Change(
                path=path,
                kind="deleted" if changes[path] is None else "modified" if path in reading.files else "added",
            )
            for path in sorted(changes)
        ),
        faults=tuple(reading.faults),
    )


@dataclass
class _Reading:
    """One pass over a slot."""

    slot: Slot
    editable: PathPatterns
    leftovers: PathPatterns
    sealed: Collection[str]
    limits: Limits
    faults: list[Fault] = field(default_factory=list[Fault])
    written: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    deleted: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.listing: Listing = self.slot.trees.listing(self.slot.base)
        self.files = self.listing.files
        self.now = self.slot.clock()
        self._seen: set[str] = set()
        self._hidden: list[str] = []
        self._left = self.limits.total_bytes

    def fault(self, kind: FaultKind, path: str, detail: str = "") -> None:
        """Note a fault; the first hundred say enough."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(Fault(kind=kind, path=path, detail=detail))

    def read(self) -> None:
        """Read the slot."""
        most = len(self.files) + len(self.listing.folders) + self.limits.strays
        try:
            top = open_folder(self.slot.path)
        except OSError as error:
            self.fault(FaultKind.UNREADABLE, "", f"the slot itself: {error.strerror}")
            return
        try:
            walk(top, self._visit, blocked=self._blocked, most=most)
        except TooManyError:
            self.fault(FaultKind.MANY, "", f"more than {self.limits.strays} besides those of the base")
            self.written.clear()
            return
        except OSError as error:
            self.fault(FaultKind.UNREADABLE, str(error.filename or ""), error.strerror or "")
            return
        finally:
            os.close(top)
        if GUARD not in self._seen:
            self.fault(FaultKind.GIT, GUARD, "the file that keeps git out was removed")
        self._find_deleted()
        self._find_collisions()

    def _visit(self, found: Found) -> bool:
        path, mode = found.path, found.facts.st_mode
        if path == GUARD:
            self._seen.add(path)
            if not self._is_guard(found):
                self.fault(FaultKind.GIT, path, "the file that keeps git out was changed")
            return False
        known = self.slot.known.get(path)
        if path in self.files and known is not None and known.still(found.facts):
            self._seen.add(path)
            return False
        if is_git_folder(found.name):
            self.fault(FaultKind.GIT, path)
            return False
        if stat.S_ISDIR(mode):
            if path not in self.listing.folders and path.count("/") >= self.limits.depth:
                self.fault(FaultKind.DEEP, path, f"more than {self.limits.depth} folders")
                self._hidden.append(path)
                return False
            return True
        if path in self.files or not self.leftovers.match(path):
            self._seen.add(path)
            self._look(found)
        return False

    def _look(self, found: Found) -> None:
        """Look at what is new, changed, or too young to tell."""
        path, mode = found.path, found.facts.st_mode
        if any(path.startswith(f"{submodule}/") or path == submodule for submodule in self.listing.submodules):
            self.fault(FaultKind.SUBMODULE, path)
        elif stat.S_ISLNK(mode):
            self._look_at_link(found)
        elif stat.S_ISREG(mode):
            try:
                self._look_at_file(found)
            except OSError as error:
                self.fault(FaultKind.UNREADABLE, path, error.strerror or "")
        else:
            self.fault(FaultKind.SPECIAL, path)

    def _look_at_link(self, found: Found) -> None:
        entry = self.files.get(found.path)
        target = os.fsencode(os.readlink(found.name, dir_fd=found.folder))
        if entry is None or entry.mode != LINK or object_name("blob", target, self.slot.git.algorithm) != entry.name:
            self.fault(FaultKind.SYMLINK, found.path, "new" if entry is None else "was changed")
        else:
            self.slot.known[found.path] = Known(entry, Stamp.of(found.facts), self.now)

    def _look_at_file(self, found: Found) -> None:
        path, entry = found.path, self.files.get(found.path)
        # Not blocking, lest a pipe that has just taken the file's place holds us up.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with os.fdopen(os.open(found.name, flags, dir_fd=found.folder), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                self.fault(FaultKind.SPECIAL, path)
                return
            if before.st_nlink > 1:
                self.fault(FaultKind.HARD_LINK, path, f"{before.st_nlink} names")
                return
            content: bytes | None = None
            if before.st_size <= self.limits.file_bytes:
                content = file.read(self.limits.file_bytes + 1)
                name = object_name("blob", content, self.slot.git.algorithm)
            else:
                name = object_name_of_file(file, before.st_size, self.slot.git.algorithm)
            stamp = Stamp.of(os.fstat(file.fileno()))
        if Stamp.of(before) != stamp:
            self.fault(FaultKind.UNSTABLE, path)
            return
        mode = PROGRAM if before.st_mode & stat.S_IXUSR else FILE
        if entry is not None and entry.name == name and entry.mode == mode and not before.st_mode & 0o7000:
            self.slot.known[path] = Known(entry, stamp, self.now)
        else:
            self._judge(path, before, mode, content)

    def _judge(self, path: str, facts: os.stat_result, mode: str, content: bytes | None) -> None:
        """Decide on a file that is new or not what it was."""
        entry = self.files.get(path)
        if steers_git(path):
            self.fault(FaultKind.GIT, path)
        elif path in self.sealed:
            self.fault(FaultKind.SEALED, path, "was changed")
        elif not self.editable.match(path):
            self.fault(FaultKind.OUTSIDE, path, "new" if entry is None else "was changed")
        elif entry is not None and entry.mode == LINK:
            self.fault(FaultKind.SYMLINK, path, "became a file")
        elif facts.st_mode & 0o7000 or (entry is not None and entry.mode != mode):
            self.fault(FaultKind.MODE, path, f"{stat.S_IMODE(facts.st_mode):o}")
        elif content is None:
            self.fault(FaultKind.LARGE, path, f"{facts.st_size:,} bytes, at most {self.limits.file_bytes:,}")
        elif len(self.written) >= self.limits.files:
            self.fault(FaultKind.MANY, path, f"more than {self.limits.files:,} changed")
        elif len(content) > self._left:
            self.fault(FaultKind.LARGE, path, f"all together more than {self.limits.total_bytes:,} bytes")
        else:
            self._left -= len(content)
            self.written[path] = (mode, content)

    def _is_guard(self, found: Found) -> bool:
        if not stat.S_ISREG(found.facts.st_mode) or found.facts.st_size != len(GUARD_TEXT):
            return False
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(found.name, flags, dir_fd=found.folder), "rb") as file:
                return file.read(len(GUARD_TEXT) + 1) == GUARD_TEXT
        except OSError:
            return False

    def _blocked(self, found: Found) -> None:
        self._hidden.append(found.path)
        self.fault(FaultKind.UNREADABLE, found.path)

    def _find_deleted(self) -> None:
        for path, entry in self.files.items():
            if path in self._seen or entry.mode == GITLINK or any(path.startswith(f"{x}/") for x in self._hidden):
                continue
            if steers_git(path):
                self.fault(FaultKind.GIT, path, "was deleted")
            elif path in self.sealed:
                self.fault(FaultKind.SEALED, path, "was deleted")
            elif not self.editable.match(path):
                self.fault(FaultKind.OUTSIDE, path, "was deleted")
            elif len(self.written) + len(self.deleted) >= self.limits.files:
                self.fault(FaultKind.MANY, path, f"more than {self.limits.files:,} changed")
            else:
                self.deleted.append(path)

    def _find_collisions(self) -> None:
        added = [path for path in self.written if path not in self.files]
        if not added:
            return
        gone = set(self.deleted)
        staying = [path for path in self.files if path not in gone]
        found = collisions(added, staying)
        # A file in the place of a folder that may not be deleted, or the other way round.
        folders = {folder for path in staying for folder in folders_of(path)}
        found |= {path: path for path in added if path in folders}
        found |= {
            path: folder for path in added for folder in folders_of(path) if folder in self.files and folder not in gone
        }
        for path, other in found.items():
            self.fault(FaultKind.COLLISION, path, f"like {other}")
            del self.written[path]
