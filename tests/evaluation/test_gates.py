from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tenward.datasets import Case
from tenward.evaluation import evaluate_case
from tenward.rubrics import Rubric
from tenward.testing import ScriptedJudge

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_cancelled_evaluation_stops_its_gate(tmp_path: Path) -> None:
    """Cancelling a case kills the command of its gate; the mark it would leave at its end never appears."""
    started, ended = tmp_path / "started", tmp_path / "ended"
    script = tmp_path / "gate.sh"
    script.write_text(f"touch {started}; sleep 3; touch {ended}\n")
    rubric = Rubric.parse(
        f"rubric: r/v1\nabout: Is it good?\ncriteria: {{a: b}}\ngates: [{{run: 'sh {script}', timeout: 60}}]\n"
    )
    judge = ScriptedJudge({"a": 3})
    task = asyncio.create_task(evaluate_case(Case(id="x", output="text"), rubric, judge))
    until = time.monotonic() + 30
    while not started.exists() and time.monotonic() < until:  # noqa: ASYNC110 - another process makes the file
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(4)
    assert started.exists()
    assert not ended.exists()
    assert judge.cases == []
