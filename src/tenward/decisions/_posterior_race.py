"""The default rule: a shallow race on dev cases, a deep confirm on sealed ones, thresholds on a posterior.

Thresholds on a probability tighten by themselves as noise grows, so one setting serves quiet and noisy judges. Twenty
dev cases are cheap to judge afresh after a keep; the many sealed cases are paid only for the few candidates that get
there. The prior knows that some proposals please the judge without being better, and so asks the sealed cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions._digits import signed, worded
from tenward.decisions._evidence import Leaps
from tenward.decisions._posterior import posterior
from tenward.decisions._race import Reading, Sight, SteppedRace
from tenward.decisions._schedule import SEALED_START, looks
from tenward.decisions._settings import RaceSettings
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.decisions._floors import Floor
    from tenward.decisions._pooled import Pooled
    from tenward.decisions._posterior import Posterior
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

    A look that is more likely great than ordinary, and bought rather than true by what the loop has met so far, is held
    to more: dev goes on until its mean could tell half from whole, and the candidate is kept only if sealed cases make
    a look of which they see half the less likely. P(better) cannot say that: it never falls as a mean rises, and half
    of a great look is more than most true gains.

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
        half, dev, sealed = belief.half, sight.evidence.dev, sight.evidence.sealed
        better = f"P(better) {belief.better:.3f}"
        step: Step = "discard" if sight.last else "more"
        if sight.split == "sealed":
            why = f"{better}, {settings.sure:g} needed to keep"
            if belief.better >= settings.sure and belief.mean < sight.evidence.least:
                step = "discard"
                why = f"{better}, but less than {worded(sight.evidence.least)} is not worth having with this judge"
            elif belief.better >= settings.sure and not half.doubted(last=sight.last):
                step, why = "keep", better
            elif belief.better < settings.seal_drop:
                step = "discard"
            elif half.doubted(last=sight.last):
                shown = f"sealed cases show {signed(sealed.mean, dev.mean)} of {signed(dev.mean, sealed.mean)} on dev"
                why = f"{better}, but {shown}: P(bought, and half of it seen) {half.p:.3f}"
                if half.sure:
                    step = "discard"
        else:
            ask = settings.ask_last if sight.last else settings.ask
            why = f"{better}, {ask:g} needed to go on to the sealed cases"
            if belief.better >= ask and not sight.last and half.blunt and _great(belief):
                step, why = "more", f"{better}, so large a gain that dev is asked for more of it first"
            elif belief.better >= ask:
                step, why = "ask", better
            elif belief.worthwhile < settings.drop:
                step = "discard"
                gain = worded(settings.worthwhile_in(sight.evidence.unit))
                why = f"P(gain above {gain}) {belief.worthwhile:.3f}, {settings.drop:g} needed to go on"
        on_sealed = sight.split == "sealed"
        ends = step in {"keep", "discard"} or sight.last
        return Reading(
            step=step,
            why=why,
            effect=belief.mean,
            low=belief.low if ends else None,
            high=belief.high if ends else None,
            p_better=belief.better,
            fooling=_with_half(belief.fooling, belief) if on_sealed else None,
            leaps=_leaps(belief) if on_sealed else None,
        )


def _great(belief: Posterior) -> bool:
    """Whether what looks like a gain is rather a great one, or a bought one, than an ordinary one."""
    return 2.0 * (belief.leaps.gain + belief.leaps.fooling) > belief.better + belief.fooling


def _leaps(belief: Posterior) -> Leaps:
    """What this candidate teaches of great looks; those that are half seen are bought like others."""
    return Leaps(gain=(1.0 - belief.half.p) * belief.leaps.gain, fooling=_with_half(belief.leaps.fooling, belief))


def _with_half(fooling: float, belief: Posterior) -> float:
    return min(1.0, (1.0 - belief.half.p) * fooling + belief.half.p)
