"""Trace files: where they lie, how they are read, and what of them was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenward.errors import DocumentError, Problem, UnknownNameError
from tenward.guards import is_list, is_mapping
from tenward.tracing._records import Record, RunEnd, RunStart, Trace
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import TypeAdapter

__all__ = ["SentMarks", "find_trace", "read_trace", "traces_folder"]

_SUFFIX = ".jsonl"


def traces_folder() -> Path:
    """``.tenward/traces`` of the workspace around the current folder, or of the current folder itself."""
    roots = Library.discover().roots
    return (roots[0] if len(roots) > 1 else Path.cwd()) / ".tenward" / "traces"


def find_trace(run: str | Path, folder: Path | None = None) -> Path:
    """The trace file of a run.

    Args:
        run: A path, the id of a run, a unique beginning of one, or ``last`` for the run that was written to last.
        folder: Where trace files lie; the workspace's by default.

    Raises:
        UnknownNameError: There is none, or more than one.
    """
    if isinstance(run, Path) or run.endswith(_SUFFIX):
        if Path(run).is_file():
            return Path(run)
        raise UnknownNameError(f"{run}: no such file", hint="give the id of a run, or the path of its trace file")
    folder = traces_folder() if folder is None else folder
    known = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    if run == "last":
        found = known[:1]
    else:
        exact = [path for path in known if path.stem == run]
        found = exact or [path for path in known if path.stem.startswith(run)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(path.stem for path in found)
        raise UnknownNameError(f"found several runs that start with '{run}': {ids}", hint="write more of the id")
    latest = ", ".join(path.stem for path in known[:5])
    raise UnknownNameError(
        f"{folder} holds no trace of a run '{run}'",
        hint=f"the latest are: {latest}" if latest else "`tenward eval DATASET --rubric R` writes one",
    )


def read_trace(path: Path) -> Iterator[Record]:
    """Read a trace file record by record; a last line that was cut off by a kill is left out.

    Raises:
        DocumentError: The file cannot be read, does not begin with a run, or a whole line of it is no record.
    """
    try:
        with path.open("rb") as file:
            number = 0
            for number, raw in enumerate(file, start=1):
                if not raw.endswith(b"\n"):
                    break
                record = _record(path, number, raw)
                if number == 1 and not isinstance(record, RunStart):
                    raise _fault(path, 1, "", f"a line of kind '{record.kind}'", "a line of kind 'run'")
                yield record
    except OSError as error:
        raise _fault(path, None, "", f"a file that cannot be read ({error.strerror})", "a trace file") from error
    if number == 0:
        raise _fault(path, None, "", "an empty file", "a trace file")


def _record(path: Path, number: int, raw: bytes) -> Record:
    from pydantic import ValidationError

    try:
        return _adapter().validate_python(json.loads(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field_path = ".".join(str(part) for part in first["loc"])
        raise _fault(path, number, field_path, "something else", f"a record of a trace ({first['msg']})") from error
    except ValueError as error:
        raise _fault(path, number, "", f"no JSON ({error})", "a record of a trace") from error


def _fault(path: Path, line: int | None, where: str, found: str, expected: str) -> DocumentError:
    hint = "only files that tenward itself wrote can be read here"
    return DocumentError(path, [Problem(line=line, field=where, found=found, expected=expected, hint=hint)])


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Record]:
    from typing import Annotated

    from pydantic import Field, TypeAdapter

    return TypeAdapter(Annotated[RunStart | Trace | RunEnd, Field(discriminator="kind")])


@dataclass(kw_only=True)
class SentMarks:
    """What of a trace file has reached an endpoint; kept beside it, so that nothing is sent twice.

    Delete the file to have everything sent again.
    """

    path: Path
    endpoint: str
    traces: set[str] = field(default_factory=set[str])
    """Ids of the traces that were accepted."""

    ended: bool = False
    """Whether the end of the run was accepted."""

    @classmethod
    def load(cls, trace: Path, endpoint: str) -> SentMarks:
        """The marks beside a trace file, those of one endpoint; lines that are no marks are passed over."""
        marks = cls(path=trace.with_suffix(".sent"), endpoint=endpoint)
        try:
            lines = marks.path.read_bytes().splitlines()
        except OSError:
            return marks
        for line in lines:
            try:
                data: Any = json.loads(line)
            except ValueError:
                continue
            if is_mapping(data) and data.get("endpoint") == endpoint:
                ids = data.get("traces")
                if is_list(ids):
                    marks.traces.update(str(item) for item in ids)
                marks.ended |= data.get("ended") is True
        return marks

    def add(self, traces: list[str]) -> None:
        """Note that these traces were accepted.

        Raises:
            OSError: The mark cannot be written.
        """
        self.traces.update(traces)
        self._write({"traces": traces})

    def end(self) -> None:
        """Note that the end of the run was accepted.

        Raises:
            OSError: The mark cannot be written.
        """
        self.ended = True
        self._write({"ended": True})

    def _write(self, data: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(json.dumps({"endpoint": self.endpoint, **data}).encode() + b"\n")
