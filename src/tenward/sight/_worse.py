"""Ways to make any text worse: half of it, in another order, with other names and numbers, or a stock phrase.

Each returns None where it cannot be done, and never the text itself.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from tenward.sight._kinds import Kind

__all__ = ["changed", "exchange_facts", "halve", "names_in", "shuffle", "vague"]

_SENTENCE = re.compile(r"[^\s].*?(?:[.!?。！？؟।]+[\"'”’)\]]*(?=\s|$)|[。！？]|$)", re.MULTILINE)
_WORDS = re.compile(r"\S+")
_WORD = re.compile(r"[^\W\d]\w+")
_IDENTIFIER = re.compile(r"[^\W_]\w*_\w|[a-z\d][A-Z]")
_NUMBER = re.compile(r"\d+(?!x[\da-fA-F])")  # but for the 0 of 0xff
_FEWEST_LINES = 3
_TRIES = 8
_MOST_NAMES = 200
_VAGUE: dict[Kind, tuple[str, ...]] = {
    "line": ("Update some code", "Make various improvements", "Change a few things", "Do some general work"),
    "prose": (
        "This is about several things. Some points are made. There is more to it.",
        "It covers the topic in general. Various aspects matter. In the end it depends.",
        "There are a number of points to consider. Things could be better or worse. Further work may follow.",
        "Overall this looks reasonable. Some parts may need attention. Please have another look.",
    ),
    "list": (
        "- Look at the main points\n- Consider the details\n- Do what is needed",
        "- Think about the goal\n- Take the usual steps\n- Check the result",
    ),
    "code": (
        "def process(data):\n    # handle the data as needed\n    return data\n",
        "def run(value):\n    result = value\n    return result\n",
    ),
    "diff": (
        "--- a/main.py\n+++ b/main.py\n@@ -1,2 +1,3 @@\n def main():\n+    # improve this\n     pass\n",
        "--- a/util.py\n+++ b/util.py\n@@ -3,2 +3,3 @@\n def helper(value):\n+    # other cases\n     return value\n",
    ),
}


def changed(text: str, original: str) -> str | None:
    """``text`` where there is something in it, and it is not the original but for white space at its ends."""
    return text if text.strip() and text.strip() != original.strip() else None


def halve(text: str) -> str | None:
    """The first half, cut at a line, at a word, or in a script without spaces at a character."""
    lines = text.splitlines(keepends=True)
    full = [at for at, line in enumerate(lines) if line.strip()]
    if len(full) >= _FEWEST_LINES:
        return changed("".join(lines[: full[len(full) // 2]]).rstrip(), text)
    words = list(_WORDS.finditer(text))
    if len(words) > 1:
        return changed(text[: words[(len(words) - 1) // 2].end()], text)
    bare = text.strip()
    end = len(bare) // 2
    while end and unicodedata.combining(bare[end]):
        end -= 1
    return changed(bare[:end], text)


def shuffle(text: str, *, by_line: bool, rng: random.Random) -> str | None:
    """The sentences, or the lines, in another order; what lies between them stays where it is.

    Args:
        text: The text.
        by_line: Whether lines are moved.
        rng: Which order.
    """
    if by_line:
        spans = [found.span() for found in re.finditer(r"[^\r\n]*\S[^\r\n]*", text)]
    else:
        spans = [found.span() for found in _SENTENCE.finditer(text)]
    parts = [text[start:end] for start, end in spans]
    if len(set(parts)) < 2:
        return None
    order = list(parts)
    for _ in range(_TRIES):
        rng.shuffle(order)
        if order != parts:
            break
    else:
        order = [*parts[1:], parts[0]]
    return changed(_replaced(text, spans, order), text)


def names_in(text: str) -> tuple[str, ...]:
    """Names in a text, each once: capitalised words inside sentences, and identifiers."""
    return tuple(dict.fromkeys(hit.group() for hit in _names(text)))[:_MOST_NAMES]


def exchange_facts(text: str, names: Sequence[str], rng: random.Random) -> str | None:
    """Every number changed, and every name for one of another text.

    Args:
        text: The text.
        names: Names of other texts; where there is none that the text lacks, its own are exchanged.
        rng: Which ones.
    """
    own = names_in(text)
    pool = [name for name in names if name not in own] or list(own)
    rng.shuffle(pool)
    stands_for = {name: pool[at % len(pool)] for at, name in enumerate(own)}
    if pool and not set(pool) - set(own):  # each for the next, so that none stays
        stands_for = dict(zip(own, [*own[1:], own[0]], strict=True))
    hits = [hit for hit in _names(text) if hit.group() in stands_for]
    exchanged = _replaced(text, [hit.span() for hit in hits], [stands_for[hit.group()] for hit in hits])
    return changed(_NUMBER.sub(lambda hit: _other_number(hit.group(), rng), exchanged), text)


def _names(text: str) -> Iterator[re.Match[str]]:
    for hit in _WORD.finditer(text):
        before = text[max(0, hit.start() - 2) : hit.start()]
        inside = len(before) == 2 and before[1] == " " and (before[0].isalnum() or before[0] in ",;")
        if _IDENTIFIER.search(hit.group()) or (inside and hit.group()[0].isupper()):
            yield hit


def vague(kind: Kind, text: str, rng: random.Random) -> str | None:
    """A stock phrase of that kind, which fits everything and says nothing."""
    return next((phrase for phrase in rng.sample(_VAGUE[kind], len(_VAGUE[kind])) if changed(phrase, text)), None)


def _other_number(digits: str, rng: random.Random) -> str:
    """A number of as many digits, in the same script, that begins with another one."""
    first = unicodedata.decimal(digits[0], None)
    if first is None:
        return digits
    other = rng.choice([digit for digit in range(1, 10) if digit != first])
    return chr(ord(digits[0]) - first + other) + digits[1:]


def _replaced(text: str, spans: Sequence[tuple[int, int]], parts: Sequence[str]) -> str:
    """The text with other parts at these places."""
    made: list[str] = []
    last = 0
    for (start, end), part in zip(spans, parts, strict=True):
        made += [text[last:start], part]
        last = end
    return "".join([*made, text[last:]])
