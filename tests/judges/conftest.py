"""A judge in front of a scripted endpoint."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.judges import JudgeSpec, ModelJudge
from tenward.rubrics import Rubric
from tenward.testing import StubServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenward.judges import Explain, Verdict

CASE = Case(id="answer", output="def answer():\n    return 41 + 1  # the well-known answer")
RUBRIC = Rubric.parse(
    "rubric: test/v1\nabout: Is it good?\ncriteria:\n"
    "  clarity: Is the code clear to a newcomer?\n  tests: How well is it tested?\n"
)


@dataclass(frozen=True)
class Bench:
    """A stub server, and judges that ask it."""

    server: StubServer

    def spec(self, **fields: Any) -> JudgeSpec:
        """Return a judge file for the server; ``fields`` replace the usual ones."""
        usual: dict[str, Any] = {"judge": "stub/v1", "model": "openai/stub", "base_url": self.server.base_url}
        usual |= {"retries": 1, "timeout": 20, "deadline": 30}
        return JudgeSpec(**{**usual, **fields})

    async def ask(
        self, case: Case = CASE, rubric: Rubric = RUBRIC, *, explained: Explain = False, **fields: Any
    ) -> Verdict:
        """Judge one case and close the connections."""
        judge = ModelJudge(self.spec(**fields))
        try:
            return await judge.judge(case, rubric, explain=explained)
        finally:
            await judge.aclose()

    def answer(self, *, why_not_2_lower: object = "It returns the right number at once.", **parts: Any) -> Any:
        """Return a fit answer to ``RUBRIC``; ``parts`` replace a criterion, a whole one or some of its fields."""
        answer: dict[str, Any] = {}
        for name in ("clarity", "tests"):
            usual = {"evidence": ["return 41 + 1"], "reason": "It says what it does at once.", "score": 4}
            part = parts.get(name, {})
            answer[name] = {**usual, **part} if isinstance(part, dict) else part
        steps = [{"criterion": "tests", "step": "Add one test that calls the function."}]
        return {**answer, "why_not_2_lower": why_not_2_lower, "steps_to_10": parts.get("steps_to_10", steps)}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Yield a bench; this machine's keys and proxies are out of the way, and retries wait for milliseconds."""
    monkeypatch.setattr("tenward.judges._retry._FIRST_WAIT", 0.01)
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with StubServer() as server:
        yield Bench(server)
