"""One loop in the simulated world: a budget of judge calls, spent by a contender through the library's own rules."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tenward.decisions import CaseEffects, Look, Pooled, calibrate, headline, passes

if TYPE_CHECKING:
    from deciding.contenders import Contender
    from deciding.world import Artefact, Floats, World

    from tenward.decisions import Decision, Split

__all__ = ["Run", "run"]

_EXACT = 1e-9
_APART = 2.5  # as the alarm `dev-only` of a loop


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one loop came to. Calls are judge calls, one pass over one case."""

    gain: float
    """True gain of the last incumbent over the first."""

    keeps: int
    false_keeps: int
    """Keeps without a true gain."""

    candidates: int
    calls_base: int
    """Calls for the calibration and the incumbents on dev."""

    calls_dev: int
    calls_sealed: int
    """Calls on sealed cases, candidates' and incumbents'."""

    calls_sealed_incumbent: int
    claimed: float
    """Sum of what the keeps claimed."""

    on_sealed: float
    """True gain on the sealed cases, as their judge sees it."""

    headline: float
    """Gain measured afresh on all sealed cases; 0 without a keep. Its calls are not counted."""

    covered: bool | None
    """Whether the headline's interval holds the true gain; None without a keep."""

    looks: int
    seconds: float
    """Time inside the rule."""

    @property
    def calls(self) -> int:
        """All calls."""
        return self.calls_base + self.calls_dev + self.calls_sealed


class _Loop:
    """The incumbent's scores and the purse of one loop."""

    def __init__(self, contender: Contender, world: World, dice: np.random.Generator) -> None:
        self.contender = contender
        self.world = world
        self.dice = dice
        self.spent = {"base": 0, "dev": 0, "sealed": 0, "sealed incumbent": 0}
        self.looks, self.seconds = 0, 0.0
        self.incumbent = world.start(dice)
        self.in_play = dice.permutation(world.dev)[: contender.in_play]
        self.order = dice.permutation(world.sealed)[: contender.sealed]
        self.dev_passes = self.sealed_passes = 1
        self.dev = np.zeros(world.dev)
        self.sealed = np.zeros(world.sealed)
        self.known = np.zeros(world.sealed, dtype=bool)
        self.state = Pooled.initial(world.judge_sd**2)
        self.judge_variance = 0.0
        self.effects: CaseEffects | None = None
        self.met: dict[str, float] = {}
        if contender.careful:
            self._calibrate()
        elif not contender.beside:
            self._judge_dev(1)
        if contender.sealed and not contender.careful:
            self._meet_sealed(self.order)

    def _calibrate(self) -> None:
        """As the engine: two passes at least, and they count as the incumbent's."""
        two = [self.world.judge(self.incumbent.dev[self.in_play], self.world.judge_sd, self.dice) for _ in range(2)]
        found = calibrate({str(at): [float(one[at]) for one in two] for at in range(len(self.in_play))})
        self.dev_passes = passes(found.judge_sd, unit=found.unit, corrected=self.contender.corrected)
        self.sealed_passes = passes(found.judge_sd, unit=found.unit, split="sealed")
        self.state = Pooled.initial(
            found.judge_variance,
            cases_unit=found.unit,
            settings=getattr(self.contender.rule, "settings", None),
        )
        self.judge_variance = found.judge_variance
        more = [self._judge(self.incumbent.dev[self.in_play]) for _ in range(self.dev_passes - 2)]
        self.dev[self.in_play] = np.mean([*two, *more], axis=0)
        self.spent["base"] += max(2, self.dev_passes) * len(self.in_play)
        self._forget(max(2, self.dev_passes))

    def _forget(self, count: int) -> None:
        """Begin to learn the errors of stored scores that average so many passes."""
        if self.contender.corrected:
            self.effects = CaseEffects.start(
                judge_variance=self.judge_variance, passes=count, units=len(self.in_play), unit=self.state.unit
            )

    def _judge(self, levels: Floats) -> Floats:
        return self.world.judge(levels, self.world.judge_sd, self.dice)

    def judge_sealed(self, levels: Floats) -> Floats:
        """One pass of the sealed judge."""
        sd = self.world.judge_sd if self.world.sealed_sd is None else self.world.sealed_sd
        return self.world.judge(levels, sd, self.dice)

    def _judge_dev(self, count: int) -> None:
        levels = self.incumbent.dev[self.in_play]
        self.dev[self.in_play] = np.mean([self._judge(levels) for _ in range(count)], axis=0)
        self.spent["base"] += count * len(self.in_play)

    def _meet_sealed(self, cases: np.ndarray) -> None:
        new = cases[~self.known[cases]]
        levels = self.incumbent.sealed[new]
        self.sealed[new] = np.mean([self.judge_sealed(levels) for _ in range(self.sealed_passes)], axis=0)
        self.known[new] = True
        self.spent["sealed"] += self.sealed_passes * len(new)
        self.spent["sealed incumbent"] += self.sealed_passes * len(new)

    def look(self, candidate: Artefact, cases: np.ndarray, split: Split, scores: dict[Split, Floats]) -> list[float]:
        """Judge the candidate on cases and return the differences."""
        if split == "sealed":
            self._meet_sealed(cases)
            scores[split][cases] = new = self.judge_sealed(candidate.sealed[cases])
            self.spent["sealed"] += len(cases)
            return list(map(float, new - self.sealed[cases]))
        scores[split][cases] = new = self._judge(candidate.dev[cases])
        self.spent["dev"] += len(cases)
        if self.contender.beside:
            self.dev[cases] = self._judge(self.incumbent.dev[cases])
            self.spent["dev"] += len(cases)
        differences = {str(case): float(d) for case, d in zip(cases, new - self.dev[cases], strict=True)}
        if self.effects is None:
            return list(differences.values())
        self.met |= differences
        return self.effects.correct(differences, variance=self.state.dev_variance)

    def decide(self, candidate: Artefact) -> Decision:
        """Race a candidate to its decision, as the engine does."""
        scores: dict[Split, Floats] = {"dev": np.zeros(self.world.dev), "sealed": np.zeros(self.world.sealed)}
        orders: dict[Split, np.ndarray] = {"dev": self.dice.permutation(self.in_play), "sealed": self.order}
        reached: dict[Split, int] = {"dev": 0, "sealed": 0}
        self.met = {}
        began = time.perf_counter()
        race = self.contender.rule.start(self.state, dev=len(self.in_play), sealed=len(self.order))
        while isinstance(step := race.next(), Look):
            self.seconds += time.perf_counter() - began
            new = orders[step.split][reached[step.split] : step.units]
            differences = self.look(candidate, new, step.split, scores)
            reached[step.split] = step.units
            self.looks += 1
            began = time.perf_counter()
            race.tell(differences)
        self.state = self.state.after(step)
        self.seconds += time.perf_counter() - began
        if step.outcome == "keep" and self.contender.alarmed and step.evidence.gap > _APART:
            step = replace(step, outcome="undecided")
        if step.outcome == "keep":
            self.incumbent = candidate
            if self.contender.careful:
                self.in_play = self.dice.permutation(self.world.dev)[: self.contender.in_play]
                self._judge_dev(self.dev_passes)
                self._forget(self.dev_passes)
                self.known[:] = False
            else:
                self.dev, self.sealed = scores["dev"], scores["sealed"]
        elif self.effects is not None:
            self.effects = self.effects.after(self.met)
        return step


def run(
    contender: Contender,
    world: World,
    *,
    calls: float,
    seed: int,
    proposals: int | None = None,
    each: float = 0.0,
) -> Run:
    """Let a contender spend its calls; the last candidate may run over. Or let it meet so many proposals.

    A proposal costs ``each`` calls before it is judged. The same contender, world and seed give the same run.
    """
    dice = np.random.default_rng(seed)
    loop = _Loop(contender, world, dice)
    first = loop.incumbent
    keeps = false_keeps = candidates = 0
    claimed = 0.0

    def goes_on() -> bool:
        if proposals is not None:
            return candidates < proposals
        judged = loop.spent["base"] + loop.spent["dev"] + loop.spent["sealed"]
        return judged + each * candidates < calls

    while goes_on():
        candidates += 1
        proposal = world.propose(loop.incumbent, dice)
        decision = loop.decide(proposal.artefact)
        if decision.outcome == "keep":
            keeps += 1
            false_keeps += proposal.effect <= _EXACT
            claimed += decision.effect
    last = loop.incumbent
    told, covered = 0.0, None
    if keeps:
        before, after = (
            {str(at): float(score) for at, score in enumerate(loop.judge_sealed(one.sealed))} for one in (first, last)
        )
        found = headline(before, after)
        told, covered = found.gain, found.low <= last.gain <= found.high
    return Run(
        gain=last.gain,
        keeps=keeps,
        false_keeps=false_keeps,
        candidates=candidates,
        calls_base=loop.spent["base"],
        calls_dev=loop.spent["dev"],
        calls_sealed=loop.spent["sealed"],
        calls_sealed_incumbent=loop.spent["sealed incumbent"],
        claimed=claimed,
        on_sealed=float(np.mean(last.sealed - first.sealed)),
        headline=told,
        covered=covered,
        looks=loop.looks,
        seconds=loop.seconds,
    )
