"""The journal: what a loop is doing right now, written down before it is done.

Git holds what has ended; the journal holds what has not, and the scores that decisions are made of. It lies beside the
refs, in the git directory: two work trees of one repository share the loop and its lock, so they must share this too.
One SQLite file in WAL mode: what was committed survives a kill of the process, nothing is pickled. An attempt's scores
are forgotten once git has them, so the file does not grow with what was judged.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping  # noqa: TC003 - as in the states
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from tenward.errors import StoreError
from tenward.loop._states import AttemptState, LoopState, read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

__all__ = ["Arrow", "CaseScore", "Journal"]

_VERSION = 1
_WAIT_SECONDS = 30.0
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
    """The whole result as data of :class:`tenward.evaluation.Result`; None where nothing was judged."""

    problem: str = ""
    """Why there is no score, or why it is 0."""

    crashed: bool = False
    """Whether the candidate failed to produce anything."""


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


class Journal:
    """The journal of one loop.

    Args:
        path: The SQLite file; made when it is not there.
        on_arrow: Called with the number of each arrow once it is on disk, before the step itself.

    Raises:
        StoreError: The file cannot be opened, is no journal, or is one of another version.
    """

    def __init__(self, path: Path, *, on_arrow: Callable[[int], None] | None = None) -> None:
        self.path = path
        self.on_arrow = on_arrow
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{path}: found a file that cannot be used as a journal ({error}), expected one of tenward's own",
                hint="move it away; what has ended is kept in git",
            ) from error

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, _VERSION}:
            raise StoreError(
                f"{self.path}: found a journal of format {version}, expected format {_VERSION}",
                hint="use the version of tenward that made it, or move it away; what has ended is kept in git",
            )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        with self._writing():
            if not self._db.execute("PRAGMA user_version").fetchone()[0]:
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={_VERSION}")

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
        with self._writing():
            for old in forget:
                self._db.execute("DELETE FROM scores WHERE subject = ?", (old,))
            if rows:
                self._db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", rows)
            if loop is not None:
                self._db.execute("INSERT OR REPLACE INTO loop VALUES (1, ?)", (write_state(loop),))
            if attempt is not None:
                files = f"{attempt.parent} {attempt.tree}"
                row = (attempt.number, attempt.phase.value, files, write_state(attempt))
                self._db.execute("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)", row)
            if arrow:
                who, phase = (0, loop.phase.value) if loop is not None else (0, "")
                if attempt is not None:
                    who, phase = attempt.number, attempt.phase.value
                now = datetime.now(UTC).isoformat()
                last = self._db.execute(
                    "INSERT INTO arrows (at, attempt, phase) VALUES (?, ?, ?)", (now, who, phase)
                ).lastrowid
        if arrow and self.on_arrow is not None:
            self.on_arrow(last or 0)

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        """One transaction; what fails leaves nothing behind."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise StoreError(
                        f"{self.path}: cannot be written ({error})",
                        hint="free some disk space, or wait for the other process that uses it",
                    ) from error
                raise

    def _all(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(
                    f"{self.path}: cannot be read ({error})", hint="move it away; what has ended is kept in git"
                ) from error

    def _attempt_of(self, text: str) -> AttemptState:
        try:
            return read_state(AttemptState, text)
        except ValueError as error:
            raise self._damaged("an attempt", error) from error

    def _damaged(self, what: str, error: ValueError) -> StoreError:
        return StoreError(
            f"{self.path}: found {what} that cannot be read ({str(error).splitlines()[0]})",
            hint="move the file away; what has ended is kept in git",
        )

    # -- reading -------------------------------------------------------------------------------------------------

    def loop(self) -> LoopState | None:
        """How the loop stands; None before it has begun.

        Raises:
            StoreError: The file is damaged.
        """
        rows = self._all("SELECT state FROM loop")
        try:
            return read_state(LoopState, rows[0][0]) if rows else None
        except ValueError as error:
            raise self._damaged("a loop", error) from error

    def attempt(self, number: int) -> AttemptState | None:
        """One attempt; None if there is none of that number."""
        rows = self._all("SELECT state FROM attempts WHERE number = ?", number)
        return self._attempt_of(rows[0][0]) if rows else None

    def open_attempts(self) -> list[AttemptState]:
        """The attempts that have not come to their end, by number."""
        rows = self._all("SELECT state FROM attempts WHERE phase <> 'closed' ORDER BY number")
        return [self._attempt_of(row[0]) for row in rows]

    def attempts(self, after: int = 0, *, page: int = 200) -> Iterator[AttemptState]:
        """All attempts with a number above ``after``, read page by page."""
        while True:
            rows = self._all("SELECT number, state FROM attempts WHERE number > ? ORDER BY number LIMIT ?", after, page)
            for number, text in rows:
                yield self._attempt_of(text)
                after = number
            if len(rows) < page:
                return

    def twins(self, attempt: AttemptState) -> list[AttemptState]:
        """Other attempts that made the very same files of the same incumbent."""
        files = f"{attempt.parent} {attempt.tree}"
        rows = self._all(
            "SELECT state FROM attempts WHERE files = ? AND number <> ? ORDER BY number LIMIT 20", files, attempt.number
        )
        return [self._attempt_of(row[0]) for row in rows]

    def last_number(self) -> int:
        """The highest number of an attempt; 0 if there is none."""
        return int(self._all("SELECT COALESCE(MAX(number), 0) FROM attempts")[0][0])

    def scores(self, subject: str) -> list[CaseScore]:
        """All scores of a subject, by case and pass."""
        rows = self._all("SELECT score FROM scores WHERE subject = ? ORDER BY case_id, pass", subject)
        return [CaseScore(**json.loads(row[0])) for row in rows]

    def arrows(self, after: int = 0) -> list[Arrow]:
        """The steps that were announced after the one with this id, at most 1,000 at a time."""
        rows = self._all("SELECT id, at, attempt, phase FROM arrows WHERE id > ? ORDER BY id LIMIT 1000", after)
        return [Arrow(id=row[0], at=datetime.fromisoformat(row[1]), attempt=row[2], phase=row[3]) for row in rows]
