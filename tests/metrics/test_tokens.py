from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.metrics import tokenise


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat, the DOG.", ["the", "cat", "the", "dog"]),
        ("don't stop", ["don", "t", "stop"]),
        ("snake_case2 += 1;", ["snake_case2", "+", "=", "1"]),
        ("检查 null pointer 错误。", ["检", "查", "null", "pointer", "错", "误"]),
        ("テスト済み", ["テ", "ス", "ト", "済", "み"]),
        ("널 포인터", ["널", "포인터"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("café CAFE\u0301", ["café", "café"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("ＡＢＣ，１２", ["abc", "12"]),
        ("👍🏽 ok", ["👍", "🏽", "ok"]),
        ("...", [".", ".", "."]),
        (" \t\n\u3000", []),
        ("", []),
    ],
)
def test_words_are_found_in_every_script(text: str, words: list[str]) -> None:
    """Spaced scripts give words, unspaced ones characters; symbols stay and sentence punctuation goes."""
    assert tokenise(text) == words


@given(st.text(st.characters(exclude_categories=())))
def test_words_hold_no_white_space_and_none_is_lost(text: str) -> None:
    """Joined by spaces and split again the words are the same; only white space and punctuation are dropped."""
    words = tokenise(text)
    assert " ".join(words).split() == words
    assert bool(words) == bool(text.split())
    kept = "".join(words)
    for character in "".join(unicodedata.normalize("NFKC", text).casefold().split()):
        assert character in kept or unicodedata.category(character).startswith("P")


@given(st.text())
def test_canonical_equivalents_give_the_same_words(text: str) -> None:
    """Composed and decomposed text is the same text."""
    assert tokenise(unicodedata.normalize("NFD", text)) == tokenise(unicodedata.normalize("NFC", text))
