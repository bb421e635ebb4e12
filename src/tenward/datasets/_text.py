"""Bytes from outside as text: bounded reading, strict decoding, names that are safe to print."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, BinaryIO

from tenward.errors import TargetError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Limits",
    "Material",
    "decode_text",
    "left_out_notes",
    "printable",
    "read_bounded",
    "require_content",
]

_NAMES_SHOWN = 3

# The marks of UTF-32 begin like those of UTF-16, so they are looked for first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of a target is read. Sizes are bytes of UTF-8 text; all are at least 1.

    Raises:
        UsageError: A limit is too small to read anything.
    """

    file_bytes: int = 1_000_000
    """Largest single file, standard input, or file at a revision."""

    folder_bytes: int = 200_000
    """Largest text of a folder, headers included; files that no longer fit are left out and named."""

    folder_files: int = 20_000
    """Most files a folder may hold before it is taken for a mistake."""

    diff_bytes: int = 200_000
    """Largest diff; files whose changes no longer fit are left out and named."""

    message_bytes: int = 20_000
    """Largest text of commit messages."""

    context_lines: int = 8
    """Unchanged lines shown around each change of a diff; may be 0."""

    def __post_init__(self) -> None:
        for field in fields(self):
            least = 0 if field.name == "context_lines" else 1
            found: int = getattr(self, field.name)
            if found < least:
                raise UsageError(f"limit {field.name} is {found}, expected {least} or more")


@dataclass(frozen=True, kw_only=True)
class Material:
    """What was read from one place, before it becomes a case."""

    output: str
    input: str = ""
    context: str = ""
    notes: tuple[str, ...] = ()


def printable(text: str, *, longest: int = 200) -> str:
    """Return ``text`` with control, direction and undecodable characters escaped, on one line.

    File names, branch names and commit subjects are written by others and may hold terminal escapes.

    Args:
        text: Any text, lone surrogates included.
        longest: Characters after which the text is cut, with an ellipsis.
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def read_bounded(stream: BinaryIO, limit: int, name: str) -> bytes:
    """Read all of ``stream``, at most ``limit`` bytes.

    Raises:
        TargetError: The stream holds more; no more than ``limit`` + 1 bytes were read to know it.
    """
    data = bytearray()
    while len(data) <= limit and (chunk := stream.read(min(65_536, limit + 1 - len(data)))):
        data += chunk
    if len(data) > limit:
        raise TargetError(
            f"{name} is too large: found more than {limit:,} bytes, expected {limit:,} or fewer",
            hint="judge a part of it: a judge overlooks most of a long text",
        )
    return bytes(data)


def decode_text(data: bytes, name: str) -> str:
    r"""Decode UTF-8, or UTF-16 behind its byte order mark, with every line ending as ``\n``.

    Line endings become one so that a quotation by a judge is found whichever system wrote the file.

    Args:
        data: The whole file.
        name: What the error calls it, already printable.

    Raises:
        TargetError: Binary data or another encoding, with the offset of the first offending byte.
    """
    mark, encoding = next((known for known in _MARKS if data.startswith(known[0])), (b"", "utf-8"))
    if encoding == "utf-32":
        raise _not_text(name, "a UTF-32 byte order mark at byte 0", encoding="UTF-32")
    body = data[len(mark) :]
    try:
        text, end = body.decode(encoding), len(body)
    except UnicodeDecodeError as error:
        text, end = body[: error.start].decode(encoding), error.start
    if (nul := text.find("\0")) >= 0:
        at = len(mark) + len(text[:nul].encode(encoding))
        raise TargetError(
            f"{name} is binary: found a NUL at byte {at:,}, expected text",
            hint="extract its text first, and give the text file",
        )
    if end < len(body):
        at = len(mark) + end
        raise _not_text(name, f"byte 0x{data[at]:02x} at byte {at:,}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def require_content(text: str, name: str, *, hint: str = "") -> str:
    """Return ``text``.

    Raises:
        TargetError: There is nothing in it but white space.
    """
    if not text.strip():
        found = "only white space" if text else "nothing"
        raise TargetError(f"{name} is empty: found {found}, expected text to judge", hint=hint)
    return text


def _not_text(name: str, found: str, *, encoding: str = "WINDOWS-1252") -> TargetError:
    return TargetError(
        f"{name} is not UTF-8 text: found {found}, expected UTF-8, or UTF-16 with a byte order mark",
        hint=f"if it is text in another encoding, convert it: iconv -f {encoding} -t UTF-8 FILE > CONVERTED",
    )


def left_out_notes(left_out: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Say per reason how many files were left out, and name the first few."""
    notes: list[str] = []
    for reason, names in left_out.items():
        shown = ", ".join(printable(name) for name in names[:_NAMES_SHOWN])
        more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
        notes.append(f"left out {len(names):,} file{'s' * (len(names) != 1)} ({reason}): {shown}{more}")
    return tuple(notes)
