from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.errors import JudgeUnavailableError, UsageError
from tenward.evaluation import (
    CommandProducer,
    Produced,
    PromptProducer,
    evaluate_produced,
    junit_xml,
    plan_dataset,
    result_as_dict,
    result_from_data,
    result_to_data,
    run_as_dict,
)
from tenward.judges import Failure, PlannedCalls, Usage
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, ScriptedJudge, Status, Text, Truncated
from tests.evaluation.conftest import grade

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenward.evaluation import Result, Run
    from tenward.testing import Reply, Request
    from tests.evaluation.conftest import Lab

PRICE = {"input": 1.0, "output": 2.0}
ROWS = [{"id": f"c{n}", "input": f"Case {n}."} for n in range(6)]


def writes(request: Request) -> Reply:
    """Answer the judge with the grade in the text, and the producer with a text of grade 4."""
    if request.schema is not None:
        return AutoJudge(integers=grade)
    return Text(f"Of grade 4: {request.text().rsplit(maxsplit=2)[-1]}", usage=(100, 10))


def writer(lab: Lab, prompt: str = "Do {input}", **fields: Any) -> PromptProducer:
    """Return a producer that asks the stub server."""
    return PromptProducer(prompt, lab.judge(**{"price": PRICE, **fields}).spec)


async def run(lab: Lab, rows: Any = ROWS, producer: Any = None, **more: Any) -> Run:
    """Produce and judge, and close the connections."""
    who = producer or writer(lab)
    try:
        more = {"judge": lab.judge(price=PRICE), **more}
        return await lab.run(lab.dataset(rows), producer=who, **more)
    finally:
        await who.aclose()


def results(lab: Lab, done: Run) -> list[Result]:
    """Return what is stored of a run."""
    return list(lab.store.results(done.record))


def asked(lab: Lab) -> tuple[int, int]:
    """Return how many requests the producer and the judge have sent."""
    schemas = [request.schema for request in lab.server.requests]
    return sum(schema is None for schema in schemas), sum(schema is not None for schema in schemas)


# -- results -----------------------------------------------------------------------------------------------------


async def test_outputs_are_produced_then_judged_and_kept_with_what_they_took(lab: Lab) -> None:
    """The result's case holds the output; production is part of the usage; the fingerprint is the judge's alone."""
    lab.server.script(default=writes)
    done = await run(lab)
    assert done.record.status == "finished"
    assert done.record.fingerprint == lab.judge(price=PRICE).fingerprint(lab.rubric())
    kept = results(lab, done)
    assert [result.case.output for result in kept] == [f"Of grade 4: {n}." for n in range(6)]
    assert {result.status for result in kept} == {"scored"}
    assert {result.verdict.scores["clear"] if result.verdict else None for result in kept} == {4.0}
    produced = [result.produced for result in kept]
    assert all(one is not None and one.usage.cost_usd == (100 * 1.0 + 10 * 2.0) / 1e6 for one in produced)
    judged = [result.verdict.usage for result in kept if result.verdict]
    assert done.summary.usage.calls == 6 + sum(usage.calls for usage in judged)
    whole = 6 * 0.00012 + sum(usage.cost_usd or 0.0 for usage in judged)
    assert done.summary.usage.cost_usd == pytest.approx(whole)
    assert asked(lab) == (6, 6)


async def test_an_output_of_the_data_set_gives_way_and_takes_its_ratings_along(lab: Lab) -> None:
    """What people said of another text says nothing of this one."""
    lab.server.script(default=writes)
    row = {"id": "a", "input": "Case 7.", "output": "Old, of grade 1.", "human": {"clear": 1}, "references": ["R"]}
    (result,) = results(lab, await run(lab, [row]))
    assert result.case == Case(id="a", input="Case 7.", output="Of grade 4: 7.", references=("R",))
    assert "Old" not in lab.server.requests[0].text()


async def test_a_case_without_an_output_is_unscored_and_never_low(lab: Lab) -> None:
    """Its failure says so, the others' mean stands, and neither gates nor the judge are asked for it."""

    def reply(request: Request) -> Reply:
        if request.schema is None and "Case 2" in request.text():
            return Truncated("Of grade 1 and")
        return writes(request)

    lab.server.script(default=reply)
    done = await run(lab, rubric=lab.rubric(more="gates: [{max_words: 4}, {min_chars: 3}]\n"))
    failed = results(lab, done)[2]
    assert failed.status == "unscored"
    assert failed.produced is not None
    assert failed.produced.failure is not None
    assert failed.produced.failure.kind == "truncated"
    assert (failed.case.output, failed.gates) == ("", ())
    assert failed.verdict is not None
    assert {failure.kind for failure in failed.verdict.failures.values()} == {"produce"}
    assert {failure.detail[:10] for failure in failed.verdict.failures.values()} == {"truncated:"}
    assert done.summary.unscored == 1
    assert done.summary.failures == {"produce": 2}
    assert done.summary.coverage == pytest.approx(5 / 6)
    assert done.summary.value is not None
    assert done.summary.value.mean == pytest.approx(0.8)
    assert asked(lab)[1] == 5
    assert "produce" in junit_xml(done.record, results(lab, done))


async def test_gates_see_what_was_produced(lab: Lab) -> None:
    """A gate that fails is a result, and what was produced for it is paid."""
    lab.server.script(default=writes)
    done = await run(lab, rubric=lab.rubric(more="gates: [{max_words: 2}]\n"))
    assert done.summary.gated == 6
    assert done.summary.usage.calls == 6
    assert done.summary.usage.cost_usd == pytest.approx(6 * 0.00012)


async def test_results_survive_the_store_and_tell_what_was_produced(lab: Lab) -> None:
    """Stored and read again they are equal; the JSON holds the output, which nobody has elsewhere."""
    lab.server.script([Text("Of grade 5."), writes, Status(500)], default=writes)
    done = await run(lab, ROWS[:2], concurrency=1)
    kept = results(lab, done)
    for result in kept:
        again = result_from_data(json.loads(json.dumps(result_to_data(result))), result.rubric)
        assert again == result
    good, bad = (result_as_dict(result)["produced"] for result in kept)
    assert (good["output"], good["failure"], good["usage"]["calls"]) == ("Of grade 5.", None, 1)
    assert (bad["output"], bad["failure"]["kind"]) == (None, "transport")
    assert "produced" in run_as_dict(done.record, done.summary, kept)["results"][0]
    given = await lab.run(lab.dataset(1, name="given"))
    assert "produced" not in result_as_dict(results(lab, given)[0])


async def test_one_case_can_be_evaluated_outside_of_a_run() -> None:
    """Its production can be handed in, so that an output is judged again as it is."""

    class Echo:
        """Writes the input down."""

        async def produce(self, case: Case) -> Produced:
            return Produced(output=case.input.upper())

        def describe(self) -> Mapping[str, Any]:
            return {"echo": 1}

        def plan(self, case: Case) -> tuple[PlannedCalls, str]:
            return PlannedCalls(), case.input

        async def aclose(self) -> None:
            return

    rubric = Rubric.parse("rubric: r/v1\nabout: Is it good?\ncriteria: {clear: Is it clear}\n")
    judge = ScriptedJudge({"clear": 4.0})
    case = Case(id="a", input="text")
    result = await evaluate_produced(case, Echo(), rubric, judge)
    assert (result.case.output, result.status) == ("TEXT", "scored")
    handed = await evaluate_produced(case, Echo(), rubric, judge, produced=Produced(output="GIVEN"))
    assert (handed.case.output, handed.produced) == ("GIVEN", Produced(output="GIVEN"))
    lost = Produced(failure=Failure(kind="crashed", detail="exit status 1"), usage=Usage(calls=1))
    failed = await evaluate_produced(case, Echo(), rubric, judge, produced=lost)
    assert (failed.status, failed.produced) == ("unscored", lost)
    assert failed.verdict is not None
    assert failed.verdict.failures["clear"].detail == "crashed: exit status 1"


# -- resuming ----------------------------------------------------------------------------------------------------


async def test_a_run_that_was_stopped_goes_on_and_pays_nothing_twice(lab: Lab) -> None:
    """Whatever call the budget ends with, all that was answered is answered once."""
    lab.server.script(default=writes)
    for limit in (1, 2, 3, 4):
        assert (await run(lab, max_calls=limit, concurrency=1)).record.status == "stopped"
    done = await run(lab, concurrency=1)
    assert done.record.status == "finished"
    assert len({record.id for record in lab.store.runs()}) == 1
    assert done.summary.scored == 6
    assert asked(lab) == (6, 6)


async def test_a_fault_amid_a_run_loses_nothing(lab: Lab) -> None:
    """Where the key is refused after some cases, the next start asks only for the rest."""
    lab.server.script([writes] * 5 + [Status(401)], default=writes)
    with pytest.raises(JudgeUnavailableError):
        await run(lab, concurrency=1)
    done = await run(lab, concurrency=1)
    assert done.reused == 2
    assert asked(lab)[0] + asked(lab)[1] == 12 + 1


async def test_what_was_produced_is_not_produced_again_to_be_judged(lab: Lab, tmp_path: Path) -> None:
    """A resumed run judges the output that an earlier process had from a command, and runs it no second time."""
    (tmp_path / "run.py").write_text("open('runs', 'a').write('x'); print('Of grade 5.')")
    lab.server.script([AutoJudge(integers=grade), Status(500), Status(500), Status(401)], default=writes)
    with pytest.raises(JudgeUnavailableError):
        await run(lab, producer=CommandProducer([sys.executable, "run.py"], folder=tmp_path), concurrency=1)
    done = await run(lab, producer=CommandProducer([sys.executable, "run.py"], folder=tmp_path), concurrency=1)
    assert done.summary.scored == 6
    assert (tmp_path / "runs").read_text() == "x" * (6 + 1)  # the case whose judging raised is not in the store


async def test_a_case_that_could_not_be_produced_is_tried_again(lab: Lab) -> None:
    """A failure is not what a resumed run keeps."""
    lab.server.script([Status(500), Status(500), writes, writes, Status(401)], default=writes)
    with pytest.raises(JudgeUnavailableError):
        await run(lab, concurrency=1)
    done = await run(lab, concurrency=1)
    assert (done.summary.scored, done.reused) == (6, 1)


@pytest.mark.parametrize("other", ["prompt", "model", "none", "file"])
async def test_only_an_equal_producer_takes_a_run_up(lab: Lab, tmp_path: Path, other: str) -> None:
    """Another prompt, model or program is another run."""
    lab.server.script(default=writes)
    script = tmp_path / "run.py"
    script.write_text("print('Of grade 5.')")
    command = CommandProducer([sys.executable, "run.py"], folder=tmp_path)
    rows = [{**row, "output": "Of grade 2."} for row in ROWS]
    first = await run(lab, rows, producer=command if other == "file" else writer(lab), max_calls=3, concurrency=1)
    script.write_text("print('Of grade 4.')")
    second: Any = {
        "prompt": writer(lab, "Please do {input}"),
        "model": writer(lab, model="openai/other"),
        "none": None,
        "file": CommandProducer([sys.executable, "run.py"], folder=tmp_path),
    }[other]
    if second is None:
        done = await lab.run(lab.dataset(rows), judge=lab.judge(price=PRICE))
    else:
        done = await run(lab, rows, producer=second)
    assert first.record.status == "stopped"
    assert done.record.id != first.record.id
    assert done.record.fingerprint == first.record.fingerprint
    assert done.reused == 0


async def test_another_pass_is_produced_anew(lab: Lab) -> None:
    """Repeating a run on purpose asks producer and judge again."""
    lab.server.script(default=writes)
    await run(lab)
    await run(lab, sample=1)
    assert asked(lab) == (12, 12)
    await run(lab, use_cache=False)
    assert asked(lab) == (18, 18)


# -- limits and plans --------------------------------------------------------------------------------------------


async def test_money_ends_production_as_it_ends_judging(lab: Lab) -> None:
    """What the producer asks is reserved and counted; the run stops below its limit."""
    lab.server.script(default=writes)
    done = await run(lab, max_usd=0.012, concurrency=1)
    assert done.record.status == "stopped"
    assert "budget" in done.record.note
    assert 0 < asked(lab)[0] < 6
    assert (done.summary.usage.cost_usd or 0) <= 0.012


async def test_a_limit_in_dollars_needs_the_price_of_the_producer(lab: Lab) -> None:
    """It is refused before anything is asked."""
    with pytest.raises(UsageError, match="that of the one that writes is not known"):
        await run(lab, producer=writer(lab, price=None), max_usd=1.0)
    assert lab.sent == []


async def test_calls_of_producer_and_judge_share_one_limit(lab: Lab) -> None:
    """No more are open at once than the run allows."""
    lab.server.script(default=writes)
    await run(lab, [{"id": f"c{n}", "input": f"Case {n}."} for n in range(30)], concurrency=3)
    assert lab.server.max_in_flight <= 3


async def test_a_plan_counts_both_and_is_exact_once_outputs_are_there(lab: Lab) -> None:
    """Before, an output is taken to be as long as it may be; afterwards all is in the cache."""
    lab.server.script(default=writes)
    data, rubric, producer, judge = lab.dataset(ROWS), lab.rubric(), writer(lab), lab.judge(price=PRICE)
    before = plan_dataset(data, rubric, judge, store=lab.store, producer=producer)
    assert (before.cases, before.without_output, before.calls.calls, before.calls.cached) == (6, 0, 12, 0)
    done = await run(lab)
    assert before.calls.worst_usd is not None
    assert before.calls.worst_usd >= (done.summary.usage.cost_usd or 0.0)
    assert before.calls.prompt_tokens >= done.summary.usage.prompt_tokens
    after = plan_dataset(data, rubric, judge, store=lab.store, producer=producer)
    assert (after.calls.calls, after.calls.cached, after.calls.most_calls, after.calls.worst_usd) == (12, 12, 0, 0.0)
    unpriced = plan_dataset(data, rubric, judge, store=lab.store, producer=writer(lab, "Else", price=None))
    assert unpriced.calls.worst_usd is None
