"""The simulated world: what proposals do, and how judges see it. Values are on the 0 to 1 scale of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Artefact", "Proposal", "World"]


@dataclass(frozen=True, kw_only=True)
class World:
    """How proposals and judges behave.

    Attributes:
        judge_sd: Standard deviation of one pass of the dev judge over the same output.
        sealed_sd: The same of the sealed judge; that of the dev judge if None.
        interaction_sd: How differently cases take to a change.
        good: Share of proposals that are better, by Exp(``gain``). Of the rest, 55 parts of 90 lose Exp(0.01) and 35
            lose Exp(0.05).
        gain: Mean size of a gain.
        fooling: Share of proposals that lose 0.02, look better by ``shift`` to the dev judge, and by ``shared`` of that
            to the sealed one. The look stays with what is built on them.
        shift: How much better fooling proposals look.
        shared: Share of the shift that the sealed judge sees too.
        spread: Fooling proposals lose Exp(0.02) instead.
        ceiling: Gains shrink in proportion as the incumbent nears this gain; None for never.
        heavy: The judge's noise is Student's t with 3 degrees of freedom, scaled to the same sd.
        level_sd: How far the first incumbent's cases lie apart, around 0.5. A calibration sees it.
        bounded: Scores are cut off at 0 and 1.
        dev: Dev cases there are.
        sealed: Sealed cases there are.
    """

    judge_sd: float = 0.12
    sealed_sd: float | None = None
    interaction_sd: float = 0.10
    good: float = 0.10
    gain: float = 0.03
    fooling: float = 0.0
    shift: float = 0.08
    shared: float = 0.2
    spread: bool = False
    ceiling: float | None = None
    heavy: bool = False
    level_sd: float = 0.2
    bounded: bool = False
    dev: int = 120
    sealed: int = 120

    def start(self, dice: np.random.Generator) -> Artefact:
        """What a loop starts from."""
        count = self.dev + self.sealed
        # Of dice of their own, so that all else is as it would be without them.
        levels = dice.spawn(1)[0].normal(0.5, self.level_sd, count)
        return Artefact(dev=levels[: self.dev], sealed=levels[self.dev :], gain=0.0)

    def propose(self, incumbent: Artefact, dice: np.random.Generator) -> Proposal:
        """Draw a change to an incumbent."""
        shift, kind = 0.0, dice.random()
        if self.fooling and dice.random() < self.fooling:
            effect, shift = -dice.exponential(0.02) if self.spread else -0.02, self.shift
        elif kind < self.good:
            effect = dice.exponential(self.gain)
            if self.ceiling is not None:
                effect *= max(0.0, 1.0 - incumbent.gain / self.ceiling)
        else:
            effect = -dice.exponential(0.01 if kind < self.good + (1.0 - self.good) * 55 / 90 else 0.05)
        taken = dice.normal(effect, self.interaction_sd, self.dev + self.sealed)
        return Proposal(
            effect=effect,
            artefact=Artefact(
                dev=incumbent.dev + taken[: self.dev] + shift,
                sealed=incumbent.sealed + taken[self.dev :] + self.shared * shift,
                gain=incumbent.gain + effect,
            ),
        )

    def judge(self, levels: Floats, sd: float, dice: np.random.Generator) -> Floats:
        """One pass over cases of the given levels."""
        count = len(levels)
        noise = dice.standard_t(3, count) / math.sqrt(3.0) if self.heavy else dice.standard_normal(count)
        scores = levels + sd * noise
        return np.clip(scores, 0.0, 1.0) if self.bounded else scores


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """Something that is judged: what each judge would say of each case on average, and its true gain."""

    dev: Floats
    sealed: Floats
    gain: float


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A changed artefact and what the change truly does, over all cases there could be."""

    effect: float
    artefact: Artefact
