"""What a coding agent printed: its last words and what it cost, in the formats of the agents people use.

Claude Code (``--output-format json`` or ``stream-json``) ends with one object of type ``result``; Codex (``exec
--json``) and OpenHands (``--headless --json``) print an event a line; aider prints text with its costs. Whatever is in
none of these formats is taken as it stands.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenward.guards import is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Said", "noted_in", "read_said"]

_SESSION_COST = re.compile(r"Cost: \$[\d.,]+ message, \$([\d.,]+\d) session")
_WORDS = ("result", "text", "message", "content")


@dataclass(frozen=True, kw_only=True)
class Said:
    """The end of what an agent had to say."""

    text: str
    """Its last words; all that was printed where that is plain text."""

    usd: float | None = None
    """US dollars, as far as it tells."""

    failed: bool = False
    """Whether it says of itself that it failed, whatever its exit status is."""


def read_said(printed: str) -> Said:
    """Find the last words in what was printed to standard output."""
    events = list(_objects(printed))
    if not events:
        costs = _SESSION_COST.findall(printed)
        return Said(text=printed.strip(), usd=float(costs[-1].replace(",", "")) if costs else None)
    text, usd, failed = "", None, False
    for event in events:
        kind = event.get("type")
        item = event.get("item")
        if kind == "result":
            failed = bool(event.get("is_error"))
        elif kind == "turn.failed":  # an event of type error may be one that the agent got over
            failed = True
            item = event.get("error", event)
        elif kind == "turn.completed":
            failed = False
        cost = event.get("total_cost_usd")
        usd = float(cost) if isinstance(cost, int | float) and cost >= 0 else usd
        text = _words(item if is_mapping(item) else event) or text
    return Said(text=text, usd=usd, failed=failed)


def noted_in(text: str) -> Mapping[str, Any] | None:
    """The last JSON object in a text that has a title, for an agent that may not write the note it was asked for."""
    for found in reversed(list(re.finditer(r"\{", text))):
        try:
            value, _ = json.JSONDecoder().raw_decode(text, found.start())
        except (ValueError, RecursionError):
            continue
        if is_mapping(value) and isinstance(value.get("title"), str):
            return value
    return None


def _objects(printed: str) -> Iterator[Mapping[str, Any]]:
    """The lines that are JSON objects with a type, or the whole where it is one."""
    for line in [*printed.splitlines(), printed] if printed.lstrip().startswith("{") else printed.splitlines():
        if not line.lstrip().startswith("{"):
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if is_mapping(value) and isinstance(value.get("type"), str):
            yield value


def _words(part: Mapping[str, Any]) -> str:
    """What a part of an event says; a command that was run or its output are no words of the agent."""
    if part.get("type") in {"command_execution", "reasoning", "file_change", "observation", "system", "user"}:
        return ""
    return next((said.strip() for name in _WORDS if isinstance(said := part.get(name), str) and said.strip()), "")
