"""A judge without a mind: fills whatever JSON schema it is asked for, the same way each time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from tenward.testing._replies import Json, Logprobs, Text
from tenward.testing._schemas import SchemaFiller, dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenward.testing._schemas import Path
    from tenward.testing._wire import Answer, Request

__all__ = ["AutoJudge"]

_FENCED = re.compile(r"<([\w-]+ [0-9a-f]+)>(.*?)</\1>", re.DOTALL)
_QUOTES = frozenset({"evidence", "quote", "quotes"})


@dataclass(frozen=True, kw_only=True)
class AutoJudge:
    """A reply that satisfies the request's JSON schema, so that whole runs need no model.

    All content follows from the model name, the seed and the messages, without the random tokens of their
    fences: equal requests get equal answers. Strings are sentences of at least eight words. Properties named
    ``evidence``, ``quote`` or ``quotes`` hold words of the last ``<NAME TOKEN>`` block, the candidate's, of the user
    messages, to the letter. Of alternatives the first that is not null is taken; string enumerations give
    their first value, in a list the first to the first item, the second to the second. ``pattern`` and
    ``format`` are not followed.

    A request with ``logprobs: true`` for one token gets a distribution over the digits 1–5, or one over Yes and No of
    the same mean where it ends with ``Answer Yes or No.``; one that names no schema gets a sentence.
    """

    integers: Callable[[Request, str], int] | None = None
    """From the request and the dotted path of a property, such as ``clarity.score``, to its integer, which is
    sent even when the schema forbids it. The path is empty for the likeliest digit of a distribution, which
    is sent only if it is in 1–5. None draws the integers."""

    fixed: Mapping[str, object] = field(default_factory=dict[str, object])
    """Values by property name, such as ``{"status": "scored"}``, in place of what would be made up."""

    def answer(self, request: Request) -> Answer:
        """The filled schema, the distribution, or the sentence."""
        author = _Author(self, request)
        if request.body.get("logprobs") and request.one_token:
            top = author.integer((), 1, 5, ())
            weights = {n: 1 + author.draw((n,), 256) + 1024 * (n == top) for n in range(1, 6)}
            total = sum(weights.values())
            if request.text(role="user").endswith("Answer Yes or No."):
                yes = sum((n - 1) * weight for n, weight in weights.items()) / (4 * total)
                return Logprobs({"Yes": yes, "No": 1 - yes}).answer(request)
            return Logprobs({str(n): weight / total for n, weight in weights.items()}).answer(request)
        if request.schema is None:
            return Text(author.string(("answer",), 0)).answer(request)
        return Json(SchemaFiller(root=request.schema, author=author).fill(request.schema)).answer(request)


@dataclass(frozen=True)
class _Author:
    judge: AutoJudge
    request: Request

    @property
    def fixed(self) -> Mapping[str, object]:
        return self.judge.fixed

    @cached_property
    def seed(self) -> str:
        text = self.request.text()
        for mark, _ in _FENCED.findall(text):
            text = text.replace(mark.split(" ")[1], "")
        return f"{self.request.body.get('model')}\n{self.request.body.get('seed')}\n{text}"

    @cached_property
    def candidate(self) -> str:
        text = self.request.text(role="user")
        found = _FENCED.findall(text)
        return found[-1][1].rpartition(f"<{found[-1][0]}>")[2] if found else text

    def draw(self, path: Path, below: int) -> int:
        digest = sha256(f"{dotted(path)}\n{self.seed}".encode(errors="replace")).digest()
        return int.from_bytes(digest[:8]) % below

    def integer(self, path: Path, low: int, high: int, options: Sequence[int]) -> int:
        if self.judge.integers is not None:
            return self.judge.integers(self.request, dotted(path))
        choices = options or range(low, max(low, high) + 1)
        return choices[self.draw(path, len(choices))]

    def string(self, path: Path, least: int) -> str:
        name = ([""] + [part for part in path if isinstance(part, str)])[-1]
        manner = ("briefly", "twice", "slowly", "closely")[self.draw(path, 4)]
        sentence = f"The {name.replace('_', ' ')} was read {manner} and noted here as found."
        text = sentence
        if name in _QUOTES:
            quote = self.quote(path)
            text = quote if len(quote) >= least else self.candidate.strip()
        while len(text) < least:
            text = f"{text} {sentence}".strip()
        return text

    def quote(self, path: Path) -> str:
        lines = [line for line in self.candidate.splitlines() if line.strip()] or [""]
        line = lines[self.draw(path, len(lines))]
        words = [word.span() for word in re.finditer(r"\S+", line)] or [(0, 0)]
        first = self.draw((*path, "word"), max(1, len(words) - 7))
        return line[words[first][0] : words[first : first + 8][-1][1]]
