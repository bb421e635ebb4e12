"""When a change is kept: the ``keep`` part of a loop's file, made into a decision rule, and what stands against it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from tenward.decisions import AlphaRace, Better, BettingRace, FixedLine, Floor, PosteriorRace, RaceSettings
from tenward.documents import Document, FieldError
from tenward.errors import UsageError
from tenward.loop._alarm_names import AlarmName  # noqa: TC001 - pydantic reads the annotations
from tenward.loop._fields import split_names, unlike

if TYPE_CHECKING:
    from tenward.decisions import DecisionRule

__all__ = ["AlarmsSpec", "Keep", "RuleName"]

RuleName = Literal["race", "better", "alpha", "line", "betting"]

_DIALS: dict[str, tuple[str, ...]] = {
    "race": ("sure", "worthwhile", "drop", "ask", "ask_last", "seal_drop", "in_play", "sealed"),
    "better": (),
    "alpha": ("alpha", "step", "in_play", "sealed"),
    "line": ("base", "slack", "step", "in_play", "sealed"),
    "betting": ("alpha", "worthwhile"),
}

_NO_DIALS = {"rule", "never_lower", "blind"}

_Share = Annotated[float, Field(strict=True)]
_Units = Annotated[int, Field(ge=1, le=100_000, strict=True)]


class AlarmsSpec(Document):
    """Which signs of a bought gain may not stand against a keep."""

    overrule: Annotated[tuple[AlarmName, ...], AfterValidator(unlike)] = ()
    """Alarms that are recorded and shown, and block nothing."""


class Keep(Document):
    """The rule that keeps or discards, and its dials; every dial left out has the rule's own default."""

    rule: RuleName | None = None
    """``race`` where there are cases, ``better`` where there are none."""

    never_lower: dict[str, Annotated[float, Field(gt=0, le=1, strict=True)] | None] = Field(
        default_factory=dict[str, float | None]
    )
    """Criteria that may not lose, with the loss tolerated on the scale of the scores; a list of names tolerates a
    quarter of what lies between cases, 0.05 where their standard deviation is 0.2."""

    sure: _Share | None = None
    """``race``: keep when P(better) reaches it on all the evidence; 0.9."""

    worthwhile: _Share | None = None
    """``race`` and ``betting``: the effect worth looking for, on the scale of the scores. Left out, it goes by
    that scale: 0.03 where the standard deviation over cases is 0.2, a tenth of it where they lie ten times closer."""

    drop: _Share | None = None
    """``race``: discard on dev cases when P(effect above worthwhile) falls below it: 0.05 is thrifty with judging,
    0.01 thorough. Left out, the loop sets it by what a proposal costs beside a judged case."""

    ask: _Share | None = None
    """``race``: go on to the sealed cases when P(better) reaches it on dev; 0.5."""

    ask_last: _Share | None = None
    """``race``: the same at the last look at dev; 0.2."""

    seal_drop: _Share | None = None
    """``race``: discard on sealed cases when P(better) falls below it; 0.2."""

    alpha: _Share | None = None
    """``alpha`` and ``betting``: error rate; 0.02 and 0.05."""

    step: _Share | None = None
    """``alpha`` and ``line``: standard errors that the sealed mean must be up; 1.64 and 2.33."""

    base: _Share | None = None
    """``line``: the line the mean of the dev cases must not fall below; 0.035, by the scale as ``worthwhile``."""

    slack: _Share | None = None
    """``line``: how much higher the line starts; 0.025, likewise."""

    in_play: _Units | None = None
    """``race``, ``line`` and ``alpha``: dev cases a candidate meets at most; 20, 30 and 60."""

    sealed: _Units | None = None
    """``race``, ``line`` and ``alpha``: sealed cases it meets at most; 120."""

    blind: Literal["use"] | None = None
    """``use``: criteria that cannot tell the first outputs from worse ones, which a program makes of them, have a say
    all the same. Left out, their weight is taken out of the value that decides."""

    @field_validator("never_lower", mode="before")
    @classmethod
    def _read_names(cls, value: Any) -> Any:
        return split_names(value, None)

    @model_validator(mode="after")
    def _agree(self) -> Keep:
        # Without a rule the dials are those of the race; the whole file may still find that there are no cases.
        rule = self.rule or "race"
        dials = self._dials()
        for name in dials:
            if name not in _DIALS[rule]:
                owners = [owner for owner, names in _DIALS.items() if name in names]
                raise FieldError(
                    name,
                    found=f"{name} beside rule {rule}",
                    expected=", ".join(_DIALS[rule]) or f"no dial: {rule} has none",
                    hint=f"{name} belongs to rule: {' or '.join(owners)}",
                )
        try:
            self.build(rule)
        except UsageError as error:
            said = re.fullmatch(r"(\w+): found (.*), expected (.*)", error.message, re.DOTALL)
            field, found, expected = said.groups() if said else (rule, "dials that do not fit", error.message)
            place = (field,) if field in type(self).model_fields else ()
            raise FieldError(*place, found=found, expected=expected, hint=error.hint) from error
        return self

    @property
    def dialled(self) -> bool:
        """Whether any dial of a rule is set."""
        return bool(self._dials())

    def build(self, rule: RuleName, *, exact: bool = False) -> DecisionRule:
        """The rule of that name with these dials.

        Args:
            rule: Its name.
            exact: Whether what is left out is that of a judge which repeats itself.

        Raises:
            UsageError: A dial is out of its range.
        """
        dials = self._dials()
        match rule:
            case "race":
                return PosteriorRace(settings=RaceSettings.exact(**dials) if exact else RaceSettings(**dials))
            case "alpha":
                return AlphaRace(**dials)
            case "line":
                return FixedLine(**dials)
            case "betting":
                return BettingRace(**dials)
            case "better":
                return Better()

    def floors(self) -> tuple[Floor, ...]:
        """The criteria that may not be lowered, as rules take them."""
        return tuple(Floor(criterion=name, margin=margin) for name, margin in self.never_lower.items())

    def _dials(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in _NO_DIALS}
        return {name: value for name, value in given.items() if value is not None}
