from __future__ import annotations

import json
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.datasets import Case, DataSet, write_cases
from tenward.errors import DocumentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
CASES = st.lists(
    st.builds(
        Case,
        id=TEXT.filter(lambda text: bool(text.strip())),
        input=TEXT,
        output=TEXT,
        references=st.lists(TEXT, max_size=3).map(tuple),
        context=TEXT,
        human=st.dictionaries(TEXT.filter(bool), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
        group=TEXT,
        split=st.sampled_from(["dev", "sealed"]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda case: case.id,
)


@given(CASES)
@settings(max_examples=80, deadline=None)
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, cases: list[Case]) -> None:
    """Cases of any Unicode text come back equal, in their order."""
    path = tmp_path_factory.mktemp("round") / "a.jsonl"
    assert write_cases(path, cases) == len(cases)
    data = DataSet.load(path)
    data.validate()
    assert list(data.cases()) == cases


def test_empty_fields_are_left_out(tmp_path: Path) -> None:
    """A line holds what the case holds and its split, readable as it stands."""
    write_cases(tmp_path / "a.jsonl", [Case(id="a", input="Größe 语")])
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == '{"id": "a", "input": "Größe 语", "split": "dev"}\n'


def test_a_written_split_is_not_assigned_anew(tmp_path: Path) -> None:
    """The split is written even where it is the default, so shares on a card do not move the case."""
    (tmp_path / "a.md").write_text(
        "---\ndataset: a/v1\nabout: x\nsource: x\nlicence: x\nsplits: {sealed: 1.0}\n---\n", encoding="utf-8"
    )
    write_cases(tmp_path / "a.jsonl", [Case(id="a")])
    assert DataSet.load(tmp_path / "a.jsonl").counts() == {"dev": 1, "sealed": 0}


def test_a_file_can_be_rewritten_from_itself(tmp_path: Path) -> None:
    """Reading goes on in the old file while the new one grows beside it."""
    path = tmp_path / "a.jsonl"
    write_cases(path, [Case(id=str(number)) for number in range(5_000)])
    read = DataSet.load(path).cases()
    assert write_cases(path, (replace(case, group="g") for case in read if int(case.id) % 2)) == 2_500
    assert {case.group for case in DataSet.load(path).cases()} == {"g"}
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


def test_mode_and_link_of_the_old_file_stay(tmp_path: Path) -> None:
    """A private file stays private, and a link goes on leading to the file, which is replaced."""
    real = tmp_path / "elsewhere.jsonl"
    write_cases(real, [Case(id="old")])
    real.chmod(0o600)
    (tmp_path / "a.jsonl").symlink_to(real)
    write_cases(tmp_path / "a.jsonl", [Case(id="new")])
    assert (tmp_path / "a.jsonl").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert [case.id for case in DataSet.load(real).cases()] == ["new"]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(id="a"), "a.jsonl:2: id: found 'a', expected an id that no other case has; case 1 has it"),
        (Case(id=""), "a.jsonl:2: id: found an empty text"),
        (Case(id="x" * 201), "a.jsonl:2: id: found 201 characters, expected at most 200"),
        (Case(id="b", output="\ud800"), "a.jsonl:2: output: found half a character"),
        (Case(id="b", human={"c": float("nan")}), "a.jsonl:2: human.c: found NaN"),
        (Case(id="b", input="x" * 10_000_000), " bytes, expected at most 10,000,000 bytes in a line"),
    ],
    ids=lambda value: value.id[:3] if isinstance(value, Case) else None,
)
def test_a_case_that_could_not_be_read_is_not_written(tmp_path: Path, case: Case, expected: str) -> None:
    """The fault is named with the number of the case, and the old file is as it was."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "old"}\n', encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        write_cases(path, [Case(id="a"), case])
    assert expected in caught.value.message
    assert path.read_text(encoding="utf-8") == '{"id": "old"}\n'
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_failure_on_the_way_leaves_nothing_behind(tmp_path: Path) -> None:
    """When the source of the cases fails, its error comes through and no file is left."""

    def broken() -> Iterator[Case]:
        yield Case(id="a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_cases(tmp_path / "a.jsonl", broken())
    assert list(tmp_path.iterdir()) == []


def test_no_cases_and_no_place_are_refused(tmp_path: Path) -> None:
    """Nothing to write, another kind of file and a folder that is missing are errors of the request."""
    with pytest.raises(UsageError, match="found no cases to write, expected at least one"):
        write_cases(tmp_path / "a.jsonl", [])
    with pytest.raises(UsageError, match=r"found a file ending in \.csv, expected \.jsonl"):
        write_cases(tmp_path / "a.csv", [Case(id="a")])
    with pytest.raises(UsageError, match=r"cannot write .*No such file or directory"):
        write_cases(tmp_path / "no/a.jsonl", [Case(id="a")])
    assert list(tmp_path.iterdir()) == []


def test_a_line_is_plain_json(tmp_path: Path) -> None:
    """Ends of line inside a text do not end the line of the file."""
    write_cases(tmp_path / "a.jsonl", [Case(id="a", input="one\r\ntwo\u2028three\x85")])
    (line,) = (tmp_path / "a.jsonl").read_bytes().rstrip(b"\n").split(b"\n")
    assert json.loads(line)["input"] == "one\r\ntwo\u2028three\x85"
