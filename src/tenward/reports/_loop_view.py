"""A loop and its attempts as the report needs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = [
    "ArmView",
    "AttemptView",
    "CheckView",
    "GainView",
    "LookView",
    "LoopView",
    "NumberGainView",
    "PlaceboView",
    "StageView",
]


@dataclass(frozen=True, kw_only=True)
class StageView:
    """How one cheap stage ended."""

    stage: str
    passed: bool
    detail: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class LookView:
    """What one look of a race saw."""

    split: str
    """``dev`` or ``sealed``."""

    units: int
    """Cases reached by then."""

    differences: Sequence[float]
    """Candidate minus incumbent, of the cases new in this look."""


@dataclass(frozen=True, kw_only=True)
class AttemptView:
    """One attempt."""

    number: int
    status: str
    """``keep``, ``discard``, ``undecided``, ``invalid``, ``crashed``, or ``running``."""

    phase: str = ""
    """The step a running one is at."""

    placebo: str = ""
    """What was done in place of an idea; empty for a true attempt."""

    idea: str = ""
    idea_note: str = ""
    reason: str = ""
    """How it ended and why, in a line."""

    diff: str = ""
    """Unified diff of what it changed; empty where there is none to show."""

    diff_note: str = ""
    """Why there is none, or how to see it."""

    stages: Sequence[StageView] = ()
    looks: Sequence[LookView] = ()
    effect: float | None = None
    """Estimate of the gain; None without a decision."""

    low: float | None = None
    high: float | None = None
    p_better: float | None = None
    floors: Sequence[str] = ()
    """What was found of the criteria that may not be lowered."""

    score: float | None = None
    incumbent_score: float | None = None
    at: float | None = None
    """Height in the chart, on the chart's own scale; None where nothing was measured."""

    at_low: float | None = None
    at_high: float | None = None
    faults: Sequence[str] = ()
    alarms: Sequence[str] = ()
    """Signs that the gain was bought, each with its name and its evidence."""

    fooling: float | None = None
    """P(worse, and fools the dev judge); None where no sealed case was judged."""

    log: str = ""
    retro: str = ""
    true_to_idea: bool | None = None
    trend: str = ""
    suggested: Sequence[str] = ()
    commit: str = ""
    parent: str = ""
    rebased: int = 0
    seconds: float = 0.0
    judged: int = 0
    calls: int = 0
    usd: float = 0.0

    @property
    def state(self) -> str:
        """What the table is filtered by: a placebo is none of the ends."""
        return "placebo" if self.placebo and self.status != "running" else self.status


@dataclass(frozen=True, kw_only=True)
class GainView:
    """The confirmed gain: winner against baseline, both judged afresh on sealed cases."""

    gain: float
    low: float
    high: float
    units: int
    confirmed: bool
    """Whether the whole interval is above 0."""

    text: str
    noun: str = "case"
    """What a unit is called."""

    same: bool = False
    """Whether both are the same version, as nothing was kept."""

    disagreement: str = ""
    """Where references see the other version win than the judge does, in a line; empty otherwise."""

    beside: Sequence[str] = ()
    """What else was measured with it: the cases done without what may change, and how often that was made use of."""

    earlier: bool = False
    """Whether the winner is an earlier incumbent, so that nothing was measured of the present one."""


@dataclass(frozen=True, kw_only=True)
class NumberGainView:
    """What a number loop began with against what it came to."""

    words: str
    """Such as ``better by 7.6``."""

    change: str
    """The same with both numbers and which way is better."""

    basis: str
    """How it was measured."""

    gain: float
    """Above 0 where the number became better."""

    confirmed: bool | None = None
    """Whether the whole interval is above 0; None where each side was measured once."""


@dataclass(frozen=True, kw_only=True)
class CheckView:
    """What a person said of first and last version, not knowing which was which."""

    gain: float | None = None
    """The human-corrected gain; None below six answers."""

    low: float | None = None
    high: float | None = None
    answers: int = 0
    confirmed: bool = False
    agreement: str = ""
    """How far judge and person agree, in a line."""

    note: str = ""
    """What else was counted; without a gain, what is missing."""


@dataclass(frozen=True, kw_only=True)
class PlaceboView:
    """What became of attempts that were no real change."""

    unchanged: int = 0
    unchanged_kept: int = 0
    damaged: int = 0
    damaged_kept: int = 0
    at_most: float = 1.0
    """Upper 95 % bound of the share that is kept."""

    tightened: str = ""
    """That the loop has tightened itself, and why; empty where it has not."""


@dataclass(frozen=True, kw_only=True)
class ArmView:
    """What one kind of change has come to."""

    name: str
    tried: int
    kept: int
    brought: float
    """Gain of what was kept, and half of what near-misses seemed to gain."""

    cases: int
    share: float
    """How probable it is in the next draw."""


@dataclass(frozen=True, kw_only=True)
class LoopView:
    """One loop."""

    loop: str
    goal: str
    phase: str
    note: str = ""
    """Why it stopped or ended."""

    made: datetime
    """When this view was taken."""

    judged_by: str = ""
    """Rubric, judge and data set, or the command that prints the number."""

    axis: str
    """What the chart's heights are, such as ``gain over the baseline, as claimed``."""

    steps: Sequence[tuple[int, float]] = ()
    """The incumbent's height in the chart from an attempt on; the first entry is that of the baseline, at 0."""

    decimals: int = 3
    """Of scores and differences."""

    attempts: Sequence[AttemptView] = ()
    gain: GainView | None = None
    """None where the score is a number."""

    number_gain: NumberGainView | None = None
    """None where the score is a judge's, and where nothing was kept."""

    check: CheckView | None = None
    """A person's word on the gain; None where a person could not compare outputs."""

    claimed: float | None = None
    """Sum of what the keeps claimed; None where the score is a number."""

    baseline_score: float | None = None
    incumbent_score: float | None = None
    baseline: str = ""
    incumbent: str = ""
    branch: str = ""
    placebos: PlaceboView = PlaceboView()
    arms: Sequence[ArmView] = ()
    """Of a portfolio; empty for any other proposer."""

    shared_weakness: str = ""
    """That the judges of dev and sealed cases share their weaknesses; empty where they do not."""

    calibration: Sequence[str] = ()
    """What the calibration found, a sentence each."""

    rounds: int = 0
    seconds: float = 0.0
    judged: int = 0
    calls: int = 0
    usd: float = 0.0
    priced: bool = True
    """Whether the cost is known."""

    seal: Mapping[str, str] = field(default_factory=dict[str, str])
    """Hash per part of the evaluator."""
