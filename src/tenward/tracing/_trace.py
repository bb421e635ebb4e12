"""Runs and results as the records of a trace."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from tenward.evaluation import result_as_dict
from tenward.guards import is_mapping
from tenward.tracing._records import Feedback, RunEnd, RunStart, Span, Trace, TracedCase, TracedUsage
from tenward.tracing._redact import hide_paths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenward.datasets import Case
    from tenward.evaluation import Result, RunRecord, Summary
    from tenward.judges import Verdict

__all__ = ["VALUE_KEY", "case_inputs", "end_of", "feedback_key", "start_of", "trace_of"]

VALUE_KEY = "tenward.value"
"""Name of the feedback that holds the scalar, 0 to 1."""

# Said elsewhere in the trace, or nothing but a repetition of the case's id.
_NOT_IN_OUTPUTS = ("target", "model", "seconds", "usage", "fingerprint")
_OF_THE_JUDGE = ("criteria", "words", "why_not_2_lower", "steps_to_10", "words_failure")


def case_inputs(case: Case) -> dict[str, Any]:
    """What a case asks: the inputs of its example and of its root span."""
    return {"input": case.input} | ({"context": case.context} if case.context else {})


def feedback_key(criterion: str) -> str:
    """Name of a criterion's feedback, such as ``tenward.clarity``."""
    return "tenward.criterion.value" if criterion == "value" else f"tenward.{criterion}"


def start_of(record: RunRecord) -> RunStart:
    """What a trace file says of a run before its results. Paths outside the current folder are cut."""
    created = datetime.fromisoformat(record.created)
    return RunStart(
        run=record.id,
        created=created if created.tzinfo else created.replace(tzinfo=UTC),
        dataset=hide_paths(record.dataset),
        dataset_digest=record.dataset_digest,
        split=record.split,
        cases=record.cases,
        rubric=record.rubric.rubric,
        scale=(record.rubric.scale.lo, record.rubric.scale.hi),
        criteria=tuple(record.rubric.criteria),
        judge=record.judge,
        readings=record.scale.words,
        fingerprint=dict(record.fingerprint),
        settings=_messages_without_paths(dict(record.settings), every=True),
    )


def end_of(record: RunRecord, summary: Summary, ended: datetime) -> RunEnd:
    """How a run ended."""
    counts = asdict(summary)
    counts["quality_counts"] = {str(quality): count for quality, count in summary.quality_counts.items()}
    note = hide_paths(record.note)
    return RunEnd(ended=ended, status=record.status, note=note, seconds=record.seconds, summary=counts)


def trace_of(run: str, position: int, result: Result, ended: datetime) -> Trace:
    """One result as a trace: the root span, the judge's span where a judge was asked, and feedback.

    Args:
        run: Id of the run; with the position it defines all ids.
        position: Place of the case in its data set.
        result: What became of the case.
        ended: When it was there; starts are reckoned back from it.
    """
    trace_id = hashlib.sha256(f"{run}\n{position}".encode()).hexdigest()[:32]
    case, verdict = result.case, result.verdict
    said = _messages_without_paths(result_as_dict(result))
    root = Span(
        trace_id=trace_id,
        span_id=_span_id(trace_id, "root"),
        parent_id=None,
        name=f"evaluate {case.id}",
        kind="chain",
        start=ended - timedelta(seconds=verdict.seconds if verdict else 0.0),
        end=ended,
        inputs=case_inputs(case),
        outputs={"output": case.output} | {name: said[name] for name in said if name not in _NOT_IN_OUTPUTS},
        metadata={
            "case": case.id,
            "position": position,
            "rubric": result.rubric.rubric,
            "readings": verdict.scale if verdict else "",
            "fingerprint": dict(verdict.fingerprint) if verdict else {},
        },
        error=_error(result),
    )
    return Trace(
        position=position,
        trace_id=trace_id,
        case=TracedCase(
            id=case.id, references=case.references, human=dict(case.human), group=case.group, split=case.split
        ),
        spans=(root,) if verdict is None else (root, _judge_span(root, verdict, said)),
        feedback=_feedback(result),
    )


def _judge_span(root: Span, verdict: Verdict, said: dict[str, Any]) -> Span:
    provider, slash, _ = verdict.model.partition("/")
    known = {"ls_provider": provider} if slash and " + " not in verdict.model else {}
    return Span(
        trace_id=root.trace_id,
        span_id=_span_id(root.trace_id, "judge"),
        parent_id=root.span_id,
        name=f"judge {verdict.judge}",
        kind="llm",
        start=root.start,
        end=root.end,
        inputs={"case": root.metadata["case"], "rubric": root.metadata["rubric"], "criteria": list(verdict.scores)},
        outputs={name: said[name] for name in _OF_THE_JUDGE},
        metadata={"ls_model_name": verdict.model, "ls_model_type": "chat", **known},
        usage=TracedUsage(**verdict.usage.__dict__),
    )


def _feedback(result: Result) -> tuple[Feedback, ...]:
    if result.verdict is None:
        return ()
    found = [
        Feedback(key=feedback_key(item.criterion), score=item.score, comment=item.in_words)
        for item in result.verdict.criteria
        if item.score is not None
    ]
    if result.value is not None:
        found.append(Feedback(key=VALUE_KEY, score=result.value))
    return tuple(found)


def _error(result: Result) -> str | None:
    if result.verdict is None or result.status != "unscored":
        return None
    failures = result.verdict.failures
    return hide_paths(
        "unscored: " + "; ".join(f"{name}: {item.kind}, {item.detail}" for name, item in failures.items())
    )


def _span_id(trace_id: str, name: str) -> str:
    return hashlib.sha256(f"{trace_id}\n{name}".encode()).hexdigest()[:16]


def _messages_without_paths(value: Any, *, every: bool = False) -> Any:
    """The data with paths hidden in each ``detail``, which is what programs said; or in every text."""
    if is_mapping(value):
        return {name: _messages_without_paths(item, every=every or name == "detail") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_messages_without_paths(item, every=every) for item in cast("Iterable[Any]", value)]
    return hide_paths(value) if every and isinstance(value, str) else value
