"""Judge the items with Tenward; started by ``run.py``."""

from __future__ import annotations

import asyncio
import sys
import time
from importlib import import_module
from pathlib import Path

from tenward.datasets import DataSet
from tenward.evaluation import Store, run_dataset
from tenward.judges import JudgeSpec, ModelJudge
from tenward.rubrics import Rubric

RUBRIC = Rubric.parse("rubric: report/v1\nabout: A report.\ncriteria:\n  clear: Is it clear what was done?\n")

for name in ("instructor", "openai"):  # loaded when first needed; here they stay out of the time, as the others' do
    import_module(name)


async def _main(items: str, base_url: str, concurrent: str) -> None:
    judge = ModelJudge(JudgeSpec(judge="stub/v1", model="openai/gpt-4.1-mini", base_url=base_url))
    began = time.perf_counter()
    with Store(Path("store.sqlite")) as store:
        run = await run_dataset(DataSet.load(Path(items)), RUBRIC, judge, store=store, concurrency=int(concurrent))
    await judge.aclose()
    print(f"seconds {time.perf_counter() - began}")
    assert run.summary.scored == run.summary.cases


asyncio.run(_main(*sys.argv[1:]))
