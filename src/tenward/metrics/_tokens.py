"""The one text model of all metrics: normalise, then split into words that exist in every script.

The tokenisers of the wrapped libraries know Latin letters only, or take a Chinese sentence for one word.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

__all__ = ["CHARACTER_SIGNATURE", "TOKEN_SIGNATURE", "characters", "tokenise"]

CHARACTER_SIGNATURE = "text=nfkc,casefold"
TOKEN_SIGNATURE = f"{CHARACTER_SIGNATURE} tokens=tenward-words/1"

# Dropped as the usual ROUGE and BM25 tokenisers do; other symbols stay, since they carry meaning in code.
# NFKC has already made the full-width forms and the ellipsis ASCII.
_PUNCTUATION = frozenset(".,;:!?'\"“”‘’„‚«»‹›–—、。「」『』·،؛؟۔।॥")

# Scripts written without spaces between words: Thai, Lao, Myanmar, Khmer, Tai, Han, Kana, Bopomofo, Yi.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u2e80-\u312f\u31a0-\u31ff\u3400-\u9fff\ua000-\ua4cf"
    "\uf900-\ufaff\U0001b000-\U0001b2ff\U00020000-\U0003ffff"
)

_MARKS = frozenset({"Mn", "Mc", "Me", "Cf"})


def tokenise(text: str) -> list[str]:
    """Split a text into its words.

    A word is a run of letters, digits and underscores with their combining marks; in scripts written without
    spaces it is a single character; every other visible character is a word of its own. Sentence punctuation is
    dropped, unless the text has nothing else. Letter case and compatibility forms (NFKC) make no difference.

    Returns:
        The words, none of which holds white space; empty for nothing but white space.
    """
    tokens = _word_pattern().findall(_normalise(text))
    return [token for token in tokens if token not in _PUNCTUATION] or tokens


def characters(text: str) -> str:
    """Return the text without white space, letter case and compatibility forms."""
    return "".join(_normalise(text).split())


def _normalise(text: str) -> str:
    if text.isascii():
        return text.lower()
    # Ordering a run of combining marks takes quadratic time, so long runs are broken as the Stream-Safe Text
    # Format of Unicode does: with a combining grapheme joiner.
    bounded = _mark_run_pattern().sub("\\g<0>\u034f", text)
    return unicodedata.normalize("NFKC", bounded).casefold()


@cache
def _word_pattern() -> re.Pattern[str]:
    marks = _mark_class()
    letter = rf"[^\W{_UNSPACED}]"
    return re.compile(rf"{letter}+(?:[{marks}]+{letter}*)*|\S[{marks}]*")


@cache
def _mark_run_pattern() -> re.Pattern[str]:
    return re.compile(rf"[{_mark_class()}]{{30}}")


@cache
def _mark_class() -> str:
    """Return the characters that belong to the one before them, as a regular expression's ranges."""
    ranges: list[list[int]] = []
    # Nothing beyond these two stretches is a mark: ideographs and private use.
    for start, stop in ((0x80, 0x20000), (0xE0000, 0xE0200)):
        for code in range(start, stop):
            if unicodedata.category(chr(code)) in _MARKS:
                if ranges and ranges[-1][1] == code - 1:
                    ranges[-1][1] = code
                else:
                    ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
