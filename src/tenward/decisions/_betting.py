"""A rule that may look at any time, without a prior and without assuming a distribution: bets on the differences.

Against the claim "the effect is at most 0" one unit of money is spread over several stakes; each difference d
multiplies a stake's money by 1 + stake · d. If the claim is true, the money is expected not to grow, so it reaches 20
in at most one race of 20, however often one looks (Ville's inequality). The price is data: use it with hundreds of
units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions._better import measured
from tenward.decisions._posterior_race import need_both_splits
from tenward.decisions._race import Reading, Sight, SteppedRace
from tenward.decisions._schedule import DEV_START, SEALED_START, looks
from tenward.decisions._settings import WORTHWHILE
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.decisions._floors import Floor
    from tenward.decisions._pooled import Pooled
    from tenward.decisions._race import Step

__all__ = ["BettingRace", "money"]

# Below 1, so that no single difference of -1 can end a stake.
_STAKES = tuple(stake / 10 for stake in range(1, 10))
# To go on or to give up needs no promise, so these two are set by what gained most in simulation.
_ASK = 3.0
_DROP = 1.1


def money(differences: Sequence[float]) -> float:
    """Return what one unit has grown to, averaged over the stakes. The order of the differences does not matter.

    Args:
        differences: Each at least -1; evidence for a positive mean makes money.
    """
    logs = [math.fsum(math.log1p(stake * d) for d in differences) for stake in _STAKES]
    top = max(logs)
    # Past e^700 a float ends; nobody asks by how much.
    return math.exp(min(top, 700.0)) * sum(math.exp(log - top) for log in logs) / len(logs)


@dataclass(frozen=True, kw_only=True)
class BettingRace:
    """A race on all dev units that only sifts, and an anytime-valid one on all sealed units that keeps.

    Dev asks the sealed units when bets on the candidate made 3 of 1. Either split discards when bets against "the
    effect is at least worthwhile" made 1.1 of 1, or its units run out.

    Attributes:
        alpha: Highest share of keeps among candidates without any effect, above 0 and below 1, whatever the
            distribution of the differences. Where good proposals are rare, false ones among the keeps are more.
        worthwhile: The effect worth looking for, above 0 and below 1; None for 0.03 times the unit of sizes. The bets
            themselves are made for differences up to 1, so that a judge that uses a tenth of its scale needs far more
            units.

    Raises:
        UsageError: A number is out of its range.
    """

    alpha: float = 0.05
    worthwhile: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("worthwhile", self.worthwhile)):
            if value is not None and not 0.0 < value < 1.0:
                raise UsageError(
                    f"{name}: found {value!r}, expected above 0 and below 1", hint="leave it out for the default"
                )

    def start(
        self, state: Pooled, *, dev: int, sealed: int, floors: Sequence[Floor] = (), noun: str = "case"
    ) -> SteppedRace:
        """Begin the race of one candidate; see :meth:`DecisionRule.start`."""
        need_both_splits(dev, sealed, rule="betting race")
        return SteppedRace(
            read=self.read,
            looks={"dev": looks(dev, start=DEV_START), "sealed": looks(sealed, start=SEALED_START)},
            state=state,
            floors=floors,
            noun=noun,
        )

    def read(self, sight: Sight) -> Reading:
        """Read one look.

        Raises:
            UsageError: A difference is below -1 or above 1, so the values are not on a scale from 0 to 1.
        """
        differences, sample = sight.dev, sight.evidence.dev
        if sight.split == "sealed":
            differences, sample = sight.sealed, sight.evidence.sealed
        off = [d for d in differences if abs(d) > 1.0]
        if off:
            raise UsageError(
                f"betting race: found a difference of {off[0]:g}, expected -1 to 1",
                hint="score on a scale from 0 to 1, or use another rule",
            )
        gained = money(differences)
        step: Step = "discard" if sight.last else "more"
        worthwhile = min(WORTHWHILE * sight.evidence.unit, 1.0) if self.worthwhile is None else self.worthwhile
        against = money([worthwhile - d for d in differences])
        if gained >= (1.0 / self.alpha if sight.split == "sealed" else _ASK):
            step = "keep" if sight.split == "sealed" else "ask"
        elif against >= _DROP:
            step = "discard"
        return measured(step, f"bets on it made {gained:.3g} of 1, bets against it {against:.3g}", sample)
