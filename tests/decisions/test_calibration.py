from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import calibrate
from tenward.errors import UsageError

PASSES = st.lists(st.none() | st.floats(0, 1), min_size=2, max_size=5)


def test_the_analysis_of_variance_by_hand() -> None:
    """Two cases, two passes each: within 0.02, between 0.16, so the case's own variance is 0.07."""
    found = calibrate({"a": [0.4, 0.6], "b": [0.8, 1.0]})
    assert found.judge_variance == pytest.approx(0.02)
    assert found.case_variance == pytest.approx(0.07)
    assert found.icc == pytest.approx(7 / 9)
    assert found.mean == pytest.approx(0.7)
    assert (found.cases, found.missing) == (2, 0)
    assert "test-retest ICC 0.78" in found.lines


def test_noise_and_reliability_are_found_again() -> None:
    """From 400 simulated cases the judge's sd, the cases' variance and the ICC come back."""
    dice = random.Random(11)
    scores: dict[str, list[float | None]] = {}
    for index in range(400):
        truth = dice.gauss(0.6, 0.2)
        scores[str(index)] = [dice.gauss(truth, 0.12) for _ in range(2 + index % 2)]
    found = calibrate(scores)
    assert found.judge_sd == pytest.approx(0.12, abs=0.01)
    assert found.case_variance == pytest.approx(0.04, abs=0.006)
    assert found.icc == pytest.approx(0.735, abs=0.05)


def test_missing_passes_are_counted_and_left_out() -> None:
    """A pass without a score is not a 0; a case with one score left says nothing of noise."""
    found = calibrate({"a": [0.4, None, 0.6], "b": [0.8, None]})
    assert (found.cases, found.missing) == (1, 2)
    assert found.judge_variance == pytest.approx(0.02)
    assert found.mean == pytest.approx(0.5)
    assert found.lines[-1] == "2 passes gave no score"


def test_an_unreliable_judge_is_told_so() -> None:
    """Where passes differ as much as cases do, the lines advise more passes or a better judge."""
    found = calibrate({"a": [0.2, 0.8], "b": [0.8, 0.3], "c": [0.5, 0.6]})
    assert found.icc == 0.0
    assert "passes over the incumbent: 4 on dev cases, 2 on sealed cases" in found.lines
    assert any("more passes or a better judge" in line for line in found.lines)


def test_a_judge_that_always_says_the_same_is_told_so() -> None:
    """No noise and no difference between cases is no virtue."""
    found = calibrate({"a": [0.5, 0.5], "b": [0.5, 0.5]})
    assert found.icc is None
    assert any("every case scores the same" in line for line in found.lines)


def test_a_steady_judge_has_no_noise() -> None:
    """Passes that agree on cases that differ: noise 0, reliability 1."""
    found = calibrate({"a": [0.5, 0.5], "b": [0.75, 0.75]})
    assert (found.judge_variance, found.icc) == (0.0, 1.0)


def test_a_case_needs_two_passes() -> None:
    """Without a repeated pass there is no noise to measure."""
    with pytest.raises(UsageError, match="found 2 cases and none with two scores") as caught:
        calibrate({"a": [0.5], "b": [None, 0.5]})
    assert "twice" in caught.value.hint


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), PASSES, min_size=1, max_size=20))
def test_the_order_of_cases_and_passes_does_not_matter(scores: dict[str, list[float | None]]) -> None:
    """The same scores in another order give the same calibration."""
    if not any(sum(score is not None for score in row) > 1 for row in scores.values()):
        return
    turned = {case: row[::-1] for case, row in reversed(scores.items())}
    assert calibrate(turned) == calibrate(scores)
