"""``tenward judge``."""

from __future__ import annotations

import click

from tenward.cli._console import print_json
from tenward.documents import load_document
from tenward.judges import JudgeSpec, judge_schema
from tenward.workspace import Library

__all__ = ["command"]


@click.group("judge")
def command() -> None:
    """Show a judge, or the JSON Schema of judge files."""


@command.command("show")
@click.argument("name", required=False, metavar="[J]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def show(name: str | None, *, as_json: bool) -> None:
    """Show what judge J is made of; without J, list the judges there are."""
    library = Library.discover()
    if name is None:
        judges = {key: load_document(path, JudgeSpec) for key, path in library.names("judges").items()}
        if as_json:
            print_json([{"name": key, "model": spec.model, "about": spec.about} for key, spec in judges.items()])
            return
        width = max(map(len, judges), default=0)
        for key, spec in judges.items():
            click.echo(f"{key:<{width}}  {spec.model}  {spec.about}".rstrip())
        return
    spec = load_document(library.find("judges", name), JudgeSpec)
    if as_json:
        print_json(spec.model_dump(mode="json"))
        return
    for field, value in spec.model_dump(exclude_none=True, exclude_defaults=True).items():
        click.echo(f"{field}: {value}")


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of judge files, for editors."""
    print_json(judge_schema())
