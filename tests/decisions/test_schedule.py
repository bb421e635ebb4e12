from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import looks, passes


def test_the_documented_looks() -> None:
    """The default numbers of dev and sealed cases have the documented looks."""
    assert looks(30, start=4) == (4, 6, 8, 10, 13, 17, 22, 29, 30)
    assert looks(120, start=8) == (8, 10, 13, 17, 22, 29, 38, 49, 64, 83, 108, 120)


def test_few_units_have_few_looks() -> None:
    """Below the first look there is one look at all there is; without units there is none."""
    assert looks(3, start=4) == (3,)
    assert looks(4, start=4) == (4,)
    assert looks(5, start=4) == (4, 5)
    assert looks(0, start=4) == ()


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 20))
def test_looks_rise_to_the_last_unit(most: int, start: int) -> None:
    """Looks rise strictly and end at the last unit."""
    schedule = looks(most, start=start)
    assert schedule[-1] == most
    assert list(schedule) == sorted(set(schedule))


@pytest.mark.parametrize(
    ("sd", "dev", "sealed", "corrected"),
    [
        (0.0, 1, 1, 1),
        (0.03, 1, 1, 1),
        (0.09, 1, 1, 1),
        (0.12, 2, 2, 1),
        (0.15, 3, 2, 1),
        (0.20, 4, 2, 2),
        (0.35, 4, 2, 2),
    ],
)
def test_a_noisier_judge_gets_more_passes(sd: float, dev: int, sealed: int, corrected: int) -> None:
    """Passes over the incumbent grow with the judge's noise, up to four on dev and two on sealed cases.

    Half as many are enough where the stored scores' errors are learned.
    """
    assert passes(sd, unit=1.0) == dev
    assert passes(sd, unit=1.0, split="sealed") == sealed
    assert passes(sd, unit=1.0, corrected=True) == corrected


@pytest.mark.parametrize("sd", [0.001, 0.12, 7.0])
def test_passes_go_by_the_scale_of_the_judge(sd: float) -> None:
    """Noise counts beside how far cases lie apart; where that is unknown, the judge is taken to be an ordinary one."""
    assert passes(sd, unit=sd / 0.20) == 4
    assert passes(sd, unit=sd / 0.03) == 1
    assert (passes(sd), passes(0.0)) == (2, 1)
