"""A folder with data sets, a store and a scripted endpoint."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import DataSet
from tenward.evaluation import Store, run_dataset
from tenward.judges import JudgeSpec, ModelJudge
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, Request, StubServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tenward.evaluation import Run
    from tenward.judges import Judge

RUBRIC = """\
rubric: test/v1
about: Is it good?
criteria:
  clear: {ask: Is it clear, weight: 60, levels: {1: in the dark, 5: in the light}}
  kind: {ask: Is it kind to its reader, weight: 40}
"""


def grade(request: Request, path: str) -> int:
    """Return the number behind ``grade`` in the judged text."""
    found = re.findall(r"grade (\d)", request.text(role="user"))
    return int(found[-1]) if found else 3


@dataclass(frozen=True)
class Lab:
    """Everything a run needs, and short ways to make it."""

    folder: Path
    server: StubServer
    store: Store

    def dataset(self, rows: int | Iterable[dict[str, Any]], name: str = "cases") -> DataSet:
        """Write a data set; a number stands for so many cases with grades from 1 to 5."""
        if isinstance(rows, int):
            rows = ({"id": f"c{n}", "output": f"Text {n}, of grade {n % 5 + 1}."} for n in range(rows))
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        return DataSet.load(path)

    def rubric(self, old: str = "", new: str = "", more: str = "") -> Rubric:
        """Return the rubric, with a part of its text replaced and further keys."""
        assert old in RUBRIC
        return Rubric.parse(RUBRIC.replace(old, new, 1) + more)

    def judge(self, **fields: Any) -> ModelJudge:
        """Return a judge of the server; ``fields`` replace the usual ones."""
        usual: dict[str, Any] = {"judge": "stub/v1", "model": "openai/stub", "base_url": self.server.base_url}
        usual |= {"retries": 0, "timeout": 20}
        return ModelJudge(JudgeSpec(**{**usual, **fields}))

    async def run(self, dataset: DataSet, rubric: Rubric | None = None, judge: Judge | None = None, **more: Any) -> Run:
        """Judge the data set and close the connections."""
        who = judge or self.judge()
        try:
            return await run_dataset(dataset, rubric or self.rubric(), who, store=self.store, **more)
        finally:
            await who.aclose()

    @property
    def sent(self) -> list[bytes]:
        """The bodies of all requests so far."""
        return [request.raw for request in self.server.requests]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Yield a lab whose model gives every criterion the grade in the text."""
    monkeypatch.setattr("tenward.judges._retry._FIRST_WAIT", 0.01)
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with StubServer(default=AutoJudge(integers=grade)) as server, Store(tmp_path / "store.sqlite") as store:
        yield Lab(tmp_path, server, store)
