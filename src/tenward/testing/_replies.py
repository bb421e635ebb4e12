"""What a model can answer: text, JSON, log-probabilities, a refusal, an answer that was stopped."""

from __future__ import annotations

import json
import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal

from tenward.errors import UsageError
from tenward.testing._wire import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.testing._wire import Request

__all__ = ["ContentFilter", "FinishReason", "Json", "Logprobs", "NoLogprobs", "Refusal", "State", "Text", "Truncated"]

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]

_NEVER = -9999.0
"""What OpenAI reports as the log-probability of a token that is too unlikely to tell."""

_SURELY = 0.999
"""The share of a token that is as good as always drawn."""


@dataclass(frozen=True)
class Text:
    """A completion with this text.

    Where the request obliges the model to call a function, the text becomes that call's arguments, as it is:
    broken JSON stays broken.
    """

    content: str
    _: KW_ONLY
    finish_reason: FinishReason = "stop"
    usage: tuple[int, int] | None = None
    """Tokens of the prompt and of the completion; None estimates one per four bytes or characters."""

    def answer(self, request: Request) -> Answer:
        """The completion, in content or as a function call."""
        message: dict[str, Any] = {"content": self.content}
        if request.tool is not None:
            call = {"name": request.tool, "arguments": self.content}
            calls = [{"id": f"call_{request.index}", "type": "function", "function": call}]
            message = {"content": None, "tool_calls": calls}
        return _completion(request, message, self.finish_reason, self.usage or _estimate(request, self.content))


@dataclass(frozen=True)
class Json:
    """A completion with the JSON form of a value."""

    value: object
    _: KW_ONLY
    usage: tuple[int, int] | None = None
    """Tokens of the prompt and of the completion; None estimates them as :class:`Text` does."""

    def answer(self, request: Request) -> Answer:
        """The completion, in content or as a function call."""
        return Text(json.dumps(self.value, ensure_ascii=False), usage=self.usage).answer(request)


@dataclass(frozen=True)
class State:
    """The answer to a request for a state, as the embedded engine gives it: the log-odds of the tokens asked for.

    As the engine does where it drew half a character, it reports nothing unless one token is lifted so far beyond the
    others that it is the one drawn.
    """

    numbers: Sequence[float]
    """One per other token that the request lifts, in its order; what is missing repeats them."""

    def answer(self, request: Request) -> Answer:
        """A completion of one token; one token per four bytes of the prompt is counted."""
        lifts = {int(token): float(lift) for token, lift in request.body.get("logit_bias", ())}
        drawn = max(lifts, key=lifts.__getitem__, default=0)
        others = [token for token in lifts if token != drawn]
        odds = {drawn: lifts.get(drawn, 0.0)}
        if self.numbers:
            odds |= {
                token: lifts[token] + self.numbers[place % len(self.numbers)] for place, token in enumerate(others)
            }
        top = max(odds.values())
        whole = math.fsum(math.exp(one - top) for one in odds.values())
        shares = {token: math.exp(one - top) / whole for token, one in odds.items()}
        count = len(str(request.body.get("prompt", "")).encode()) // 4 + 1
        body: dict[str, Any] = {"content": "", "timings": {"cache_n": 0, "prompt_n": count}}
        if shares[drawn] > _SURELY:
            listed = [{"id": token, "token": "", "prob": share} for token, share in shares.items()]
            body["completion_probabilities"] = [{"id": drawn, "token": "", "prob": 1.0, "top_probs": listed}]
        return Answer(body=json.dumps(body).encode())


@dataclass(frozen=True)
class Logprobs:
    """A completion of one token, with the probabilities it was chosen from.

    The likeliest token is the content. ``top_logprobs`` is cut to the number the request asked for (none when
    it asked for none), and a request without ``logprobs: true`` gets no log-probabilities at all. As real
    endpoints do, a request limited to one token is answered with the finish reason ``length``.

    Raises:
        UsageError: No token was given, or the probabilities are not in 0–1 with a sum of at most 1.
    """

    probabilities: Mapping[str, float]
    """Probability of each token; 0 is reported as the log-probability -9999, as OpenAI does."""

    def __post_init__(self) -> None:
        values = self.probabilities.values()
        if not values or not all(0 <= value <= 1 for value in values) or math.fsum(values) > 1 + 1e-6:
            raise UsageError(
                f"Logprobs found {dict(self.probabilities)}, expected at least one token, each with a"
                " probability in 0–1, and a sum of at most 1",
                hint="give probabilities such as {'4': 0.7, '5': 0.2}; the logarithm is taken by Logprobs",
            )

    def answer(self, request: Request) -> Answer:
        """The completion, with what the request asked of the probabilities."""
        ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
        entries = [_entry(token, probability) for token, probability in ranked]
        logprobs = None
        if request.body.get("logprobs"):
            top = entries[: request.body.get("top_logprobs") or 0]
            logprobs = {"content": [{**entries[0], "top_logprobs": top}], "refusal": None}
        return _one_token(request, ranked[0][0], logprobs)


@dataclass(frozen=True)
class NoLogprobs:
    """A completion of one token from an endpoint that ignores ``logprobs: true``: it sends null."""

    content: str

    def answer(self, request: Request) -> Answer:
        """The completion without log-probabilities."""
        return _one_token(request, self.content, None)


@dataclass(frozen=True)
class Refusal:
    """The model refuses: ``message.refusal`` holds its words, the content is null."""

    message: str

    def answer(self, request: Request) -> Answer:
        """The refusal."""
        message = {"content": None, "refusal": self.message}
        return _completion(request, message, "stop", _estimate(request, self.message))


@dataclass(frozen=True)
class Truncated:
    """The answer reached the token limit: what was written so far, with the finish reason ``length``."""

    content: str

    def answer(self, request: Request) -> Answer:
        """The unfinished completion, in content or as a function call."""
        return Text(self.content, finish_reason="length").answer(request)


@dataclass(frozen=True)
class ContentFilter:
    """A filter withheld the answer: no content, with the finish reason ``content_filter``."""

    def answer(self, request: Request) -> Answer:
        """The empty completion."""
        return _completion(request, {"content": None}, "content_filter", _estimate(request, ""))


def _one_token(request: Request, token: str, logprobs: object) -> Answer:
    finish: FinishReason = "length" if request.one_token else "stop"
    return _completion(request, {"content": token}, finish, (_estimate(request, "")[0], 1), logprobs)


def _completion(
    request: Request,
    message: Mapping[str, object],
    finish_reason: FinishReason,
    usage: tuple[int, int],
    logprobs: object = None,
) -> Answer:
    prompt, completion = usage
    choice = {
        "index": 0,
        "message": {"role": "assistant", "refusal": None, **message},
        "logprobs": logprobs,
        "finish_reason": finish_reason,
    }
    body = {
        "id": f"chatcmpl-{request.index}",
        "object": "chat.completion",
        "created": 1_700_000_000,  # fixed, so that equal requests get equal answers
        "model": request.body.get("model", ""),
        "choices": [choice],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        },
    }
    return Answer(body=json.dumps(body).encode())


def _estimate(request: Request, content: str) -> tuple[int, int]:
    return max(1, len(request.raw) // 4), -(-len(content) // 4)


def _entry(token: str, probability: float) -> dict[str, object]:
    logprob = math.log(probability) if probability else _NEVER
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
