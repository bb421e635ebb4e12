"""Ways to break a program without its looking broken: a line dropped, or an operator turned.

A Python program still parses afterwards. Of other languages, and of diffs, only lines that look like code are touched,
and only where the brackets stay balanced; nothing else is known of them.
"""

from __future__ import annotations

import io
import re
import tokenize
from typing import TYPE_CHECKING

from tenward.sight._kinds import is_diff, parse_python
from tenward.sight._worse import changed

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

__all__ = ["drop_line", "turn_operator"]

_TURNED = {
    "<": ">=",
    ">": "<=",
    "<=": ">",
    ">=": "<",
    "==": "!=",
    "!=": "==",
    "+": "-",
    "-": "+",
    "and": "or",
    "or": "and",
    "True": "False",
    "False": "True",
}
_ELSEWHERE = {**_TURNED, "===": "!==", "!==": "===", "&&": "||", "||": "&&", "true": "false", "false": "true"}
_OPERATOR = re.compile(
    r"(?<=[\w)\]}\"'] )(?:[=!]==?|[<>]=?|\+|-|&&|\|\||and|or)(?= [\w(\[{\"'!$@-])|\b(?:[Tt]rue|[Ff]alse)\b"
)
_COMMENT = re.compile(r"\s*(?:#(?!include)|//|/?\*|--|<!--|\"\"\"|''')")
_PLAIN_TEXT = re.compile(r"\s*[A-Za-z][a-z']*(?: [A-Za-z']+){3,}[.,:]?\s*$")
_HUNK = re.compile(r"(@@ -\d+(?:,\d+)? \+\d+),(\d+)( @@.*)", re.DOTALL)
_MOST_TRIES = 40


def drop_line(text: str, rng: random.Random) -> str | None:
    """A program or diff without one of its lines; None where none can go.

    Args:
        text: The program or diff.
        rng: Which line.
    """
    lines = text.splitlines(keepends=True)
    python = not is_diff(text) and parse_python(text) is not None
    places = [at for at, line in _code_lines(text) if _is_whole(line)]
    rng.shuffle(places)
    for at in places[:_MOST_TRIES]:
        made = changed("".join(_without(lines, at)), text)
        if made is not None and (not python or _still_does_something(made)):
            return made
    return None


def turn_operator(text: str, rng: random.Random) -> str | None:
    """A program or diff with one operator turned: ``<`` to ``>=``, ``and`` to ``or``; None where it has none.

    Args:
        text: The program or diff.
        rng: Which operator.
    """
    python = not is_diff(text) and parse_python(text) is not None
    places = list(_python_operators(text) if python else _operators(text))
    rng.shuffle(places)
    for start, end, turned in places[:_MOST_TRIES]:
        made = text[:start] + turned + text[end:]
        if not python or parse_python(made) is not None:
            return made
    return None


def _code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that look like code; of a diff those it adds, or else removes, without their mark."""
    lines = text.splitlines()
    if is_diff(text):
        for mark in "+-":
            found = [(at, line[1:]) for at, line in enumerate(lines) if line[:1] == mark and line[:3] != 3 * mark]
            found = [(at, line) for at, line in found if _looks_like_code(line)]
            if found:
                yield from found
                return
        return
    yield from ((at, line) for at, line in enumerate(lines) if _looks_like_code(line))


def _looks_like_code(line: str) -> bool:
    return bool(line.strip()) and not _COMMENT.match(line) and not _PLAIN_TEXT.match(line)


def _is_whole(line: str) -> bool:
    """Whether a line stands for itself: it opens nothing that another one closes."""
    return bool(re.search(r"\w", line)) and all(line.count(a) == line.count(b) for a, b in ("()", "[]", "{}"))


def _without(lines: list[str], at: int) -> list[str]:
    """The lines but for one; the head of its hunk counts one less."""
    kept = list(lines)
    if lines[at].startswith("+"):
        head = next((before for before in range(at - 1, -1, -1) if _HUNK.match(kept[before])), None)
        if head is not None and (found := _HUNK.match(kept[head])):
            kept[head] = f"{found[1]},{int(found[2]) - 1}{found[3]}"
    return kept[:at] + kept[at + 1 :]


def _still_does_something(text: str) -> bool:
    parsed = parse_python(text)
    return parsed is not None and bool(parsed.body)


def _python_operators(text: str) -> Iterator[tuple[int, int, str]]:
    """Where the operators of a Python program stand, and what each is turned to."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    before: tokenize.TokenInfo | None = None
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            is_sign = token.string in {"+", "-"} and not _ends_a_value(before)
            if token.type in {tokenize.OP, tokenize.NAME} and token.string in _TURNED and not is_sign:
                line_start = starts[token.start[0] - 1]
                yield line_start + token.start[1], line_start + token.end[1], _TURNED[token.string]
            before = token
    except (tokenize.TokenError, IndentationError, IndexError):
        return


def _ends_a_value(token: tokenize.TokenInfo | None) -> bool:
    if token is None:
        return False
    keyword = token.string in {"return", "in", "not", "and", "or", "is", "if", "else", "lambda", "yield", "print"}
    value = token.type in {tokenize.NAME, tokenize.NUMBER, tokenize.STRING} and not keyword
    return value or token.string in {")", "]", "}"}


def _operators(text: str) -> Iterator[tuple[int, int, str]]:
    """The same for any other language, by what stands between blanks on lines that look like code."""
    wanted = dict(_code_lines(text))
    marked = is_diff(text)
    start = 0
    for at, line in enumerate(text.splitlines(keepends=True)):
        if at in wanted:
            for found in _OPERATOR.finditer(line, 1 if marked else 0):
                if found.group() in _ELSEWHERE:
                    yield start + found.start(), start + found.end(), _ELSEWHERE[found.group()]
        start += len(line)
