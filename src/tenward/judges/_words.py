"""Words from a judge: structured answers, asked again at most twice, checked, and never invented."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenward.judges._answers import Checked, Words, answer_model, check_words
from tenward.judges._fence import inert
from tenward.judges._prompts import question_words
from tenward.judges._retry import CallFailedError
from tenward.judges._verdict import Failure, Step, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from tenward.judges._calls import Asked
    from tenward.judges._connection import Connection
    from tenward.judges._prompts import Prompt
    from tenward.judges._retry import Deadline
    from tenward.rubrics import Rubric

__all__ = ["MOST_ASKS", "Answered", "ask_words"]

MOST_ASKS = 3  # twice again at most
_COMPLAINT_CHARS = 300


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The best of at most three answers to one question."""

    criteria: Mapping[str, Checked] = field(default_factory=dict[str, Checked])
    """Per criterion asked for; missing where no answer could be parsed at all."""

    why_not_2_lower: str = ""
    steps_to_10: tuple[Step, ...] = ()
    failure: Failure | None = None
    """Why something is missing; None when every field was fit."""

    usage: Usage = field(default_factory=Usage)


async def ask_words(
    connection: Connection,
    prompt: Prompt,
    rubric: Rubric,
    words: Words,
    *,
    candidate: str,
    scores: Mapping[str, float],
    asked: Asked,
    sample: int,
    deadline: Deadline,
    max_tokens: int,
) -> Answered:
    """Ask for ``words`` and check them; an unfit answer is asked for again with a short complaint.

    Args:
        connection: The model.
        prompt: The shared part of the messages.
        rubric: The rubric.
        words: What to ask for.
        candidate: The judged text, which quotes are checked against.
        scores: Scores already read, which the words explain; empty where the judge states them.
        asked: Whose question this is.
        sample: Number of the answer, where several are wanted.
        deadline: The time left for the case.
        max_tokens: Upper bound on the answer, in tokens.

    Raises:
        JudgeUnavailableError: No call could succeed.
    """

    def scored(answer: BaseModel) -> bool:
        """Whether no criterion is left without a score: what failed is asked anew in another run, not replayed."""
        checked, *_ = check_words(answer, words, rubric=rubric, candidate=candidate, prompt=told)
        return not words.scores or all(item.failure is None for item in checked.values())

    question = question_words(rubric, words, scores=scores)
    told = f"{prompt.system}\n{question}"
    model = answer_model(rubric, words)
    best: Answered | None = None
    fewest = 0
    usage = Usage()
    complaint = ""
    last = ""
    for number in range(MOST_ASKS):
        try:
            answer, spent, failure = await connection.structured(
                prompt.asking(question + complaint),
                model,
                asked=replace(asked, slot=f"{asked.slot}|{number}"),
                sample=sample,
                deadline=deadline,
                max_tokens=max_tokens,
                fit=scored,
            )
        except CallFailedError as error:
            usage += error.usage
            if best is None:
                best = Answered(failure=error.failure)
            break
        usage += spent
        if answer is None:
            complaint = "\n\nYour last answer was not JSON of the schema asked for. Answer again."
            best = best or Answered(failure=failure)
            continue
        checked, why, steps, faults = check_words(answer, words, rubric=rubric, candidate=candidate, prompt=told)
        if best is None or not best.criteria or len(faults) < fewest:
            fewest = len(faults)
            best = Answered(criteria=checked, why_not_2_lower=why, steps_to_10=steps, failure=_summary(checked, faults))
        said = answer.model_dump_json()
        if not faults or said == last:
            break  # fit, or the judge insists
        last = said
        listed = inert("; ".join(faults)[:_COMPLAINT_CHARS])  # it quotes what the judge wrote, outside of any fence
        complaint = f"\n\nYour last answer was not accepted ({listed}). Answer again, in full."
    assert best is not None
    return Answered(
        criteria=best.criteria,
        why_not_2_lower=best.why_not_2_lower,
        steps_to_10=best.steps_to_10,
        failure=best.failure,
        usage=usage,
    )


def _summary(checked: Mapping[str, Checked], faults: list[str]) -> Failure | None:
    if not faults:
        return None
    own = [item.failure for item in checked.values() if item.failure is not None]
    kind = own[0].kind if own else "schema"
    return Failure(kind=kind, detail="; ".join(faults)[:_COMPLAINT_CHARS])
