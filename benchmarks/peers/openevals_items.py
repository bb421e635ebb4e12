# pyright: basic, reportMissingImports=false
# mypy: ignore-errors
"""Judge the items with openevals, by its OpenAI client; started by ``run.py`` in an environment that has it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from openai import AsyncOpenAI
from openevals.llm import create_async_llm_as_judge


async def _main(rows: list[dict[str, str]], base_url: str, concurrent: str) -> None:
    client = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
    judge = create_async_llm_as_judge(
        prompt="Is it clear what was done?\n<input>{inputs}</input>\n<output>{outputs}</output>",
        judge=client,
        model="gpt-4.1-mini",
        continuous=True,
    )
    slots = asyncio.Semaphore(int(concurrent))

    async def one(row: dict[str, str]) -> None:
        async with slots:
            result = await judge(inputs=row["input"], outputs=row["output"])
            assert result["score"] is not None

    began = time.perf_counter()
    await asyncio.gather(*map(one, rows))
    print(f"seconds {time.perf_counter() - began}")


lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
asyncio.run(_main([json.loads(line) for line in lines], *sys.argv[2:]))
