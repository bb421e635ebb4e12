"""One line of the ledger, and how a commit's message carries it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tenward.guards import is_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Attempt", "Draft", "Status", "read_message", "record_message", "subject"]

_KEY = "Tenward-Attempt: "
_SUBJECT_WIDTH = 100


class Status(StrEnum):
    """The possible ends of an attempt."""

    KEEP = "keep"
    DISCARD = "discard"
    CRASHED = "crashed"
    INVALID = "invalid"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An attempt that has ended, to be written."""

    number: int
    """From `LoopRecord.next_number`; 1 or more."""

    status: Status
    """How it ended. ``keep`` moves the branch of the loop to the candidate."""

    parent: str
    """The commit it was made from: the incumbent of that time."""

    tree: str
    """The candidate's files: the name of a tree; the parent's own if there was no candidate."""

    description: str
    """What was tried, in a line; any text."""

    score: float | None
    """Its score on whatever scale the loop uses; finite. None if it has none."""

    began: datetime
    """When it began; with a time zone."""

    ended: datetime
    """When it ended; with a time zone."""

    notes: Mapping[str, str | bytes]
    """Texts that stay with it, by file name, such as ``idea.md`` or ``decision.json``."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One line of the ledger."""

    number: int
    """Counts from 1; a number may be missing where a process was killed."""

    status: Status
    """How it ended."""

    candidate: str
    """The commit that holds the candidate's files; its parent is `parent`."""

    parent: str
    """The commit it was made from."""

    record: str
    """The commit that holds the notes."""

    description: str
    """What was tried."""

    score: float | None
    """Its score, or None."""

    began: datetime
    """When it began, in UTC."""

    ended: datetime
    """When it ended, in UTC."""


def subject(description: str, otherwise: str) -> str:
    """A description as the first line of a commit's message: printable, on one line, not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in description).split())
    return line if len(line) <= _SUBJECT_WIDTH else line[: _SUBJECT_WIDTH - 1] + "…" if line else otherwise


def record_message(loop: str, draft: Draft) -> str:
    """The message of a record: a line for people, and last of all one that a program can read back.

    Raises:
        ValueError: The score is not finite, or a time has no time zone.
    """
    if draft.score is not None and not math.isfinite(draft.score):
        raise ValueError(f"found the score {draft.score}, expected a finite number or None")
    facts = {
        "number": draft.number,
        "status": draft.status.value,
        "score": draft.score,
        "began": _in_utc(draft.began).isoformat(),
        "ended": _in_utc(draft.ended).isoformat(),
        "description": draft.description,
    }
    told = subject(draft.description, "no description")
    # JSON in ASCII has no line break, so no description can add a line of its own.
    return f"{loop} {draft.number}: {draft.status.value}: {told}\n\n{_KEY}{json.dumps(facts)}\n"


def read_message(message: str, *, candidate: str, parent: str, record: str) -> Attempt:
    """Read back what `record_message` wrote.

    Raises:
        ValueError: The message is not the record of an attempt.
    """
    last = message.rstrip("\n").rpartition("\n")[2]
    if not last.startswith(_KEY):
        raise ValueError("no line that begins with Tenward-Attempt")
    facts = json.loads(last.removeprefix(_KEY))
    if not is_mapping(facts):
        raise ValueError("the facts are no mapping")
    try:
        score = facts["score"]
        return Attempt(
            number=int(facts["number"]),
            status=Status(facts["status"]),
            candidate=candidate,
            parent=parent,
            record=record,
            description=str(facts["description"]),
            score=None if score is None else float(score),
            began=_in_utc(datetime.fromisoformat(facts["began"])),
            ended=_in_utc(datetime.fromisoformat(facts["ended"])),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"a fact is missing or of another kind: {error}") from error


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"found {moment} without a time zone, expected one with")
    return moment.astimezone(UTC)
