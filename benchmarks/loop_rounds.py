"""What a round of a loop costs beside its models, and whether that grows: scripted proposer and judge, no network.

Run: python benchmarks/loop_rounds.py [--at 10 1000]     (--at 10 1000 10000 takes about a quarter of an hour)

Each round proposes, snapshots, judges its cases, decides and is written to git, as in earnest; nothing is ever kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tenward.loop import AttemptEvent, Engine, LoopRecord, LoopSpec, Phase
from tenward.testing import ScriptedProposer, SimulatedJudge

WINDOW = 20
LOOP = """
loop: rounds/v1
goal: Nothing helps.
edit: [prompts/p.md]
propose: {python: "no:body"}
score: {rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}
placebo: 0
combine_every: null
budget: {rounds: 1000000}
"""


def make(top: Path) -> None:
    """Make a repository with a prompt and its evaluator."""
    rows = [
        {"id": f"{split}{at}", "split": split} for split, count in (("dev", 30), ("sealed", 60)) for at in range(count)
    ]
    files = {
        "prompts/p.md": "Say it plainly.\n",
        "rubrics/r.yaml": 'rubric: r/v1\nabout: Good?\nscale: [0, 10]\ncriteria: {good: "How good?"}\n',
        "judges/j.yaml": "judge: j/v1\nmodel: local/qwen2.5-coder-1.5b-instruct\nread: distribution\n",
        "datasets/c.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
    }
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text, encoding="utf-8")
    who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Begin")):
        subprocess.run(["git", "-C", str(top), *arguments], check=True)


def change(brief: Any, _: Path) -> dict[str, str]:
    """Return a change that is unlike any other and no better."""
    return {
        "prompts/p.md": f"Say it plainly, variant {brief.number}.\n",
        "": f"variant{brief.number} of it{brief.number}",
    }


def measure(top: Path, last: int) -> dict[int, float]:
    """Run so many rounds and return the milliseconds of each."""
    ends: dict[int, float] = {}

    def listen(event: object) -> None:
        if isinstance(event, AttemptEvent) and event.attempt.phase is Phase.CLOSED:
            ends[event.attempt.number] = time.perf_counter()

    engine = Engine(
        LoopSpec.parse(LOOP),
        LoopRecord.open(top, "rounds"),
        None,
        top=top,
        proposer=ScriptedProposer(change),
        judge=SimulatedJudge(lambda _: 0.5, noise=0.1),
        on_event=listen,
    )
    asyncio.run(engine.run(last))
    return {number: 1000 * (ends[number] - ends[number - 1]) for number in ends if number - 1 in ends}


def main() -> None:
    """Print the median of the rounds around each number, and how long it takes to open the loop again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", type=int, nargs="+", default=[10, 1000], help="rounds to look at")
    numbers: list[int] = sorted(parser.parse_args().at)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "work"
        top.mkdir()
        make(top)
        took = measure(top, numbers[-1] + WINDOW)
        for number in numbers:
            near = [took[at] for at in range(number - WINDOW // 2, number + WINDOW // 2) if at in took]
            print(f"round {number:6,}: {statistics.median(near):7.1f} ms (median of {len(near)})")
        began = time.perf_counter()
        measure(top, 1)
        print(f"opening it again, with one round: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
