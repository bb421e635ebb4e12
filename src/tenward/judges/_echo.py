"""What in a candidate says nothing of its own: words of the rubric, of itself again, of the whole input; and orders.

Small models believe all of it. A rubric is public, so whoever writes a candidate can paste its top levels: such
sentences are left out before reading, and so is what a text says over and over, or merely copies. What seems to tell
the judge how to score may be an honest part of a prompt or a skill, so it is read with and without.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenward.datasets import Case
    from tenward.judges._spec import JudgeSpec
    from tenward.judges._verdict import Verdict
    from tenward.rubrics import Rubric

__all__ = ["as_read", "lower_of", "orders_of", "without_copies", "without_echoes", "without_orders", "without_repeats"]

_RUN = 4
"""Words in a row that count as repeated."""

_FEWEST = 6
"""Repeated words that make an echo; a few may well be the same by chance."""

_SHARE = 0.6
"""Of the words of a passage, so that it is taken for an echo."""

_TOP = r"(?:10|5|ten|five|full|top|high|higher|highest|maximum|best|perfect|excellent)"
_GRADE = r"(?:scor(?:e|es|ed|ing)|rat(?:e|ed|ing|ings)|grad(?:e|es|ed|ing)|marks?|points|stars|verdict)"
_ORDER = re.compile(
    rf"\b(?:ignore|disregard|forget|overrule)\b.{{0,60}}\b(?:above|previous|prior|earlier|instructions?|rubric|criteria)\b"
    rf"|\b{_GRADE}\b.{{0,60}}\b{_TOP}\b|\b{_TOP}\b.{{0,40}}\b{_GRADE}\b|\b(?:10|5) ?(?:/|out of|of) ?(?:10|5)\b"
    r"|\banswer\b.{0,30}\b(?:yes|10|5|ten|five)\b|\b(?:to|dear|attention|hey|as) (?:the |an? |every )?"
    r"(?:judge|grader|evaluator|rater|assessor|scorer|reviewer)s?\b",
    re.IGNORECASE,
)
_REPEATED = 0.5
"""Of the words of a text, so that what it says again is left out; less is style, or code."""

_COPIED = 0.8
"""Of the words of a text and of its input, so that the one is taken for a mere copy of the other."""

_PASSAGE = re.compile(r"[^\n.!?]+[.!?]*")
_WORD = re.compile(r"\w+")


def as_read(spec: JudgeSpec, case: Case, rubric: Rubric) -> tuple[Case, tuple[str, ...]]:
    """A case as a judge reads it, and what is left out: the embedded model believes echoes, a large one does not."""
    if not spec.local or spec.states_scores:
        return case, ()
    text, echoes = without_echoes(case.output, rubric, case.input or "")
    for leave_out in (without_repeats, partial(without_copies, given=case.input or "")):
        text, more = leave_out(text)
        echoes += more
    return (replace(case, output=text) if echoes else case), echoes


def orders_of(spec: JudgeSpec, case: Case) -> tuple[Case, tuple[str, ...]]:
    """A case without what seems to speak to its judge, and what that is; of the embedded model only, as above."""
    if not spec.local or spec.states_scores:
        return case, ()
    text, orders = without_orders(case.output)
    return (replace(case, output=text) if orders else case), orders


def lower_of(whole: Verdict, rest: Verdict, orders: tuple[str, ...]) -> Verdict:
    """The lower score of each criterion, of a text and of what is left of it without orders: they must gain nothing."""
    criteria = tuple(
        other if other.failure is not None or other.is_below(one) else one
        for one, other in zip(whole.criteria, rest.criteria, strict=True)
    )
    return replace(
        whole,
        criteria=criteria,
        orders=orders,
        usage=whole.usage + rest.usage,
        engine={"calls": [*whole.engine.get("calls", ()), *rest.engine.get("calls", ())]},
    )


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


def without_repeats(text: str) -> tuple[str, tuple[str, ...]]:
    """A text that says the same over and over, said once, and what it says again; any other text as it is."""
    seen: set[tuple[str, ...]] = set()
    again: list[str] = []
    words = repeated = 0

    def judge_passage(found: re.Match[str]) -> str:
        nonlocal words, repeated
        said = _words(found[0])
        once = tuple(dict.fromkeys(said)) if len(set(said)) * 5 <= len(said) else tuple(said)  # one word on end
        new = once not in seen
        seen.add(once)
        words += len(said)
        repeated += len(said) - (len(once) if new else 0)
        if new and len(once) == len(said):
            return found[0]
        again.append(found[0].strip())
        return " ".join(once) if new else ""

    rest = _PASSAGE.sub(judge_passage, text)
    return (rest, tuple(filter(None, again))) if words and repeated >= _REPEATED * words else (text, ())


def without_copies(text: str, given: str) -> tuple[str, tuple[str, ...]]:
    """A text that is nearly all of its input and hardly anything else, without what it copies; any other as it is."""
    known = {tuple(_words(found[0])): len(_words(found[0])) for found in _PASSAGE.finditer(given)}
    said = [tuple(_words(found[0])) for found in _PASSAGE.finditer(text)]
    copied = {words for words in said if words and words in known}
    if not copied or sum(map(len, copied)) < _COPIED * sum(known.values()):
        return text, ()
    if sum(len(words) for words in said if words in copied) < _COPIED * sum(map(len, said)):
        return text, ()
    copies = tuple(found[0].strip() for found in _PASSAGE.finditer(text) if tuple(_words(found[0])) in copied)
    rest = _PASSAGE.sub(lambda found: "" if tuple(_words(found[0])) in copied else found[0], text)
    return rest, tuple(filter(None, copies))


def without_orders(text: str) -> tuple[str, tuple[str, ...]]:
    """A text without the sentences that seem to speak to a judge, and those sentences."""
    orders: list[str] = []

    def judge_passage(found: re.Match[str]) -> str:
        if _ORDER.search(unicodedata.normalize("NFKC", found[0])) is None:
            return found[0]
        orders.append(found[0].strip())
        return ""

    rest = _PASSAGE.sub(judge_passage, text)
    return (rest, tuple(orders)) if orders else (text, ())


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
