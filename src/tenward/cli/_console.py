"""Where output goes: data to standard output, talk to standard error, colour only where it is wanted."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import Console

__all__ = ["note", "out", "print_json", "working"]

_WIDTH_IN_A_PIPE = 100


def out() -> Console:
    """Standard output; ``NO_COLOR``, a pipe and a narrow terminal are honoured."""
    from rich.console import Console

    return Console(
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        width=None if sys.stdout.isatty() else _WIDTH_IN_A_PIPE,
    )


def note(text: str) -> None:
    """One line of talk, to standard error."""
    click.echo(text, err=True)


def print_json(data: Any) -> None:
    """Data as indented JSON, to standard output."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def working(text: str) -> Generator[None, None, None]:
    """Show on a terminal that something is going on; print nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True, markup=False, highlight=False).status(text, spinner="dots"):
        yield
