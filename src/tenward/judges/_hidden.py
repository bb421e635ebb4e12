"""Reading a text by its state: what a shortened model has made of it, and a head that turns it into points.

A small model knows more of a text than its first token says, and most three quarters of the way through (Jiang et al.,
arXiv 2503.17755; arXiv 2601.22588). Its state is read at the end of every criterion's question, and a head reads
these, or their mean; a text that is unlike those it was fitted to is read plainly too, and no higher than by the head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenward.judges._distribution import probes_for
from tenward.judges._engine import engine_build
from tenward.judges._prompts import PROMPT_VERSION
from tenward.judges._retry import CallFailedError
from tenward.judges._state import STATE_VERSION
from tenward.judges._verdict import CriterionVerdict, Usage
from tenward.judges.heads import HeadFor, TextState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenward.datasets import Case
    from tenward.judges._calls import Asked
    from tenward.judges._connection import Connection, Message
    from tenward.judges._prompts import Prompt
    from tenward.judges._retry import Deadline
    from tenward.judges._state import State
    from tenward.judges.heads import Head
    from tenward.rubrics import Rubric, Scale

__all__ = ["OUTSIDE", "HiddenReading", "known_state", "read_hidden", "read_states", "state_messages", "states_under"]

OUTSIDE = "unlike the texts that the head was fitted to"
"""Why a text that a head could read was read plainly too."""


@dataclass(frozen=True, kw_only=True)
class HiddenReading:
    """What a head said of one text."""

    criteria: Mapping[str, CriterionVerdict] = field(default_factory=dict[str, CriterionVerdict])
    """Those that the head reads; of a text outside of what it knows, the most that it may have."""

    plain: str = ""
    """Why the text is read plainly too; empty where it is not."""

    usage: Usage = field(default_factory=Usage)
    engine: tuple[Mapping[str, float], ...] = ()
    """The engine's own counters, call by call."""


@dataclass(frozen=True, kw_only=True)
class ReadStates:
    """One text, as heads read it."""

    text: TextState
    usage: Usage
    engine: tuple[Mapping[str, float], ...]


def states_under(*, model: str, asks: str) -> HeadFor:
    """What the states of texts hang on, when they are read under a rubric.

    Args:
        model: SHA-256 of the model file.
        asks: Hash of what the rubric asks.
    """
    return HeadFor(model=model, engine=engine_build(), state=STATE_VERSION, prompt=PROMPT_VERSION, rubric=asks)


def state_messages(prompt: Prompt, rubric: Rubric) -> dict[str, list[Message]]:
    """The prompts at whose ends states are read: every criterion's first question, to be answered with a digit."""
    return {name: prompt.asking(probes_for(rubric, name, "digits")[0].question) for name in rubric.criteria}


def known_state(connection: Connection, prompt: Prompt, case: Case, rubric: Rubric) -> TextState | None:
    """The states of a text, if the cache holds them all."""
    found: dict[str, State] = {}
    for name, messages in state_messages(prompt, rubric).items():
        state = connection.known_state(messages)
        if state is None:
            return None
        found[name] = state
    return _text(found, case)


async def read_states(
    connection: Connection,
    prompt: Prompt,
    case: Case,
    rubric: Rubric,
    *,
    asked: Callable[[str, int], Asked],
    deadline: Deadline,
) -> ReadStates:
    """Read the states of one text.

    Args:
        connection: The shortened model.
        prompt: The part of the messages that all questions share.
        case: The text.
        rubric: The rubric.
        asked: Names the questions.
        deadline: The time left for the case.

    Raises:
        CallFailedError: A call failed for good.
        JudgeUnavailableError: The engine gives no states.
    """
    connection.begin_case(prompt.shared)
    known = known_state(connection, prompt, case, rubric) is not None  # all or none, as the engine rounds otherwise
    found: dict[str, State] = {}
    engine: list[Mapping[str, float]] = []
    spent = Usage()
    for number, (name, messages) in enumerate(state_messages(prompt, rubric).items()):
        try:
            read = await connection.state(messages, asked=asked("state", number), deadline=deadline, from_cache=known)
        except CallFailedError as error:
            error.usage += spent
            raise
        found[name] = read.state
        engine += read.timings
        spent += read.usage
    return ReadStates(text=_text(found, case), usage=spent, engine=tuple(engine))


async def read_hidden(
    connection: Connection,
    prompt: Prompt,
    case: Case,
    rubric: Rubric,
    head: Head,
    *,
    asked: Callable[[str, int], Asked],
    deadline: Deadline,
) -> HiddenReading:
    """Read one text; a call that failed leaves the head's criteria unscored.

    Args:
        connection: As for :func:`read_states`, which raises the same but for failed calls.
        prompt: As there.
        case: As there.
        rubric: As there.
        head: A head that was fitted for it.
        asked: As there.
        deadline: As there.
    """
    try:
        read = await read_states(connection, prompt, case, rubric, asked=asked, deadline=deadline)
    except CallFailedError as error:
        failed = {name: CriterionVerdict(criterion=name, failure=error.failure) for name in head.file.criteria}
        return HiddenReading(criteria=failed, usage=error.usage)
    plain = "" if head.is_inside(read.text) else OUTSIDE
    criteria = {
        name: CriterionVerdict(
            criterion=name,
            score=said.points,
            raw=said.linear,
            read="hidden",
            spread=said.spread,
            distribution=_shares(said.points, said.spread, rubric.scale),
        )
        for name, said in head.read(read.text).items()
    }
    return HiddenReading(criteria=criteria, plain=plain, usage=read.usage, engine=read.engine)


def _text(states: Mapping[str, State], case: Case) -> TextState:
    return TextState.of(states, output=case.output, given=case.input or "")


def _shares(points: float, spread: float, scale: Scale) -> dict[float, float]:
    """How sure each level is, if ratings spread normally around the points; the ends take what lies beyond them."""
    levels = list(scale.levels)
    below = [0.5 * (1 + math.erf((level + 0.5 - points) / (spread * math.sqrt(2)))) for level in levels[:-1]]
    edges = [0.0, *below, 1.0]
    return {float(level): edges[at + 1] - edges[at] for at, level in enumerate(levels)}
