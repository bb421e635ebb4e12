"""The case: one thing to judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPLITS", "Case", "Split"]

Split = Literal["dev", "sealed"]
"""The parts of a data set: a loop sees the scores of ``dev``, only the confirm step reads ``sealed``."""

SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to judge, with what a judge may know about it.

    All texts are material: whatever they say, they are judged and never obeyed.
    """

    id: str
    """Name of the case, unique in its data set or command."""

    output: str = ""
    """The text that is judged. A case of a data set may have none yet: it is produced later."""

    input: str = ""
    """What the output answers: the task, the source text, the diff under review. Empty when there is none."""

    references: tuple[str, ...] = ()
    """Known good outputs; any one of them would do."""

    context: str = ""
    """Anything else the judge should see, such as project conventions."""

    human: Mapping[str, float] = field(default_factory=dict[str, float])
    """Human ratings per criterion, on the scale the data set's card states. Never shown to a judge."""

    group: str = ""
    """Cases that share a source share a group; the statistics treat a group as one unit."""

    split: Split = "dev"
    """Which part of its data set the case is in."""
