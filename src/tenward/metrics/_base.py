"""What every reference metric gives, and the frame they share: cut, compare with each reference, keep the best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MAX_TOKENS", "Metric", "MetricScore", "best_match", "library_version"]

MAX_TOKENS = 20_000

# The libraries' rounding errors stay far below; no two different texts come so near to 1.
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class MetricScore:
    """How near a candidate is to the nearest of its references.

    Attributes:
        value: 0 to 1; exactly 1 for identical text, exactly 0 for an empty candidate.
        best_reference: Index of the reference with that value; the first one of equals.
        capped: Whether a text was longer than the metric reads, so that its end did not count.
        signature: Metric, library with version, and settings; values of different signatures are not comparable.
    """

    value: float
    best_reference: int
    capped: bool
    signature: str


class Metric(Protocol):
    """A similarity of a text to reference texts; holds settings only, so it can be pickled."""

    @property
    def name(self) -> str:
        """The name a rubric uses."""
        ...

    @property
    def signature(self) -> str:
        """Metric, library with version, and settings, on one printable line."""
        ...

    def score(self, candidate: str, references: Sequence[str]) -> MetricScore:
        """Compare a candidate with each of its references and keep the best value.

        Raises:
            UsageError: There is no reference.
        """
        ...


def best_match(
    candidate: str,
    references: Sequence[str],
    *,
    split: Callable[[str], Sequence[str]],
    compare: Callable[[Sequence[str], Sequence[str]], float],
    cap: int,
    signature: str,
) -> MetricScore:
    """Compare a candidate with each reference and keep the best value.

    Args:
        candidate: The text to score.
        references: The texts it should be like; at least one.
        split: Cuts a text into the units the metric counts.
        compare: Similarity of two non-empty sequences of units, candidate first; rounding may leave it a little
            outside 0 to 1.
        cap: Units read of each text.
        signature: Goes into the result.

    Raises:
        UsageError: There is no reference.
    """
    if not references:
        raise UsageError(
            "found no reference to compare with, expected at least one",
            hint="score a case without references by its judge alone",
        )
    own = split(candidate)
    capped = len(own) > cap
    own = own[:cap]
    values: list[float] = []
    for reference in references:
        other = split(reference)
        capped = capped or len(other) > cap
        values.append(_unit(compare(own, other[:cap])) if own and other else 0.0)
    value = max(values)
    return MetricScore(value=value, best_reference=values.index(value), capped=capped, signature=signature)


@cache
def library_version(distribution: str) -> str:
    """Return name and version of an installed distribution, as ``name/version``."""
    from importlib.metadata import version

    return f"{distribution}/{version(distribution)}"


def _unit(value: float) -> float:
    return 1.0 if value > 1 - _ROUNDING else max(0.0, value)
