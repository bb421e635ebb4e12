"""Where a loop and its attempts stand, as the journal keeps it and the views show it.

Every phase is written down *before* the step that it names is taken, so a process that finds it does the step again::

    loop     testing → calibrating → running ⇄ rejudging → measuring headline → ended
                                        ↘ stopped (a broken evaluator, a spent budget, an interruption: can go on)

    attempt  proposing → checking → staging → racing → recording → settling → closed
                  │          ╰ invalid ─────────────────↗   ↓ the incumbent has moved
                  ╰ crashed ────────────────────────────↗  rebasing → staging

Attempts that are placebos take the same way; `AttemptState.placebo` says so, and nothing that a proposer sees does.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations when a state is read back
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - as above
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

from tenward.loop._alarm_names import Alarm  # noqa: TC001 - as above
from tenward.loop._arms import ArmTally
from tenward.loop._ledger import Status  # noqa: TC001 - as above
from tenward.loop._spent import Costs, Spent
from tenward.loop._tally import PlaceboTally, SentinelState

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "AttemptEvent",
    "AttemptState",
    "Event",
    "FileChange",
    "LookState",
    "LoopEvent",
    "LoopPhase",
    "LoopState",
    "Phase",
    "PlaceboTally",
    "ProgressEvent",
    "SentinelState",
    "StageState",
    "read_state",
    "write_state",
]


class Phase(StrEnum):
    """The step that an attempt is about to take, or is in."""

    PROPOSING = "proposing"
    """The slot is set to the incumbent, and the proposer works in it."""

    CHECKING = "checking"
    """The slot is read: what changed, and was any of it out of bounds?"""

    STAGING = "staging"
    """The cheap stages run, one after another."""

    RACING = "racing"
    """Cases are produced and judged, look by look, or the number is taken; the rule decides."""

    REFLECTING = "reflecting"
    """The end is known; the proposer's model says what was learned."""

    RECORDING = "recording"
    """It is written to git, a keep by compare-and-swap."""

    REBASING = "rebasing"
    """It won against an incumbent that has been replaced since: its change is put on the new one and judged again."""

    SETTLING = "settling"
    """It is in git; what the rule learned from it is added up."""

    CLOSED = "closed"
    """Nothing is left to do."""


class LoopPhase(StrEnum):
    """What a loop is about to do, or is at."""

    TESTING = "testing"
    """The evaluator is tried on the incumbent, before anything is proposed."""

    CALIBRATING = "calibrating"
    """The incumbent is judged against itself: how much noise is there?"""

    RUNNING = "running"
    """Attempts are under way."""

    REJUDGING = "rejudging"
    """After a keep the winner's scores are thrown away and the new incumbent is judged afresh."""

    HEADLINE = "measuring headline"
    """Baseline and winner are judged afresh on all sealed cases."""

    STOPPED = "stopped"
    """It ended early and can go on; `LoopState.note` says why."""

    ENDED = "ended"
    """The rounds asked for are done; a later run goes on from there."""


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One file that an attempt changed."""

    path: str
    """From the top of the repository; bytes that are no UTF-8 are escaped."""

    kind: Literal["added", "modified", "deleted"]
    """What became of it."""


@dataclass(frozen=True, kw_only=True)
class StageState:
    """How one stage ended."""

    stage: str
    """What it was, such as ``run: ./lint.sh`` or ``cases: 6``."""

    passed: bool
    """Whether the attempt went on."""

    detail: str
    """What was found, in a line."""

    seconds: float = 0.0
    """Wall time."""

    number: float | None = None
    """The number it printed, where it is asked for one."""


@dataclass(frozen=True, kw_only=True)
class LookState:
    """What one look of the race saw."""

    split: Literal["dev", "sealed"]
    """Where the cases come from. What was seen of ``sealed`` never reaches a proposer."""

    units: int
    """Units reached by then."""

    differences: tuple[float, ...]
    """Candidate minus incumbent, of the units new in this look, as the rule was told them: on dev units without what
    earlier candidates showed of the incumbent's error. A unit without a score on both sides is left out."""

    criteria: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    """The same per criterion that may not be lowered, as shares of its scale."""


@dataclass(frozen=True, kw_only=True)
class AttemptState:
    """Everything known of one attempt."""

    number: int
    """Counts from 1."""

    phase: Phase
    """The step it is at."""

    parent: str
    """The commit it was, or will be, judged against; after a rebase the newer one."""

    epoch: int
    """Which incumbent that is: 0 for the baseline, then one more for each keep."""

    began: datetime
    """When it was opened, in UTC."""

    ended: datetime | None = None
    """When its end was known, in UTC."""

    placebo: str = ""
    """Empty for a true attempt; else ``unchanged``, or the damage that was done, such as ``lines shuffled``."""

    start: tuple[int, ...] = ()
    """The attempts whose files it began from; empty for its parent's."""

    idea: str = ""
    """What is tried, in a line."""

    idea_note: str = ""
    """The whole note: what, why this direction, which ones were ruled out."""

    idea_file: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The idea as data, as the book of ideas keeps it."""

    tree: str = ""
    """The candidate's files in git; empty until it was read out of the slot."""

    changes: tuple[FileChange, ...] = ()
    """The files that differ from the parent's."""

    faults: tuple[str, ...] = ()
    """Why it is invalid, a line each."""

    log: str = ""
    """The end of what the proposer, and a command that failed, had to say."""

    stages: tuple[StageState, ...] = ()
    """The stages it went through."""

    looks: tuple[LookState, ...] = ()
    """The looks of its race."""

    pooled: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the rule had learned when the race began, as data."""

    effects: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What was known then of the errors of its incumbent's scores, as data; empty where they are not corrected."""

    shown: Mapping[str, float] = field(default_factory=dict[str, float])
    """Candidate minus incumbent by dev unit, not corrected, where a judge gave both scores: what others may learn."""

    by_unit: Mapping[str, float] = field(default_factory=dict[str, float])
    """Candidate minus incumbent by dev unit it met, not corrected, whoever gave both scores."""

    decision: Mapping[str, Any] | None = None
    """How the race ended, as data of :class:`tenward.decisions.Decision`; None if there was none."""

    status: Status | None = None
    """How it ended; None while it is open."""

    reason: str = ""
    """Why, in a line."""

    score: float | None = None
    """Its mean score on the dev cases it met, 0 to 1, or its number; None if it was never scored."""

    incumbent_score: float | None = None
    """The incumbent's on the same cases."""

    rebased: int = 0
    """How often it was put on a newer incumbent."""

    passes: int = 0
    """Passes of the judge that its own cases have had; a rebase takes a new one."""

    spent: Spent = field(default_factory=Spent)
    """What it took."""

    racing: Spent = field(default_factory=Spent)
    """The part of that which its race took."""

    alarms: tuple[Alarm, ...] = ()
    """What made the gain look bought, or the judge look moved; any that is not overruled stands against a keep."""

    sure: float | None = None
    """What P(better) a keep took when the race began, where placebos had tightened the loop; None as its file says."""

    drop: float | None = None
    """What the dial ``drop`` stood at when the race began, where the loop sets it; None as its file says."""

    retro: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Why it won or lost and what to try next, as data of a retro; empty while it is open."""

    candidate: str = ""
    """The commit of its files, once it is in git."""

    @property
    def open(self) -> bool:
        """Whether anything is left to do."""
        return self.phase is not Phase.CLOSED


@dataclass(frozen=True, kw_only=True)
class LoopState:
    """Everything known of a loop, but for its attempts."""

    loop: str
    """Its name."""

    phase: LoopPhase
    """What it is at."""

    baseline: str
    """The commit it began at."""

    incumbent: str
    """The best so far."""

    epoch: int = 0
    """Counts the incumbents, from 0."""

    seed: int = 0
    """What every random order and draw is derived from."""

    seal: str = ""
    """Hash of the evaluator: rubric, judge, data, commands, rule."""

    seal_parts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Hash per part of the evaluator, by a name that a person knows."""

    fingerprint: Mapping[str, str] = field(default_factory=dict[str, str])
    """Hash or name per component of the judges that defines their scores; empty where the score is a number."""

    pooled: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the rule has learned, as data; empty before the calibration."""

    effects: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What candidates showed of the errors of the incumbent's scores, as data; empty where nothing is corrected, and
    until a new incumbent is judged."""

    calibration: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The latest calibration: ``cases``, ``mean``, ``judge_sd``, ``icc``, ``smallest_gain`` that is kept every second
    time (of the default rule), ``goal`` (of a number: ``minimize`` or ``maximize``), and ``lines`` for people. Where
    sight is known also ``sight``, ``span`` (of the value that decides; None where nothing is seen) and ``left_out``
    (criteria without a say); ``sight_lines`` is the part of ``lines`` that tells of it."""

    incumbent_score: float | None = None
    """The incumbent's mean on the dev cases in play, or its number; measured after it became the incumbent."""

    baseline_score: float | None = None
    """The same of the first incumbent."""

    claimed: float = 0.0
    """Sum of what the keeps claimed."""

    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """True attempts by how they ended."""

    arms: Mapping[str, ArmTally] = field(default_factory=dict[str, ArmTally])
    """What the kinds of change of a portfolio have come to; empty where the proposer has none."""

    placebos: PlaceboTally = field(default_factory=PlaceboTally)
    """What became of the others, and how strict they made the loop."""

    sentinels: SentinelState = field(default_factory=SentinelState)
    """The outputs that are judged again and again, to see whether the judge has moved."""

    spent: Spent = field(default_factory=Spent)
    """What it took so far, calibrations and the headline included."""

    costs: Costs = field(default_factory=Costs)
    """What proposals cost beside judging, by which the dial ``drop`` is set."""

    headline: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The confirmed gain: ``gain``, ``low``, ``high``, ``units``, ``noun``, ``confirmed``, ``text``, ``winner``, which
    is the baseline where nothing was kept; or empty."""

    warnings: tuple[str, ...] = ()
    """What a user should know, such as an evaluator's file that was changed after the loop began."""

    note: str = ""
    """Why it stopped or ended."""


@dataclass(frozen=True, kw_only=True)
class LoopEvent:
    """The loop has a new phase or other facts."""

    loop: LoopState
    """How it stands now."""


@dataclass(frozen=True, kw_only=True)
class AttemptEvent:
    """An attempt goes on to its next step."""

    attempt: AttemptState
    """How it stands now."""


@dataclass(frozen=True, kw_only=True)
class ProgressEvent:
    """Cases are being produced and judged."""

    number: int
    """The attempt; 0 for the incumbent."""

    doing: str
    """What for, in two or three words, such as ``dev look`` or ``calibration``."""

    done: int
    """Cases done."""

    total: int
    """Cases wanted."""


Event = LoopEvent | AttemptEvent | ProgressEvent


@cache
def _attempts() -> TypeAdapter[AttemptState]:
    from pydantic import TypeAdapter

    return TypeAdapter(AttemptState)


@cache
def _loops() -> TypeAdapter[LoopState]:
    from pydantic import TypeAdapter

    return TypeAdapter(LoopState)


def write_state(state: AttemptState | LoopState) -> str:
    """A state as one line of JSON."""
    told = _loops().dump_json(state) if isinstance(state, LoopState) else _attempts().dump_json(state)
    return told.decode()


@overload
def read_state(kind: type[AttemptState], text: str | bytes) -> AttemptState: ...


@overload
def read_state(kind: type[LoopState], text: str | bytes) -> LoopState: ...


def read_state(kind: type[AttemptState | LoopState], text: str | bytes) -> AttemptState | LoopState:
    """Read what :func:`write_state` wrote.

    Raises:
        ValueError: The text is damaged, or of another version.
    """
    return _loops().validate_json(text) if kind is LoopState else _attempts().validate_json(text)
