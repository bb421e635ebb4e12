"""One commit, as git stores it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["Commit"]

# Not the user's: their name stands for what they did themselves, and they may have given git none.
_WHO = "Tenward <tenward@localhost>"


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a commit says besides its author and dates."""

    tree: str
    parents: Sequence[str]
    message: str

    def body(self, began: datetime, ended: datetime) -> bytes:
        """The commit's text. It depends on the arguments alone: storing it again does no harm.

        Args:
            began: Becomes the author's date.
            ended: Becomes the committer's date.
        """
        dates = [max(0, int(moment.timestamp())) for moment in (began, ended)]
        lines = [
            f"tree {self.tree}",
            *(f"parent {parent}" for parent in self.parents),
            f"author {_WHO} {dates[0]} +0000",
            f"committer {_WHO} {dates[1]} +0000",
        ]
        return ("\n".join(lines) + "\n\n" + self.message).encode()

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a commit's text."""
        head, _, message = body.partition(b"\n\n")
        lines = [line.split(" ") for line in head.decode("utf-8", "replace").split("\n")]
        return cls(
            tree=next((words[1] for words in lines if words[0] == "tree"), ""),
            parents=[words[1] for words in lines if words[0] == "parent"],
            message=message.decode("utf-8", "replace"),
        )
