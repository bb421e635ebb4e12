"""A running loop on a terminal: a view that is painted over, or plain lines where nothing can be."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.text import Text

from tenward.cli._bars import bar
from tenward.cli._console import ascii_only, lively, note
from tenward.cli._layout import columns, indented
from tenward.cli._loop_views import duration, ends_line, gain_lines, one_line, phase_words, spent_line, status_style
from tenward.loop import AttemptEvent, LoopEvent, LoopPhase, ProgressEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.console import RenderableType

    from tenward.loop import AttemptState, Event, Journal, LoopState

__all__ = ["Board", "follow", "show_board"]

_SHOWN = 8
_WARNINGS = 3
_PAINTS_A_SECOND = 4
_LOOK_EVERY = 0.5
_ASK_EVERY = 10  # looks; to ask who holds the lock is to touch it
_QUIET = (LoopPhase.STOPPED, LoopPhase.ENDED)


class Board:
    """What is known of a running loop, told event by event; also a rich renderable.

    Args:
        name: The loop.
        plain: Whether each new fact is a line of its own.
    """

    def __init__(self, name: str, *, plain: bool) -> None:
        self.name = name
        self.state: LoopState | None = None
        self._plain = plain
        self._lock = threading.RLock()  # the view is painted by a thread of its own
        self._open: dict[int, AttemptState] = {}
        self._ended: deque[AttemptState] = deque(maxlen=_SHOWN)
        self._progress: dict[int, ProgressEvent] = {}
        self._told: set[str] = set()
        self._began: dict[int, float] = {}

    def tell(self, event: Event) -> None:
        """Take in one event, from whatever thread."""
        with self._lock:
            match event:
                case LoopEvent():
                    self._loop(event.loop)
                case AttemptEvent():
                    self._attempt(event.attempt)
                case ProgressEvent():
                    self._progress[event.number] = event

    def _attempt(self, attempt: AttemptState) -> None:
        number = attempt.number
        if attempt.open:
            if number not in self._began:
                self._began[number] = time.monotonic()
            before = self._open.get(number)
            self._open[number] = attempt
            if self._plain and attempt.idea and not (before is not None and before.idea):
                self._line(f"attempt {number}: {one_line(attempt.idea)}")
            return
        self._open.pop(number, None)
        self._progress.pop(number, None)
        if all(number != ended.number for ended in self._ended):
            self._ended.append(attempt)
            if self._plain:
                self._line(f"attempt {number}: {one_line(attempt.reason)}")

    def _loop(self, state: LoopState) -> None:
        before, self.state = self.state, state
        if before is None or before.phase is not state.phase:
            self._progress.pop(0, None)
            begins = before is None and state.phase in _QUIET  # how an earlier run ended
            if self._plain and state.phase is not LoopPhase.RUNNING and not begins:
                self._line(f"{self.name}: {phase_words(state)}")
        if not self._plain:
            return
        for line in (*state.calibration.get("lines", ()), *state.warnings):
            self._line(str(line), once=True)
        if state.headline and before is not None and before.headline != state.headline:
            for part in ("disagreement", "text"):
                if told := str(state.headline.get(part, "")):
                    self._line(told)

    def _line(self, text: str, *, once: bool = False) -> None:
        if not once or text not in self._told:
            note(text)
        self._told.add(text)

    def __rich__(self) -> RenderableType:
        """The whole view."""
        with self._lock:
            return self._view()

    def _view(self) -> RenderableType:
        state = self.state
        title = Text(self.name, style="bold")
        if state is None:
            title.append("   starting", style="dim")
            return title
        title.append(f"   {phase_words(state)}", style="yellow" if state.phase in _QUIET else "cyan")
        blocks: list[RenderableType] = [title]
        blocks += [indented(line, by=2) for line in gain_lines(state)]
        blocks.append(indented(ends_line(state), by=2))
        blocks += [indented(Text(one_line(line), style="yellow"), by=2) for line in state.warnings[-_WARNINGS:]]
        now = self._now(state)
        if now is not None:
            blocks += [Text(""), indented(now, by=2)]
        if self._ended:
            blocks += [Text(""), indented(self._past(), by=2)]
        blocks += [Text(""), indented(Text(spent_line(state.spent), style="dim"), by=2)]
        return Group(*blocks)

    def _now(self, state: LoopState) -> RenderableType | None:
        """What is going on at this moment."""
        table = columns("", "", "", "")
        own = self._progress.get(0)
        if own is not None and state.phase not in _QUIET and own.done < own.total:
            table.add_row("incumbent", Text(own.doing, style="cyan"), _share(own), "")
        for number, attempt in sorted(self._open.items()):
            progress = self._progress.get(number)
            seconds = time.monotonic() - self._began.get(number, time.monotonic())
            doing = attempt.phase.value if progress is None else f"{attempt.phase.value}, {progress.doing}"
            done: RenderableType = Text(duration(seconds), style="dim") if progress is None else _share(progress)
            idea = "" if attempt.placebo else one_line(attempt.idea, longest=60)
            table.add_row(f"attempt {number}", Text(doing, style="cyan"), done, idea)
        return table if table.row_count else None

    def _past(self) -> RenderableType:
        table = columns("", "", "", "")
        for attempt in reversed(self._ended):
            status = "" if attempt.status is None else attempt.status.value
            words = "placebo" if attempt.placebo else one_line(attempt.idea, longest=40)
            table.add_row(
                str(attempt.number),
                Text(status, style=status_style(status)),
                words,
                Text(one_line(attempt.reason, longest=110), style="dim"),
            )
        return table


def _share(progress: ProgressEvent) -> Text:
    drawn = bar(progress.done / max(1, progress.total), style="cyan")
    drawn.append(f" {progress.done}/{progress.total}")
    return drawn


@contextmanager
def show_board(board: Board) -> Generator[None, None, None]:
    """Paint the board over and over inside the block; where lines cannot be painted over, it speaks for itself."""
    if not lively():
        yield
        return
    from rich.live import Live

    console = Console(stderr=True, markup=False, highlight=False, emoji=False, safe_box=ascii_only())
    with Live(board, console=console, refresh_per_second=_PAINTS_A_SECOND, vertical_overflow="ellipsis"):
        yield


def follow(board: Board, journal: Journal, is_running: Callable[[], bool]) -> None:
    """Read the journal of another process until that has ended; once, where nobody runs the loop.

    Args:
        board: What is told.
        journal: The journal.
        is_running: Whether somebody runs the loop now.
    """
    after = max(0, journal.last_number() - _SHOWN)
    looked = 0
    running = is_running()
    while True:
        state = journal.loop()
        still_open: list[int] = []
        for attempt in journal.attempts(after):
            board.tell(AttemptEvent(attempt=attempt))
            if attempt.open:
                still_open.append(attempt.number)
            elif not still_open:
                after = attempt.number
        if state is not None and state != board.state:
            board.tell(LoopEvent(loop=state))
        if not running:
            return
        time.sleep(_LOOK_EVERY)
        looked += 1
        if state is None or state.phase in _QUIET or looked % _ASK_EVERY == 0:
            running = is_running()
