"""Each metric against its own library, and against values worked out in public."""

from __future__ import annotations

from typing import Any

import pytest
from nltk.translate.meteor_score import meteor_score
from rank_bm25 import BM25L
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu import sentence_bleu, sentence_chrf

from tenward.metrics import Bm25, get_metric

# Papineni et al. 2002, example 1; Lavie and Agarwal's METEOR uses the same sentences in nltk's documentation.
CANDIDATE = "it is a guide to action which ensures that the military always obeys the commands of the party"
REFERENCE = "it is a guide to action that ensures that the military will forever heed party commands"

PAIRS = (
    (CANDIDATE, REFERENCE),
    ("the quick brown fox jumps over the lazy dog", "the quick brown dog jumps on the log"),
    ("the cat", "the cat sat on the mat"),
    ("a cat sat on a mat and a dog sat on a log", "a dog sat on a mat"),
)

each_pair = pytest.mark.parametrize(("candidate", "reference"), PAIRS)


def value_of(name: str, candidate: str, reference: str) -> float:
    """Return the metric's value for one reference."""
    return get_metric(name).score(candidate, [reference]).value


@each_pair
def test_bleu_is_sacrebleus_sentence_bleu(candidate: str, reference: str) -> None:
    """On plain words BLEU is sacrebleu's own value with effective order, on a scale to 1."""
    own = sentence_bleu(candidate, [reference], use_effective_order=True).score / 100
    assert value_of("bleu", candidate, reference) == pytest.approx(own, abs=1e-12)


def test_bleu_of_the_published_example_by_hand() -> None:
    """The n-gram precisions 12/18, 8/17, 6/16 and 4/15 of the published sentences give their geometric mean."""
    expected = (12 / 18 * 8 / 17 * 6 / 16 * 4 / 15) ** 0.25
    assert value_of("bleu", CANDIDATE, REFERENCE) == pytest.approx(expected)


@each_pair
def test_chrf_is_sacrebleus_sentence_chrf(candidate: str, reference: str) -> None:
    """On lower-case text chrF is sacrebleu's own value, on a scale to 1."""
    own = sentence_chrf(candidate, [reference]).score / 100
    assert value_of("chrf", candidate, reference) == pytest.approx(own, abs=1e-12)


@each_pair
@pytest.mark.parametrize(("name", "kind"), [("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")])
def test_rouge_is_rouge_scores_f_measure(name: str, kind: str, candidate: str, reference: str) -> None:
    """On English with sentence punctuation ROUGE is the library's F-measure with its default tokeniser."""
    candidate, reference = f"{candidate.capitalize()}.", f"{reference.capitalize()}, yes!"
    scorer: Any = RougeScorer([kind])
    assert value_of(name, candidate, reference) == pytest.approx(scorer.score(reference, candidate)[kind].fmeasure)


def test_rouge_of_the_librarys_own_example_by_hand() -> None:
    """The foxes share 6 words and a subsequence of 5, of 9 and 8 words."""
    fox, log = PAIRS[1]
    assert value_of("rouge_1", fox, log) == pytest.approx(12 / 17)
    assert value_of("rouge_l", fox, log) == pytest.approx(10 / 17)


class NoSynonyms:
    """A dictionary of nothing."""

    def synsets(self, word: str) -> list[object]:
        """Return no meaning for any word."""
        return []


def test_meteor_is_nltks_value_over_that_of_the_reference_itself() -> None:
    """The published 0.6944, divided by the 1 - 0.5 / 14 ** 3 that the reference scores against itself."""
    dictionary: Any = NoSynonyms()
    raw: float = meteor_score([REFERENCE.split()], CANDIDATE.split(), wordnet=dictionary)
    words = len(REFERENCE.split())
    assert raw == pytest.approx(0.6944, abs=5e-5)
    assert value_of("meteor", CANDIDATE, REFERENCE) == pytest.approx(raw / (1 - 0.5 / words**3))


def test_meteor_sees_order_and_stems() -> None:
    """Words out of order cost less than words that are missing, and an inflected word still matches."""
    reference = "the cats are jumping over walls"
    assert value_of("meteor", "the cat are jumps over wall", reference) == 1.0
    assert 0.4 < value_of("meteor", "walls over jumping are cats the", reference) < 0.6


def test_bm25_is_the_librarys_score_over_that_of_the_reference_itself() -> None:
    """With a corpus BM25 is the library's BM25L of the distinct words, divided by the reference's own."""
    corpus = [text for pair in PAIRS for text in pair]
    library: Any = BM25L([text.split() for text in corpus])
    words = list(dict.fromkeys(CANDIDATE.split()))
    own = list(dict.fromkeys(REFERENCE.split()))
    expected = library.get_scores(words)[1] / library.get_scores(own)[1]
    assert Bm25().fit(corpus).score(CANDIDATE, [REFERENCE]).value == pytest.approx(expected)


def test_bm25_weighs_rare_words_more() -> None:
    """With a corpus, missing its one rare word costs a candidate more than missing a common one."""
    corpus = [f"the report of the {word}" for word in ("market", "match", "weather", "election")]
    metric = Bm25().fit(corpus)
    rare = metric.score("market", [corpus[0]]).value
    common = metric.score("report", [corpus[0]]).value
    assert rare > 2 * common > 0


def test_bm25_measures_recall_only() -> None:
    """A candidate that holds the whole reference and much else scores 1, as documented."""
    assert value_of("bm25", f"{REFERENCE} and now for something completely different", REFERENCE) == 1.0


def test_the_signature_of_bm25_names_the_corpus_whatever_its_order() -> None:
    """The same texts give the same signature; other texts, or none, another."""
    same = {Bm25().fit(corpus).signature for corpus in (["a b", "c"], ["c", "a b"], ["c", "a b", "c"])}
    assert len(same) == 1
    assert same.isdisjoint({Bm25().signature, Bm25().fit(["a b"]).signature, Bm25().fit(["a", "b c"]).signature})


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("bleu", "[nrefs:1|case:mixed|eff:yes|tok:none|smooth:exp|version:"),
        ("chrf", "[nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:"),
    ],
)
def test_sacrebleus_own_signature_is_kept(name: str, part: str) -> None:
    """The signature holds the library's own, as papers print it."""
    assert part in get_metric(name).signature


def test_one_word_references_are_compared_by_words_in_rouge_2() -> None:
    """A reference without pairs of words falls back to words; one with pairs does not."""
    assert value_of("rouge_2", "the answer is 42", "42") == pytest.approx(0.4)
    assert value_of("rouge_2", "42", "the answer is 42") == 0.0
