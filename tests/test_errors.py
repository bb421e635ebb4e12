from __future__ import annotations

import copy
import pickle

import pytest

from tenward import errors
from tenward.errors import DocumentError, Problem, SystemicError, TenwardError, UsageError

CLASSES = [getattr(errors, name) for name in errors.__all__ if name != "Problem"]


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not DocumentError])
def test_an_error_prints_its_message_and_then_its_hint(kind: type[TenwardError]) -> None:
    """Every error of the tree prints the message, and a hint line only when there is a hint."""
    assert str(kind("no such file", hint="check the path")) == "no such file\nhint: check the path"
    assert str(kind("no such file")) == "no such file"


@pytest.mark.parametrize("kind", CLASSES)
def test_exit_statuses_tell_requests_from_machines(kind: type[TenwardError]) -> None:
    """A wrong request ends with status 2 and everything else with status 3, whichever class it is."""
    assert issubclass(kind, TenwardError)
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 3)
    assert kind is TenwardError or issubclass(kind, UsageError) != issubclass(kind, SystemicError)


def test_a_document_error_has_one_line_per_problem() -> None:
    """Each problem gives file, line, field, found and expected, as far as they are known."""
    error = DocumentError(
        "a.yaml",
        [
            Problem(line=3, field="scale", found="[5, 1]", expected="lowest below highest"),
            Problem(line=None, field="", found="an empty file", expected="the keys of a rubric"),
        ],
    )
    assert str(error).splitlines() == [
        "a.yaml:3: scale: found [5, 1], expected lowest below highest",
        "a.yaml: found an empty file, expected the keys of a rubric",
    ]


def test_a_document_error_gives_each_hint_once() -> None:
    """Hints of several problems have a line each, in order, repeated ones once."""
    hints = ["use 1", "", "use 2", "use 1"]
    problems = [Problem(line=1, field="a", found="0", expected="1", hint=hint) for hint in hints]
    assert DocumentError("a.yaml", problems).hint == "use 1\nuse 2"


def test_errors_survive_the_way_between_processes() -> None:
    """An error with a hint can be pickled, as pools of workers do."""
    error = pickle.loads(pickle.dumps(UsageError("wrong", hint="right")))
    assert (type(error), error.message, error.hint) == (UsageError, "wrong", "right")


def test_a_document_error_can_be_pickled_and_copied() -> None:
    """The error and its problems come out as they went in."""
    error = DocumentError("a.yaml", [Problem(line=3, field="scale", found="[5, 1]", expected="more", hint="turn it")])
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert (type(again), str(again), again.path) == (DocumentError, str(error), "a.yaml")
        assert again.problems[0].field == "scale"
