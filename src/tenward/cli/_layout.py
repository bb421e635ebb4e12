"""The few shapes that every page of the command line is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["columns", "hanging", "indented"]


def indented(text: RenderableType, *, by: int) -> RenderableType:
    """A paragraph or block whose every line begins ``by`` cells to the right."""
    return Padding(Text(text) if isinstance(text, str) else text, (0, 0, 0, by), expand=False)


def hanging(label: Text | str, text: Text | str, *, indent: int, width: int) -> RenderableType:
    """A label in a column of ``width`` cells, and beside it a text that is wrapped inside its own column."""
    grid = Table.grid(padding=0)
    grid.add_column(width=indent + width, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(indented(label, by=indent), Text(text) if isinstance(text, str) else text)
    return grid


def columns(*headings: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines; the columns named in ``right`` are aligned to the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(headings))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table
