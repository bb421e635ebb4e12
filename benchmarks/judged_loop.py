"""Loops of one attempt, judged by the embedded model: right outputs for other cases' ones, and damage of right ones.

Run: python benchmarks/judged_loop.py [--seeds 1 2 3] [--kinds right other half shuffled]     (the model; no network)

The artefact is one word that says which outputs a command prints, so nothing is generated: the reference of the case,
that of another one, half of it, or its words in another order. `right` begins with other cases' outputs and proposes
the right ones, and should be kept at the first looks there are, four dev and eight sealed cases. The others begin with
right outputs and propose the damage, and should never be kept. The exit status is 1 where one is not as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenward.datasets import DataSet
from tenward.evaluation import Store
from tenward.loop import Engine, Journal, LoopRecord, LoopSpec, journal_path
from tenward.testing import ScriptedProposer
from tenward.workspace import Library

if TYPE_CHECKING:
    from tenward.datasets import Case

DEV, SEALED, MOST_JUDGED = 8, 16, 12
KINDS = ("right", "other", "half", "shuffled")
LOOP = """
loop: judged/v1
goal: Commit subjects that fit their diffs.
edit: [which.txt]
propose: {python: "no:body"}
produce: {command: python3 answer.py}
score: {rubric: commit-subject, judge: local, dataset: datasets/c.jsonl}
placebo: 0
combine_every: null
budget: {rounds: 1}
"""
ANSWER = """import json, sys
case = json.load(sys.stdin)
print(json.load(open("outputs.json"))[open("which.txt").read().strip()][case["id"]])
"""


def make(top: Path, kind: str, seed: int) -> None:
    """Make a repository whose artefact prints right outputs, or other cases' ones where those are to be cured."""
    shortest = sorted(DataSet.load("commit-subjects").cases(), key=lambda case: (len(case.input), case.id))
    cases: list[Case] = []
    for split, count in (("dev", DEV), ("sealed", SEALED)):
        cases += [case for case in shortest if case.split == split][:count]
    dice = random.Random(seed)  # noqa: S311 - a benchmark that must repeat itself
    right = {case.id: case.references[0] for case in cases}
    names = list(right)
    shift = dice.randrange(1, len(names))
    shuffled: dict[str, str] = {}
    for name, text in right.items():
        words = text.split()
        dice.shuffle(words)
        shuffled[name] = " ".join(words)
    outputs = {
        "right": right,
        "other": {name: right[names[(at + shift) % len(names)]] for at, name in enumerate(names)},
        "half": {name: " ".join(text.split()[: max(2, len(text.split()) // 2)]) for name, text in right.items()},
        "shuffled": shuffled,
    }
    rows = [
        {"id": case.id, "input": case.input, "split": case.split, "references": list(case.references)} for case in cases
    ]
    shipped = Library.discover().find("rubrics", "commit-subject").read_text(encoding="utf-8")
    files = {
        "which.txt": "other\n" if kind == "right" else "right\n",
        "answer.py": ANSWER,
        # The judge alone decides; references only show, at the start, what it sees.
        "rubrics/commit-subject.yaml": re.sub(r"(?m)^mix: .*$", "mix: {judge: 1, references: 0}", shipped),
        "outputs.json": json.dumps(outputs),
        "datasets/c.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
    }
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text, encoding="utf-8")
    who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Begin")):
        subprocess.run(["git", "-C", str(top), *arguments], check=True)


def run(kind: str, seed: int, store: Path) -> bool:
    """Run one loop; whether it ended as it should."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "work"
        top.mkdir()
        make(top, kind, seed)
        began = time.perf_counter()

        def proposed(_: Any, __: Path) -> dict[str, str]:
            return {"which.txt": f"{kind}\n", "": f"print {kind} outputs"}

        proposer = ScriptedProposer(proposed)
        record = LoopRecord.open(top, "judged")
        with Store(store) as kept:
            engine = Engine(LoopSpec.parse(f"{LOOP}seed: {seed}\n"), record, kept, top=top, proposer=proposer)
            state = asyncio.run(engine.run())
        with Journal(journal_path(record)) as journal:
            attempt = next(iter(journal.attempts()))
        judged = sum(len(look.differences) for look in attempt.looks)
        end = attempt.status.value if attempt.status else "none"
        print(f"{kind}, seed {seed}: {end} after {judged} cases; {attempt.reason}; {time.perf_counter() - began:.0f} s")
        for line in (*state.calibration.get("lines", ()), *state.warnings):
            print(f"  {line}")
        kept_it = end == "keep"
        return kept_it and judged <= MOST_JUDGED if kind == "right" else not kept_it


def main() -> None:
    """Read the command line, run the loops and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        held = [run(kind, seed, Path(folder) / "store.sqlite") for seed in options.seeds for kind in options.kinds]
    raise SystemExit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
