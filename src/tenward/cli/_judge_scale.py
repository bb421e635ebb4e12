"""``tenward judge scale``: fit what a judge's readings mean, to ratings of the user's own or to a ladder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from tenward.cli._console import note, print_json, print_page
from tenward.cli._files import check_writable, write_text
from tenward.cli._options import NumberRange
from tenward.datasets import DataSet
from tenward.errors import UsageError
from tenward.evaluation import (
    SOURCE_CHARS,
    Store,
    check_ratings,
    check_scale_file,
    fit_scale,
    rated_texts,
    ratings_of,
    run_dataset,
    scale_data,
    scale_text,
)
from tenward.judges import Budget, Calls, Judge, Limiter, lend_calls
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tenward.datasets import Split
    from tenward.evaluation import FittedScale, Rated

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
    library = Library.discover()
    loaded = Rubric.load(rubric, library=library)
    who = Judge.load(judge, library=library, raw=True)
    data = DataSet.load(dataset, library=library)
    part: Split | None = None if split == "all" else "dev" if split == "dev" else "sealed"
    # All that can be refused is refused before anything is asked.
    if source is not None and not 0 < len(source) <= SOURCE_CHARS:
        raise UsageError(f"--source: found {len(source)} characters, expected 1 to {SOURCE_CHARS}")
    check_writable(output)
    target = output or (None if as_json else _beside(library, library.find("judges", judge)))
    if target is not None:
        check_scale_file(target, who.name)
    if not ladder:
        _check_rated(data, part, loaded)
    with Store.open(store) as kept:
        read = _anchored if ladder else _judged
        texts = asyncio.run(read(data, loaded, who, kept, part, max_usd))
    if texts is None:
        return 3
    lacking = sum(not text.rating.keys() & loaded.criteria.keys() <= text.raw.keys() for text in texts)
    if lacking:
        note(f"{lacking} of {len(texts)} texts got no reading on some criterion; the same command asks for those again")
    if 2 * lacking > len(texts):
        note("no map was fitted to the few that are left")
        return 3
    fitted = fit_scale(texts, loaded)
    how = "outputs, right ones and other cases', not rated by anybody" if ladder else "rated texts"
    told = source or f"{data.name}: {len(texts)} {how}, fitted by tenward judge scale"
    anchors: Literal["ratings", "ladder"] = "ladder" if ladder else "ratings"
    scale = scale_data(fitted, who.name, loaded, who.fingerprint(loaded), told, anchors=anchors)
    if target is not None and fitted.maps:  # an entry without maps would stand before a shipped one that has some
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, scale_text(target, scale))
    if as_json:
        print_json(scale)
    else:
        print_page(_view(fitted, who.name, loaded, ladder=ladder))
    if target is not None:
        note(f"wrote {target}" if fitted.maps else "no criterion has a map that holds out, so no file was written")
    return 0 if fitted.maps else 1


def _beside(library: Library, judge: Path) -> Path:
    """The scale file of a judge: beside its own, or in the workspace where that one is shipped."""
    name = f"{judge.stem}.scale.yaml"
    if judge.parent != library.shipped / "judges":
        return judge.with_name(name)
    if library.roots[0] == library.shipped:
        raise UsageError(
            "found no workspace to write the map to, expected one around the current folder",
            hint=f"make one with tenward init; a file elsewhere, as by -o {name}, is not used",
        )
    return library.roots[0] / "judges" / name


def _check_rated(data: DataSet, part: Split | None, rubric: Rubric) -> None:
    cases = list(data.cases(part))
    if not any(case.human.keys() & rubric.criteria.keys() for case in cases):
        raise UsageError(
            f"{data.path}: found no case with a rating of {', '.join(rubric.criteria)}, expected `human` with some",
            hint='such as "human": {"clarity": 4, "tests": 2}, on the scale of the rubric; '
            "--ladder does without ratings",
        )
    check_ratings(ratings_of(cases), rubric)


async def _anchored(
    data: DataSet, rubric: Rubric, judge: Judge, kept: Store, part: Split | None, max_usd: float | None
) -> tuple[Rated, ...] | None:
    from tenward.sight import read_anchors

    budget = Budget(max_usd=max_usd)
    try:
        with lend_calls(Calls(cache=kept, budget=budget, limiter=Limiter(_AT_ONCE))):
            texts = await read_anchors(data.cases(part), rubric, judge)
    finally:
        await judge.aclose()
    if budget.exhausted:
        note(f"stopped: the budget of ${max_usd:g} is used up; the same command goes on from here")
        return None
    return texts


async def _judged(
    data: DataSet, rubric: Rubric, judge: Judge, kept: Store, part: Split | None, max_usd: float | None
) -> tuple[Rated, ...] | None:
    from tenward.cli._progress import show_progress

    try:
        with show_progress() as shown:
            run = await run_dataset(
                data, rubric, judge, store=kept, split=part, max_usd=max_usd, on_progress=shown.update
            )
    finally:
        await judge.aclose()
    if run.record.status == "stopped":
        note(f"stopped: {run.record.note}; the same command goes on from here")
        return None
    return tuple(rated_texts(kept.results(run.record)))


def _view(fitted: FittedScale, judge: str, rubric: Rubric, *, ladder: bool) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from tenward.cli._layout import columns, hanging

    table = columns("criterion", "texts", "anchors" if ladder else "rated", "raw", "mapped")
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
