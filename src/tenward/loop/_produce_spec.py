"""How an output comes from the artefact, as a loop's file says it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tenward.documents import Document, FieldError
from tenward.loop._fields import Command, ModelRef, Pattern, Seconds, Text, exactly_one, only_beside

__all__ = ["ProduceSpec"]


def _transcript(path: str | None) -> str | None:
    if path is not None and ("{case}" not in path or path.startswith("/") or ".." in PurePosixPath(path).parts):
        expected = "a path below the worktree that holds {case}, as cases run side by side"
        raise FieldError(found=repr(path), expected=expected, hint="such as logs/{case}.txt")
    return path


def _pattern(pattern: str | None) -> str | None:
    try:
        re.compile(pattern or "")
    except (re.error, OverflowError, RecursionError) as error:
        raise FieldError(found=repr(pattern), expected=f"a regular expression ({error})") from None
    return pattern


class ProduceSpec(Document):
    """How the artefact makes an output for a case. Exactly one of ``prompt`` and ``command``."""

    prompt: Pattern | None = None
    """File, one that ``edit`` matches, which is sent as it stands, with the case's input in place of ``{input}``, or
    after it where it has none."""

    model: ModelRef | None = None
    """The model that is prompted."""

    max_tokens: Annotated[int, Field(ge=1, le=200_000, strict=True)] = 200
    """Upper bound on one output, in tokens."""

    temperature: Annotated[float, Field(ge=0, le=2, strict=True)] | None = None
    """Sampling temperature; left to the provider when not given, 0 for the embedded engine."""

    command: Command | None = None
    """A program that reads the case from standard input, as JSON with ``id``, ``input`` and ``context``, and prints its
    output."""

    transcript: Annotated[Text | None, AfterValidator(_transcript)] = None
    """A file below the worktree in which the command leaves what it did, with ``{case}`` for the case's id, such as
    ``logs/{case}.jsonl``; its end is told to whoever proposes, of dev cases."""

    loaded: Annotated[Text | None, AfterValidator(_pattern)] = None
    """Regular expression that the transcript of a case matches where the command made use of what may change, such as
    the name of a skill that an agent reads only when it sees fit. The loop counts such cases."""

    without: bool = False
    """Whether the sealed cases are also done, once at the end, without the files that may change: what the command does
    on its own."""

    timeout: Seconds = 120.0
    """Seconds after which the command is stopped, for one case."""

    @model_validator(mode="after")
    def _agree(self) -> ProduceSpec:
        exactly_one(self, "prompt", "command", hint="leave produce out where the artefact itself is judged")
        only_beside(self, "prompt", "model", "max_tokens", "temperature")
        only_beside(self, "command", "timeout", "transcript", "without")
        only_beside(self, "transcript", "loaded")
        if self.prompt is not None and self.model is None:
            raise FieldError("model", found="nothing", expected="the model that is prompted", hint="such as local")
        return self
