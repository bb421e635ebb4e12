"""One model behind one address: structured answers through instructor, first-token probabilities without it."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard, cast
from weakref import WeakKeyDictionary

from tenward.errors import JudgeUnavailableError
from tenward.guards import is_list, is_mapping
from tenward.judges._engine import Engine, engine_for
from tenward.judges._failures import EMBEDDED, classify
from tenward.judges._retry import CallFailedError, call_with_retries
from tenward.judges._verdict import Failure, Usage
from tenward.judges.models import ModelStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from tenward.judges._retry import Deadline
    from tenward.judges._spec import JudgeSpec

__all__ = ["KEY_VARIABLES", "Connection", "FirstToken", "Message"]

Message = dict[str, str]

_ROUNDING = 0.01  # how far above 0 rounding may lift a log-probability
_LARGEST = 2**53  # above it a counter is noise; NaN is not below it either

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


@dataclass(frozen=True, kw_only=True)
class FirstToken:
    """The distribution of the first token of an answer."""

    probabilities: Mapping[str, float]
    """Probability per token, as far down as the endpoint reports; stripped of white space, 0 to 1."""

    usage: Usage
    timings: Mapping[str, float]
    """The embedded engine's own counters; empty for other endpoints."""


class Connection:
    """Calls one model, with retries, a deadline, and one client per event loop."""

    def __init__(self, spec: JudgeSpec) -> None:
        self._spec = spec
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
        self._clients_lock = threading.Lock()  # the loops may run in several threads
        self._engine: Engine | None = None
        self._fresh = False
        self._key_env = (
            "" if spec.local else spec.api_key_env or ("" if spec.base_url else KEY_VARIABLES.get(spec.provider, ""))
        )
        self._where = spec.base_url or (EMBEDDED if spec.local else spec.provider)

    async def begin_case(
        self, shared: list[Message] | None, *, deadline: Deadline
    ) -> tuple[Usage, Mapping[str, float]]:
        """Bring the embedded engine to where this case starts; for any other endpoint there is nothing to do.

        The engine rounds differently when another part of a prompt is left to compute, so whatever an earlier case
        left in its cache would show in a score. The prompt is therefore always computed in the same pieces: first
        what the cases on one input share, which is kept from case to case, then the rest.

        Args:
            shared: The messages up to the candidate; None when cases share nothing worth keeping.
            deadline: The time left for the case.

        Returns:
            What it took, and the engine's counters.

        Raises:
            CallFailedError: The shared part cannot be computed, for instance because it does not fit.
        """
        if not self._spec.local:
            return Usage(), {}
        client = await self._raw_client()
        engine = self._engine
        assert engine is not None
        kept, engine.prefix = engine.prefix, None
        self._fresh = shared is None or kept != str(shared)
        if shared is None:
            return Usage(), {}

        async def call() -> Any:
            return await client.chat.completions.create(
                model=self._spec.model_name, messages=shared, max_tokens=1, temperature=0, extra_body=self._extra_body()
            )

        reply = await self._call(call, deadline)
        self._fresh = False
        engine.prefix = str(shared)
        return self._usage(reply), _timings(reply)

    async def structured(
        self, messages: list[Message], model: type[BaseModel], *, deadline: Deadline, max_tokens: int
    ) -> tuple[BaseModel | None, Usage, Failure | None]:
        """One structured answer; a schema fault is returned as a failure, for the caller to ask again.

        Raises:
            CallFailedError: The call failed for good.
            JudgeUnavailableError: No further call could succeed.
        """
        client = await self._instructor()
        spent: list[Usage] = []

        async def call() -> tuple[BaseModel | None, Failure | None]:
            from instructor.core import IncompleteOutputException, InstructorRetryException

            try:
                answer, raw = await client.create_with_completion(
                    response_model=model,
                    messages=[dict(message) for message in messages],
                    max_retries=0,
                    **self._arguments(max_tokens),
                )
            except IncompleteOutputException as error:
                spent.append(self._usage(error.last_completion))
                raise
            except InstructorRetryException as error:
                if error.last_completion is not None:
                    spent.append(self._usage(error.last_completion))
                fault = _fault_in_answer(error)
                if fault is None:
                    raise
                if fault.kind != "schema":
                    raise CallFailedError(fault) from error
                return None, fault
            self._fresh = False
            spent.append(self._usage(raw))
            return cast("BaseModel", answer), None

        try:
            answer, failure = await self._call(call, deadline)
        except CallFailedError as error:
            error.usage = _total(spent)
            raise
        return answer, _total(spent), failure

    async def first_token(self, messages: list[Message], *, deadline: Deadline) -> FirstToken:
        """The distribution of the first token of the answer to ``messages``.

        Raises:
            CallFailedError: The call failed for good.
            JudgeUnavailableError: No further call could succeed, or the endpoint returns no log-probabilities.
        """
        client = await self._raw_client()
        spent: list[Usage] = []

        async def call() -> FirstToken:
            reply = await client.chat.completions.create(
                model=self._spec.model_name,
                messages=messages,
                logprobs=True,
                top_logprobs=20,
                temperature=0,
                extra_body=self._extra_body() or None,
                **{self._limit_name(): 1},
            )
            choices = getattr(reply, "choices", None)  # the SDK returns text of any other type as it is
            if not is_list(choices) or not choices or choices[0] is None:
                raise CallFailedError(Failure(kind="transport", detail=f"{self._where} sent an answer without choices"))
            spent.append(self._usage(reply))
            probabilities = self._probabilities(choices[0])
            self._fresh = False
            return FirstToken(probabilities=probabilities, usage=_total(spent), timings=_timings(reply))

        try:
            return cast("FirstToken", await self._call(call, deadline))
        except CallFailedError as error:
            error.usage = _total(spent)
            raise

    def _probabilities(self, choice: Any) -> dict[str, float]:
        """Probability per first token; the SDK checks no field of what it received, so every one is checked here."""
        if (
            getattr(getattr(choice, "message", None), "refusal", None)
            or getattr(choice, "finish_reason", None) == "content_filter"
        ):
            raise CallFailedError(Failure(kind="refused", detail="the model refused to answer"))
        noise = CallFailedError(
            Failure(kind="transport", detail=f"{self._where} sent log-probabilities that cannot be read")
        )
        logprobs = getattr(choice, "logprobs", None)
        if logprobs is not None and not hasattr(logprobs, "model_fields_set"):
            raise noise
        tokens = getattr(logprobs, "content", None)
        if tokens and (not is_list(tokens) or tokens[0] is None):
            raise noise
        ranked = getattr(tokens[0], "top_logprobs", None) if tokens else None
        if ranked is None or ranked == []:
            raise JudgeUnavailableError(
                f"{self._where} returns no log-probabilities for {self._spec.model}, which read: distribution needs",
                hint="use an endpoint that supports logprobs and top_logprobs, or write read: stated",
            )
        if not is_list(ranked):
            raise noise
        probabilities: dict[str, float] = {}
        for entry in ranked:
            token, logprob = getattr(entry, "token", None), getattr(entry, "logprob", None)
            if not isinstance(token, str) or not _is_number(logprob) or not logprob <= _ROUNDING:  # nor is NaN
                raise noise
            label = token.strip()
            probabilities[label] = probabilities.get(label, 0.0) + math.exp(min(0.0, logprob))
        return probabilities

    async def aclose(self) -> None:
        """Close the client of the current event loop, and let go of those whose loops have ended."""
        with self._clients_lock:
            client = self._clients.pop(asyncio.get_running_loop(), None)
            self._drop_ended()
        await _close(client)

    def _drop_ended(self) -> None:
        """Forget clients that nothing can close any more; their connections ended with their loops."""
        for loop in [loop for loop in self._clients if loop.is_closed()]:
            del self._clients[loop]

    async def _call(self, call: Any, deadline: Deadline) -> Any:
        spec = self._spec
        return await call_with_retries(
            call,
            classify=lambda error: classify(error, model=spec.model, where=self._where, key_env=self._key_env),
            retries=spec.retries,
            timeout=spec.timeout,
            deadline=deadline,
        )

    async def _raw_client(self) -> Any:
        """The SDK's own client, made once per event loop: its connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        with self._clients_lock:
            client = self._clients.get(loop)
        if client is None:
            made = await self._connect()
            with self._clients_lock:
                self._drop_ended()
                client = self._clients.setdefault(loop, made)
            if client is not made:
                await _close(made)  # another call was faster
        return client

    async def _connect(self) -> Any:
        spec = self._spec
        if spec.local:
            path = ModelStore().resolve(spec.model_name)
            engine = await asyncio.to_thread(engine_for, path, context_tokens=spec.context_tokens)
            self._engine = engine
            return _openai_client(engine.base_url, engine.api_key, inside=True)
        key = self._key()
        if spec.base_url is not None or spec.provider == "openai":
            return _openai_client(spec.base_url, key)
        return self._from_provider(key)

    async def _instructor(self) -> Any:
        client = await self._raw_client()
        if hasattr(client, "create_with_completion"):
            return client
        import instructor

        logging.getLogger("instructor").setLevel(logging.CRITICAL)
        served = self._spec.local or self._spec.base_url is not None
        # Local servers follow a JSON schema and often lack tools; hosted providers have tools first.
        mode = self._mode() or (instructor.Mode.JSON_SCHEMA if served else instructor.Mode.TOOLS)
        return instructor.from_openai(client, mode=mode, model=self._spec.model_name)

    def _from_provider(self, key: str | None) -> Any:
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
        if spec.read == "distribution":
            inner = getattr(client, "client", None)
            if not hasattr(getattr(inner, "chat", None), "completions"):
                raise JudgeUnavailableError(
                    f"provider {spec.provider!r} reports no log-probabilities, which read: distribution needs",
                    hint="write read: stated, or use an OpenAI-compatible endpoint that returns logprobs",
                )
            return inner
        return client

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
        if not self._key_env:
            return "none" if spec.base_url else None
        key = os.environ.get(self._key_env, "").strip()
        if not key:
            raise JudgeUnavailableError(
                f"judge {spec.judge} needs a key for {spec.provider}, and {self._key_env} is not set",
                hint=f"export {self._key_env}=…, or use --judge local, which needs no key",
            )
        return key

    def _limit_name(self) -> str:
        hosted = self._spec.provider == "openai" and self._spec.base_url is None
        return "max_completion_tokens" if hosted else "max_tokens"

    def _arguments(self, max_tokens: int) -> dict[str, Any]:
        spec = self._spec
        arguments: dict[str, Any] = {self._limit_name(): min(max_tokens, spec.max_tokens)}
        # The embedded engine is deterministic unless a judge file asks for something else.
        temperature = 0.0 if spec.local and spec.temperature is None else spec.temperature
        if temperature is not None:
            arguments["temperature"] = temperature
        if spec.seed is not None:
            arguments["seed"] = spec.seed
        if extra := self._extra_body():
            arguments["extra_body"] = extra
        return arguments

    def _extra_body(self) -> dict[str, Any]:
        return {**self._spec.extra_body, **({"cache_prompt": False} if self._fresh else {})}

    def _usage(self, raw: Any) -> Usage:
        usage = getattr(raw, "usage", None)
        prompt = _count(usage, "prompt_tokens") or _count(usage, "input_tokens")
        completion = _count(usage, "completion_tokens") or _count(usage, "output_tokens")
        details = getattr(usage, "prompt_tokens_details", None)
        cached = _count(details, "cached_tokens") or _count(usage, "cache_read_input_tokens")
        price = self._spec.price
        cost: float | None = None
        if self._spec.local:
            cost = 0.0
        elif price is not None:
            reused = price.input if price.cached_input is None else price.cached_input
            cost = (max(0, prompt - cached) * price.input + cached * reused + completion * price.output) / 1e6
        return Usage(calls=1, prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion, cost_usd=cost)


def _timings(reply: Any) -> dict[str, float]:
    extra = getattr(reply, "model_extra", None)
    timings = extra.get("timings") if is_mapping(extra) else None
    if not is_mapping(timings):
        return {}
    return {str(name): float(value) for name, value in timings.items() if _is_number(value) and abs(value) <= _LARGEST}


def _count(counts: Any, name: str) -> int:
    """A number of tokens as an endpoint reports it; 0 for anything that is none."""
    value = getattr(counts, name, None)
    return int(value) if _is_number(value) and 0 <= value <= _LARGEST else 0


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


async def _close(client: Any) -> None:
    if client is not None and hasattr(client, "close"):
        closed = client.close()
        if asyncio.iscoroutine(closed):
            await closed


def _total(usages: list[Usage]) -> Usage:
    total = Usage()
    for usage in usages:
        total += usage
    return total


def _openai_client(base_url: str | None, key: str | None, *, inside: bool = False) -> Any:
    """The SDK's client; ``inside`` for the embedded engine, which no proxy of the environment may stand before."""
    import openai

    direct = openai.DefaultAsyncHttpxClient(trust_env=False) if inside else None
    # Retries are ours: they know the deadline and the failure classes.
    client = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=None, http_client=direct)
    if base_url is not None:
        client.organization = client.project = None  # OPENAI_ORG_ID and OPENAI_PROJECT_ID are for OpenAI's own address
    return client


def _fault_in_answer(error: Any) -> Failure | None:
    """The failure in what the model said; None when the call itself failed."""
    raw = error.last_completion
    if raw is None:
        return None
    if isinstance(raw, str) or (hasattr(raw, "choices") and not raw.choices):
        return Failure(kind="transport", detail="the endpoint sent something that is no answer")
    choice = next(iter(getattr(raw, "choices", None) or ()), None)
    message = getattr(choice, "message", None)
    if (
        getattr(message, "refusal", None)
        or getattr(choice, "finish_reason", None) == "content_filter"
        or getattr(raw, "stop_reason", None) == "refusal"
    ):
        return Failure(kind="refused", detail="the model refused to answer")
    if getattr(choice, "finish_reason", None) == "length":
        return Failure(kind="truncated", detail="the answer was cut off at the token limit")
    return Failure(kind="schema", detail="the answer was not JSON of the schema asked for")
