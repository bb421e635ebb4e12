"""Cases into a JSONL file that is either the old one or the new one, never half of it."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenward.datasets._fields import hash_of, read_case
from tenward.datasets._lines import MAX_LINE_BYTES, Row, show
from tenward.errors import DocumentError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenward.datasets._case import Case

__all__ = ["write_cases"]


def write_cases(path: Path | str, cases: Iterable[Case]) -> int:
    """Write cases as JSONL, one line each, fields that are empty left out; what is written can be read.

    The lines go to a temporary file in the same folder, which then replaces ``path``. The cases may be read from
    ``path`` while it is written. Where anything fails, ``path`` is as it was.

    Args:
        path: The file, which must end in ``.jsonl``. Its folder exists.
        cases: The cases, at least one; taken one at a time.

    Returns:
        The number of cases.

    Raises:
        UsageError: The file cannot be written, or there are no cases.
        DocumentError: A case that could not be read again, such as one with an id that another case has.
    """
    target = Path(path)
    if target.suffix != ".jsonl":
        raise UsageError(f"{target}: found a file ending in {target.suffix or 'nothing'}, expected .jsonl")
    real = target.resolve()  # a link stays a link: what it leads to is replaced
    temporary = real.with_name(f".{real.name}.{secrets.token_hex(4)}.tmp")
    written = 0
    try:
        try:
            with temporary.open("xb") as file:
                for line in _lines(target, cases):
                    file.write(line)
                    written += 1
            if real.exists():
                shutil.copymode(real, temporary)
            if written:
                temporary.replace(real)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        hint = "choose a folder that exists and can be written"
        raise UsageError(f"cannot write {target} ({error})", hint=hint) from error
    if not written:
        raise UsageError(f"{target}: found no cases to write, expected at least one")
    return written


def _lines(target: Path, cases: Iterable[Case]) -> Iterator[bytes]:
    first: dict[int, int] = {}
    for number, case in enumerate(cases, start=1):
        data = _fields(case)
        _, problems = read_case(Row(line=number, data=data))
        if problems:
            raise DocumentError(target, problems)
        earlier = first.setdefault(hash_of(case.id), number)
        line = f"{json.dumps(data, ensure_ascii=False)}\n".encode()
        if earlier < number:
            raise _refused(
                target, number, "id", show(case.id), f"an id that no other case has; case {earlier:,} has it"
            )
        if len(line) > MAX_LINE_BYTES:
            raise _refused(target, number, "", f"{len(line):,} bytes", f"at most {MAX_LINE_BYTES:,} bytes in a line")
        yield line


def _fields(case: Case) -> dict[str, Any]:
    texts = {"input": case.input, "output": case.output, "context": case.context, "group": case.group}
    data = {"id": case.id, **texts, "references": list(case.references), "human": dict(case.human), "split": case.split}
    return {name: value for name, value in data.items() if value or name == "id"}


def _refused(target: Path, line: int, field: str, found: str, expected: str) -> DocumentError:
    return DocumentError(target, [Problem(line=line, field=field, found=found, expected=expected)])
