"""The state of a text: what a model has made of it at the end of a question, before it says a word.

It is the last hidden state at the last token of the prompt, which the embedded engine gives as an embedding. The engine
computes the whole prompt for it, whatever it had kept, and has the prompt in its slot afterwards: the first token's
probabilities of the same prompt then take one token.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeAlias

from tenward.guards import is_list, is_mapping

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    State: TypeAlias = NDArray[np.float32]
    """One number per dimension of the model, not normalised."""

__all__ = ["STATE_VERSION", "pack_state", "state_in", "unpack_state"]

STATE_VERSION = "1"
"""Part of the key of every stored state; raised whenever what is read of a prompt changes."""

_STORED = "<f2"


def state_in(answer: object) -> State | None:
    """The state in the engine's answer; None where there is none, or one without length.

    Half precision is all that is kept, so that a state is the same whether it was just read or stored.
    """
    import numpy as np

    data = answer.get("data") if is_mapping(answer) else None
    first = data[0] if is_list(data) and data else None
    numbers = first.get("embedding") if is_mapping(first) else None
    if not is_list(numbers) or not numbers or not all(isinstance(one, int | float) for one in numbers):
        return None
    state = np.array(numbers, dtype=np.float64)
    if not (abs(state) <= np.finfo(_STORED).max).all():  # nor is NaN
        return None
    kept = state.astype(_STORED).astype(np.float32)
    return kept if kept.any() else None


def pack_state(state: State) -> str:
    """A state as text: half-precision numbers, three thousand bytes of them for a small model, in base 64."""
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
    if not state.size or not np.isfinite(state).all():
        raise ValueError("no finite numbers")
    return state
