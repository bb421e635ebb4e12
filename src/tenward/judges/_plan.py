"""What a judge of one model would ask about a case: the requests, and what they would take before they are made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from tenward.judges._answers import Words, answer_model, schema_bytes
from tenward.judges._calls import Budget, PlannedCalls, prompt_tokens_at_most
from tenward.judges._checks import check_messages
from tenward.judges._distribution import probes_for
from tenward.judges._echo import as_read, orders_of
from tenward.judges._hidden import known_state, state_messages
from tenward.judges._passages import passages
from tenward.judges._prompts import build_prompt, question_words
from tenward.judges._words import MOST_ASKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.datasets import Case
    from tenward.judges._connection import Connection, Message
    from tenward.judges._distribution import Probe
    from tenward.judges._prompts import Prompt
    from tenward.judges._spec import Explain, JudgeSpec
    from tenward.judges.heads import Head
    from tenward.rubrics import Rubric

__all__ = ["plan_case", "probes_of", "prompt_for", "shows_levels", "words_wanted"]

_LOCAL_SENTENCE = 240  # characters; two short sentences
_COMPLAINT_TOKENS = 1300  # what asking again adds to a prompt, at most


def shows_levels(spec: JudgeSpec, case: Case) -> bool:
    """Whether the judge sees the rubric's levels before this case."""
    return spec.anchors is True or (spec.anchors == "without-input" and not case.input)


def prompt_for(spec: JudgeSpec, case: Case, rubric: Rubric) -> Prompt:
    """The part of the messages that all questions about the case share."""
    return build_prompt(rubric, case, anchors=shows_levels(spec, case), digits=not spec.states_scores)


def probes_of(spec: JudgeSpec, case: Case, rubric: Rubric) -> dict[str, tuple[Probe, ...]]:
    """The one-token questions per criterion; a judge that sees the levels only for want of an input gives digits."""
    by_levels = spec.anchors == "without-input" and not case.input
    form: Literal["digits", "by-form"] = "digits" if by_levels else spec.probe
    return {name: probes_for(rubric, name, form) for name in rubric.criteria}


def words_wanted(spec: JudgeSpec, case: Case, criteria: tuple[str, ...], *, stated: bool) -> list[Words]:
    """The structured answers that make up one verdict, or explain one.

    Args:
        spec: The judge.
        case: The case.
        criteria: Those to be scored or explained.
        stated: Whether the scores are asked for as well.
    """
    most = _LOCAL_SENTENCE if spec.local else None
    if spec.ask == "together":
        return [Words(criteria=criteria, scores=stated, why=True, steps=True, most_chars=most)]
    choice = passages(case.output) if spec.local else ()
    return [
        *(
            Words(criteria=(name,), scores=stated, why=False, steps=False, passages=choice, most_chars=most)
            for name in criteria
        ),
        Words(criteria=(), scores=False, why=True, steps=False, most_chars=most),
        Words(criteria=(), scores=False, why=False, steps=True, most_chars=most),
    ]


def plan_case(
    spec: JudgeSpec,
    connection: Connection,
    case: Case,
    rubric: Rubric,
    *,
    explain: Explain,
    head: tuple[Head, Connection] | None = None,
) -> PlannedCalls:
    """What judging ``case`` would take; see :class:`PlannedCalls`.

    ``head`` comes with the connection by which states are read. A text whose state is not known yet is planned as one
    that the head can read, and at most as one that it cannot. Words that explain scores quote them, so before the
    scores are known the cache cannot be asked for them.
    """
    case, _ = as_read(spec, case, rubric)
    prompt = prompt_for(spec, case, rubric)
    planned = _questions(spec, connection, prompt, case, rubric, explain=explain, head=head)
    rest, orders = orders_of(spec, case)
    if orders:  # it is read without them as well
        without = prompt_for(spec, rest, rubric)
        planned += _questions(spec, connection, without, rest, rubric, explain=False, head=head)
    if spec.local and prompt.shared and planned.most_calls:  # what the engine computes before the first of them
        planned += PlannedCalls(most_calls=1, prompt_tokens=prompt_tokens_at_most(prompt.shared), completion_tokens=1)
    return planned


def _questions(
    spec: JudgeSpec,
    connection: Connection,
    prompt: Prompt,
    case: Case,
    rubric: Rubric,
    *,
    explain: Explain,
    head: tuple[Head, Connection] | None,
) -> PlannedCalls:
    criteria = tuple(rubric.criteria)
    if spec.states_scores:
        planned = PlannedCalls()
        for words in words_wanted(spec, case, criteria, stated=True):
            messages = prompt.asking(question_words(rubric, words, scores={}))
            model = answer_model(rubric, words)
            for sample in range(spec.samples):
                known = connection.knows_answer(messages, model, sample=sample, max_tokens=spec.max_tokens)
                planned += _words(spec, messages, schema_bytes(model), known=known)
        return planned
    probes = probes_of(spec, case, rubric)
    asked = {name: [prompt.asking(probe.question) for probe in several] for name, several in probes.items()}
    planned = PlannedCalls()
    if head is not None:
        file = head[0].file
        states = list(state_messages(prompt, rubric).values())
        state = known_state(head[1], prompt, case, rubric)
        by_head = [one for name in file.criteria for one in asked[name]]
        if state is None:
            planned += _first_tokens(spec, states, asked=len(states))
            planned += replace(_readings(spec, connection, by_head), calls=0, cached=0)
        else:
            planned += PlannedCalls(calls=len(states), cached=len(states))
        if state is None or head[0].is_inside(state):
            asked = {name: several for name, several in asked.items() if name not in file.criteria}
    planned += _readings(spec, connection, [one for several in asked.values() for one in several])
    if spec.asks_checks(explain):
        planned += _readings(spec, connection, list(check_messages(prompt, rubric).values()))
    if spec.asks_model(explain):
        top = dict.fromkeys(criteria, float(rubric.scale.hi))
        for words in words_wanted(spec, case, criteria, stated=False):
            messages = prompt.asking(question_words(rubric, words, scores=top))
            planned += _words(spec, messages, schema_bytes(answer_model(rubric, words)), known=False)
    return planned


def _readings(spec: JudgeSpec, connection: Connection, asked: Sequence[list[Message]]) -> PlannedCalls:
    """What questions with an answer of one token take."""
    if spec.local:  # all or none, as the engine has it
        known = len(asked) if connection.knows_first_tokens(asked) else 0
        todo = [] if known else list(asked)
    else:
        todo = [messages for messages in asked if not connection.knows_first_tokens([messages])]
        known = len(asked) - len(todo)
    return _first_tokens(spec, todo, asked=len(asked), known=known)


def _first_tokens(spec: JudgeSpec, todo: Sequence[list[Message]], *, asked: int, known: int = 0) -> PlannedCalls:
    tokens = sum(prompt_tokens_at_most(messages) for messages in todo)
    return PlannedCalls(
        calls=asked,
        cached=known,
        most_calls=len(todo),
        prompt_tokens=tokens,
        completion_tokens=len(todo),
        worst_usd=_usd(spec, tokens, len(todo)),
    )


def _words(spec: JudgeSpec, messages: list[Message], schema_bytes: int, *, known: bool) -> PlannedCalls:
    if known:
        return PlannedCalls(calls=1, cached=1)
    tokens = MOST_ASKS * (prompt_tokens_at_most(messages, schema_bytes=schema_bytes) + _COMPLAINT_TOKENS)
    written = MOST_ASKS * spec.max_tokens
    return PlannedCalls(
        calls=1,
        most_calls=MOST_ASKS,
        prompt_tokens=tokens,
        completion_tokens=written,
        worst_usd=_usd(spec, tokens, written),
    )


def _usd(spec: JudgeSpec, prompt_tokens: int, completion_tokens: int) -> float | None:
    if spec.local:
        return 0.0
    if spec.price is None:
        return None if prompt_tokens else 0.0
    return Budget.worst_usd(prompt_tokens, completion_tokens, spec.price)
