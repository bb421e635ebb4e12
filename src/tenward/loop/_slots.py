"""Slots: folders in which candidates are made and evaluated, kept and reused from one attempt to the next.

A slot is **not** a git work tree. It holds the exact bytes of a tree and, instead of a repository, a ``.git`` file that
leads nowhere. In a linked work tree a command such as ``git branch -D``, ``git stash clear``, ``git config`` or
``git gc --prune=now`` would act on the user's own repository, and a hook or alias planted in its configuration would
run later as the user. A plain folder below the git directory would not do either: git looks upwards and takes the git
directory around the slot for a bare repository. With the file in place, every git command in a slot ends with "not a
git repository". Commands should also be given `Slot.environment`, which stops the search should the file be removed;
its removal is a fault of the candidate. The price is that tools which need git do not work in a slot.

This keeps out mistakes and habits. A command that means harm can still open any file its user may open: only a
sandbox around the command keeps it out, and the slot is all that such a sandbox must let it write to.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.errors import GitError
from tenward.loop._objects import BlobReader, object_name, object_name_of_file
from tenward.loop._trees import GITLINK, LINK, PROGRAM, Entry, Listing
from tenward.loop._walk import Found, Stamp, file_clock, open_folder, remove_tree, walk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenward.loop._plumbing import Git
    from tenward.loop._record import LoopRecord
    from tenward.loop._trees import Trees

__all__ = ["GUARD", "GUARD_TEXT", "Known", "Slot", "Slots"]

GUARD = ".git"
GUARD_TEXT = b"gitdir: /dev/null/a-slot-has-no-repository\n"

# The coarsest clock of a file system in use is two seconds: a file written within that time after it was looked at
# can carry the same stamp.
_SETTLED = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """A file whose content was written or checked by us."""

    entry: Entry
    stamp: Stamp
    seen: int
    """When we last knew its content, by the file system's clock."""

    def still(self, facts: os.stat_result) -> bool:
        """Whether the file cannot have changed since."""
        return self.stamp.changed + _SETTLED < self.seen and self.stamp == Stamp.of(facts)


class Slot:
    """One folder, used by one thread at a time.

    Attributes:
        path: The folder.
        base: The tree or commit it was last set to; empty before the first time.
        known: What we know of its files, by path.
    """

    def __init__(self, path: Path, git: Git, trees: Trees, scratch: Path) -> None:
        self.path = path
        self.base = ""
        self.known: dict[str, Known] = {}
        self.git = git
        self.trees = trees
        self._scratch = scratch

    @property
    def environment(self) -> dict[str, str]:
        """Variables for commands that run inside: git is not to look for a repository further up."""
        return {"GIT_CEILING_DIRECTORIES": str(self.path.parent)}

    def clock(self) -> int:
        """The present time by the clock of the slot's file system, in nanoseconds."""
        return file_clock(self._scratch)

    def reset(self, name: str) -> None:
        """Make the folder hold exactly the files of a tree: bytes, modes, links; nothing else is left.

        Files that cannot have changed since they were written or checked are not touched. No process may be at
        work in the folder.

        Args:
            name: The tree, or a commit.

        Raises:
            GitError: There is no such tree, an object is missing, or a file cannot be written or removed.
        """
        listing = self.trees.listing(name)
        old, self.known, self.base = self.known, {}, ""
        try:
            now = self.clock()
            kept = self._clean(listing, old, now)
            self._fill(listing, kept, now)
        except OSError as error:
            raise GitError(
                f"{self.path}: the slot cannot be set to {name[:12]}: {error.strerror}: {error.filename}",
                hint="is the disk full, or a process still at work in the folder?",
            ) from error
        self.known, self.base = kept, name

    def _clean(self, listing: Listing, old: Mapping[str, Known], now: int) -> dict[str, Known]:
        """Remove whatever is not the tree's, and return what can stay."""
        kept: dict[str, Known] = {}
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            self.path.unlink()
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)

        def visit(found: Found) -> bool:
            if found.is_folder:
                if found.path in listing.folders:
                    if stat.S_IMODE(found.facts.st_mode) & 0o7700 != 0o700:
                        os.chmod(found.name, 0o700, dir_fd=found.folder)
                    return True
                remove_tree(found.folder, found.name, self._scratch)
                return False
            known = old.get(found.path)
            if known is not None and known.entry == listing.files.get(found.path):
                if known.still(found.facts):
                    kept[found.path] = known
                    return False
                if known.stamp == Stamp.of(found.facts) and self._holds(found, known.entry):
                    kept[found.path] = Known(known.entry, known.stamp, now)
                    return False
            os.unlink(found.name, dir_fd=found.folder)
            return False

        def blocked(found: Found) -> None:
            remove_tree(found.folder, found.name, self._scratch)

        top = open_folder(self.path)
        try:
            walk(top, visit, blocked=blocked)
        finally:
            os.close(top)
        return kept

    def _holds(self, found: Found, entry: Entry) -> bool:
        """Whether a file that looks unchanged but is too young to be sure does hold a blob."""
        if entry.mode == LINK:
            content = os.fsencode(os.readlink(found.name, dir_fd=found.folder))
            return object_name("blob", content, self.git.algorithm) == entry.name
        descriptor = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=found.folder)
        with os.fdopen(descriptor, "rb") as file:
            return object_name_of_file(file, found.facts.st_size, self.git.algorithm) == entry.name

    def _fill(self, listing: Listing, kept: dict[str, Known], now: int) -> None:
        """Write what is missing, adding it to ``kept``."""
        (self.path / GUARD).write_bytes(GUARD_TEXT)
        missing = [(path, entry) for path, entry in listing.files.items() if path not in kept]
        # Links come last, so that none can stand in the way of a folder.
        missing.sort(key=lambda item: item[1].mode == LINK)
        made = {""}
        with BlobReader(self.git) as reader:
            for path, entry in missing:
                folder = path if entry.mode == GITLINK else path.rpartition("/")[0]
                if folder not in made:
                    (self.path / folder).mkdir(parents=True, exist_ok=True)
                    made.add(folder)
                if entry.mode != GITLINK:
                    kept[path] = Known(entry, _write(self.path / path, entry, reader), now)


def _write(target: Path, entry: Entry, reader: BlobReader) -> Stamp:
    """Write one file or link that does not exist yet."""
    if entry.mode == LINK:
        target.symlink_to(os.fsdecode(b"".join(reader.read(entry.name))))
        return Stamp.of(target.lstat())
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o777 if entry.mode == PROGRAM else 0o666), "wb") as file:
        for chunk in reader.read(entry.name):
            file.write(chunk)
        file.flush()
        return Stamp.of(os.fstat(file.fileno()))


class Slots:
    """The slots of one loop, below ``<git directory>/tenward/<loop>/slots``.

    To be used by the process that holds the loop's lock.

    Args:
        record: The loop.
    """

    def __init__(self, record: LoopRecord) -> None:
        self._record = record
        self._slots: dict[int, Slot] = {}

    def slot(self, number: int) -> Slot:
        """The slot with a number from 0; its folder is there after the first `Slot.reset`."""
        if number not in self._slots:
            record = self._record
            path = record.folder / "slots" / str(number)
            self._slots[number] = Slot(path, record.git, record.trees, record.scratch)
        return self._slots[number]

    def prune(self) -> None:
        """Remove the slots that this process does not use, and whatever killed processes left.

        No slot of this process may be in use meanwhile.

        Raises:
            GitError: Something cannot be removed.
        """
        record = self._record
        kept = {str(number) for number in self._slots}
        try:
            for parent, spared in ((record.folder / "slots", kept), (record.scratch, set[str]())):
                for path in list(parent.iterdir()) if parent.is_dir() else ():
                    if path.name in spared:
                        continue
                    if path.is_symlink() or not path.is_dir():
                        path.unlink()
                    else:
                        _bury(path, record.scratch)
        except OSError as error:
            raise GitError(
                f"{error.filename}: cannot be removed: {error.strerror}", hint="remove it by hand"
            ) from error


def _bury(path: Path, graves: Path) -> None:
    parent = open_folder(path.parent)
    try:
        remove_tree(parent, path.name, graves)
    finally:
        os.close(parent)
