"""What a head reads of one text: its state at the end of each criterion's question, their mean, and some counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenward.judges.heads._counts import counts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["TextState"]


@dataclass(frozen=True, kw_only=True)
class TextState:
    """The states of one text, each of length 1."""

    mean: Array
    """The mean over the criteria, taken to length 1 again: they share what is said of the text, not the rounding."""

    own: Mapping[str, Array]
    """At the end of one criterion's question, by criterion."""

    counts: Array
    """What a program counted, in the order of :data:`COUNTS`."""

    @classmethod
    def of(cls, states: Mapping[str, NDArray[np.floating[Any]]], *, output: str = "", given: str = "") -> TextState:
        """The same of states of any length.

        Args:
            states: By criterion.
            output: The text itself.
            given: Its input, if any.

        Raises:
            ValueError: There are none, one has no length, or they have different numbers of dimensions.
        """
        import numpy as np

        own = {name: _unit(state) for name, state in states.items()}
        if not own or len({state.shape for state in own.values()}) > 1:
            raise ValueError(f"states of {sorted({state.size for state in own.values()})} numbers, expected one size")
        return cls(mean=_unit(np.mean(list(own.values()), axis=0)), own=own, counts=counts_of(output, given))

    def at(self, criterion: str, own: float) -> Array:
        """The state that a head reads for a criterion, of length 1.

        Args:
            criterion: The criterion.
            own: Share of its own state in it, 0 to 1; the rest is the mean's.
        """
        if not own or criterion not in self.own:
            return self.mean
        return _unit((1 - own) * self.mean + own * self.own[criterion])


def _unit(state: NDArray[np.floating[Any]]) -> Array:
    import numpy as np

    exact = np.asarray(state, dtype=np.float64)
    length = float(np.linalg.norm(exact))
    if not 0 < length < np.inf:
        raise ValueError("a state without length")
    return exact / length
