"""The producer that a loop's file asks for, of what lies in a slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.evaluation import CommandProducer, PromptProducer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenward.evaluation import Producer
    from tenward.loop._control import Control
    from tenward.loop._definition import LoopSpec
    from tenward.loop._slots import Slot

__all__ = ["producer_factory"]


def producer_factory(spec: LoopSpec, control: Control) -> Callable[[Slot], Producer] | None:
    """How a loop makes outputs; None where the artefact itself is judged. The sealed copies must still be there.

    Raises:
        UsageError: The judge file is a panel, or not valid.
    """
    produce = spec.produce
    if produce is None:
        return None
    if produce.command is not None:
        command, timeout, transcript = produce.command, produce.timeout, produce.transcript or ""

        def by_command(slot: Slot) -> Producer:
            return CommandProducer(
                control.commands.wrapped(command, slot),
                folder=slot.path,
                timeout=timeout,
                env=spec.allow.env,
                room=control.commands.room(slot.path),
                version=slot.base,
                transcript=transcript,
            )

        return by_command
    assert produce.prompt is not None
    assert produce.model is not None
    prompt = produce.prompt
    sealed, ref = control.sealed, produce.model
    if sealed.writer_file is not None:
        ref = ref.model_copy(update={"judge": str(sealed.writer_file)})
    model = ref.spec(sealed.library)

    def by_prompt(slot: Slot) -> Producer:
        text = (slot.path / prompt).read_text(encoding="utf-8", errors="replace")
        return PromptProducer(text, model, max_tokens=produce.max_tokens, temperature=produce.temperature)

    return by_prompt
