from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tenward.datasets import DataSet
from tenward.errors import DocumentError, Problem

if TYPE_CHECKING:
    from pathlib import Path


def faults(path: Path, data: bytes | str) -> tuple[Problem, ...]:
    """Write a file and return all its faults, having checked that reading stops at the first faulty line."""
    path.write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    with pytest.raises(DocumentError) as caught:
        DataSet.load(path).validate()
    with pytest.raises(DocumentError) as streamed:
        list(DataSet.load(path).cases())
    first = [problem for problem in caught.value.problems if problem.line == caught.value.problems[0].line]
    assert len(streamed.value.problems) == len(first)
    assert streamed.value.problems[0].found == first[0].found
    return caught.value.problems


GOOD = '{"id": "good"}\n'


@pytest.mark.parametrize(
    ("line", "field", "found", "expected", "hint"),
    [
        ("{'id': 'a'}", "", "invalid JSON (", "one JSON object on the line", "double quotes"),
        ('{"id": "a"', "", "invalid JSON (Expecting ',' delimiter at column 11)", "one JSON object", ""),
        ('{"id": "a"} {}', "", "invalid JSON (Extra data", "one JSON object", ""),
        ("[", "", "invalid JSON", "one JSON object", "jq -c '.[]'"),
        ("{", "", "invalid JSON", "one JSON object", "jq -c '.'"),
        ('[{"id": "a"}]', "", "a list", "one JSON object", "jq -c '.[]'"),
        ('"a"', "", "'a'", "one JSON object", ""),
        ("[" * 100_000, "", "brackets nested without end", "one JSON object", ""),
        ('{"id": ' + "9" * 5_000 + "}", "", "a number of thousands of digits", "numbers a person", ""),
        ('{"id": "a", "id": "b"}', "id", "a second entry of the same name", "each name once", "remove one"),
        ("{}", "id", "nothing", "a text that no other case has", "give every case an id"),
        ('{"id": " "}', "id", "an empty text", "a text that no other case has", ""),
        ('{"id": 7}', "id", "7", "a text", "put it in double quotes"),
        ('{"id": null}', "id", "null", "a text", "leave the key out"),
        (json.dumps({"id": "x" * 201}), "id", "201 characters", "at most 200", ""),
        ('{"id": "good"}', "id", "'good'", "an id that no other case has; line 1 has it first", ""),
        ('{"id": "a", "input": ["x"]}', "input", "a list", "a text", ""),
        ('{"id": "a", "output": {}}', "output", "an object", "a text", ""),
        ('{"id": "a", "group": NaN}', "group", "NaN", "a text", ""),
        ('{"id": "a", "context": "\\ud83d"}', "context", "half a character, \\ud83d", "whole characters", "emoji"),
        ('{"id": "\\udc00"}', "id", "half a character, \\udc00, at character 1", "whole characters", ""),
        ('{"id": "a", "references": 4}', "references", "4", "a text or a list of texts", ""),
        ('{"id": "a", "references": ["x", 4]}', "references[1]", "4", "a text", ""),
        ('{"id": "a", "human": [4]}', "human", "a list", "an object of names and numbers", "such as"),
        ('{"id": "a", "human": {"c": "4"}}', "human.c", "'4'", "a number such as 4 or 4.5", "nobody rated"),
        ('{"id": "a", "human": {"c": true}}', "human.c", "true", "a number such as 4 or 4.5", ""),
        ('{"id": "a", "human": {"c": NaN}}', "human.c", "NaN", "a finite number", "null"),
        ('{"id": "a", "human": {"c": 1e999}}', "human.c", "Infinity", "a finite number", ""),
        ('{"id": "a", "human": {"c": 1' + "0" * 400 + "}}", "human.c", "a huge number", "a finite number", ""),
        ('{"id": "a", "human": {"": 1}}', "human", "an empty name", "the name of a criterion", ""),
        ('{"id": "a", "split": "seald"}', "split", "'seald'", "dev or sealed", "did you mean 'sealed'?"),
        ('{"id": "a", "split": ["dev"]}', "split", "a list", "dev or sealed", ""),
        (
            '{"id": "a", "refrences": ""}',
            "refrences",
            "an unknown key",
            "one of id, input",
            "did you mean 'references'?",
        ),
        ('{"id": "a", "Prompt": ""}', "Prompt", "an unknown key", "one of id, input", "did you mean 'input'?"),
        ('{"id": "a", "expected": ""}', "expected", "an unknown key", "one of id, input", "mean 'references'?"),
        ('{"id": "a", "\\u001b[31m": ""}', "\\x1b[31m", "an unknown key", "one of id, input", ""),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_a_faulty_line_is_named_with_its_field(
    tmp_path: Path, line: str, field: str, found: str, expected: str, hint: str
) -> None:
    """Whatever is wrong with one line, the error gives line, field, found, expected and a hint, and nothing else."""
    (problem,) = faults(tmp_path / "a.jsonl", f'{GOOD}\n{line}\n{{"id": "after"}}\n')
    assert (problem.line, problem.field) == (3, field)
    assert found in problem.found
    assert expected in problem.expected
    assert hint in problem.hint


def test_the_faults_of_all_lines_are_collected(tmp_path: Path) -> None:
    """Validation goes on behind a fault, and names every fault of a line."""
    found = faults(tmp_path / "a.jsonl", f'{GOOD}{{"id": 1, "prompt": 2, "human": 3}}\nx\n{GOOD}')
    assert [(problem.line, problem.field) for problem in found] == [
        (2, "prompt"),
        (2, "id"),
        (2, "human"),
        (3, ""),
        (4, "id"),
    ]


def test_at_most_twenty_faults_are_shown(tmp_path: Path) -> None:
    """Reading stops at the twentieth fault and says so."""
    found = faults(tmp_path / "a.jsonl", "x\n" * 50)
    assert [problem.line for problem in found] == list(range(1, 21))
    assert "reading stopped here, more faults may follow" in found[-1].hint
    assert "stopped" not in found[0].hint


def test_a_line_that_is_too_long_is_skipped_whole(tmp_path: Path) -> None:
    """The line after it is read under its own number."""
    long = json.dumps({"id": "long", "input": "x" * 10_000_000})
    found = faults(tmp_path / "a.jsonl", f"{long}\n{GOOD}\nx")
    assert [(problem.line, problem.found[:34]) for problem in found] == [
        (1, "a line of more than 10,000,000 byt"),
        (4, "invalid JSON (Expecting value at c"),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_a_file_without_cases_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    """Nothing, blank lines and a lone byte order mark are no data set."""
    (problem,) = faults(tmp_path / name, data)
    assert (problem.line, problem.found, problem.expected) == (None, "a file without cases", "at least one case")


def test_a_table_of_nothing_but_a_header_is_refused(tmp_path: Path) -> None:
    """Column names alone are no cases."""
    (problem,) = faults(tmp_path / "a.csv", "id,input\n")
    assert problem.found == "a file without cases"


@pytest.mark.parametrize(("name", "start"), [("a.jsonl", GOOD), ("a.csv", "id\n")])
def test_other_encodings_are_named(tmp_path: Path, name: str, start: str) -> None:
    """A byte that is not UTF-8 is placed, UTF-16 is recognised at once, and the command that converts is given."""
    (problem,) = faults(tmp_path / name, start.encode() + '{"id": "café"}'.encode("latin-1"))
    assert problem.line == 2
    assert problem.found == "the byte 0xe9 at byte 12 of the line, which is not UTF-8"
    assert "iconv -f WINDOWS-1252 -t UTF-8" in problem.hint
    (problem,) = faults(tmp_path / name, (start * 30).encode("utf-16"))
    assert (problem.line, problem.found) == (1, "the byte order mark of UTF-16 or UTF-32")
    assert "iconv -f UTF-16 -t UTF-8" in problem.hint


def test_damaged_compression_is_named(tmp_path: Path) -> None:
    """A file that was cut, and one that was never compressed, are reported as such."""
    whole = gzip.compress(b"".join(b'{"id": "%d"}\n' % number for number in range(10)))
    (problem,) = faults(tmp_path / "a.jsonl.gz", whole[:-9])
    assert problem.found.startswith("damaged gzip data")
    (problem,) = faults(tmp_path / "b.jsonl.gz", b"hello")
    assert problem.found.startswith("damaged gzip data")


@pytest.mark.parametrize(
    ("table", "line", "field", "found", "expected", "hint"),
    [
        ("input\nx", 1, "id", "no such column", "a column id", "the first row names the columns"),
        ("id;input\n1;x", 1, "id", "no such column", "a column id", "separate the columns with commas"),
        ("id,ouput\na,x", 1, "ouput", "an unknown column", "one of id, input", "did you mean 'output'?"),
        ("id,prompt\na,x", 1, "prompt", "an unknown column", "one of id, input", "did you mean 'input'?"),
        ("id,human.\na,x", 1, "human.", "an unknown column", "human.NAME", ""),
        ("id,input,input\na,x,y", 1, "input", "a second column of the same name", "each name once", ""),
        ("id,references,reference\na,[],y", 1, "references", "references beside columns", "one or the other", ""),
        ("id,input\na,x\n\nb\n", 4, "", "1 cell", "2, as in the header", "double quotes"),
        ("id,input\na,x, y\n", 2, "", "3 cells", "2, as in the header", "double quotes"),
        ('id,input\na,x\nb,"open\n\nc,y', 3, "", "a row that is not CSV", "quotes that are closed", 'write " inside'),
        ('id,input\na,"x" y\n', 2, "", "a row that is not CSV", "quotes that are closed", ""),
        ('id,input\n"a","two\nlines"\n,x', 4, "id", "nothing", "a text that no other case has", ""),
        ("id\na\nb\na\n", 4, "id", "'a'", "an id that no other case has; line 2 has it first", ""),
        ("id,split\na,test", 2, "split", "'test'", "dev or sealed", ""),
        ('id,human.c\na,"4,5"', 2, "human.c", "'4,5'", "a number such as 4 or 4.5", ""),
        ("id,human.c\na,nan", 2, "human.c", "'nan'", "a number such as 4 or 4.5", ""),
        ("id,human.c\na,1_0", 2, "human.c", "'1_0'", "a number such as 4 or 4.5", ""),
        ("id,human.c\na,1e999", 2, "human.c", "Infinity", "a finite number", ""),
        ("id,references\na,One.", 2, "references", "'One.'", 'a JSON list such as ["one", "two"]', "reference_2"),
        ("id,references\na,['x']", 2, "references", "\"['x']\"", "a JSON list", ""),
        ("id,references\na,[1]", 2, "references[0]", "1", "a text", ""),
    ],
)
def test_a_faulty_table_is_named_with_its_line(
    tmp_path: Path, table: str, line: int, field: str, found: str, expected: str, hint: str
) -> None:
    """Faults of header, rows and cells give line, field, found, expected and a hint; lines count as in the file."""
    problem = faults(tmp_path / "a.csv", table)[-1]
    assert (problem.line, problem.field) == (line, field)
    assert found in problem.found
    assert expected in problem.expected
    assert hint in problem.hint


def test_an_open_quote_does_not_swallow_a_large_file(tmp_path: Path) -> None:
    """A row that grows past the limit is given up, at the line on which it began."""
    (problem,) = faults(tmp_path / "a.csv", 'id,input\na,b\nc,"' + "x\n" * 6_000_000)
    assert (problem.line, problem.found) == (3, "a row of more than 10,000,000 characters")
    assert problem.hint == "look for a double quote that is not closed"


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """A file that vanishes after it was opened by name is an error with its path."""
    (tmp_path / "a.jsonl").write_text(GOOD, encoding="utf-8")
    data = DataSet.load(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(DocumentError, match=r"a\.jsonl: found a file that cannot be read \(No such file"):
        data.validate()
