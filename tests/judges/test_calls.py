from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.errors import UsageError
from tenward.evaluation import Store
from tenward.judges import Budget, Calls, Limiter, Price, Usage, lend_calls, refusals
from tenward.judges._calls import call_key, digest, prompt_tokens_at_most
from tenward.judges._retry import CallFailedError, Deadline
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, Garbage, Hang, Json, Logprobs, Refusal, Status, StubServer, Text, Truncated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenward.testing import Reply, Request
    from tests.judges.conftest import Bench

PRICE = Price(input=1.0, output=2.0)
CASE = Case(id="x", output="def answer(): return 42", input="Write it.", references=("return 42",), context="Python.")
RUBRIC = (
    "rubric: test/v1\nabout: Is it good?\nscale: [1, 5]\ncriteria:\n"
    "  clarity: {ask: Is it clear, weight: 2, levels: {1: in the dark, 5: in the light}}\n  tests: Is it tested\n"
)


class StatusError(Exception):
    """An error answer, as the SDKs raise them."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


class LibraryError(Exception):
    """What a library wraps around it."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Yield an empty store, which is the cache."""
    with Store(tmp_path / "store.sqlite") as kept:
        yield kept


# -- budget ------------------------------------------------------------------------------------------------------


@given(
    st.floats(0, 0.01),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000), st.floats(0, 1), st.booleans()), max_size=30),
)
def test_money_is_reserved_before_and_settled_after(limit: float, calls: list[tuple[int, int, float, bool]]) -> None:
    """Whatever is open at once and in whatever order it ends: never beyond the limit, and what was billed adds up."""
    budget = Budget(max_usd=limit)
    billed = 0.0
    made = 0
    opened = ExitStack()
    for prompt, completion, share, ends_at_once in calls:
        worst = budget.worst_usd(prompt, completion, PRICE)
        with suppress(CallFailedError):
            left = budget.left_usd
            assert left is not None
            call = ExitStack()
            took = call.enter_context(budget.reserve(prompt, completion, PRICE, free=False))
            assert left + 1e-12 >= worst
            took.append(Usage(calls=1, cost_usd=share * worst))
            billed += share * worst
            made += 1
            opened.push(call.pop_all())
            if ends_at_once:
                opened.close()
        assert budget.spent_usd <= limit + 1e-12
        assert (budget.left_usd or 0) >= 0
    opened.close()
    assert budget.spent_usd == pytest.approx(billed)
    assert budget.calls == made
    assert budget.left_usd == pytest.approx(limit - billed, abs=1e-12)
    assert budget.exhausted == (made < len(calls))


@given(st.integers(0, 5), st.integers(0, 12))
def test_calls_are_counted_whether_they_succeed_or_not(limit: int, wanted: int) -> None:
    """A limit on calls lets exactly so many through, failed ones included, and refuses the rest."""
    budget = Budget(max_calls=limit)
    for number in range(wanted):
        with ExitStack() as ending:
            if number >= limit:
                ending.enter_context(pytest.raises(CallFailedError, match=f"budget: all {limit} calls are used"))
            elif number % 2:
                ending.enter_context(pytest.raises(StatusError))
            ending.enter_context(budget.reserve(10, 10, None, free=False))
            if number % 2:
                raise StatusError(500)
    assert budget.calls == min(limit, wanted)
    assert budget.exhausted == (wanted > limit)
    assert budget.left_usd is None


@pytest.mark.parametrize(
    ("ending", "billed"),
    [
        (StatusError(500), 0.0),
        (StatusError(429), 0.0),
        (StatusError(200), 0.003),
        (TimeoutError(), 0.003),
        (asyncio.CancelledError(), 0.003),
        (Usage(calls=1, cost_usd=0.001), 0.001),
        (Usage(calls=1, cost_usd=None), 0.003),
    ],
    ids=["500", "429", "200 and noise", "time-out", "cancelled", "answered", "answered without a count"],
)
def test_what_a_call_is_billed(ending: BaseException | Usage, billed: float) -> None:
    """An error status costs nothing; what may have been billed, with nobody to say how much, counts at its worst."""
    budget = Budget(max_usd=1)
    with suppress(BaseException), budget.reserve(1000, 1000, PRICE, free=False) as took:
        if isinstance(ending, Usage):
            took.append(ending)
        elif isinstance(ending, Exception):
            raise LibraryError from ending
        else:
            raise ending
    assert budget.spent_usd == pytest.approx(billed)
    assert budget.left_usd == pytest.approx(1 - billed)


def test_a_limit_that_is_no_number_is_refused() -> None:
    """No sum is ever beyond ``nan``, so as a limit it would let everything through."""
    with pytest.raises(UsageError, match="max_usd: found nan"):
        Budget(max_usd=float("nan"))


def test_a_limit_in_dollars_needs_a_price() -> None:
    """Without one there is nothing to reserve: wrong usage; what is free needs none."""
    budget = Budget(max_usd=1)
    with pytest.raises(UsageError, match="needs the price") as caught, budget.reserve(1, 1, None, free=False):
        pytest.fail("the call must not be made")
    assert "price: {input: …, output: …}" in caught.value.hint
    with budget.reserve(10**9, 10**9, None, free=True) as took:
        took.append(Usage(calls=1))
    assert (budget.calls, budget.spent_usd) == (1, 0)


async def test_a_refusal_is_told_to_the_case_it_hit() -> None:
    """Each of two cases at once hears of its own refusals, from the tasks it starts as well, and of no others."""
    budget = Budget(max_calls=1)

    async def call() -> None:
        with suppress(CallFailedError), budget.reserve(1, 1, None, free=False):
            await asyncio.sleep(0)

    async def case(calls: int) -> int:
        with refusals() as refused:
            await asyncio.gather(*(call() for _ in range(calls)))
        return len(refused)

    assert list(await asyncio.gather(case(1), case(2), case(0))) == [0, 2, 0]


@given(st.text(), st.text())
def test_a_prompt_never_has_more_tokens_than_the_bound(system: str, user: str) -> None:
    """One token per byte is what a tokenizer needs at most; template and schema come on top."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    size = len((system + user).encode("utf-8", "surrogatepass"))
    assert prompt_tokens_at_most(messages) > size
    assert prompt_tokens_at_most(messages, schema_bytes=100) == prompt_tokens_at_most(messages) + 100


@pytest.mark.parametrize("read", ["stated", "distribution"])
async def test_the_limit_in_dollars_holds_for_what_the_endpoint_counts(bench: Bench, read: str) -> None:
    """Sixteen cases at once: what the endpoint reports never exceeds the limit, in text that is dense with tokens."""

    def dense(request: Request) -> Reply:
        size = len(request.text().encode()) + len(json.dumps(request.schema or {}))
        if read == "distribution":
            return Logprobs({"4": 1.0})
        return Json(bench.answer(), usage=(size, 64))

    bench.server.script(default=dense)
    budget = Budget(max_usd=0.05)
    with lend_calls(Calls(budget=budget, limiter=Limiter(16))):
        cases = [Case(id=str(n), output="return 41 + 1 🫠 1234567890 " * 20) for n in range(16)]
        verdicts = await asyncio.gather(
            *(bench.ask(case, read=read, max_tokens=64, price={"input": 8, "output": 8}) for case in cases)
        )
    spent = sum(verdict.usage.cost_usd or 0 for verdict in verdicts)
    assert 0.01 < spent <= 0.05
    assert budget.spent_usd == pytest.approx(spent)
    kinds = {failure.kind for verdict in verdicts for failure in verdict.failures.values()}
    assert kinds == {"budget"}
    assert budget.calls == len(bench.server.requests)


@pytest.mark.parametrize("reply", [Status(500), Garbage(), Hang()], ids=["500", "garbage", "hang"])
async def test_a_call_that_failed_is_billed_only_if_it_may_have_been(bench: Bench, reply: Reply) -> None:
    """Over HTTP as well: an error status is free, noise after status 200 and silence are not."""
    bench.server.script(default=reply)
    budget = Budget(max_usd=1)
    with lend_calls(Calls(budget=budget)):
        verdict = await bench.ask(retries=0, timeout=0.3, price={"input": 1, "output": 1})
    assert {failure.kind for failure in verdict.failures.values()} <= {"transport", "timeout"}
    assert (budget.spent_usd > 0) == (not isinstance(reply, Status))


async def test_an_endpoint_that_counts_no_tokens_leaves_the_cost_unknown(bench: Bench) -> None:
    """The price is known, the amount is not: unknown, not 0; and the budget counts the worst."""
    bench.server.script(default=Json(bench.answer(), usage=(0, 0)))
    budget = Budget(max_usd=1)
    with lend_calls(Calls(budget=budget)):
        verdict = await bench.ask(price={"input": 1, "output": 1})
    assert verdict.usage.cost_usd is None
    assert budget.spent_usd > 0.004


# -- limiter -----------------------------------------------------------------------------------------------------


async def hold(limiter: Limiter, calls: int, seconds: float = 0.01) -> int:
    """Hold ``calls`` slots, each for a moment; return how many were held at once."""
    now = most = 0

    async def one() -> None:
        nonlocal now, most
        async with limiter.slot(Deadline(seconds=10)):
            now += 1
            most = max(most, now)
            await asyncio.sleep(seconds)
            now -= 1

    await asyncio.gather(*(one() for _ in range(calls)))
    return most


@pytest.mark.parametrize("most", [1, 3, 16])
async def test_no_more_than_the_limit_run_at_once(most: int) -> None:
    """All calls get their turn, and never more than allowed at the same time."""
    assert await hold(Limiter(most), 40, 0.001) == most


async def test_a_rate_limit_halves_and_success_adds_one() -> None:
    """Multiplicative decrease, several complaints within a second being one; additive increase after 20 answers."""
    limiter = Limiter(16)
    limiter.told_to_slow_down(None)
    limiter.told_to_slow_down(None)
    assert limiter.allowed == 8
    assert await hold(limiter, 20, 0.001) == 8
    for _ in range(19):
        limiter.went_well()
    assert limiter.allowed == 8
    limiter.went_well()
    assert limiter.allowed == 9
    for _ in range(1000):
        limiter.went_well()
    assert limiter.allowed == 16


async def test_one_call_is_always_allowed() -> None:
    """Complaints without end lead to one call at a time, never to none."""
    limiter = Limiter(4, start=2)
    for _ in range(6):
        limiter._last_cut = -10.0
        limiter.told_to_slow_down(None)
    assert limiter.allowed == 1
    assert await hold(limiter, 3, 0.001) == 1


async def test_a_retry_after_holds_back_every_call_and_no_deadline() -> None:
    """Calls that were not told to wait do wait, and the wait is not counted against their case."""
    limiter = Limiter(4)
    limiter.told_to_slow_down(0.3)
    deadline = Deadline(seconds=5)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with limiter.slot(deadline):
        assert loop.time() - began >= 0.29
        assert deadline.left > 4.75


async def test_a_waiter_that_gives_up_leaves_its_turn_to_the_next() -> None:
    """The turn was given to a task that is cancelled before it can take it; the one behind it gets it."""
    limiter = Limiter(1)
    got: list[str] = []

    async def wait(name: str) -> None:
        async with limiter.slot(Deadline(seconds=10)):
            got.append(name)

    async with limiter.slot(Deadline(seconds=10)):
        first, second = asyncio.create_task(wait("first")), asyncio.create_task(wait("second"))
        await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.wait_for(second, 5)
    assert got == ["second"]


async def test_a_429_slows_the_whole_run_down(bench: Bench) -> None:
    """Over HTTP: one answer with Retry-After, and no request of any case arrives until it has passed."""
    arrived: list[float] = []
    loop = asyncio.get_running_loop()

    def first_complains(request: Request) -> Reply:
        arrived.append(loop.time())
        return Status(429, retry_after=0.4) if request.index == 0 else AutoJudge()

    bench.server.script(default=first_complains)
    limiter = Limiter(1)
    with lend_calls(Calls(limiter=limiter)):
        verdicts = await asyncio.gather(*(bench.ask(Case(id=str(n), output=f"text {n}")) for n in range(4)))
    assert all(not verdict.failures for verdict in verdicts)
    assert arrived[1] - arrived[0] >= 0.39
    assert len(arrived) == 5


# -- cache -------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4), st.dictionaries(st.text(), JSON, max_size=4))
def test_requests_have_one_key_exactly_if_they_are_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The order of entries does not matter, any other difference does."""

    def written(value: object) -> str:
        return json.dumps(value, sort_keys=True)

    assert call_key(one) == call_key(dict(reversed(one.items())))
    assert (call_key(one) == call_key(other)) == (written(one) == written(other))
    assert (digest(one) == digest(other)) == (written(one) == written(other))


def rubric(old: str = "", new: str = "") -> Rubric:
    """Return the rubric with a part of its text replaced."""
    assert old in RUBRIC
    return Rubric.parse(RUBRIC.replace(old, new, 1))


CHANGES: dict[str, tuple[dict[str, Any], Case, Rubric, str]] = {
    "model": ({"model": "openai/other"}, CASE, rubric(), "model"),
    "temperature": ({"temperature": 0.5}, CASE, rubric(), "sampling"),
    "seed": ({"seed": 1}, CASE, rubric(), "sampling"),
    "tokens": ({"max_tokens": 900}, CASE, rubric(), "sampling"),
    "body": ({"extra_body": {"top_p": 0.5}}, CASE, rubric(), "sampling"),
    "mode in the body": ({"extra_body": {"mode": "fast"}}, CASE, rubric(), "sampling"),
    "mode": ({"mode": "tool_call"}, CASE, rubric(), "sampling"),
    "output": ({}, replace(CASE, output="def answer(): return 43"), rubric(), "output"),
    "input": ({}, replace(CASE, input="Write it, please."), rubric(), "input"),
    "references": ({}, replace(CASE, references=("return 43",)), rubric(), "references"),
    "context": ({}, replace(CASE, context="Python 3."), rubric(), "context"),
    "about": ({}, CASE, rubric("Is it good?", "Is it really good?"), "about"),
    "question": ({}, CASE, rubric("Is it tested", "Is it well tested"), "questions"),
    "level": ({}, CASE, rubric("in the light", "in the sun"), "levels"),
    "scale": ({}, CASE, rubric("[1, 5]", "[0, 5]"), "scale"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("read", ["stated", "distribution"])
async def test_any_change_of_the_request_misses_and_says_why(bench: Bench, store: Store, read: str, name: str) -> None:
    """Equal requests are answered from the cache; one that differs in anything is sent, and the difference named."""
    fields, case, changed, component = CHANGES[name]
    bench.server.script(default=AutoJudge())
    with lend_calls(Calls(cache=store)) as calls:
        before = await bench.ask(CASE, rubric(), read=read)
        sent = len(bench.server.requests)
        assert (calls.hits, calls.misses, calls.missed_for) == (0, sent, {"new": sent})
        again = await bench.ask(CASE, rubric(), read=read)
        assert (calls.hits, len(bench.server.requests)) == (sent, sent)
        assert (again.scores, again.why_not_2_lower) == (before.scores, before.why_not_2_lower)
        assert again.usage == Usage()
    with lend_calls(Calls(cache=store)) as calls:
        await bench.ask(case, changed, read=read, **fields)
    assert calls.misses == len(bench.server.requests) - sent
    if read == "distribution" and name in {"temperature", "seed", "tokens"}:
        assert calls.misses == 0, "one token is read at temperature 0, whatever the file says"
    else:
        assert calls.misses > 0
        assert calls.hits == 0
        assert component in calls.missed_for


async def test_another_endpoint_pass_or_prompt_is_another_call(
    bench: Bench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address counts, so do the number of the pass and the version of our own words."""
    bench.server.script(default=AutoJudge())

    async def reasons(sample: int = 0, **fields: Any) -> dict[str, int]:
        with lend_calls(Calls(cache=store, sample=sample)) as calls:
            await bench.ask(CASE, rubric(), **fields)
        return dict(calls.missed_for)

    assert await reasons() == {"new": 1}
    assert await reasons() == {}
    assert await reasons(sample=1) == {"new": 1}
    with StubServer(default=AutoJudge()) as other:
        assert await reasons(base_url=other.base_url) == {"endpoint": 1}
    for module in ("_connection", "_model_judge"):
        monkeypatch.setattr(f"tenward.judges.{module}.PROMPT_VERSION", "0")
    assert await reasons() == {"endpoint": 1, "prompt": 1}


@pytest.mark.parametrize("read", ["stated", "distribution"])
@pytest.mark.parametrize("damage", ["{", '["another shape"]'])
async def test_a_damaged_answer_in_the_cache_is_asked_for_again(
    bench: Bench, store: Store, tmp_path: Path, read: str, damage: str
) -> None:
    """It is no answer; the new one takes its place, and the verdict is what it was."""
    bench.server.script(default=AutoJudge())
    with lend_calls(Calls(cache=store)):
        verdict = await bench.ask(CASE, rubric(), read=read)
        asked = len(bench.server.requests)
        with closing(sqlite3.connect(tmp_path / "store.sqlite")) as database, database:
            database.execute("UPDATE calls SET answer = ?", (damage,))
        again = await bench.ask(CASE, rubric(), read=read)
        assert len(bench.server.requests) == 2 * asked
        assert again.scores == verdict.scores
        await bench.ask(CASE, rubric(), read=read)
    assert len(bench.server.requests) == 2 * asked


async def test_weights_and_floors_are_no_part_of_a_call(bench: Bench, store: Store) -> None:
    """They are applied after judging, so changing them asks nothing."""
    bench.server.script(default=AutoJudge())
    with lend_calls(Calls(cache=store)) as calls:
        await bench.ask(CASE, rubric())
        heavier = Rubric.parse(
            RUBRIC.replace("weight: 2", "weight: 7, floor: 3")
            + "references: {rouge_l: 1}\nmix: {judge: 0.5, references: 0.5}\n"
        )
        await bench.ask(CASE, heavier)
    assert (calls.hits, calls.misses, len(bench.server.requests)) == (1, 1, 1)


async def test_an_answer_that_leaves_a_criterion_unscored_is_not_kept(bench: Bench, store: Store) -> None:
    """What failed is asked anew by the next run and may succeed then; a score that is there is not paid again."""
    off = Json(bench.answer(clarity={"score": 9}))
    bench.server.script([off, off], default=Json(bench.answer()))  # it insists, and is not asked a third time
    with lend_calls(Calls(cache=store)):
        verdict = await bench.ask()
        assert set(verdict.failures) == {"clarity"}
        assert not (await bench.ask()).failures
        before = len(bench.server.requests)
        assert not (await bench.ask()).failures
    assert len(bench.server.requests) == before


async def test_samples_probes_and_second_tries_are_calls_of_their_own(bench: Bench, store: Store) -> None:
    """None answers for another, and the first time each is asked counts as new."""
    unfit = Json(bench.answer(clarity={"score": 9}))
    bench.server.script([unfit, unfit], default=Json(bench.answer()))
    with lend_calls(Calls(cache=store)) as calls:
        await bench.ask(samples=3, temperature=1.0)
    assert calls.misses == len(bench.server.requests) > 3
    assert set(calls.missed_for) == {"new"}
    bench.server.script(default=Logprobs({"yes": 0.5, "no": 0.5, "3": 0.0}))
    with lend_calls(Calls(cache=store)) as calls:
        await bench.ask(CASE, rubric(), read="distribution", probe="by-form")
    assert set(calls.missed_for) == {"new"}


FAULTS: dict[str, Reply] = {
    "429": Status(429),
    "500": Status(500),
    "hang": Hang(),
    "garbage": Garbage(),
    "no answer": Text("I would rather not say, {"),
    "refusal": Refusal("I cannot help with that."),
    "truncated": Truncated('{"clarity": {"evidence": ["ret'),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_failure_is_kept(bench: Bench, store: Store, fault: str) -> None:
    """What failed is asked again the next time; only answers that could be read are in the cache."""
    bench.server.script(default=FAULTS[fault])
    with lend_calls(Calls(cache=store)) as calls:
        failed = await bench.ask(retries=0, timeout=0.5 if fault == "hang" else 20)
    assert (calls.hits, calls.misses) == (0, 0)
    assert set(failed.failures) == {"clarity", "tests"}
    assert set(failed.scores.values()) == {None}
    bench.server.script(default=AutoJudge())
    with lend_calls(Calls(cache=store)) as calls:
        assert not (await bench.ask()).failures
        assert (calls.hits, calls.misses) == (0, 1)
        assert not (await bench.ask()).failures
        assert (calls.hits, calls.misses) == (1, 1)


@pytest.mark.parametrize("fault", ["429", "500", "hang", "garbage"])
async def test_no_failed_reading_is_kept(bench: Bench, store: Store, fault: str) -> None:
    """The same for distributions: one criterion fails, and it alone is asked again."""
    bench.server.script([FAULTS[fault]], default=AutoJudge())
    with lend_calls(Calls(cache=store)) as calls:
        failed = await bench.ask(read="distribution", retries=0, timeout=0.5 if fault == "hang" else 20)
        assert list(failed.failures) == ["clarity"]
        assert (calls.hits, calls.misses) == (0, 1)
        assert not (await bench.ask(read="distribution")).failures
    assert (calls.hits, calls.misses) == (1, 2)
