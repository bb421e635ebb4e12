"""A panel: several judges heard on the same case, and their scores averaged by weight.

An equal vote of unequal judges can be worse than the best of them alone, so weights are part of the file; give each
member the weight its agreement with people has earned.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tenward.judges._calls import PlannedCalls
from tenward.judges._explain import explain_by_program
from tenward.judges._judge import Judge
from tenward.judges._retry import all_of
from tenward.judges._scale import ScaleInUse
from tenward.judges._verdict import CriterionVerdict, Failure, Usage, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.datasets import Case
    from tenward.judges._spec import Explain
    from tenward.rubrics import Rubric

__all__ = ["PanelJudge"]


class PanelJudge(Judge):
    """Asks every member, and gives the weighted mean of the scores there are.

    A criterion is unscored when the members that scored it hold less than half of the weight. Words are those of the
    member whose score lies closest to the mean, among those whose model wrote any; where none did, they are made by
    program from the panel's own scores. Checks are those of the weightiest member that read them.

    Args:
        name: Name and version of the panel.
        members: The judges and their weights, all above 0.
    """

    def __init__(self, name: str, members: Sequence[tuple[Judge, float]]) -> None:
        self._name = name
        self._members = tuple(members)

    @property
    def name(self) -> str:
        """Name and version, such as ``panel/v1``."""
        return self._name

    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
        """Judge one case; see :meth:`Judge.judge`."""
        began = time.monotonic()
        verdicts = await all_of(member.judge(case, rubric, explain=explain) for member, _ in self._members)
        weights = [weight for _, weight in self._members]
        usage = Usage()
        for verdict in verdicts:
            usage += verdict.usage
        # What a program says of a member's score would be wrong of the panel's.
        said = [_without_program(verdict) for verdict in verdicts]
        criteria = tuple(
            _combine(name, [(verdict.criteria[index], weight) for verdict, weight in zip(said, weights, strict=True)])
            for index, name in enumerate(rubric.criteria)
        )
        spoken = max(zip(said, weights, strict=True), key=lambda pair: (_speaks(pair[0]), pair[1]))[0]
        verdict = Verdict(
            judge=self.name,
            model=" + ".join(verdict.model for verdict in verdicts),
            criteria=criteria,
            words="model" if _speaks(spoken) else "",
            why_not_2_lower=spoken.why_not_2_lower,
            steps_to_10=spoken.steps_to_10,
            words_failure=spoken.words_failure,
            usage=usage,
            seconds=time.monotonic() - began,
            fingerprint=self.fingerprint(rubric),
        )
        return explain_by_program(verdict, rubric)

    def describe(self) -> dict[str, Any]:
        """The members with their weights; see :meth:`Judge.describe`."""
        return {
            "judge": self.name,
            "panel": [{"weight": weight, "member": member.describe()} for member, weight in self._members],
        }

    def fingerprint(self, rubric: Rubric) -> Mapping[str, str]:
        """The members' fingerprints and the weights; see :meth:`Judge.fingerprint`."""
        joined = {
            f"{index}.{member.name}.{component}": digest  # two members may have one name
            for index, (member, _) in enumerate(self._members, start=1)
            for component, digest in member.fingerprint(rubric).items()
        }
        weights = ",".join(f"{member.name}={weight:g}" for member, weight in self._members)
        return joined | {"panel": weights}

    def scale(self, rubric: Rubric) -> ScaleInUse:
        """The maps are the members' own, each applied before the mean; see :meth:`Judge.scale`.

        A criterion that some member has no map for is the mean of what all read, raw.
        """
        scales = [member.scale(rubric) for member, _ in self._members]
        notes = dict.fromkeys(scale.note for scale in scales if scale.note)
        mapped = frozenset[str].intersection(*(scale.mapped for scale in scales))
        return ScaleInUse(note="; ".join(notes), by_members=mapped)

    def plan(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> PlannedCalls:
        """What all members take together; see :meth:`Judge.plan`."""
        planned = PlannedCalls()
        for member, _ in self._members:
            planned += member.plan(case, rubric, explain=explain)
        return planned

    async def aclose(self) -> None:
        """Close every member."""
        for member, _ in self._members:
            await member.aclose()


def _without_program(verdict: Verdict) -> Verdict:
    """The verdict with no words but those of its model."""
    if verdict.words != "program":
        return verdict
    criteria = tuple(replace(item, reason="") for item in verdict.criteria)
    return replace(verdict, words="", criteria=criteria, why_not_2_lower="", steps_to_10=())


def _speaks(verdict: Verdict) -> bool:
    said = (verdict.why_not_2_lower, verdict.steps_to_10, *(item.reason for item in verdict.criteria))
    return any(map(bool, said))


def _unmapped(item: CriterionVerdict) -> CriterionVerdict:
    return item if item.raw is None else replace(item, score=item.raw, raw=None)


def _combine(criterion: str, said: Sequence[tuple[CriterionVerdict, float]]) -> CriterionVerdict:
    # Fractions, of weights as they are written: a mean of 5 and 5 is 5, on the scale and above its floor.
    shares = [(item, Fraction(str(weight))) for item, weight in said]
    # Points and raw readings are of two scales, of which no mean means anything.
    if not all(item.raw is not None for item, _ in shares if item.score is not None):
        shares = [(_unmapped(item), weight) for item, weight in shares]
    scored = [(Fraction(item.score), item, weight) for item, weight in shares if item.score is not None]
    held, whole = sum(weight for _, _, weight in scored), sum(weight for _, weight in shares)
    if not scored or 2 * held < whole:
        failure = next((item.failure for item, _ in said if item.failure is not None), None)
        failure = failure or Failure(kind="schema", detail="no member scored it")
        return CriterionVerdict(criterion=criterion, failure=failure)
    mean = sum((score * weight for score, _, weight in scored), Fraction()) / held
    nearest = min(scored, key=lambda entry: (not entry[1].reason, abs(entry[0] - mean)))[1]
    raw = None
    if scored[0][1].raw is not None:
        read = (Fraction(item.raw) for _, item, _ in scored if item.raw is not None)
        raw = float(sum((one * weight for one, (*_, weight) in zip(read, scored, strict=True)), Fraction()) / held)
    checks = max(scored, key=lambda entry: (bool(entry[1].checks), entry[2]))[1].checks
    variance = sum((weight * (score - mean) ** 2 for score, _, weight in scored), Fraction()) / held
    return CriterionVerdict(
        criterion=criterion,
        score=float(mean),
        raw=raw,
        reason=nearest.reason,
        evidence=nearest.evidence,
        spread=math.sqrt(variance),
        checks=checks,
    )
