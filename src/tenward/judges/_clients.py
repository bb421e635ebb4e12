"""The clients of one judge: the SDK's own, one per event loop, and instructor around it."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from tenward.errors import JudgeUnavailableError
from tenward.judges._engine import Engine, engine_for
from tenward.judges.models import ModelStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tenward.judges._spec import JudgeSpec

    Create = Callable[..., Awaitable[Any]]

__all__ = ["KEY_VARIABLES", "Clients"]

KEY_VARIABLES: Mapping[str, str] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "groq": "GROQ_API_KEY",
    "cohere": "COHERE_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "together": "TOGETHER_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "fireworks": "FIREWORKS_API_KEY",
    "cerebras": "CEREBRAS_API_KEY",
    "perplexity": "PERPLEXITY_API_KEY",
    "xai": "XAI_API_KEY",
    "writer": "WRITER_API_KEY",
    "azure_openai": "AZURE_OPENAI_API_KEY",
}
"""Environment variable each provider's key is read from; values are never stored or printed."""


@dataclass
class _Client:
    sdk: Any
    """What is closed in the end."""

    create: Create
    """Makes one chat completion."""

    structured: Create | None = None
    """The same under instructor; made when the first structured answer is asked for, since that import is dear."""


class Clients:
    """Makes clients on first use, and closes them.

    Attributes:
        engine: The embedded engine, once a client of it was made; None for any other judge.
        key_env: Environment variable of the key; empty where none is needed.

    Args:
        spec: The judge.
        shortened: Load the first three quarters of an embedded model, for its states.
    """

    def __init__(self, spec: JudgeSpec, *, shortened: bool = False) -> None:
        self._spec = spec
        self._shortened = shortened
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, _Client] = WeakKeyDictionary()
        self._lock = threading.Lock()  # the loops may run in several threads
        self.engine: Engine | None = None
        self.key_env = (
            "" if spec.local else spec.api_key_env or ("" if spec.base_url else KEY_VARIABLES.get(spec.provider, ""))
        )

    async def raw(self) -> Create:
        """Makes chat completions. Its client is made once per event loop, to which its connections belong."""
        return (await self._client()).create

    async def engine_post(self) -> Callable[[str, Mapping[str, Any]], Awaitable[Any]]:
        """Posts JSON to a path of the embedded engine that is no chat completion, and gives the answer's JSON.

        Raises:
            EngineError: The engine is not installed or cannot load the file.
        """
        client = await self._client()
        assert self.engine is not None
        root = self.engine.base_url.removesuffix("/v1")

        async def post(path: str, body: Mapping[str, Any]) -> Any:
            return await client.sdk.post(f"{root}{path}", body=dict(body), cast_to=object)

        return post

    async def structured(self) -> Create:
        """The same under instructor: takes a ``response_model``, whose answer has the completion beside it."""
        client = await self._client()
        if client.structured is None:
            client.structured = self._under_instructor(client)
        return client.structured

    async def _client(self) -> _Client:
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._made.get(loop)
        if client is None:
            made = await self._connect()
            with self._lock:
                ended = self._take_ended()
                client = self._made.setdefault(loop, made)
            await _let_go(ended)
            if client is not made:
                await _close(made.sdk)  # another call was faster
        return client

    async def aclose(self) -> None:
        """Close the client of the current event loop, and let go of those whose loops have ended."""
        with self._lock:
            client = self._made.pop(asyncio.get_running_loop(), None)
            ended = self._take_ended()
        await _let_go(ended)
        if client is not None:
            await _close(client.sdk)

    def _take_ended(self) -> list[_Client]:
        """Forget clients that nothing can close any more; their connections ended with their loops."""
        return [self._made.pop(loop) for loop in [loop for loop in self._made if loop.is_closed()]]

    async def _connect(self) -> _Client:
        spec = self._spec
        if spec.local:
            find = ModelStore().shortened if self._shortened else ModelStore().resolve
            path = await asyncio.to_thread(find, spec.model_name)
            engine = await asyncio.to_thread(engine_for, path, context_tokens=spec.context_tokens)
            self.engine = engine
            return _of_openai(engine.base_url, engine.api_key, inside=True)
        key = self._key()
        if spec.base_url is not None or spec.provider == "openai":
            return _of_openai(spec.base_url, key)
        return self._from_provider(key)

    def _under_instructor(self, client: _Client) -> Create:
        import instructor

        logging.getLogger("instructor").setLevel(logging.CRITICAL)
        served = self._spec.local or self._spec.base_url is not None
        # Local servers follow a JSON schema and often lack tools; hosted providers have tools first.
        mode = self._mode() or (instructor.Mode.JSON_SCHEMA if served else instructor.Mode.TOOLS)
        if mode.value.startswith("responses"):  # goes to another route of the API, which the SDK's client knows
            whole: Any = instructor.from_openai(client.sdk, mode=mode, model=self._spec.model_name)
            return cast("Create", whole.create)
        patched: Any = instructor.patch(create=client.create, mode=mode)
        return cast("Create", patched)

    def _from_provider(self, key: str | None) -> _Client:
        import instructor

        logging.getLogger("instructor").setLevel(logging.CRITICAL)
        spec = self._spec
        from instructor.core import ConfigurationError

        build: Any = instructor.from_provider
        try:
            client: Any = build(spec.model, async_client=True, mode=self._mode(), **({"api_key": key} if key else {}))
        except (ImportError, ConfigurationError) as error:
            raise JudgeUnavailableError(
                f"provider {spec.provider!r} cannot be used: {' '.join(str(error).split())[:300]}",
                hint=f"pip install 'tenward[{spec.provider}]', or check the provider's name",
            ) from error
        inner = getattr(client, "client", None)
        completions = getattr(getattr(inner, "chat", None), "completions", None)
        if not spec.states_scores and completions is None:
            raise JudgeUnavailableError(
                f"provider {spec.provider!r} reports no log-probabilities, which read: distribution needs",
                hint="write read: stated, or use an OpenAI-compatible endpoint that returns logprobs",
            )
        create = getattr(completions, "create", client.create)
        return _Client(sdk=inner, create=create, structured=client.create)

    def _mode(self) -> Any:
        if self._spec.mode is None:
            return None
        import instructor

        try:
            return instructor.Mode(self._spec.mode)
        except ValueError as error:
            names = ", ".join(mode.value for mode in instructor.Mode)
            raise JudgeUnavailableError(
                f"found mode {self._spec.mode!r}, expected an instructor mode", hint=f"one of {names}"
            ) from error

    def _key(self) -> str | None:
        spec = self._spec
        if not self.key_env:
            return "none" if spec.base_url else None
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise JudgeUnavailableError(
                f"judge {spec.judge} needs a key for {spec.provider}, and {self.key_env} is not set",
                hint=f"export {self.key_env}=…, or use --judge local, which needs no key",
            )
        if not (key.isascii() and key.isprintable()):  # no header can carry it; it is not shown
            raise JudgeUnavailableError(
                f"{self.key_env} holds a character that no key has, such as a line break or a typographic quote",
                hint="copy the key again, and nothing but the key",
            )
        return key


def _of_openai(base_url: str | None, key: str | None, *, inside: bool = False) -> _Client:
    """The SDK's client; ``inside`` for the embedded engine, which no proxy of the environment may stand before."""
    import openai
    from openai.types.chat import ChatCompletion

    direct = openai.DefaultAsyncHttpxClient(trust_env=False) if inside else None
    # Retries are ours: they know the deadline and the failure classes.
    client = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=None, http_client=direct)
    if base_url is not None:
        client.organization = client.project = None  # OPENAI_ORG_ID and OPENAI_PROJECT_ID are for OpenAI's own address

    async def create(*, extra_body: Mapping[str, Any] | None = None, **arguments: Any) -> Any:
        # Not client.chat.completions.create: that imports every resource of the API (a quarter of a second), and walks
        # through the whole schema of every request to rename keys that need no renaming (half of its time).
        body = {**arguments, **(extra_body or {})}
        return await client.post("/chat/completions", body=body, cast_to=ChatCompletion)

    return _Client(sdk=client, create=create)


async def _let_go(ended: list[_Client]) -> None:
    """Free clients of loops that have ended, in a thread: in a loop, the SDK's would try to close themselves in it."""
    if ended:
        await asyncio.to_thread(ended.clear)


async def _close(client: Any) -> None:
    if client is not None and hasattr(client, "close"):
        closed = client.close()
        if asyncio.iscoroutine(closed):
            await closed
        await asyncio.sleep(0)  # a transport that was told to close does so in the next turn of the loop
