"""Reading plain numbers back from JSON, for the small values a journal keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenward.errors import UsageError
from tenward.guards import is_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fields", "number", "whole"]

_HINT = "restore the record from its backup, or start the loop afresh"


def fields(value: object, *, of: str, names: Sequence[str]) -> dict[str, object]:
    """Return the fields of a JSON object that must have exactly the given names.

    Raises:
        UsageError: The value is no JSON object, or lacks or adds a field.
    """
    if not is_mapping(value) or sorted(map(str, value)) != sorted(names):
        found = f"the fields {', '.join(map(str, value)) or 'none'}" if is_mapping(value) else type(value).__name__
        raise UsageError(f"{of}: found {found}, expected the fields {', '.join(names)}", hint=_HINT)
    return {str(name): part for name, part in value.items()}


def number(value: object, *, of: str, least: float = -math.inf) -> float:
    """Return a finite number of at least ``least``.

    Raises:
        UsageError: It is anything else, truth values included.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < least:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise UsageError(f"{of}: found {value!r}, expected a finite number{bound}", hint=_HINT)
    return float(value)


def whole(value: object, *, of: str) -> int:
    """Return a whole number of at least 0.

    Raises:
        UsageError: It is anything else, truth values included.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"{of}: found {value!r}, expected a whole number of at least 0", hint=_HINT)
    return value
