"""Sight: can a judge see the difference at all, with this rubric and these data?"""

from tenward.sight._anchors import read_anchors
from tenward.sight._ladders import FEWEST_CASES, RUNGS, SUBTLE, SURE_CASES, Ladder, NoLadderError, build_ladders
from tenward.sight._measure import (
    Reading,
    compare_readings,
    judged_alone,
    measure_sight,
    plan_sight,
    read_ladders,
    read_texts,
)
from tenward.sight._nulls import NULLS
from tenward.sight._sight import CriterionSight, NullSight, RungSight, Seen, Sight

__all__ = [
    "FEWEST_CASES",
    "NULLS",
    "RUNGS",
    "SUBTLE",
    "SURE_CASES",
    "CriterionSight",
    "Ladder",
    "NoLadderError",
    "NullSight",
    "Reading",
    "RungSight",
    "Seen",
    "Sight",
    "build_ladders",
    "compare_readings",
    "judged_alone",
    "measure_sight",
    "plan_sight",
    "read_anchors",
    "read_ladders",
    "read_texts",
]
