"""Placebos: attempts that are no improvement by construction, to measure how often such a thing would be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.loop._objects import ObjectWriter
from tenward.loop._trees import Entry

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tenward.loop._paths import PathPatterns
    from tenward.loop._record import LoopRecord

__all__ = ["UNCHANGED", "damaged_text", "damaged_tree", "draw_placebo"]

UNCHANGED = "unchanged"


def draw_placebo(number: int, share: float, dice: Callable[..., random.Random]) -> str:
    """Decide whether an attempt is a placebo: empty, ``unchanged`` or ``damaged``.

    One comes in every ``1 / share`` attempts, at a place that nobody can foresee, and every other one is damaged.

    Args:
        number: The attempt, from 1.
        share: Share of placebos, 0 to 0.5.
        dice: Random numbers by what they are for.
    """
    if share <= 0:
        return ""
    reached = int(number * share)
    for nth in (reached - 1, reached):
        if nth >= 0 and int((nth + dice("placebo", nth).random()) / share) + 1 == number:
            first = int(dice("first placebo").random() < 0.5)
            return UNCHANGED if nth % 2 == first else "damaged"
    return ""


def damaged_text(text: str, dice: random.Random) -> tuple[str, str]:
    """Do harm to a text; return it with what was done. It comes back unchanged if there is too little of it."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    ways = ["half dropped", "words shuffled"]
    if len(lines) > 3:
        ways.append("lines shuffled")
    way = dice.choice(ways)
    if way == "lines shuffled":
        dice.shuffle(lines)
        return "".join(lines), way
    words = text.split()
    if len(words) < 2:
        return text, "nothing done"
    if way == "half dropped":
        return text[: len(text) // 2], way
    dice.shuffle(words)
    return " ".join(words) + "\n", way


def damaged_tree(record: LoopRecord, parent: str, editable: PathPatterns, dice: random.Random) -> tuple[str, str]:
    """Do harm to every editable text of a commit; return the tree and what was done.

    Where there is nothing that can be harmed, the tree is the parent's own and the placebo is unchanged.

    Args:
        record: The loop.
        parent: The commit.
        editable: The paths that may change.
        dice: Random numbers of this attempt.
    """
    files = record.trees.listing(parent).files
    paths = [path for path, entry in sorted(files.items()) if editable.match(path) and entry.mode.startswith("100")]
    writer = ObjectWriter(record.git)
    changes: dict[str, Entry | None] = {}
    done = UNCHANGED
    for path, body in zip(paths, record.git.bodies([files[path].name for path in paths]), strict=True):
        text = body.decode("utf-8", "surrogateescape")
        harmed, way = damaged_text(text, dice)
        if harmed != text:
            content = harmed.encode("utf-8", "surrogateescape")
            changes[path] = Entry(files[path].mode, writer.add("blob", content))
            done = way
    tree = record.trees.change(parent, changes, writer)
    writer.store()
    return tree, done
