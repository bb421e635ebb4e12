"""Scores in words without a model: which levels a score lies between, why it is not lower, and what comes next.

Every sentence is made from the score and the distribution it was read from, in the rubric's own words, so that none
can contradict the score; a small model that is asked for reasons does so often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenward.judges._verdict import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenward.judges._verdict import CriterionVerdict, Verdict
    from tenward.rubrics import Criterion, Rubric, Scale

__all__ = ["explain_by_program"]

_LOWER = 2
_MOST_ARGUMENTS = 2
_MOST_STEPS = 6
_MOST_ADVICE = 2  # of one criterion, so that the others have a say
_AT_TOP = 0.05  # what is missing to the top and cannot be seen in a score with one decimal
_SAME = 1e-6
_MOST_CHARS = 240


def explain_by_program(verdict: Verdict, rubric: Rubric) -> Verdict:
    """The verdict with a reason per scored criterion, ``why_not_2_lower`` and steps; no score changes.

    One that has words already, or no score, stays as it is.

    Args:
        verdict: Its final scores, with the distributions and checks that were read.
        rubric: Its levels are quoted, its weights rank arguments and steps, its checks say what to do.
    """
    if verdict.words or all(item.score is None for item in verdict.criteria):
        return verdict
    shares = rubric.shares
    scored = [
        _Scored(
            item=item,
            score=item.score,
            share=float(shares[item.criterion]),
            criterion=rubric.criteria[item.criterion],
            scale=rubric.scale,
        )
        for item in verdict.criteria
        if item.score is not None
    ]
    reasons = {one.item.criterion: _reason(one.score, one.criterion, rubric.scale) for one in scored}
    return replace(
        verdict,
        words="program",
        criteria=tuple(replace(item, reason=reasons.get(item.criterion, "")) for item in verdict.criteria),
        why_not_2_lower=_why_not_lower(scored, rubric.scale),
        steps_to_10=_steps(scored),
    )


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """A criterion with a score."""

    item: CriterionVerdict
    score: float
    share: float
    """Of the weight, 0 to 1."""

    criterion: Criterion
    scale: Scale

    @property
    def headroom(self) -> float:
        """What is missing to the top, in points of the scale."""
        return self.scale.hi - self.score


def _reason(score: float, criterion: Criterion, scale: Scale) -> str:
    """Where a score lies; levels that are not written lie between their neighbours."""
    levels: Mapping[int, str] = criterion.levels or dict.fromkeys(scale.levels, "")
    below = max((level for level in levels if level <= score), default=None)
    above = min((level for level in levels if level >= score), default=None)
    about = "" if criterion.levels else f" on “{_line(criterion.ask[0])}”"
    if below is None or above is None:
        side, level = ("Below", above) if below is None else ("Above", below)
        assert level is not None  # there is at least one level
        return f"{side} {_named(level, levels)}."
    if below == above:
        return f"At {_named(below, levels)}{about}."
    between = f"Between {_named(below, levels)} and {_named(above, levels)}{about}"
    return f"{between}, {_where((score - below) / (above - below), below, above)}."


def _where(share: float, below: int, above: int) -> str:
    if 0.45 <= share <= 0.55:
        return "halfway"
    near = below if share < 0.5 else above
    return f"{'close to' if share < 0.1 or share > 0.9 else 'nearer'} {near}"


def _named(level: int, levels: Mapping[int, str]) -> str:
    text = levels.get(level, "")
    return f"{level} “{_line(text)}”" if text else str(level)


def _why_not_lower(scored: list[_Scored], scale: Scale) -> str:
    """The argument against two points less, of the criteria that contribute most."""
    if scale.hi - scale.lo < _LOWER:
        return ""
    lower = [(one, math.floor(one.score - _LOWER + 0.5)) for one in scored]
    lower = [(one, level) for one, level in lower if level >= scale.lo and one.share > 0]
    if not lower:
        return f"No criterion stands {_LOWER} above the bottom of the scale."
    lower.sort(key=lambda pair: -pair[0].share * (pair[0].score - scale.lo))
    return " ".join(_argument(one, level) for one, level in lower[:_MOST_ARGUMENTS])


def _argument(one: _Scored, level: int) -> str:
    levels = one.criterion.levels
    named = _named(level, levels)
    if levels and level not in levels:
        below = max((other for other in levels if other < level), default=None)
        above = min((other for other in levels if level < other <= one.score), default=None)
        if below is not None and above is not None:
            named += f", which lies between {_named(below, levels)} and {_named(above, levels)}"
    return f"{one.item.criterion} ({one.share:.0%} of the weight) is not {named}: {_against(one, level)}."


def _against(one: _Scored, level: int) -> str:
    """What was read that speaks against a level two below."""
    shares, scale = one.item.distribution, one.scale
    if not shares:
        return f"the reading is {one.score:.1f}"
    if one.item.read == "hidden":
        below = math.fsum(share for position, share in shares.items() if position <= level)
        spread = f" ± {one.item.spread:.1f}" if one.item.spread is not None else ""
        return (
            f"ratings of such texts lie around {one.score:.1f}{spread}, {_per_cent(below)} of them at {level} or lower"
        )
    if set(shares) == {scale.lo, scale.hi}:
        return f"the judge answers Yes with {_per_cent(shares[scale.hi])}"
    mean = math.fsum(position * share for position, share in shares.items())
    if abs(mean - one.score) > _SAME:  # a score on another scale than the answers it was read from
        answer = max(shares, key=shares.__getitem__)
        likeliest = f"{answer:.1f}".removesuffix(".0")  # digits stand for tenths of a longer scale
        share = _per_cent(shares[answer])
        return f"before it was put on this scale, the judge's likeliest answer was {likeliest}, {share}"
    below = math.fsum(share for position, share in shares.items() if position <= level)
    if below >= 0.5:
        return f"the mean lies above that, although the judge gives {_per_cent(below)} to {level} or lower"
    return f"the judge gives {'only ' if below < 0.25 else ''}{_per_cent(below)} to {level} or lower"


def _per_cent(share: float) -> str:
    return "less than 1%" if 0 < share < 0.005 else f"{min(share, 1.0):.0%}"


def _steps(scored: list[_Scored]) -> tuple[Step, ...]:
    """What to do next, the most rewarding first: by weight times headroom times how surely a check fails."""
    found = [
        (one.share * one.headroom * step.at_stake, step)
        for one in scored
        if one.headroom >= _AT_TOP and one.share > 0
        for step in _steps_of(one)
    ]
    found.sort(key=lambda pair: -pair[0])
    return tuple(step for _, step in found[:_MOST_STEPS])


def _steps_of(one: _Scored) -> Iterator[Step]:
    """What the surest of the failed checks ask for; the next level where none failed."""
    name, criterion = one.item.criterion, one.criterion
    advice = {check.says: check.otherwise for check in criterion.checks}
    failed = sorted((check for check in one.item.checks if check.holds is False), key=lambda check: check.probability)
    for check in failed[:_MOST_ADVICE]:
        text = advice.get(check.says) or f"Make this true: “{check.says}”."
        yield Step(criterion=name, text=_line(text), at_stake=1 - check.probability)
    if failed:
        return
    following = min((level for level in criterion.levels if level > one.score), default=None)
    if following is None:
        yield Step(criterion=name, text=f"Improve on “{_line(criterion.ask[0])}”.")
    else:
        yield Step(criterion=name, text=f"Reach {_named(following, criterion.levels)}.")


def _line(text: str) -> str:
    """One line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARS else f"{line[: _MOST_CHARS - 1]}…"
