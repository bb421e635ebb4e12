"""BLEU and chrF by sacrebleu, for single texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tenward.metrics._base import MAX_TOKENS, MetricScore, best_match, library_version
from tenward.metrics._tokens import CHARACTER_SIGNATURE, TOKEN_SIGNATURE, characters, tokenise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

__all__ = ["Bleu", "Chrf"]

_MAX_CHARACTERS = 50_000


@dataclass(frozen=True, kw_only=True)
class Bleu:
    """Sentence BLEU: precision of 1- to 4-grams of words with a penalty for brevity.

    The order is *effective*: a text of fewer than four words is judged by the n-grams it has. The mean over
    cases is not corpus BLEU, which pools the counts first.
    """

    name: str = "bleu"

    @property
    def signature(self) -> str:
        """Metric, library with version, and settings, sacrebleu's own signature in brackets."""
        own = _sacrebleu_signature(_bleu())
        return f"bleu {library_version('sacrebleu')} [{own}] {TOKEN_SIGNATURE} cap={MAX_TOKENS} references=best"

    def score(self, candidate: str, references: Sequence[str]) -> MetricScore:
        """Compare a candidate with each of its references and keep the best value.

        Raises:
            UsageError: There is no reference.
        """
        return best_match(
            candidate, references, split=tokenise, compare=_bleu_of, cap=MAX_TOKENS, signature=self.signature
        )


@dataclass(frozen=True, kw_only=True)
class Chrf:
    """chrF2: F-score of 1- to 6-grams of characters, recall counting twice as much as precision.

    It needs no words, so it treats all scripts and word forms alike, and it is the only metric here that sees
    sentence punctuation. Its zero lies high: unrelated sentences of one language share single letters and reach
    0.1 to 0.25.
    """

    name: str = "chrf"

    @property
    def signature(self) -> str:
        """Metric, library with version, and settings, sacrebleu's own signature in brackets."""
        own = _sacrebleu_signature(_chrf())
        cap = f"cap={_MAX_CHARACTERS}characters"
        return f"chrf {library_version('sacrebleu')} [{own}] {CHARACTER_SIGNATURE} {cap} references=best"

    def score(self, candidate: str, references: Sequence[str]) -> MetricScore:
        """Compare a candidate with each of its references and keep the best value.

        Raises:
            UsageError: There is no reference.
        """
        return best_match(
            candidate, references, split=characters, compare=_chrf_of, cap=_MAX_CHARACTERS, signature=self.signature
        )


@cache
def _bleu() -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    # force: without it the library warns of text that looks tokenised, which it is.
    return BLEU(tokenize="none", effective_order=True, force=True)


@cache
def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _bleu_of(candidate: Sequence[str], reference: Sequence[str]) -> float:
    return _bleu().sentence_score(" ".join(candidate), [" ".join(reference)]).score / 100


def _chrf_of(candidate: Sequence[str], reference: Sequence[str]) -> float:
    score: float = _chrf().sentence_score("".join(candidate), ["".join(reference)]).score
    return score / 100


def _sacrebleu_signature(metric: BLEU | CHRF) -> str:
    metric.sentence_score("a", ["a"])  # the library knows its number of references only after a score
    return str(metric.get_signature())
