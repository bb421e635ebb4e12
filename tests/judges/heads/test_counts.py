from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.judges.heads import COUNTS, CountScale, counts_of


def of(output: str, source: str = "") -> dict[str, float]:
    """Return the counts by name."""
    return dict(zip(COUNTS, counts_of(output, source).tolist(), strict=True))


def test_what_is_counted_of_a_text_alone() -> None:
    """Words, sentences and their lengths, what is repeated, what two sentences share, signs, capitals."""
    found = of("The white cats slept. The white cats ran away (fast)")
    assert np.allclose(
        np.expm1([found[name] for name in ("words", "sentences", "shortest", "longest", "signs")]), [10, 2, 4, 6, 2]
    )
    assert found["repeated"] == pytest.approx(3 / 10)
    assert found["repeated threes"] == pytest.approx(1 / 8)
    assert found["alike"] == pytest.approx(2 / 3)
    assert found["capitals"] == pytest.approx(2 / 10)
    assert sum(list(found.values())[COUNTS.index("borrowed") :]) == 0


def test_what_a_text_has_of_its_input() -> None:
    """Words and runs of three, pieces and how long they are, the sentence that is covered least, the frequent words."""
    source = "The brown horse jumped over the old fence. The horse fell. Nobody laughed, the horse was brown."
    found = of("The brown horse jumped high. It fell over the old fence.", source)
    assert found["borrowed"] == pytest.approx(9 / 11)
    assert found["copied threes"] == pytest.approx(4 / 9)
    assert found["in order"] == 1
    assert np.expm1(found["density"]) == pytest.approx((4**2 + 1 + 4**2) / 11)
    assert np.expm1(found["pieces"]) == pytest.approx(3 / 2)
    assert found["covered"] == pytest.approx(2 / 3)
    assert found["main"] == pytest.approx(6 / 8)
    assert found["opening"] == pytest.approx(3 / 8)


def test_what_is_copied_in_another_order_is_seen() -> None:
    """Of the runs of three after the first, those that do not lie before the previous one in the input."""
    source = "One two three four. Five six seven eight. Nine ten eleven twelve."
    assert of("Nine ten eleven twelve. One two three four.", source)["in order"] == pytest.approx(2 / 3)
    assert of("Nothing of it is here.", source)["in order"] == 0


def test_a_text_is_all_of_itself() -> None:
    """One piece, all words borrowed, each sentence covered."""
    text = "Horses jump over fences. Others rather walk around them."
    found = of(text, text)
    assert np.expm1([found["pieces"], found["density"]]) == pytest.approx([1 / 2, 9])
    assert found["borrowed"] == found["copied threes"] == found["covered"] == found["main"] == 1


@given(output=st.text(max_size=200), source=st.text(max_size=200))
def test_any_text_has_counts(output: str, source: str) -> None:
    """Shares lie between 0 and 1, nothing is below 0, and nothing is borrowed where there is no input."""
    found = of(output, source)
    shares = ("repeated", "repeated threes", "alike", "borrowed", "copied threes", "covered", "main", "opening")
    assert all(0 <= found[name] <= 1 for name in shares)
    assert all(np.isfinite(one) and one >= 0 for one in found.values())
    assert len(found) == len(COUNTS)
    assert not any(of(output)[name] for name in COUNTS[COUNTS.index("borrowed") :])


def test_overdoing_it_counts_no_more() -> None:
    """What is beyond nearly all texts is taken for the last of them, and what never varies says nothing."""
    seen = np.array([[0.1 * number, 2.0, 0.5, 0.0] for number in range(10)])
    scale = CountScale.of(seen)
    most = scale.standard(np.array([0.9, 2.0, 0.5, 0.0]))
    assert np.allclose(scale.standard(np.array([7.0, 9.0, 0.5, 1.0])), most)
    assert np.allclose(most[1:], 0)
    assert most[0] > 1


def test_a_long_text_is_counted_soon() -> None:
    """Thousands of lines, or of one word, are looked at up to a bound, and the rest changes nothing."""
    lines = "\n".join(f"alpha{number}" for number in range(20_000))
    assert of(lines, lines)["sentences"] == of(f"{lines}\nmore", lines)["sentences"]
    assert of("word " * 200_000, "word " * 200_000)["borrowed"] == 1
