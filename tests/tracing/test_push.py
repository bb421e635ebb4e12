from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tenward.errors import DocumentError, SystemicError, UnknownNameError
from tenward.testing import LangSmithFake
from tenward.tracing import LangSmithError, LangSmithSettings, LangSmithSink, push

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tracing.conftest import Bench

KEY = "lsv2_pt_0123456789abcdef_0123456789"
RUN = "subjects-20261123-041500-3f2a"


def counts(fake: LangSmithFake) -> tuple[int, ...]:
    """How much of everything there is."""
    return tuple(len(rows) for rows in (fake.datasets, fake.examples, fake.sessions, fake.runs, fake.feedback))


def test_a_push_sends_a_recorded_run(bench: Bench, fake: LangSmithFake, settings: LangSmithSettings) -> None:
    """The data set, the experiment with its end, and all runs with feedback arrive."""
    path = bench.write()
    seen: list[tuple[int, int]] = []
    report = push(path, settings=settings, progress=lambda done, total: seen.append((done, total)))
    assert (report.run, report.file, report.endpoint) == (RUN, path, fake.endpoint)
    assert (report.sent, report.already, report.refused, report.ended) == (3, 0, (), True)
    assert report.dataset == "subjects/v1@0123456789abcdef"
    assert seen == [(3, 3)]
    assert counts(fake) == (1, 3, 1, 6, 9)
    assert fake.sessions[0]["end_time"] is not None


def test_a_second_push_makes_no_duplicates(bench: Bench, fake: LangSmithFake, settings: LangSmithSettings) -> None:
    """What is marked as sent is not sent; without the marks it is sent under the same ids."""
    path = bench.write()
    push(path, settings=settings)
    before = counts(fake)
    asked = len(fake.requests)
    again = push(path, settings=settings)
    assert (again.sent, again.already, len(fake.requests)) == (0, 3, asked)
    path.with_suffix(".sent").unlink()
    assert push(path, settings=settings).sent == 3
    assert counts(fake) == before


def test_live_and_later_sending_give_the_same_ids(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings
) -> None:
    """A run that was sent while it went on, and is pushed from its file by somebody else, is there once."""
    sink = LangSmithSink(settings, bench.folder)
    bench.tell(sink, bench.record(), [bench.result(case) for case in bench.cases()])
    sink.close(60)
    before = counts(fake)
    path = bench.write()
    path.with_suffix(".sent").unlink()
    assert push(path, settings=settings).sent == 3
    assert counts(fake) == before


def test_marks_belong_to_one_endpoint(bench: Bench, settings: LangSmithSettings) -> None:
    """What one server has, another has yet to get; a damaged mark is no mark."""
    path = bench.write()
    push(path, settings=settings)
    with path.with_suffix(".sent").open("ab") as file:
        file.write(b'{"endpoint": ')
    with LangSmithFake() as other:
        report = push(path, settings=LangSmithSettings(api_key="other", endpoint=other.endpoint))
        assert (report.sent, counts(other)) == (3, (1, 3, 1, 6, 9))


def test_a_killed_run_is_pushed_as_far_as_it_came(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings
) -> None:
    """A half line is left out, the experiment stays open; when the run has gone on, the rest follows."""
    path = bench.write(end=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    report = push(path, settings=settings)
    assert (report.sent, report.ended) == (2, False)
    assert fake.sessions[0].get("end_time") is None
    bench.write()  # the run goes on: it is told anew, and ends
    report = push(path, settings=settings)
    assert (report.sent, report.already, report.ended) == (1, 4, True)
    assert counts(fake) == (1, 3, 1, 6, 9)
    assert fake.sessions[0]["end_time"] is not None


def test_a_long_run_goes_in_batches(bench: Bench, fake: LangSmithFake, settings: LangSmithSettings) -> None:
    """A few requests carry many traces, and progress is told after each batch."""
    path = bench.write(count=120)
    seen: list[tuple[int, int]] = []
    push(path, settings=settings, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(50, 120), (100, 120), (120, 120)]
    assert counts(fake) == (1, 120, 1, 240, 360)
    assert len(fake.requests) < 25


def test_without_a_key_nothing_is_sent(bench: Bench) -> None:
    """The error says which variable is missing."""
    path = bench.write()
    with pytest.raises(LangSmithError, match="found no key for LangSmith, expected one in LANGSMITH_API_KEY") as told:
        push(path)
    assert told.value.kind == "key"
    assert "export LANGSMITH_API_KEY" in told.value.hint
    assert isinstance(told.value, SystemicError)


def test_a_wrong_key_is_told(bench: Bench, fake: LangSmithFake) -> None:
    """The error names the endpoint and the status, and no part of the key."""
    path = bench.write()
    with pytest.raises(LangSmithError, match=r"does not accept the key \(status 401\)") as told:
        push(path, settings=LangSmithSettings(api_key="wrong-key-wrong", endpoint=fake.endpoint))
    assert (told.value.kind, "wrong" in str(told.value)) == ("key", False)


def test_a_server_that_is_not_there_is_told_at_once(bench: Bench) -> None:
    """A refused connection is not tried again; the next push goes on."""
    path = bench.write()
    with LangSmithFake() as fake:
        settings = LangSmithSettings(api_key=KEY, endpoint=fake.endpoint)
    slept: list[float] = []
    with pytest.raises(LangSmithError, match=r"no answer from http://127\.0\.0\.1") as told:
        push(path, settings=settings, sleep=slept.append)
    assert (told.value.kind, slept) == ("unreachable", [])
    assert not path.with_suffix(".sent").exists()


@pytest.mark.parametrize("fault", [429, 500])
def test_a_busy_server_is_asked_again(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings, fault: Any
) -> None:
    """Pauses grow; a server that recovers gets everything, one that does not is told."""
    path = bench.write()
    slept: list[float] = []
    fake.fault = fault
    with pytest.raises(LangSmithError, match=f"answered with status {fault}") as told:
        push(path, settings=settings, sleep=slept.append)
    assert (told.value.kind, slept) == ("busy", [1.0, 2.0, 4.0])

    def recover(_seconds: float) -> None:
        fake.fault = None

    assert push(path, settings=settings, sleep=recover).sent == 3
    assert counts(fake) == (1, 3, 1, 6, 9)


class Page(BaseHTTPRequestHandler):
    """A web page, whatever is asked for."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        """Print nothing."""


def test_a_page_in_place_of_an_api_is_told(bench: Bench) -> None:
    """An endpoint that answers without JSON is the wrong address."""
    path = bench.write()
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.handle_request).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(LangSmithError, match="answered with something that is not JSON") as told:
            push(path, settings=LangSmithSettings(api_key=KEY, endpoint=endpoint))
    assert "LANGSMITH_ENDPOINT" in told.value.hint


def test_a_refused_trace_is_reported_with_the_server_s_words(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings
) -> None:
    """The others are sent, and the refused one is tried again by the next push."""
    path = bench.write()
    odd = path.read_text().replace('"name": "evaluate case-1"', '"name": "evaluate case-1 REFUSE"')
    path.write_text(odd)
    answer = LangSmithFake._answer

    def picky(self: LangSmithFake, request: Any) -> Any:
        return (422, {"detail": "bad name"}) if b"REFUSE" in request.body else answer(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LangSmithFake, "_answer", picky)
        report = push(path, settings=settings)
    assert (report.sent, len(report.refused)) == (2, 1)
    assert report.refused[0].startswith("case-1: ")
    assert '{"detail": "bad name"}' in report.refused[0]
    assert push(path, settings=settings).sent == 1


def test_a_server_without_multipart_gets_everything_too(bench: Bench) -> None:
    """Older servers take runs as JSON and feedback one by one."""
    with LangSmithFake(multipart=False) as fake:
        push(bench.write(), settings=LangSmithSettings(api_key=KEY, endpoint=fake.endpoint))
        assert counts(fake) == (1, 3, 1, 6, 9)
        assert "/runs/batch" in {request.path for request in fake.requests}


def test_a_server_that_only_knows_traces_gets_traces(bench: Bench) -> None:
    """There the runs form an ordinary project, without data set and feedback."""
    with LangSmithFake(traces_only=True) as fake:
        report = push(bench.write(), settings=LangSmithSettings(api_key=KEY, endpoint=fake.endpoint))
        assert (report.dataset, counts(fake)) == (None, (0, 0, 1, 6, 0))
        assert fake.sessions[0]["name"] == RUN


def test_a_damaged_file_is_refused_before_anything_is_sent(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings
) -> None:
    """A line in the middle that is no record stops the push."""
    path = bench.write()
    path.write_bytes(path.read_bytes() + b"damaged\n")
    with pytest.raises(DocumentError, match=r"jsonl:6: found no JSON"):
        push(path, settings=settings)
    assert fake.requests == []


def test_a_run_is_named_like_in_other_commands(bench: Bench, settings: LangSmithSettings) -> None:
    """The beginning of an id and ``last`` work; an unknown one is told."""
    bench.write()
    assert push("subjects", settings=settings, folder=bench.folder).sent == 3
    assert push("last", settings=settings, folder=bench.folder).already == 3
    with pytest.raises(UnknownNameError):
        push("other", settings=settings, folder=bench.folder)


def test_the_environment_names_the_account(
    bench: Bench, fake: LangSmithFake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without settings the variables are used, and marks hold neither key nor login."""
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    monkeypatch.setenv("LANGSMITH_ENDPOINT", fake.endpoint)
    path = bench.write()
    assert push(path).sent == 3
    marks = [json.loads(line) for line in path.with_suffix(".sent").read_text().splitlines()]
    assert [sorted(mark) for mark in marks] == [["endpoint", "traces"], ["ended", "endpoint"]]
    assert {mark["endpoint"] for mark in marks} == {fake.endpoint}


def test_other_variables_of_the_client_do_not_lead_astray(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sampling, another project, an agent's address or an OpenTelemetry mode in the environment change nothing."""
    for name, value in {
        "LANGSMITH_TRACING_SAMPLING_RATE": "0",
        "LANGSMITH_PROJECT": "elsewhere",
        "LANGSMITH_TRACING_MODE": "otel",
        "LANGSMITH_TRACING": "false",
        "LANGSMITH_HIDE_METADATA": "true",
    }.items():
        monkeypatch.setenv(name, value)
    push(bench.write(), settings=settings)
    assert counts(fake) == (1, 3, 1, 6, 9)
    assert fake.runs[0]["extra"]["metadata"]["case"] == "case-0"
