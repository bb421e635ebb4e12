from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenward.errors import DocumentError
from tenward.evaluation import plan_dataset
from tenward.judges import PanelJudge
from tenward.testing import AutoJudge, Json, Logprobs, ScriptedJudge

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenward.judges import Judge, PlannedCalls
    from tenward.rubrics import Rubric
    from tenward.testing import Reply, Request
    from tests.evaluation.conftest import Lab

PRICE = {"input": 3.0, "output": 15.0}


def stubborn(request: Request) -> Reply:
    """Answer every question for words with a score off the scale, and say it in other words each time."""
    if request.body.get("logprobs"):
        return Logprobs({"4": 1.0})
    part = {"evidence": ["Text"], "reason": f"This is answer number {request.index} in a row.", "score": 9}
    more: dict[str, Any] = {"why_not_2_lower": f"It is not that bad, I said {request.index} times.", "steps_to_10": []}
    return Json({"clear": part, "kind": part, **more}, usage=(len(request.raw), 400))


JUDGES: dict[str, Callable[[Lab], Judge]] = {
    "stated": lambda lab: lab.judge(price=PRICE, max_tokens=400),
    "samples": lambda lab: lab.judge(price=PRICE, max_tokens=400, samples=3, temperature=1),
    "one by one": lambda lab: lab.judge(price=PRICE, max_tokens=400, ask="one-by-one"),
    "distribution": lambda lab: lab.judge(price=PRICE, read="distribution"),
    "checked": lambda lab: lab.judge(price=PRICE, read="distribution"),
    "by form": lambda lab: lab.judge(price=PRICE, read="distribution", probe="by-form"),
    "explained": lambda lab: lab.judge(price=PRICE, read="distribution", explain="model", max_tokens=400),
    "panel": lambda lab: PanelJudge(
        "panel/v1",
        [
            (lab.judge(price=PRICE, max_tokens=400), 1),
            (lab.judge(judge="b/v1", price=PRICE, read="distribution", explain="model", max_tokens=400), 2),
        ],
    ),
}


def rubric_for(name: str, lab: Lab) -> Rubric:
    """Return the rubric, with checks where the judge is there to read them."""
    return (
        lab.rubric("weight: 40", "weight: 40, checks: [It says please, It says thanks]")
        if name == "checked"
        else lab.rubric()
    )


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("reply", [AutoJudge(), stubborn], ids=["fit", "unfit"])
async def test_a_run_never_takes_more_than_its_plan_says(lab: Lab, name: str, reply: Any) -> None:
    """Calls, tokens and dollars of the run stay within the bounds; asking before sends nothing."""
    lab.server.script(default=reply)
    judge = JUDGES[name](lab)
    data = lab.dataset({"id": f"c{n}", "input": "🫠 12345 " * n, "output": f"Text {n} 猫."} for n in range(5))
    rubric = rubric_for(name, lab)
    plan = plan_dataset(data, rubric, judge, store=lab.store, explain=True)
    assert lab.sent == []
    assert (plan.cases, plan.calls.cached) == (5, 0)
    run = await lab.run(data, rubric, judge, explain=True)
    took, calls = run.summary.usage, plan.calls
    assert took.calls == len(lab.sent)
    assert took.calls <= calls.most_calls
    assert calls.calls <= took.calls
    assert took.prompt_tokens <= calls.prompt_tokens
    assert took.completion_tokens <= calls.completion_tokens
    assert took.cost_usd is not None
    assert calls.worst_usd is not None
    assert 0 < took.cost_usd <= calls.worst_usd
    if reply is not stubborn:
        assert took.calls == calls.calls


@pytest.mark.parametrize("name", ["stated", "samples", "one by one", "distribution", "checked", "by form", "panel"])
async def test_after_a_run_everything_is_cached(lab: Lab, name: str) -> None:
    """Nothing is left to pay but the words that explain scores; a case more costs itself alone."""
    judge = JUDGES[name](lab)
    rubric = rubric_for(name, lab)

    def plan_of(cases: int, asked: Rubric = rubric, sample: int = 0) -> PlannedCalls:
        return plan_dataset(lab.dataset(cases), asked, judge, store=lab.store, explain=True, sample=sample).calls

    await lab.run(lab.dataset(4), rubric, judge, explain=True)
    plan = plan_of(4)
    words = 4 if name == "panel" else 0  # they quote scores that a plan does not know
    assert plan.cached == plan.calls - words
    assert plan.most_calls == 3 * words
    if not words:
        assert (plan.prompt_tokens, plan.completion_tokens, plan.worst_usd) == (0, 0, 0)
    more = plan_of(5)
    assert more.cached == plan.cached
    assert more.calls - plan.calls == plan.calls / 4
    other = plan_of(4, sample=1)
    assert other.cached == 0
    heavier = rubric.criteria["clear"].model_copy(update={"weight": 1.0})
    assert plan_of(4, rubric.model_copy(update={"criteria": {**rubric.criteria, "clear": heavier}})) == plan


async def test_a_price_nobody_knows_is_unknown(lab: Lab) -> None:
    """Not 0: of a judge without a price, of a panel with one such member, of a judge made in Python."""
    data, rubric = lab.dataset(2), lab.rubric()
    unpriced = lab.judge()
    judges = [unpriced, PanelJudge("p/v1", [(lab.judge(price=PRICE), 1), (unpriced, 1)]), ScriptedJudge({"clear": 3})]
    for judge in judges:
        plan = plan_dataset(data, rubric, judge, store=lab.store)
        assert plan.calls.worst_usd is None
        assert plan.as_dict()["worst_usd"] is None
    await lab.run(data)
    assert plan_dataset(data, rubric, unpriced, store=lab.store).calls.worst_usd == 0


async def test_a_plan_counts_what_cannot_be_judged(lab: Lab) -> None:
    """Cases without an output, with references, of a split, up to a limit."""
    rows: list[dict[str, Any]] = [
        {"id": "a", "output": "x", "references": ["y"]},
        {"id": "b", "input": "i"},
        {"id": "c", "output": " \n", "split": "sealed"},
        {"id": "d", "output": "z", "split": "sealed"},
    ]
    data, judge, store = lab.dataset(rows), lab.judge(), lab.store
    rubric = lab.rubric(more="references: {rouge_l: 1}\ngates: [{max_words: 5}, {min_words: 1}]\n")
    plan = plan_dataset(data, rubric, judge, store=store)
    assert (plan.cases, plan.with_references, plan.without_output, plan.gates) == (4, 1, 2, 2)
    assert plan.calls.calls == 2
    sealed = plan_dataset(data, rubric, judge, store=store, split="sealed")
    assert (sealed.cases, sealed.without_output, sealed.with_references) == (2, 1, 0)
    assert plan_dataset(data, lab.rubric(), judge, store=store, limit=1).with_references == 0
    with pytest.raises(DocumentError, match="a file without cases"):
        plan_dataset(lab.dataset([]), rubric, judge, store=store)
    assert lab.sent == []
