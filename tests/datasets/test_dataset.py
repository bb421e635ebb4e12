from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.datasets import Case, DataSet
from tenward.errors import DocumentError, UnknownNameError, UsageError
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CARD = "---\ndataset: {name}\nabout: Tests.\nsource: Written for this test.\nlicence: CC0-1.0\n{more}---\n# Words\n"


def put(path: Path, text: str, *, card: str | None = None, name: str = "mine/v1") -> DataSet:
    """Write a file of cases, with the further keys of a card where there are any, and load it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if card is not None:
        path.with_suffix(".md").write_text(CARD.format(name=name, more=card), encoding="utf-8")
    return DataSet.load(path)


def lines(*cases: Mapping[str, object]) -> str:
    """Return JSONL."""
    return "".join(f"{json.dumps(case)}\n" for case in cases)


def ids(count: int, **fields: object) -> str:
    """Return JSONL of cases that differ by their id only."""
    return lines(*({"id": f"case-{number}", **fields} for number in range(count)))


def complaint(data: DataSet) -> DocumentError:
    """Return what the end of the file brings up."""
    with pytest.raises(DocumentError) as caught:
        data.validate()
    with pytest.raises(DocumentError) as streamed:
        list(data.cases())
    assert streamed.value.message == caught.value.message
    return caught.value


FULL = Case(
    id="full",
    input="A task.",
    output="An answer.",
    references=("One.", "Two, or so."),
    context="Rules.",
    human={"clarity": 4, "accuracy": 4.5},
    group="auth",
    split="sealed",
)


def test_every_field_of_a_line_reaches_the_case(tmp_path: Path) -> None:
    """A full line is a full case, a line with an id only is a case with nothing in it; blank lines do not count."""
    row = {**vars(FULL), "references": list(FULL.references), "human": {**FULL.human, "style": None}}
    data = put(tmp_path / "a.jsonl", "\ufeff" + lines(row) + "\n  \r\n" + lines({"id": "bare"}))
    assert list(data.cases()) == [FULL, Case(id="bare")]
    assert (data.name, data.card) == ("a", None)


def test_one_reference_may_stand_by_itself(tmp_path: Path) -> None:
    """A text in place of the list is the only reference; an empty one is none."""
    data = put(tmp_path / "a.jsonl", lines({"id": "a", "references": "x"}, {"id": "b", "references": ""}))
    assert [case.references for case in data.cases()] == [("x",), ()]


def test_a_table_gives_the_same_cases(tmp_path: Path) -> None:
    """Columns, a list of references in one cell or in many, ratings, quoted line breaks: all as from JSONL."""
    header = "id, input,output,context,group,split,human.clarity,human.accuracy"
    cells = 'full,A task.,An answer.,Rules.,auth,sealed,4, 4.5 \nbare,"two\nlines",,,,,,'
    many, one = (f"{header},reference,reference_2\n", f"{header},references\n")
    first, second = cells.split("\n", 1)
    full, bare = FULL, Case(id="bare", input="two\nlines")
    data = put(tmp_path / "a.csv", f'{many}{first},One.,"Two, or so."\n\n,,,,,,,,,\n{second},,\n')
    assert list(data.cases()) == [full, bare]
    data = put(tmp_path / "b.csv", f'\ufeff{one}{first},"[""One."", ""Two, or so.""]"\r\n{second},\r\n')
    assert list(data.cases()) == [full, bare]


def test_a_table_takes_long_texts(tmp_path: Path) -> None:
    """A cell may be longer than the usual limit of the CSV reader."""
    (case,) = put(tmp_path / "a.csv", f"id,input\na,{'x' * 1_000_000}\n").cases()
    assert len(case.input) == 1_000_000


def test_a_compressed_file_reads_like_the_plain_one(tmp_path: Path) -> None:
    """The cases are the same, the card is found, and the name loses both suffixes."""
    (tmp_path / "mine.jsonl.gz").write_bytes(gzip.compress(ids(3).encode()))
    data = DataSet.load(tmp_path / "mine.jsonl.gz")
    assert (data.name, data.counts()) == ("mine", {"dev": 3, "sealed": 0})
    (tmp_path / "mine.md").write_text(CARD.format(name="mine/v3", more="cases: 3\n"), encoding="utf-8")
    data = DataSet.load(tmp_path / "mine.jsonl.gz")
    assert data.name == "mine/v3"
    data.validate()


def test_splits_and_limits_choose_cases(tmp_path: Path) -> None:
    """A split gives its cases in the order of the file, a limit the first of them."""
    rows = [{"id": str(number), "split": "sealed" if number % 3 else "dev"} for number in range(9)]
    data = put(tmp_path / "a.jsonl", lines(*rows))
    assert data.counts() == {"dev": 3, "sealed": 6}
    assert [case.id for case in data.cases("dev")] == ["0", "3", "6"]
    assert [case.id for case in data.cases(split="sealed", limit=2)] == ["1", "2"]
    assert [case.id for case in data.cases(limit=2)] == ["0", "1"]
    assert list(data.cases(limit=0)) == []


def test_what_no_data_set_has_is_refused_before_reading(tmp_path: Path) -> None:
    """A wrong split or limit fails at the call."""
    data = put(tmp_path / "a.jsonl", ids(1))
    with pytest.raises(UsageError, match="split is 'test', expected dev or sealed"):
        data.cases("test")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="limit is -1, expected 0 or more"):
        data.cases(limit=-1)


def test_a_limit_leaves_the_rest_unread(tmp_path: Path) -> None:
    """A fault behind the last case that is wanted is not met; one more case meets it."""
    data = put(tmp_path / "a.jsonl", ids(2) + "broken\n")
    assert len(list(data.cases(limit=2))) == 2
    with pytest.raises(DocumentError, match=r"a\.jsonl:3: found invalid JSON"):
        list(data.cases(limit=3))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Reading ten times as many cases holds no more of them; only the eight bytes per id add up."""

    def peak(count: int) -> int:
        data = put(tmp_path / f"{count}.jsonl", ids(count, input="x" * 1_000))
        tracemalloc.start()
        try:
            assert data.counts()["dev"] == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20_000) - peak(2_000) < 18_000 * 1_000 / 4


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    """The digest is the beginning of the file's SHA-256, follows the file and ignores the card."""
    data = put(tmp_path / "a.jsonl", ids(3), card="")
    assert data.digest == hashlib.sha256((tmp_path / "a.jsonl").read_bytes()).hexdigest()[:16]
    assert put(tmp_path / "a.jsonl", ids(3), card="cases: 3\n").digest == data.digest
    assert put(tmp_path / "a.jsonl", ids(4)).digest == data.digest  # the handle reads the file as it is now
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(DocumentError, match="cannot be read"):
        _ = data.digest


def test_a_card_says_what_the_data_set_is(tmp_path: Path) -> None:
    """The card's name is the data set's, and its fields can be read."""
    more = "cases: 2\nfields: {input: a task}\nratings: {scale: [0, 100], by: one person}\n"
    data = put(tmp_path / "a.jsonl", ids(2, human={"clarity": 77}), card=more)
    assert data.name == "mine/v1"
    assert data.card is not None
    assert (data.card.licence, data.card.cases, data.card.fields) == ("CC0-1.0", 2, {"input": "a task"})
    assert data.card.ratings is not None
    assert (data.card.ratings.scale, data.card.ratings.by) == ((0, 100), "one person")
    data.validate()


def test_counts_that_are_right_pass(tmp_path: Path) -> None:
    """A card whose numbers are those of the file is no obstacle; a split that is not named has no cases."""
    text = ids(2) + lines({"id": "s", "split": "sealed"})
    put(tmp_path / "a.jsonl", text, card="cases: 3\nsplits: {dev: 2, sealed: 1}\n").validate()
    put(tmp_path / "b.jsonl", ids(2), card="splits: {dev: 2}\n").validate()


def test_counts_that_are_wrong_are_met_at_the_end(tmp_path: Path) -> None:
    """The error is the card's, names both numbers of each field, and comes only when the file was read to its end."""
    data = put(tmp_path / "a.jsonl", ids(3), card="cases: 4\nsplits: {dev: 2, sealed: 2}\n")
    assert len(list(data.cases(limit=3))) == 3
    error = complaint(data)
    assert error.message.splitlines() == [
        f"{tmp_path / 'a.md'}: cases: found 4, expected 3, the number in the file",
        f"{tmp_path / 'a.md'}: splits.dev: found 2, expected 3, the number in the file",
        f"{tmp_path / 'a.md'}: splits.sealed: found 2, expected 0, the number in the file",
    ]
    with pytest.raises(DocumentError, match=r"splits\.dev: found 2, expected 3"):
        data.counts()


def test_faults_of_the_file_come_before_the_card_s(tmp_path: Path) -> None:
    """Numbers that are wrong because a line is broken are not reported beside the line."""
    error = complaint(put(tmp_path / "a.jsonl", "{\n", card="cases: 1\n"))
    assert [problem.field for problem in error.problems] == [""]


def test_ratings_outside_the_scale_of_the_card_are_faults(tmp_path: Path) -> None:
    """A rating off the stated scale names its line, its criterion and the scale."""
    text = lines({"id": "a", "human": {"clarity": 5}}, {"id": "b", "human": {"clarity": 5.5}})
    error = complaint(put(tmp_path / "a.jsonl", text, card="ratings: {scale: [1, 5], by: one}\n"))
    assert "a.jsonl:2: human.clarity: found 5.5, expected 1 to 5" in error.message


def test_shares_assign_the_cases_that_name_no_split(tmp_path: Path) -> None:
    """About the share of the cases is sealed, groups stay together, and a case's own split is respected."""
    rows = [{"id": str(number), "group": f"g{number // 2}" if number % 3 else ""} for number in range(3_000)]
    own = [{"id": f"own-{number}", "split": "dev"} for number in range(50)]
    data = put(tmp_path / "a.jsonl", lines(*rows, *own), card="splits: {dev: 0.25, sealed: 0.75}\n")
    cases = list(data.cases())
    assert all(case.split == "dev" for case in cases[3_000:])
    dev = sum(case.split == "dev" for case in cases[:3_000])
    assert 0.2 < dev / 3_000 < 0.3
    splits: dict[str, set[str]] = {}
    for case in cases[:3_000]:
        splits.setdefault(case.group or case.id, set()).add(case.split)
    assert {len(each) for each in splits.values()} == {1}


def test_the_hash_of_a_case_never_moves(tmp_path: Path) -> None:
    """The assignment is part of the format: these splits hold on every machine and in every version."""
    data = put(tmp_path / "a.jsonl", ids(8), card="splits: {dev: 0.5, sealed: 0.5}\n")
    dev = [case.id for case in data.cases("dev")]
    assert dev == ["case-1", "case-4", "case-6"]


@given(st.text(min_size=1, max_size=30))
def test_a_whole_share_takes_everything(tmp_path_factory: pytest.TempPathFactory, unit: str) -> None:
    """With a share of 1 no case escapes, whatever its hash."""
    folder = tmp_path_factory.mktemp("share")
    data = put(folder / "a.jsonl", ids(1), card="splits: {dev: 1.0}\n")
    assert data.card is not None
    assert data.card.split_of(unit) == "dev"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("license: MIT\n", "a.md:6: license: found an unknown key, expected one of dataset, about"),
        ("cases: many\n", "a.md:6: cases: found 'many', expected"),
        ("splits: {dev: 0.5, sealed: 0.4}\n", "a.md:6: splits: found shares that sum to 0.9, expected shares"),
        ("splits:\n  dev: 1\n  seald: 2\n", "a.md:8: splits.seald: found the name 'seald', expected dev or sealed"),
        ("splits: {dev: -1}\n", "a.md:6: splits.dev: found -1, expected a count, such as 20, or a share"),
        ("splits: {dev: true}\n", "a.md:6: splits.dev: found True, expected a count"),
        ("splits: {dev: .nan, sealed: 1}\n", "a.md:6: splits.dev: found nan, expected a count"),
        ("splits: half\n", "a.md:6: splits: found 'half', expected counts or shares"),
        ("cases: 5\nsplits: {dev: 2, sealed: 2}\n", "a.md:6: cases: found 5, expected 4, the sum of the splits"),
        ("fields: {inputt: x}\n", "a.md:6: fields.inputt: found 'inputt', expected 'id', 'input'"),
        ("ratings: {scale: [5, 1], by: x}\n", "a.md:6: ratings.scale: found [5, 1], expected lowest below highest"),
        ("ratings: {scale: 5, by: x}\n", "a.md:6: ratings.scale: found 5, expected two numbers"),
        ("ratings: {scale: [1, .inf], by: x}\n", "a.md:6: ratings.scale: found [1, inf], expected two numbers"),
        ("about: again\n", "a.md:6: about: found a second entry of the same name"),
        ("x: [\n", "expected valid YAML"),
    ],
)
def test_a_wrong_card_is_refused_with_its_line(tmp_path: Path, more: str, expected: str) -> None:
    """Each fault of the front matter is reported at its line of the Markdown file, when the data set is loaded."""
    with pytest.raises(DocumentError) as caught:
        put(tmp_path / "a.jsonl", ids(1), card=more)
    assert expected in caught.value.message


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (b"# A title\n", "a.md:1: found no front matter, expected a line ---"),
        (b"", "a.md:1: found no front matter"),
        (b"---\nabout: x\n", "a.md:1: found front matter without an end, expected a line ---"),
        (b"---\n---\n", "a.md: found an empty file, expected the keys of a dataset"),
        (b"---\nabout: caf\xe9\n---\n", "a.md:2: found the byte 0xe9, which is not UTF-8"),
        (b"x" * 1_000_001, "found a longer file, expected a card of at most 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_card_is_refused(tmp_path: Path, card: bytes, expected: str) -> None:
    """A Markdown file in the place of a card that cannot be one is said to be none."""
    (tmp_path / "a.md").write_bytes(card)
    with pytest.raises(DocumentError) as caught:
        put(tmp_path / "a.jsonl", ids(1))
    assert expected in caught.value.message


def test_a_card_may_have_a_mark_and_other_line_ends(tmp_path: Path) -> None:
    """A card saved by an editor of another system reads the same."""
    text = CARD.format(name="mine/v1", more="cases: 1\n").replace("\n", "\r\n")
    (tmp_path / "a.md").write_bytes(f"\ufeff{text}".encode())
    put(tmp_path / "a.jsonl", ids(1)).validate()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Return a workspace and a shipped library, each with a data set of the same name."""
    roots = tmp_path / "workspace", tmp_path / "shipped"
    for number, root in enumerate(roots, start=1):
        put(root / "datasets/both.jsonl", ids(number), card="", name=f"both/v{number}")
    put(roots[1] / "datasets/theirs.csv", "id\na\n")
    return Library(roots=roots)


def test_a_name_is_looked_up_in_the_workspace_first(library: Library) -> None:
    """The workspace's data set shadows the shipped one; others are found behind it."""
    assert DataSet.load("both", library=library).counts()["dev"] == 1
    assert DataSet.load("both/v1", library=library).name == "both/v1"
    assert DataSet.load("theirs", library=library).name == "theirs"


def test_a_version_must_be_the_one_on_the_card(library: Library) -> None:
    """Another version is refused, naming both; so is any version of a data set without a card."""
    with pytest.raises(UnknownNameError, match="found both/v1, expected both/v2"):
        DataSet.load("both/v2", library=library)
    with pytest.raises(UnknownNameError, match="found theirs, expected theirs/v1"):
        DataSet.load("theirs/v1", library=library)


def test_a_name_that_no_library_holds_is_answered_with_the_nearest(library: Library) -> None:
    """The error speaks of data sets and of the files that hold them."""
    with pytest.raises(UnknownNameError) as caught:
        DataSet.load("thiers", library=library)
    assert caught.value.message == "found no data set named 'thiers', expected one of: both, theirs"
    assert caught.value.hint == "did you mean 'theirs'?"
    with pytest.raises(UnknownNameError) as caught:
        DataSet.load("no/such.jsonl", library=library)
    assert caught.value.hint == "give the path of a JSONL or CSV file, or one of the names: both, theirs"


@pytest.mark.parametrize(
    ("name", "found", "hint"),
    [
        ("a.json", "a file ending in .json", "make one from a JSON list: jq -c '.[]' FILE > FILE.jsonl"),
        ("a.md", "a file ending in .md", ""),
        ("cases", "a file without an ending", ""),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, found: str, hint: str) -> None:
    """The error names the ending that was found and those that work."""
    (tmp_path / name).write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        DataSet.load(tmp_path / name)
    assert caught.value.message == f"{tmp_path / name}: found {found}, expected .jsonl or .jsonl.gz or .csv"
    assert caught.value.hint == hint
