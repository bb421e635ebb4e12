"""LangSmith for tests: the routes its client calls, on loopback, with a memory."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self

from tenward.errors import UsageError
from tenward.testing._langsmith_routes import LangSmithData, LangSmithRequest, handle

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LangSmithFake", "LangSmithFault"]

LangSmithFault = Literal["dead", "hang", 401, 429, 500]
"""``dead`` closes each connection without an answer, ``hang`` never answers, a number is the status of every answer."""


class LangSmithFake:
    """A server on 127.0.0.1 that takes data sets, experiments, runs and feedback, and remembers them.

    ::

        with LangSmithFake(api_key="test-key") as fake:
            client = langsmith.Client(api_url=fake.endpoint, api_key="test-key")
            ...
            assert [item["key"] for item in fake.feedback] == ["tenward.clarity"]

    It is as strict as it has to be: a run whose experiment or example is not there is refused, and so is feedback
    without its run, or a second data set of one name. After a close its port refuses connections.

    Args:
        api_key: The only key that is accepted; any, or none, by default.
        fault: What goes wrong with every request; may be changed at any time by setting :attr:`fault`.
        multipart: Whether many runs may come in one multipart body; older servers lack that.
        traces_only: Whether data sets, experiments and feedback are unknown.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        fault: LangSmithFault | None = None,
        multipart: bool = True,
        traces_only: bool = False,
    ) -> None:
        self.fault: LangSmithFault | None = fault
        self._api_key = api_key
        self._data = LangSmithData(multipart=multipart, traces_only=traces_only)
        self._changed = threading.Condition()
        self._requests: list[LangSmithRequest] = []
        self._closing = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """The address for ``LANGSMITH_ENDPOINT``.

        Raises:
            UsageError: The server was not started.
        """
        if self._server is None:
            raise UsageError("the LangSmith fake has no address yet", hint="use it in a with statement")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def datasets(self) -> list[dict[str, Any]]:
        """Data sets, in the order they were made; like the next four, rows as the server would keep them."""
        return self._rows(self._data.datasets)

    @property
    def examples(self) -> list[dict[str, Any]]:
        """Examples of all data sets; their splits stand in ``metadata.dataset_split``."""
        return self._rows(self._data.examples)

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """Projects; those with a ``reference_dataset_id`` are experiments."""
        return self._rows(self._data.sessions)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """Runs, which elsewhere are called spans."""
        return self._rows(self._data.runs)

    @property
    def feedback(self) -> list[dict[str, Any]]:
        """Feedback on runs."""
        return self._rows(self._data.feedback)

    @property
    def requests(self) -> list[LangSmithRequest]:
        """All requests so far, those that were met with a fault included."""
        with self._changed:
            return list(self._requests)

    @property
    def raw(self) -> bytes:
        """Every byte a client said, heads and bodies, for a search for what must not be there."""
        pieces: list[bytes] = []
        for request in self.requests:
            pieces.append(f"{request.method} {request.target}\r\n".encode())
            pieces += [f"{name}: {value}\r\n".encode() for name, value in request.headers.items()]
            pieces += [request.body, b"\r\n"]
        return b"".join(pieces)

    def wait_for_requests(self, count: int, *, timeout: float = 10.0) -> None:
        """Block until so many requests have come in all.

        Raises:
            TimeoutError: Fewer have come within ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout):
                found = len(self._requests)
                raise TimeoutError(f"{found} requests came within {timeout:g} s, expected {count}")

    def start(self) -> Self:
        """Start to listen on a free port; a ``with`` statement does it for you.

        Raises:
            UsageError: The server was started before.
        """
        if self._server is not None:
            raise UsageError("the LangSmith fake was started before", hint="make a new one for each use")
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Drop all connections and stop to listen; a second call does nothing."""
        if self._server is not None and self._thread is not None and not self._closing.is_set():
            self._closing.set()
            self._server.shutdown()
            self._server.server_close()
            self._server.drop_connections()
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self, rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        with self._data.lock:
            return [dict(row) for row in rows.values()]

    def _answer(self, request: LangSmithRequest) -> tuple[int, Any] | None:
        """Status and JSON; None to close the connection. Called by the threads of the server."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()
        fault = self.fault
        if fault == "hang":
            self._closing.wait()
        if fault in {"hang", "dead"}:
            return None
        if isinstance(fault, int):
            return fault, {"detail": "the fault that was asked for"}
        if self._api_key is not None and request.headers.get("x-api-key") != self._api_key:
            return 401, {"detail": "Invalid token"}
        if request.headers.get("content-encoding", "identity") != "identity":
            return 415, {"detail": "only plain bodies"}
        return handle(self._data, request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, fake: LangSmithFake) -> None:
        self.fake = fake
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what many tests are about."""

    def drop_connections(self) -> None:
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond()

    do_POST = do_PATCH = do_GET  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        """Nothing is printed."""

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = LangSmithRequest(method=self.command, target=self.path, headers=headers, body=body)
        assert isinstance(self.server, _Server)
        answer = self.server.fake._answer(request)
        if answer is None:
            self.close_connection = True
            return
        content = json.dumps(answer[1]).encode()
        self.send_response(answer[0])
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
