"""The root of the command line: lazy commands, and one place where errors become messages and exit codes."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from typing import Any

import click

__all__ = ["main"]

_COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("tenward.cli._demo", "Score a good and a poor revision of a small program, with a real model."),
    "doctor": ("tenward.cli._doctor", "Say what works on this machine, with a hint for what does not."),
    "init": ("tenward.cli._init", "Make a workspace: rubrics, judges, datasets, loop, reports."),
    "judge": ("tenward.cli._judge", "Show a judge, or the JSON Schema of judge files."),
    "model": ("tenward.cli._model", "Pull, list and find the models of the embedded engine."),
    "rubric": ("tenward.cli._rubric", "Show a rubric, or the JSON Schema of rubric files."),
    "score": ("tenward.cli._score", "Score files, folders, git revisions or standard input against a rubric."),
}
_INTERRUPTED = 130  # 128 and the number of the signal, as a shell reports it
_READER_LEFT = 141


class _LazyGroup(click.Group):
    """Commands by name; a command's module is imported when it is called, and never for the list of commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
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
    try:
        result: Any = _root.main(args=args, prog_name="tenward", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        _complain(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(_INTERRUPTED)
    except (BrokenPipeError, SystemExit):
        # No command exits by itself: click and rich do, with 1, when the reader of our output leaves, as `head` does.
        # Whatever is still buffered goes nowhere, so that the interpreter has nothing to complain about at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(_READER_LEFT)
    except Exception as error:
        from tenward.cli._console import note
        from tenward.errors import TenwardError

        if not isinstance(error, TenwardError):
            raise
        note(f"error: {error.message}")
        if error.hint:
            note(f"\nhint: {error.hint}")
        sys.exit(error.exit_code)
    sys.exit(result if isinstance(result, int) else 0)


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
