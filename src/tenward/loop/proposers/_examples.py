"""The arm that shows worked examples: dev cases with their reference, or what was judged best, as turns of a chat."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from tenward.errors import UsageError
from tenward.evaluation import Turn, is_chat, read_chat, write_chat
from tenward.judges import inert
from tenward.loop._ideas import Idea
from tenward.loop.proposers._text_arms import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenward.loop._brief import Brief, WorkedExample

__all__ = ["ExamplesArm"]

_COUNTS = (2, 4, 1, 3)
"""How many are shown, by turns."""

_SHARE = 3
"""At most one in so many dev cases lends its answer: it can no longer test what shows it."""

_WORDS = re.compile(r"\w+")


class ExamplesArm:
    """Chooses a few cases that differ from each other, and shows how they are done."""

    def change(self, brief: Brief, text: str, refuse: Callable[[Idea], str | None]) -> Change | None:
        """See :meth:`TextArm.change`."""
        tried = brief.arms["examples"].tried if "examples" in brief.arms else 0
        count = min(_COUNTS[tried % len(_COUNTS)], brief.dev_cases // _SHARE)
        if count < 1 or len(brief.examples) < count:
            return None
        chosen = _varied(brief.examples, count, random.Random(brief.chance))  # noqa: S311 - a draw, not a secret
        names = ", ".join(one.case for one in chosen)
        idea = Idea(
            title=f"Show {count} worked example{'s' * (count > 1)}: {names}",
            rationale="What is shown is followed more closely than what is said.",
            arm="examples",
            stated=False,  # other examples in the same words are no repeat
        )
        changed = _with_examples(text, chosen)
        return None if changed is None or changed == text or refuse(idea) else Change(idea=idea, text=changed)


def _varied(examples: Sequence[WorkedExample], count: int, dice: random.Random) -> list[WorkedExample]:
    """The first by chance, each other one as far as possible from those before, by the words of its input."""
    left = sorted(examples, key=lambda one: one.case)
    words = {one.case: set(_WORDS.findall(one.input.lower())) for one in left}
    chosen = [dice.choice(left)]
    while len(chosen) < count:
        left = [one for one in left if one not in chosen]
        chosen.append(max(left, key=lambda one: min(_apart(words[one.case], words[two.case]) for two in chosen)))
    return chosen


def _apart(one: set[str], other: set[str]) -> float:
    return 1 - len(one & other) / max(len(one | other), 1)


def _with_examples(text: str, examples: Sequence[WorkedExample]) -> str | None:
    """The prompt as a chat that holds these examples and no others; None where it cannot be one."""
    try:
        system, last = _parts(text)
        turns = [Turn(role="system", text=system)] if system else []
        for one in examples:
            turns.append(Turn(role="user", text=last.replace("{input}", inert(one.input)).strip()))
            turns.append(Turn(role="assistant", text=inert(one.output)))
        whole = write_chat([*turns, Turn(role="user", text=last)])
        read_chat(whole)
    except UsageError:
        return None
    return whole


def _parts(text: str) -> tuple[str, str]:
    """What instructs, and the turn that a case is put into."""
    if is_chat(text):
        turns = read_chat(text)
        return turns[0].text if turns[0].role == "system" else "", turns[-1].text
    if "{context}" in text:
        raise UsageError("found {context}, which worked examples have none of")
    if "{input}" not in text:
        return text.strip(), "{input}"
    before, _, after = text.partition("{input}")
    told, break_, label = before.rpartition("\n\n")
    if after.strip() or not break_:
        return "", text.strip()
    return told.strip(), f"{label}{{input}}".strip()
