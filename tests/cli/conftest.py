from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenward.cli import main
from tenward.judges import KEY_VARIABLES
from tenward.testing import AutoJudge, Request, StubServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUBRIC = """\
rubric: mine/v1
about: Is it good?
criteria:
  clear: {ask: Is it clear enough to act on, weight: 60, floor: 2}
  kind: {ask: Is it kind to its reader, weight: 40}
"""
JUDGE = "judge: {name}/v1\nabout: A stub.\nmodel: openai/stub-model\nbase_url: {url}\nread: {read}\nretries: 0\n"


def grade(request: Request, path: str) -> int:
    """Return the number behind ``grade`` in the judged text; 3 where there is none."""
    text = re.split(r"<[\w-]+ [0-9a-f]{16}>\n", request.text(role="user"))[-1]
    found = re.search(r"grade (\d)", text)
    return int(found[1]) if found else 3


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a current folder with one rubric, on a machine without models, keys, or a git configuration."""
    folder = tmp_path / "work"
    (folder / "rubrics").mkdir(parents=True)
    (folder / "rubrics/mine.yaml").write_text(RUBRIC, encoding="utf-8")
    monkeypatch.chdir(folder)
    for name in os.environ:
        if name.startswith(("LANGSMITH_", "LANGCHAIN_", "GIT_")) or name in KEY_VARIABLES.values():
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "PYTHONIOENCODING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TENWARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("NO_PROXY", "*")
    return folder


@pytest.fixture
def server(workspace: Path) -> Iterator[StubServer]:
    """Return a model that gives every criterion the grade in the text; judges ``stated`` and ``stub`` ask it."""
    with StubServer(default=AutoJudge(integers=grade)) as running:
        (workspace / "judges").mkdir()
        for name, read in (("stated", "stated"), ("stub", "distribution")):
            text = JUDGE.format(name=name, url=running.base_url, read=read)
            (workspace / f"judges/{name}.yaml").write_text(text, encoding="utf-8")
        yield running


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the command line in this process."""

    def call(*args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(args))
        said = capsys.readouterr()
        status = left.value.code
        assert isinstance(status, int)
        return subprocess.CompletedProcess(args, status, said.out, said.err)

    return call


@pytest.fixture
def spawn() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the command line in a process of its own."""

    def call(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tenward", *args],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, **variables},
            check=False,
        )

    return call


@pytest.fixture
def cache(workspace: Path) -> Path:
    """Return the folder for models, which does not exist yet."""
    return Path(os.environ["TENWARD_CACHE"]) / "models"


@pytest.fixture
def offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every network away, as the hub's and pip's own settings do."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
