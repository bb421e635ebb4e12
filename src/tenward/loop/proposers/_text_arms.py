"""Arms that need no model: rules that outputs break, the user's own sources, the playbook, leaving a sentence out.

Each goes through what it could say and takes the first that was not tried: a program brings the ideas that a small
model does not have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tenward.loop._ideas import Idea
from tenward.loop.proposers._instructions import MOST_CHARS, sentences_of, with_sentence, without_sentence
from tenward.loop.proposers._playbook import MOVES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tenward.loop._brief import Brief

__all__ = ["Change", "DropArm", "PlaybookArm", "RulesArm", "SourcesArm", "TextArm"]

_CHARS_PER_WORD = 7  # of English, the space included
_SHORT = 400
"""Characters up to which a limit is easier to keep in words, which small models count better."""

_DEMANDS = re.compile(r":\s+(.+)", re.DOTALL)
_CLAUSE = re.compile(r"(?<=[.!?])\s+")
_ASKS = re.compile(
    r"^(?:do not|don't|never|always|avoid|use|write|keep|name|say|start|begin|end|put|explain|describe|mention|prefer"
    r"|make|give|limit|leave|include|separate|capitali[sz]e|wrap)\b|\b(?:must|should|shall|may not)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One changed text, and the idea of it."""

    idea: Idea
    text: str


class TextArm(Protocol):
    """A kind of change of one text that a program makes."""

    def change(self, brief: Brief, text: str, refuse: Callable[[Idea], str | None]) -> Change | None:
        """The next change of this kind; None where none is left that was not tried.

        Args:
            brief: What is known.
            text: The file as it is.
            refuse: Says why an idea is refused, or None to take it.
        """
        ...


def _added(
    sentences: Iterable[tuple[str, str]], text: str, refuse: Callable[[Idea], str | None], arm: str
) -> Change | None:
    """The first sentence, with its reason, that is new."""
    said = " ".join(text.casefold().split())
    for sentence, why in sentences:
        if len(sentence) > MOST_CHARS or sentence.casefold().rstrip(".") in said:
            continue
        idea = Idea(title=sentence, rationale=why, arm=arm)
        if refuse(idea) is None:
            return Change(idea=idea, text=with_sentence(text, sentence))
    return None


class RulesArm:
    """Says the gates that outputs fail, and the demands of the goal, as instructions."""

    def change(self, brief: Brief, text: str, refuse: Callable[[Idea], str | None]) -> Change | None:
        """See :meth:`TextArm.change`."""
        return _added(self._sentences(brief), text, refuse, "rules")

    def _sentences(self, brief: Brief) -> Iterator[tuple[str, str]]:
        rules = [_in_words(one.rule, one.gate) for one in brief.broken if one.rule]
        if rules:
            yield f"Answer with {', '.join(rules)}.", "An output that breaks one of these rules is worth nothing."
        demands = _DEMANDS.search(brief.goal)
        if demands is not None:
            yield f"Make it {_CLAUSE.split(demands[1].strip())[0].rstrip('.')}.", "The goal asks for it."
        for rule in rules if len(rules) > 1 else ():
            yield f"Mind this above all: {rule}.", "Outputs break this rule."
        for sentence in _CLAUSE.split(" ".join(brief.goal.split())):
            yield f"What is wanted in the end: {sentence}", "The goal says it."


class SourcesArm:
    """Takes instructions from the documents that the loop names, such as how a project writes its commits."""

    def change(self, brief: Brief, text: str, refuse: Callable[[Idea], str | None]) -> Change | None:
        """See :meth:`TextArm.change`."""
        return _added(self._sentences(brief), text, refuse, "sources")

    def _sentences(self, brief: Brief) -> Iterator[tuple[str, str]]:
        for passage in brief.passages:
            for sentence in sentences_of(passage.text):
                if _ASKS.search(sentence):
                    whole = sentence if sentence.endswith((".", "!")) else f"{sentence}."
                    yield whole[:1].upper() + whole[1:], f"{passage.path}, line {passage.line}, says so."


class PlaybookArm:
    """Goes through the playbook."""

    def change(self, brief: Brief, text: str, refuse: Callable[[Idea], str | None]) -> Change | None:  # noqa: ARG002
        """See :meth:`TextArm.change`."""
        return _added(((move, "It often helps.") for move in MOVES), text, refuse, "playbook")


class DropArm:
    """Leaves a sentence out: it may do nothing, or harm."""

    def change(self, brief: Brief, text: str, refuse: Callable[[Idea], str | None]) -> Change | None:
        """See :meth:`TextArm.change`."""
        sentences = sentences_of(text)
        if len(sentences) < 2:
            return None
        first = brief.number % len(sentences)
        for old in [*sentences[first:], *sentences[:first]]:
            idea = Idea(title=f"Without: {old}", rationale="A sentence may do nothing, or harm.", arm="drop")
            if refuse(idea) is None:
                return Change(idea=idea, text=without_sentence(text, old))
        return None


def _in_words(rule: str, gate: str) -> str:
    """A rule, and a limit of few characters as one of words."""
    name, _, limit = gate.partition(": ")
    if name == "max_chars" and limit.isdigit() and int(limit) <= _SHORT:
        return f"at most {max(1, int(limit) // _CHARS_PER_WORD)} words"
    return rule
