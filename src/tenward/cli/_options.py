"""Kinds of values that several commands take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenward.judges import Explain

__all__ = ["ExplainCommand", "NumberRange", "explain_option", "raw_option"]

_WAYS = ("program", "model")
_AS_THE_JUDGE = "judge"


class NumberRange(click.FloatRange):
    """A number within bounds. ``nan`` is refused too: no bound stops it, and as a limit it would never hold."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a complaint."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("found nan, expected a number", param, ctx)
        return number


class ExplainCommand(click.Command):
    """A command with ``--explain``, whose value may be left out; what follows is its value only if it is one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; a bare ``--explain`` leaves it to the judge who writes."""
        options = args[: args.index("--")] if "--" in args else args
        told: list[str] = []
        for index, arg in enumerate(options):
            if arg == "--explain" and options[index + 1 : index + 2] not in ([way] for way in _WAYS):
                told.append(f"--explain={_AS_THE_JUDGE}")
            else:
                told.append(arg)
        return super().parse_args(ctx, told + args[len(options) :])


def _explain(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Explain:
    if value is None or value == _AS_THE_JUDGE:
        return value is not None
    return "model" if value == "model" else "program"


def explain_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--explain`` to a command that is an :class:`ExplainCommand`."""
    return click.option(
        "--explain",
        type=click.Choice([*_WAYS, _AS_THE_JUDGE]),
        callback=_explain,
        metavar="[program|model]",
        help="Ask for more words: program reads the rubric's checks, model writes reasons, evidence and steps; by the "
        "judge's file when neither is given.",
    )(command)


def raw_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--raw``, which leaves maps of the judge's readings alone."""
    return click.option(
        "--raw", is_flag=True, help="Show what the judge reads itself, although a map from readings to points is there."
    )(command)
