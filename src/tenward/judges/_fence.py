"""Fences around untrusted text: a mark that the text inside cannot know, so it cannot close it."""

from __future__ import annotations

import hashlib
import re

__all__ = ["fence", "inert", "sendable"]

_TOKEN_CHARS = 16
_CONTROL = re.compile(
    r"<[|｜][^<>\n]{0,60}?[|｜]>|<\|[a-z_]{1,30}>|<[a-z_]{1,30}\|>|</?s>|</?(?:tool_call|tool_response|think)>"
    r"|<(?:bos|eos|pad|unk|bos_token|eos_token|start_of_turn|end_of_turn|sop|eop)>|\[/?INST\]|<</?SYS>>"
    # In lower case these would be an index in a program.
    r"|(?-i:\[/?(?:SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS)\]|\[gMASK\])"
    r"|\[\|(?:system|user|assistant|tool|endofturn)\|\]",
    re.IGNORECASE,
)


def fence(label: str, text: str) -> str:
    """Put ``text`` between ``<label TOKEN>`` and ``</label TOKEN>``.

    The token is the head of a hash of the text itself: to close its own fence a text would have to contain 64 bits
    of its own SHA-256. Unlike a random token it leaves equal prompts equal, so they can be cached, scores
    reproduce, and candidates on the same case share their prefix. Nothing in the text is changed or interpreted, but
    for control tokens; see :func:`inert`.
    """
    salt = 0
    while True:
        digest = hashlib.sha256(f"{salt}\0{label}\0{text}".encode("utf-8", "surrogatepass"))
        token = digest.hexdigest()[:_TOKEN_CHARS]
        if token not in text:
            return f"<{label} {token}>\n{inert(text)}\n</{label} {token}>"
        salt += 1


def inert(text: str) -> str:
    """``text`` with a zero-width space inside every control token of a chat template, such as ``<|im_end|>``.

    Servers of open models turn these characters into the tokens that end a turn and begin the next, wherever they
    stand. With one of them a text could leave its fence without closing it, and speak as the system.
    """
    return _CONTROL.sub(lambda token: f"{token[0][0]}\u200b{token[0][1:]}", text)


def sendable(text: str) -> str:
    """``text`` as it goes over the wire: unchanged, but for lone surrogates, which no encoding of Unicode can carry.

    Each of them becomes U+FFFD, the replacement character.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
