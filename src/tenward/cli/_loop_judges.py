"""Whether the judge of the sealed cases can find out what the judge of the dev cases is fooled by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenward.judges import JudgeSpec, load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenward.cli._loop_open import OpenedLoop

__all__ = ["shared_weakness"]


def shared_weakness(loop: OpenedLoop) -> str:
    """That both judges share their weaknesses, in a line; empty where they are of different families.

    A family is a provider and the letters that a model's name begins with: ``openai`` and ``gpt``.

    Raises:
        TenwardError: The file of a judge is missing or faulty.
    """
    spec = loop.spec
    if spec is None or not spec.has_cases:
        return ""
    judge = spec.score.judge or "local"
    confirming = (spec.confirm.judge if spec.confirm is not None else None) or judge
    if confirming == judge:
        found = f"one judge, {judge}, scores dev and sealed cases"
    else:
        shared = sorted(set(_families(loop, judge)) & set(_families(loop, confirming)))
        if not shared:
            return ""
        found = f"the judges of dev and sealed cases, {judge} and {confirming}, are of one family, {shared[0]}"
    return f"{found}: what fools it there fools it here, and tenward loop audit {loop.asked} is the only defence"


def _families(loop: OpenedLoop, name: str) -> Iterator[str]:
    """Provider and beginning of the name of each model behind a judge."""
    spec = load_spec(loop.library.find("judges", loop.named(name)))
    if isinstance(spec, JudgeSpec):
        start = re.match(r"[a-z]*", spec.model_name.rpartition("/")[2].lower())
        yield f"{spec.provider}/{start[0] if start is not None else ''}"
        return
    for member in spec.panel:
        yield from _families(loop, member)
