"""Producing what is judged: a case without an output in, the same case with one out, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from tenward.evaluation._result import Result, evaluate_case
from tenward.judges import Failure, PlannedCalls, Usage, Verdict
from tenward.rubrics import compute_score

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.judges import Explain, Judge
    from tenward.metrics import MetricPool
    from tenward.rubrics import Rubric

__all__ = ["Produced", "Producer", "evaluate_produced", "with_output"]


@dataclass(frozen=True, kw_only=True)
class Produced:
    """What a producer made of one case: an output or a failure, never both."""

    output: str = ""
    """Without the white space around it; empty where there is a failure."""

    failure: Failure | None = None
    """Why there is no output: the failures of a model's call, ``crashed`` or ``timeout`` of a command, ``schema`` for
    an output that is empty or no text."""

    transcript: str = ""
    """The end of what a command left behind of its doings, where that was asked for."""

    usage: Usage = field(default_factory=Usage)
    """What the calls took; nothing for what was in the cache. What a command spends by itself is not known here."""

    seconds: float = 0.0
    """Wall time, in seconds."""


class Producer(Protocol):
    """Writes the output of a case. It is what is under test, so it is no part of a run's fingerprint."""

    async def produce(self, case: Case) -> Produced:
        """The output of one case; what goes wrong with this case alone is a failure in its place.

        Only ``input`` and ``context`` may be used, and ``id`` to name the case: the rest are answers.

        Raises:
            TenwardError: No further case could be produced either.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """What defines the outputs, as JSON-ready data without any key; equal producers say the same.

        A run that was cut short is taken up only by one whose producer says the same.
        """
        ...

    def plan(self, case: Case) -> tuple[PlannedCalls, str]:
        """What producing the case would take, and its output where it is known, else a text of the largest size."""
        ...

    async def aclose(self) -> None:
        """Release connections and processes."""
        ...


def with_output(case: Case, output: str) -> Case:
    """The case with this output; ratings that people gave to another output are left out."""
    return replace(case, output=output, human={})


async def evaluate_produced(
    case: Case,
    producer: Producer,
    rubric: Rubric,
    judge: Judge,
    *,
    explain: Explain = False,
    folder: Path | None = None,
    metrics: MetricPool | None = None,
    produced: Produced | None = None,
) -> Result:
    """Produce the output of a case, then judge it; see :func:`evaluate_case`.

    A case whose output could not be produced is unscored with failures of kind ``produce``; neither gates nor the
    judge are asked. The result's case holds the new output, whatever output the case had before.

    Args:
        case: What to produce for.
        producer: Writes the output.
        rubric: What good is.
        judge: Who says so.
        explain: As for :func:`evaluate_case`.
        folder: As for :func:`evaluate_case`.
        metrics: As for :func:`evaluate_case`.
        produced: What the producer made of this case before, to be judged as it is.

    Raises:
        TenwardError: Producer, gates or judge cannot work at all, for this or any other case.
    """
    made = produced if produced is not None else await producer.produce(case)
    if made.failure is None:
        given = with_output(case, made.output)
        result = await evaluate_case(given, rubric, judge, explain=explain, folder=folder, metrics=metrics)
        return replace(result, produced=made)
    failure = Failure(kind="produce", detail=f"{made.failure.kind}: {made.failure.detail}")
    verdict = Verdict.of_failure(
        failure,
        judge=judge.name,
        model="not asked",
        criteria=tuple(rubric.criteria),
        fingerprint=judge.fingerprint(rubric),
    )
    return Result(
        case=with_output(case, ""),
        rubric=rubric,
        gates=(),
        verdict=verdict,
        score=compute_score(rubric, verdict.scores),
        produced=made,
    )
