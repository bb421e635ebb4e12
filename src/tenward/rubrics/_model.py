"""The rubric as it stands in a YAML file: scale, weighted criteria, anchored levels, floors, gates, mix."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tenward.documents import Document, FieldError, VersionedName, load_document, parse_document, raise_faults
from tenward.guards import is_list, is_mapping
from tenward.workspace import Library, require_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["METRIC_NAMES", "Check", "Criterion", "Gate", "Mix", "Names", "Rubric", "Scale"]

METRIC_NAMES = ("bm25", "bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "meteor")
MetricName = Literal["bm25", "bleu", "chrf", "rouge_1", "rouge_2", "rouge_l", "meteor"]

_CRITERION_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TOP = 10

Text = Annotated[str, Field(min_length=1, max_length=4000)]
Statement = Annotated[str, Field(min_length=1, max_length=300)]
Weight = Annotated[float, Field(ge=0, le=1_000_000, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Scale(Document):
    """The whole numbers a judge may give, both ends included.

    One object makes the sentence in the prompt, the bounds in the JSON schema and the check of the answer, so the
    three cannot drift apart.
    """

    lo: int
    hi: int

    @property
    def levels(self) -> tuple[int, ...]:
        """Every score the scale allows, ascending."""
        return tuple(range(self.lo, self.hi + 1))

    def holds(self, score: float) -> bool:
        """Whether ``score`` lies on the scale; off-scale answers are errors, never clamped."""
        return self.lo <= score <= self.hi


class Check(Document):
    """A statement that holds of a good candidate, and what to do where it does not; the text alone is a shorthand."""

    says: Statement
    """The statement, so that Yes is good; a judge is asked whether it is true."""

    otherwise: Statement | None = None
    """What to do where it does not hold; making the statement true, when left out."""

    @field_validator("says")
    @classmethod
    def _no_question(cls, value: str) -> str:
        if value.rstrip().endswith(("?", "？")):
            raise FieldError(
                found=f"the question {value!r}",
                expected="a statement that is true of a good candidate",
                hint="such as: an empty input is handled",
            )
        return value


def _read_checks(value: Any) -> Any:
    return [{"says": item} if isinstance(item, str) else item for item in value] if is_list(value) else value


class Criterion(Document):
    """One question about the candidate, and what its answers mean."""

    ask: Annotated[tuple[Text, ...], BeforeValidator(_one_or_more), Field(min_length=1, max_length=4)]
    """The question the judge answers, so that Yes, or the top of the scale, is good. A list of up to four wordings
    of the same question is asked one by one and averaged by judges that read distributions."""

    weight: Weight = 1.0
    """Relative importance; weights are ratios, so 25/30/45 and 5/6/9 are the same."""

    levels: dict[int, Text] = Field(default_factory=dict[int, str])
    """What a level of the scale means in words; levels left out lie between their neighbours."""

    checks: Annotated[tuple[Check, ...], BeforeValidator(_read_checks), Field(max_length=6)] = ()
    """Statements that hold of a good candidate, at most six. Where words are asked for, a judge that reads a
    distribution is asked whether each is true: they become reasons and steps, and never change a score. Judges that
    state their scores do not see them."""

    floor: Annotated[int, Field(strict=True)] | None = None
    """A score below this level fails the candidate, whatever the other criteria say."""


class Gate(Document):
    """A check by plain code, run before any model call. Exactly one kind of check per gate."""

    run: Text | None = None
    """Command line, split like a shell would but run without one; exit status 0 passes."""

    timeout: Annotated[float, Field(gt=0, le=86_400, strict=True)] = 60.0
    """Seconds after which a ``run`` gate fails."""

    max_words: Count | None = None
    min_words: Count | None = None
    max_chars: Count | None = None
    min_chars: Count | None = None
    matches: Text | None = None
    """Regular expression that must be found in the candidate."""

    forbids: Text | None = None
    """Regular expression that must not be found in the candidate."""

    say: Annotated[Text, Field(max_length=300)] | None = None
    """The rule in words, for whoever writes the candidate or its prompt, such as ``no period at the end``. Limits of
    words and characters say themselves."""

    @property
    def rule(self) -> str:
        """What the gate asks for in words: :attr:`say`, or a limit spelt out; empty where neither is known."""
        if self.say is not None:
            return self.say
        return next(
            (
                f"{bound} {limit:,} {unit if limit != 1 else unit.removesuffix('s')}"
                for bound, limit, unit in (
                    ("at most", self.max_words, "words"),
                    ("at least", self.min_words, "words"),
                    ("at most", self.max_chars, "characters"),
                    ("at least", self.min_chars, "characters"),
                )
                if limit is not None
            ),
            "",
        )

    @model_validator(mode="after")
    def _one_check(self) -> Gate:
        beside = {"timeout", "say"}
        given = [name for name in Gate.model_fields if name not in beside and getattr(self, name) is not None]
        if len(given) != 1:
            checks = ", ".join(name for name in Gate.model_fields if name not in beside)
            raise FieldError(
                found=" and ".join(given) or "no check",
                expected=f"exactly one of {checks}",
                hint="write one list entry per check",
            )
        if "timeout" in self.model_fields_set and self.run is None:
            raise FieldError("timeout", found="a timeout without run", expected="timeout only beside run")
        for name in ("matches", "forbids"):
            pattern = getattr(self, name)
            if pattern is not None:
                try:
                    re.compile(pattern)
                except (re.error, OverflowError, RecursionError) as error:
                    raise FieldError(name, found=repr(pattern), expected=f"a regular expression ({error})") from None
        return self


class Names(Document):
    """What the judge is told the texts are; single words read best."""

    candidate: Annotated[str, Field(pattern=r"^[\w -]{1,40}$")] = "candidate"
    """The judged text: ``summary``, ``comment``, ``skill file``."""

    input: Annotated[str, Field(pattern=r"^[\w -]{1,40}$")] = "input"
    """What it answers: ``article``, ``diff``, ``task``."""


class Mix(Document):
    """Shares of judge and reference metrics in ``value``; used only where a case has references."""

    judge: Weight = 1.0
    references: Weight = 0.0

    @model_validator(mode="after")
    def _not_nothing(self) -> Mix:
        if self.judge + self.references <= 0:
            raise FieldError(found="shares that are all 0", expected="at least one share above 0")
        return self


@lru_cache(maxsize=64)  # fractions are slow, and a run asks for the same at every case
def _shares(weights: tuple[tuple[str, float], ...]) -> Mapping[str, Fraction]:
    exact = {name: Fraction(str(weight)) for name, weight in weights}
    total = sum(exact.values())
    return MappingProxyType({name: weight / total for name, weight in exact.items()})


class Rubric(Document):
    """What good is: criteria with weights and anchored levels, read from YAML by :meth:`load`."""

    rubric: VersionedName
    """Name and version, such as ``code-review/v1``."""

    about: Text
    """The question the whole rubric answers, in one sentence; the judge reads it first."""

    names: Names = Names()
    """What candidate and input are called in front of the judge."""

    scale: Scale = Scale(lo=1, hi=5)
    """Lowest and highest score, written ``[1, 5]``; at most 0 to 10."""

    criteria: Annotated[dict[str, Criterion], Field(min_length=1, max_length=24)]
    """The criteria by name; the shorthand ``name: question`` means weight 1 and no anchors."""

    gates: tuple[Gate, ...] = ()
    """Checks by plain code that run before any model call."""

    references: dict[MetricName, Weight] = Field(default_factory=dict[MetricName, float])
    """Reference metrics and their weights among each other."""

    mix: Mix = Mix()
    """How judge and reference metrics are blended into ``value``."""

    normalize: Literal["max", "range"] = "max"
    """``max`` divides the weighted sum by the top of the scale; ``range`` maps the scale's bottom to 0."""

    min_coverage: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.8
    """Share of the weight that must be scored for the case to be scored at all."""

    @classmethod
    def load(cls, name: str | Path, *, library: Library | None = None) -> Rubric:
        """Load a rubric by name (workspace first, then the shipped library) or by path.

        Raises:
            UnknownNameError: No library holds that name.
            DocumentError: The file is not a valid rubric.
        """
        library = library or Library.discover()
        path = library.find("rubrics", name)
        rubric = load_document(path, cls)
        require_version(name, rubric.rubric, path)
        return rubric

    @classmethod
    def parse(cls, text: str, *, source: str = "<text>") -> Rubric:
        """Read a rubric from YAML text; ``source`` names it in errors.

        Raises:
            DocumentError: The text is not a valid rubric.
        """
        return parse_document(text, cls, source)

    @property
    def shares(self) -> Mapping[str, Fraction]:
        """Each criterion's exact share of the total weight; they sum to 1."""
        return _shares(tuple((name, criterion.weight) for name, criterion in self.criteria.items()))

    @property
    def metric_weights(self) -> Mapping[str, float]:
        """Weights of the reference metrics by name; empty when the rubric uses none."""
        return {str(name): weight for name, weight in self.references.items()}

    @field_validator("scale", mode="before")
    @classmethod
    def _read_scale(cls, value: Any) -> Any:
        if isinstance(value, Scale):
            return value
        ends = value if is_list(value) else []
        if len(ends) != 2 or not all(type(end) is int for end in ends):
            raise FieldError(
                found=repr(value), expected="two whole numbers, lowest and highest score", hint="such as [1, 5]"
            )
        lo, hi = ends
        if not 0 <= lo < hi <= _TOP:
            raise FieldError(
                found=f"[{lo}, {hi}]",
                expected="lowest below highest, from 0 to 10",
                hint="[1, 5] and [0, 10] are usual",
            )
        return {"lo": lo, "hi": hi}

    @field_validator("criteria", mode="before")
    @classmethod
    def _read_criteria(cls, value: Any) -> Any:
        if not is_mapping(value):
            return value
        raise_faults(
            [
                FieldError(
                    str(name),
                    found=f"the name {name!r}",
                    expected="lower-case letters, digits and _, at most 40",
                    hint="start with a letter",
                )
                for name in value
                if not (isinstance(name, str) and _CRITERION_ID.fullmatch(name))
            ]
        )
        return {name: {"ask": item} if isinstance(item, str) else item for name, item in value.items()}

    @model_validator(mode="after")
    def _agree(self) -> Rubric:
        raise_faults([*self._scale_faults(), *self._share_faults()])
        return self

    def _scale_faults(self) -> Iterator[FieldError]:
        span = f"levels of the scale, {self.scale.lo} to {self.scale.hi}"
        for name, criterion in self.criteria.items():
            for level in criterion.levels:
                if not self.scale.holds(level):
                    yield FieldError("criteria", name, "levels", str(level), found=str(level), expected=span)
            if criterion.floor is not None and not self.scale.holds(criterion.floor):
                yield FieldError("criteria", name, "floor", found=str(criterion.floor), expected=span)
            said = [check.says for check in criterion.checks]
            for index, statement in enumerate(said):
                if statement in said[:index]:
                    yield FieldError(
                        "criteria", name, "checks", index, found=repr(statement), expected="each statement once"
                    )

    def _share_faults(self) -> Iterator[FieldError]:
        zeros, one = "weights that are all 0", "at least one weight above 0"
        if not any(criterion.weight > 0 for criterion in self.criteria.values()):
            yield FieldError("criteria", found=zeros, expected=one)
        if self.references and not any(self.references.values()):
            yield FieldError("references", found=zeros, expected=one)
        if self.mix.references > 0 and not self.references:
            yield FieldError(
                "mix",
                found="a share for references, but no references",
                expected="references: beside a mix that uses them",
                hint="name metrics, such as references: {rouge_l: 1}",
            )
