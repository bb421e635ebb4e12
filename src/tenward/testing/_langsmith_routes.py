"""What the LangSmith fake holds, and what each route does to it."""

from __future__ import annotations

import json
import re
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tenward.guards import is_list

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LangSmithData", "LangSmithRequest", "handle"]

_TENANT = str(uuid.UUID(int=1))
_PART_FIELDS = ("inputs", "outputs", "events", "extra", "error", "serialized")
_ROUTE = re.compile(r"/(?P<what>[a-z]+)(?:/(?P<id>[0-9a-f-]{36}))?")
_DATASET_EXAMPLES = re.compile(r"/v1/platform/datasets/(?P<id>[0-9a-f-]{36})/examples")

Answer = tuple[int, Any]
Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class LangSmithRequest:
    """One request as it came."""

    method: str
    target: str
    """Path and query."""

    headers: Mapping[str, str]
    """With lower-case names."""

    body: bytes

    @property
    def path(self) -> str:
        """Path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """Values per name of the query."""
        return parse_qs(urlsplit(self.target).query)

    def one(self, name: str) -> str | None:
        """The first value of a name in the query."""
        return self.query.get(name, [None])[0]

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def parts(self) -> list[tuple[str, Any]]:
        """The parts of a multipart body in order: name and parsed JSON."""
        found = re.search(r'boundary="?([^";]+)', self.headers.get("content-type", ""))
        if found is None:
            raise ValueError("a body without a boundary")
        parts: list[tuple[str, Any]] = []
        for piece in self.body.split(b"--" + found[1].encode())[1:-1]:
            head, _, content = piece.strip(b"\r\n").partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]+)"', head)
            if name is None:
                raise ValueError("a part without a name")
            parts.append((name[1].decode(), json.loads(content)))
        return parts


@dataclass(kw_only=True)
class LangSmithData:
    """All that was received, by id; as the server's own words have it."""

    datasets: Rows = field(default_factory=dict[str, dict[str, Any]])
    examples: Rows = field(default_factory=dict[str, dict[str, Any]])
    sessions: Rows = field(default_factory=dict[str, dict[str, Any]])
    """Projects; those with a ``reference_dataset_id`` are experiments."""

    runs: Rows = field(default_factory=dict[str, dict[str, Any]])
    feedback: Rows = field(default_factory=dict[str, dict[str, Any]])
    multipart: bool = True
    """Whether many runs can be sent as one multipart body; older servers lack that."""

    traces_only: bool = False
    """Whether data sets, sessions and feedback are unknown, as on servers that only take traces."""

    lock: threading.Lock = field(default_factory=threading.Lock)


def handle(data: LangSmithData, request: LangSmithRequest) -> Answer:
    """Do what a request asks; returns the status and the JSON of the answer."""
    with data.lock:
        try:
            return _dispatch(data, request)
        except _RefusedError as refusal:
            return refusal.status, {"detail": str(refusal)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 422, {"detail": f"not understood: {type(error).__name__}: {error}"}


def _dispatch(data: LangSmithData, request: LangSmithRequest) -> Answer:
    if request.path in {"/runs/multipart", "/runs/batch"}:
        return _many_runs(data, request)
    if request.path == "/examples/bulk" and not data.traces_only:
        return _add_examples(data, request.json())
    if (platform := _DATASET_EXAMPLES.fullmatch(request.path)) and not data.traces_only:
        return _examples_multipart(data, request, platform["id"])
    if route := _ROUTE.fullmatch(request.path):
        return _by_route(data, request, route["what"], route["id"])
    raise _RefusedError(404, "Not Found")


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def _by_route(data: LangSmithData, request: LangSmithRequest, what: str, key: str | None) -> Answer:
    if what == "info":
        return 200, _info(data)
    if what == "runs":
        return _one_run(data, request, key)
    handlers = {"datasets": _datasets, "examples": _examples, "sessions": _sessions, "feedback": _feedback_route}
    if data.traces_only or what not in handlers:
        raise _RefusedError(404, "Not Found")
    return handlers[what](data, request, key)


def _info(data: LangSmithData) -> dict[str, Any]:
    return {
        "version": "0.12.0",
        # All of these: the client's thread dies of a missing one.
        "batch_ingest_config": {
            "use_multipart_endpoint": data.multipart,
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 16,
            "scale_down_nempty_trigger": 4,
            "size_limit": 100,
            "size_limit_bytes": 20_971_520,
        },
        # No zstd: a compressed body could not be searched for secrets.
        "instance_flags": {"dataset_examples_multipart_enabled": True, "zstd_compression_enabled": False},
    }


# -- runs and feedback ---------------------------------------------------------------------------------------------


def _many_runs(data: LangSmithData, request: LangSmithRequest) -> Answer:
    if request.path == "/runs/batch":
        body = request.json()
        for run in body.get("post", []):
            _put_run(data, run)
        for run in body.get("patch", []):
            _put_run(data, run, update=True)
        return 202, {}
    if not data.multipart:
        raise _RefusedError(404, "Not Found")
    gathered: dict[tuple[str, str], dict[str, Any]] = {}
    for name, content in request.parts():
        event, key, part = (*name.split(".", 2), "")[:3]
        if part in _PART_FIELDS:
            gathered[event, key][part] = content
        else:
            gathered[event, key] = content
    for (event, key), content in gathered.items():
        if event == "feedback":
            _put_feedback(data, {**content, "id": key})
        else:
            _put_run(data, {**content, "id": key}, update=event == "patch")
    return 202, {}


def _one_run(data: LangSmithData, request: LangSmithRequest, key: str | None) -> Answer:
    if request.method == "POST":
        run = request.json()
        if run["id"] in data.runs:
            raise _RefusedError(409, "a run of this id exists")
        _put_run(data, run)
        return 202, {}
    if request.method == "PATCH" and key:
        _put_run(data, {**request.json(), "id": key}, update=True)
        return 202, {}
    if request.method == "GET" and key:
        return 200, _found(data.runs, key)
    raise _RefusedError(405, "Method Not Allowed")


def _put_run(data: LangSmithData, run: dict[str, Any], *, update: bool = False) -> None:
    key = str(uuid.UUID(run["id"]))
    if update:
        _found(data.runs, key).update({name: value for name, value in run.items() if value is not None})
        return
    if run.get("session_id") is not None:
        _found(data.sessions, run["session_id"])
    else:
        run["session_id"] = _session_named(data, run.get("session_name") or "default")
    if run.get("reference_example_id") is not None:
        _found(data.examples, run["reference_example_id"])
    data.runs[key] = run


def _feedback_route(data: LangSmithData, request: LangSmithRequest, _key: str | None) -> Answer:
    if request.method == "POST":
        return 200, _put_feedback(data, request.json())
    runs = request.query.get("run", [])
    return 200, _page([item for item in data.feedback.values() if item["run_id"] in runs], request)


def _put_feedback(data: LangSmithData, feedback: dict[str, Any]) -> dict[str, Any]:
    if data.traces_only:
        raise _RefusedError(400, "FOREIGN KEY constraint failed")
    _found(data.runs, feedback["run_id"])
    data.feedback[feedback["id"]] = feedback
    return feedback


# -- data sets and experiments -------------------------------------------------------------------------------------


def _datasets(data: LangSmithData, request: LangSmithRequest, key: str | None) -> Answer:
    if request.method == "POST":
        body = request.json()
        if any(item["name"] == body["name"] for item in data.datasets.values()):
            raise _RefusedError(409, "a data set of this name exists")
        made = {"id": str(uuid.uuid4()), "created_at": _now(), "tenant_id": _TENANT, **body}
        made["metadata"] = (body.get("extra") or {}).get("metadata")
        data.datasets[made["id"]] = made
        return 200, made
    if key:
        return 200, _found(data.datasets, key)
    name = request.one("name")
    return 200, _page([item for item in data.datasets.values() if name in {None, item["name"]}], request)


def _examples(data: LangSmithData, request: LangSmithRequest, key: str | None) -> Answer:
    if request.method == "POST":
        return 200, _add_examples(data, [request.json()])[1][0]
    if request.method == "PATCH" and key:
        _found(data.examples, key)
        data.examples[key].update(_example({**request.json(), "id": key}))
        return 200, data.examples[key]
    if key:
        return 200, _found(data.examples, key)
    ids, dataset, splits = request.query.get("id"), request.one("dataset"), request.query.get("splits")
    found = [
        item
        for item in data.examples.values()
        if (dataset is None or item["dataset_id"] == dataset)
        and (ids is None or item["id"] in ids)
        and (splits is None or set(splits) & set(item["metadata"]["dataset_split"]))
    ]
    return 200, _page(found, request)


def _examples_multipart(data: LangSmithData, request: LangSmithRequest, dataset: str) -> Answer:
    gathered: Rows = {}
    for name, content in request.parts():
        key, _, part = name.partition(".")
        if part:
            gathered[key][part] = content
        else:
            gathered[key] = {**content, "id": key, "dataset_id": dataset}
    status, made = _add_examples(data, list(gathered.values()))
    return status, {"example_ids": [item["id"] for item in made], "count": len(made), "as_of": _now()}


def _add_examples(data: LangSmithData, rows: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
    for row in rows:
        _found(data.datasets, row["dataset_id"])
        if row.get("id") in data.examples:
            raise _RefusedError(409, "an example of this id exists")
    made = [_example({**row, "id": row.get("id") or str(uuid.uuid4())}) for row in rows]
    data.examples |= {item["id"]: item for item in made}
    return 200, made


def _example(row: dict[str, Any]) -> dict[str, Any]:
    split = row.pop("split", None) or "base"
    splits: list[Any] = split if is_list(split) else [split]
    row["metadata"] = {**(row.get("metadata") or {}), "dataset_split": splits}
    return {"inputs": {}, "outputs": None, "created_at": _now(), **row}


def _sessions(data: LangSmithData, request: LangSmithRequest, key: str | None) -> Answer:
    if request.method == "POST":
        body = request.json()
        there = next((item for item in data.sessions.values() if item["name"] == body["name"]), None)
        if there is not None and request.one("upsert") != "True":
            raise _RefusedError(409, "a session of this name exists")
        if body.get("reference_dataset_id") is not None:
            _found(data.datasets, body["reference_dataset_id"])
        made = {"tenant_id": _TENANT, "start_time": _now(), "reference_dataset_id": None, **body}
        made["id"] = there["id"] if there else body["id"]
        data.sessions[made["id"]] = made
        return 200, made
    if key and request.method == "PATCH":
        changes = {name: value for name, value in request.json().items() if value is not None}
        _found(data.sessions, key).update(changes)
    if key:
        return 200, _found(data.sessions, key)
    name = request.one("name")
    return 200, _page([item for item in data.sessions.values() if name in {None, item["name"]}], request)


def _session_named(data: LangSmithData, name: str) -> str:
    for key, session in data.sessions.items():
        if session["name"] == name:
            return key
    key = str(uuid.uuid4())
    made = {"id": key, "name": name, "tenant_id": _TENANT, "start_time": _now(), "reference_dataset_id": None}
    data.sessions[key] = made
    return key


def _found(rows: Rows, key: str) -> dict[str, Any]:
    if key not in rows:
        raise _RefusedError(404, f"there is no {key}")
    return rows[key]


def _page(rows: list[dict[str, Any]], request: LangSmithRequest) -> list[dict[str, Any]]:
    offset, limit = int(request.one("offset") or 0), int(request.one("limit") or 100)
    return rows[offset : offset + limit]


def _now() -> str:
    return datetime.now(UTC).isoformat()
