"""Finding a loop: its file, its record in git, its journal, and who runs it."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenward.cli._loop_files import declared_name, loop_files, same_name
from tenward.datasets import printable
from tenward.errors import GitError, LoopError, UnknownNameError
from tenward.guards import is_mapping
from tenward.loop import Journal, LoopRecord
from tenward.workspace import Library, require_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tenward.loop import Alarm, AttemptState, LoopSpec, LoopState

# The engine looks for this file beside the journal before it opens an attempt.
STOP_FILE = "stop"
_NOTES_AT_ONCE = 500

__all__ = ["Holder", "OpenedLoop", "Row", "open_loop", "repository_around"]


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The process that runs a loop."""

    pid: int
    host: str
    since: str

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the ledger."""

    number: int
    commit: str
    score: float | None
    status: str
    description: str
    alarms: Sequence[Alarm] = ()
    """Empty where the row was rebuilt from the refs alone."""

    @property
    def tsv(self) -> str:
        """Commit, score, status and description, as other loops write their ``results.tsv``."""
        score = "" if self.score is None else f"{self.score:.6f}"
        line = printable(" ".join(self.description.split()), longest=sys.maxsize)
        return f"{self.commit[:12]}\t{score}\t{self.status}\t{line}"


@dataclass(frozen=True, kw_only=True)
class OpenedLoop:
    """A loop of the repository around the current folder."""

    name: str
    asked: str
    """The name or path that the user gave."""

    wanted: str | Path
    """What its library is asked for: the same, or the file where only what it says has that name."""

    source: Path | None
    """Its file; None where that is gone, but git still has its record."""

    record: LoopRecord
    library: Library
    start: Path
    """A folder inside the working tree."""

    @property
    def top(self) -> Path:
        """Top of the working tree."""
        return repository_around(self.start)

    def named(self, name: str) -> str | Path:
        """What a library is asked for: a file of the repository where ``name`` is the path of one, else the name."""
        path = self.top / name
        return path if ("/" in name or "." in name) and path.is_file() else name

    @cached_property
    def journal(self) -> Journal | None:
        """The journal; None where the loop has not run on this machine."""
        path = self.record.folder / "journal.sqlite"
        return Journal(path, read_only=True) if path.is_file() else None

    @cached_property
    def spec(self) -> LoopSpec | None:
        """The loop as it began, or before that what its file says; None where neither is there.

        Raises:
            DocumentError: The file says something it may not.
        """
        from tenward.loop import LoopSpec, sealed_definition

        top = self.start if self.source is None else self.top
        sealed = sealed_definition(self.record, self.source, top)
        if sealed is not None or self.source is None:
            return sealed
        spec = LoopSpec.load(self.wanted, library=self.library)
        require_version(self.asked, spec.loop, self.source)
        return spec

    @property
    def name_clash(self) -> str:
        """That other files of the folder call their loop the same, and all of them; empty where none does."""
        files = () if self.source is None else same_name(self.source, self.name, self.library)
        if len(files) < 2:
            return ""
        told = ", ".join(self._from_top(path) for path in files)
        return f"found the loop name '{self.name}' in {len(files)} files ({told}), expected it in one"

    def _from_top(self, path: Path) -> str:
        return path.relative_to(self.top).as_posix() if path.is_relative_to(self.top) else str(path)

    def check_name(self) -> None:
        """Refuse a file whose loop another file of the folder claims: git has one record per name.

        Raises:
            LoopError: There is such a file.
        """
        if told := self.name_clash:
            hint = "give all but one another name; another version is not enough, since git keeps one record per name"
            raise LoopError(told, hint=hint)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know whose file says something else than the loop goes by; empty before it has begun."""
        from tenward.loop import definition_notes

        begun = self.spec is not None and self.record.base
        return definition_notes(self.spec, self.source, self.record) if self.spec is not None and begun else ()

    @property
    def state(self) -> LoopState | None:
        """How it stands; None before it has begun."""
        return None if self.journal is None else self.journal.loop()

    def begun(self) -> LoopState:
        """How it stands.

        Raises:
            LoopError: It has not begun, or not on this machine.
        """
        state = self.state
        if state is not None:
            return state
        if self.record.base:
            raise LoopError(
                f"the loop '{self.name}' has a record in git, but no journal in this clone",
                hint=f"tenward loop log {self.asked} --from-git reads the record",
            )
        raise LoopError(f"the loop '{self.name}' has not begun", hint=f"tenward loop run {self.asked}")

    def need_spec(self) -> LoopSpec:
        """The loop's file.

        Raises:
            UnknownNameError: It is gone.
        """
        if self.spec is None:
            raise UnknownNameError(
                f"found the record of the loop '{self.name}', but no file of that name",
                hint=f"bring loop/{self.name}.yaml back, or give the path of its file",
            )
        return self.spec

    @cached_property
    def base(self) -> str:
        """The commit it began at, or would begin at.

        Raises:
            LoopError: The repository has no commit.
        """
        return self.record.base or self.record.resolve("HEAD")

    @property
    def loose_artefact(self) -> tuple[str, ...]:
        """Files that ``edit`` names and that are not in that commit."""
        committed = self.record.trees.listing(self.base).files
        return tuple(path for path in self.need_spec().edit if path not in committed and (self.top / path).is_file())

    def check_artefact(self) -> None:
        """Refuse a loop that has nothing to edit.

        Raises:
            LoopError: No committed file matches ``edit``, or commands name all that do.
        """
        from tenward.loop import PathPatterns, evaluator_files

        spec = self.need_spec()
        committed = self.record.trees.listing(self.base).files
        matched = [path for path in committed if PathPatterns(spec.edit).match(path)]
        wanted = ", ".join(spec.edit)
        if matched:
            sealed = evaluator_files(spec, self.top, self.library, committed=committed).sealed_programs
            if set(matched) <= set(sealed):
                raise LoopError(
                    f"edit ({wanted}): found {', '.join(matched)}, which commands name, expected the artefact",
                    hint="a file that a command names may change only where edit names it without a wildcard",
                )
            return
        if self.loose_artefact:
            hint = f"git add {self.loose_artefact[0]}, commit, and run it again: a loop starts from a commit"
        elif self.source is not None and self.library.shipped in self.source.parents:
            hint = f"tenward loop copy {spec.name} puts the shipped loop into this repository"
        else:
            hint = "paths in a loop's file start at the top of the repository"
        raise LoopError(f"found no committed file that matches edit ({wanted}), expected the artefact", hint=hint)

    def recorded(self, number: int) -> AttemptState:
        """One attempt, read from its record in git.

        Raises:
            LoopError: There is no such attempt.
        """
        from tenward.loop import STATE_NOTE, AttemptState, read_state

        note = self.record.notes(number).get(STATE_NOTE)
        if note is None:
            raise LoopError(
                f"attempt {number} has no note {STATE_NOTE}", hint=f"tenward loop log {self.asked} --from-git"
            )
        return read_state(AttemptState, note)

    def ask_to_stop(self) -> None:
        """Leave word for the process that runs the loop; it opens no further attempt."""
        (self.record.folder / STOP_FILE).touch()

    def rows(self, *, from_git: bool) -> Iterator[Row]:
        """The ledger: attempts that have ended, by number, from the journal or rebuilt from git alone."""
        if from_git:
            for attempt in self.record.attempts():
                yield Row(
                    number=attempt.number,
                    commit=attempt.candidate,
                    score=attempt.score,
                    status=attempt.status.value,
                    description=attempt.description,
                )
        elif self.journal is not None:
            for state in self.journal.attempts():
                if state.candidate and state.status is not None:
                    yield row_of(state)

    def with_alarms(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Rows that were rebuilt from the refs, with what the notes in git say of alarms."""
        from tenward.loop import STATE_NOTE, AttemptState, read_state

        rows = iter(rows)
        while some := list(islice(rows, _NOTES_AT_ONCE)):
            names = [f"refs/tenward/{self.name}/attempts/{row.number:06d}:{STATE_NOTE}" for row in some]
            for row, note in zip(some, self.record.git.bodies(names), strict=True):
                yield replace(row, alarms=read_state(AttemptState, note).alarms)

    def require_rest(self) -> None:
        """Refuse while a process runs the loop.

        Raises:
            LoopError: One does.
        """
        if (holder := self.holder) is not None:
            raise LoopError(
                f"the loop '{self.name}' is run by process {holder.pid} on {holder.host}, expected it to be at rest",
                hint=f"tenward loop stop {self.asked}, then ask again: the last version may still change",
            )

    @property
    def holder(self) -> Holder | None:
        """The process that runs the loop now; None where nobody does."""
        path = self.record.folder / "lock"
        if not _held(path):
            return None
        try:
            read: object = json.loads(path.read_bytes())
        except (OSError, ValueError):  # half written, or gone by now
            read = None
        owner: Mapping[Any, Any] = read if is_mapping(read) else {}
        pid = owner.get("pid")
        return Holder(
            pid=pid if isinstance(pid, int) else 0,
            host=str(owner.get("host", "unknown")),
            since=str(owner.get("since", "")),
        )


def row_of(state: AttemptState) -> Row:
    """The line of an attempt that has ended."""
    return Row(
        number=state.number,
        commit=state.candidate,
        score=state.score,
        status="" if state.status is None else state.status.value,
        description=state.idea or state.reason,
        alarms=state.alarms,
    )


def open_loop(asked: str) -> OpenedLoop:
    """Find a loop by name or path.

    Raises:
        UnknownNameError: Neither a file nor a record in git has that name.
        DocumentError: The file says something it may not.
        LoopError: There is no repository.
    """
    library, here = Library.discover(), Path.cwd()
    try:
        wanted = _wanted(asked, library)
    except UnknownNameError:
        record = _record_alone(asked)
        if record is None:
            raise
        return OpenedLoop(
            name=asked, asked=asked, wanted=asked, source=None, record=record, library=library, start=here
        )
    source = library.find("loop", wanted).resolve()
    start = here if library.shipped in source.parents else source.parent
    name = declared_name(source) or _name_in(wanted, library)
    record = LoopRecord.open(start, name)
    return OpenedLoop(name=name, asked=asked, wanted=wanted, source=source, record=record, library=library, start=start)


def _wanted(asked: str, library: Library) -> str | Path:
    """What the library is asked for: the name or path itself, or a file that gives its loop the name.

    Such a file of the workspace comes before a shipped one that is only called so.

    Raises:
        UnknownNameError: There is none.
    """
    name, _, version = asked.partition("/")
    claimed: Path | None = None
    if not version or (version[0] == "v" and version[1:].isdigit()):
        files = [path for root in library.roots for path, other in loop_files(root).items() if name and other == name]
        claimed = files[0] if files else None
    try:
        found = library.find("loop", asked)
    except UnknownNameError:
        if claimed is None:
            raise
        return claimed
    if claimed is None or library.is_workspace_s(found) or not library.is_workspace_s(claimed):
        return asked
    return claimed


def _name_in(wanted: str | Path, library: Library) -> str:
    """What a file calls its loop where that is not plain to see."""
    from tenward.loop import LoopSpec

    return LoopSpec.load(wanted, library=library).name


def _record_alone(name: str) -> LoopRecord | None:
    try:
        record = LoopRecord.open(Path.cwd(), name)
    except (LoopError, GitError):
        return None
    return record if record.base else None


def repository_around(start: Path) -> Path:
    """Top of the working tree around a folder.

    Raises:
        LoopError: There is none.
    """
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    raise LoopError(
        f"{start}: found no git repository, expected one that keeps the record of the loop",
        hint="run `git init` and commit what the loop starts from",
    )


def _held(path: Path) -> bool:
    """Whether somebody holds the lock; a shared lock of our own, given back at once, would be refused."""
    import fcntl  # not on every platform

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
