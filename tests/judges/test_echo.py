from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.judges._echo import without_echoes
from tenward.rubrics import Rubric

RUBRIC = Rubric.parse("""
rubric: mine/v1
about: Is it right?
scale: [1, 5]
criteria:
  right:
    ask: Does the answer say what the reader has to do first?
    levels: {1: says nothing of use, 5: "every step is there, in the order in which it is done"}
    checks: ["The answer names the exact menu in which the setting is"]
""")
HONEST = "Open Settings. Then choose Reset, and wait for the lamp.\n"


@pytest.mark.parametrize(
    "echo",
    [
        "Every step is there, in the order in which it is done.",
        "EVERY STEP IS THERE; in the order in which it is done!",
        "The answer names the exact menu in which the setting is.",
        "Does the answer say what the reader has to do first?",
        "This answer: every step is there, in the order in which it is done.",
    ],
)
def test_what_repeats_the_rubric_is_left_out(echo: str) -> None:
    """Levels, questions and checks say nothing of a candidate that repeats them; all else is read as it stands."""
    rest, echoes = without_echoes(f"{HONEST}{echo}\nDone.", RUBRIC)
    assert "".join(echoes).casefold().startswith(echo.casefold()[:20])
    assert rest.startswith(HONEST)
    assert rest.endswith("Done.")
    assert "order in which it is" not in rest


@pytest.mark.parametrize("text", [HONEST, "", "The answer names the menu.", "First say what you have to do."])
def test_honest_words_stay(text: str) -> None:
    """A few words in common are no echo, and a text without one is handed on as it is."""
    assert without_echoes(text, RUBRIC) == (text, ())


def test_what_the_task_says_may_be_repeated() -> None:
    """Where the input itself says so, the candidate may say it too."""
    said = "Every step is there, in the order in which it is done."
    assert without_echoes(said, RUBRIC, f"Prove this: {said}") == (said, ())


@given(st.text())
def test_any_text_can_be_looked_through(text: str) -> None:
    """What remains and what is left out make up no more than the text."""
    rest, echoes = without_echoes(text, RUBRIC)
    assert len(rest) + sum(map(len, echoes)) <= len(text)
