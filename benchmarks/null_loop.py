"""A loop in which nothing helps: how many keeps does it come to, and what does its headline say?

Run: python benchmarks/null_loop.py [--seeds 1 2 3] [--attempts 500]
     python benchmarks/null_loop.py --judge local --attempts 40        (the embedded judge; no network)

A real git repository and the real engine; only the proposals are scripted. Each edits a comment, white space or the
words of a greeting that no answer is the better for. A tenth of the attempts are placebos. With the embedded judge a
command makes the outputs, from the greeting and the first words of the input, so nothing is generated. The exit status
is 1 where more than two attempts were kept, or a headline's interval does not hold 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenward.evaluation import Store
from tenward.loop import Engine, LoopRecord, LoopSpec
from tenward.testing import ScriptedProposer, SimulatedJudge

if TYPE_CHECKING:
    from tenward.loop import LoopState

MOST_KEEPS = 2
CASES = {"stub": (40, 80), "local": (12, 24)}
PROMPT = "prompts/answer.md"
LOOP = """
loop: nothing/v1
goal: Answers that say the main point.
edit: [prompts/answer.md]
propose: {python: "no:body"}
score: {rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}
placebo: 0.1
combine_every: null
"""
RUBRIC = """
rubric: r/v1
about: A short note about a meeting, cut from its minutes.
scale: [0, 10]
criteria:
  point: "Does the note say what was decided?"
"""
ANSWER = """#!/bin/sh
# The greeting of the prompt, and the first 25 words of the input.
sed -n 2p prompts/answer.md
sed 's/.*"input": "//; s/", ".*//' | cut -d ' ' -f 1-25
"""
GREETINGS = ("In short:", "In brief:", "Briefly:", "To sum up:", "In sum:", "The note:", "A summary:", "Summary:")
REMARKS = ("keep it plain", "leave it plain", "hold it simple", "let it be simple", "make no fuss", "have no frills")
WHO = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gro", "Hal", "Ida", "Jon")
WHAT = ("the roof", "the garden", "the old van", "the kitchen", "the library", "the web page", "the summer fair")
ENDS = ("is repaired in May", "waits until autumn", "is sold", "gets a new lock", "costs too much", "stays as it is")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one loop came to."""

    seed: int
    state: LoopState
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether it kept next to nothing, and claims nothing that is confirmed."""
        told = self.state.headline
        covers = float(told["low"]) <= 0 <= float(told["high"])
        return self.state.counts.get("keep", 0) <= MOST_KEEPS and covers

    @property
    def line(self) -> str:
        """The figures in a line."""
        state, told = self.state, self.state.headline
        headline = f"{told['gain']:+.4f} ({told['low']:+.4f} to {told['high']:+.4f})"
        if not state.counts.get("keep"):
            headline += " of the same version judged twice"
        placebos = f"{state.placebos.kept} of {state.placebos.all}, at most {state.placebos.at_most:.3f}"
        if state.counts.get("keep"):
            headline += f", after claims of {state.claimed:+.3f}"
        ends = ", ".join(f"{count} {name}" for name, count in sorted(state.counts.items()))
        return (
            f"seed {self.seed}: {state.spent.rounds} attempts ({ends}); keeps {state.counts.get('keep', 0)}; placebos "
            f"kept {placebos}; headline {headline}; {state.spent.judged:,} cases judged; {self.seconds:.0f} s"
        )


def make(top: Path, judge: str) -> None:
    """Make a repository with a prompt and its evaluator."""
    dev, sealed = CASES[judge]
    texts = [
        f"{who} opened the meeting at nine. {what.capitalize()} {end}." for who in WHO for what in WHAT for end in ENDS
    ]
    texts = texts[:: len(texts) // (dev + sealed)]
    rows = [
        {"id": f"c{at}", "input": texts[at], "split": "dev" if at < dev else "sealed"} for at in range(dev + sealed)
    ]
    files = {
        PROMPT: "<!-- keep it plain -->\nIn short:\n",
        "answer.sh": ANSWER,
        "rubrics/r.yaml": RUBRIC,
        "judges/j.yaml": "judge: j/v1\nmodel: local/qwen2.5-coder-1.5b-instruct\nread: distribution\n",
        "datasets/c.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
    }
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text, encoding="utf-8")
        (top / path).chmod(0o755)
    who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Begin")):
        subprocess.run(["git", "-C", str(top), *arguments], check=True)


def neutral(brief: Any, _: Path, *, comments: bool = False) -> dict[str, str]:
    """Return an edit that is unlike any other and changes nothing that matters, or nothing but a comment."""
    number: int = brief.number
    greeting = GREETINGS[0 if comments else number % len(GREETINGS)]
    remark = REMARKS[number // len(GREETINGS) % len(REMARKS)]
    blanks = " " * (number // (len(GREETINGS) * len(REMARKS)) + 1)
    white = " " * (0 if comments else number % 5)
    note = f"{remark}, {number}" if comments else remark
    return {
        PROMPT: f"<!--{blanks}{note}{blanks}-->\n{greeting}{white}\n",
        "": f"variant{number} of it{number}",
    }


def run(judge: str, attempts: int, seed: int, noise: float, rule: str, *, comments: bool) -> Found:
    """Run one loop in a repository of its own."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "work"
        top.mkdir()
        make(top, judge)
        text = f"{LOOP}seed: {seed}\nbudget: {{rounds: {attempts}}}\nkeep: {{rule: {rule}}}\n"
        if judge == "local":
            text += "produce: {command: sh answer.sh}\n"
        began = time.perf_counter()
        with Store(Path(folder) / "store.sqlite") as store:
            engine = Engine(
                LoopSpec.parse(text),
                LoopRecord.open(top, "nothing"),
                store,
                top=top,
                proposer=ScriptedProposer(partial(neutral, comments=comments)),
                judge=SimulatedJudge(lambda _: 0.5, noise=noise, seed=seed, spread=0.15) if judge == "stub" else None,
            )
            asyncio.run(engine.run())
            state = asyncio.run(engine.measure_gain())
        return Found(seed=seed, state=state, seconds=time.perf_counter() - began)


def main() -> None:
    """Read the command line, run the loops and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", choices=tuple(CASES), default="stub", help="a simulated one, or the embedded one")
    parser.add_argument("--attempts", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--rule", choices=("race", "better"), default="race", help="better: what it is worth without one"
    )
    parser.add_argument("--edits", choices=("all", "comments"), default="all", help="comments: no output changes")
    parser.add_argument("--noise", type=float, default=0.12, help="sd of one pass of the simulated judge")
    options = parser.parse_args()
    holds = True
    for seed in options.seeds:
        found = run(
            options.judge, options.attempts, seed, options.noise, options.rule, comments=options.edits == "comments"
        )
        print(found.line, flush=True)
        for line in (*found.state.calibration["lines"], *found.state.warnings):
            print(f"  {line}")
        holds = holds and found.holds
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
