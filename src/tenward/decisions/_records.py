"""Reading plain numbers back from JSON, for the small values a journal keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenward.errors import UsageError
from tenward.guards import is_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fields", "number", "whole"]

_MOST_WHOLE = 2**53  # beyond it a float, which counts end up in, does not tell neighbours apart
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


def number(value: object, *, of: str, least: float = -math.inf, most: float = math.inf) -> float:
    """Return a finite number of at least ``least`` and at most ``most``.

    Raises:
        UsageError: It is anything else, truth values included.
    """
    found = _float(value)
    if not math.isfinite(found) or not least <= found <= most:
        bounds = [f"at least {least:g}"] * (least > -math.inf) + [f"at most {most:g}"] * (most < math.inf)
        bound = f" of {' and '.join(bounds)}" if bounds else ""
        raise UsageError(f"{of}: found {_shown(value)}, expected a finite number{bound}", hint=_HINT)
    return found


def whole(value: object, *, of: str) -> int:
    """Return a whole number from 0 to 2 to the power of 53.

    Raises:
        UsageError: It is anything else, truth values included.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_WHOLE:
        bounds = f"at least 0 and at most {_MOST_WHOLE:,}"
        raise UsageError(f"{of}: found {_shown(value)}, expected a whole number of {bounds}", hint=_HINT)
    return value


def _float(value: object) -> float:
    """The value as a float; NaN where it is no number, infinite where it is one beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _shown(value: object) -> str:
    """The value as Python writes it; of a whole number beyond all floats, how long it is."""
    if isinstance(value, int) and math.isinf(_float(value)):
        return f"a whole number of {value.bit_length():,} bits"
    return repr(value)
