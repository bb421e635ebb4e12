from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A standard wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.mark.wheel
def test_the_wheel_carries_the_content_and_the_type_marker(wheel: Path) -> None:
    """A standard build ships rubrics, judges and schemas beside the code, and nothing of the tests."""
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {path.name for path in (ROOT / "rubrics").glob("*.yaml")}
    assert shipped
    assert {f"tenward/_content/rubrics/{name}" for name in shipped} <= names
    assert {"tenward/py.typed", "tenward/_content/judges/local.yaml"} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


@pytest.mark.wheel
def test_the_installed_wheel_works_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """Installed away from the checkout, the command finds its shipped rubrics."""
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = "import tenward, sys; print(tenward.__file__); from tenward.cli import main; main(sys.argv[1:])"
    ended = subprocess.run(
        [sys.executable, "-c", code, "rubric", "show"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.startswith(str(site))
    assert "code-review" in ended.stdout
    assert list(empty.iterdir()) == []
