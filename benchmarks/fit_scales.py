"""Fit the maps that ship with the embedded judge, from readings that agreement.py or this script has saved.

Run: python benchmarks/fit_scales.py read RUBRIC DATASET --save FILE     judge a rated data set, raw
     python benchmarks/fit_scales.py write judges/local.scale.yaml --from FOLDER    fit all that have readings there

Readings are JSON lines: case, group, raw scores by criterion, ratings by criterion.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from tenward.datasets import DataSet
from tenward.evaluation import Rated, evaluate_case, fit_scale, scale_data, scale_text
from tenward.judges import Judge
from tenward.rubrics import Rubric

OURS = "of this project, rated by their author, a model, by the levels of the rubric; not by people"
SUMMEVAL = (
    "400 summaries of 25 articles of SummEval (Fabbri et al., 2021; Apache-2.0), 240 of them for consistency; "
    "experts' ratings; half that chooses"
)
CRSCORE = "200 review comments on 63 diffs of CRScore (Naik et al., 2024; MIT), people's ratings; half that chooses"
SOURCES = {
    "summary": ("summeval.jsonl", SUMMEVAL),
    "review-comment": ("crscore.jsonl", CRSCORE),
    "code-review": ("code-revisions.jsonl", f"small programs of the data set code-revisions {OURS}"),
} | {
    name: (f"rated-{name}.jsonl", f"texts of the data set rated-{name} {OURS}")
    for name in ("answer", "commit-subject", "error-explanation", "prompt", "skill", "spec-quality")
}


def main() -> None:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    read = commands.add_parser("read", help="judge a rated data set, raw")
    read.add_argument("rubric")
    read.add_argument("dataset")
    read.add_argument("--judge", default="local")
    read.add_argument("--save", type=Path, required=True)
    write = commands.add_parser("write", help="fit and write the maps")
    write.add_argument("file", type=Path)
    write.add_argument("--judge", default="local")
    write.add_argument("--from", dest="folder", type=Path, required=True, help="folder of the readings")
    options = parser.parse_args()
    if options.command == "read":
        asyncio.run(judge_texts(options))
    else:
        write_maps(options)


async def judge_texts(options: argparse.Namespace) -> None:
    """Judge every rated text, without gates, and save what was read."""
    rubric = Rubric.load(options.rubric).model_copy(update={"gates": ()})
    judge = Judge.load(options.judge, raw=True)
    with options.save.open("w", encoding="utf-8") as file:
        for case in DataSet.load(options.dataset).cases():
            verdict = (await evaluate_case(case, rubric, judge)).verdict
            assert verdict is not None
            row: dict[str, Any] = {
                "case": case.id,
                "group": case.group or case.id,
                "scores": verdict.raw_scores,
                "human": case.human,
            }
            row["input"] = bool(case.input)
            file.write(json.dumps(row) + "\n")
            file.flush()
    await judge.aclose()


def write_maps(options: argparse.Namespace) -> None:
    """Fit the maps of every rubric that has readings, print how well they do, and write them."""
    judge = Judge.load(options.judge, raw=True)
    for name, (file, source) in SOURCES.items():
        path = options.folder / file
        if not path.is_file():
            print(f"{name}: no readings in {path}; its maps stay as they are")
            continue
        rubric = Rubric.load(name)
        fitted = fit_scale(texts(path), rubric)
        options.file.write_text(
            scale_text(options.file, scale_data(fitted, judge.name, rubric, judge.fingerprint(rubric), source)),
            encoding="utf-8",
        )
        print(f"{name}: whole off by {'–' if fitted.error is None else f'{fitted.error:.2f}'} points")
        for criterion, one in fitted.criteria.items():
            mapped = "" if one.mapped_mean is None else f" mapped {one.mapped_mean:.2f} ± {one.mapped_sd:.2f};"
            print(
                f"  {criterion:<18} rated {one.mean:.2f} ± {one.sd:.2f}, raw {one.raw_mean:.2f} ± {one.raw_sd:.2f},"
                f"{mapped} {one.why}"
            )


def texts(path: Path) -> list[Rated]:
    """What was read and rated."""
    found: list[Rated] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        raw = {name: score for name, score in row["scores"].items() if score is not None}
        has_input: bool = row.get("input", True)
        found.append(Rated(case=row["case"], group=row["group"], raw=raw, rating=row["human"], has_input=has_input))
    return found


if __name__ == "__main__":
    main()
