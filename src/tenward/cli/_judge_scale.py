"""``tenward judge scale``: fit what a judge's readings mean, to ratings of the user's own or to a ladder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenward.cli._console import note, print_json, print_page
from tenward.cli._files import check_writable, write_text
from tenward.cli._options import NumberRange
from tenward.datasets import DataSet
from tenward.errors import UsageError
from tenward.evaluation import Store, fit_scale, rated_texts, run_dataset, scale_data, scale_text
from tenward.judges import Budget, Calls, Judge, Limiter, lend_calls
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from tenward.datasets import Split
    from tenward.evaluation import FittedScale, Progress, Rated, Result, Run

__all__ = ["command"]

_AT_ONCE = 8


@click.command("scale")
@click.argument("judge", metavar="JUDGE")
@click.option("-r", "--rubric", required=True, metavar="R", help="Rubric: a name, or the path of a YAML file.")
@click.option("-d", "--dataset", required=True, metavar="D", help="A data set, best one whose cases hold `human`.")
@click.option("--ladder", is_flag=True, help="Take right outputs and other cases' ones for anchors, not ratings.")
@click.option("--split", type=click.Choice(["dev", "sealed", "all"]), default="all", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="The file to write.")
@click.option("--source", metavar="TEXT", help="What the texts are and who rated them; kept in the file.")
@click.option("--max-usd", type=NumberRange(0), metavar="N", help="Stop, resumably, before N US dollars.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output, and write no file without -o.")
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Another store file.")
def command(
    judge: str,
    rubric: str,
    dataset: str,
    ladder: bool,
    split: str,
    output: Path | None,
    source: str | None,
    max_usd: float | None,
    as_json: bool,
    store: Path | None,
) -> int:
    """Fit what the readings of JUDGE mean under a rubric, to ratings of your own.

    Every rated text is judged once, then a rising map from readings to points is fitted per criterion and checked on
    texts it was not fitted to. It is written beside the judge, as judges/JUDGE.scale.yaml of the workspace, and used
    from then on; no order changes, and nothing is judged again. Without ratings, --ladder takes references, or outputs,
    for good (near the top of the scale) and the outputs of other cases for poor (near its bottom): coarse, but better
    than raw readings.

    \b
        tenward judge scale local --rubric my-rubric --dataset rated.jsonl
        tenward judge scale local --rubric my-rubric --dataset mine.jsonl --ladder
    """  # noqa: D301 - click looks for the backspace character itself
    from tenward.cli._progress import show_progress

    library = Library.discover()
    loaded = Rubric.load(rubric, library=library)
    who = Judge.load(judge, library=library, raw=True)
    data = DataSet.load(dataset, library=library)
    part: Split | None = None if split == "all" else "dev" if split == "dev" else "sealed"
    rated = any(case.human.keys() & loaded.criteria.keys() for case in data.cases(part))
    if not ladder and not rated:
        raise UsageError(
            f"{data.path}: found no case with a rating of {', '.join(loaded.criteria)}, expected `human` with some",
            hint='such as "human": {"clarity": 4, "tests": 2}, on the scale of the rubric; '
            "--ladder does without ratings",
        )
    path = library.find("judges", judge)
    target = output or (None if as_json else library.roots[0] / "judges" / f"{path.stem}.scale.yaml")
    if target is not None and target.parent == library.shipped / "judges" and output is None:
        raise UsageError(
            "found no workspace to write the map to, expected one around the current folder",
            hint="make one with tenward init, or name a file: -o judges/NAME.scale.yaml",
        )
    check_writable(output)
    with Store.open(store) as kept:
        if ladder:
            texts = asyncio.run(_anchored(data, loaded, who, kept, part, max_usd))
        else:
            with show_progress() as shown:
                run = asyncio.run(_judged(data, loaded, who, kept, part, max_usd, shown.update))
            if run.record.status == "stopped":
                note(f"stopped: {run.record.note}; the same command goes on from here")
                return 3
            texts = tuple(rated_texts(kept.results(run.record)))
    fitted = fit_scale(texts, loaded)
    how = "outputs, right ones and other cases', not rated by anybody" if ladder else "rated texts"
    told = source or f"{data.name}: {len(texts)} {how}, fitted by tenward judge scale"
    fingerprint = who.fingerprint(loaded)
    if target is not None and fitted.maps:  # an entry without maps would stand before a shipped one that has some
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, scale_text(target, who.name, loaded, fitted, fingerprint, told))
    if as_json:
        print_json(scale_data(fitted, who.name, loaded, fingerprint, told))
    else:
        print_page(_view(fitted, who.name, loaded))
    if target is not None:
        note(f"wrote {target}" if fitted.maps else "no criterion has a map that holds out, so no file was written")
    return 0 if fitted.maps else 1


async def _anchored(
    data: DataSet, rubric: Rubric, judge: Judge, kept: Store, part: Split | None, max_usd: float | None
) -> tuple[Rated, ...]:
    from tenward.sight import read_anchors

    try:
        with lend_calls(Calls(cache=kept, budget=Budget(max_usd=max_usd), limiter=Limiter(_AT_ONCE))):
            return await read_anchors(data.cases(part), rubric, judge)
    finally:
        await judge.aclose()


async def _judged(
    data: DataSet,
    rubric: Rubric,
    judge: Judge,
    kept: Store,
    part: Split | None,
    max_usd: float | None,
    update: Callable[[Progress, Result], None],
) -> Run:
    try:
        return await run_dataset(data, rubric, judge, store=kept, split=part, max_usd=max_usd, on_progress=update)
    finally:
        await judge.aclose()


def _view(fitted: FittedScale, judge: str, rubric: Rubric) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from tenward.cli._layout import columns, hanging

    table = columns("criterion", "texts", "rated", "raw", "mapped")
    words: list[RenderableType] = []
    for name, one in fitted.criteria.items():
        mapped = "–" if one.mapped_mean is None else f"{one.mapped_mean:.2f} ± {one.mapped_sd or 0:.2f}"
        rated, raw = f"{one.mean:.2f} ± {one.sd:.2f}", f"{one.raw_mean:.2f} ± {one.raw_sd:.2f}"
        table.add_row(name, str(one.cases), rated, raw, mapped)
        words.append(hanging(f"{name}:", Text(one.why if one.scale else f"stays raw. {one.why}"), indent=0, width=16))
    head = Text(f"{rubric.rubric} · {judge} · mean ± standard deviation, in points of the scale", style="bold")
    if fitted.left_out:
        other = "without" if fitted.inputs == "with" else "with"
        words.append(Text(f"{fitted.left_out} texts {other} an input were left out: they are read by other questions"))
    return Group(head, table, Text(), *words)
