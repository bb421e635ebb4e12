from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.judges.heads import TextState

TEXT = TextState.of({"a": np.array([3.0, 0.0]), "b": np.array([0.0, 0.5])})


def test_a_mean_of_states_weighs_them_alike() -> None:
    """Each counts by its direction, however long it is."""
    assert np.allclose(TEXT.mean, [np.sqrt(0.5), np.sqrt(0.5)])


@given(own=st.floats(0, 1))
def test_what_is_read_lies_between_the_mean_and_the_own_state(own: float) -> None:
    """Of length 1, and the nearer to the criterion's own state the larger its share."""
    read = TEXT.at("a", own)
    assert np.linalg.norm(read) == pytest.approx(1)
    assert read[0] >= TEXT.mean[0] - 1e-9
    assert np.allclose(TEXT.at("a", 1), [1, 0])
    assert np.allclose(TEXT.at("unknown", own), TEXT.mean)


@pytest.mark.parametrize(
    "states",
    [{}, {"a": np.zeros(2)}, {"a": np.full(2, np.nan)}, {"a": np.ones(2), "b": np.ones(3)}],
)
def test_what_is_no_state_is_refused(states: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> None:
    """None at all, one without length or numbers, and several of different sizes."""
    with pytest.raises(ValueError, match=r"state"):
        TextState.of(states)
