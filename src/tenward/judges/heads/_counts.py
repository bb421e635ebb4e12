"""What a program counts in a text, beside what a model makes of it: length, repetition, what of its input it holds.

A small model's state tells these only roughly, and they are exact, and free. Pieces copied from the input, and how
long they are, follow Grusky, Naaman and Artzi, *Newsroom*, 2018 (coverage and density of extractive fragments).
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["COUNTS", "CountScale", "counts_of"]

COUNTS = (
    "words",
    "sentences",
    "shortest",
    "longest",
    "repeated",
    "repeated threes",
    "alike",
    "signs",
    "capitals",
    "borrowed",
    "copied threes",
    "in order",
    "density",
    "pieces",
    "covered",
    "main",
    "opening",
)
"""Of the text alone: words and sentences, words of the shortest and of the longest sentence (logarithms of one more);
shares of words, and of three words in a row, that were there before; most that two sentences have in common; signs
beyond usual punctuation (logarithm likewise); capitalised words per word.

Of the text and its input, 0 where there is none: shares of words, and of three words in a row, that the input has; how
often the latter follow each other as they do there; mean length of the copied piece that a word lies in, and pieces per
sentence (logarithms); the least of a sentence that one sentence of the input covers; shares of the input's 20 most
frequent words in the text, and of the 8 in its first sentence. Sentences are compared, and frequent words are found, by
words of four letters or more."""

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_SIGN = re.compile(r"[^\w\s.,'\"!?-]")
_CAPITALISED = re.compile(r"\b[A-Z]")
_TELLING = 4
_MAIN, _FIRST = 20, 8
_LONGEST = 200
"""Words of a copied piece, beyond which it counts as the next one."""

_NEARLY_ALL = (0.01, 0.99)
_MOST_WORDS, _MOST_SENTENCES = 20_000, 300
"""Beyond which a text is not looked at: sentences are compared with each other, and heads know none so long."""


def counts_of(output: str, given: str) -> Array:
    """The counts of a text, in the order of ``COUNTS``.

    Args:
        output: The text.
        given: Its input; empty where there is none.
    """
    import numpy as np

    return np.array([*_alone(output), *_beside(output, given)], dtype=np.float64)


def _alone(output: str) -> list[float]:
    words = _words(output)
    sentences = _sentences(output)
    lengths = [len(sentence) for sentence in sentences] or [0]
    telling = [_telling(sentence) for sentence in sentences]
    return [
        math.log1p(len(words)),
        math.log1p(len(sentences)),
        math.log1p(min(lengths)),
        math.log1p(max(lengths)),
        _repeated(words),
        _repeated(_threes(words)),
        max((_common(one, other) for one, other in itertools.combinations(telling, 2)), default=0.0),
        math.log1p(len(_SIGN.findall(output))),
        len(_CAPITALISED.findall(output)) / max(len(words), 1),
    ]


def _beside(output: str, given: str) -> list[float]:
    words, known = _words(output), _words(given)
    sentences = _sentences(output)
    pieces = _pieces(words, known)
    parts = [part for part in map(_telling, _sentences(given)) if part]
    covered = [
        max((len(own & part) / len(own) for part in parts), default=0.0) for own in map(_telling, sentences) if own
    ]
    frequent = [word for word, _ in Counter(word for word in known if len(word) >= _TELLING).most_common(_MAIN)]
    return [
        _shared(words, set(known)),
        _shared(_threes(words), set(_threes(known))),
        _in_order(_threes(words), _threes(known)),
        math.log1p(sum(piece**2 for piece in pieces) / max(len(words), 1)),
        math.log1p(len(pieces) / max(len(sentences), 1)),
        min(covered, default=0.0),
        _shared(frequent, set(words)),
        _shared(frequent[:_FIRST], set(sentences[0]) if sentences else set()),
    ]


def _words(text: str) -> list[str]:
    return [found[0] for found in itertools.islice(_WORD.finditer(text.lower()), _MOST_WORDS)]


def _sentences(text: str) -> list[list[str]]:
    parts = (words for words in map(_words, _SENTENCE.split(text)) if words)
    return list(itertools.islice(parts, _MOST_SENTENCES))


def _telling(words: Sequence[str]) -> frozenset[str]:
    return frozenset(word for word in words if len(word) >= _TELLING)


def _threes(words: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(words, words[1:], words[2:], strict=False))


def _repeated(some: Sequence[str] | Sequence[tuple[str, ...]]) -> float:
    return 1 - len(set(some)) / len(some) if some else 0.0


def _shared(some: Collection[str] | Collection[tuple[str, ...]], known: Collection[object]) -> float:
    return sum(one in known for one in some) / len(some) if some else 0.0


def _in_order(some: Sequence[tuple[str, ...]], known: Sequence[tuple[str, ...]]) -> float:
    """How often the next of what both have does not lie earlier in the second, 0 to 1."""
    at = {one: place for place, one in reversed(list(enumerate(known)))}
    places = [at[one] for one in some if one in at]
    return sum(one <= other for one, other in itertools.pairwise(places)) / max(len(places) - 1, 1)


def _common(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(min(len(one), len(other)), 1)


def _pieces(words: Sequence[str], known: Sequence[str]) -> list[int]:
    """Lengths of the longest pieces of the input that make up the text, taken from its beginning on."""
    text, vocabulary = f" {' '.join(known)} ", set(known)
    found: list[int] = []
    at = 0
    while at < len(words):
        if words[at] not in vocabulary:
            at += 1
            continue
        length = 1
        while at + length < len(words) and length < _LONGEST and f" {' '.join(words[at : at + length + 1])} " in text:
            length += 1
        found.append(length)
        at += length
    return found


@dataclass(frozen=True, kw_only=True)
class CountScale:
    """How the counts of the texts that a head was fitted to spread."""

    mean: Array
    spread: Array
    """Standard deviation; 0 where they do not differ."""

    low: Array
    high: Array
    """Between which nearly all lie; what is beyond counts as no more, so that nothing is gained by overdoing it."""

    @classmethod
    def of(cls, counts: Array) -> CountScale:
        """That of some texts, texts times counts."""
        import numpy as np

        low, high = np.quantile(counts, _NEARLY_ALL, axis=0)
        within = counts.clip(low, high)
        return cls(mean=within.mean(axis=0), spread=within.std(axis=0), low=low, high=high)

    def standard(self, counts: Array) -> Array:
        """Counts in standard deviations from the mean, no farther out than the texts that it was fitted to."""
        import numpy as np

        off = counts.clip(self.low, self.high) - self.mean
        return np.asarray(np.divide(off, self.spread, out=np.zeros_like(off), where=self.spread > 0), dtype=np.float64)
