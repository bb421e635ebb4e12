from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tenward.loop import LoopSpec, PathPatterns, evaluator_files
from tenward.workspace import Library

ROOT = Path(__file__).parents[2]
NAMES = ("backtest", "commit-subjects", "curve-fit", "review-comments", "skill")
NUMBERS = ("backtest", "curve-fit")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped loops, at the top of a folder of their own."""
    shutil.copytree(ROOT / "loop", tmp_path / "loop")
    return tmp_path


def measure(folder: Path, *command: str) -> tuple[int, str]:
    """Run a loop's command as an attempt would, and return its status and the last line it printed."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ended.returncode, (ended.stdout + ended.stderr).strip().rpartition("\n")[2]


def test_every_shipped_loop_is_known() -> None:
    """The loops that the page in the folder describes are those that a name finds."""
    assert tuple(Library(roots=(ROOT,)).names("loop")) == NAMES
    page = (ROOT / "loop/README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_loop_is_valid_and_has_its_artefact(name: str) -> None:
    """Its evaluator is complete and out of reach of its edits, and what it edits is shipped with it."""
    spec = LoopSpec.load(name, library=Library(roots=(ROOT,)))
    assert spec.name == name
    assert evaluator_files(spec, ROOT, Library(roots=(ROOT,))).programs or name not in NUMBERS
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "loop" / name).rglob("*") if path.is_file()]
    assert [path for path in files if PathPatterns(spec.edit).match(path)] != []
    if spec.produce is not None:
        assert spec.produce.prompt in spec.edit


@pytest.mark.parametrize("name", NUMBERS)
def test_a_shipped_runner_prints_the_same_number_each_time(name: str, folder: Path) -> None:
    """The number of a loop without repeats must not depend on chance."""
    spec = LoopSpec.load(name, library=Library(roots=(ROOT,)))
    assert spec.score.number is not None
    first = measure(folder, *spec.score.number.command)
    assert first[0] == 0
    assert measure(folder, *spec.score.number.command) == first


@pytest.mark.parametrize(
    ("file", "old", "new", "command"),
    [
        ("loop/backtest/strategy.toml", "slow = 5 ", "slow = 30 ", ("python3", "loop/backtest/run", "--years", "5")),
        ("loop/curve-fit/model.toml", "waves = 0", "waves = 3", ("python3", "loop/curve-fit/run")),
    ],
)
def test_the_starting_point_leaves_room(file: str, old: str, new: str, command: tuple[str, ...], folder: Path) -> None:
    """A sensible change of one setting gives a better number, and nonsense ends with a message."""
    path = folder / file
    start = path.read_text(encoding="utf-8")
    before = float(measure(folder, *command)[1].split()[-1])
    path.write_text(start.replace(old, new), encoding="utf-8")
    after = float(measure(folder, *command)[1].split()[-1])
    assert after > before if "backtest" in file else after < before
    name = new.partition(" ")[0]
    path.write_text(start.replace(old, f"{name} = -1 "), encoding="utf-8")
    status, said = measure(folder, *command)
    assert status == 1
    assert f"{name} is a number from" in said
    path.write_text("price = 9\n", encoding="utf-8")
    assert measure(folder, *command)[0] == 1
