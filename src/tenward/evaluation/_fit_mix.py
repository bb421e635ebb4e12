"""How much judge and how much of each reference metric agrees best with people, and whether that helps at all.

Ridge regression with weights that are never negative, on the judge's normalised score and the metrics, each brought
to unit variance; the penalty is chosen inside every training part. What is reported is cross-validated: each case is
scored by a mix that was fitted without it and without its group. A mix is advised only where the 95 % bootstrap
interval of the gain in Spearman correlation lies above 0, since a mix that is fitted always looks better on the cases
it was fitted to.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from tenward.errors import UsageError
from tenward.evaluation._compare import signed
from tenward.evaluation._folds import fold_of_units, rank_correlation, whole_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tenward.datasets import Case
    from tenward.evaluation._result import Result
    from tenward.rubrics import Rubric

    Array: TypeAlias = NDArray[np.float64]

__all__ = ["FittedMix", "fit_mix", "require_ratings"]

T = TypeVar("T")

_LEAST_CASES = 30
_FOLDS = 5
_PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)  # beside features of unit variance
_SWEEPS = 500
_WHOLE = "value"


@dataclass(frozen=True, kw_only=True)
class FittedMix:
    """The mix that agrees best with human ratings, and what it gains on cases it was not fitted to."""

    cases: int
    """Rated and scored cases with references."""

    units: int
    """Independent units among them: cases, or groups."""

    judge: float
    """Share of the judge in ``value``, 0 to 1, to two decimals."""

    references: Mapping[str, float]
    """Share of each metric among the metrics, to two decimals; those without a share are left out."""

    before: float
    """Spearman correlation of the judge alone with the ratings; 0 where the judge ranks nothing."""

    after: float
    """The same of the mix, cross-validated."""

    low: float
    high: float
    """95 % bootstrap interval of ``after - before``, over units."""

    @property
    def helps(self) -> bool:
        """Whether references have a share whose gain is more than luck: the whole interval lies above 0."""
        return bool(self.references) and self.low > 0 and self.after > self.before

    @property
    def yaml(self) -> str:
        """The lines to put into the rubric; empty where the mix does not help."""
        if not self.helps:
            return ""
        metrics = ", ".join(f"{name}: {share:g}" for name, share in self.references.items())
        return f"references: {{{metrics}}}\nmix: {{judge: {self.judge:g}, references: {round(1 - self.judge, 2):g}}}\n"

    @property
    def headline(self) -> str:
        """The finding in one line of words."""
        cases = f"{self.cases} rated cases" + (f" in {self.units} groups" if self.units < self.cases else "")
        numbers = (
            f"Spearman {self.before:.3f} for the judge alone, {self.after:.3f} with the mix (cross-validated), "
            f"a difference of {signed(self.after - self.before)} [{signed(self.low)}, {signed(self.high)}] on {cases}"
        )
        if self.helps:
            return f"The mix agrees better with people: {numbers}"
        if self.after <= self.before:
            return f"Keep the judge alone, the mix does not agree better with people: {numbers}"
        return f"Keep the judge alone, the gain of the mix may be luck: {numbers}"


def fit_mix(results: Iterable[Result], rubric: Rubric, *, resamples: int = 2000, seed: int = 0) -> FittedMix:
    """Fit the shares of the judge and of each reference metric to human ratings.

    A case counts when it is scored, has references and is rated. Its rating is ``human["value"]``; where no case has
    one, it is the mean of the ratings of the rubric's criteria, by the rubric's weights among those that are rated.
    Any scale will do, the same for all cases.

    Args:
        results: Results of a run whose rubric names reference metrics.
        rubric: The rubric of the run.
        resamples: How often the units are drawn anew for the interval, 1 or more.
        seed: Of the folds and the draws.

    Raises:
        UsageError: Fewer than 30 such cases, fewer than 5 independent units, or ratings that are all the same.
    """
    import numpy as np

    data = _Data.of(results, rubric)
    random = np.random.default_rng(seed)
    folds = fold_of_units(data.units, _FOLDS, random)
    mixed = np.zeros(len(data.target))
    for fold in range(_FOLDS):
        train = folds != fold
        shares = _shares(data.features[train], data.target[train], folds[train])
        mixed[~train] = data.features[~train] @ shares
    low, high = _gain_interval(data, mixed, resamples, random)
    shares = _shares(data.features, data.target, folds)
    judge = round(float(shares[0]), 2)
    return FittedMix(
        cases=len(data.target),
        units=len(set(data.units)),
        judge=judge,
        references=_rounded(dict(zip(data.metrics, shares[1:].tolist(), strict=True))) if judge < 1 else {},
        before=rank_correlation(data.features[:, 0], data.target),
        after=rank_correlation(mixed, data.target),
        low=low,
        high=high,
    )


def require_ratings(cases: Iterable[Case], rubric: Rubric) -> None:
    """Refuse cases that :func:`fit_mix` would refuse however they are scored, before anything is paid for them.

    Args:
        cases: The cases that are to be judged.
        rubric: The rubric they are to be judged by.

    Raises:
        UsageError: The rubric names no reference metrics, or see :func:`fit_mix`.
    """
    _metrics(rubric)
    rows: list[tuple[None, Mapping[str, float], tuple[bool, str]]] = []
    lacking: Counter[str] = Counter()
    for case in cases:
        rated = _is_rated(case, rubric)
        lacking["human ratings"] += not rated
        lacking["references"] += not case.references
        if rated and case.references:
            rows.append((None, case.human, _unit(case)))
    _targets(rows, rubric, lacking, "cases")


@dataclass(frozen=True, kw_only=True)
class _Data:
    features: Array
    """One row per case: the judge's normalised score, then the metrics."""

    target: Array
    units: Sequence[tuple[bool, str]]
    metrics: Sequence[str]

    @classmethod
    def of(cls, results: Iterable[Result], rubric: Rubric) -> _Data:
        import numpy as np

        metrics = _metrics(rubric)
        rows: list[tuple[list[float], Mapping[str, float], tuple[bool, str]]] = []
        lacking: Counter[str] = Counter()
        for result in results:
            case, found, score = result.case, result.references, result.score
            usable = _is_rated(case, rubric)
            lacking["human ratings"] += not usable
            lacking["references"] += found is None and not case.references
            lacking["a score"] += result.status != "scored"
            if usable and found is not None and score is not None and score.normalized is not None:
                row = [score.normalized, *(found.metrics[name].value for name in metrics)]
                rows.append((row, case.human, _unit(case)))
        rated, target = _targets(rows, rubric, lacking, "scored cases")
        return cls(
            features=np.array([row for row, _, _ in rated]),
            target=np.array(target),
            units=[unit for _, _, unit in rated],
            metrics=metrics,
        )


def _metrics(rubric: Rubric) -> tuple[str, ...]:
    metrics = tuple(rubric.metric_weights)
    if not metrics:
        raise UsageError(
            f"{rubric.rubric}: found no reference metrics to fit a mix of, expected at least one",
            hint="name the candidates in the rubric, such as references: {rouge_l: 1, chrf: 1, meteor: 1}",
        )
    return metrics


def _is_rated(case: Case, rubric: Rubric) -> bool:
    return any(name == _WHOLE or name in rubric.criteria for name in case.human)


def _unit(case: Case) -> tuple[bool, str]:
    return bool(case.group), case.group or case.id


def _targets(
    rows: Sequence[tuple[T, Mapping[str, float], tuple[bool, str]]], rubric: Rubric, lacking: Counter[str], what: str
) -> tuple[list[tuple[T, Mapping[str, float], tuple[bool, str]]], list[float]]:
    """The rows that count, and their ratings, where they are enough to fit a mix to."""
    whole = any(_WHOLE in human for _, human, _ in rows)
    rated = [row for row in rows if not whole or _WHOLE in row[1]]
    target = [human[_WHOLE] if whole else _rating(human, rubric) for _, human, _ in rated]
    units = len({unit for _, _, unit in rated})
    if len(rated) < _LEAST_CASES:
        short = ", ".join(f"{count} lack {part}" for part, count in lacking.items() if count)
        raise UsageError(
            f"fitting a mix: found {len(rated)} {what} with references and human ratings, "
            f"expected at least {_LEAST_CASES}{f' ({short})' if short else ''}",
            hint="rate more cases: `human` holds ratings under the names of the rubric's criteria, or under value",
        )
    if units < _FOLDS:
        raise UsageError(
            f"fitting a mix: found cases of {units} groups, expected at least {_FOLDS}",
            hint="rate cases of more sources: cases that share a group say nothing new about another one",
        )
    if min(target) == max(target):
        raise UsageError(
            f"fitting a mix: found the rating {target[0]:g} for every case, expected ratings that differ",
            hint="rate good and poor outputs",
        )
    return rated, target


def _rating(human: Mapping[str, float], rubric: Rubric) -> float:
    shares = {name: float(share) for name, share in rubric.shares.items() if name in human}
    whole = math.fsum(shares.values())
    if whole == 0:  # only criteria without weight are rated
        return math.fsum(human[name] for name in shares) / len(shares)
    return math.fsum(share * human[name] for name, share in shares.items()) / whole


def _shares(features: Array, target: Array, folds: NDArray[np.int64]) -> Array:
    """Shares of the columns in the mix, summing to 1; the penalty is chosen by cross-validation over ``folds``."""
    import numpy as np

    errors = np.zeros(len(_PENALTIES))
    for fold in sorted(set(folds.tolist())):
        train = folds != fold
        for index, penalty in enumerate(_PENALTIES):
            weights = _ridge(features[train], target[train], penalty)
            guess = target[train].mean() + (features[~train] - features[train].mean(axis=0)) @ weights
            errors[index] += float(((target[~train] - guess) ** 2).sum())
    weights = _ridge(features, target, _PENALTIES[int(errors.argmin())])
    if weights.sum() <= 0:
        weights[0] = 1.0  # nothing goes along with the ratings, so nothing speaks against the judge alone
    shares: Array = weights / weights.sum()
    return shares


def _ridge(features: Array, target: Array, penalty: float) -> Array:
    """Weights that are not negative, by coordinate descent, on the scale of the features as they are."""
    import numpy as np

    spread = features.std(axis=0)
    steady = spread < 1e-12
    scaled = (features - features.mean(axis=0)) / np.where(steady, 1.0, spread)
    count = len(target)
    gram = scaled.T @ scaled / count + penalty * np.eye(features.shape[1])
    pull = scaled.T @ (target - target.mean()) / count
    weights = np.zeros(features.shape[1])
    for _ in range(_SWEEPS):
        before = weights.copy()
        for column in np.flatnonzero(~steady):
            rest = pull[column] - gram[column] @ weights + gram[column, column] * weights[column]
            weights[column] = max(0.0, rest / gram[column, column])
        if np.abs(weights - before).max() <= 1e-10 * max(1.0, float(weights.max())):
            break
    return weights / np.where(steady, 1.0, spread)


def _rounded(shares: Mapping[str, float]) -> dict[str, float]:
    whole = math.fsum(shares.values())
    rounded = {name: round(share / whole, 2) for name, share in shares.items()}
    return {name: share for name, share in rounded.items() if share > 0}


def _gain_interval(data: _Data, mixed: Array, resamples: int, random: np.random.Generator) -> tuple[float, float]:
    import numpy as np

    where: dict[tuple[bool, str], list[int]] = {}
    for index, unit in enumerate(data.units):
        where.setdefault(unit, []).append(index)
    members = [np.array(where[unit]) for unit in sorted(where)]
    gains: list[float] = []
    for _ in range(resamples):
        drawn = np.concatenate(
            [members[unit] for unit in whole_numbers(random.integers(0, len(members), size=len(members)))]
        )
        target = data.target[drawn]
        gains.append(rank_correlation(mixed[drawn], target) - rank_correlation(data.features[drawn, 0], target))
    low, high = np.quantile(gains, [0.025, 0.975])
    return float(low), float(high)
