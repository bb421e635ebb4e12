"""What every command that judges says and checks before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tenward.cli._console import note
from tenward.errors import UsageError
from tenward.judges import JudgeSpec, load_spec

if TYPE_CHECKING:
    from tenward.evaluation import ShownScale
    from tenward.rubrics import Rubric
    from tenward.workspace import Library

__all__ = ["announce_files", "announce_scale", "check_default_judge"]


def check_default_judge(library: Library, name: str) -> None:
    """Refuse to send text to a service that only a file of the workspace, perhaps not the user's own, has chosen."""
    path = library.find("judges", name)
    if not library.is_workspace_s(path):
        return
    spec = load_spec(path)
    if not (isinstance(spec, JudgeSpec) and spec.local):
        found = spec.model if isinstance(spec, JudgeSpec) else "a panel"
        raise UsageError(
            f"{path}: the default judge '{name}' is the workspace's own: found {found}, expected a model local/...",
            hint=f"if the text may go there, name the judge: --judge {path}",
        )


def announce_files(library: Library, loaded: Rubric, rubric: str, judge: str) -> None:
    """Say which files of the workspace stand for shipped ones, and which commands of the workspace will run."""
    for folder, name in (("rubrics", rubric), ("judges", judge)):
        path = library.find(folder, name)
        if path == Path(name) or not library.is_workspace_s(path):
            continue
        if library.shadows(folder, path):
            note(f"note: {folder.removesuffix('s')} {path.stem} is the workspace's own: {path}")
        if folder == "rubrics":
            for gate in loaded.gates:
                if gate.run is not None:
                    note(f"note: rubric {path.stem} of the workspace runs: {gate.run}")


def announce_scale(scale: ShownScale) -> None:
    """Say why a map of the judge's readings was left alone, where one was."""
    if scale.note:
        note(f"note: {scale.note}")
