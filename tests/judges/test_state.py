from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.judges._state import STATE_NUMBERS, pack_state, state_in, state_request, unpack_state
from tenward.testing import Request, State

TOKENS = [token for token, _ in state_request("Good?")["logit_bias"]][1:]


def answer(odds: list[float], **changed: object) -> object:
    """Return the engine's answer with these log-odds, repeated for all tokens; the shares of some tokens changed."""
    every = np.resize(np.array(odds), STATE_NUMBERS)
    shares = np.exp(every - every.max()) / np.exp(every - every.max()).sum()
    listed = [{"id": token, "prob": float(share)} for token, share in zip(TOKENS, shares, strict=True)]
    listed[7] |= changed
    return {"completion_probabilities": [{"top_probs": listed[::-1]}]}


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=64).filter(lambda odds: max(odds) - min(odds) > 0.1))
def test_a_state_is_the_same_whether_read_or_stored(odds: list[float]) -> None:
    """The log-odds come back, around their mean, and packing them loses nothing more."""
    state = state_in(answer(odds))
    assert state is not None
    assert np.array_equal(unpack_state(pack_state(state)), state)
    every = np.resize(np.array(odds), STATE_NUMBERS)
    assert np.allclose(state, every - every.mean(), rtol=1e-3, atol=2e-2)


NO_STATES: list[object] = [
    None,
    {},
    {"completion_probabilities": []},
    {"completion_probabilities": [None]},
    {"completion_probabilities": [{"top_probs": []}]},
    {"completion_probabilities": [{"top_probs": [None, {"id": 64}, {"prob": 1.0}]}]},
    answer([1.0, 2.0], id=65),
    answer([1.0, 2.0], prob=None),
    answer([1.0, 2.0], prob=-1.0),
    answer([1.0, 2.0], prob=float("nan")),
    answer([1.0]),
]


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=64).filter(lambda odds: max(odds) - min(odds) > 0.1))
def test_no_chance_decides_whether_there_is_a_state(odds: list[float]) -> None:
    """One whole token is as good as always drawn, since of half a character the engine reports nothing."""
    body = state_request("Good?")
    said = State(odds).answer(Request(index=0, method="POST", path="/completion", headers={}, body=body, raw=b""))
    state = state_in(json.loads(said.body))
    assert state is not None
    every = np.resize(np.array(odds), STATE_NUMBERS)
    assert np.allclose(state, every - every.mean(), rtol=1e-3, atol=2e-2)


@pytest.mark.parametrize("said", NO_STATES)
def test_an_answer_without_a_state_gives_none(said: object) -> None:
    """What lacks a token, or tells none from another, is no state."""
    assert state_in(said) is None


@pytest.mark.parametrize(
    "packed",
    [
        "",
        "not base 64!",
        "AAA",
        base64.b64encode(b"abc").decode(),
        "AHwAfA==",
        pack_state(np.ones(STATE_NUMBERS - 1, dtype=np.float32)),
        pack_state(np.zeros(STATE_NUMBERS, dtype=np.float32)),
        pack_state(np.full(STATE_NUMBERS, np.inf, dtype=np.float32)),
    ],
)
def test_a_damaged_state_is_refused(packed: str) -> None:
    """A cache that was cut or changed is asked again, not believed."""
    with pytest.raises(ValueError, match=r"."):
        unpack_state(packed)
