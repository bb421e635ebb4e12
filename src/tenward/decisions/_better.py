"""The simplest rule: keep what scored higher. For exact numbers; under a noisy judge most of its keeps are luck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tenward.decisions._race import Reading, Sight, SteppedRace
from tenward.decisions._student import t_interval
from tenward.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.decisions._evidence import Sample
    from tenward.decisions._floors import Floor
    from tenward.decisions._pooled import Pooled
    from tenward.decisions._race import Step

__all__ = ["Better", "measured"]

_RISK = (
    "keeping whatever scored higher keeps luck too: in simulation half to four fifths of such keeps are no gain, even "
    "where a judge repeats itself, since cases differ; rule: race confirms a keep on sealed cases"
)


def measured(step: Step, why: str, sample: Sample) -> Reading:
    """Return a reading whose estimate is the plain mean of a sample, with its 90 % t interval."""
    low, high = t_interval(sample, 0.90) if sample.n > 1 else (None, None)
    return Reading(step=step, why=why, effect=sample.mean, low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Better:
    """Keep when the mean over all dev units is strictly better. No sealed unit is used, no noise is allowed for.

    Attributes:
        risk: What a person who lets it decide over cases should know, in a sentence.
    """

    risk: ClassVar[str] = _RISK

    def start(
        self,
        state: Pooled,
        *,
        dev: int,
        sealed: int,  # noqa: ARG002 - part of the protocol
        floors: Sequence[Floor] = (),
        noun: str = "case",
    ) -> SteppedRace:
        """Begin the race of one candidate; see :meth:`DecisionRule.start`."""
        if dev < 1:
            raise UsageError(
                f"better: found {dev} dev cases, expected at least one",
                hint="add cases to the data set, or mark fewer of them as sealed",
            )
        return SteppedRace(read=self.read, looks={"dev": (dev,)}, state=state, floors=floors, noun=noun)

    def read(self, sight: Sight) -> Reading:
        """Read the one look there is."""
        sample = sight.evidence.dev
        if sample.mean > 0:
            return measured("keep", "the mean is better", sample)
        return measured("discard", "the mean is not better", sample)
