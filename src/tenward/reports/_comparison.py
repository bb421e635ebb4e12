"""What a comparison of two runs comes to, as the report needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.datasets import Case
    from tenward.evaluation import Mean, Result, RunRecord, Summary

__all__ = ["CasePair", "ComparisonView"]


@dataclass(frozen=True, kw_only=True)
class CasePair:
    """One case in both runs."""

    case: Case
    """The case both judged; each result holds the output of its own run."""

    result_a: Result
    result_b: Result

    difference: float | None
    """``value`` of B minus ``value`` of A; None where either has no score."""


@dataclass(frozen=True, kw_only=True)
class ComparisonView:
    """Two runs over the same cases. Every difference is B minus A, so above 0 means that B is better."""

    record_a: RunRecord
    record_b: RunRecord
    summary_a: Summary
    summary_b: Summary
    pairs: Sequence[CasePair]

    value: Mean | None
    """Paired difference of ``value``, −1 to 1; None where no case was scored in both runs."""

    quality: Mean | None
    """Paired difference of ``quality``, in points of 1 to 10."""

    criteria: Mapping[str, Mean] = field(default_factory=dict[str, "Mean"])
    """Paired difference per criterion, in points of the rubric's scale; missing where there is none."""

    disagreements: Sequence[str] = ()
    """Where references or people's ratings see the other version win, a line each; shown before anything else."""

    opinion: str = ""
    """Whose opinion the intervals are of, in a line."""

    tie: float = 0.0
    """Differences in ``value`` up to this size count as ties."""

    only_a: Sequence[str] = ()
    """Ids of cases that run B lacks."""

    only_b: Sequence[str] = ()
    """Ids of cases that run A lacks."""

    def outcome(self, pair: CasePair) -> Literal["B better", "A better", "tie", "not compared"]:
        """Who won a case."""
        if pair.difference is None:
            return "not compared"
        if abs(pair.difference) <= self.tie + 1e-9:
            return "tie"
        return "B better" if pair.difference > 0 else "A better"
