"""Where output goes: data to standard output, talk to standard error, colour only where it is wanted."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import Console, RenderableType

__all__ = ["ascii_only", "clean", "lively", "note", "print_json", "print_page", "say", "terminal_width", "working"]

_WIDTH_IN_A_PIPE = 100


def clean(text: str) -> str:
    """``text`` with everything a terminal might obey escaped, line by line; see :func:`tenward.datasets.printable`."""
    from tenward.datasets import printable

    return "\n".join(printable(line, longest=sys.maxsize) for line in text.split("\n"))


def terminal_width() -> int:
    """Cells of a line on standard output."""
    return _stdout().width


def ascii_only() -> bool:
    """Whether standard output cannot take all of Unicode."""
    return not (sys.stdout.encoding or "").lower().startswith("utf")


def _stdout() -> Console:
    """Standard output; ``NO_COLOR``, a pipe and a narrow terminal are honoured."""
    from rich.console import Console

    return Console(
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        width=None if sys.stdout.isatty() else _WIDTH_IN_A_PIPE,
    )


def print_page(renderable: RenderableType) -> None:
    """Print to standard output, without the blanks that rich fills lines up with."""
    from rich.segment import Segment, Segments

    console = _stdout()
    lines: list[Segment] = []
    for line in console.render_lines(renderable, pad=False):
        while line and not line[-1].text.strip():
            line.pop()
        if line:
            line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
        lines += [*line, Segment.line()]
    console.print(Segments(lines), end="")


def say(text: str) -> None:
    """One line of data, to standard output."""
    click.echo(clean(text))


def note(text: str) -> None:
    """A line or more of talk, to standard error."""
    click.echo(clean(text), err=True)


def print_json(data: Any) -> None:
    """Data as indented JSON, to standard output; characters that a terminal might obey are written as escapes."""
    text = json.dumps(data, indent=2, ensure_ascii=ascii_only(), allow_nan=False)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def lively() -> bool:
    """Whether standard error is a terminal whose lines may be painted over."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


@contextmanager
def working(text: str) -> Generator[None, None, None]:
    """Show on a terminal that something is going on; print nothing elsewhere."""
    if not lively():
        yield
        return
    from rich.console import Console

    with Console(stderr=True, markup=False, highlight=False).status(text, spinner="dots"):
        yield
