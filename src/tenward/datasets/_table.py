"""CSV files as rows: a header that names the fields of a case, then one case per row."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any

from tenward.datasets._fields import FIELDS, unknown_field
from tenward.datasets._lines import MAX_LINE_BYTES, Row, fault, numbered_lines, show
from tenward.errors import Problem
from tenward.guards import is_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["csv_rows"]

_COLUMNS = (*(name for name in FIELDS if name != "human"), "reference", "human.NAME")
_REFERENCE = re.compile(r"reference(_[1-9][0-9]*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def csv_rows(path: Path) -> Iterator[Row]:
    """Read a CSV file row by row; empty rows are skipped and empty cells are fields that are not there.

    A row of the wrong length is a fault of that row. After a fault of the header, of the quotes or of the encoding
    nothing that follows can be trusted, so it ends the file.

    Raises:
        DocumentError: The file cannot be opened.
    """
    # The limit belongs to the process and is far below a long text; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    lines = _Lines(path)
    rows = csv.reader(lines, strict=True)
    header: list[str] | None = None
    while True:
        start = rows.line_num + 1
        lines.start_row(start)
        try:
            cells = next(rows, None)
        except _FaultError as error:
            yield error.row
            return
        except csv.Error as error:
            hint = 'put texts that hold commas, quotes or line breaks in double quotes, and write " inside as ""'
            yield fault(start, f"a row that is not CSV ({error})", "quotes that are closed", hint=hint)
            return
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if header is not None:
            yield _row(start, header, cells)
            continue
        header = [cell.strip() for cell in cells]
        if problems := [*_header_problems(start, header)]:
            yield Row(line=start, data={}, problems=tuple(problems))
            return


class _FaultError(Exception):
    """Carries a fault through the CSV reader, which asks for lines."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row


class _Lines:
    """The lines of the file, for as long as a row that runs over many of them is not too long."""

    def __init__(self, path: Path) -> None:
        self._lines = numbered_lines(path)
        self._start = 1
        self._size = 0

    def start_row(self, line: int) -> None:
        self._start, self._size = line, 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if isinstance(line, Row):
            raise _FaultError(line)
        self._size += len(line[1])
        if self._size > MAX_LINE_BYTES:
            found, expected = f"a row of more than {MAX_LINE_BYTES:,} characters", "that many or fewer"
            hint = "look for a double quote that is not closed"
            raise _FaultError(fault(self._start, found, expected, hint=hint))
        return line[1]


def _header_problems(line: int, header: Sequence[str]) -> Iterator[Problem]:
    for number, column in enumerate(header):
        if column in header[:number]:
            yield Problem(line=line, field=column, found="a second column of the same name", expected="each name once")
        elif not (column in _COLUMNS[:-1] or _REFERENCE.fullmatch(column) or re.fullmatch(r"human\..+", column)):
            yield unknown_field(line, column, _COLUMNS, what="column")
    if "references" in header and any(_REFERENCE.fullmatch(column) for column in header):
        found, expected = "references beside columns of single references", "one or the other"
        yield Problem(line=line, field="references", found=found, expected=expected)
    if "id" not in header:
        hint = "the first row names the columns"
        if len(header) == 1 and re.search(r"[;\t]", header[0]):
            hint = "separate the columns with commas"
        yield Problem(line=line, field="id", found="no such column", expected="a column id", hint=hint)


def _row(line: int, header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(header):
        found = f"{len(cells):,} cell{'s' * (len(cells) != 1)}"
        hint = "put texts that hold commas, quotes or line breaks in double quotes"
        return fault(line, found, f"{len(header):,}, as in the header", hint=hint)
    data: dict[str, Any] = {}
    human: dict[str, float | str] = {}
    references: list[str] = []
    problems: list[Problem] = []
    for column, cell in zip(header, cells, strict=True):
        if not cell:
            continue
        if column.startswith("human."):
            if text := cell.strip():
                human[column.removeprefix("human.")] = float(text) if _NUMBER.fullmatch(text) else text
        elif column == "references":
            listed = _listed(cell)
            if listed is None:
                hint = "or give each reference a column: reference, reference_2"
                expected = 'a JSON list such as ["one", "two"]'
                problems.append(Problem(line=line, field=column, found=show(cell), expected=expected, hint=hint))
            else:
                references = listed
        elif _REFERENCE.fullmatch(column):
            references.append(cell)
        else:
            data[column] = cell
    data |= {name: value for name, value in (("human", human), ("references", references)) if value}
    return Row(line=line, data=data, problems=tuple(problems))


def _listed(cell: str) -> list[Any] | None:
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return value if is_list(value) else None
