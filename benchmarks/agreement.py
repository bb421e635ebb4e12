"""How well a judge orders texts as people do: Spearman and Kendall, with bootstrap intervals over groups.

python benchmarks/agreement.py FILE.jsonl.gz --half report --read distribution --read stated
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from human_rated import read_rated
from scipy import stats

from tenward.documents import load_document
from tenward.evaluation import evaluate_case
from tenward.judges import JudgeSpec, ModelJudge
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenward.datasets import Case
    from tenward.evaluation import Result

_RESAMPLES = 1000


def main() -> None:
    """Judge the drawn cases once per way of reading, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a gzipped JSON-lines file of human-rated texts")
    parser.add_argument("--rubric", help="default: the shipped rubric that asks what the raters were asked")
    parser.add_argument("--judge", default="local")
    parser.add_argument("--read", action="append", choices=["distribution", "stated"], help="repeatable")
    parser.add_argument("--half", choices=["choose", "report", "all"], default="report")
    parser.add_argument("--groups", type=int, default=25, help="documents, diffs or instructions drawn")
    parser.add_argument("--per-group", type=int, default=8, help="cases drawn from each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip", type=int, default=0, help="leave out so many groups from the start of the draw")
    parser.add_argument("--save", type=Path, help="write every score to this file as JSON lines")
    options = parser.parse_args()
    rated = read_rated(
        options.data,
        half=options.half,
        groups=options.groups,
        per_group=options.per_group,
        seed=options.seed,
        skip=options.skip,
    )
    rubric = Rubric.load(options.rubric or rated.rubric)
    spec = load_document(Library.discover().find("judges", options.judge), JudgeSpec)
    print(f"{rated.kind}, {options.half} half: {len(rated.cases)} texts, rubric {rubric.rubric}, judge {spec.judge}")
    for read in options.read or [spec.read]:
        keep = partial(_save, options.save, read) if options.save else None
        results, seconds = asyncio.run(_judge(rated.cases, rubric, ModelJudge(_reading(spec, read)), keep))
        _report(read, rubric, results, seconds)


def _reading(spec: JudgeSpec, read: str) -> JudgeSpec:
    """The same model, read another way; stated scores are asked for together, with the whole rubric in the prompt."""
    if read == spec.read:
        return spec
    kept = spec.model_dump(exclude_unset=True, exclude={"probe", "explain", "anchors", "ask"})
    return JudgeSpec.model_validate(kept | {"read": read, "max_tokens": 1200})


async def _judge(
    cases: tuple[Case, ...], rubric: Rubric, judge: ModelJudge, keep: Callable[[Result], None] | None
) -> tuple[list[Result], float]:
    results: list[Result] = []
    await evaluate_case(cases[0], rubric, judge)  # loads the model; not counted
    began = time.perf_counter()
    for number, case in enumerate(cases, 1):
        results.append(await evaluate_case(case, rubric, judge))
        if keep is not None:
            keep(results[-1])
        if number % 20 == 0:
            print(f"  ... {number} of {len(cases)}", flush=True)
    await judge.aclose()
    return results, time.perf_counter() - began


def _report(read: str, rubric: Rubric, results: list[Result], seconds: float) -> None:
    questions = len(results) * len(rubric.criteria)
    print(f"\nread: {read}   {seconds / questions:.2f} s per criterion")
    print(f"{'criterion':<20}{'n':>5}  {'Spearman':>9}  {'95 %':<15}{'Kendall':>8}  {'95 %':<15}{'modal answer':>13}")
    rhos: list[float] = []
    named = [name for name in rubric.criteria if name in results[0].case.human] or ["value"]
    for name in named:
        rows = [
            (result.case.group, score, result.case.human[name])
            for result in results
            if (score := _score(result, name)) is not None
        ]
        rho, tau = _spearman(rows), _kendall(rows)
        rhos.append(rho)
        (low, high), (low_tau, high_tau) = _interval(rows, _spearman), _interval(rows, _kendall)
        same = max((sum(round(a[1], 3) == round(b[1], 3) for b in rows) for a in rows), default=0) / max(1, len(rows))
        print(
            f"{name:<20}{len(rows):>5}  {_text(rho):>9}  {_text(low)} to {_text(high):<8}{_text(tau):>8}  "
            f"{_text(low_tau)} to {_text(high_tau):<8}{same:>12.0%}"
        )
    if len(rhos) > 1:
        print(f"{'mean':<25}  {_text(statistics.fmean(rhos)):>9}")
    failures = [failure.kind for r in results if r.verdict for failure in r.verdict.failures.values()]
    if failures:
        counts = ", ".join(f"{failures.count(kind)} {kind}" for kind in sorted(set(failures)))
        print(f"unscored: {counts}, of {questions}")


def _score(result: Result, name: str) -> float | None:
    if name == "value":
        return result.value
    return result.verdict.scores[name] if result.verdict is not None else None


def _spearman(rows: list[tuple[str, float, float]]) -> float:
    return _correlate(stats.spearmanr, rows)


def _kendall(rows: list[tuple[str, float, float]]) -> float:
    return _correlate(stats.kendalltau, rows)


def _correlate(measure: Any, rows: list[tuple[str, float, float]]) -> float:
    if len(rows) < 3:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a constant column has no correlation; nan says so
        return float(measure([row[1] for row in rows], [row[2] for row in rows]).statistic)


def _interval(rows: list[tuple[str, float, float]], measure: Any) -> tuple[float, float]:
    """95 % percentile bootstrap that draws whole groups, since texts on one source are not independent."""
    groups: dict[str, list[tuple[str, float, float]]] = {}
    for row in rows:
        groups.setdefault(row[0], []).append(row)
    names = list(groups)
    if len(names) < 2:
        return float("nan"), float("nan")
    draw = np.random.default_rng(0)
    found: list[float] = []
    for _ in range(_RESAMPLES):
        sample = [row for index in draw.integers(len(names), size=len(names)) for row in groups[names[index]]]
        found.append(measure(sample))
    values = np.array(found)
    values = values[~np.isnan(values)]
    if len(values) < _RESAMPLES // 2:
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _text(number: float) -> str:
    return "undefined" if np.isnan(number) else f"{number:.2f}"


def _save(path: Path, read: str, result: Result) -> None:
    scores = result.verdict.scores if result.verdict is not None else {}
    record = {"read": read, "case": result.case.id, "group": result.case.group, "scores": scores}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record | {"human": dict(result.case.human)}) + "\n")


if __name__ == "__main__":
    main()
