"""What commands may reach besides the system and their own folder, as a loop's file says it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from tenward.containment import Room
from tenward.documents import Document
from tenward.loop._fields import Text, Variable, unlike

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["AllowSpec"]

_Paths = Annotated[tuple[Text, ...], Field(max_length=100), AfterValidator(unlike)]


class AllowSpec(Document):
    """What commands may reach besides the system, tools on the path and a folder of their own."""

    env: Annotated[tuple[Variable, ...], Field(max_length=100), AfterValidator(unlike)] = ()
    """Environment variables that they see, by name; others are hidden."""

    read: _Paths = ()
    """Files and folders that they may read; ``~`` is the home folder, and a relative path starts at the repository's
    top."""

    write: _Paths = ()
    """Likewise what they may read and change."""

    network: bool = False
    """Whether they may use the network."""

    def room(self, own: Sequence[Path], *, top: Path, hide: Iterable[Path], read: Iterable[Path] = ()) -> Room:
        """The room of a command.

        Args:
            own: Folders that it may write in any case, all in one folder, in which its temporary one will be.
            top: Top of the repository.
            read: What it may read in any case.
            hide: What stays hidden where tools lie around it.
        """
        looked, write = ([_place(path, top) for path in paths] for paths in (self.read, self.write))
        return Room(
            write=(*own, *(path for path in write if path.exists())),
            read=(*read, *looked),
            hide=tuple(hide),
            scratch=own[0].parent,
            network=self.network,
        )


def _place(path: str, top: Path) -> Path:
    return Path(os.path.normpath(top / Path(path).expanduser()))
