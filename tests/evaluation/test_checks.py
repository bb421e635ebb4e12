from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.datasets import Case
from tenward.judges import case_key

if TYPE_CHECKING:
    from tenward.evaluation import Run
    from tenward.rubrics import Rubric
    from tests.evaluation.conftest import Lab


def checked(lab: Lab, says: str) -> Rubric:
    """Return the rubric with a check under its second criterion."""
    return lab.rubric("weight: 40", f"weight: 40, checks: [{says}]")


async def test_a_changed_check_leaves_scores_as_they_are(lab: Lab) -> None:
    """A check is no part of a key or a fingerprint, so that only its own answers are paid for again."""
    data, bare = lab.dataset(3), lab.rubric()
    one, two = checked(lab, "It says please"), checked(lab, "It says thanks")
    case = Case(id="c", output="text")
    assert case_key(case, bare) == case_key(case, one) == case_key(case, two)
    sent: list[int] = []
    runs: list[Run] = []
    for rubric, explain in ((bare, False), (one, False), (one, True), (two, True), (two, True)):
        before = len(lab.sent)
        runs.append(await lab.run(data, rubric, lab.judge(read="distribution"), explain=explain))
        sent.append(len(lab.sent) - before)
    assert sent == [6, 0, 3, 3, 0]
    assert len({tuple(sorted(run.record.fingerprint.items())) for run in runs}) == 1
    assert len({run.summary.value.mean for run in runs if run.summary.value is not None}) == 1
    assert dict(runs[3].calls.missed_for) == {"check": 3}


async def test_a_run_without_words_goes_on_under_other_checks(lab: Lab) -> None:
    """What was not read does not make another run; with words it does."""
    data = lab.dataset(4)
    for explain, same in ((False, True), (True, False)):
        judge, sample = lab.judge(read="distribution"), int(explain)
        begun = await lab.run(data, checked(lab, "One thing"), judge, explain=explain, max_calls=3, sample=sample)
        assert begun.record.status == "stopped"
        ended = await lab.run(data, checked(lab, "Another"), judge, explain=explain, sample=sample)
        assert (ended.record.id == begun.record.id) is same
