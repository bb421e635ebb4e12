"""The JSON Schema of judge files, for editors."""

from __future__ import annotations

from typing import Any

from tenward.judges._spec import JudgeSpec

__all__ = ["judge_schema"]


def judge_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a judge file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **JudgeSpec.model_json_schema()}
