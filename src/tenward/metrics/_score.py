"""All metrics by name, and the weighted mean of those a rubric asks for."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tenward.errors import UnknownNameError, UsageError
from tenward.metrics._bm25 import Bm25
from tenward.metrics._meteor import Meteor
from tenward.metrics._rouge import Rouge
from tenward.metrics._sacrebleu import Bleu, Chrf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenward.metrics._base import Metric, MetricScore

__all__ = ["ReferenceScore", "available", "get_metric", "score_references"]

_METRICS: Mapping[str, Callable[[], Metric]] = {
    "bm25": Bm25,
    "bleu": Bleu,
    "chrf": Chrf,
    "rouge_1": partial(Rouge, name="rouge_1"),
    "rouge_2": partial(Rouge, name="rouge_2"),
    "rouge_l": partial(Rouge, name="rouge_l"),
    "meteor": Meteor,
}


@dataclass(frozen=True, kw_only=True)
class ReferenceScore:
    """How near a candidate is to its references, by several metrics.

    Attributes:
        value: Weighted mean of the metrics, 0 to 1.
        metrics: Each metric's own score, in the order of the weights.
    """

    value: float
    metrics: Mapping[str, MetricScore]


def available() -> tuple[str, ...]:
    """Return the names of all metrics."""
    return tuple(_METRICS)


def get_metric(name: str, *, corpus: Sequence[str] = ()) -> Metric:
    """Return a metric by name.

    Args:
        name: One of :func:`available`.
        corpus: All references of the data set; only ``bm25`` uses them.

    Raises:
        UnknownNameError: There is no metric of that name.
    """
    if name not in _METRICS:
        near = difflib.get_close_matches(name, _METRICS, n=1)
        raise UnknownNameError(
            f"no metric named {name!r}, expected one of: {', '.join(_METRICS)}",
            hint=f"did you mean {near[0]}?" if near else "choose one of the metrics above",
        )
    metric = _METRICS[name]()
    return metric.fit(corpus) if isinstance(metric, Bm25) else metric


def score_references(
    candidate: str, references: Sequence[str], weights: Mapping[str, float], *, corpus: Sequence[str] = ()
) -> ReferenceScore:
    """Score a candidate by its likeness to references.

    Plain computation without input, output or shared state, so it may run in a process pool. The metrics'
    scales differ (the same light edit may cost 0.25 by one and 0.55 by another), which weights do not even out.

    Args:
        candidate: The text to score; any Unicode text.
        references: Texts it should be like; each metric takes the one it finds nearest.
        weights: Metric names and their weights among each other; a metric of weight 0 is shown but not counted.
        corpus: All references of the data set, for the word weights of ``bm25``; the same sequence for every
            case, since fitting takes time in its length and is then remembered.

    Raises:
        UnknownNameError: A weight names no metric.
        UsageError: There is no reference, a weight is negative or not finite, or none is above 0.
    """
    faults = [f"{name}: {weight}" for name, weight in weights.items() if not 0 <= weight < math.inf]
    if faults:
        raise UsageError(
            f"found the metric weights {', '.join(faults)}, expected finite numbers from 0",
            hint="weights are ratios, such as {rouge_l: 2, chrf: 1}",
        )
    heaviest = max(weights.values(), default=0)
    if heaviest <= 0:
        raise UsageError(
            "found no metric weight above 0, expected at least one", hint="name metrics, such as {rouge_l: 1}"
        )
    metrics = {name: get_metric(name, corpus=corpus) for name in weights}
    scores = {name: metric.score(candidate, references) for name, metric in metrics.items()}
    # Shares of the heaviest, so that no sum can overflow.
    shares = {name: weight / heaviest for name, weight in weights.items()}
    mean = math.fsum(share * scores[name].value for name, share in shares.items()) / math.fsum(shares.values())
    return ReferenceScore(value=min(1.0, mean), metrics=scores)
