from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.errors import DocumentError, Problem
from tenward.rubrics import Criterion, Gate, Mix, Rubric, Scale
from tenward.workspace import Library

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "rubric: a/v1\nabout: Is it good?\n"
GOOD = HEAD + "criteria:\n  clarity: Is it clear?\n"

FULL = """\
rubric: code-review/v3
about: Is the review worth reading?
scale: [0, 10]
criteria:
  correctness:
    ask: Is it right?
    weight: 2.5
    levels: {0: all wrong, 10: all right}
    floor: 4
  tone: Is it kind?
gates:
  - max_words: 400
  - run: make test
    timeout: 5
references: {rouge_l: 2, bleu: 1}
mix: {judge: 0.7, references: 0.3}
normalize: range
min_coverage: 0.5
"""


def problems(text: str) -> tuple[Problem, ...]:
    """Return what is wrong with a rubric, after checking that each line names the file."""
    with pytest.raises(DocumentError) as caught:
        Rubric.parse(text, source="mine.yaml")
    assert all(line.startswith("mine.yaml") for line in caught.value.message.splitlines())
    return caught.value.problems


def problem(text: str) -> Problem:
    """Return the one thing that is wrong with a rubric."""
    (one,) = problems(text)
    return one


def test_every_key_is_read() -> None:
    """A rubric that uses every key holds every value."""
    rubric = Rubric.parse(FULL)
    assert (rubric.rubric, rubric.about) == ("code-review/v3", "Is the review worth reading?")
    assert rubric.scale.levels == tuple(range(11))
    assert list(rubric.criteria) == ["correctness", "tone"]
    assert rubric.criteria["correctness"] == Criterion(
        ask=("Is it right?",), weight=2.5, levels={0: "all wrong", 10: "all right"}, floor=4
    )
    assert rubric.gates == (Gate(max_words=400), Gate(run="make test", timeout=5))
    assert rubric.references == {"rouge_l": 2, "bleu": 1}
    assert rubric.mix == Mix(judge=0.7, references=0.3)
    assert (rubric.normalize, rubric.min_coverage) == ("range", 0.5)


def test_the_shorthand_means_weight_one_and_the_usual_settings() -> None:
    """Name, question and criteria are enough."""
    rubric = Rubric.parse(GOOD)
    assert rubric.criteria == {"clarity": Criterion(ask=("Is it clear?",), weight=1.0, levels={}, floor=None)}
    assert (rubric.scale, rubric.gates, rubric.references) == (Scale(lo=1, hi=5), (), {})
    assert (rubric.mix, rubric.normalize, rubric.min_coverage) == (Mix(judge=1, references=0), "max", 0.8)


def test_a_scale_holds_its_ends_and_what_lies_between() -> None:
    """Both ends belong to the scale; numbers beyond them and NaN do not."""
    scale = Scale(lo=1, hi=3)
    assert scale.levels == (1, 2, 3)
    assert all(scale.holds(score) for score in (1, 1.5, 3))
    assert not any(scale.holds(score) for score in (0.99, 3.01, float("nan"), float("inf")))


@given(st.lists(st.integers(0, 1000) | st.floats(0, 1000), min_size=1, max_size=10).filter(any))
def test_shares_sum_to_exactly_one(weights: list[float]) -> None:
    """However odd the weights, the shares are exact and make a whole."""
    criteria = {f"c{index}": Criterion(ask=("How?",), weight=float(weight)) for index, weight in enumerate(weights)}
    assert sum(Rubric(rubric="a", about="What?", criteria=criteria).shares.values()) == 1


def test_shares_of_decimal_weights_are_what_was_written() -> None:
    """0.1 and 0.2 share one to two, exactly."""
    criteria = {"one": Criterion(ask=("How?",), weight=0.1), "two": Criterion(ask=("How?",), weight=0.2)}
    assert Rubric(rubric="a", about="What?", criteria=criteria).shares == {"one": Fraction(1, 3), "two": Fraction(2, 3)}


def test_every_shipped_rubric_can_be_loaded() -> None:
    """The rubrics that come with the installation are valid, and call themselves what their files are called."""
    shipped = Library(roots=(Library.discover().shipped,))
    for name in shipped.names("rubrics"):
        assert Rubric.load(name, library=shipped).rubric.partition("/")[0] == name


def test_a_rubric_is_loaded_from_a_path(tmp_path: Path) -> None:
    """A file of any name is a rubric, and its problems name its path."""
    path = tmp_path / "mine.yaml"
    path.write_text(FULL, encoding="utf-8")
    assert Rubric.load(path) == Rubric.load(str(path)) == Rubric.parse(FULL)
    path.write_text(GOOD + "scale: [5, 1]\n", encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        Rubric.load(path)
    assert caught.value.message.startswith(f"{path}:5: scale: found [5, 1], expected")


@pytest.mark.parametrize(
    "scale", ["[1]", "[1, 2, 3]", "5", "1-5", "{lo: 1, hi: 5}", "[1.0, 5]", "['1', 5]", "[true, 5]", "[]", ""]
)
def test_a_scale_is_two_whole_numbers(scale: str) -> None:
    """Anything but a list of two whole numbers is refused with an example."""
    one = problem(GOOD + f"scale: {scale}\n")
    assert (one.line, one.field, one.hint) == (5, "scale", "such as [1, 5]")
    assert one.expected == "two whole numbers, lowest and highest score"


@pytest.mark.parametrize("scale", ["[5, 1]", "[3, 3]", "[-1, 5]", "[0, 11]", "[8, 12]", "[1, 100]"])
def test_a_scale_rises_from_zero_or_more(scale: str) -> None:
    """A falling, empty, negative or too fine scale is shown as it was written."""
    one = problem(GOOD + f"scale: {scale}\n")
    assert (one.line, one.field, one.found) == (5, "scale", scale)
    assert one.expected == "lowest below highest, from 0 to 10"
    assert one.hint == "[1, 5] and [0, 10] are usual"


@pytest.mark.parametrize(
    ("weight", "found", "expected"),
    [
        ("-1", "-1", "greater than or equal to 0"),
        (".inf", "inf", "a finite number"),
        (".nan", "nan", "a finite number"),
        ("true", "True", "a valid number"),
        ("'3'", "'3'", "a valid number"),
        ("heavy", "'heavy'", "a valid number"),
        ("", "nothing", "a valid number"),
        ("[1]", "[1]", "a valid number"),
        ("1000001", "1000001", "less than or equal to 1000000"),
    ],
)
def test_a_weight_is_a_finite_number_from_zero(weight: str, found: str, expected: str) -> None:
    """Negative, infinite and wordy weights are refused, a boolean too, though Python counts with it."""
    one = problem(HEAD + f"criteria:\n  clarity:\n    ask: Is it clear?\n    weight: {weight}\n")
    assert (one.line, one.field) == (6, "criteria.clarity.weight")
    assert (one.found, one.expected) == (found, expected)


def test_weights_cannot_all_be_zero() -> None:
    """A rubric in which nothing counts is refused."""
    one = problem(HEAD + "criteria:\n  a: {ask: How, weight: 0}\n  b: {ask: How, weight: 0.0}\n")
    assert (one.line, one.field, one.found) == (3, "criteria", "weights that are all 0")
    assert one.expected == "at least one weight above 0"


def test_levels_lie_on_the_scale() -> None:
    """Each level off the scale is named at its own line."""
    low, high = problems(
        HEAD + "criteria:\n  clarity:\n    ask: How\n    levels:\n      0: none\n      3: some\n      6: all\n"
    )
    assert (low.line, low.field, low.found) == (7, "criteria.clarity.levels.0", "0")
    assert (high.line, high.field, high.found) == (9, "criteria.clarity.levels.6", "6")
    assert low.expected == "levels of the scale, 1 to 5"


def test_checks_are_statements_with_what_to_do() -> None:
    """A text alone is a statement; beside it may stand what to do where it does not hold."""
    text = "    checks:\n      - It is short\n      - {says: It is kind, otherwise: Add thanks}\n"
    (short, kind) = Rubric.parse(HEAD + "criteria:\n  a:\n    ask: How\n" + text).criteria["a"].checks
    assert (short.says, short.otherwise) == ("It is short", None)
    assert (kind.says, kind.otherwise) == ("It is kind", "Add thanks")


@pytest.mark.parametrize(
    ("checks", "line", "field", "found", "expected"),
    [
        ("Short", 6, "checks", "'Short'", "a list"),
        ("['Is it short?']", 6, "checks[0].says", "the question 'Is it short?'", "a statement"),
        ("[One, {says: Two, or: x}]", 6, "checks[1].or", "unknown key", "one of says, otherwise"),
        ("[{otherwise: x}]", 6, "checks[0].says", "nothing", "required"),
        ("['']", 6, "checks[0].says", "''", "at least 1 character"),
        ("[One, Two, One]", 6, "checks[2]", "'One'", "each statement once"),
        ("[a, b, c, d, e, f, g]", 6, "checks", "['a', 'b', 'c', 'd', 'e', 'f', 'g']", "at most 6"),
        ("[3]", 6, "checks[0]", "3", "a mapping"),
    ],
)
def test_checks_that_make_no_sense_are_refused(checks: str, line: int, field: str, found: str, expected: str) -> None:
    """Questions, unknown keys, empty, repeated and too many statements are named at their place."""
    one = problem(HEAD + f"criteria:\n  a:\n    ask: How\n    checks: {checks}\n")
    assert (one.line, one.field) == (line, f"criteria.a.{field}")
    assert found in one.found
    assert expected in one.expected


@pytest.mark.parametrize("floor", [0, 6, -3])
def test_a_floor_lies_on_the_scale(floor: int) -> None:
    """A floor that no score could miss or reach is refused."""
    one = problem(HEAD + f"criteria:\n  clarity:\n    ask: How\n    floor: {floor}\n")
    assert (one.line, one.field, one.found) == (6, "criteria.clarity.floor", str(floor))
    assert one.expected == "levels of the scale, 1 to 5"


def test_levels_and_floors_are_measured_on_the_declared_scale() -> None:
    """What is off [1, 5] may be on [0, 10]."""
    rubric = Rubric.parse(GOOD + "  depth: {ask: How, floor: 0, levels: {0: none, 10: all}}\nscale: [0, 10]\n")
    assert rubric.criteria["depth"].floor == 0


@pytest.mark.parametrize(
    ("entry", "field", "found", "expected"),
    [
        ("floor: '3'", "floor", "'3'", "a valid integer"),
        ("floor: true", "floor", "True", "a valid integer"),
        ("floor: 2.5", "floor", "2.5", "a valid integer"),
        ("levels: {high: good}", "levels.high", "'high'", "a valid integer, unable to parse string as an integer"),
        ("levels: {1: 3}", "levels[1]", "3", "a valid string"),
        ("levels: [bad, good]", "levels", "['bad', 'good']", "a mapping of names to values"),
        ("levels: {1: ''}", "levels[1]", "''", "at least 1 character"),
    ],
)
def test_wrong_types_in_a_criterion(entry: str, field: str, found: str, expected: str) -> None:
    """Texts and booleans do not pass for numbers, nor lists for mappings."""
    one = problem(HEAD + f"criteria:\n  clarity:\n    ask: How\n    {entry}\n")
    assert (one.line, one.field) == (6, f"criteria.clarity.{field}")
    assert (one.found, one.expected) == (found, expected)


@pytest.mark.parametrize(
    ("criteria", "line", "field", "found", "expected"),
    [
        ("criteria:\n", 3, "criteria", "nothing", "a mapping of names to values"),
        ("criteria: {}\n", 3, "criteria", "{}", "at least 1 entry"),
        ("criteria: [clarity]\n", 3, "criteria", "['clarity']", "a mapping of names to values"),
        ("criteria: clarity\n", 3, "criteria", "'clarity'", "a mapping of names to values"),
        ("criteria:\n  clarity:\n", 4, "criteria.clarity", "nothing", "a mapping of names to values"),
        ("criteria:\n  clarity: 3\n", 4, "criteria.clarity", "3", "a mapping of names to values"),
        ("criteria:\n  clarity: ''\n", 4, "criteria.clarity.ask", "''", "at least 1 character"),
        ("criteria:\n  clarity: {weight: 3}\n", 4, "criteria.clarity.ask", "nothing", "a value (the key is required)"),
        ("", 1, "criteria", "nothing", "a value (the key is required)"),
    ],
)
def test_criteria_have_names_and_questions(criteria: str, line: int, field: str, found: str, expected: str) -> None:
    """Missing and misshapen criteria are named at their own line."""
    one = problem(HEAD + criteria)
    assert (one.line, one.field, one.found, one.expected) == (line, field, found, expected)


def test_too_many_criteria_are_refused() -> None:
    """No judge keeps 25 questions apart."""
    one = problem(HEAD + "criteria:\n" + "".join(f"  c{index}: How\n" for index in range(25)))
    assert (one.field, one.expected) == ("criteria", "at most 24 entries")


@pytest.mark.parametrize("name", ["Clarity", "1st", "_x", "two words", "a-b", "größe", "a" * 41, "''", "a.b"])
def test_bad_criterion_names_are_refused(name: str) -> None:
    """Names are small letters, digits and underscores, so that they can be keys and columns."""
    one = problem(HEAD + f"criteria:\n  {name}: How\n")
    assert one.line == 4
    assert one.found == f"the name {name.strip(chr(39))!r}"
    assert (one.expected, one.hint) == ("lower-case letters, digits and _, at most 40", "start with a letter")


def test_every_bad_criterion_name_is_reported() -> None:
    """Several bad names need one reading, not one each; a name YAML takes for a boolean is one of them."""
    found = problems(HEAD + "criteria:\n  Good: How\n  fine: How\n  2nd: How\n  yes: How\n")
    assert {one.found for one in found} == {"the name 'Good'", "the name '2nd'", "the name True"}


@pytest.mark.parametrize(
    ("text", "field", "expected", "hint"),
    [
        (GOOD + "critera: 1\n", "critera", "one of rubric, about,", "did you mean 'criteria'?"),
        (GOOD + "  b: {ask: How, wieght: 1}\n", "criteria.b.wieght", "one of ask, weight,", "did you mean 'weight'?"),
        (GOOD + "mix: {juge: 1}\n", "mix.juge", "one of judge, references", "did you mean 'judge'?"),
        (GOOD + "gates: [{max_word: 1}]\n", "gates[0].max_word", "one of run, timeout,", "did you mean 'max_words'?"),
        (GOOD + "normalize: rang\n", "normalize", "'max' or 'range'", "did you mean 'range'?"),
        (GOOD + "references: {rougel: 1}\n", "references.rougel", "'bm25', 'bleu',", "did you mean 'rouge_l'?"),
    ],
)  # fmt: skip
def test_misspelt_keys_and_choices_are_answered(text: str, field: str, expected: str, hint: str) -> None:
    """A misspelling is answered with what may stand there and with the nearest of it."""
    one = next(one for one in problems(text) if one.field == field)
    assert one.line == 5
    assert one.expected.startswith(expected)
    assert one.hint == hint


def test_a_duplicate_criterion_is_refused() -> None:
    """The second criterion of the same name is named, where YAML would forget the first."""
    one = problem(GOOD + "  clarity: Is it clear again?\n")
    assert (one.line, one.field, one.found) == (5, "criteria.clarity", "a second entry of the same name")
    assert (one.expected, one.hint) == ("each name once", "rename or remove one of them")


@pytest.mark.parametrize(
    ("gate", "found"),
    [("{max_words: 3, min_words: 1}", "max_words and min_words"), ("{}", "no check"), ("{timeout: 3}", "no check")],
)
def test_a_gate_has_exactly_one_check(gate: str, found: str) -> None:
    """A gate with two checks or none is refused with the list of checks."""
    one = problem(GOOD + f"gates:\n- {gate}\n")
    assert (one.line, one.field, one.found) == (6, "gates[0]", found)
    assert one.expected == "exactly one of run, max_words, min_words, max_chars, min_chars, matches, forbids"
    assert one.hint == "write one list entry per check"


@pytest.mark.parametrize("key", ["matches", "forbids"])
@pytest.mark.parametrize("pattern", ["(unclosed", "[a", "a{99999999999999999999}", "(" * 3000, "*"])
def test_an_invalid_regular_expression_is_refused(key: str, pattern: str) -> None:
    """A pattern that cannot be compiled is refused when the file is read, however it fails."""
    one = problem(GOOD + f"gates:\n- {key}: '{pattern}'\n")
    assert (one.line, one.field) == (6, f"gates[0].{key}")
    assert one.found[:20] == repr(pattern)[:20]
    assert len(one.found) <= 60
    assert one.expected.startswith("a regular expression (")


@pytest.mark.parametrize(
    ("gate", "field", "found", "expected"),
    [
        ("max_words: 0", ".max_words", "0", "greater than or equal to 1"),
        ("max_words: '3'", ".max_words", "'3'", "a valid integer"),
        ("min_chars: true", ".min_chars", "True", "a valid integer"),
        ("run: ''", ".run", "''", "at least 1 character"),
        ("run: [make, test]", ".run", "['make', 'test']", "a valid string"),
        ("{run: make, timeout: 0}", ".timeout", "0", "greater than 0"),
        ("{run: make, timeout: '5'}", ".timeout", "'5'", "a valid number"),
        ("{max_words: 3, timeout: 5}", ".timeout", "a timeout without run", "timeout only beside run"),
        ("make test", "", "'make test'", "a mapping of names to values"),
    ],
)
def test_wrong_values_in_a_gate(gate: str, field: str, found: str, expected: str) -> None:
    """Limits are whole numbers from 1, commands are texts, and a timeout needs a command."""
    one = problem(GOOD + f"gates:\n- {gate}\n")
    assert (one.line, one.field, one.found, one.expected) == (6, f"gates[0]{field}", found, expected)


def test_gates_are_a_list() -> None:
    """A mapping in place of the list is shown."""
    one = problem(GOOD + "gates: {max_words: 3}\n")
    assert (one.line, one.field, one.found, one.expected) == (5, "gates", "{'max_words': 3}", "a list")


def test_a_mix_needs_references() -> None:
    """A share for references without any metric is refused with an example."""
    one = problem(GOOD + "mix: {judge: 0.5, references: 0.5}\n")
    assert (one.line, one.field) == (5, "mix")
    assert one.found == "a share for references, but no references"
    assert one.expected == "references: beside a mix that uses them"
    assert one.hint == "name metrics, such as references: {rouge_l: 1}"


@pytest.mark.parametrize(
    ("entry", "field", "found", "expected"),
    [
        ("mix: {judge: 0}", "mix", "shares that are all 0", "at least one share above 0"),
        ("mix: {judge: -1}", "mix.judge", "-1", "greater than or equal to 0"),
        ("mix: {judge: true}", "mix.judge", "True", "a valid number"),
        ("mix: 0.5", "mix", "0.5", "a mapping of names to values"),
        ("references: {bleu: 0}", "references", "weights that are all 0", "at least one weight above 0"),
        ("references: {bleu: -1}", "references.bleu", "-1", "greater than or equal to 0"),
        ("references: [bleu]", "references", "['bleu']", "a mapping of names to values"),
        ("min_coverage: 0", "min_coverage", "0", "greater than 0"),
        ("min_coverage: 1.01", "min_coverage", "1.01", "less than or equal to 1"),
        ("min_coverage: .nan", "min_coverage", "nan", "a finite number"),
        ("min_coverage: '0.5'", "min_coverage", "'0.5'", "a valid number"),
        ("min_coverage: true", "min_coverage", "True", "a valid number"),
    ],
)
def test_wrong_values_of_the_arithmetic(entry: str, field: str, found: str, expected: str) -> None:
    """Shares and the coverage are finite numbers within their bounds."""
    one = problem(GOOD + entry + "\n")
    assert (one.line, one.field, one.found, one.expected) == (5, field, found, expected)


@pytest.mark.parametrize(("line", "field"), [("about:", "about"), ("about: ''", "about"), ("rubric: 3", "rubric")])
def test_name_and_question_are_texts(line: str, field: str) -> None:
    """The rubric's own name and question cannot be empty or a number."""
    other = "rubric: a" if field == "about" else "about: What"
    one = problem(f"{other}\n{line}\ncriteria: {{clarity: How}}\n")
    assert (one.line, one.field) == (2, field)


def test_all_problems_of_a_rubric_are_reported_at_once_by_line() -> None:
    """Faults in every part come in one error, sorted by line, whatever order they were found in."""
    found = problems(
        "normalize: mean\nrubric: A\nabout: What\nscale: [5, 1]\n"
        "criteria:\n  clarity: {ask: How, weight: -1}\n  depth: {aks: How}\n"
        "gates:\n- {}\n- max_words: many\nabout: What\n"
    )
    assert [(one.line, one.field) for one in found] == [
        (1, "normalize"),
        (2, "rubric"),
        (4, "scale"),
        (6, "criteria.clarity.weight"),
        (7, "criteria.depth.ask"),
        (7, "criteria.depth.aks"),
        (9, "gates[0]"),
        (10, "gates[1].max_words"),
        (11, "about"),
    ]


def test_all_disagreements_of_a_rubric_are_reported_at_once() -> None:
    """Parts that are right by themselves but do not fit together come in one error as well."""
    found = problems(
        HEAD + "mix: {judge: 1, references: 1}\n"
        "criteria:\n  clarity: {ask: How, weight: 0, floor: 9}\n  depth: {ask: How, weight: 0, levels: {7: high}}\n"
    )
    assert [(one.line, one.field) for one in found] == [
        (3, "mix"),
        (4, "criteria"),
        (5, "criteria.clarity.floor"),
        (6, "criteria.depth.levels.7"),
    ]


def test_a_printed_problem_is_one_line_with_everything() -> None:
    """The whole message of a misspelt key, as a person reads it."""
    with pytest.raises(DocumentError) as caught:
        Rubric.parse(GOOD + "mix: {juge: 1}\n", source="mine.yaml")
    assert str(caught.value) == (
        "mine.yaml:5: mix.juge: found an unknown key, expected one of judge, references\nhint: did you mean 'judge'?"
    )
