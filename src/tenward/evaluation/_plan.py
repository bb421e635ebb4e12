"""What a run would ask and cost, before it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenward.evaluation._produce import with_output
from tenward.judges import Calls, PlannedCalls, lend_calls

if TYPE_CHECKING:
    from tenward.datasets import DataSet, Split
    from tenward.evaluation._produce import Producer
    from tenward.evaluation._store import Store
    from tenward.judges import Explain, Judge
    from tenward.rubrics import Rubric

__all__ = ["Plan", "plan_dataset"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Cases and calls of a run that has not begun."""

    cases: int
    with_references: int
    without_output: int
    """Cases that cannot be judged, because nothing has produced their output."""

    gates: int
    """Checks by plain code per case; those they stop are never sent to a judge."""

    calls: PlannedCalls

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON-ready data."""
        return {
            "cases": self.cases,
            "with_references": self.with_references,
            "without_output": self.without_output,
            "gates": self.gates,
            **self.calls.__dict__,
        }


def plan_dataset(
    dataset: DataSet,
    rubric: Rubric,
    judge: Judge,
    *,
    store: Store | None,
    split: Split | None = None,
    limit: int | None = None,
    explain: Explain = False,
    sample: int = 0,
    producer: Producer | None = None,
) -> Plan:
    """Count what :func:`run_dataset` would ask; nothing is sent, no gate and no command is run.

    ``store`` is None where nothing was ever kept. An output that is still to be produced is taken to be as long as its
    limit lets it.

    Raises:
        UsageError: The data set is faulty.
    """
    cases = with_references = without_output = 0
    planned = PlannedCalls()
    with lend_calls(Calls(cache=store, sample=sample)):
        for case in dataset.cases(split, limit):
            cases += 1
            with_references += bool(case.references)
            if producer is not None:
                calls, output = producer.plan(case)
                planned += calls
                case = with_output(case, output)  # noqa: PLW2901 - as the run would
            if case.output.strip():
                planned += judge.plan(case, rubric, explain=explain)
            else:
                without_output += 1
    return Plan(
        cases=cases,
        with_references=with_references if rubric.references else 0,
        without_output=without_output,
        gates=len(rubric.gates),
        calls=planned,
    )
