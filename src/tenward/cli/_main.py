"""The root of the command line: lazy commands, and one place where errors become messages and exit codes."""

from __future__ import annotations

import importlib
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
_INTERRUPTED = 130


class _LazyGroup(click.Group):
    """Commands by name; a command's module is imported when it is called, and never for the list of commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        return command

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
    try:
        result: Any = _root.main(args=args, prog_name="tenward", standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output left, as `head` does; a second complaint at exit would only be noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_INTERRUPTED)
    except Exception as error:
        from tenward.errors import TenwardError

        if not isinstance(error, TenwardError):
            raise
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"\nhint: {error.hint}", err=True)
        sys.exit(error.exit_code)
    sys.exit(result if isinstance(result, int) else 0)
