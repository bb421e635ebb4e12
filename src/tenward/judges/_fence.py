"""Fences around untrusted text: a mark that the text inside cannot know, so it cannot close it."""

from __future__ import annotations

import hashlib

__all__ = ["fence", "sendable"]

_TOKEN_CHARS = 16


def fence(label: str, text: str) -> str:
    """Put ``text`` between ``<label TOKEN>`` and ``</label TOKEN>``.

    The token is the head of a hash of the text itself: to close its own fence a text would have to contain 64 bits
    of its own SHA-256. Unlike a random token it leaves equal prompts equal, so they can be cached, scores
    reproduce, and candidates on the same case share their prefix. Nothing in the text is changed or interpreted.
    """
    salt = 0
    while True:
        digest = hashlib.sha256(f"{salt}\0{label}\0{text}".encode("utf-8", "surrogatepass"))
        token = digest.hexdigest()[:_TOKEN_CHARS]
        if token not in text:
            return f"<{label} {token}>\n{text}\n</{label} {token}>"
        salt += 1


def sendable(text: str) -> str:
    """``text`` as it goes over the wire: unchanged, but for lone surrogates, which no encoding of Unicode can carry.

    Each of them becomes U+FFFD, the replacement character.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
