"""Where content lives: the user's workspace first, then the library that ships with Tenward."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from tenward.errors import UnknownNameError, UsageError

__all__ = ["CONTENT_FOLDERS", "Library", "require_version"]

CONTENT_FOLDERS = ("rubrics", "judges", "datasets", "loop", "reports")
_YAML = (".yaml", ".yml")
# Where two files of one folder have the same name, the suffix that comes first here wins.
_SUFFIXES = {"rubrics": _YAML, "judges": _YAML, "loop": _YAML, "datasets": (".jsonl", ".jsonl.gz", ".csv")}
# A loop may be a folder, named as the loop is, with this file and the artefact it starts from.
_FOLDER_FILES = {"loop": "loop.yaml"}
# Files that stand beside a judge's, under its name, and are none themselves.
_BESIDE = {"judges": ".scale"}
_KINDS = {"rubrics": "rubric", "judges": "judge", "loop": "loop", "datasets": "data set"}


def _shipped() -> Path:
    package = Path(__file__).resolve().parent
    packed = package / "_content"
    return packed if packed.is_dir() else package.parent.parent


@dataclass(frozen=True, kw_only=True)
class Library:
    """Folders that hold content, in look-up order."""

    roots: tuple[Path, ...]
    """Each holds some of the folders ``rubrics judges datasets loop reports``."""

    @classmethod
    def discover(cls, start: Path | None = None) -> Library:
        """The workspace around ``start`` (default: the current folder), then the shipped library.

        The workspace is the nearest folder, from ``start`` upwards and not past the repository's top level, that
        holds a content folder with at least one YAML file. Where there is none, it is the nearest folder whose
        ``datasets`` holds a data set: many projects have a folder of that name, so it is the weaker sign.

        Raises:
            UsageError: The current folder is gone.
        """
        try:
            here = (start or Path.cwd()).resolve()
        except FileNotFoundError:
            raise UsageError("the current folder does not exist any more", hint="change to another folder") from None
        shipped = _shipped()
        weaker: Path | None = None
        for folder in (here, *here.parents):
            if folder != shipped:
                if any(_holds(folder, name) for name, suffixes in _SUFFIXES.items() if suffixes == _YAML):
                    return cls(roots=(folder, shipped))
                if weaker is None and _holds(folder, "datasets"):
                    weaker = folder
            if (folder / ".git").exists():
                break
        return cls(roots=(weaker, shipped) if weaker else (shipped,))

    @property
    def shipped(self) -> Path:
        """Root of the content that came with the installation."""
        return self.roots[-1]

    def names(self, folder: str) -> dict[str, Path]:
        """All content of one folder by name, the workspace shadowing the shipped library."""
        found: dict[str, Path] = {}
        for root in reversed(self.roots):
            if folder in _FOLDER_FILES:
                for path in (root / folder).glob(f"?*/{_FOLDER_FILES[folder]}"):
                    if path.is_file():
                        found[path.parent.name] = path
            for suffix in reversed(_SUFFIXES[folder]):
                for path in (root / folder).glob(f"?*{suffix}"):
                    if (stem := _stem(folder, path)) and path.is_file():
                        found[stem] = path
        return dict(sorted(found.items()))

    def is_workspace_s(self, path: Path) -> bool:
        """Whether a file found by name is the workspace's and not a shipped one."""
        root = path.parent.parent
        if _FOLDER_FILES.get(root.name) == path.name:
            root = root.parent
        return root != self.shipped

    def shadows(self, folder: str, path: Path) -> bool:
        """Whether a file found by name stands for a shipped one that says something else."""
        shipped = Library(roots=(self.shipped,)).names(folder).get(_stem(folder, path))
        return shipped is not None and shipped != path and shipped.read_bytes() != path.read_bytes()

    def find(self, folder: str, name: str | Path) -> Path:
        """The file for ``name``: a path is used as it is, a plain name is looked up.

        Raises:
            UnknownNameError: Neither a file nor a known name.
        """
        path = Path(name)
        file = "a JSONL or CSV file" if folder == "datasets" else "a YAML file"
        looks_like_path = isinstance(name, Path) or path.name.endswith(_SUFFIXES[folder]) or len(path.parts) > 1
        if looks_like_path and _is_file(path):
            return path
        if looks_like_path and folder in _FOLDER_FILES and _is_file(path / _FOLDER_FILES[folder]):
            return path / _FOLDER_FILES[folder]
        if looks_like_path and not _is_versioned(str(name)):
            raise UnknownNameError(
                f"{name}: found a folder, expected {file}" if _is_folder(path) else f"{name}: no such file",
                hint=f"give the path of {file}, or one of the names: {', '.join(self.names(folder))}",
            )
        known = self.names(folder)
        stem = str(name).partition("/")[0]
        if stem in known:
            return known[stem]
        close = difflib.get_close_matches(stem, known, n=1)
        raise UnknownNameError(
            f"found no {_KINDS[folder]} named '{name}', expected one of: {', '.join(known) or '(none)'}",
            hint=f"did you mean '{close[0]}'?" if close else f"a path to {file} works too",
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long for a name
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _holds(root: Path, folder: str) -> bool:
    try:
        return any(_stem(folder, path) for path in (root / folder).glob("*"))
    except OSError:
        return False  # a folder that cannot be read is nobody's workspace


def _stem(folder: str, path: Path) -> str:
    """The name by which a file of a content folder is found; empty for a file or folder that is no content."""
    inside = _FOLDER_FILES.get(folder, "")
    if inside and path.name == inside:
        return path.parent.name
    if inside and _is_file(path / inside):
        return path.name
    suffix = next((suffix for suffix in _SUFFIXES[folder] if path.name.endswith(suffix)), "")
    stem = path.name.removesuffix(suffix) if suffix else ""
    return "" if folder in _BESIDE and stem.endswith(_BESIDE[folder]) else stem


def _is_versioned(name: str) -> bool:
    stem, _, version = name.partition("/")
    return bool(stem) and version[:1] == "v" and version[1:].isdigit()


def require_version(asked: str | Path, declared: str, path: Path) -> None:
    """Refuse a file whose version is not the one that was asked for by name.

    Raises:
        UnknownNameError: ``asked`` is ``name/vN`` and the file declares another version.
    """
    if _is_versioned(str(asked)) and not _is_file(Path(asked)) and str(asked) != declared:
        raise UnknownNameError(
            f"{path}: found {declared}, expected {asked}",
            hint=f"ask for '{declared}', or for '{str(asked).partition('/')[0]}' to take any version",
        )
