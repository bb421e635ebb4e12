"""The playbook: moves that often help a prompt, a skill or a review, each a sentence that can be added as it stands."""

from __future__ import annotations

__all__ = ["MOVES"]

MOVES = (
    "Answer with the result alone: no introduction, no explanation, no quotation marks around it.",
    "Find what matters most in the text first, and write about that.",
    "Name concrete things from the text: names, numbers, functions, options.",
    "Add no fact that the text does not have.",
    "Write for a reader who has not seen the text.",
    "Tell what is different for whoever uses it, rather than how it is done.",
    "Where several things happen, tell the most important one and leave out the rest.",
    "Use plain words and short sentences.",
    "Replace every vague word, such as update, various or improve, by what is meant.",
    "Begin with a verb in the imperative.",
    "Leave out whatever the reader knows already.",
    "Give a reason only where the text shows one.",
    "Say where it applies, and when it does not.",
    "Put the most important point first.",
    "Point to the place that each statement is about.",
    "Say what to do about it, in a step that can be taken at once.",
    "Where the text does not say enough, say so instead of guessing.",
    "Read the text to its end before answering.",
    "Compare the answer with the text once more, and take out what it does not support.",
    "Write as a colleague would who has to maintain it.",
)
"""In the order in which they are tried. They are about the form of the answer (1, 8, 10, 14), what to look at first (2,
18), being exact (3, 9, 12, 15), being true (4, 17, 19), the reader (5, 6, 11, 20), what to leave out (7), limits (13)
and what follows (16)."""
