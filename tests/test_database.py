from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenward.database import Database, FileKind
from tenward.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KIND = FileKind(
    name="shelf",
    version=3,
    tables="CREATE TABLE books (title TEXT);\nCREATE INDEX by_title ON books (title);\n",
    way_out="take it down",
    elsewhere="build another",
)


def put(path: Path, *titles: str) -> None:
    """Write titles into the file, which is made when it is not there."""
    with closing(Database(path, KIND)) as shelf, shelf.writing() as db:
        db.executemany("INSERT INTO books VALUES (?)", [(title,) for title in titles])


def titles(shelf: Database) -> list[str]:
    """Return what is in the file."""
    return [title for (title,) in shelf.rows("SELECT title FROM books ORDER BY title")]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that anybody can get to."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


@pytest.fixture
def shut(folder: Path) -> Iterator[Path]:
    """Yield a folder with a file of one title, in which this process, root or not, may read but not write."""
    put(folder / "shelf.sqlite", "one")
    (folder / "shelf.sqlite").chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)


def test_what_is_written_is_there_for_the_next_one(tmp_path: Path) -> None:
    """The file and its folder are made; one row, several and none can be asked for."""
    path = tmp_path / "new" / "shelf.sqlite"
    put(path, "b", "a")
    with closing(Database(path, KIND)) as shelf:
        assert titles(shelf) == ["a", "b"]
        assert shelf.row("SELECT title FROM books WHERE title > ?", "a") == ("b",)
        assert shelf.row("SELECT title FROM books WHERE title > ?", "b") is None


def test_many_may_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    """All of them get in, and what each writes is there."""
    everybody = range(4)
    barrier = threading.Barrier(len(everybody))

    def at_once(path: Path, name: str) -> None:
        barrier.wait()
        put(path, name)

    with ThreadPoolExecutor(len(everybody)) as pool:
        for attempt in range(40):
            path = tmp_path / f"{attempt}.sqlite"
            list(pool.map(partial(at_once, path), map(str, everybody)))
            with closing(Database(path, KIND, read_only=True)) as shelf:
                assert titles(shelf) == [str(number) for number in everybody]


def test_a_transaction_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """Whoever's error it is; the file can be used afterwards."""
    with closing(Database(tmp_path / "shelf.sqlite", KIND)) as shelf:

        def write(second: Callable[[sqlite3.Connection], object]) -> None:
            with shelf.writing() as db:
                db.execute("INSERT INTO books VALUES ('x')")
                second(db)

        with pytest.raises(ZeroDivisionError):
            write(lambda _: 1 / 0)
        with pytest.raises(StoreError, match="cannot be written"):
            write(lambda db: db.execute("INSERT INTO no_such_table VALUES (1)"))
        assert titles(shelf) == []
        with shelf.writing() as db:
            db.execute("INSERT INTO books VALUES ('y')")
        assert titles(shelf) == ["y"]


@pytest.mark.parametrize("read_only", [False, True])
def test_another_file_is_named_and_left_alone(tmp_path: Path, read_only: bool) -> None:
    """Of another program, of another version, and no database at all; each with what to do about it."""
    foreign, later, noise = (tmp_path / name for name in ("foreign", "later", "noise"))
    with closing(sqlite3.connect(foreign)) as other:
        other.execute("CREATE TABLE theirs (x)")
    with closing(sqlite3.connect(later)) as other:
        other.execute("PRAGMA user_version=4")
    noise.write_bytes(bytes(range(256)) * 40)
    for path, found in (
        (foreign, "found a database of another program, expected a shelf of format 3"),
        (later, "found a shelf of format 4, expected a shelf of format 3"),
        (noise, "found a file that cannot be used as a shelf"),
    ):
        before = path.read_bytes()
        with pytest.raises(StoreError, match=found) as caught:
            Database(path, KIND, read_only=read_only)
        assert caught.value.message.startswith(str(path))
        assert "take it down" in caught.value.hint
        assert path.read_bytes() == before


def test_a_reader_neither_makes_nor_changes_anything(tmp_path: Path) -> None:
    """No file where there is none, no tables in an empty one, no row, and nothing left beside the file."""
    path = tmp_path / "shelf.sqlite"
    with pytest.raises(StoreError, match="cannot be read"):
        Database(path, KIND, read_only=True)
    assert list(tmp_path.iterdir()) == []
    path.touch()
    with pytest.raises(StoreError, match="found an empty file, expected a shelf"):
        Database(path, KIND, read_only=True)
    assert path.read_bytes() == b""
    put(path, "one")
    with closing(Database(path, KIND, read_only=True)) as shelf:
        with pytest.raises(StoreError, match="cannot be written"), shelf.writing() as db:
            db.execute("INSERT INTO books VALUES ('two')")
        assert titles(shelf) == ["one"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_what_another_process_would_write_meanwhile(tmp_path: Path) -> None:
    """Each query shows what was committed last."""
    path = tmp_path / "shelf.sqlite"
    put(path, "one")
    with closing(Database(path, KIND, read_only=True)) as shelf:
        put(path, "two")
        assert titles(shelf) == ["one", "two"]


def test_a_file_is_read_where_nothing_can_be_written(shut: Path) -> None:
    """Beside which SQLite cannot have the files it works with; to write is refused with what to do."""
    path = shut / "shelf.sqlite"
    with pytest.raises(PermissionError):
        (shut / "proof").touch()
    with closing(Database(path, KIND, read_only=True)) as shelf:
        assert titles(shelf) == ["one"]
        with pytest.raises(StoreError, match="cannot be written"), shelf.writing() as db:
            db.execute("INSERT INTO books VALUES ('two')")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        Database(path, KIND)
    assert caught.value.hint == "make the file and its folder writable, or build another"


def test_a_file_that_can_be_written_in_a_folder_that_cannot_is_read(folder: Path) -> None:
    """SQLite may write the file itself, and not what it would put beside it."""
    path = folder / "shelf.sqlite"
    put(path, "one")
    path.chmod(0o666)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with closing(Database(path, KIND, read_only=True)) as shelf:
            assert titles(shelf) == ["one"]
    finally:
        if root:
            os.seteuid(0)


def test_changes_that_cannot_be_seen_are_not_passed_over(folder: Path) -> None:
    """The log of a process that was killed, without the means to read it: an error, never an old answer."""
    path, log = folder / "shelf.sqlite", folder / "shelf.sqlite-wal"
    put(path, "one")
    with closing(Database(path, KIND)) as shelf:
        with shelf.writing() as db:
            db.execute("INSERT INTO books VALUES ('two')")
        copy = folder / "copy"
        copy.mkdir()
        for file in (path, log):
            shutil.copy(file, copy / file.name)
    for file in copy.iterdir():
        file.chmod(0o444)
    copy.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(StoreError, match=r"latest changes are still in shelf\.sqlite-wal") as caught:
            Database(copy / path.name, KIND, read_only=True)
    finally:
        if root:
            os.seteuid(0)
        copy.chmod(0o755)
    assert "copy both files" in caught.value.hint
    with closing(Database(copy / path.name, KIND, read_only=True)) as shelf:
        assert titles(shelf) == ["one", "two"]
