from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenward.documents import parse_document
from tenward.judges import Judge, JudgeSpec, PanelSpec
from tenward.loop import LoopSpec
from tenward.rubrics import Rubric
from tenward.testing import ScriptedJudge

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks" / "README.md"]


def blocks(language: str) -> list[tuple[str, str]]:
    """Fenced blocks of all pages, with the page they stand in."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += [(page.name, block) for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]
    return found


def _script(monkeypatch: pytest.MonkeyPatch, scores: dict[str, float]) -> None:
    """Let every judge that is loaded be a scripted one."""

    def load(*_: object, **__: object) -> Judge:
        return ScriptedJudge(scores)

    monkeypatch.setattr(Judge, "load", load)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """A link between the pages names a file that exists."""
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("script", ["reference", "concepts"])
def test_what_scripts_write_is_current(script: str) -> None:
    """The reference pages, and the example and pictures of how a loop decides, are those of the present code."""
    done = subprocess.run(
        [sys.executable, f"scripts/{script}", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_every_yaml_example_loads(page: str, text: str) -> None:
    """A rubric, loop or judge that a reader copies from a page is valid."""
    if re.search(r"^loop:", text, re.MULTILINE):
        assert LoopSpec.parse(text, source=page).edit
    elif text.lstrip("# \n").startswith("rubric:") or "\nrubric:" in text:
        assert Rubric.parse(text, source=page).criteria
    elif "\npanel:" in text:
        assert parse_document(text, PanelSpec, page).panel
    else:
        assert parse_document(text, JudgeSpec, page).model


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The README's Python lines work as they stand, here with a scripted judge in place of the model."""
    scores = dict.fromkeys(Rubric.load("code-review").criteria, 4.0)
    _script(monkeypatch, scores)
    example = next(text for page, text in blocks("python") if page == "README.md")
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[0] == "8 0.8"


async def test_the_async_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's async lines work as they stand, here with a scripted judge in place of the model."""
    scores = dict.fromkeys(Rubric.load("code-review").criteria, 4.0)
    _script(monkeypatch, scores)
    example = [text for page, text in blocks("python") if page == "README.md"][1]
    body = "\n".join(f"    {line}" for line in example.splitlines())
    names: dict[str, Any] = {}
    exec(compile(f"async def run():\n{body}\n    return result", "README.md", "exec"), names)
    assert (await names["run"]()).quality == 8
