"""Does the rule mean the same on every scale? Share of candidates kept, by true gain and by how far cases lie apart."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions import Look, Pooled, PosteriorRace, RaceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenward.decisions import Decision, Split

__all__ = ["GAINS", "HOLE", "SPREADS", "Cell", "flat", "in_a_row", "print_scale"]

GAINS = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
"""True gains, in standard deviations over cases."""

SPREADS = (0.2, 0.05, 0.02, 0.01, 0.005)
HOLE = {0.01: (0.05, 0.07, 0.072, 0.075, 0.08, 0.10), 0.022: (0.05, 0.07, 0.072, 0.075, 0.08, 0.10)}
"""True gains, by the standard deviation over cases."""

_DEV, _SEALED = 40, 80
_NULL = 30


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Candidates of one true gain."""

    sd: float
    """How far a change's effect lies apart over cases; the judge has no noise."""

    gain: float
    kept: float
    """Share of them."""


def flat(
    *, candidates: int = 60, cases_unit: float = 0.0, spreads: Sequence[float] = SPREADS, seed: int = 1
) -> Iterable[Cell]:
    """Yield the share kept for each gain and spread, after 30 candidates without effect.

    Args:
        candidates: How many in each cell; none of them teaches the rule anything.
        cases_unit: The unit that a calibration saw, beside the standard deviation over cases of an effect: 10 where the
            incumbent's scores lie twice as far apart as that. 0 for none: the loop knows nothing but differences.
        spreads: Standard deviations over cases.
        seed: Of the dice; the same for each spread.
    """
    for sd in spreads:
        dice = random.Random(seed)  # noqa: S311 - a simulation that must repeat itself
        rule = PosteriorRace(settings=RaceSettings.exact())
        state = Pooled.initial(0.0, cases_unit=cases_unit * sd, settings=rule.settings)
        for _ in range(_NULL):
            state = state.after(_decide(rule, state, 0.0, sd, dice))
        for gain in GAINS:
            dice = random.Random(f"{seed} {gain}")  # noqa: S311 - likewise, and the same for each spread
            decided = [_decide(rule, state, gain * sd, sd, dice) for _ in range(candidates)]
            yield Cell(sd=sd, gain=gain, kept=sum(one.outcome == "keep" for one in decided) / candidates)


def in_a_row(*, candidates: int = 40, seed: int = 1) -> Iterable[Cell]:
    """Yield the share kept of candidates in a row, all of the same true gain, from which the rule learns."""
    for sd, gains in HOLE.items():
        for gain in gains:
            dice = random.Random(seed)  # noqa: S311 - a simulation that must repeat itself
            rule = PosteriorRace(settings=RaceSettings.exact())
            state, kept = Pooled.initial(0.0, settings=rule.settings), 0
            for _ in range(candidates):
                decision = _decide(rule, state, gain, sd, dice)
                state = state.after(decision)
                kept += decision.outcome == "keep"
            yield Cell(sd=sd, gain=gain, kept=kept / candidates)


def _decide(rule: PosteriorRace, state: Pooled, gain: float, sd: float, dice: random.Random) -> Decision:
    reached: dict[Split, int] = {"dev": 0, "sealed": 0}
    race = rule.start(state, dev=_DEV, sealed=_SEALED)
    while isinstance(step := race.next(), Look):
        race.tell([gain + sd * dice.gauss(0.0, 1.0) for _ in range(step.units - reached[step.split])])
        reached[step.split] = step.units
    return step


def print_scale(cells: Iterable[Cell], *, title: str) -> list[Cell]:
    """Print a line per spread; return the cells."""
    told = list(cells)
    print(f"\n{title}")
    for sd in dict.fromkeys(one.sd for one in told):
        row = [one for one in told if one.sd == sd]
        print(f"  sd {sd:<6g}" + "".join(f"{one.gain:g}: {one.kept:.2f}".rjust(13) for one in row), flush=True)
    return told
