from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import differences_by_unit, group_units, unit_differences

IDS = st.sampled_from("abcdefgh")
SCORES = st.dictionaries(IDS, st.none() | st.floats(0, 1))
GROUPS = st.dictionaries(IDS, st.sampled_from(["one", "two", "a"]))


def test_each_case_is_a_unit_of_its_own() -> None:
    """Without groups there is one difference per case, candidate minus incumbent."""
    assert unit_differences({"a": 0.75, "b": 0.25}, {"b": 0.5, "a": 0.5}) == [0.25, -0.25]


def test_a_missing_verdict_on_either_side_is_left_out() -> None:
    """None, or no entry at all, is never a difference of 0."""
    assert unit_differences({"a": 0.75, "b": None, "c": 0.5, "d": 0.5}, {"a": 0.5, "b": 0.5, "c": None}) == [0.25]


def test_a_group_counts_once() -> None:
    """The cases of a group are averaged; one that lacks a verdict is left out of the mean."""
    groups = {"a": "source", "b": "source", "c": "source"}
    candidate = {"a": 1.0, "x": 0.5, "b": 0.5, "c": None}
    incumbent = {"a": 0.5, "x": 0.25, "b": 0.25, "c": 0.0}
    assert unit_differences(candidate, incumbent, groups) == [0.375, 0.25]
    assert differences_by_unit(candidate, incumbent, groups) == {"a": 0.375, "x": 0.25}


def test_a_group_without_any_verdict_is_left_out() -> None:
    """A unit none of whose cases has both scores gives no difference."""
    assert unit_differences({"a": None, "b": 0.5}, {"a": 0.5, "b": None}, {"a": "g", "b": "g"}) == []


def test_a_group_is_not_taken_for_a_case_of_that_name() -> None:
    """A case whose id is the name of a group stays apart from it."""
    assert group_units(["a", "b", "c"], {"b": "a", "c": "a"}) == (("a",), ("b", "c"))


def test_units_keep_the_order_of_their_first_case() -> None:
    """Units come in the order their first case comes, and repeated ids count once."""
    assert group_units(["d", "a", "c", "b", "a"], {"a": "g", "b": "g"}) == (("d",), ("a", "b"), ("c",))


@settings(deadline=None)
@given(SCORES, SCORES, GROUPS)
def test_exchanging_the_sides_turns_the_signs(
    candidate: dict[str, float | None], incumbent: dict[str, float | None], groups: dict[str, str]
) -> None:
    """There are as many differences one way as the other, with opposite signs."""
    there = sorted(unit_differences(candidate, incumbent, groups))
    back = sorted(-d for d in unit_differences(incumbent, candidate, groups))
    assert there == pytest.approx(back)
    assert len(there) <= len(group_units(candidate, groups))
