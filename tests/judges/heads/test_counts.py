from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.judges.heads import COUNTS, CountScale, counts_of


def of(output: str, source: str = "") -> dict[str, float]:
    """Return the counts by name."""
    return dict(zip(COUNTS, counts_of(output, source).tolist(), strict=True))


def test_what_is_counted() -> None:
    """Words that were there before, words in a sentence, words and runs of three that the input has."""
    found = of("The cat sat. The cat ran away", "A cat sat. The cat slept.")
    assert found["repeated"] == pytest.approx(2 / 7)
    assert found["sentence"] == pytest.approx(np.log1p(3.5))
    assert found["borrowed"] == pytest.approx(5 / 7)
    assert found["copied"] == pytest.approx(2 / 5)


@given(output=st.text(max_size=200), source=st.text(max_size=200))
def test_any_text_has_counts(output: str, source: str) -> None:
    """Shares lie between 0 and 1, and nothing is borrowed where there is no input."""
    found = of(output, source)
    assert all(0 <= found[name] <= 1 for name in ("repeated", "borrowed", "copied"))
    assert found["sentence"] >= 0
    assert of(output)["borrowed"] == of(output)["copied"] == 0


def test_overdoing_it_counts_no_more() -> None:
    """What is beyond nearly all texts is taken for the last of them, and what never varies says nothing."""
    seen = np.array([[0.1 * number, 2.0, 0.5, 0.0] for number in range(10)])
    scale = CountScale.of(seen)
    most = scale.standard(np.array([0.9, 2.0, 0.5, 0.0]))
    assert np.allclose(scale.standard(np.array([7.0, 9.0, 0.5, 1.0])), most)
    assert np.allclose(most[1:], 0)
    assert most[0] > 1
