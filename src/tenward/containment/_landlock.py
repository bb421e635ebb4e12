"""Landlock: the kernel keeps a thread, and all that it starts, to some files. For any user.

A rule is for the calling thread and its children, so a command is started by a thread of its own that is restricted
first and ends then; nothing of Python runs between fork and exec. System calls by number, as no C library has them:
landlock(7) and the kernel's documentation, userspace-api/landlock.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from functools import cache
from typing import TYPE_CHECKING

from tenward.containment._seccomp import socket_filter
from tenward.containment._system import readable

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.containment._room import Room

__all__ = ["landlock_version", "restrict_thread"]

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ASK_VERSION, _PATH_RULE = 1, 1
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2

_EXECUTE, _WRITE, _READ, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _DEVICE = 1 << 13, 1 << 14, 1 << 15
_ALL_FILES = (1 << 13) - 1
"""Of the first version; later ones add those above."""

_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICE
_CAPABILITIES = 0x20080522
_TCP = 3  # bind and connect
_SCOPES = 3  # abstract sockets, signals
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def landlock_version() -> int:
    """The version that the kernel has, from 1; 0 where it has none, or filters of system calls are not to be had."""
    if not sys.platform.startswith("linux") or socket_filter(network=False) is None:
        return 0
    return max(0, int(_library().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))))


def restrict_thread(room: Room, private: Path) -> None:
    """Keep the calling thread, and what it starts from now on, to a room; there is no way back.

    Args:
        room: What it may reach.
        private: A folder of its own, which it may write.

    Raises:
        OSError: The kernel refuses.
    """
    version = landlock_version()
    rights = _ALL_FILES
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _DEVICE)):
        rights |= right if version >= since else 0
    sockets = _TCP if version >= 4 and not room.network else 0
    attributes = struct.pack("<QQQ", rights, sockets, _SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(_CREATE, attributes[:size], ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        look = _READ | _READ_FOLDER | _EXECUTE
        for path in (*readable(room.hide, network=room.network), *room.read):
            _allow(ruleset, path, look & rights)
        _allow(ruleset, "/proc", (_READ | _READ_FOLDER) & rights)
        for device in _DEVICES:
            _allow(ruleset, device, (_READ | _WRITE | _DEVICE) & rights)
        for path in (*room.write, private):
            _allow(ruleset, path, rights)
        _control(_NO_NEW_PRIVILEGES, 1)
        _drop_capabilities()
        _call(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    _filter_calls(network=room.network)


def _allow(ruleset: int, path: str | Path, rights: int) -> None:
    """Add a rule for a file or folder and all below it; nothing where there is no such thing, or it is a link."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISLNK(mode):
            return
        allowed = rights if stat.S_ISDIR(mode) else rights & _OF_FILES
        rule = struct.pack("<Qi", allowed, descriptor)
        _call(_ADD, ctypes.c_int(ruleset), ctypes.c_int(_PATH_RULE), rule, ctypes.c_uint32(0))
    finally:
        os.close(descriptor)


def _drop_capabilities() -> None:
    """Root without its powers; one of them is to read what other processes were given as variables."""
    header, nothing = struct.pack("<Ii", _CAPABILITIES, 0), bytes(24)
    if _library().capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _filter_calls(*, network: bool) -> None:
    code = socket_filter(network=network)
    assert code is not None
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    program = Program(len(code) // 8, ctypes.addressof(buffer))
    _control(_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(program))


def _call(number: int, *arguments: object) -> int:
    answer = int(_library().syscall(number, *arguments))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def _control(option: int, value: int, more: object = 0) -> None:
    extra = ctypes.c_ulong(more) if isinstance(more, int) else more
    if _library().prctl(option, ctypes.c_ulong(value), extra, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
