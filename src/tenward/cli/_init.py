"""``tenward init``."""

from __future__ import annotations

from pathlib import Path

import click

from tenward.cli._console import note, say
from tenward.cli._model import DEFAULT_MODEL
from tenward.errors import TenwardError, UsageError
from tenward.judges.models import ModelStore
from tenward.workspace import CONTENT_FOLDERS, Library

__all__ = ["command"]

_RUBRIC = """\
# yaml-language-server: $schema=rubric.schema.json
rubric: my-rubric/v1
about: Is this answer good enough to send?
scale: [1, 5]
criteria:
  correct:
    weight: 60
    ask: Is everything the text says true?
    levels:
      1: a central statement is false
      3: true in the main, with a slip that a reader would notice
      5: every statement is true
    floor: 2            # below this the text fails, whatever the rest says
  clear:
    weight: 40
    ask: Can the reader act on the text after one reading?
    levels:
      1: the reader cannot tell what to do
      3: clear after a second reading
      5: clear at first reading
gates:                  # plain code, run before any model is asked
  - {max_words: 400}
"""

_ABOUT = {
    "rubrics": "What good is: one YAML file per rubric. `tenward rubric show NAME` explains one.",
    "judges": "Who says so: one YAML file per judge. `tenward judge show NAME` explains one.",
    "datasets": "On what: one JSON line per case (id, input, output, references, context, human, group).",
    "loop": "What may change, and when it is kept.",
    "reports": "Where reports are written.",
}


@click.command("init")
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Make a workspace in FOLDER (default: here). Files that exist are left as they are."""
    shipped = Library.discover().shipped
    files = {f"{name}/README.md": f"{_ABOUT[name]}\n" for name in CONTENT_FOLDERS}
    files["rubrics/my-rubric.yaml"] = _RUBRIC
    files["rubrics/rubric.schema.json"] = (shipped / "rubrics" / "rubric.schema.json").read_text(encoding="utf-8")
    for name in ("judge.schema.json", "scale.schema.json"):
        files[f"judges/{name}"] = (shipped / "judges" / name).read_text(encoding="utf-8")
    files["loop/loop.schema.json"] = (shipped / "loop" / "loop.schema.json").read_text(encoding="utf-8")
    files["judges/local.yaml"] = (shipped / "judges" / "local.yaml").read_text(encoding="utf-8")
    changed = False
    for name, text in files.items():
        path = folder / name
        created = _create(path, text)
        changed = changed or created
        say(f"{'created' if created else 'kept   '}  {path}")
    if changed:
        pull = "" if _has_model() else "tenward model pull, then "
        note(f"\nNext: {pull}tenward score SOME-FILE --rubric my-rubric")


def _has_model() -> bool:
    try:
        ModelStore().path(DEFAULT_MODEL)
    except TenwardError:
        return False
    return True


def _create(path: Path, text: str) -> bool:
    """Write a file that is not there yet; return whether it was written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise UsageError(
            f"found a file {path.parent}, expected a folder", hint="choose another folder, or move the file away"
        ) from None
    except OSError as error:
        raise UsageError(
            f"cannot write {path} ({error.strerror})", hint="choose a folder that can be written"
        ) from error
    return True
