"""Passages of a candidate that a small model may choose its evidence from.

Asked to copy a quote, a small model writes a description of the text instead. Given the choice as an enumeration in
the schema, the engine's grammar lets it write nothing but a passage that really stands there.
"""

from __future__ import annotations

import re

__all__ = ["passages"]

_AT_MOST = 40
_LONGEST = 160
_FEWEST_LETTERS = 6
_DIFF_HEADER = re.compile(r"diff --git |index [0-9a-f]|--- |\+\+\+ |@@ |(new|deleted) file mode |(old|new) mode ")


def passages(candidate: str) -> tuple[str, ...]:
    """At most 40 distinct lines or sentences of ``candidate``, spread evenly over it, in order.

    Lines longer than 160 characters are split into sentences, and those cut at a word; all are verbatim.
    """
    found: dict[str, None] = {}
    for line in candidate.splitlines():
        if _DIFF_HEADER.match(line):
            continue  # says where, not what
        pieces = [line] if len(line) <= _LONGEST else re.split(r"(?<=[.!?;])\s+|(?<=[。！？；])", line)
        for piece in pieces:
            text = piece.strip()
            if len(text) > _LONGEST:
                text = text[:_LONGEST].rsplit(maxsplit=1)[0] if " " in text[:_LONGEST] else text[:_LONGEST]
            if sum(character.isalnum() for character in text) >= _FEWEST_LETTERS and text.isprintable():
                found.setdefault(text)
    every = list(found)
    if len(every) <= _AT_MOST:
        return tuple(every)
    return tuple(every[index * len(every) // _AT_MOST] for index in range(_AT_MOST))
