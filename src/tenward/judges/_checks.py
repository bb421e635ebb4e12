"""The rubric's checks, read one token each on what the engine has read already; no score depends on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenward.judges._calls import digest
from tenward.judges._distribution import check_probe, read_distribution
from tenward.judges._retry import CallFailedError, all_of
from tenward.judges._verdict import CheckReading, Failure, Usage, total_usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenward.judges._calls import Asked
    from tenward.judges._connection import Connection, Message
    from tenward.judges._prompts import Prompt
    from tenward.judges._retry import Deadline
    from tenward.rubrics import Rubric

__all__ = ["CheckReadings", "check_messages", "read_checks"]


@dataclass(frozen=True, kw_only=True)
class CheckReadings:
    """What the checks of one case came to."""

    readings: Mapping[str, tuple[CheckReading, ...]]
    """Per criterion, in the rubric's order; what could not be read is missing."""

    usage: Usage = field(default_factory=Usage)
    failure: Failure | None = None
    """Why something is missing."""

    engine: tuple[Mapping[str, float], ...] = ()
    """Counters of the embedded engine, one per call."""


def check_messages(prompt: Prompt, rubric: Rubric) -> dict[tuple[str, int], list[Message]]:
    """What is asked per criterion and number of its check."""
    return {
        (name, number): prompt.asking(check_probe(check.says, rubric.names.candidate).question)
        for name, criterion in rubric.criteria.items()
        for number, check in enumerate(criterion.checks)
    }


async def read_checks(
    connection: Connection,
    prompt: Prompt,
    rubric: Rubric,
    *,
    asked: Callable[[str, int], Asked],
    deadline: Deadline,
    local: bool,
) -> CheckReadings:
    """Ask whether each check of a rubric is true of the candidate.

    Args:
        connection: The model.
        prompt: The shared part of the messages.
        rubric: The rubric.
        asked: Names the question by criterion and number.
        deadline: The time left for the case.
        local: Whether the embedded engine answers, which serves one call at a time.

    Raises:
        JudgeUnavailableError: No further case could be judged either.
    """
    messages = check_messages(prompt, rubric)
    from_cache = not local or connection.knows_first_tokens(list(messages.values()))
    spent: list[Usage] = []
    engine: list[Mapping[str, float]] = []
    failures: list[Failure] = []

    async def read(name: str, number: int) -> CheckReading | None:
        says = rubric.criteria[name].checks[number].says
        question = asked(f"{name}+check", number)
        question = replace(question, components={**question.components, "check": digest(says)})
        try:
            token = await connection.first_token(
                messages[name, number], asked=question, deadline=deadline, from_cache=from_cache
            )
        except CallFailedError as error:
            spent.append(error.usage)
            failures.append(error.failure)
            return None
        spent.append(token.usage)
        engine.extend(timings for timings in (token.begun, token.timings) if timings)
        reading = read_distribution(token.probabilities, check_probe(says, rubric.names.candidate))
        if reading is None:
            failures.append(Failure(kind="schema", detail=f"{name}: a check was answered with neither Yes nor No"))
            return None
        return CheckReading(says=says, probability=reading.score)

    if local:
        found = [await read(name, number) for name, number in messages]
    else:
        found = await all_of(read(name, number) for name, number in messages)
    pairs = [(name, reading) for (name, _), reading in zip(messages, found, strict=True) if reading is not None]
    return CheckReadings(
        readings={name: tuple(reading for owner, reading in pairs if owner == name) for name in dict(pairs)},
        usage=total_usage(spent),
        failure=failures[0] if failures else None,
        engine=tuple(engine),
    )
