"""Readers for public human-rated files (gzipped JSON lines), as cases with ratings. The files are not ours to ship."""

from __future__ import annotations

import gzip
import json
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenward.datasets import Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Rated", "read_rated"]


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A file of rated cases."""

    kind: str
    rubric: str
    """Name of the shipped rubric that asks what the raters were asked."""

    cases: tuple[Case, ...]


def read_rated(path: Path, *, half: str, groups: int, per_group: int, seed: int, skip: int = 0) -> Rated:
    """Read a file and draw from it.

    Args:
        path: A ``.jsonl.gz`` file of one of the known kinds, told apart by its keys.
        half: ``choose`` (even groups of the file), ``report`` (odd ones) or ``all``. What is chosen on one half is
            reported on the other.
        groups: At most so many groups (documents, diffs, instructions), drawn at random.
        per_group: At most so many cases of each group, drawn at random.
        seed: Of the draw.
        skip: Leave out so many groups from the start of the draw, for instance those that wording was chosen on.

    Raises:
        SystemExit: The file is of no known kind.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records: list[dict[str, Any]] = [json.loads(line) for line in file]
    key = next((key for key in _KINDS if key in records[0]), None)
    if key is None:
        raise SystemExit(f"{path}: found the keys {', '.join(records[0])}; expected texts with human ratings")
    kind, rubric, reader = _KINDS[key]
    by_group: dict[str, list[Case]] = {}
    for record in records:
        for case in reader(record):
            by_group.setdefault(case.group, []).append(case)
    names = list(by_group)
    names = {"choose": names[0::2], "report": names[1::2], "all": names}[half]
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    chosen = draw.sample(names, min(groups, len(names)))
    drawn = [draw.sample(by_group[name], min(per_group, len(by_group[name]))) for name in chosen]
    cases = [case for several in drawn[skip:] for case in several]
    return Rated(kind=kind, rubric=rubric, cases=tuple(cases))


def _summeval(record: dict[str, Any]) -> Iterator[Case]:
    for system, item in record["systems"].items():
        yield Case(
            id=f"{record['doc']}/{system}",
            input=record["src"],
            output=item["summ"],
            human=item["scores"],
            group=record["doc"],
        )


def _crscore(record: dict[str, Any]) -> Iterator[Case]:
    review = record["review"]
    if not isinstance(review, str) or not review.strip():
        return  # some systems gave no answer; there is nothing to judge
    group = f"{record['lang']}-{record['index']}"
    yield Case(
        id=f"{group}/{record['system']}",
        input=record["diff"],
        output=review,
        human={
            "relevance": record["rel"],
            "conciseness": record["con"],
            "comprehensiveness": record["comp"],
        },
        group=group,
    )


def _llmbar(record: dict[str, Any]) -> Iterator[Case]:
    group = f"{record['subset']}/{record['i']}"
    for number in (1, 2):
        yield Case(
            id=f"{group}/{number}",
            input=record["input"],
            output=record[f"output_{number}"],
            human={"value": float(record["label"] == number)},
            group=group,
        )


def _prometheus(record: dict[str, Any]) -> Iterator[Case]:
    found = re.search(
        r"###The instruction to evaluate:\n(.*?)\n\n###Response to evaluate:\n(.*?)\n\n###Reference Answer",
        record["instruction"],
        re.DOTALL,
    )
    if found is None or not found.group(2).strip():
        return
    scores = record["gpt4_score"]
    yield Case(
        id=f"{record['idx']}/{record['response_source']}",
        input=found.group(1),
        output=found.group(2),
        human={"value": sum(scores) / len(scores)},
        group=str(record["idx"]),
    )


_KINDS: dict[str, tuple[str, str, Callable[[dict[str, Any]], Iterator[Case]]]] = {
    "systems": ("summeval", "summary", _summeval),
    "review": ("crscore", "review-comment", _crscore),
    "output_1": ("llmbar", "answer", _llmbar),
    "gpt4_score": ("prometheus", "answer", _prometheus),
}
