from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenward.errors import ModelStoreError, UnknownNameError
from tenward.judges.models import ModelFile, ModelStore, Progress, cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable


class PieceSource:
    """Appends the content in pieces of 100,000 bytes; raises ``fault`` once, before the piece at ``cut``."""

    def __init__(self, content: bytes, *, name: str = "pieces", cut: int = -1, fault: Exception | None = None) -> None:
        self.content = content
        self.name = name
        self.cut = cut
        self.fault = fault
        self.started_at: list[int] = []

    def fetch(self, model: ModelFile, into: Path, progress: Callable[[Progress], None]) -> Path:
        """Write what is missing, in pieces."""
        part = into / "part"
        part.touch()
        self.started_at.append(part.stat().st_size)
        with part.open("ab") as file:
            for start in range(part.stat().st_size, len(self.content), 100_000):
                if self.fault and start >= self.cut:
                    fault, self.fault = self.fault, None
                    raise fault
                file.write(self.content[start : start + 100_000])
                progress(
                    Progress(
                        source=self.name,
                        phase="downloading",
                        bytes_done=file.tell(),
                        bytes_total=model.bytes,
                    )
                )
        return part


def make_store(folder: Path, model: ModelFile, *sources: PieceSource) -> ModelStore:
    """Return a store of one model with the given sources."""
    return ModelStore(folder=folder, catalogue=(model,), sources=sources)


def test_pull_puts_the_verified_file_in_place(folder: Path, model: ModelFile, content: bytes) -> None:
    """A pull ends with the right bytes at the place that path() and list_models() name, and nothing else."""
    store = make_store(folder, model, PieceSource(content))
    assert store.list_models()[0].present is False
    path = store.pull(model.name)
    assert path == store.path(model.name) == folder / model.file
    assert path.read_bytes() == content
    (status,) = store.list_models()
    assert (status.present, status.verified, status.bytes, status.note) == (
        True,
        True,
        len(content),
        "a test",
    )
    left_over = [found for found in (folder / ".partial").rglob("*") if found.suffix != ".lock"]
    assert left_over == []


def test_pull_keeps_a_file_that_is_there(folder: Path, model: ModelFile, content: bytes) -> None:
    """A second pull asks no source."""
    source = PieceSource(content)
    store = make_store(folder, model, source)
    store.pull(model.name)
    store.pull(model.name)
    assert len(source.started_at) == 1


def test_pull_accepts_a_file_put_there_by_hand(folder: Path, model: ModelFile, content: bytes) -> None:
    """A right file that the store never saw is hashed and kept."""
    folder.mkdir(parents=True)
    (folder / model.file).write_bytes(content)
    store = make_store(folder, model)
    assert store.list_models()[0].verified is None
    store.pull(model.name)
    assert store.list_models()[0].verified is True


def test_progress_runs_through_both_phases(folder: Path, model: ModelFile, content: bytes) -> None:
    """Progress goes up while downloading and while verifying, and each phase ends at the total."""
    seen: list[Progress] = []
    make_store(folder, model, PieceSource(content)).pull(model.name, progress=seen.append)
    for phase in ("downloading", "verifying"):
        done = [step.bytes_done for step in seen if step.phase == phase]
        assert done == sorted(done)
        assert done[-1] == len(content)
    assert {step.source for step in seen} == {"pieces"}


def test_pull_goes_on_after_a_cut(folder: Path, model: ModelFile, content: bytes) -> None:
    """What a broken download left is handed to the source again."""
    source = PieceSource(content, cut=200_000, fault=ModelStoreError("connection reset"))
    store = make_store(folder, model, source)
    with pytest.raises(ModelStoreError, match="pieces: connection reset"):
        store.pull(model.name)
    assert store.pull(model.name).read_bytes() == content
    assert source.started_at == [0, 200_000]


def test_sources_are_tried_in_order(folder: Path, model: ModelFile, content: bytes) -> None:
    """A source that cannot deliver hands over to the next one."""
    first = PieceSource(content, name="first", fault=ModelStoreError("not reachable"))
    second = PieceSource(content, name="second")
    assert make_store(folder, model, first, second).pull(model.name).read_bytes() == content


def test_sources_can_be_chosen_by_name(folder: Path, model: ModelFile, content: bytes) -> None:
    """Only the named sources are asked."""
    first, second = PieceSource(content, name="first"), PieceSource(content, name="second")
    make_store(folder, model, first, second).pull(model.name, sources=["second"])
    assert (first.started_at, second.started_at) == ([], [0])


def test_unknown_source_is_named(folder: Path, model: ModelFile, content: bytes) -> None:
    """A misspelt source is refused with the near one."""
    with pytest.raises(UnknownNameError, match="did you mean pieces") as caught:
        make_store(folder, model, PieceSource(content)).pull(model.name, sources=["piece"])
    assert "'piece'" in caught.value.message


def test_no_source_delivers(folder: Path, model: ModelFile, content: bytes) -> None:
    """The error lists every source with its reason, one line each, and how to put the file by hand."""
    first = PieceSource(content, name="first", fault=ModelStoreError("no such host"))
    second = PieceSource(content, name="second", fault=ModelStoreError("no such version"))
    with pytest.raises(ModelStoreError) as caught:
        make_store(folder, model, first, second).pull(model.name)
    assert caught.value.message.splitlines()[1:] == ["  first: no such host", "  second: no such version"]
    for part in (str(folder / model.file), model.sha256, f"{model.bytes:,}", "TENWARD_CACHE"):
        assert part in caught.value.hint


def test_wrong_bytes_are_refused_and_deleted(folder: Path, model: ModelFile, content: bytes) -> None:
    """Content of the right size and the wrong hash never gets a place in the store."""
    source = PieceSource(b"FUGG" + content[4:])
    store = make_store(folder, model, source)
    with pytest.raises(ModelStoreError, match=rf"SHA-256 [0-9a-f]{{64}}, expected {model.sha256}"):
        store.pull(model.name)
    assert not (folder / model.file).exists()
    source.content = content
    assert store.pull(model.name).read_bytes() == content
    assert source.started_at == [0, 0]


def test_wrong_bytes_leave_the_next_source_a_chance(folder: Path, model: ModelFile, content: bytes) -> None:
    """A source with another file than the pinned one is passed over."""
    short = PieceSource(content[:-1], name="short")
    store = make_store(folder, model, short, PieceSource(content))
    assert store.pull(model.name).read_bytes() == content


def test_full_disk_in_the_middle(folder: Path, model: ModelFile, content: bytes) -> None:
    """A disk that fills up stops the pull at once, keeps what is there, and the next pull goes on."""
    full = PieceSource(content, cut=100_000, fault=OSError(errno.ENOSPC, "No space left on device"))
    other = PieceSource(content, name="other")
    store = make_store(folder, model, full, other)
    with pytest.raises(ModelStoreError, match="disk filled up") as caught:
        store.pull(model.name)
    assert "what was downloaded is kept" in caught.value.hint
    assert other.started_at == []
    store.pull(model.name)
    assert full.started_at == [0, 100_000]


def test_too_small_disk(folder: Path, model: ModelFile, content: bytes) -> None:
    """A model larger than the free space is refused before the first byte is asked for."""
    source = PieceSource(content)
    huge = dataclasses.replace(model, bytes=10**18)
    with pytest.raises(ModelStoreError, match=r"bytes free at .*, 1,000,000,000,000,100,000 needed"):
        make_store(folder, huge, source).pull(model.name)
    assert source.started_at == []


def test_folder_that_cannot_be_used(tmp_path: Path, model: ModelFile, content: bytes) -> None:
    """A cache folder that is a file is an error with a hint, not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(ModelStoreError, match="cannot be used") as caught:
        make_store(tmp_path / "file" / "models", model, PieceSource(content)).pull(model.name)
    assert "TENWARD_CACHE" in caught.value.hint


def test_missing_model(folder: Path, model: ModelFile) -> None:
    """The path of a model that is not there is an error that says how to get it."""
    with pytest.raises(ModelStoreError, match="not on this machine") as caught:
        make_store(folder, model).path(model.name)
    assert f"tenward model pull {model.name}" in caught.value.hint


def test_truncated_model(folder: Path, model: ModelFile, content: bytes) -> None:
    """A file that was cut short is named with found and expected bytes, and a pull replaces it."""
    store = make_store(folder, model, PieceSource(content))
    path = store.pull(model.name)
    with path.open("r+b") as file:
        file.truncate(1_000)
    assert store.list_models()[0].verified is False
    with pytest.raises(ModelStoreError, match=rf"has 1,000 bytes, expected {len(content):,}") as caught:
        store.path(model.name)
    assert f"tenward model pull {model.name}" in caught.value.hint
    assert store.pull(model.name).read_bytes() == content


def test_changed_file_is_hashed_again(folder: Path, model: ModelFile, content: bytes) -> None:
    """A touched file is accepted after a new hash; a changed one of the same size is refused."""
    store = make_store(folder, model, PieceSource(content))
    path = store.pull(model.name)
    os.utime(path, ns=(1, 1))
    assert store.list_models()[0].verified is None
    assert store.path(model.name) == path
    assert store.list_models()[0].verified is True
    path.write_bytes(content[:-1] + b"?")
    with pytest.raises(ModelStoreError, match="SHA-256"):
        store.path(model.name)


def test_full_verification_trusts_no_stamp(folder: Path, model: ModelFile, content: bytes) -> None:
    """Damage that leaves size and time as they were is found by verify(), not by path()."""
    store = make_store(folder, model, PieceSource(content))
    path = store.pull(model.name)
    times = path.stat().st_mtime_ns
    path.write_bytes(content[:-1] + b"?")
    os.utime(path, ns=(times, times))
    assert store.path(model.name) == path
    with pytest.raises(ModelStoreError, match="SHA-256"):
        store.verify(model.name)


def test_unreadable_stamp_means_unverified(folder: Path, model: ModelFile, content: bytes) -> None:
    """Rubbish in the stamp file costs one more hash and nothing else."""
    store = make_store(folder, model, PieceSource(content))
    path = store.pull(model.name)
    path.with_name(f"{path.name}.verified.json").write_bytes(b"\xff{")
    assert store.list_models()[0].verified is None
    assert store.path(model.name) == path
    assert store.list_models()[0].verified is True


def test_unknown_model_has_a_suggestion(folder: Path, model: ModelFile) -> None:
    """A misspelt model name is refused with the near one."""
    with pytest.raises(UnknownNameError, match="did you mean tiny-instruct"):
        make_store(folder, model).pull("tiny-instuct")


def test_resolve_takes_names_and_paths(folder: Path, tmp_path: Path, model: ModelFile, content: bytes) -> None:
    """A catalogue name gives the store's file, an existing GGUF file is used as it is."""
    store = make_store(folder, model, PieceSource(content))
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    assert store.resolve(str(own)) == own
    assert store.pull(model.name) == store.resolve(model.name)


def test_a_file_is_known_by_its_hash(folder: Path, tmp_path: Path, model: ModelFile, content: bytes) -> None:
    """That of a catalogue model is pinned; a file of one's own is hashed, and again when it was replaced."""
    store = make_store(folder, model, PieceSource(content))
    store.pull(model.name)
    assert store.sha256(model.name) == model.sha256
    own = tmp_path / "own.gguf"
    for text in (b"GGUF and more", b"GGUF and others"):
        own.write_bytes(text)
        assert store.sha256(str(own)) == store.sha256(str(own)) == hashlib.sha256(text).hexdigest()


def test_resolve_refuses_what_is_no_model(folder: Path, tmp_path: Path, model: ModelFile) -> None:
    """A missing file, a folder, another format and an unknown name each get their own message."""
    store = make_store(folder, model)
    other = tmp_path / "other.gguf"
    other.write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelStoreError, match=r"begins with b'PK.*expected b'GGUF'"):
        store.resolve(str(other))
    with pytest.raises(ModelStoreError, match="is a folder"):
        store.resolve(str(tmp_path))
    with pytest.raises(ModelStoreError, match="is missing"):
        store.resolve("missing.gguf")
    with pytest.raises(UnknownNameError, match="did you mean tiny-instruct"):
        store.resolve("tiny-instruc")


def test_resolve_names_the_model_that_has_to_be_pulled(folder: Path, model: ModelFile) -> None:
    """A catalogue name whose file is absent leads to the pull command."""
    with pytest.raises(ModelStoreError, match=f"tenward model pull {model.name}"):
        make_store(folder, model).resolve(model.name)


def test_cache_folder_is_the_users_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TENWARD_CACHE wins over the platform's folder and may use the home shorthand."""
    monkeypatch.setenv("TENWARD_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    assert ModelStore().folder == tmp_path / "models"
    monkeypatch.setenv("TENWARD_CACHE", "~/elsewhere")
    assert cache_folder() == Path.home() / "elsewhere"


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "base/tenward"),
        ("linux", "", "home/.cache/tenward"),
        ("darwin", "", "home/Library/Caches/tenward"),
        ("win32", "LOCALAPPDATA", "base/tenward"),
        ("win32", "", "home/AppData/Local/tenward"),
    ],
)
def test_cache_folder_of_each_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variable: str, expected: str
) -> None:
    """Without TENWARD_CACHE the folder is where the platform keeps caches."""
    for name in ("TENWARD_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "base"))
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == tmp_path / expected


@pytest.mark.parametrize("chosen", ["~nosuch-user-here/models", None])
def test_without_a_home_folder_the_store_says_what_to_set(monkeypatch: pytest.MonkeyPatch, chosen: str | None) -> None:
    """A home folder that is not known is a fault with a hint, not a traceback."""

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("TENWARD_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if chosen:
        monkeypatch.setenv("TENWARD_CACHE", chosen)
    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(ModelStoreError) as caught:
        ModelStore()
    assert "set TENWARD_CACHE" in caught.value.hint
