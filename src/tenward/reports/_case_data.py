"""One case as data for the page's script: texts made harmless, evidence located, failures in words."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tenward.evaluation import shown_spread
from tenward.reports._evidence import marks
from tenward.reports._format import FAILURE_WORDS, duration, money
from tenward.reports._text import shown

if TYPE_CHECKING:
    from tenward.evaluation import Result
    from tenward.judges import CriterionVerdict, Failure, Verdict
    from tenward.rubrics import Part, Rubric, Score

__all__ = ["case_data", "remark", "rubric_data", "state"]


def state(result: Result) -> str:
    """What became of a case, in words: ``passed``, ``below floor``, ``unscored`` or ``gate failed``."""
    if result.status != "scored":
        return "gate failed" if result.status == "gated" else "unscored"
    return "passed" if result.passed else "below floor"


def remark(result: Result) -> str:
    """What is not as it should be, in a few words; empty for an ordinary case."""
    if result.score is None:
        return "; ".join(f"{shown(gate.gate)} ({shown(gate.detail)})" for gate in result.gates if not gate.passed)
    found: list[str] = []
    if result.score.below_floor and result.score.scored:
        found.append(f"below floor: {', '.join(result.score.below_floor)}")
    if result.score.coverage < 1:
        kinds = dict.fromkeys(item.kind for item in result.verdict.failures.values()) if result.verdict else ()
        found.append(" ".join([f"coverage {result.score.covered}", *([f"({', '.join(kinds)})"] if kinds else [])]))
    return "; ".join(found)


def rubric_data(rubric: Rubric) -> dict[str, Any]:
    """What the script needs to know of a rubric."""
    return {
        "scale": [rubric.scale.lo, rubric.scale.hi],
        "names": [rubric.names.candidate, rubric.names.input],
        "criteria": [
            {
                "name": name,
                "share": float(rubric.shares[name]),
                "floor": criterion.floor,
                "ask": shown(criterion.ask[0]),
            }
            for name, criterion in rubric.criteria.items()
        ],
    }


def case_data(result: Result, rubric: Rubric, *, longest: int) -> dict[str, Any]:
    """A result as JSON-ready data; what is empty is left out.

    Args:
        result: The result.
        rubric: The run's rubric; its criteria give the order. One that the result lacks is empty, and one that only
            the result has is left out.
        longest: Characters of a text that are shown.
    """
    case, verdict, score = result.case, result.verdict, result.score
    show = partial(shown, longest=longest)
    output = show(case.output)
    data: dict[str, Any] = {
        "id": shown(case.id),
        "state": state(result),
        "output": output,
        "input": show(case.input),
        "context": show(case.context),
        "references": [show(reference) for reference in case.references],
        "group": shown(case.group),
        "split": case.split,
        "human": {shown(name): rating for name, rating in case.human.items()},
        "gates": [[shown(gate.gate), gate.passed, shown(gate.detail)] for gate in result.gates],
    }
    if verdict is not None and score is not None:
        order = {name: index for index, name in enumerate(rubric.criteria)}
        quotes = {
            order[item.criterion]: [*map(shown, item.evidence)] for item in verdict.criteria if item.criterion in order
        }
        data |= {
            "quality": result.quality,
            "value": result.value,
            "sum": score.weighted_sum,
            "marks": marks(output, quotes),
            "criteria": _criteria(verdict, score, rubric),
            "arithmetic": list(score.arithmetic),
            "why": shown(verdict.why_not_2_lower),
            "steps": _steps(result),
            "metrics": _metrics(result),
            "wordless": _failure(verdict.words_failure),
            "took": _took(verdict),
            "words": verdict.words,
            "small": verdict.model.startswith("local/"),
        }
    return {name: value for name, value in data.items() if value not in (None, "", [], {})}


def _criteria(verdict: Verdict, score: Score, rubric: Rubric) -> list[dict[str, Any]]:
    said = {item.criterion: item for item in verdict.criteria}
    parts = {part.criterion: part for part in score.parts}
    return [_criterion(said[name], parts[name], score) if name in said else {} for name in rubric.criteria]


def _criterion(item: CriterionVerdict, part: Part, score: Score) -> dict[str, Any]:
    data: dict[str, Any] = {
        "score": part.score,
        "raw": None if item.raw is None else round(item.raw, 3),
        "low": item.criterion in score.below_floor,
        "failure": _failure(item.failure),
        "reason": shown(item.reason),
        "evidence": [shown(quote) for quote in item.evidence],
        "spread": None if (spread := shown_spread(item)) is None else round(spread, 3),
        "distribution": [[position, round(share, 4)] for position, share in sorted(item.distribution.items())],
        "checks": [[shown(check.says), round(check.probability, 3), check.holds] for check in item.checks],
        "mass": None if item.label_mass is None else round(item.label_mass, 3),
    }
    return {name: value for name, value in data.items() if value not in (None, "", [], False)}


def _steps(result: Result) -> list[list[Any]]:
    return [[step.criterion, shown(step.text), round(result.gain(step), 3)] for step in result.steps]


def _metrics(result: Result) -> list[list[Any]]:
    if result.references is None:
        return []
    return [
        [name, round(metric.value, 4), metric.best_reference, metric.capped]
        for name, metric in result.references.metrics.items()
    ]


def _failure(failure: Failure | None) -> list[str] | None:
    return None if failure is None else [failure.kind, FAILURE_WORDS[failure.kind], shown(failure.detail)]


def _took(verdict: Verdict) -> str:
    usage = verdict.usage
    reused = f", {usage.cached_tokens:,} of them reused" if usage.cached_tokens else ""
    calls = "1 call" if usage.calls == 1 else f"{usage.calls:,} calls"
    tokens = f"{usage.prompt_tokens:,} prompt tokens{reused} · {usage.completion_tokens:,} written"
    how = f" · {shown(verdict.how)}" if verdict.how else ""
    return f"{shown(verdict.model)}{how} · {duration(verdict.seconds)} · {calls} · {tokens} · {money(usage)}"
