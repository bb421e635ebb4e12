"""``tenward rubric``."""

from __future__ import annotations

import click

from tenward.cli._console import clean, print_json, print_page
from tenward.cli._kind import require_kind
from tenward.rubrics import Rubric, rubric_schema
from tenward.workspace import Library

__all__ = ["command"]


@click.group("rubric")
def command() -> None:
    """Show a rubric, or the JSON Schema of rubric files."""


@command.command("show")
@click.argument("name", required=False, metavar="[R]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def show(name: str | None, *, as_json: bool) -> None:
    """Show what rubric R asks and how it weighs the answers; without R, list the rubrics there are."""
    if name is None:
        _list(as_json=as_json)
        return
    library = Library.discover()
    require_kind(library.find("rubrics", name), "rubric")
    rubric = Rubric.load(name, library=library)
    if as_json:
        print_json(rubric.model_dump(mode="json"))
        return
    from tenward.cli._rubric_view import rubric_view

    print_page(rubric_view(rubric))


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of rubric files, for editors."""
    print_json(rubric_schema())


def _list(*, as_json: bool) -> None:
    found = {name: (Rubric.load(path), path) for name, path in Library.discover().names("rubrics").items()}
    if as_json:
        print_json([{"name": name, "about": rubric.about, "path": str(path)} for name, (rubric, path) in found.items()])
        return
    from tenward.cli._layout import columns

    table = columns("rubric", "about")
    for name, (rubric, _) in found.items():
        table.add_row(clean(name), clean(rubric.about))
    print_page(table)
