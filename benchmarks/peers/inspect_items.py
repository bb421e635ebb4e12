# pyright: basic, reportMissingImports=false
# mypy: ignore-errors
"""Judge the items with inspect, whose target is a mock; started by ``run.py`` in an environment that has it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, ModelOutput, get_model
from inspect_ai.scorer import model_graded_qa
from inspect_ai.solver import solver


@solver
def given():
    """Give the text of the item as the answer."""

    async def solve(state, generate):  # noqa: ARG001 - as inspect calls it
        state.output = ModelOutput.from_content("mock", state.metadata["output"])
        return state

    return solve


def _main(items: str, base_url: str, concurrent: str) -> None:
    rows = [json.loads(line) for line in Path(items).read_text(encoding="utf-8").splitlines()]
    samples = [
        Sample(input=row["input"], target="Clear.", id=row["id"], metadata={"output": row["output"]}) for row in rows
    ]
    config = GenerateConfig(max_connections=int(concurrent), cache=True)
    grader = get_model("openai/gpt-4.1-mini", base_url=base_url, api_key="none", config=config, responses_api=False)
    task = Task(dataset=MemoryDataset(samples), solver=given(), scorer=model_graded_qa(model=grader))
    began = time.perf_counter()
    (log,) = evaluate(
        task, model="mockllm/model", display="none", max_samples=int(concurrent), max_connections=int(concurrent)
    )
    print(f"seconds {time.perf_counter() - began}")
    assert log.status == "success", log.error


_main(*sys.argv[1:])
