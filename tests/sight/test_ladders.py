from __future__ import annotations

import ast
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.errors import UsageError
from tenward.sight import NULLS, RUNGS, SUBTLE, Ladder, NoLadderError, build_ladders

PYTHON = """\
import math


def mean(values, least=0):
    total = 0
    for value in values:
        if value >= least and value == value:
            total = total + value
    return total / len(values) if values else math.nan
"""
GO = """\
func first(items []Item, most int) (Item, error) {
\tif len(items) == 0 {
\t\treturn Item{}, errEmpty
\t}
\tlimit := most + 1
\treturn items[limit], nil
}
"""
DIFF = """\
--- a/paging.py
+++ b/paging.py
@@ -18,4 +18,5 @@ class Page:
     def slice(self, products):
-        start = self.number * self.size
+        start = (self.number - 1) * self.size
+        end = start + self.size
         return products[start:end]
"""
PROSE = "The council of Berlin met on 12 May. It gave 300 euros to Anna Weber. Nobody voted against it."
TEXTS = {
    "python": PYTHON,
    "go": GO,
    "diff": DIFF,
    "prose": PROSE,
    "list": "- Open the file\n- Read 20 lines\n- Close it again\n",
    "subject": "Return an error for the unknown profile in loadProfile",
    "chinese": "他在北京工作。今天有三十人参加会议。明天再来。",
    "arabic": "وصل القطار متأخرا. انتظر الناس في المحطة. كان عددهم ٣٠.",
    "combining": "e\u0301e\u0301e\u0301e\u0301",
    "word": "Yes",
    "letter": "x",
    "emoji": "👩‍👩‍👧 👍🏽",
    "line ends": "one. two.\r\nthree four.\r\n\r\nfive\x0csix\u2028seven",
}


def cases(*outputs: str) -> list[Case]:
    """Cases with these outputs."""
    return [Case(id=f"c{at}", output=output, input=f"task {at}") for at, output in enumerate(outputs)]


def ladder_of(text: str, seed: int = 0) -> Ladder:
    """Return the ladder of a text among other cases."""
    given = [Case(id="it", output=text, input="the task"), *cases(*list(TEXTS.values())[:6])]
    made = build_ladders(given, cases_at_most=len(given), seed=seed)
    return next(ladder for ladder in made if ladder.case.id == "it")


def everything(ladder: Ladder) -> list[str]:
    """Return all texts that are set beside the output."""
    return [*ladder.rungs.values(), *ladder.nulls.values()]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("seed", range(5))
def test_no_rung_is_empty_or_the_output_itself(text: str, seed: int) -> None:
    """In any script and kind, what stands beside an output has something in it and differs from it."""
    ladder = ladder_of(text, seed)
    assert "other" in ladder.rungs
    assert all(made.strip() and made.strip() != text.strip() for made in everything(ladder))


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=1, max_size=300).filter(str.strip), st.integers(0, 3))
def test_any_text_has_a_ladder(text: str, seed: int) -> None:
    """Whatever a text holds, its rungs differ from it and each other, and the same seed gives the same ones."""
    ladder = ladder_of(text, seed)
    assert ladder == ladder_of(text, seed)
    rungs = [made.strip() for made in ladder.rungs.values()]
    assert all(rungs)
    assert text.strip() not in rungs
    assert len(set(rungs)) == len(rungs)


PIECES = st.sampled_from(
    [
        "x = 1",
        "x = a + b - c",
        "print(x < 3)",
        "if x == 1 and y:\n    x = -1",
        "def f(a=True):\n    return a >= 2",
        "for i in range(3):\n    x += i\n    y = not x",
        "# a < b",
        "s = '< + and'",
        "t = f'{a + b}'",
        "@d\nclass A:\n    é = 1",
    ]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(PIECES, min_size=1, max_size=6), st.integers(0, 5))
def test_broken_python_still_parses(pieces: list[str], seed: int) -> None:
    """A dropped line and a turned operator leave a program that parses, and differs from the first one."""
    text = "\n".join(pieces) + "\n"
    rungs = ladder_of(text, seed).rungs
    for name in ("dropped line", "turned operator"):
        if name in rungs:
            assert ast.dump(ast.parse(rungs[name])) != ast.dump(ast.parse(text))


def test_a_turned_operator_changes_one_token() -> None:
    """Of a program only an operator changes, and never a sign, a comment or a text."""
    signed = "x = -1\ny = f(+2, '< and')  # a < b\n"
    assert "turned operator" not in ladder_of(signed).rungs
    seen = set[str]()
    for seed in range(30):
        turned = ladder_of(PYTHON, seed).rungs["turned operator"]
        (pair,) = [(old, new) for old, new in zip(PYTHON.splitlines(), turned.splitlines(), strict=True) if old != new]
        seen |= {" ".join(pair)}
    assert len(seen) >= 3


@pytest.mark.parametrize(("text", "known"), [(GO, {"==", "+"}), (DIFF, {"+", "-"})])
def test_other_languages_and_diffs_are_turned_by_their_tokens(text: str, known: set[str]) -> None:
    """Of a language without a parser one operator between blanks is turned, of a diff on the lines that it adds."""
    for seed in range(10):
        turned = ladder_of(text, seed).rungs["turned operator"]
        (old,) = [one for one, new in zip(text.splitlines(), turned.splitlines(), strict=True) if one != new]
        assert any(f" {sign} " in old for sign in known)
        assert not old.startswith((" ", "-", "@")) or text is GO


def test_a_line_dropped_from_a_diff_keeps_its_head_true() -> None:
    """The head of the hunk counts the line that is gone."""
    dropped = ladder_of(DIFF).rungs["dropped line"]
    assert "@@ -18,4 +18,4 @@ class Page:" in dropped
    added = re.findall(r"^\+(?!\+\+)", dropped, re.MULTILINE)
    assert len(added) == 1


def test_a_line_dropped_leaves_brackets_balanced() -> None:
    """Of a language without a parser only a line goes that opens nothing."""
    for seed in range(10):
        dropped = ladder_of(GO, seed).rungs["dropped line"]
        assert len(dropped.splitlines()) == len(GO.splitlines()) - 1
        assert all(dropped.count(a) == dropped.count(b) for a, b in ("()", "[]", "{}"))


def test_half_is_cut_at_a_word_or_a_line() -> None:
    """Nothing is cut in the middle of a word, but in a script without spaces."""
    assert ladder_of("one two three four").rungs["half"] == "one two"
    assert ladder_of("a b\nc d\ne f\ng h\n").rungs["half"] == "a b\nc d"
    assert ladder_of(TEXTS["chinese"]).rungs["half"] == TEXTS["chinese"][: len(TEXTS["chinese"]) // 2]
    assert ladder_of(TEXTS["combining"]).rungs["half"] == "e\u0301e\u0301"
    assert "half" not in ladder_of("x").rungs


def test_shuffling_moves_sentences_or_lines() -> None:
    """The same sentences stand in another order; a single one cannot be shuffled."""
    moved = ladder_of(PROSE).rungs["shuffled"]
    assert sorted(re.split(r"(?<=\.) ", moved)) == sorted(re.split(r"(?<=\.) ", PROSE))
    moved = ladder_of(TEXTS["list"]).rungs["shuffled"]
    assert sorted(moved.splitlines()) == sorted(TEXTS["list"].splitlines())
    assert sorted(ladder_of(TEXTS["chinese"]).rungs["shuffled"]) == sorted(TEXTS["chinese"])
    assert "shuffled" not in ladder_of("Only one sentence stands here.").rungs
    assert "shuffled" not in ladder_of("Twice. Twice. Twice.").rungs


def test_facts_are_exchanged_and_nothing_else() -> None:
    """Every number changes but for its length, names come from other texts, and the other words stay."""
    told = ladder_of(PROSE).rungs["facts"]
    assert not re.search(r"\b12\b|\b300\b|Anna|Berlin", told)
    assert re.search(r" met on \d\d \w+\. It gave \d\d\d euros to ", told)
    arabic = ladder_of(TEXTS["arabic"]).rungs["facts"]
    assert re.search(r"[٠-٩]{2}", arabic)
    assert "٣٠" not in arabic
    assert "facts" not in ladder_of("nothing to exchange here").rungs
    assert "facts" not in ladder_of(PYTHON).rungs


def test_a_vague_phrase_fits_the_kind_of_text() -> None:
    """A line gets a line, a diff a diff, and several phrases are in use."""
    assert {len(ladder_of("Fix the parser", seed).rungs["vague"].splitlines()) for seed in range(5)} == {1}
    assert "@@" in ladder_of(DIFF).rungs["vague"]
    assert ast.parse(ladder_of(PYTHON).rungs["vague"]).body
    assert len({ladder_of(PROSE, seed).rungs["vague"] for seed in range(20)}) > 1


def test_null_candidates_answer_nothing() -> None:
    """LGTM, praise, a dash and the task's own words stand beside every output, an unrelated diff beside code."""
    assert set(ladder_of(DIFF).nulls) == set(NULLS)
    nulls = ladder_of(PROSE).nulls
    assert set(nulls) == set(NULLS) - {"unrelated diff"}
    assert (nulls["lgtm"], nulls["task words"]) == ("LGTM", "the task")
    assert "lgtm" not in ladder_of("LGTM").nulls


def test_a_reference_is_better_and_stands_for_a_missing_output() -> None:
    """A reference is a rung above an output; where there is no output, it is the output, and there is none above."""
    both = [Case(id=f"b{at}", output=f"poor {at}", references=(f"good {at}",)) for at in range(4)]
    assert all(ladder.rungs["reference"].startswith("good") for ladder in build_ladders(both))
    alone = [Case(id=f"r{at}", references=(f"good {at}", f"as good {at}")) for at in range(4)]
    for ladder in build_ladders(alone):
        assert ladder.case.output.startswith("good")
        assert "reference" not in ladder.rungs


def test_a_group_is_one_case() -> None:
    """Cases of one source are never set beside each other, and one of them is drawn."""
    given = [
        Case(id=f"{group}{at}", input="Say it.", output=f"text {group} {at}", group=group)
        for group in "abcde"
        for at in range(3)
    ]
    ladders = build_ladders(given)
    assert sorted(ladder.case.group for ladder in ladders) == list("abcde")
    for ladder in ladders:
        assert f" {ladder.case.group} " not in ladder.rungs["other"]
    with pytest.raises(NoLadderError, match="found 3 groups of cases"):
        build_ladders(case for case in given if case.group in "abc")


def test_a_draw_follows_from_the_seed() -> None:
    """The same seed draws the same cases in any order of the file, another one others."""
    given = cases(*(f"text {at}" for at in range(60)))
    first = build_ladders(given, cases_at_most=5, seed=1)
    again = list(given)
    random.Random(0).shuffle(again)
    assert {ladder.case.id for ladder in build_ladders(again, cases_at_most=5, seed=1)} == {
        ladder.case.id for ladder in first
    }
    assert first != build_ladders(given, cases_at_most=5, seed=2)
    assert len(first) == 5


def test_rungs_can_be_chosen_and_capped() -> None:
    """Only the wanted rungs are made, and no more subtle ones than are asked for."""
    (ladder, *_) = build_ladders(cases(*[PROSE + str(at) for at in range(4)]), rungs=("half", "facts"), nulls=False)
    assert set(ladder.rungs) == {"half", "facts"}
    assert not ladder.nulls
    for ladder in build_ladders(cases(PYTHON, PROSE, DIFF, GO), subtle_at_most=1):
        assert len(set(ladder.rungs) & set(SUBTLE)) == 1
    with pytest.raises(UsageError, match="found rung 'none', expected other, half"):
        build_ladders(cases(PROSE), rungs=("none",))
    assert set(SUBTLE) < set(RUNGS)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (cases("a", "b", "c"), "found 3 cases with an output or a reference, expected at least 4"),
        (cases("same", "same ", "same", " same"), "all outputs are alike"),
        (cases("", " ", "", "", ""), "found no case with an output or a reference"),
        ([], "found no case with an output or a reference"),
    ],
)
def test_what_has_no_ladder_is_refused(given: list[Case], said: str) -> None:
    """Too few cases, nothing to judge, and outputs that are alike each get an error with a hint."""
    with pytest.raises(NoLadderError, match=said) as refused:
        build_ladders(given)
    assert refused.value.hint


def test_too_few_cases_cannot_be_asked_for() -> None:
    """Fewer than four cases say nothing of any judge."""
    with pytest.raises(UsageError, match="found 3 cases, expected at least 4"):
        build_ladders(cases("a", "b", "c", "d"), cases_at_most=3)


def test_without_a_task_the_output_of_another_case_is_no_worse() -> None:
    """Texts that answer nothing are not set beside each other: nobody knows which of them is the better."""
    for ladder in build_ladders([Case(id=f"c{at}", output=f"This is text number {at} of several.") for at in range(6)]):
        assert "other" not in ladder.rungs
        assert "half" in ladder.rungs
