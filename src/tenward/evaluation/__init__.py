"""From cases, a rubric and a judge to results, runs and what they come to."""

from tenward.evaluation._chat import Turn, is_chat, read_chat, write_chat
from tenward.evaluation._command_producer import CommandProducer
from tenward.evaluation._comparable import ComparisonRefusedError
from tenward.evaluation._compare import (
    ComparedRun,
    Comparison,
    Difference,
    ResultPair,
    compare_runs,
    paired_results,
    signed,
)
from tenward.evaluation._disagreement import Disagreement, disagreement_in_order, disagreement_in_winner
from tenward.evaluation._export import result_as_dict, run_as_dict
from tenward.evaluation._fit_general import GeneralDirection, fit_general
from tenward.evaluation._fit_head import FittedHead, fit_head, partial_rank_correlation
from tenward.evaluation._fit_mix import FittedMix, fit_mix, require_ratings
from tenward.evaluation._fit_scale import (
    FittedCriterion,
    FittedScale,
    Rated,
    check_ratings,
    fit_scale,
    rated_texts,
    ratings_of,
)
from tenward.evaluation._folds import rank_correlation
from tenward.evaluation._head_labels import StateOf
from tenward.evaluation._junit import junit_xml
from tenward.evaluation._outcome import RunOutcome
from tenward.evaluation._plan import Plan, plan_dataset
from tenward.evaluation._produce import Produced, Producer, evaluate_produced
from tenward.evaluation._prompt_producer import PromptProducer, check_prompt
from tenward.evaluation._result import Result, evaluate_case
from tenward.evaluation._result_data import result_from_data, result_to_data
from tenward.evaluation._run import Progress, Run, RunSink, count_cases, run_cases, run_dataset
from tenward.evaluation._run_record import RunRecord, RunStanding, RunStatus
from tenward.evaluation._scale_file import SOURCE_CHARS, check_scale_file, scale_data, scale_text
from tenward.evaluation._score import ascore, score
from tenward.evaluation._shown_scale import CloseCall, ShownScale, best_first, close_calls, shared_ranks, shown_spread
from tenward.evaluation._store import Store
from tenward.evaluation._summary import LEAST_UNITS, Mean, Summary, Tally
from tenward.evaluation._tune import (
    TunedCriterion,
    TunedHead,
    check_labels,
    read_labelled,
    tune_head,
)

__all__ = [
    "LEAST_UNITS",
    "SOURCE_CHARS",
    "CloseCall",
    "CommandProducer",
    "ComparedRun",
    "Comparison",
    "ComparisonRefusedError",
    "Difference",
    "Disagreement",
    "FittedCriterion",
    "FittedHead",
    "FittedMix",
    "FittedScale",
    "GeneralDirection",
    "Mean",
    "Plan",
    "Produced",
    "Producer",
    "Progress",
    "PromptProducer",
    "Rated",
    "Result",
    "ResultPair",
    "Run",
    "RunOutcome",
    "RunRecord",
    "RunSink",
    "RunStanding",
    "RunStatus",
    "ShownScale",
    "StateOf",
    "Store",
    "Summary",
    "Tally",
    "TunedCriterion",
    "TunedHead",
    "Turn",
    "ascore",
    "best_first",
    "check_labels",
    "check_prompt",
    "check_ratings",
    "check_scale_file",
    "close_calls",
    "compare_runs",
    "count_cases",
    "disagreement_in_order",
    "disagreement_in_winner",
    "evaluate_case",
    "evaluate_produced",
    "fit_general",
    "fit_head",
    "fit_mix",
    "fit_scale",
    "is_chat",
    "junit_xml",
    "paired_results",
    "partial_rank_correlation",
    "plan_dataset",
    "rank_correlation",
    "rated_texts",
    "ratings_of",
    "read_chat",
    "read_labelled",
    "require_ratings",
    "result_as_dict",
    "result_from_data",
    "result_to_data",
    "run_as_dict",
    "run_cases",
    "run_dataset",
    "scale_data",
    "scale_text",
    "score",
    "shared_ranks",
    "shown_spread",
    "signed",
    "tune_head",
    "write_chat",
]
