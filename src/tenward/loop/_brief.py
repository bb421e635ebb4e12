"""The brief: everything a proposer is told, chosen from what is known, and never anything of a sealed case."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from tenward.judges import fence
from tenward.loop._brief_text import (
    fit_sections,
    section_broken,
    section_cases,
    section_files,
    section_ideas,
    section_list,
    section_measured,
    section_passages,
    section_plain,
    section_weakest,
    tell_editable,
)
from tenward.loop._broken_rules import broken_rules
from tenward.loop._directions import direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenward.evaluation import Result
    from tenward.loop._arms import ArmTally
    from tenward.loop._broken_rules import BrokenRule
    from tenward.loop._ideas import IdeaBook, PastIdea
    from tenward.loop._sources import Passage, Sources

__all__ = [
    "Brief",
    "BriefCase",
    "BriefLimits",
    "Feedback",
    "Measured",
    "Weakness",
    "WorkedExample",
    "build_brief",
    "stuck_level",
    "worst_results",
]

Feedback = Literal["steps", "levels", "score"]

_READ_AGAIN = """\
Nothing was kept for a while. Read the worst cases and the sources again before you propose, and look for a cause that \
the earlier ideas have missed."""
_COMBINE = """\
Nothing was kept for long. Small changes of the same kind do not help any more: combine what nearly worked in earlier \
ideas, or attack the weakest criterion from a side that nobody has tried."""
_BE_RADICAL = """\
Nothing was kept for very long. Be radical: question the structure of the whole, start over where that promises more, \
and accept that everything may look different afterwards."""
_GOOD = 8
"""Quality from which on an output without a reference may be shown as an example."""

_EXAMPLE_CHARS = 2_000
_TRANSCRIPT_CHARS = 2_000
_STUCK = ("", _READ_AGAIN, _COMBINE, _BE_RADICAL)


@dataclass(frozen=True, kw_only=True)
class BriefLimits:
    """How much is told."""

    chars: int = 24_000
    """Characters of the whole text; never exceeded. At least 1,000."""

    criteria: int = 3
    cases: int = 3
    passages: int = 4
    recent: int = 5
    """Latest ideas."""

    nearest: int = 3
    """Past ideas nearest to the goal and the weakest criteria, besides the latest."""

    ruled_out: int = 12

    def __post_init__(self) -> None:
        if self.chars < 1_000:
            raise ValueError(f"chars: found {self.chars}, expected at least 1,000")


@dataclass(frozen=True, kw_only=True)
class Weakness:
    """A criterion on which the incumbent could gain."""

    criterion: str
    share: float
    """Of the weight, 0 to 1."""

    mean: float
    """Mean score of the dev cases, on the rubric's scale."""

    top: int
    """Highest score of the scale."""

    headroom: float
    """Share times what is missing to the top, on the rubric's scale."""

    ask: str = ""
    """The criterion's question; empty with ``feedback: score``."""

    level: str = ""
    """What the level nearest to the mean stands for in the rubric; empty with ``feedback: score`` or without words."""


@dataclass(frozen=True, kw_only=True)
class BriefCase:
    """A dev case on which the incumbent does badly."""

    id: str
    input: str
    output: str
    quality: int | None
    """1 to 10; None where a gate failed."""

    scores: Mapping[str, float]
    """Per scored criterion, on the rubric's scale."""

    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    """Reason and checks per criterion; empty with ``feedback: score``."""

    steps: tuple[str, ...] = ()
    """The steps to 10, the most rewarding first; only with ``feedback: steps``."""

    failed: tuple[str, ...] = ()
    """Gates that failed."""

    transcript: str = ""
    """The end of what the program under test left behind of its doings, at most 2,000 characters."""


@dataclass(frozen=True, kw_only=True)
class WorkedExample:
    """A dev case and how it is done well."""

    case: str
    """Its id."""

    input: str
    output: str
    """Its reference, or what was made of it and judged among the best."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The incumbent's number, where the score is one."""

    value: float
    goal: Literal["minimize", "maximize"]
    output: str = ""
    """The end of what the command printed."""


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What a proposer is told: in parts, and as one text."""

    number: int
    """Of the attempt; equal briefs of two attempts differ in it."""

    goal: str
    editable: tuple[str, ...]
    """Patterns of the paths that may change."""

    but_not: tuple[str, ...]
    """Paths that a pattern matches and that may not change all the same, since the evaluation runs them."""

    files: Mapping[str, str]
    """Whole text per editable file that exists."""

    shortened: frozenset[str]
    """Files that :attr:`text` does not hold in full."""

    broken: tuple[BrokenRule, ...]
    """Gates that the incumbent's outputs fail, over all dev cases; told whatever ``feedback`` says."""

    weakest: tuple[Weakness, ...]
    cases: tuple[BriefCase, ...]
    measured: Measured | None
    passages: tuple[Passage, ...]
    recent: tuple[PastIdea, ...]
    """The latest ideas, latest first."""

    nearest: tuple[PastIdea, ...]
    combine: tuple[PastIdea, ...]
    """Near-misses to be combined; empty where the proposer is free."""

    ruled_out: tuple[str, ...]
    stuck: int
    """0 to 3; see :func:`stuck_level`."""

    examples: tuple[WorkedExample, ...]
    """Dev cases that may be shown in a prompt; neither in :attr:`text` nor in :meth:`to_json`."""

    dev_cases: int
    """How many of the incumbent's dev results there are."""

    arms: Mapping[str, ArmTally]
    """What the kinds of change of a portfolio have come to."""

    chance: float
    """Drawn for this attempt, 0 to 1."""

    text: str
    """All of it, within :attr:`BriefLimits.chars`; files, cases, sources and past ideas are fenced."""

    def to_json(self) -> dict[str, object]:
        """Plain values, for proposers in another process."""

        def told(past: PastIdea) -> dict[str, object]:
            learned = None if past.retro is None else past.retro.to_json()
            facts = {"number": past.number, "outcome": past.status.value, "effect": past.effect, "retro": learned}
            return {**facts, "idea": past.idea.to_json()}

        return {
            "number": self.number,
            "goal": self.goal,
            "editable": list(self.editable),
            "but_not": list(self.but_not),
            "files": dict(self.files),
            "broken": [asdict(one) for one in self.broken],
            "weakest": [asdict(one) for one in self.weakest],
            "cases": [asdict(one) for one in self.cases],
            "measured": None if self.measured is None else asdict(self.measured),
            "passages": [asdict(one) for one in self.passages],
            "recent": [told(past) for past in self.recent],
            "nearest": [told(past) for past in self.nearest],
            "combine": [told(past) for past in self.combine],
            "ruled_out": list(self.ruled_out),
            "stuck": self.stuck,
            "text": self.text,
        }


def stuck_level(rounds: int, stuck_after: int | None) -> int:
    """How boldly to ask: 0 as usual, 1 read again, 2 combine, 3 be radical.

    Args:
        rounds: Rounds since the last keep, or since the beginning.
        stuck_after: The loop's setting; None for never.
    """
    return 0 if stuck_after is None else min(rounds // stuck_after, len(_STUCK) - 1)


def build_brief(
    *,
    number: int,
    goal: str,
    editable: Sequence[str],
    files: Mapping[str, str],
    but_not: Sequence[str] = (),
    results: Iterable[Result] = (),
    feedback: Feedback = "levels",
    measured: Measured | None = None,
    sources: Sources | None = None,
    book: IdeaBook | None = None,
    combine: Sequence[PastIdea] = (),
    stuck: int = 0,
    chance: float = 0.0,
    use: str = "",
    limits: BriefLimits | None = None,
) -> Brief:
    """Choose what the proposer is told. The same arguments give the same brief.

    Args:
        number: Of the attempt; with it, the bad cases that are shown change from round to round.
        goal: The loop's goal.
        editable: The loop's ``edit``.
        files: Text per editable file of the incumbent.
        but_not: Paths that ``editable`` matches and that may not change all the same.
        results: The incumbent's results on dev cases, with words as far as the judge gave any.
        feedback: What may be told of the judge.
        measured: The incumbent's number, where the score is one.
        sources: The user's sources.
        book: What was tried.
        combine: Near-misses to be combined in this attempt.
        stuck: From :func:`stuck_level`.
        chance: Drawn for the attempt, 0 to 1.
        use: What becomes of the files, in a sentence or two.
        limits: How much is told.

    Raises:
        ValueError: A result is of a case that is not in dev: what is sealed stays sealed.
    """
    limits = limits or BriefLimits()
    results = list(results)
    for result in results:
        if result.case.split != "dev":
            raise ValueError(f"case {result.case.id!r} is {result.case.split}, expected only dev cases in a brief")
    broken = broken_rules(results)
    weakest = _weakest(results, feedback, limits.criteria)
    cases = tuple(_told(result, feedback) for result in worst_results(results, limits.cases, number))
    # The rubric's questions serve as search terms even where they are not told.
    criteria = results[0].rubric.criteria if results else {}
    queries = [" ".join([one.criterion.replace("_", " "), *criteria[one.criterion].ask]) for one in weakest]
    passages = _passages(sources, [*queries, goal], limits.passages) if sources is not None else ()
    recent = book.last(limits.recent) if book is not None else ()
    combine = tuple(combine)
    known = {past.number for past in (*recent, *combine)}
    near = book.nearest(" ".join([goal, *queries]), limits.nearest + len(known)) if book is not None else ()
    nearest = tuple(past for past in near if past.number not in known)[: limits.nearest]
    ruled_out = book.ruled_out(limits.ruled_out) if book is not None else ()
    stuck = max(0, min(stuck, len(_STUCK) - 1))
    start = ""
    if not combine and not stuck:  # those say what to do this time
        failing = [one.said for one in broken]
        start = direction(number, weakest, failing=failing, ways="text" if measured is None else "number")
    sections = [
        # Share of the whole that is a section's own, as far as it needs it; what is left over goes to the first ones.
        (
            0.08,
            section_plain("Goal", "\n\n".join(filter(None, [goal, tell_editable(editable, but_not), use]))),
        ),
        (0.40, section_files(files)),
        (0.08, section_passages(passages)),
        (0.05, section_broken(broken)),
        (0.05, section_weakest(weakest, measured)),
        (0.14, section_cases(cases)),
        (0.02, section_measured(measured)),
        (0.05, section_ideas("Ideas to combine", "Make one change that joins these:", combine)),
        (0.05, section_ideas("Latest ideas", "Do not repeat them.", recent)),
        (0.03, section_ideas("Earlier ideas that may matter here", "Do not repeat them.", nearest)),
        (0.02, section_list("Ruled out", "Earlier proposers ruled these out:", "ruled-out", ruled_out)),
        (0.03, section_plain("", _STUCK[stuck])),
        (
            0.02,
            section_plain(
                "A direction for this attempt", f"{start} Take it, unless you see a better one." if start else ""
            ),
        ),
    ]
    text = fit_sections(sections, limits.chars)
    return Brief(
        number=number,
        goal=goal,
        editable=tuple(editable),
        but_not=tuple(but_not),
        files=dict(files),
        shortened=frozenset(path for path, whole in files.items() if fence("file", whole or "(empty)") not in text),
        broken=broken,
        weakest=weakest,
        cases=cases,
        measured=measured,
        passages=passages,
        recent=recent,
        nearest=nearest,
        combine=combine,
        ruled_out=ruled_out,
        stuck=stuck,
        examples=_examples(results),
        dev_cases=len(results),
        arms={} if book is None else book.arms,
        chance=chance,
        text=text,
    )


def _weakest(results: Sequence[Result], feedback: Feedback, k: int) -> tuple[Weakness, ...]:
    """The criteria with the most to gain, by mean headroom over the scored cases."""
    if not results:
        return ()
    rubric = results[0].rubric
    found: list[Weakness] = []
    for name, criterion in rubric.criteria.items():
        parts = [part for result in results if result.score for part in result.score.parts if part.criterion == name]
        scores = [part.score for part in parts if part.score is not None]
        if not scores:
            continue
        mean = sum(scores) / len(scores)
        share = float(rubric.shares[name])
        told = feedback != "score"
        found.append(
            Weakness(
                criterion=name,
                share=share,
                mean=mean,
                top=rubric.scale.hi,
                headroom=share * (rubric.scale.hi - mean),
                ask=criterion.ask[0] if told else "",
                level=criterion.levels.get(round(mean), "") if told else "",
            )
        )
    found = [one for one in found if one.headroom > 0]
    return tuple(sorted(found, key=lambda one: -one.headroom)[:k])


def worst_results(results: Sequence[Result], k: int, turn: int) -> list[Result]:
    """The results a brief shows: the worst one, and more of the worst third by turns.

    A case the judge could not score tells nothing.

    Args:
        results: The incumbent's, on dev cases.
        k: How many at most.
        turn: The attempt's number.
    """
    ranked = sorted(
        (result for result in results if result.status != "unscored"),
        key=lambda result: (-1.0 if result.value is None else result.value, result.case.id),
    )
    pool = ranked[: max(k, -(-len(ranked) // 3))]
    if len(pool) <= k or k < 2:
        return pool[:k]
    rest = pool[1:]
    picked = {(turn * (k - 1) + step) % len(rest) for step in range(k - 1)}
    return [pool[0], *(rest[place] for place in sorted(picked))]


def _examples(results: Sequence[Result]) -> tuple[WorkedExample, ...]:
    """The cases that are short enough and known to be done well, by a reference or by the judge."""
    found: list[WorkedExample] = []
    for result in results:
        case = result.case
        good = case.references[0] if case.references else case.output if (result.quality or 0) >= _GOOD else ""
        if good.strip() and case.input.strip() and len(case.input) + len(good) <= _EXAMPLE_CHARS:
            found.append(WorkedExample(case=case.id, input=case.input, output=good))
    return tuple(found)


def _told(result: Result, feedback: Feedback) -> BriefCase:
    criteria = result.verdict.criteria if result.verdict is not None else ()
    told = feedback != "score"
    failed = [gate for gate in result.gates if not gate.passed]
    return BriefCase(
        id=result.case.id,
        input=result.case.input,
        output=result.case.output,
        quality=result.quality,
        scores={one.criterion: one.score for one in criteria if one.score is not None},
        reasons={one.criterion: one.in_words for one in criteria if one.in_words} if told else {},
        steps=tuple(f"{step.criterion}: {step.text}" for step in result.steps) if feedback == "steps" else (),
        failed=tuple(f"{gate.gate} ({gate.detail})" for gate in failed),
        transcript="" if result.produced is None else result.produced.transcript[-_TRANSCRIPT_CHARS:],
    )


def _passages(sources: Sources, queries: Sequence[str], k: int) -> tuple[Passage, ...]:
    """The best of each query by turns, each once."""
    found = [sources.search(query, k) for query in queries]
    ranked = [one[rank] for rank in range(k) for one in found if rank < len(one)]
    return tuple(dict.fromkeys(ranked))[:k]
