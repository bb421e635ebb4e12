"""Where the judge and what else is known of the same cases point in opposite directions.

References and people's ratings know things that a judge may not see. Where they contradict it in direction, a reader
must hear of that before any other number. What agrees, or is too little to tell, gives no finding.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenward.evaluation._result import Result

__all__ = ["Against", "Contrast", "Disagreement", "disagreement_in_order", "disagreement_in_winner", "people_s_rating"]

Against = Literal["references", "ratings"]

_LEAST_DIFFERENCES = 6
_MAJORITY = 2 / 3
_LEAST_CASES = 8
_NORMAL = 1.959964
_LEAST_RATED = 0.5  # of the rubric's weight; ratings of less may well be of something else
_TIE = 1e-9
_LESS_THAN_ONE = 1 - 1e-6


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """That the judge and another witness contradict each other in direction."""

    against: Against
    """What the judge is held against."""

    text: str
    """The finding in one line of words."""

    cases: int
    """Cases on which both say something."""


def disagreement_in_winner(
    differences: Iterable[tuple[float, float]], against: Against, *, names: tuple[str, str] = ("A", "B")
) -> Disagreement | None:
    """Whether the judge and another witness see opposite winners in most cases of two versions.

    Each side must tell at least six cases apart, and see the same winner in two thirds of these; anything less is no
    direction. Ties are in neither count.

    Args:
        differences: Per case, second version minus first: by the judge alone, and by the witness. Each in its own unit.
        against: What the witness is.
        names: What the versions are called.
    """
    pairs = list(differences)
    sides = [_winner([pair[side] for pair in pairs]) for side in (0, 1)]
    (judge, judged), (other, seen) = sides
    if judge is None or other is None or judge == other:
        return None
    count = len(pairs)
    text = f"judge: {names[judge]} better in {judged} of {count}; {against}: {names[other]} better in {seen} of {count}"
    return Disagreement(against=against, text=text, cases=count)


def _winner(differences: Sequence[float]) -> tuple[int | None, int]:
    """Which version wins most, as an index, and how often; None for no majority."""
    second = sum(one > _TIE for one in differences)
    first = sum(one < -_TIE for one in differences)
    if first + second < _LEAST_DIFFERENCES or max(first, second) < _MAJORITY * (first + second):
        return None, 0
    return (1, second) if second > first else (0, first)


def disagreement_in_order(cases: Iterable[tuple[float, float, str]], against: Against) -> Disagreement | None:
    """Whether the judge and another witness order the cases of one run against each other.

    The 95 % interval of Spearman's correlation, by Fisher's z with the variance of Bonett and Wright (2000), must lie
    wholly below 0, with at least eight independent units: cases, or groups of cases that share a source.

    Args:
        cases: Per case: by the judge alone, by the witness, and the unit that the case belongs to.
        against: What the witness is.
    """
    rows = list(cases)
    units = len({unit for *_, unit in rows})
    if units < _LEAST_CASES:
        return None
    rho = _spearman([own for own, *_ in rows], [other for _, other, _ in rows])
    if rho is None:
        return None
    z = math.atanh(max(-_LESS_THAN_ONE, min(_LESS_THAN_ONE, rho)))
    reach = _NORMAL * math.sqrt((1 + rho**2 / 2) / (units - 3))
    low, high = math.tanh(z - reach), math.tanh(z + reach)
    if high >= 0:
        return None
    told = f"{len(rows)} cases" + (f" in {units} groups" if units < len(rows) else "")
    text = (
        f"judge and {against} order these cases against each other "
        f"(Spearman {_short(rho)}, {_short(low)} to {_short(high)}, on {told})"
    )
    return Disagreement(against=against, text=text, cases=len(rows))


def _short(number: float) -> str:
    """A correlation as it is usually written: ``-.45``."""
    return f"{number:.2f}".replace("0.", ".", 1)


def _spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's correlation of the ranks, ties sharing their mean rank; None where one side is all the same."""
    ones, others = _ranks(first), _ranks(second)
    middle = (len(ones) + 1) / 2
    squares = [math.fsum((rank - middle) ** 2 for rank in ranks) for ranks in (ones, others)]
    if not all(squares):
        return None
    together = math.fsum((one - middle) * (other - middle) for one, other in zip(ones, others, strict=True))
    return together / math.sqrt(squares[0] * squares[1])


def _ranks(values: Sequence[float]) -> list[float]:
    where: dict[float, list[int]] = defaultdict(list)
    for place, value in enumerate(sorted(values), 1):
        where[value].append(place)
    return [(where[value][0] + where[value][-1]) / 2 for value in values]


def people_s_rating(result: Result) -> float | None:
    """What people say of a case: the mean of their ratings of the rubric's criteria, by weight.

    Where they rated criteria of less than half of the weight, it is their rating of its ``value``, or None.
    """
    shares = result.rubric.shares
    rated = {name: float(shares[name]) for name in result.case.human if name in shares}
    whole = math.fsum(rated.values())
    if whole < _LEAST_RATED:
        return result.case.human.get("value")
    return math.fsum(share * result.case.human[name] for name, share in rated.items()) / whole


@dataclass
class Contrast:
    """Gathers, while results come in, what :func:`disagreement_in_order` needs of one run: numbers alone."""

    _rows: dict[Against, list[tuple[float, float, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, result: Result) -> None:
        """Take in one result."""
        score = result.score
        if score is None or score.normalized is None:
            return
        unit = result.case.group or f"\0{result.case.id}"
        if result.references is not None:
            self._rows["references"].append((score.normalized, result.references.value, unit))
        rating = people_s_rating(result)
        if rating is not None:
            self._rows["ratings"].append((score.normalized, rating, unit))

    def found(self) -> tuple[Disagreement, ...]:
        """Where the judge is contradicted."""
        found = (disagreement_in_order(rows, against) for against, rows in self._rows.items())
        return tuple(one for one in found if one is not None)
