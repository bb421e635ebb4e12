"""Signs that a gain was bought: quotes from the grader, outputs that explode, references that fall behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenward.loop._scores import mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenward.datasets import Case
    from tenward.loop._journal import CaseScore
    from tenward.rubrics import Rubric

__all__ = ["grader_quotes", "output_alarms"]

_WORDS = 8
_LONGER = 2.0
_LONGER_BY = 40
_BEHIND = 0.03
_MOST_SHOWN = 90


def grader_quotes(old: str, new: str, rubric: Rubric, cases: Iterable[Case]) -> tuple[str, ...]:
    """Where a text has come to quote the rubric or a known good output, eight words in a row or more.

    Args:
        old: The incumbent's text; what it quotes already is no news.
        new: The candidate's.
        rubric: The rubric.
        cases: Whose references count.
    """
    added = _shingles(new) - _shingles(old)
    if not added:
        return ()
    asked = [rubric.about]
    for criterion in rubric.criteria.values():
        asked += [*criterion.ask, *criterion.levels.values()]
    alarms = [f"it quotes the rubric: {found}" for found in _first(added, asked)]
    return (*alarms, *(f"it quotes a reference: {found}" for found in _references(added, cases)))


def output_alarms(candidate: Sequence[CaseScore], incumbent: Sequence[CaseScore]) -> tuple[str, ...]:
    """What outputs on the same cases say: far longer than before, or a pleased judge while the references fall.

    Args:
        candidate: Scores of the candidate.
        incumbent: Scores of the incumbent on the same cases.
    """
    alarms: list[str] = []
    new, old = (mean(float(len(row.output.split())) for row in rows if row.output) for rows in (candidate, incumbent))
    if new is not None and old is not None and new > _LONGER * old and new - old > _LONGER_BY:
        alarms.append(f"its outputs have {new:.0f} words, the incumbent's {old:.0f}")
    new, old = (mean(row.references for row in rows) for rows in (candidate, incumbent))
    if new is not None and old is not None and new < old - _BEHIND:
        alarms.append(f"the judge is pleased while the references fall: {new:.3f} from {old:.3f}")
    return tuple(alarms)


def _references(added: set[tuple[str, ...]], cases: Iterable[Case]) -> list[str]:
    for case in cases:
        if found := _first(added, case.references):
            return found
    return []


def _first(added: set[tuple[str, ...]], texts: Iterable[str]) -> list[str]:
    for text in texts:
        for words in sorted(_shingles(text) & added):
            return [f"'{' '.join(words)[:_MOST_SHOWN]}'"]
    return []


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[at : at + _WORDS]) for at in range(len(words) - _WORDS + 1)}
