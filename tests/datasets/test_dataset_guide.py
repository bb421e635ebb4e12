from __future__ import annotations

import re
from pathlib import Path

import pytest

from tenward.datasets import DataSet

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "datasets.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    """Return a fenced block of the guide."""
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return found[number]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a workspace made from the examples of the guide, as the current folder."""
    folder = tmp_path / "datasets"
    folder.mkdir()
    (folder / "commit-subjects.jsonl").write_text(block("jsonl"), encoding="utf-8")
    (folder / "commit-subjects.md").write_text(block("markdown"), encoding="utf-8")
    (folder / "table.csv").write_text(block("csv"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_lines_and_the_card_make_a_data_set(workspace: Path) -> None:
    """What a reader copies from the guide is valid, and the group of two cases is in one split."""
    data = DataSet.load("commit-subjects")
    data.validate()
    cases = {case.id: case for case in data.cases()}
    assert data.name == "commit-subjects/v1"
    assert cases["login-timeout"].split == cases["login-form"].split
    assert cases["csv-export"].references == ("Write a header row in CSV exports",)


def test_the_table_makes_a_data_set(workspace: Path) -> None:
    """The example of a spreadsheet gives two cases with all that it shows."""
    first, second = DataSet.load("table").cases()
    assert first.references == ("End idle sessions after 30 minutes", "Time out idle sessions")
    assert (first.human, second.human) == ({"clarity": 4}, {})
    assert second.input == "The export writes a header row, in English."


def test_the_python_lines_run(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The examples of reading and writing work as they stand."""
    exec(compile(block("python"), "datasets.md", "exec"), {})
    assert capsys.readouterr().out.startswith("commit-subjects/v1 {'dev': ")
    exec(compile(block("python", 1), "datasets.md", "exec"), {})
    assert DataSet.load("tickets").counts() == {"dev": 0, "sealed": 1}


def test_the_table_of_fields_is_complete() -> None:
    """The guide lists the keys that the reader of files knows, in its order."""
    assert re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE) == [
        *("id", "input", "output", "references", "context", "human", "group", "split")
    ]
