"""What a program counts in a text, beside what a model makes of it: repetition, sentences, words of the input.

A small model's state tells these only roughly, and they are exact, and free.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["COUNTS", "CountScale", "counts_of"]

COUNTS = ("repeated", "sentence", "borrowed", "copied")
"""Share of words that were there before; logarithm of the words in a sentence; share of words that the input has too;
share of three words in a row that it has."""

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"[.!?]\s|\n")
_NEARLY_ALL = (0.01, 0.99)


def counts_of(output: str, given: str) -> Array:
    """The counts of a text, in the order of ``COUNTS``.

    Args:
        output: The text.
        given: Its input; empty where there is none, and nothing can be borrowed.
    """
    import numpy as np

    words, known = (_WORD.findall(text.lower()) for text in (output, given))
    sentences = sum(bool(part.strip()) for part in _SENTENCE.split(f"{output} "))
    return np.array(
        [
            1 - len(set(words)) / len(words) if words else 0.0,
            math.log1p(len(words) / max(sentences, 1)),
            _shared(words, set(known)),
            _shared(_threes(words), set(_threes(known))),
        ]
    )


def _threes(words: list[str]) -> list[tuple[str, str, str]]:
    return list(zip(words, words[1:], words[2:], strict=False))


def _shared(some: list[str] | list[tuple[str, str, str]], known: set[str] | set[tuple[str, str, str]]) -> float:
    return sum(one in known for one in some) / len(some) if some else 0.0


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
