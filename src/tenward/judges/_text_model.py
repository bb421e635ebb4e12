"""A model that writes plain text: no verdict, but over the same connection as a judge's."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, ValidationError, field_validator

from tenward.errors import UsageError
from tenward.judges._calls import Asked, Budget, PlannedCalls, prompt_tokens_at_most
from tenward.judges._connection import Connection
from tenward.judges._engine import engine_turn
from tenward.judges._fence import sendable
from tenward.judges._retry import CallFailedError, Deadline
from tenward.judges._spec import JudgeSpec, load_spec
from tenward.judges._verdict import Usage
from tenward.workspace import Library, require_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.judges._verdict import Failure

__all__ = ["TextModel", "Written"]

# Providers whose clients speak OpenAI's chat protocol. Any other is asked for a structured answer of one text, which
# instructor can translate for all of them.
_CHAT = frozenset(
    {
        "anyscale",
        "azure_openai",
        "databricks",
        "deepseek",
        "groq",
        "local",
        "ollama",
        "openai",
        "openrouter",
        "perplexity",
        "together",
    }
)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a model wrote, or why it wrote nothing."""

    text: str = ""
    """As it came, white space included; empty where there is a failure."""

    failure: Failure | None = None
    usage: Usage = field(default_factory=Usage)


class _Answer(BaseModel):
    """The answer."""

    text: str = Field(description="The whole answer, and nothing else.")

    @field_validator("text")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("the answer was empty")
        return value


class TextModel:
    """Asks one model for text; cache, budget and limits of the run around it count, as they do for judges.

    Args:
        spec: Which model, where, and how it samples; a judge file, of which only that part is used. The embedded
            engine takes temperature 0 unless the file says otherwise.
        max_tokens: Upper bound on one answer, in tokens; an answer that reaches it is a failure.
        temperature: In place of the file's.
    """

    def __init__(self, spec: JudgeSpec, *, max_tokens: int, temperature: float | None = None) -> None:
        changed = {"max_tokens": max_tokens} | ({} if temperature is None else {"temperature": temperature})
        self.spec = spec.model_copy(update=changed)
        self._connection = Connection(self.spec)
        self._chats = spec.base_url is not None or spec.provider in _CHAT

    @staticmethod
    def spec_of(name: str | Path, *, like: JudgeSpec | None = None, library: Library | None = None) -> JudgeSpec:
        """What a model is called in a file or on the command line, as a specification.

        Args:
            name: The name or path of a judge file of one model, or ``provider/model``.
            like: A specification to take as it is where its model is this one, with its address, key variable and
                price; the embedded engine then serves both from one copy of the model.
            library: Where names are looked up.

        Raises:
            UnknownNameError: No such file or name.
            DocumentError: The file is not a valid judge.
            UsageError: It is a panel, or a name that is no ``provider/model``.
        """
        text = str(name)
        provider, _, model = text.partition("/")
        versioned = model[:1] == "v" and model[1:].isdigit()
        is_path = isinstance(name, Path) or text.endswith((".yaml", ".yml")) or text.startswith((".", "/", "~"))
        if not provider or not model or versioned or is_path:
            path = (library or Library.discover()).find("judges", name)
            spec = load_spec(path)
            require_version(name, spec.judge, path)
            if isinstance(spec, JudgeSpec):
                return spec
            raise UsageError(f"{path}: found a panel, expected one model", hint="name one of its members instead")
        if like is not None and like.model == text:
            return like
        try:
            return JudgeSpec(judge="text/v1", model=text)
        except ValidationError as error:
            raise UsageError(
                f"found the model {text[:80]!r}, expected provider/model or the name of a judge file",
                hint="such as openai/gpt-4.1-mini, or local",
            ) from error

    async def write(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        slot: str,
        components: Mapping[str, str],
        shared: Sequence[Mapping[str, str]] | None = None,
    ) -> Written:
        """One answer; every failure of this one question is a value.

        Args:
            messages: What is sent, with ``role`` and ``content``.
            slot: Names the question in the cache, the same whatever has changed.
            components: Hashes of what the question is made of; the cache tells by them what changed.
            shared: The messages up to where this question begins to differ from others. The embedded engine keeps
                that part from one question to the next, as long as nothing else is asked of it between them.

        Raises:
            JudgeUnavailableError: No further question could be answered either.
            EngineError: The embedded engine cannot load the model.
        """
        asked = Asked(slot=slot, components=components)
        async with engine_turn() if self.spec.local else nullcontext():
            self._connection.begin_case(None if shared is None else _sendable(shared))
            deadline = Deadline(seconds=self.spec.deadline)
            try:
                return await self._ask(_sendable(messages), asked, deadline)
            except CallFailedError as error:
                return Written(failure=error.failure, usage=error.usage)

    async def _ask(self, messages: list[dict[str, str]], asked: Asked, deadline: Deadline) -> Written:
        most = self.spec.max_tokens
        if self._chats:
            text, usage = await self._connection.text(messages, asked=asked, deadline=deadline, max_tokens=most)
            return Written(text=sendable(text), usage=usage)
        answer, usage, failure = await self._connection.structured(
            messages, _Answer, asked=asked, sample=0, deadline=deadline, max_tokens=most
        )
        return Written(text=sendable(answer.text) if isinstance(answer, _Answer) else "", failure=failure, usage=usage)

    def known(self, messages: Sequence[Mapping[str, str]]) -> str | None:
        """What the cache of the run around it holds for these messages; None when :meth:`write` would have to ask."""
        if self._chats:
            found = self._connection.known_text(_sendable(messages), max_tokens=self.spec.max_tokens)
        else:
            answer = self._connection.known_answer(
                _sendable(messages), _Answer, sample=0, max_tokens=self.spec.max_tokens
            )
            found = answer.text if isinstance(answer, _Answer) else None
        return None if found is None else sendable(found)

    def plan(self, messages: Sequence[Mapping[str, str]]) -> PlannedCalls:
        """What :meth:`write` would take."""
        if self.known(messages) is not None:
            return PlannedCalls(calls=1, cached=1)
        tokens, written = prompt_tokens_at_most(_sendable(messages)), self.spec.max_tokens
        worst: float | None = 0.0
        if not self.spec.local:
            worst = None if self.spec.price is None else Budget.worst_usd(tokens, written, self.spec.price)
        return PlannedCalls(calls=1, most_calls=1, prompt_tokens=tokens, completion_tokens=written, worst_usd=worst)

    async def aclose(self) -> None:
        """Close the connections of the current event loop; the model can be asked again afterwards."""
        await self._connection.aclose()


def _sendable(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{name: sendable(value) for name, value in message.items()} for message in messages]
