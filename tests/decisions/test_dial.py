from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.decisions import RaceSettings, patience

RATIOS = st.floats(0, allow_nan=False, allow_infinity=True)


def test_cheap_proposals_leave_the_race_as_it_is() -> None:
    """Where a proposal costs nothing, the dial stands at the default of the race; where judging does, at thorough."""
    assert patience(0.0) == RaceSettings().drop == 0.05
    assert patience(math.inf) == 0.01


@given(RATIOS, RATIOS)
def test_dearer_proposals_get_more_patience(one: float, other: float) -> None:
    """The dial never turns back, and stays between thrifty and thorough."""
    low, high = sorted((one, other))
    assert 0.01 <= patience(high) <= patience(low) <= 0.05


@pytest.mark.parametrize("ratio", [-1.0, math.nan])
def test_a_ratio_that_cannot_be_is_refused(ratio: float) -> None:
    """Costs are 0 or more."""
    with pytest.raises(ValueError, match="ratio must be 0 or more"):
        patience(ratio)
