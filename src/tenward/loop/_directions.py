"""What a program can say to a weak proposer: what the files are for, and where to start this time.

Left alone, a small model proposes the same change again and again. Each attempt therefore starts from another
direction: the criteria with the most to gain by turns with the usual ways to work on a text (the mutation prompts of
PromptBreeder, Fernando et al. 2023, arXiv:2309.16797, are such ways). A strong proposer may leave it.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.loop._brief import Weakness
    from tenward.loop._definition import LoopSpec

__all__ = ["direction", "use_of_files"]

_TEXT = (
    "Turn the vaguest demand into a rule that can be checked.",
    "Add one short example of a very good result.",
    "Say what the results must not be, after the worst cases.",
    "Say in one sentence for whom the results are, and what that reader needs.",
    "Make it shorter: leave out whatever does not change the results.",
    "Give the two or three steps to take before answering.",
    "Put the most important demand first, and the form of the answer last.",
    "Say what to do where it is hard to decide, after the worst cases.",
)
_SENTENCE = (
    "Think of the mistake that most answers make, and forbid it.",
    "Say what form the answer must have.",
    "Say for whom the answer is, and what that reader needs.",
    "Say what to look at first, before answering.",
    "Turn the vaguest demand of the aim into a rule that can be checked.",
    "Say what must not be in the answer.",
)
_NUMBER = (
    "Change one thing only, by a large step.",
    "Change one thing only, by a small step, the way that helped before.",
    "Change what no idea has touched yet.",
    "Take away what may not be needed.",
)


def use_of_files(spec: LoopSpec, *, chat: bool = False) -> str:
    """What becomes of the files that may change, in a sentence or two.

    Args:
        spec: The loop.
        chat: Whether the prompt is written in turns.
    """
    produce, number = spec.produce, spec.score.number
    if number is not None:
        return "A command runs with these files and prints a number, which is the score."
    if produce is None:
        return "A judge reads these files themselves."
    if produce.prompt is not None:
        return (
            f"{produce.prompt} is a prompt. It is sent to a language model once per case, with the case's input in "
            "place of {input}; a judge reads what the model answers, and never the prompt. So write instructions to "
            "that model, for any input; keep {input} where it is."
        ) + (
            " It is a chat: lines of '# system', '# user' and '# assistant' begin its turns, {input} stands in the "
            "last one, and turns between are worked examples."
            if chat
            else ""
        )
    return "A command turns each case's input into an output with these files; a judge reads the outputs."


def direction(
    number: int,
    weakest: Sequence[Weakness],
    *,
    failing: Sequence[str] = (),
    ways: Literal["text", "sentence", "number"],
) -> str:
    """Where an attempt may start: one sentence or two, another one each time until all were given.

    Args:
        number: Of the attempt.
        weakest: Criteria with something to gain, most first.
        failing: What failed in the worst cases, such as a gate; comes first.
        ways: The usual ways to work on a text, on a text by one sentence, or on what a number is measured of.
    """
    usual = {"text": _TEXT, "sentence": _SENTENCE, "number": _NUMBER}[ways]
    aims = [*(f"Make sure that every output keeps to this rule: {fault}." for fault in failing), *map(_aim, weakest)]
    # Aims by turns with ways, so that the first rounds see both.
    both = [one for pair in zip_longest(aims, usual[: len(aims)]) for one in pair if one is not None]
    pool = [*both, *usual[len(aims) :]]
    return pool[(number - 1) % len(pool)]


def _aim(one: Weakness) -> str:
    return f"Make the results better in {one.criterion.replace('_', ' ')}." + (
        f" The question there: {one.ask}" if one.ask else ""
    )
