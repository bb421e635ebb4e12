"""From scores per criterion to one number: exact, pure, and checkable by hand.

Weights and scores are turned into fractions, so the result never depends on the order of a sum and a half always
rounds up. The formulas::

    weighted_sum = Σ share_i · score_i        shares of the scored criteria, summing to 1
    normalized   = weighted_sum / hi          or (weighted_sum − lo) / (hi − lo) with ``normalize: range``
    quality      = ⌊1 + 9 · normalized + ½⌋   a whole number from 1 to 10
    value        = mix.judge · normalized + mix.references · references
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.rubrics._model import Rubric

__all__ = ["Part", "Score", "compute_score", "round_half_up"]


def round_half_up(number: Fraction | float) -> int:
    """The nearest whole number; a half goes up. Python's own ``round`` sends 6.5 to 6."""
    return (Fraction(number) + Fraction(1, 2)).__floor__()


@dataclass(frozen=True, kw_only=True)
class Part:
    """One criterion's share in a score."""

    criterion: str
    share: float
    """Share of the rubric's whole weight, 0 to 1."""

    effective_share: float
    """Share among the criteria that were scored, 0 to 1; 0 for an unscored one."""

    score: float | None
    """On the rubric's scale; None when unscored, which is never the same as 0."""

    headroom: float
    """``share · (hi − score)``: how much the weighted sum could still gain here. 0 when unscored."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What the arithmetic makes of one verdict."""

    weighted_sum: float | None
    """On the rubric's scale. None, like the next three, when coverage is below the rubric's ``min_coverage``."""

    normalized: float | None
    """Weighted sum as a share of the scale, 0 to 1."""

    quality: int | None
    """Whole number from 1 to 10 for people."""

    value: float | None
    """The scalar a loop optimises, 0 to 1: judge and reference metrics blended by the rubric's mix."""

    references: float | None
    """Weighted mean of the reference metrics, 0 to 1; None where the case has no references."""

    judge_share: float
    """The judge's effective share in ``value``: the mix where there are references, else 1."""

    coverage: float
    """Share of the weight that was scored, 0 to 1."""

    parts: tuple[Part, ...]
    """One per criterion, in the rubric's order."""

    below_floor: tuple[str, ...]
    """Criteria scored below their floor; any of them fails the candidate."""

    top: int
    """Highest score of the scale."""

    bottom: int
    """Lowest score of the scale."""

    by_range: bool
    """Whether ``normalized`` maps the scale's bottom to 0."""

    @property
    def scored(self) -> bool:
        """Whether there is a number at all."""
        return self.weighted_sum is not None

    @property
    def covered(self) -> str:
        """Coverage in per cent, rounded down: what is not all never reads 100 %."""
        return f"{int(round(self.coverage * 1000, 6)) / 10:g}%"

    @property
    def arithmetic(self) -> tuple[str, ...]:
        """The calculation in lines a person can check with a pocket calculator."""
        if self.weighted_sum is None or self.normalized is None or self.value is None:
            return (f"unscored: only {self.covered} of the weight was scored",)
        scored = [part for part in self.parts if part.score is not None]
        terms = " + ".join(f"{_num(part.effective_share)}·{_num(part.score or 0.0)}" for part in scored)
        lines = [f"weighted sum  {terms} = {_num(self.weighted_sum)}"]
        if self.by_range:
            span = f"({_num(self.weighted_sum)} − {self.bottom}) / ({self.top} − {self.bottom})"
        else:
            span = f"{_num(self.weighted_sum)} / {self.top}"
        lines.append(f"normalized    {span} = {_num(self.normalized)}")
        exact = _that_rounds_to(1 + 9 * self.normalized, self.quality)
        lines.append(f"quality       1 + 9·{_num(self.normalized)} = {exact} → {self.quality}")
        if self.references is None:
            lines.append(f"value         {_num(self.value)} (no references: the judge alone)")
        else:
            lines.append(
                f"value         {_num(self.judge_share)}·{_num(self.normalized)} + "
                f"{_num(1 - self.judge_share)}·{_num(self.references)} = {_num(self.value)}"
            )
        if self.coverage < 1:
            lines.append(f"coverage      {self.covered} of the weight was scored; the rest is left out")
        return tuple(lines)


def compute_score(rubric: Rubric, scores: Mapping[str, float | None], *, references: float | None = None) -> Score:
    """Apply weights, floors and mix of ``rubric`` to the scores of its criteria.

    Args:
        rubric: The rubric the scores belong to.
        scores: Score per criterion on the rubric's scale; missing or None means unscored.
        references: Mean of the reference metrics, 0 to 1; None where the case has no references.

    Raises:
        ValueError: A score off the scale, a criterion the rubric lacks, or references outside 0 to 1.
    """
    scale = rubric.scale
    unknown = sorted(set(scores) - set(rubric.criteria))
    if unknown:
        raise ValueError(f"scores for criteria the rubric lacks: {', '.join(unknown)}")
    if references is not None and not 0 <= references <= 1:
        raise ValueError(f"references must lie in 0 to 1, got {references}")
    shares = rubric.shares
    exact: dict[str, Fraction] = {}
    for name in rubric.criteria:
        score = scores.get(name)
        if score is None:
            continue
        if not scale.holds(score):
            raise ValueError(f"score {score} of {name} is off the scale {scale.lo} to {scale.hi}")
        exact[name] = Fraction(score)
    coverage = sum((shares[name] for name in exact), Fraction(0))
    weighted = normalized = value = None
    mix = rubric.mix
    judge_share = Fraction(1)
    if references is not None:
        judge = Fraction(str(mix.judge))
        judge_share = judge / (judge + Fraction(str(mix.references)))
    if coverage > 0 and coverage >= Fraction(str(rubric.min_coverage)):
        weighted = sum((shares[name] * score for name, score in exact.items()), Fraction(0)) / coverage
        low = scale.lo if rubric.normalize == "range" else 0
        normalized = (weighted - low) / (scale.hi - low)
        value = judge_share * normalized + (1 - judge_share) * Fraction(references or 0)
    return Score(
        weighted_sum=_float(weighted),
        normalized=_float(normalized),
        quality=None if normalized is None else round_half_up(1 + 9 * normalized),
        value=_float(value),
        references=references,
        judge_share=float(judge_share),
        coverage=float(coverage),
        parts=tuple(
            Part(
                criterion=name,
                share=float(shares[name]),
                effective_share=float(shares[name] / coverage) if name in exact and coverage else 0.0,
                score=_float(exact.get(name)),
                headroom=float(shares[name] * (scale.hi - exact[name])) if name in exact else 0.0,
            )
            for name in rubric.criteria
        ),
        below_floor=tuple(
            name
            for name, criterion in rubric.criteria.items()
            if criterion.floor is not None and name in exact and exact[name] < criterion.floor
        ),
        top=scale.hi,
        bottom=scale.lo,
        by_range=rubric.normalize == "range",
    )


def _float(number: Fraction | None) -> float | None:
    return None if number is None else float(number)


def _num(number: float, *, decimals: int = 3) -> str:
    """At most three decimals, none that are idle: 0.25, 3.35, 4."""
    return f"{number:.{decimals}f}".rstrip("0").rstrip(".")


def _that_rounds_to(number: float, whole: int | None) -> str:
    """``number`` with as many decimals as it takes to round to ``whole``: 6.4996 for 6, where 6.5 would give 7."""
    shown = (_num(number, decimals=decimals) for decimals in range(3, 16))
    return next((text for text in shown if round_half_up(Fraction(text)) == whole), _num(number))
