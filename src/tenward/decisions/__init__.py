"""When to keep a change: rules that decide from paired differences under a noisy judge. No I/O, no random decisions.

The default is :class:`PosteriorRace`: a few dev cases discard most candidates, many sealed cases confirm the rest.
:class:`CaseEffects` corrects its dev differences where the judge has noise.

================  ===========================================  ================================================
rule              keeps when                                   for
================  ===========================================  ================================================
`PosteriorRace`   P(better) reaches 0.9 on dev and sealed      any judge; thrifty with calls
`Better`          the mean is better                           exact numbers
`AlphaRace`       a test on dev, then a step on sealed         a promise about error rates, no prior
`FixedLine`       above a line on dev, then a step on sealed   the same with the fewest assumptions
`BettingRace`     bets on sealed cases win 20 to 1             hundreds of cases, any distribution
================  ===========================================  ================================================

A unit is a case, or the mean of a group of cases; a unit without a verdict is left out, it is never 0.
"""

from __future__ import annotations

from tenward.decisions._better import Better
from tenward.decisions._betting import BettingRace
from tenward.decisions._calibration import Calibration, calibrate
from tenward.decisions._case_effects import CaseEffects
from tenward.decisions._dial import patience
from tenward.decisions._digits import signed
from tenward.decisions._evidence import Evidence, Leaps, Sample
from tenward.decisions._floors import Floor, FloorFinding, check_floor
from tenward.decisions._headline import Headline, headline
from tenward.decisions._human_check import FEWEST_ANSWERS, HumanCheck, human_check
from tenward.decisions._ladder import AlphaRace, FixedLine
from tenward.decisions._number_gain import NumberGain
from tenward.decisions._outlook import Outlook, outlook
from tenward.decisions._pooled import Pooled
from tenward.decisions._posterior import Posterior, posterior
from tenward.decisions._posterior_race import PosteriorRace
from tenward.decisions._race import Reading, Sight, Step, SteppedRace
from tenward.decisions._rule import Decision, DecisionRule, Look, Outcome, Race, Split
from tenward.decisions._schedule import looks, passes
from tenward.decisions._settings import Prior, RaceSettings
from tenward.decisions._student import t_interval
from tenward.decisions._units import differences_by_unit, group_units, unit_differences

__all__ = [
    "FEWEST_ANSWERS",
    "AlphaRace",
    "Better",
    "BettingRace",
    "Calibration",
    "CaseEffects",
    "Decision",
    "DecisionRule",
    "Evidence",
    "FixedLine",
    "Floor",
    "FloorFinding",
    "Headline",
    "HumanCheck",
    "Leaps",
    "Look",
    "NumberGain",
    "Outcome",
    "Outlook",
    "Pooled",
    "Posterior",
    "PosteriorRace",
    "Prior",
    "Race",
    "RaceSettings",
    "Reading",
    "Sample",
    "Sight",
    "Split",
    "Step",
    "SteppedRace",
    "calibrate",
    "check_floor",
    "differences_by_unit",
    "group_units",
    "headline",
    "human_check",
    "looks",
    "outlook",
    "passes",
    "patience",
    "posterior",
    "signed",
    "t_interval",
    "unit_differences",
]
