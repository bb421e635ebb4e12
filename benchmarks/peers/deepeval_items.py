# pyright: basic, reportMissingImports=false
# mypy: ignore-errors
"""Judge the items with deepeval's G-Eval and fixed steps; started by ``run.py`` in an environment that has it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from deepeval import evaluate
from deepeval.evaluate import AsyncConfig, CacheConfig, DisplayConfig
from deepeval.metrics import GEval
from deepeval.models import GPTModel
from deepeval.test_case import LLMTestCase, SingleTurnParams


def _main(items: str, base_url: str, concurrent: str) -> None:
    rows = [json.loads(line) for line in Path(items).read_text(encoding="utf-8").splitlines()]
    metric = GEval(
        name="clear",
        evaluation_steps=["Check whether it is clear what was done."],
        evaluation_params=[SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT],
        model=GPTModel(model="gpt-4.1-mini", api_key="none", base_url=base_url),
    )
    began = time.perf_counter()
    evaluate(
        [LLMTestCase(input=row["input"], actual_output=row["output"]) for row in rows],
        [metric],
        async_config=AsyncConfig(max_concurrent=int(concurrent)),
        cache_config=CacheConfig(write_cache=True, use_cache=True),
        display_config=DisplayConfig(show_indicator=False, print_results=False, inspect_after_run=False),
    )
    print(f"seconds {time.perf_counter() - began}")


_main(*sys.argv[1:])
