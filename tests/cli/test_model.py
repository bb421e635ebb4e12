from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tenward.judges.models import IndexMirror, ModelFile, ModelStore, Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Run = Callable[..., CompletedProcess[str]]

LARGE = "qwen2.5-coder-1.5b-instruct"
SMALL = "qwen2.5-coder-0.5b-instruct"
DATA = b"GGUF" + bytes(range(256)) * 4
TINY = ModelFile(
    name="tiny",
    file="tiny.gguf",
    bytes=len(DATA),
    sha256=hashlib.sha256(DATA).hexdigest(),
    licence="Apache-2.0",
    repository="nobody/tiny",
    revision="main",
    mirror=IndexMirror(distribution="tiny-part", version="1.0", chunk_bytes=500),
)


class Shelf:
    """A source that has the bytes at hand, or that stops half-way like a user who presses Ctrl-C."""

    name = "shelf"

    def __init__(self, data: bytes = DATA, *, interrupted: bool = False) -> None:
        self._data = data
        self._interrupted = interrupted

    def fetch(self, model: ModelFile, into: Path, progress: Callable[[Progress], None]) -> Path:
        """Write the bytes."""
        path = into / "part"
        for done in range(0, model.bytes + 1, model.bytes // 4):
            progress(Progress(source="shelf", phase="downloading", bytes_done=done, bytes_total=model.bytes))
            if self._interrupted:
                raise KeyboardInterrupt
        path.write_bytes(self._data)
        return path


def stock(monkeypatch: pytest.MonkeyPatch, folder: Path, *sources: Shelf) -> None:
    """Let the command line know one tiny model, and these sources."""
    store = ModelStore(folder=folder, catalogue=(TINY,), sources=sources)
    monkeypatch.setattr("tenward.cli._model.ModelStore", lambda: store)


def test_list_shows_what_is_not_here(run: Run, cache: Path) -> None:
    """On a new machine every known model is listed with its size and what to know about it."""
    ended = run("model", "list")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert lines[0] == ["model", "size", "state", "note"]
    assert lines[1] == [LARGE, "1,117", "MB", "not", "here"]
    assert lines[2][:5] == [SMALL, "491", "MB", "not", "here"]
    assert "not a judge" in ended.stdout
    assert not cache.exists()


def test_list_as_json(run: Run, cache: Path) -> None:
    """``--json`` gives state, size and place of each model."""
    listed = json.loads(run("model", "list", "--json").stdout)
    assert listed[0] == {
        "name": LARGE,
        "present": False,
        "verified": False,
        "bytes": 1_117_320_768,
        "path": str(cache / f"{LARGE}-q4_k_m.gguf"),
        "note": "",
    }


@pytest.mark.parametrize(("size", "state"), [(10, "damaged"), (1_117_320_768, "here, not verified yet")])
def test_list_tells_what_is_here(run: Run, cache: Path, size: int, state: str) -> None:
    """A file of the wrong size is damaged; one of the right size is not trusted before it was hashed."""
    cache.mkdir(parents=True)
    with (cache / f"{LARGE}-q4_k_m.gguf").open("wb") as file:
        file.truncate(size)
    assert state in run("model", "list").stdout
    assert json.loads(run("model", "list", "--json").stdout)[0]["present"] is True


def test_path_of_an_absent_model_says_how_to_pull_it(run: Run, cache: Path) -> None:
    """Nothing is printed that a script could take for a path."""
    ended = run("model", "path")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert f"error: model {LARGE} is not on this machine: no file {cache}" in ended.stderr
    assert f"hint: tenward model pull {LARGE}" in ended.stderr


@pytest.mark.parametrize("command", ["path", "pull"])
def test_an_unknown_model_is_answered_with_the_known_ones(run: Run, cache: Path, command: str) -> None:
    """A slip of the keyboard is answered with the model that was meant."""
    ended = run("model", command, "qwen2.5-coder-1.5b")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"no model named 'qwen2.5-coder-1.5b', expected one of: {LARGE}, {SMALL}" in ended.stderr
    assert f"hint: did you mean {LARGE}?" in ended.stderr


def test_an_unknown_source_is_answered_with_the_known_ones(run: Run, cache: Path) -> None:
    """``--source`` takes the names of the sources there are."""
    ended = run("model", "pull", "--source", "hubb")
    assert ended.returncode == 2
    assert "no source named 'hubb', expected one of: hub, index" in ended.stderr


def test_offline_the_pull_lists_what_was_tried(run: Run, offline: None, cache: Path) -> None:
    """Without a network each source says in a line why it cannot deliver, and the user is told what to do."""
    ended = run("model", "pull", SMALL)
    assert (ended.returncode, ended.stdout) == (3, "")
    message, _, hint = ended.stderr[ended.stderr.index("error: ") :].partition("\n\nhint: ")
    lines = message.splitlines()
    assert lines[0] == f"error: model {SMALL} could not be had from any source:"
    assert [line[:8] for line in lines[1:]] == ["  hub: O", "  index:"]
    assert "offline mode is enabled" in lines[1]
    assert "No matching distribution found" in lines[2]
    assert "run the same again" in hint
    assert f"at {cache / f'{SMALL}-q4_k_m.gguf'} by hand" in hint


def test_only_the_sources_asked_for_are_tried(run: Run, offline: None) -> None:
    """``--source index`` leaves the hub alone."""
    ended = run("model", "pull", SMALL, "--source", "index")
    assert ended.returncode == 3
    assert "  index: " in ended.stderr
    assert "  hub: " not in ended.stderr


def test_pull_prints_the_path_and_talks_of_progress(run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output holds the path alone, so that a script can use it; the progress is talk."""
    stock(monkeypatch, cache, Shelf())
    ended = run("model", "pull", "tiny")
    assert (ended.returncode, ended.stdout) == (0, f"{cache / 'tiny.gguf'}\n")
    assert ended.stderr.startswith("downloading 0 of 0 MB\n")
    assert "verifying" in ended.stderr
    assert (cache / "tiny.gguf").read_bytes() == DATA
    assert run("model", "path", "tiny").stdout == ended.stdout
    assert "verified" in run("model", "list").stdout
    again = run("model", "pull", "tiny")
    assert (again.stdout, again.stderr) == (ended.stdout, "")


def test_wrong_bytes_are_never_kept(run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that delivers something else is refused by hash, and the next one is tried."""
    stock(monkeypatch, cache, Shelf(b"x" * len(DATA)))
    ended = run("model", "pull", "tiny")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert f"shelf: delivered SHA-256 {hashlib.sha256(b'x' * len(DATA)).hexdigest()}" in ended.stderr
    assert not (cache / "tiny.gguf").exists()
    stock(monkeypatch, cache, Shelf(b"x" * len(DATA)), Shelf())
    assert run("model", "pull", "tiny").returncode == 0


def test_ctrl_c_while_pulling(run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted pull ends with 130 and leaves no file that could be taken for the model."""
    stock(monkeypatch, cache, Shelf(interrupted=True))
    ended = run("model", "pull", "tiny")
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.endswith("interrupted\n")
    assert "not here" in run("model", "list").stdout


def test_a_cache_that_cannot_be_used_is_named(run: Run, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that is a file ends with 3 and the variable that chooses another."""
    cache.parent.write_text("not a folder", encoding="utf-8")
    ended = run("model", "pull", SMALL)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert f"error: the model folder {cache} cannot be used" in ended.stderr
    assert "TENWARD_CACHE" in ended.stderr
