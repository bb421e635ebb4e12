"""The data sets in ``datasets/``."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tenward.datasets import Case, DataSet
from tenward.rubrics import Rubric, run_gates
from tenward.workspace import Library

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Library(roots=(ROOT,))
NAMES = sorted(LIBRARY.names("datasets"))
RATED = {name: name.removeprefix("rated-") for name in NAMES if name.startswith("rated-")}
RATED["code-revisions"] = "code-review"


def cases_of(name: str) -> list[Case]:
    """Return all cases of a shipped data set."""
    return list(DataSet.load(name, library=LIBRARY).cases())


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_data_set_is_valid_and_listed_with_its_number(name: str) -> None:
    """What the page of the folder says of a data set is what its file holds."""
    data = DataSet.load(name, library=LIBRARY)
    data.validate()
    page = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")
    assert f"| [{name}]({name}.md) | {sum(data.counts().values())} |" in page


@pytest.mark.parametrize("name", NAMES)
def test_a_group_is_in_one_split(name: str) -> None:
    """No sealed case has a twin that a loop may see."""
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for case in cases_of(name):
        splits[case.group or case.id].add(case.split)
    assert [group for group, found in splits.items() if len(found) > 1] == []


@pytest.mark.parametrize(("name", "rubric"), sorted(RATED.items()))
def test_ratings_are_those_of_the_rubric_and_spread_over_it(name: str, rubric: str) -> None:
    """Each case is rated on every criterion, and every criterion has low, middling and high ratings in both splits."""
    criteria = list(Rubric.load(rubric, library=LIBRARY).criteria)
    cases = cases_of(name)
    assert [case.id for case in cases if list(case.human) != criteria] == []
    for split in ("dev", "sealed"):
        for criterion in criteria:
            ratings = {case.human[criterion] for case in cases if case.split == split}
            assert ratings & {1, 2}, (split, criterion)
            assert {3, 5} <= ratings, (split, criterion)


@pytest.mark.parametrize(("name", "rubric"), sorted(RATED.items()))
def test_no_rated_text_is_stopped_by_a_gate(name: str, rubric: str) -> None:
    """What a gate refuses is not judged, so its rating would say nothing of a judge."""
    gates = Rubric.load(rubric, library=LIBRARY)
    stopped = [case.id for case in cases_of(name) if not all(gate.passed for gate in run_gates(gates, case.output))]
    assert stopped == []


@pytest.mark.parametrize("name", sorted(RATED))
def test_one_text_is_rated_once(name: str) -> None:
    """No text stands in a data set twice, where it could be rated in two ways."""
    texts = [(case.input, case.output) for case in cases_of(name)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(("name", "pairs"), [("code-revisions", 20), ("code-pairs", 26)])
def test_of_two_revisions_one_is_better_and_nowhere_worse(name: str, pairs: int) -> None:
    """The two of a pair answer the same task, and the ratings agree with the names."""
    cases = {case.id: case for case in cases_of(name)}
    better = {name.removesuffix("-better"): case for name, case in cases.items() if name.endswith("-better")}
    assert len(better) == pairs
    for group, good in better.items():
        poor = cases[f"{group}-worse"]
        assert (good.input, good.context, good.group) == (poor.input, poor.context, poor.group)
        assert all(good.human[criterion] >= rating for criterion, rating in poor.human.items()), group
        assert good.human != poor.human


@pytest.mark.parametrize(("name", "count"), [("code-revisions", 39), ("code-pairs", 34)])
def test_python_programs_can_be_parsed(name: str, count: int) -> None:
    """A planted fault is in what a program does, not in its syntax."""
    programs = [case.output for case in cases_of(name) if "def " in case.output]
    assert len(programs) == count
    for program in programs:
        ast.parse(program)
