"""What a command may reach: the system to read, folders of its own to write, and nothing of the user's.

Commands that run candidates, or were written by them, are contained where the machine can: by bubblewrap (a root, a
network, processes of their own), by Landlock and seccomp (a kernel's rules for files and sockets, without privileges),
or by the system's sandbox of macOS. Where there is none of these, who runs a loop is told.
"""

from __future__ import annotations

from tenward.containment._contain import Containment, containment
from tenward.containment._room import Level, Room

__all__ = ["Containment", "Level", "Room", "containment"]
