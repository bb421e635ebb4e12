"""A portfolio: several kinds of change, of which a program draws the next by what each has brought.

Left alone, a small model proposes one idea in other words. Here the program brings the ideas (the rules that are
broken, the user's documents, worked examples, a playbook) and asks the model for a sentence where that pays.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tenward.loop._arms import arm_order
from tenward.loop._edits import Edit, apply_edits
from tenward.loop.proposers._examples import ExamplesArm
from tenward.loop.proposers._proposal import NothingLeftError, Proposal
from tenward.loop.proposers._search import SearchProposer
from tenward.loop.proposers._sentence import joined
from tenward.loop.proposers._text_arms import DropArm, PlaybookArm, RulesArm, SourcesArm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tenward.loop._brief import Brief
    from tenward.loop._ideas import Idea
    from tenward.loop._search_spec import Parameter
    from tenward.loop._snapshot import Limits
    from tenward.loop.proposers._proposal import Proposer
    from tenward.loop.proposers._text_arms import Change, TextArm

__all__ = ["Portfolio"]

_TEXT_ARMS: Mapping[str, TextArm] = {
    "rules": RulesArm(),
    "examples": ExamplesArm(),
    "sources": SourcesArm(),
    "playbook": PlaybookArm(),
    "drop": DropArm(),
}
_BRIEF_CHARS = 12_000


class Portfolio:
    """Asks one arm after another until one has a change that was not tried.

    Args:
        arms: Which, in the order in which each is tried once.
        others: Proposers that are arms, by name.
        refuse: Says why an idea is refused before it costs, such as a repeat, or None to take it.
        limits: How large files may become.
    """

    def __init__(
        self,
        arms: Sequence[str],
        others: Mapping[str, Proposer],
        *,
        refuse: Callable[[Idea], str | None] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.arms = tuple(arms)
        self._others = others
        self._refuse = refuse or _take
        self._limits = limits

    @property
    def brief_chars(self) -> int:
        """What the proposer among the arms reads well that reads it; a search does not."""
        return max((other.brief_chars for other in self._others.values()), default=_BRIEF_CHARS)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The settings that are searched; none where no arm searches."""
        search = self._others.get("search")
        return search.parameters if isinstance(search, SearchProposer) else ()

    async def propose(self, brief: Brief, workdir: Path) -> Proposal:
        """Propose one change; see :meth:`Proposer.propose`.

        Raises:
            NothingLeftError: No arm has anything left.
            TenwardError: Of a proposer among the arms, but for one that has nothing left.
        """
        began = time.monotonic()
        path = brief.editable[0]
        text = brief.files.get(path, "")
        both = joined(brief, text) if any(arm in _TEXT_ARMS for arm in self.arms) else None
        if both is not None and self._refuse(both.idea) is None:
            return self._edited(both, path, brief, began)
        last: Proposal | None = None
        done = ""
        for arm in arm_order(self.arms, brief.arms, brief.chance):
            other = self._others.get(arm)
            if other is None:
                change = _TEXT_ARMS[arm].change(brief, text, self._refuse)
                if change is not None:
                    return self._edited(change, path, brief, began)
                continue
            try:
                proposal = await other.propose(brief, workdir)
            except NothingLeftError as error:  # others may have something
                done = f"; {error.message}"
                continue
            idea = None if proposal.idea is None else replace(proposal.idea, arm=arm)
            proposal = replace(proposal, idea=idea)
            if proposal.ending != "invalid" or proposal.in_place:
                return proposal
            last = proposal
        if last is not None:
            return last
        raise NothingLeftError(
            f"none of the arms has anything left to try: {', '.join(self.arms)}{done}",
            hint="what was kept stands; add arms, sources to ideas, or a model to propose",
        )

    def _edited(self, change: Change, path: str, brief: Brief, began: float) -> Proposal:
        edit = Edit(path=path, find=None, replace=change.text)
        applied = apply_edits(brief.files, [edit], brief.editable, but_not=brief.but_not, limits=self._limits)
        return Proposal(
            ending="invalid" if applied.faults else "edited",
            idea=change.idea,
            files={} if applied.faults else dict(applied.files),
            faults=applied.faults,
            seconds=time.monotonic() - began,
        )


def _take(_idea: Idea) -> str | None:
    """Refuse nothing."""
    return None
