from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tenward.errors import UsageError
from tenward.metrics import available, get_metric, tokenise

# Everything Python can hold, lone surrogates and NUL included.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
WORDS = st.lists(
    st.sampled_from(["the", "a", "cat", "cats", "sat", "on", "mat", "空", "指", "针", "кот", ".", "{", "}", "👍"]),
    max_size=30,
).map(" ".join)
TEXTS = ANY_TEXT | WORDS

SCRIPTS = (
    "Please fix the null pointer error.",
    "the",
    "42",
    "x",
    "检查空指针错误",
    "Проверьте указатель",
    "تحقق من المؤشر الفارغ",
    "ヌルポインタを確認してください",
    "널 포인터를 확인하세요",
    "नल पॉइंटर की जाँच करें",
    "ตรวจสอบตัวชี้",
    "👩‍💻🎉",
    "+= -> {}[]();",
    "...",
    "\ud800",
    "\0",
    "\u0301",
    "\u200b",
    "if (p == nullptr) { return 指针; }",
)

UNRELATED = (
    ("She baked three loaves of sourdough bread.", "Stock markets fell sharply on Monday morning."),
    ("A new bridge will open to traffic next spring.", "Photosynthesis turns sunlight into chemical energy."),
    ("Please restart your router before calling support.", "Fresh basil loses flavour when cooked too long."),
)

each_metric = pytest.mark.parametrize("name", available())


@each_metric
@pytest.mark.parametrize("text", SCRIPTS)
def test_identical_text_is_exactly_one_in_every_script(name: str, text: str) -> None:
    """A text compared with itself is 1.0, whatever its script, symbols or length."""
    assert get_metric(name).score(text, [text]).value == 1.0


@each_metric
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_identity_holds_for_any_text(name: str, text: str) -> None:
    """Any text with a visible character scores 1.0 against itself; white space alone counts as empty."""
    assert get_metric(name).score(text, [text]).value == (1.0 if text.split() else 0.0)


@each_metric
@settings(max_examples=60, deadline=None)
@given(candidate=TEXTS, references=st.lists(TEXTS, min_size=1, max_size=3), corpus=st.lists(TEXTS, max_size=3))
@example(candidate="a", references=["", " ", "\x1c"], corpus=[""])
def test_values_stay_on_the_scale(name: str, candidate: str, references: list[str], corpus: list[str]) -> None:
    """No text raises an error or leaves 0 to 1, and the best reference really has the value."""
    metric = get_metric(name, corpus=corpus)
    score = metric.score(candidate, references)
    assert 0.0 <= score.value <= 1.0
    assert not score.capped
    alone = get_metric(name, corpus=[*corpus, *references]).score(candidate, [references[score.best_reference]])
    assert math.isclose(alone.value, score.value, abs_tol=1e-12)


@each_metric
@settings(max_examples=40, deadline=None)
@given(candidate=TEXTS, references=st.lists(TEXTS, min_size=2, max_size=4), data=st.data())
def test_order_of_references_is_irrelevant(
    name: str, candidate: str, references: list[str], data: st.DataObject
) -> None:
    """Shuffled references give the same value."""
    shuffled = data.draw(st.permutations(references))
    metric = get_metric(name)
    assert metric.score(candidate, references).value == metric.score(candidate, shuffled).value


@each_metric
@settings(max_examples=40, deadline=None)
@given(candidate=TEXTS, references=st.lists(TEXTS, min_size=1, max_size=3), extra=TEXTS)
def test_more_references_never_hurt(name: str, candidate: str, references: list[str], extra: str) -> None:
    """With the word weights held fixed, another reference can only raise the value."""
    metric = get_metric(name, corpus=[*references, extra])
    assert metric.score(candidate, [*references, extra]).value >= metric.score(candidate, references).value - 1e-12


@each_metric
def test_the_nearest_reference_is_named(name: str) -> None:
    """The index is that of the reference with the value, the first one of equals."""
    references = ["stock markets fell", "the cat sat on a mat", "the cat sat on a mat"]
    score = get_metric(name).score("the cat sat on a mat", references)
    assert (score.value, score.best_reference) == (1.0, 1)


@each_metric
@pytest.mark.parametrize("candidate", ["", " ", "\n\t\u3000"])
def test_an_empty_candidate_is_zero(name: str, candidate: str) -> None:
    """Nothing, or nothing but white space, scores 0.0 against anything, itself included."""
    assert get_metric(name).score(candidate, ["the cat", candidate]).value == 0.0


@each_metric
def test_no_reference_is_an_error_with_a_hint(name: str) -> None:
    """An empty list of references is a fault of the request, not a score."""
    with pytest.raises(UsageError, match="no reference") as caught:
        get_metric(name).score("text", [])
    assert caught.value.hint


@pytest.mark.parametrize("name", [name for name in available() if name != "chrf"])
@pytest.mark.parametrize(("candidate", "reference"), UNRELATED)
def test_unrelated_sentences_are_near_zero(name: str, candidate: str, reference: str) -> None:
    """Ordinary sentences that have nothing to do with each other score at most 0.1."""
    assert get_metric(name).score(candidate, [reference]).value <= 0.1


@pytest.mark.parametrize(("candidate", "reference"), UNRELATED)
def test_unrelated_sentences_share_letters_in_chrf(candidate: str, reference: str) -> None:
    """ChrF's zero lies higher, as its documentation says, and well below that of related sentences."""
    assert get_metric("chrf").score(candidate, [reference]).value <= 0.25


@each_metric
def test_a_repeated_reference_scores_no_more_than_the_reference(name: str) -> None:
    """Stuffing a candidate with the reference five times does not take it above 1."""
    reference = "the cat sat on the mat and looked out of the window"
    metric = get_metric(name)
    value = metric.score(" ".join([reference] * 5), [reference]).value
    assert value == 1.0 if name == "bm25" else value < 1.0


@each_metric
@pytest.mark.parametrize(
    ("near", "reference", "far"),
    [
        ("the parser rejects empty input", "the parser refuses empty input", "a new bridge opens next spring"),
        ("请检查空指针异常并修复它", "请检查空指针错误并修复它", "今天天气很好我们去公园"),
        ("кошка сидит на ковре", "кошка сидит на окне", "биржа упала утром"),
        ("a[i] += b[j];", "a[i] -= b[j];", "@ ~ % ^"),
    ],
)
def test_near_text_beats_far_text_in_every_script(name: str, near: str, reference: str, far: str) -> None:
    """A small change scores between unrelated text and identity."""
    metric = get_metric(name)
    assert metric.score(far, [reference]).value < metric.score(near, [reference]).value < 1.0


@each_metric
def test_a_signature_is_one_printable_line(name: str) -> None:
    """The signature names the metric, its library with version, and how the text was normalised."""
    metric = get_metric(name, corpus=["\ud800 text", "more text"])
    assert metric.signature.isprintable()
    assert metric.signature.startswith(f"{name} ")
    for part in ("/", "text=nfkc,casefold", "cap=", "references=best"):
        assert part in metric.signature
    assert metric.score("text", ["text"]).signature == metric.signature


@each_metric
def test_metrics_and_scores_can_be_pickled(name: str) -> None:
    """A metric survives the way to another process and gives the same score there."""
    metric = get_metric(name, corpus=["the cat sat", "the dog ran"])
    score = metric.score("the cat", ["the cat sat"])
    copy = pickle.loads(pickle.dumps(metric))
    assert copy.score("the cat", ["the cat sat"]) == pickle.loads(pickle.dumps(score)) == score


@each_metric
@pytest.mark.parametrize(
    "text",
    [
        "word " * 40_000,
        "x" * 200_000,
        "空指针" * 22_000,
        "e" + "\u0301\u0323" * 100_000,
        "\0" * 200_000,
        "!@" * 100_000,
    ],
)
def test_huge_texts_are_cut_and_the_result_says_so(name: str, text: str) -> None:
    """Texts of 200 kB score, and every metric that does not read all of one reports it."""
    metric = get_metric(name)
    score = metric.score(text, [text])
    assert score.value == 1.0
    one_word = name != "chrf" and len(tokenise(text)) == 1
    assert score.capped is not one_word
    assert metric.score("word", [text]).capped is score.capped
    assert metric.score("word", ["word"]).capped is False
