"""What a candidate is measured with: the loop's first commit, the attempt's own files laid over it, and no cases."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from tenward.loop._objects import ObjectWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenward.loop._paths import PathPatterns
    from tenward.loop._record import LoopRecord
    from tenward.loop._trees import Entry

__all__ = ["LaidTrees"]

_MOST = 64


class LaidTrees:
    """Makes the trees that slots are set to before anything is run in them.

    Whatever may not change is taken from the first commit, so that a commit that somebody put in the incumbent's place
    brings no scorer of its own; and what only the evaluation may read is not there.

    Args:
        record: The loop's.
        base: Its first commit.
        editable: What may change.
        hidden: Files that only the evaluation may read.
    """

    def __init__(self, record: LoopRecord, base: str, editable: PathPatterns, hidden: Iterable[str]) -> None:
        self._record = record
        self._base = base
        self._editable = editable
        self._hidden = frozenset(hidden)
        self._known: OrderedDict[str, str] = OrderedDict()
        self._turn = threading.Lock()

    def of(self, tree: str) -> str:
        """The tree to measure the files of a tree or commit in.

        Raises:
            GitError: The repository cannot be read or written.
        """
        with self._turn:
            if tree not in self._known:
                self._known[tree] = self._laid(tree)
                while len(self._known) > _MOST:
                    self._known.popitem(last=False)
            self._known.move_to_end(tree)
            return self._known[tree]

    def _laid(self, tree: str) -> str:
        base, there = (self._record.trees.listing(name).files for name in (self._base, tree))
        changes: dict[str, Entry | None] = {
            path: base.get(path)
            for path in {*base, *there}
            if base.get(path) != there.get(path) and not self._editable.match(path) and path not in self._hidden
        }
        changes |= dict.fromkeys(self._hidden & set(there))
        if not changes:
            return tree
        writer = ObjectWriter(self._record.git)
        laid = self._record.trees.change(tree, changes, writer)
        writer.store()
        return laid
