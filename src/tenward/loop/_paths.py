"""Paths in a candidate: which ones may change, which ones git or another file system would take for something else."""

from __future__ import annotations

import re
import unicodedata
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tenward.errors import LoopError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["PathPatterns", "collisions", "folders_of", "is_git_folder", "steers_git"]

# Characters that HFS+ does not see in a name.
_UNSEEN = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
_STEERING = {".gitattributes", ".gitmodules"}
# The short names that Windows gives to .git, .gitmodules and .gitattributes.
_SHORT_FOLDER = re.compile(r"git~[0-9]+")
_SHORT_STEERING = re.compile(r"(gitmod|gitatt|gi7eba|gi7d29)~[0-9]+")


class PathPatterns:
    """Patterns such as ``prompts/*.md`` or ``skill/**``, matched against whole paths from the top of the repository.

    ``*``, ``?`` and ``[…]`` stay within one name, ``**`` stands for any number of folders, a final ``/`` for
    everything below. Case counts. A name that begins with a dot is matched like any other.

    Args:
        patterns: The patterns.
        but: Paths that none of them matches.

    Raises:
        LoopError: A pattern is empty, absolute, or holds ``.``, ``..`` or an empty name.
    """

    def __init__(self, patterns: Iterable[str], *, but: Iterable[str] = ()) -> None:
        self._patterns = [_split(pattern) for pattern in patterns]
        self._but = frozenset(but)

    def match(self, path: str) -> bool:
        """Whether any of the patterns matches ``path``."""
        names = path.split("/")
        return path not in self._but and any(_matches(names, pattern) for pattern in self._patterns)


def _split(pattern: str) -> list[str]:
    names = (f"{pattern}**" if pattern.endswith("/") else pattern).split("/")
    if {"", ".", ".."} & set(names):
        raise LoopError(
            f"found the path pattern '{pattern}', expected a path from the top of the repository",
            hint="write for example 'prompts/subject.md', 'prompts/*.md' or 'skill/**'",
        )
    # So that `skill/**` is everything below the folder, but not a file named `skill`.
    return [*names, "*"] if names[-1] == "**" else names


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Match greedily, going back to the last ``**`` only: no input makes this slow."""
    at = step = 0
    last: tuple[int, int] | None = None
    while at < len(names):
        if step < len(pattern) and pattern[step] == "**":
            last = (step, at)
            step += 1
        elif step < len(pattern) and fnmatchcase(names[at], pattern[step]):
            at, step = at + 1, step + 1
        elif last is not None:
            last = (last[0], last[1] + 1)
            step, at = last[0] + 1, last[1]
        else:
            return False
    return step == len(pattern)


def _as_other_systems_see_it(name: str) -> list[str]:
    """A name as HFS+ and Windows read it; several where Windows sees a backslash as the end of a folder's name."""
    seen = name.translate(_UNSEEN).casefold()
    return [piece.partition(":")[0].rstrip(" .") for piece in seen.split("\\")]


def is_git_folder(name: str) -> bool:
    """Whether a name is ``.git``, or would be on another file system."""
    return any(piece == ".git" or _SHORT_FOLDER.fullmatch(piece) for piece in _as_other_systems_see_it(name))


def steers_git(path: str) -> bool:
    """Whether a path holds a name that git obeys, ``.git`` included, on this or another file system."""
    return any(
        is_git_folder(name)
        or any(piece in _STEERING or _SHORT_STEERING.fullmatch(piece) for piece in _as_other_systems_see_it(name))
        for name in path.split("/")
    )


def collisions(added: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """Added paths that some file system takes for another path, with that other path.

    Two paths collide if they, or two of their folders, differ only in case, in Unicode normalisation or in
    characters that a file system does not see.
    """
    spellings: dict[str, set[str]] = {}
    for path in others:
        for part in (*folders_of(path), path):
            spellings.setdefault(_folded(part), set()).add(part)
    found: dict[str, str] = {}
    for path in added:
        for part in (*folders_of(path), path):
            same = spellings.setdefault(_folded(part), {part})
            if part not in same:
                found[path] = min(same)
    return found


def folders_of(path: str) -> list[str]:
    """The folders a path leads through, from the top."""
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    folded = unicodedata.normalize("NFD", path.translate(_UNSEEN)).casefold()
    return unicodedata.normalize("NFC", folded)
