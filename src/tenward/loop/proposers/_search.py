"""Numbers: values of settings proposed by Optuna, from what all values before have come to.

Optuna (Akiba et al., 2019) draws them: by a tree-structured Parzen estimator (Bergstra et al., 2011), by CMA-ES (Hansen
and Ostermeier, 2001), or evenly. Its study is made anew from the loop's own record, so nothing else is kept, and the
same past and the same chance draw the same values (but for CMA-ES, whose distribution starts over with the process).
"""

from __future__ import annotations

import itertools
import logging
import math
import random
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from tenward.errors import LoopError, UsageError
from tenward.loop._ideas import Idea
from tenward.loop._ledger import Status
from tenward.loop._search_spec import searched
from tenward.loop._settings import read_settings, with_settings
from tenward.loop.proposers._proposal import NothingLeftError, Proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

    from tenward.loop._brief import Brief
    from tenward.loop._ideas import PastIdea
    from tenward.loop._search_spec import Parameter, SearchSpec
    from tenward.loop._settings import SettingValue

    Values: TypeAlias = Mapping[str, SettingValue]

__all__ = ["SearchProposer"]

_BRIEF_CHARS = 1_000
_MOST_DRAWS = 40
"""Draws of a sampler that may fall on values that were tried; then as many even ones."""

_MOST_COUNTED = 10_000
"""Combinations that are counted to find one that was not tried."""

_CANDIDATES = 96
"""Of each draw: four times as many as is usual, which found better values in the benchmarks."""

_SHOWN = 6
_LEAST_NUMBERS = 2
_UNFIT = "unfit"
_SEEDS = 2**32 - 1


class SearchProposer:
    """Proposes values for settings of one file, until all were tried.

    Args:
        search: Which settings, and how they are drawn.
        text: The file as it was when the loop began.
        maximize: Whether higher scores are better.
        past: Ideas of attempts that have ended, all but so many of the first.

    Raises:
        LoopError: The file cannot be searched as it is said.
        UsageError: Optuna is not installed.
    """

    brief_chars = _BRIEF_CHARS

    def __init__(
        self,
        search: SearchSpec,
        text: str,
        *,
        maximize: bool,
        past: Callable[[int], Sequence[PastIdea]],
    ) -> None:
        self.parameters = searched(search, text)
        if search.sampler == "cma-es" and sum(not one.choices for one in self.parameters) < _LEAST_NUMBERS:
            raise LoopError(
                "propose.search.sampler: found cma-es, expected two or more settings with a range",
                hint="leave sampler out; tpe takes any settings",
            )
        self._search = search
        self._past = past
        self._learned = 0
        self._open: dict[int, Trial] = {}
        self._tried: set[tuple[tuple[str, SettingValue], ...]] = set()
        self._study = _study(maximize=maximize)
        self._maximize = maximize
        self._worst: float | None = None
        self._begun = False
        self._named = {one.name: one for one in self.parameters}

    async def propose(self, brief: Brief, workdir: Path) -> Proposal:
        """Propose one change; see :meth:`Proposer.propose`.

        Raises:
            NothingLeftError: There are no values left that were not tried.
        """
        del workdir
        began = time.monotonic()
        path = self._search.file
        text = brief.files.get(path)
        if text is None:
            return _invalid(f"{path}: is not there, expected the settings that are searched", began)
        try:
            now = {name: setting.value for name, setting in read_settings(path, text).items()}
        except LoopError as error:
            return _invalid(error.message, began)
        if missing := [one.name for one in self.parameters if one.name not in now]:
            return _invalid(f"{path}: found no setting {missing[0]}, which is searched", began)
        self._learn(brief, now)
        values = self._draw(brief, now)
        try:
            changed = with_settings(path, text, values)
        except LoopError as error:
            return _invalid(error.message, began)
        return Proposal(
            ending="edited",
            idea=Idea(title=_title(now, values), settings=values),
            files={path: changed},
            seconds=time.monotonic() - began,
        )

    def _learn(self, brief: Brief, now: Values) -> None:
        """Tell the study what has ended since, and at first where the loop stands."""
        from optuna.trial import TrialState

        if not self._begun:
            self._begun = True
            self._add(*self._baseline(brief, now))
        for past in self._past(self._learned):
            self._learned += 1
            trial = self._open.pop(past.number, None)
            if not past.idea.settings:
                continue
            values = {one.name: past.idea.settings.get(one.name, one.now) for one in self.parameters}
            self._tried.add(self._key(values))
            crashed = past.status in {Status.CRASHED, Status.INVALID}
            score = None if crashed else past.score
            numbers = [(place, one) for place, one in enumerate(past.stages) if one is not None]
            cheap = numbers[-1] if numbers and not crashed else None
            if trial is not None and self._search.sampler == "cma-es":
                self._tell(trial, score, cheap)
                continue
            if trial is not None:  # what was drawn and what is in the file differ by rounding
                self._study.tell(trial, state=TrialState.FAIL)
            self._add(values, score, cheap)

    def _baseline(self, brief: Brief, now: Values) -> tuple[Values, float | None]:
        """Values and score of what the loop began with, which is what all see that nothing has replaced yet."""
        ended = self._past(0)
        if not ended:
            return now, None if brief.measured is None else brief.measured.value
        beside = (past.beside for past in ended if past.incumbent == ended[0].incumbent and past.beside is not None)
        return {name: one.now for name, one in self._named.items()}, next(beside, None)

    def _tell(self, trial: Trial, score: float | None, cheap: tuple[int, float] | None) -> None:
        """What came of values that were drawn here: a score, a number of a stage it did not pass, or nothing."""
        from optuna.trial import TrialState

        worst = self._note(score)
        with _quiet():
            if score is not None:
                self._study.tell(trial, score)
            elif cheap is not None:
                trial.report(cheap[1], cheap[0])
                self._study.tell(trial, state=TrialState.PRUNED)
            elif worst is not None:
                trial.set_user_attr(_UNFIT, True)
                self._study.tell(trial, worst)
            else:
                self._study.tell(trial, state=TrialState.FAIL)

    def _add(self, values: Values, score: float | None, cheap: tuple[int, float] | None = None) -> None:
        """The same of values as they stand in a file, whoever drew them."""
        from optuna.trial import TrialState, create_trial

        self._tried.add(self._key(values))
        worst = self._note(score)
        active = [one for one in self.parameters if self._is_active(one, values)]
        told = score if score is not None else worst
        if (told is None and cheap is None) or not all(one.holds(values[one.name]) for one in active):
            return
        pruned = score is None and cheap is not None
        with _quiet():
            self._study.add_trial(
                create_trial(
                    state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
                    params={one.name: _as_optuna(one, values[one.name]) for one in active},
                    distributions={one.name: _distribution(one) for one in active},
                    value=None if pruned else told,
                    intermediate_values={cheap[0]: cheap[1]} if pruned and cheap is not None else None,
                    system_attrs={"constraints": [0.0 if pruned or score is not None else 1.0]},
                )
            )

    def _note(self, score: float | None) -> float | None:
        """The worst score so far, which an unfit candidate is given as well."""
        if score is not None:
            worst = score if self._worst is None else self._worst
            self._worst = min(worst, score) if self._maximize else max(worst, score)
        return self._worst

    def _draw(self, brief: Brief, now: Values) -> Values:
        """Values that were not tried: as the sampler draws them, and where it only repeats itself, any."""
        from optuna.samplers import RandomSampler
        from optuna.trial import TrialState

        with _quiet():
            for nth in range(2 * _MOST_DRAWS):
                if nth == 0:
                    self._study.sampler = self._sampler(brief.chance)
                elif nth == _MOST_DRAWS:
                    self._study.sampler = RandomSampler(seed=int(brief.chance * _SEEDS))
                trial = self._study.ask()
                values: dict[str, SettingValue] = {}
                for one in self.parameters:
                    values[one.name] = _suggested(trial, one) if self._is_active(one, values) else now[one.name]
                if self._key(values) not in self._tried:
                    self._tried.add(self._key(values))
                    self._open[brief.number] = trial
                    return values
                self._study.tell(trial, state=TrialState.FAIL)
        left = self._left(now, random.Random(brief.chance))  # noqa: S311 - a draw, not a secret
        if left is None:
            raise NothingLeftError(
                f"propose.search: every draw was tried before, {len(self._tried)} in all, expected new ones",
                hint="the best of them was kept; widen a range to go on",
            )
        self._tried.add(self._key(left))
        return left

    def _left(self, now: Values, dice: random.Random) -> Values | None:
        """Any of few combinations that was not tried; None where there are none, or too many to count them."""
        axes = [one.values for one in self.parameters]
        if math.prod(len(axis) for axis in axes) > _MOST_COUNTED or not all(axes):
            return None
        every = [dict(zip(self._named, row, strict=True)) for row in itertools.product(*axes)]
        for values in dice.sample(every, len(every)):
            if self._key(values) not in self._tried:
                return {
                    name: value if self._is_active(self._named[name], values) else now[name]
                    for name, value in values.items()
                }
        return None

    def _is_active(self, one: Parameter, values: Values) -> bool:
        """Whether a parameter has a meaning beside these values: those it hangs on have theirs."""
        return all(
            values.get(name) == value and self._is_active(self._named[name], values) for name, value in one.when.items()
        )

    def _key(self, values: Values) -> tuple[tuple[str, SettingValue], ...]:
        """Equal for values that mean the same."""
        return tuple((one.name, values[one.name]) for one in self.parameters if self._is_active(one, values))

    def _sampler(self, chance: float) -> BaseSampler:
        from optuna.samplers import CmaEsSampler, RandomSampler, TPESampler

        seed = int(chance * _SEEDS)
        if self._search.sampler == "random":
            return RandomSampler(seed=seed)
        if self._search.sampler == "cma-es":
            return CmaEsSampler(seed=seed, warn_independent_sampling=False)
        return TPESampler(
            seed=seed,
            multivariate=True,
            group=True,
            n_ei_candidates=_CANDIDATES,
            constraints_func=_constraints,
        )


def _study(*, maximize: bool) -> Study:
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "propose.search: found no Optuna, expected it to be installed",
            hint="pip install 'tenward[search]'",
        ) from error
    optuna.logging.set_verbosity(logging.ERROR)
    return optuna.create_study(direction="maximize" if maximize else "minimize")


@contextmanager
def _quiet() -> Generator[None]:
    """No word of Optuna's parts that may still change: their place here is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _constraints(trial: FrozenTrial) -> Sequence[float]:
    """Above 0 where a candidate broke down."""
    return (1.0,) if trial.user_attrs.get(_UNFIT) else (0.0,)


def _distribution(one: Parameter) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if one.choices:
        return CategoricalDistribution(one.choices)
    if one.whole:
        return IntDistribution(int(one.low), int(one.high), log=one.log, step=int(one.step or 1))
    return FloatDistribution(one.low, one.high, log=one.log, step=one.step)


def _suggested(trial: Trial, one: Parameter) -> SettingValue:
    if one.choices:
        drawn = trial.suggest_categorical(one.name, one.choices)
        return next(choice for choice in one.choices if choice == drawn and type(choice) is type(drawn))
    if one.whole:
        return trial.suggest_int(one.name, int(one.low), int(one.high), step=int(one.step or 1), log=one.log)
    number = trial.suggest_float(one.name, one.low, one.high, step=one.step, log=one.log)
    return one.rounded(number)


def _as_optuna(one: Parameter, value: SettingValue) -> Any:
    if one.choices or isinstance(value, str):
        return value
    return int(value) if one.whole else float(value)


def _title(now: Values, values: Values) -> str:
    """What changes, of many settings the first."""
    changed = [f"{name} {_word(now[name])} → {_word(value)}" for name, value in values.items() if value != now[name]]
    more = [f"{len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else []
    return ", ".join([*changed[:_SHOWN], *more]) or "the same settings"


def _word(value: SettingValue) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _invalid(fault: str, began: float) -> Proposal:
    return Proposal(ending="invalid", faults=(fault,), seconds=time.monotonic() - began)
