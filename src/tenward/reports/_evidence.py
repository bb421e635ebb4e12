"""Where quotes stand in a text, so that a report can mark them in place."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Mark", "marks"]

Mark = tuple[int, int, list[int], list[int]]
"""Start and end in UTF-16 units, as a script counts; numbers of the criteria that quote it; those whose quote ends."""

_EDGES = " \"'“”„’‘.,;:…"
_SINGLE, _DOUBLE, _DASH = "['’‘]", '["“”„]', "[-\u2010\u2011\u2012–—−]"
_ALIKE = {
    **dict.fromkeys("'’‘", _SINGLE),
    **dict.fromkeys('"“”„', _DOUBLE),
    **dict.fromkeys("-\u2010\u2011\u2012–—−", _DASH),
}


def marks(text: str, quotes: Mapping[int, Sequence[str]]) -> list[Mark]:
    """Cut the quoted passages of ``text`` into pieces that do not overlap.

    A quote is found word for word, or with other white space, quotation marks, dashes or case, as judges write them;
    an ellipsis joins two passages. The first place counts. A quote that is not found marks nothing.

    Args:
        text: The text, as it will be shown.
        quotes: Quotes per number of a criterion.
    """
    spans = {
        (start, end, criterion)
        for criterion, found in quotes.items()
        for quote in found
        for start, end in _places(text, quote)
    }
    edges = sorted({edge for start, end, _ in spans for edge in (start, end)})
    pieces: list[Mark] = []
    for left, right in pairwise(edges):
        over = [(end, criterion) for start, end, criterion in spans if start <= left and right <= end]
        if over:
            ending = sorted({criterion for end, criterion in over if end == right})
            pieces.append((left, right, sorted({criterion for _, criterion in over}), ending))
    if text.isascii() or max(text, default="") <= "\uffff":
        return pieces
    return [(_units(text[:left]), _units(text[:right]), over, ending) for left, right, over, ending in pieces]


def _places(text: str, quote: str) -> list[tuple[int, int]]:
    start = text.find(quote) if quote else -1
    if start >= 0:
        return [(start, start + len(quote))]
    places: list[tuple[int, int]] = []
    position = 0
    for piece in re.split(r"\.{3,}|…|\[\.\.\.\]|\[…\]", quote):
        stripped = piece.strip(_EDGES)
        if not stripped:
            continue
        match = _pattern(stripped).search(text, position)
        if match is None:
            return []
        places.append(match.span())
        position = match.end()
    return places


@lru_cache(maxsize=256)
def _pattern(piece: str) -> re.Pattern[str]:
    words = ("".join(_ALIKE.get(character, re.escape(character)) for character in word) for word in piece.split())
    # What a judge's quote has as a space may have been a control character, which is shown as its picture.
    return re.compile("[\\s\u200b\u2400-\u2421]+".join(words), re.IGNORECASE)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
