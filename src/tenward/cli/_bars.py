"""Bars of a terminal page."""

from __future__ import annotations

from rich.text import Text

from tenward.cli._console import ascii_only

__all__ = ["BAR_CELLS", "bar"]

BAR_CELLS = 20
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(share: float, *, style: str, empty: str = "·") -> Text:
    """A bar of ``share``, 0 to 1, of :data:`BAR_CELLS` cells; of ``#`` where the terminal has no Unicode."""
    if ascii_only():
        drawn = Text("#" * round(share * BAR_CELLS), style=style)
        drawn.append(("." if empty == "·" else empty) * (BAR_CELLS - len(drawn)), style="dim")
        return drawn
    full, rest = divmod(round(share * BAR_CELLS * 8), 8)
    drawn = Text("█" * full + (_EIGHTHS[rest] if rest else ""), style=style)
    drawn.append(empty * (BAR_CELLS - len(drawn)), style="dim")
    return drawn
