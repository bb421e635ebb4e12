from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from tenward.cli._demo_loop import make_repository
from tenward.errors import EngineError
from tenward.judges import Judge
from tenward.judges.models import ModelStore
from tenward.rubrics import Rubric
from tenward.testing import ScriptedJudge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.datasets import Case
    from tenward.workspace import Library

    Run = Callable[..., CompletedProcess[str]]


def scores(case: Case) -> dict[str, float]:
    """Give the revision that uses a regular expression 4 on everything, the other one 2."""
    return dict.fromkeys(
        ("correctness", "completeness", "clarity", "tests", "scope"), 4 if "fullmatch" in case.output else 2
    )


@pytest.fixture
def judge(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedJudge:
    """Return the judge that stands in for the shipped one, on a machine that seems to have its model."""
    judge = ScriptedJudge(scores, why_not_2_lower="It does what was asked.")

    def load(_name: str, *, library: Library) -> Judge:
        assert library.roots == (library.shipped,)
        return judge

    def path(_store: ModelStore, name: str) -> Path:
        return workspace / name

    monkeypatch.setattr(Judge, "load", load)
    monkeypatch.setattr(ModelStore, "path", path)
    return judge


@pytest.fixture
def scratch(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the system's temporary folder, empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_two_revisions_are_judged_and_nothing_is_left(
    run: Run, judge: ScriptedJudge, scratch: Path, workspace: Path
) -> None:
    """The good and the poor revision are judged on one task; the better one is ranked first."""
    before = sorted(workspace.rglob("*"))
    ended = run("demo")
    assert ended.returncode == 0
    assert [case.id for case in judge.cases] == ["good", "poor"]
    good, poor = judge.cases
    assert good.input == poor.input
    assert good.input.startswith('Parse durations such as "1h30m" into seconds\n')
    assert "+    match = _DURATION.fullmatch(text)" in good.output
    assert "+    # TODO errors" in poor.output
    rows = [line.split() for line in ended.stdout[ended.stdout.index("rank  target") :].splitlines()]
    assert [row[:2] for row in rows[1:3]] == [["1", "good"], ["2", "poor"]]
    assert "raw: compares texts, is no grade" in ended.stdout
    assert ended.stdout.count("why not 2 lower") == 2
    assert '    Parse durations such as "1h30m" into seconds\n' in ended.stderr
    assert list(scratch.iterdir()) == []
    assert sorted(workspace.rglob("*")) == before


def test_the_demo_as_json(run: Run, judge: ScriptedJudge, scratch: Path) -> None:
    """``--json`` gives one document to standard output."""
    ended = run("demo", "--json")
    data = json.loads(ended.stdout)
    assert ended.stderr.splitlines()[-1].startswith("Next: tenward demo --loop")
    assert (data["rubric"], data["judge"]) == ("code-review/v1", "scripted/v1")
    assert [(result["target"], result["quality"]) for result in data["results"]] == [("good", 8), ("poor", 5)]


def test_the_demo_uses_the_shipped_rubric(run: Run, judge: ScriptedJudge, scratch: Path, workspace: Path) -> None:
    """A rubric of the same name in the workspace does not change the demo."""
    text = "rubric: code-review/v1\nabout: Other?\ncriteria: {other: Is it other}\n"
    (workspace / "rubrics/code-review.yaml").write_text(text, encoding="utf-8")
    assert list(Rubric.load("code-review").criteria) == ["other"]
    assert "correctness" in run("demo").stdout


def test_hooks_of_the_user_s_are_not_run(
    run: Run, judge: ScriptedJudge, scratch: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks that the user's git configuration names for every repository stay out of the demo."""
    hooks = workspace / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-commit", "post-checkout", "commit-msg"):
        hook = hooks / name
        hook.write_text(f"#!/bin/sh\ntouch '{workspace}/ran-{name}'\nexit 1\n", encoding="utf-8")
        hook.chmod(0o755)
    configuration = workspace / "gitconfig"
    configuration.write_text(f"[core]\n\thooksPath = {hooks}\n[commit]\n\tgpgSign = true\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    assert run("demo").returncode == 0
    assert list(workspace.glob("ran-*")) == []


def test_a_judge_that_cannot_work_leaves_nothing_either(
    run: Run, judge: ScriptedJudge, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the judge fails, the demo ends with 3 and its repository is gone all the same."""

    def fail(_case: Case) -> dict[str, float]:
        raise EngineError("the embedded engine cannot load the model", hint="try another")

    monkeypatch.setattr(judge, "_scores", fail)
    ended = run("demo")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "error: the embedded engine cannot load the model\n\nhint: try another\n" in ended.stderr
    assert list(scratch.iterdir()) == []


def test_without_a_network_the_demo_says_so(run: Run, scratch: Path, cache: Path, offline: None) -> None:
    """On a machine without the model and without a network the demo says what it needs."""
    ended = run("demo")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("pulling qwen2.5-coder-1.5b-instruct (1.1 GB, once) ...\n")
    assert "could not be had from any source:\n  hub: " in ended.stderr


def test_without_git_the_demo_says_so(workspace: Path, tmp_path: Path) -> None:
    """The demo is about revisions; without git it ends with 2 and a hint."""
    program = tmp_path / "demo.py"
    program.write_text(
        "from tenward.cli import main\n"
        "from tenward.judges.models import ModelStore\n"
        "ModelStore.path = lambda self, name: name\n"
        "main(['demo'])\n",
        encoding="utf-8",
    )
    ended = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, env={**os.environ, "PATH": ""}, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith("error: the demo needs git: found no git program\n\nhint: install git\n")


def test_the_loop_of_the_demo_is_a_repository_that_can_be_run(
    run: Run, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new folder gets a committed prompt, cases and a loop whose plan has nothing to say against it."""
    make_repository(workspace / "tenward-demo")
    assert run("demo", "--loop", "--json").returncode == 2
    monkeypatch.chdir(workspace / "tenward-demo")
    planned = run("loop", "plan", "subjects", "--json")
    assert planned.returncode == 0
    data = json.loads(planned.stdout)
    assert data["errors"] == []
    assert data["notes"] == []


def test_a_folder_in_use_is_left_alone(run: Run, judge: ScriptedJudge, workspace: Path) -> None:
    """What lies in the folder named for the loop is never written over."""
    (workspace / "mine").mkdir()
    (workspace / "mine" / "file.txt").write_text("precious")
    ended = run("demo", "--loop", "--into", "mine")
    assert ended.returncode == 2
    assert "mine is there already" in ended.stderr
    assert [path.name for path in (workspace / "mine").iterdir()] == ["file.txt"]
    assert judge.cases == []
