"""What the dial `drop` is worth where a proposal costs something beside judging."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from deciding.arena import run
from deciding.contenders import TENWARD
from deciding.table import ROWS

from tenward.decisions import PosteriorRace, RaceSettings, patience

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["DROPS", "RATIOS", "Turned", "print_dial", "turn"]

RATIOS = (0.0, 3.0, 10.0, 30.0, 100.0, 300.0)
DROPS = (0.05, 0.03, 0.02, 0.01, 0.005)
_LEAST = 6000
_CANDIDATES = 200
_CHEAP = 10.0


@dataclass(frozen=True, kw_only=True)
class Turned:
    """The default rule at one place of the dial, for one price of proposals."""

    world: str
    ratio: float
    """What a proposal costs, in judge calls."""

    drop: float
    runs: int
    budget: float
    """Judge calls, proposals counted as such."""

    gain: float
    gain_se: float
    false_keeps: float | None
    candidates: float


def turn(worlds: Iterable[str], *, runs: int, first_seed: int, ratios: Sequence[float] = RATIOS) -> Iterable[Turned]:
    """Yield one result per world, price and place of the dial.

    The budget is 6,000 judge calls, or more where those would pay for fewer than some 200 proposals.
    """
    for world in worlds:
        for ratio in ratios:
            budget = max(_LEAST, _CANDIDATES * (ratio + _CHEAP))
            for drop in DROPS:
                contender = replace(TENWARD, rule=PosteriorRace(settings=RaceSettings(drop=drop)))
                seeds = range(first_seed, first_seed + runs)
                done = [run(contender, ROWS[world], calls=budget, seed=seed, each=ratio) for seed in seeds]
                gains, keeps = np.array([one.gain for one in done]), sum(one.keeps for one in done)
                yield Turned(
                    world=world,
                    ratio=ratio,
                    drop=drop,
                    runs=runs,
                    budget=budget,
                    gain=float(gains.mean()),
                    gain_se=float(gains.std(ddof=1) / math.sqrt(runs)) if runs > 1 else math.nan,
                    false_keeps=sum(one.false_keeps for one in done) / keeps if keeps else None,
                    candidates=float(np.mean([one.candidates for one in done])),
                )


def print_dial(results: Iterable[Turned]) -> list[Turned]:
    """Print a line per world and price, with a star where the dial would be set; return the results."""
    told = list(results)
    for world in dict.fromkeys(one.world for one in told):
        print("\n" + world.ljust(30) + "".join(f"drop {drop:g}".rjust(16) for drop in DROPS))
        for ratio in dict.fromkeys(one.ratio for one in told):
            row = [one for one in told if (one.world, one.ratio) == (world, ratio)]
            chosen = patience(ratio)
            cells = [f"{'*' * (one.drop == chosen)}{one.gain:.3f}±{one.gain_se:.3f}".rjust(16) for one in row]
            print(f"  proposal = {ratio:3g} cases".ljust(30) + "".join(cells), flush=True)
    return told
