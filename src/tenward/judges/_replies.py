"""What a reply says. The SDK checks no field of what it received, so every one is checked here."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, TypeGuard

from tenward.errors import JudgeUnavailableError
from tenward.guards import is_list, is_mapping
from tenward.judges._retry import CallFailedError
from tenward.judges._verdict import Failure, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.judges._spec import JudgeSpec

__all__ = [
    "check_refusal",
    "count",
    "fault_in_answer",
    "first_choice",
    "first_probabilities",
    "is_number",
    "stored_probabilities",
    "timings",
    "usage_of",
    "usage_of_completion",
    "written_text",
]

_ROUNDING = 0.01  # how far above 0 rounding may lift a log-probability
_LARGEST = 2**53  # above it a counter is noise; NaN is not below it either


def first_choice(reply: Any, where: str) -> Any:
    """The first choice of a chat completion.

    Raises:
        CallFailedError: ``transport``: there is none.
    """
    choices = getattr(reply, "choices", None)  # the SDK returns text of any other type as it is
    if not is_list(choices) or not choices or choices[0] is None:
        raise CallFailedError(Failure(kind="transport", detail=f"{where} sent an answer without choices"))
    return choices[0]


def written_text(choice: Any, where: str) -> str:
    """The text of a choice, which was finished.

    Raises:
        CallFailedError: It was refused, cut off, empty, or is no text.
    """
    check_refusal(choice)
    if getattr(choice, "finish_reason", None) == "length":
        raise CallFailedError(Failure(kind="truncated", detail="the answer was cut off at the token limit"))
    text = getattr(getattr(choice, "message", None), "content", None)
    if text is not None and not isinstance(text, str):
        raise CallFailedError(Failure(kind="transport", detail=f"{where} sent an answer that is no text"))
    if text is None or not text.strip():
        raise CallFailedError(Failure(kind="schema", detail="the answer was empty"))
    return text


def first_probabilities(choice: Any, where: str, model: str) -> dict[str, float]:
    """Probability per first token of a choice, stripped of white space, 0 to 1.

    Raises:
        CallFailedError: It was refused, or its log-probabilities cannot be read.
        JudgeUnavailableError: The endpoint reports none.
    """
    check_refusal(choice)
    noise = CallFailedError(Failure(kind="transport", detail=f"{where} sent log-probabilities that cannot be read"))
    logprobs = getattr(choice, "logprobs", None)
    if logprobs is not None and not hasattr(logprobs, "model_fields_set"):
        raise noise
    tokens = getattr(logprobs, "content", None)
    if tokens and (not is_list(tokens) or tokens[0] is None):
        raise noise
    ranked = getattr(tokens[0], "top_logprobs", None) if tokens else None
    if ranked is None or ranked == []:
        raise JudgeUnavailableError(
            f"{where} returns no log-probabilities for {model}, which read: distribution needs",
            hint="use an endpoint that supports logprobs and top_logprobs, or write read: stated",
        )
    if not is_list(ranked):
        raise noise
    probabilities: dict[str, float] = {}
    for entry in ranked:
        token, logprob = getattr(entry, "token", None), getattr(entry, "logprob", None)
        if not isinstance(token, str) or not is_number(logprob) or not logprob <= _ROUNDING:  # nor is NaN
            raise noise
        label = token.strip()
        probabilities[label] = probabilities.get(label, 0.0) + math.exp(min(0.0, logprob))
    return probabilities


def check_refusal(choice: Any) -> None:
    """Nothing, unless the model or a filter refused.

    Raises:
        CallFailedError: ``refused``.
    """
    refusal = getattr(getattr(choice, "message", None), "refusal", None)
    if refusal or getattr(choice, "finish_reason", None) == "content_filter":
        raise CallFailedError(Failure(kind="refused", detail="the model refused to answer"))


def timings(reply: Any) -> dict[str, float]:
    """The embedded engine's counters; empty for other endpoints."""
    told = reply if is_mapping(reply) else getattr(reply, "model_extra", None)
    found = told.get("timings") if is_mapping(told) else None
    if not is_mapping(found):
        return {}
    return {str(name): float(value) for name, value in found.items() if is_number(value) and abs(value) <= _LARGEST}


def count(counts: Any, name: str) -> int:
    """A number of tokens as an endpoint reports it; 0 for anything that is none."""
    value = getattr(counts, name, None)
    return int(value) if is_number(value) and 0 <= value <= _LARGEST else 0


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number, which a truth value is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def fault_in_answer(error: Any) -> Failure | None:
    """The failure in what the model said; None when the call itself failed."""
    raw = error.last_completion
    if raw is None:
        return None
    if isinstance(raw, str) or (hasattr(raw, "choices") and not raw.choices):
        return Failure(kind="transport", detail="the endpoint sent something that is no answer")
    choice = next(iter(getattr(raw, "choices", None) or ()), None)
    message = getattr(choice, "message", None)
    if (
        getattr(message, "refusal", None)
        or getattr(choice, "finish_reason", None) == "content_filter"
        or getattr(raw, "stop_reason", None) == "refusal"
    ):
        return Failure(kind="refused", detail="the model refused to answer")
    if getattr(choice, "finish_reason", None) == "length":
        return Failure(kind="truncated", detail="the answer was cut off at the token limit")
    return Failure(kind="schema", detail="the answer was not JSON of the schema asked for")


def usage_of(spec: JudgeSpec, reply: Any) -> Usage:
    """What one call took, as its reply counts it, and what that costs by the judge's file."""
    usage = getattr(reply, "usage", None)
    prompt = count(usage, "prompt_tokens") or count(usage, "input_tokens")
    completion = count(usage, "completion_tokens") or count(usage, "output_tokens")
    details = getattr(usage, "prompt_tokens_details", None)
    cached = count(details, "cached_tokens") or count(usage, "cache_read_input_tokens")
    price = spec.price
    cost: float | None = None
    if spec.local:
        cost = 0.0
    elif price is not None and prompt + completion:  # an endpoint that counts nothing says nothing of the cost
        reused = price.input if price.cached_input is None else price.cached_input
        cost = (max(0, prompt - cached) * price.input + cached * reused + completion * price.output) / 1e6
    return Usage(calls=1, prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion, cost_usd=cost)


def usage_of_completion(counters: Mapping[str, float]) -> Usage:
    """The same of the embedded engine's own kind of completion, of one token, by its counters."""
    reused, computed = (max(0, int(counters.get(name, 0))) for name in ("cache_n", "prompt_n"))
    return Usage(calls=1, prompt_tokens=reused + computed, cached_tokens=reused, completion_tokens=1, cost_usd=0.0)


def stored_probabilities(known: str) -> Mapping[str, float]:
    """The first token's probabilities, as the cache holds them.

    Raises:
        ValueError: They are damaged.
    """
    found = json.loads(known)
    if not is_mapping(found):
        raise ValueError("no probabilities")
    return found
