"""``tenward demo``."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path

import click

from tenward.cli._console import note, print_json, working
from tenward.cli._demo_loop import run_demo_loop
from tenward.cli._demo_program import BASE, GOOD, POOR, TASK
from tenward.cli._model import DEFAULT_MODEL, pull_model
from tenward.cli._score import results_as_dict, score_targets, show_results
from tenward.datasets import read_target
from tenward.errors import TenwardError, UsageError
from tenward.evaluation import ShownScale
from tenward.judges import Judge
from tenward.judges.models import ModelStore
from tenward.rubrics import Rubric
from tenward.workspace import Library

__all__ = ["command"]


@click.command("demo")
@click.option("--loop", "as_loop", is_flag=True, help="Run a short loop on a prompt instead, within 8 minutes or so.")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="New folder for the loop's repository and report: tenward-demo, or the first such name that is free.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**53), default=0, show_default=True, help="Of what the loop draws; with --loop."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output; not with --loop.")
def command(*, as_loop: bool, into: Path | None, seed: int, as_json: bool) -> None:
    """Score a good and a poor revision of a small program, with a real model.

    With --loop, the model improves a prompt instead: in a small repository of its own, with a report at the end.

    Pulls the model first, about 1.1 GB, unless it is already here. Needs no key, and nothing you have is touched.
    """
    if as_loop and as_json:
        raise UsageError("found --loop and --json, expected one of them", hint="tenward loop log --json shows a loop")
    try:
        ModelStore().path(DEFAULT_MODEL)
    except TenwardError:
        note(f"pulling {DEFAULT_MODEL} (1.1 GB, once) ...")
        pull_model(DEFAULT_MODEL)
    if as_loop:
        try:
            run_demo_loop(into or _free_folder(), seed)
        except subprocess.CalledProcessError as error:
            raise SystemExit(error.returncode) from error  # it has said why
    else:
        _score_revisions(as_json=as_json)


def _free_folder() -> Path:
    names = ("tenward-demo", *(f"tenward-demo-{number}" for number in range(2, 1000)))
    return next(Path(name) for name in names if not Path(name).exists())


def _score_revisions(*, as_json: bool) -> None:
    # The shipped rubric and judge, whatever the current workspace holds.
    library = Library(roots=(Library.discover().shipped,))
    rubric, judge = Rubric.load("code-review", library=library), Judge.load("local", library=library)
    scale = ShownScale.of(judge, rubric)
    with tempfile.TemporaryDirectory(prefix="tenward-demo-") as folder:
        repository = Path(folder)
        _make_repository(repository)
        note("The task, as the commit message of both revisions says it:\n")
        note("    " + TASK.replace("\n", "\n    ").rstrip() + "\n")
        targets = [read_target(branch, cwd=repository) for branch in ("good", "poor")]
        note("judging two revisions with a model on this machine; a minute or two on two cores ...\n")
        with working("judging ..."):
            results = asyncio.run(score_targets(targets, rubric, judge, explain=True))
    if as_json:
        print_json(results_as_dict(results, rubric, judge=judge.name, scale=scale))
    else:
        show_results(results, judge=judge.name, scale=scale, explained=True)
    note("\nNext: tenward demo --loop, tenward score FILE --rubric code-review --explain, or tenward rubric show")


def _make_repository(folder: Path) -> None:
    try:
        import git
    except ImportError as error:  # GitPython refuses to be imported where there is no git
        raise UsageError("the demo needs git: found no git program", hint="install git") from error
    author = git.Actor("Tenward demo", "demo@tenward.invalid")
    with git.Repo.init(folder, initial_branch="main") as repository:
        program = folder / "durations.py"

        def commit(text: str, message: str) -> None:
            program.write_text(text, encoding="utf-8")
            repository.index.add(["durations.py"])
            repository.index.commit(message, author=author, committer=author, skip_hooks=True)

        commit(BASE, "Start the durations module")
        base = repository.head.commit.hexsha
        for branch, text in (("poor", POOR), ("good", GOOD)):
            # Not a checkout, which would run the hooks of the user's git configuration.
            repository.head.reference = repository.create_head(branch, base)
            commit(text, TASK)
