"""YAML files into frozen pydantic models, with errors that name file, line, field, found and expected.

Every content folder (rubrics, judges, loop) is read through :func:`load_document`, so that all of them refuse
duplicate and unknown keys, and complain, in the same way.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from tenward.errors import DocumentError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "Document",
    "FieldError",
    "VersionedName",
    "load_document",
    "parse_document",
]

MAX_DOCUMENT_BYTES = 1_000_000
_MAX_PROBLEMS = 12
_MAX_NODES = 100_000

M = TypeVar("M", bound=BaseModel)
_Path = tuple[str | int, ...]


class Document(BaseModel):
    """Base of every model that is read from a file: frozen, no unknown keys, no infinities."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, strict=False, use_attribute_docstrings=True
    )


class FieldError(ValueError):
    """Raised by a model's validator to place a fault on an inner field, with its own words.

    Args:
        field: Path of the field relative to the model that raises, such as ``("criteria", "clarity", "weight")``.
        found: What stands there.
        expected: What may stand there.
        hint: How to mend it.
    """

    def __init__(self, *field: str | int, found: str, expected: str, hint: str = "") -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.field = field
        self.found = found
        self.expected = expected
        self.hint = hint


def _versioned(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,70}(/v[0-9]{1,6})?", name):
        raise FieldError(
            found=repr(name),
            expected="lower-case letters, digits and -, then /v and a number",
            hint="such as code-review/v1",
        )
    return name


VersionedName = Annotated[str, AfterValidator(_versioned)]
"""What a document calls itself: a name and, after ``/v``, a version."""


def load_document(path: Path, model: type[M]) -> M:
    """Read one YAML file as ``model``.

    Raises:
        DocumentError: Anything from "is empty" to "criteria.clarity.weight: found 0", all faults at once.
    """
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= MAX_DOCUMENT_BYTES else b""
    except OSError as error:
        raise _whole(path, f"a file that cannot be read ({error.strerror})", "a YAML file") from error
    if size > MAX_DOCUMENT_BYTES:
        raise _whole(path, f"{size:,} bytes", f"a YAML file of at most {MAX_DOCUMENT_BYTES:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _whole(path, f"a byte that is not UTF-8 at offset {error.start}", "UTF-8 text") from error
    return parse_document(text, model, path)


def parse_document(text: str, model: type[M], source: Path | str) -> M:
    """Read YAML ``text`` as ``model``; ``source`` is how error messages call it.

    Raises:
        DocumentError: As :func:`load_document`.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _syntax(source, error) from error
    if root is None:
        raise _whole(source, "an empty file", f"the keys of a {_kind(model)}", hint=_first_keys(model))
    lines: dict[_Path, int] = {}
    problems = list(_walk(root, (), lines, [0]))
    if problems:
        raise DocumentError(source, problems[:_MAX_PROBLEMS])
    try:
        data: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _whole(source, f"a value YAML cannot build ({error})", "plain YAML values") from error
    if not isinstance(root, yaml.MappingNode):
        raise _whole(source, _show(data), f"a mapping with the keys of a {_kind(model)}", hint=_first_keys(model))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = [_problem(detail, model, lines) for detail in error.errors(include_url=False)]
        raise DocumentError(source, sorted(found, key=lambda p: p.line or 0)[:_MAX_PROBLEMS]) from None


def _walk(node: yaml.Node, path: _Path, lines: dict[_Path, int], seen: list[int]) -> Iterator[Problem]:
    """Note the line of every field, and report duplicate keys, aliases that loop and oversized trees."""
    seen[0] += 1
    line = node.start_mark.line + 1
    if seen[0] > _MAX_NODES or len(path) > 20:
        yield Problem(
            line=line, field=_dotted(path[:6]), found="aliases that expand without end", expected="plain YAML"
        )
        return
    lines.setdefault(path, line)
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            at = (*path, name)
            lines[at] = key.start_mark.line + 1
            if name in keys:
                yield Problem(
                    line=key.start_mark.line + 1,
                    field=_dotted(at),
                    found="a second entry of the same name",
                    expected="each name once",
                    hint="rename or remove one of them",
                )
            keys.add(name)
            yield from _walk(value, at, lines, seen)
            if seen[0] > _MAX_NODES:
                return
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), lines, seen)
            if seen[0] > _MAX_NODES:
                return


def _problem(detail: ErrorDetails, model: type[BaseModel], lines: dict[_Path, int]) -> Problem:
    path: _Path = tuple(str(p) if isinstance(p, str) else p for p in detail["loc"])
    path = tuple(p for p in path if not (isinstance(p, str) and _is_branch(p)))
    fault = detail.get("ctx", {}).get("error")
    if isinstance(fault, FieldError):
        path += fault.field
    known = path
    while known and known not in lines and tuple(map(str, known)) not in lines:
        known = known[:-1]
    line = lines.get(known) or lines.get(tuple(map(str, known)))
    if isinstance(fault, FieldError):
        return Problem(line=line, field=_dotted(path), found=fault.found, expected=fault.expected, hint=fault.hint)
    kind = detail["type"]
    if kind == "extra_forbidden":
        allowed = _fields_at(model, path[:-1])
        close = difflib.get_close_matches(str(path[-1]), allowed, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'?" if close else ""
        expected = "one of " + ", ".join(allowed) if allowed else "no such key"
        return Problem(line=line, field=_dotted(path), found="an unknown key", expected=expected, hint=hint)
    if kind == "missing":
        return Problem(line=line, field=_dotted(path), found="nothing", expected="a value (the key is required)")
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = message.replace("a valid dictionary", "a mapping of names to values")
    message = message.replace("a valid tuple", "a list")
    return Problem(line=line, field=_dotted(path), found=_show(detail["input"]), expected=message)


def _is_branch(part: str) -> bool:
    """Pydantic adds the name of a union's branch to the path of an error; people do not know those names."""
    return part.startswith(("function-", "tagged-union", "is-instance", "lax-or-strict")) or part == "[key]"


def _fields_at(model: type[BaseModel], path: _Path) -> list[str]:
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else None
        else:  # an entry of a dict, tuple or union: the model inside it, if any
            current = _model_inside(current)
    current = _model_inside(current)
    return [] if current is None else [field.alias or name for name, field in current.model_fields.items()]


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inside = (_model_inside(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in inside if model is not None), None)


def _syntax(source: Path | str, error: yaml.YAMLError) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = mark.line + 1 if mark is not None else None
    hint = "put texts that hold ':', '#' or (inside braces) '?' in quotes, and indent with spaces"
    return DocumentError(
        source,
        [Problem(line=line, field="", found=f"invalid YAML ({what})", expected="valid YAML", hint=hint)],
    )


def _whole(source: Path | str, found: str, expected: str, *, hint: str = "") -> DocumentError:
    return DocumentError(source, [Problem(line=None, field="", found=found, expected=expected, hint=hint)])


def _kind(model: type[BaseModel]) -> str:
    return next(iter(model.model_fields))


def _first_keys(model: type[BaseModel]) -> str:
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return f"start with {', '.join(required)}" if required else ""


def _dotted(path: _Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
