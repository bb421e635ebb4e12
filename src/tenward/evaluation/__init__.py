"""From a case, a rubric and a judge to a result."""

from tenward.evaluation._export import result_as_dict
from tenward.evaluation._result import Result, evaluate_case
from tenward.evaluation._score import ascore, score

__all__ = ["Result", "ascore", "evaluate_case", "result_as_dict", "score"]
