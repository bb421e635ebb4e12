"""The data set: a file of cases with its card, read case by case."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tenward.datasets._card import Card, load_card
from tenward.datasets._case import SPLITS
from tenward.datasets._fields import hash_of, read_case
from tenward.datasets._lines import Row, fault, json_rows, show
from tenward.datasets._table import csv_rows
from tenward.errors import DocumentError, Problem, UsageError
from tenward.workspace import Library, require_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tenward.datasets._case import Case, Split

__all__ = ["DataSet"]

_SUFFIXES = (".jsonl", ".jsonl.gz", ".csv")
_MAX_PROBLEMS = 20


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Cases in a file, opened by :meth:`load`. The file is read anew by each method and never held in memory."""

    name: str
    """What the card calls it, such as ``commit-subjects/v1``; without a card, the file's name without its suffix."""

    path: Path
    """The file of cases: ``.jsonl``, ``.jsonl.gz`` or ``.csv``."""

    card: Card | None = None
    """The card, ``NAME.md`` beside the file; None where there is none."""

    @classmethod
    def load(cls, name: str | Path, *, library: Library | None = None) -> DataSet:
        """Find a data set by name (workspace first, then the shipped library) or by path, and read its card.

        The cases are read, and their faults found, by the other methods.

        Raises:
            UnknownNameError: No library holds that name.
            DocumentError: The card says something it may not.
            UsageError: The file is of a kind that holds no cases.
        """
        library = library or Library.discover()
        path = library.find("datasets", name)
        if not path.name.endswith(_SUFFIXES):
            found = f"a file ending in {path.suffix}" if path.suffix else "a file without an ending"
            hint = "make one from a JSON list: jq -c '.[]' FILE > FILE.jsonl" if path.suffix == ".json" else ""
            raise UsageError(f"{path}: found {found}, expected {' or '.join(_SUFFIXES)}", hint=hint)
        beside = _card_of(path)
        card = load_card(beside) if beside.is_file() else None
        dataset = cls(name=card.dataset if card else beside.stem, path=path, card=card)
        require_version(name, dataset.name, path)
        return dataset

    def cases(self, split: Split | None = None, limit: int | None = None) -> Iterator[Case]:
        """Read the cases in the order of the file, one at a time.

        Args:
            split: Only the cases of this split; all of them by default.
            limit: At most this many, 0 or more; the rest of the file is not read.

        Raises:
            UsageError: There is no such split, or the limit is negative.
            DocumentError: While reading: the first fault. At the end: no cases, or numbers on the card that are wrong.
        """
        if split is not None and split not in SPLITS:
            raise UsageError(f"split is {split!r}, expected {' or '.join(SPLITS)}")
        if limit is not None and limit < 0:
            raise UsageError(f"limit is {limit}, expected 0 or more")
        return islice((case for case in self._cases() if split in {None, case.split}), limit)

    def counts(self) -> Mapping[Split, int]:
        """Number of cases per split; reads the whole file.

        Raises:
            DocumentError: As :meth:`cases`.
        """
        counts: dict[Split, int] = dict.fromkeys(SPLITS, 0)
        for case in self._cases():
            counts[case.split] += 1
        return counts

    def validate(self) -> None:
        """Read the whole file and report what is wrong with it, at most 20 faults at once.

        Raises:
            DocumentError: There is at least one fault in the cases or, where they are right, in the card's numbers.
        """
        problems: list[Problem] = []
        counts: dict[Split, int] = dict.fromkeys(SPLITS, 0)
        for case, faults in self._checked():
            problems += faults
            if case is not None:
                counts[case.split] += 1
            if len(problems) >= _MAX_PROBLEMS:
                problems = problems[:_MAX_PROBLEMS]
                last = "\n".join(filter(None, [problems[-1].hint, "reading stopped here, more faults may follow"]))
                problems[-1].hint = last
                break
        if problems:
            raise DocumentError(self.path, problems)
        self._compare(counts)

    @property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the file's bytes, card not included; reads the file each time.

        Raises:
            DocumentError: The file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()[:16]
        except OSError as error:
            found = f"a file that cannot be read ({error.strerror})"
            problem = Problem(line=None, field="", found=found, expected="a file of cases")
            raise DocumentError(self.path, [problem]) from error

    def _cases(self) -> Iterator[Case]:
        counts: dict[Split, int] = dict.fromkeys(SPLITS, 0)
        for case, problems in self._checked():
            if case is None:
                raise DocumentError(self.path, problems)
            counts[case.split] += 1
            yield case
        self._compare(counts)

    def _compare(self, counts: Mapping[Split, int]) -> None:
        if self.card and (problems := self.card.disagreements(counts)):
            raise DocumentError(_card_of(self.path), problems)

    def _checked(self) -> Iterator[tuple[Case | None, list[Problem]]]:
        """Every row as a case or as its faults, ids compared."""
        seen: set[int] = set()
        for row in self._rows():
            case, problems = read_case(row, self.card)
            if isinstance(name := row.data.get("id"), str):
                # Eight bytes per id, not the id: what looks like a repetition is looked up in the file.
                key = hash_of(name)
                if key in seen and (first := self._first_line(name, row.line)):
                    expected = f"an id that no other case has; line {first:,} has it first"
                    problems.append(Problem(line=row.line, field="id", found=show(name), expected=expected))
                    case = None
                seen.add(key)
            yield case, problems

    def _first_line(self, name: str, before: int) -> int | None:
        earlier = (row.line for row in self._rows() if row.line >= before or row.data.get("id") == name)
        first = next(earlier, before)
        return first if first < before else None

    def _rows(self) -> Iterator[Row]:
        empty = True
        for row in (csv_rows if self.path.suffix == ".csv" else json_rows)(self.path):
            empty = False
            yield row
        if empty:
            hint = 'a case is a line such as {"id": "first", "input": "the task"}'
            yield fault(None, "a file without cases", "at least one case", hint=hint)


def _card_of(path: Path) -> Path:
    stem = next(path.name.removesuffix(suffix) for suffix in _SUFFIXES if path.name.endswith(suffix))
    return path.with_name(f"{stem}.md")
