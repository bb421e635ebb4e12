"""Who says so: judges, the verdicts they give, and the failures they report instead of guessing."""

from tenward.judges._calls import (
    Asked,
    Budget,
    CallCache,
    Calls,
    Limiter,
    PlannedCalls,
    call_key,
    digest,
    lend_calls,
    lent_calls,
    refusals,
)
from tenward.judges._clients import KEY_VARIABLES
from tenward.judges._engine import engine_for, leave_engines
from tenward.judges._explain import explain_by_program
from tenward.judges._fence import fence, inert, sendable
from tenward.judges._judge import Judge
from tenward.judges._model_judge import ModelJudge
from tenward.judges._panel import PanelJudge
from tenward.judges._record import case_key, verdict_as_dict, verdict_from_dict
from tenward.judges._retry import all_of
from tenward.judges._scale import (
    MAPPED_COMPONENTS,
    CriterionScale,
    RubricScale,
    ScaleFile,
    ScaleInUse,
    scale_file_for,
    scale_schema,
)
from tenward.judges._schema import judge_schema
from tenward.judges._spec import Explain, JudgeSpec, PanelSpec, Price, load_spec
from tenward.judges._state import pack_state, unpack_state
from tenward.judges._structured import StructuredModel
from tenward.judges._text_model import TextModel, Written
from tenward.judges._told import judge_sentences
from tenward.judges._verdict import CheckReading, CriterionVerdict, Failure, FailureKind, Step, Usage, Verdict

__all__ = [
    "KEY_VARIABLES",
    "MAPPED_COMPONENTS",
    "Asked",
    "Budget",
    "CallCache",
    "Calls",
    "CheckReading",
    "CriterionScale",
    "CriterionVerdict",
    "Explain",
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
    "RubricScale",
    "ScaleFile",
    "ScaleInUse",
    "Step",
    "StructuredModel",
    "TextModel",
    "Usage",
    "Verdict",
    "Written",
    "all_of",
    "call_key",
    "case_key",
    "digest",
    "engine_for",
    "explain_by_program",
    "fence",
    "inert",
    "judge_schema",
    "judge_sentences",
    "leave_engines",
    "lend_calls",
    "lent_calls",
    "load_spec",
    "pack_state",
    "refusals",
    "scale_file_for",
    "scale_schema",
    "sendable",
    "unpack_state",
    "verdict_as_dict",
    "verdict_from_dict",
]
