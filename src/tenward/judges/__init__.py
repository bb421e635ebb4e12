"""Who says so: judges, the verdicts they give, and the failures they report instead of guessing."""

from tenward.judges._calls import Asked, Budget, CallCache, Calls, Limiter, PlannedCalls, lend_calls, refusals
from tenward.judges._clients import KEY_VARIABLES
from tenward.judges._engine import engine_for
from tenward.judges._fence import fence, sendable
from tenward.judges._judge import Judge
from tenward.judges._model_judge import ModelJudge
from tenward.judges._panel import PanelJudge
from tenward.judges._record import case_key, verdict_as_dict, verdict_from_dict
from tenward.judges._retry import all_of
from tenward.judges._schema import judge_schema
from tenward.judges._spec import JudgeSpec, PanelSpec, Price, load_spec
from tenward.judges._structured import StructuredModel
from tenward.judges._verdict import CriterionVerdict, Failure, FailureKind, Step, Usage, Verdict

__all__ = [
    "KEY_VARIABLES",
    "Asked",
    "Budget",
    "CallCache",
    "Calls",
    "CriterionVerdict",
    "Failure",
    "FailureKind",
    "Judge",
    "JudgeSpec",
    "Limiter",
    "ModelJudge",
    "PanelJudge",
    "PanelSpec",
    "PlannedCalls",
    "Price",
    "Step",
    "StructuredModel",
    "Usage",
    "Verdict",
    "all_of",
    "case_key",
    "engine_for",
    "fence",
    "judge_schema",
    "lend_calls",
    "load_spec",
    "refusals",
    "sendable",
    "verdict_as_dict",
    "verdict_from_dict",
]
