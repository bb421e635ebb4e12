"""The user's sources, cut into passages that a brief may quote."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.loop._index import TextIndex, terms_of
from tenward.loop._paths import PathPatterns, is_git_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Passage", "SourceLimits", "Sources", "read_sources", "read_texts"]

_HEADING = re.compile(r"#{1,6}\s+(\S.*)")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True)
class SourceLimits:
    """How much is read. What is beyond is left out, and counted in :attr:`Sources.left_out`."""

    files: int = 2_000
    file_bytes: int = 1_000_000
    total_bytes: int = 20_000_000
    passage_chars: int = 900
    """Passages are cut between paragraphs, before they get longer than this; a longer paragraph within."""

    visited: int = 50_000
    """Files and folders that are looked at."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A few paragraphs of a source."""

    path: str
    """From the top of the repository."""

    line: int
    """Where it begins, from 1."""

    heading: str
    """The last Markdown heading above it; empty where there is none."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What was read, ready to be searched."""

    passages: tuple[Passage, ...]
    """In the order of paths and lines."""

    left_out: int = 0
    """Files that were too large, too many, or no UTF-8 text."""

    _index: TextIndex = field(default_factory=TextIndex, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for passage in self.passages:
            self._index.add(terms_of(f"{passage.heading}\n{passage.text}"))

    def search(self, text: str, k: int) -> tuple[Passage, ...]:
        """The ``k`` passages nearest to ``text`` by BM25, best first; fewer where fewer share a word with it."""
        return tuple(self.passages[number] for number, _ in self._index.search(terms_of(text), k))


def read_sources(top: Path, patterns: Sequence[str], *, limits: SourceLimits | None = None) -> Sources:
    """Read the files that match, and cut them into passages. Links are not followed.

    Args:
        top: Folder the patterns start from.
        patterns: As :class:`tenward.loop.PathPatterns` reads them.
        limits: How much is read.

    Raises:
        LoopError: A pattern is no path below ``top``.
    """
    limits = limits or SourceLimits()
    texts, left_out = read_texts(top, patterns, limits=limits)
    passages = [
        passage
        for path, text in texts.items()
        for passage in _cut(text.removeprefix("\ufeff"), path, limits.passage_chars)
    ]
    return Sources(passages=tuple(passages), left_out=left_out)


def read_texts(top: Path, patterns: Sequence[str], *, limits: SourceLimits | None = None) -> tuple[dict[str, str], int]:
    """Read the files that match as text, with their line ends as they are. Links are not followed.

    Args:
        top: Folder the patterns start from.
        patterns: As :class:`tenward.loop.PathPatterns` reads them.
        limits: How much is read.

    Returns:
        Text per path, in the order of the paths, and how many files were left out: too large, too many, or not UTF-8.

    Raises:
        LoopError: A pattern is no path below ``top``.
    """
    limits = limits or SourceLimits()
    texts: dict[str, str] = {}
    left_out = total = 0
    for path in _matching(top, patterns, limits.visited):
        raw = _read(top / path, limits.file_bytes)
        if raw is None or len(texts) >= limits.files or total + len(raw) > limits.total_bytes:
            left_out += 1
            continue
        try:
            texts[path] = raw.decode("utf-8")
        except UnicodeDecodeError:
            left_out += 1
            continue
        total += len(raw)
    return texts, left_out


def _cut(text: str, path: str, most: int) -> Iterator[Passage]:
    """Cut a text at blank lines and before headings; short neighbours under one heading stay together."""
    heading = above = ""
    begun, held = 1, ""
    for line, block in _blocks(text):
        title = _HEADING.match(block)
        if held and (title or len(held) + len(block) + 2 > most):
            yield Passage(path=path, line=begun, heading=above, text=held)
            held = ""
        if title:
            heading = title[1].strip()
        if not held:
            begun, above = line, heading
        held = f"{held}\n\n{block}" if held else block
        while len(held) > most:
            end = held.rfind(" ", most // 2, most) + 1 or most
            yield Passage(path=path, line=begun, heading=above, text=held[:end].rstrip())
            begun += held.count("\n", 0, end)
            held = held[end:]
    if held.strip():
        yield Passage(path=path, line=begun, heading=above, text=held)


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Runs of lines without a blank one, a heading by itself with what follows it, each with its first line."""
    lines: list[str] = []
    first = 1
    for number, line in enumerate(text.splitlines(), 1):
        blank = not line.strip()
        if lines and (blank or _HEADING.match(line)):
            yield first, "\n".join(lines)
            lines = []
        if not blank:
            if not lines:
                first = number
            lines.append(line.rstrip())
    if lines:
        yield first, "\n".join(lines)


def _matching(top: Path, patterns: Sequence[str], most: int) -> Iterator[str]:
    """Matching files in the order of their names; only folders that can hold one are entered."""
    wanted = PathPatterns(patterns)
    found: dict[str, None] = {}
    left = most
    for start in sorted({_start(pattern) for pattern in patterns}):
        for path in _files_below(top, start):
            left -= 1
            if left < 0:
                break
            if wanted.match(path):
                found[path] = None
    yield from sorted(found)


def _start(pattern: str) -> str:
    """The folder or file that a pattern leads to before its first wildcard."""
    names = pattern.split("/")
    plain = next((index for index, name in enumerate(names) if _WILD.search(name)), len(names))
    return "/".join(names[:plain]).rstrip("/")


def _files_below(top: Path, start: str) -> Iterator[str]:
    at = Path(top)
    for name in start.split("/") if start else ():
        at = at / name
        if at.is_symlink() or is_git_folder(name):
            return
    if at.is_file():
        yield start
        return
    for folder, folders, names in os.walk(at):
        folders[:] = sorted(name for name in folders if not is_git_folder(name))
        for name in sorted(names):
            path = Path(folder, name)
            if not path.is_symlink():
                yield path.relative_to(top).as_posix()


def _read(path: Path, most: int) -> bytes | None:
    """The bytes of a regular file; None where there is none to be read, or it is too large."""
    try:
        if not path.is_file() or path.stat().st_size > most:
            return None
        raw = path.read_bytes()
    except OSError:
        return None
    return raw if len(raw) <= most and b"\0" not in raw[:8192] else None
