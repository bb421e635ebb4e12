"""What can go wrong between a client and a model: error statuses, silence, a cut line, noise."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING

from tenward.errors import UsageError
from tenward.testing._replies import Text
from tenward.testing._wire import Answer, error_answer

if TYPE_CHECKING:
    from tenward.testing._wire import Request

__all__ = ["Cut", "Garbage", "Hang", "Status"]

_KNOWN: dict[int, tuple[str, str, str | None]] = {
    400: ("The request was not understood.", "invalid_request_error", None),
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    403: ("This key may not use this model.", "invalid_request_error", "permission_denied"),
    404: ("The model `{model}` does not exist.", "invalid_request_error", "model_not_found"),
    429: ("Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error", None),
    503: ("The engine is currently overloaded, please try again later.", "server_error", None),
}


@dataclass(frozen=True)
class Status:
    """An error status with the body OpenAI sends for it.

    Raises:
        UsageError: The status is not in 400–599, or the seconds are negative.
    """

    status: int
    _: KW_ONLY
    retry_after: float | None = None
    """Seconds the client is asked to wait, in ``retry-after`` and ``retry-after-ms``; None sends neither."""

    code: str | None = None
    """Error code in place of the usual one, such as ``insufficient_quota`` for 429."""

    message: str | None = None
    """Message in place of the usual one."""

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise UsageError(
                f"Status found {self.status}, expected an error status in 400–599",
                hint="use Text, Json or Logprobs for an answer that succeeds",
            )
        if self.retry_after is not None and not self.retry_after >= 0:
            raise UsageError(
                f"Status found retry_after={self.retry_after}, expected seconds of at least 0",
                hint="leave retry_after out to send no such header",
            )

    def answer(self, request: Request) -> Answer:
        """The error."""
        family = _KNOWN[500 if self.status >= 500 else 400]
        message, kind, code = _KNOWN.get(self.status, family)
        headers: dict[str, str] = {}
        if self.retry_after is not None:
            headers["retry-after"] = f"{self.retry_after:g}"
            headers["retry-after-ms"] = f"{self.retry_after * 1000:g}"
        return error_answer(
            self.status,
            self.message or message.format(model=request.body.get("model", "")),
            kind=kind,
            code=self.code or code,
            headers=headers,
        )


@dataclass(frozen=True)
class Hang:
    """No answer, until the client goes away or the server is closed."""

    def answer(self, request: Request) -> None:  # noqa: ARG002 - the same silence whatever was asked
        """Nothing."""
        return


@dataclass(frozen=True)
class Cut:
    """A completion whose connection is closed after half of the announced body."""

    def answer(self, request: Request) -> Answer:
        """The completion, marked to be cut."""
        whole = Text("This answer never arrives in full.").answer(request)
        return replace(whole, cut_after=len(whole.body) // 2)


@dataclass(frozen=True)
class Garbage:
    """Status 200 with a body that is no JSON."""

    body: bytes = b"<html>\xff\x00 not JSON"
    _: KW_ONLY
    content_type: str = "application/json"
    """What the body claims to be; from any type but JSON the openai client returns a string and raises
    nothing."""

    def answer(self, request: Request) -> Answer:  # noqa: ARG002 - the same noise whatever was asked
        """The bytes."""
        return Answer(body=self.body, content_type=self.content_type)
