"""What kind of text an output is: it decides which ways of making it worse there are."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Literal

__all__ = ["Kind", "is_diff", "kind_of", "parse_python"]

Kind = Literal["code", "diff", "list", "line", "prose"]
"""``line`` is a single short line without a full stop, such as a title or the subject of a commit."""

_DIFF = re.compile(r"^(?:diff --git |@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@)", re.MULTILINE)
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+\S")
_CODE = re.compile(
    r"[;{}]\s*$|^\s*(?:def|class|import|from|func|fn|return|if|for|while|public|private|const|let|var|struct|#include)\b"
    r".*[(){}:;=<>\"]|^\s*[\w.]+\s*(?:\+|-)?=\s*\S|^\s*[\w.]+\(.*\)\s*;?\s*$"
)
_LONGEST_LINE = 120
_SHARE = 0.5
_LARGEST = 200_000  # characters that are parsed


def is_diff(text: str) -> bool:
    """Whether a text is a unified diff."""
    return _DIFF.search(text) is not None


def parse_python(text: str) -> ast.Module | None:
    """The text as a Python program; None where it is none, or too large to find out."""
    if len(text) > _LARGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a judged program may well hold invalid escapes
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def kind_of(text: str) -> Kind:
    """What a text looks like."""
    if is_diff(text):
        return "diff"
    lines = [line for line in text.splitlines() if line.strip()]
    parsed = parse_python(text)
    # A word or a sentence of words is an expression; so are many lists.
    if parsed is not None and any(not isinstance(node, ast.Expr) for node in parsed.body):
        return "code"
    if sum(_CODE.search(line) is not None for line in lines) > _SHARE * len(lines):
        return "code"
    if len(lines) > 1 and sum(_ITEM.match(line) is not None for line in lines) > _SHARE * len(lines):
        return "list"
    one = len(lines) == 1 and len(lines[0]) <= _LONGEST_LINE
    return "line" if one and not lines[0].rstrip().endswith((".", "!", "?", "。")) else "prose"
