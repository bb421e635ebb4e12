"""Which settings of a file are searched, and where: declared in the loop's file, or taken from the file's comments."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from tenward.documents import Document, FieldError
from tenward.errors import LoopError
from tenward.guards import is_list
from tenward.loop._fields import Pattern, unlike
from tenward.loop._settings import SettingValue, read_settings, with_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenward.loop._settings import Setting

__all__ = ["Parameter", "ParameterSpec", "SearchSpec", "searched"]

_BOUND = r"[-+]?(?:\d[\d_]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"(?<![\w.,-])({_BOUND})\s*(?:to|\.\.\.?|–)\s*({_BOUND})(?!\w|[.,-]\d)")
_EITHER = re.compile(r"\btrue or false\b", re.IGNORECASE)
_QUOTED = re.compile(r"""["'`“]([^"'`”]{1,100})["'`”]""")
_WIDE = 1000
"""Times the low end that the high end of a range in a comment is, from which on it is searched by its logarithm."""

_EXACT = 1e-6
_DIGITS = 6
_COUNTED = 10_000
_MOST = 1e15
_End = Annotated[float, Field(ge=-_MOST, le=_MOST)]
_Value: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr


class ParameterSpec(Document):
    """Where one setting is searched: from ``low`` to ``high``, or among ``choices``."""

    low: _End | None = None
    high: _End | None = None
    """The ends of its range, both included. Where they and the value in the file are whole, it stays a whole number."""

    step: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Between values; left out, 1 for whole numbers and any value for others."""

    log: bool = False
    """Whether its logarithm is searched evenly, for what ranges over several powers of ten."""

    choices: Annotated[tuple[_Value, ...], Field(min_length=2, max_length=1000), AfterValidator(unlike)] | None = None
    """The values it may have; a list in place of all this is short for it."""

    when: Annotated[dict[str, _Value], Field(max_length=10, default_factory=dict[str, SettingValue])]
    """Values of parameters above it with which alone it has a meaning; with others it is left as it is."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"choices": value} if is_list(value) else value

    @model_validator(mode="after")
    def _agree(self) -> ParameterSpec:
        ends = self.low is not None, self.high is not None
        if self.choices is not None:
            if any(ends) or self.step is not None or self.log:
                raise FieldError(found="choices beside a range", expected="one of the two")
            return self
        hint = "such as {low: 1, high: 250}, or a list of values"
        if self.low is None or self.high is None:
            raise FieldError(found="one end only" if any(ends) else "no range", expected="low and high", hint=hint)
        if self.low >= self.high:
            raise FieldError(found=f"the range {self.low:g} to {self.high:g}", expected="low below high", hint=hint)
        if self.log and self.low <= 0:
            raise FieldError("log", found=f"log with low {self.low:g}", expected="a low end above 0")
        if self.log and self.step is not None:
            raise FieldError("step", found="step beside log", expected="one of the two")
        if self.step is not None and self.step > self.high - self.low:
            raise FieldError("step", found=f"{self.step:g}", expected=f"at most {self.high - self.low:g}, the range")
        return self


class SearchSpec(Document):
    """Settings of one file, whose values a program searches."""

    file: Pattern
    """The file: TOML, YAML, JSON, or Python with assignments at its top."""

    parameters: Annotated[dict[str, ParameterSpec], Field(min_length=1, max_length=200)] | None = None
    """Which settings, by name as in ``risk.most``, and where. Left out: every setting whose comment says its range,
    such as ``1 to 250``, ``true or false``, or values in quotes."""

    sampler: Literal["tpe", "cma-es", "random"] = "tpe"
    """How the next values are drawn: by how densely good and other ones lay (``tpe``), from a normal distribution that
    moves and turns (``cma-es``, for a dozen or more numbers), or evenly (``random``)."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One setting that is searched."""

    name: str
    now: SettingValue
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    whole: bool = False
    """Whether it is a whole number."""

    choices: tuple[SettingValue, ...] = ()
    """Its values; empty for a range."""

    when: Mapping[str, SettingValue] = field(default_factory=dict[str, SettingValue])

    @property
    def words(self) -> str:
        """Where it is searched, for people."""
        if self.choices:
            told = ", ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in self.choices)
        else:
            told = f"{'whole numbers ' if self.whole else ''}{self.low:g} to {self.high:g}"
            told += (
                f" in steps of {self.step:g}" if self.step is not None and not (self.whole and self.step == 1) else ""
            )
            told += ", by its logarithm" if self.log else ""
        if self.when:
            told += f", when {' and '.join(f'{name} is {value}' for name, value in self.when.items())}"
        return told

    @property
    def values(self) -> tuple[SettingValue, ...]:
        """All values it may have, if those can be counted."""
        if self.choices or not self.whole:
            return self.choices
        step = int(self.step or 1)
        return tuple(range(int(self.low), int(self.high) + 1, step)) if self.high - self.low < _COUNTED * step else ()

    def rounded(self, value: float) -> float:
        """A value as it is written, so that files stay readable: to a millionth of the range, or of itself."""
        if self.step is not None:
            return min(max(float(f"{value:.12g}"), self.low), self.high)
        size = abs(value) if self.log else self.high - self.low
        digits = _DIGITS - math.ceil(math.log10(size)) if size else _DIGITS
        return min(max(round(value, digits), self.low), self.high)

    def holds(self, value: SettingValue) -> bool:
        """Whether it may have a value."""
        if self.choices:
            return any(value == one and type(value) is type(one) for one in self.choices)
        if isinstance(value, bool | str) or not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / self.step if self.step is not None else 0.0
        return abs(steps - round(steps)) < _EXACT


def searched(search: SearchSpec, text: str) -> tuple[Parameter, ...]:
    """The parameters of a search, in the order in which they are drawn.

    Args:
        search: As the loop's file says it.
        text: The file that holds the settings.

    Raises:
        LoopError: The file cannot be read, lacks a parameter, says no range, or a parameter cannot have its range.
    """
    there = read_settings(search.file, text)
    if search.parameters is None:
        found = [said for setting in there.values() if (said := _from_comment(setting)) is not None]
        if not found:
            raise LoopError(
                f"propose.search: found no setting in {search.file} whose comment says its range, expected one or more",
                hint="write one such as `fast = 2  # 1 to 250`, or name parameters: {fast: {low: 1, high: 250}}",
            )
        _require_writable(search.file, text, found)
        return tuple(found)
    drawn: dict[str, Parameter] = {}
    for name, one in search.parameters.items():
        if name not in there:
            raise LoopError(
                f"propose.search.parameters: found '{name}', expected a setting of {search.file}",
                hint=f"it has {', '.join(there) or 'none'}",
            )
        for other, value in one.when.items():
            if other not in drawn or not drawn[other].holds(value):
                may = f", which may be {drawn[other].words}" if other in drawn else ""
                raise LoopError(
                    f"propose.search.parameters.{name}.when: found {other}: {value}, "
                    f"expected a parameter that stands above {name}, and a value that it may have",
                    hint=f"above it: {', '.join(drawn) or 'none'}{may}",
                )
        drawn[name] = _declared(there[name], one)
    _require_writable(search.file, text, drawn.values())
    return tuple(drawn.values())


def _require_writable(file: str, text: str, parameters: Iterable[Parameter]) -> None:
    for one in parameters:
        others = one.choices or ((int(one.low), int(one.high)) if one.whole else (one.low, one.high))
        with_settings(file, text, {one.name: next(value for value in others if value != one.now)})


def _declared(setting: Setting, one: ParameterSpec) -> Parameter:
    field_name = f"propose.search.parameters.{setting.name}"
    if one.choices is not None:
        kinds = {bool if isinstance(value, bool) else str if isinstance(value, str) else float for value in one.choices}
        now = bool if isinstance(setting.value, bool) else str if isinstance(setting.value, str) else float
        if kinds != {now}:
            raise LoopError(f"{field_name}: found {list(one.choices)}, expected values like {setting.value!r}")
        return Parameter(name=setting.name, now=setting.value, choices=one.choices, when=one.when)
    if isinstance(setting.value, bool | str) or one.low is None or one.high is None:
        hint = f"such as [{setting.value!r}, …]"
        raise LoopError(f"{field_name}: found a range for {setting.value!r}, expected a list of values", hint=hint)
    bounds = (one.low, one.high, one.step or 1.0)
    whole = isinstance(setting.value, int) and all(float(bound).is_integer() for bound in bounds)
    return Parameter(
        name=setting.name,
        now=setting.value,
        low=one.low,
        high=one.high,
        step=one.step,
        log=one.log,
        whole=whole,
        when=one.when,
    )


def _from_comment(setting: Setting) -> Parameter | None:
    """What a comment says of a range in which the value lies; None where it says none."""
    choices: tuple[SettingValue, ...] = ()
    if isinstance(setting.value, bool):
        choices = (False, True) if _EITHER.search(setting.comment) else ()
    elif isinstance(setting.value, str):
        choices = tuple(dict.fromkeys(_QUOTED.findall(setting.comment)))
    if isinstance(setting.value, bool | str):
        known = setting.value in choices and len(choices) > 1
        return Parameter(name=setting.name, now=setting.value, choices=choices) if known else None
    match = _RANGE.search(setting.comment)
    low, high = (float(bound.replace("_", "")) for bound in match.groups()) if match is not None else (0.0, 0.0)
    if not (low < high and low <= setting.value <= high and max(-low, high) <= _MOST):
        return None
    whole = isinstance(setting.value, int) and low.is_integer() and high.is_integer()
    log = low > 0 and high >= _WIDE * low
    return Parameter(name=setting.name, now=setting.value, low=low, high=high, whole=whole, log=log)
