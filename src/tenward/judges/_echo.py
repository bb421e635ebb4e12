"""What a candidate repeats of its rubric: it says nothing of the candidate, and small models believe it.

A rubric is public, so whoever writes a candidate can paste its top levels. Such passages are left out before reading.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenward.datasets import Case
    from tenward.judges._spec import JudgeSpec
    from tenward.rubrics import Rubric

__all__ = ["as_read", "without_echoes"]

_RUN = 4
"""Words in a row that count as repeated."""

_FEWEST = 6
"""Repeated words that make an echo; a few may well be the same by chance."""

_SHARE = 0.6
"""Of the words of a passage, so that it is taken for an echo."""

_PASSAGE = re.compile(r"[^\n.!?]+[.!?]*")
_WORD = re.compile(r"\w+")


def as_read(spec: JudgeSpec, case: Case, rubric: Rubric) -> tuple[Case, tuple[str, ...]]:
    """A case as a judge reads it, and what is left out: the embedded model believes echoes, a large one does not."""
    if not spec.local or spec.states_scores:
        return case, ()
    text, echoes = without_echoes(case.output, rubric, case.input or "")
    return (replace(case, output=text) if echoes else case), echoes


def without_echoes(text: str, rubric: Rubric, given: str = "") -> tuple[str, tuple[str, ...]]:
    """A text without the sentences that repeat the rubric's questions, levels or checks, and those sentences.

    Args:
        text: The candidate.
        rubric: The rubric it is judged by.
        given: What the candidate may well repeat, such as its task.
    """
    known = set(_runs(_phrases(rubric))) - set(_runs([given]))
    echoes: list[str] = []

    def judge_passage(found: re.Match[str]) -> str:
        words = _words(found[0])
        covered = {
            at + step
            for at in range(len(words) - _RUN + 1)
            if tuple(words[at : at + _RUN]) in known
            for step in range(_RUN)
        }
        if len(covered) < max(_FEWEST, _SHARE * len(words)):
            return found[0]
        echoes.append(found[0].strip())
        return ""

    rest = _PASSAGE.sub(judge_passage, text)
    return (rest, tuple(echoes)) if echoes else (text, ())


def _phrases(rubric: Rubric) -> Iterator[str]:
    for criterion in rubric.criteria.values():
        yield from criterion.ask
        yield from criterion.levels.values()
        for check in criterion.checks:
            yield check.says
            if check.otherwise:
                yield check.otherwise


def _runs(phrases: Iterable[str]) -> Iterator[tuple[str, ...]]:
    for phrase in phrases:
        words = _words(phrase)
        yield from (tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
