"""The embedded engine: llama.cpp's own server in this process, spoken to like any OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import secrets
import sys
import threading
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tenward.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

__all__ = ["Engine", "engine_build", "engine_for", "engine_turn", "leave_engines"]


class Engine:
    """One loaded model, listening on a loopback port that only this process has the key for.

    Attributes:
        base_url: Address for an OpenAI client, ``http://127.0.0.1:PORT/v1``.
        api_key: Random for every engine; never printed, stored or sent anywhere else.
        prefix: The messages whose computation the engine keeps at the start of its slot; None when it keeps none.
    """

    def __init__(self, path: Path, *, context_tokens: int) -> None:
        # The engine's threads spin while they wait unless they are told before the library is loaded; beside any
        # other work on the same cores, spinning makes generation ten times slower.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        try:
            import xllamacpp as library
        except ImportError as error:
            raise EngineError("the embedded engine is not installed", hint="pip install 'tenward[local]'") from error
        self.prefix: str | None = None
        self.api_key = secrets.token_urlsafe(24)
        xllamacpp: Any = library
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = context_tokens
        params.n_parallel = 1
        params.cpuparams.n_threads = _threads()
        params.cpuparams_batch.n_threads = _threads()
        params.warmup = False
        params.verbosity = -1
        params.ui = False
        params.endpoint_slots = False
        params.endpoint_props = False
        params.cache_ram_mib = 0  # what earlier cases left behind must not show in a score; see Connection.begin_case
        params.api_keys = [self.api_key]
        try:
            self._server: Any = xllamacpp.Server(params)
        except Exception as error:
            raise EngineError(
                f"the embedded engine cannot load {path} ({str(error).strip() or 'not a model it can read'})",
                hint="`tenward model list` shows whether the file is complete; `tenward model pull NAME` mends it",
            ) from error
        self.base_url = f"{self._server.listening_address}/v1"

    def close(self) -> None:
        """Stop the server and free the model."""
        self._server = None


def engine_build() -> str:
    """Name and version of the engine that is installed; empty where there is none."""
    try:
        return f"xllamacpp {version('xllamacpp')}"
    except PackageNotFoundError:
        return ""


_lock = threading.Lock()
_engines: dict[tuple[str, int], Engine] = {}


def engine_for(path: Path, *, context_tokens: int) -> Engine:
    """The engine for a model file, loaded on first use and shared by every judge of this process.

    Raises:
        EngineError: The engine is not installed or cannot load the file.
    """
    key = (str(path), context_tokens)
    with _lock:
        if key not in _engines:
            if not _engines:
                atexit.register(_close_all)
            _engines[key] = Engine(path, context_tokens=context_tokens)
        return _engines[key]


def leave_engines(status: int) -> None:
    """End this process at once, with an exit status, where an engine is loaded; do nothing where none is.

    For whoever was interrupted: to free a model waits for the computation under way, which can take a minute, and
    nothing else runs in this process meanwhile. What must last has to be on disk by now.
    """
    if _engines:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


_POLL = 0.02  # seconds between two looks at a slot that another thread holds
_slot = threading.Lock()
_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


@asynccontextmanager
async def engine_turn() -> AsyncGenerator[None]:
    """Held while one case is judged on the embedded engine, by one task of one thread of this process.

    The engine has one slot. Two cases that took turns question by question would each throw away the prefix of the
    other. The tasks of one event loop take it in the order they asked; the loop is never blocked.
    """
    with _lock:
        queue = _queues.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with queue:
        while not _slot.acquire(blocking=False):  # noqa: ASYNC110 - no event of this loop tells of other threads
            await asyncio.sleep(_POLL)
        try:
            yield
        finally:
            _slot.release()


def _close_all() -> None:
    with _lock:
        for engine in _engines.values():
            engine.close()
        _engines.clear()


def _threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)
