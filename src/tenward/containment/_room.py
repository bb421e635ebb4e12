"""A room: what one command may reach; and the levels at which a machine can see to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Level", "Room"]


class Level(StrEnum):
    """How a command is contained."""

    BWRAP = "bwrap"
    """By bubblewrap: it sees a root made for it, no other process, and no network unless it has leave."""

    LANDLOCK = "landlock"
    """By the kernel, Linux 6.2 or later: other files exist and cannot be opened; no socket unless it has leave."""

    SEATBELT = "sandbox-exec"
    """By the sandbox of macOS."""

    NONE = "none"
    """By nothing: it can open whatever its user can."""

    @property
    def words(self) -> str:
        """What that means, in a line."""
        return _WORDS[self]


_WORDS = {
    Level.BWRAP: "contained by bwrap: the system to read, its own folder to write, no network, no other process",
    Level.LANDLOCK: "contained by Landlock and seccomp: the system to read, its own folder to write, no socket",
    Level.SEATBELT: "contained by sandbox-exec: the system to read, its own folder to write, no network",
    Level.NONE: "not contained: a command can open every file that its user can",
}


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a command may reach besides the system, its tools and a temporary folder of its own."""

    write: tuple[Path, ...]
    """Folders and files that it may read and change; they must exist."""

    read: tuple[Path, ...] = ()
    """Further ones that it may read. What is not there is left out."""

    hide: tuple[Path, ...] = ()
    """What stays hidden although it lies among the system's folders or those of tools, but for what is named above."""

    scratch: Path | None = None
    """Where its temporary folder is made; among the system's if None."""

    network: bool = False
    """Whether it may use the network; never a socket in the file system."""
