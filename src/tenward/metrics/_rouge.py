"""ROUGE-1, ROUGE-2 and ROUGE-L by rouge-score, with words of every script."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from tenward.metrics._base import MAX_TOKENS, MetricScore, best_match, library_version
from tenward.metrics._tokens import TOKEN_SIGNATURE, tokenise

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Rouge"]

_MAX_LCS_TOKENS = 2_000
_TYPES = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


@dataclass(frozen=True, kw_only=True)
class Rouge:
    """ROUGE: F-score of the shared words, pairs of words, or longest common subsequence of words.

    No stemming. Unrelated English sentences share words such as *the*, so ROUGE-1 and ROUGE-L of two that have
    nothing to do with each other average 0.04 and reach about 0.2; ROUGE-2 stays near 0.

    A reference of one word has no pairs; ``rouge_2`` then compares words, so that identical text is 1.

    Attributes:
        name: ``rouge_1``, ``rouge_2`` or ``rouge_l``.
    """

    name: Literal["rouge_1", "rouge_2", "rouge_l"]

    @property
    def signature(self) -> str:
        """Metric, library with version, and settings."""
        fallback = " one-word-references=rouge1" if self.name == "rouge_2" else ""
        return (
            f"{self.name} {library_version('rouge-score')} type={_TYPES[self.name]} measure=f stemmer=no{fallback} "
            f"{TOKEN_SIGNATURE} cap={self._cap} references=best"
        )

    def score(self, candidate: str, references: Sequence[str]) -> MetricScore:
        """Compare a candidate with each of its references and keep the best value.

        Raises:
            UsageError: There is no reference.
        """
        return best_match(
            candidate, references, split=tokenise, compare=self._compare, cap=self._cap, signature=self.signature
        )

    @property
    def _cap(self) -> int:
        # The longest common subsequence takes time in the product of the two lengths.
        return _MAX_LCS_TOKENS if self.name == "rouge_l" else MAX_TOKENS

    def _compare(self, candidate: Sequence[str], reference: Sequence[str]) -> float:
        kind = "rouge1" if self.name == "rouge_2" and len(reference) == 1 else _TYPES[self.name]
        measure: float = _scorer(kind).score(" ".join(reference), " ".join(candidate))[kind].fmeasure
        return measure


class _Spaces:
    """The tokeniser the library asks for; the text is already words and spaces."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


@cache
def _scorer(kind: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], tokenizer=_Spaces())
