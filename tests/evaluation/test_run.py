from __future__ import annotations

import asyncio
import gc
import os
import random
import tracemalloc
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.errors import JudgeUnavailableError, UsageError
from tenward.evaluation import evaluate_case, result_as_dict
from tenward.judges import Failure, Judge, PanelJudge, Verdict
from tenward.testing import AutoJudge, Garbage, Hang, ScriptedJudge, Status
from tests.evaluation.conftest import grade

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenward.evaluation import Progress, Result, Run, Store
    from tenward.judges import Explain
    from tenward.rubrics import Rubric
    from tenward.testing import Reply, Request
    from tests.evaluation.conftest import Lab

PRICE = {"input": 1.0, "output": 2.0}


def numbers(run: Run) -> dict[str, Any]:
    """Return what a run comes to, without what it took; of sums that depend on the order, twelve digits."""

    def rounded(mean: Any) -> Any:
        return None if mean is None else [round(x, 9) if x is not None else None for x in mean.__dict__.values()]

    summary = run.summary
    counts = (summary.cases, summary.scored, summary.unscored, summary.gated, summary.below_floor)
    columns = {name: rounded(mean) for name, mean in {**summary.criteria, **summary.metrics}.items()}
    return {
        "counts": counts,
        "coverage": round(summary.coverage, 9),
        "value": rounded(summary.value),
        "quality": rounded(summary.quality),
        "columns": columns,
        "histogram": summary.quality_counts,
        "failures": summary.failures,
    }


def ids(store: Store, run: Run) -> list[str]:
    """Return the ids of a run's results in the order of the store."""
    return [result.case.id for result in store.results(run.record)]


# -- order and numbers -------------------------------------------------------------------------------------------


async def test_results_stand_in_the_order_of_the_data_set(lab: Lab) -> None:
    """Whatever order cases finish in; the numbers are those of each case, and no more run at once than asked."""
    order: list[str] = []
    slow = random.Random(4)
    delays = [slow.random() * 0.05 for _ in range(40)]

    lab.server._latency = delays.__getitem__

    def finished(progress: Progress, result: Result) -> None:
        order.append(result.case.id)
        assert (progress.done, progress.total, progress.reused) == (len(order), 40, 0)

    run = await lab.run(lab.dataset(40), concurrency=8, on_progress=finished)
    assert order != [f"c{n}" for n in range(40)]
    assert ids(lab.store, run) == [f"c{n}" for n in range(40)]
    assert [result.verdict.scores["clear"] for result in lab.store.results(run.record) if result.verdict] == [
        n % 5 + 1 for n in range(40)
    ]
    assert 2 <= lab.server.max_in_flight <= 8
    assert (run.record.status, run.record.note, run.record.cases, run.reused) == ("finished", "", 40, 0)
    assert run.summary.value is not None
    assert run.summary.value.mean == pytest.approx(0.6)
    assert run.record.seconds > 0


async def test_split_limit_and_pass_choose_what_is_judged(lab: Lab) -> None:
    """A split is judged alone, a limit takes the first, and another pass asks everything again."""
    data = lab.dataset(
        {"id": f"c{n}", "output": f"Text {n}.", "split": "sealed" if n % 3 == 0 else "dev"} for n in range(12)
    )
    sealed = await lab.run(data, split="sealed")
    assert ids(lab.store, sealed) == ["c0", "c3", "c6", "c9"]
    first = await lab.run(data, limit=5)
    assert ids(lab.store, first) == [f"c{n}" for n in range(5)]
    assert first.record.cases == 5
    assert (first.calls.hits, first.calls.misses) == (2, 3)
    assert (await lab.run(data, limit=99)).record.cases == 12
    assert len(lab.sent) == 12
    again = await lab.run(data, sample=1)
    assert (again.calls.hits, len(lab.sent)) == (0, 24)
    fresh = await lab.run(data, use_cache=False)
    assert (fresh.calls.hits, len(lab.sent), dict(fresh.calls.missed_for)) == (0, 36, {"cache": 12})
    kept = await lab.run(data)
    assert (kept.calls.hits, len(lab.sent)) == (12, 36)


# -- faults ------------------------------------------------------------------------------------------------------


class Faulty:
    """Answers as a model that now and then does not; the same faults at the same requests for the same seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.failed: dict[bytes, str] = {}

    def __call__(self, request: Request) -> Reply:
        """Return an answer or a fault, and note which."""
        roll = self._dice.random()
        if roll < 0.10:
            self.failed[request.raw] = "rate_limited"
            return Status(429, retry_after=0.05 if roll < 0.05 else None)
        if roll < 0.15:
            self.failed[request.raw] = "transport"
            return Status(500)
        if roll < 0.17:
            self.failed[request.raw] = "timeout"
            return Hang()
        if roll < 0.19:
            self.failed[request.raw] = "transport"
            return Garbage()
        return AutoJudge(integers=grade)


async def test_a_faulty_endpoint_costs_cases_and_never_gives_a_number(lab: Lab) -> None:
    """429, 500, silence and noise: the run completes, each fault is counted as what it was, and none as a score.

    None is kept: the next run asks exactly those again, and comes to the numbers of an undisturbed one.
    """
    data, faulty = lab.dataset(150), Faulty(5)
    lab.server.script(default=faulty)
    run = await lab.run(data, judge=lab.judge(timeout=2))
    classes = Counter(faulty.failed.values())
    assert set(classes) == {"rate_limited", "transport", "timeout"}
    assert run.record.status == "finished"
    assert run.summary.failures == {kind: 2 * count for kind, count in classes.items()}
    assert run.summary.unscored == len(faulty.failed) == 150 - run.summary.scored
    assert run.summary.coverage == pytest.approx(1 - len(faulty.failed) / 150)
    for number, result in lab.store.numbered_results(run.record):
        assert result.verdict is not None
        assert set(result.verdict.scores.values()) in ({None}, {number % 5 + 1})
    sent = lab.sent
    assert len(sent) == 150
    lab.server.script(default=AutoJudge(integers=grade))
    healed = await lab.run(data)
    assert sorted(lab.sent[150:]) == sorted(faulty.failed)
    assert healed.record.id != run.record.id
    assert numbers(healed) == numbers(await lab.run(data, sample=1))
    assert healed.summary.coverage == 1


async def test_retries_get_over_the_same_faults(lab: Lab) -> None:
    """With a few more tries the same endpoint scores every case, and slows the run down meanwhile."""
    data, faulty = lab.dataset(60), Faulty(6)
    lab.server.script(default=faulty)
    run = await lab.run(data, judge=lab.judge(timeout=2, retries=6))
    assert faulty.failed
    assert (run.summary.scored, run.summary.coverage, run.summary.failures) == (60, 1, {})
    assert run.calls.limiter is not None
    assert run.calls.limiter.allowed < 16


async def test_a_systemic_fault_stops_the_run_and_loses_nothing(lab: Lab) -> None:
    """The key is refused half-way: the error is raised, what was judged is kept, and the run goes on later."""
    lab.server.script([AutoJudge(integers=grade)] * 10, default=Status(401))
    data = lab.dataset(30)
    with pytest.raises(JudgeUnavailableError, match="refused the key"):
        await lab.run(data, concurrency=4)
    (record,) = lab.store.runs()
    assert record.status == "stopped"
    assert record.note.startswith("JudgeUnavailableError: http")
    before = lab.sent
    lab.server.script(default=AutoJudge(integers=grade))
    run = await lab.run(data, concurrency=4)
    assert (run.record.id, run.record.status, run.record.note) == (record.id, "finished", "")
    assert run.reused + run.calls.hits >= 7
    assert run.summary.scored == 30
    answered = set(before[:10])
    assert len(answered & set(lab.sent[len(before) :])) <= 3, "only those in flight when it stopped"
    assert numbers(run) == numbers(await lab.run(data, sample=1))


async def test_a_judge_that_breaks_is_passed_on(lab: Lab) -> None:
    """An exception without a word, from a judge of one's own: it is raised as it is, and the run can go on."""

    class Broken(ScriptedJudge):
        async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
            if case.id == "c3":
                raise ValueError
            return await super().judge(case, rubric, explain=explain)

    with pytest.raises(ValueError, match=r"^$"):
        await lab.run(lab.dataset(6), judge=Broken({"clear": 3, "kind": 3}), concurrency=1)
    (record,) = lab.store.runs()
    assert (record.status, record.note) == ("stopped", "ValueError: ")
    run = await lab.run(lab.dataset(6), judge=ScriptedJudge({"clear": 3, "kind": 3}))
    assert (run.record.id, run.reused, run.summary.scored) == (record.id, 3, 6)


# -- resumption --------------------------------------------------------------------------------------------------


async def test_a_cancelled_run_goes_on_where_it_ended(lab: Lab) -> None:
    """Cancelled twice at random moments: the same run, the same numbers, and no answer that was kept is asked again."""
    data, lab.server._latency = lab.dataset(40), 0.02
    moments = random.Random()
    kept: set[bytes] = set()
    done: set[str] = set()
    for _ in range(2):
        sent = len(lab.sent)
        task = asyncio.create_task(lab.run(data, concurrency=4))
        await asyncio.to_thread(lab.server.wait_for_requests, sent + moments.randint(6, 12))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert kept.isdisjoint(lab.sent[sent:])
        (record,) = lab.store.runs()
        assert (record.status, record.note) == ("stopped", "interrupted")
        done = {result.case.output for result in lab.store.results(record)}
        kept |= {body for body in lab.sent if any(output in body.decode() for output in done)}
        assert kept
    sent = len(lab.sent)
    run = await lab.run(data, concurrency=4)
    assert (run.record.status, run.reused, len(lab.store.runs())) == ("finished", len(done), 1)
    assert kept.isdisjoint(lab.sent[sent:])
    assert len(set(lab.sent)) == 40
    assert len(lab.sent) <= 40 + 2 * 4
    assert numbers(run) == numbers(await lab.run(data, sample=1))


async def test_a_run_that_goes_on_judges_its_unscored_cases_again(lab: Lab) -> None:
    """They are in the store as unscored; taken up, the run gives them another chance and counts them once."""
    lab.server.script([Status(500)] * 3, default=AutoJudge(integers=grade))
    data = lab.dataset(10)
    first = await lab.run(data, concurrency=1, max_calls=6)
    assert (first.summary.scored, first.summary.unscored) == (3, 3)
    second = await lab.run(data, concurrency=1)
    assert second.record.id == first.record.id
    assert (second.reused, second.summary.scored, second.summary.unscored) == (3, 10, 0)
    assert ids(lab.store, second) == [f"c{n}" for n in range(10)]
    assert len(lab.sent) == 13


async def test_two_runs_share_a_store(lab: Lab) -> None:
    """At the same time, in one process, under different rubrics: each has its own results and numbers."""
    data, other = lab.dataset(20), lab.rubric("Is it clear", "Is it clear enough")
    one, two = await asyncio.gather(lab.run(data), lab.run(data, other))
    assert one.record.id != two.record.id
    assert ids(lab.store, one) == ids(lab.store, two) == [f"c{n}" for n in range(20)]
    assert len(set(lab.sent)) == len(lab.sent) == 40


# -- what is judged again ----------------------------------------------------------------------------------------

SAME: dict[str, Callable[[Lab], Rubric]] = {
    "weights": lambda lab: lab.rubric("weight: 60", "weight: 10"),
    "floor": lambda lab: lab.rubric("weight: 60", "weight: 60, floor: 3"),
    "mix": lambda lab: lab.rubric(more="references: {rouge_l: 1}\nmix: {judge: 0.5, references: 0.5}\n"),
    "range": lambda lab: lab.rubric(more="normalize: range\n"),
    "gates": lambda lab: lab.rubric(more="gates: [{max_words: 3}]\n"),
}
CHANGED: dict[str, tuple[Callable[[Lab], Rubric], dict[str, Any], str]] = {
    "level": (lambda lab: lab.rubric("in the dark", "in the fog"), {}, "levels"),
    "question": (lambda lab: lab.rubric("Is it clear", "How clear is it"), {}, "questions"),
    "temperature": (lambda lab: lab.rubric(), {"temperature": 0.7}, "sampling"),
    "model": (lambda lab: lab.rubric(), {"model": "openai/another"}, "model"),
}


def uneven(request: Request, path: str) -> int:
    """Return the grade of the text for clearness, and always 2 for kindness."""
    return 2 if path.startswith("kind") else grade(request, path)


@pytest.mark.parametrize("name", SAME)
async def test_what_is_applied_after_judging_asks_nothing(lab: Lab, name: str) -> None:
    """Weights, floors, mix and gates change: a new run with new numbers, and not one request."""
    lab.server.script(default=AutoJudge(integers=uneven))
    rows = [{"id": f"c{n}", "output": f"Text of grade {n}.", "references": ["Text of grade."]} for n in range(1, 6)]
    data, rubric = lab.dataset(rows), SAME[name](lab)
    before = await lab.run(data)
    sent = len(lab.sent)
    after = await lab.run(data, rubric)
    assert len(lab.sent) == sent
    assert after.record.id != before.record.id
    assert numbers(after) != numbers(before)
    if name == "weights":
        expected = sum((0.2 * n + 0.8 * 2) / 5 for n in range(1, 6)) / 5
        assert after.summary.value is not None
        assert after.summary.value.mean == pytest.approx(expected)
    if name == "floor":
        assert (before.summary.below_floor, after.summary.below_floor) == (0, 2)


@pytest.mark.parametrize("name", CHANGED)
async def test_what_is_asked_is_judged_again(lab: Lab, name: str) -> None:
    """A level, a question, the temperature or the model changes: every case is asked again, and it is said why."""
    make, fields, component = CHANGED[name]
    data = lab.dataset(5)
    before = await lab.run(data)
    assert dict(before.calls.missed_for) == {"new": 5}
    after = await lab.run(data, make(lab), lab.judge(**fields))
    assert (after.calls.hits, len(lab.sent)) == (0, 10)
    assert after.calls.missed_for[component] == 5
    assert after.record.fingerprint != before.record.fingerprint


# -- budget ------------------------------------------------------------------------------------------------------


async def test_a_limit_on_calls_holds_with_many_at_once(lab: Lab) -> None:
    """Sixteen at once make exactly so many calls as allowed, each start anew, until the run is complete."""
    data = lab.dataset(40)
    for start in (1, 2):
        run = await lab.run(data, max_calls=15)
        assert (run.record.status, run.record.note) == ("stopped", "budget: all 15 calls are used")
        assert len(lab.sent) == run.summary.scored == 15 * start
    run = await lab.run(data, max_calls=15)
    assert (run.record.status, len(lab.store.runs()), run.summary.scored) == ("finished", 1, 40)
    assert len(lab.sent) == len(set(lab.sent)) == 40
    assert numbers(run) == numbers(await lab.run(data, sample=1))


async def test_a_limit_in_dollars_holds_with_many_at_once(lab: Lab) -> None:
    """What the run has cost never exceeds the limit of any start, and it completes in the end."""
    data, limit = lab.dataset(40), 0.02
    status, spent, starts = "", 0.0, 0
    while status != "finished":
        run = await lab.run(data, judge=lab.judge(price=PRICE, max_tokens=400), max_usd=limit)
        cost, status, starts = run.summary.usage.cost_usd, run.record.status, starts + 1
        assert cost is not None
        assert 0 < cost - spent <= limit
        assert status == "finished" or "budget: the next call may cost $" in run.record.note
        spent = cost
    assert starts > 1
    assert len(lab.sent) == len(set(lab.sent)) == 40
    run = await lab.run(data, judge=lab.judge(price=PRICE, max_tokens=400))
    again = await lab.run(data, judge=lab.judge(price=PRICE, max_tokens=400), sample=1)
    assert numbers(run) == numbers(again)


PARTIAL: dict[str, Callable[[Lab], Judge]] = {
    "samples": lambda lab: lab.judge(samples=3, temperature=1.0),
    "one by one": lambda lab: lab.judge(ask="one-by-one"),
    "explained": lambda lab: lab.judge(read="distribution", explain="model"),
    "panel": lambda lab: PanelJudge("p/v1", [(lab.judge(), 1), (lab.judge(judge="b/v1", model="openai/b"), 1)]),
}


@pytest.mark.parametrize("name", PARTIAL)
async def test_half_a_verdict_is_no_result(lab: Lab, name: str) -> None:
    """The budget ends between the calls of one verdict: the rest of it never passes for the whole."""
    lab.server.script(default=AutoJudge())
    data, rubric = lab.dataset(6), lab.rubric(more="min_coverage: 0.1\n")
    run = await lab.run(data, rubric, PARTIAL[name](lab), explain=True, max_calls=2, concurrency=3)
    while run.record.status != "finished":
        sent = len(lab.sent)
        run = await lab.run(data, rubric, PARTIAL[name](lab), explain=True, max_calls=2, concurrency=3)
        assert 0 < len(lab.sent) - sent <= 2
    sent = len(lab.sent)
    assert sent == len({*lab.sent}) or name == "samples"
    undisturbed = await lab.run(data, rubric, PARTIAL[name](lab), explain=True)
    assert len(lab.sent) == sent, "all of it was kept"
    assert numbers(run) == numbers(undisturbed)
    assert (run.summary.scored, run.summary.failures) == (6, {})
    for result in lab.store.results(run.record):
        assert result.verdict is not None
        assert result.verdict.words_failure is None


async def test_a_limit_in_dollars_without_a_price_is_wrong_usage(lab: Lab) -> None:
    """Of a judge, of one member of a panel, of a judge made in Python: nothing is sent and no run begins."""
    unpriced = lab.judge(judge="b/v1")
    panel = PanelJudge("panel/v1", [(lab.judge(price=PRICE), 1), (unpriced, 1)])
    for judge in (unpriced, panel, ScriptedJudge({"clear": 3, "kind": 3})):
        with pytest.raises(UsageError, match=f"the judge {judge.name} does not know it") as caught:
            await lab.run(lab.dataset(5), judge=judge, max_usd=1.0)
        assert "price: {input: …, output: …}" in caught.value.hint
    assert lab.sent == []
    assert lab.store.runs() == []
    run = await lab.run(lab.dataset(5), judge=unpriced)
    assert run.summary.usage.cost_usd is None


# -- data sets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"id": "c29"', r"cases.jsonl:30: found invalid JSON"),
        ('{"id": "c3", "output": "x"}', r"cases.jsonl:30: id: found 'c3', expected an id that no other case has"),
        ('{"id": "c29", "output": 5}', r"cases.jsonl:30: output: found 5"),
        ('{"id": "c29", "input": "x"}', r"cases.jsonl: found 1 of 40 cases without an output.*'c29'"),
        ('{"id": "c29", "output": " \\n"}', r"cases.jsonl: found 1 of 40 cases without an output.*'c29'"),
    ],
    ids=["json", "twice", "number", "none", "blank"],
)
async def test_a_fault_in_the_data_is_found_before_anything_is_asked(lab: Lab, line: str, found: str) -> None:
    """It is wrong usage that names the place, nothing is sent and no run begins; the mended file is another run."""
    data = lab.dataset(40)
    lines = data.path.read_text().splitlines()
    whole = await lab.run(lab.dataset(40, "whole"))
    sent = len(lab.sent)
    data.path.write_text("\n".join([*lines[:29], line, *lines[30:]]))
    with pytest.raises(UsageError, match=found):
        await lab.run(data)
    assert len(lab.sent) == sent
    assert [record.id for record in lab.store.runs()] == [whole.record.id]
    data.path.write_text("\n".join(lines))
    mended = await lab.run(data)
    assert (mended.record.status, mended.summary.scored, len(lab.sent)) == ("finished", 40, sent)


async def test_a_run_without_cases_is_wrong_usage(lab: Lab) -> None:
    """An empty file, and a split without cases."""
    with pytest.raises(UsageError, match="a file without cases"):
        await lab.run(lab.dataset([]))
    with pytest.raises(UsageError, match=r"cases.jsonl: found no case in the split sealed") as caught:
        await lab.run(lab.dataset(3), split="sealed")
    assert "--split" in caught.value.hint
    assert lab.store.runs() == []


async def test_data_that_changes_make_another_run(lab: Lab) -> None:
    """A case is edited after a run was stopped: what is unchanged comes from the cache, the run is new."""
    data = lab.dataset(10)
    stopped = await lab.run(data, max_calls=5, concurrency=1)
    data.path.write_text(data.path.read_text().replace("Text 2,", "Text two,"))
    run = await lab.run(data)
    assert run.record.id != stopped.record.id
    assert (run.reused, run.calls.hits, run.calls.misses) == (0, 4, 6)
    assert run.calls.missed_for == {"new": 5, "output": 1}


# -- panels, gates, references -----------------------------------------------------------------------------------


async def test_a_panel_runs_as_one_judge(lab: Lab) -> None:
    """Every member is asked, their scores are averaged by weight, calls and cost are added up."""

    def by_model(request: Request, path: str) -> int:
        return 5 if request.body["model"] == "b" else grade(request, path)

    lab.server.script(default=AutoJudge(integers=by_model))
    panel = PanelJudge("panel/v1", [(lab.judge(), 1), (lab.judge(judge="b/v1", model="openai/b"), 3)])
    run = await lab.run(lab.dataset(10), judge=panel)
    assert len(lab.sent) == run.summary.usage.calls == 20
    means = [result.verdict.scores["clear"] for result in lab.store.results(run.record) if result.verdict]
    assert means == [(n % 5 + 1 + 15) / 4 for n in range(10)]
    assert run.record.judge == "panel/v1"
    assert run.record.judge_file["panel"][1]["weight"] == 3
    again = await lab.run(lab.dataset(10), judge=panel)
    assert (again.calls.hits, len(lab.sent), numbers(again)) == (20, 20, numbers(run))


async def test_gated_cases_are_never_asked_about(lab: Lab) -> None:
    """They are counted, in no mean, and reused when the run goes on."""
    rubric = lab.rubric(more="gates: [{max_words: 5}]\n")
    rows = [{"id": f"c{n}", "output": "word " * n} for n in range(1, 11)]
    first = await lab.run(lab.dataset(rows), rubric, max_calls=3, concurrency=1)
    assert first.record.status == "stopped"
    run = await lab.run(lab.dataset(rows), rubric, concurrency=1)
    assert (run.summary.cases, run.summary.scored, run.summary.gated, run.summary.coverage) == (10, 5, 5, 1)
    assert (run.reused, len(lab.sent)) == (3, 5)
    assert [result.status for result in lab.store.results(run.record)] == ["scored"] * 5 + ["gated"] * 5


async def test_references_are_compared_as_for_a_single_case(lab: Lab) -> None:
    """More cases than are computed in this process: the metrics equal those computed here with the same corpus."""
    rows: list[dict[str, Any]] = [
        {"id": f"c{n}", "output": f"a cat {n} sat on mat {n % 3}", "references": [f"the cat {n} sat on a mat"]}
        for n in range(48)
    ]
    rows[7]["references"] = []
    rubric = lab.rubric(more="references: {bm25: 2, rouge_l: 1}\nmix: {judge: 0.5, references: 0.5}\n")
    data, judge = lab.dataset(rows), ScriptedJudge({"clear": 4, "kind": 2})
    run = await lab.run(data, rubric, judge)
    from tenward.metrics import score_references

    corpus = [reference for row in rows for reference in row["references"]]
    for row, result in zip(rows, lab.store.results(run.record), strict=True):
        if not row["references"]:
            assert result.references is None
            continue
        inline = score_references(row["output"], row["references"], rubric.metric_weights, corpus=corpus)
        assert result.references == inline
    assert run.summary.references is not None
    assert run.summary.references.n == 47
    part = await lab.run(data, rubric, judge, limit=3)
    assert [item.references for item in lab.store.results(part.record)] == [
        item.references for _, item in zip(range(3), lab.store.results(run.record), strict=False)
    ]


async def test_a_result_from_the_store_is_the_one_that_was_found(lab: Lab) -> None:
    """A case judged alone, without a store, comes to the same as in a run, for --json and reports."""
    case = Case(id="c1", output="Text 1, of grade 2.")
    judge = lab.judge()
    alone = await evaluate_case(case, lab.rubric(), judge)
    run = await lab.run(lab.dataset(3), judge=judge)
    stored = next(result for result in lab.store.results(run.record) if result.case.id == "c1")
    assert stored.verdict is not None
    assert alone.verdict is not None
    same = replace(alone, verdict=replace(alone.verdict, seconds=stored.verdict.seconds))
    assert stored == same
    assert result_as_dict(stored) == result_as_dict(same)


# -- memory ------------------------------------------------------------------------------------------------------


async def test_memory_does_not_grow_with_the_texts(lab: Lab) -> None:
    """3,000 cases of two thousand characters take at most a few kilobytes each more than 300 do."""
    judge = ScriptedJudge({"clear": 3, "kind": Failure(kind="timeout", detail="x")})
    rubric = lab.rubric(more="min_coverage: 0.5\n")

    def forget(progress: Progress, result: Result) -> None:
        judge.cases.clear()

    async def peak(count: int) -> int:
        data = lab.dataset(({"id": f"c{n}", "output": f"Text {n}. " * 200} for n in range(count)), f"of-{count}")
        gc.collect()
        tracemalloc.start()
        run = await lab.run(data, rubric, judge, on_progress=forget)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert run.summary.scored == count
        return highest

    await peak(20)
    small, large = await peak(300), await peak(3000)
    assert (large - small) / 2700 < 1500


# -- the file while it is read -----------------------------------------------------------------------------------


async def test_a_data_set_that_is_written_to_stops_the_run(lab: Lab) -> None:
    """The results would stand under the digest of another content; what was judged is not paid again."""
    data = lab.dataset(40)

    def write(progress: Progress, result: Result) -> None:
        if progress.done == 5:
            with data.path.open("a", encoding="utf-8") as file:
                file.write('{"id": "late", "output": "It came late, grade 5 work."}\n')

    with pytest.raises(UsageError, match="was changed while its cases were judged") as caught:
        await lab.run(data, concurrency=1, on_progress=write)
    assert "start the command again" in caught.value.hint
    record = lab.store.run("last")
    judged = ids(lab.store, replace(await lab.run(data, concurrency=1), record=record))
    assert record.status == "stopped"
    assert "was changed" in record.note
    assert 5 <= len(judged) < 40
    assert "late" not in judged
    assert len(lab.sent) == 41
    assert lab.store.run("last").dataset_digest != record.dataset_digest


@pytest.mark.parametrize("how", ["touched", "replaced", "removed"])
async def test_a_data_set_that_is_read_as_it_was_does_not_stop_the_run(lab: Lab, how: str) -> None:
    """A new time stamp says nothing, and what was opened stays readable when another file takes its place."""
    data = lab.dataset(20)

    def disturb(progress: Progress, result: Result) -> None:
        if progress.done != 3:
            return
        if how == "touched":
            os.utime(data.path, (1, 1))
        elif how == "replaced":
            other = data.path.with_name("other")
            other.write_text('{"id": "other", "output": "Another text."}\n', encoding="utf-8")
            other.replace(data.path)
        else:
            data.path.unlink()

    run = await lab.run(data, concurrency=2, on_progress=disturb)
    assert run.record.status == "finished"
    assert ids(lab.store, run) == [f"c{n}" for n in range(20)]
