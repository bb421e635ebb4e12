"""The engine: an external program that owns the loop. Models and commands only fill in the blanks."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenward.errors import LoopError, TenwardError
from tenward.judges import all_of
from tenward.loop._attempts import Attempts
from tenward.loop._audit import Audit
from tenward.loop._audit_pairs import audit_matter, audit_pairs
from tenward.loop._bench import NumberBench, RubricBench
from tenward.loop._budget import OutOfBudgetError, Purse, RoundsDoneError
from tenward.loop._commands import Commands
from tenward.loop._committed import start_definition
from tenward.loop._control import BrokenEvaluatorError, Control
from tenward.loop._evaluator import evaluator_files
from tenward.loop._headline import measure_headline
from tenward.loop._journal import Journal
from tenward.loop._making import producer_factory
from tenward.loop._openings import check_fingerprint, open_loop, prepare, rejudge
from tenward.loop._placebo import draw_placebo
from tenward.loop._programs import missing_programs
from tenward.loop._proposer_watch import ProposerWatch
from tenward.loop._proposing import Proposing
from tenward.loop._scores import Incumbent
from tenward.loop._seal import require_sealed, seal
from tenward.loop._sentinels import check_sentinels
from tenward.loop._slots import Slots
from tenward.loop._sources import read_sources
from tenward.loop._states import AttemptState, LoopPhase, Phase
from tenward.loop.proposers import make_proposer
from tenward.metrics import MetricPool
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from tenward.evaluation import Producer, Store
    from tenward.judges import Judge
    from tenward.loop._bench import Bench
    from tenward.loop._definition import LoopSpec
    from tenward.loop._record import LoopRecord
    from tenward.loop._seal import Sealed
    from tenward.loop._slots import Slot
    from tenward.loop._states import Event, LoopState
    from tenward.loop.proposers import Proposer

__all__ = ["Engine", "journal_path"]

_STOP = "stop"


def journal_path(record: LoopRecord) -> Path:
    """Where the journal of a loop lies; a view can open it while the loop runs."""
    return record.folder / "journal.sqlite"


class Engine:
    """Runs a loop: attempts at a better artefact, one after another or side by side, kept or discarded.

    It can be killed at any instant. Run again, it goes on where it was, pays for nothing twice and comes to the same
    end: every step is in the journal before it is taken, and every random choice follows from the loop's seed.

    Args:
        spec: The loop.
        record: Its record in git.
        store: Answers that were paid for; None to keep none.
        top: Top of the user's working tree.
        proposer: Who proposes; as the loop's file says if None.
        judge: Who judges dev and sealed cases; as the loop's file says if None.
        producer: Makes the producer of what lies in a slot; as the loop's file says if None.
        anyway: Whether to start although the rule could see nothing; otherwise that is an error.
        unsealed: Whether to run candidates that are programs where this machine contains no command; otherwise that is
            an error.
        library: Where names are looked up; discovered from ``top`` if None.
        concurrency: Most cases, and most calls, at the same time.
        clock: Seconds that only grow.
        on_event: Told of everything that happens, as it happens.
        on_arrow: Told the number of each step once it is in the journal, before it is taken.
    """

    def __init__(
        self,
        spec: LoopSpec,
        record: LoopRecord,
        store: Store | None,
        *,
        top: Path,
        proposer: Proposer | None = None,
        judge: Judge | None = None,
        producer: Callable[[Slot], Producer] | None = None,
        anyway: bool = False,
        unsealed: bool = False,
        library: Library | None = None,
        concurrency: int = 8,
        clock: Callable[[], float] = time.monotonic,
        on_event: Callable[[Event], None] | None = None,
        on_arrow: Callable[[int], None] | None = None,
    ) -> None:
        self.spec = spec
        self.record = record
        self._store = store
        self._top = top
        self._proposer = proposer
        self._judge = judge
        self._producer = producer
        self._anyway = anyway
        self._unsealed = unsealed or spec.unsealed
        self._library = library or Library.discover(top)
        self._concurrency = concurrency
        self._clock = clock
        self._on_event = on_event
        self._on_arrow = on_arrow
        self._asked_to_stop = False
        self._watch = ProposerWatch()
        self._end = ""
        self._phase = LoopPhase.ENDED
        self._left: int | None = None

    def stop(self) -> None:
        """Open no further attempt; those under way come to their end."""
        self._asked_to_stop = True

    async def run(self, rounds: int | None = None) -> LoopState:
        """Run until the budget is spent, or for some attempts more.

        Args:
            rounds: How many attempts to open at most; None for as many as the budget allows. With 0, what was cut
                short comes to its end, and the headline is measured.

        Returns:
            How the loop stands then.

        Raises:
            LoopError: It cannot start, its evaluator is broken, or its proposer does nothing but crash.
            SystemicError: The machine or a service failed; the loop can go on later.
        """
        require_sealed(self.spec, anyway=self._unsealed)
        self._left = rounds
        self._asked_to_stop = False
        self._watch = ProposerWatch()
        with self.record.locked(), Journal(journal_path(self.record), on_arrow=self._on_arrow) as journal:
            (self.record.folder / _STOP).unlink(missing_ok=True)
            sealed = self._begin()
            async with AsyncExitStack() as stack:
                control = self._control(journal, sealed)
                bench = self._bench(control, stack)
                return await self._run(control, bench)

    async def draw_audit(self, cases: int) -> Audit:
        """Draw pairs of outputs for a human check of the present incumbent, measuring what was not measured yet.

        Args:
            cases: How many a person is to see; sealed ones first.

        Returns:
            The check, without answers.

        Raises:
            LoopError: There are no outputs to compare, a limit is reached, or another process runs the loop.
            SystemicError: The machine or a service failed.
        """
        async with self._at_rest("the outputs for a human check cannot be made") as (control, bench):
            pairs, complete = await audit_pairs(control, bench, cases)
            return Audit(
                first=control.state.baseline,
                last=control.state.incumbent,
                matter=audit_matter(control),
                pairs=pairs,
                complete=complete,
            )

    async def measure_gain(self) -> LoopState:
        """Measure the headline of the present incumbent, unless that was done.

        Where nothing was kept, the same version is judged twice, unless its score is a number.

        Returns:
            How the loop stands then.

        Raises:
            LoopError: A limit is reached, or another process runs the loop.
            SystemicError: The machine or a service failed; what was measured is kept.
        """
        async with self._at_rest("the gain cannot be measured") as (control, bench):
            await measure_headline(control, bench, asked=True)
        return control.state

    @asynccontextmanager
    async def _at_rest(self, fault: str) -> AsyncGenerator[tuple[Control, Bench], None]:
        """A loop opened for something else than its rounds, after which it stands as before."""
        with self.record.locked(), Journal(journal_path(self.record)) as journal:
            sealed = self._begin()
            async with AsyncExitStack() as stack:
                control = self._control(journal, sealed)
                bench = self._bench(control, stack)
                phase, note = control.state.phase, control.state.note
                try:
                    yield control, bench
                except OutOfBudgetError as error:
                    raise LoopError(
                        f"{fault}, budget: {error}",
                        hint=f"tenward loop resume {self.record.loop} with a higher limit measures the gain first",
                    ) from error
                finally:
                    control.commands.sweep()
                    control.update(phase=phase, note=note)

    def _begin(self) -> Sealed:
        """See to it that the loop can begin or go on, and that what it rests on is in its first commit."""
        spec, record = self.spec, self.record
        base = record.base or record.resolve("HEAD")
        committed = record.trees.listing(base).files
        files = evaluator_files(spec, self._top, self._library, committed=committed)
        definition = start_definition(spec, record, base, files)
        for missing in missing_programs(spec, {path: entry.mode for path, entry in committed.items()}):
            raise LoopError(missing.told, hint=missing.hint)
        record.begin(definition=definition)
        return seal(spec, files, record, base, self._library, definition=definition)

    def _control(self, journal: Journal, sealed: Sealed) -> Control:
        spec, record = self.spec, self.record
        mark = f"{record.git.folder}:{record.loop}"
        commands = Commands(
            mark=mark,
            slots=record.folder / "slots",
            allow=spec.allow,
            top=self._top,
            hide=(self._top, record.git.folder),
        )
        commands.sweep()  # of a process that was killed
        slots = Slots(record)
        for number in range(spec.parallel + 1):
            slots.slot(number)
        slots.prune()
        state = open_loop(spec, record, journal, sealed)
        purse = Purse(
            spec.budget,
            state.spent,
            cache=self._store,
            owner=f"{state.loop}|{state.baseline}|{state.seed}",
            concurrency=self._concurrency,
            clock=self._clock,
        )
        control = Control(
            spec=spec,
            record=record,
            journal=journal,
            slots=slots,
            sealed=sealed,
            commands=commands,
            purse=purse,
            state=state,
            concurrency=self._concurrency,
            on_event=self._on_event,
        )
        control.update()
        return control

    def _bench(self, control: Control, stack: AsyncExitStack) -> Bench:
        number = self.spec.score.number
        if number is not None:
            return NumberBench(control, number)
        sealed = control.sealed
        assert sealed.rubric is not None
        references = [text for case in sealed.cases for text in case.references]
        pool = stack.enter_context(MetricPool(corpus=references if "bm25" in sealed.rubric.references else ()))
        if self._judge is None:
            judges = sealed.load_judges()
            for judge in dict.fromkeys(judges):
                stack.push_async_callback(judge.aclose)
        else:
            judges = (self._judge, self._judge)
        producer = self._producer or producer_factory(self.spec, control)
        sealed.remove_copies()
        check_fingerprint(control, sealed.rubric, judges)
        bench = RubricBench(control, sealed.rubric, judges, producer, pool)
        stack.push_async_callback(bench.aclose)
        return bench

    async def _run(self, control: Control, bench: Bench) -> LoopState:
        incumbents: dict[int, Incumbent] = {}

        def incumbent_at(epoch: int, commit: str) -> Incumbent:
            if epoch not in incumbents:
                incumbents[epoch] = Incumbent(
                    control,
                    bench,
                    epoch=epoch,
                    commit=commit,
                    slot=control.slots.slot(self.spec.parallel),
                    judge_sd=control.state.calibration.get("judge_sd"),
                    unit=control.state.calibration.get("unit", 0.0),
                )
            return incumbents[epoch]

        async def ready() -> None:
            await check_sentinels(control, bench)
            while control.state.incumbent_score is None:
                await rejudge(control, incumbent_at)

        note, phase = "interrupted", LoopPhase.STOPPED
        try:
            await prepare(control, bench, incumbent_at, anyway=self._anyway)
            attempts = self._attempts(control, bench, incumbent_at)
            waiting = control.journal.open_attempts()
            await all_of(
                self._work(control, attempts, waiting, control.slots.slot(number), ready)
                for number in range(self.spec.parallel)
            )
            if not self._asked_to_stop:
                await measure_headline(control, bench)
            note, phase = self._end, self._phase
        except OutOfBudgetError as error:
            note = f"budget: {error}"
        except BrokenEvaluatorError as error:
            note = f"broken evaluator: {error.what}"
            tail = "".join(f"\n  {line}" for line in error.tail.strip().splitlines()[-8:])
            hint = "mend it, then run the loop again: it goes on where it stopped"
            if not control.state.calibration:
                hint = "mend it and commit that, then run the loop again: it begins at the new commit"
            raise LoopError(f"{error.what}{tail}", hint=hint) from error
        except TenwardError as error:
            note = error.message.partition("\n")[0]
            raise
        except Exception as error:
            note = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise
        finally:
            control.commands.sweep()
            control.update(phase=phase, note=note)
            if not control.state.calibration and not control.journal.last_number():
                self.record.withdraw()  # nothing came of it, so it need not keep to that commit
        return control.state

    def _attempts(self, control: Control, bench: Bench, incumbent_at: Callable[[int, str], Incumbent]) -> Attempts:
        spec = self.spec
        proposing = Proposing(
            control,
            sources=None if spec.ideas is None else read_sources(self._top, spec.ideas.sources),
            past=(attempt for attempt in control.journal.attempts() if not attempt.open),
        )
        search = spec.propose.search
        proposing.proposer = self._proposer or make_proposer(
            spec,
            self._top,
            library=self._library,
            refuse=proposing.refusal,
            past=proposing.book.since,
            settings=None if search is None else proposing.texts_of(control.state.baseline).get(search.file),
            mark=control.commands.mark,
            hide=(self.record.git.folder,),
        )
        probe = next((stage.number for stage in spec.stages if stage.number is not None), None)
        return Attempts(
            control,
            bench,
            rule=spec.rule_under(control.state.calibration.get("judge_sd")),
            floors=spec.floors,
            proposing=proposing,
            incumbent_of=lambda attempt: incumbent_at(attempt.epoch, attempt.parent),
            probe=None if probe is None else NumberBench(control, probe),
        )

    async def _work(
        self,
        control: Control,
        attempts: Attempts,
        waiting: list[AttemptState],
        slot: Slot,
        ready: Callable[[], Awaitable[None]],
    ) -> None:
        """One slot's work: attempts that were cut short, then new ones."""
        try:
            while True:
                attempt = waiting.pop(0) if waiting else await self._open(control, ready)
                if attempt is None:
                    return
                self._watch.see(await attempts.run(attempt, slot))
                if attempts.proposing.nothing_left:
                    self._end, self._phase = attempts.proposing.nothing_left, LoopPhase.ENDED
                    return
        except RoundsDoneError as error:
            self._end, self._phase = str(error), LoopPhase.ENDED
        except OutOfBudgetError as error:
            self._end, self._phase = f"budget: {error}", LoopPhase.STOPPED

    def _placebo(self, control: Control, number: int) -> str:
        # A number that comes out the same each time is never taken for a better one, whatever the copy.
        if self.spec.score.number is not None and control.state.calibration.get("judge_sd") == 0:
            return ""
        return draw_placebo(number, self.spec.placebo, control.dice)

    async def _open(self, control: Control, ready: Callable[[], Awaitable[None]]) -> AttemptState | None:
        """Open an attempt at the incumbent, once that is judged; None where no more are wanted."""
        async with control.opening_turn:
            if self._asked_to_stop or (self.record.folder / _STOP).exists():
                self._asked_to_stop = True
                self._end, self._phase = "stopped when asked to", LoopPhase.STOPPED
                return None
            if self._left is not None and self._left <= 0:
                self._end, self._phase = "the rounds asked for are done", LoopPhase.ENDED
                return None
            async with control.recording_turn:
                tip = self.record.incumbent
                if tip != control.state.incumbent:
                    control.adopt(tip, f"somebody moved the branch to {tip[:12]}")
            await ready()
            control.purse.open_round()
            if self._left is not None:
                self._left -= 1
            number = self.record.next_number()
            while number <= control.journal.last_number():
                number = self.record.next_number()
            attempt = AttemptState(
                number=number,
                phase=Phase.PROPOSING,
                parent=control.state.incumbent,
                epoch=control.state.epoch,
                began=datetime.now(UTC),
                placebo=self._placebo(control, number),
            )
            return control.go(attempt, phase=LoopPhase.RUNNING)
