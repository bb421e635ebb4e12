"""``tenward judge sight``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenward.cli._common import announce_files
from tenward.cli._console import ascii_only, lively, note, print_json, print_page
from tenward.datasets import DataSet
from tenward.errors import UsageError
from tenward.judges import Calls, Judge, Limiter, lend_calls
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.text import Text

    from tenward.judges import PlannedCalls
    from tenward.sight import Ladder, RungSight, Sight

__all__ = ["command", "sight_view"]


@click.command("sight")
@click.argument("judge", metavar="JUDGE")
@click.option("-r", "--rubric", required=True, metavar="R", help="Rubric: a name, or the path of a YAML file.")
@click.option("-d", "--dataset", required=True, metavar="D", help="Data set: a name, or the path of its file.")
@click.option(
    "--cases", type=click.IntRange(4, 1000), default=12, show_default=True, metavar="N", help="Cases to draw."
)
@click.option("--split", type=click.Choice(["dev", "sealed", "all"]), default="dev", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Which cases.")
@click.option("--concurrency", type=click.IntRange(1, 1000), default=16, show_default=True, metavar="N")
@click.option("--yes", is_flag=True, help="Do not ask whether to go on with what may cost money.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Another store file.")
def command(
    judge: str,
    rubric: str,
    dataset: str,
    cases: int,
    split: str,
    seed: int,
    concurrency: int,
    yes: bool,
    as_json: bool,
    store: Path | None,
) -> int:
    """Find out whether JUDGE tells better from worse with this rubric and these data; nobody labels anything.

    Outputs are set beside worse ones that a program makes of them: the output of another case, half of it, its
    sentences in another order, a stock phrase, other names and numbers, code with a line or an operator changed. What
    reads lower is seen. What takes calls is said before any is made. Exits with 1 if the judge sees nothing.

    \b
        tenward judge sight local --rubric commit-subject --dataset commit-subjects
        tenward judge sight gpt --rubric summary --dataset mine.jsonl --cases 24 --yes
    """  # noqa: D301 - click looks for the backspace character itself
    from tenward.evaluation import Store
    from tenward.sight import build_ladders, plan_sight, read_ladders

    library = Library.discover()
    loaded = Rubric.load(rubric, library=library)
    who = Judge.load(judge, library=library)
    data = DataSet.load(dataset, library=library)
    announce_files(library, loaded, rubric, judge)
    given = data.cases(None if split == "all" else "dev" if split == "dev" else "sealed")
    ladders = build_ladders(given, cases_at_most=cases, seed=seed)
    with Store.open(store) as kept:
        planned = plan_sight(ladders, loaded, who, cache=kept)
        note(_plan_words(ladders, planned))
        _require_consent(planned, yes=yes)

        async def look() -> Sight:
            try:
                with lend_calls(Calls(cache=kept, limiter=Limiter(concurrency))):
                    return await read_ladders(
                        ladders, loaded, who, seed=seed, concurrency=concurrency, on_progress=_progress
                    )
            finally:
                await who.aclose()

        found = asyncio.run(look())
    if as_json:
        print_json({"dataset": data.name, **found.to_json(), "plan": dict(planned.__dict__)})
    else:
        print_page(sight_view(found, dataset=data.name))
    if not found.value.pooled.pairs:
        note("nothing is known: no pair of texts was scored")
        return 3
    return int(found.is_blind)


def _plan_words(ladders: Sequence[Ladder], planned: PlannedCalls) -> str:
    from tenward.cli._views import cost_of
    from tenward.sight import SURE_CASES

    texts = sum(len(list(ladder.texts)) for ladder in ladders)
    price = "price unknown (none in the judge file)" if planned.worst_usd is None else cost_of(planned.worst_usd)
    tokens = planned.prompt_tokens + planned.completion_tokens
    few = f"\nwith fewer than {SURE_CASES} cases nothing can be called blind" if len(ladders) < SURE_CASES else ""
    cached = f" ({planned.cached:,} of {planned.calls:,} are in the cache)" if planned.cached else ""
    return (
        f"{len(ladders)} cases, {texts} texts to judge: at most {planned.most_calls:,} calls{cached}, "
        f"{tokens:,} tokens, {price}{few}"
    )


def _require_consent(planned: PlannedCalls, *, yes: bool) -> None:
    """Ask before money may be spent; without a person to ask, ``--yes`` is the consent."""
    if yes or not planned.most_calls or planned.worst_usd == 0:
        return
    if not _somebody_is_there():
        raise UsageError("this may cost money, and there is nobody to ask", hint="add --yes to go on without asking")
    if not click.confirm("Go on?", err=True):
        raise UsageError("nothing was asked, as you wished")


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def _progress(done: int, total: int) -> None:
    if lively():
        click.echo(f"\r\x1b[2K{done}/{total} texts" if done < total else "\r\x1b[2K", nl=False, err=True)


def sight_view(found: Sight, *, dataset: str) -> RenderableType:
    """What was found: a table of criteria and rungs with their AUC, and the findings in words."""
    from rich.console import Group
    from rich.text import Text

    from tenward.cli._layout import columns, indented

    title = Text(found.judge, style="bold")
    title.append(f"   {found.rubric} · {dataset} · sight, {found.cases} cases", style="dim")
    names = [rung.rung for rung in found.value.rungs]
    table = columns("", *names, "all", "95 %", "span", "", right=(*names, "all", "span"))
    for one in (found.value, *found.criteria):
        by_name = {rung.rung: rung for rung in one.rungs}
        style = "bold" if one is found.value else ""
        table.add_row(
            Text(one.criterion, style=style),
            *(_cell(by_name.get(name)) for name in names),
            _cell(one.pooled),
            Text(_interval(one.pooled), style="dim"),
            "" if one.pooled.span is None else f"{one.pooled.span:+.3f}",
            Text(one.seen, style="green" if one.seen == "sees" else "yellow"),
        )
    lengths = {rung.rung: rung for rung in found.length}
    table.add_row(Text("mere length", style="dim"), *(_cell(lengths.get(name), style="dim") for name in names))
    how = (
        "Share of cases in which the better text reads higher (AUC); .50 is chance, and mere length counts characters. "
        f"Span: how much higher, for the value of 1, for a criterion of {found.top:g} points."
    )
    lines = [indented(Text(line, style="bold" if at == 0 else ""), by=2) for at, line in enumerate(found.lines)]
    return Group(title, Text(""), indented(table, by=2), Text(""), indented(Text(how, style="dim"), by=2), *lines)


def _cell(rung: RungSight | None, *, style: str = "") -> Text:
    from rich.text import Text

    if rung is None or rung.auc is None:
        return Text("-" if ascii_only() else "–", style="dim")
    seen = "green" if rung.sees else "red" if rung.turned else "yellow"
    return Text(f"{rung.auc:.2f}".removeprefix("0"), style=style or seen)


def _interval(rung: RungSight) -> str:
    if rung.low is None or rung.high is None:
        return ""
    ends = [f"{end:.2f}".removeprefix("0") for end in (rung.low, rung.high)]
    return " to ".join(ends)
