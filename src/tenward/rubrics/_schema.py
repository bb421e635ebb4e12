"""The JSON Schema of rubric files, for editors."""

from __future__ import annotations

from typing import Any

from tenward.rubrics._model import Rubric

__all__ = ["rubric_schema"]


def rubric_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a rubric file, shorthands included."""
    schema = Rubric.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["properties"]["scale"] = {
        "type": "array",
        "items": {"type": "integer", "minimum": 0},
        "minItems": 2,
        "maxItems": 2,
        "default": [1, 5],
        "description": schema["properties"]["scale"]["description"],
    }
    schema["properties"]["criteria"]["additionalProperties"] = {
        "anyOf": [{"type": "string", "minLength": 1}, {"$ref": "#/$defs/Criterion"}]
    }
    schema["$defs"].pop("Scale", None)
    checks = schema["$defs"]["Criterion"]["properties"]["checks"]
    checks["items"] = {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 300}, checks["items"]]}
    ask = schema["$defs"]["Criterion"]["properties"]["ask"]
    about = ask.pop("description")
    schema["$defs"]["Criterion"]["properties"]["ask"] = {
        "anyOf": [{"type": "string", "minLength": 1}, ask],
        "description": about,
    }
    return schema
