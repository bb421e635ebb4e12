"""The state of a text at the end of a question: what a shortened model would say next, before it says a word.

A model's last state is hidden behind its output layer, which turns it into a log-odds per token of the vocabulary, a
linear map. So the log-odds of enough tokens, always the same ones, tell the state as well; they are to be had from the
ordinary completion of one token, which keeps the start of the prompt as any other does.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from tenward.guards import is_list, is_mapping
from tenward.judges._verdict import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    State: TypeAlias = NDArray[np.float32]
    """One number per token that is looked at, their mean 0, in natural logarithms."""

__all__ = [
    "STATE_NUMBERS",
    "STATE_VERSION",
    "ReadState",
    "pack_state",
    "state_in",
    "state_request",
    "unpack_state",
]

STATE_VERSION = "2"
"""Part of the key of every stored state; raised whenever what is read of a prompt changes."""

STATE_NUMBERS = 1536
_EVERY = 64
_TOKENS = {(number + 1) * _EVERY: number for number in range(STATE_NUMBERS)}
"""Every 64th token of the vocabulary, whose early tokens are the frequent ones, and its place in a state."""

_LIFT = 60.0
"""Added to the log-odds of each of them, so that they are the likeliest ones and all are reported."""

_DRAWN = 0
_DRAWN_LIFT = _LIFT + 40.0
"""The first token of the vocabulary, an exclamation mark, is lifted beyond them all, so that it is the one drawn: of a
drawn token that is half a character the engine reports nothing."""

_STORED = "<f2"
_LEAST = 1e-30


@dataclass(frozen=True, kw_only=True)
class ReadState:
    """The state at the end of a prompt."""

    state: State
    usage: Usage = field(default_factory=Usage)
    timings: tuple[Mapping[str, float], ...] = ()
    """The engine's own counters; empty where the cache held it."""


def state_request(prompt: str) -> dict[str, Any]:
    """The body of a request to the embedded engine, whose answer holds a state.

    Args:
        prompt: The whole prompt, in the model's own template.
    """
    return {
        "prompt": prompt,
        "n_predict": 1,
        "n_probs": STATE_NUMBERS + 1,
        "logit_bias": [[_DRAWN, _DRAWN_LIFT], *([token, _LIFT] for token in _TOKENS)],
        "post_sampling_probs": True,
        "samplers": ["top_k"],
        "top_k": STATE_NUMBERS + 1,
        "temperature": 1.0,
    }


def state_in(answer: object) -> State | None:
    """The state in the engine's answer; None where one of the tokens is missing, or all have the same log-odds."""
    import numpy as np

    said = answer.get("completion_probabilities") if is_mapping(answer) else None
    first = said[0] if is_list(said) and said else None
    listed = first.get("top_probs") if is_mapping(first) else None
    state = np.full(STATE_NUMBERS, np.nan)
    for one in listed if is_list(listed) else ():
        token, share = (one.get("id"), one.get("prob")) if is_mapping(one) else (None, None)
        if isinstance(token, int) and token in _TOKENS and isinstance(share, int | float):
            state[_TOKENS[token]] = math.log(max(share, _LEAST)) if share >= 0 else math.nan
    if not np.isfinite(state).all():
        return None
    kept = (state - state.mean()).astype(_STORED).astype(np.float32)
    return kept if kept.any() else None


def pack_state(state: NDArray[np.floating[Any]]) -> str:
    """A state as text: half-precision numbers, three thousand bytes of them, in base 64."""
    return base64.b64encode(state.astype(_STORED).tobytes()).decode("ascii")


def unpack_state(packed: str) -> State:
    """The state that :func:`pack_state` made text of.

    Raises:
        ValueError: It is damaged.
    """
    import numpy as np

    try:
        state = np.frombuffer(base64.b64decode(packed, validate=True), dtype=_STORED).astype(np.float32)
    except binascii.Error as error:
        raise ValueError("no base 64") from error
    if state.size != STATE_NUMBERS or not np.isfinite(state).all() or not state.any():
        raise ValueError(f"no {STATE_NUMBERS} finite numbers")
    return state
