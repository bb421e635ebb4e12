from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from langsmith import Client

from tenward.datasets import Case, DataSet, write_cases
from tenward.errors import UnknownNameError, UsageError
from tenward.testing import LangSmithFake
from tenward.tracing import LangSmithError, LangSmithSettings, pull_dataset, push_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tracing.conftest import Bench

KEY = "lsv2_pt_0123456789abcdef_0123456789"


def test_cases_come_back_as_they_went(bench: Bench, settings: LangSmithSettings) -> None:
    """All fields survive the way there and back, empty ones included."""
    cases = [*bench.cases(5), Case(id="bare"), Case(id="one-reference", references=("only",))]
    report = push_dataset("mine", cases, settings=settings)
    assert (report.name, report.added, report.changed, report.unchanged) == ("mine", 7, 0, 0)
    assert list(pull_dataset("mine", settings=settings)) == cases


texts = st.text(alphabet='ab é漢\n"\\{}', max_size=8)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Case,
            id=st.text(alphabet="abcdef", min_size=1, max_size=6),
            input=texts,
            output=texts,
            references=st.lists(texts, max_size=2).map(tuple),
            context=texts,
            human=st.dictionaries(st.sampled_from(["a", "b"]), st.floats(0, 5), max_size=2),
            group=texts,
            split=st.sampled_from(["dev", "sealed"]),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda case: case.id,
    )
)
def test_any_cases_come_back_as_they_went(cases: list[Case]) -> None:
    """Whatever the fields hold, quotes and line breaks included, the round trip changes nothing."""
    with LangSmithFake() as fake:
        settings = LangSmithSettings(api_key=KEY, endpoint=fake.endpoint)
        push_dataset("any", cases, settings=settings)
        assert list(pull_dataset("any", settings=settings)) == cases


def test_fields_go_where_langsmith_looks_for_them(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings
) -> None:
    """The mapping is the one that the guide shows."""
    push_dataset("mine", bench.cases(), settings=settings)
    example = fake.examples[0]
    assert example["inputs"] == {"input": "The change 0", "context": "A style guide"}
    assert example["outputs"] == {"references": ["Do the change 0", "Or so"], "output": "Change 0"}
    assert example["metadata"] == {
        "id": "case-0",
        "human": {"clear": 4.5},
        "group": "even",
        "dataset_split": ["dev"],
    }


def test_a_second_push_changes_what_has_changed(bench: Bench, fake: LangSmithFake, settings: LangSmithSettings) -> None:
    """Cases are known by their id: new ones are added, others replaced, and none is removed."""
    cases = bench.cases(4)
    push_dataset("mine", cases[:3], settings=settings)
    changed = [cases[0], replace(cases[1], references=("Better",), split="sealed"), cases[3]]
    told: list[int] = []
    report = push_dataset("mine", changed, settings=settings, progress=told.append)
    assert (report.added, report.changed, report.unchanged, told) == (1, 1, 1, [3])
    assert list(pull_dataset("mine", settings=settings)) == [changed[0], changed[1], cases[2], changed[2]]
    assert len(fake.datasets) == 1


def test_more_cases_than_a_page_come_back(bench: Bench, settings: LangSmithSettings) -> None:
    """Sending goes by batches and reading by pages; neither loses one."""
    cases = bench.cases(230)
    push_dataset("long", iter(cases), settings=settings)
    assert list(pull_dataset("long", settings=settings)) == cases


def test_what_is_pulled_can_be_written_and_loaded(bench: Bench, settings: LangSmithSettings, tmp_path: Path) -> None:
    """A pulled data set is as good as a local one."""
    push_dataset("mine", bench.cases(), settings=settings)
    path = tmp_path / "mine.jsonl"
    assert write_cases(path, pull_dataset("mine", settings=settings)) == 3
    assert list(DataSet.load(path).cases()) == bench.cases()


FOREIGN: list[tuple[dict[str, Any], dict[str, Any] | None, Case]] = [
    ({"question": "Why?"}, {"answer": "So."}, Case(id="", input="Why?", references=("So.",))),
    ({"a": 1, "b": "x"}, None, Case(id="", input='{"a": 1, "b": "x"}')),
    ({"input": ["x"]}, {"references": "one"}, Case(id="", input='["x"]', references=("one",))),
    ({}, {"answer": "So.", "n": 2}, Case(id="", references=('{"answer": "So.", "n": 2}',))),
]


@pytest.mark.parametrize(("inputs", "outputs", "case"), FOREIGN)
def test_examples_of_others_can_be_read(
    fake: LangSmithFake,
    settings: LangSmithSettings,
    inputs: dict[str, Any],
    outputs: dict[str, Any] | None,
    case: Case,
) -> None:
    """The only text is taken as it is, several values as JSON; outputs are references."""
    client = Client(api_url=fake.endpoint, api_key=KEY, auto_batch_tracing=False)
    dataset = client.create_dataset("theirs")
    made = client.create_example(
        dataset_id=dataset.id,
        inputs=inputs,
        reference_outputs=outputs,
        metadata={"human": {"a": True, "b": 2, "c": "x"}},
    )
    client.close()
    expected = replace(case, id=str(made.id), human={"b": 2.0})
    assert list(pull_dataset("theirs", settings=settings)) == [expected]


def test_secrets_in_cases_are_not_sent(fake: LangSmithFake, settings: LangSmithSettings) -> None:
    """A case that holds a key or an address comes back with a mark in its place, and counts as unchanged."""
    case = Case(id="c", input="key sk-abcdefgh12345678abcdefgh", output="by a@b.example")
    push_dataset("mine", [case], settings=settings)
    assert b"sk-abcdefgh" not in fake.raw
    pulled = list(pull_dataset("mine", settings=settings))
    assert pulled == [Case(id="c", input="key [redacted]", output="by [e-mail]")]
    assert push_dataset("mine", [case], settings=settings).unchanged == 1


def test_an_unknown_data_set_is_told(settings: LangSmithSettings) -> None:
    """The error names the data set and the server."""
    with pytest.raises(UnknownNameError, match="has no data set 'none'"):
        list(pull_dataset("none", settings=settings))


def test_cases_without_ids_of_their_own_are_refused(fake: LangSmithFake, settings: LangSmithSettings) -> None:
    """Two cases of one id, or no cases at all, make no data set."""
    with pytest.raises(UsageError, match="two cases with the id 'c'"):
        push_dataset("mine", [Case(id="c"), Case(id="c")], settings=settings)
    with pytest.raises(UsageError, match="found no cases to send"):
        push_dataset("mine", [], settings=settings)
    assert fake.datasets == []


def test_without_a_key_nothing_is_asked() -> None:
    """Both directions say which variable is missing."""
    with pytest.raises(LangSmithError, match="LANGSMITH_API_KEY"):
        list(pull_dataset("mine"))
    with pytest.raises(LangSmithError, match="LANGSMITH_API_KEY"):
        push_dataset("mine", [Case(id="c")])
