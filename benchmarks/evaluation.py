"""What a run costs beside the calls themselves: time, processor time, the store, memory.

    python benchmarks/evaluation.py

The stub is another process. Each round runs, one after the other, the bare OpenAI client, instructor around it, and a
run of Tenward, which sends the same requests through instructor and stores every answer and result; then the same run
again, all of it from the store. Memory is the peak of a whole process, in processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from peers.stub import EVIDENCE, running
from pydantic import BaseModel, Field

from tenward.datasets import DataSet
from tenward.evaluation import Store, run_dataset
from tenward.judges import JudgeSpec, ModelJudge
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, StubServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

    from tenward.evaluation import Result
    from tenward.judges import Asked

RUBRIC = Rubric.parse("""\
rubric: report/v1
about: A short report on an experiment.
criteria:
  clear: {ask: Is it clear what was done, weight: 50, levels: {1: nobody could repeat it, 5: anybody could repeat it}}
  sound: {ask: Do the figures support what it claims, weight: 30}
  brief: {ask: Is it free of what a reader does not need, weight: 20}
""")
_SENTENCE = "The sample was heated to {n} degrees, held there for {m} minutes and weighed again. "


class _Part(BaseModel):
    evidence: list[str]
    reason: str
    score: Annotated[int, Field(ge=1, le=5)]


class _Step(BaseModel):
    criterion: str
    step: str


class Answer(BaseModel):
    """What somebody would write by hand to ask for the same with instructor."""

    clear: _Part
    sound: _Part
    brief: _Part
    why_not_2_lower: str
    steps_to_10: list[_Step]


@dataclass(frozen=True)
class Took:
    """One measurement."""

    wall: float
    cpu: float
    store: float = 0.0
    """Processor time inside of the store, in seconds."""


class TimedStore(Store):
    """A store that counts the processor time its thread spends in it."""

    seconds = 0.0

    def recall(self, key: str) -> str | None:
        """As the store's."""
        with self._counting():
            return super().recall(key)

    def remember(self, key: str, asked: Asked, answer: str) -> None:
        """As the store's."""
        with self._counting():
            super().remember(key, asked, answer)

    def why_missed(self, asked: Asked) -> tuple[str, ...]:
        """As the store's."""
        with self._counting():
            return super().why_missed(asked)

    def add(self, run: str, results: Sequence[tuple[int, Result]]) -> None:
        """As the store's."""
        with self._counting():
            super().add(run, results)

    @contextmanager
    def _counting(self) -> Generator[None]:
        began = time.thread_time()
        try:
            yield
        finally:
            self.seconds += time.thread_time() - began


async def compare(arguments: argparse.Namespace, folder: Path) -> dict[str, list[Took]]:
    """Measure every way in turn, round after round."""
    dataset = _dataset(folder, arguments.cases)
    bodies = await _bodies(dataset)
    took: dict[str, list[Took]] = defaultdict(list)
    with running(arguments.latency) as stub:
        clients = _Clients(stub.base_url, bodies, arguments.concurrent)
        ways = {"bare": clients.bare, "instructor": clients.instructor}
        for number in range(-1, arguments.rounds):  # the first is a rehearsal: imports, connections, schemas
            for name, way in ways.items():
                took[name].append(await _measured(way))
                assert stub.arrived()["requests"] == len(bodies)
            with TimedStore(folder / f"{number}.sqlite") as store:
                for name, requests in (("tenward", len(bodies)), ("replay", 0)):
                    store.seconds = 0.0
                    one = await _measured(partial(_run, dataset, store, stub.base_url, arguments.concurrent))
                    took[name].append(Took(one.wall, one.cpu, store.seconds))
                    assert stub.arrived()["requests"] == requests
        await clients.sdk.close()
    return {name: several[1:] for name, several in took.items()}


async def _measured(work: Callable[[], Awaitable[None]]) -> Took:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


async def _run(dataset: DataSet, store: Store, base_url: str, concurrent: int) -> None:
    judge = ModelJudge(JudgeSpec(judge="stub/v1", model="openai/stub", base_url=base_url))
    run = await run_dataset(dataset, RUBRIC, judge, store=store, concurrency=concurrent)
    await judge.aclose()
    assert run.summary.scored == run.record.cases


class _Clients:
    """The same requests without Tenward, so many at a time."""

    def __init__(self, base_url: str, bodies: list[dict[str, Any]], concurrent: int) -> None:
        import instructor
        from openai import AsyncOpenAI

        self.sdk = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
        self._patched: Any = instructor.from_openai(self.sdk, mode=instructor.Mode.JSON_SCHEMA)
        self._bodies, self._concurrent = bodies, concurrent

    async def bare(self) -> None:
        create: Any = self.sdk.chat.completions.create

        async def ask(body: dict[str, Any]) -> None:
            reply = await create(**body)
            assert json.loads(reply.choices[0].message.content)["clear"]["score"] == 4

        await self._all(ask)

    async def instructor(self) -> None:
        async def ask(body: dict[str, Any]) -> None:
            answer = await self._patched.chat.completions.create(
                response_model=Answer, max_retries=0, **{**body, "response_format": None}
            )
            assert answer.clear.score == 4

        await self._all(ask)

    async def _all(self, ask: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        waiting = iter(self._bodies)

        async def work() -> None:
            for body in waiting:
                await ask(body)

        await asyncio.gather(*(work() for _ in range(self._concurrent)))


def _dataset(folder: Path, cases: int) -> DataSet:
    """Reports of about 1.5 kB, all different."""
    path = folder / f"reports-{cases}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for n in range(cases):
            text = "".join(_SENTENCE.format(n=n + k, m=k) for k in range(18)) + EVIDENCE
            file.write(json.dumps({"id": f"r{n}", "output": text, "input": f"Report on experiment {n}."}) + "\n")
    return DataSet.load(path)


async def _bodies(dataset: DataSet) -> list[dict[str, Any]]:
    """What a run of Tenward sends, as it arrives."""
    with (
        tempfile.TemporaryDirectory() as folder,
        StubServer(default=AutoJudge(fixed={"evidence": [EVIDENCE]})) as server,
        Store(Path(folder) / "store.sqlite") as store,
    ):
        await _run(dataset, store, server.base_url, 8)
        return [dict(request.body) for request in server.requests]


def _memory(cases: int) -> float:
    """Peak of a process that judges so many cases, in MB."""
    command = [sys.executable, __file__, "--memory", str(cases)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


async def _judge_many(cases: int) -> None:
    with tempfile.TemporaryDirectory() as folder, running(0.0) as stub:
        dataset = _dataset(Path(folder), cases)
        with Store(Path(folder) / "store.sqlite") as store:
            await _run(dataset, store, stub.base_url, 50)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _show(took: dict[str, list[Took]], arguments: argparse.Namespace) -> None:
    ideal = arguments.cases / arguments.concurrent * arguments.latency
    print(f"{arguments.cases} cases, {arguments.concurrent} at a time, {arguments.latency * 1000:g} ms each: ", end="")
    print(f"ideal {ideal:g} s; {arguments.rounds} rounds; ratios are to bare in the same round")
    head = ("wall s min", "median", "ratio min", "median", "CPU s min", "median", "ratio min", "median")
    print(f"{'':<12}" + "".join(f"{name:>11}" for name in head))
    for name, several in took.items():
        cells: list[float] = []
        for of in ("wall", "cpu"):
            values = [getattr(one, of) for one in several]
            ratios = [value / getattr(bare, of) for value, bare in zip(values, took["bare"], strict=True)]
            cells += [min(values), statistics.median(values), min(ratios), statistics.median(ratios)]
        print(f"{name:<12}" + "".join(f"{cell:>11.3f}" for cell in cells))
    for name in ("tenward", "replay"):
        stored = [one.store / arguments.cases * 1000 for one in took[name]]
        print(f"store, {name}: min {min(stored):.3f}, median {statistics.median(stored):.3f} ms of CPU per case")


def main() -> None:
    """Print one table, and two lines on memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds")
    parser.add_argument("--concurrent", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true", help="leave out the memory of 2,000 and 20,000 cases")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        asyncio.run(_judge_many(arguments.memory))
        return
    with tempfile.TemporaryDirectory() as folder:
        _show(asyncio.run(compare(arguments, Path(folder))), arguments)
    for cases in () if arguments.no_memory else (2_000, 20_000):
        print(f"peak memory, {cases:,} cases: {_memory(cases):.0f} MB", flush=True)


if __name__ == "__main__":
    main()
