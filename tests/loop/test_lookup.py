from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tenward.loop import LoopSpec
from tenward.loop.proposers import proposer_fault

if TYPE_CHECKING:
    from pathlib import Path

LOOP = "loop: demo/v1\ngoal: Better.\nedit: [skill.md]\npropose: {{python: '{}', {}}}\nscore: {{rubric: skill}}\n"


def fault(top: Path, function: str, *, allow: str = "allow: {}") -> str:
    """Return what stands against a function and what to do; empty where nothing does."""
    found = proposer_fault(LoopSpec.parse(LOOP.format(function, allow)), top)
    return "" if found is None else f"{found.message}; {found.hint}"


def write(top: Path, path: str, text: str) -> None:
    """Write a module that leaves a trace when it is run."""
    (top / path).parent.mkdir(parents=True, exist_ok=True)
    trace = f"open({str(top / 'ran')!r}, 'w')"
    (top / path).write_text(f"{text}\n{trace}\n")


@pytest.mark.parametrize(
    "text",
    [
        "def main(brief): ...",
        "async def main(brief): ...",
        "class main: ...",
        "main = print",
        "from json import dumps as main",
        "if True:\n    try:\n        def main(brief): ...\n    finally:\n        pass",
        "with open('x') as main: ...",
        "def fill():\n    global main\n    main = print",
        "from json import *",
        "def __getattr__(name): ...",
        "globals()['main'] = print",
    ],
)
def test_a_function_that_is_there_or_may_be_is_taken(tmp_path: Path, text: str) -> None:
    """However a module comes by the name, and though it can be told only by running it, which nobody does."""
    write(tmp_path, "ideas/propose.py", text)
    assert fault(tmp_path, "ideas.propose:main") == ""
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("path", "text", "expected", "hint"),
    [
        ("other.py", "", "expected a package 'ideas' in ", "write ideas/propose.py, from the top of the repository"),
        ("ideas/__init__.py", "", "expected a module 'ideas.propose' in ", "or install it"),
        ("ideas.py", "", "expected 'ideas' to be a package", "'ideas.propose' cannot be inside it"),
        ("ideas/propose/more.py", "", "expected 'ideas.propose' to be a module", "such as ideas.propose.propose:main"),
        ("ideas/propose.py", "def other(): ...", "expected a function 'main' in ideas/propose.py", "is it spelt"),
        ("ideas/propose.py", "def main(:", "expected ideas/propose.py to be Python that can be read", ", line 1"),
        ("ideas/propose.py", "x = '\0'", "expected ideas/propose.py to be Python that can be read", "null bytes"),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, path: str, text: str, expected: str, hint: str) -> None:
    """A package, a module, a function or its Python: the message names which, and no module was run for it."""
    write(tmp_path, path, text)
    told = fault(tmp_path, "ideas.propose:main")
    assert told.startswith(f"propose.python: found 'ideas.propose:main', {expected}")
    assert hint in told
    assert not (tmp_path / "ran").exists()


def test_a_package_of_folders_alone_is_found(tmp_path: Path) -> None:
    """A package may do without files of its own at any depth, as Python has it."""
    write(tmp_path, "one/two/three.py", "class Maker:\n    def main(brief): ...")
    assert fault(tmp_path, "one.two.three:Maker.main") == ""


def test_an_installed_module_is_found(tmp_path: Path) -> None:
    """The function may come from anywhere that Python looks, also from where no text is."""
    assert fault(tmp_path, "sys:exit") == ""
    assert fault(tmp_path, "tenward.documents:load_document") == ""
    assert "a function 'nothing' in /" in fault(tmp_path, "tenward.documents:nothing")


def test_a_folder_that_only_an_allowed_variable_names_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function is looked for with the variables it will be called with, and with no others."""
    write(tmp_path, "elsewhere/mine.py", "def main(brief): ...")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    assert "expected a module 'mine'" in fault(tmp_path, "mine:main")
    assert fault(tmp_path, "mine:main", allow="allow: {env: [PYTHONPATH]}") == ""


def test_a_python_that_says_nothing_is_no_fault_of_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the search itself fails, the call will show what is wrong."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert fault(tmp_path, "mine:main") == ""


def test_who_is_no_function_is_not_looked_for(tmp_path: Path) -> None:
    """A command has nothing to find here."""
    spec = LoopSpec.parse(LOOP.format("a:b", "").replace("python: 'a:b'", "command: cat"))
    assert proposer_fault(spec, tmp_path) is None
