"""How long the command line takes to start, and to score one text against a stub endpoint without latency.

    python benchmarks/startup.py

Whole processes, wall time; `python -c pass` stands beside them as the floor of the machine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tenward.testing import AutoJudge, StubServer

_RUNS = 7
_JUDGE = "judge: stub/v1\nmodel: openai/stub\nbase_url: {url}\n"


def main() -> None:
    """Print minimum and median per command."""
    with tempfile.TemporaryDirectory() as folder, StubServer(default=AutoJudge()) as server:
        judge = Path(folder) / "stub.yaml"
        judge.write_text(_JUDGE.format(url=server.base_url))
        target = Path(folder) / "target.txt"
        target.write_text("Write a commit subject of at most fifty characters for this diff.\n")
        tenward = [sys.executable, "-c", "from tenward.cli import main; main()"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "python -c 'import openai'": [sys.executable, "-c", "import openai"],
            "tenward --help": [*tenward, "--help"],
            "tenward score (stub)": [*tenward, "score", str(target), "--rubric", "prompt", "--judge", str(judge)],
        }
        print(f"{'command':<28} {'min s':>7} {'median s':>9}")
        for name, command in commands.items():
            seconds = [_run(command) for _ in range(_RUNS)]
            print(f"{name:<28} {min(seconds):>7.3f} {statistics.median(seconds):>9.3f}")


def _run(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
