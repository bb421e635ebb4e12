"""What is compared: Tenward's rules, and rules of other tools written behind the same interface.

The other tools' rules are the few lines that decide, not the tools: who proposes, and from which parent, is the same
for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from tenward.decisions import AlphaRace, Better, FixedLine, PosteriorRace, Prior, RaceSettings, Reading, SteppedRace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.decisions import DecisionRule, Floor, Pooled, Sight, Split, Step

__all__ = ["CONTENDERS", "EARLIER", "NAIVE", "TENWARD", "Contender", "PairedTest", "signed_rank_p"]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A rule, and how its tool treats the incumbent's scores.

    Attributes:
        name: For the table.
        rule: What decides.
        in_play: Dev cases that candidates meet.
        sealed: Sealed cases that the rule uses; 0 for none.
        careful: As Tenward's loop: noise is calibrated, the incumbent gets the passes that it asks for, a winner's
            scores are thrown away, and new dev cases are drawn after a keep. Else a winner's scores are those to beat.
        corrected: Dev differences are corrected by what earlier candidates showed of the incumbent's stored scores.
        beside: The incumbent is judged again beside each candidate on dev.
        alarmed: A gain that the sealed cases do not see is not kept, as by the alarm `dev-only` of a loop.
    """

    name: str
    rule: DecisionRule
    in_play: int = 30
    sealed: int = 0
    careful: bool = False
    corrected: bool = False
    beside: bool = False
    alarmed: bool = False


def _reading(step: Step, why: str, sight: Sight) -> Reading:
    sample = sight.evidence.sealed if sight.split == "sealed" else sight.evidence.dev
    return Reading(step=step, why=why, effect=sample.mean, low=None, high=None)


class _Looks:
    """A rule that looks at fixed numbers of cases, and last at all there are."""

    def __init__(self, *, dev: tuple[int, ...] = (), last: bool = True) -> None:
        self._dev, self._last = dev, last

    def start(
        self, state: Pooled, *, dev: int, sealed: int, floors: Sequence[Floor] = (), noun: str = "case"
    ) -> SteppedRace:
        """Begin the race of one candidate."""
        first = tuple(units for units in self._dev if units < dev)
        looks: dict[Split, tuple[int, ...]] = {"dev": (*first, dev) if self._last else first, "sealed": (sealed,)}
        return SteppedRace(read=self.read, looks=looks, state=state, floors=floors, noun=noun)

    def read(self, sight: Sight) -> Reading:
        """Read one look."""
        raise NotImplementedError


class Minibatch(_Looks):
    """Like GEPA: better than the parent on a fresh minibatch of 3, then better than the best on a validation set."""

    def __init__(self) -> None:
        super().__init__(dev=(3,), last=False)

    def read(self, sight: Sight) -> Reading:
        """Ask for strictly more, both times."""
        better = (sight.evidence.sealed if sight.split == "sealed" else sight.evidence.dev).mean > 0
        if sight.split == "sealed":
            return _reading("keep" if better else "discard", "validation", sight)
        return _reading("ask" if better else "discard", "minibatch", sight)


class PairedTest(_Looks):
    """Keep when the mean difference exceeds so many of its own standard errors, on all dev cases."""

    def __init__(self, errors: float) -> None:
        super().__init__()
        self._errors = errors

    def read(self, sight: Sight) -> Reading:
        """Compare with the sample's own standard error; without any spread, with 0."""
        sample = sight.evidence.dev
        up = sample.n > 1 and sample.mean > self._errors * sample.standard_error
        return _reading("keep" if up else "discard", f"{self._errors:g} standard errors", sight)


class RankPruner(_Looks):
    """Like Optuna's WilcoxonPruner (p 0.1, from the second case, never while ahead), then strictly better."""

    def __init__(self) -> None:
        super().__init__(dev=tuple(range(2, 30)))

    def read(self, sight: Sight) -> Reading:
        """Prune by a signed-rank test against the best, case by case."""
        up = sight.evidence.dev.mean > 0
        if sight.last:
            return _reading("keep" if up else "discard", "mean", sight)
        pruned = not up and signed_rank_p(sight.dev) < 0.1
        return _reading("discard" if pruned else "more", "signed ranks", sight)


@cache
def _rank_sums(count: int) -> tuple[float, ...]:
    """P(sum of positive ranks <= k) for k = 0, 1, …, without any effect."""
    ways = [1]
    for rank in range(1, count + 1):
        wider = [*ways, *[0] * rank]
        for at, number in enumerate(ways):
            wider[at + rank] += number
        ways = wider
    total, sums = 0, list[float]()
    for number in ways:
        total += number
        sums.append(total / 2**count)
    return tuple(sums)


def signed_rank_p(differences: Sequence[float]) -> float:
    """One-sided p of Wilcoxon's signed-rank test that differences are below 0: exact, without zeros and ties."""
    ordered = sorted((d for d in differences if d != 0), key=abs)
    positive = sum(rank for rank, d in enumerate(ordered, start=1) if d > 0)
    return _rank_sums(len(ordered))[positive]


NAIVE = Contender(name="strictly greater", rule=Better())
EARLIER = RaceSettings(in_play=30, first_look=4, prior=Prior(leak=0.01, leap=0.0))
TENWARD = Contender(
    name="wary corrected race",
    rule=PosteriorRace(),
    in_play=20,
    sealed=120,
    careful=True,
    corrected=True,
    alarmed=True,
)
CONTENDERS = (
    NAIVE,
    Contender(name="minibatch, then full", rule=Minibatch(), in_play=120, sealed=30, beside=True),
    Contender(name="2 SE on stored scores", rule=PairedTest(2.0)),
    Contender(name="Wilcoxon pruner", rule=RankPruner()),
    Contender(name="alpha race", rule=AlphaRace(), in_play=60, sealed=120, careful=True),
    Contender(name="fixed line", rule=FixedLine(), sealed=120, careful=True),
    Contender(name="posterior race", rule=PosteriorRace(settings=EARLIER), sealed=120, careful=True),
    Contender(
        name="corrected race",
        rule=PosteriorRace(settings=replace(EARLIER, in_play=20)),
        in_play=20,
        sealed=120,
        careful=True,
        corrected=True,
    ),
    replace(
        TENWARD,
        name="the same without leaps",
        rule=PosteriorRace(settings=RaceSettings(prior=Prior(leap=0.0))),
        alarmed=False,
    ),
    TENWARD,
)
