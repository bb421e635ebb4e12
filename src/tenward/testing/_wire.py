"""What passes between a client and the stub server: the request, the answer, and their HTTP/1.1 form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.client import responses as phrases
from typing import Any, Protocol, cast, runtime_checkable

__all__ = ["Answer", "Reply", "Request", "Responder", "error_answer", "render", "take_request"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as the server received it."""

    index: int
    """Position in the order of arrival over all connections; the first is 0."""

    method: str
    """``GET``, ``POST``, …"""

    path: str
    """Path without the query, such as ``/v1/chat/completions``."""

    headers: Mapping[str, str]
    """Headers with lower-case names; of a repeated header the last one."""

    body: Mapping[str, Any]
    """The body as a JSON object; empty when the request had none or it was not a JSON object."""

    raw: bytes
    """The body as it came."""

    @cached_property
    def tool(self) -> str | None:
        """Name of the function the model must call; None when it may answer in plain content."""
        choice = self.body.get("tool_choice")
        if not self.body.get("tools"):
            return None
        if isinstance(choice, dict):
            return str(cast("dict[str, Any]", choice)["function"]["name"])
        return str(self.body["tools"][0]["function"]["name"]) if choice == "required" else None

    @cached_property
    def schema(self) -> Mapping[str, Any] | None:
        """JSON schema the answer must satisfy: of the response format, else of the tool; None without one."""
        wanted = cast("Mapping[str, Any]", self.body.get("response_format") or {})
        if wanted.get("type") == "json_schema":
            return cast("Mapping[str, Any]", wanted["json_schema"]["schema"])
        for tool in self.body.get("tools") or ():
            if tool["function"]["name"] == self.tool:
                return cast("Mapping[str, Any]", tool["function"]["parameters"])
        return None

    @cached_property
    def one_token(self) -> bool:
        """Whether the answer is limited to a single token."""
        return 1 in (self.body.get("max_tokens"), self.body.get("max_completion_tokens"))

    def text(self, *, role: str | None = None) -> str:
        """All message text, one message after the other, parted by a blank line.

        Args:
            role: Only the messages of this role, such as ``user``; None takes all.
        """
        parts: list[str] = []
        for message in self.body.get("messages") or ():
            if role is None or message.get("role") == role:
                content = message.get("content") or ""
                pieces = [{"text": content}] if isinstance(content, str) else content
                parts.extend(str(piece.get("text", "")) for piece in pieces)
        return "\n\n".join(parts)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer, ready to be sent."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers besides the content's type and length."""

    cut_after: int | None = None
    """Bytes of the body that leave before the connection is closed; None sends all of it."""


@runtime_checkable
class Reply(Protocol):
    """How the stub server answers a chat completion; implement it to add an answer or fault of your own."""

    def answer(self, request: Request) -> Answer | None:
        """The answer to this request, or None to leave the client waiting for ever."""
        ...


Responder = Callable[[Request], Reply]
"""A function that picks the reply. It runs on the server's own thread, so it must not block."""


def error_answer(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An error body in the shape OpenAI sends."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Answer(status=status, body=json.dumps(body).encode(), headers=headers or {})


def take_request(buffer: bytearray, *, index: int) -> Request | None:
    """Remove the first complete request from the buffer.

    Args:
        buffer: Bytes received so far; shortened by the request that is returned.
        index: The index the request gets.

    Returns:
        The request, or None while it is incomplete; the buffer is then left alone.

    Raises:
        ValueError: The bytes are not an HTTP/1.1 request with a plain (not chunked) body.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    start_line, *lines = buffer[:end].decode("latin-1").split("\r\n")
    method, target, _version = start_line.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if "transfer-encoding" in headers:
        raise ValueError("a chunked body")
    length = int(headers.get("content-length", "0"))
    begin, stop = end + 4, end + 4 + length
    if len(buffer) < stop:
        return None
    raw = bytes(buffer[begin:stop])
    del buffer[:stop]
    path = target.partition("?")[0]
    return Request(index=index, method=method, path=path, headers=headers, body=_json_object(raw), raw=raw)


def render(answer: Answer) -> bytes:
    """The answer as HTTP/1.1 bytes, cut where it asks to be cut."""
    head = [
        f"HTTP/1.1 {answer.status} {phrases.get(answer.status, '')}",
        f"content-type: {answer.content_type}",
        f"content-length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
    ]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + answer.body[: answer.cut_after]


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body: object = json.loads(raw)
    except ValueError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}
