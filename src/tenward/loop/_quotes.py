"""Whether a changed text has come to quote another, also in scripts without spaces and under a disguise."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Added"]

# A run of words is long enough to be a quote at 24: eight words, twelve Han or kana characters, or twenty-four
# characters of the alphabets without spaces, in which a single word may have thirteen.
_RUN = 24
_WORD = 3
_WEIGHTS = {
    **dict.fromkeys(("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"), 2),
    **dict.fromkeys(("THAI", "LAO", "KHMER", "MYANMAR"), 1),
}
# Five words, or as much of a script without spaces.
_WHOLE = 5 * _WORD
# Nothing is seen of these either, but Unicode counts them as letters and marks.
_INVISIBLE = frozenset(
    map(chr, (0x034F, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x17B4, 0x17B5))
)
_MOST_SHOWN = 90


class _Table(dict[int, str]):
    """A table for ``str.translate`` that finds each character's entry when it is first met."""

    def __init__(self, entry: Callable[[str], str]) -> None:
        super().__init__()
        self._entry = entry

    def __missing__(self, code: int) -> str:
        entry = self[code] = self._entry(chr(code))
        return entry


def _weight(character: str) -> int:
    """What a character of a script without spaces counts; 0 for any other, which counts with its word."""
    return _WEIGHTS.get(unicodedata.name(character, "").partition(" ")[0], 0)


def _visible(character: str) -> str:
    return "" if unicodedata.category(character) == "Cf" or character in _INVISIBLE else character


def _spaced(character: str) -> str:
    category = unicodedata.category(character)
    # Without its vowel signs, which are marks, a word of Hindi would fall apart.
    if category[0] not in "LN" and category not in {"Mn", "Mc"}:
        return " "
    return f" {character} " if _weight(character) else character


_VISIBLE = _Table(_visible)
_SPACED = _Table(_spaced)
_WEIGHED: dict[str, int] = {}


class Added:
    """What a new text says that the old one does not, to be asked for quotes.

    Letter case, punctuation, compatibility forms such as full-width letters, and what is invisible make no difference.
    """

    def __init__(self, old: str, new: str) -> None:
        before, now = _words(old), _words(new)
        self._runs = set(_runs(now)).difference(_runs(before))
        self._old, self._new = _padded(before), _padded(now)

    def quote(self, text: str, *, whole: bool = False) -> str:
        """The first run of words of a text that was added; empty where there is none.

        A run is eight words, twelve Han or kana characters, or twenty-four of Thai, Lao, Khmer or Burmese.

        Args:
            text: What may be quoted.
            whole: Whether a text too short for a run counts as one, if it has five words or as much of such characters.
        """
        words = _words(text)
        runs = _runs(words)
        if whole and not runs and sum(map(_weigh, words)) >= _WHOLE:
            said = _padded(words)
            return _shown(words) if said in self._new and said not in self._old else ""
        return next((_shown(run) for run in runs if run in self._runs), "")


def _words(text: str) -> list[str]:
    """The words, each character of a script without spaces being one."""
    # What is invisible may stand between a letter and its accent, so it goes before the two are put together.
    folded = unicodedata.normalize("NFKC", text.translate(_VISIBLE)).casefold()
    # Case folding takes some letters apart, such as the Greek iota with two accents.
    return unicodedata.normalize("NFKC", folded).translate(_SPACED).split()


def _weigh(word: str) -> int:
    if len(word) > 1:
        return _WORD
    if word not in _WEIGHED:
        _WEIGHED[word] = _weight(word) or _WORD
    return _WEIGHED[word]


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    """From each word on, the shortest run that is long enough, in the order of the text."""
    runs: list[tuple[str, ...]] = []
    weights = [_weigh(word) for word in words]
    start = weight = 0
    for end, more in enumerate(weights, start=1):
        weight += more
        while weight >= _RUN:
            # Only the shortest run from a start is the same wherever the run stands.
            runs.append(tuple(words[start:end]))
            weight -= weights[start]
            start += 1
    return runs


def _padded(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


def _shown(words: Sequence[str]) -> str:
    """The words as they are written: with spaces, but for two characters of scripts that have none."""
    gaps = ("" if _weigh(one) < _WORD and _weigh(other) < _WORD else " " for one, other in pairwise(words))
    return "".join(f"{gap}{word}" for gap, word in zip(("", *gaps), words, strict=True))[:_MOST_SHOWN]
