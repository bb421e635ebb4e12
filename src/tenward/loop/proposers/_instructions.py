"""Sentences of a text that a program moves: found, added, replaced, left out; in a chat, those that instruct."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tenward.errors import UsageError
from tenward.evaluation import is_chat, read_chat, write_chat

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "LEAST_WORDS",
    "MOST_CHARS",
    "PLACEHOLDER",
    "instructions_of",
    "sentences_of",
    "tidy",
    "with_sentence",
    "without_sentence",
]

LEAST_WORDS = 3
MOST_CHARS = 200
"""Of a sentence: as long as the title of an idea, which it is."""

PLACEHOLDER = re.compile(r"\{\w+\}")
_SENTENCE = re.compile(r"[^\s].*?(?:[.!?:](?=\s|$)|$)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")


def instructions_of(text: str) -> tuple[str, Callable[[str], str]]:
    """The part of a text that instructs, and what puts another in its place.

    Of a chat that is its system turn, or else its last turn; of any other text the whole.
    """
    if not is_chat(text):
        return text, lambda new: new
    try:
        turns = read_chat(text)
    except UsageError:
        return text, lambda new: new
    place = 0 if turns[0].role == "system" else len(turns) - 1

    def put(new: str) -> str:
        return write_chat([replace(turn, text=new) if at == place else turn for at, turn in enumerate(turns)])

    return turns[place].text, put


def with_sentence(text: str, sentence: str, old: str = "") -> str:
    """The text with a sentence in place of another, or added: before the first placeholder, or at the end."""
    part, put = instructions_of(text)
    return put(_with(part, sentence, old))


def without_sentence(text: str, old: str) -> str:
    """The text without a sentence, and without the line or list item that is empty then."""
    part, put = instructions_of(text)
    return put(_without(part, old))


def sentences_of(text: str) -> list[str]:
    """The sentences that a program may touch: none with a placeholder, no heading, no code, no front matter."""
    return _sentences(instructions_of(text)[0])


def tidy(sentence: str) -> str:
    """One line, without the quotes and bullets that models put around a sentence; empty if it has no end."""
    line = " ".join(sentence.split())
    line = _ITEM.sub("", line, count=1).strip("\"'“”`* ").strip()
    if len(line) < MOST_CHARS - 1:
        return line
    ends = [found.end() for found in re.finditer(r"[.!?](?=\s|$)", line)]
    return line[: ends[-1]] if ends else ""  # it came to its bound: what is left of the last sentence says nothing


def _sentences(text: str) -> list[str]:
    found: list[str] = []
    fenced = False
    lines = text.splitlines()
    start = lines.index("---", 1) + 1 if lines[:1] == ["---"] and "---" in lines[1:] else 0
    for line in lines[start:]:
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and not line.lstrip().startswith("#") and not PLACEHOLDER.search(line):
            body = _ITEM.sub("", line, count=1)
            found += [one.strip() for one in _SENTENCE.findall(body) if len(one.split()) >= LEAST_WORDS]
    return found


def _with(text: str, sentence: str, old: str) -> str:
    if old:
        return text.replace(old, sentence, 1)
    lines = text.splitlines()
    marks = [place for place, line in enumerate(lines) if PLACEHOLDER.search(line)]
    end = marks[0] if marks else len(lines)
    while end > 0 and not lines[end - 1].strip():
        end -= 1
    before = lines[end - 1] if end else ""
    item = _ITEM.match(before)
    bullet = item[0] if item is not None and not item[0].strip()[0].isdigit() else ""
    after = lines[end:] or [""]
    if after[0].strip():
        after = ["", *after]
    return "\n".join([*lines[:end], bullet + sentence, *after]).rstrip("\n") + "\n"


def _without(text: str, old: str) -> str:
    lines = text.splitlines()
    place = next(at for at, line in enumerate(lines) if old in line)
    rest = lines[place].replace(old, "", 1).rstrip()
    kept = [rest] if _ITEM.sub("", rest + " ", count=1).strip() else []
    return "\n".join([*lines[:place], *kept, *lines[place + 1 :]]) + "\n"
