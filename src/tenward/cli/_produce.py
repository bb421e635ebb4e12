"""The options of ``tenward eval`` that have outputs produced before they are judged."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenward.cli._console import note
from tenward.errors import UnknownNameError, UsageError
from tenward.judges import ModelJudge

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenward.evaluation import Producer, Run, Store
    from tenward.judges import Judge
    from tenward.workspace import Library

__all__ = ["explain_lost", "produce_options", "producer_for"]

_TOKENS = 200


def produce_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options to a command; their values go to :func:`producer_for`."""
    for option in (
        click.option(
            "--produce-env", multiple=True, metavar="NAME", help="A variable that the command sees; may be repeated."
        ),
        click.option(
            "--produce-command", metavar="CMD", help="Have each output written by a command: case in, output out."
        ),
        click.option(
            "--max-tokens", type=click.IntRange(1), metavar="N", help=f"Longest output of --produce; {_TOKENS} tokens."
        ),
        click.option(
            "--model", metavar="M", help="Who answers --produce: local (the default), provider/model, or a judge file."
        ),
        click.option(
            "--produce",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Have each output written by a model first, with the prompt in FILE.",
        ),
    ):
        command = option(command)
    return command


def producer_for(
    library: Library,
    judge: Judge,
    *,
    prompt: Path | None,
    model: str | None,
    max_tokens: int | None,
    line: str | None,
    env: tuple[str, ...],
) -> Producer | None:
    """The producer that the options ask for; None where they ask for none.

    Args:
        library: Where names are looked up.
        judge: The judge; a model that it uses too is used as its file says.
        prompt: Value of ``--produce``.
        model: Value of ``--model``.
        max_tokens: Value of ``--max-tokens``.
        line: Value of ``--produce-command``.
        env: Values of ``--produce-env``.

    Raises:
        UsageError: The options do not go together, or name something that cannot be used.
    """
    if prompt is not None and line is not None:
        raise UsageError("found --produce and --produce-command, expected one of the two", hint="leave one out")
    for name, given, owner, there in (
        ("--model", model is not None, "--produce", prompt is not None),
        ("--max-tokens", max_tokens is not None, "--produce", prompt is not None),
        ("--produce-env", bool(env), "--produce-command", line is not None),
    ):
        if given and not there:
            raise UsageError(f"found {name} without {owner}, expected both", hint=f"add {owner}, or leave {name} out")
    if prompt is not None:
        from tenward.evaluation import PromptProducer

        like = judge.spec if isinstance(judge, ModelJudge) else None
        try:
            made = PromptProducer.load(
                prompt, model or "local", like=like, max_tokens=max_tokens or _TOKENS, library=library
            )
        except UnknownNameError as error:
            if model is None:
                raise
            raise UnknownNameError(
                f"--model: found {model!r}, expected provider/model such as openai/gpt-4.1-mini, the path of a judge "
                f"file, or the name of a judge: {', '.join(library.names('judges'))}",
                hint=error.hint,
            ) from error
        if model is None and not made.model.spec.local:
            path = library.find("judges", "local")
            raise UsageError(
                f"{path}: the default model 'local' is the workspace's own: found {made.model.spec.model}, "
                "expected a model local/...",
                hint=f"if the cases may go there, name the model: --model {path}",
            )
        return made
    if line is not None:
        from tenward.evaluation import CommandProducer

        runs = CommandProducer(line, folder=Path.cwd(), env=env)
        note(f"note: runs for every case: {shlex.join(runs.command)}")
        return runs
    return None


def explain_lost(kept: Store, run: Run) -> None:
    """Say why the first case has no output that has none; a count of failures does not help to mend them."""
    if "produce" not in run.summary.failures:
        return
    for result in kept.results(run.record):
        if result.produced is not None and result.produced.failure is not None:
            failure = result.produced.failure
            note(f"case {result.case.id} was not produced: {failure.kind}: {failure.detail}")
            return
