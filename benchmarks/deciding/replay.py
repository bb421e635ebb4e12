"""Hill-climbs over a recorded matrix: systems come in random order, and each is raced against the best so far."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from deciding.contenders import EARLIER, PairedTest

from tenward.decisions import AlphaRace, Better, Look, Pooled, PosteriorRace, calibrate, passes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deciding.matrix import Matrix

    from tenward.decisions import DecisionRule, Split

__all__ = ["Replayed", "replay"]

_ONE_SIDED_5_PERCENT = 1.7
_TIE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a rule came to over many orders of the systems."""

    rule: str
    orders: int
    gain: float
    """Mean of truth(last) - truth(first)."""

    gain_se: float
    reached: float
    """Mean of truth(last)."""

    candidates: float
    keeps: float
    false_keeps: float | None
    """Share of keeps whose truth is not above the incumbent's; None without a keep."""

    calls_per_decision: float
    """Scores read per candidate; incumbents' at the start and after a keep included."""


@dataclass(frozen=True, kw_only=True)
class _Way:
    rule: DecisionRule
    careful: bool
    everything: bool = False
    """Dev is all items, for rules that have no sealed ones."""


def _ways() -> dict[str, _Way]:
    test = PairedTest(_ONE_SIDED_5_PERCENT)
    return {
        "strictly greater, dev items": _Way(rule=Better(), careful=False),
        "strictly greater, all items": _Way(rule=Better(), careful=False, everything=True),
        "paired t, one-sided 5 %, dev items": _Way(rule=test, careful=False),
        "paired t, one-sided 5 %, all items": _Way(rule=test, careful=False, everything=True),
        "alpha race": _Way(rule=AlphaRace(), careful=True),
        "posterior race": _Way(rule=PosteriorRace(settings=EARLIER), careful=True),
        "posterior race, drop .01": _Way(rule=PosteriorRace(settings=replace(EARLIER, drop=0.01)), careful=True),
    }


def replay(matrix: Matrix, *, dev: int, orders: int, seed: int, budget: int | None = None) -> list[Replayed]:
    """Run every rule over the same random orders and the same random splits.

    A candidate is scored by one recorded pass, drawn afresh each time; the incumbent by as many as the measured noise
    asks for, where so many were recorded. With one pass recorded nothing can be judged afresh.

    Args:
        matrix: The recorded scores.
        dev: Items of the dev split; the others are sealed.
        orders: Random orders of the systems.
        seed: Of the orders.
        budget: Scores a climb may read: candidates are then drawn with replacement until it is used up. None: each
            system comes once, whatever that takes.

    Raises:
        SystemExit: There are too few items for both splits.
    """
    if not 2 <= dev < len(matrix.items):
        raise SystemExit(f"--dev: found {dev}, expected 2 to {len(matrix.items) - 1}, for {len(matrix.items)} items")
    found: list[Replayed] = []
    for name, way in _ways().items():
        climbs = [_Climb(way, matrix, dev, random.Random(seed + at)) for at in range(orders)]  # noqa: S311 - repeatable
        for climb in climbs:
            climb.run(budget)
        found.append(_summed(name, climbs))
    return found


def _summed(name: str, climbs: Sequence[_Climb]) -> Replayed:
    gains = np.array([one.gain for one in climbs])
    keeps = sum(one.keeps for one in climbs)
    return Replayed(
        rule=name,
        orders=len(climbs),
        gain=float(gains.mean()),
        gain_se=float(gains.std(ddof=1) / len(climbs) ** 0.5) if len(climbs) > 1 else float("nan"),
        reached=float(np.mean([one.reached for one in climbs])),
        candidates=sum(one.candidates for one in climbs) / len(climbs),
        keeps=keeps / len(climbs),
        false_keeps=sum(one.false_keeps for one in climbs) / keeps if keeps else None,
        calls_per_decision=sum(one.calls for one in climbs) / sum(one.candidates for one in climbs),
    )


class _Climb:
    """One hill-climb."""

    def __init__(self, way: _Way, matrix: Matrix, dev: int, dice: random.Random) -> None:
        self._way = way
        self._matrix = matrix
        self._dice = dice
        self._queue = dice.sample(range(len(matrix.systems)), len(matrix.systems))
        items = dice.sample(range(len(matrix.items)), len(matrix.items))
        self._dev = items if way.everything else items[:dev]
        self._sealed = [] if way.everything else items[dev:]
        self.incumbent = self._queue.pop(0)
        self._first = self.incumbent
        self.keeps = self.false_keeps = self.calls = self.candidates = 0
        self._stored: dict[int, float] = {}
        self._settings = getattr(way.rule, "settings", None)
        self._state = Pooled.initial(0.0, settings=self._settings)
        self._wanted: dict[Split, int] = {"dev": 1, "sealed": 1}
        if way.careful:
            self._calibrate()

    def _calibrate(self) -> None:
        table = {str(item): self._matrix.passes[self.incumbent][item][:2] for item in self._dev}
        if any(len(row) > 1 for row in table.values()):
            found = calibrate(table)
            self._state = Pooled.initial(found.judge_variance, settings=self._settings)
            self._wanted = {"dev": passes(found.judge_sd), "sealed": passes(found.judge_sd, split="sealed")}

    @property
    def gain(self) -> float:
        """Of the last incumbent over the first."""
        return self._matrix.truth[self.incumbent] - self._matrix.truth[self._first]

    @property
    def reached(self) -> float:
        """Truth of the last incumbent."""
        return self._matrix.truth[self.incumbent]

    def _incumbent_score(self, item: int, split: Split) -> float:
        if item not in self._stored:
            recorded = self._matrix.passes[self.incumbent][item]
            drawn = self._dice.sample(recorded, min(self._wanted[split], len(recorded)))
            self._stored[item] = sum(drawn) / len(drawn)
            self.calls += len(drawn)
        return self._stored[item]

    def run(self, budget: int | None) -> None:
        """Race each system in turn, or systems drawn at random while the budget lasts."""
        while self.calls < budget if budget is not None else self._queue:
            candidate = self._queue.pop(0) if budget is None else self._dice.randrange(len(self._matrix.systems))
            if candidate == self.incumbent:
                continue
            self.candidates += 1
            scores: dict[int, float] = {}
            if self._raced(candidate, scores):
                self.keeps += 1
                self.false_keeps += self._matrix.truth[candidate] <= self.reached + _TIE
                self.incumbent = candidate
                self._stored = {} if self._way.careful else scores

    def _raced(self, candidate: int, scores: dict[int, float]) -> bool:
        orders: dict[Split, Sequence[int]] = {
            "dev": self._dice.sample(self._dev, len(self._dev)),
            "sealed": self._sealed,
        }
        reached: dict[Split, int] = {"dev": 0, "sealed": 0}
        race = self._way.rule.start(self._state, dev=len(self._dev), sealed=len(self._sealed))
        while isinstance(step := race.next(), Look):
            new = orders[step.split][reached[step.split] : step.units]
            for item in new:
                scores[item] = self._dice.choice(self._matrix.passes[candidate][item])
            self.calls += len(new)
            race.tell([scores[item] - self._incumbent_score(item, step.split) for item in new])
            reached[step.split] = step.units
        self._state = self._state.after(step)
        return step.outcome == "keep"
