"""Files that programs load by themselves, without being told to: a new one could take over a check or a scorer."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["loaded_unasked"]

_NAMES = re.compile(
    r"conftest\.py|pytest\.ini|tox\.ini|setup\.cfg|setup\.py|pyproject\.toml|(?:site|user)customize\.py|.*\.pth"
    r"|package\.json|\.(?:npmrc|babelrc|mocharc|eslintrc)(?:\..*)?|(?:jest|vitest|vite|babel)\.config\..*"
    r"|(?:GNU)?[Mm]akefile|\.envrc?|\.coveragerc|\.python-version|\.tool-versions|build\.rs|\.cargo",
)


def loaded_unasked(added: Iterable[str], named: Iterable[str]) -> str:
    """Why an attempt may not add one of these files; empty where it may.

    Args:
        added: Paths of new files.
        named: What the loop's ``edit`` names; what stands there without a wildcard may be added.
    """
    known = frozenset(named)
    for path in added:
        if path in known:
            continue
        *folders, name = path.split("/")
        if any(_NAMES.fullmatch(part) for part in (*folders, name)):
            return f"{path}: is new, and other programs load it by themselves; edit must name it without a wildcard"
        stem = name.removesuffix(".py") if name.endswith(".py") else ""
        shadow = next((part for part in (*folders, stem) if part in sys.stdlib_module_names), "")
        if shadow and (stem == shadow or name == "__init__.py"):
            return f"{path}: is new, and stands in for Python's own {shadow}; edit must name it without a wildcard"
    return ""
