"""The rounds of a loop as traces: in a local file, and in LangSmith where its key is set."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenward.loop import AttemptEvent, Phase
from tenward.tracing import RunEnd, RunStart, Span, Trace, TracedCase

if TYPE_CHECKING:
    from tenward.loop import AttemptState, Event, LoopRecord, LoopSpec, LoopState
    from tenward.tracing import TraceSink

__all__ = ["LoopTrace"]


class LoopTrace:
    """Listens to a loop and passes every attempt that has ended on as a trace.

    Args:
        spec: The loop.
        record: Where it is kept; name and first commit make the name of the traces.
        sink: Takes the traces; a sink that fails is its own affair.
    """

    def __init__(self, spec: LoopSpec, record: LoopRecord, sink: TraceSink) -> None:
        self._spec = spec
        self._record = record
        self._sink = sink
        self._run = ""

    def listen(self, event: Event) -> None:
        """Take note of an event; only the ends of attempts count."""
        if isinstance(event, AttemptEvent) and event.attempt.phase is Phase.CLOSED:
            self._begin()
            self._sink.put(_trace(self._run, event.attempt))

    def end(self, state: LoopState) -> None:
        """Take note of how the loop stands when it stops."""
        if self._run:
            gain = state.headline.get("gain")
            self._sink.put(
                RunEnd(
                    ended=datetime.now(UTC),
                    status=state.phase.value,
                    note=state.note,
                    seconds=state.spent.seconds,
                    summary={"value": gain, "counts": dict(state.counts), "headline": dict(state.headline)},
                )
            )

    def _begin(self) -> None:
        if self._run:
            return
        spec, base = self._spec, self._record.base or ""
        self._run = f"loop-{self._record.loop}-{base[:8]}"
        # The same whenever the loop goes on: the ids of its traces follow from it.
        seconds = int(self._record.git.must("show", "-s", "--format=%ct", "--end-of-options", base).line)
        self._sink.begin(
            RunStart(
                run=self._run,
                created=datetime.fromtimestamp(seconds, UTC),
                dataset="",
                dataset_digest="",
                split="dev",
                cases=None,
                rubric=spec.score.rubric or "",
                scale=(0, 1),
                criteria=(),
                judge=spec.score.judge or "",
                fingerprint={},
                settings={"loop": spec.loop, "base": base, "rule": spec.rule_name},
            )
        )


def _trace(run: str, attempt: AttemptState) -> Trace:
    """One attempt: the whole as root span, and its looks in the outputs."""
    trace_id = hashlib.sha256(f"{run}\n{attempt.number}".encode()).hexdigest()[:32]
    decision: dict[str, Any] = dict(attempt.decision or {})
    root = Span(
        trace_id=trace_id,
        span_id=hashlib.sha256(f"{trace_id}\nroot".encode()).hexdigest()[:16],
        parent_id=None,
        name=f"attempt {attempt.number}",
        kind="chain",
        start=attempt.began,
        end=attempt.ended or attempt.began,
        inputs={"idea": attempt.idea, "note": attempt.idea_note, "parent": attempt.parent},
        outputs={
            "status": None if attempt.status is None else attempt.status.value,
            "reason": attempt.reason,
            "candidate": attempt.candidate,
            "score": attempt.score,
            "incumbent_score": attempt.incumbent_score,
            "effect": decision.get("effect"),
            "p_better": decision.get("p_better"),
            "retro": dict(attempt.retro),
        },
        metadata={
            "attempt": attempt.number,
            "placebo": attempt.placebo,
            "changes": [change.path for change in attempt.changes],
            "judged": attempt.spent.judged,
            "calls": attempt.spent.calls,
            "usd": attempt.spent.usd,
        },
        error=attempt.reason if attempt.status is not None and attempt.status.value in ("crashed", "invalid") else None,
    )
    return Trace(
        position=attempt.number,
        trace_id=trace_id,
        case=TracedCase(id=f"attempt {attempt.number}"),
        spans=(root,),
        feedback=(),
    )
