"""Type guards for values that come from outside, such as parsed YAML and JSON."""

from __future__ import annotations

from typing import Any, TypeGuard

__all__ = ["is_list", "is_mapping"]


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether ``value`` is a list, of anything."""
    return isinstance(value, list)


def is_mapping(value: object) -> TypeGuard[dict[Any, Any]]:
    """Whether ``value`` is a dict, of anything."""
    return isinstance(value, dict)
