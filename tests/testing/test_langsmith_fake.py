from __future__ import annotations

import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from langsmith import Client
from langsmith.utils import LangSmithAuthError, LangSmithConflictError, LangSmithError, LangSmithNotFoundError
from urllib3.util import Retry

from tenward.errors import UsageError
from tenward.testing import LangSmithFake

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 23, 4, 15, tzinfo=UTC)


@pytest.fixture
def fake() -> Iterator[LangSmithFake]:
    """A server that takes any key."""
    with LangSmithFake() as server:
        yield server


def connect(fake: LangSmithFake, **options: Any) -> Client:
    """The real client, which asks the server what it can do."""
    given: dict[str, Any] = {"auto_batch_tracing": False, "retry_config": Retry(total=0), "timeout_ms": 10_000}
    return Client(api_url=fake.endpoint, api_key="key", **(given | options))


@pytest.fixture
def client(fake: LangSmithFake) -> Iterator[Client]:
    """A client without threads."""
    made = connect(fake)
    yield made
    made.close()


def run(name: str = "work", **more: Any) -> dict[str, Any]:
    """A complete root run."""
    key = uuid.uuid4()
    base = {"id": key, "trace_id": key, "dotted_order": f"20261123T041500000000Z{key}", "name": name}
    return base | {"run_type": "chain", "inputs": {"x": 1}, "start_time": NOW, "session_name": "p"} | more


def test_data_sets_and_examples_are_kept(fake: LangSmithFake, client: Client) -> None:
    """Made, found by name, listed in pages, filtered by split, and changed by the client's own calls."""
    dataset = client.create_dataset("d", description="about")
    rows = [{"inputs": {"n": n}, "reference_outputs": {"r": n}, "split": "sealed" if n else "dev"} for n in range(120)]
    client.create_examples(dataset_id=dataset.id, examples=rows)
    assert client.read_dataset(dataset_name="d").id == dataset.id
    assert len(list(client.list_examples(dataset_id=dataset.id))) == 120
    assert [example.inputs for example in client.list_examples(dataset_name="d", splits=["dev"])] == [{"n": 0}]
    first = next(client.list_examples(dataset_id=dataset.id, limit=1))
    assert (first.outputs, first.metadata) == ({"r": 0}, {"dataset_split": ["dev"]})
    assert client.read_example(first.id).id == first.id
    assert [row["name"] for row in fake.datasets] == ["d"]
    with pytest.raises(LangSmithConflictError):
        client.create_dataset("d")
    with pytest.raises(LangSmithNotFoundError):
        client.read_dataset(dataset_name="other")


def test_examples_come_by_both_routes(fake: LangSmithFake) -> None:
    """The client chooses by what the server says of itself; both ways lead to the same."""
    info = {"instance_flags": {"dataset_examples_multipart_enabled": False}}
    for name, options in (("new", {}), ("old", {"info": info})):
        client = connect(fake, **options)
        dataset = client.create_dataset(name)
        key = uuid.uuid4()
        example = {"id": key, "inputs": {"n": 1}, "reference_outputs": {"r": 1}, "metadata": {"m": 1}}
        client.create_examples(dataset_id=dataset.id, examples=[example])
        if name == "old":
            client.update_example(key, inputs={"n": 2}, dataset_id=dataset.id)
        client.close()
    new, old = fake.examples
    assert (new["inputs"], old["inputs"]) == ({"n": 1}, {"n": 2})
    assert new["metadata"] == {"m": 1, "dataset_split": ["base"]}
    assert [request.path.count("platform") for request in fake.requests if request.path.endswith("/examples")] == [1]


def test_experiments_are_kept(fake: LangSmithFake, client: Client) -> None:
    """A session with a data set is made once, found again, and ended."""
    dataset = client.create_dataset("d")
    made = client.create_project("e", reference_dataset_id=dataset.id, metadata={"a": 1})
    assert client.read_project(project_name="e").id == made.id
    assert client.create_project("e", upsert=True, reference_dataset_id=dataset.id).id == made.id
    client.update_project(made.id, metadata={"a": 2}, end_time=NOW)
    assert client.read_project(project_id=str(made.id)).end_time == NOW
    assert fake.sessions[0]["extra"] == {"metadata": {"a": 2}}
    with pytest.raises(LangSmithConflictError):
        client.create_project("e")


@pytest.mark.parametrize("multipart", [True, False])
def test_many_runs_come_at_once(multipart: bool) -> None:
    """As parts of one body, or as JSON where the server cannot do that; a patch completes what was posted."""
    with LangSmithFake(multipart=multipart) as fake:
        client = connect(fake)
        first, second = run("first"), run("second", outputs={"y": 2}, error="broken", extra={"metadata": {"m": 1}})
        patch = {name: first[name] for name in ("id", "trace_id", "dotted_order")} | {"outputs": {"y": 1}}
        client.multipart_ingest(create=[dict(first), second])
        client.multipart_ingest(update=[patch])
        client.close()
        assert [row["name"] for row in fake.runs] == ["first", "second"]
        assert fake.runs[0]["outputs"] == {"y": 1}
        assert (fake.runs[1]["inputs"], fake.runs[1]["error"]) == ({"x": 1}, "broken")
        assert fake.runs[1]["extra"]["metadata"]["m"] == 1
        assert [row["name"] for row in fake.sessions] == ["p"]


def test_runs_come_one_by_one(fake: LangSmithFake, client: Client) -> None:
    """A run without a place in a trace is posted, patched and read by itself."""
    key = uuid.uuid4()
    client.create_run("alone", {"x": 1}, "chain", id=key, project_name="p")
    client.update_run(key, outputs={"y": 1}, end_time=NOW)
    assert (fake.runs[0]["name"], fake.runs[0]["outputs"]) == ("alone", {"y": 1})
    assert {"/runs", f"/runs/{key}"} <= {request.path for request in fake.requests}


def test_feedback_comes_alone_or_among_runs(fake: LangSmithFake) -> None:
    """With a background thread the client sends it among runs, without one by itself."""
    for name, options in (("alone", {}), ("among", {"auto_batch_tracing": True})):
        client = connect(fake, **options)
        made = run(name)
        client.multipart_ingest(create=[dict(made)])
        session = fake.sessions[0]["id"]
        client.create_feedback(made["id"], "key", score=0.5, trace_id=made["id"], session_id=session)
        client.flush()
        client.close()
    assert [(row["key"], row["score"]) for row in fake.feedback] == [("key", 0.5), ("key", 0.5)]
    assert [request.path for request in fake.requests if b'"key":"key"' in request.body] == [
        "/feedback",
        "/runs/multipart",
    ]


def test_what_refers_to_nothing_is_refused(fake: LangSmithFake, client: Client) -> None:
    """A run needs its experiment and its example, feedback needs its run, an example its data set."""
    nothing = uuid.uuid4()
    faults: list[Exception] = []
    strict = connect(fake, tracing_error_callback=faults.append)
    for wrong in ("session_id", "reference_example_id"):
        strict.multipart_ingest(create=[run() | {wrong: nothing}])
    strict.close()
    assert [type(fault) for fault in faults] == [LangSmithNotFoundError] * 2
    with pytest.raises(LangSmithNotFoundError):
        client.create_feedback(nothing, "k", score=1, trace_id=nothing, session_id=nothing, stop_after_attempt=1)
    with pytest.raises(LangSmithNotFoundError):
        client.create_examples(dataset_id=nothing, examples=[{"inputs": {}}])
    assert (fake.runs, fake.feedback, fake.examples) == ([], [], [])


def test_a_wrong_key_is_refused() -> None:
    """With a key given, any other is answered with status 401."""
    with LangSmithFake(api_key="right") as fake:
        client = connect(fake)
        with pytest.raises(LangSmithAuthError):
            client.create_dataset("d")
        client.close()


@pytest.mark.parametrize(("fault", "status"), [(401, 401), (429, 429), (500, 500)])
def test_a_status_answers_every_request(fake: LangSmithFake, client: Client, fault: Any, status: int) -> None:
    """The fault can be set and cleared at any time."""
    fake.fault = fault
    with pytest.raises(LangSmithError, match=str(status)):
        client.create_dataset("d")
    fake.fault = None
    assert client.create_dataset("d").name == "d"


def test_a_dead_server_closes_the_connection(fake: LangSmithFake) -> None:
    """The client sees its connection end without an answer."""
    fake.fault = "dead"
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(f"{fake.endpoint}/info", timeout=10)


def test_a_hanging_server_never_answers_and_still_closes(fake: LangSmithFake) -> None:
    """A client runs into its own timeout; the close of the server waits for nobody."""
    fake.fault = "hang"
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(f"{fake.endpoint}/info", timeout=0.2)
    fake.close()
    fake.close()
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(f"{fake.endpoint}/info", timeout=10)


def test_everything_a_client_said_is_kept(fake: LangSmithFake, client: Client) -> None:
    """Raw bytes hold heads and bodies, and a request more than came is waited for in vain."""
    client.create_dataset("a name to look for")
    assert b"a name to look for" in fake.raw
    assert b"x-api-key: key" in fake.raw
    assert fake.requests[0].method == "POST"
    fake.wait_for_requests(1)
    with pytest.raises(TimeoutError, match="requests came within"):
        fake.wait_for_requests(99, timeout=0.01)


def test_the_fake_is_started_once() -> None:
    """An address needs a start, and a second start is a mistake."""
    fake = LangSmithFake()
    with pytest.raises(UsageError, match="no address yet"):
        _ = fake.endpoint
    fake.close()
    with fake, pytest.raises(UsageError, match="started before"):
        fake.start()


def test_an_unknown_route_is_not_found(fake: LangSmithFake) -> None:
    """What the fake does not do it does not pretend to do, and noise is refused."""
    for path, body, status in (("/nothing", None, 404), ("/feedback", b"noise", 422), ("/runs/multipart", b"x", 422)):
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(urllib.request.Request(f"{fake.endpoint}{path}", data=body), timeout=10)
        assert told.value.code == status
        told.value.close()
