"""What an exception from a provider means: a failure of this case, or a fault every case would share."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from typing import Any

from tenward.errors import JudgeUnavailableError
from tenward.guards import is_mapping
from tenward.judges._verdict import Failure

__all__ = ["EMBEDDED", "RETRYABLE", "Broken", "classify"]

EMBEDDED = "the embedded engine"

RETRYABLE = frozenset({"rate_limited", "timeout", "transport"})

_KEY_SHOWN = 8
_SECRET = re.compile(r"(?i)\b(sk|pk|key|lsv2|gsk|xai|ghp|hf)[-_][A-Za-z0-9_\-]{6,}|bearer\s+\S+|AIza\S{10,}")


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A failed call: what it was, and how long the endpoint asked to wait."""

    failure: Failure
    retry_after: float | None = None
    """Seconds, from a ``Retry-After`` header; None when the endpoint did not say."""


def classify(error: BaseException, *, model: str, where: str, key_env: str) -> Broken:
    """Sort one exception of an SDK, of instructor or of the transport.

    Args:
        error: What was raised; wrappers are looked through.
        model: Model name, for messages.
        where: Address or provider, for messages.
        key_env: Name of the environment variable the key comes from, for the hint.

    Raises:
        JudgeUnavailableError: No further case could be judged either (key, model name, capability).
        BaseException: ``error`` itself, when it is no failure of a call.
    """
    cause = _innermost(error)
    name = type(cause).__name__
    by_instructor = type(error).__name__ == "InstructorRetryException"
    # How instructor reports a refusal where it asked for a tool call.
    refusal = by_instructor and isinstance(cause, AssertionError) and "Unable to generate a response" in str(cause)
    if name in ("IncompleteOutputException", "LengthFinishReasonError"):
        return _broken("truncated", "the answer was cut off at the token limit")
    if refusal or name in ("ContentFilterFinishReasonError", "ResponseBlockedError", "RefusalError"):
        return _broken("refused", "the model refused to answer")
    if isinstance(cause, (TimeoutError, asyncio.TimeoutError)) or "Timeout" in name:
        return _broken("timeout", "no answer in time")
    status = getattr(cause, "status_code", None) or getattr(cause, "code", None)
    if isinstance(status, int) and not isinstance(status, bool):
        return _by_status(status, cause, model=model, where=where, key_env=key_env)
    if "Connection" in name or isinstance(cause, OSError) or "Protocol" in name or "Connect" in name:
        why = "is the server running?" if _nobody_listens(cause) else _short(cause, key_env)
        return _broken("transport", f"the connection to {where} failed ({why})")
    noise = name in ("APIResponseValidationError", "JSONDecodeError", "APIError", "ResponseParsingError")
    noise = noise or isinstance(cause, UnicodeDecodeError)
    # instructor trips over an answer whose parts are missing.
    if noise or (by_instructor and isinstance(cause, AttributeError | IndexError | KeyError | TypeError)):
        return _broken("transport", f"{where} sent something that is no answer ({_short(cause, key_env)})")
    raise error


def _by_status(status: int, cause: BaseException, *, model: str, where: str, key_env: str) -> Broken:
    text = _short(cause, key_env)
    code = str(getattr(cause, "code", None) or "")
    if status in (401, 403):
        raise JudgeUnavailableError(
            f"{where} refused the key for {model} (status {status})",
            hint=f"check the environment variable {key_env}" if key_env else "name a key variable in api_key_env",
        ) from cause
    if status == 404:
        raise JudgeUnavailableError(
            f"{where} has no model {model!r} (status 404)",
            hint="check model: and base_url: in the judge file",
        ) from cause
    if status == 429:
        if code == "insufficient_quota" or "insufficient_quota" in text or "billing" in text:
            raise JudgeUnavailableError(
                f"{where} says the account has no quota left for {model}", hint="top up, or use another judge"
            ) from cause
        return Broken(
            failure=Failure(kind="rate_limited", detail="too many requests (status 429)"),
            retry_after=_retry_after(cause),
        )
    if status in (408, 409, 425) or status >= 500:
        return Broken(
            failure=Failure(kind="transport", detail=f"{where} failed with status {status}"),
            retry_after=_retry_after(cause),
        )
    if code in ("content_filter", "content_policy_violation"):
        return _broken("refused", "a content filter refused the prompt")
    too_long = r"context.{0,20}(length|size|window)|exceed_context|too long|maximum context"
    if status == 413 or re.search(too_long, f"{code} {text}", re.IGNORECASE):
        mend = "; choose a smaller target, or a larger context_tokens in the judge file" if where == EMBEDDED else ""
        return _broken("too_long", f"the prompt does not fit the model's context ({text}){mend}")
    raise JudgeUnavailableError(
        f"{where} refused the request for {model} (status {status}): {text}",
        hint="the endpoint may lack a feature this judge needs; see mode:, read: and extra_body: in the judge file",
    ) from cause


def _innermost(error: BaseException) -> BaseException:
    """Look through instructor's and the SDKs' wrappers for the error that says most."""
    seen: set[int] = set()
    current = error
    while id(current) not in seen:
        seen.add(id(current))
        if getattr(current, "status_code", None) is not None or "Timeout" in type(current).__name__:
            return current
        below = current.__cause__
        if below is None:
            failed = getattr(current, "failed_attempts", None)
            below = failed[-1].exception if failed else None
        if below is None:
            return current
        if type(current).__name__ == "APIConnectionError":
            return current
        current = below
    return current


def _nobody_listens(error: BaseException) -> bool:
    """Whether a refused connection lies below this error, whatever wraps it."""
    below: list[BaseException | None] = [error]
    seen: set[int] = set()
    while below:
        current = below.pop()
        if current is None or id(current) in seen:
            continue
        if isinstance(current, ConnectionRefusedError):
            return True
        seen.add(id(current))
        below += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            below += current.exceptions
    return False


def _retry_after(cause: BaseException) -> float | None:
    headers = getattr(getattr(cause, "response", None), "headers", None)
    value = headers.get("retry-after") if headers is not None else None
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None  # an HTTP date; the back-off serves


def _broken(kind: str, detail: str) -> Broken:
    return Broken(failure=Failure(kind=kind, detail=detail))  # type: ignore[arg-type]


def _short(cause: BaseException, key_env: str) -> str:
    body: Any = getattr(cause, "body", None)
    message = body.get("message") if is_mapping(body) else None
    text = str(message or "") or str(cause) or type(cause).__name__
    text = _SECRET.sub("[secret]", " ".join(text.split()))
    key = os.environ.get(key_env, "").strip() if key_env else ""
    return _without_key(text, key)[:200]  # some endpoints echo the key they were given


def _without_key(text: str, key: str) -> str:
    """A text without a key, and without the beginning of one: endpoints shorten what they echo."""
    if len(key) < _KEY_SHOWN:
        return text.replace(key, "[secret]") if key else text
    start = re.escape(key[:_KEY_SHOWN])
    return re.sub(rf"{start}\S*", "[secret]", text)
