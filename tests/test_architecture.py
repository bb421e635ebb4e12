from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tenward

SOURCE = Path(tenward.__file__).parent
REPOSITORY = SOURCE.parent.parent
MODULES = sorted(SOURCE.rglob("*.py"))

FOUNDATION = {"errors", "guards", "containment", "database", "documents", "workspace", "processes"}
LEVELS = [
    {"errors", "guards"},
    {"containment"},
    {"database", "documents", "workspace", "processes"},
    {"rubrics", "datasets"},
    {"judges", "metrics"},
    {"evaluation"},
    {"decisions", "reports", "sight", "tracing"},
    {"loop"},
    {"cli", "pytest_plugin"},
    {"__main__"},
]
RANK = {part: rank for rank, level in enumerate(LEVELS) for part in level}
ONLY_FOR_THE_COMMAND_LINE = {"reports", "tracing"}
HEAVY = {
    "git",
    "httpx2",
    "huggingface_hub",
    "instructor",
    "nltk",
    "numpy",
    "openai",
    "pydantic",
    "rich",
    "xllamacpp",
    "yaml",
}


def name_of(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = ("tenward", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """Return the part of the package a module belongs to: its sub-package or top module; empty for the root."""
    return module.split(".")[1] if "." in module else ""


def imports_of(path: Path) -> set[str]:
    """Return the dotted names of Tenward's own modules that a file imports, wherever and under whatever condition."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            # `from tenward import rubrics` names a part in its list of names.
            found |= {f"tenward.{alias.name}" for alias in node.names} if module == "tenward" else {module}
    return {name for name in found if name.split(".")[0] == "tenward"}


def may_import(part: str, other: str) -> bool:
    """Whether a part may know another: only what lies lower, with the rules for the parts on the side."""
    if part == other:
        return True
    if other == "testing":
        return False
    if part == "testing":
        return other != "cli"
    if other in ONLY_FOR_THE_COMMAND_LINE and part != "cli":
        return False
    if part in ONLY_FOR_THE_COMMAND_LINE:
        return RANK[other] <= RANK["evaluation"]
    return RANK[other] < RANK[part]


def packages() -> list[str]:
    """Return the dotted names of all sub-packages."""
    return sorted(name_of(path) for path in MODULES if path.name == "__init__.py" and path.parent != SOURCE)


def ruff_order(name: str) -> tuple[int, list[tuple[int, int, str]]]:
    """Return the key ruff sorts ``__all__`` by: CONSTANTS, Classes, others; numbers in a name by their value."""
    group = 0 if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) and len(name) > 1 else 1 if name[:1].isupper() else 2
    pieces = re.findall(r"\d+|\D+", name)
    return group, [(0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in pieces]


def declared_names(module: ModuleType) -> list[str]:
    """Return the literal ``__all__`` of a module's source, in the order of writing."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    pytest.fail(f"{module.__name__} has no __all__")


def test_every_part_has_its_place_in_the_order() -> None:
    """A new sub-package or top module must be given a place before anything can import it."""
    parts = {part_of(name_of(path)) for path in MODULES} - {""}
    assert parts - set(RANK) == {"testing"}
    assert RANK.keys() >= FOUNDATION


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path: Path) -> None:
    """A module imports only lower parts, for typing as well; nothing but the package's root is imported by name."""
    part = part_of(name_of(path))
    if part:
        wrong = [name for name in sorted(imports_of(path)) if not may_import(part, part_of(name))]
        assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_private_modules_stay_inside_their_part(path: Path) -> None:
    """What another part may use is what the sub-package exposes, never one of its private modules."""
    part = part_of(name_of(path))
    foreign = [name for name in imports_of(path) if part_of(name) != part]
    assert [name for name in foreign if any(piece.startswith("_") for piece in name.split("."))] == []


@pytest.mark.parametrize("name", packages())
def test_a_package_exposes_exactly_its_sorted_all(name: str) -> None:
    """Each ``__all__`` is sorted as ruff sorts it, has no name twice, and is the whole public face."""
    module = importlib.import_module(name)
    declared = declared_names(module)
    assert declared == sorted(set(declared), key=ruff_order)
    exposed = {
        attribute
        for attribute, value in vars(module).items()
        if not attribute.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", "") != "__future__"
        and attribute != "TYPE_CHECKING"
    }
    assert exposed <= set(declared)
    assert [attribute for attribute in declared if not hasattr(module, attribute)] == []


def test_the_root_exposes_its_names_lazily() -> None:
    """Every name of ``tenward.__all__`` resolves; an unknown one is an ordinary attribute error."""
    declared = declared_names(tenward)
    assert declared == sorted(set(declared), key=ruff_order)
    for name in declared:
        assert getattr(tenward, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'tenward' has no attribute 'scoer'"):
        _ = tenward.scoer


def test_the_root_declares_for_type_checkers_what_it_resolves() -> None:
    """The imports under TYPE_CHECKING are the names of ``__all__``, so editors and run time agree."""
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tenward.")
        for alias in node.names
    }
    assert sorted(typed) == sorted(tenward.__all__)
    for name, module in typed.items():
        assert getattr(importlib.import_module(str(module)), name) is getattr(tenward, name)


def test_every_module_can_be_imported() -> None:
    """No module needs an optional package to be imported."""
    for found in pkgutil.walk_packages([str(SOURCE)], "tenward."):
        importlib.import_module(found.name)


@pytest.mark.parametrize("folder", ["rubrics", "judges", "datasets", "loop", "reports"])
def test_content_folders_hold_no_code(folder: str) -> None:
    """Rubrics, judges and the other content at the top of the repository are data."""
    assert list((REPOSITORY / folder).rglob("*.py")) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_stay_short(path: Path) -> None:
    """A module of more than 450 lines holds more than one idea."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450


@pytest.mark.parametrize("statement", ["import tenward", "import tenward.cli", "import tenward.pytest_plugin"])
def test_start_up_loads_nothing_heavy(statement: str) -> None:
    """Importing the package or its command line loads none of the large dependencies."""
    script = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert HEAVY & set(ended.stdout.split()) == set()
