"""One keep-alive HTTP/1.1 connection of the stub server.

A callback protocol without tasks: a waiting request is a timer and a hanging one is nothing at all, so
thousands of them cost little, and a close leaves none behind.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from tenward.testing._wire import Answer, error_answer, render, take_request

if TYPE_CHECKING:
    from tenward.testing._wire import Request

__all__ = ["Connection", "Owner"]


class Owner(Protocol):
    """What a connection reports to; all calls come from the event loop's thread."""

    _requests: list[Request]

    def _connected(self, connection: Connection) -> None: ...

    def _lost(self, connection: Connection) -> None: ...

    def _arrived(self, request: Request) -> tuple[Answer | None, float]: ...

    def _left(self) -> None: ...


class Connection(asyncio.Protocol):
    """Answers one request at a time, in order; further ones wait in the buffer."""

    _transport: asyncio.Transport

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._buffer = bytearray()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[None] = self._loop.create_future()

    def abort(self) -> asyncio.Future[None]:
        """Drop the connection; the future is done when its socket is closed."""
        self._transport.abort()
        return self._closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report the new connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._owner._connected(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the answer that was due, if any."""
        if self._timer is not None:
            self._timer.cancel()
        if self._busy:
            self._owner._left()
        self._owner._lost(self)
        self._closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take in the next bytes of a request."""
        self._buffer += data
        self._advance()

    def _advance(self) -> None:
        if self._busy:
            return
        try:
            request = take_request(self._buffer, index=len(self._owner._requests))
        except ValueError as error:
            self._transport.write(render(error_answer(400, f"The request is not understood: {error}")))
            self._transport.close()
            return
        if request is not None:
            self._busy = True
            answer, delay = self._owner._arrived(request)
            if answer is not None:
                last = answer.cut_after is not None or request.headers.get("connection") == "close"
                self._timer = self._loop.call_later(delay, self._send, render(answer), last)

    def _send(self, data: bytes, last: bool) -> None:
        self._transport.write(data)
        self._busy = False
        self._owner._left()
        if last:
            self._transport.close()
        else:
            self._advance()
