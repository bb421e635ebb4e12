from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.errors import JudgeUnavailableError
from tenward.judges import ModelJudge, verdict_as_dict
from tenward.testing import (
    AutoJudge,
    ContentFilter,
    Cut,
    Garbage,
    Hang,
    Json,
    Logprobs,
    Refusal,
    Status,
    Text,
    Truncated,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.judges import Verdict
    from tenward.testing import Reply
    from tests.judges.conftest import Bench

STATED: dict[str, Any] = {"read": "stated"}
TOOLS: dict[str, Any] = {"read": "stated", "mode": "tool_call"}
DISTRIBUTION: dict[str, Any] = {"read": "distribution"}
READINGS = pytest.mark.parametrize("fields", [STATED, TOOLS, DISTRIBUTION], ids=["stated", "tools", "distribution"])
SECRET = "planted-0123456789-secret"


def kinds(verdict: Verdict) -> set[str]:
    """Return the kinds of failure; every unscored criterion has one, and no scored one does."""
    for item in verdict.criteria:
        assert (item.score is None) == (item.failure is not None)
    return {failure.kind for failure in verdict.failures.values()}


def all_unscored(verdict: Verdict, kind: str) -> bool:
    """Whether no criterion has a number, all for the same kind of reason."""
    return kinds(verdict) == {kind} and set(verdict.scores.values()) == {None}


@READINGS
@pytest.mark.parametrize(
    "fault",
    [
        Status(429, retry_after=0),
        Status(500),
        Status(503),
        Status(408),
        Cut(),
        Garbage(),
        Garbage(b"not JSON"),
        Garbage(b"null"),
        Garbage(b'{"choices": []}'),
        Garbage(b"<html>Welcome to the proxy</html>", content_type="text/html"),
    ],
    ids=["429", "500", "503", "408", "cut", "bytes", "no JSON", "null", "no choices", "html"],
)
async def test_a_passing_fault_is_tried_again(bench: Bench, fault: Reply, fields: dict[str, Any]) -> None:
    """A rate limit, a server's error, a cut line and noise cost one more request and no score."""
    bench.server.script([fault], default=AutoJudge())
    verdict = await bench.ask(**fields)
    assert not verdict.failures
    undisturbed = 2 if fields["read"] == "distribution" else 1
    assert len(bench.server.requests) == undisturbed + 1


@READINGS
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Status(429, retry_after=0), "rate_limited"),
        (Status(500), "transport"),
        (Cut(), "transport"),
        (Garbage(), "transport"),
        (Garbage(b"<html></html>", content_type="text/html"), "transport"),
    ],
    ids=["429", "500", "cut", "bytes", "html"],
)
async def test_a_lasting_fault_leaves_the_case_unscored(
    bench: Bench, fault: Reply, kind: str, fields: dict[str, Any]
) -> None:
    """When the retries are used up, every criterion is unscored and says after how many tries."""
    bench.server.script(default=fault)
    verdict = await bench.ask(**fields)
    assert all_unscored(verdict, kind)
    assert all("2 tries" in failure.detail for failure in verdict.failures.values())
    questions = 2 if fields["read"] == "distribution" else 1
    assert len(bench.server.requests) == 2 * questions


async def test_no_retries_means_one_request(bench: Bench) -> None:
    """With ``retries: 0`` the first fault counts."""
    bench.server.script(default=Status(500))
    assert all_unscored(await bench.ask(retries=0), "transport")
    assert len(bench.server.requests) == 1


async def test_retry_after_is_waited_for(bench: Bench) -> None:
    """A wait that the endpoint asks for and that leaves no time before the deadline ends the case at once."""
    bench.server.script([Status(429, retry_after=25)], default=AutoJudge())
    assert all_unscored(await bench.ask(deadline=20), "rate_limited")
    assert len(bench.server.requests) == 1


async def test_retry_after_outlasts_the_back_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait before the next request is what the endpoint asked for where that is longer than the back-off."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("tenward.judges._retry._FIRST_WAIT", 0.5)
    monkeypatch.setattr("tenward.judges._retry.asyncio.sleep", note)
    bench.server.script([Status(429, retry_after=7), Status(429), Status(503)], default=AutoJudge())
    assert not (await bench.ask(retries=3)).failures
    assert waits[0] == 7
    assert 0.5 <= waits[1] <= 1
    assert 1 <= waits[2] <= 2


@READINGS
async def test_silence_is_a_timeout(bench: Bench, fields: dict[str, Any]) -> None:
    """A call without an answer is given up after ``timeout`` seconds and made again."""
    bench.server.script([Hang()], default=AutoJudge())
    assert not (await bench.ask(timeout=0.3, **fields)).failures
    bench.server.script(default=Hang())
    verdict = await bench.ask(timeout=0.2, retries=0, **fields)
    assert all_unscored(verdict, "timeout")


@READINGS
async def test_the_deadline_ends_a_case(bench: Bench, fields: dict[str, Any]) -> None:
    """However many retries are left, a case ends at its deadline, and its later questions are not asked."""
    bench.server.script(default=Hang())
    verdict = await bench.ask(timeout=20, deadline=0.4, retries=20, **fields)
    assert all_unscored(verdict, "timeout")
    assert len(bench.server.requests) == 1


async def test_a_closed_port_is_a_transport_fault(bench: Bench) -> None:
    """Nobody listens: unscored, and the message names the address and asks for the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    verdict = await bench.ask(base_url=address, retries=0)
    assert all_unscored(verdict, "transport")
    assert f"{address} failed (is the server running?)" in verdict.failures["clarity"].detail


@READINGS
@pytest.mark.parametrize(
    "reply",
    [
        Refusal("I would rather not."),
        ContentFilter(),
        Status(400, code="content_filter", message="The prompt was filtered by the policy."),
    ],
    ids=["refusal", "filter", "filtered prompt"],
)
async def test_a_refusal_costs_one_request(bench: Bench, reply: Reply, fields: dict[str, Any]) -> None:
    """A refusal is neither retried nor asked again, and it is no fault of the judge as a whole."""
    bench.server.script(default=reply)
    verdict = await bench.ask(**fields)
    assert all_unscored(verdict, "refused")
    assert len(bench.server.requests) == (2 if fields["read"] == "distribution" else 1)


@pytest.mark.parametrize("fields", [STATED, TOOLS], ids=["stated", "tools"])
async def test_an_answer_at_the_token_limit_is_truncated(bench: Bench, fields: dict[str, Any]) -> None:
    """Half an answer is none, even where the half could be read; what it took is counted."""
    whole = json.dumps(bench.answer())
    for content in (whole[: len(whole) // 2], whole):
        bench.server.script([Truncated(content)])
        verdict = await bench.ask(**fields)
        assert all_unscored(verdict, "truncated")
        assert verdict.usage.calls == 1
        assert verdict.usage.completion_tokens > 0


@READINGS
@pytest.mark.parametrize(
    "status",
    [
        Status(
            400,
            code="context_length_exceeded",
            message="This model's maximum context length is 8192 tokens. However, your messages resulted in 9000.",
        ),
        Status(400, message="request (9000 tokens) exceeds the available context size (8192 tokens)"),
        Status(413, message="8192 is the limit, 9000 were sent"),
    ],
    ids=["hosted", "local", "413"],
)
async def test_a_prompt_beyond_the_context_is_too_long(bench: Bench, status: Status, fields: dict[str, Any]) -> None:
    """The case is too long, which other cases may not be; both numbers are passed on."""
    bench.server.script(default=status)
    verdict = await bench.ask(**fields)
    assert all_unscored(verdict, "too_long")
    assert "8192" in verdict.failures["clarity"].detail
    assert "9000" in verdict.failures["clarity"].detail


@READINGS
@pytest.mark.parametrize(
    ("status", "found", "hint"),
    [
        (Status(401), "refused the key for openai/stub", "api_key_env"),
        (Status(403), "refused the key for openai/stub", "api_key_env"),
        (Status(404), "has no model 'openai/stub'", "base_url"),
        (Status(429, code="insufficient_quota"), "no quota left", "another judge"),
        (Status(429, message="You exceeded your current quota, please check your billing."), "no quota", "another"),
        (Status(400, message="unknown field response_format"), "unknown field response_format", "mode:"),
    ],
)
async def test_what_every_case_would_meet_is_raised(
    bench: Bench, status: Status, found: str, hint: str, fields: dict[str, Any]
) -> None:
    """A wrong key, a wrong name and an empty account stop the run after one request, with a hint."""
    bench.server.script(default=status)
    with pytest.raises(JudgeUnavailableError) as caught:
        await bench.ask(retries=5, **fields)
    assert found in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 3
    assert len(bench.server.requests) == 1


async def test_a_missing_key_names_its_variable(bench: Bench) -> None:
    """Without a key nothing is sent, and the message says which variable to set."""
    with pytest.raises(JudgeUnavailableError, match="OPENAI_API_KEY is not set") as caught:
        await bench.ask(base_url=None)
    assert "export OPENAI_API_KEY" in caught.value.hint
    with pytest.raises(JudgeUnavailableError, match="GATEWAY_KEY is not set"):
        await bench.ask(api_key_env="GATEWAY_KEY")
    assert bench.server.requests == []


@pytest.mark.parametrize("key", ["gate\nkey-0123456789", "“key-0123456789”", "key\u200b-0123456789"])
async def test_a_key_that_no_request_can_carry_names_its_variable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A key that was copied with a line break, quotes or something invisible: nothing is sent, nor is the key shown."""
    monkeypatch.setenv("GATEWAY_KEY", key)
    with pytest.raises(JudgeUnavailableError, match="GATEWAY_KEY holds a character that no key has") as caught:
        await bench.ask(api_key_env="GATEWAY_KEY")
    assert "0123456789" not in str(caught.value)
    assert bench.server.requests == []


async def test_unusable_providers_are_explained(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that does not exist, or a mode that does not, is named with what to do."""
    with pytest.raises(JudgeUnavailableError, match="provider 'nosuch' cannot be used") as caught:
        await bench.ask(base_url=None, model="nosuch/model")
    assert "pip install" in caught.value.hint
    with pytest.raises(JudgeUnavailableError, match="found mode 'telepathy'") as caught:
        await bench.ask(mode="telepathy")
    assert "tool_call" in caught.value.hint


@pytest.mark.parametrize(
    "reply",
    [
        AutoJudge(),
        Status(401, message=f"Incorrect API key provided: {SECRET}."),
        Status(400, message=f"Bad header: {SECRET}"),
        Status(400, message=f"context length exceeded for {SECRET}"),
        Status(500, message=f"key {SECRET}"),
        Status(400, message=f"key {SECRET[:-6]}... is wrong"),
        Garbage(SECRET.encode()),
        Text(f"My key is {SECRET}"),
    ],
    ids=["answer", "401", "400", "context", "500", "shortened", "noise", "text"],
)
@READINGS
async def test_a_key_goes_into_one_header_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, reply: Reply, fields: dict[str, Any]
) -> None:
    """The key reaches the endpoint it is for, and no body, message, repr or verdict, even if the endpoint echoes it."""
    monkeypatch.setenv("GATEWAY_KEY", SECRET)
    bench.server.script(default=reply)
    shown = ""
    judge = ModelJudge(bench.spec(api_key_env="GATEWAY_KEY", retries=0, **fields))
    try:
        verdict = await judge.judge(Case(id="c", output="return 41 + 1"), _rubric())
        shown = repr(verdict) + json.dumps(verdict_as_dict(verdict))
    except JudgeUnavailableError as error:
        shown = f"{error!r} {error} {error.hint}"
    shown += repr(judge) + repr(judge.spec) + repr(vars(judge))
    await judge.aclose()
    assert SECRET[:-6] not in shown
    for request in bench.server.requests:
        holders = [name for name, value in request.headers.items() if SECRET in value]
        assert holders == ["authorization"]
        assert SECRET.encode() not in request.raw


async def test_an_address_of_ones_own_gets_no_other_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``base_url`` neither the key nor the organisation meant for OpenAI is sent."""
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    bench.server.script(default=AutoJudge())
    for fields in (STATED, TOOLS, DISTRIBUTION):
        await bench.ask(**fields)
    for request in bench.server.requests:
        assert SECRET not in str(request.headers)
        assert SECRET.encode() not in request.raw
    await bench.ask(api_key_env="OPENAI_API_KEY")
    assert bench.server.requests[-1].headers["authorization"] == f"Bearer {SECRET}"


@pytest.fixture
def embedded(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Return the fields of a judge whose embedded engine is the bench's server."""
    engine = SimpleNamespace(base_url=bench.server.base_url, api_key="k", prefix=None)

    def engine_for(path: Path, *, context_tokens: int) -> SimpleNamespace:
        assert path.is_file()
        assert context_tokens
        return engine

    monkeypatch.setattr("tenward.judges._clients.engine_for", engine_for)
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    return {"model": f"local/{model}", "base_url": None, "read": "distribution"}


async def test_a_text_beyond_the_engine_says_what_to_do(bench: Bench, embedded: dict[str, Any]) -> None:
    """On the embedded engine the room for a text is the user's own choice."""
    bench.server.script(default=Status(400, message="request (9000 tokens) exceeds the available context size (8192)"))
    verdict = await bench.ask(**embedded)
    assert all_unscored(verdict, "too_long")
    for failure in verdict.failures.values():
        assert failure.detail.endswith("; choose a smaller target, or a larger context_tokens in the judge file")


def test_the_engine_takes_one_case_at_a_time_from_all_threads(bench: Bench, embedded: dict[str, Any]) -> None:
    """Cases of several event loops in several threads do not mix their questions on the one slot."""
    bench.server.script(default=AutoJudge())
    judge = ModelJudge(bench.spec(**embedded))

    def judged(thread: int) -> list[Verdict]:
        async def both() -> list[Verdict]:
            cases = [Case(id=str(index), output=f"text {thread}{index} here") for index in range(2)]
            try:
                return await asyncio.gather(*(judge.judge(case, _rubric("a", "b", "c")) for case in cases))
            finally:
                await judge.aclose()

        return asyncio.run(both())

    with ThreadPoolExecutor(4) as pool:
        verdicts = [verdict for some in pool.map(judged, range(4)) for verdict in some]
    assert not any(verdict.failures for verdict in verdicts)
    asked = [re.findall(r"text \d\d here", request.text())[0] for request in bench.server.requests]
    assert len([name for name, _ in groupby(asked)]) == 8


async def test_a_cancelled_case_frees_the_engine(bench: Bench, embedded: dict[str, Any]) -> None:
    """A case that is given up while it waits or asks lets the next one in."""
    bench.server.script([Hang()], default=AutoJudge())
    tasks = [asyncio.create_task(bench.ask(**embedded)) for _ in range(2)]
    await asyncio.to_thread(bench.server.wait_for_requests, 1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not (await bench.ask(**embedded)).failures


async def test_a_cancelled_case_leaves_nothing_behind(bench: Bench) -> None:
    """Cancelling a case in mid-call ends all of its calls before the cancellation is seen."""
    bench.server.script([Logprobs({"4": 1.0})], default=Hang())
    rubric = _rubric("a", "b", "c", "d")
    before = asyncio.all_tasks()
    task = asyncio.create_task(bench.ask(rubric=rubric, **DISTRIBUTION))
    await asyncio.to_thread(bench.server.wait_for_requests, 4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("fields", [DISTRIBUTION, {"samples": 4}], ids=["distribution", "samples"])
async def test_a_systemic_fault_ends_the_other_calls(bench: Bench, fields: dict[str, Any]) -> None:
    """When one of several calls says that none can succeed, the others are not left running."""
    first: list[Reply] = [Logprobs({"4": 1.0})] if fields is DISTRIBUTION else []
    bench.server.script([*first, Hang(), Status(401)], default=Hang())
    before = asyncio.all_tasks()
    with pytest.raises(JudgeUnavailableError):
        await bench.ask(rubric=_rubric("a", "b", "c", "d"), **fields)
    assert asyncio.all_tasks() == before


async def test_a_judge_can_be_used_again_after_closing(bench: Bench) -> None:
    """Closing releases connections; the next case opens new ones."""
    bench.server.script(default=Json(bench.answer()))
    judge = ModelJudge(bench.spec())
    for _ in range(2):
        verdict = await judge.judge(Case(id="c", output="return 41 + 1"), _rubric("clarity", "tests"))
        assert verdict.scores == {"clarity": 4, "tests": 4}
        await judge.aclose()
    assert bench.server.connections == 2


def test_one_judge_serves_one_event_loop_after_the_other(bench: Bench) -> None:
    """A connection belongs to its event loop; a judge that outlives the loop opens another."""
    bench.server.script(default=AutoJudge())
    judge = ModelJudge(bench.spec())

    async def once() -> Verdict:
        try:
            return await judge.judge(Case(id="c", output="return 41 + 1"), _rubric())
        finally:
            await judge.aclose()

    assert asyncio.run(once()).scores == asyncio.run(once()).scores


def test_a_judge_is_closed_from_another_event_loop(bench: Bench) -> None:
    """Closing where nothing was opened closes nothing, and lets go of what ended with its loop."""
    bench.server.script(default=AutoJudge())
    judge = ModelJudge(bench.spec())
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the loop that ended left its connection open
            assert not asyncio.run(judge.judge(Case(id="c", output="return 41 + 1"), _rubric())).failures
            asyncio.run(judge.aclose())
            gc.collect()


def test_ctrl_c_ends_the_command(bench: Bench, tmp_path: Path) -> None:
    """An interrupt in mid-call ends ``tenward score`` with status 130 and one word, without a traceback."""
    bench.server.script(default=Hang())
    target, judge, rubric = tmp_path / "a.md", tmp_path / "judge.yaml", tmp_path / "rubric.yaml"
    target.write_text("Some text to judge.")
    judge.write_text(f"judge: stub/v1\nmodel: openai/stub\nbase_url: {bench.server.base_url}\n")
    rubric.write_text("rubric: r/v1\nabout: Is it good?\ncriteria:\n  clarity: Is it clear?\n")
    command = [sys.executable, "-m", "tenward", "score", str(target), "-r", str(rubric), "-j", str(judge)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}
    ) as process:
        bench.server.wait_for_requests(1, timeout=60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert out == ""


def _rubric(*names: str) -> Any:
    from tenward.rubrics import Rubric

    lines = "".join(f"  {name}: Is it {name}?\n" for name in names or ("clear",))
    return Rubric.parse(f"rubric: r/v1\nabout: Is it good?\ncriteria:\n{lines}")
