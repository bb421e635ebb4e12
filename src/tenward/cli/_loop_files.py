"""The files of loops, by the names that they give their loops."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenward.workspace import Library

__all__ = ["declared_name", "loop_files", "same_name"]

_NAME = re.compile(r"""^loop: *["']?([a-z0-9][a-z0-9.-]*)(?:/v[0-9]+)?["']?[ \t]*(?:#.*)?$""", re.MULTILINE)
_MOST_BYTES = 1_000_000


def declared_name(path: Path) -> str:
    """The name in a loop's file, without its version; empty where it is not plain to see."""
    try:
        with path.open("rb") as file:
            found = _NAME.search(file.read(_MOST_BYTES).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return ""
    return "" if found is None else found[1]


def loop_files(root: Path) -> Mapping[Path, str]:
    """The files of loops in a library's folder, with the name that each gives its loop; a file of two names once."""
    folder = root / "loop"
    files = [path for form in ("?*.yaml", "?*.yml", "?*/loop.yaml") for path in folder.glob(form)]
    once = {path.resolve(): path for path in sorted(files, reverse=True) if path.is_file()}
    return {path: declared_name(path) for path in sorted(once.values())}


def same_name(source: Path, name: str, library: Library) -> tuple[Path, ...]:
    """All files of the folder that holds a loop's file which give their loop the same name, that file included.

    Args:
        source: The loop's file.
        name: The name it gives its loop.
        library: Whose folders are looked at.
    """
    for root in library.roots:
        files = loop_files(root)
        if source in {path.resolve() for path in files}:
            return tuple(path.resolve() for path, other in files.items() if other == name)
    return (source,)
