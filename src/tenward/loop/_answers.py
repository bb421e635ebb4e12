"""Which of the answers that were paid for a loop may take for its own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenward.judges import Asked, CallCache

__all__ = ["OwnAnswers"]


class OwnAnswers:
    """The answers of one loop among all that were paid for: another loop does not repeat its luck.

    A judge with noise asked again by another loop, or under another seed, has to answer afresh. A loop that goes on
    after a kill finds its own.

    Args:
        cache: All answers.
        owner: What tells the loop from any other.
    """

    def __init__(self, cache: CallCache, owner: str) -> None:
        self._cache = cache
        self._owner = owner

    def recall(self, key: str) -> str | None:
        """The answer to this request."""
        return self._cache.recall(self._own(key))

    def remember(self, key: str, asked: Asked, answer: str) -> None:
        """Keep an answer."""
        self._cache.remember(self._own(key), asked, answer)

    def why_missed(self, asked: Asked) -> tuple[str, ...]:
        """The components that changed since this question was last answered."""
        return self._cache.why_missed(asked)

    def _own(self, key: str) -> str:
        return hashlib.sha256(f"{self._owner}|{key}".encode()).hexdigest()
