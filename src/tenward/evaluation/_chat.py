"""Prompt files as chats: turns under the headings ``# system``, ``# user`` and ``# assistant``.

A worked example in one message of the user makes small models answer for the example; as turns of a chat it is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Turn", "is_chat", "read_chat", "write_chat"]

Role = Literal["system", "user", "assistant"]

_HEADING = re.compile(r"# (system|user|assistant)[ \t\r]*")
_ESCAPED = re.compile(r"^\\(?=\\*# (?:system|user|assistant)[ \t\r]*$)", re.MULTILINE)
_TO_ESCAPE = re.compile(r"^(?=\\*# (?:system|user|assistant)[ \t\r]*$)", re.MULTILINE)
_BACKSLASH = r"\\"
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_HINT = "a chat is an optional # system, then # user and # assistant by turns, and ends with # user, which has {input}"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One message."""

    role: Role
    text: str
    """Without white space around it."""

    line: int = 0
    """Where its heading stands in the file, counted from 1."""


def is_chat(prompt: str) -> bool:
    """Whether a prompt file is a chat: its first line that is not empty is a heading of a turn."""
    first = next((line for line in prompt.split("\n") if line.strip()), "")
    return _HEADING.fullmatch(first) is not None


def read_chat(prompt: str) -> tuple[Turn, ...]:
    r"""The turns of a chat.

    A line of a text that looks like a heading is written with a backslash before it (``\# user``).

    Raises:
        UsageError: Turns are not in order, one is empty, or ``{input}`` is not in the last one, once.
    """
    turns: list[Turn] = []
    lines: list[str] = []

    def end() -> None:
        if turns:
            text = _ESCAPED.sub("", "\n".join(lines).strip())
            turns[-1] = Turn(role=turns[-1].role, text=text, line=turns[-1].line)
            lines.clear()

    for number, line in enumerate(prompt.split("\n"), 1):
        found = _HEADING.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        end()
        turns.append(Turn(role=_ROLES[found[1]], text="", line=number))
    end()
    _check(turns)
    return tuple(turns)


def write_chat(turns: Sequence[Turn]) -> str:
    """The file of a chat, which :func:`read_chat` reads."""
    return "\n\n".join(f"# {turn.role}\n{_TO_ESCAPE.sub(_BACKSLASH, turn.text.strip())}" for turn in turns) + "\n"


def _check(turns: Sequence[Turn]) -> None:
    wanted: Role = "user"
    for place, turn in enumerate(turns):
        if turn.role == "system" and place == 0:
            continue
        if turn.role != wanted:
            raise UsageError(f"line {turn.line}: found # {turn.role}, expected # {wanted}", hint=_HINT)
        wanted = "assistant" if wanted == "user" else "user"
    last = turns[-1]
    if last.role != "user":
        raise UsageError(f"line {last.line}: found # {last.role} as the last turn, expected # user", hint=_HINT)
    for turn in turns:
        if not turn.text:
            raise UsageError(f"line {turn.line}: found nothing under # {turn.role}, expected a text", hint=_HINT)
        if turn is not last and (name := next((one for one in ("{input}", "{context}") if one in turn.text), "")):
            raise UsageError(
                f"line {turn.line}: found {name} under # {turn.role}, expected it in the last turn", hint=_HINT
            )
    if "{input}" not in last.text:
        raise UsageError(f"line {last.line}: found no {{input}} in the last turn, expected it there", hint=_HINT)
