"""Which of two cases is better: JSON lines that name both, beside the data set that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.datasets._lines import json_rows, show
from tenward.errors import DocumentError, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from tenward.datasets._lines import Row

__all__ = ["Preference", "read_preferences"]

_SUCH_AS = 'such as {"better": "case-1", "worse": "case-2"}'
_MOST_PROBLEMS = 20


@dataclass(frozen=True, kw_only=True)
class Preference:
    """One case is better than another."""

    better: str
    """Id of the better case."""

    worse: str
    criterion: str = ""
    """In which respect; empty for all."""


def read_preferences(path: Path, cases: Collection[str], criteria: Collection[str]) -> tuple[Preference, ...]:
    """Read a file of preferences; what is said twice counts once.

    Args:
        path: JSON lines with ``better``, ``worse`` and, if it is about one criterion, ``criterion``.
        cases: Ids of the cases there are.
        criteria: Names of the criteria there are.

    Raises:
        DocumentError: The file cannot be read, holds none, or a line names what there is not.
    """
    found: list[Preference] = []
    problems: list[Problem] = []
    for row in json_rows(path):
        faults = [*row.problems] or [*_faults(row, cases, criteria)]
        problems += faults
        if not faults:
            found.append(Preference(**row.data))
    if not found and not problems:
        problems.append(Problem(line=None, field="", found="no pair", expected="a pair on every line", hint=_SUCH_AS))
    if problems:
        raise DocumentError(path, problems[:_MOST_PROBLEMS])
    return tuple(dict.fromkeys(found))


def _faults(row: Row, cases: Collection[str], criteria: Collection[str]) -> Iterator[Problem]:
    known = {"better": ("the id of a case", cases), "worse": ("the id of a case", cases)}
    for name in row.data.keys() - {*known, "criterion"}:
        yield Problem(line=row.line, field=name, found="an unknown key", expected="better, worse or criterion")
    if "criterion" in row.data:
        known["criterion"] = (f"one of {', '.join(criteria)}", criteria)
    for name, (expected, there) in known.items():
        if name not in row.data:
            yield Problem(line=row.line, field=name, found="nothing", expected=expected, hint=_SUCH_AS)
        elif not isinstance(value := row.data[name], str) or value not in there:
            yield Problem(line=row.line, field=name, found=show(value), expected=expected)
    if row.data.get("better") == row.data.get("worse") and "better" in row.data:
        yield Problem(line=row.line, field="worse", found="the same case twice", expected="two cases")
