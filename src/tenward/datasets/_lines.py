"""A file of cases as rows: bounded lines, strict UTF-8, one JSON object per line. Faults are values here."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from tenward.datasets._text import printable
from tenward.errors import DocumentError, Problem
from tenward.guards import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MAX_LINE_BYTES", "Row", "fault", "json_rows", "numbered_lines", "show"]

MAX_LINE_BYTES = 10_000_000
_CHUNK = 65_536
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32 LE begins like UTF-16 LE


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one line of a JSONL file, or one row of a CSV file, says."""

    line: int
    """1-based line on which it starts."""

    data: dict[str, Any]
    """Its fields as JSON values; what could not be read is not there."""

    problems: tuple[Problem, ...] = ()


def fault(line: int | None, found: str, expected: str, *, field: str = "", hint: str = "") -> Row:
    """A row that holds nothing but a fault."""
    problem = Problem(line=line, field=field, found=found, expected=expected, hint=hint)
    return Row(line=line or 0, data={}, problems=(problem,))


def show(value: object) -> str:
    """A value as it would stand in the file, short and safe to print."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 50 and value.isprintable() else f"'{printable(value, longest=50)}'"
    if is_list(value):
        return "a list"
    return "an object" if is_mapping(value) else printable(json.dumps(value), longest=50)


def numbered_lines(path: Path) -> Iterator[tuple[int, str] | Row]:
    """Read the lines of ``path`` with their numbers, ends of line included; a line that cannot be read is a fault.

    Never holds more than one line. A byte order mark is dropped; ``.gz`` is decompressed.

    Raises:
        DocumentError: The file cannot be opened.
    """
    number = 0
    try:
        with _open(path) as file:
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if number == 1 and raw.startswith(_WIDE_MARKS):
                    found, hint = "the byte order mark of UTF-16 or UTF-32", _convert("UTF-16")
                    yield fault(1, found, "UTF-8 text", hint=hint)
                    return
                if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
                    while raw and not raw.endswith(b"\n"):
                        raw = file.readline(_CHUNK)
                    hint = "no judge reads a text of this length; shorten it, or split it into cases"
                    found = f"a line of more than {MAX_LINE_BYTES:,} bytes"
                    yield fault(number, found, "that many or fewer", hint=hint)
                    continue
                yield _decoded(number, raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield fault(number + 1, f"damaged gzip data ({error})", "a complete gzip file", hint="make the file again")
    except OSError as error:
        found = f"a file that cannot be read ({error.strerror})"
        raise DocumentError(path, [Problem(line=None, field="", found=found, expected="a file of cases")]) from error


def json_rows(path: Path) -> Iterator[Row]:
    """Read a JSONL file row by row, blank lines skipped.

    Raises:
        DocumentError: The file cannot be opened.
    """
    for line in numbered_lines(path):
        if isinstance(line, Row):
            yield line
        elif line[1].strip():
            yield _json_row(*line)


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _decoded(number: int, raw: bytes) -> tuple[int, str] | Row:
    try:
        return number, raw.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"the byte 0x{raw[error.start]:02x} at byte {error.start + 1:,} of the line, which is not UTF-8"
        return fault(number, found, "UTF-8 text", hint=_convert("WINDOWS-1252"))


def _convert(encoding: str) -> str:
    return f"convert the file from its encoding: iconv -f {encoding} -t UTF-8 FILE > CONVERTED"


class _TwiceError(ValueError):
    """A key stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in keys if keys.count(key) > 1))
    return found


def _json_row(number: int, text: str) -> Row:
    one = "one JSON object on the line"
    try:
        value: object = json.loads(text.rstrip("\r\n"), object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        return fault(number, f"invalid JSON ({error.msg} at column {error.colno:,})", one, hint=_json_hint(text))
    except _TwiceError as error:
        field = printable(str(error), longest=50)
        return fault(number, "a second entry of the same name", "each name once", field=field, hint="remove one")
    except RecursionError:
        return fault(number, "brackets nested without end", one)
    except ValueError:  # Python refuses to read integers of more than some thousand digits
        return fault(number, "a number of thousands of digits", "numbers a person can read")
    if is_mapping(value):
        return Row(line=number, data=value)
    hint = "write each object on a line of its own: jq -c '.[]' FILE > FILE.jsonl" if is_list(value) else ""
    return fault(number, show(value), one, hint=hint)


def _json_hint(text: str) -> str:
    start = text.strip()
    if start in {"{", "[", "[{"}:
        jq = "." if start == "{" else ".[]"
        return f"write each object on a line of its own: jq -c '{jq}' FILE > FILE.jsonl"
    if re.match(r"\{\s*'", start):
        return 'put names and texts in double quotes: "id"'
    return ""
