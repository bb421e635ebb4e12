"""Reading a score from the distribution of one token per criterion, instead of from the number a model writes.

A small model asked for scores in JSON writes 5 for everything; the probabilities it gives the scale's labels still
order the same texts as people do. The score is their expected value (Liu et al., *G-Eval*, EMNLP 2023; Wang et al.,
Findings of EMNLP 2025, on the mean against the mode).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.rubrics import Rubric, Scale

__all__ = ["Probe", "Reading", "check_probe", "join_readings", "probes_for", "read_distribution", "rounded"]

_LOW_MASS = 0.02
_DECIMALS = 9  # finer than any score is read, coarser than the error of a sum of floats
_OPEN_QUESTIONS = ("how", "what", "which", "why", "when", "where", "who")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One question that is answered by one token, and what each answer means."""

    question: str
    positions: Mapping[str, float]
    """Position on the rubric's scale per label; labels are compared in lower case."""


def probes_for(rubric: Rubric, criterion: str, form: Literal["digits", "by-form"]) -> tuple[Probe, ...]:
    """The probes of one criterion, one per wording of its question."""
    return tuple(
        _yes_no(ask, rubric.scale) if form == "by-form" and _can_be_yes(ask) else _digits(ask, rubric.scale)
        for ask in rubric.criteria[criterion].ask
    )


def check_probe(says: str, candidate: str) -> Probe:
    """The probe of a check, whose score is the probability that the statement is true.

    Args:
        says: The statement.
        candidate: What the judged text is called.
    """
    whole = says if says.rstrip()[-1:] in ".!。！" else f"{says}."
    return Probe(
        question=f"Is the following statement about the {candidate} true? {whole} Answer Yes or No.",
        positions={"no": 0.0, "yes": 1.0},
    )


def _can_be_yes(ask: str) -> bool:
    first = re.match(r"\W*([^\W_]*)", ask)  # up to an apostrophe: "What's missing?" is open as well
    return first is None or first[1].lower() not in _OPEN_QUESTIONS


def _yes_no(ask: str, scale: Scale) -> Probe:
    return Probe(
        question=f"{ask} Answer Yes or No.",
        positions={"no": float(scale.lo), "yes": float(scale.hi)},
    )


def _digits(ask: str, scale: Scale) -> Probe:
    """Digits for the scale's levels, so that every label is one token of any tokenizer.

    Levels up to 9 are their own labels. 1 to 10 becomes 0 to 9. A scale of eleven levels, 0 to 10, is asked on ten
    evenly spaced digits, since "10" would share its first token with "1".
    """
    levels = scale.levels
    if scale.hi <= 9:
        positions = {str(level): float(level) for level in levels}
    elif len(levels) <= 10:
        positions = {str(level - scale.lo): float(level) for level in levels}
    else:
        step = (scale.hi - scale.lo) / 9
        positions = {str(digit): scale.lo + digit * step for digit in range(10)}
    first, last = min(positions), max(positions)
    return Probe(
        question=f"{ask} Rate from {first} (not at all) to {last} (fully). Answer with one digit.",
        positions=positions,
    )


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


def read_distribution(probabilities: Mapping[str, float], probe: Probe) -> Reading | None:
    """Expected value over the labels, renormalised; None where almost nothing lies on them.

    Args:
        probabilities: Probability per first token, stripped of white space.
        probe: The probe that was asked.
    """
    raw = dict.fromkeys(probe.positions, 0.0)
    for token, share in probabilities.items():
        label = token.lower()
        if label in raw:
            raw[label] += share
    mass = math.fsum(raw.values())
    if mass < _LOW_MASS:
        return None
    return _reading({probe.positions[label]: share / mass for label, share in raw.items()}, min(1.0, mass))


def join_readings(readings: Sequence[Reading]) -> Reading:
    """The average of the readings' distributions; its expected value is the mean of theirs."""
    if len(readings) == 1:
        return readings[0]
    joined: dict[float, float] = {}
    for reading in readings:
        for position, share in reading.distribution.items():
            joined[position] = joined.get(position, 0.0) + share / len(readings)
    return _reading(dict(sorted(joined.items())), min(reading.label_mass for reading in readings))


def _reading(shares: Mapping[float, float], mass: float) -> Reading:
    mean = rounded(math.fsum(position * share for position, share in shares.items()))
    mean = min(max(shares), max(min(shares), mean))  # only rounding can leave the interval
    variance = math.fsum(share * (position - mean) ** 2 for position, share in shares.items())
    return Reading(score=mean, spread=math.sqrt(variance), distribution=shares, label_mass=mass)


def rounded(mean: float) -> float:
    """A mean without the rounding errors of its sum, which could put an exact 3 below a floor of 3."""
    return round(mean, _DECIMALS)
