"""``tenward report`` and ``tenward runs``: what the store holds, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tenward.cli._console import note, print_json, print_page
from tenward.cli._files import check_writable, write_run_report
from tenward.evaluation import Store

if TYPE_CHECKING:
    from tenward.evaluation import RunOutcome, RunRecord, RunStanding

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
    with Store.open(store, read_only=True) as kept:
        record = kept.run(run)
        folder = Path("reports") if Path("reports").is_dir() else Path()
        write_run_report(kept, record, output or folder / f"{record.id}.html")
    return 0


@click.command("runs")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
@_STORE
def runs(as_json: bool, store: Path | None) -> int:
    """List the runs of this workspace, the latest first.

    Each with what was judged and by whom, what it came to, and how it stands: complete, running, stopped (by a limit,
    a fault or Ctrl-C) or cut off (its process was killed). The last two can go on, with the command that is shown.
    """
    with Store.open(store, read_only=True) as kept:
        found: list[tuple[RunRecord, RunStanding, RunOutcome]] = [
            (record, kept.standing(record), kept.outcome(record)) for record in kept.runs()
        ]
    if as_json:
        print_json([_as_dict(*one) for one in found])
        return 0
    if not found:
        note("no runs yet; `tenward eval DATASET --rubric R` makes one")
        return 0
    from tenward.cli._run_views import runs_view

    print_page(runs_view(found))
    return 0


def _as_dict(record: RunRecord, standing: RunStanding, outcome: RunOutcome) -> dict[str, Any]:
    keys = ("id", "created", "note", "dataset", "split", "cases", "judge", "seconds", "settings", "command")
    own = {key: getattr(record, key) for key in keys}
    told = {"status": standing, "rubric": record.rubric.rubric, "scale": record.scale.as_dict()}
    return own | told | outcome.as_dict() | {"cases": record.cases}
