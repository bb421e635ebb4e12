"""The root of the command line: lazy commands, and one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import difflib
import errno
import importlib
import io
import os
import shlex
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

__all__ = ["main"]

_COMMANDS: dict[str, tuple[str, str]] = {
    "compare": ("tenward.cli._compare", "Compare two runs, case by case."),
    "dataset": ("tenward.cli._trace:dataset", "Check data sets, and exchange them with LangSmith."),
    "demo": ("tenward.cli._demo", "Score a good and a poor revision of a small program, with a real model."),
    "doctor": ("tenward.cli._doctor", "Say what works on this machine, with a hint for what does not."),
    "eval": ("tenward.cli._eval", "Judge every case of a data set; resumable, cached, with a budget."),
    "init": ("tenward.cli._init", "Make a workspace: rubrics, judges, datasets, loop, reports."),
    "judge": ("tenward.cli._judge", "Show a judge, find out what it sees, or print the JSON Schema of judge files."),
    "loop": ("tenward.cli._loop", "Run a loop that keeps only real improvements, and look at it."),
    "model": ("tenward.cli._model", "Pull, list and find the models of the embedded engine."),
    "report": ("tenward.cli._report", "Write the HTML report of a run."),
    "rubric": ("tenward.cli._rubric", "Show a rubric, or the JSON Schema of rubric files."),
    "runs": ("tenward.cli._report:runs", "List the runs of this workspace."),
    "score": ("tenward.cli._score", "Score files, folders, git revisions or standard input against a rubric."),
    "trace": ("tenward.cli._trace:trace", "Send recorded runs to LangSmith."),
}
_FAULT = 3
_NOT_WRITTEN = (errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, errno.EDQUOT)
_BY_SIGNAL = 128  # and the number of the signal, as a shell reports it
_READER_LEFT = 141


class _LazyGroup(click.Group):
    """Commands by name; a command's module is imported when it is called, and never for the list of commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name or "command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS:
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            meant = f" did you mean '{near[0]}'?" if near else f" expected one of: {', '.join(_COMMANDS)}"
            ctx.fail(f"found no command '{args[0]}',{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 below a threshold, 2 usage, 3 a fault of the machine or a service.",
)
@click.version_option(package_name="tenward", message="%(package)s %(version)s")
def _root() -> None:
    """Score what has no number - code, skills, prompts - with a written rubric and an LLM judge."""


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit; see the epilog of ``tenward --help`` for the exit codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # On a terminal without Unicode a bar made of question marks beats a traceback.
            stream.reconfigure(errors="replace")
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - how Python shows a closed one
        click.echo("error: standard output is closed", err=True)
        sys.exit(_FAULT)
    with _signals_as_interrupts() as signals:
        try:
            status = _run(args)
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            status = _BY_SIGNAL + (signals[0] if signals else signal.SIGINT)
            if "tenward.judges" in sys.modules:
                from tenward.judges import leave_engines

                leave_engines(status)
        except (BrokenPipeError, SystemExit):
            # No command exits by itself: click and rich do, with 1, when the reader of our output leaves, as `head`
            # does.
            _drop_output()
            status = _READER_LEFT
        except Exception as error:  # noqa: BLE001 - here every error ends as an exit code
            with contextlib.suppress(OSError):  # standard error may be full or closed as well
                _report(error)
            status = getattr(error, "exit_code", _FAULT)
    sys.exit(status)


def _run(args: list[str] | None) -> int:
    try:
        words = sys.argv[1:] if args is None else args
        # As the context's object, a command can say how it was called.
        result: Any = _root.main(
            args=words, prog_name="tenward", standalone_mode=False, obj=shlex.join(["tenward", *words])
        )
    except click.exceptions.Exit as leave:
        result = leave.exit_code
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


@contextlib.contextmanager
def _signals_as_interrupts() -> Generator[list[int], None, None]:
    """Take SIGTERM and SIGHUP the way Ctrl-C is taken, so that gates end and temporary folders go; yield which came."""
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        handler = signal.getsignal(signal.SIGINT)  # while a judge works, that of the event loop
        if not callable(handler):
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` asks for a signal to be ignored
                before[number] = signal.signal(number, interrupt)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that the interpreter has nothing to complain about at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _report(error: Exception) -> None:
    from tenward.cli._console import note
    from tenward.errors import TenwardError

    if isinstance(error, click.ClickException):
        _complain(error)
        return
    if isinstance(error, TenwardError):
        note(f"error: {error.message}")
        for number, hint in enumerate(error.hint.splitlines()):
            note(f"hint: {hint}" if number else f"\nhint: {hint}")
        return
    if isinstance(error, OSError) and error.filename is None and error.errno in _NOT_WRITTEN:
        _drop_output()
        note(f"error: output cannot be written ({error.strerror or error})")
        return
    note("".join(traceback.format_exception(error)).rstrip())
    note("\nerror: this is a fault in tenward, please report it")


def _complain(error: click.ClickException) -> None:
    """Say what click found wrong with the command's words, in the form of every other error."""
    from tenward.cli._console import note

    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return
    note(f"error: {error.format_message()}")
    if context is not None:
        usage = " ".join(context.get_usage().split()).removeprefix("Usage: ")
        note(f"\nhint: the form is {usage}; {context.command_path} -h says more")
