"""A model server for tests: speaks the OpenAI chat protocol on loopback, and says what it is told."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Self

from tenward.errors import UsageError
from tenward.testing._connection import Connection
from tenward.testing._wire import Answer, Reply, Request, Responder, error_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

__all__ = ["StubServer"]


class StubServer:
    """An OpenAI-compatible endpoint on 127.0.0.1 whose answers are scripted.

    ::

        with StubServer([Status(429, retry_after=0.1), Text("hello")], latency=0.05) as server:
            client = OpenAI(base_url=server.base_url, api_key="any")

    Each ``POST /v1/chat/completions`` takes the next of ``replies``; when they are used up, ``default``
    answers. Without a default, a further request is answered with status 400 and the code
    ``script_exhausted``, which clients do not retry: a call too many shows at once. A function that raises is
    answered in the same way with the code ``script_failed``. ``GET /v1/models`` lists
    one model. Streaming is not spoken and is answered with status 400. With ``states`` it also has the two routes by
    which the embedded engine gives states: ``POST /apply-template`` and ``POST /completion``.

    Args:
        replies: Replies in the order of the requests' arrival; each is a reply or a function of the request.
        default: The reply, or function of the request, for all requests after those.
        latency: Seconds between a request and its answer, or a function from the request's index to seconds.
        model: Name of the one model that is listed; requests may name any.
        states: The reply to a request for a state, or a function of the request.
    """

    def __init__(
        self,
        replies: Sequence[Reply | Responder] = (),
        *,
        default: Reply | Responder | None = None,
        latency: float | Callable[[int], float] = 0.0,
        model: str = "stub-model",
        states: Reply | Responder | None = None,
    ) -> None:
        self._states = states
        self._latency = latency
        self._model = model
        self._changed = threading.Condition()
        self._requests: list[Request] = []
        self._in_flight = 0
        self._max_in_flight = 0
        self._accepted = 0
        self._open: set[Connection] = set()
        self._thread: threading.Thread | None = None
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()
        self.script(replies, default=default)

    def script(self, replies: Sequence[Reply | Responder] = (), *, default: Reply | Responder | None = None) -> None:
        """Replace what is left of the script; may be called at any time, from any thread.

        Requests that have already arrived keep the reply they were given.

        Args:
            replies: As for the class.
            default: As for the class.
        """
        with self._changed:
            self._replies = iter(tuple(replies))
            self._default = default

    @property
    def base_url(self) -> str:
        """The address clients need, such as ``http://127.0.0.1:40123/v1``.

        Raises:
            UsageError: The server was not started.
        """
        if self._thread is None:
            raise UsageError("the stub server has no address yet", hint="use it in a with statement")
        return f"http://127.0.0.1:{self._started.result()[2]}/v1"

    @property
    def requests(self) -> list[Request]:
        """All requests that have arrived so far, in order; a copy."""
        with self._changed:
            return list(self._requests)

    @property
    def max_in_flight(self) -> int:
        """The highest number of requests that were waiting for their answer at the same time."""
        return self._max_in_flight

    @property
    def connections(self) -> int:
        """Number of TCP connections accepted so far."""
        return self._accepted

    def wait_for_requests(self, count: int, *, timeout: float = 10.0) -> None:
        """Block until so many requests have arrived in all.

        Args:
            count: Number of requests, answered or not.
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: Fewer have arrived by then.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout):
                found = len(self._requests)
                raise TimeoutError(f"{found} requests arrived within {timeout:g} s, expected {count}")

    def start(self) -> Self:
        """Start to listen on a free port; a ``with`` statement does it for you.

        Raises:
            UsageError: The server was started before.
            OSError: The system has no port or file descriptor left.
        """
        if self._thread is not None:
            raise UsageError("the stub server was started before", hint="make a new StubServer for each use")
        self._thread = threading.Thread(target=self._run, name="tenward-stub-server", daemon=True)
        self._thread.start()
        self._started.result()
        return self

    def close(self) -> None:
        """Drop all connections, answered or not, and end the thread; a second call does nothing."""
        if self._thread is not None and self._thread.is_alive():
            loop, stop, _port = self._started.result()
            loop.call_soon_threadsafe(stop.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve())
        except OSError as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        accepting: set[asyncio.Task[object]] = set()

        def accept() -> None:
            task = loop.create_task(loop.connect_accepted_socket(partial(Connection, self), listener.accept()[0]))
            accepting.add(task)
            task.add_done_callback(accepting.discard)

        # asyncio's own server forgets connections that are being accepted while it closes; these tasks are kept.
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            listener.setblocking(False)
            loop.add_reader(listener, accept)
            self._started.set_result((loop, stop, listener.getsockname()[1]))
            await stop.wait()
            loop.remove_reader(listener)
        await asyncio.gather(*accepting)
        await asyncio.gather(*[connection.abort() for connection in self._open])

    # What follows runs on the server's thread only; the first four are what a connection reports.

    def _connected(self, connection: Connection) -> None:
        self._accepted += 1
        self._open.add(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)

    def _arrived(self, request: Request) -> tuple[Answer | None, float]:
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)
        try:
            delay = self._latency(request.index) if callable(self._latency) else self._latency
            return self._answer(request), delay
        except Exception as error:  # noqa: BLE001 - the client must hear of it, whatever it is
            message = f"The stub server's script raised {type(error).__name__}: {error}"
            return error_answer(400, message, code="script_failed"), 0.0

    def _left(self) -> None:
        self._in_flight -= 1

    def _answer(self, request: Request) -> Answer | None:
        match request.method, request.path:
            case "GET", "/v1/models":
                listed = {"id": self._model, "object": "model", "created": 0, "owned_by": "tenward"}
                return Answer(body=json.dumps({"object": "list", "data": [listed]}).encode())
            case "POST", "/v1/chat/completions":
                return self._complete(request)
            case "POST", "/apply-template" if self._states is not None:
                return Answer(body=json.dumps({"prompt": request.text()}).encode())
            case "POST", "/completion" if self._states is not None:
                return (self._states if isinstance(self._states, Reply) else self._states(request)).answer(request)
            case _:
                return error_answer(404, f"Invalid URL ({request.method} {request.path})")

    def _complete(self, request: Request) -> Answer | None:
        if not request.body:
            return error_answer(400, "The body of the request is no JSON object.")
        if request.body.get("stream"):
            return error_answer(400, "The stub server does not stream.", code="unsupported_value")
        with self._changed:
            reply = next(self._replies, self._default)
        if reply is None:
            message = f"The stub server's replies are used up; this is request {request.index}."
            return error_answer(400, message, code="script_exhausted")
        return (reply if isinstance(reply, Reply) else reply(request)).answer(request)
