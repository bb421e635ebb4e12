"""Fakes for tests of anything that calls a model: a scripted OpenAI-compatible server, and judges without a model.

Beside them a LangSmith that remembers what it was sent. Needs neither a key nor a network: the servers bind to the
loopback interface. Answers and faults travel over real HTTP, so the client under test is the one that runs in
production.
"""

from __future__ import annotations

from tenward.testing._autojudge import AutoJudge
from tenward.testing._faults import Cut, Garbage, Hang, Status
from tenward.testing._judges import RecordingJudge, ReplayJudge, ScriptedJudge
from tenward.testing._langsmith import LangSmithFake, LangSmithFault
from tenward.testing._langsmith_routes import LangSmithRequest
from tenward.testing._loops import ScriptedProposer, SimulatedJudge
from tenward.testing._replies import (
    ContentFilter,
    FinishReason,
    Json,
    Logprobs,
    NoLogprobs,
    Refusal,
    State,
    Text,
    Truncated,
)
from tenward.testing._server import StubServer
from tenward.testing._wire import Answer, Reply, Request, Responder

__all__ = [
    "Answer",
    "AutoJudge",
    "ContentFilter",
    "Cut",
    "FinishReason",
    "Garbage",
    "Hang",
    "Json",
    "LangSmithFake",
    "LangSmithFault",
    "LangSmithRequest",
    "Logprobs",
    "NoLogprobs",
    "RecordingJudge",
    "Refusal",
    "ReplayJudge",
    "Reply",
    "Request",
    "Responder",
    "ScriptedJudge",
    "ScriptedProposer",
    "SimulatedJudge",
    "State",
    "Status",
    "StubServer",
    "Text",
    "Truncated",
]
