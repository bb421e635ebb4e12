"""A program that says what stands in the way of a dotted name, with none of what it stands for run.

It is started with the Python, the variables and the folders with which the name will be imported, and uses nothing but
the standard library: ``python -P _whereabouts.py package.module:function FOLDER…``.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["obstacle"]

# What writes names into a module that its text does not show.
_HIDDEN = {"*", "__getattr__", "exec", "globals", "locals", "setattr", "vars"}


def obstacle(target: str) -> dict[str, str]:
    """What stands in the way of ``package.module:function``, by kind; empty where nothing does, or nobody can tell."""
    module, _, name = target.partition(":")
    parts = module.split(".")
    for count in range(1, len(parts)):
        package = ".".join(parts[:count])
        found = importlib.util.find_spec(package)
        if found is None:
            return {"missing": package}
        if found.submodule_search_locations is None:
            return {"no_package": package}
        # Python looks for a.b in what importing a makes of itself; a module without content stands for it here.
        stand_in = ModuleType(package)
        stand_in.__path__ = list(found.submodule_search_locations)
        stand_in.__spec__ = found
        sys.modules[package] = stand_in
    found = importlib.util.find_spec(module)
    if found is None:
        return {"missing": module}
    if found.origin is None:
        return {"folder": module}
    return _in_file(found, found.origin, name.partition(".")[0]) if found.origin.endswith(".py") else {}


def _in_file(found: ModuleSpec, file: str, name: str) -> dict[str, str]:
    try:
        tree = ast.parse(Path(file).read_bytes())
    except SyntaxError as error:
        return {"file": file, "fault": f"{error.msg}, line {error.lineno}"}
    except (OSError, ValueError) as error:
        return {"file": file, "fault": str(error)}
    names = set(_bound(tree.body))
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    declared = {one for node in ast.walk(tree) if isinstance(node, ast.Global) for one in node.names}
    if name in names | declared or _HIDDEN & (names | read):
        return {}
    inside = found.submodule_search_locations
    if inside is not None and PathFinder.find_spec(name, list(inside)) is not None:
        return {}
    return {"file": file, "without": name}


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """The names that statements bind, those inside of conditions, loops and tries included."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield part.name
            elif isinstance(part, ast.Import | ast.ImportFrom):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in part.names)
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


if __name__ == "__main__":
    sys.path[:0] = sys.argv[2:]
    print(json.dumps(obstacle(sys.argv[1])))
