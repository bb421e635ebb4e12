"""Reading a text by its state: one pass of the engine, and a head that turns it into points per criterion.

A small model knows more of a text than its first token says (Jiang et al., arXiv 2503.17755; arXiv 2601.22588). A head
reads the last hidden state at the end of one generic question, so that one pass serves every criterion; a text that is
unlike those it was fitted to is left to the plain reading.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenward.judges._engine import engine_build
from tenward.judges._prompts import PROMPT_VERSION
from tenward.judges._retry import CallFailedError
from tenward.judges._state import STATE_VERSION
from tenward.judges._verdict import CriterionVerdict, Usage
from tenward.judges.heads import HeadFor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.judges._calls import Asked
    from tenward.judges._connection import Connection, Message
    from tenward.judges._prompts import Prompt
    from tenward.judges._retry import Deadline
    from tenward.judges.heads import Head
    from tenward.rubrics import Rubric, Scale

__all__ = ["OUTSIDE", "HiddenReading", "read_hidden", "state_messages", "states_under"]

OUTSIDE = "unlike the texts that the head was fitted to"
"""Why a text that a head could read was read plainly."""

_QUESTION = "How good is the {candidate}? Rate from 1 (not at all) to 5 (fully). Answer with one digit."


@dataclass(frozen=True, kw_only=True)
class HiddenReading:
    """What a head said of one text."""

    criteria: Mapping[str, CriterionVerdict] = field(default_factory=dict[str, CriterionVerdict])
    """Those that the head reads; empty where the text lies outside of what it knows."""

    plain: str = ""
    """Why the text is left to the plain reading; empty where it is not."""

    usage: Usage = field(default_factory=Usage)


def states_under(rubric: Rubric, *, model: str, asks: str) -> HeadFor:
    """What the states of texts hang on, when they are read under a rubric.

    Args:
        rubric: The rubric.
        model: SHA-256 of the model file.
        asks: Hash of what the rubric asks.
    """
    return HeadFor(
        model=model,
        engine=engine_build(),
        state=STATE_VERSION,
        prompt=PROMPT_VERSION,
        question=_question(rubric),
        rubric=asks,
    )


def state_messages(prompt: Prompt, rubric: Rubric) -> list[Message]:
    """The messages at whose end the state of a text is read: the same question whatever the criteria."""
    return prompt.asking(_question(rubric))


def _question(rubric: Rubric) -> str:
    return _QUESTION.format(candidate=rubric.names.candidate)


async def read_hidden(
    connection: Connection, prompt: Prompt, rubric: Rubric, head: Head, *, asked: Asked, deadline: Deadline
) -> HiddenReading:
    """Read one text; a call that failed leaves the head's criteria unscored.

    Args:
        connection: The embedded engine.
        prompt: The part of the messages that all questions share.
        rubric: The rubric.
        head: A head that was fitted for it.
        asked: Whose question this is.
        deadline: The time left for the case.

    Raises:
        JudgeUnavailableError: The engine gives no states.
    """
    try:
        state, usage = await connection.state(state_messages(prompt, rubric), asked=asked, deadline=deadline)
    except CallFailedError as error:
        failed = {name: CriterionVerdict(criterion=name, failure=error.failure) for name in head.file.criteria}
        return HiddenReading(criteria=failed, usage=error.usage)
    numbers = state.astype("float64")
    if not head.is_inside(numbers):
        return HiddenReading(plain=OUTSIDE, usage=usage)
    criteria = {
        name: CriterionVerdict(
            criterion=name,
            score=said.points,
            raw=said.linear,
            read="hidden",
            spread=said.spread,
            distribution=_shares(said.points, said.spread, rubric.scale),
        )
        for name, said in head.read(numbers).items()
    }
    return HiddenReading(criteria=criteria, usage=usage)


def _shares(points: float, spread: float, scale: Scale) -> dict[float, float]:
    """How sure each level is, if ratings spread normally around the points; the ends take what lies beyond them."""
    levels = list(scale.levels)
    below = [0.5 * (1 + math.erf((level + 0.5 - points) / (spread * math.sqrt(2)))) for level in levels[:-1]]
    edges = [0.0, *below, 1.0]
    return {float(level): edges[at + 1] - edges[at] for at, level in enumerate(levels)}
