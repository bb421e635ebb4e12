from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.judges._state import pack_state, state_in, unpack_state


@given(st.lists(st.floats(-60_000, 60_000), min_size=1, max_size=64))
def test_a_state_is_the_same_whether_read_or_stored(numbers: list[float]) -> None:
    """What the engine says is kept in half precision from the start, so that packing it loses nothing more."""
    state = state_in({"data": [{"embedding": [1.0, *numbers]}]})
    assert state is not None
    assert np.array_equal(unpack_state(pack_state(state)), state)
    assert np.allclose(state, [1.0, *numbers], rtol=1e-3, atol=1e-3)


NO_STATES: list[object] = [
    None,
    {},
    {"data": []},
    {"data": [None]},
    {"data": [{"embedding": []}]},
    {"data": [{"embedding": ["a"]}]},
    {"data": [{"embedding": [1.0, None]}]},
    {"data": [{"embedding": [1.0, float("nan")]}]},
    {"data": [{"embedding": [1e30]}]},
    {"data": [{"embedding": [[1.0]]}]},
    {"data": [{"embedding": [0.0, 1e-12]}]},
]


@pytest.mark.parametrize("answer", NO_STATES)
def test_an_answer_without_a_state_gives_none(answer: object) -> None:
    """Whatever is no list of finite numbers that half precision can hold is no state."""
    assert state_in(answer) is None


@pytest.mark.parametrize("packed", ["", "not base 64!", "AAA", base64.b64encode(b"abc").decode(), "AHwAfA=="])
def test_a_damaged_state_is_refused(packed: str) -> None:
    """A cache that was cut or changed is asked again, not believed."""
    with pytest.raises(ValueError, match=r"."):
        unpack_state(packed)
