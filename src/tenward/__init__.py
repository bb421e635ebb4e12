"""Tenward scores what has no number and keeps only the changes that really are better.

>>> import tenward
>>> result = tenward.score("Add a retry", rubric="prompt", judge="local")  # doctest: +SKIP
>>> result.quality, result.value  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenward.datasets import Case
    from tenward.errors import TenwardError
    from tenward.evaluation import Result, ascore, evaluate_case, score
    from tenward.judges import Judge, Verdict
    from tenward.rubrics import Rubric, Score, compute_score

__all__ = [
    "Case",
    "Judge",
    "Result",
    "Rubric",
    "Score",
    "TenwardError",
    "Verdict",
    "ascore",
    "compute_score",
    "evaluate_case",
    "score",
]

_HOME = {
    "Case": "datasets",
    "Judge": "judges",
    "Result": "evaluation",
    "Rubric": "rubrics",
    "Score": "rubrics",
    "TenwardError": "errors",
    "Verdict": "judges",
    "ascore": "evaluation",
    "compute_score": "rubrics",
    "evaluate_case": "evaluation",
    "score": "evaluation",
}


def __getattr__(name: str) -> Any:
    # Resolved on first use: `tenward --help` must not pay for pydantic, and nobody for what they do not use.
    if name not in _HOME:
        raise AttributeError(f"module 'tenward' has no attribute {name!r}")
    return getattr(import_module(f"tenward.{_HOME[name]}"), name)
