"""A model that fills in a form: structured answers that are no verdict, over the same connection as a judge's."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar, cast

from tenward.judges._calls import Asked, digest
from tenward.judges._connection import Connection
from tenward.judges._engine import engine_turn
from tenward.judges._fence import sendable
from tenward.judges._retry import CallFailedError, Deadline

if TYPE_CHECKING:
    from pydantic import BaseModel

    from tenward.judges._spec import JudgeSpec
    from tenward.judges._verdict import Failure, Usage

__all__ = ["StructuredModel"]

M = TypeVar("M", bound="BaseModel")


class StructuredModel:
    """Asks one model for answers of a given shape; cache, budget and limits of the run around it count.

    Args:
        spec: Which model, where, and how it samples. How a judge reads scores plays no part.
    """

    def __init__(self, spec: JudgeSpec) -> None:
        self.spec = spec
        self._connection = Connection(spec)

    async def answer(
        self, system: str, question: str, shape: type[M], *, slot: str, sample: int = 0
    ) -> tuple[M | None, Usage, Failure | None]:
        """One answer, or the failure in its place; every failure of this one question is a value.

        Args:
            system: Standing instructions.
            question: Everything else; untrusted parts of it must be fenced.
            shape: The pydantic model of the answer.
            slot: Names the question in the cache, to tell what changed since it was last asked.
            sample: Number of the answer, where several are wanted to one question.

        Returns:
            The answer, what it took, and why there is none: a failure of kind ``schema`` may be asked again.

        Raises:
            JudgeUnavailableError: No further question could be answered either.
        """
        messages = [
            {"role": "system", "content": sendable(system)},
            {"role": "user", "content": sendable(question)},
        ]
        asked = Asked(slot=slot, components={"question": digest(messages)})
        async with engine_turn() if self.spec.local else nullcontext():
            self._connection.begin_case(None)
            try:
                answer, usage, failure = await self._connection.structured(
                    messages,
                    shape,
                    asked=asked,
                    sample=sample,
                    deadline=Deadline(seconds=self.spec.deadline),
                    max_tokens=self.spec.max_tokens,
                )
            except CallFailedError as error:
                return None, error.usage, error.failure
        return cast("M | None", answer), usage, failure

    async def aclose(self) -> None:
        """Close the connections of the current event loop; the model can be asked again afterwards."""
        await self._connection.aclose()
