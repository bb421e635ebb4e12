"""Walks a JSON schema and builds a value that satisfies it; what the leaves say is up to an author."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Author", "Path", "SchemaFiller", "dotted"]

Path = tuple[str | int, ...]
"""Where a value stands: property names, and positions in lists."""

_DEEP = 8  # from this depth on lists stay as short, and nullable values null, as the schema allows


class Author(Protocol):
    """Makes up the leaves."""

    @property
    def fixed(self) -> Mapping[str, object]:
        """Values by property name that are taken as they are."""
        ...

    def integer(self, path: Path, low: int, high: int, options: Sequence[int]) -> int:
        """A whole number, one of the options if there are any, else between the bounds."""
        ...

    def string(self, path: Path, least: int) -> str:
        """A text of at least so many characters."""
        ...

    def draw(self, path: Path, below: int) -> int:
        """A number from 0 to below the bound, always the same for the same path."""
        ...


@dataclass(frozen=True, kw_only=True)
class SchemaFiller:
    """Fills one schema.

    Of alternatives the first that is not null is taken. String enumerations give their first value, in a list
    the first to the first item, the second to the second. ``pattern`` and ``format`` are not followed.
    """

    root: Mapping[str, Any]
    author: Author

    def fill(self, schema: Mapping[str, Any], path: Path = ()) -> object:
        """A value for this part of the schema.

        Args:
            schema: The root or a part of it.
            path: Where the value will stand.
        """
        fixed = self.author.fixed
        if path and path[-1] in fixed:
            return fixed[str(path[-1])]
        deep = len(path) >= _DEEP
        schema = self._resolve(schema, deep=deep)
        if "const" in schema:
            return schema["const"]
        options = schema.get("enum", ())
        if schema.get("type") == "integer":
            return self.author.integer(path, *_bounds(schema, 1), options)
        if options:
            item = ([0] + [part for part in path if isinstance(part, int)])[-1]
            return options[item % len(options)]
        return self._value(schema, path, deep=deep)

    def _value(self, schema: Mapping[str, Any], path: Path, *, deep: bool) -> object:
        match schema.get("type"):
            case "object":
                parts: Mapping[str, Any] = schema.get("properties", {})
                wanted = schema.get("required", ()) if deep else parts
                return {name: self.fill(part, (*path, name)) for name, part in parts.items() if name in wanted}
            case "array":
                return self._array(schema, path, deep=deep)
            case "number":  # strictly between the bounds, which may be exclusive
                low, high = _bounds(schema, 0)
                return low + (high - low) * (1 + self.author.draw(path, 99)) / 100
            case "boolean":
                return self.author.draw(path, 2) == 1
            case "null":
                return None
            case _:
                return self.author.string(path, schema.get("minLength", 0))[: schema.get("maxLength")]

    def _array(self, schema: Mapping[str, Any], path: Path, *, deep: bool) -> list[object]:
        leading: Sequence[Mapping[str, Any]] = schema.get("prefixItems", ())
        count = max(schema.get("minItems", 0), 0 if deep else 1)
        rest = min(count, schema.get("maxItems", count)) - len(leading)
        items = [*leading, *[schema.get("items", {})] * rest]
        return [self.fill(item, (*path, index)) for index, item in enumerate(items)]

    def _resolve(self, schema: Mapping[str, Any], *, deep: bool) -> Mapping[str, Any]:
        while True:
            unions = [schema[union] for union in ("anyOf", "oneOf", "allOf") if union in schema]
            kinds = schema.get("type")
            if "$ref" in schema:
                target: Any = self.root
                for key in str(schema["$ref"]).removeprefix("#/").split("/"):
                    target = target[key]
                schema = target
            elif unions:
                schema = _pick(unions[0], deep=deep)
            elif isinstance(kinds, list):
                schema = _pick([{**schema, "type": kind} for kind in cast("list[str]", kinds)], deep=deep)
            else:
                return schema


def dotted(path: Path) -> str:
    """The path as people write it, such as ``steps.0.criterion``."""
    return ".".join(map(str, path))


def _pick(options: Sequence[Mapping[str, Any]], *, deep: bool) -> Mapping[str, Any]:
    return next((option for option in options if (option.get("type") == "null") == deep), options[0])


def _bounds(schema: Mapping[str, Any], step: int) -> tuple[int, int]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + step
    if high is None and "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - step
    if low is None:
        low = 1 if high is None else min(1, high)
    return low, low + 9 if high is None else high
