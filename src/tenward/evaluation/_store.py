"""One SQLite file in the workspace: calls that were paid for, runs and their results.

Texts are stored as JSON, nothing is pickled, and no key or environment value ever reaches the file.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tenward.database import Database, FileKind
from tenward.errors import StoreError, UnknownNameError
from tenward.evaluation._claim import claim, is_claimed
from tenward.evaluation._outcome import RunOutcome
from tenward.evaluation._result_data import result_from_data, result_to_data
from tenward.evaluation._run_record import RunRecord
from tenward.evaluation._shown_scale import ShownScale
from tenward.evaluation._summary import Tally
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from tenward.evaluation._result import Result
    from tenward.evaluation._run_record import RunStanding, RunStatus
    from tenward.evaluation._summary import Summary
    from tenward.judges import Asked

__all__ = ["Store"]

T = TypeVar("T")

_FOLDER = ".tenward"

_TABLES = """
CREATE TABLE calls (key TEXT PRIMARY KEY, answer TEXT NOT NULL);
CREATE TABLE slots (slot TEXT PRIMARY KEY, components TEXT NOT NULL);
CREATE TABLE runs (
  id TEXT PRIMARY KEY, created TEXT NOT NULL, identity TEXT NOT NULL, status TEXT NOT NULL, record TEXT NOT NULL
);
CREATE INDEX runs_by_identity ON runs (identity, created);
CREATE TABLE results (
  run TEXT NOT NULL, position INTEGER NOT NULL, case_id TEXT NOT NULL, result TEXT NOT NULL,
  PRIMARY KEY (run, position)
) WITHOUT ROWID;
"""
_KIND = FileKind(
    name="store",
    version=1,
    tables=_TABLES,
    way_out="move it away, or name another with --store",
    elsewhere="name a store in another folder with --store",
)


class Store:
    """Verdicts and runs on disk; also the :class:`tenward.judges.CallCache` of a run.

    Args:
        path: The SQLite file; made when it is not there.
        read_only: Only look at it; see :class:`tenward.database.Database`.

    Raises:
        StoreError: The file cannot be opened, is no store, or is one of another version.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._db = Database(path, _KIND, read_only=read_only)

    @classmethod
    def open(cls, path: Path | None = None, *, read_only: bool = False, start: Path | None = None) -> Store:
        """The store at ``path``, or that of the workspace around ``start``: ``.tenward/store.sqlite``.

        Where there is no workspace it is in ``start`` itself, which is the current folder when left out. It is made
        when it is not there, unless it is only to be read.

        Raises:
            StoreError: It cannot be opened.
            UnknownNameError: There is none, and ``read_only`` is set.
        """
        roots = Library.discover(start).roots
        folder = (roots[0] if len(roots) > 1 else start or Path.cwd()) / _FOLDER
        where = path or folder / "store.sqlite"
        if read_only:
            if not where.exists():
                raise UnknownNameError(
                    f"found no store {where}, expected one with runs",
                    hint="`tenward eval DATASET --rubric R` makes one; --store names a file elsewhere",
                )
            return cls(where, read_only=True)
        store = cls(where)
        ignore = folder / ".gitignore"
        if path is None and not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        return store

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        self._db.close()

    def __enter__(self) -> Self:
        """The store itself; it is closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    # -- calls ---------------------------------------------------------------------------------------------------

    def recall(self, key: str) -> str | None:
        """The answer to a request; see :class:`tenward.judges.CallCache`."""
        found = self._db.row("SELECT answer FROM calls WHERE key = ?", key)
        return found[0] if found else None

    def remember(self, key: str, asked: Asked, answer: str) -> None:
        """Keep an answer; see :class:`tenward.judges.CallCache`."""
        components = json.dumps(asked.components)
        with self._db.writing() as db:
            db.execute("INSERT OR REPLACE INTO calls VALUES (?, ?)", (key, answer))
            db.execute("INSERT OR REPLACE INTO slots VALUES (?, ?)", (asked.slot, components))

    def why_missed(self, asked: Asked) -> tuple[str, ...]:
        """What changed since the question was last answered; see :class:`tenward.judges.CallCache`."""
        found = self._db.row("SELECT components FROM slots WHERE slot = ?", asked.slot)
        if found is None:
            return ()
        before = self._read(found[0], dict[str, Any])
        return tuple(name for name, value in asked.components.items() if before.get(name) != value) or ("request",)

    # -- runs ----------------------------------------------------------------------------------------------------

    def begin(self, record: RunRecord) -> None:
        """Write a new run down, before its first result."""
        with self._db.writing() as db:
            db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?)",
                (record.id, record.created, record.identity, record.status, json.dumps(_record_to_data(record))),
            )

    def update(
        self, run: str, *, status: RunStatus, note: str = "", seconds: float = 0.0, summary: Summary | None = None
    ) -> None:
        """Set how a run stands.

        Args:
            run: Its id.
            status: How it ended.
            note: Why it stopped.
            seconds: Added to those it took before.
            summary: What it came to; :meth:`outcome` then need not read the results of a finished run.
        """
        record = self.run(run)
        record = replace(record, status=status, note=note, seconds=record.seconds + seconds)
        data = _record_to_data(record)
        if summary is not None and status == "finished":
            data["outcome"] = RunOutcome.of(summary).as_dict()
        with self._db.writing() as db:
            db.execute("UPDATE runs SET status = ?, record = ? WHERE id = ?", (status, json.dumps(data), run))

    @contextmanager
    def hold(self, identity: str) -> Generator[None, None, None]:
        """Keep everybody else from a run of this identity; the system lets go of it when this process dies.

        Raises:
            UsageError: Somebody is at it.
        """
        with claim(self._lock_file, identity):
            yield

    @property
    def _lock_file(self) -> Path:
        return self.path.with_name(f"{self.path.name}-lock")

    def standing(self, record: RunRecord) -> RunStanding:
        """How a run stands at this moment, which for one that has no end depends on whether its process lives."""
        if record.status == "finished":
            return "finished"
        identity, last = self._db.row(
            "SELECT identity, (SELECT id FROM runs AS other WHERE other.identity = runs.identity"
            " ORDER BY created DESC, rowid DESC LIMIT 1) FROM runs WHERE id = ?",
            record.id,
        )
        # Only the latest of several runs of the same is ever taken up.
        claimed = is_claimed(self._lock_file, identity) if last == record.id else False
        if claimed:
            return "running"
        if record.status == "stopped":
            return "stopped"
        return "cut off" if claimed is False else "running or cut off"

    def outcome(self, record: RunRecord) -> RunOutcome:
        """What a run came to, or has come to so far."""
        found = self._db.row("SELECT record FROM runs WHERE id = ?", record.id)
        kept = self._read(found[0], _outcome_from_data) if found and record.status == "finished" else None
        if kept is not None:
            return kept
        tally = Tally()
        for result in self.results(record):
            tally.add(result)
        return RunOutcome.of(tally.summary())

    def unfinished(self, identity: str) -> RunRecord | None:
        """The latest run of this identity, if it was killed or stopped before its end."""
        found = self._db.row(
            "SELECT status, record FROM runs WHERE identity = ? ORDER BY created DESC, rowid DESC LIMIT 1", identity
        )
        return None if found is None or found[0] == "finished" else self._read(found[1], _record_from_data)

    def runs(self) -> list[RunRecord]:
        """Every run, the latest first."""
        rows = self._db.rows("SELECT record FROM runs ORDER BY created DESC, rowid DESC")
        return [self._read(row[0], _record_from_data) for row in rows]

    def run(self, name: str) -> RunRecord:
        """A run by its id, by a unique start of it, or ``last`` for the latest and ``last~1`` for the one before.

        Raises:
            UnknownNameError: There is none, or more than one.
        """
        counted = re.fullmatch(r"last(?:~([0-9]{1,9}))?", name)
        if counted:
            back = int(counted[1] or 0)
            rows = self._db.rows("SELECT record FROM runs ORDER BY created DESC, rowid DESC LIMIT 1 OFFSET ?", back)
        else:
            like = name.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
            rows = self._db.rows("SELECT record FROM runs WHERE id = ?", name) or self._db.rows(
                "SELECT record FROM runs WHERE id LIKE ? ESCAPE '\\' ORDER BY created DESC LIMIT 9", like
            )
        if len(rows) == 1:
            return self._read(rows[0][0], _record_from_data)
        if rows:
            ids = ", ".join(self._read(row[0], _record_from_data).id for row in rows)
            raise UnknownNameError(f"found several runs that start with '{name}': {ids}", hint="write more of the id")
        latest = [record.id for record in self.runs()[:5]]
        raise UnknownNameError(
            f"{self.path} holds no run '{name}'",
            hint=f"the latest are: {', '.join(latest)}" if latest else "`tenward eval DATASET --rubric R` makes one",
        )

    # -- results -------------------------------------------------------------------------------------------------

    def add(self, run: str, results: Sequence[tuple[int, Result]]) -> None:
        """Write results with the position of their case in the data set; a later one of the same position counts."""
        rows = [
            (run, position, result.case.id, json.dumps(result_to_data(result), ensure_ascii=False))
            for position, result in results
        ]
        with self._db.writing() as db:
            db.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", rows)

    def results(self, run: RunRecord) -> Iterator[Result]:
        """The results of a run in the order of its data set, read page by page."""
        return (result for _, result in self.numbered_results(run))

    def numbered_results(self, run: RunRecord, *, page: int = 200) -> Iterator[tuple[int, Result]]:
        """The same with the position of each case in the data set."""
        last = -1
        while True:
            rows = self._db.rows(
                "SELECT position, result FROM results WHERE run = ? AND position > ? ORDER BY position LIMIT ?",
                run.id,
                last,
                page,
            )
            for position, text in rows:
                yield position, self._read(text, lambda data: result_from_data(data, run.rubric))
                last = position
            if len(rows) < page:
                return

    def _read(self, text: str, make: Callable[[Any], T]) -> T:
        """What a row holds; the database checks its own pages, not what stands in them."""
        try:
            return make(json.loads(text))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"{self.path}: found a damaged row ({type(error).__name__}), expected what tenward wrote there",
                hint=_KIND.way_out,
            ) from error


def _record_to_data(record: RunRecord) -> dict[str, Any]:
    # What was never set stays out: beside some fields, a default that is written down is refused.
    rubric = record.rubric.model_dump(mode="json", exclude_unset=True)
    rubric["scale"] = [record.rubric.scale.lo, record.rubric.scale.hi]
    return {**record.__dict__, "rubric": rubric, "scale": record.scale.as_dict()}


def _outcome_from_data(data: dict[str, Any]) -> RunOutcome | None:
    kept = data.get("outcome")
    return RunOutcome.from_dict(kept) if kept else None


def _record_from_data(data: dict[str, Any]) -> RunRecord:
    fields: dict[str, Any] = {**data, "rubric": Rubric.model_validate(data["rubric"])}
    fields.pop("outcome", None)
    fields["scale"] = ShownScale.from_dict(fields.get("scale", {}))  # before there were maps, every reading was raw
    return RunRecord(**fields)
