"""Where content lives: the user's workspace first, then the library that ships with Tenward."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from tenward.errors import UnknownNameError, UsageError

__all__ = ["CONTENT_FOLDERS", "Library", "require_version"]

CONTENT_FOLDERS = ("rubrics", "judges", "datasets", "loop", "reports")
_SUFFIXES = {"rubrics": (".yaml", ".yml"), "judges": (".yaml", ".yml"), "loop": (".yaml", ".yml")}


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
        holds a content folder with at least one file of its kind.

        Raises:
            UsageError: The current folder is gone.
        """
        try:
            here = (start or Path.cwd()).resolve()
        except FileNotFoundError:
            raise UsageError("the current folder does not exist any more", hint="change to another folder") from None
        shipped = _shipped()
        for folder in (here, *here.parents):
            if folder != shipped and _is_workspace(folder):
                return cls(roots=(folder, shipped))
            if (folder / ".git").exists():
                break
        return cls(roots=(shipped,))

    @property
    def shipped(self) -> Path:
        """Root of the content that came with the installation."""
        return self.roots[-1]

    def names(self, folder: str) -> dict[str, Path]:
        """All content of one folder by name, the workspace shadowing the shipped library."""
        found: dict[str, Path] = {}
        for root in reversed(self.roots):
            for path in sorted((root / folder).glob("*")):
                if path.suffix in _SUFFIXES[folder] and path.is_file():
                    found[path.stem] = path
        return dict(sorted(found.items()))

    def is_workspace_s(self, path: Path) -> bool:
        """Whether a file found by name is the workspace's and not a shipped one."""
        return path.parent.parent != self.shipped

    def shadows(self, folder: str, path: Path) -> bool:
        """Whether a file found by name stands for a shipped one that says something else."""
        shipped = Library(roots=(self.shipped,)).names(folder).get(path.stem)
        return shipped is not None and shipped != path and shipped.read_bytes() != path.read_bytes()

    def find(self, folder: str, name: str | Path) -> Path:
        """The file for ``name``: a path is used as it is, a plain name is looked up.

        Raises:
            UnknownNameError: Neither a file nor a known name.
        """
        path = Path(name)
        looks_like_path = isinstance(name, Path) or path.suffix in _SUFFIXES[folder] or len(path.parts) > 1
        if looks_like_path and _is_file(path):
            return path
        if looks_like_path and not _is_versioned(str(name)):
            raise UnknownNameError(
                f"{name}: found a folder, expected a YAML file" if _is_folder(path) else f"{name}: no such file",
                hint=f"give the path of a YAML file, or one of the names: {', '.join(self.names(folder))}",
            )
        known = self.names(folder)
        stem = str(name).partition("/")[0]
        if stem in known:
            return known[stem]
        close = difflib.get_close_matches(stem, known, n=1)
        kind = folder.removesuffix("s")
        raise UnknownNameError(
            f"found no {kind} named '{name}', expected one of: {', '.join(known) or '(none)'}",
            hint=f"did you mean '{close[0]}'?" if close else "a path to a YAML file works too",
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


def _is_workspace(folder: Path) -> bool:
    try:
        return any(
            path.suffix in suffixes for name, suffixes in _SUFFIXES.items() for path in (folder / name).glob("*.y*ml")
        )
    except OSError:
        return False  # a folder that cannot be read is nobody's workspace


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
