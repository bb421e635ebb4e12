"""The gain as a person sees it: a few human answers, made more precise by the judge, and never made wrong by it.

A judge's bias does not average out, so its mean over a thousand cases may be precisely wrong. A person's mean over
thirty cases is right on average, and loose. Prediction-powered inference puts both together. With the paired
differences of the person *y* and of the judge *f* on *n* answered cases, and *f* alone on *N* further cases::

    gain = mean(y - λ·f, answered) + λ·mean(f, further)
    λ    = cov(y, f) / ((1 + n/N)·var(f)), kept between 0 and 1
    se²  = Σ(y - λ·f - mean)² / ((n - 1 - [λ > 0])·n) + λ²·var(f, further) / N

What the judge gets wrong by the same amount everywhere cancels. A judge that says nothing gets λ = 0, and what is
left is the person's mean with its classical interval.

After Angelopoulos, Duchi and Zrnic (2023), PPI++, arXiv:2311.01453. The paper's intervals are for many answers; with
few of them Student's t and a degree of freedom less for λ keep what they promise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions._digits import signed
from tenward.decisions._evidence import Sample
from tenward.decisions._student import t_quantile
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FEWEST_ANSWERS", "HumanCheck", "human_check"]

FEWEST_ANSWERS = 6
"""Answers below which nothing is told: t with four degrees of freedom is the loosest that still says something."""

_NO_SPREAD = 1e-12
"""Sums of squares up to this are what rounding leaves of nothing."""


@dataclass(frozen=True, kw_only=True)
class HumanCheck:
    """The human-corrected gain with its interval, and how far the judge agrees."""

    gain: float
    """Last version minus first, in the judge's unit of 0 to 1."""

    low: float
    high: float
    answers: int
    """Cases that a person answered and the judge scored."""

    further: int
    """Cases that the judge alone scored."""

    weight: float
    """λ: how much the judge is made use of. 0 for not at all, 1 for as if it were right but for its bias."""

    human_gain: float
    """Mean of the person's differences alone."""

    judge_gain: float
    """Mean of the judge's over all cases, answered or not."""

    bias: float
    """Judge minus person, on the cases that both have scored: by so much the judge overstates the gain."""

    same: int
    """Cases on which both prefer the same version."""

    differing: int
    """Cases on which both have a preference."""

    correlation: float | None
    """Of the paired differences, -1 to 1; None where one side never varies."""

    @property
    def confirmed(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low > 0

    @property
    def text(self) -> str:
        """One line for people."""
        verdict = "confirmed by a person" if self.confirmed else "not confirmed by a person"
        numbers = (self.gain, self.low, self.high)
        gain, low, high = (signed(number, *numbers) for number in numbers)
        interval = f"95 % interval {low} to {high}"
        return f"{verdict}: {gain} ({interval}) on {self.answers} cases"

    @property
    def agreement(self) -> str:
        """Another one: how far judge and person agree."""
        judge, person = self.judge_gain, self.human_gain
        told = f"judge {signed(judge, person)}, person alone {signed(person, judge)}"
        if self.differing:
            told += f"; both prefer the same version on {self.same} of {self.differing} cases"
        else:
            told += "; on no case do both prefer a version"
        return told if self.correlation is None else f"{told}, correlation {self.correlation:.2f}"


def human_check(
    answered: Sequence[tuple[float, float]],
    further: Sequence[float] = (),
    *,
    confidence: float = 0.95,
    weight: float | None = None,
) -> HumanCheck:
    """Estimate the gain from a person's answers and a judge's scores.

    It is unbiased whatever the judge does, as long as the answered cases are a random part of all of them.

    Args:
        answered: For each answered case the difference of the person and that of the judge, last minus first version,
            both in the judge's unit.
        further: The judge's differences on cases that were not answered.
        confidence: Such as 0.95.
        weight: λ, 0 to 1; None chooses it from the answers, so that the interval is about as short as it can be.

    Raises:
        UsageError: Fewer than six answers.
    """
    if len(answered) < FEWEST_ANSWERS:
        raise UsageError(
            f"human check: found {len(answered)} answers, expected at least {FEWEST_ANSWERS}",
            hint="answer more pairs; thirty make an interval that says something",
        )
    human = Sample.of(person for person, _ in answered)
    judge = Sample.of(judged for _, judged in answered)
    rest = Sample.of(further)
    every = Sample.of([*(judged for _, judged in answered), *further])
    products = math.fsum((person - human.mean) * (judged - judge.mean) for person, judged in answered)
    chosen = _weight(products / (human.n - 1), every, human.n, rest.n) if weight is None else weight
    if rest.n < 2:
        chosen = 0.0
    left = Sample.of(person - chosen * judged for person, judged in answered)
    freedom = left.n - 1 - (chosen > 0)
    variance = left.squares / freedom / left.n
    if chosen > 0:
        variance += chosen**2 * rest.squares / (rest.n - 1) / rest.n
    gain = left.mean + chosen * rest.mean
    reach = t_quantile((1.0 + confidence) / 2.0, freedom) * math.sqrt(variance)
    spread = math.sqrt(human.squares * judge.squares)
    signs = [person * judged for person, judged in answered if person and judged]
    return HumanCheck(
        gain=gain,
        low=gain - reach,
        high=gain + reach,
        answers=human.n,
        further=rest.n,
        weight=chosen,
        human_gain=human.mean,
        judge_gain=every.mean,
        bias=judge.mean - human.mean,
        same=sum(sign > 0 for sign in signs),
        differing=len(signs),
        correlation=max(-1.0, min(1.0, products / spread)) if spread > _NO_SPREAD else None,
    )


def _weight(covariance: float, every: Sample, answers: int, further: int) -> float:
    """The λ that makes the estimate's variance least."""
    if not further or every.squares <= _NO_SPREAD:
        return 0.0
    variance = every.squares / (every.n - 1)
    return min(1.0, max(0.0, covariance / ((1.0 + answers / further) * variance)))
