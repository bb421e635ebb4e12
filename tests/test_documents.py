from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from tenward.documents import (
    MAX_DOCUMENT_BYTES,
    Document,
    FieldError,
    VersionedName,
    line_of,
    load_document,
    parse_document,
    raise_faults,
)
from tenward.errors import DocumentError, Problem

if TYPE_CHECKING:
    from pathlib import Path


class Step(Document):
    """One step of a recipe."""

    text: str = Field(min_length=1, max_length=20)
    minutes: int = Field(default=1, ge=0, strict=True)

    @model_validator(mode="after")
    def _not_in_vain(self) -> Step:
        faults = (
            [FieldError("text", found="waiting", expected="work", hint="do something")] if self.minutes > 90 else []
        )
        if self.minutes > 900:
            faults.append(FieldError("minutes", found=str(self.minutes), expected="less than a day"))
        raise_faults(faults)
        return self


class Recipe(Document):
    """A model of its own, so that these tests say nothing about rubrics."""

    recipe: VersionedName
    steps: tuple[Step, ...]
    amounts: dict[str, float] = Field(default_factory=dict[str, float], min_length=0, max_length=3)
    kind: Literal["soup", "salad"] = "soup"


GOOD = "recipe: onion-soup/v1\nsteps:\n  - text: cut\n"


def problems(text: str) -> tuple[Problem, ...]:
    """Return what the parser finds wrong with a recipe."""
    with pytest.raises(DocumentError) as caught:
        parse_document(text, Recipe, "recipe.yaml")
    return caught.value.problems


def problem(text: str) -> Problem:
    """Return the one thing that is wrong with a recipe."""
    (one,) = problems(text)
    return one


def file_problem(path: Path) -> Problem:
    """Return the one thing that is wrong with a recipe's file, after checking that the file is named."""
    with pytest.raises(DocumentError) as caught:
        load_document(path, Recipe)
    assert caught.value.path == path
    assert str(caught.value).startswith(str(path))
    (one,) = caught.value.problems
    return one


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_good_file_becomes_a_frozen_model(tmp_path: Path, mark: bytes) -> None:
    """A valid file, with or without a byte-order mark, is read as the model, which cannot be changed."""
    path = tmp_path / "recipe.yaml"
    path.write_bytes(mark + GOOD.encode())
    recipe = load_document(path, Recipe)
    assert (recipe.recipe, recipe.steps) == ("onion-soup/v1", (Step(text="cut"),))
    with pytest.raises(ValueError, match="frozen"):
        setattr(recipe, "kind", "salad")  # noqa: B010 - type checkers know already


def test_an_absent_file_says_why(tmp_path: Path) -> None:
    """The system's reason is part of the message."""
    one = file_problem(tmp_path / "none.yaml")
    assert (one.line, one.found) == (None, "a file that cannot be read (No such file or directory)")
    assert one.expected == "a YAML file"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder in place of a file is named as one."""
    assert file_problem(tmp_path).found == "a file that cannot be read (Is a directory)"


def test_an_oversized_file_is_not_read(tmp_path: Path) -> None:
    """Beyond the limit the size is named; at the limit the file is still read."""
    path = tmp_path / "large.yaml"
    path.write_text(GOOD + "#" * (MAX_DOCUMENT_BYTES - len(GOOD)), encoding="utf-8")
    assert load_document(path, Recipe).recipe == "onion-soup/v1"
    with path.open("a", encoding="utf-8") as file:
        file.write("#")
    one = file_problem(path)
    assert (one.found, one.expected) == ("1,000,001 bytes", "a YAML file of at most 1,000,000 bytes")


@pytest.mark.parametrize(
    ("data", "line", "byte"),
    [
        (GOOD.encode() + b"# caf\xe9\n", 4, "0xe9"),
        (b"\x7fELF\x02\x01\x01\x00\xfe\xff", 1, "0xfe"),
        (GOOD.encode("utf-16"), 1, "0xff"),
    ],
)
def test_other_encodings_are_refused(tmp_path: Path, data: bytes, line: int, byte: str) -> None:
    """Latin-1, UTF-16 and binary files are refused with the line of the first foreign byte."""
    path = tmp_path / "recipe.yaml"
    path.write_bytes(data)
    one = file_problem(path)
    assert (one.line, one.found, one.expected) == (line, f"the byte {byte}, which is not UTF-8", "UTF-8 text")


def test_a_binary_file_that_is_utf_8_by_chance_is_refused(tmp_path: Path) -> None:
    """A NUL character is invalid YAML, and its line is named."""
    path = tmp_path / "recipe.yaml"
    path.write_bytes(GOOD.encode() + b"\x00\x01\x02")
    one = file_problem(path)
    assert (one.line, one.expected) == (4, "valid YAML")
    assert "#x0000" in one.found


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"])
def test_an_empty_document_says_how_to_start(text: str) -> None:
    """Nothing but white space and comments is called empty, or nothing."""
    one = problem(text)
    assert one.found in {"an empty file", "nothing"}
    assert "the keys of a recipe" in one.expected
    assert one.hint == "start with recipe, steps"


@pytest.mark.parametrize(
    ("text", "found"), [("- a\n- b\n", "['a', 'b']"), ("just text\n", "'just text'"), ("42\n", "42")]
)
def test_a_document_must_be_a_mapping(text: str, found: str) -> None:
    """A list, a text or a number in place of the keys is shown."""
    one = problem(text)
    assert (one.found, one.expected) == (found, "a mapping with the keys of a recipe")
    assert one.hint == "start with recipe, steps"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (GOOD + "kind: [soup\n", 5, "expected ',' or ']'"),
        (GOOD + "\tkind: soup\n", 4, "cannot start any token"),
        (GOOD + "amounts: {a: 1\n\n", 6, "expected ',' or '}'"),
        (GOOD + "kind: a: b\n", 4, "mapping values are not allowed here"),
        ("recipe: a\n  steps: b\n", 2, "mapping values are not allowed here"),
        (GOOD + "kind: 'soup\n", 5, "unexpected end of stream"),
        (GOOD + "kind: *nothing\n", 4, "undefined alias"),
        (GOOD + "---\nkind: soup\n", 4, "another document"),
        (GOOD + "kind: !!python/object:os.system soup\n", 4, "could not determine a constructor"),
        (GOOD + "kind: !!binary aGk\n", 4, "failed to decode base64"),
    ],
)
def test_invalid_yaml_names_the_line(text: str, line: int, what: str) -> None:
    """A fault of syntax gives its line, YAML's own words and the usual mistakes as a hint."""
    one = problem(text)
    assert (one.line, one.expected) == (line, "valid YAML")
    assert one.found.startswith("invalid YAML (")
    assert what in one.found
    assert "in quotes, and indent with spaces" in one.hint


@pytest.mark.parametrize("text", ["[" * 10_000, "{a: " * 10_000, "\n".join(" " * i + "a:" for i in range(900))])
def test_endless_nesting_is_a_clear_error(text: str) -> None:
    """Ten thousand brackets, braces or indents end in an error and not in the interpreter's stack."""
    one = problem(text)
    assert (one.found, one.expected) == ("brackets or blocks nested without end", "at most 20 levels")


def test_deep_nesting_is_refused() -> None:
    """More levels than any document needs are refused before the model sees them."""
    one = problem(GOOD + "kind: " + "[" * 40 + "]" * 40)
    assert (one.line, one.field, one.found) == (4, "kind[0][0][0][0][0]", "more than 20 levels of nesting")


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    """A structure that holds itself is reported once, with what to look for."""
    one = problem("recipe: soup\nsteps: &a [*a, *a, *a]\n")
    assert (one.line, one.found) == (2, "more than 20 levels of nesting")
    assert "an alias (*name) inside its own anchor" in one.hint


@pytest.mark.parametrize("end", ["", "? *i\n: value\n"])
def test_aliases_that_multiply_are_refused(end: str) -> None:
    """A few lines of aliases that mean a billion values are refused, as values and as keys."""
    levels = "abcdefghi"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in itertools.pairwise(levels))
    one = problem(bomb + end)
    assert one.found == "more than 100,000 values"
    assert "aliases of aliases" in one.hint


def test_a_key_must_be_a_name() -> None:
    """A list or a mapping as a key, which YAML allows, is refused with its line."""
    for key in ("[a, b]", "{a: b}"):
        one = problem(GOOD + f"? {key}\n: value\n")
        assert (one.line, one.found, one.expected) == (4, "a list or mapping as a key", "a name as a key")


def test_plain_aliases_are_welcome() -> None:
    """An anchor that is used twice is no bomb."""
    recipe = parse_document("recipe: soup\nsteps:\n  - &cut {text: cut}\n  - *cut\n", Recipe, "<text>")
    assert recipe.steps == (Step(text="cut"), Step(text="cut"))


@pytest.mark.parametrize("escape", ["\\UFFFFFFFF", "\\U00110000"])
def test_an_escape_beyond_unicode_is_refused(escape: str) -> None:
    """An escape for a character that does not exist is an error of the document."""
    assert problem(f'recipe: "{escape}"\n').expected == "characters of Unicode"


@pytest.mark.parametrize(
    "value", ["2020-13-45", "9" * 5000, "!!bool soup", "!!timestamp soup", "!!int ''", "!!float soup"]
)
def test_a_value_yaml_cannot_build_is_refused(value: str) -> None:
    """A date that does not exist, a number beyond Python's limit and a wrong tag are errors of the document."""
    assert problem(GOOD + f"kind: {value}\n").expected == "plain YAML values"


def test_a_number_too_long_to_print_is_refused() -> None:
    """A hexadecimal number that Python reads but will not print is described in words."""
    one = problem("recipe: soup\nsteps: 0x" + "f" * 9000 + "\n")
    assert (one.line, one.field, one.found) == (2, "steps", "a number of thousands of digits")


def test_a_duplicate_key_is_refused_at_any_depth() -> None:
    """A second entry of the same name is an error, where YAML would silently keep the last."""
    first, second = problems("recipe: soup\nsteps:\n  - text: cut\n    text: stir\nrecipe: salad\n")
    assert (first.line, first.field) == (4, "steps[0].text")
    assert (second.line, second.field) == (5, "recipe")
    assert {first.found, second.found} == {"a second entry of the same name"}
    assert (first.expected, first.hint) == ("each name once", "rename or remove one of them")


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    """The keys that may stand there are listed, and the nearest is proposed, at any depth."""
    top, inner = problems("recipie: soup\nrecipe: soup\nsteps:\n  - text: cut\n    minuts: 3\n")
    assert (top.line, top.field, top.found) == (1, "recipie", "an unknown key")
    assert (top.expected, top.hint) == ("one of recipe, steps, amounts, kind", "did you mean 'recipe'?")
    assert (inner.line, inner.field) == (5, "steps[0].minuts")
    assert (inner.expected, inner.hint) == ("one of text, minutes", "did you mean 'minutes'?")


@pytest.mark.parametrize("key", ["function-after", "tagged-union", "is-instance", "zzz", "1", "true"])
def test_any_unknown_key_is_named(key: str) -> None:
    """Keys that resemble nothing, or the validator's own words, are unknown keys all the same."""
    one = problem(GOOD + f"{key}: 3\n")
    assert one.line in {1, 4}
    assert one.hint == ""


def test_a_missing_key_is_named() -> None:
    """A required key that is absent is nothing where a value was expected."""
    one = problem("recipe: soup\n")
    assert (one.line, one.field) == (1, "steps")
    assert (one.found, one.expected) == ("nothing", "a value (the key is required)")


@pytest.mark.parametrize(
    ("text", "line", "field", "found", "expected"),
    [
        ("recipe: soup\nsteps: cut\n", 2, "steps", "'cut'", "a list"),
        ("recipe: soup\nsteps:\n", 2, "steps", "nothing", "a list"),
        ("recipe: soup\nsteps:\n- cut\n", 3, "steps[0]", "'cut'", "a mapping of names to values"),
        ("recipe: soup\nsteps:\n- text: 3\n", 3, "steps[0].text", "3", "a valid string"),
        ("recipe: soup\nsteps:\n- text: ''\n", 3, "steps[0].text", "''", "at least 1 character"),
        (f"recipe: soup\nsteps:\n- text: {'x' * 21}\n", 3, "steps[0].text", f"'{'x' * 21}'", "at most 20 characters"),
        ("recipe: soup\nsteps:\n- text: a\n  minutes: true\n", 4, "steps[0].minutes", "True", "a valid integer"),
        ("recipe: soup\nsteps:\n- text: a\n  minutes: '3'\n", 4, "steps[0].minutes", "'3'", "a valid integer"),
        ("recipe: soup\nsteps:\n- text: a\n  minutes: -1\n", 4, "steps[0].minutes", "-1", "greater than or equal to 0"),
        (GOOD + "amounts: [1]\n", 4, "amounts", "[1]", "a mapping of names to values"),
        (GOOD + "amounts:\n  salt: .inf\n", 5, "amounts.salt", "inf", "a finite number"),
        (GOOD + "amounts:\n  salt: .nan\n", 5, "amounts.salt", "nan", "a finite number"),
        (GOOD + "amounts: {a: 1, b: 1, c: 1, d: 1}\n", 4, "amounts", "{'a': 1, ", "at most 3 entries"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_shown(text: str, line: int, field: str, found: str, expected: str) -> None:
    """Line, field, what stands there and what may stand there, in the words of someone who writes YAML."""
    one = problem(text)
    assert (one.line, one.field) == (line, field)
    assert one.found.startswith(found)
    assert one.expected.startswith(expected)
    assert "Step" not in one.expected


def test_a_wrong_choice_is_answered_with_the_nearest() -> None:
    """The choices are listed, and the nearest is proposed."""
    one = problem(GOOD + "kind: sop\n")
    assert (one.line, one.field, one.found, one.expected) == (4, "kind", "'sop'", "'soup' or 'salad'")
    assert one.hint == "did you mean 'soup'?"


@pytest.mark.parametrize("name", ["Onion", "a b", "", "-a", "soup/1", "soup/v", "soup/v1/v2", "a" * 80, "../soup"])
def test_a_bad_name_shows_a_good_one(name: str) -> None:
    """A document's name has small letters, digits and dashes, and its version a number."""
    one = problem(f"recipe: '{name}'\nsteps: []\n")
    assert (one.line, one.field) == (1, "recipe")
    assert one.expected == "lower-case letters, digits and -, then /v and a number"
    assert one.hint == "such as code-review/v1"


@pytest.mark.parametrize("name", ["soup", "soup/v1", "1-soup.2/v999999", "a"])
def test_good_names_are_accepted(name: str) -> None:
    """The version is optional."""
    assert parse_document(f"recipe: {name}\nsteps: []\n", Recipe, "<text>").recipe == name


def test_a_validator_can_report_several_faults() -> None:
    """Faults that a model finds by itself carry their own field, words and hint, all at once."""
    first, second = problems("recipe: soup\nsteps:\n- text: wait\n  minutes: 1000\n")
    assert (first.line, first.field, first.found) == (3, "steps[0].text", "waiting")
    assert (first.expected, first.hint) == ("work", "do something")
    assert (second.line, second.field, second.found) == (4, "steps[0].minutes", "1000")


def test_all_problems_are_reported_at_once_by_line() -> None:
    """Faults of every kind come together, in the order of the file."""
    found = problems(
        "steps:\n- minutes: x\n- text: wait\n  minutes: 100\nkind: sop\nkind: sup\nrecipe: A\ncolour: red\n"
    )
    assert [(one.line, one.field) for one in found] == [
        (2, "steps[0].text"),
        (2, "steps[0].minutes"),
        (3, "steps[1].text"),
        (6, "kind"),
        (6, "kind"),
        (7, "recipe"),
        (8, "colour"),
    ]


def test_at_most_twelve_problems_are_listed() -> None:
    """A wrong file does not fill the screen."""
    assert len(problems(GOOD + "".join(f"key{i}: 1\n" for i in range(500)))) == 12


def test_long_values_are_cut() -> None:
    """A page of text in the wrong place is shown by its beginning."""
    one = problem(f"recipe: soup\nsteps: {'x' * 5000}\n")
    assert (len(one.found), one.found[-3:]) == (60, "...")


def test_texts_without_a_file_are_called_as_asked() -> None:
    """The source given by the caller stands where a path would."""
    with pytest.raises(DocumentError, match=r"<stdin>:1: recipe: found 3, expected a valid string"):
        parse_document("recipe: 3\nsteps: []\n", Recipe, "<stdin>")


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever the text, the parser returns a model or raises its own error."""
    with contextlib.suppress(DocumentError):
        assert isinstance(parse_document(text, Recipe, "<text>"), Recipe)


@given(st.text(alphabet="[]{}:,-?&*!|>'\"%@` \n\tab01\\Ux#~<="))
def test_no_yaml_like_text_breaks_the_parser(text: str) -> None:
    """Texts full of YAML's own characters end in a model or in the parser's own error."""
    with contextlib.suppress(DocumentError):
        assert parse_document("recipe: a\nsteps: []\namounts: " + text, Recipe, "<text>").recipe == "a"


def test_a_line_is_found_by_field(tmp_path: Path) -> None:
    """The line of a field, of the nearest one around it, and of nothing where the file cannot be read."""
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\nb:\n  c: {d: 2,\n    e: 3}\n")
    assert [line_of(path, *field) for field in (("b", "c", "e"), ("b", "c", "x"), ("b", "y"), ("z",))] == [
        4,
        3,
        2,
        None,
    ]
    path.write_text("a: [")
    assert line_of(path, "a") is None
    assert line_of(tmp_path / "none.yaml", "a") is None
