"""More than one parent: versions that were not kept and are still worth going on from.

The incumbent stays one, and only the rule makes it. A pool gives some attempts another beginning, and some are what two
versions changed, put together by git. Versions are drawn by the cases on which no other is better, as GEPA draws from
its Pareto front (Agrawal et al., 2025, arXiv:2507.19457); near-misses are drawn whether they lead anywhere or not.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.loop._ideas import Idea, PastIdea
from tenward.loop._ledger import Status
from tenward.loop._rebase import rebase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenward.loop._ideas import IdeaBook
    from tenward.loop._record import LoopRecord

__all__ = ["Start", "draw_start", "pool_members"]

_SHARE = 0.5
"""Of the attempts, those that start from the pool, as long as it has a member."""

_ALIKE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where an attempt begins."""

    tree: str
    """Files in git."""

    of: tuple[PastIdea, ...]
    """The attempts that they are of; two where their changes were put together."""

    @property
    def idea(self) -> Idea | None:
        """What is tried, where nobody need be asked; None where a proposer goes on from here."""
        if len(self.of) < 2:
            return None
        title = "Both: " + " ".join(past.idea.title for past in self.of)
        numbers = tuple(past.number for past in self.of)
        return Idea(title=title, rationale="Each nearly helped.", combines=numbers, arm="merge")

    @property
    def words(self) -> str:
        """What a proposer is told of it."""
        past = self.of[0]
        return (
            f"The files are not the best so far: they are those of attempt {past.number}, '{past.idea.title}', which "
            "was not kept and is still promising. Go on from there."
        )


def pool_members(
    past: Iterable[PastIdea], size: int, *, incumbent: str, noise: float = 0.0
) -> list[tuple[PastIdea, int]]:
    """The versions worth going on from, with the weight of each, the heaviest first.

    A version that was judged beside the present incumbent weighs as many as there are cases on which it was better than
    that and no other version was better still, and one more if it is a near-miss. Of those judged beside an earlier
    one, whose differences say nothing here, near-misses weigh 1.

    Args:
        past: Attempts that have ended.
        size: Most members.
        incumbent: The present one, a commit.
        noise: Standard deviation of one pass of the judge; a lead of less than two of them is none.
    """
    judged = [one for one in past if one.tree and one.status in {Status.DISCARD, Status.UNDECIDED}]
    best: dict[str, float] = {}
    for one in judged:
        for unit, difference in one.by_unit.items() if one.incumbent == incumbent else ():
            best[unit] = max(best.get(unit, 0.0), difference)
    weights: list[tuple[PastIdea, int]] = []
    for one in judged:
        here: Mapping[str, float] = one.by_unit if one.incumbent == incumbent else {}
        leads = sum(
            difference > max(_ALIKE, 2 * noise) and difference >= best[unit] - _ALIKE
            for unit, difference in here.items()
        )
        if weight := leads + one.near_miss:
            weights.append((one, weight))
    weights.sort(key=lambda item: (-item[1], -item[0].number))
    return weights[:size]


def draw_start(
    record: LoopRecord, book: IdeaBook, *, size: int, incumbent: str, noise: float, chance: float, merge: bool
) -> Start | None:
    """Where an attempt begins, if not at the incumbent.

    Args:
        record: The loop's.
        book: What was tried.
        size: Most members of the pool; 0 for none.
        incumbent: The present one, a commit.
        noise: As for :func:`pool_members`.
        chance: Drawn for the attempt, 0 to 1.
        merge: Whether it is time to put two near-misses together.
    """
    if size == 0:
        return None
    dice = random.Random(chance)  # noqa: S311 - a draw, not a secret
    for pair in book.combinable(1) if merge else ():
        first = _on(record, pair[0], incumbent)
        both = None if first is None else rebase(record, base=pair[1].incumbent, tree=pair[1].tree, onto=first)
        if both is not None and both not in {first, pair[1].tree}:
            return Start(tree=both, of=pair)
    members = pool_members(book.since(0), size, incumbent=incumbent, noise=noise)
    if not members or dice.random() >= _SHARE:
        return None
    (member,) = dice.choices([one for one, _ in members], [weight for _, weight in members])
    tree = _on(record, member, incumbent)
    return None if tree is None else Start(tree=tree, of=(member,))


def _on(record: LoopRecord, past: PastIdea, incumbent: str) -> str | None:
    """The change of an attempt on the present incumbent; None if they do not go together."""
    if past.incumbent == incumbent:
        return past.tree
    return rebase(record, base=past.incumbent, tree=past.tree, onto=incumbent)
