"""Telling a rubric from a judge where one was given for the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.documents import top_level_keys
from tenward.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["require_kind"]


def require_kind(path: Path, kind: str) -> None:
    """Refuse a judge file where a rubric is wanted, or the other way round.

    Args:
        path: A YAML file.
        kind: ``rubric`` or ``judge``.

    Raises:
        UsageError: The file is of the other kind; the hint is the command that shows it.
    """
    other = "judge" if kind == "rubric" else "rubric"
    keys = top_level_keys(path)
    if other in keys and kind not in keys:
        raise UsageError(f"{path}: found a {other}, expected a {kind}", hint=f"tenward {other} show {path}")
