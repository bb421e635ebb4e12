"""Trees of files in git: listing one, and making one from another by a few changes."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.loop._objects import ObjectWriter
    from tenward.loop._plumbing import Git

__all__ = ["FILE", "GITLINK", "LINK", "PROGRAM", "Entry", "Kind", "Listing", "Trees", "tree_body"]

Kind = Literal["added", "modified", "deleted"]

FILE, PROGRAM, LINK, GITLINK, _TREE = "100644", "100755", "120000", "160000", "40000"
_DIFF = ("diff-tree", "-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")
"""The command of git for a unified diff, whatever the user's configuration says."""

_KEPT_LISTINGS = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tree says of one name."""

    mode: str
    name: str
    """The name of the object: a blob, a tree, or a submodule's commit."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A tree with all the trees inside. Paths are in the system's own encoding of file names."""

    files: Mapping[str, Entry]
    """Files, symbolic links and submodules by path from the top."""

    folders: Mapping[str, Mapping[str, Entry]]
    """What each folder holds, by the path of the folder; the top is the empty path. A submodule is not among them."""

    @cached_property
    def submodules(self) -> frozenset[str]:
        """The paths of submodules."""
        return frozenset(path for path, entry in self.files.items() if entry.mode == GITLINK)


class Trees:
    """Reads and writes the trees of one repository.

    Args:
        git: The repository.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._listings: OrderedDict[str, Listing] = OrderedDict()
        self._guard = threading.Lock()

    def listing(self, name: str) -> Listing:
        """List a tree or a commit's tree.

        Raises:
            GitError: There is no such object.
        """
        with self._guard:
            if name in self._listings:
                self._listings.move_to_end(name)
                return self._listings[name]
        files: dict[str, Entry] = {}
        folders: dict[str, dict[str, Entry]] = {"": {}}
        for line in self._git.must("ls-tree", "-r", "-t", "-z", "--full-tree", name).out.split(b"\0")[:-1]:
            facts, _, raw = line.partition(b"\t")
            mode, _, target = facts.decode().split(" ")
            path = os.fsdecode(raw)
            # Git itself reads old modes such as 100664 as one of the two, and writes a tree's without the zero.
            mode = (PROGRAM if int(mode, 8) & 0o100 else FILE) if mode.startswith("100") else mode.lstrip("0")
            folder, _, last = path.rpartition("/")
            folders[folder][last] = Entry(mode, target)
            if mode == _TREE:
                folders[path] = {}
            else:
                files[path] = folders[folder][last]
        return self._remember(name, Listing(files=files, folders=folders))

    def diff(self, old: str, new: str) -> str:
        """What differs between two commits or trees, as a unified diff; empty where one of them is not there."""
        reply = self._git.run(*_DIFF, "--end-of-options", old, new)
        return reply.out.decode("utf-8", "replace") if reply.status == 0 else ""

    def kinds(self, old: str, new: str) -> dict[str, Kind]:
        """What became of each file that differs between two trees, by path."""
        before, after = self.listing(old).files, self.listing(new).files
        told: dict[str, Kind] = {}
        for path in sorted({*before, *after}):
            if before.get(path) != after.get(path):
                told[path] = "added" if path not in before else "deleted" if path not in after else "modified"
        return told

    def changes_of(self, commits: Sequence[str]) -> dict[str, str]:
        """What each commit changed against its parent, as unified diffs; empty if one is missing."""
        reply = self._git.run(*_DIFF, "--stdin", stdin="".join(f"{commit}\n" for commit in commits).encode())
        if reply.status:
            return {}
        names = set(commits)
        found: dict[str, list[str]] = {}
        lines: list[str] = []
        # A line of a diff begins with a blank, a sign or a word of git's: none is the bare name of a commit.
        for line in reply.out.decode("utf-8", "replace").split("\n"):
            if line in names:
                lines = found.setdefault(line, [])
            else:
                lines.append(line)
        return {commit: "\n".join(diff) for commit, diff in found.items()}

    def change(self, base: str, changes: Mapping[str, Entry | None], writer: ObjectWriter) -> str:
        """Make a tree from another one and return its name; only the folders that change are made anew.

        Args:
            base: The tree, or a commit.
            changes: New entries by path; None takes the path away. They must fit: no file where a folder stays.
            writer: Takes the new trees in.
        """
        listing = self.listing(base)
        files, folders = dict(listing.files), dict(listing.folders)
        touched: dict[str, dict[str, Entry]] = {"": dict(folders[""])}
        # What goes makes room first: a file may become a folder.
        for path, entry in sorted(changes.items(), key=lambda item: item[1] is not None):
            folder, _, last = path.rpartition("/")
            step = folder
            while step not in touched:
                touched[step] = dict(folders.get(step, {}))
                step = step.rpartition("/")[0]
            if entry is None:
                del touched[folder][last], files[path]
            else:
                touched[folder][last] = files[path] = entry
        # Children before their parents, which hold their names.
        for folder in sorted(touched, key=lambda path: path.count("/") + bool(path), reverse=True):
            folders[folder] = entries = touched[folder]
            if not folder:
                continue
            above, _, last = folder.rpartition("/")
            if entries:
                touched[above][last] = Entry(_TREE, writer.add("tree", tree_body(entries)))
            else:
                del folders[folder]
                if last in touched[above] and touched[above][last].mode == _TREE:
                    del touched[above][last]
        tree = writer.add("tree", tree_body(touched[""]))
        self._remember(tree, Listing(files=files, folders=folders))
        return tree

    def _remember(self, name: str, listing: Listing) -> Listing:
        with self._guard:
            self._listings[name] = listing
            while len(self._listings) > _KEPT_LISTINGS:
                self._listings.popitem(last=False)
        return listing


def tree_body(entries: Mapping[str, Entry]) -> bytes:
    """One tree as git stores it: sorted by the bytes of the names, a folder as if its name ended in ``/``."""
    named = [(os.fsencode(name), entry) for name, entry in entries.items()]
    named.sort(key=lambda item: item[0] + b"/" if item[1].mode == _TREE else item[0])
    return b"".join(b"%s %s\0" % (entry.mode.encode(), name) + bytes.fromhex(entry.name) for name, entry in named)
