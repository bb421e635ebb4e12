from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import Floor, Sample, check_floor

FLOOR = Floor(criterion="accuracy", margin=0.05)


@pytest.mark.parametrize(
    ("differences", "status"),
    [
        ([], "unclear"),
        ([0.0], "unclear"),
        ([0.0] * 8, "unclear"),
        ([0.0] * 40, "holds"),
        ([-0.03] * 120, "holds"),
        ([0.2] * 8, "holds"),
        ([-0.2] * 20, "lowered"),
        ([-0.5, 0.5] * 20, "unclear"),
        ([-0.08, 0.0] * 4, "unclear"),
    ],
)
def test_what_the_differences_say(differences: list[float], status: str) -> None:
    """Few or swinging differences are unclear; many near 0 hold; a loss beyond the margin is lowered."""
    finding = check_floor(FLOOR, Sample.of(differences))
    assert finding.status == status
    assert finding.text.startswith("accuracy ")


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), max_size=60), st.floats(0.0, 0.5))
def test_a_wider_margin_never_turns_a_floor_that_holds(differences: list[float], more: float) -> None:
    """What holds at a margin holds at a wider one, and what is not lowered stays so."""
    sample = Sample.of(differences)
    strict = check_floor(FLOOR, sample).status
    wide = check_floor(Floor(criterion="accuracy", margin=0.05 + more), sample).status
    order = ["lowered", "unclear", "holds"]
    assert order.index(wide) >= order.index(strict)


def test_a_loss_within_the_margin_is_tolerated_even_if_it_is_certain() -> None:
    """The margin is what may be lost: a sure loss of 0.01 holds at 0.05 and is lowered at 0.005."""
    sample = Sample.of([-0.01] * 2000)
    assert check_floor(FLOOR, sample).status == "holds"
    assert check_floor(Floor(criterion="accuracy", margin=0.005), sample).status == "lowered"
