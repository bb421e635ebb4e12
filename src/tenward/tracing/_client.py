"""The one module that touches LangSmith's client, and the calls of it that are safe to make.

``evaluate`` and ``aevaluate`` are never used, since they send the git author's name and address. The client's own
background thread is never started, since it holds the process back at its end. What the client would add of its
own (variables, platform, commit) is turned off, and every text passes a :class:`Redactor`.
"""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenward.tracing._errors import LangSmithError
from tenward.tracing._redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from langsmith import Client
    from langsmith.schemas import Example

    from tenward.tracing._errors import FaultKind
    from tenward.tracing._settings import LangSmithSettings

__all__ = ["Connection"]

_CONNECT_MS, _READ_MS = 3_000, 10_000
_WRONG_PLACE = "check LANGSMITH_ENDPOINT: it is the address of the API, not of the web pages"
# Said by us, not asked of the server: one request less, and no feature is used that some deployments lack.
_INFO = {
    "version": "0.12.0",
    "batch_ingest_config": {"use_multipart_endpoint": True, "size_limit_bytes": 20_971_520},
    "instance_flags": {},
}


class Connection:
    """A client that neither starts threads nor retries by itself; to be used from one thread.

    All methods raise :class:`LangSmithError`.

    Args:
        settings: Endpoint and key.
    """

    def __init__(self, settings: LangSmithSettings) -> None:
        self._settings = settings
        self._redact = Redactor()
        self._faults: list[Exception] = []
        # Without a handler of its own, the library's warnings would reach the terminal beside our one line.
        logging.getLogger("langsmith").addHandler(logging.NullHandler())
        with self._translated():
            self._client = self._connect()

    def _connect(self) -> Client:
        from langsmith import Client
        from urllib3.util import Retry

        return Client(
            api_url=self._settings.endpoint,
            api_key=self._settings.api_key,
            workspace_id=self._settings.workspace,
            info=_INFO,
            auto_batch_tracing=False,
            tracing_mode="langsmith",
            tracing_sampling_rate=1.0,
            omit_traced_runtime_info=True,
            anonymizer=self._redact.data,
            hide_inputs=self._settings.hide_inputs,
            hide_outputs=self._settings.hide_outputs,
            hide_metadata=False,
            retry_config=Retry(total=0, raise_on_status=False, raise_on_redirect=False),
            timeout_ms=(_CONNECT_MS, _READ_MS),
            disable_prompt_cache=True,
            tracing_error_callback=self._faults.append,
        )

    def close(self) -> None:
        """Close the connections to the server."""
        self._client.close(timeout=0)

    # -- data sets -----------------------------------------------------------------------------------------------

    def find_dataset(self, name: str) -> UUID | None:
        """Id of a data set; None where there is none of that name."""
        with self._translated():
            # Not read_dataset: its error for a name that is not there is that for a route that is not there.
            found = next(self._client.list_datasets(dataset_name=self._redact.text(name), limit=1), None)
            return found.id if found else None

    def create_dataset(self, name: str, *, description: str, metadata: Mapping[str, Any]) -> UUID:
        """Make a data set."""
        with self._translated():
            made = self._client.create_dataset(
                self._redact.text(name),
                description=self._redact.text(description),
                # The client puts platform and commit under "runtime" unless something stands there.
                metadata={"runtime": {}} | self._redact.data(metadata),
            )
            return made.id

    def examples(self, dataset: UUID, ids: Sequence[UUID] | None = None) -> Iterator[Example]:
        """The examples of a data set, or those of the given ids that it has."""
        with self._translated():
            yield from self._client.list_examples(dataset_id=dataset, example_ids=ids)

    def add_examples(self, dataset: UUID, examples: Sequence[Mapping[str, Any]]) -> None:
        """Add examples, each with ``id``, ``inputs``, ``outputs``, ``metadata`` and ``split``."""
        # Not create_examples: it starts a thread that the interpreter waits for at its end.
        self._request("POST", "/examples/bulk", [self._example(dataset, example) for example in examples])

    def update_example(self, dataset: UUID, example: Mapping[str, Any]) -> None:
        """Replace the content of an example."""
        self._request("PATCH", f"/examples/{example['id']}", self._example(dataset, example))

    def differs(self, example: Mapping[str, Any], there: Example) -> bool:
        """Whether an example, as it would be sent, says something else than the one that is there."""
        wanted = self._example(there.dataset_id, example)
        metadata = {name: value for name, value in (there.metadata or {}).items() if name != "dataset_split"}
        splits = (there.metadata or {}).get("dataset_split")
        return (wanted["inputs"], wanted["outputs"], wanted["metadata"]) != (
            there.inputs or {},
            there.outputs or {},
            metadata,
        ) or wanted["split"] not in (splits or [])

    def _example(self, dataset: UUID, example: Mapping[str, Any]) -> dict[str, Any]:
        hidden = {"inputs": self._settings.hide_inputs, "outputs": self._settings.hide_outputs}
        shown: dict[str, Any] = {name: self._redact.data(value) for name, value in example.items()}
        blank: dict[str, Any] = {name: {} for name, hide in hidden.items() if hide}
        return shown | blank | {"dataset_id": str(dataset)}

    # -- experiments ---------------------------------------------------------------------------------------------

    def open_experiment(
        self, name: str, dataset: UUID, *, metadata: Mapping[str, Any], keys: Sequence[str], cases: int | None
    ) -> UUID:
        """Id of the experiment of that name; it is made if it is not there."""
        with self._translated():
            for project in self._client.list_projects(name=self._redact.text(name), limit=1):
                return project.id
            made = self._client.create_project(
                self._redact.text(name),
                metadata=self._redact.data(metadata),
                reference_dataset_id=dataset,
                num_examples=cases,
                evaluator_keys=[self._redact.text(key) for key in keys],
            )
            return made.id

    def close_experiment(self, experiment: UUID, *, metadata: Mapping[str, Any], ended: datetime) -> None:
        """Mark an experiment as complete."""
        with self._translated():
            self._client.update_project(experiment, metadata=self._redact.data(metadata), end_time=ended)

    # -- traces --------------------------------------------------------------------------------------------------

    def send_runs(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """Send complete runs; one that is already there is left as it is."""
        with self._translated():
            # Names are redacted here; inputs, outputs, metadata and errors by the client's anonymizer.
            self._client.multipart_ingest(create=[{**run, "name": self._redact.text(run["name"])} for run in runs])

    def send_feedback(self, feedback: Sequence[Mapping[str, Any]]) -> None:
        """Send feedback about runs that were sent."""
        from langsmith._internal import _operations
        from langsmith.schemas import FeedbackCreate, ModelFeedbackSource

        items: list[FeedbackCreate] = []
        for item in feedback:
            said = {"key": self._redact.text(item["key"]), "comment": self._comment(item["comment"])}
            source = ModelFeedbackSource(metadata={})
            items.append(FeedbackCreate.model_validate({**item, **said, "feedback_source": source}))
        with self._translated():
            if self._client._multipart_disabled:
                # The server has shown that it lacks the route on which many go at once.
                for one in items:
                    self._request("POST", "/feedback", json.loads(one.model_dump_json(exclude_none=True)))
            elif items:
                self._client._multipart_ingest_ops([_operations.serialize_feedback_dict(one) for one in items])

    def _comment(self, text: str) -> str | None:
        return None if self._settings.hide_outputs else self._redact.text(text) or None

    def _request(self, method: Any, path: str, body: Any) -> None:
        with self._translated():
            self._client.request_with_retries(
                method, path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
            )

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        """Raise what the client raises, or only reports, as errors of ours."""
        self._faults.clear()
        try:
            yield
        except LangSmithError:
            raise
        except Exception as error:
            raise self._as_ours(error) from error
        if self._faults:
            raise self._as_ours(self._faults[0]) from self._faults[0]

    def _as_ours(self, error: Exception) -> LangSmithError:
        where = self._settings.shown
        status = _status(error)
        kind: FaultKind
        if status in {401, 403}:
            kind, found = "key", f"{where} does not accept the key (status {status})"
            hint = "check LANGSMITH_API_KEY, and LANGSMITH_ENDPOINT if your account is in another region"
        elif status in {408, 425, 429} or (status is not None and status >= 500):
            kind, found = "busy", f"{where} answered with status {status}"
            hint = "try again later"
        elif status == 404:
            kind, found = "missing", f"{where} knows no such thing (status 404)"
            hint = _WRONG_PLACE
        elif status is not None:
            kind, found = "refused", f"{where} did not accept what was sent (status {status})"
            hint = "the text of the answer: " + self._redact.text(_answer(error))
        elif any(isinstance(item, json.JSONDecodeError) for item in _chain(error)):
            kind, found = "refused", f"{where} answered with something that is not JSON"
            hint = _WRONG_PLACE
        elif _is_network(error):
            kind, found = "unreachable", f"no answer from {where}"
            hint = "check the network and LANGSMITH_ENDPOINT"
        else:
            kind, found = "refused", f"LangSmith's client failed with {type(error).__name__}"
            hint = "check the variables that begin with LANGSMITH_"
        return LangSmithError(found, hint=hint, kind=kind)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _status(error: BaseException) -> int | None:
    """The HTTP status behind an error; the client keeps it only in what it was caused by."""
    for item in _chain(error):
        response = getattr(item, "response", None)
        if response is not None:
            return int(response.status_code)
    return None


def _answer(error: BaseException) -> str:
    texts = (getattr(getattr(item, "response", None), "text", "") for item in _chain(error))
    return " ".join(next(filter(None, texts), "(empty)").split())[:200]


def _is_network(error: BaseException) -> bool:
    from requests import RequestException

    return any(isinstance(item, RequestException | OSError) for item in _chain(error))
