"""What all parts of a running loop share: its state, its journal, its purse, and who listens."""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenward.loop._laid import LaidTrees
from tenward.loop._paths import PathPatterns
from tenward.loop._states import AttemptEvent, LoopEvent, LoopPhase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenward.loop._budget import Purse
    from tenward.loop._commands import Commands
    from tenward.loop._definition import LoopSpec
    from tenward.loop._journal import CaseScore, Journal
    from tenward.loop._record import LoopRecord
    from tenward.loop._seal import Sealed
    from tenward.loop._slots import Slots
    from tenward.loop._states import AttemptState, Event, LoopState

__all__ = ["BrokenEvaluatorError", "Control", "dice"]


_AFTER_DRIFTS = 4_500_000_000


class BrokenEvaluatorError(Exception):
    """The evaluator fails on the incumbent as well, so what it says of a candidate means nothing."""

    def __init__(self, what: str, tail: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.tail = tail


def dice(seed: int, *names: object) -> random.Random:
    """Random numbers that depend on nothing but the seed and what they are for."""
    told = "|".join(map(str, (seed, *names)))
    return random.Random(int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "big"))  # noqa: S311 - not a secret


class Control:
    """The state of a running loop. Whatever changes it goes to the journal first and to the listener then.

    Args:
        spec: The loop.
        record: Its record in git.
        journal: Its journal.
        slots: Its slots.
        sealed: Its evaluator.
        commands: Runs its commands.
        purse: Counts what is spent.
        state: How it stands.
        concurrency: Most cases at the same time.
        on_event: Told of every change.
    """

    def __init__(
        self,
        *,
        spec: LoopSpec,
        record: LoopRecord,
        journal: Journal,
        slots: Slots,
        sealed: Sealed,
        commands: Commands,
        purse: Purse,
        state: LoopState,
        concurrency: int = 8,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.spec = spec
        self.record = record
        self.journal = journal
        self.slots = slots
        self.sealed = sealed
        self.commands = commands
        self.purse = purse
        self.state = state
        self.concurrency = concurrency
        self.incumbent_turn = asyncio.Lock()
        self.opening_turn = asyncio.Lock()
        self.recording_turn = asyncio.Lock()
        self._on_event = on_event
        self._trees: dict[str, str] = {}
        self._laid = LaidTrees(record, state.baseline, self.editable, sealed.hidden)

    @property
    def editable(self) -> PathPatterns:
        """What may change: what ``edit`` matches, but for the files that commands name."""
        return PathPatterns(self.spec.edit, but=self.sealed.programs)

    @property
    def fixed(self) -> tuple[str, ...]:
        """What ``edit`` matches and may not change all the same: files that commands name."""
        patterns = PathPatterns(self.spec.edit)
        return tuple(path for path in self.sealed.programs if patterns.match(path))

    @property
    def exact(self) -> bool:
        """Whether judging twice gave the very same scores, so that what is in the cache need not be asked again."""
        found = self.state.calibration
        return bool(found) and found.get("icc") is not None and found["judge_sd"] == 0

    @property
    def exact_pass(self) -> int:
        """The number of every pass of an exact judge: another one after it has moved, so that nothing is read back."""
        drifts = self.state.sentinels.drifts
        return _AFTER_DRIFTS + drifts if drifts else 0

    def tree_of(self, commit: str) -> str:
        """The tree of a commit."""
        if commit not in self._trees:
            self._trees[commit] = self.record.git.must("rev-parse", f"{commit}^{{tree}}").line
        return self._trees[commit]

    def laid(self, tree: str) -> str:
        """The tree that a slot is set to where the files of another are measured: see :class:`LaidTrees`."""
        return self._laid.of(tree)

    @property
    def wants_words(self) -> bool:
        """Whether the brief tells what the judge said of the incumbent."""
        return self.spec.feedback != "score"

    def emit(self, event: Event) -> None:
        """Tell the listener."""
        if self._on_event is not None:
            self._on_event(event)

    def dice(self, *names: object) -> random.Random:
        """Random numbers of this loop for one purpose."""
        return dice(self.state.seed, *names)

    def update(self, *, arrow: bool = False, forget: Iterable[str] = (), **changes: Any) -> None:
        """Write new facts of the loop down; with ``arrow``, before it takes the step its phase names."""
        self.state = replace(self.state, spent=self.purse.spent, **changes)
        self.journal.write(loop=self.state, arrow=arrow, forget=forget)
        self.emit(LoopEvent(loop=self.state))

    def go(self, attempt: AttemptState, *, forget: Iterable[str] = (), **changes: Any) -> AttemptState:
        """Write down that an attempt is about to take the step its phase names, with facts of the loop."""
        self.state = replace(self.state, spent=self.purse.spent, **changes)
        self.journal.write(loop=self.state, attempt=attempt, arrow=True, forget=forget)
        self.emit(AttemptEvent(attempt=attempt))
        if changes or not attempt.open:
            self.emit(LoopEvent(loop=self.state))
        return attempt

    def adopt(self, tip: str, warning: str = "", *, forget: Iterable[str] = (), **changes: Any) -> None:
        """Take a commit for the incumbent; it is judged afresh before the next attempt is opened."""
        warnings = (*self.state.warnings, warning) if warning else self.state.warnings
        self.update(
            arrow=True,
            phase=LoopPhase.REJUDGING,
            incumbent=tip,
            epoch=self.state.epoch + 1,
            incumbent_score=None,
            effects={},
            warnings=warnings,
            forget=forget,
            **changes,
        )

    def scored(self, subject: str, score: CaseScore) -> None:
        """Write a score down."""
        self.state = replace(self.state, spent=self.purse.spent)
        self.journal.write(loop=self.state, scores=(subject, [score]))
