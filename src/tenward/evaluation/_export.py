"""Results as plain data, for ``--json`` and for files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenward.evaluation._produce import Produced
    from tenward.evaluation._result import Result
    from tenward.evaluation._run_record import RunRecord
    from tenward.evaluation._summary import Mean, Summary
    from tenward.judges import CriterionVerdict, Failure, Usage

__all__ = ["result_as_dict", "run_as_dict"]


def result_as_dict(result: Result) -> dict[str, Any]:
    """A result as JSON-ready data: numbers first, then words, then what it took. The judged text is left out."""
    verdict, score = result.verdict, result.score
    data: dict[str, Any] = {
        "target": result.case.id,
        "status": result.status,
        "passed": result.passed,
        "quality": result.quality,
        "scale": verdict.scale if verdict else None,
        "value": result.value,
        "weighted_sum": score.weighted_sum if score else None,
        "normalized": score.normalized if score else None,
        "references": score.references if score else None,
        "metrics": _metrics(result),
        "coverage": score.coverage if score else None,
        "below_floor": list(score.below_floor) if score else [],
        "gates": [{"gate": gate.gate, "passed": gate.passed, "detail": gate.detail} for gate in result.gates],
        "criteria": {},
    }
    if result.produced is not None:
        data["produced"] = _produced(result.produced)
    if verdict is None or score is None:
        return data
    parts = {part.criterion: part for part in score.parts}
    for item in verdict.criteria:
        part = parts[item.criterion]
        data["criteria"][item.criterion] = _criterion(item) | {
            "share": part.share,
            "effective_share": part.effective_share,
            "headroom": part.headroom,
        }
    data["arithmetic"] = list(score.arithmetic)
    data["plain"] = verdict.plain or None
    data["echoes"], data["orders"] = list(verdict.echoes), list(verdict.orders)
    data["words"] = verdict.words or None
    data["why_not_2_lower"] = verdict.why_not_2_lower or None
    data["steps_to_10"] = [{"criterion": step.criterion, "step": step.text} for step in result.steps]
    data["words_failure"] = _failure(verdict.words_failure)
    data["model"] = verdict.model
    data["seconds"] = round(verdict.seconds, 3)
    data["usage"] = _usage(verdict.usage)
    data["fingerprint"] = dict(verdict.fingerprint)
    return data


def run_as_dict(record: RunRecord, summary: Summary, results: Iterable[Result]) -> dict[str, Any]:
    """A run as JSON-ready data: what it was, what it comes to, and every result."""
    return {
        "run": record.id,
        "created": record.created,
        "status": record.status,
        "note": record.note or None,
        "dataset": record.dataset,
        "dataset_digest": record.dataset_digest,
        "split": record.split,
        "rubric": record.rubric.rubric,
        "judge": record.judge,
        "scale": record.scale.as_dict(),
        "fingerprint": dict(record.fingerprint),
        "seconds": round(record.seconds, 3),
        "summary": _summary(summary),
        "results": [result_as_dict(result) for result in results],
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "disagreements": [one.__dict__ for one in summary.disagreements],
        "cases": summary.cases,
        "scored": summary.scored,
        "unscored": summary.unscored,
        "gated": summary.gated,
        "below_floor": summary.below_floor,
        "coverage": summary.coverage,
        "value": _mean(summary.value),
        "quality": _mean(summary.quality),
        "weighted_sum": _mean(summary.weighted_sum),
        "criteria": {name: _mean(mean) for name, mean in summary.criteria.items()},
        "references": _mean(summary.references),
        "metrics": {name: _mean(mean) for name, mean in summary.metrics.items()},
        "signatures": dict(summary.signatures),
        "failures": dict(summary.failures),
        "quality_counts": dict(summary.quality_counts),
        "usage": _usage(summary.usage),
    }


def _mean(mean: Mean | None) -> dict[str, Any] | None:
    return None if mean is None else dict(mean.__dict__)


def _criterion(item: CriterionVerdict) -> dict[str, Any]:
    return {
        "score": item.score,
        "raw": item.raw,
        "read": item.read or None,
        "failure": _failure(item.failure),
        "reason": item.reason or None,
        "evidence": list(item.evidence),
        "spread": item.spread,
        "distribution": {f"{position:g}": share for position, share in item.distribution.items()},
        "label_mass": item.label_mass,
        "checks": [check.__dict__ | {"holds": check.holds} for check in item.checks],
    }


def _produced(produced: Produced) -> dict[str, Any]:
    """With the text: unlike one that was given, nobody has it elsewhere."""
    return {
        "output": produced.output or None,
        "failure": _failure(produced.failure),
        "seconds": round(produced.seconds, 3),
        "usage": _usage(produced.usage),
    }


def _metrics(result: Result) -> dict[str, Any]:
    if result.references is None:
        return {}
    return {
        name: {
            "value": metric.value,
            "best_reference": metric.best_reference,
            "capped": metric.capped,
            "signature": metric.signature,
        }
        for name, metric in result.references.metrics.items()
    }


def _failure(failure: Failure | None) -> dict[str, str] | None:
    return None if failure is None else {"kind": failure.kind, "detail": failure.detail}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "cost_usd": usage.cost_usd,
    }
