"""A model in a process of its own, for benchmarks: equal questions get equal answers, each after the same time.

    python benchmarks/peers/stub.py --latency 0.05

Prints its address. Each line it reads is answered with what has arrived since the line before, as JSON; it ends with
its standard input. An answer is made up once for each JSON schema, so that the model takes next to no processor time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenward.testing import Answer, AutoJudge, Reply, Request, StubServer, Text

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["EVIDENCE", "Stub", "running"]

EVIDENCE = "The second run gave the same figures."
"""A sentence that every judged text must hold: the model quotes it."""

_REASON = "The text is clear and says what was done, but not why."
# What each of the peers finds in an answer without a schema: JSON, or a grade.
_PROSE = json.dumps({"pass": True, "score": 8, "reason": _REASON}) + "\nGRADE: C"
_FIXED = {"evidence": [EVIDENCE], "score": 4, "reason": _REASON, "reasoning": _REASON, "pass": True}


class _Ready:
    def __init__(self, answer: Answer | None) -> None:
        self._answer = answer

    def answer(self, request: Request) -> Answer | None:  # noqa: ARG002 - as the protocol has it
        return self._answer


class _Model:
    """Fills each schema once."""

    def __init__(self) -> None:
        self._ready: dict[str, Reply] = {}

    def __call__(self, request: Request) -> Reply:
        key = json.dumps(request.schema)
        if key not in self._ready:
            author = Text(_PROSE) if request.schema is None else AutoJudge(fixed=_FIXED)
            self._ready[key] = _Ready(author.answer(request))
        return self._ready[key]


class Stub:
    """The stub as the process that measures sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.base_url = self._line()

    def arrived(self) -> dict[str, int]:
        """``requests`` since the last call, and the most ``in_flight`` so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told: dict[str, int] = json.loads(self._line())
        return told

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def running(latency: float) -> Generator[Stub]:
    """Run a stub whose answers take ``latency`` seconds."""
    command = [sys.executable, str(Path(__file__).resolve()), "--latency", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Stub(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _serve(latency: float) -> None:
    with StubServer(default=_Model(), latency=latency) as server:
        print(server.base_url, flush=True)
        seen = 0
        for _ in sys.stdin:
            count = sum(request.method == "POST" for request in server.requests)
            told: dict[str, Any] = {"requests": count - seen, "in_flight": server.max_in_flight}
            seen = count
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.05)
    _serve(parser.parse_args().latency)
