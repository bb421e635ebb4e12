from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tenward.judges import Judge
from tenward.rubrics import Rubric
from tenward.workspace import CONTENT_FOLDERS, Library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.testing import StubServer

    Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def empty(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def locked(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder that cannot be written, not even by a superuser, who loses the right for the time being."""
    folder = empty / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    monkeypatch.chdir("/")
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    yield folder
    os.seteuid(user)


def contents(folder: Path) -> dict[str, str]:
    """Return every file below a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


def test_init_makes_the_five_folders(run: Run, empty: Path) -> None:
    """A workspace has the five content folders, each with a word on what it is for."""
    ended = run("init")
    assert ended.returncode == 0
    assert sorted(path.name for path in empty.iterdir()) == sorted(CONTENT_FOLDERS)
    assert all((empty / name / "README.md").read_text(encoding="utf-8") for name in CONTENT_FOLDERS)
    assert sorted(ended.stdout.splitlines()) == sorted(f"created  {name}" for name in contents(empty))
    assert ended.stderr == "\nNext: tenward model pull, then tenward score SOME-FILE --rubric my-rubric\n"


def test_what_init_makes_loads(run: Run, empty: Path) -> None:
    """The rubric and the judge are valid, belong to the workspace, and name their schemas, which lie beside them."""
    assert run("init").returncode == 0
    library = Library.discover()
    assert library.roots[0] == empty
    assert Rubric.load("my-rubric").rubric == "my-rubric/v1"
    assert Judge.load("local").name == "local/v2"
    for folder, name in (("rubrics", "my-rubric"), ("judges", "local")):
        path = library.find(folder, name)
        assert path.parent == empty / folder
        schema = path.read_text(encoding="utf-8").partition("$schema=")[2].partition("\n")[0]
        assert contents(empty)[f"{folder}/{schema}"] == run(folder.removesuffix("s"), "schema").stdout
    assert contents(empty)["loop/loop.schema.json"] == run("loop", "schema").stdout
    assert "floor 2" in run("rubric", "show", "my-rubric").stdout


def test_the_rubric_of_init_scores(run: Run, server: StubServer, workspace: Path) -> None:
    """What the last line of ``init`` proposes works, with any judge."""
    assert run("init").returncode == 0
    (workspace / "a.txt").write_text("grade 4", encoding="utf-8")
    ended = run("score", "a.txt", "--rubric", "my-rubric", "-j", "stated")
    assert (ended.returncode, "read as 4" in ended.stdout) == (0, True)


def test_init_twice_changes_nothing(run: Run, empty: Path) -> None:
    """A second run keeps every file and says so."""
    run("init")
    before = contents(empty)
    ended = run("init")
    assert ended.returncode == 0
    assert {line.split()[0] for line in ended.stdout.splitlines()} == {"kept"}
    assert ended.stderr == ""
    assert contents(empty) == before


def test_init_never_overwrites(run: Run, empty: Path) -> None:
    """Files of the user's stay as they are, links to nowhere included, and only what is missing is added."""
    (empty / "rubrics").mkdir()
    (empty / "rubrics/my-rubric.yaml").write_text("mine", encoding="utf-8")
    (empty / "judges").mkdir()
    (empty / "judges/local.yaml").symlink_to(empty / "nowhere.yaml")
    ended = run("init")
    assert ended.returncode == 0
    assert (empty / "rubrics/my-rubric.yaml").read_text(encoding="utf-8") == "mine"
    assert not (empty / "nowhere.yaml").exists()
    assert "kept     rubrics/my-rubric.yaml\n" in ended.stdout
    assert "kept     judges/local.yaml\n" in ended.stdout
    assert "created  rubrics/rubric.schema.json\n" in ended.stdout


def test_init_makes_the_folder(run: Run, empty: Path) -> None:
    """A folder that does not exist yet is made, parents included."""
    assert run("init", "new/deep").returncode == 0
    assert (empty / "new/deep/rubrics/my-rubric.yaml").is_file()


def test_a_folder_that_cannot_be_written_is_named(run: Run, locked: Path) -> None:
    """Without the right to write nothing is made: exit 2, the first file, the system's reason and a hint."""
    ended = run("init", str(locked))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: cannot write {locked / 'rubrics/README.md'} (Permission denied)")
    assert "hint: choose a folder that can be written" in ended.stderr


def test_a_file_where_a_folder_should_be_is_named(run: Run, empty: Path) -> None:
    """A file that bears the name of a content folder, or of the workspace, is left alone."""
    (empty / "judges").write_text("a file", encoding="utf-8")
    inside = run("init")
    assert inside.returncode == 2
    assert "error: found a file judges, expected a folder" in inside.stderr
    itself = run("init", "judges")
    assert (itself.returncode, itself.stdout) == (2, "")
    assert "judges" in itself.stderr
    below = run("init", "judges/deeper")
    assert below.returncode == 2
    assert (empty / "judges").read_text(encoding="utf-8") == "a file"


def test_a_folder_s_name_cannot_steer_the_terminal(run: Run, empty: Path) -> None:
    """Escapes in the name of the folder are shown as such, when it works and when it does not."""
    for name in ("a\x1b[2J\u202e", "b\x1b[2J\u202e"):
        if name.startswith("b"):
            (empty / name).write_text("a file", encoding="utf-8")
        ended = run("init", name)
        assert "\\x1b[2J\\u202e" in ended.stdout + ended.stderr
        assert all(c.isprintable() or c == "\n" for c in ended.stdout + ended.stderr)


def test_a_model_that_is_here_is_not_to_be_pulled(run: Run, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next step leaves out what is done already."""

    def path(_store: object, name: str) -> Path:
        return empty / name

    monkeypatch.setattr("tenward.judges.models.ModelStore.path", path)
    assert run("init").stderr == "\nNext: tenward score SOME-FILE --rubric my-rubric\n"
