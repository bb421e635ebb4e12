"""Files, folders and standard input as material."""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from tenward.datasets._git import Git
from tenward.datasets._left_out import is_ignored_folder, reason_to_leave_out
from tenward.datasets._text import (
    Limits,
    Material,
    decode_text,
    left_out_notes,
    printable,
    read_bounded,
    require_content,
)
from tenward.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_file", "read_folder", "read_stdin"]


def read_file(path: Path, name: str, limit: int) -> Material:
    """Read one regular text file of at most ``limit`` bytes.

    Raises:
        TargetError: Not a regular file, not readable, too large, binary, not UTF-8 or UTF-16, or empty.
    """
    text = decode_text(_regular_bytes(path, name, limit), name)
    return Material(output=require_content(text, name))


def read_stdin(stream: BinaryIO, limit: int) -> Material:
    """Read text from ``stream`` to its end, at most ``limit`` bytes.

    Raises:
        TargetError: More than ``limit`` bytes, binary, not UTF-8 or UTF-16, or empty.
    """
    name = "standard input"
    text = decode_text(read_bounded(stream, limit, name), name)
    return Material(
        output=require_content(
            text, name, hint="an empty diff has no changes that are not staged; try HEAD~1..HEAD" if not text else ""
        )
    )


def read_folder(folder: Path, name: str, limits: Limits) -> Material:
    """Join the text files below ``folder`` in path order, each under a ``===== path =====`` line.

    Inside a git work tree git says which files count; elsewhere hidden files and folders and the usual build
    folders are skipped. Lock files, pictures, generated files, files that commonly hold secrets, binary files
    and symbolic links are left out. A file that no longer fits is left out whole; smaller ones after it may
    still fit. `Material.context` names what a reader of the text would otherwise miss.

    Raises:
        TargetError: No text file at all, or more files than ``limits.folder_files``.
    """
    parts: list[str] = []
    left_out: dict[str, list[str]] = {}
    room = limits.folder_bytes
    inside = folder.resolve()
    for relative in _files_below(folder, name, limits.folder_files):
        header = f"===== {printable(relative)} =====\n"
        most = min(limits.file_bytes, room - len(header.encode()))
        text, reason = _part(folder / relative, relative, most, inside)
        part = header + text
        # Decoding may lengthen a text (UTF-16), so the room is counted in what it became.
        if not reason and (size := len(part.encode())) <= room:
            parts.append(part)
            room -= size
        else:
            left_out.setdefault(reason or _NO_ROOM, []).append(relative)
    if _NO_ROOM in left_out:
        left_out[f"{_NO_ROOM} of {limits.folder_bytes:,} bytes"] = left_out.pop(_NO_ROOM)
    notes = left_out_notes(left_out)
    if not parts:
        raise TargetError(
            "\n".join([f"{name} holds no text to judge", *notes]),
            hint="give a folder with text files, or one of the files by its own path",
        )
    count = f"{len(parts):,} file{'s' * (len(parts) != 1)}, {limits.folder_bytes - room:,} bytes"
    return Material(output="".join(parts), context="\n".join(notes), notes=(f"read {count}", *notes))


_NO_ROOM = "does not fit the limit"


def _part(path: Path, relative: str, most: int, inside: Path) -> tuple[str, str]:
    """Return the text of one file of a folder, or the reason why it is left out."""
    try:
        reason = reason_to_leave_out(relative) or _unfit(path.lstat(), most)
        if not reason and not path.parent.resolve().is_relative_to(inside):
            reason = "behind a symbolic link"  # git lists what it tracks, though its folder may be a link by now
        if reason:
            return "", reason
        data = _regular_bytes(path, relative, most)
    except (OSError, TargetError):
        return "", "cannot be read"
    try:
        text = decode_text(data, relative)
    except TargetError:
        return "", "binary or not UTF-8"
    if not text.strip():
        return "", "empty"
    return text if text.endswith("\n") else text + "\n", ""


def _unfit(status: os.stat_result, most: int) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "symbolic link"
    if stat.S_ISDIR(status.st_mode):
        return "another repository"
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    return _NO_ROOM if status.st_size > most else ""


def _regular_bytes(path: Path, name: str, limit: int) -> bytes:
    try:
        # Without O_NONBLOCK the opening of a named pipe would wait for a writer that may never come.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise TargetError(
                    f"{name} is a pipe, socket or device, expected a regular file",
                    hint="to judge what a program prints, pipe it in and give - as the target",
                )
            if status.st_size > limit:
                raise TargetError(
                    f"{name} is too large: found {status.st_size:,} bytes, expected {limit:,} or fewer",
                    hint="judge a part of it: a judge overlooks most of a long text",
                )
            return read_bounded(file, limit, name)
    except OSError as error:
        raise TargetError(f"{name} cannot be read: {error.strerror or error}") from error


def _files_below(folder: Path, name: str, most: int) -> list[str]:
    found = _listed_by_git(folder)
    if not found:  # no work tree; or the user names a folder that git ignores, and means it
        found = list(islice(_walk(folder), most + 1))
    if len(found) > most:
        raise TargetError(
            f"{name} is too large: found more than {most:,} files, expected {most:,} or fewer",
            hint="give a smaller folder",
        )
    return sorted(found, key=lambda path: PurePosixPath(path).parts)


def _listed_by_git(folder: Path) -> list[str]:
    resolved = folder.resolve()
    if not any((parent / ".git").exists() for parent in (resolved, *resolved.parents)):
        return []
    try:
        listed = Git(folder).listed_files() or []
    except TargetError:  # no git program: the folder can be read all the same
        return []
    return [path for path in listed if os.path.lexists(folder / path)]


def _walk(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not is_ignored_folder(f))
        relative = PurePosixPath(Path(place).relative_to(folder).as_posix())
        yield from ((relative / f).as_posix() for f in sorted(files) if not f.startswith("."))
