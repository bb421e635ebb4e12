"""The loop as it stands in a YAML file: what may change, who proposes, how it is scored, when it is kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from tenward.documents import Document, FieldError, VersionedName, load_document, parse_document, raise_faults
from tenward.loop._allow_spec import AllowSpec
from tenward.loop._arms import ARM_OWNERS
from tenward.loop._fields import (
    Command,
    Count,
    Patterns,
    Positive,
    Seconds,
    Text,
    exactly_one,
    only_beside,
    unlike,
)
from tenward.loop._keep import AlarmsSpec, Keep
from tenward.loop._paths import PathPatterns
from tenward.loop._produce_spec import ProduceSpec
from tenward.loop._propose_spec import ProposeSpec
from tenward.workspace import Library, require_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenward.decisions import DecisionRule, Floor
    from tenward.loop._keep import RuleName

__all__ = [
    "BudgetSpec",
    "ConfirmSpec",
    "IdeasSpec",
    "LoopSpec",
    "NumberSpec",
    "ProduceSpec",
    "ProposeSpec",
    "ScoreSpec",
    "StageSpec",
]


class IdeasSpec(Document):
    """What the brief may quote."""

    sources: Annotated[Patterns, Field(alias="from")]
    """Paths or patterns of the files that passages are taken from."""


class NumberSpec(Document):
    """A number that a command prints."""

    command: Command
    """Run in the candidate's worktree."""

    pattern: Text | None = None
    """Regular expression whose first group, or whole match, is the number; its last match in what was printed counts.
    Without pattern and json, the last line is the number."""

    json_key: Annotated[Text | None, Field(alias="json")] = None
    """Dotted path in the JSON that the last line is, such as ``metrics.loss``."""

    goal: Literal["minimize", "maximize"] = "minimize"
    """Which way is better."""

    timeout: Seconds = 600.0
    """Seconds after which the command is stopped."""

    repeats: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    """How often it is measured; more than once where it is noisy."""

    @model_validator(mode="after")
    def _agree(self) -> NumberSpec:
        if self.pattern is not None and self.json_key is not None:
            raise FieldError(found="pattern and json", expected="at most one of the two")
        if self.pattern is not None:
            try:
                groups = re.compile(self.pattern).groups
            except (re.error, OverflowError, RecursionError) as error:
                expected = f"a regular expression ({error})"
                raise FieldError("pattern", found=repr(self.pattern), expected=expected) from None
            if groups > 1:
                hint = "write (?:…) for a group that is not the number"
                raise FieldError("pattern", found=f"{groups} groups", expected="at most one", hint=hint)
        return self


class ScoreSpec(Document):
    """How good a candidate is: a rubric and who applies it, or a number."""

    rubric: Text | None = None
    """Rubric, by name or path."""

    judge: Text | None = None
    """Judge, by name or path; ``local`` when left out."""

    dataset: Text | None = None
    """Cases, by name or path. Without it the artefact itself is judged, as one text."""

    number: NumberSpec | None = None
    """A number that a command prints."""

    @model_validator(mode="after")
    def _agree(self) -> ScoreSpec:
        exactly_one(self, "rubric", "number", hint="such as score: {rubric: skill, dataset: skill-tasks}")
        only_beside(self, "rubric", "judge", "dataset")
        return self


def _cases(value: Any) -> Any:
    if value != "all" and (type(value) is not int or not 1 <= value <= 1_000_000):
        raise FieldError(found=repr(value), expected="a number of cases, or all", hint="such as {cases: 6}")
    return value


class StageSpec(Document):
    """One step of an evaluation, cheap ones first. Exactly one of ``run``, ``cases`` and ``number``."""

    run: Command | None = None
    """A check in the candidate's worktree; exit status 0 passes."""

    timeout: Seconds = 300.0
    """Seconds after which ``run`` fails."""

    cases: Annotated[int | Literal["all"] | None, BeforeValidator(_cases)] = None
    """So many dev cases, of which the candidate must not look hopeless."""

    number: NumberSpec | None = None
    """A cheaper measurement than the score."""

    best: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of candidates that go on after ``number``: those among the best so far (asynchronous successive halving, Li
    et al., 2020). Left out: those that are not worse than the incumbent."""

    @model_validator(mode="after")
    def _agree(self) -> StageSpec:
        exactly_one(self, "run", "cases", "number", hint="write one list entry per stage")
        only_beside(self, "run", "timeout")
        only_beside(self, "number", "best")
        return self


class ConfirmSpec(Document):
    """How a winner is confirmed before it is kept."""

    split: Literal["sealed"] = "sealed"
    """The cases that only this step reads."""

    judge: Text | None = None
    """Who judges them, best a model of another family; as in ``score`` when left out."""

    cases: Annotated[int, Field(ge=2, le=1_000_000, strict=True)] | None = None
    """How many of them the loop reads at most, drawn by its seed, groups whole; all when left out. The gain is measured
    on each twice, so a slow program may want fewer."""


class BudgetSpec(Document):
    """When the loop stops, whichever comes first; at least one limit."""

    rounds: Count | None = None
    hours: Positive | None = None
    usd: Positive | None = None
    """US dollars; needs a price for every model that is not free."""

    calls: Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)] | None = None
    """Calls of models, the proposer's included."""

    @model_validator(mode="after")
    def _agree(self) -> BudgetSpec:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            limits = ", ".join(type(self).model_fields)
            hint = "leave budget out for 20 rounds"
            raise FieldError(found="no limit", expected=f"at least one of {limits}", hint=hint)
        return self


class LoopSpec(Document):
    """What may change, and when it is kept; read from YAML by :meth:`load`."""

    loop: VersionedName
    """Name and version, such as ``commit-subjects/v1``."""

    goal: Text
    """What a better artefact is, in a sentence or two; the proposer reads it first."""

    edit: Annotated[Patterns, AfterValidator(unlike)]
    """Paths or patterns, from the top of the repository, of what may change; all else is read-only."""

    propose: ProposeSpec
    """Who proposes changes."""

    ideas: IdeasSpec | None = None
    """Sources the brief may quote."""

    produce: ProduceSpec | None = None
    """How the artefact makes outputs; left out, the artefact itself is judged."""

    score: ScoreSpec
    """How good a candidate is."""

    stages: Annotated[tuple[StageSpec, ...], Field(max_length=20)] = ()
    """Checks and cheap looks before the score, in order."""

    keep: Keep = Keep()
    """When a change is kept."""

    confirm: ConfirmSpec | None = None
    """Who confirms a winner on sealed cases; as in ``score`` when left out."""

    alarms: AlarmsSpec = AlarmsSpec()
    """What stands against a keep although its rule is content."""

    budget: BudgetSpec = BudgetSpec(rounds=20)
    """When the loop stops; left out, after 20 rounds."""

    parallel: Annotated[int, Field(ge=1, le=16, strict=True)] = 1
    """Attempts at the same time."""

    feedback: Literal["steps", "levels", "score"] = "levels"
    """What the proposer sees of the judge: numbers only (``score``), reasons with the rubric's levels and checks too
    (``levels``), or also steps to 10 (``steps``), which tell most and leak the grader most."""

    placebo: Annotated[float, Field(ge=0, le=0.5, strict=True)] = 0.1
    """Share of attempts that are no real change, to measure how many of those would be kept."""

    seed: Annotated[int, Field(ge=0, le=2**53, strict=True)] = 0
    """Every random choice of the loop follows from it."""

    allow: AllowSpec = AllowSpec()
    """What commands may reach besides the system and their own folder."""

    unsealed: bool = False
    """Whether to run candidates that are programs where this machine contains no command. What such a loop claims is
    worth as much as the candidates are honest."""

    combine_every: Annotated[int, Field(ge=2, le=1000, strict=True)] | None = 10
    """Every so many rounds two near-misses are combined; null for never."""

    pool: Annotated[int, Field(ge=0, le=100, strict=True)] = 0
    """Versions that were not kept and from which half of the attempts start: near-misses, and what is best on some
    cases. With it, two near-misses are combined by git where their changes go together. 0 for none."""

    stuck_after: Annotated[int, Field(ge=1, le=1000, strict=True)] | None = 8
    """Rounds without a keep after which the brief asks for bolder ideas, and again after as many; null for never."""

    _source: Path | None = PrivateAttr(default=None)

    @classmethod
    def load(cls, name: str | Path, library: Library | None = None) -> LoopSpec:
        """Load a loop by name (workspace first, then the shipped library) or by path, of a file or its folder.

        Raises:
            UnknownNameError: No library holds that name.
            DocumentError: The file is not a valid loop.
        """
        library = library or Library.discover()
        path = library.find("loop", name)
        spec = load_document(path, cls)
        require_version(name, spec.loop, path)
        spec._source = path
        return spec

    @classmethod
    def parse(cls, text: str, *, source: str = "<text>", file: Path | None = None) -> LoopSpec:
        """Read a loop from YAML text.

        Args:
            text: What its file says, or said when the loop began.
            source: How errors call it.
            file: The file it is the text of.

        Raises:
            DocumentError: The text is not a valid loop.
        """
        spec = parse_document(text, cls, source)
        spec._source = file
        return spec

    @property
    def source(self) -> Path | None:
        """The file it was loaded from; None where it was read from text."""
        return self._source

    @property
    def name(self) -> str:
        """The part of ``loop`` before the version, such as ``commit-subjects``."""
        return self.loop.partition("/")[0]

    @property
    def has_cases(self) -> bool:
        """Whether candidates are compared case by case."""
        return self.score.dataset is not None

    @property
    def runs_candidates(self) -> bool:
        """Whether a command of the loop's file runs what an attempt made."""
        produced = self.produce is not None and self.produce.command is not None
        return produced or self.score.number is not None or any(stage.cases is None for stage in self.stages)

    @property
    def edits_one_text(self) -> bool:
        """Whether one file of prose may change, and its score is no number."""
        one = len(self.edit) == 1 and not set(self.edit[0]) & set("*?[")
        return one and self.score.number is None and self.edit[0].endswith((".md", ".txt"))

    @property
    def rule_name(self) -> RuleName:
        """The decision rule, the default filled in."""
        return self.keep.rule or ("race" if self.has_cases else "better")

    @property
    def rule(self) -> DecisionRule:
        """The decision rule with its dials, as long as nothing is known of the judge's noise."""
        return self.rule_under(None)

    def rule_under(self, judge_sd: float | None) -> DecisionRule:
        """The decision rule with its dials.

        Args:
            judge_sd: Standard deviation of one pass of the judge, as calibrated; None before that.
        """
        return self.keep.build(self.rule_name, exact=judge_sd == 0 or self.score.number is not None)

    @property
    def floors(self) -> tuple[Floor, ...]:
        """The criteria that may not be lowered."""
        return self.keep.floors()

    @model_validator(mode="after")
    def _agree(self) -> LoopSpec:
        faults = [*self._propose_faults(), *self._produce_faults(), *self._score_faults()]
        raise_faults([*faults, *self._stage_faults(), *self._keep_faults()])
        return self

    def _propose_faults(self) -> Iterator[FieldError]:
        if self.propose.change == "sentence" and not self.edits_one_text:
            found = f"sentence, where {', '.join(self.edit)} may change"
            expected = "one file ending in .md or .txt, and a score that is no number"
            yield FieldError("propose", "change", found=found, expected=expected, hint="write change: files")
        of_text = [arm for arm in self.propose.arms or () if arm == "sentence" or arm not in ARM_OWNERS]
        if of_text and not self.edits_one_text:
            found = f"{of_text[0]}, where {', '.join(self.edit)} may change"
            expected = "one file ending in .md or .txt, and a score that is no number"
            yield FieldError("propose", "arms", found=found, expected=expected, hint="leave it out")
        search = self.propose.search
        if search is not None and not PathPatterns(self.edit).match(search.file):
            expected = f"a file that edit matches ({', '.join(self.edit)})"
            yield FieldError(
                "propose", "search", "file", found=repr(search.file), expected=expected, hint="add it to edit"
            )
        if search is not None and self.parallel > 1:
            found = f"{self.parallel} beside propose.search"
            hint = "each draw learns from the one before; leave parallel out"
            yield FieldError("parallel", found=found, expected="1", hint=hint)
        goals = {stage.number.goal for stage in self.stages if stage.number is not None}
        if search is not None and self.score.number is not None and goals - {self.score.number.goal}:
            found = f"a stage that wants to {min(goals - {self.score.number.goal})} its number"
            expected = f"one that wants to {self.score.number.goal} it, as the score does"
            yield FieldError("stages", found=found, expected=expected, hint="the search learns from both")

    def _produce_faults(self) -> Iterator[FieldError]:
        prompt = None if self.produce is None else self.produce.prompt
        # Outputs are made from this file alone: where it stays as it is, no change can make a difference.
        if prompt is not None and not PathPatterns(self.edit).match(prompt):
            yield FieldError(
                "produce",
                "prompt",
                found=f"'{prompt}'",
                expected=f"a file that edit matches ({', '.join(self.edit)})",
                hint="add it to edit; where outputs are made from other files, use a produce command that reads those",
            )

    def _score_faults(self) -> Iterator[FieldError]:
        if self.produce is not None and not self.has_cases:
            yield FieldError(
                "score",
                found="produce without a data set",
                expected="score: {rubric: …, dataset: …}",
                hint="outputs are made from the inputs of cases",
            )
        if self.confirm is not None and not self.has_cases:
            yield FieldError("confirm", found="confirm without a data set", expected="cases, of which some are sealed")

    def _stage_faults(self) -> Iterator[FieldError]:
        last = 0.0
        for index, stage in enumerate(self.stages):
            if stage.cases is not None:
                if not self.has_cases:
                    yield FieldError(
                        "stages", index, "cases", found="cases without a data set", expected="run or number"
                    )
                size = float("inf") if stage.cases == "all" else float(stage.cases)
                if size <= last:
                    expected = "more cases from stage to stage"
                    yield FieldError("stages", index, "cases", found=str(stage.cases), expected=expected)
                last = size
            if stage.number is not None and self.score.number is None:
                expected = "number only where the score is a number"
                yield FieldError("stages", index, "number", found="number beside a rubric", expected=expected)

    def _keep_faults(self) -> Iterator[FieldError]:
        number = self.score.number
        if number is not None and self.keep.never_lower:
            yield FieldError("keep", "never_lower", found="criteria beside a number", expected="a rubric's criteria")
        if number is not None and "blind" in self.keep.model_fields_set:
            yield FieldError("keep", "blind", found="blind beside a number", expected="it where a judge scores")
        several = self.has_cases or (number is not None and number.repeats > 1)
        if not several and (self.rule_name != "better" or self.keep.dialled):
            yield FieldError(
                "keep",
                found=f"rule {self.keep.rule or 'race'} for a score without cases or repeats",
                expected="rule: better, without dials",
                hint="add a data set, or repeats: 5 to a noisy number",
            )
