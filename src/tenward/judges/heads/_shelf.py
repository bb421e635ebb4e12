"""Where the heads of a judge lie, and which of them reads under a rubric: ``judges/heads/<judge>.<rubric>.json``."""

from __future__ import annotations

import glob
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenward.errors import DocumentError, Problem
from tenward.judges.heads._file import load_head
from tenward.judges.heads._head import Head

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.judges.heads._file import HeadFile, HeadFor
    from tenward.rubrics import Rubric
    from tenward.workspace import Library

__all__ = ["HeadInUse", "HeadShelf"]

_FOLDER = "heads"
_HINGES = {
    "model": "model file",
    "state": "kind of state",
    "prompt": "wording of the prompt",
    "rubric": "text of the rubric",
}
"""What a head hangs on, in words. The engine's version is not among them: states of two builds differ by rounding."""


@dataclass(frozen=True, kw_only=True)
class HeadInUse:
    """The head by which a judge reads under one rubric, if any."""

    head: Head | None = None
    path: Path | None = None
    """The file of the head."""

    note: str = ""
    """Why a head that there is was left alone, or what is to be known of the one in use; empty otherwise."""

    @property
    def digest(self) -> str:
        """Hash of the head, a component of the fingerprint; ``none`` without one."""
        return "none" if self.head is None else self.head.file.hash


@dataclass(frozen=True, kw_only=True)
class HeadShelf:
    """The folders that may hold heads of one judge, in the order in which they count."""

    folders: tuple[Path, ...]
    judge: str
    """The name of the judge's file, without its suffix."""

    left_out: Path | None = None
    """A head that is not looked at, though it lies there."""

    read: dict[Path, HeadFile] = field(default_factory=dict["Path", "HeadFile"], compare=False, repr=False)
    """Heads that were read: they stay in use when their files go, as the sealed copies of a loop do."""

    @classmethod
    def of(cls, library: Library, path: Path) -> HeadShelf:
        """That of the workspace, of the shipped library, and beside the judge's file.

        Args:
            library: Where to look.
            path: The judge's file.
        """
        places = [*(root / "judges" for root in library.roots), path.parent]
        return cls(folders=tuple(dict.fromkeys(place / _FOLDER for place in places)), judge=path.stem)

    def without(self, path: Path) -> HeadShelf:
        """The same shelf, but for one head."""
        return replace(self, left_out=path)

    def place(self, folder: Path, rubric: str) -> Path:
        """The file of the head for a rubric, by its name with or without version, in one of the folders."""
        return folder / f"{self.judge}.{rubric.partition('/')[0]}.json"

    def files(self) -> list[Path]:
        """The files of all heads of the judge; of two for the same rubric the one that counts."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted(folder.glob(f"{glob.escape(self.judge)}.*.json")):
                found.setdefault(path.name, path)
        return [path for _, path in sorted(found.items())]

    def under(self, rubric: Rubric, wanted: HeadFor) -> HeadInUse:
        """The first head that was fitted for this rubric and for such states.

        Args:
            rubric: The rubric.
            wanted: What the judge's states hang on.

        Raises:
            DocumentError: A file of that name is no head, is damaged, or reads other criteria than the rubric has.
        """
        passed = ""
        for folder in self.folders:
            path = self.place(folder, rubric.rubric)
            if path == self.left_out or not (path in self.read or path.exists() or path.is_symlink()):
                continue
            file = self.read.setdefault(path, self.read.get(path) or load_head(path))
            if unlike := _unlike(file, rubric, wanted):
                passed = passed or f"{path}: passed over, as the head for {file.head} was fitted for another {unlike}"
                continue
            _require_criteria(path, file, rubric)
            note = f"{passed}; {path} reads" if passed else ""
            other = file.fitted_for.engine
            if other != wanted.engine:
                now = wanted.engine or "no engine"
                note = f"{path}: the head was fitted to states of {other}, and is read with {now}"
            return HeadInUse(head=Head(file), path=path, note=note)
        return HeadInUse(note=f"{passed}; no head reads" if passed else "")


def _unlike(file: HeadFile, rubric: Rubric, wanted: HeadFor) -> str:
    """In what a head is not for this judge and rubric, in words; empty where it is."""
    if file.head != rubric.rubric:
        return f"rubric than {rubric.rubric}"
    told = [words for name, words in _HINGES.items() if getattr(file.fitted_for, name) != getattr(wanted, name)]
    return " and ".join(told)


def _require_criteria(path: Path, file: HeadFile, rubric: Rubric) -> None:
    unknown = sorted(set(file.criteria) - set(rubric.criteria))
    if not unknown and tuple(file.range) == (rubric.scale.lo, rubric.scale.hi):
        return
    problem = Problem(
        line=None,
        field="criteria" if unknown else "range",
        found=f"criteria {', '.join(unknown)}" if unknown else f"the scale {list(file.range)}",
        expected=f"the criteria and the scale of {rubric.rubric}, {', '.join(rubric.criteria)} from "
        f"{rubric.scale.lo} to {rubric.scale.hi}",
        hint="fit it again: tenward judge tune",
    )
    raise DocumentError(path, [problem])
