"""Two runs over the same cases: paired differences with intervals, refused where the scores measure different things.

The unit is the case, or the group of cases that share a source: a group counts once, with the mean of its cases'
differences. The 95 % interval of a mean difference is the expanded percentile bootstrap over units (Hesterberg, 2015):
the quantiles are moved outwards until the interval of normal data is that of Student's t, because the plain percentile
and BCa intervals are too short for few units. Differences that no one unit shows are beyond any bootstrap, so fewer
than six units have no interval.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING

from tenward.evaluation._comparable import ComparisonRefusedError, checked_pairs
from tenward.evaluation._disagreement import disagreement_in_winner, people_s_rating
from tenward.evaluation._summary import LEAST_UNITS, Mean, Tally, _t_quantile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenward.evaluation._disagreement import Against, Disagreement
    from tenward.evaluation._result import Result
    from tenward.evaluation._run_record import RunRecord
    from tenward.evaluation._store import Store
    from tenward.evaluation._summary import Summary

__all__ = [
    "ComparedRun",
    "Comparison",
    "Difference",
    "ResultPair",
    "compare_runs",
    "paired_results",
    "signed",
]

_TIE = 1e-9
_AT_ONCE = 1_000_000  # numbers drawn at a time, so that many cases need little memory


@dataclass(frozen=True, kw_only=True)
class Difference(Mean):
    """A paired difference, run B minus run A: above 0, B is better.

    Means and interval are over units: where cases share a source, every group counts once, while a :class:`Summary`
    counts every case once.
    """

    before: float
    """Mean of run A over the same units."""

    after: float
    """Mean of run B over the same units."""

    wins: int
    """Cases that are better in run B."""

    losses: int
    ties: int
    """Cases that differ by less than 1e-9."""


@dataclass(frozen=True, kw_only=True)
class ResultPair:
    """One case in both runs; the outputs may differ."""

    a: Result
    b: Result

    @property
    def difference(self) -> float | None:
        """``value`` of B minus ``value`` of A; None where either has no score."""
        return None if self.a.value is None or self.b.value is None else self.b.value - self.a.value


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One of the two runs."""

    record: RunRecord
    summary: Summary
    """Of all its cases, shared or not."""

    only: tuple[str, ...]
    """Ids of the cases the other run lacks."""

    unscored: tuple[str, ...]
    """Ids of the shared cases that the judge of this run gave no score."""

    gated: tuple[str, ...]
    """Ids of the shared cases that failed a gate in this run."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two runs over the same cases come to."""

    a: ComparedRun
    b: ComparedRun
    pairs: int
    """Cases in both runs, scored or not."""

    value: Difference | None
    """Of the scalar, -1 to 1; None where no case was scored in both runs."""

    quality: Difference | None
    """In points of 1 to 10."""

    criteria: Mapping[str, Difference]
    """Per criterion, in points of the rubric's scale; missing where it was never scored in both."""

    moved: tuple[ResultPair, ...]
    """The cases whose value moved most, the furthest first; ties are left out."""

    disagreements: tuple[Disagreement, ...] = ()
    """Where references or people's ratings see the other version win; to be told before the headline."""

    @property
    def opinion(self) -> str:
        """Whose opinion the intervals are of, in a line of words."""
        return f"95 % intervals are of what {self.b.record.judge} would say on such cases, not of what people would"

    @property
    def is_same_run(self) -> bool:
        """Whether a run was compared with itself."""
        return self.a.record.id == self.b.record.id

    @property
    def headline(self) -> str:
        """The result in one line of words."""
        value = self.value
        if self.is_same_run:
            return "A and B are the same run: there is nothing to compare"
        if value is None:
            return f"Nothing to compare: none of {_cases(self.pairs)} was scored in both runs"
        counted = (("win", "s", value.wins), ("loss", "es", value.losses), ("tie", "s", value.ties))
        count = ", ".join(f"{number} {word}{plural * (number != 1)}" for word, plural, number in counted)
        count += f" on {_cases(value.n)}"
        if value.units < value.n:
            count += f" in {value.units} independent groups"
        if value.wins == value.losses == 0:
            return f"A and B have the same value: {count}"
        places = max(3, min(6, 1 - math.floor(math.log10(abs(value.mean) or 1))))
        if value.low is None or value.high is None:
            few = f"too few to tell, {LEAST_UNITS} are needed"
            return f"B - A is {signed(value.mean, places)}, but these are {few}: {count}"
        if value.low <= 0 <= value.high:
            interval = f"{signed(value.mean, places)} [{signed(value.low, places)}, {signed(value.high, places)}]"
            return f"No difference can be seen with these cases: B - A is {interval}, {count}"
        word, ends = ("better", (value.low, value.high)) if value.mean > 0 else ("worse", (-value.high, -value.low))
        interval = f"{abs(value.mean):.{places}f} [{ends[0]:.{places}f}, {ends[1]:.{places}f}]"
        return f"B is {word} by {interval}, {count}"


def compare_runs(
    store: Store, a: RunRecord, b: RunRecord, *, resamples: int = 2000, seed: int = 0, most_moved: int = 10
) -> Comparison:
    """Compare two runs case by case: what each case, each criterion and the whole gained from run A to run B.

    Cases are paired by id. Their outputs may differ, as two versions of an artefact do; what the judge is told beside
    the output may not. Results are read one at a time; only numbers are kept.

    Args:
        store: Where both runs are.
        a: The run that came first, or the one to beat.
        b: The other.
        resamples: How often the units are drawn anew for an interval, 1 or more.
        seed: Of these draws; the same seed gives the same intervals, whatever the order of the cases.
        most_moved: How many of the cases that moved most are kept with their texts.

    Raises:
        ComparisonRefusedError: The scores do not measure the same: another judge, prompt, wording, weighing, metric
            or input. Also when no case is in both runs.
    """
    sides = (_Side(), _Side())
    columns: dict[str, _Column] = defaultdict(_Column)
    contrast: dict[Against, list[tuple[float, float]]] = {"references": [], "ratings": []}
    pairs = 0
    moved: list[tuple[float, str, ResultPair]] = []
    for one, other in checked_pairs(store, a, b):
        for side, own, opposite in ((sides[0], one, other), (sides[1], other, one)):
            if own is not None:
                side.add(own, shared=opposite is not None)
        if one is None or other is None:
            continue
        pairs += 1
        pair = ResultPair(a=one, b=other)
        _add(columns, pair)
        _hold_against(contrast, pair)
        if pair.difference is not None and abs(pair.difference) >= _TIE:
            moved.append((-abs(pair.difference), one.case.id, pair))
            if len(moved) > 2 * most_moved + 64:
                moved = sorted(moved, key=lambda entry: entry[:2])[:most_moved]
    if not pairs:
        raise ComparisonRefusedError(
            f"runs {a.id} and {b.id} share no case: found cases of {a.dataset} ({a.split}) and of {b.dataset} "
            f"({b.split}), expected the same ids in both",
            hint="compare two runs over the same data set",
        )
    found = {name: column.difference(resamples, seed) for name, column in columns.items()}
    return Comparison(
        a=sides[0].compared(a),
        b=sides[1].compared(b),
        pairs=pairs,
        value=found.get("value"),
        quality=found.get("quality"),
        criteria={name: found[f"criteria.{name}"] for name in b.rubric.criteria if f"criteria.{name}" in found},
        moved=tuple(pair for _, _, pair in sorted(moved, key=lambda entry: entry[:2])[:most_moved]),
        disagreements=tuple(
            seen
            for against, differences in contrast.items()
            if (seen := disagreement_in_winner(differences, against)) is not None
        ),
    )


def paired_results(store: Store, a: RunRecord, b: RunRecord) -> Iterator[ResultPair]:
    """The cases that are in both runs, read one at a time.

    Raises:
        ComparisonRefusedError: As :func:`compare_runs`, while reading.
    """
    for one, other in checked_pairs(store, a, b):
        if one is not None and other is not None:
            yield ResultPair(a=one, b=other)


@dataclass
class _Side:
    tally: Tally = field(default_factory=Tally)
    ids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, result: Result, *, shared: bool) -> None:
        self.tally.add(result)
        self.ids[result.status if shared else "only"].append(result.case.id)

    def compared(self, record: RunRecord) -> ComparedRun:
        return ComparedRun(
            record=record,
            summary=self.tally.summary(),
            only=tuple(self.ids["only"]),
            unscored=tuple(self.ids["unscored"]),
            gated=tuple(self.ids["gated"]),
        )


@dataclass
class _Column:
    """Before and after of each case, by unit."""

    units: dict[tuple[bool, str], list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def difference(self, resamples: int, seed: int) -> Difference:
        # In the order of their names, so that the order of the cases does not decide which units a resample holds.
        units = [own for _, own in sorted(self.units.items())]
        cases = [after - before for own in units for before, after in own]
        means = [math.fsum(after - before for before, after in own) / len(own) for own in units]
        mean, middle = _mean(means), _mean(cases)
        low, high = _interval(means, mean, resamples, seed)
        return Difference(
            n=len(cases),
            units=len(units),
            mean=mean,
            sd=math.sqrt(math.fsum((d - middle) ** 2 for d in cases) / (len(cases) - 1)) if len(cases) > 1 else None,
            low=low,
            high=high,
            before=_mean([_mean([before for before, _ in own]) for own in units]),
            after=_mean([_mean([after for _, after in own]) for own in units]),
            wins=sum(d >= _TIE for d in cases),
            losses=sum(d <= -_TIE for d in cases),
            ties=sum(abs(d) < _TIE for d in cases),
        )


def _add(columns: dict[str, _Column], pair: ResultPair) -> None:
    case = pair.a.case
    unit = (bool(case.group), case.group or case.id)
    found: dict[str, tuple[float | None, float | None]] = {
        "value": (pair.a.value, pair.b.value),
        "quality": (pair.a.quality, pair.b.quality),
    }
    if pair.a.verdict is not None and pair.b.verdict is not None:
        after = pair.b.verdict.scores
        found |= {f"criteria.{name}": (score, after.get(name)) for name, score in pair.a.verdict.scores.items()}
    for name, (one, other) in found.items():
        if one is not None and other is not None:
            columns[name].units[unit].append((one, other))


def _hold_against(contrast: dict[Against, list[tuple[float, float]]], pair: ResultPair) -> None:
    """Add the differences that the judge alone and other witnesses see in a case."""
    before, after = (one.score.normalized if one.score else None for one in (pair.a, pair.b))
    if before is None or after is None:
        return
    if pair.a.references is not None and pair.b.references is not None:
        contrast["references"].append((after - before, pair.b.references.value - pair.a.references.value))
    rated = people_s_rating(pair.a), people_s_rating(pair.b)
    if rated[0] is not None and rated[1] is not None:
        contrast["ratings"].append((after - before, rated[1] - rated[0]))


def _interval(units: Sequence[float], mean: float, resamples: int, seed: int) -> tuple[float | None, float | None]:
    count = len(units)
    if count < LEAST_UNITS:
        return None, None
    import numpy as np

    values, random, rows = np.array(units), np.random.default_rng(seed), max(1, _AT_ONCE // count)
    drawn = np.concatenate(
        [
            values[random.integers(0, count, size=(min(rows, resamples - done), count))].mean(axis=1)
            for done in range(0, resamples, rows)
        ]
    )
    tail = NormalDist().cdf(-math.sqrt(count / (count - 1)) * _t_quantile(count - 1))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return min(float(low), mean), max(float(high), mean)  # equal units leave them apart by a rounding error


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def signed(number: float, places: int = 3) -> str:
    """A number with its sign; what rounds to 0 is ``+0.000``."""
    return f"{round(number, places) + 0.0:+.{places}f}"


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"
