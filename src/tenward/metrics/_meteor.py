"""METEOR by nltk; synonyms count where nltk's WordNet corpus is installed."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from zipfile import BadZipFile

from tenward.metrics._base import MAX_TOKENS, MetricScore, best_match, library_version
from tenward.metrics._tokens import TOKEN_SIGNATURE, tokenise

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Meteor", "meteor_synonyms"]

_PROBE = "well"


@dataclass(frozen=True, kw_only=True)
class Meteor:
    """METEOR: words matched exactly, by Porter stem or as synonyms; fewer runs of matches score higher.

    The plain formula gives identical text less than 1 (a single word 0.5), so the value is divided by that of
    the reference matched to itself: ``1 - 0.5 / words ** 3``. From ten words on this changes less than 0.0006.

    Synonyms come from nltk's WordNet corpus if it can be read, which is English only and takes some seconds and
    200 MB per process; nothing is ever downloaded. The signature says which it was. The library looks synonyms
    up by stem, so it finds those of *halt* and *halted*, but none of *automobile*, whose stem is no word.
    """

    name: str = "meteor"

    @property
    def signature(self) -> str:
        """Metric, library with version, and settings, with ``synonyms=wordnet/...`` or ``synonyms=none``."""
        return (
            f"meteor {library_version('nltk')} alpha=0.9,beta=3,gamma=0.5 stemmer=porter "
            f"synonyms={_synonyms().label} scale=self {TOKEN_SIGNATURE} cap={MAX_TOKENS} references=best"
        )

    def score(self, candidate: str, references: Sequence[str]) -> MetricScore:
        """Compare a candidate with each of its references and keep the best value.

        Raises:
            UsageError: There is no reference.
        """
        return best_match(
            candidate, references, split=tokenise, compare=_compare, cap=MAX_TOKENS, signature=self.signature
        )


def meteor_synonyms() -> str:
    """Say where METEOR's synonyms come from: ``wordnet`` with its version, or ``none`` and how to get them."""
    label = _synonyms().label
    if label != "none":
        return label
    return "none (for English synonyms: python -m nltk.downloader wordnet; NLTK_DATA names another folder)"


def _compare(candidate: Sequence[str], reference: Sequence[str]) -> float:
    return _plain(candidate, reference) / _plain(reference, reference)


def _plain(candidate: Sequence[str], reference: Sequence[str]) -> float:
    from nltk.translate.meteor_score import single_meteor_score

    dictionary: Any = _synonyms()  # the library asks for its own reader, and calls synsets of it
    # The words are case-folded already, hence str: leave them as they are.
    score: float = single_meteor_score(
        reference, candidate, preprocess=str, wordnet=dictionary, alpha=0.9, beta=3.0, gamma=0.5
    )
    return score


class _Lemma(Protocol):
    def name(self) -> str: ...


class _Synset(Protocol):
    def lemmas(self) -> list[_Lemma]: ...


class _Dictionary(Protocol):
    def synsets(self, word: str) -> list[_Synset | None]: ...


class _Synonyms:
    """What METEOR asks of a dictionary: the corpus reader, one thread at a time, or nothing."""

    def __init__(self, reader: _Dictionary | None, label: str = "none") -> None:
        self.label = label
        self._reader = reader
        # The reader seeks and reads in files it keeps open.
        self._lock = threading.Lock()

    def synsets(self, word: str) -> list[_Synset]:
        if self._reader is None:
            return []
        with self._lock:
            # The reader gives None, and a warning, for an entry that its files do not have.
            return [synset for synset in self._reader.synsets(word) if synset is not None]


def _synonyms() -> _Synonyms:
    return _synonyms_of_process(os.getpid())


# A forked process must not share the position in open files with its parent, nor a lock that is held.
@lru_cache(maxsize=1)
def _synonyms_of_process(_: int) -> _Synonyms:
    from nltk.corpus import LazyCorpusLoader, WordNetCorpusReader
    from nltk.corpus.reader import CorpusReader
    from nltk.corpus.reader.wordnet import WordNetError

    # The library's own definition of its corpus; the second one, of other languages, is never loaded.
    other = LazyCorpusLoader("omw-2.0", CorpusReader, r".*/wn-data-.*\.tab", encoding="utf8")
    try:
        reader: Any = LazyCorpusLoader("wordnet", WordNetCorpusReader, other)
        # A word of all four parts of speech, so that every file is opened now and none can be missing later.
        synsets: list[Any] = reader.synsets(_PROBE)
        found = None not in synsets and {synset.pos() for synset in synsets} >= set("nvr")
        label = f"wordnet/{reader.get_version()}"
    except (LookupError, OSError, ValueError, AssertionError, BadZipFile, WordNetError):
        return _Synonyms(None)
    return _Synonyms(reader, label) if found else _Synonyms(None)
