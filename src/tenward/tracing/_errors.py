"""What can go wrong between this machine and LangSmith."""

from __future__ import annotations

from typing import Literal

from tenward.errors import SystemicError

__all__ = ["FaultKind", "LangSmithError"]

FaultKind = Literal["key", "unreachable", "busy", "missing", "refused"]
"""``key``: none, or not accepted. ``unreachable``: no connection or no answer. ``busy``: asked to come back later, or
failed on its side. ``missing``: no such route or thing. ``refused``: the content was not accepted."""


class LangSmithError(SystemicError):
    """LangSmith could not be used; nothing that was recorded here is lost.

    Attributes:
        kind: What went wrong, for programs.
    """

    def __init__(self, message: str, *, hint: str = "", kind: FaultKind = "refused") -> None:
        super().__init__(message, hint=hint)
        self.kind: FaultKind = kind
