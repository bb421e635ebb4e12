"""The rows of the table, what runs add up to, and how it is printed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from deciding.arena import run
from deciding.contenders import NAIVE
from deciding.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from deciding.arena import Run
    from deciding.contenders import Contender

__all__ = ["HEADLINE_ROWS", "ROWS", "Result", "as_json", "cost_per_look", "measure", "print_table"]

HEADLINE_ROWS = {
    "judge .12, cases .10": World(),
    "judge .20, cases .10": World(judge_sd=0.20),
    "judge .12, cases .20": World(interaction_sd=0.20),
    "judge .20, cases .20": World(judge_sd=0.20, interaction_sd=0.20),
    "5 % fooling": World(fooling=0.05),
    "judge .03, cases .03": World(judge_sd=0.03, interaction_sd=0.03),
}
ROWS = HEADLINE_ROWS | {
    "5 % fooling, losses spread": World(fooling=0.05, spread=True),
    "5 % fooling, sealed sees half": World(fooling=0.05, shared=0.5),
    "5 % fooling, sealed sees all": World(fooling=0.05, shared=1.0),
    "20 % fooling": World(fooling=0.20),
    "5 % fooling by .3": World(fooling=0.05, shift=0.3),
    "5 % fooling by .3, sealed sees half": World(fooling=0.05, shift=0.3, shared=0.5),
    "5 % fooling by .5": World(fooling=0.05, shift=0.5),
    "5 % fooling by .5, sealed sees half": World(fooling=0.05, shift=0.5, shared=0.5),
    "nothing good": World(good=0.0),
    "good 5 %": World(good=0.05),
    "good 20 %": World(good=0.20),
    "gains of mean .015": World(gain=0.015),
    "gains of mean .06": World(gain=0.06),
    "good 3 %, gains of mean .2": World(good=0.03, gain=0.2),
    "gains fade to 0 at +.4": World(ceiling=0.4),
    "t noise": World(heavy=True),
    "t noise, judge .20": World(heavy=True, judge_sd=0.20),
    "bounded scores": World(bounded=True),
    "judge 0, cases .10": World(judge_sd=0.0),
    "judge .35, cases .20": World(judge_sd=0.35, interaction_sd=0.20),
    "sealed judge .20": World(sealed_sd=0.20),
    "30 dev, 60 sealed": World(dev=30, sealed=60),
}


@dataclass(frozen=True, kw_only=True)
class Result:
    """A contender in a world, over many runs."""

    world: str
    contender: str
    runs: int
    gain: float
    """Mean true gain."""

    gain_se: float
    times_naive: float | None
    """Ratio of the gain to that of strictly greater; None where that gained less than 0.02."""

    false_keeps: float | None
    """Share of keeps without a true gain; None without a keep."""

    false_keeps_se: float | None
    """From the spread over runs."""

    keeps: float
    candidates: float
    calls: float
    calls_per_decision: float
    claimed_minus_true: float
    headline_minus_true: float
    sealed_minus_true: float
    covered: float | None
    """Share of headlines whose 95 % interval holds the true gain."""

    calls_base: float
    calls_dev: float
    calls_sealed: float
    calls_sealed_incumbent: float


def measure(
    rows: Iterable[str],
    contenders: Sequence[Contender],
    *,
    runs: int,
    calls: int,
    first_seed: int,
    proposals: int | None = None,
) -> Iterable[Result]:
    """Yield one result per world and contender, that of strictly greater first."""
    for row in rows:
        naive: float | None = None
        for contender in (NAIVE, *(one for one in contenders if one.name != NAIVE.name)):
            seeds = range(first_seed, first_seed + runs)
            done = [run(contender, ROWS[row], calls=calls, seed=seed, proposals=proposals) for seed in seeds]
            result = _summed(row, contender.name, done, naive)
            naive = result.gain if naive is None else naive
            yield result


def _summed(world: str, contender: str, runs: Sequence[Run], naive: float | None) -> Result:
    gains = np.array([one.gain for one in runs])
    keeps = np.array([one.keeps for one in runs])
    wrong = np.array([one.false_keeps for one in runs])
    gain, kept = float(gains.mean()), int(keeps.sum())
    share = float(wrong.sum() / kept) if kept else None
    # A ratio of sums: its error comes from the residuals, run by run.
    error = None if share is None else float(np.sqrt(((wrong - share * keeps) ** 2).sum()) / kept)
    base = gain if naive is None else naive
    covered = [one.covered for one in runs if one.covered is not None]

    def mean(name: str) -> float:
        return float(np.mean([getattr(one, name) for one in runs]))

    return Result(
        world=world,
        contender=contender,
        runs=len(runs),
        gain=gain,
        gain_se=float(gains.std(ddof=1)) / math.sqrt(len(runs)) if len(runs) > 1 else math.nan,
        times_naive=gain / base if base >= 0.02 else None,
        false_keeps=share,
        false_keeps_se=error,
        keeps=mean("keeps"),
        candidates=mean("candidates"),
        calls=mean("calls"),
        calls_per_decision=mean("calls") / mean("candidates"),
        claimed_minus_true=mean("claimed") - gain,
        headline_minus_true=mean("headline") - gain,
        sealed_minus_true=mean("on_sealed") - gain,
        covered=float(np.mean(covered)) if covered else None,
        calls_base=mean("calls_base"),
        calls_dev=mean("calls_dev"),
        calls_sealed=mean("calls_sealed"),
        calls_sealed_incumbent=mean("calls_sealed_incumbent"),
    )


def cost_per_look(contender: Contender, *, runs: int, calls: int, first_seed: int) -> float:
    """Milliseconds inside the rule per look, the learning after each candidate included."""
    done = [run(contender, World(), calls=calls, seed=first_seed + at) for at in range(runs)]
    return 1000 * sum(one.seconds for one in done) / sum(one.looks for one in done)


_HEAD = "gain         × naive  false keeps    keeps  calls/dec.  claimed-true  headline-true"


def print_table(results: Iterable[Result], naive: str = NAIVE.name) -> list[Result]:
    """Print results as they come, and return them."""
    told: list[Result] = []
    for one in results:
        if one.contender == naive:
            print(f"\n{one.world:34}{_HEAD}")
        times = "–" if one.times_naive is None else f"{one.times_naive:.2f}"
        wrong = (
            "–" if one.false_keeps is None else f"{100 * one.false_keeps:.1f}±{100 * (one.false_keeps_se or 0):.1f} %"
        )
        print(
            f"  {one.contender:32}{one.gain:.3f}±{one.gain_se:.3f}  {times:>7}  {wrong:>11}  {one.keeps:7.1f}  "
            f"{one.calls_per_decision:10.1f}  {one.claimed_minus_true:+12.3f}  {one.headline_minus_true:+13.3f}",
            flush=True,
        )
        told.append(one)
    return told


def as_json(results: Iterable[Result]) -> list[dict[str, object]]:
    """Return plain values."""
    return [asdict(one) for one in results]
