"""The JSON Schema of loop files, for editors."""

from __future__ import annotations

from typing import Any

from tenward.guards import is_mapping
from tenward.loop._definition import LoopSpec

__all__ = ["loop_schema"]

_TEXT = {"type": "string", "minLength": 1}


def loop_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a loop file, shorthands included."""
    schema = LoopSpec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions = schema["$defs"]
    definitions["ModelRef"] = {"anyOf": [_TEXT, definitions["ModelRef"]]}
    for part, names in (
        (schema, ("edit",)),
        (definitions["IdeasSpec"], ("from",)),
        (definitions["ProposeSpec"], ("command",)),
        (definitions["ProduceSpec"], ("command",)),
        (definitions["NumberSpec"], ("command",)),
        (definitions["StageSpec"], ("run",)),
    ):
        for name in names:
            _or_text(part["properties"], name)
    for field in schema["properties"].values():
        if is_mapping(default := field.get("default")):
            field["default"] = {name: value for name, value in default.items() if value not in (None, {}, [])}
    margins = definitions["Keep"]["properties"]["never_lower"]
    definitions["Keep"]["properties"]["never_lower"] = {
        "anyOf": [_TEXT, {"type": "array", "items": _TEXT}, margins],
        "description": margins.pop("description"),
    }
    return schema


def _or_text(properties: dict[str, Any], name: str) -> None:
    """Allow one text where the field takes a list of them."""
    field = properties[name]
    rest = {key: field.pop(key) for key in ("description", "default", "title") if key in field}
    properties[name] = {"anyOf": [_TEXT, *(field.pop("anyOf", None) or [field])], **rest}
