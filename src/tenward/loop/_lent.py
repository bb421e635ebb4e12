"""Cases that lend their answer to a prompt as a worked example: they can no longer test it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tenward.errors import UsageError
from tenward.evaluation import is_chat, read_chat
from tenward.judges import inert

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenward.datasets import Case

__all__ = ["lent_cases"]


def lent_cases(texts: Iterable[str], cases: Iterable[Case]) -> frozenset[str]:
    """The cases whose input stands in a turn of a chat that is answered there, by id.

    Args:
        texts: Prompt files; what is no chat lends nothing.
        cases: Those that may be lent.
    """
    asked: list[str] = []
    for text in texts:
        if not is_chat(text):
            continue
        try:
            turns = read_chat(text)
        except UsageError:
            continue
        asked += [_plain(one.text) for one, other in pairwise(turns) if other.role == "assistant"]
    if not asked:
        return frozenset()
    inputs = {case.id: _plain(inert(case.input)) for case in cases}
    return frozenset(name for name, given in inputs.items() if given and any(given in one for one in asked))


def _plain(text: str) -> str:
    return " ".join(text.split())
