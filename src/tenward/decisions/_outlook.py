"""What a loop can hope to see with these cases, this judge and this budget, told before it starts."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions._digits import places, worded
from tenward.decisions._posterior_race import PosteriorRace
from tenward.decisions._rule import Look
from tenward.decisions._schedule import passes
from tenward.decisions._settings import RaceSettings
from tenward.decisions._unit import unit_of_differences

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenward.decisions._pooled import Pooled

__all__ = ["Outlook", "outlook"]

_RACES = 300
_STEP = 0.005  # in units, of cases or of differences
_STEPS = 100
_ENOUGH_SEALED = 40
_NOISY = 0.15


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What the default rule can see in a set-up, by simulated races."""

    smallest_gain: float | None
    """Smallest true gain that is kept at least every second time; None when not even 0.5 units are."""

    calls: float
    """Judge calls for one candidate, on average over the proposals the prior expects, keeps left out."""

    start: int
    """Judge calls to judge the first incumbent on the cases in play."""

    candidates: int
    """How many candidates the budget decides on."""

    lines: tuple[str, ...]
    """What a person should know of it, one sentence a line."""


def outlook(
    state: Pooled, *, judge_sd: float, dev: int, sealed: int, budget: int, settings: RaceSettings | None = None
) -> Outlook:
    """Simulate races, always with the same random numbers: the same set-up has the same outlook.

    Calls count one judge pass over one case, and a unit as one case. A sealed unit is counted twice, for the candidate
    and for the incumbent beside it.

    Args:
        state: Variances, as :meth:`Pooled.initial` guesses them after the calibration or as a loop has learned them.
        judge_sd: Standard deviation of one pass of the judge.
        dev: Dev units there are, 1 or more.
        sealed: Sealed units there are, 1 or more.
        budget: Judge calls to spend.
        settings: Dials of the rule; the defaults if None.

    Raises:
        UsageError: There is no dev or no sealed unit.
    """
    settings = settings or RaceSettings()
    rule = PosteriorRace(settings=settings)
    in_play = min(dev, settings.in_play)
    start = in_play * max(2, passes(judge_sd, unit=state.cases_unit, corrected=True))
    expected = _Proposals(settings, state.unit)
    calls = _race_many(rule, state, dev, sealed, expected.draw)[1]
    # Where cases hardly differ, noise may hide all that is usual, and still not what is large beside the noise.
    scale = max(state.unit, unit_of_differences(state.dev_variance))
    smallest = _smallest(rule, state, scale, dev, sealed)
    candidates = max(0, math.floor((budget - start) / calls))
    lines = [_seen(smallest, scale, dev, sealed), _afforded(candidates, calls, start, budget)]
    full = start + in_play + 2 * min(sealed, settings.sealed)
    if budget < full:
        lines.append(f"{budget} calls do not pay for one full confirm: {full} are needed, the start included")
    if sealed < _ENOUGH_SEALED and judge_sd > _NOISY * state.unit:
        lines.append(
            f"with {sealed} sealed cases and a judge as noisy as this (sd {worded(judge_sd)}) almost nothing is found, "
            f"and keeps are less sure; give the sealed split {_ENOUGH_SEALED} cases or more, or use a steadier judge"
        )
    return Outlook(smallest_gain=smallest, calls=calls, start=start, candidates=candidates, lines=tuple(lines))


def _seen(smallest: float | None, scale: float, dev: int, sealed: int) -> str:
    setup = f"{dev} dev and {sealed} sealed cases"
    if smallest is None:
        return f"{setup} under this noise: no gain up to {worded(_STEP * _STEPS * scale)} is kept every second time"
    told = f"{smallest:.{places(smallest)}f}"
    return f"{setup} under this noise: a true gain of {told} is kept every second time, smaller ones less often"


def _afforded(candidates: int, calls: float, start: int, budget: int) -> str:
    return (
        f"{budget} calls decide on about {candidates} candidates: {start} for the start, then {calls:.1f} for each; "
        "a keep costs no more than the start"
    )


class _Proposals:
    """True effects of proposals and what the judges see, as the prior expects them; leaps are too rare to matter."""

    def __init__(self, settings: RaceSettings, unit: float) -> None:
        self._prior, self._unit = settings.prior, unit

    def draw(self, dice: random.Random) -> tuple[float, float]:
        """Return what dev and sealed see of a proposal on average."""
        prior, unit, kind = self._prior, self._unit, dice.random()
        if kind < prior.good:
            gain = unit * dice.expovariate(1 / prior.gain)
            return gain, gain
        loss = -unit * dice.expovariate(1 / prior.loss)
        if kind >= prior.good + prior.fooling:
            return loss, loss
        look, leak = (unit * dice.expovariate(1 / size) for size in (prior.gain, prior.leak))
        return look, loss + (leak if leak < look else 0.0)


def _smallest(rule: PosteriorRace, state: Pooled, scale: float, dev: int, sealed: int) -> float | None:
    def kept_half(steps: int) -> bool:
        gain = steps * _STEP * scale
        return _race_many(rule, state, dev, sealed, lambda _: (gain, gain))[0] >= 0.5

    low, high = 0, _STEPS
    if not kept_half(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if kept_half(middle):
            high = middle
        else:
            low = middle
    return high * _STEP * scale


def _race_many(
    rule: PosteriorRace,
    state: Pooled,
    dev: int,
    sealed: int,
    draw: Callable[[random.Random], tuple[float, float]],
) -> tuple[float, float]:
    """Return the share of keeps, and the mean number of judge calls."""
    dice = random.Random(1)  # noqa: S311 - a simulation that must repeat itself
    spread = {"dev": math.sqrt(state.dev_variance), "sealed": math.sqrt(state.sealed_variance)}
    kept, calls = 0, 0
    for _ in range(_RACES):
        seen = dict(zip(("dev", "sealed"), draw(dice), strict=True))
        reached = {"dev": 0, "sealed": 0}
        race = rule.start(state, dev=dev, sealed=sealed)
        while isinstance(step := race.next(), Look):
            new = step.units - reached[step.split]
            race.tell([dice.gauss(seen[step.split], spread[step.split]) for _ in range(new)])
            reached[step.split] = step.units
        kept += step.outcome == "keep"
        calls += reached["dev"] + 2 * reached["sealed"]
    return kept / _RACES, calls / _RACES
