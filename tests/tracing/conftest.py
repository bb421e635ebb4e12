from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.evaluation import Result, RunRecord, Tally
from tenward.judges import CriterionVerdict, Failure, Usage, Verdict
from tenward.rubrics import GateResult, Rubric, compute_score
from tenward.testing import LangSmithFake
from tenward.tracing import LangSmithSettings, LocalSink, TraceSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

KEY = "lsv2_pt_0123456789abcdef_0123456789"
RUBRIC = Rubric.parse(
    "rubric: subject/v1\nabout: Is it good?\ncriteria:\n"
    "  clear: {ask: 'Is it clear?'}\n  short: {ask: 'Is it short?'}\n"
)


@dataclass(frozen=True)
class Bench:
    """What a test needs to make a run: a record, results, and a way to tell them to a sink."""

    folder: Path

    def record(self, run: str = "subjects-20261123-041500-3f2a", **changes: Any) -> RunRecord:
        """A run of three cases."""
        made = RunRecord(
            id=run,
            created="2026-11-23T04:15:00+00:00",
            status="running",
            dataset="subjects/v1",
            dataset_digest="0123456789abcdef",
            split="all",
            cases=3,
            rubric=RUBRIC,
            judge="scripted/v1",
            judge_file={"model": "acme/judge-1"},
            fingerprint={"rubric": "aa", "model": "bb"},
            settings={"explain": True},
        )
        return replace(made, **changes)

    def cases(self, count: int = 3) -> list[Case]:
        """Cases that differ in everything."""
        return [
            Case(
                id=f"case-{number}",
                input=f"The change {number}",
                output=f"Change {number}",
                context="" if number else "A style guide",
                references=(f"Do the change {number}", "Or so"),
                human={"clear": 4.5},
                group="even" if number % 2 == 0 else "odd",
                split="sealed" if number == 2 else "dev",
            )
            for number in range(count)
        ]

    def result(self, case: Case, scores: Sequence[float | None] = (4.0, 3.0), reason: str = "It says so.") -> Result:
        """A result with the given scores; None is a timeout."""
        failure = Failure(kind="timeout", detail="no answer in 30 s")
        verdict = Verdict(
            judge="acme/v1",
            model="acme/judge-1",
            criteria=tuple(
                CriterionVerdict(criterion=name, score=score, reason=reason, failure=failure if score is None else None)
                for name, score in zip(RUBRIC.criteria, scores, strict=True)
            ),
            usage=Usage(calls=1, prompt_tokens=120, cached_tokens=20, completion_tokens=30, cost_usd=0.25),
            seconds=1.5,
            fingerprint={"model": "bb"},
        )
        return Result(case=case, rubric=RUBRIC, gates=(), verdict=verdict, score=compute_score(RUBRIC, verdict.scores))

    def gated(self, case: Case, detail: str) -> Result:
        """A result of a case that failed a gate."""
        gate = GateResult(gate="run: check", passed=False, detail=detail)
        return Result(case=case, rubric=RUBRIC, gates=(gate,), verdict=None, score=None)

    def tell(self, sink: TraceSink, record: RunRecord, results: Sequence[Result], *, end: bool = True) -> None:
        """Tell a sink of a whole run, or of one that is cut short."""
        tally = Tally()
        sink.begin_run(record)
        for position, result in enumerate(results):
            sink.result(position, result)
            tally.add(result)
        if end:
            sink.end_run(replace(record, status="finished", seconds=4.5), tally.summary())

    def write(self, run: str = "subjects-20261123-041500-3f2a", *, count: int = 3, end: bool = True) -> Path:
        """Write the trace file of a run."""
        sink = LocalSink(self.folder)
        self.tell(sink, self.record(run), [self.result(case) for case in self.cases(count)], end=end)
        sink.close()
        return self.folder / f"{run}.jsonl"


@pytest.fixture(autouse=True)
def _no_langsmith(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Runs whose traces lie in a temporary folder."""
    return Bench(tmp_path / "traces")


@pytest.fixture
def fake() -> Iterator[LangSmithFake]:
    """A LangSmith that takes one key."""
    with LangSmithFake(api_key=KEY) as server:
        yield server


@pytest.fixture
def settings(fake: LangSmithFake) -> LangSmithSettings:
    """How to reach it."""
    return LangSmithSettings(api_key=KEY, endpoint=fake.endpoint)
