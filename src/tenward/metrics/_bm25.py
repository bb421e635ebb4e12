"""BM25 by rank-bm25, made a similarity: the share of a reference's rare words that the candidate has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenward.metrics._base import MAX_TOKENS, MetricScore, best_match, library_version
from tenward.metrics._tokens import TOKEN_SIGNATURE, tokenise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Bm25"]

_K1, _B, _DELTA = 1.5, 0.75, 0.5


@dataclass(frozen=True, kw_only=True)
class Bm25:
    """BM25L of the candidate as a query for the reference, divided by that of the reference itself.

    BM25L because its inverse document frequency is positive for every word, so that a word in most references
    still counts a little and no shared word means exactly 0. A repeated word of the candidate counts once.

    It measures recall only: a candidate that holds the whole reference scores 1 whatever else it says. Weigh it
    together with a metric that sees what was added, such as ``rouge_l`` or ``bleu``.

    Attributes:
        corpus: Texts whose words tell rare from common, best all references of the data set; the references
            of the case itself are always added. Without a corpus every word weighs about the same, and
            unrelated sentences that share words such as *the* reach 0.4 (mean 0.05).
    """

    corpus: tuple[str, ...] = ()
    name: str = "bm25"

    def fit(self, corpus: Sequence[str]) -> Bm25:
        """Return the metric with word weights from these texts; with all references it is fitted only once."""
        return replace(self, corpus=tuple(corpus))

    @property
    def signature(self) -> str:
        """Metric, library with version, and settings; names the corpus by size and hash."""
        idf = _describe(self.corpus) if self.corpus else "references"
        return (
            f"bm25 {library_version('rank-bm25')} variant=BM25L,k1={_K1},b={_B},delta={_DELTA} idf={idf} "
            f"query=unique scale=self {TOKEN_SIGNATURE} cap={MAX_TOKENS} references=best"
        )

    def score(self, candidate: str, references: Sequence[str]) -> MetricScore:
        """Compare a candidate with each of its references and keep the best value.

        Raises:
            UsageError: There is no reference.
        """
        # One key for all cases whose references are part of the corpus: the fit is found in the cache.
        model = _fit(tuple(dict.fromkeys((*self.corpus, *references))))
        return best_match(
            candidate,
            references,
            split=tokenise,
            compare=model.similarity,
            cap=MAX_TOKENS,
            signature=self.signature,
        )


class _Fitted:
    """The library's model of some documents, addressed by their words."""

    def __init__(self, documents: Sequence[tuple[str, ...]]) -> None:
        from rank_bm25 import BM25L

        self._positions = {document: position for position, document in enumerate(documents)}
        self._own: dict[int, float] = {}
        self._model: Any = BM25L(documents, k1=_K1, b=_B, delta=_DELTA)

    def similarity(self, candidate: Sequence[str], reference: Sequence[str]) -> float:
        position = self._positions[tuple(reference)]
        if position not in self._own:
            self._own[position] = self._relevance(dict.fromkeys(reference), position)
        known = set(reference)  # other words add exactly 0
        return (
            self._relevance((word for word in dict.fromkeys(candidate) if word in known), position)
            / self._own[position]
        )

    def _relevance(self, query: Iterable[str], position: int) -> float:
        # Not get_scores, which goes through all documents for each query word.
        scores: list[float] = self._model.get_batch_scores(query, [position])
        return scores[0]


@lru_cache(maxsize=4)
def _fit(documents: tuple[str, ...]) -> _Fitted:
    tokens = dict.fromkeys(tuple(tokenise(document)[:MAX_TOKENS]) for document in documents)
    tokens.pop((), None)
    # The library divides by zero on nothing; then one that no reference equals stands in.
    return _Fitted(list(tokens) or [("",)])


@lru_cache(maxsize=4)
def _describe(corpus: tuple[str, ...]) -> str:
    """Return size and hash of a corpus; the same for any order and repetition of its texts."""
    digest = hashlib.sha256()
    distinct = sorted(set(corpus))
    for text in distinct:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return f"corpus:{len(distinct)}:{digest.hexdigest()[:12]}"
