"""Measuring sight: outputs and the rungs of their ladders are judged, and set side by side within each case."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenward.evaluation import evaluate_case
from tenward.judges import Calls, PlannedCalls, all_of, lend_calls
from tenward.rubrics import Mix, compute_score
from tenward.sight._interval import auc_interval
from tenward.sight._ladders import RUNGS, build_ladders
from tenward.sight._nulls import NULLS
from tenward.sight._sight import ALL_RUNGS, VALUE, CriterionSight, NullSight, RungSight, Sight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from tenward.datasets import Case
    from tenward.judges import CallCache, Judge, Verdict
    from tenward.rubrics import Rubric
    from tenward.sight._ladders import Ladder
    from tenward.sight._sight import Seen

__all__ = ["Reading", "compare_readings", "judged_alone", "measure_sight", "plan_sight", "read_ladders", "read_texts"]

_EDGE = 0.5
_SAME = 1e-12
_MAY_SEE = 0.8
"""Where the interval reaches this far up, too few cases were drawn to call a judge blind: it may well see."""

_BETTER = "reference"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a judge gave one text."""

    scores: Mapping[str, float | None]
    """Points of the scale by criterion; None for an unscored one."""

    raw: Mapping[str, float | None]
    """The same before any map to the levels of the scale."""

    @classmethod
    def of(cls, verdict: Verdict | None) -> Reading:
        """The reading in a verdict; nothing is scored where there is none."""
        return cls(scores={}, raw={}) if verdict is None else cls(scores=verdict.scores, raw=verdict.raw_scores)


async def measure_sight(
    cases: Iterable[Case],
    rubric: Rubric,
    judge: Judge,
    *,
    cases_at_most: int = 12,
    seed: int = 0,
    rungs: Sequence[str] | None = None,
    nulls: bool = True,
    concurrency: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
) -> Sight:
    """Find out whether a judge tells outputs from worse ones that a program makes of them; nobody needs to label any.

    Gates and reference metrics are left out: neither says anything of the judge. Cache, budget and limits are those
    that are lent around the call; see :func:`tenward.judges.lend_calls`.

    Args:
        cases: Cases with outputs, or with references that stand for them.
        rubric: What good is.
        judge: Who says so.
        cases_at_most: How many cases to draw, each of another group.
        seed: Which ones, and how they are made worse.
        rungs: Names of the rungs; all of :data:`tenward.sight.RUNGS` if None.
        nulls: Whether to judge null candidates as well.
        concurrency: Most texts at the same time.
        on_progress: Told how many texts of how many are read.

    Raises:
        NoLadderError: There are too few cases, no outputs, or all are alike.
        SystemicError: The judge cannot work at all.
    """
    ladders = build_ladders(
        cases, cases_at_most=cases_at_most, seed=seed, rungs=RUNGS if rungs is None else rungs, nulls=nulls
    )
    return await read_ladders(ladders, rubric, judge, seed=seed, concurrency=concurrency, on_progress=on_progress)


async def read_ladders(
    ladders: Sequence[Ladder],
    rubric: Rubric,
    judge: Judge,
    *,
    seed: int = 0,
    concurrency: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
) -> Sight:
    """As :func:`measure_sight`, with ladders that are made already.

    Raises:
        SystemicError: The judge cannot work at all.
    """
    readings = await read_texts(ladders, rubric, judge, concurrency=concurrency, on_progress=on_progress)
    return compare_readings(ladders, readings, rubric, judge=judge.name, seed=seed)


async def read_texts(
    ladders: Sequence[Ladder],
    rubric: Rubric,
    judge: Judge,
    *,
    concurrency: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[tuple[str, str], Reading]:
    """The reading of every text of the ladders, by the id of its case and the text; gates take no part.

    Raises:
        SystemicError: The judge cannot work at all.
    """
    alone = judged_alone(rubric)

    async def read(case: Case) -> Reading:
        return Reading.of((await evaluate_case(case, alone, judge)).verdict)

    return await _read_all(ladders, read, concurrency=concurrency, on_progress=on_progress)


def plan_sight(ladders: Iterable[Ladder], rubric: Rubric, judge: Judge, *, cache: CallCache | None) -> PlannedCalls:
    """What reading the ladders takes at most, without what the cache has; nothing is asked."""
    alone = judged_alone(rubric)
    with lend_calls(Calls(cache=cache)):
        planned = PlannedCalls()
        for ladder in ladders:
            for text in ladder.texts:
                planned += judge.plan(replace(ladder.case, output=text), alone)
    return planned


def judged_alone(rubric: Rubric) -> Rubric:
    """The rubric without gates and reference metrics."""
    return rubric.model_copy(update={"gates": (), "references": {}, "mix": Mix()})


async def _read_all(
    ladders: Sequence[Ladder],
    read: Callable[[Case], Awaitable[Reading]],
    *,
    concurrency: int,
    on_progress: Callable[[int, int], None] | None,
) -> dict[tuple[str, str], Reading]:
    """The reading of every text, by case and text."""
    # Texts of one case follow each other, since they share what a judge reads before them.
    todo = [(ladder.case, text) for ladder in ladders for text in ladder.texts]
    waiting = iter(todo)
    found: dict[tuple[str, str], Reading] = {}

    async def work() -> None:
        for case, text in waiting:
            found[case.id, text] = await read(replace(case, output=text))
            if on_progress is not None:
                on_progress(len(found), len(todo))

    await all_of(work() for _ in range(min(concurrency, len(todo))))
    return found


def compare_readings(
    ladders: Sequence[Ladder],
    readings: Mapping[tuple[str, str], Reading],
    rubric: Rubric,
    *,
    judge: str,
    seed: int,
) -> Sight:
    """Set readings side by side.

    Args:
        ladders: What was read.
        readings: By id of the case and text; one that is missing is unscored.
        rubric: What was asked.
        judge: Who read, by name.
        seed: What the ladders were drawn with.
    """
    alone = judged_alone(rubric)
    values = {key: _values(alone, reading) for key, reading in readings.items()}
    lengths = {
        (ladder.case.id, text): {"length": (float(len(text)), float(len(text)))}
        for ladder in ladders
        for text in ladder.texts
    }
    whole = _criterion(ladders, values, VALUE)
    return Sight(
        judge=judge,
        rubric=rubric.rubric,
        cases=len(ladders),
        seed=seed,
        top=float(rubric.scale.hi - rubric.scale.lo),
        value=whole,
        criteria=tuple(_criterion(ladders, values, name) for name in rubric.criteria),
        length=_criterion(ladders, lengths, "length").rungs,
        nulls=_nulls(ladders, values),
        unscored=sum(
            VALUE not in values.get((ladder.case.id, text), {}) for ladder in ladders for text in ladder.texts
        ),
    )


Values = dict[str, tuple[float, float]]
"""A text's score on the shown scale and its raw one, by criterion and for the value; what is unscored is missing."""


def _values(rubric: Rubric, reading: Reading) -> Values:
    found: Values = {}
    for name in rubric.criteria:
        score, raw = reading.scores.get(name), reading.raw.get(name)
        if score is not None and raw is not None:
            found[name] = score, raw
    shown = compute_score(rubric, {name: score for name, (score, _) in found.items()}).value
    raw = compute_score(rubric, {name: raw for name, (_, raw) in found.items()}).value
    if shown is not None and raw is not None:
        found[VALUE] = shown, raw
    return found


def _criterion(ladders: Sequence[Ladder], values: Mapping[tuple[str, str], Values], name: str) -> CriterionSight:
    by_rung = {rung: _Pairs(rung) for rung in RUNGS if any(rung in ladder.rungs for ladder in ladders)}
    every = _Pairs(ALL_RUNGS)
    for ladder in ladders:
        case = ladder.case.id
        output = values.get((case, ladder.case.output), {}).get(name)
        for pairs in (every, *by_rung.values()):
            pairs.open_case()
        for rung, text in ladder.rungs.items():
            other = values.get((case, text), {}).get(name)
            better, worse = (other, output) if rung == _BETTER else (output, other)
            by_rung[rung].add(better, worse)
            every.add(better, worse)
    rungs = tuple(pairs.sight() for pairs in by_rung.values())
    pooled = every.sight()
    return CriterionSight(criterion=name, rungs=rungs, pooled=pooled, seen=_seen(rungs, pooled))


class _Pairs:
    """Pairs of readings, collected case by case."""

    def __init__(self, rung: str) -> None:
        self._rung = rung
        self._dropped = 0
        self._spans: list[tuple[float, float]] = []
        self.wins: list[list[float]] = []

    def open_case(self) -> None:
        self.wins.append([])

    def add(self, better: tuple[float, float] | None, worse: tuple[float, float] | None) -> None:
        if better is None or worse is None:
            self._dropped += 1
            return
        # By what is shown: a map keeps the order of a criterion, not that of the weighted sum of several.
        apart = better[0] - worse[0]
        self.wins[-1].append(_EDGE if abs(apart) <= _SAME else float(apart > 0))
        self._spans.append((apart, better[1] - worse[1]))

    def sight(self) -> RungSight:
        pairs = len(self._spans)
        if not pairs:
            return RungSight(rung=self._rung, pairs=0, dropped=self._dropped)
        auc, low, high = auc_interval(self.wins)
        span, raw_span = (math.fsum(spans) / pairs for spans in zip(*self._spans, strict=True))
        return RungSight(
            rung=self._rung,
            pairs=pairs,
            dropped=self._dropped,
            auc=auc,
            low=low,
            high=high,
            span=span,
            raw_span=raw_span,
        )


def _seen(rungs: Sequence[RungSight], pooled: RungSight) -> Seen:
    if pooled.turned:  # whatever one rung says: on the whole the worse text wins
        return "turned"
    if any(rung.sees for rung in (pooled, *rungs)):
        return "sees"
    # With few cases a rung would not show even if it were always told from the output.
    most = max((rung.pairs for rung in rungs), default=0)
    if not most or auc_interval([[1.0]] * most)[1] <= _EDGE or (pooled.high or 0.0) > _MAY_SEE:
        return "unknown"
    return "blind"


def _nulls(ladders: Sequence[Ladder], values: Mapping[tuple[str, str], Values]) -> tuple[NullSight, ...]:
    found: list[NullSight] = []
    for name in ("other", *NULLS):
        pairs = wins = 0
        for ladder in ladders:
            text = ladder.rungs.get(name) if name == "other" else ladder.nulls.get(name)
            null = None if text is None else values.get((ladder.case.id, text), {}).get(VALUE)
            output = values.get((ladder.case.id, ladder.case.output), {}).get(VALUE)
            if null is not None and output is not None:
                pairs += 1
                wins += null[0] >= output[0] - _SAME
        if pairs:
            found.append(NullSight(null=name, pairs=pairs, wins=wins))
    return tuple(found)
