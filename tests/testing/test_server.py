from __future__ import annotations

import asyncio
import gc
import http.client
import json
import math
import socket
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, cast

import instructor
import openai
import pytest
from instructor.core import IncompleteOutputException, InstructorRetryException
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tenward.errors import UsageError
from tenward.testing import (
    Answer,
    ContentFilter,
    Cut,
    Garbage,
    Hang,
    Json,
    Logprobs,
    NoLogprobs,
    Refusal,
    Reply,
    Request,
    Status,
    StubServer,
    Text,
    Truncated,
)

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

MODES = [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA]


class Point(BaseModel):
    """What the structured requests ask for."""

    x: int
    y: int


def client(server: StubServer, timeout: float = 10) -> OpenAI:
    """A client that never retries."""
    return OpenAI(base_url=server.base_url, api_key="k", max_retries=0, timeout=timeout)


def ask(server: StubServer, content: str = "hi", *, timeout: float = 10, **options: Any) -> ChatCompletion:
    """One plain chat completion."""
    with client(server, timeout) as session:
        messages: Any = [{"role": "user", "content": content}]
        return cast("ChatCompletion", session.chat.completions.create(model="m", messages=messages, **options))


def extract(server: StubServer, mode: instructor.Mode, retries: int = 0) -> Point:
    """One structured request."""
    with client(server) as session:
        structured = instructor.from_openai(session, mode=mode)
        messages: Any = [{"role": "user", "content": "where?"}]
        return structured.create(response_model=Point, model="m", messages=messages, max_retries=retries)


def content_of(completion: ChatCompletion) -> str | None:
    """The text of a completion."""
    return completion.choices[0].message.content


async def ask_many(server: StubServer, count: int) -> list[ChatCompletion]:
    """Many completions at once from one client."""
    async with AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0, timeout=30) as session:
        one = {"role": "user", "content": "hi"}
        calls = [session.chat.completions.create(model="m", messages=cast("Any", [one])) for _ in range(count)]
        return list(await asyncio.gather(*calls))


def test_replies_are_given_in_order_and_then_the_default() -> None:
    """A script is used up in the order of arrival, after which the default answers for good."""
    with StubServer([Text("one"), lambda request: Text(f"two {request.index}")], default=Text("more")) as server:
        assert [content_of(ask(server)) for _ in range(4)] == ["one", "two 1", "more", "more"]


def test_exhausted_script_is_an_error_that_is_not_retried() -> None:
    """A request beyond the script fails at once, even with a client that retries."""
    with StubServer([Text("one")]) as server, client(server).with_options(max_retries=3) as session:
        ask(server)
        with pytest.raises(openai.BadRequestError, match="used up; this is request 1") as caught:
            session.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert caught.value.code == "script_exhausted"
        assert len(server.requests) == 2


def test_script_can_be_replaced_while_running() -> None:
    """A new script replaces what is left of the old one, default included."""
    with StubServer([Text("old")] * 9, default=Text("old default")) as server:
        assert content_of(ask(server)) == "old"
        server.script([Text("new")])
        assert content_of(ask(server)) == "new"
        with pytest.raises(openai.BadRequestError):
            ask(server)


def test_failing_function_is_reported_to_the_client() -> None:
    """An exception in a caller's function reaches the client with its name, and the server goes on."""

    def broken(request: Request) -> Reply:
        raise LookupError(request.path)

    with StubServer([broken, Text("fine")]) as server:
        with pytest.raises(openai.BadRequestError, match="LookupError: /v1/chat/completions"):
            ask(server)
        assert content_of(ask(server)) == "fine"


def test_own_reply_class_is_enough_of_a_reply() -> None:
    """Anything with a fitting answer method is a reply."""

    class Teapot:
        def answer(self, request: Request) -> Answer:
            return Answer(status=418, body=request.raw, headers={"x-tea": "green"})

    with StubServer(default=Teapot()) as server, pytest.raises(openai.APIStatusError) as caught:
        ask(server)
    assert (caught.value.status_code, caught.value.response.headers["x-tea"]) == (418, "green")


def test_requests_are_recorded_with_headers_body_and_order() -> None:
    """Each request is kept as it came, with its place in the order of arrival."""
    with StubServer(default=Text("ok")) as server:
        ask(server, "first")
        ask(server, "second", temperature=0)
        first, second = server.requests
    assert (first.index, second.index) == (0, 1)
    assert (first.method, first.path) == ("POST", "/v1/chat/completions")
    assert first.headers["authorization"] == "Bearer k"
    assert second.body["temperature"] == 0
    assert json.loads(second.raw) == second.body
    assert second.text() == "second"


def test_request_text_can_be_limited_to_a_role() -> None:
    """The text of a request joins its messages, content parts included, or those of one role."""
    messages: Any = [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": [{"type": "text", "text": "part"}]},
    ]
    with StubServer(default=Text("ok")) as server, client(server) as session:
        session.chat.completions.create(model="m", messages=messages)
        (request,) = server.requests
    assert request.text() == "rules\n\npart"
    assert request.text(role="user") == "part"


def test_text_has_the_finish_reason_and_usage_it_was_given() -> None:
    """Finish reason and token counts are passed on; without counts they are estimated."""
    with StubServer([Text("abcde", finish_reason="length", usage=(7, 3)), Text("abcde")]) as server:
        given, estimated = ask(server), ask(server)
    assert given.choices[0].finish_reason == "length"
    assert given.model == "m"
    assert given.usage is not None
    assert (given.usage.prompt_tokens, given.usage.completion_tokens, given.usage.total_tokens) == (7, 3, 10)
    assert estimated.usage is not None
    assert estimated.usage.completion_tokens == 2
    assert estimated.usage.prompt_tokens == len(server.requests[1].raw) // 4


@pytest.mark.parametrize("mode", MODES)
def test_json_is_read_by_instructor(mode: instructor.Mode) -> None:
    """The same reply serves function calls and response formats."""
    with StubServer([Json({"x": 1, "y": 2})]) as server:
        assert extract(server, mode).model_dump() == {"x": 1, "y": 2}


@pytest.mark.parametrize("mode", MODES)
def test_broken_json_is_asked_for_again(mode: instructor.Mode) -> None:
    """Text that is no JSON reaches instructor as it is, which then asks once more."""
    with StubServer([Text('{"x": 1, '), Json({"x": 3, "y": 4})]) as server:
        assert extract(server, mode, retries=1).model_dump() == {"x": 3, "y": 4}
        assert len(server.requests) == 2


@pytest.mark.parametrize("mode", MODES)
def test_truncated_answer_is_seen_as_incomplete(mode: instructor.Mode) -> None:
    """An answer stopped at the token limit raises instructor's error for it."""
    with StubServer([Truncated('{"x": 1')]) as server, pytest.raises(IncompleteOutputException):
        extract(server, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reply", [Refusal("I will not."), ContentFilter(), Status(500), Cut(), Garbage()])
def test_faults_end_an_extraction(mode: instructor.Mode, reply: Reply) -> None:
    """No fault is mistaken for a structured answer."""
    with StubServer([reply]) as server, pytest.raises(InstructorRetryException):
        extract(server, mode)


def test_refusal_has_words_but_no_content() -> None:
    """A refusal stands in its own field."""
    with StubServer([Refusal("I will not.")]) as server:
        choice = ask(server).choices[0]
    assert (choice.message.refusal, choice.message.content) == ("I will not.", None)


def test_content_filter_withholds_the_content() -> None:
    """A filtered answer has a finish reason and nothing else."""
    with StubServer([ContentFilter()]) as server:
        choice = ask(server).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("content_filter", None)


def test_logprobs_are_cut_to_what_was_asked() -> None:
    """The likeliest token is the answer, and as many alternatives are shown as the request asks for."""
    with StubServer(default=Logprobs({"5": 0.2, "4": 0.7, "3": 0.1})) as server:
        choice = ask(server, logprobs=True, top_logprobs=2, max_tokens=1).choices[0]
        bare = ask(server, logprobs=True).choices[0]
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    (token,) = choice.logprobs.content
    assert choice.message.content == token.token == "4"
    assert choice.finish_reason == "length"
    assert {top.token: round(math.exp(top.logprob), 9) for top in token.top_logprobs} == {"4": 0.7, "5": 0.2}
    assert token.bytes == [52]
    assert bare.logprobs is not None
    assert bare.logprobs.content is not None
    assert bare.logprobs.content[0].top_logprobs == []
    assert bare.finish_reason == "stop"


def test_logprobs_are_left_out_unless_asked_for() -> None:
    """A request without logprobs gets the token alone."""
    with StubServer([Logprobs({"4": 0.7})]) as server:
        choice = ask(server).choices[0]
    assert (choice.message.content, choice.logprobs) == ("4", None)


def test_impossible_token_is_reported_as_openai_does() -> None:
    """A probability of zero has a finite log-probability, as JSON cannot hold infinity."""
    with StubServer([Logprobs({"4": 1.0, "5": 0.0})]) as server:
        logprobs = ask(server, logprobs=True, top_logprobs=5).choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [top.logprob for top in logprobs.content[0].top_logprobs] == [0.0, -9999.0]


def test_endpoint_without_logprobs_sends_null() -> None:
    """An endpoint that ignores the wish for log-probabilities can be played too."""
    with StubServer([NoLogprobs("4")]) as server:
        choice = ask(server, logprobs=True, top_logprobs=5, max_tokens=1).choices[0]
    assert (choice.message.content, choice.logprobs) == ("4", None)


@pytest.mark.parametrize("probabilities", [{}, {"4": -0.1}, {"4": 0.8, "5": 0.4}, {"4": math.nan}])
def test_impossible_distributions_are_refused(probabilities: dict[str, float]) -> None:
    """A distribution that is none is refused where it is written."""
    with pytest.raises(UsageError, match="expected at least one token"):
        Logprobs(probabilities)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, openai.BadRequestError, None),
        (401, openai.AuthenticationError, "invalid_api_key"),
        (403, openai.PermissionDeniedError, "permission_denied"),
        (404, openai.NotFoundError, "model_not_found"),
        (422, openai.UnprocessableEntityError, None),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, None),
        (503, openai.InternalServerError, None),
        (529, openai.InternalServerError, None),
    ],
)
def test_status_raises_the_matching_error(status: int, error: type[openai.APIStatusError], code: str | None) -> None:
    """Each status arrives as the openai error of its kind, with the usual code."""
    with StubServer([Status(status)]) as server, pytest.raises(error) as caught:
        ask(server)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert "retry-after" not in caught.value.response.headers


def test_missing_model_is_named() -> None:
    """The error of a missing model names the one that was asked for."""
    with StubServer([Status(404)]) as server, pytest.raises(openai.NotFoundError, match="model `m` does not"):
        ask(server)


def test_rate_limit_says_when_to_come_back() -> None:
    """The seconds to wait are sent in both headers, with the code and message of the caller's choice."""
    reply = Status(429, retry_after=0.2, code="insufficient_quota", message="pay first")
    with StubServer([reply]) as server, pytest.raises(openai.RateLimitError, match="pay first") as caught:
        ask(server)
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("0.2", "200")
    assert caught.value.code == "insufficient_quota"


def test_client_recovers_from_a_rate_limit() -> None:
    """A client that retries gets the next reply of the script."""
    with (
        StubServer([Status(429, retry_after=0.01), Text("ok")]) as server,
        client(server).with_options(max_retries=1) as session,
    ):
        completion = session.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert content_of(completion) == "ok"


@pytest.mark.parametrize(("status", "retry_after"), [(200, None), (600, None), (429, -1.0), (429, math.nan)])
def test_impossible_statuses_are_refused(status: int, retry_after: float | None) -> None:
    """A status that is no error, or a wait that cannot be, is refused where it is written."""
    with pytest.raises(UsageError, match="Status found"):
        Status(status, retry_after=retry_after)


def test_hang_ends_with_the_client_s_patience() -> None:
    """A hanging request times out at the client, and the server goes on."""
    with StubServer(default=Hang()) as server:
        with pytest.raises(openai.APITimeoutError):
            ask(server, timeout=0.1)
        server.script([Text("fine")])
        assert content_of(ask(server)) == "fine"


def test_cut_is_a_connection_error() -> None:
    """A connection closed in the middle of the body is an error of the connection, not an answer."""
    with StubServer([Cut(), Text("fine")]) as server:
        with pytest.raises(openai.APIConnectionError):
            ask(server)
        assert content_of(ask(server)) == "fine"


def test_garbage_is_no_completion() -> None:
    """Bytes that are no JSON raise where JSON was announced, and come back as a string where it was not."""
    page = Garbage(b"<html>", content_type="text/html")
    with StubServer([Garbage(), page]) as server:
        with pytest.raises((openai.APIError, ValueError)):
            ask(server)
        assert cast("object", ask(server)) == "<html>"


async def test_fifty_requests_are_answered_on_few_connections() -> None:
    """Fifty concurrent requests all get their answer, on fifty connections at most."""
    with StubServer(default=Text("ok"), latency=0.05) as server:
        completions = await ask_many(server, 50)
        assert {content_of(completion) for completion in completions} == {"ok"}
        assert [request.index for request in server.requests] == list(range(50))
        assert server.connections <= 50


async def test_fifty_requests_are_in_flight_at_once() -> None:
    """Fifty requests that wait together are counted together, and all are let go by a close."""
    with StubServer(default=Hang()) as server:
        asking = asyncio.create_task(ask_many(server, 50))
        await asyncio.to_thread(server.wait_for_requests, 50)
        assert server.max_in_flight == 50
        server.close()
        with pytest.raises(openai.APIConnectionError):
            await asking


def test_connections_are_kept_alive() -> None:
    """One client uses one connection for all its requests, errors among them."""
    with StubServer([Text("a"), Status(500), Text("b")]) as server, client(server) as session:
        for _ in range(3):
            try:
                session.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            except openai.InternalServerError:
                continue
        assert len(server.requests) == 3
        assert server.connections == 1
        assert server.max_in_flight == 1


def test_latency_can_depend_on_the_request() -> None:
    """A function of the index delays chosen requests only, so that a later one can overtake."""
    failed: list[str] = []
    with StubServer([Text("slow"), Text("quick")], latency=lambda index: 30.0 if index == 0 else 0.0) as server:
        slow = threading.Thread(target=ask_in_vain, args=[server, failed])
        slow.start()
        server.wait_for_requests(1)
        assert content_of(ask(server)) == "quick"
        assert server.max_in_flight == 2
        server.close()
        slow.join()
    assert failed == ["APIConnectionError"]


def test_models_are_listed() -> None:
    """The list of models holds the one the server was given."""
    with StubServer(model="tiny") as server, client(server) as session:
        assert [model.id for model in session.models.list()] == ["tiny"]


def test_unknown_paths_are_not_found() -> None:
    """Any other path is answered with a JSON error, and costs no reply of the script."""
    with StubServer([Text("kept")]) as server:
        with client(server) as session, pytest.raises(openai.NotFoundError, match=r"POST /v1/embeddings"):
            session.embeddings.create(model="m", input="x")
        assert content_of(ask(server)) == "kept"


def test_streaming_is_refused() -> None:
    """A streaming request is told that the server does not stream."""
    with StubServer([Text("x")]) as server, pytest.raises(openai.BadRequestError, match="does not stream"):
        ask(server, stream=True)


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
def test_bodies_that_are_no_object_are_refused(body: bytes) -> None:
    """A chat request without a JSON object fails as one, and costs no reply of the script."""
    with StubServer([Text("kept")]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", int(server.base_url.split(":")[2].split("/")[0]))
        connection.request("POST", "/v1/chat/completions?trace=1", body)
        assert connection.getresponse().status == 400
        connection.close()
        assert server.requests[0].raw == body
        assert content_of(ask(server)) == "kept"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
def test_bytes_that_are_not_understood_close_the_connection(sent: bytes) -> None:
    """What is no plain HTTP/1.1 request is answered with status 400, and the line is closed."""
    with StubServer() as server, connect(server) as line:
        line.sendall(sent)
        assert read_all(line).startswith(b"HTTP/1.1 400 ")
        assert server.requests == []


def test_requests_may_come_in_pieces_or_together() -> None:
    """Bytes are put together and taken apart by the announced lengths, and answered in order."""
    one = b'POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 13\r\n\r\n{"model":"m"}'
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with StubServer([Text("first"), Text("second"), Text("third")]) as server, connect(server) as line:
        for piece in (one[:9], one[9:70], one[70:] + one + last):
            line.sendall(piece)
            time.sleep(0.01)
        received = read_all(line)
    positions = [received.find(word) for word in (b"first", b"second", b"third")]
    assert positions == sorted(positions)
    assert -1 not in positions
    assert len(server.requests) == 3


def test_close_ends_hanging_requests_and_leaves_nothing_behind() -> None:
    """Clients that wait are let go, the thread ends, no resource is left open and the port is free."""
    before = set(threading.enumerate())
    failed: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with StubServer([Hang(), Hang()], default=Text("late"), latency=60) as server:
            waiting = [threading.Thread(target=ask_in_vain, args=[server, failed]) for _ in range(4)]
            for thread in waiting:
                thread.start()
            server.wait_for_requests(4)
        for thread in waiting:
            thread.join()
        gc.collect()
    assert failed == ["APIConnectionError"] * 4
    assert [str(warning.message) for warning in caught] == []
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_close_may_be_called_twice_and_before_the_start() -> None:
    """Closing is harmless whenever it happens."""
    server = StubServer()
    server.close()
    with server:
        server.close()
        server.close()


def test_server_runs_once() -> None:
    """A server has an address only after its start, and cannot be started again."""
    server = StubServer()
    with pytest.raises(UsageError, match="no address yet"):
        _ = server.base_url
    with server, pytest.raises(UsageError, match="started before"):
        server.start()


def test_waiting_for_requests_gives_up() -> None:
    """Too few requests are an error that tells how many came."""
    with (
        StubServer() as server,
        pytest.raises(TimeoutError, match=r"0 requests arrived within 0\.01 s, expected 1"),
    ):
        server.wait_for_requests(1, timeout=0.01)


def ask_in_vain(server: StubServer, failed: list[str]) -> None:
    """Ask, and note the error by name."""
    try:
        ask(server)
    except openai.APIConnectionError as error:
        failed.append(type(error).__name__)


def connect(server: StubServer) -> socket.socket:
    """A bare connection to the server."""
    host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def read_all(line: socket.socket) -> bytes:
    """All bytes until the server closes the line."""
    return b"".join(iter(lambda: line.recv(4096), b""))
