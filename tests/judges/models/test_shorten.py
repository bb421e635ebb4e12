from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import numpy as np
import pytest

from tenward.errors import ModelStoreError
from tenward.judges.models import ModelStore

if TYPE_CHECKING:
    from pathlib import Path


def write_model(path: Path, *, blocks: int | None = 8) -> Path:
    """Write a small model of some blocks, with a tensor in each and one outside of them."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("tiny")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "c"])
    if blocks is not None:
        writer.add_block_count(blocks)
    for name in ["token_embd.weight", *(f"blk.{block}.attn_q.weight" for block in range(blocks or 0))]:
        writer.add_tensor(name, np.full((2, 32), len(name), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_first_three_quarters_are_kept(tmp_path: Path) -> None:
    """Six of eight blocks stay, with what stands outside of them, byte for byte, and the count says six."""
    source = write_model(tmp_path / "m.gguf")
    found = ModelStore(folder=tmp_path / "store").shortened(str(source))
    read = gguf.GGUFReader(found)
    assert read.fields["qwen2.block_count"].contents() == 6
    assert read.fields["tokenizer.ggml.tokens"].contents() == ["a", "b", "c"]
    names = [tensor.name for tensor in read.tensors]
    assert names == ["token_embd.weight", *(f"blk.{block}.attn_q.weight" for block in range(6))]
    assert all((np.array(tensor.data) == len(tensor.name)).all() for tensor in read.tensors)


def test_it_is_made_once_and_again_when_it_is_spoilt(tmp_path: Path) -> None:
    """A second call finds the file; one that was cut is made anew, and one of another model is another file."""
    source = write_model(tmp_path / "m.gguf")
    store = ModelStore(folder=tmp_path / "store")
    first = store.shortened(str(source))
    whole, written = first.read_bytes(), first.stat().st_mtime_ns
    assert store.shortened(str(source)) == first
    assert first.stat().st_mtime_ns == written
    first.write_bytes(whole[:-50])
    assert store.shortened(str(source)).read_bytes() == whole
    write_model(source, blocks=4)
    assert store.shortened(str(source)) != first
    assert not list((tmp_path / "store").glob(".partial/*.gguf"))


@pytest.mark.parametrize("content", [b"GGUF and more", b"GGUF" + bytes(64)], ids=["text", "zeros"])
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    """The message says which file, and how to do without."""
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(ModelStoreError, match=r"m\.gguf cannot be shortened") as caught:
        ModelStore(folder=tmp_path / "store").shortened(str(tmp_path / "m.gguf"))
    assert "read: distribution" in (caught.value.hint or "")


def test_a_model_without_blocks_is_named(tmp_path: Path) -> None:
    """There is nothing to cut."""
    source = write_model(tmp_path / "m.gguf", blocks=None)
    with pytest.raises(ModelStoreError, match="it has no blocks"):
        ModelStore(folder=tmp_path / "store").shortened(str(source))


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the space that it takes and how to choose another folder."""
    source = write_model(tmp_path / "m.gguf")
    (tmp_path / "store").write_text("a file")
    with pytest.raises(ModelStoreError, match="cannot be written") as caught:
        ModelStore(folder=tmp_path / "store").shortened(str(source))
    assert "TENWARD_CACHE" in (caught.value.hint or "")
