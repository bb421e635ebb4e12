"""A SQLite file of Tenward's own: opened and checked, written in transactions, read also where nothing can be written.

WAL with ``synchronous=NORMAL``: what was committed survives a kill of the process, and no commit waits for the disk.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenward.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

__all__ = ["Database", "FileKind"]

_WAIT_SECONDS = 30.0  # for another process that writes
_PAUSE_SECONDS = 0.01  # between tries to open
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NOT_ALLOWED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_PASSING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR}


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """What a file is for, and what to tell whoever has something else in its place."""

    name: str
    """``store`` or ``journal``."""

    version: int
    """Of the tables, from 1; a file of another version is refused."""

    tables: str
    """Statements that make a new file, with a semicolon behind each."""

    way_out: str
    """What to do with a file that cannot be used."""

    elsewhere: str = ""
    """How to have the file in another place, to follow "or"; empty where there is no way."""


class Database:
    """One open file. May be used from several threads, one statement or transaction at a time.

    Args:
        path: The file; made, with its folder, when it is not there.
        kind: What it has to be.
        read_only: Change nothing, and make neither file nor folder. This also works on a file, or in a folder, that
            cannot be written.

    Raises:
        StoreError: The file cannot be opened, is of another program, or is of another version.
    """

    def __init__(self, path: Path, kind: FileKind, *, read_only: bool = False) -> None:
        self.path = path
        self.kind = kind
        self._lock = threading.Lock()
        try:
            self._db = _patiently(self._open_to_read if read_only else self._open_to_write)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error
        except sqlite3.Error as error:
            raise self._not_opened(error, read_only=read_only) from error

    def close(self) -> None:
        """Close the file; it cannot be used any more."""
        self._db.close()

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection, None, None]:
        """One transaction; what fails leaves nothing behind.

        Raises:
            StoreError: The file cannot be written.
        """
        db = self._db
        with self._lock:
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException as error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._fault(error, "written") from error
                raise

    def rows(self, query: str, *values: object) -> list[Any]:
        """All rows that a query finds.

        Raises:
            StoreError: The file cannot be read.
        """
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._fault(error, "read") from error

    def row(self, query: str, *values: object) -> Any:
        """The first row that a query finds; None if it finds nothing.

        Raises:
            StoreError: The file cannot be read.
        """
        found = self.rows(query, *values)
        return found[0] if found else None

    # -- opening -------------------------------------------------------------------------------------------------

    def _open_to_write(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = _connect(str(self.path))
        try:
            self._is_new(db)  # before anything is changed in a file that may not be ours
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("BEGIN IMMEDIATE")
            if self._is_new(db):
                for statement in self.kind.tables.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={self.kind.version}")
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    def _open_to_read(self) -> sqlite3.Connection:
        # A connection that could write, and may not: the last one to close takes the files beside the database away,
        # which those opened with mode=ro leave behind. SQLite itself makes do with reading where the file allows no
        # more, as long as it can have those files.
        db = _connect(f"{self.path.absolute().as_uri()}?mode=rw")
        try:
            db.execute("PRAGMA query_only=1")
            new = self._is_new(db)
        except sqlite3.OperationalError as error:
            db.close()
            if error.sqlite_errorcode & 0xFF not in _NOT_ALLOWED:
                raise
            db, new = self._open_frozen(error)
        except BaseException:
            db.close()
            raise
        if new:
            db.close()
            raise StoreError(f"{self.path}: found an empty file, expected a {self.kind.name}", hint=self.kind.way_out)
        return db

    def _open_frozen(self, error: sqlite3.Error) -> tuple[sqlite3.Connection, bool]:
        """Read a file beside which nothing can be made; nobody else can change it without making something there."""
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise StoreError(
                f"{self.path}: cannot be read ({error}): its latest changes are still in {log.name}",
                hint=f"copy both files into a folder that can be written{self._or_elsewhere}",
            ) from error
        db = _connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1")
        try:
            return db, self._is_new(db)
        except BaseException:
            db.close()
            raise

    def _is_new(self, db: sqlite3.Connection) -> bool:
        # One statement, so that both are of the same moment while another process makes the tables.
        version, tables = db.execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
        ).fetchone()
        if version == 0 and not tables:
            return True
        kind = self.kind
        if version != kind.version:
            found = f"a {kind.name} of format {version}" if version else "a database of another program"
            raise StoreError(
                f"{self.path}: found {found}, expected a {kind.name} of format {kind.version}",
                hint=f"use the version of tenward that made it, or {kind.way_out}",
            )
        return False

    # -- what can go wrong ---------------------------------------------------------------------------------------

    @property
    def _or_elsewhere(self) -> str:
        return f", or {self.kind.elsewhere}" if self.kind.elsewhere else ""

    def _unwritable(self, why: str) -> StoreError:
        return StoreError(
            f"{self.path}: cannot be written ({why})",
            hint=f"make the file and its folder writable{self._or_elsewhere}",
        )

    def _not_opened(self, error: sqlite3.Error, *, read_only: bool) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _NOT_ALLOWED | _PASSING:
            return self._fault(error, "read" if read_only else "written")
        return StoreError(
            f"{self.path}: found a file that cannot be used as a {self.kind.name} ({error}), expected one of "
            "tenward's own",
            hint=self.kind.way_out,
        )

    def _fault(self, error: sqlite3.Error, done: str) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if done == "written" and code in _NOT_ALLOWED:
            return self._unwritable(str(error))
        if done == "written" and code not in _DAMAGED:
            hint = "free some disk space, or wait for the other process that uses it"
        elif code in _NOT_ALLOWED:
            hint = f"make the file readable{self._or_elsewhere}"
        else:
            hint = self.kind.way_out
        return StoreError(f"{self.path}: cannot be {'read' if code in _DAMAGED else done} ({error})", hint=hint)


def _patiently(opening: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """Open again while another process is amid opening: there SQLite refuses at once instead of waiting."""
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return opening()
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(
        address,
        uri=address.startswith("file:"),
        timeout=_WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=64,
    )
