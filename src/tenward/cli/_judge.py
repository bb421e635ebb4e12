"""``tenward judge``."""

from __future__ import annotations

import sys

import click
import yaml

from tenward.cli import _judge_heads, _judge_scale
from tenward.cli._console import clean, print_json, print_page, say
from tenward.cli._judge_sight import command as sight_command
from tenward.cli._judge_tune import command as tune_command
from tenward.cli._kind import require_kind
from tenward.judges import JudgeSpec, PanelSpec, judge_schema, load_spec, scale_schema
from tenward.workspace import Library

__all__ = ["command"]


@click.group("judge")
def command() -> None:
    """Show a judge and its heads, find out what it sees, fit it to your ratings, or print the JSON Schema."""


@command.command("show")
@click.argument("name", required=False, metavar="[J]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def show(name: str | None, *, as_json: bool) -> None:
    """Show what judge J is made of; without J, list the judges there are."""
    library = Library.discover()
    if name is None:
        judges = {key: load_spec(path) for key, path in library.names("judges").items()}
        if as_json:
            print_json([{"name": key, "model": _model(spec), "about": spec.about} for key, spec in judges.items()])
            return
        from tenward.cli._layout import columns

        table = columns("judge", "model", "about")
        for key, spec in judges.items():
            table.add_row(clean(key), clean(_model(spec)), clean(spec.about))
        print_page(table)
        return
    path = library.find("judges", name)
    require_kind(path, "judge")
    spec = load_spec(path)
    if as_json:
        print_json(spec.model_dump(mode="json"))
        return
    given = spec.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    if isinstance(spec, JudgeSpec):
        given["read"] = spec.read
    say(yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=sys.maxsize).rstrip())


@command.command("schema")
@click.option("--scale", is_flag=True, help="That of scale files, which hold what a judge's readings mean.")
def schema(*, scale: bool) -> None:
    """Print the JSON Schema of judge files, for editors."""
    print_json(scale_schema() if scale else judge_schema())


command.add_command(_judge_heads.command)
command.add_command(_judge_scale.command)
command.add_command(sight_command)
command.add_command(tune_command)


def _model(spec: JudgeSpec | PanelSpec) -> str:
    return spec.model if isinstance(spec, JudgeSpec) else f"panel of {', '.join(spec.panel)}"
