"""What a run comes to: means with intervals, coverage, failures, and what it took; counted while results come in."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING

from tenward.evaluation._disagreement import Contrast
from tenward.judges import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.evaluation._disagreement import Disagreement
    from tenward.evaluation._result import Result

__all__ = ["LEAST_UNITS", "Mean", "Summary", "Tally"]

LEAST_UNITS = 6
"""Independent units that an interval takes."""

_FEW = (12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691)  # Student's t for few degrees, where the series is poor


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean and how sure it is."""

    n: int
    """Scored cases."""

    units: int
    """Independent units among them: cases, or groups of cases that share a source."""

    mean: float
    sd: float | None
    """Standard deviation between cases; None for a single one."""

    low: float | None
    high: float | None
    """95 % interval of the mean, robust to groups; None for fewer than :data:`LEAST_UNITS` units."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run, or what there is of it so far, comes to."""

    cases: int
    """Cases with a result."""

    scored: int
    unscored: int
    """Cases whose judge gave too little to go by; they are in no mean."""

    gated: int
    """Cases that failed a gate and were never judged."""

    below_floor: int
    """Scored cases with a criterion below its floor."""

    coverage: float
    """Share of the weight that was scored, over all cases that were judged, 0 to 1."""

    value: Mean | None
    """Of the scalar, 0 to 1; None where no case was scored."""

    quality: Mean | None
    """Of the whole numbers from 1 to 10."""

    weighted_sum: Mean | None
    """Of what the judge alone says, in points of the rubric's scale."""

    criteria: Mapping[str, Mean]
    """Per criterion, on the rubric's scale; missing where it was never scored."""

    references: Mean | None
    """Of the weighted mean of the reference metrics; None where no case has references."""

    metrics: Mapping[str, Mean]
    """Per reference metric, 0 to 1."""

    signatures: Mapping[str, str]
    """Signature per reference metric."""

    capped: int
    """Texts that were longer than a metric reads."""

    failures: Mapping[str, int]
    """Unscored criteria per failure class."""

    quality_counts: Mapping[int, int]
    """Cases per quality from 1 to 10."""

    disagreements: tuple[Disagreement, ...]
    """Where references or people's ratings order the cases against the judge; to be told before anything else."""

    usage: Usage
    judge_seconds: float
    """Wall time of all verdicts added up; more than the run took where cases were judged side by side."""


@dataclass
class _Column:
    """Sums per group, which are all that mean and interval need."""

    n: int = 0
    centre: float = 0.0
    squares: float = 0.0  # of the distances from the centre, by Welford's method: equal numbers have none at all
    groups: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))

    def add(self, value: float, group: str) -> None:
        self.n += 1
        before = value - self.centre
        self.centre += before / self.n
        self.squares += before * (value - self.centre)
        sums = self.groups[group]
        sums[0] += value
        sums[1] += 1

    def mean(self) -> Mean | None:
        if self.n == 0:
            return None
        mean = math.fsum(total for total, _ in self.groups.values()) / self.n  # exact, so the order does not matter
        sd = math.sqrt(self.squares / (self.n - 1)) if self.n > 1 else None
        units = len(self.groups)
        low = high = None
        if units >= LEAST_UNITS:
            # The cluster-robust variance of a mean (Liang and Zeger, 1986), with the usual factor for few groups.
            spread = math.fsum((total - count * mean) ** 2 for total, count in self.groups.values())
            error = math.sqrt(units / (units - 1) * spread) / self.n
            low, high = mean - error * _t_quantile(units - 1), mean + error * _t_quantile(units - 1)
        return Mean(n=self.n, units=units, mean=mean, sd=sd, low=low, high=high)


class Tally:
    """Counts results one by one; holds sums, not results, so that its size does not grow with the texts."""

    def __init__(self) -> None:
        self._status: Counter[str] = Counter()
        self._below_floor = 0
        self._coverage = 0.0
        self._value = _Column()
        self._quality = _Column()
        self._weighted_sum = _Column()
        self._references = _Column()
        self._contrast = Contrast()
        self._criteria: dict[str, _Column] = {}
        self._metrics: dict[str, _Column] = {}
        self._signatures: dict[str, str] = {}
        self._capped = 0
        self._failures: Counter[str] = Counter()
        self._quality_counts: Counter[int] = Counter()
        self._usage = Usage()
        self._seconds = 0.0

    def add(self, result: Result) -> None:
        """Count one result."""
        self._status[result.status] += 1
        if result.produced is not None:
            self._usage += result.produced.usage
        verdict, score = result.verdict, result.score
        if verdict is None or score is None:
            return
        group = result.case.group or f"\0{result.case.id}"
        self._usage += verdict.usage
        self._seconds += verdict.seconds
        self._coverage += score.coverage
        self._failures.update(failure.kind for failure in verdict.failures.values())
        for name, number in verdict.scores.items():
            if number is not None:
                self._criteria.setdefault(name, _Column()).add(number, group)
        if result.references is not None:
            self._references.add(result.references.value, group)
            for name, metric in result.references.metrics.items():
                self._metrics.setdefault(name, _Column()).add(metric.value, group)
                self._signatures[name] = metric.signature
                self._capped += metric.capped
        if score.value is None or score.quality is None:
            return
        self._below_floor += bool(score.below_floor)
        self._value.add(score.value, group)
        self._weighted_sum.add(score.weighted_sum or 0.0, group)
        self._contrast.add(result)
        self._quality.add(score.quality, group)
        self._quality_counts[score.quality] += 1

    def summary(self) -> Summary:
        """What has been counted so far."""
        judged = self._status["scored"] + self._status["unscored"]
        return Summary(
            cases=sum(self._status.values()),
            scored=self._status["scored"],
            unscored=self._status["unscored"],
            gated=self._status["gated"],
            below_floor=self._below_floor,
            coverage=self._coverage / judged if judged else 0.0,
            value=self._value.mean(),
            quality=self._quality.mean(),
            weighted_sum=self._weighted_sum.mean(),
            criteria=_means(self._criteria),
            references=self._references.mean(),
            metrics=_means(self._metrics),
            signatures=dict(self._signatures),
            capped=self._capped,
            failures=dict(self._failures),
            quality_counts=dict(sorted(self._quality_counts.items())),
            disagreements=self._contrast.found(),
            usage=self._usage,
            judge_seconds=self._seconds,
        )


def _means(columns: Mapping[str, _Column]) -> dict[str, Mean]:
    return {name: mean for name, column in columns.items() if (mean := column.mean()) is not None}


def _t_quantile(freedom: int) -> float:
    """The 97.5 % point of Student's t, to four digits (Abramowitz and Stegun, 26.7.5)."""
    if freedom <= len(_FEW):
        return _FEW[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / (4 * freedom)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * freedom**4)
    return z + first + second + third + fourth
