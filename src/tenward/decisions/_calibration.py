"""How noisy the judge is: the same outputs judged more than once, before any candidate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions._digits import places
from tenward.decisions._evidence import Sample
from tenward.decisions._schedule import passes
from tenward.decisions._unit import unit_of_cases
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Calibration", "calibrate"]

_RELIABLE = 0.7


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What an A/A calibration found: the incumbent against itself."""

    cases: int
    """Cases with at least two scores."""

    missing: int
    """Passes without a score."""

    mean: float
    """Mean score of those cases."""

    judge_variance: float
    """Variance of one pass over the same output. It fixes the number of passes and the first guess of the race."""

    case_variance: float
    """Variance over cases of what the judge would say on average; 0 where the noise hides it."""

    corrected: bool = False
    """Whether differences are corrected by :class:`CaseEffects`, for which fewer passes are enough."""

    @property
    def judge_sd(self) -> float:
        """Standard deviation of one pass."""
        return math.sqrt(self.judge_variance)

    @property
    def unit(self) -> float:
        """What sizes are multiples of, by how the scores lie apart over cases; 0 where they do not, or there is one."""
        return unit_of_cases(self.case_variance, self.judge_variance) if self.cases > 1 else 0.0

    @property
    def icc(self) -> float | None:
        """Test-retest reliability, ICC(1): share of a score's variance that is the case's. None if nothing varies."""
        whole = self.judge_variance + self.case_variance
        return self.case_variance / whole if whole > 0 else None

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person should know of it, one sentence a line."""
        dev = passes(self.judge_sd, unit=self.unit, corrected=self.corrected)
        sealed = passes(self.judge_sd, unit=self.unit, split="sealed")
        told = [
            f"judge noise: sd {self.judge_sd:.{places(self.judge_sd)}f} a pass on {self.cases} cases",
            f"passes over the incumbent: {dev} on dev cases, {sealed} on sealed cases",
        ]
        if self.icc is None:
            told.append("every case scores the same: either all fail the same check, or the judge sees no difference")
        elif self.icc < _RELIABLE:
            told.append(f"test-retest ICC {self.icc:.2f}, below {_RELIABLE}: more passes or a better judge would help")
        else:
            told.append(f"test-retest ICC {self.icc:.2f}")
        if self.missing:
            told.append(f"{self.missing} passes gave no score")
        return tuple(told)


def calibrate(scores: Mapping[str, Sequence[float | None]], *, corrected: bool = False) -> Calibration:
    """Measure the judge's noise: a one-way analysis of variance, cases against passes.

    Args:
        scores: Passes by case id, each the score of one fresh judgement of the same output; None where there is none.
        corrected: Whether differences will be corrected by :class:`CaseEffects`.

    Raises:
        UsageError: No case has two scores.
    """
    per_case = [Sample.of(score for score in row if score is not None) for row in scores.values()]
    missing = sum(score is None for row in scores.values() for score in row)
    samples = [sample for sample in per_case if sample.n > 1]
    if not samples:
        raise UsageError(
            f"calibration: found {len(per_case)} cases and none with two scores, expected at least one",
            hint="judge the incumbent twice on the cases in play, without the cache",
        )
    total = sum(sample.n for sample in samples)
    mean = math.fsum(sample.n * sample.mean for sample in samples) / total
    judge_variance = math.fsum(sample.squares for sample in samples) / (total - len(samples))
    case_variance = 0.0
    if len(samples) > 1:
        freedom = len(samples) - 1
        between = math.fsum(sample.n * (sample.mean - mean) ** 2 for sample in samples) / freedom
        typical = (total - sum(sample.n**2 for sample in samples) / total) / freedom
        case_variance = max(0.0, (between - judge_variance) / typical)
    return Calibration(
        cases=len(samples),
        missing=missing,
        mean=mean,
        judge_variance=judge_variance,
        case_variance=case_variance,
        corrected=corrected,
    )
