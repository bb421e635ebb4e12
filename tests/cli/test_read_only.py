from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from subprocess import CompletedProcess

    from tenward.testing import StubServer

    Run = Callable[..., CompletedProcess[str]]

NOBODY = 65534
CASES = "".join(f"{json.dumps({'id': f'c{n}', 'output': f'Case {n}, grade {n % 5 + 1}.'})}\n" for n in range(8))
LOOP = """\
loop: digits/v1
goal: A larger number.
edit: [number.txt]
propose: {command: "sh propose.sh"}
score: {number: {command: cat number.txt, goal: maximize}}
budget: {rounds: 2}
placebo: 0.0
"""


@pytest.fixture
def place(workspace: Path, server: StubServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a workspace that any user can get to, as the current folder; it can be written until it is shut."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    work = folder / "work"
    shutil.copytree(workspace, work)
    (work / "cases.jsonl").write_text(CASES, encoding="utf-8")
    monkeypatch.chdir(work)
    monkeypatch.setenv("TENWARD_CACHE", str(folder / "cache"))
    monkeypatch.setenv("HOME", str(folder))  # where git looks, which somebody else may not do in the real one
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    yield work
    shutil.rmtree(folder)


@contextmanager
def shut(work: Path) -> Generator[None, None, None]:
    """Take away every right to write in a folder; root, whom rights do not hold up, is somebody else meanwhile."""
    root = os.geteuid() == 0
    paths = [work, *work.rglob("*")]
    for path in paths:
        if root:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        path.chmod(0o555 if path.is_dir() else 0o444)
    if root:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(PermissionError):
            (work / "proof").touch()
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in paths:
            if path.exists():  # of a killed process's files none is left by a reader that may write
                path.chmod(0o755 if path.is_dir() else 0o644)


def test_runs_can_be_looked_at_where_nothing_can_be_written(run: Run, place: Path, server: StubServer) -> None:
    """List, comparison, report and plan are what they were while the folder could be written."""
    judge = ("eval", "cases.jsonl", "-r", "mine", "-j", "stated")
    run(*judge, "--limit", "7", "--max-calls", "3")
    run(*judge)
    run(*judge, "--repeat", "1")
    looks = [
        ("runs",),
        ("runs", "--json"),
        ("compare", "last~1", "last"),
        ("report", "last", "-o", "../page.html"),
        (*judge, "--plan"),
        (*judge, "--plan", "--json"),
        ("runs", "--store", ".tenward/store.sqlite"),
    ]
    place.parent.chmod(0o777)
    before = [run(*look) for look in looks]
    (place.parent / "page.html").unlink()
    asked = len(server.requests)
    with shut(place):
        after = [run(*look) for look in looks]
    for one, other in zip(before, after, strict=True):
        assert (other.returncode, other.stdout, other.stderr) == (0, one.stdout, one.stderr)
    assert "3 of 7 cases" in after[0].stdout
    assert json.loads(after[5].stdout)["cached"] == 8
    assert (place.parent / "page.html").is_file()
    assert len(server.requests) == asked


def test_what_must_write_says_that_it_cannot(run: Run, place: Path, server: StubServer) -> None:
    """To judge, and to put a report into the folder, are faults with a hint; nothing is asked."""
    judge = ("eval", "cases.jsonl", "-r", "mine", "-j", "stated")
    run(*judge)
    asked = len(server.requests)
    with shut(place):
        judged, reported = run(*judge, "--repeat", "1"), run("report", "last")
    assert (judged.returncode, judged.stdout) == (3, "")
    assert "store.sqlite: cannot be written" in judged.stderr
    assert "hint: make the file and its folder writable, or name a store in another folder" in judged.stderr
    assert reported.returncode in {2, 3}
    assert reported.stderr.startswith("error: ")
    assert "Traceback" not in reported.stderr
    assert len(server.requests) == asked


def test_a_plan_needs_no_store_where_none_can_be_made(run: Run, place: Path) -> None:
    """Nothing is in the cache of a folder in which nothing was ever judged."""
    with shut(place):
        ended = run("eval", "cases.jsonl", "-r", "mine", "-j", "stated", "--plan", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["cached"] == 0


def test_results_that_are_still_in_the_log_are_read_or_missed_aloud(run: Run, place: Path) -> None:
    """A process was killed before it could tidy up: its results are shown, or the log is named that holds them."""
    run("eval", "cases.jsonl", "-r", "mine", "-j", "stated")
    store = place / ".tenward/store.sqlite"
    writer = sqlite3.connect(store, isolation_level=None)
    writer.execute("UPDATE runs SET record = replace(record, 'stated/v1', 'later/v1')")
    for name in ("store.sqlite", "store.sqlite-wal", "store.sqlite-shm"):
        shutil.copy(store.with_name(name), place / name)
    with shut(place):
        beside = run("runs", "--store", "store.sqlite")
    writer.close()
    assert (beside.returncode, "later/v1" in beside.stdout) == (0, True)
    (place / "store.sqlite-shm").unlink()
    with shut(place):
        ended = run("runs", "--store", "store.sqlite")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "its latest changes are still in store.sqlite-wal" in ended.stderr
    assert "hint: copy both files into a folder that can be written" in ended.stderr


def test_a_loop_can_be_looked_at_where_nothing_can_be_written(run: Run, place: Path) -> None:
    """Its status, its ledger and an attempt are what they were while the folder could be written."""
    (place / "loop").mkdir()
    (place / "loop/digits.yaml").write_text(LOOP, encoding="utf-8")
    (place / "propose.sh").write_text("echo $(($(cat number.txt) + 1)) > number.txt\necho one more\n")
    (place / "number.txt").write_text("1\n")
    (place / ".gitignore").write_text(".tenward/\n")
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", "-c", "user.name=U", "-c", "user.email=u@example.org", *words], check=True)
    assert run("loop", "run", "digits").returncode == 0
    looks = [
        ("loop", *words) for words in (("status", "digits"), ("log", "digits"), ("show", "digits", "1"), ("list",))
    ]
    before = [run(*look) for look in looks]
    with shut(place):
        after = [run(*look) for look in looks]
    for one, other in zip(before, after, strict=True):
        assert (other.returncode, other.stdout, other.stderr) == (0, one.stdout, one.stderr)
    assert "one more" in after[1].stdout
