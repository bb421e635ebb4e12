"""``tenward judge tune``: a head of the user's own, from a few dozen labels."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenward.cli._common import announce_files
from tenward.cli._console import ascii_only, lively, note, print_json, print_page
from tenward.cli._files import check_writable, write_text
from tenward.datasets import DataSet, read_preferences
from tenward.errors import UsageError
from tenward.judges import Calls, Judge, ModelJudge, lend_calls
from tenward.judges.heads import HeadShelf
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.text import Text

    from tenward.datasets import Case, Preference
    from tenward.evaluation import Store, TunedCriterion, TunedHead
    from tenward.judges.heads import Head

__all__ = ["command"]

_CELLS = 41


@click.command("tune")
@click.argument("judge", metavar="JUDGE")
@click.option("-r", "--rubric", required=True, metavar="R", help="Rubric: a name, or the path of a YAML file.")
@click.option("-d", "--dataset", required=True, metavar="D", help="A data set whose cases hold `human` ratings.")
@click.option(
    "--pairs",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="F",
    help="JSON lines that say which of two cases is better, beside ratings or in their place.",
)
@click.option("--split", type=click.Choice(["dev", "sealed", "all"]), default="all", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="The file to write.")
@click.option("--source", metavar="TEXT", help="What the texts are and who labelled them; kept in the file.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Of the folds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output, and write no file without -o.")
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Another store file.")
def command(
    judge: str,
    rubric: str,
    dataset: str,
    pairs: Path | None,
    split: str,
    output: Path | None,
    source: str | None,
    seed: int,
    as_json: bool,
    store: Path | None,
) -> int:
    """Teach JUDGE what good means to you, from 10 to 200 labels of your own.

    The state of every labelled text is read once, and a head is fitted to the labels, on top of the one by which the
    judge reads already if it has one. It is measured on texts whose source took no part, against what the judge reads
    now, and refused criterion by criterion where that is no gain. It is written as judges/heads/JUDGE.RUBRIC.json of
    the workspace, and used from then on. Exits with 1 if nothing is gained.

    \b
        tenward judge tune local --rubric my-rubric --dataset rated.jsonl
        tenward judge tune local --rubric my-rubric --dataset mine.jsonl --pairs pairs.jsonl
    """  # noqa: D301 - click looks for the backspace character itself
    from tenward.evaluation import SOURCE_CHARS, Store, check_labels

    library = Library.discover()
    loaded = Rubric.load(rubric, library=library)
    who = Judge.load(judge, library=library)
    if not isinstance(who, ModelJudge) or who.spec.read != "hidden":
        raise UsageError(
            f"judge {who.name} gives no states, expected one with read: hidden",
            hint="such as local; what the readings of any judge mean is fitted by tenward judge scale",
        )
    if source is not None and not 0 < len(source) <= SOURCE_CHARS:
        raise UsageError(f"--source: found {len(source)} characters, expected 1 to {SOURCE_CHARS}")
    data = DataSet.load(dataset, library=library)
    announce_files(library, loaded, rubric, judge)
    cases = list(data.cases(None if split == "all" else "dev" if split == "dev" else "sealed"))
    told = () if pairs is None else read_preferences(pairs, {case.id for case in cases}, tuple(loaded.criteria))
    # All that can be refused is refused before anything is read.
    labelled = check_labels(cases, told, loaded)
    check_writable(output)
    own = _own_head(library, library.find("judges", judge), loaded)
    target = output or (None if as_json else own)
    if target is None and not as_json:
        raise UsageError(
            "found no workspace to write the head to, expected one around the current folder",
            hint="make one with tenward init, or name a file with -o",
        )
    # What was fitted to these labels before would be compared with itself.
    written, who = who.head(loaded), who if own is None else who.without_head(own)
    began = time.monotonic()
    with Store.open(store) as kept:
        words = source or f"{data.name}: {len(labelled)} texts with labels of its user, fitted by tenward judge tune"
        found = asyncio.run(_tune(labelled, told, loaded, who, written, kept, words, seed))
    if found is None:
        return 3
    seconds = time.monotonic() - began
    if target is not None and found.gains:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, json.dumps(found.data) + "\n")
    if as_json:
        print_json(_data(found, seconds))
    else:
        print_page(_view(found, who.name, loaded, len(labelled), seconds))
    if not found.gains:
        note("no criterion gains, so no file was written; more labels, of more sources, may change that")
    elif target is not None:
        used = f"{who.name} reads {loaded.rubric} by it from now on; without that file, as before"
        note(f"wrote {target}: {used if own is not None and target.resolve() == own.resolve() else _where_to(own)}")
    return 0 if found.gains else 1


async def _tune(
    labelled: Sequence[Case],
    told: Sequence[Preference],
    rubric: Rubric,
    judge: ModelJudge,
    written: Head | None,
    kept: Store,
    source: str,
    seed: int,
) -> TunedHead | None:
    from tenward.evaluation import read_labelled, tune_head

    try:
        with lend_calls(Calls(cache=kept)):
            read = await read_labelled(labelled, rubric, judge, on_progress=_progress)
    finally:
        await judge.aclose()
    for case, why in list(read.lost.items())[:3]:
        note(f"no state of case {case!r}: {why}")
    if read.lost:
        note(f"{len(read.lost)} of {len(labelled)} texts could not be read; the same command asks for those again")
    if 2 * len(read.lost) > len(labelled):
        note("no head was fitted to the few that are left")
        return None
    there = {text.case for text in read.texts}
    return tune_head(
        read.texts,
        read.now,
        rubric,
        judge.states(rubric),
        source,
        preferences=[pair for pair in told if {pair.better, pair.worse} <= there],
        earlier=judge.head(rubric),
        written=written,
        seed=seed,
    )


def _own_head(library: Library, judge: Path, rubric: Rubric) -> Path | None:
    """The file of a head of one's own: beside the judge's, or in the workspace, if any, where that one is shipped."""
    shelf = HeadShelf.of(library, judge)
    if judge.parent != library.shipped / "judges":
        return shelf.place(judge.parent / "heads", rubric.rubric)
    if library.roots[0] == library.shipped:
        return None
    return shelf.place(library.roots[0] / "judges" / "heads", rubric.rubric)


def _where_to(own: Path | None) -> str:
    place = "judges/heads/ of a workspace" if own is None else str(own)
    return f"it reads nothing there; it is used as {place}"


def _progress(done: int, total: int) -> None:
    if lively():
        click.echo(f"\r\x1b[2K{done} of {total} texts read" if done < total else "\r\x1b[2K", nl=False, err=True)
        sys.stderr.flush()
    elif done % 25 == 0 or done == total:
        note(f"{done} of {total} texts read")


def _data(found: TunedHead, seconds: float) -> dict[str, object]:
    criteria = {
        name: {
            "kept": one.kept,
            "why": one.why,
            "labels": one.labels,
            "measure": one.measure,
            "now": round(one.now, 4),
            "tuned": round(one.tuned, 4),
            "gain": [round(one.tuned - one.now, 4), round(one.low, 4), round(one.high, 4)],
            "points": [[rating, round(points, 3)] for rating, points in one.points],
        }
        for name, one in found.criteria.items()
    }
    return {"seconds": round(seconds, 1), "criteria": criteria, "head": found.data}


def _view(found: TunedHead, judge: str, rubric: Rubric, texts: int, seconds: float) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from tenward.cli._layout import columns, hanging

    table = columns("criterion", "labels", "measure", "now", "tuned", "gain, 95 % interval", "")
    rest: list[RenderableType] = []
    for name, one in found.criteria.items():
        measure = "rank correlation" if one.measure == "spearman" else "pairs in order"
        now, tuned = (
            f"{number:.2f}" if one.measure == "spearman" else f"{number:.0%}" for number in (one.now, one.tuned)
        )
        gain = f"{one.tuned - one.now:+.2f} ({one.low:+.2f} to {one.high:+.2f})"
        table.add_row(name, str(one.labels), measure, now, tuned, gain, "kept" if one.kept else "left")
        rest += [Text(), hanging(f"{name}:", Text(one.why), indent=0, width=16), *_picture(one, rubric)]
    head = Text(f"{rubric.rubric} · {judge} · {texts} labelled texts · {seconds:.0f} s", style="bold")
    foot = Text(
        "tuned: on texts of sources that took no part; now: what the judge reads of the same texts", style="dim"
    )
    return Group(head, table, foot, *rest)


def _picture(one: TunedCriterion, rubric: Rubric) -> list[Text]:
    """What was read of the texts of each rating: where four out of five lie, and their median."""
    from rich.text import Text

    if not one.points:
        return []
    line, middle = ("-", "o") if ascii_only() else ("─", "●")
    lo, hi = rubric.scale.lo, rubric.scale.hi
    rows: list[Text] = []
    for level in reversed(rubric.scale.levels):
        read = sorted(points for rating, points in one.points if round(rating) == level)
        if not read:
            continue
        at = [
            round((read[round(share * (len(read) - 1))] - lo) / (hi - lo) * (_CELLS - 1)) for share in (0.1, 0.5, 0.9)
        ]
        cells = [line if at[0] <= cell <= at[2] else " " for cell in range(_CELLS)]
        cells[at[1]] = middle
        texts = "1 text" if len(read) == 1 else f"{len(read)} texts"
        rows.append(Text(f"  rated {level:>2}  {''.join(cells)}  {texts}"))
    axis = f"{lo}{'read, held out'.center(_CELLS - len(str(lo)) - len(str(hi)))}{hi}"
    return [*rows, Text(f"            {axis}", style="dim")]
