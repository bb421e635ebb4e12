"""The file that holds a judge's maps, as text: those of one rubric put in, those of others kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import yaml

from tenward.documents import load_document
from tenward.errors import UsageError
from tenward.judges import MAPPED_COMPONENTS, ScaleFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenward.evaluation._fit_scale import FittedScale
    from tenward.rubrics import Rubric

__all__ = ["SOURCE_CHARS", "check_scale_file", "scale_data", "scale_text"]

SOURCE_CHARS = 1000
"""The most characters that a file keeps of where its ratings come from."""


def check_scale_file(path: Path, judge: str) -> None:
    """Nothing, where maps of this judge may be put into a file; one that is not there yet will be made.

    Raises:
        DocumentError: The file that is there is no valid scale file.
        UsageError: It is that of another judge.
    """
    _maps_in(path, judge)


def _maps_in(path: Path, judge: str) -> dict[str, Any]:
    if not (path.exists() or path.is_symlink()):
        return {}
    old = load_document(path, ScaleFile)
    if old.scale != judge:
        raise UsageError(
            f"{path}: found maps of the judge {old.scale}, expected {judge}",
            hint="name another file with -o, or delete or rename this one",
        )
    found: dict[str, Any] = old.model_dump(mode="json", exclude_none=True)["rubrics"]
    return found


def scale_data(
    fitted: FittedScale,
    judge: str,
    rubric: Rubric,
    fingerprint: Mapping[str, str],
    source: str,
    *,
    anchors: Literal["ratings", "ladder"] = "ratings",
) -> dict[str, Any]:
    """The maps of one rubric as the data of a scale file.

    Args:
        fitted: The maps.
        judge: Name and version of the judge that read.
        rubric: The rubric.
        fingerprint: Of the judge under the rubric, as it read.
        source: What the texts are and who rated them.
        anchors: What its points stand for.
    """
    return {
        "scale": judge,
        "rubrics": {
            rubric.rubric: {
                "range": [rubric.scale.lo, rubric.scale.hi],
                "inputs": fitted.inputs,
                "fitted_for": {name: fingerprint[name] for name in MAPPED_COMPONENTS if name in fingerprint},
                "source": source,
                **({} if anchors == "ratings" else {"anchors": anchors}),
                **({} if fitted.error is None else {"error": round(fitted.error, 3)}),
                "criteria": {name: one.model_dump(mode="json", exclude_none=True) for name, one in fitted.maps.items()},
            }
        },
    }


def scale_text(path: Path, data: Mapping[str, Any]) -> str:
    """The text of a scale file with the maps of one rubric put in; those of others stay.

    Raises:
        DocumentError: The file that is there is no valid scale file.
        UsageError: It is that of another judge.
    """
    judge = str(data["scale"])
    rubrics = {**_maps_in(path, judge), **data["rubrics"]}
    ScaleFile.model_validate({"scale": judge, "rubrics": rubrics})
    lines = [
        "# yaml-language-server: $schema=scale.schema.json",
        "# What readings of this judge mean: strictly rising maps from raw readings to points.",
        f"scale: {judge}",
        "rubrics:",
    ]
    for name, one in rubrics.items():
        head = {key: value for key, value in one.items() if key != "criteria"}
        lines.append(f"  {name}:")
        lines += [f"    {line}" for line in _dumped(head).splitlines()]
        lines.append("    criteria:" if one["criteria"] else "    criteria: {}")
        for criterion, maps in one["criteria"].items():
            lines.append(f"      {criterion}:")
            lines += [f"        {line}" for line in _dumped(maps).splitlines()]
    return "\n".join(lines) + "\n"


def _dumped(data: Any) -> str:
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110))
