"""Edits applied to texts in memory: a passage that must be found exactly once, or a whole new file."""

from __future__ import annotations

import difflib
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.errors import LoopError
from tenward.guards import is_mapping
from tenward.loop._paths import PathPatterns, steers_git
from tenward.loop._snapshot import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Applied", "Edit", "apply_edits", "write_files"]

_MOST_EDITS = 200
_MOST_FAULTS = 20
_SHOWN_LINES = 6
_SHOWN_CHARS = 160
_COMPARED_LINES = 4_000


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One change of one file."""

    path: str
    """From the top of the repository."""

    find: str | None
    """The text that is replaced, found exactly once in the file; None replaces the whole file, or makes a new one."""

    replace: str
    """What stands there afterwards."""

    def to_json(self) -> dict[str, object]:
        """Plain values, which :meth:`from_json` reads."""
        return {"path": self.path, "find": self.find, "replace": self.replace}

    @classmethod
    def from_json(cls, value: object) -> Edit:
        """Read ``{path, find, replace}``, or ``{path, text}`` for a whole file.

        Raises:
            ValueError: It is something else.
        """
        if not is_mapping(value) or not isinstance(value.get("path"), str):
            raise ValueError(f"found {type(value).__name__} without a path, expected {{path, find, replace}}")
        given = {str(name) for name, part in value.items() if part is not None}
        find, replace = value.get("find"), value.get("text" if "text" in given else "replace")
        if given not in ({"path", "find", "replace"}, {"path", "replace"}, {"path", "text"}) or not (
            isinstance(replace, str) and (find is None or isinstance(find, str))
        ):
            found = ", ".join(sorted(given))
            raise ValueError(
                f"{value['path']}: found {found}, expected the texts path, find and replace, or path and text"
            )
        return cls(path=value["path"], find=find, replace=replace)


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What came of edits."""

    files: Mapping[str, str]
    """New text per changed or new file, by path; a file with a faulty edit keeps the edits before it."""

    faults: tuple[str, ...]
    """One per edit that could not be made, fit to be shown to whoever proposed it; empty when all is well."""


def apply_edits(
    files: Mapping[str, str],
    edits: Sequence[Edit],
    editable: Sequence[str],
    *,
    but_not: Sequence[str] = (),
    limits: Limits | None = None,
) -> Applied:
    r"""Apply edits in their order; a later one sees what an earlier one made.

    Line ends of a file are kept: an edit is written with ``\n`` and fits a file with ``\r\n`` as well. A file that is
    replaced whole keeps its kind of line ends, and whether its last line has one.

    Args:
        files: Text per path, of the files that exist; read with their line ends as they are.
        edits: What to change.
        editable: Patterns of the paths that may change, as :class:`tenward.loop.PathPatterns` reads them.
        but_not: Paths that may not change although one of them matches.
        limits: How large a file, and all changed ones together, may become.

    Raises:
        LoopError: A pattern of ``editable`` is none.
    """
    limits = limits or Limits()
    patterns = PathPatterns(editable, but=but_not)
    changed: dict[str, str] = {}
    faults: list[str] = []
    if not edits:
        faults.append("there are no edits: change at least one of the files that may be edited")
    if len(edits) > _MOST_EDITS:
        faults.append(f"there are {len(edits)} edits, of which at most {_MOST_EDITS} are read: change less at once")
    for edit in edits[:_MOST_EDITS]:
        old = changed.get(edit.path, files.get(edit.path))
        made = _path_fault(edit.path, patterns) or _text_fault(edit)
        new = old or ""
        if made is None:
            made, new = _whole(edit, old) if edit.find is None else _passage(edit, edit.find, old, files)
        made = made or _size_fault(edit.path, new, limits)
        if made is not None:
            faults.append(made)
        elif new != old:
            changed[edit.path] = new
    changed = {path: text for path, text in changed.items() if text != files.get(path)}
    if edits and not changed and not faults:
        faults.append("the edits change nothing: every file is as it was")
    if len(changed) > limits.files:
        faults.append(f"{len(changed):,} files are changed, at most {limits.files:,} may be")
    total = sum(len(text.encode("utf-8")) for text in changed.values())
    if total > limits.total_bytes:
        faults.append(f"the changed files have {total:,} bytes together, at most {limits.total_bytes:,} may be written")
    return Applied(files=changed, faults=tuple(faults[:_MOST_FAULTS]))


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write changed files into a worktree. No link is followed, so nothing outside of it can be reached.

    Args:
        folder: Top of the worktree.
        files: What :func:`apply_edits` returned.

    Raises:
        LoopError: A path leads through a link or a file, or names a folder, or cannot be written.
    """
    for path, text in files.items():
        names = path.split("/")
        if {"", ".", ".."} & set(names) or steers_git(path):
            raise LoopError(f"found the path {path!r}, expected one inside the worktree")
        at = folder
        for name in names[:-1]:
            at = at / name
            if at.is_symlink() or (at.exists() and not at.is_dir()):
                raise LoopError(f"{path}: found a link or a file at {name!r}, expected a folder")
            at.mkdir(exist_ok=True)
        # Not blocking, lest a pipe in the file's place holds us up.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(at / names[-1], flags, 0o644), "wb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise LoopError(f"{path}: found something else, expected a file")
                file.truncate()
                file.write(text.encode("utf-8"))
        except OSError as error:
            raise LoopError(
                f"{path}: cannot be written: {error.strerror}", hint="is it a link or a folder, or the disk full?"
            ) from error


def _path_fault(path: str, editable: PathPatterns) -> str | None:
    names = path.split("/")
    if {"", ".", ".."} & set(names) or "\0" in path or len(path) > 1000 or steers_git(path) or not path.isprintable():
        return f"{path[:100]!r} is no path of a file that may be edited"
    return None if editable.match(path) else f"{path} may not be edited"


def _text_fault(edit: Edit) -> str | None:
    for text in (edit.find or "", edit.replace):
        if "\0" in text:
            return f"{edit.path}: found a NUL character, expected text"
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return f"{edit.path}: found half a character (a lone surrogate), expected text"
    return None


def _size_fault(path: str, text: str, limits: Limits) -> str | None:
    size = len(text.encode("utf-8"))
    return None if size <= limits.file_bytes else f"{path} would have {size:,} bytes, at most {limits.file_bytes:,}"


def _whole(edit: Edit, old: str | None) -> tuple[str | None, str]:
    new = edit.replace.replace("\r\n", "\n")
    if old is None:
        return None, edit.replace
    if not new.strip() and old.strip():
        return f"{edit.path}: the new text is empty, expected the whole new file", ""
    if old:
        new = new.removesuffix("\n") if not old.endswith("\n") else new if new.endswith("\n") else f"{new}\n"
    return None, new.replace("\n", _line_end(old))


def _line_end(text: str) -> str:
    ends = text.count("\r\n")
    return "\r\n" if ends and 2 * ends >= text.count("\n") else "\n"


def _passage(edit: Edit, find: str, old: str | None, files: Mapping[str, str]) -> tuple[str | None, str]:
    if old is None:
        known = ", ".join(sorted(files)[:_SHOWN_LINES])
        return f"{edit.path} does not exist, so nothing can be found in it; the files are {known or 'none'}", ""
    text, wanted = old.replace("\r\n", "\n"), find.replace("\r\n", "\n")
    if not wanted:
        return f"{edit.path}: the text to find is empty, expected a passage of the file", ""
    at = text.find(wanted)
    if at < 0:
        return f"{edit.path}: the text to find is not in the file. {_nearest(text, wanted)}", ""
    places = _places(text, wanted, at)
    if len(places) > 1:
        lines = ", ".join(str(text.count("\n", 0, place) + 1) for place in places[:_SHOWN_LINES])
        more = "" if len(places) <= _SHOWN_LINES else ", …"
        where = f"is there more than once, at lines {lines}{more}. Give more of the lines around it."
        return f"{edit.path}: the text to find, {_quoted(wanted)}, {where}", ""
    begin, end = _as_in(old, at), _as_in(old, at + len(wanted))
    replaced = old[begin:end]
    line_end = _line_end(replaced if "\n" in replaced else old)
    return None, old[:begin] + edit.replace.replace("\r\n", "\n").replace("\n", line_end) + old[end:]


def _places(text: str, wanted: str, at: int) -> list[int]:
    """Every place, overlapping ones too, up to one more than is shown."""
    places: list[int] = []
    while at >= 0 and len(places) <= _SHOWN_LINES:
        places.append(at)
        at = text.find(wanted, at + 1)
    return places


def _as_in(old: str, at: int) -> int:
    r"""The place in a text whose ``\r\n`` count as one character that is ``at`` in the same text with ``\n``."""
    if "\r\n" not in old:
        return at
    seen = 0
    for found in re.finditer("\r\n", old):
        if found.start() - seen >= at:
            break
        seen += 1
    return at + seen


def _nearest(text: str, wanted: str) -> str:
    """Quote the lines of the file that are most like the text that was looked for."""
    lines = text.split("\n")
    looked_for = [line for line in wanted.split("\n") if line.strip()]
    if not looked_for:
        return "It is white space only."
    anchor = max(looked_for, key=len)
    offset = wanted.split("\n").index(anchor)
    stripped = [line.strip()[:_SHOWN_CHARS] for line in lines[:_COMPARED_LINES]]
    close = difflib.get_close_matches(anchor.strip()[:_SHOWN_CHARS], stripped, n=1, cutoff=0.5)
    if not close:
        return "No line of it is like the text; copy a passage from the file as it is now."
    row = stripped.index(close[0])
    first = max(0, row - offset)
    height = min(max(wanted.count("\n") + 1, 1), _SHOWN_LINES)
    first = max(first, row - height + 1)
    shown = "\n".join(
        f"{number}: {line[:_SHOWN_CHARS]}" for number, line in enumerate(lines[first : first + height], first + 1)
    )
    space = " ".join(wanted.split()) in " ".join(text.split())
    why = "It differs in white space only. " if space else ""
    return f"{why}The nearest lines are:\n{shown}"


def _quoted(text: str) -> str:
    line = next((line.strip() for line in text.split("\n") if line.strip()), "")
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
