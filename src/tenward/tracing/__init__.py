"""What an evaluation did, as spans: in a local file always, and in LangSmith where its key is set."""

from tenward.tracing._datasets import PushedDataset, pull_dataset, push_dataset
from tenward.tracing._errors import LangSmithError
from tenward.tracing._files import find_trace, read_trace, traces_folder
from tenward.tracing._langsmith import LangSmithSink
from tenward.tracing._open import open_trace
from tenward.tracing._push import PushReport, push
from tenward.tracing._records import Feedback, Record, RunEnd, RunStart, Span, Trace, TracedCase
from tenward.tracing._settings import LangSmithSettings
from tenward.tracing._sink import LocalSink, TraceSink

__all__ = [
    "Feedback",
    "LangSmithError",
    "LangSmithSettings",
    "LangSmithSink",
    "LocalSink",
    "PushReport",
    "PushedDataset",
    "Record",
    "RunEnd",
    "RunStart",
    "Span",
    "Trace",
    "TraceSink",
    "TracedCase",
    "find_trace",
    "open_trace",
    "pull_dataset",
    "push",
    "push_dataset",
    "read_trace",
    "traces_folder",
]
