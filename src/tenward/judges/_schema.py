"""The JSON Schema of judge files, for editors."""

from __future__ import annotations

from typing import Any

from tenward.judges._spec import JudgeSpec, PanelSpec

__all__ = ["judge_schema"]


def judge_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a judge file: one model, or a panel of judges."""
    panel = PanelSpec.model_json_schema()
    members = panel["properties"]["panel"]
    panel["properties"]["panel"] = {
        "anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 12}, members],
        "description": members.pop("description"),
    }
    one = JudgeSpec.model_json_schema()
    definitions = {**one.pop("$defs"), "JudgeSpec": one, "PanelSpec": panel}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": definitions,
        "if": {"required": ["panel"]},
        "then": {"$ref": "#/$defs/PanelSpec"},
        "else": {"$ref": "#/$defs/JudgeSpec"},
    }
