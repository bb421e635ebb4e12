from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.errors import LoopError
from tenward.loop import Limits
from tenward.loop._edits import Applied, Edit, apply_edits, write_files

if TYPE_CHECKING:
    from pathlib import Path

LINES = st.lists(st.text(alphabet="ab \t", max_size=4), min_size=1, max_size=8)
ENDS = st.sampled_from(["\n", "\r\n"])


def change(text: str, find: str | None, replace: str, limits: Limits | None = None) -> Applied:
    """Return what one edit makes of a file named a.md."""
    return apply_edits({"a.md": text}, [Edit(path="a.md", find=find, replace=replace)], ["*.md"], limits=limits)


def made(text: str, find: str | None, replace: str) -> str:
    """Return the new text of a file after an edit that must succeed."""
    applied = change(text, find, replace)
    assert applied.faults == ()
    return applied.files["a.md"]


def fault(text: str, find: str | None, replace: str) -> str:
    """Return the one fault of an edit, which must change nothing."""
    applied = change(text, find, replace)
    assert applied.files == {}
    (said,) = applied.faults
    return said


def test_a_passage_is_replaced_where_it_is_found_once() -> None:
    """Everything else stays as it is, byte for byte."""
    assert made("one\ntwo\nthree", "two\n", "2\n") == "one\n2\nthree"
    assert made("one\ntwo\n", "two\n", "") == "one\n"


@given(st.text(max_size=40), st.text(max_size=40), st.text(min_size=1, max_size=8), st.text(max_size=8))
def test_a_replacement_is_exact_or_refused(before: str, after: str, find: str, replace: str) -> None:
    """With plain line ends, an edit does what str.replace does once, or says why not."""
    text = f"{before}{find}{after}".replace("\r", "").replace("\0", "")
    find, replace = find.replace("\r", "").replace("\0", ""), replace.replace("\r", "").replace("\0", "")
    applied = change(text, find, replace)
    once = bool(find) and text.find(find) == text.rfind(find)
    if once and find != replace:
        assert applied.files == {"a.md": text.replace(find, replace)}
    else:
        assert applied.files == {}
        assert len(applied.faults) == 1


@given(LINES, LINES, ENDS, ENDS, st.booleans())
def test_line_ends_of_a_file_survive_an_edit(
    head: list[str], tail: list[str], end: str, typed: str, closed: bool
) -> None:
    r"""An edit written with either line end fits, and leaves no line end of the other kind behind."""
    text = end.join([*head, "MARK", "SECOND", *tail]) + (end if closed else "")
    new = made(text, f"MARK{typed}SECOND", f"1{typed}2{typed}3")
    assert new == text.replace(f"MARK{end}SECOND", f"1{end}2{end}3")


@given(LINES, ENDS, ENDS, st.booleans(), st.booleans())
def test_a_whole_file_keeps_its_line_ends_and_its_end(
    lines: list[str], end: str, typed: str, closed: bool, asked: bool
) -> None:
    """A new text takes over the old file's kind of line ends, and whether the last line has one."""
    old = end.join(["x", *lines, "y"]) + (end if closed else "")
    new = made(old, None, typed.join(["n", "m"]) + (typed if asked else ""))
    assert new == end.join(["n", "m"]) + (end if closed else "")


@given(st.text(alphabet="ab\r\n", max_size=20))
def test_mixed_line_ends_elsewhere_stay(text: str) -> None:
    """Lines that an edit does not touch keep whatever ends them, even a mixture."""
    new = made(f"{text}\nMARK.{text}", "MARK.", "new")
    assert new == f"{text}\nnew{text}"


def test_a_path_that_is_taken_out_of_the_patterns_stays() -> None:
    """What an evaluation runs may not be edited though a pattern matches it."""
    edits = [Edit(path=path, find=None, replace="two\n") for path in ("a.md", "run.md")]
    applied = apply_edits({"a.md": "one\n"}, edits, ["*.md"], but_not=["run.md"])
    assert applied.files == {"a.md": "two\n"}
    assert applied.faults == ("run.md may not be edited",)


def test_a_later_edit_sees_an_earlier_one() -> None:
    """Edits of one file build on each other."""
    edits = [Edit(path="a.md", find="one", replace="two"), Edit(path="a.md", find="two", replace="three")]
    assert apply_edits({"a.md": "one"}, edits, ["a.md"]).files == {"a.md": "three"}


def test_a_new_file_is_made_as_it_is_written() -> None:
    """A whole text for a path that does not exist makes the file, if the path may be edited."""
    edit = Edit(path="skill/new.md", find=None, replace="Text")
    assert apply_edits({}, [edit], ["skill/**"]).files == {"skill/new.md": "Text"}


def test_a_passage_that_is_not_there_is_answered_with_the_nearest_lines() -> None:
    """The fault quotes the lines that were probably meant, with their numbers, for one more try."""
    text = "# Title\n\nWrite a short subject line.\nUse the imperative mood.\n"
    said = fault(text, "Write one short subject line.\nUse the imperative", "x")
    assert "3: Write a short subject line.\n4: Use the imperative mood." in said
    assert "differs in white space only" in fault(text, "Write  a short subject line.", "x")
    assert "copy a passage from the file" in fault(text, "zzzzqqqq 0123456789", "x")


def test_a_passage_that_is_there_twice_is_answered_with_its_lines() -> None:
    """The fault says where the passage stands, and asks for more of it."""
    said = fault("same\nother\nsame\n", "same", "x")
    assert "more than once, at lines 1, 3" in said
    assert "more than once" in fault("aaa", "aa", "x")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit(path="b.txt", find=None, replace="x"), "b.txt may not be edited"),
        (Edit(path="../a.md", find=None, replace="x"), "no path of a file"),
        (Edit(path="/a.md", find=None, replace="x"), "no path of a file"),
        (Edit(path=".git/a.md", find=None, replace="x"), "no path of a file"),
        (Edit(path="b.md", find="x", replace="y"), "b.md does not exist"),
        (Edit(path="a.md", find="", replace="y"), "the text to find is empty"),
        (Edit(path="a.md", find=None, replace=" \n"), "the new text is empty"),
        (Edit(path="a.md", find=None, replace="x\0"), "a NUL character"),
        (Edit(path="a.md", find=None, replace="\ud800"), "half a character"),
        (Edit(path="a.md", find="old", replace="old"), "change nothing"),
        (Edit(path="a.md", find=None, replace="x" * 101), "would have 102 bytes"),
        (Edit(path="a.md", find="  \n", replace="x"), "white space only"),
    ],
)
def test_what_cannot_be_applied_is_a_fault(edit: Edit, words: str) -> None:
    """Nothing raises: each edit that cannot be made is told in a line, and no file comes of it."""
    applied = apply_edits({"a.md": "old\n"}, [edit], ["*.md"], limits=Limits(file_bytes=100))
    assert applied.files == {}
    assert words in applied.faults[0]


def test_no_edits_and_too_many_are_faults() -> None:
    """An empty answer is not a change, and a flood of edits is cut off."""
    assert "there are no edits" in apply_edits({}, [], ["*.md"]).faults[0]
    many = [Edit(path=f"{number}.md", find=None, replace="x") for number in range(201)]
    assert "there are 201 edits" in apply_edits({}, many, ["*.md"]).faults[0]
    few = apply_edits({}, many[:3], ["*.md"], limits=Limits(files=2, total_bytes=2))
    assert [said.partition(",")[0] for said in few.faults] == [
        "3 files are changed",
        "the changed files have 3 bytes together",
    ]


def test_edits_are_read_from_plain_values() -> None:
    """An edit survives JSON; a whole file may be written as text; anything else is refused with its path."""
    edit = Edit(path="a.md", find="x", replace="y")
    assert Edit.from_json(edit.to_json()) == edit
    assert Edit.from_json({"path": "a.md", "text": "all"}) == Edit(path="a.md", find=None, replace="all")
    for wrong in ("a.md", {"find": "x"}, {"path": "a.md"}, {"path": "a.md", "find": 3, "replace": "y"}):
        with pytest.raises(ValueError, match="expected"):
            Edit.from_json(wrong)


def test_files_are_written_into_the_worktree(tmp_path: Path) -> None:
    """New folders are made, and bytes are those of the text."""
    (tmp_path / "a.md").write_text("a much longer text than the new one")
    write_files(tmp_path, {"a.md": "a\r\nb", "deep/down/c.md": "ü"})
    assert (tmp_path / "a.md").read_bytes() == b"a\r\nb"
    assert (tmp_path / "deep/down/c.md").read_text(encoding="utf-8") == "ü"


def test_nothing_outside_of_the_worktree_is_written(tmp_path: Path) -> None:
    """Links, folders, pipes and paths that lead out are refused, and what they point to stays as it was."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for folder in (outside, inside / "folder"):
        folder.mkdir(parents=True)
    (outside / "a.md").write_text("mine")
    (inside / "link").symlink_to(outside)
    (inside / "a.md").symlink_to(outside / "a.md")
    os.mkfifo(inside / "pipe")
    for path in ("link/a.md", "a.md", "folder", "pipe", "../outside/a.md", "a.md/b", ".git/config"):
        with pytest.raises(LoopError):
            write_files(inside, {path: "theirs"})
    assert (outside / "a.md").read_text() == "mine"
