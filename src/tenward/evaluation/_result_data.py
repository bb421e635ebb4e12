"""Results as they are stored: everything that was found, nothing that can be computed from it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from tenward.datasets import Case
from tenward.evaluation._produce import Produced
from tenward.evaluation._result import Result
from tenward.judges import Failure, Usage, verdict_as_dict, verdict_from_dict
from tenward.metrics import MetricScore, ReferenceScore
from tenward.rubrics import GateResult, compute_score

if TYPE_CHECKING:
    from tenward.rubrics import Rubric

__all__ = ["result_from_data", "result_to_data"]


def result_to_data(result: Result) -> dict[str, Any]:
    """A result as JSON-ready data, texts included; :func:`result_from_data` gives an equal one back."""
    case = result.case
    data = {
        "case": {name: value for name, value in case.__dict__.items() if value},
        "gates": [gate.__dict__ for gate in result.gates],
        "verdict": None if result.verdict is None else verdict_as_dict(result.verdict),
        "references": None if result.references is None else _references(result.references),
    }
    if result.produced is not None:
        data["produced"] = asdict(replace(result.produced, output=""))  # the text is in the case
    return data


def _references(score: ReferenceScore) -> dict[str, Any]:
    """As :func:`dataclasses.asdict`, which takes ten times as long: this is done for every case."""
    return {"value": score.value, "metrics": {name: metric.__dict__ for name, metric in score.metrics.items()}}


def result_from_data(data: dict[str, Any], rubric: Rubric) -> Result:
    """The result that was stored; its arithmetic is done anew with the weights of ``rubric``."""
    case: dict[str, Any] = {**data["case"], "references": tuple(data["case"].get("references", ()))}
    verdict = None if data["verdict"] is None else verdict_from_dict(data["verdict"])
    stored = data["references"]
    references = None
    if stored is not None:
        metrics = {name: MetricScore(**score) for name, score in stored["metrics"].items()}
        references = ReferenceScore(value=stored["value"], metrics=metrics)
    produced = None
    if (made := data.get("produced")) is not None:
        failure = None if made["failure"] is None else Failure(**made["failure"])
        usage = Usage(**made["usage"])
        produced = Produced(
            output=case.get("output", ""),
            failure=failure,
            transcript=made.get("transcript", ""),
            usage=usage,
            seconds=made["seconds"],
        )
    return Result(
        case=Case(**case),
        rubric=rubric,
        gates=tuple(GateResult(**gate) for gate in data["gates"]),
        verdict=verdict,
        score=None
        if verdict is None
        else compute_score(rubric, verdict.scores, references=references.value if references else None),
        references=references,
        produced=produced,
    )
