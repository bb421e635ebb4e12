"""Signs that a gain was bought: quotes from the grader, outputs that explode, references that fall behind."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from tenward.decisions import Sample, signed, t_interval
from tenward.judges import judge_sentences
from tenward.loop._alarm_names import Alarm, AlarmName
from tenward.loop._quotes import Added
from tenward.loop._scores import mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tenward.datasets import Case
    from tenward.decisions import Decision
    from tenward.loop._journal import CaseScore
    from tenward.rubrics import Rubric

__all__ = ["grader_quotes", "mark_overruled", "output_alarms", "split_alarms"]

_ABSTAINED = 2
_NAMED = 5
_LONGER = 2.0
_LONGER_BY = 40
_CONFIDENCE = 0.95
_ROUNDING = 1e-9
_FOOLED = 0.5
_APART = 2.5


def grader_quotes(old: str, new: str, rubric: Rubric, cases: Iterable[Case]) -> tuple[Alarm, ...]:
    """Where a text has come to quote the rubric, the judge's prompt or a known good output, eight words in a row.

    A shorter question of the rubric counts from five words on, if it is quoted whole.

    Args:
        old: The incumbent's text; what it quotes already is no news.
        new: The candidate's.
        rubric: The rubric.
        cases: Whose references count.
    """
    added = Added(old, new)
    criteria = rubric.criteria.values()
    questions = (rubric.about, *(ask for criterion in criteria for ask in criterion.ask))
    # Not what a failed check asks for: a proposer that is told so is to follow it.
    levels = (text for one in criteria for text in (*one.levels.values(), *(check.says for check in one.checks)))
    references = (text for case in cases for text in case.references)
    # Other short texts may be what anybody would write, such as to answer with JSON only: they count at length.
    sources: tuple[tuple[AlarmName, str, Iterable[str], Iterable[str]], ...] = (
        ("quotes-rubric", "it quotes the rubric", questions, levels),
        ("quotes-judge", "it quotes what the judge is told", (), judge_sentences(rubric)),
        ("quotes-reference", "it quotes a reference", (), references),
    )
    alarms: list[Alarm] = []
    for name, told, also_short, at_length in sources:
        quotes = chain((added.quote(text, whole=True) for text in also_short), map(added.quote, at_length))
        if quote := next((quote for quote in quotes if quote), ""):
            alarms.append(Alarm(name=name, evidence=f"{told}: '{quote}'"))
    return tuple(alarms)


def output_alarms(candidate: Sequence[CaseScore], incumbent: Sequence[CaseScore]) -> tuple[Alarm, ...]:
    """What outputs on the same cases say: far longer than before, without a verdict, or worse by the references.

    Args:
        candidate: Scores of the candidate.
        incumbent: Scores of the incumbent on the same cases.
    """
    alarms: list[Alarm] = []
    new, old = (mean(float(len(row.output.split())) for row in rows if row.output) for rows in (candidate, incumbent))
    if new is not None and old is not None and new > _LONGER * old and new - old > _LONGER_BY:
        alarms.append(Alarm(name="length", evidence=f"its outputs have {new:.0f} words, the incumbent's {old:.0f}"))
    lost, kept = (sorted({row.case_id for row in rows if row.unheard}) for rows in (candidate, incumbent))
    more = [case for case in lost if case not in kept]
    if len(more) - len(set(kept) - set(lost)) >= _ABSTAINED:
        told = f"{len(more)} of its outputs got no verdict where the incumbent's did: {', '.join(more[:_NAMED])}"
        alarms.append(Alarm(name="abstains", evidence=told))
    fall = _fall(candidate, incumbent)
    if fall is not None and fall[1] < -_ROUNDING:
        mean_fall, least = (signed(number) for number in fall)
        told = f"the judge is pleased while the references fall: by {mean_fall} over cases, at best {least}"
        alarms.append(Alarm(name="references-fall", evidence=told))
    return tuple(alarms)


def _fall(candidate: Sequence[CaseScore], incumbent: Sequence[CaseScore]) -> tuple[float, float] | None:
    """By how much the references moved over the cases, and the upper end of the 95 % interval of that."""
    new, old = (_references(rows) for rows in (candidate, incumbent))
    moved = Sample.of(value - old[case] for case, value in new.items() if case in old)
    return None if moved.n < 2 else (moved.mean, t_interval(moved, _CONFIDENCE)[1])


def _references(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Mean closeness to the references, by case."""
    seen: dict[str, list[float]] = {}
    for row in rows:
        if row.references is not None:
            seen.setdefault(row.case_id, []).append(row.references)
    return {case: math.fsum(values) / len(values) for case, values in seen.items()}


def split_alarms(decision: Decision) -> tuple[Alarm, ...]:
    """Whether the gain that was seen on dev cases is not seen on the sealed ones.

    A keep leaves the rule little doubt by its prior, which may be wrong: it is held to the plain difference between the
    splits. In simulation that stops one true gain in 200.

    Args:
        decision: Of any rule.
    """
    evidence = decision.evidence
    dev, sealed = evidence.dev.mean, evidence.sealed.mean
    told = f"{signed(dev, sealed)} on dev and {signed(sealed, dev)} on sealed cases"
    if decision.fooling is not None and decision.fooling > _FOOLED:
        why = f"P(worse, but pleases the dev judge) {decision.fooling:.2f}"
    elif decision.outcome == "keep" and evidence.gap > _APART:
        why = f"{evidence.gap:.1f} standard errors apart"
    else:
        return ()
    return (Alarm(name="dev-only", evidence=f"{told}: {why}"),)


def mark_overruled(alarms: Iterable[Alarm], overruled: Collection[str]) -> tuple[Alarm, ...]:
    """The alarms, marked where the loop's file overrules them."""
    return tuple(replace(alarm, overruled=alarm.name in overruled) for alarm in alarms)
