"""The journal: what a loop is doing right now, written down before it is done.

Git holds what has ended; the journal holds what has not, and the scores that decisions are made of. It lies beside the
refs, in the git directory: two work trees of one repository share the loop and its lock, so they must share this too.
Nothing is pickled. An attempt's scores are forgotten once git has them, so the file does not grow with what was judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - as in the states
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from tenward.database import Database, FileKind
from tenward.errors import StoreError
from tenward.loop._states import AttemptState, LoopState, read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["Arrow", "CaseScore", "Journal", "headline_subjects"]

_WAY_OUT = "move it away; what has ended is kept in git"
_TABLES = """
CREATE TABLE loop (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
CREATE TABLE attempts (number INTEGER PRIMARY KEY, phase TEXT NOT NULL, files TEXT NOT NULL, state TEXT NOT NULL);
CREATE INDEX attempts_by_files ON attempts (files);
CREATE INDEX open_attempts ON attempts (number) WHERE phase <> 'closed';
CREATE TABLE scores (
  subject TEXT NOT NULL, case_id TEXT NOT NULL, pass INTEGER NOT NULL, score TEXT NOT NULL,
  PRIMARY KEY (subject, case_id, pass)
) WITHOUT ROWID;
CREATE TABLE arrows (id INTEGER PRIMARY KEY, at TEXT NOT NULL, attempt INTEGER NOT NULL, phase TEXT NOT NULL);
"""
_KIND = FileKind(name="journal", version=1, tables=_TABLES, way_out=_WAY_OUT)


_TEXTS_DOING = {"refused", "truncated", "off_scale", "schema", "bad_quote"}
"""Failures of a judge that some texts bring about more often than others."""


@dataclass(frozen=True, kw_only=True)
class CaseScore:
    """What one pass over one case came to."""

    case_id: str
    split: Literal["dev", "sealed"]
    sample: int
    """Number of the pass."""

    value: float | None
    """0 to 1, or the number that is asked for; None where there is none."""

    criteria: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """Score per criterion as a share of the scale, 0 to 1; None for an unscored one."""

    references: float | None = None
    """What the reference metrics say, 0 to 1; None where there are none."""

    output: str = ""
    """What was produced and judged, or printed."""

    result: Mapping[str, Any] | None = None
    """The whole result as data of :class:`tenward.evaluation.Result`; None where nothing came of it."""

    problem: str = ""
    """Why there is no score, or why it is 0."""

    crashed: bool = False
    """Whether the candidate failed to produce anything."""

    @property
    def unheard(self) -> bool:
        """Whether it has no score for a reason that its own text may have caused in the judge, and no machine did."""
        return self.value is None and self.problem.partition(":")[0] in _TEXTS_DOING

    @property
    def judged(self) -> bool:
        """Whether a judge read it; an output that fails a gate has a result without."""
        return self.result is not None and self.result.get("verdict") is not None


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """One step that was announced."""

    id: int
    """Counts from 1."""

    at: datetime
    attempt: int
    """0 for the loop itself."""

    phase: str
    """The phase that began."""


def headline_subjects(epoch: int) -> tuple[str, str]:
    """Whose scores the headline's are: the baseline's, and those of the incumbent of an epoch."""
    return f"h{epoch}-baseline", f"h{epoch}-winner"


class Journal:
    """The journal of one loop.

    Args:
        path: The SQLite file; made when it is not there.
        on_arrow: Called with the number of each arrow once it is on disk, before the step itself.
        read_only: Only look at it; see :class:`tenward.database.Database`.

    Raises:
        StoreError: The file cannot be opened, is no journal, or is one of another version.
    """

    def __init__(self, path: Path, *, on_arrow: Callable[[int], None] | None = None, read_only: bool = False) -> None:
        self.path = path
        self.on_arrow = on_arrow
        self._db = Database(path, _KIND, read_only=read_only)

    def close(self) -> None:
        """Close the file; the journal cannot be used any more."""
        self._db.close()

    def __enter__(self) -> Self:
        """The journal itself; it is closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def write(
        self,
        *,
        loop: LoopState | None = None,
        attempt: AttemptState | None = None,
        arrow: bool = False,
        scores: tuple[str, Iterable[CaseScore]] = ("", ()),
        forget: Iterable[str] = (),
    ) -> None:
        """Write all of this down, or nothing of it.

        Args:
            loop: How the loop stands.
            attempt: How an attempt stands.
            arrow: Whether the attempt, or else the loop, is about to take a new step.
            scores: Whose scores, and the scores; one of the same case and pass is replaced.
            forget: Whose scores are not needed any more.

        Raises:
            StoreError: The file cannot be written.
        """
        subject, new = scores
        rows = [(subject, score.case_id, score.sample, json.dumps(asdict(score))) for score in new]
        last: int | None = 0
        with self._db.writing() as db:
            for old in forget:
                db.execute("DELETE FROM scores WHERE subject = ?", (old,))
            if rows:
                db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", rows)
            if loop is not None:
                db.execute("INSERT OR REPLACE INTO loop VALUES (1, ?)", (write_state(loop),))
            if attempt is not None:
                files = f"{attempt.parent} {attempt.tree}"
                row = (attempt.number, attempt.phase.value, files, write_state(attempt))
                db.execute("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)", row)
            if arrow:
                who, phase = (0, loop.phase.value) if loop is not None else (0, "")
                if attempt is not None:
                    who, phase = attempt.number, attempt.phase.value
                now = datetime.now(UTC).isoformat()
                last = db.execute(
                    "INSERT INTO arrows (at, attempt, phase) VALUES (?, ?, ?)", (now, who, phase)
                ).lastrowid
        if arrow and self.on_arrow is not None:
            self.on_arrow(last or 0)

    def _attempt_of(self, text: str) -> AttemptState:
        try:
            return read_state(AttemptState, text)
        except ValueError as error:
            raise self._damaged("an attempt", error) from error

    def _damaged(self, what: str, error: ValueError) -> StoreError:
        return StoreError(
            f"{self.path}: found {what} that cannot be read ({str(error).splitlines()[0]})",
            hint=_WAY_OUT,
        )

    # -- reading -------------------------------------------------------------------------------------------------

    def loop(self) -> LoopState | None:
        """How the loop stands; None before it has begun.

        Raises:
            StoreError: The file is damaged.
        """
        rows = self._db.rows("SELECT state FROM loop")
        try:
            return read_state(LoopState, rows[0][0]) if rows else None
        except ValueError as error:
            raise self._damaged("a loop", error) from error

    def attempt(self, number: int) -> AttemptState | None:
        """One attempt; None if there is none of that number."""
        rows = self._db.rows("SELECT state FROM attempts WHERE number = ?", number)
        return self._attempt_of(rows[0][0]) if rows else None

    def open_attempts(self) -> list[AttemptState]:
        """The attempts that have not come to their end, by number."""
        rows = self._db.rows("SELECT state FROM attempts WHERE phase <> 'closed' ORDER BY number")
        return [self._attempt_of(row[0]) for row in rows]

    def attempts(self, after: int = 0, *, page: int = 200) -> Iterator[AttemptState]:
        """All attempts with a number above ``after``, read page by page."""
        while True:
            rows = self._db.rows(
                "SELECT number, state FROM attempts WHERE number > ? ORDER BY number LIMIT ?", after, page
            )
            for number, text in rows:
                yield self._attempt_of(text)
                after = number
            if len(rows) < page:
                return

    def twins(self, attempt: AttemptState) -> list[AttemptState]:
        """Other attempts that made the very same files of the same incumbent."""
        files = f"{attempt.parent} {attempt.tree}"
        rows = self._db.rows(
            "SELECT state FROM attempts WHERE files = ? AND number <> ? ORDER BY number LIMIT 20", files, attempt.number
        )
        return [self._attempt_of(row[0]) for row in rows]

    def last_number(self) -> int:
        """The highest number of an attempt; 0 if there is none."""
        return int(self._db.rows("SELECT COALESCE(MAX(number), 0) FROM attempts")[0][0])

    def last_step(self) -> datetime | None:
        """When the latest step was announced, in UTC; None before the first."""
        row = self._db.row("SELECT at FROM arrows ORDER BY id DESC LIMIT 1")
        return None if row is None else datetime.fromisoformat(row[0])

    def scores(self, subject: str) -> list[CaseScore]:
        """All scores of a subject, by case and pass."""
        rows = self._db.rows("SELECT score FROM scores WHERE subject = ? ORDER BY case_id, pass", subject)
        return [CaseScore(**json.loads(row[0])) for row in rows]

    def arrows(self, after: int = 0) -> list[Arrow]:
        """The steps that were announced after the one with this id, at most 1,000 at a time."""
        rows = self._db.rows("SELECT id, at, attempt, phase FROM arrows WHERE id > ? ORDER BY id LIMIT 1000", after)
        return [Arrow(id=row[0], at=datetime.fromisoformat(row[1]), attempt=row[2], phase=row[3]) for row in rows]
