"""Null candidates: texts that answer nothing, and must never read as high as a true output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.sight._kinds import kind_of
from tenward.sight._worse import changed

if TYPE_CHECKING:
    import random

__all__ = ["NULLS", "make_nulls"]

NULLS = ("lgtm", "praise", "nothing", "task words", "unrelated diff")
"""Names of the null candidates; the right answer to another task is a rung of the ladder already."""

_PRAISE = (
    "Excellent work! This is clear, correct and complete.",
    "Great job, this is exactly what was needed and of the highest quality.",
    "Perfect. Precise, specific, well written and very useful.",
)
_UNRELATED = """\
--- a/docs/contact.md
+++ b/docs/contact.md
@@ -4,3 +4,3 @@
 ## Office hours

-Monday to Thursday, 9 to 16
+Monday to Friday, 9 to 15
"""
_LONGEST_TASK = 1_200


def make_nulls(text: str, task: str, rng: random.Random) -> dict[str, str]:
    """Null candidates for a case, by name; white space alone is never judged, so ``n/a`` stands for nothing.

    Args:
        text: Its output.
        task: Its input.
        rng: Which of several phrases.
    """
    made = {"lgtm": "LGTM", "praise": rng.choice(_PRAISE), "nothing": "n/a", "task words": task[:_LONGEST_TASK].strip()}
    if kind_of(text) in {"code", "diff"}:
        made["unrelated diff"] = _UNRELATED
    return {name: null for name, null in made.items() if changed(null, text)}
