"""Bubblewrap: a root, a network and processes of a command's own."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tenward.containment._system import hidden, roots

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.containment._room import Room

__all__ = ["bwrap_words"]


def bwrap_words(room: Room, private: Path, *, filter_fd: int | None = None) -> list[str]:
    """The words before a command that give it a room; empty where bubblewrap is not installed.

    Args:
        room: What it may reach.
        private: Becomes its /tmp.
        filter_fd: A file with a seccomp filter; None for none.
    """
    program = shutil.which("bwrap")
    if program is None:
        return []
    words = [program, "--unshare-user-try", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
    words += [] if room.network else ["--unshare-net"]
    words += ["--cap-drop", "ALL", "--die-with-parent", "--new-session", "--dev", "/dev", "--proc", "/proc"]
    words += [] if filter_fd is None else ["--seccomp", str(filter_fd)]
    words += ["--bind", str(private), "/tmp"]  # noqa: S108 - in its own root
    for path in roots(network=room.network):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        else:
            words += ["--ro-bind-try", str(path), str(path)]
    for path in hidden(room.hide, network=room.network):
        words += ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", os.devnull, str(path)]
    for path in room.read:
        words += ["--ro-bind-try", str(path), str(path)]
    for path in room.write:
        words += ["--bind", str(path), str(path)]
    return [*words, "--remount-ro", "/", "--"]
