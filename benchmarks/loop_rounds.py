"""What a round of a loop costs beside its models, and whether that grows: scripted proposer and judge, no network.

Run: python benchmarks/loop_rounds.py [--at 10 1000]     (--at 10 1000 10000 takes about a quarter of an hour)
     python benchmarks/loop_rounds.py --slots 4          (attempts side by side, against one at a time)

Each round proposes, snapshots, judges its cases, decides and is written to git, as in earnest; nothing is ever kept.
With --slots the judge takes half a second over the cases of an attempt.
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
from typing import TYPE_CHECKING, Any

from tenward.loop import AttemptEvent, Engine, LoopRecord, LoopSpec, Phase
from tenward.testing import ScriptedProposer, SimulatedJudge

if TYPE_CHECKING:
    from tenward.datasets import Case
    from tenward.judges import Explain, Verdict
    from tenward.rubrics import Rubric

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


class SlowJudge(SimulatedJudge):
    """A judge that takes its time, without any of the processor's."""

    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
        """As the simulated judge, half a second later."""
        await asyncio.sleep(0.5)
        return await super().judge(case, rubric, explain=explain)


def seconds_a_round(slots: int, rounds: int) -> float:
    """Run so many rounds in so many slots, and return the seconds from the first end of an attempt to the last."""
    ends: list[float] = []

    def listen(event: object) -> None:
        if isinstance(event, AttemptEvent) and event.attempt.phase is Phase.CLOSED:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "work"
        top.mkdir()
        make(top)
        engine = Engine(
            LoopSpec.parse(f"{LOOP}parallel: {slots}\n"),
            LoopRecord.open(top, "rounds"),
            None,
            top=top,
            proposer=ScriptedProposer(change),
            judge=SlowJudge(lambda text: 0.5 if "variant" not in text else 0.1, noise=0.02),
            on_event=listen,
        )
        asyncio.run(engine.run(rounds))
    return (ends[-1] - ends[0]) / (len(ends) - 1)


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
    parser.add_argument("--slots", type=int, help="compare so many attempts side by side with one at a time")
    arguments = parser.parse_args()
    if arguments.slots:
        one, several = (seconds_a_round(slots, 12 * slots) for slots in (1, arguments.slots))
        print(
            f"one slot: {one:.3f} s a round; {arguments.slots} slots: {several:.3f} s; {one / several:.2f} x the rounds"
        )
        return
    numbers: list[int] = sorted(arguments.at)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "work"
        top.mkdir()
        make(top)
        took = measure(top, numbers[-1] + WINDOW)
        size = subprocess.run(
            ["git", "-C", str(top), "count-objects", "-v"], check=True, capture_output=True, text=True
        )
        sizes = dict(line.split(": ") for line in size.stdout.splitlines())
        print(f"repository: {int(sizes['size']) + int(sizes['size-pack']):,} kB after {numbers[-1] + WINDOW:,} rounds")
        for number in numbers:
            near = [took[at] for at in range(number - WINDOW // 2, number + WINDOW // 2) if at in took]
            print(f"round {number:6,}: {statistics.median(near):7.1f} ms (median of {len(near)})")
        began = time.perf_counter()
        measure(top, 1)
        print(f"opening it again, with one round: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
