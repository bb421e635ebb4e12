"""Texts found by BM25, in an index that grows by one text at a time and never computes anything twice."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from typing import TYPE_CHECKING

from tenward.metrics import tokenise

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

__all__ = ["TextIndex", "terms_of"]

_K1, _B, _DELTA = 1.5, 0.75, 0.5
_MOST_TERMS = 400
_MOST_VISITED = 3_000
_MOST_COMPARED = 200
_STEM = 6
_ENDINGS = (
    "ational",
    "ation",
    "ments",
    "ment",
    "ness",
    "ings",
    "ing",
    "ies",
    "ers",
    "est",
    "ed",
    "er",
    "es",
    "ly",
    "s",
)
# Words that say nothing of what a text is about; without them a small index would take them for rare.
_STOP = frozenset(
    """
    a about after all also an and any are as at be because been before but by can could do does each every for
    from had has have how i if in into is it its just let may more most no not of on one only or other our out
    over own rather s should so some such than that the their them then there these they this those to too under
    up use uses using very was we what when where which while will with would you your
    """.split()  # noqa: SIM905 - a list of a hundred words is best read as text
)


def terms_of(text: str) -> Counter[str]:
    """The words of a text as the index sees them, with their counts.

    Letter case, common words and English endings make no difference, and of a longer word only the first letters
    count: *shorten* and *shorter* are one term. Words in scripts without spaces are single characters.
    """
    words = (
        word for word in tokenise(text)[: 4 * _MOST_TERMS] if word not in _STOP and (word.isalnum() or len(word) > 1)
    )
    return Counter([_stem(word) for word in words][:_MOST_TERMS])


def _stem(word: str) -> str:
    if not word.isascii() or not word.isalpha():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word[: -len(ending)]
            break
    if len(word) > 4 and word[-1] == "e":
        word = word[:-1]
    return word[:_STEM]


class TextIndex:
    """An inverted index scored by BM25L, whose weights are positive for every word.

    BM25L: Lv and Zhai, "When documents are very long, BM25 fails!" (2011). Adding a text takes time for its own words
    only; a search looks only at the texts that share a word with it.
    """

    def __init__(self) -> None:
        self._texts: list[Counter[str]] = []
        self._lengths: list[int] = []
        self._total = 0
        self._holders: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, terms: Counter[str]) -> int:
        """Add a text, and return its number: 0 for the first."""
        number = len(self._lengths)
        self._lengths.append(terms.total())
        self._total += terms.total()
        self._texts.append(terms)
        for term in terms:
            self._holders.setdefault(term, []).append(number)
        return number

    def search(self, query: Iterable[str], k: int) -> list[tuple[int, float]]:
        """The ``k`` best texts by number and score, best first; of equals the older. Only texts that share a word.

        Rare words are looked up first. Once some thousand entries were gone through, the commoner words only add to the
        best texts so far: in a large index they would find nearly every text, and hardly tell one from another.
        """
        mean = self._mean()
        scores: dict[int, float] = {}
        visited, rare_only = 0, True
        for term in sorted(set(query) & self._holders.keys(), key=lambda term: (len(self._holders[term]), term)):
            holders = self._holders[term]
            rarity = self._rarity(len(holders))
            visited += len(holders)
            if scores and rare_only and visited > _MOST_VISITED:
                rare_only = False
                scores = dict(heapq.nsmallest(max(k, _MOST_COMPARED), scores.items(), key=_by_score))
            for number in holders if rare_only else scores:
                if count := self._texts[number].get(term):
                    share = self._share(count, self._lengths[number], mean)
                    scores[number] = scores.get(number, 0.0) + rarity * share
        return heapq.nsmallest(k, scores.items(), key=_by_score)

    def similarity(self, one: Counter[str], other: Counter[str]) -> float:
        """How much two texts say the same, 0 to 1: BM25 of what they share, over that of the richer one with itself.

        Words are weighed as in this index. The same words are 1; a text that says the same and as much again is about
        one half.
        """
        mean = self._mean()
        shared = min(self._worth(one, mean, only=other), self._worth(other, mean, only=one))
        return shared / max(self._worth(one, mean), self._worth(other, mean), 1e-9)

    def _worth(self, terms: Counter[str], mean: float, only: Container[str] | None = None) -> float:
        length = terms.total()
        return math.fsum(
            self._rarity(len(self._holders.get(term, ()))) * self._share(count, length, mean)
            for term, count in terms.items()
            if only is None or term in only
        )

    def _mean(self) -> float:
        return self._total / len(self._lengths) if self._total else 1.0

    def _rarity(self, holders: int) -> float:
        return math.log((len(self._lengths) + 1) / (holders + 0.5))

    @staticmethod
    def _share(count: int, length: int, mean: float) -> float:
        # BM25L's term frequency: the delta keeps long texts from being punished for their length alone.
        often = count / (1 - _B + _B * length / mean) + _DELTA
        return (_K1 + 1) * often / (_K1 + often)


def _by_score(item: tuple[int, float]) -> tuple[float, int]:
    return -item[1], item[0]
