"""Kinds of fields that several parts of a loop's file share: paths, commands, models."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from tenward.documents import Document, FieldError
from tenward.errors import LoopError, UsageError
from tenward.guards import is_list
from tenward.judges import JudgeSpec, Price, load_spec
from tenward.loop._paths import PathPatterns, steers_git
from tenward.workspace import Library, require_version

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Command",
    "Count",
    "ModelRef",
    "Pattern",
    "Patterns",
    "Positive",
    "Seconds",
    "Text",
    "Variable",
    "exactly_one",
    "named",
    "only_beside",
    "split_names",
    "unlike",
]

_JUDGE_NAME = re.compile(r"[^/]+(/v[0-9]+)?|.*\.ya?ml")
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
# A redirection begins a word, so that an argument such as x>=1 or a=<b> is one.
_OF_A_SHELL = re.compile(r"\|\|?|&&|;|(?:^|\s)(?:[0-9]|&)?(?:>>?|<)(?:&[0-9])?|\s&(?=\s|$)")
# What a judge file says about reading scores has no meaning for a model that writes.
_OF_READING = {"about", "anchors", "ask", "explain", "max_tokens", "probe", "read", "samples"}

Text = Annotated[str, Field(min_length=1, max_length=4000)]
Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Positive = Annotated[float, Field(gt=0, le=1_000_000, strict=True)]
Seconds = Annotated[float, Field(gt=0, le=604_800, strict=True)]


def _pattern(value: str) -> str:
    try:
        PathPatterns([value])
    except LoopError as error:
        expected = "a path from the top of the repository"
        raise FieldError(found=repr(value), expected=expected, hint=error.hint) from error
    if steers_git(value) or "\0" in value:
        raise FieldError(
            found=repr(value), expected="no path of git's own files", hint="git decides what was changed, so it stays"
        )
    return value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Pattern = Annotated[str, AfterValidator(_pattern)]
"""A path or pattern as :class:`tenward.loop.PathPatterns` reads it, and never git's own file."""

Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_one_or_more), Field(min_length=1, max_length=200)]


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise FieldError(
            found=repr(value), expected=f"a command ({error})", hint="balance its quotes, or write it as a list"
        ) from error
    operator = _OF_A_SHELL.search(_QUOTED.sub("_", value))
    if operator is not None or words[:1] == ["cd"]:
        raise FieldError(
            found=f"'{operator.group().strip() if operator is not None else 'cd'}' in {value!r}",
            expected="a program and its arguments; commands run without a shell",
            hint="write sh -c '…', or quote what is an argument",
        )
    return words


def _startable(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not value[0].strip():
        raise FieldError(found="an empty command", expected="a program and its arguments", hint="such as ./run.sh")
    if any("\0" in part for part in value):
        raise FieldError(found="a NUL character", expected="a command without one")
    return value


Command = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_startable)]
"""A program and its arguments: a list, or one line that is split as a shell would but run without one."""


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,199}", value):
        hint = "name the variable only; its value is read from the environment" if "=" in value else ""
        raise FieldError(found=repr(value), expected="the name of an environment variable", hint=hint)
    return value


Variable = Annotated[str, AfterValidator(_variable)]


def exactly_one(part: Document, *names: str, hint: str = "") -> str:
    """The one of these fields that is given; raises FieldError for none or several."""
    given = [name for name in names if getattr(part, name) is not None]
    if len(given) != 1:
        raise FieldError(
            found=" and ".join(given) or "none of them", expected=f"exactly one of {', '.join(names)}", hint=hint
        )
    return given[0]


def only_beside(part: Document, owner: str, *names: str) -> None:
    """Raise FieldError where one of these fields is given without its owner."""
    for name in names:
        if name in part.model_fields_set and getattr(part, owner) is None:
            raise FieldError(name, found=f"{name} without {owner}", expected=f"{name} only beside {owner}")


def named(name: str, top: Path | None) -> str | Path:
    """What a library is asked for: a file below ``top`` where ``name`` is the path of one, else the name itself."""
    path = top / name if top is not None and ("/" in name or "." in name) else None
    return path if path is not None and path.is_file() else name


class ModelRef(Document):
    """A model that writes: that of a judge file, or any other, with changes. A name alone stands for either."""

    judge: Text | None = None
    """Judge file whose model, endpoint and key are used, by name or path, such as ``local``."""

    model: Text | None = None
    """``provider/model``, such as ``openai/gpt-4.1-mini`` or ``local/qwen2.5-coder-1.5b-instruct``."""

    base_url: str | None = None
    """Address of an OpenAI-compatible endpoint."""

    api_key_env: Variable | None = None
    """Environment variable that holds the key."""

    temperature: Annotated[float, Field(ge=0, le=2, strict=True)] | None = None
    """Sampling temperature; left out, the provider's own, and for a proposer of the embedded engine 0.8."""

    seed: int | None = None
    max_tokens: Annotated[int, Field(ge=64, le=200_000, strict=True)] | None = None
    """Upper bound on one answer, in tokens; 4096 when left out."""

    context_tokens: Annotated[int, Field(ge=1024, le=262_144, strict=True)] | None = None
    """Embedded engine only: tokens of prompt and answer it makes room for."""

    timeout: Seconds | None = None
    """Seconds for one call; 600 when left out, since texts take longer than scores."""

    retries: Annotated[int, Field(ge=0, le=20, strict=True)] | None = None
    """How often a rate limit, a time-out or a broken connection is tried again."""

    mode: Text | None = None
    """instructor mode for structured answers; chosen by provider when left out."""

    price: Price | None = None
    """What tokens cost, in US dollars per million; needed for a budget in dollars."""

    extra_body: dict[str, Any] | None = None
    """Further fields of the request body, passed through as they are."""

    @model_validator(mode="before")
    @classmethod
    def _read_name(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return {"judge": value} if _JUDGE_NAME.fullmatch(value) else {"model": value}

    @model_validator(mode="after")
    def _agree(self) -> ModelRef:
        if (self.judge is None) == (self.model is None):
            raise FieldError(
                found="both judge and model" if self.judge else "neither judge nor model",
                expected="one of the two",
                hint="judge: local takes the model of a judge file; model: openai/NAME names it directly",
            )
        if self.model is not None:
            JudgeSpec.model_validate(self._changes({"judge": "model"}))  # its faults are faults of these very fields
        return self

    def spec(self, library: Library | None = None, *, top: Path | None = None) -> JudgeSpec:
        """The model as :class:`tenward.judges.StructuredModel` takes it.

        Args:
            library: Where judge files are looked up; discovered if None.
            top: Top of the repository, which relative paths start from.

        Raises:
            UnknownNameError: There is no such judge file.
            DocumentError: It is not a valid judge.
            UsageError: It is a panel, or does not go together with the changes.
        """
        base: dict[str, Any] = {"judge": "model"}
        if self.judge is not None:
            found = named(self.judge, top)
            path = (library or Library.discover()).find("judges", found)
            read = load_spec(path)
            require_version(found, read.judge, path)
            if not isinstance(read, JudgeSpec):
                raise UsageError(
                    f"{path}: found a panel, expected a judge with one model",
                    hint="name one of its members; a panel cannot write",
                )
            base = {
                name: value for name, value in read.model_dump(exclude_unset=True).items() if name not in _OF_READING
            }
        try:
            return JudgeSpec.model_validate(self._changes(base))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(map(str, fault["loc"])) or "model"
            told = fault["msg"].removeprefix("Value error, ")
            raise UsageError(
                f"{where}: the changes do not go together with judge file '{self.judge}': {told}",
                hint="name the model itself with model: provider/name",
            ) from error

    def _changes(self, base: dict[str, Any]) -> dict[str, Any]:
        changes = {name: getattr(self, name) for name in type(self).model_fields if name != "judge"}
        data = {**base, **{name: value for name, value in changes.items() if value is not None}}
        data.setdefault("timeout", 600.0)
        data["deadline"] = max(float(data.get("deadline", 0.0)), 2.0 * float(data["timeout"]))
        return data


def unlike(value: tuple[str, ...]) -> tuple[str, ...]:
    """The list itself; raises FieldError where an entry stands in it twice."""
    twice = sorted({item for item in value if value.count(item) > 1})
    if twice:
        raise FieldError(found=f"{twice[0]!r} twice", expected="each once")
    return value


def split_names(value: Any, default: float | None) -> Any:
    """A mapping from one name or a list of them, each with the same value; anything else unchanged."""
    value = [value] if isinstance(value, str) else value
    return {str(name): default for name in value} if is_list(value) else value
