"""The default rule: a shallow race on dev cases, a deep confirm on sealed ones, thresholds on a posterior.

Thresholds on a probability tighten by themselves as noise grows, so one setting serves quiet and noisy judges. Twenty
dev cases are cheap to judge afresh after a keep; the many sealed cases are paid only for the few candidates that get
there. The prior knows that some proposals please the judge without being better, and so asks the sealed cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions._digits import worded
from tenward.decisions._posterior import posterior
from tenward.decisions._race import Reading, Sight, SteppedRace
from tenward.decisions._schedule import SEALED_START, looks
from tenward.decisions._settings import RaceSettings
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.decisions._floors import Floor
    from tenward.decisions._pooled import Pooled
    from tenward.decisions._race import Step

__all__ = ["PosteriorRace", "need_both_splits"]


def need_both_splits(dev: int, sealed: int, *, rule: str) -> None:
    """Refuse to start a rule that confirms on sealed cases when a split is empty.

    Raises:
        UsageError: There is no dev or no sealed unit.
    """
    if dev < 1 or sealed < 1:
        raise UsageError(
            f"{rule}: found {dev} dev and {sealed} sealed cases, expected at least one of each",
            hint="mark two thirds of the cases as sealed, or use the rule `better`, which needs none",
        )


@dataclass(frozen=True, kw_only=True)
class PosteriorRace:
    """Posterior race with a sealed confirm.

    Attributes:
        settings: The dials; see :class:`RaceSettings`.
    """

    settings: RaceSettings = RaceSettings()  # noqa: RUF009 - frozen, so sharing it is safe

    def start(
        self, state: Pooled, *, dev: int, sealed: int, floors: Sequence[Floor] = (), noun: str = "case"
    ) -> SteppedRace:
        """Begin the race of one candidate; see :meth:`DecisionRule.start`."""
        need_both_splits(dev, sealed, rule="posterior race")
        return SteppedRace(
            read=self.read,
            looks={
                "dev": looks(min(dev, self.settings.in_play), start=self.settings.first_look),
                "sealed": looks(min(sealed, self.settings.sealed), start=SEALED_START),
            },
            state=state,
            floors=floors,
            noun=noun,
        )

    def read(self, sight: Sight) -> Reading:
        """Read one look; a pure function of its evidence, its split and whether it is the last."""
        settings = self.settings
        belief = posterior(sight.evidence, settings)
        better = f"P(better) {belief.better:.3f}"
        step: Step = "discard" if sight.last else "more"
        if sight.split == "sealed":
            why = f"{better}, {settings.sure:g} needed to keep"
            if belief.better >= settings.sure and belief.mean < sight.evidence.least:
                step = "discard"
                why = f"{better}, but less than {worded(sight.evidence.least)} is not worth having with this judge"
            elif belief.better >= settings.sure:
                step, why = "keep", better
            elif belief.better < settings.seal_drop:
                step = "discard"
        else:
            ask = settings.ask_last if sight.last else settings.ask
            why = f"{better}, {ask:g} needed to go on to the sealed cases"
            if belief.better >= ask:
                step, why = "ask", better
            elif belief.worthwhile < settings.drop:
                step = "discard"
                gain = worded(settings.worthwhile_in(sight.evidence.unit))
                why = f"P(gain above {gain}) {belief.worthwhile:.3f}, {settings.drop:g} needed to go on"
        ends = step in {"keep", "discard"} or sight.last
        return Reading(
            step=step,
            why=why,
            effect=belief.mean,
            low=belief.low if ends else None,
            high=belief.high if ends else None,
            p_better=belief.better,
            fooling=belief.fooling if sight.split == "sealed" else None,
            leaps=belief.leaps if sight.split == "sealed" else None,
        )
