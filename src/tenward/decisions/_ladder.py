"""Rules without a prior: discard what can hardly get there any more, then confirm by a step of the Ladder.

The Ladder (Blum and Hardt, 2015) lets a sealed score count only when it beats the incumbent's by a step. Here the step
is a number of standard errors of the paired difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from tenward.decisions._better import measured
from tenward.decisions._digits import places, signed
from tenward.decisions._posterior_race import need_both_splits
from tenward.decisions._race import Reading, Sight, SteppedRace
from tenward.decisions._schedule import DEV_START, SEALED_START, looks
from tenward.decisions._student import normal_tail
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.decisions._evidence import Sample
    from tenward.decisions._floors import Floor
    from tenward.decisions._pooled import Pooled

__all__ = ["AlphaRace", "FixedLine"]

_HOPELESS = 0.05
_BASE, _SLACK = 0.035, 0.025


def chance_to_clear(sample: Sample, *, to_come: int, variance: float, z: float) -> float:
    """Predictive probability that the mean of all units, once judged, exceeds z standard errors.

    The units to come are drawn around the mean so far, with the uncertainty of that mean. With none to come it is 0
    or 1. Stopping on it only ever discards, so it never raises the error rate of the final test.
    """
    whole = sample.n + to_come
    line = z * math.sqrt(variance / whole) if whole else math.inf
    if to_come == 0 or sample.n == 0:
        return float(sample.n > 0 and sample.mean > line)
    return normal_tail((line - sample.mean) / math.sqrt(variance * (1 / sample.n - 1 / whole)))


def confirm(sight: Sight, step: float) -> Reading:
    """Keep on all sealed units, by a step in pooled standard errors; discard early what can hardly reach it."""
    sample, variance = sight.evidence.sealed, sight.evidence.sealed_variance
    chance = chance_to_clear(sample, to_come=sight.to_come, variance=variance, z=step)
    if chance < _HOPELESS:
        line = step * math.sqrt(variance / max(sample.n, 1))
        why = f"{signed(line)} needed on sealed cases" if sight.last else f"chance to pass on sealed cases {chance:.3f}"
        return measured("discard", why, sample)
    if sight.last:
        return measured("keep", f"more than {step:g} standard errors up on all sealed cases", sample)
    return measured("more", f"chance to pass on sealed cases {chance:.3f}", sample)


@dataclass(frozen=True, kw_only=True)
class AlphaRace:
    """A race at a fixed error rate: a one-sided test on all dev units in play, then a Ladder step on the sealed ones.

    Attributes:
        alpha: One-sided error rate of the dev test, above 0 and below 0.5; its variance is the pooled one.
        step: Standard errors that the sealed mean must be up, above 0.
        in_play: How many dev units a candidate meets at most.
        sealed: How many sealed units it meets at most.

    Raises:
        UsageError: A number is out of its range.
    """

    alpha: float = 0.02
    step: float = 1.64
    in_play: int = 60
    sealed: int = 120

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 0.5:
            raise UsageError(f"alpha: found {self.alpha!r}, expected above 0 and below 0.5", hint="0.02 is the default")
        check_confirm(self)

    def start(
        self, state: Pooled, *, dev: int, sealed: int, floors: Sequence[Floor] = (), noun: str = "case"
    ) -> SteppedRace:
        """Begin the race of one candidate; see :meth:`DecisionRule.start`."""
        need_both_splits(dev, sealed, rule="alpha race")
        return ladder_race(self, state, dev=dev, sealed=sealed, floors=floors, noun=noun)

    def read(self, sight: Sight) -> Reading:
        """Read one look."""
        if sight.split == "sealed":
            return confirm(sight, self.step)
        sample = sight.evidence.dev
        z = NormalDist().inv_cdf(1.0 - self.alpha)
        chance = chance_to_clear(sample, to_come=sight.to_come, variance=sight.evidence.dev_variance, z=z)
        if chance < _HOPELESS:
            return measured("discard", f"chance to pass on dev cases {chance:.3f}", sample)
        return measured("ask" if sight.last else "more", f"chance to pass on dev cases {chance:.3f}", sample)


@dataclass(frozen=True, kw_only=True)
class FixedLine:
    """Discard below a fixed line of the running dev mean, then a Ladder step on the sealed units.

    The line is ``base + slack · 4 / n`` after n dev units. In simulation with an ordinary judge (sd 0.12 to 0.20)
    its gain for the same calls was that of the posterior race, without a prior. But the line does not adapt: with a
    quiet judge (0.03) it finds half as much, with a very noisy one (0.35) every tenth keep is false. What it claims is
    the plain sealed mean, over a whole run 0.02 to 0.04 too high.

    Attributes:
        base: The line after many units, on the scale of the differences; None for 0.035 times the unit of sizes.
        slack: How much higher it starts, at four units; None for 0.025 times that.
        step: Standard errors that the sealed mean must be up, above 0.
        in_play: How many dev units a candidate meets at most.
        sealed: How many sealed units it meets at most.

    Raises:
        UsageError: A number is out of its range.
    """

    base: float | None = None
    slack: float | None = None
    step: float = 2.33
    in_play: int = 30
    sealed: int = 120

    def __post_init__(self) -> None:
        for name, value in (("base", self.base), ("slack", self.slack)):
            if value is not None and not 0.0 <= value < math.inf:
                raise UsageError(f"{name}: found {value!r}, expected 0 or more", hint="leave it out for the default")
        check_confirm(self)

    def start(
        self, state: Pooled, *, dev: int, sealed: int, floors: Sequence[Floor] = (), noun: str = "case"
    ) -> SteppedRace:
        """Begin the race of one candidate; see :meth:`DecisionRule.start`."""
        need_both_splits(dev, sealed, rule="fixed line")
        return ladder_race(self, state, dev=dev, sealed=sealed, floors=floors, noun=noun)

    def read(self, sight: Sight) -> Reading:
        """Read one look."""
        if sight.split == "sealed":
            return confirm(sight, self.step)
        sample, unit = sight.evidence.dev, sight.evidence.unit
        base = _BASE * unit if self.base is None else self.base
        slack = _SLACK * unit if self.slack is None else self.slack
        line = base + slack * DEV_START / max(sample.n, 1)
        told = f"{line:.{places(line)}f}"
        if sample.mean < line:
            return measured("discard", f"the mean is below {told}", sample)
        return measured("ask" if sight.last else "more", f"the mean is not below {told}", sample)


def check_confirm(rule: AlphaRace | FixedLine) -> None:
    """Refuse a race over no units, or a step that any candidate takes.

    Raises:
        UsageError: A number is out of its range.
    """
    if not 0.0 < rule.step < math.inf:
        raise UsageError(f"step: found {rule.step!r}, expected above 0", hint="leave it out for the default")
    for name, count in (("in_play", rule.in_play), ("sealed", rule.sealed)):
        if count < 1:
            raise UsageError(f"{name}: found {count!r}, expected 1 or more", hint="leave it out for the default")


def ladder_race(
    rule: AlphaRace | FixedLine, state: Pooled, *, dev: int, sealed: int, floors: Sequence[Floor], noun: str
) -> SteppedRace:
    """Return the race of a rule that looks on dev as the default rule does, and confirms by :func:`confirm`."""
    return SteppedRace(
        read=rule.read,
        looks={
            "dev": looks(min(dev, rule.in_play), start=DEV_START),
            "sealed": looks(min(sealed, rule.sealed), start=SEALED_START),
        },
        state=state,
        floors=floors,
        noun=noun,
    )
