"""A filter for system calls: which kinds of sockets a command may open. In the kernel's own machine code."""

from __future__ import annotations

import platform
import struct

__all__ = ["socket_filter"]

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 13, 0x80000000  # 13: permission denied
_X32 = 0x40000000
_UNIX, _INTERNET, _INTERNET_6, _NETLINK = 1, 2, 10, 16

_MACHINES: dict[str, tuple[int, int, int]] = {
    "x86_64": (0xC000003E, 41, 425),
    "aarch64": (0xC00000B7, 198, 425),
    "riscv64": (0xC00000F3, 198, 425),
}
"""By name, its number in a filter and those of the calls socket and io_uring_setup."""


def socket_filter(*, network: bool) -> bytes | None:
    """The filter, as struct sock_filter after struct sock_filter; None for a processor that is not known.

    Sockets in the file system lead to other programs of the user, such as a terminal's, so they are never allowed;
    pairs of connected sockets are. With the network those of the internet are, and those that ask the kernel about it.

    Args:
        network: Whether the command may use the network.
    """
    known = _MACHINES.get(platform.machine())
    if known is None:
        return None
    machine, socket, ring = known
    allowed = (_INTERNET, _INTERNET_6, _NETLINK) if network else ()
    # Jumps count the instructions that are left out; the last three are refuse, allow, kill.
    code: list[tuple[int, int | str, int | str, int]] = [
        (_LOAD, 0, 0, _MACHINE),
        (_JUMP_EQUAL, 0, "kill", machine),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, "refuse", 0, _X32),
        (_JUMP_EQUAL, "refuse", 0, ring),
        (_JUMP_EQUAL, 0, "allow", socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *((_JUMP_EQUAL, "allow", 0, family) for family in allowed),
    ]
    code += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _KILL)]
    places = {"refuse": len(code) - 3, "allow": len(code) - 2, "kill": len(code) - 1}

    def skip(at: int, target: int | str) -> int:
        return target if isinstance(target, int) else places[target] - at - 1

    return b"".join(
        struct.pack("<HBBI", operation, skip(at, yes), skip(at, no), value)
        for at, (operation, yes, no, value) in enumerate(code)
    )
