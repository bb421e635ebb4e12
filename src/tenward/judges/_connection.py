"""One model behind one address: structured answers through instructor, first-token probabilities without it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tenward.errors import JudgeUnavailableError
from tenward.judges._answers import schema_bytes, schema_digest
from tenward.judges._calls import call_key, lent_calls, prompt_tokens_at_most
from tenward.judges._clients import Clients
from tenward.judges._engine import engine_build
from tenward.judges._failures import EMBEDDED, classify
from tenward.judges._prompts import PROMPT_VERSION
from tenward.judges._replies import (
    fault_in_answer,
    first_choice,
    first_probabilities,
    stored_probabilities,
    timings,
    usage_of,
    usage_of_completion,
    written_text,
)
from tenward.judges._retry import CallFailedError, call_with_retries
from tenward.judges._state import STATE_VERSION, ReadState, pack_state, state_in, state_request, unpack_state
from tenward.judges._verdict import Failure, Usage, total_usage
from tenward.judges.models import ModelStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pydantic import BaseModel

    from tenward.judges._calls import Asked
    from tenward.judges._retry import Deadline
    from tenward.judges._spec import JudgeSpec
    from tenward.judges._state import State

__all__ = ["Connection", "FirstToken", "Message"]

Message = dict[str, str]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class FirstToken:
    """The distribution of the first token of an answer."""

    probabilities: Mapping[str, float]
    """Probability per token, as far down as the endpoint reports; stripped of white space, 0 to 1."""

    usage: Usage
    timings: Mapping[str, float]
    """The embedded engine's own counters; empty for other endpoints."""

    begun: Mapping[str, float]
    """Its counters for the part that cases share, where this call had to compute it first."""


class Connection:
    """Calls one model: from the cache where it can, else with retries and a deadline, within budget and limits.

    Args:
        spec: The judge.
        shortened: Call the first three quarters of an embedded model, which can only be asked for states.
    """

    def __init__(self, spec: JudgeSpec, *, shortened: bool = False) -> None:
        self._spec = spec
        self._clients = Clients(spec, shortened=shortened)
        self._where = spec.base_url or (EMBEDDED if spec.local else spec.provider)
        self._shared: list[Message] | None = None
        self._begun = True
        self._fresh = False

    def begin_case(self, shared: list[Message] | None) -> None:
        """Say that another case begins; for the embedded engine, which keeps the start of a prompt in its slot.

        Args:
            shared: The messages up to the candidate; None when cases share nothing worth keeping.
        """
        self._shared, self._begun, self._fresh = shared, not self._spec.local, False

    async def _begin(self, deadline: Deadline) -> tuple[Usage, Mapping[str, float]]:
        """Bring the embedded engine to where the case starts, before the first call of it that has to be made.

        The engine rounds differently when another part of a prompt is left to compute, so whatever an earlier case
        left in its cache would show in a score. The prompt is therefore always computed in the same pieces: first
        what the cases on one input share, which is kept from case to case, then the rest.
        """
        if self._begun:
            return Usage(), {}
        create = await self._clients.raw()
        engine, shared = self._clients.engine, self._shared
        assert engine is not None
        kept, engine.prefix = engine.prefix, None
        self._fresh = shared is None or kept != str(shared)
        self._begun = True
        if shared is None:
            return Usage(), {}

        async def call() -> Any:
            return await create(
                model=self._spec.model_name, messages=shared, max_tokens=1, temperature=0, extra_body=self._extra_body()
            )

        try:
            reply = await self._call(call, deadline)
        except CallFailedError:
            self._begun = False
            raise
        self._fresh = False
        engine.prefix = str(shared)
        return usage_of(self._spec, reply), timings(reply)

    async def structured(
        self,
        messages: list[Message],
        model: type[BaseModel],
        *,
        asked: Asked,
        sample: int,
        deadline: Deadline,
        max_tokens: int,
        fit: Callable[[BaseModel], bool] | None = None,
    ) -> tuple[BaseModel | None, Usage, Failure | None]:
        """One structured answer; a schema fault is returned as a failure, for the caller to ask again.

        Args:
            messages: What is sent.
            model: The shape of the answer.
            asked: Whose question this is.
            sample: Number of the answer, where several are wanted to one question.
            deadline: The time left for the case.
            max_tokens: Upper bound on the answer, in tokens.
            fit: Whether an answer is worth keeping in the cache; every one is, when left out.

        Raises:
            CallFailedError: The call failed for good.
            JudgeUnavailableError: No further call could succeed.
        """
        arguments = self._arguments(max_tokens)
        key = self._key("structured", messages, arguments, {"schema": schema_digest(model), "sample": sample})
        calls = lent_calls()
        if (known := _kept(model.model_validate_json, calls.recall(key))) is not None:
            return known, Usage(), None
        spent: list[Usage] = [(await self._begin(deadline))[0]]
        create = await self._clients.structured()

        async def call() -> tuple[BaseModel | None, Failure | None]:
            from instructor.core import IncompleteOutputException, InstructorRetryException

            with self._paid(messages, arguments[self._limit_name()], schema_bytes=schema_bytes(model)) as took:
                try:
                    answer = await create(
                        response_model=model,
                        model=self._spec.model_name,
                        messages=[dict(message) for message in messages],
                        max_retries=0,
                        **self._with_extra_body(arguments),
                    )
                    took.append(usage_of(self._spec, answer._raw_response))
                except IncompleteOutputException as error:
                    took.append(usage_of(self._spec, error.last_completion))
                    raise
                except InstructorRetryException as error:
                    if error.last_completion is not None:
                        took.append(usage_of(self._spec, error.last_completion))
                    fault = fault_in_answer(error)
                    if fault is None:
                        raise
                    if fault.kind != "schema":
                        raise CallFailedError(fault) from error
                    return None, fault
                finally:
                    spent.extend(took)
            self._fresh = False
            return cast("BaseModel", answer), None

        try:
            answer, failure = await self._call(call, deadline)
        except CallFailedError as error:
            error.usage = total_usage(spent)
            raise
        if answer is not None:
            calls.remember(key, asked, answer.model_dump_json(by_alias=True), fit=fit is None or fit(answer))
        return answer, total_usage(spent), failure

    def knows_answer(self, messages: list[Message], model: type[BaseModel], *, sample: int, max_tokens: int) -> bool:
        """Whether the cache holds this structured answer."""
        return self.known_answer(messages, model, sample=sample, max_tokens=max_tokens) is not None

    def known_answer(
        self, messages: list[Message], model: type[BaseModel], *, sample: int, max_tokens: int
    ) -> BaseModel | None:
        """This structured answer, as the cache holds it; None when the question was never answered."""
        more = {"schema": schema_digest(model), "sample": sample}
        key = self._key("structured", messages, self._arguments(max_tokens), more)
        cache = lent_calls().cache
        known = cache.recall(key) if cache is not None else None
        return _kept(model.model_validate_json, known)

    def knows_first_tokens(self, all_messages: Sequence[list[Message]]) -> bool:
        """Whether the cache holds the distributions of all these; of the embedded engine, only then it is asked.

        Were some taken from the cache and the others computed, the engine would compute those in other pieces, and
        round differently.
        """
        cache = lent_calls().cache
        return cache is not None and all(
            cache.recall(self._key("first_token", messages, {}, {})) is not None for messages in all_messages
        )

    async def first_token(
        self, messages: list[Message], *, asked: Asked, deadline: Deadline, from_cache: bool = True
    ) -> FirstToken:
        """The distribution of the first token of the answer to ``messages``.

        Raises:
            CallFailedError: The call failed for good.
            JudgeUnavailableError: No further call could succeed, or the endpoint returns no log-probabilities.
        """
        key = self._key("first_token", messages, {}, {})
        calls = lent_calls()
        if from_cache and (known := _kept(stored_probabilities, calls.recall(key))) is not None:
            return FirstToken(probabilities=known, usage=Usage(), timings={}, begun={})
        begun, begun_timings = await self._begin(deadline)
        create = await self._clients.raw()
        spent: list[Usage] = [begun]

        async def call() -> FirstToken:
            with self._paid(messages, 1) as took:
                try:
                    reply = await create(
                        model=self._spec.model_name,
                        messages=messages,
                        logprobs=True,
                        top_logprobs=20,
                        temperature=0,
                        extra_body=self._extra_body() or None,
                        **{self._limit_name(): 1},
                    )
                    choice = first_choice(reply, self._where)
                    took.append(usage_of(self._spec, reply))
                finally:
                    spent.extend(took)
            probabilities = first_probabilities(choice, self._where, self._spec.model)
            self._fresh = False
            return FirstToken(
                probabilities=probabilities,
                usage=total_usage(spent),
                timings=timings(reply),
                begun=begun_timings,
            )

        try:
            token = cast("FirstToken", await self._call(call, deadline))
        except CallFailedError as error:
            error.usage = total_usage(spent)
            raise
        calls.remember(key, asked, json.dumps(token.probabilities))  # half a character has no other form
        return token

    async def state(
        self, messages: list[Message], *, asked: Asked, deadline: Deadline, from_cache: bool = True
    ) -> ReadState:
        """The state of a shortened model at the end of ``messages``, the answer's turn opened.

        Raises:
            CallFailedError: The call failed for good.
            JudgeUnavailableError: The engine gives no states; no further call could succeed.
        """
        key = self._state_key(messages)
        calls = lent_calls()
        if from_cache and (known := _kept(unpack_state, calls.recall(key))) is not None:
            return ReadState(state=known)
        begun, begun_timings = await self._begin(deadline)
        spent, counters = [begun], [begun_timings] if begun_timings else []
        post = await self._clients.engine_post()

        async def call() -> State:
            template = await post("/apply-template", {"messages": messages})
            answer = await post("/completion", {**state_request(template["prompt"]), "cache_prompt": not self._fresh})
            counters.append(timings(answer))
            spent.append(usage_of_completion(counters[-1]))
            state = state_in(answer)
            if state is None:
                raise JudgeUnavailableError(
                    f"{self._where} gives no states of {self._spec.model}, which read: hidden needs",
                    hint="write read: distribution",
                )
            self._fresh = False
            return state

        try:
            state = cast("State", await self._call(call, deadline))
        except CallFailedError as error:
            error.usage = total_usage(spent)
            raise
        calls.remember(key, asked, pack_state(state))
        return ReadState(state=state, usage=total_usage(spent), timings=tuple(counters))

    def knows_states(self, all_messages: Sequence[list[Message]]) -> bool:
        """Whether the cache holds all these; only then it is asked, as in :meth:`knows_first_tokens`."""
        return all(self.known_state(messages) is not None for messages in all_messages)

    def known_state(self, messages: list[Message]) -> State | None:
        """This state, as the cache holds it; None when it was never read with this model file and engine."""
        cache = lent_calls().cache
        known = cache.recall(self._state_key(messages)) if cache is not None else None
        return _kept(unpack_state, known)

    def _state_key(self, messages: list[Message]) -> str:
        return self._key(
            "state", messages, {}, {"state": STATE_VERSION, "engine": engine_build(), "file": self.model_file}
        )

    @property
    def model_file(self) -> str:
        """The SHA-256 of the embedded engine's model file, in hexadecimal; empty for any other judge.

        Raises:
            ModelStoreError: A file of one's own is missing or no model.
            UnknownNameError: No model has this name.
        """
        return ModelStore().sha256(self._spec.model_name) if self._spec.local else ""

    def known_text(self, messages: list[Message], *, max_tokens: int) -> str | None:
        """The text that the cache holds for these messages; None when they were never answered."""
        cache = lent_calls().cache
        known = cache.recall(self._text_key(messages, self._arguments(max_tokens))) if cache is not None else None
        return _kept(lambda text: str(json.loads(text)), known)

    async def text(
        self, messages: list[Message], *, asked: Asked, deadline: Deadline, max_tokens: int
    ) -> tuple[str, Usage]:
        """A plain answer, as the model wrote it; one that was refused or cut off is a failed call.

        Raises:
            CallFailedError: The call failed for good.
            JudgeUnavailableError: No further call could succeed.
        """
        arguments = self._arguments(max_tokens)
        key = self._text_key(messages, arguments)
        calls = lent_calls()
        if (known := _kept(lambda text: str(json.loads(text)), calls.recall(key))) is not None:
            return known, Usage()
        spent: list[Usage] = [(await self._begin(deadline))[0]]
        create = await self._clients.raw()

        async def call() -> str:
            with self._paid(messages, arguments[self._limit_name()]) as took:
                try:
                    reply = await create(
                        model=self._spec.model_name, messages=messages, **self._with_extra_body(arguments)
                    )
                    choice = first_choice(reply, self._where)
                    took.append(usage_of(self._spec, reply))
                finally:
                    spent.extend(took)
            self._fresh = False
            return written_text(choice, self._where)

        try:
            text = str(await self._call(call, deadline))
        except CallFailedError as error:
            error.usage = total_usage(spent)
            raise
        calls.remember(key, asked, json.dumps(text))  # as above
        return text, total_usage(spent)

    def _text_key(self, messages: list[Message], arguments: Mapping[str, Any]) -> str:
        return self._key("text", messages, arguments, {"prompt": None})  # the judges' words have no part in it

    def _key(self, kind: str, messages: list[Message], arguments: Mapping[str, Any], more: Mapping[str, object]) -> str:
        spec = self._spec
        return call_key(
            {
                "kind": kind,
                "messages": messages,
                "model": spec.model,
                "endpoint": self._where,
                "arguments": {**arguments, "extra_body": spec.extra_body, "mode": spec.mode},
                "pass": lent_calls().sample,
                "prompt": PROMPT_VERSION,
                **more,
            }
        )

    def _paid(
        self, messages: list[Message], max_tokens: int, *, schema_bytes: int = 0
    ) -> AbstractContextManager[list[Usage]]:
        budget = lent_calls().budget
        if budget is None:
            return nullcontext([])
        prompt = prompt_tokens_at_most(messages, schema_bytes=schema_bytes)
        return budget.reserve(prompt, max_tokens, self._spec.price, free=self._spec.local)

    async def aclose(self) -> None:
        """Close the client of the current event loop."""
        await self._clients.aclose()

    async def _call(self, call: Callable[[], Awaitable[Any]], deadline: Deadline) -> Any:
        spec = self._spec
        return await call_with_retries(
            call,
            classify=lambda error: classify(error, model=spec.model, where=self._where, key_env=self._clients.key_env),
            retries=spec.retries,
            timeout=spec.timeout,
            deadline=deadline,
            limiter=lent_calls().limiter,
        )

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
        return arguments

    def _with_extra_body(self, arguments: dict[str, Any]) -> dict[str, Any]:
        extra = self._extra_body()
        return {**arguments, "extra_body": extra} if extra else arguments

    def _extra_body(self) -> dict[str, Any]:
        return {**self._spec.extra_body, **({"cache_prompt": False} if self._fresh else {})}


def _kept(read: Callable[[str], T], known: str | None) -> T | None:
    """An answer of the cache; None where there is none, or a damaged one, so that the question is asked anew."""
    try:
        return None if known is None else read(known)
    except ValueError:
        return None
