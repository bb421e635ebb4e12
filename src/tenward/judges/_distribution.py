"""Reading a score from the distribution of one token per criterion, instead of from the number a model writes.

A small model asked for scores in JSON writes 5 for everything; the probabilities it gives the scale's labels still
order the same texts as people do. The score is their expected value (Liu et al., *G-Eval*, EMNLP 2023; Wang et al.,
Findings of EMNLP 2025, on the mean against the mode).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.rubrics import Rubric, Scale

__all__ = ["Labels", "Reading", "labels_for", "question_score", "read_distribution"]

_LOW_MASS = 0.02


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Single-token names for positions on a scale."""

    positions: Mapping[str, float]
    """Position on the rubric's scale per label."""

    @property
    def first(self) -> str:
        """Label of the bottom of the scale."""
        return next(iter(self.positions))

    @property
    def last(self) -> str:
        """Label of the top of the scale."""
        return list(self.positions)[-1]

    def nearest(self, level: float) -> str:
        """The label closest to a level of the scale."""
        return min(self.positions, key=lambda label: abs(self.positions[label] - level))


def labels_for(scale: Scale) -> Labels:
    """Digits for the scale's levels, so that every label is one token of any tokenizer.

    Levels up to 9 are their own labels. 1 to 10 becomes 0 to 9. A scale of eleven levels, 0 to 10, is asked on ten
    evenly spaced digits, since "10" would share its first token with "1".
    """
    levels = scale.levels
    if scale.hi <= 9:
        return Labels(positions={str(level): float(level) for level in levels})
    if len(levels) <= 10:
        return Labels(positions={str(level - scale.lo): float(level) for level in levels})
    step = (scale.hi - scale.lo) / 9
    return Labels(positions={str(digit): scale.lo + digit * step for digit in range(10)})


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a distribution says."""

    score: float
    """Expected value, on the rubric's scale."""

    spread: float
    """Standard deviation, in points of the scale."""

    distribution: Mapping[float, float]
    """Probability per position on the scale, summing to 1."""

    label_mass: float
    """Share of the token's probability that lay on labels, 0 to 1."""


def read_distribution(probabilities: Mapping[str, float], labels: Labels) -> Reading | None:
    """Expected value over the labels, renormalised; None where almost nothing lies on them.

    Args:
        probabilities: Probability per first token, stripped of white space.
        labels: The labels that were asked for.
    """
    raw = {label: probabilities.get(label, 0.0) for label in labels.positions}
    mass = math.fsum(raw.values())
    if mass < _LOW_MASS:
        return None
    shares = {labels.positions[label]: share / mass for label, share in raw.items()}
    mean = math.fsum(position * share for position, share in shares.items())
    lo, hi = min(shares), max(shares)
    mean = min(hi, max(lo, mean))  # only rounding can leave the interval
    variance = math.fsum(share * (position - mean) ** 2 for position, share in shares.items())
    return Reading(score=mean, spread=math.sqrt(variance), distribution=shares, label_mass=min(1.0, mass))


def question_score(rubric: Rubric, criterion: str, labels: Labels) -> str:
    """Ask for one label; the last and only lines that differ between the criteria of one candidate."""
    return (
        f"{criterion}: {rubric.criteria[criterion].ask}\n"
        f"Answer with one digit from {labels.first} (worst) to {labels.last} (best)."
    )
