from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenward.metrics import MetricPool, available, score_references

if TYPE_CHECKING:
    from tenward.metrics import ReferenceScore

WEIGHTS = {"bm25": 2.0, "rouge_l": 1.0, "bleu": 1.0}
CORPUS = [f"the cat number {n} sat on mat {n % 7}" for n in range(60)]
CANDIDATES = [f"a cat number {n} sat on the mat {n % 5}" for n in range(60)]


async def pooled(pool: MetricPool, count: int = 60, weights: dict[str, float] = WEIGHTS) -> list[ReferenceScore]:
    """Score the first candidates, all at once."""
    return list(await asyncio.gather(*(pool.score(CANDIDATES[n], [CORPUS[n]], weights) for n in range(count))))


def inline(count: int = 60, weights: dict[str, float] = WEIGHTS) -> list[ReferenceScore]:
    """Score them one by one, here."""
    return [score_references(CANDIDATES[n], [CORPUS[n]], weights, corpus=CORPUS) for n in range(count)]


def children(parent: int) -> list[int]:
    """Return the living child processes of a process, the tracker of Python's shared memory left out."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            told = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z" and "resource_tracker" not in told:
            found.append(int(stat.parent.name))
    return found


def gone(pids: list[int]) -> bool:
    """Wait for processes to end; return whether all did."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if not any(Path(f"/proc/{pid}").exists() and _runs(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_pool_of_processes_gives_what_one_process_gives() -> None:
    """The first cases are computed in threads, the others in processes; corpus and numbers are the same."""
    before = children(os.getpid())
    with MetricPool(corpus=CORPUS, processes=2) as pool:
        assert await pooled(pool) == inline()
        workers = [pid for pid in children(os.getpid()) if pid not in before]
        assert 1 <= len(workers) <= 2
    assert gone(workers)


async def test_few_cases_start_no_process() -> None:
    """Nor does a pool of one; the numbers are the same."""
    before = children(os.getpid())
    weights = dict.fromkeys(available(), 1.0)
    with MetricPool(corpus=CORPUS) as few, MetricPool(corpus=CORPUS, processes=1) as single:
        assert await pooled(few, 10, weights) == inline(10, weights)
        assert await pooled(single) == inline()
        assert [pid for pid in children(os.getpid()) if pid not in before] == []


async def test_a_worker_that_is_killed_costs_no_case() -> None:
    """The system ends the workers: what they had is computed here, and so is the rest."""
    before = children(os.getpid())
    with MetricPool(corpus=CORPUS, processes=2) as pool:
        await pooled(pool, 45)
        for pid in children(os.getpid()):
            if pid not in before:
                os.kill(pid, signal.SIGKILL)
        assert await pooled(pool) == inline()


PROGRAM = """\
import asyncio, os, sys, time
from tenward.metrics import MetricPool
print("begun", flush=True)
async def main():
    with MetricPool(processes=2) as pool:
        await asyncio.gather(*(pool.score(f"text {n}", ["a text"], {"rouge_l": 1}) for n in range(60)))
        print("ready", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_a_program_that_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    """A program without a guard at its end is run once, not by every worker; killed, it leaves no process behind.

    Ctrl-C reaches the whole group, and the workers say nothing about it.
    """
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [process.stdout.readline(), process.stdout.readline()] == ["begun\n", "ready\n"]
        workers = children(process.pid)
        assert workers
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.kill()
        said = process.stdout.read() + process.stderr.read()
        process.wait(timeout=30)
    assert gone(workers)
    assert "begun" not in said
    assert "Process-" not in said
