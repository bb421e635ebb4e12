"""A run's records as LangSmith's data set, experiment, runs and feedback; the same for live and later sending."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tenward.datasets import Case
from tenward.tracing._errors import LangSmithError
from tenward.tracing._examples import example_id, example_of
from tenward.tracing._trace import VALUE_KEY, feedback_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tenward.tracing._client import Connection
    from tenward.tracing._records import RunEnd, RunStart, Span, Trace

__all__ = ["BATCH", "Sender", "dataset_name"]

BATCH = 50
"""Traces that are sent together, at most."""


def dataset_name(start: RunStart) -> str:
    """Name of a run's data set on the server; other content gets another name, so runs on one are comparable."""
    return f"{start.dataset}@{start.dataset_digest}" if start.dataset_digest else start.dataset


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    dataset: UUID
    id: UUID


class Sender:
    """Sends one run. Everything has ids that follow from what was recorded, so repetition makes no duplicates.

    Args:
        connection: The client.
        start: The run.
    """

    def __init__(self, connection: Connection, start: RunStart) -> None:
        self._connection = connection
        self._start = start
        self._experiment: _Experiment | None = None
        self._opened = False

    @property
    def is_experiment(self) -> bool:
        """Whether it has a data set, and the server knows such; else plain traces without feedback are sent."""
        return self._experiment is not None

    def open(self) -> None:
        """Find or make the data set and the experiment; a second call does nothing.

        Raises:
            LangSmithError: So also the other methods.
        """
        if self._opened:
            return
        if not self._start.dataset:  # the rounds of a loop are no cases of a data set
            self._opened = True
            return
        try:
            dataset = self._dataset()
        except LangSmithError as error:
            # Only a server that takes traces and nothing else has no such route.
            if error.kind != "missing":
                raise
        else:
            keys = [feedback_key(name) for name in self._start.criteria]
            experiment = self._connection.open_experiment(
                self._start.run, dataset, metadata=self._metadata(), keys=[*keys, VALUE_KEY], cases=self._start.cases
            )
            self._experiment = _Experiment(dataset=dataset, id=experiment)
        self._opened = True

    def _dataset(self) -> UUID:
        name = dataset_name(self._start)
        found = self._connection.find_dataset(name)
        if found is not None:
            return found
        return self._connection.create_dataset(
            name,
            description=f"Cases of {self._start.dataset}, as Tenward judged them",
            metadata={"tenward_dataset": self._start.dataset, "tenward_digest": self._start.dataset_digest},
        )

    def send(self, traces: Sequence[Trace]) -> list[tuple[Trace, LangSmithError]]:
        """Send traces together; where the server does not accept them, one by one.

        Returns:
            The traces that were not accepted, and why.
        """
        self.open()
        try:
            self._send(traces)
        except LangSmithError as error:
            if error.kind != "refused":
                raise
            if len(traces) == 1:
                return [(traces[0], error)]
            return [refused for trace in traces for refused in self.send([trace])]
        return []

    def finish(self, end: RunEnd) -> None:
        """Mark the experiment as complete, with the means in its metadata."""
        self.open()
        if self._experiment is not None:
            value = end.summary.get("value")
            told = {"status": end.status, "note": end.note, "seconds": end.seconds, "value": value}
            metadata = self._metadata() | {name: item for name, item in told.items() if item}
            self._connection.close_experiment(self._experiment.id, metadata=metadata, ended=end.ended)

    def _metadata(self) -> dict[str, Any]:
        start = self._start
        return {
            "rubric": start.rubric,
            "scale": list(start.scale),
            "judge": start.judge,
            "readings": start.readings,
            "dataset": start.dataset,
            "dataset_digest": start.dataset_digest,
            "dataset_splits": ["dev", "sealed"] if start.split == "all" else [start.split],
            "fingerprint": start.fingerprint,
            "settings": start.settings,
        }

    def _send(self, traces: Sequence[Trace]) -> None:
        if self._experiment is not None:
            self._add_examples(self._experiment.dataset, traces)
        self._connection.send_runs([self._run(trace, span) for trace in traces for span in trace.spans])
        if self._experiment is not None:
            found = [item for trace in traces for item in self._feedback(trace, self._experiment.id)]
            self._connection.send_feedback(found)

    def _add_examples(self, dataset: UUID, traces: Sequence[Trace]) -> None:
        # Without the judged text: it may have been produced for this run, while the examples belong to all runs.
        wanted = {example_id(dataset, trace.case.id): trace for trace in traces}
        there = {example.id for example in self._connection.examples(dataset, list(wanted))}
        new = [example_of(_case_of(wanted[key]), dataset, output=False) for key in wanted if key not in there]
        if new:
            self._connection.add_examples(dataset, new)

    def _run(self, trace: Trace, span: Span) -> dict[str, Any]:
        root = trace.spans[0]
        own = f"{_stamp(span.start)}{self._id(span.trace_id, span.span_id)}"
        run: dict[str, Any] = {
            "id": self._id(span.trace_id, span.span_id),
            "trace_id": self._id(root.trace_id, root.span_id),
            "dotted_order": own,
            "name": span.name,
            "run_type": span.kind,
            "inputs": span.inputs,
            "outputs": span.outputs,
            "error": span.error,
            "start_time": span.start,
            "end_time": span.end,
            "extra": {"metadata": _run_metadata(span)},
        }
        if span.parent_id is not None:
            # Two levels is all there is: what has a parent has the root for one.
            run["parent_run_id"] = run["trace_id"]
            run["dotted_order"] = f"{_stamp(root.start)}{run['trace_id']}.{own}"
        if self._experiment is None:
            return run | {"session_name": self._start.run}
        if span.parent_id is None:
            run["reference_example_id"] = example_id(self._experiment.dataset, trace.case.id)
        return run | {"session_id": self._experiment.id}

    def _feedback(self, trace: Trace, experiment: UUID) -> list[dict[str, Any]]:
        root = trace.spans[0]
        run = self._id(root.trace_id, root.span_id)
        return [
            {
                "id": self._id(root.trace_id, root.span_id, item.key),
                "run_id": run,
                "trace_id": run,
                "session_id": experiment,
                "start_time": root.start,
                "created_at": root.end,
                "modified_at": root.end,
                "key": item.key,
                "score": item.score,
                "comment": item.comment,
            }
            for item in trace.feedback
        ]

    def _id(self, *names: str) -> UUID:
        """A UUID of version 7, which LangSmith asks for, that follows from the run and the names alone."""
        digest = hashlib.sha256("\n".join((self._start.run, *names)).encode()).digest()
        moment = int(self._start.created.timestamp() * 1000).to_bytes(6, "big")
        number = int.from_bytes(moment + digest[:10], "big")
        number = number & ~(0xF << 76) | (7 << 76)
        return UUID(int=number & ~(0x3 << 62) | (0x2 << 62))


def _case_of(trace: Trace) -> Case:
    told, inputs = trace.case, trace.spans[0].inputs
    return Case(
        id=told.id,
        input=str(inputs.get("input", "")),
        context=str(inputs.get("context", "")),
        references=told.references,
        human=told.human,
        group=told.group,
        split=told.split,
    )


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S%fZ}"


def _run_metadata(span: Span) -> dict[str, Any]:
    usage = span.usage
    if usage is None:
        return span.metadata
    tokens: dict[str, Any] = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "input_token_details": {"cache_read": usage.cached_tokens},
    }
    if usage.cost_usd is not None:
        tokens["total_cost"] = usage.cost_usd
    return span.metadata | {"calls": usage.calls, "usage_metadata": tokens}
