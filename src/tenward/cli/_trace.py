"""``tenward trace`` and ``tenward dataset``: what goes to LangSmith, and what comes from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenward.cli._console import lively, note, print_json, say
from tenward.cli._files import check_writable
from tenward.datasets import DataSet, write_cases

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dataset", "trace"]


@click.group("trace")
def trace() -> None:
    """Send recorded runs to LangSmith.

    Every run is recorded in .tenward/traces. It is also sent while it goes on where LANGSMITH_API_KEY is set.
    """


@trace.command("push")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def _push(run: str, as_json: bool) -> int:
    """Send the run RUN, or what is missing of it, to LangSmith.

    RUN is the id that `tenward eval` printed, a unique start of it, `last`, or the path of a trace file. Nothing is
    sent twice.
    """
    from tenward.tracing import push

    report = push(run, progress=_counting("traces"))
    if as_json:
        print_json({**report.__dict__, "file": str(report.file)})
    else:
        say(f"{report.run}: sent {report.sent} traces to {report.endpoint}, {report.already} had been sent before")
    for line in report.refused:
        note(f"refused: {line}")
    if not report.ended:
        note("the run has not ended; push it again when it has")
    return 3 if report.refused else 0


@click.group("dataset")
def dataset() -> None:
    """Check data sets, and exchange them with LangSmith."""


@dataset.command("check")
@click.argument("name", metavar="DATASET")
def _check(name: str) -> int:
    """Read the whole data set and its card, and report what is wrong."""
    data = DataSet.load(name)
    data.validate()
    counts = data.counts()
    say(f"{data.name}: {sum(counts.values()):,} cases ({counts['dev']:,} dev, {counts['sealed']:,} sealed), no faults")
    return 0


@dataset.command("push")
@click.argument("name", metavar="DATASET")
@click.option("--as", "as_name", metavar="NAME", help="Name in LangSmith; the data set's own when left out.")
def _push_dataset(name: str, as_name: str | None) -> int:
    """Send a data set to LangSmith, all splits; cases that are there already are kept or replaced."""
    from tenward.tracing import push_dataset

    data = DataSet.load(name)
    data.validate()
    pushed = push_dataset(as_name or data.name, data.cases(), progress=lambda done: _tell(f"{done:,} cases"))
    say(f"{pushed.name}: {pushed.added} added, {pushed.changed} changed, {pushed.unchanged} unchanged")
    return 0


@dataset.command("pull")
@click.argument("name", metavar="NAME")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.jsonl",
    help="The file to write.",
)
def _pull_dataset(name: str, output: Path) -> int:
    """Write a data set of LangSmith into a file."""
    from tenward.tracing import pull_dataset

    check_writable(output)
    count = write_cases(output, pull_dataset(name))
    say(f"{output}: {count:,} cases")
    return 0


def _counting(what: str) -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        _tell(f"{done:,} of {total:,} {what}")

    return told


def _tell(text: str) -> None:
    if lively():
        click.echo(f"\r\x1b[2K{text}", nl=False, err=True)
