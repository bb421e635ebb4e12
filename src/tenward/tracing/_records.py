"""The lines of a trace file: one for the run, one per judged case, one for the end."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = ["Feedback", "Record", "RunEnd", "RunStart", "Span", "Trace", "TracedCase", "TracedUsage", "to_line"]


class _Data(BaseModel):
    """Data of a trace file; a field it does not know is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunStart(_Data):
    """What is known of a run before its results."""

    kind: Literal["run"] = "run"
    format: Literal[1] = 1
    run: str
    created: AwareDatetime
    dataset: str
    """Empty for a loop: its traces are rounds, and no cases of a data set."""

    dataset_digest: str
    split: str
    cases: int | None
    rubric: str
    scale: tuple[int, int]
    criteria: tuple[str, ...]
    judge: str
    readings: str = ""
    """Which scale the scores are on, in a few words; empty where none was told."""

    fingerprint: dict[str, str]
    settings: dict[str, Any]


class TracedUsage(_Data):
    """What the judge's calls took."""

    calls: int
    prompt_tokens: int
    cached_tokens: int
    """Part of ``prompt_tokens``."""

    completion_tokens: int
    cost_usd: float | None


class Span(_Data):
    """One piece of work, in the terms of OpenTelemetry."""

    trace_id: str
    """32 hex digits; the same for every span of one case."""

    span_id: str
    """16 hex digits."""

    parent_id: str | None
    """The span this one is part of; None for the root."""

    name: str
    kind: Literal["chain", "llm"]
    start: AwareDatetime
    end: AwareDatetime
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    metadata: dict[str, Any]
    usage: TracedUsage | None = None
    """Only of ``llm`` spans."""

    error: str | None = None
    """Why there is no score, in one line; None where there is one."""


class Feedback(_Data):
    """One number about the root span."""

    key: str
    """``tenward.value`` (0 to 1) or ``tenward.<criterion>`` (on the rubric's scale)."""

    score: float
    comment: str = ""
    """The judge's reason."""


class TracedCase(_Data):
    """What the case has besides the texts that the root span holds."""

    id: str
    references: tuple[str, ...] = ()
    human: dict[str, float] = Field(default_factory=dict[str, float])
    group: str = ""
    split: Literal["dev", "sealed"] = "dev"


class Trace(_Data):
    """Everything about one judged case; one line, so that a kill leaves all of it or nothing."""

    kind: Literal["trace"] = "trace"
    position: int
    """Place of the case in its data set, from 0."""

    trace_id: str
    case: TracedCase
    spans: tuple[Span, ...] = Field(min_length=1)
    """The root first."""

    feedback: tuple[Feedback, ...]


class RunEnd(_Data):
    """How a run ended; a run that was killed has no such line."""

    kind: Literal["end"] = "end"
    ended: AwareDatetime
    status: str
    note: str
    seconds: float
    summary: dict[str, Any]
    """Means and counts, as :class:`tenward.evaluation.Summary` has them."""


Record = RunStart | Trace | RunEnd
"""What one line holds; its ``kind`` says which."""


def to_line(record: Record) -> bytes:
    """A record as one line of JSON with its end of line."""
    text = json.dumps(record.model_dump(mode="json"), ensure_ascii=False)
    # A lone surrogate cannot be UTF-8; its backslash escape is the JSON escape of the same character.
    return text.encode("utf-8", "backslashreplace") + b"\n"
