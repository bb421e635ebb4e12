"""The sandbox of macOS, by a profile. No machine of that kind has tested it yet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenward.containment._system import readable

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.containment._room import Room

__all__ = ["seatbelt_words"]

_SYSTEM = ("/System", "/Library", "/Applications/Xcode.app", "/private/etc", "/private/var/db/timezone", "/dev")


def seatbelt_words(room: Room, private: Path) -> list[str]:
    """The words before a command that give it a room.

    Args:
        room: What it may reach.
        private: A folder of its own, which it may write.
    """
    looked = [*_SYSTEM, *map(str, (*readable(room.hide, network=room.network), *room.read))]
    own = [*map(str, room.write), str(private)]
    lines = [
        "(version 1)",
        "(deny default)",
        "(allow process-fork) (allow process-exec) (allow signal (target same-sandbox)) (allow sysctl-read)",
        "(allow file-read-metadata)",
        f"(allow file-read* {_paths([*looked, *own])})",
        f"(allow file-write* {_paths([*own, '/dev/null'])})",
        *(["(allow network-outbound (remote ip)) (allow mach-lookup)"] if room.network else []),
    ]
    return ["sandbox-exec", "-p", "\n".join(lines)]


def _paths(paths: list[str]) -> str:
    return " ".join(f"(subpath {json.dumps(path)})" for path in paths)
