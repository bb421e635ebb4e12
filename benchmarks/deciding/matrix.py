"""A recorded matrix of scores: systems by items, possibly several passes, possibly with human ratings."""

from __future__ import annotations

import csv
import gzip
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from human_rated import read_rated

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Matrix", "read_matrix"]

_LIKERT = 5.0


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Scores of systems on items that every system has.

    Attributes:
        systems: Their names.
        items: Their ids.
        passes: Per system and item, the scores of the passes recorded, on a scale from 0 to 1.
        truth: Per system, the mean of human ratings where the file has them, else of all scores.
        human: Whether it has them.
    """

    systems: tuple[str, ...]
    items: tuple[str, ...]
    passes: tuple[tuple[tuple[float, ...], ...], ...]
    truth: tuple[float, ...]
    human: bool


def read_matrix(path: Path) -> Matrix:
    """Read ``.jsonl``, ``.csv``, either gzipped, or one of the human-rated files that ``agreement.py`` knows.

    Raises:
        SystemExit: There are fewer than two systems, or no item that all of them have.
    """
    rows = _rows(path)
    if not rows or not {"system", "item", "score"} <= set(rows[0]):
        rows = _rated(path)
    scores: dict[str, dict[str, list[float]]] = {}
    human: dict[str, list[float]] = {}
    for row in rows:
        scores.setdefault(str(row["system"]), {}).setdefault(str(row["item"]), []).append(float(row["score"]))
        if row.get("human") not in (None, ""):
            human.setdefault(str(row["system"]), []).append(float(row["human"]))
    systems = tuple(scores)
    every = [set(by_item) for by_item in scores.values()]
    items = tuple(sorted(set[str]().union(*every).intersection(*every)))
    if len(systems) < 2 or not items:
        raise SystemExit(
            f"{path}: found {len(systems)} systems with {len(items)} items in common, expected two systems and an item"
        )
    passes = tuple(tuple(tuple(scores[name][item]) for item in items) for name in systems)
    rated = all(name in human for name in systems)
    truth = tuple(
        math.fsum(human[name]) / len(human[name])
        if rated
        else math.fsum(math.fsum(one) / len(one) for one in row) / len(items)
        for name, row in zip(systems, passes, strict=True)
    )
    return Matrix(systems=systems, items=items, passes=passes, truth=truth, human=rated)


def _rows(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8").splitlines()
    if path.name.removesuffix(".gz").endswith(".csv"):
        return list(csv.DictReader(lines))
    return [json.loads(line) for line in lines if line.strip()]


def _rated(path: Path) -> list[dict[str, Any]]:
    """Ratings of one to five as the recorded scores."""
    everything = read_rated(path, half="all", groups=10**9, per_group=10**9, seed=0)
    return [
        {
            "system": case.id.rpartition("/")[2],
            "item": case.group,
            "score": (math.fsum(case.human.values()) / len(case.human) - 1) / (_LIKERT - 1),
        }
        for case in everything.cases
        if case.human
    ]
