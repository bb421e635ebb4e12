"""The human check of a loop: pairs of outputs, a person's scores of them, and where both are kept.

::

    refs/tenward/<loop>/audit      a commit per answer that was given, the last one
        pairs.json                 the pairs in the order of the draw, with the outputs of both versions
        answers.json               the scores by pair

It is kept beside the attempts, so that it survives the journal, goes where the record goes, and can be resumed. Which
side of a pair shows which version is drawn with the two commits, and told nowhere but here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations when an audit is read back
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Literal

from tenward.decisions import FEWEST_ANSWERS, HumanCheck, human_check
from tenward.errors import GitError, LoopError
from tenward.loop._commits import Commit
from tenward.loop._moves import move_refs
from tenward.loop._objects import ObjectWriter
from tenward.loop._trees import FILE, Entry, tree_body

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from tenward.loop._record import LoopRecord

__all__ = ["Audit", "AuditMatter", "AuditPair", "AuditScores", "read_audit", "write_audit"]

_PAIRS, _ANSWERS = "pairs.json", "answers.json"
_BEST, _WORST = 10, 1
_TOKEN_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class AuditScores:
    """What a person gave the two outputs of a case, 1 to 10 each."""

    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class AuditPair:
    """One case with the outputs of the first and of the last version."""

    case: str
    split: Literal["dev", "sealed"]
    input: str
    context: str
    first: str
    """Output of the version that the loop began with."""

    last: str
    """Output of the last incumbent."""

    judged: float
    """What the judge gave the last minus what it gave the first, both 0 to 1."""

    last_is_a: bool
    """Whether side A shows the last version."""

    @property
    def same(self) -> bool:
        """Whether the two are word for word the same, so that nobody needs to be asked."""
        return self.first.split() == self.last.split()

    @property
    def token(self) -> str:
        """What names the pair where the case and the sides must not be told; other texts have another one."""
        told = json.dumps([self.case, self.first, self.last, self.last_is_a])
        return hashlib.sha256(told.encode()).hexdigest()[:_TOKEN_DIGITS]

    @property
    def sides(self) -> tuple[str, str]:
        """The outputs as they are shown, A and B."""
        return (self.last, self.first) if self.last_is_a else (self.first, self.last)

    def scores(self, a: int, b: int) -> AuditScores:
        """The scores of the sides as scores of the versions.

        Raises:
            ValueError: One of them is not a whole number from 1 to 10.
        """
        for score in (a, b):
            if not _WORST <= score <= _BEST:
                raise ValueError(f"found the score {score}, expected a whole number from {_WORST} to {_BEST}")
        return AuditScores(first=b, last=a) if self.last_is_a else AuditScores(first=a, last=b)


@dataclass(frozen=True, kw_only=True)
class AuditMatter:
    """What a person should know of what is judged."""

    about: str
    """What the rubric asks as a whole."""

    criteria: Mapping[str, str] = field(default_factory=dict[str, str])
    """What it asks, by criterion."""

    output: str = "output"
    """What the texts are called, such as ``summary``."""

    input: str = "input"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The human check of one pair of versions."""

    first: str
    """The commit that the loop began at."""

    last: str
    """The incumbent that is compared with it."""

    matter: AuditMatter
    pairs: tuple[AuditPair, ...]
    """One case of each unit, in the order of the draw: sealed ones first."""

    complete: bool
    """Whether no further case could be drawn."""

    answers: Mapping[str, AuditScores | None] = field(default_factory=dict[str, AuditScores | None])
    """Scores by case; None where a person passed."""

    commit: str = ""
    """Where it was read from, or written to; empty for one that is not kept yet."""

    def drawn(self, cases: int) -> tuple[AuditPair, ...]:
        """The first so many pairs; a random part of all."""
        return self.pairs[:cases]

    def to_ask(self, cases: int) -> tuple[AuditPair, ...]:
        """Those that a person has something to say about."""
        return tuple(pair for pair in self.drawn(cases) if not pair.same)

    def waiting(self, cases: int) -> tuple[AuditPair, ...]:
        """Those that nobody has answered yet."""
        return tuple(pair for pair in self.to_ask(cases) if pair.case not in self.answers)

    def answered(self, pair: AuditPair, scores: AuditScores | None) -> Audit:
        """The audit with one more answer; None for a case that a person passes."""
        return replace(self, answers={**self.answers, pair.case: scores})

    @property
    def given(self) -> int:
        """Answers with scores."""
        return sum(scores is not None for scores in self.answers.values())

    @property
    def skipped(self) -> int:
        """Pairs that a person passed."""
        return len(self.answers) - self.given

    @property
    def reached(self) -> tuple[AuditPair, ...]:
        """The pairs up to the last one that was answered."""
        places = [place for place, pair in enumerate(self.pairs) if pair.case in self.answers]
        return self.pairs[: places[-1] + 1] if places else ()

    @property
    def same(self) -> int:
        """Among those, the ones that are word for word the same; they count as no difference."""
        return sum(pair.same for pair in self.reached)

    @property
    def check(self) -> HumanCheck | None:
        """The human-corrected gain; None below six answers.

        Where both texts are the same, both person and judge count as seeing no difference: that is known. Cases that
        were passed are left out. With dev cases among the answers the judge's further scores, all on sealed cases,
        are of another kind, and are left out as well.
        """
        if self.given < FEWEST_ANSWERS:
            return None
        answered: list[tuple[float, float]] = []
        done: set[str] = {case for case, scores in self.answers.items() if scores is None}
        for pair in self.reached:
            scores = self.answers.get(pair.case)
            if pair.same or scores is not None:
                points = 0 if scores is None else scores.last - scores.first
                answered.append((points / (_BEST - _WORST), _judged(pair)))
                done.add(pair.case)
        with_dev = any(pair.split == "dev" for pair in self.pairs if self.answers.get(pair.case) is not None)
        further = [_judged(pair) for pair in self.pairs if pair.case not in done and pair.split == "sealed"]
        return human_check(answered, [] if with_dev else further)


def _judged(pair: AuditPair) -> float:
    return 0.0 if pair.same else pair.judged


@cache
def _pairs() -> TypeAdapter[Audit]:
    from pydantic import TypeAdapter

    return TypeAdapter(Audit)


@cache
def _answers() -> TypeAdapter[dict[str, AuditScores | None]]:
    from pydantic import TypeAdapter

    return TypeAdapter(dict[str, AuditScores | None])


def _ref(record: LoopRecord) -> str:
    return f"refs/tenward/{record.loop}/audit"


def read_audit(record: LoopRecord) -> Audit | None:
    """The human check that is kept; None where there is none.

    Raises:
        LoopError: It cannot be read.
    """
    ref = _ref(record)
    name = record.git.refs(ref).get(ref)
    if name is None:
        return None
    files = record.trees.listing(name).files
    try:
        pairs, answers = record.git.bodies([files[_PAIRS].name, files[_ANSWERS].name])
        found = _pairs().validate_json(pairs)
        return replace(found, answers=_answers().validate_json(answers), commit=name)
    except (KeyError, ValueError) as error:
        raise LoopError(
            f"{ref} is not a human check ({str(error).splitlines()[0]})",
            hint=f"begin it anew: git update-ref -d {ref}",
        ) from error


def write_audit(record: LoopRecord, audit: Audit) -> Audit:
    """Keep a human check in the place of the one at its ``commit``, which stays its parent in git.

    Returns:
        The check with its new commit.

    Raises:
        LoopError: Somebody else has answered since that one was read.
        GitError: The repository cannot be written.
    """
    writer = ObjectWriter(record.git)
    texts = {
        _PAIRS: _pairs().dump_json(replace(audit, answers={}, commit=""), indent=1),
        _ANSWERS: _answers().dump_json(dict(audit.answers), indent=1),
    }
    tree = tree_body({name: Entry(FILE, writer.add("blob", text + b"\n")) for name, text in texts.items()})
    now = datetime.now(UTC)
    parents = [audit.commit] if audit.commit else []
    message = f"Human check of the loop {record.loop}: {audit.given} answers\n"
    new = writer.add("commit", Commit(tree=writer.add("tree", tree), parents=parents, message=message).body(now, now))
    writer.store()
    ref = _ref(record)
    if complaint := move_refs(record.git, [(ref, new, audit.commit or None)]):
        if record.git.refs(ref).get(ref, "") == audit.commit:
            raise GitError(f"{ref} cannot be written: {complaint}", hint="try `git fsck`")
        raise LoopError(
            f"somebody else has answered pairs of the loop '{record.loop}' meanwhile",
            hint="run the command again: it goes on with what is left",
        )
    return replace(audit, commit=new)
