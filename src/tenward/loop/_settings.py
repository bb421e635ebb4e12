"""Settings in a file: their names, values and ranges read, one value put in another's place, the rest left as it is.

TOML, YAML, JSON, and assignments at the top of a Python file. A file is read twice, by its own parser and by where its
values stand, and only what both agree on is a setting; what was written is read again.
"""

from __future__ import annotations

import ast
import io
import itertools
import json
import math
import re
import tokenize
import tomllib
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from tenward.errors import LoopError
from tenward.guards import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["SETTINGS_FILES", "Setting", "SettingValue", "read_settings", "with_settings"]

SettingValue: TypeAlias = bool | int | float | str

SETTINGS_FILES = (".toml", ".yaml", ".yml", ".json", ".py")
"""Ends of the names of files whose settings can be read."""

_WORD = re.compile(r"[A-Za-z][\w-]*")
_TABLE = re.compile(r"\s*\[\s*([\w.\-]+)\s*\]\s*(?:#.*)?$")
_PAIR = re.compile(r"""\s*([\w\-]+(?:\.[\w\-]+)*)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^\s#"'\[{]+)\s*(#.*)?$""")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One value in a file."""

    name: str
    """With those of the tables around it, joined by periods: ``risk.most``, ``layers.0.size``."""

    value: SettingValue
    start: int
    end: int
    """Between which characters of the text it stands."""

    comment: str = ""
    """What is said of it on its line, without the sign that begins a comment."""


def read_settings(path: str, text: str) -> dict[str, Setting]:
    """The settings of a file by name, in the order of the file.

    Args:
        path: Its name, whose end says what it is.
        text: Its text.

    Raises:
        LoopError: It is of another kind, or cannot be read.
    """
    end = PurePath(path).suffix.lower()
    if end not in SETTINGS_FILES:
        expected = f"one whose name ends in {', '.join(SETTINGS_FILES[:-1])} or {SETTINGS_FILES[-1]}"
        raise LoopError(f"{path}: found a file of another kind, expected {expected}", hint="settings are read there")
    try:
        if end == ".toml":
            found = list(_of_toml(text))
        elif end == ".py":
            found = list(_of_python(text))
        else:
            found = list(_of_yaml(text, dict(_leaves(json.loads(text))) if end == ".json" else None))
    except (ValueError, SyntaxError, yaml.YAMLError, tokenize.TokenError, RecursionError, IndexError) as error:
        line = getattr(error, "lineno", None) or getattr(getattr(error, "problem_mark", None), "line", None)
        what = str(error).partition("\n")[0]
        raise LoopError(
            f"{path}{f':{line}' if line else ''}: found what cannot be read ({what}), expected {end[1:].upper()}",
            hint="its settings are searched",
        ) from error
    return {setting.name: setting for setting in found}


def with_settings(path: str, text: str, values: Mapping[str, SettingValue]) -> str:
    """The text with other values of some settings.

    Args:
        path: As for :func:`read_settings`.
        text: Its text.
        values: New values by name.

    Raises:
        LoopError: A setting is not there, or the file would no longer hold what was written.
    """
    there = read_settings(path, text)
    if missing := [name for name in values if name not in there]:
        raise LoopError(f"{path}: found no setting {missing[0]}, expected one of {', '.join(there) or 'some'}")
    changed = text
    moved = [there[name] for name, value in values.items() if not _same(there[name].value, value)]
    for setting in sorted(moved, key=lambda one: one.start, reverse=True):
        written = _written(path, values[setting.name], plain=text[setting.start] not in "\"'")
        changed = changed[: setting.start] + written + changed[setting.end :]
    wanted = {name: setting.value for name, setting in there.items()} | dict(values)
    try:
        if {name: setting.value for name, setting in read_settings(path, changed).items()} == wanted:
            return changed
    except LoopError:  # such as an anchor that was written over
        pass
    raise LoopError(f"{path}: its settings cannot be changed by themselves, expected each value once")


def _same(one: SettingValue, other: SettingValue) -> bool:
    return type(one) is type(other) and one == other


def _written(path: str, value: SettingValue, *, plain: bool) -> str:
    if plain and path.endswith((".yaml", ".yml")) and isinstance(value, str) and _is_plain(value):
        return value
    python = path.endswith(".py") and not (isinstance(value, str) and value.isprintable())
    written = repr(value) if python else json.dumps(value, ensure_ascii=False)
    # YAML takes 1e-05 for text.
    return written.replace("e", ".0e") if isinstance(value, float) and "." not in written else written


def _is_plain(value: str) -> bool:
    """Whether YAML takes a word for itself without quotes."""
    return _WORD.fullmatch(value) is not None and yaml.safe_load(value) == value


def _is_value(value: object) -> bool:
    return isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))


def _of_toml(text: str) -> Iterator[Setting]:
    known = dict(_leaves(tomllib.loads(text)))
    table, at, seen = "", 0, set[str]()
    for line in _lines(text):
        bare = line.rstrip("\r\n")
        if match := _TABLE.match(bare):
            table = f"{match[1]}."
        elif bare.lstrip().startswith("[["):
            table = "\0"  # a table of a list, whose values have no name
        elif (match := _PAIR.match(bare)) and (name := table + match[1]) in known and name not in seen:
            value = known[name]
            if _alone(match[2]) == value:
                seen.add(name)
                comment = (match[3] or "").lstrip("#").strip()
                yield Setting(name=name, value=value, start=at + match.start(2), end=at + match.end(2), comment=comment)
        at += len(line)


def _lines(text: str) -> list[str]:
    """Lines with their ends, which no other character than a line feed makes."""
    return io.StringIO(text, newline="\n").readlines()


def _alone(token: str) -> object:
    try:
        return tomllib.loads(f"a = {token}")["a"]
    except tomllib.TOMLDecodeError:
        return None


def _leaves(data: object, before: str = "") -> Iterator[tuple[str, SettingValue]]:
    """The values in nested mappings and lists, by their names."""
    if is_mapping(data):
        for name, value in data.items():
            yield from _leaves(value, f"{before}.{name}" if before else str(name))
    elif is_list(data):
        for place, value in enumerate(data):
            yield from _leaves(value, f"{before}.{place}")
    elif isinstance(data, bool | int | float | str) and _is_value(data):
        yield before, data


def _of_yaml(text: str, known: Mapping[str, SettingValue] | None) -> Iterator[Setting]:
    """Settings of YAML, or of JSON, whose values are ``known``."""
    root = yaml.compose(text if known is None else text.replace("\t", " "), Loader=yaml.SafeLoader)
    if root is None:
        return
    loader = yaml.SafeLoader("")
    for name, node in _scalars(root):
        value: object = loader.construct_object(node, deep=True) if known is None else known.get(name)
        if not isinstance(value, bool | int | float | str) or not _is_value(value) or node.style in {"|", ">"}:
            continue
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        rest = text[end:].partition("\n")[0]
        comment = rest.partition("#")[2].strip()
        yield Setting(name=name, value=value, start=start, end=end, comment=comment)


def _scalars(node: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, f"{before}.{key.value}" if before else str(key.value))
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield from _scalars(value, f"{before}.{place}")
    else:
        yield before, node


def _of_python(text: str) -> Iterator[Setting]:
    lines = [0, *itertools.accumulate(map(len, _lines(text)))]
    comments = {
        token.start[0]: token.string.lstrip("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Setting] = {}
    for node in ast.parse(text).body:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        target = node.target if isinstance(node, ast.AnnAssign) else target
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if not isinstance(target, ast.Name) or value is None or value.end_lineno != value.lineno:
            continue
        try:
            said: object = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        if not isinstance(said, bool | int | float | str) or not _is_value(said):
            continue
        line = text[lines[value.lineno - 1] : lines[value.lineno]].encode()
        start, end = (len(line[:offset].decode()) for offset in (value.col_offset, value.end_col_offset or 0))
        first = lines[value.lineno - 1]
        found[target.id] = Setting(
            name=target.id,
            value=said,
            start=first + start,
            end=first + end,
            comment=comments.get(value.lineno, ""),
        )
    yield from found.values()
