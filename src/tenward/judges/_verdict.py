"""What a judge said of one case, and why where it said nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping  # noqa: TC003 - pydantic reads the annotations when a verdict is stored
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "CheckReading",
    "CriterionVerdict",
    "Failure",
    "FailureKind",
    "Step",
    "Usage",
    "Verdict",
    "total_usage",
]

FailureKind = Literal[
    "rate_limited",
    "timeout",
    "transport",
    "refused",
    "truncated",
    "too_long",
    "off_scale",
    "schema",
    "bad_quote",
    "budget",
    "crashed",
    "produce",
]
"""Why there is no score. ``rate_limited``, ``timeout`` and ``transport`` were retried; ``off_scale``, ``schema`` and
``bad_quote`` were asked again; none of them ever becomes a number. ``crashed`` is how a command ended that should have
produced an output; ``produce`` says of a verdict that there was no output to judge, for whatever reason."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a criterion or a whole case is unscored."""

    kind: FailureKind
    detail: str
    """One line for a person; never holds a key or a whole completion."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What judging took. Adding two usages sums them; an unknown cost stays unknown."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens the endpoint reported as reused from its prefix cache; part of ``prompt_tokens``."""

    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    """US dollars by the judge file's price; None when the file states no price."""

    def __add__(self, other: Usage) -> Usage:
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost_usd=(self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
        )


def total_usage(usages: Iterable[Usage]) -> Usage:
    """The sum of usages; nothing at all is free."""
    total = Usage()
    for usage in usages:
        total += usage
    return total


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step towards the top of the scale."""

    criterion: str
    text: str
    at_stake: float = 1.0
    """Share of the criterion's headroom that it is about, 0 to 1: of a failed check, how sure the judge is that it
    fails."""


_SURE_YES, _NO = 0.85, 0.5


@dataclass(frozen=True, kw_only=True)
class CheckReading:
    """One check of a criterion, as a judge read it."""

    says: str
    """The statement, in the rubric's words."""

    probability: float
    """That it is true of the candidate, 0 to 1."""

    @property
    def holds(self) -> bool | None:
        """Whether the judge takes it for true; None where it cannot tell.

        Small models say Yes to nearly everything: of the demo's program without a test, "The change contains tests" was
        read with 83 %, of the one with tests with 91 %. So a Yes counts from 85 %, and a No below one half.
        """
        return True if self.probability >= _SURE_YES else False if self.probability < _NO else None


@dataclass(frozen=True, kw_only=True)
class CriterionVerdict:
    """One criterion's part of a verdict: a score or a failure, never both."""

    criterion: str
    score: float | None = None
    """On the rubric's scale: what the judge stated or, read from a distribution, an expected value; mapped to points
    that mean the levels where the judge has such a map."""

    raw: float | None = None
    """The reading before that map, or before a head's own; None where there was none: ``score`` is what was read."""

    read: Literal["stated", "distribution", "hidden", ""] = ""
    """How: the number the model ``stated``, the ``distribution`` of its first token, or its ``hidden`` state by a head;
    empty for a judge that cannot say."""

    failure: Failure | None = None
    reason: str = ""
    """In words, by whom :attr:`Verdict.words` says; empty where there are none, or none were fit to show."""

    evidence: tuple[str, ...] = ()
    """Quotes that were found in the candidate, word for word."""

    distribution: Mapping[float, float] = field(default_factory=dict[float, float])
    """Probability per position on the scale, summing to 1: of the first token or, by a head, of a rating; empty for a
    stated score."""

    spread: float | None = None
    """Standard deviation in points of the scale: before any map of the distribution, or of repeated samples; by a head,
    of a rating around the score."""

    label_mass: float | None = None
    """Share of the answer's probability that lay on the scale's labels, 0 to 1; low means a confused judge."""

    checks: tuple[CheckReading, ...] = ()
    """The rubric's checks that were read, in its order; empty where words were not asked for. They change no score."""

    def is_below(self, other: CriterionVerdict) -> bool:
        """Whether it is scored lower than another one; a criterion that is not scored is below none."""
        return self.score is not None and other.score is not None and self.score < other.score

    @property
    def in_words(self) -> str:
        """Reason and checks as one line of text."""
        said = [self.reason] if self.reason else []
        for label, holds in (("Holds", True), ("Fails", False), ("Cannot tell", None)):
            told = [f"“{check.says}” ({check.probability:.0%})" for check in self.checks if check.holds is holds]
            said += [f"{label}: {', '.join(told)}."] if told else []
        return " ".join(said)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a judge said of one case."""

    judge: str
    """Name of the judge, such as ``local/v1``."""

    model: str
    criteria: tuple[CriterionVerdict, ...]
    """One per criterion, in the rubric's order."""

    words: Literal["program", "model", ""] = ""
    """Who wrote reasons, ``why_not_2_lower`` and steps: the judge's model, or a program from what was read; empty
    where there are none."""

    why_not_2_lower: str = ""
    """The argument against a score two lower; empty where there is none."""

    steps_to_10: tuple[Step, ...] = ()
    """What would lift the candidate to the top, as it was listed."""

    words_failure: Failure | None = None
    """Why words or checks that were asked for are missing; the scores stand without them."""

    plain: str = ""
    """Why a judge that reads states by a head read this text plainly too, the lower score of each criterion standing;
    empty where it did not."""

    echoes: tuple[str, ...] = ()
    """Sentences of the candidate that repeat the rubric, the candidate itself over and over, or are a mere copy of the
    input; the embedded model read it without them."""

    orders: tuple[str, ...] = ()
    """Sentences that seem to speak to the judge: the embedded model read the text with and without them, and the lower
    score of each criterion stands."""

    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    """Wall time, in seconds."""

    fingerprint: Mapping[str, str] = field(default_factory=dict[str, str])
    """Hash of every component that defines the scores; two verdicts compare only where all of them agree."""

    engine: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Counters of the embedded engine, where it is used: tokens computed and reused, milliseconds."""

    @property
    def scores(self) -> dict[str, float | None]:
        """Score per criterion; None for an unscored one."""
        return {item.criterion: item.score for item in self.criteria}

    @property
    def raw_scores(self) -> dict[str, float | None]:
        """Reading per criterion before any map; None for an unscored one."""
        return {item.criterion: item.score if item.raw is None else item.raw for item in self.criteria}

    @property
    def scale(self) -> str:
        """The scale of the scores in a few words: ``raw``, ``calibrated``, or ``calibrated but for ...``."""
        raw = [item.criterion for item in self.criteria if item.score is not None and item.raw is None]
        if len(raw) == sum(item.score is not None for item in self.criteria):
            return "raw"
        return f"calibrated but for {', '.join(raw)}" if raw else "calibrated"

    @property
    def how(self) -> str:
        """How the embedded judge read this text, in a few words; empty where there is nothing to say."""
        count = len(self.echoes)
        told = "a sentence left out that only repeats" if count == 1 else f"{count} sentences left out that only repeat"
        orders = "read with and without what speaks to the judge, the lower one stands" * bool(self.orders)
        return " · ".join(filter(None, [self._by_head, f"{told} rubric, input or itself" * bool(count), orders]))

    @property
    def _by_head(self) -> str:
        if self.plain:
            return f"read both ways, the lower one stands: {self.plain}"
        by_head = [item.criterion for item in self.criteria if item.read == "hidden"]
        if not by_head:
            return ""
        return "read by a head" if len(by_head) == len(self.criteria) else f"{', '.join(by_head)} read by a head"

    @property
    def failures(self) -> dict[str, Failure]:
        """Failure per unscored criterion."""
        return {item.criterion: item.failure for item in self.criteria if item.failure is not None}

    @classmethod
    def of_failure(cls, failure: Failure, *, judge: str, model: str, criteria: tuple[str, ...], **rest: Any) -> Verdict:
        """A verdict in which every criterion is unscored for the same reason."""
        return cls(
            judge=judge,
            model=model,
            criteria=tuple(CriterionVerdict(criterion=name, failure=failure) for name in criteria),
            **rest,
        )
