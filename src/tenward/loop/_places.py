"""Where a loop's file says what only the rest of the world shows to be wrong, such as a name that no library holds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenward.documents import line_of
from tenward.errors import DocumentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator

    from tenward.loop._definition import LoopSpec

__all__ = ["place", "placed"]


def place(spec: LoopSpec, *field: str) -> str:
    """File, line and field, such as ``loop/subjects.yaml:6: score.judge``; the loop's name where there is no file."""
    line = None if spec.source is None else line_of(spec.source, *field)
    return f"{spec.source or spec.loop}{'' if line is None else f':{line}'}: {'.'.join(field)}"


@contextmanager
def placed(spec: LoopSpec, *field: str) -> Generator[None, None, None]:
    """Put the place before what is said of a field inside; a faulty document names a place of its own.

    Raises:
        UsageError: As inside.
    """
    try:
        yield
    except DocumentError:
        raise
    except UsageError as error:
        raise type(error)(f"{place(spec, *field)}: {error.message}", hint=error.hint) from error
