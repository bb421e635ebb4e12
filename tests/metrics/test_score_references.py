from __future__ import annotations

import math
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.errors import UnknownNameError, UsageError
from tenward.metrics import available, get_metric, score_references
from tenward.rubrics import METRIC_NAMES

CANDIDATE = "a cat sat on the mat"
REFERENCES = ("the dog ran", "the cat sat on a mat")
ALL = dict.fromkeys(available(), 1.0)


def test_every_metric_of_a_rubric_exists() -> None:
    """The names a rubric may use are the names of the metrics."""
    assert available() == METRIC_NAMES
    assert [get_metric(name).name for name in METRIC_NAMES] == list(METRIC_NAMES)


def test_the_value_is_the_weighted_mean() -> None:
    """Weights are ratios, and each metric's score stands beside the mean."""
    score = score_references(CANDIDATE, REFERENCES, {"rouge_l": 2, "chrf": 1})
    rouge, chrf = score.metrics["rouge_l"], score.metrics["chrf"]
    assert list(score.metrics) == ["rouge_l", "chrf"]
    assert score.value == pytest.approx((2 * rouge.value + chrf.value) / 3)
    assert rouge == get_metric("rouge_l").score(CANDIDATE, REFERENCES)
    assert rouge.best_reference == 1


def test_a_weight_of_zero_is_shown_but_not_counted() -> None:
    """The metric is computed and reported; the mean is that of the others."""
    score = score_references(CANDIDATE, REFERENCES, {"bleu": 0, "chrf": 1})
    assert score.value == score.metrics["chrf"].value != score.metrics["bleu"].value


@given(st.dictionaries(st.sampled_from(available()), st.floats(5e-324, 1.7e308), min_size=1))
def test_identical_text_is_exactly_one_under_any_weights(weights: dict[str, float]) -> None:
    """No weights, however large or small, move the mean of ones from 1."""
    assert score_references("同じ text", ["other", "同じ text"], weights).value == 1.0


def test_the_corpus_reaches_bm25() -> None:
    """A corpus changes the word weights of BM25 and is named in its signature; other metrics ignore it."""
    corpus = ["the cat sat on a mat", "the cat ran", "a cat slept", "a mat lay on the floor"]
    plain = score_references("a cat", REFERENCES, ALL)
    fitted = score_references("a cat", REFERENCES, ALL, corpus=corpus)
    changed = [name for name in ALL if plain.metrics[name] != fitted.metrics[name]]
    assert changed == ["bm25"]
    assert "idf=corpus:4:" in fitted.metrics["bm25"].signature


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_is_no_weight_is_refused(weight: float) -> None:
    """Negative and not finite weights are named in the error."""
    with pytest.raises(UsageError, match="bleu"):
        score_references("a", ["a"], {"bleu": weight, "chrf": 1})


@pytest.mark.parametrize("weights", [{}, {"bleu": 0.0}])
def test_no_weight_above_zero_is_refused(weights: dict[str, float]) -> None:
    """A mean of nothing is a fault of the request."""
    with pytest.raises(UsageError, match="no metric weight above 0"):
        score_references("a", ["a"], weights)


def test_an_unknown_metric_is_named_with_its_neighbour() -> None:
    """A misspelt name is an error that says what was probably meant."""
    with pytest.raises(UnknownNameError, match="rogue_l") as caught:
        score_references("a", ["a"], {"rogue_l": 1})
    assert caught.value.hint == "did you mean rouge_l?"


def test_another_process_gives_the_same_score() -> None:
    """Function, arguments and result travel to a freshly started process and back."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        elsewhere = pool.submit(score_references, CANDIDATE, REFERENCES, ALL, corpus=REFERENCES).result()
    assert elsewhere == score_references(CANDIDATE, REFERENCES, ALL, corpus=REFERENCES)


def test_importing_the_metrics_imports_no_library() -> None:
    """The four libraries and numpy are loaded by the first score that needs them."""
    code = (
        "import sys, tenward.metrics\n"
        "print(*sorted({'nltk', 'numpy', 'rank_bm25', 'rouge_score', 'sacrebleu'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
