"""``tenward judge heads``: what a judge's heads were fitted to, and how well they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tenward.cli._console import clean, note, print_json, print_page
from tenward.cli._kind import require_kind
from tenward.errors import DocumentError, TenwardError, UsageError
from tenward.judges import JudgeSpec, ModelJudge, load_spec
from tenward.judges.heads import HeadShelf, load_head
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import RenderableType

    from tenward.judges.heads import HeadFile

__all__ = ["command"]

_ORDER = ("spearman", "given_length", "length")
_ERROR = ("error", "constant_error")
_NUMBERS = ("texts", "order", "given length", "length alone", "off by", "the mean")


@click.command("heads")
@click.argument("name", metavar="J")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def command(name: str, *, as_json: bool) -> None:
    """List the heads of judge J: under which rubrics it has one, who rated what it learned, and how well it does."""
    library = Library.discover()
    path = library.find("judges", name)
    require_kind(path, "judge")
    spec = load_spec(path)
    if not isinstance(spec, JudgeSpec) or spec.read != "hidden":
        raise UsageError(
            f"judge {name} has no heads, expected one with read: hidden",
            hint="such as local; tenward judge show lists the judges",
        )
    judge = ModelJudge(spec, (), HeadShelf.of(library, path))
    heads: dict[Path, HeadFile] = {}
    damaged: list[DocumentError] = []
    for file in HeadShelf.of(library, path).files():
        try:
            head = load_head(file)
        except DocumentError as error:
            damaged.append(error)
            continue
        heads[file] = head
        if said := _idle(file, head, judge, library):
            note(said)
    if as_json:
        print_json(_data(heads))
    elif heads:
        print_page(_view(heads))
    else:
        click.echo(f"judge {name} has no heads that can be read; tenward judge tune fits one to labelled cases")
    for one in damaged[1:]:
        note(str(one))
    if damaged:
        raise damaged[0]


def _idle(file: Path, head: HeadFile, judge: ModelJudge, library: Library) -> str:
    """Why a head does not read, though it is there; empty where it does."""
    try:
        rubric = Rubric.load(head.head, library=library)
        used = judge.head_in_use(rubric)
    except TenwardError as error:
        return f"{file}: in use for no rubric: {error}"
    if used.path == file:
        return used.note
    return used.note or f"{file}: in use for no rubric: it is called otherwise than judges/heads/JUDGE.RUBRIC.json"


def _data(heads: Mapping[Path, HeadFile]) -> list[dict[str, Any]]:
    """What they were fitted to and how well they do, without their numbers."""
    return [
        {
            "rubric": head.head,
            "path": str(path),
            "hash": head.hash,
            "source": head.source,
            "texts": head.texts,
            "error": head.error,
            "criteria": {
                name: one.model_dump(mode="json", include={"cases", "groups", "pairs", *_ERROR, *_ORDER})
                for name, one in head.criteria.items()
            },
        }
        for path, head in heads.items()
    ]


def _view(heads: Mapping[Path, HeadFile]) -> RenderableType:
    """A row per criterion, and who rated what."""
    from rich.console import Group
    from rich.text import Text

    from tenward.cli._layout import columns, indented

    table = columns("rubric", "criterion", *_NUMBERS, right=_NUMBERS)
    sources: list[RenderableType] = []
    for head in heads.values():
        for name, one in head.criteria.items():
            labels = f"{one.cases}" if one.cases else f"{one.pairs} pairs"
            known = [getattr(one, figure) for figure in _ORDER]
            order = ["" if value is None else f"{value:.2f}" for value in known]
            first = head.head if name == next(iter(head.criteria)) else ""
            table.add_row(clean(first), clean(name), labels, *order, f"{one.error:.2f}", f"{one.constant_error:.2f}")
        sources += [Text(f"\n{head.head}", style="bold"), indented(clean(head.source), by=2)]
    foot = (
        "\nOn texts whose source took no part: rank correlation with the ratings, the same where the length of a text "
        "is held fixed, and that of the length alone; how many points a reading is typically off by, and always saying "
        "the mean rating. What is missing here is read by distribution."
    )
    return Group(table, Text(foot, style="dim"), *sources)
