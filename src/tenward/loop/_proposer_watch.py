"""Watching a proposer: a loop stops where nothing of use comes from it, which would only use up the rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.errors import LoopError
from tenward.loop._ledger import Status

if TYPE_CHECKING:
    from tenward.loop._states import AttemptState

__all__ = ["ProposerWatch"]

_MOST_CRASHES = 5
_MOST_BARREN = 10


class ProposerWatch:
    """Counts what came of nothing, in a row."""

    def __init__(self) -> None:
        self._crashes = self._barren = 0

    def see(self, ended: AttemptState) -> None:
        """Take an attempt that has ended into account.

        Raises:
            LoopError: The proposer crashed, or proposed nothing that can be tried, too often in a row.
        """
        if ended.placebo:
            return
        nothing = not (ended.stages or ended.looks)
        crashed = nothing and ended.status is Status.CRASHED and not ended.changes
        self._crashes = self._crashes + 1 if crashed else 0
        self._barren = self._barren + 1 if nothing and ended.status is Status.INVALID else 0
        if self._barren >= _MOST_BARREN:
            raise LoopError(
                f"nothing that can be tried was proposed {self._barren} times in a row, at last: {ended.reason}",
                hint="tenward loop show tells more of an attempt; run the loop again to go on all the same",
            )
        if self._crashes >= _MOST_CRASHES:
            raise LoopError(
                f"the proposer crashed {self._crashes} times in a row, at last with: {ended.reason}",
                hint="mend it, then run the loop again: it goes on where it stopped",
            )
