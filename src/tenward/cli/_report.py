"""``tenward report`` and ``tenward runs``: what the store holds, to look at."""

from __future__ import annotations

from pathlib import Path

import click

from tenward.cli._console import note, print_json, print_page
from tenward.cli._files import check_writable, write_run_report
from tenward.evaluation import Store

__all__ = ["command", "runs"]

_STORE = click.option(
    "--store", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Another store file."
)


@click.command("report")
@click.argument("run")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="F",
    help="The file to write; reports/RUN.html when left out and there is a reports folder, else RUN.html.",
)
@_STORE
def command(run: str, output: Path | None, store: Path | None) -> int:
    """Write the HTML report of a run.

    RUN is the id that `tenward eval` printed, a unique start of it, `last`, or `last~1` for the one before. The
    report is one file that loads nothing, and can be made anew at any time.
    """
    check_writable(output)
    with Store.open(store, create=False) as kept:
        record = kept.run(run)
        folder = Path("reports") if Path("reports").is_dir() else Path()
        write_run_report(kept, record, output or folder / f"{record.id}.html")
    return 0


@click.command("runs")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
@_STORE
def runs(as_json: bool, store: Path | None) -> int:
    """List the runs of this workspace, the latest first."""
    with Store.open(store, create=False) as kept:
        records = kept.runs()
    if as_json:
        keys = ("id", "created", "status", "note", "dataset", "split", "cases", "judge", "seconds")
        print_json(
            [{key: getattr(record, key) for key in keys} | {"rubric": record.rubric.rubric} for record in records]
        )
        return 0
    if not records:
        note("no runs yet; `tenward eval DATASET --rubric R` makes one")
        return 0
    from tenward.cli._run_views import runs_view

    print_page(runs_view(records))
    return 0
