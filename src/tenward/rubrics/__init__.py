"""What good is: rubrics, the gates that run before a judge, and the arithmetic that follows it."""

from tenward.rubrics._arithmetic import Part, Score, compute_score, round_half_up
from tenward.rubrics._gates import GateResult, run_gates
from tenward.rubrics._model import METRIC_NAMES, Check, Criterion, Gate, Mix, Names, Rubric, Scale
from tenward.rubrics._schema import rubric_schema

__all__ = [
    "METRIC_NAMES",
    "Check",
    "Criterion",
    "Gate",
    "GateResult",
    "Mix",
    "Names",
    "Part",
    "Rubric",
    "Scale",
    "Score",
    "compute_score",
    "round_half_up",
    "rubric_schema",
    "run_gates",
]
