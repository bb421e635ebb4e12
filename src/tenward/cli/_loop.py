"""``tenward loop``: run a loop, look at it, stop it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import deque
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tenward.cli._console import lively, note, print_json, print_page, say, working
from tenward.cli._loop_audit import command as audit
from tenward.cli._loop_list import command as list_loops
from tenward.cli._loop_open import open_loop
from tenward.cli._options import NumberRange
from tenward.errors import LoopError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenward.cli._loop_open import OpenedLoop, Row
    from tenward.loop import AttemptState, Event, LoopSpec, LoopState

__all__ = ["command"]

_MOST_LISTED = 200
_LOOP = click.argument("loop", metavar="LOOP")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")


@click.group("loop")
def command() -> None:
    """Run a loop that keeps only real improvements, and look at it.

    LOOP is a name, workspace first and then the shipped library, or the path of a YAML file. The repository is the one
    around the current folder; its branch, index and working tree are never touched.
    """


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of loop files, for editors."""
    from tenward.loop import loop_schema

    print_json(loop_schema())


@command.command("plan", short_help="Say what will run, and what it takes at most.")
@_LOOP
@_JSON
def plan(loop: str, as_json: bool) -> int:
    """Say what will run, what may change, what is sealed, and what it takes at most. Asks nothing.

    What is not committed yet is a note, and what a run could never do is an error: exit code 2. A run refuses both.
    """
    from tenward.cli._loop_plan import make_plan, plan_data
    from tenward.cli._loop_plan_view import plan_page
    from tenward.evaluation import Store

    opened = open_loop(loop)
    opened.check_name()
    if not opened.loose_artefact:
        opened.check_artefact()
    with Store.open() as store:
        found = make_plan(opened, store)
    if as_json:
        print_json(plan_data(opened, found))
    else:
        print_page(plan_page(opened, found))
    return 2 if found.errors else 0


def _run_options(function: Callable[..., int]) -> Callable[..., int]:
    """The arguments of ``run``, which ``resume`` has as well."""
    for option in (
        _JSON,
        click.option("--anyway", is_flag=True, help="Start even where the rule could see no gain at all."),
        click.option("--unsealed", is_flag=True, help="Run programs that this machine cannot keep from sealed cases."),
        click.option("--parallel", type=click.IntRange(1, 16), metavar="N", help="Attempts side by side."),
        click.option("--calls", type=click.IntRange(1), metavar="N", help="Calls of models in all, likewise."),
        click.option("--usd", type=NumberRange(0, min_open=True), metavar="N", help="US dollars in all, likewise."),
        click.option(
            "--hours",
            type=NumberRange(0, min_open=True),
            metavar="N",
            help="Hours in all, in place of the file's limit.",
        ),
        click.option(
            "--rounds",
            type=click.IntRange(0),
            metavar="N",
            help="So many attempts more, in place of the file's limit; with 0, only the start is measured.",
        ),
        _LOOP,
    ):
        function = option(function)
    return function


@command.command("run", short_help="Start a loop, or go on where it was.")
@_run_options
def run(
    loop: str,
    rounds: int | None,
    hours: float | None,
    usd: float | None,
    calls: int | None,
    parallel: int | None,
    anyway: bool,
    unsealed: bool,
    as_json: bool,
) -> int:
    """Start a loop, or go on where it was; show it while it runs.

    Ctrl-C interrupts at once, and nothing is lost: the same command goes on from there and pays for nothing twice.

    \b
        tenward loop plan commit-subjects
        tenward loop run commit-subjects --rounds 5
        tenward loop report commit-subjects -o report.html
    """  # noqa: D301 - click looks for the backspace character itself
    import asyncio  # slow to import, and of no use to those who only look on

    from tenward.cli._loop_data import price_fault
    from tenward.cli._loop_trace import LoopTrace
    from tenward.cli._loop_watch import Board, show_board
    from tenward.evaluation import Store
    from tenward.loop import Engine
    from tenward.loop.proposers import proposer_fault
    from tenward.tracing import open_trace

    opened = open_loop(loop)
    opened.check_name()
    opened.check_artefact()
    if (holder := opened.holder) is not None:
        raise LoopError(
            f"the loop '{opened.name}' is run by process {holder.pid} on {holder.host} since {holder.since}",
            hint=f"tenward loop watch {loop} looks on, tenward loop stop {loop} ends it",
        )
    for line in opened.notes:
        note(line)
    spec = _limited(opened.need_spec(), rounds=rounds, hours=hours, usd=usd, calls=calls, parallel=parallel)
    for fault in (price_fault(opened, spec), proposer_fault(spec, opened.top)):
        if fault is not None:
            raise fault
    board = Board(opened.name, plain=not lively())
    with Store.open() as store, closing(open_trace()) as sink:
        trace = LoopTrace(spec, opened.record, sink)

        def tell(event: Event) -> None:
            board.tell(event)
            trace.listen(event)

        engine = Engine(
            spec,
            opened.record,
            store,
            top=opened.top,
            anyway=anyway,
            unsealed=unsealed,
            library=opened.library,
            on_event=tell,
        )
        try:
            with show_board(board):
                state = asyncio.run(engine.run(rounds))
            trace.end(state)
        except KeyboardInterrupt:
            note(f"what was done is kept; tenward loop resume {loop} goes on from here")
            raise
    _tell(opened, state, as_json=as_json)
    note(f"tenward loop report {loop} -o report.html shows every attempt")
    return 0


@command.command("resume", short_help="Go on where a loop was; the same as run.")
@_run_options
def resume(loop: str, **options: Any) -> int:
    """Go on where a loop was; the same as run."""
    result = click.get_current_context().invoke(run, loop=loop, **options)
    return int(result)


@command.command("status")
@_LOOP
@_JSON
def status(loop: str, as_json: bool) -> None:
    """Say how a loop stands."""
    opened = open_loop(loop)
    if told := opened.name_clash:
        note(f"{told}; they share the record that is told here")
    _tell(opened, opened.begun(), as_json=as_json)


@command.command("gain")
@_LOOP
@_JSON
def gain(loop: str, as_json: bool) -> None:
    """Measure the gain of a loop at rest: its first and its present version, judged afresh on all sealed cases.

    A loop that comes to its end does this by itself. Where nothing was kept, the same version is judged twice, which
    shows what judging alone makes of no gain.
    """
    import asyncio

    from tenward.evaluation import Store
    from tenward.loop import Engine

    opened = open_loop(loop)
    state = opened.begun()
    opened.require_rest()
    with Store.open() as store, working("measuring the gain"):
        engine = Engine(opened.need_spec(), opened.record, store, top=opened.top, library=opened.library)
        state = asyncio.run(engine.measure_gain())
    _tell(open_loop(loop), state, as_json=as_json)


@command.command("log")
@_LOOP
@click.option("--tsv", is_flag=True, help="Print commit, score, status and description, with tabs between them.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the last N; as a table, the last 200.")
@click.option("--from-git", is_flag=True, help="Rebuild the ledger from the refs, without the journal.")
@_JSON
def log(loop: str, tsv: bool, last: int | None, from_git: bool, as_json: bool) -> None:
    """List the attempts of a loop."""
    opened = open_loop(loop)
    if not from_git:
        opened.begun()
    rows: Iterable[Row] = opened.rows(from_git=from_git)
    if last is not None:
        rows = deque(rows, maxlen=last)
    if tsv:
        click.echo("commit\tscore\tstatus\tdescription")
        for row in rows:
            click.echo(row.tsv)
        return
    if as_json:
        print_json([asdict(row) for row in (opened.with_alarms(rows) if from_git else rows)])
        return
    from tenward.cli._loop_views import ledger_view, log_view

    most = last or _MOST_LISTED
    if from_git or opened.journal is None:
        print_page(ledger_view(deque(rows, maxlen=most)))
        return
    after = max(0, opened.journal.last_number() - most)
    print_page(log_view(opened.journal.attempts(after)))
    if after and last is None:
        note(f"and {after:,} before these; --last N shows more, --tsv all of them")


@command.command("show")
@_LOOP
@click.argument("number", type=click.IntRange(1), metavar="N")
@_JSON
def show(loop: str, number: int, as_json: bool) -> None:
    """Show attempt N: its idea, change, stages, looks, decision and retro."""
    from tenward.cli._loop_data import diff_of
    from tenward.cli._loop_views import attempt_view, print_diff
    from tenward.loop import write_state

    opened = open_loop(loop)
    attempt = _attempt(opened, number)
    diff = diff_of(opened.record, attempt)
    if as_json:
        print_json({**json.loads(write_state(attempt)), "diff": diff})
        return
    print_page(attempt_view(attempt, loop=opened.name))
    if diff:
        say("")
        print_diff(diff)


@command.command("watch")
@_LOOP
def watch(loop: str) -> None:
    """Look on while another process runs the loop."""
    from tenward.cli._loop_watch import Board, follow, show_board

    opened = open_loop(loop)
    state, journal = opened.begun(), opened.journal
    assert journal is not None
    board = Board(opened.name, plain=not lively())
    if opened.holder is None:
        _tell(opened, state, as_json=False)
        return
    with show_board(board):
        follow(board, journal, lambda: opened.holder is not None)


@command.command("stop", short_help="Ask a running loop to stop.")
@_LOOP
@click.option("--now", is_flag=True, help="Interrupt what is under way, as Ctrl-C does; it can go on later.")
def stop(loop: str, now: bool) -> None:
    """Ask a running loop to stop once the attempts under way have come to their end."""
    opened = open_loop(loop)
    holder = opened.holder
    if holder is None:
        raise LoopError(f"nobody runs the loop '{opened.name}' now", hint=f"tenward loop status {loop}")
    if not now:
        opened.ask_to_stop()
        note(f"process {holder.pid} stops when the attempts under way have ended; --now interrupts them")
        return
    if not holder.here or not holder.pid:
        raise LoopError(
            f"the loop '{opened.name}' runs on {holder.host} as process {holder.pid}, expected it on this machine",
            hint=f"stop it there, or without --now: tenward loop stop {loop}",
        )
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        note(f"process {holder.pid} has ended already")
    except PermissionError as error:
        raise LoopError(
            f"process {holder.pid} belongs to another user", hint=f"without --now: tenward loop stop {loop}"
        ) from error
    else:
        note(f"process {holder.pid} was interrupted; tenward loop resume {loop} goes on from there")


command.add_command(audit)
command.add_command(list_loops)


@command.command("report", short_help="Write the HTML report of a loop.")
@_LOOP
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="F",
    help="The file to write; reports/loop-NAME.html when left out and there is a reports folder, else loop-NAME.html.",
)
def report(loop: str, output: Path | None) -> None:
    """Write the HTML report of a loop, at any time of its life: one file that loads nothing."""
    from tenward.cli._files import check_writable
    from tenward.cli._loop_data import loop_view
    from tenward.reports import render_loop, write_report

    check_writable(output)
    opened = open_loop(loop)
    state = opened.begun()
    folder = Path("reports") if Path("reports").is_dir() else Path()
    path = output or folder / f"loop-{opened.name}.html"
    write_report(path, render_loop(loop_view(opened, state)))
    note(f"wrote {path}")


@command.command("copy", short_help="Copy a shipped loop into this repository.")
@click.argument("name", metavar="NAME")
def copy(name: str) -> None:
    """Copy a shipped loop, with the artefact it starts from, into this repository."""
    from tenward.cli._loop_open import repository_around
    from tenward.workspace import Library

    shipped = Library(roots=(Library.discover().shipped,))
    found = shipped.find("loop", name)
    top = repository_around(Path.cwd())
    source = found.parent if found.name == "loop.yaml" else found
    target = top / "loop" / source.name
    if target.exists():
        raise UsageError(f"{target}: found it there already, expected a free place", hint="move it away first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written ({error.strerror})", hint="is the folder yours?") from error
    for path in sorted(target.rglob("*")) if target.is_dir() else [target]:
        if path.is_file():
            say(f"created  {path.relative_to(top)}")
    where = target.relative_to(top)
    note(f"\nNext: git add {where} && git commit -m 'Add the loop', then tenward loop plan {source.stem}")


def _limited(spec: LoopSpec, *, rounds: int | None, parallel: int | None, **limits: float | None) -> LoopSpec:
    """The loop with the limits of the command line in place of the file's."""
    budget: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    if rounds is not None:
        budget["rounds"] = None
    changes: dict[str, Any] = {"budget": spec.budget.model_copy(update=budget)} if budget else {}
    if parallel is not None:
        changes["parallel"] = parallel
    return spec.model_copy(update=changes) if changes else spec


def _tell(opened: OpenedLoop, state: LoopState, *, as_json: bool) -> None:
    """How a loop stands, to standard output."""
    from tenward.cli._loop_check import check_data, check_lines, check_of
    from tenward.cli._loop_found import found_lines, found_values
    from tenward.cli._loop_views import status_view
    from tenward.loop import write_state

    holder = opened.holder
    now = [] if opened.journal is None else opened.journal.open_attempts()
    if as_json:
        data = json.loads(write_state(state))
        data["running"] = None if holder is None else {"pid": holder.pid, "host": holder.host, "since": holder.since}
        data["open"] = [attempt.number for attempt in now]
        data["placebos"]["at_most"] = state.placebos.at_most
        audited = check_of(opened, state)
        data["human_check"] = None if audited is None else check_data(audited, len(audited.pairs))
        data["found"] = {name: list(values) for name, values in found_values(opened, state).items()}
        print_json(data)
        return
    again, more = f"tenward loop resume {opened.asked}", [*found_lines(opened, state), *check_lines(opened, state)]
    print_page(status_view(state, holder=holder, now=now, resume=again, more=more))


def _attempt(opened: OpenedLoop, number: int) -> AttemptState:
    """One attempt, from the journal or, where that is not, from the record."""
    attempt = None if opened.journal is None else opened.journal.attempt(number)
    return opened.recorded(number) if attempt is None else attempt
