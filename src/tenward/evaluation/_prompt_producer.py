"""A prompt file as a producer: the prompt, a case put into it, and what a model answers."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from tenward.errors import UsageError
from tenward.evaluation._chat import Turn, is_chat, read_chat
from tenward.evaluation._produce import Produced
from tenward.judges import JudgeSpec, TextModel, digest, inert, lent_calls

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.judges import PlannedCalls
    from tenward.workspace import Library

__all__ = ["PromptProducer", "check_prompt"]

_PLACEHOLDER = re.compile(r"\{(input|context)\}")
_MOST_BYTES = 1_000_000
_BYTES_PER_TOKEN = 4  # of ordinary text; a plan takes an output to be as long as its limit lets it


class PromptProducer:
    """Asks a model with a prompt; the prompt's text is the artefact under test.

    ``{input}`` and ``{context}`` stand for the texts of the case, each at most once. They are replaced in one pass:
    every other brace stays as it is, and what is put in is not looked through again. Without ``{input}`` the input
    follows the prompt after a blank line; without ``{context}`` the context is not sent. Control tokens of chat
    templates in the case's texts are made inert.

    All of it is one message of the user. Small models follow instructions there at least as well as in a system
    message, and the prompt file alone decides what is said. A file that begins with ``# system`` or ``# user`` is a
    chat, with worked examples as turns, and ``{input}`` in its last turn (:func:`tenward.evaluation.read_chat`).

    White space around the answer is taken away, and nothing else: a code fence around it stays, since whoever uses
    the prompt would get it too.

    Args:
        prompt: The text of the prompt.
        spec: The model; see :meth:`load` for names.
        max_tokens: Upper bound on an output, in tokens; one that reaches it is a failure.
        temperature: In place of the specification's; the embedded engine takes 0 where neither says.

    Raises:
        UsageError: The prompt is empty, has a placeholder twice or is no chat though it begins as one, or a limit is
            out of range.
    """

    def __init__(
        self, prompt: str, spec: JudgeSpec, *, max_tokens: int = 200, temperature: float | None = None
    ) -> None:
        _check(prompt, max_tokens, temperature)
        self.prompt = prompt
        turns = read_chat(prompt) if is_chat(prompt) else (Turn(role="user", text=prompt),)
        self._before, self._last = turns[:-1], turns[-1].text
        self.model = TextModel(spec, max_tokens=max_tokens, temperature=temperature)

    @classmethod
    def load(
        cls,
        prompt: Path,
        model: str | Path = "local",
        *,
        like: JudgeSpec | None = None,
        max_tokens: int = 200,
        temperature: float | None = None,
        library: Library | None = None,
    ) -> PromptProducer:
        """A producer from a prompt file.

        Args:
            prompt: The file, in UTF-8.
            model: A judge file by name or path, of which only the model counts, or ``provider/model``.
            like: The judge's specification; see :meth:`TextModel.spec_of`.
            max_tokens: As for the class.
            temperature: As for the class.
            library: Where names are looked up.

        Raises:
            UsageError: The file cannot be read or its prompt cannot be used, or the model is unknown.
        """
        spec = TextModel.spec_of(model, like=like, library=library)
        return cls(_read(prompt), spec, max_tokens=max_tokens, temperature=temperature)

    def messages(self, case: Case) -> list[dict[str, str]]:
        """What is sent for a case."""
        texts = {"input": inert(case.input), "context": inert(case.context)}
        filled = _PLACEHOLDER.sub(lambda found: texts[found[1]], self._last)
        if "{input}" not in self._last and case.input:
            filled = f"{filled.rstrip()}\n\n{texts['input']}"
        return [*self._told, {"role": "user", "content": filled}]

    @property
    def shared(self) -> list[dict[str, str]] | None:
        """The messages up to where cases begin to differ; None where they differ from the start."""
        first = _PLACEHOLDER.search(self._last)
        start = (self._last if first is None else self._last[: first.start()]).rstrip()
        messages = [*self._told, *[{"role": "user", "content": start}] * bool(start)]
        return messages or None

    @property
    def _told(self) -> list[dict[str, str]]:
        """The messages that are the same for every case."""
        return [{"role": turn.role, "content": turn.text} for turn in self._before]

    async def produce(self, case: Case) -> Produced:
        """See :meth:`Producer.produce`. The embedded engine takes one case at a time.

        Raises:
            JudgeUnavailableError: The model cannot be asked at all.
            EngineError: The embedded engine cannot load the model.
        """
        began = time.monotonic()
        spec = self.model.spec
        written = await self.model.write(
            self.messages(case),
            slot=f"produce|{case.id}|{lent_calls().sample}",
            components={
                "prompt": digest(self.prompt),
                "model": spec.model,
                "endpoint": spec.base_url or spec.provider,
                "sampling": digest(self._sampling()),
                "input": digest(case.input),
                "context": digest(case.context),
            },
            shared=self.shared,
        )
        return Produced(
            output=written.text.strip(),
            failure=written.failure,
            usage=written.usage,
            seconds=time.monotonic() - began,
        )

    def describe(self) -> dict[str, Any]:
        """Digest of the prompt, model, endpoint and sampling; see :meth:`Producer.describe`."""
        spec = self.model.spec
        return {
            "prompt": digest(self.prompt),
            "model": spec.model,
            "endpoint": spec.base_url or spec.provider,
            "sampling": self._sampling(),
        }

    def plan(self, case: Case) -> tuple[PlannedCalls, str]:
        """See :meth:`Producer.plan`."""
        messages = self.messages(case)
        known = self.model.known(messages)
        longest = "x" * (_BYTES_PER_TOKEN * self.model.spec.max_tokens)
        return self.model.plan(messages), known.strip() if known is not None else longest

    async def aclose(self) -> None:
        """Close the connections of the current event loop."""
        await self.model.aclose()

    def _sampling(self) -> dict[str, Any]:
        spec = self.model.spec
        said = spec.model_dump(mode="json", include={"max_tokens", "temperature", "seed", "mode", "extra_body"})
        return {name: value for name, value in said.items() if value not in (None, {})}


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise UsageError(
                f"{path}: found {size:,} bytes, expected a prompt of at most {_MOST_BYTES:,}", hint="name another file"
            )
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror})", hint="give the path of a text file that holds the prompt"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: found bytes that are no UTF-8, expected a text file", hint="save it as UTF-8"
        ) from error


def check_prompt(prompt: str) -> None:
    """See whether a text can be a prompt of :class:`PromptProducer`.

    Raises:
        UsageError: It is empty, has a placeholder twice, or begins as a chat and is none.
    """
    if not prompt.strip():
        raise UsageError("found an empty prompt, expected what to tell the model", hint="write the task into the file")
    for name in ("{input}", "{context}"):
        if (count := prompt.count(name)) > 1:
            raise UsageError(
                f"found {name} {count} times in the prompt, expected it once at most",
                hint="name the text in words where it is mentioned again",
            )
    if is_chat(prompt):
        read_chat(prompt)


def _check(prompt: str, max_tokens: int, temperature: float | None) -> None:
    check_prompt(prompt)
    if max_tokens < 1:
        raise UsageError(f"max_tokens: found {max_tokens}, expected at least 1", hint="leave it out for 200")
    if temperature is not None and not 0 <= temperature <= 2:
        raise UsageError(f"temperature: found {temperature:g}, expected 0 to 2", hint="leave it out for the usual one")
