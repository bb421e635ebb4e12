"""One case scored: gates, then the judge, then the arithmetic."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.errors import UsageError
from tenward.metrics import score_references
from tenward.rubrics import GateResult, Score, compute_score, run_gates

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.evaluation._produce import Produced
    from tenward.judges import Explain, Judge, Step, Verdict
    from tenward.metrics import MetricPool, ReferenceScore
    from tenward.rubrics import Rubric

__all__ = ["Result", "evaluate_case"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one case."""

    case: Case
    rubric: Rubric
    gates: tuple[GateResult, ...]
    """What each gate found, in the rubric's order."""

    verdict: Verdict | None
    """What the judge said; None where a gate failed, since no model was asked then."""

    score: Score | None
    """The arithmetic on the verdict; None where a gate failed."""

    references: ReferenceScore | None = None
    """What the reference metrics found; None where the rubric names none or the case has no references."""

    produced: Produced | None = None
    """How the case's output came about in this run; None where the case came with it. Its output is the case's."""

    @property
    def status(self) -> str:
        """``scored``, ``gated`` (a gate failed) or ``unscored`` (the judge gave too little to go by)."""
        if self.score is None:
            return "gated"
        return "scored" if self.score.scored else "unscored"

    @property
    def passed(self) -> bool:
        """Whether there is a score, every gate passed and no criterion fell below its floor."""
        return self.score is not None and self.score.scored and not self.score.below_floor

    @property
    def quality(self) -> int | None:
        """Whole number from 1 to 10; None when there is no score."""
        return self.score.quality if self.score is not None else None

    @property
    def value(self) -> float | None:
        """The scalar from 0 to 1; None when there is no score."""
        return self.score.value if self.score is not None else None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The verdict's steps to 10, the most rewarding first; see :meth:`gain`."""
        return () if self.verdict is None else tuple(sorted(self.verdict.steps_to_10, key=self.gain, reverse=True))

    def gain(self, step: Step) -> float:
        """What a step could add to the weighted sum at most: weight times headroom of its criterion times its share."""
        parts = self.score.parts if self.score is not None else ()
        return next((part.headroom * step.at_stake for part in parts if part.criterion == step.criterion), 0.0)


async def evaluate_case(
    case: Case,
    rubric: Rubric,
    judge: Judge,
    *,
    explain: Explain = False,
    folder: Path | None = None,
    metrics: MetricPool | None = None,
) -> Result:
    """Run the gates; when all pass, ask the judge and do the arithmetic.

    Args:
        case: What to judge.
        rubric: What good is.
        judge: Who says so.
        explain: Ask for words as well; see :meth:`tenward.judges.Judge.judge`.
        folder: Where the rubric's ``run`` gates run; a temporary folder if None.
        metrics: Computes the reference metrics of a run; for a single case they are computed in a thread.

    Raises:
        UsageError: The case has no output.
        SystemicError: A gate's command or the judge cannot work at all, for this or any other case.
    """
    if not case.output.strip():
        raise UsageError(
            f"case {case.id!r} has no output to judge", hint="judge a data set whose cases hold an `output`"
        )
    gates = await _gates(rubric, case, folder) if rubric.gates else ()
    if not all(gate.passed for gate in gates):
        return Result(case=case, rubric=rubric, gates=gates, verdict=None, score=None)
    verdict = await judge.judge(case, rubric, explain=explain)
    references = None
    if rubric.references and case.references:
        references = await (
            metrics.score(case.output, case.references, rubric.metric_weights)
            if metrics is not None
            else asyncio.to_thread(score_references, case.output, case.references, rubric.metric_weights)
        )
    return Result(
        case=case,
        rubric=rubric,
        gates=gates,
        verdict=verdict,
        score=compute_score(rubric, verdict.scores, references=references.value if references else None),
        references=references,
    )


async def _gates(rubric: Rubric, case: Case, folder: Path | None) -> tuple[GateResult, ...]:
    stop = threading.Event()
    try:
        return await asyncio.to_thread(run_gates, rubric, case.output, folder=folder, stop=stop)
    except asyncio.CancelledError:
        stop.set()  # a thread cannot be cancelled, and nobody waits for a gate whose case is gone
        raise
