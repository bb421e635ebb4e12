"""The shipped loops and the demo's, run as a user runs them: time to the first keep, confirmed gain, and a yardstick.

Run: python benchmarks/shipped_loops.py FOLDER [--loops demo commit-subjects] [--seeds 1 2 3 4 5] [--hours 1]
     python benchmarks/shipped_loops.py FOLDER --table                       (the models; no network; hours)

Each loop is copied into a repository of its own with `tenward loop copy`, given a seed and a budget of hours, committed
and run. The yardstick is what no loop saw: chrF and ROUGE-L of the outputs to the references of the sealed cases, and
the share that passes all gates, of the first version and of the last. Every run is a file in FOLDER: what is there is
not run again.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tenward.cli._demo_loop import make_repository
from tenward.datasets import DataSet
from tenward.loop import Journal, LoopRecord, Status, journal_path
from tenward.loop._journal import headline_subjects
from tenward.metrics import get_metric

if TYPE_CHECKING:
    from tenward.loop._journal import CaseScore

LOOPS = ("demo", "commit-subjects", "review-comments", "skill", "curve-fit", "backtest")
_NAMES = {"demo": "subjects"}
_DATA = {
    "demo": "commit-subjects",
    "commit-subjects": "commit-subjects",
    "review-comments": "review-comments",
    "skill": "skill-tasks",
}
_YARDSTICKS = {name: get_metric(name) for name in ("chrf", "rouge_l")}


def tenward(top: Path, *words: str) -> str:
    """Run a command as a user does; return what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "tenward", *words], cwd=top, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise SystemExit(f"tenward {' '.join(words)}: {ended.stdout}{ended.stderr}")
    return ended.stdout


def git(top: Path, *words: str) -> None:
    """Run git."""
    who = ("-c", "user.name=B", "-c", "user.email=b@example.org")
    subprocess.run(["git", "-C", str(top), *who, *words], check=True, capture_output=True)


def begin(top: Path, loop: str, seed: int, hours: float) -> None:
    """Make a repository with a loop of this seed and budget."""
    if loop == "demo":
        make_repository(top, seed)
        return
    top.mkdir()
    git(top, "init", "-q")
    tenward(top, "loop", "copy", loop)
    path = top / "loop" / loop / "loop.yaml"
    text = path.read_text(encoding="utf-8")
    budget = re.search(r"rounds: (\d+)", text)
    rounds = "" if budget is None else f"rounds: {budget[1]}, "
    text = re.sub(r"(?m)^budget: .*$", f"budget: {{{rounds}hours: {hours}}}\nseed: {seed}", text)
    path.write_text(text, encoding="utf-8")
    git(top, "add", ".")
    git(top, "commit", "-qm", "Begin")


def yardsticks(rows: list[CaseScore], references: dict[str, list[str]]) -> dict[str, float]:
    """Likeness of outputs to what people wrote, 0 to 1, and the share that came as far as the judge."""
    found = {
        name: fmean(metric.score(row.output, references[row.case_id]).value for row in rows)
        for name, metric in _YARDSTICKS.items()
    }
    return {**found, "gates passed": fmean(row.judged for row in rows)}


def run(folder: Path, loop: str, seed: int, hours: float) -> None:
    """Run one loop, unless that was done."""
    path = folder / f"{loop}.{seed}.json"
    if path.exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch) / "work"
        began = time.time()
        begin(top, loop, seed, hours)
        tenward(top, "loop", "run", _NAMES.get(loop, loop))
        seconds = time.time() - began
        record = LoopRecord.open(top, _NAMES.get(loop, loop))
        with Journal(journal_path(record)) as journal:
            state, attempts = journal.loop(), list(journal.attempts())
            assert state is not None
            sides = [journal.scores(subject) for subject in headline_subjects(state.epoch)]
    true = [one for one in attempts if not one.placebo]
    kept = [one for one in true if one.status is Status.KEEP]
    first = kept[0] if kept and kept[0].ended is not None else None
    result: dict[str, Any] = {
        "seconds": seconds,
        "hours": hours,
        "rounds": len(attempts),
        "kept": [{"number": one.number, "idea": one.idea, "reason": one.reason} for one in kept],
        "first keep, seconds": None if first is None or first.ended is None else first.ended.timestamp() - began,
        "first keep, judged": first and sum(one.spent.judged for one in true if one.number <= first.number),
        "judged": state.spent.judged,
        "headline": dict(state.headline),
        "arms": {name: [arm.tried, arm.kept, arm.brought] for name, arm in state.arms.items()},
        "note": state.note,
        "score": [state.baseline_score, state.incumbent_score],
    }
    if loop in _DATA and all(sides):
        references = {case.id: list(case.references) for case in DataSet.load(_DATA[loop]).cases()}
        result["yardsticks"] = [yardsticks(side, references) for side in sides]
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(loop, seed, json.dumps(result)[:1500], flush=True)


def table(folder: Path) -> None:
    """Print what was found."""
    print("| loop | seed | minutes | first keep: minutes, cases | rounds | gain | chrF | ROUGE-L | gates passed |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for loop in LOOPS:
        for path in sorted(folder.glob(f"{loop}.*.json"), key=lambda one: int(one.suffixes[-2][1:])):
            told: dict[str, Any] = json.loads(path.read_text())
            head, first = told["headline"], told["first keep, seconds"]
            gain = "nothing kept"
            if head.get("low") is not None:
                gain = f"{head['gain']:+.3f} ({head['low']:+.3f} to {head['high']:+.3f})"
                gain += "" if head["confirmed"] else ", not confirmed"
            elif head:
                gain = f"{head['baseline_mean']:.4g} → {head['winner_mean']:.4g}"
            pairs: list[dict[str, float]] = told.get("yardsticks") or []
            names = (*_YARDSTICKS, "gates passed")
            marks = [f"{pairs[0][name]:.3f} → {pairs[1][name]:.3f}" if pairs else "" for name in names]
            cells = [
                loop,
                path.suffixes[-2][1:],
                f"{told['seconds'] / 60:.1f}",
                "" if first is None else f"{first / 60:.1f}, {told['first keep, judged']}",
                str(told["rounds"]),
                gain,
                *marks,
            ]
            print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Run what is not there yet, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=[*LOOPS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--table", action="store_true")
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    if told.table:
        table(told.folder)
        return
    for seed in told.seeds:
        for loop in told.loops:
            run(told.folder, loop, seed, told.hours)


if __name__ == "__main__":
    main()
