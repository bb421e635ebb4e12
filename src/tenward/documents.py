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
from pydantic_core import InitErrorDetails

from tenward.errors import DocumentError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "Document",
    "FieldError",
    "VersionedName",
    "line_of",
    "load_document",
    "parse_document",
    "raise_faults",
    "top_level_keys",
    "validate_document",
]

MAX_DOCUMENT_BYTES = 1_000_000
_MAX_PROBLEMS = 12
_MAX_NODES = 100_000
_MAX_DEPTH = 20

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


def raise_faults(faults: Sequence[FieldError]) -> None:
    """Let a validator report several faults at once; does nothing when there are none.

    Raises:
        ValidationError: There is at least one fault.
    """
    if faults:
        details = [InitErrorDetails(type="value_error", input=None, ctx={"error": fault}) for fault in faults]
        raise ValidationError.from_exception_data("faults", details)


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


def top_level_keys(path: Path) -> frozenset[str]:
    """The keys of the mapping in a YAML file; empty where there is none that can be read.

    For choosing the model of a file that may be one of several kinds; :func:`load_document` reports what is wrong.
    """
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            return frozenset()
        root = yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)
    except (OSError, yaml.YAMLError, RecursionError, ValueError, OverflowError):
        return frozenset()
    if not isinstance(root, yaml.MappingNode):
        return frozenset()
    keys: set[str] = set()
    for key, _ in root.value:
        keys.add(str(key.value))
    return frozenset(keys)


def line_of(path: Path, *field: str) -> int | None:
    """The line on which a YAML file has a field, or the nearest one around it; None where it cannot be read."""
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            return None
        node = yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)
    except (OSError, yaml.YAMLError, RecursionError, ValueError, OverflowError):
        return None
    line: int | None = None
    for name in field:
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value if isinstance(node, yaml.MappingNode) else []
        found = next((pair for pair in pairs if pair[0].value == name), None)
        if found is None:
            break
        line, node = int(found[0].start_mark.line) + 1, found[1]
    return line


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
        found, line = f"the byte 0x{raw[error.start]:02x}, which is not UTF-8", raw.count(b"\n", 0, error.start) + 1
        raise _whole(path, found, "UTF-8 text", line=line) from error
    return parse_document(text, model, path)


def parse_document(text: str, model: type[M], source: Path | str) -> M:
    """Read YAML ``text`` as ``model``; ``source`` is how error messages call it.

    Raises:
        DocumentError: As :func:`load_document`.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _syntax(source, error, text) from error
    except RecursionError:
        found, expected = "brackets or blocks nested without end", f"at most {_MAX_DEPTH} levels"
        raise _whole(source, found, expected) from None
    except (ValueError, OverflowError) as error:  # PyYAML lets chr() fail on an escape such as "\UFFFFFFFF"
        raise _whole(source, f"an escape YAML cannot read ({error})", "characters of Unicode") from error
    if root is None:
        raise _whole(source, "an empty file", f"the keys of a {_kind(model)}", hint=_first_keys(model))
    lines: dict[_Path, int] = {}
    problems = list(_walk(source, root, (), lines, [0]))
    try:
        data: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _syntax(source, error, text) from error
    except (
        ValueError,
        LookupError,
        AttributeError,
    ) as error:  # PyYAML's own on `!!bool x`, `!!timestamp x`, `!!int ''`
        raise _whole(source, f"a value YAML cannot build ({error})", "plain YAML values") from error
    if not isinstance(root, yaml.MappingNode):
        raise _whole(source, _show(data), f"a mapping with the keys of a {_kind(model)}", hint=_first_keys(model))
    try:
        document = model.model_validate(data)
    except ValidationError as error:
        problems += [_problem(detail, model, lines) for detail in error.errors(include_url=False)]
    else:
        if not problems:
            return document
    raise DocumentError(source, sorted(problems, key=lambda p: p.line or 0)[:_MAX_PROBLEMS])


def validate_document(data: object, model: type[M], source: Path | str) -> M:
    """Take data that was read already, such as JSON, as ``model``; nothing is known of lines.

    Raises:
        DocumentError: All faults at once.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [_problem(detail, model, {}) for detail in error.errors(include_url=False)]
        raise DocumentError(source, problems[:_MAX_PROBLEMS]) from error


def _walk(
    source: Path | str, node: yaml.Node, path: _Path, lines: dict[_Path, int], seen: list[int]
) -> Iterator[Problem]:
    """Note the line of every field and report duplicate keys.

    Raises:
        DocumentError: The tree is too deep or, with its aliases expanded, too large to go on.
    """
    seen[0] += 1
    line = node.start_mark.line + 1
    if seen[0] > _MAX_NODES or len(path) > _MAX_DEPTH:
        deep = len(path) > _MAX_DEPTH
        limit = f"{_MAX_DEPTH} levels of nesting" if deep else f"{_MAX_NODES:,} values"
        problem = Problem(
            line=line,
            field=_dotted(path[:6]),
            found=f"more than {limit}",
            expected="a document a person can read",
            hint="an alias (*name) inside its own anchor (&name), or aliases of aliases, expand without end",
        )
        raise DocumentError(source, [problem])
    lines.setdefault(path, line)
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                problem = Problem(
                    line=line, field=_dotted(path), found="a list or mapping as a key", expected="a name as a key"
                )
                raise DocumentError(source, [problem])
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
            yield from _walk(source, value, at, lines, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(source, item, (*path, index), lines, seen)


def _problem(detail: ErrorDetails, model: type[BaseModel], lines: dict[_Path, int]) -> Problem:
    parts: list[str | int] = []
    for part in detail["loc"]:
        # An index that the file does not have belongs to a list of which one entry may be written by itself.
        named = isinstance(part, str) and not _is_branch(part)
        if named or (*parts, part) in lines or (*parts, str(part)) in lines:
            parts.append(part)
    path: _Path = tuple(parts)
    fault = detail.get("ctx", {}).get("error")
    if isinstance(fault, FieldError):
        path += fault.field
    known = path
    while known and known not in lines and tuple(map(str, known)) not in lines:
        known = known[:-1]
    line = lines.get(known) or lines.get(tuple(map(str, known)))
    if isinstance(fault, FieldError):
        return Problem(
            line=line, field=_dotted(path), found=_short(fault.found), expected=fault.expected, hint=fault.hint
        )
    kind = detail["type"]
    if kind == "extra_forbidden":
        allowed = _fields_at(model, path[:-1])
        hint = _did_you_mean(str(path[-1]), allowed)
        expected = "one of " + ", ".join(allowed) if allowed else "no such key"
        return Problem(line=line, field=_dotted(path), found="an unknown key", expected=expected, hint=hint)
    if kind == "missing":
        return Problem(line=line, field=_dotted(path), found="nothing", expected="a value (the key is required)")
    context = detail.get("ctx", {})
    hint = ""
    if kind == "literal_error":
        hint = _did_you_mean(str(detail["input"]), re.findall(r"'([^']*)'", str(context.get("expected"))))
    return Problem(
        line=line, field=_dotted(path), found=_show(detail["input"]), expected=_expected(detail, context), hint=hint
    )


def _expected(detail: ErrorDetails, context: Mapping[str, Any]) -> str:
    """Pydantic's message in the words of someone who writes YAML."""
    one, many = ("character", "characters") if detail["type"].startswith("string") else ("entry", "entries")
    for bound, words in (("min_length", "at least"), ("max_length", "at most")):
        if bound in context:
            return f"{words} {context[bound]:,} {one if context[bound] == 1 else many}"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = re.sub(r" or instance of \w+$", "", message)
    message = message.replace("a valid dictionary", "a mapping of names to values")
    return message.replace("a valid tuple", "a list")


def _did_you_mean(name: str, allowed: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else ""


def _is_branch(part: str | int) -> bool:
    """Pydantic adds the name of a union's branch to the path of an error; people do not know those names."""
    branches = ("function-", "tagged-union", "is-instance", "lax-or-strict")
    return isinstance(part, str) and (part.startswith(branches) or part == "[key]")


def _fields_at(model: type[BaseModel], path: _Path) -> list[str]:
    current: object = model
    for part in path:
        fields = _fields(current)
        # An entry of a dict, tuple or union is described by the model inside it, if any.
        current = fields[str(part)].annotation if str(part) in fields else _model_inside(current)
    return [field.alias or name for name, field in _fields(_model_inside(current)).items()]


def _fields(annotation: object) -> dict[str, FieldInfo]:
    return getattr(annotation, "model_fields", {})


def _model_inside(annotation: object) -> object:
    if _fields(annotation):
        return annotation
    arguments: tuple[object, ...] = getattr(annotation, "__args__", ())
    inside = (_model_inside(argument) for argument in arguments)
    return next((model for model in inside if model is not None), None)


def _syntax(source: Path | str, error: yaml.YAMLError, text: str) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = mark.line + 1 if mark is not None else None
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
    hint = "put texts that hold ':', '#' or (inside braces) '?' in quotes, and indent with spaces"
    return DocumentError(
        source,
        [Problem(line=line, field="", found=f"invalid YAML ({what})", expected="valid YAML", hint=hint)],
    )


def _whole(source: Path | str, found: str, expected: str, *, line: int | None = None, hint: str = "") -> DocumentError:
    return DocumentError(source, [Problem(line=line, field="", found=found, expected=expected, hint=hint)])


def _kind(model: type[BaseModel]) -> str:
    return next(iter(model.model_fields))


def _first_keys(model: type[BaseModel]) -> str:
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return f"start with {', '.join(required)}" if required else ""


def _dotted(path: _Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of more than some thousand digits
        return "a number of thousands of digits"
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
