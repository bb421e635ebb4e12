"""The fields of one row as a case, with every fault of the row."""

from __future__ import annotations

import difflib
import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenward.datasets._case import SPLITS, Case
from tenward.datasets._lines import show
from tenward.datasets._text import printable
from tenward.errors import Problem
from tenward.guards import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.datasets._card import Card
    from tenward.datasets._case import Split
    from tenward.datasets._lines import Row

__all__ = ["FIELDS", "close_to", "hash_of", "read_case", "unknown_field"]

FIELDS = ("id", "input", "output", "references", "context", "human", "group", "split")
_LONGEST_ID = 200

# What other tools call the same things; too far from our words for a likeness of letters to find.
_ELSEWHERE = {
    "input": ("prompt", "question", "query", "task", "source", "document"),
    "output": ("answer", "response", "completion", "prediction", "candidate", "text"),
    "references": ("expected", "target", "ground_truth", "gold", "ideal", "label"),
    "human": ("ratings", "rating", "scores", "score"),
    "group": ("cluster", "topic", "category"),
}


def close_to(word: str, allowed: Sequence[str]) -> str:
    """A hint that names what was probably meant; empty when nothing is near."""
    close = difflib.get_close_matches(word[:100], allowed, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else ""


def hash_of(text: str) -> int:
    """Eight bytes of a hash that is the same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def unknown_field(line: int, name: str, allowed: Sequence[str], *, what: str = "key") -> Problem:
    """The complaint about a key or column that no case has."""
    meant = next((field for field, words in _ELSEWHERE.items() if name.lower() in words and field in allowed), "")
    return Problem(
        line=line,
        field=printable(name, longest=50),
        found=f"an unknown {what}",
        expected="one of " + ", ".join(allowed),
        hint=f"did you mean '{meant}'?" if meant else close_to(name, allowed),
    )


def read_case(row: Row, card: Card | None = None) -> tuple[Case | None, list[Problem]]:
    """Read a row as a case.

    Args:
        row: What the line says.
        card: Gives the scale of the human ratings, and the split of a case that names none.

    Returns:
        The case and no faults, or no case and at least one.
    """
    reader = _Reader(row, card.ratings.scale if card and card.ratings else None)
    if row.data or not row.problems:
        reader.check_names()
        case = Case(
            id=reader.id(),
            input=reader.text("input"),
            output=reader.text("output"),
            references=reader.references(),
            context=reader.text("context"),
            human=reader.human(),
            group=reader.text("group"),
        )
        split = reader.split() or (card.split_of(case.group or case.id) if card else "dev")
        if not reader.problems:
            return replace(case, split=split), []
    return None, reader.problems


class _Reader:
    """Takes the fields out of a row one by one and notes what is wrong with them."""

    def __init__(self, row: Row, scale: tuple[float, float] | None) -> None:
        self._line = row.line
        self._data = row.data
        self._scale = scale
        self.problems = list(row.problems)

    def check_names(self) -> None:
        self.problems += [unknown_field(self._line, name, FIELDS) for name in self._data if name not in FIELDS]

    def id(self) -> str:
        if "id" not in self._data:
            self._fault("id", "nothing", "a text that no other case has", hint="give every case an id")
            return ""
        text = self.text("id")
        if isinstance(self._data["id"], str):
            if not text.strip():
                self._fault("id", "an empty text", "a text that no other case has")
            elif len(text) > _LONGEST_ID:
                self._fault("id", f"{len(text):,} characters", f"at most {_LONGEST_ID}")
        return text

    def text(self, name: str) -> str:
        return self._text(name, self._data.get(name, ""))

    def references(self) -> tuple[str, ...]:
        value = self._data.get("references", [])
        if isinstance(value, str):
            value = [value] if value else []
        if not is_list(value):
            self._fault("references", show(value), "a text or a list of texts", hint=_absent(value))
            return ()
        return tuple(self._text(f"references[{number}]", item) for number, item in enumerate(value))

    def human(self) -> dict[str, float]:
        value = self._data.get("human", {})
        if not is_mapping(value):
            expected = "an object of names and numbers"
            self._fault("human", show(value), expected, hint=_absent(value) or 'such as {"clarity": 4}')
            return {}
        ratings: dict[str, float] = {}
        for name, rating in value.items():
            if not name:
                self._fault("human", "an empty name", "the name of a criterion")
            elif rating is not None:
                ratings[self._text("human", name)] = self._rating(str(name), rating)
        return ratings

    def split(self) -> Split | None:
        if "split" not in self._data:
            return None
        value = self._data["split"]
        found: Split | None = next((split for split in SPLITS if split == value), None)
        if found is None:
            hint = close_to(value, SPLITS) if isinstance(value, str) else _absent(value)
            self._fault("split", show(value), " or ".join(SPLITS), hint=hint)
        return found

    def _rating(self, name: str, value: object) -> float:
        field = f"human.{printable(name, longest=50)}"
        if not isinstance(value, int | float) or isinstance(value, bool):
            hint = "leave it out where nobody rated the case"
            self._fault(field, show(value), "a number such as 4 or 4.5", hint=hint)
            return 0.0
        try:
            rating = float(value)
        except OverflowError:
            rating = math.inf
        if not math.isfinite(rating):
            hint = "leave it out, or write null, where nobody rated the case"
            self._fault(
                field, show(value) if isinstance(value, float) else "a huge number", "a finite number", hint=hint
            )
        elif self._scale and not self._scale[0] <= rating <= self._scale[1]:
            lo, hi = self._scale
            self._fault(field, f"{rating:g}", f"{lo:g} to {hi:g}, the scale of the ratings on the card")
        return rating

    def _text(self, field: str, value: Any) -> str:
        if not isinstance(value, str):
            hint = _absent(value) or ("put it in double quotes" if isinstance(value, int | float) else "")
            self._fault(field, show(value), "a text", hint=hint)
            return ""
        try:
            value.encode()
        except UnicodeEncodeError as error:
            found = f"half a character, \\u{ord(value[error.start]):04x}, at character {error.start + 1:,}"
            hint = "the text was cut inside an emoji or decoded wrongly; write it again from its source"
            self._fault(field, found, "whole characters", hint=hint)
        return value

    def _fault(self, field: str, found: str, expected: str, *, hint: str = "") -> None:
        self.problems.append(Problem(line=self._line, field=field, found=found, expected=expected, hint=hint))


def _absent(value: object) -> str:
    return "leave the key out where there is nothing" if value is None else ""
