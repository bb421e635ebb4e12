"""One SQLite file in the workspace: calls that were paid for, runs and their results.

WAL with ``synchronous=NORMAL``: what was committed survives a kill of the process, and no commit waits for the disk.
Texts are stored as JSON, nothing is pickled, and no key or environment value ever reaches the file.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tenward.errors import StoreError, UnknownNameError, UsageError
from tenward.evaluation._result_data import result_from_data, result_to_data
from tenward.evaluation._run_record import RunRecord
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from tenward.evaluation._result import Result
    from tenward.evaluation._run_record import RunStatus
    from tenward.judges import Asked

__all__ = ["Store"]

_VERSION = 1
_FOLDER = ".tenward"
_WAIT_SECONDS = 30.0  # for another process that writes

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


class Store:
    """Verdicts and runs on disk; also the :class:`tenward.judges.CallCache` of a run.

    Args:
        path: The SQLite file; made when it is not there.

    Raises:
        StoreError: The file cannot be opened, is no store, or is one of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
            )
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be written ({error.strerror})",
                hint="work in a folder that can be written, or name a store in one with --store",
            ) from error
        except sqlite3.Error as error:
            if "readonly" in str(error) or "unable to open" in str(error):
                raise StoreError(
                    f"{path}: cannot be written ({error})",
                    hint="make the file and its folder writable, or copy the store and name the copy with --store",
                ) from error
            raise StoreError(
                f"{path}: found a file that cannot be used as a store ({error}), expected one of tenward's own",
                hint="move it away, or name another with --store",
            ) from error

    @classmethod
    def open(cls, path: Path | None = None, *, create: bool = True, start: Path | None = None) -> Store:
        """The store at ``path``, or that of the workspace around ``start``: ``.tenward/store.sqlite``.

        Where there is no workspace it is in ``start`` itself, which is the current folder when left out.

        Raises:
            StoreError: It cannot be opened.
            UnknownNameError: There is none, and ``create`` is not set.
        """
        roots = Library.discover(start).roots
        folder = (roots[0] if len(roots) > 1 else start or Path.cwd()) / _FOLDER
        where = path or folder / "store.sqlite"
        if not create and not where.is_file():
            raise UnknownNameError(
                f"found no store {where}, expected one with runs", hint="`tenward eval DATASET --rubric R` makes one"
            )
        store = cls(where)
        if path is not None:
            return store
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        return store

    def _prepare(self) -> None:
        self._is_new()  # before anything is changed in a file that may not be ours
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        with self._writing():
            if self._is_new():
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={_VERSION}")

    def _is_new(self) -> bool:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
            return True
        if version != _VERSION:
            found = f"a store of format {version}" if version else "a database of another program"
            raise StoreError(
                f"{self.path}: found {found}, expected a store of format {_VERSION}",
                hint="use the version of tenward that made it, move it away, or name another with --store",
            )
        return False

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        self._db.close()

    def __enter__(self) -> Self:
        """The store itself; it is closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

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
                if isinstance(error, sqlite3.OperationalError):
                    raise StoreError(
                        f"{self.path}: cannot be written ({error})",
                        hint="free some disk space, or wait for the other process that uses it",
                    ) from error
                if isinstance(error, sqlite3.DatabaseError):
                    raise self._damaged(error) from error
                raise

    def _all(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._damaged(error) from error

    def _damaged(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"{self.path}: cannot be read ({error})", hint="move it away, or name another with --store")

    def _one(self, query: str, *values: object) -> Any:
        found = self._all(query, *values)
        return found[0] if found else None

    # -- calls ---------------------------------------------------------------------------------------------------

    def recall(self, key: str) -> str | None:
        """The answer to a request; see :class:`tenward.judges.CallCache`."""
        found = self._one("SELECT answer FROM calls WHERE key = ?", key)
        return found[0] if found else None

    def remember(self, key: str, asked: Asked, answer: str) -> None:
        """Keep an answer; see :class:`tenward.judges.CallCache`."""
        components = json.dumps(asked.components)
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO calls VALUES (?, ?)", (key, answer))
            self._db.execute("INSERT OR REPLACE INTO slots VALUES (?, ?)", (asked.slot, components))

    def why_missed(self, asked: Asked) -> tuple[str, ...]:
        """What changed since the question was last answered; see :class:`tenward.judges.CallCache`."""
        found = self._one("SELECT components FROM slots WHERE slot = ?", asked.slot)
        if found is None:
            return ()
        before = json.loads(found[0])
        return tuple(name for name, value in asked.components.items() if before.get(name) != value) or ("request",)

    # -- runs ----------------------------------------------------------------------------------------------------

    def begin(self, record: RunRecord) -> None:
        """Write a new run down, before its first result."""
        with self._writing():
            self._db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?)",
                (record.id, record.created, record.identity, record.status, json.dumps(_record_to_data(record))),
            )

    def update(self, run: str, *, status: RunStatus, note: str = "", seconds: float = 0.0) -> None:
        """Set how a run stands; ``seconds`` are added to those it took before."""
        record = self.run(run)
        record = replace(record, status=status, note=note, seconds=record.seconds + seconds)
        with self._writing():
            self._db.execute(
                "UPDATE runs SET status = ?, record = ? WHERE id = ?",
                (status, json.dumps(_record_to_data(record)), run),
            )

    @contextmanager
    def hold(self, identity: str) -> Generator[None, None, None]:
        """Keep other processes from a run of this identity; the system lets go of it when this one dies.

        Raises:
            UsageError: Another process is at it.
        """
        try:
            import fcntl
        except ImportError:  # not on every platform
            yield
            return
        with self.path.with_name(f"{self.path.name}-lock").open("wb") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(identity[:15], 16))
            except (BlockingIOError, PermissionError) as error:
                raise UsageError(
                    "another process is judging the same cases, with the same rubric, judge and settings",
                    hint="wait until it ends, or stop it; this command then goes on from there",
                ) from error
            except OSError:
                pass  # a file system without locks
            yield

    def unfinished(self, identity: str) -> RunRecord | None:
        """The latest run of this identity, if it was killed or stopped before its end."""
        found = self._one(
            "SELECT status, record FROM runs WHERE identity = ? ORDER BY created DESC, rowid DESC LIMIT 1", identity
        )
        return None if found is None or found[0] == "finished" else _record_from_data(json.loads(found[1]))

    def runs(self) -> list[RunRecord]:
        """Every run, the latest first."""
        rows = self._all("SELECT record FROM runs ORDER BY created DESC, rowid DESC")
        return [_record_from_data(json.loads(row[0])) for row in rows]

    def run(self, name: str) -> RunRecord:
        """A run by its id, by a unique start of it, or ``last`` for the latest and ``last~1`` for the one before.

        Raises:
            UnknownNameError: There is none, or more than one.
        """
        counted = re.fullmatch(r"last(?:~([0-9]{1,9}))?", name)
        if counted:
            back = int(counted[1] or 0)
            rows = self._all("SELECT record FROM runs ORDER BY created DESC, rowid DESC LIMIT 1 OFFSET ?", back)
        else:
            like = name.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
            rows = self._all("SELECT record FROM runs WHERE id = ?", name) or self._all(
                "SELECT record FROM runs WHERE id LIKE ? ESCAPE '\\' ORDER BY created DESC LIMIT 9", like
            )
        if len(rows) == 1:
            return _record_from_data(json.loads(rows[0][0]))
        if rows:
            ids = ", ".join(json.loads(row[0])["id"] for row in rows)
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
        with self._writing():
            self._db.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", rows)

    def results(self, run: RunRecord) -> Iterator[Result]:
        """The results of a run in the order of its data set, read page by page."""
        return (result for _, result in self.numbered_results(run))

    def numbered_results(self, run: RunRecord, *, page: int = 200) -> Iterator[tuple[int, Result]]:
        """The same with the position of each case in the data set."""
        last = -1
        while True:
            rows = self._all(
                "SELECT position, result FROM results WHERE run = ? AND position > ? ORDER BY position LIMIT ?",
                run.id,
                last,
                page,
            )
            for position, text in rows:
                yield position, result_from_data(json.loads(text), run.rubric)
                last = position
            if len(rows) < page:
                return


def _record_to_data(record: RunRecord) -> dict[str, Any]:
    # What was never set stays out: beside some fields, a default that is written down is refused.
    rubric = record.rubric.model_dump(mode="json", exclude_unset=True)
    rubric["scale"] = [record.rubric.scale.lo, record.rubric.scale.hi]
    return {**record.__dict__, "rubric": rubric}


def _record_from_data(data: dict[str, Any]) -> RunRecord:
    fields: dict[str, Any] = {**data, "rubric": Rubric.model_validate(data["rubric"])}
    return RunRecord(**fields)
