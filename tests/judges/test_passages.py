from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tenward.judges._passages import passages


@given(st.text(max_size=3000))
def test_every_passage_stands_in_the_text(text: str) -> None:
    """Passages are verbatim, distinct, at most forty, and short enough to read."""
    found = passages(text)
    assert all(passage in text for passage in found)
    assert len(set(found)) == len(found) <= 40
    assert all(len(passage) <= 160 for passage in found)


def test_the_lines_of_a_long_text_are_spread_over_it() -> None:
    """The choice reaches from the beginning to the end, in order."""
    found = passages("\n".join(f"line number {number}" for number in range(1000)))
    assert len(found) == 40
    assert found[0] == "line number 0"
    assert found[-1] == "line number 975"


def test_the_headers_of_a_diff_are_no_evidence() -> None:
    """Of a diff only its content can be quoted."""
    header = "diff --git a/x.py b/x.py\nindex 5c3a418..a2e6c39 100644\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n"
    diff = f"{header}+value = compute()"
    assert passages(diff) == ("+value = compute()",)


def test_a_long_line_is_split_into_sentences() -> None:
    """Prose without line breaks offers its sentences."""
    text = " ".join(f"Sentence number {number} says something of its own." for number in range(8))
    assert passages(text)[1] == "Sentence number 1 says something of its own."
