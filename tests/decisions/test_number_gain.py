from __future__ import annotations

from typing import Any

import pytest

from tenward.decisions import NumberGain


@pytest.mark.parametrize(
    ("before", "after", "lower", "told"),
    [
        (19.49, 11.89, True, "gain: 19.49 → 11.89, better by 7.6 (lower is better), measured once each"),
        (4.77436, 5.36381, True, "no gain: 4.77436 → 5.36381, worse by 0.589 (lower is better), measured once each"),
        (0.81, 0.88, False, "gain: 0.81 → 0.88, better by 0.07 (higher is better), measured once each"),
        (0.88, 0.81, False, "no gain: 0.88 → 0.81, worse by 0.07 (higher is better), measured once each"),
        (5.0, 5.0, True, "no gain: 5 → 5, the same (lower is better), measured once each"),
        (1234567.0, 1233333.0, True, "gain: 1234567 → 1233333, better by 1234 (lower is better), measured once each"),
        (1.00000012, 1.00000011, True, "gain: 1.00000012 → 1.00000011, better by 1e-08 (lower is better), "),
    ],
)
def test_a_number_is_told_with_both_sides_and_the_direction(
    before: float, after: float, lower: bool, told: str
) -> None:
    """Better and worse are said in words, so that no sign has to be read against the goal."""
    assert NumberGain(before=before, after=after, lower_is_better=lower).text.startswith(told)


@pytest.mark.parametrize(
    ("after", "low", "high", "label", "interval"),
    [
        (11.89, 5.1, 10.1, "gain confirmed", "better by 5.1 to 10.1"),
        (19.0, -0.2, 1.2, "gain not confirmed", "worse by 0.2 to better by 1.2"),
        (19.0, 0.0, 1.0, "gain not confirmed", "better by 0 to 1"),
        (20.0, -0.9, -0.1, "no gain", "worse by 0.1 to 0.9"),
        (20.0, -1.0, 0.0, "no gain", "worse by 0 to 1"),
    ],
)
def test_repeats_give_an_interval_in_the_same_words(
    after: float, low: float, high: float, label: str, interval: str
) -> None:
    """The interval of repeats is told as the change is; nothing is called sealed."""
    told = NumberGain(before=19.49, after=after, lower_is_better=True, repeats=5, missing=1, low=low, high=high)
    assert told.text.startswith(f"{label}: 19.49 → ")
    ending = f"95 % interval {interval}, on 5 fresh repeats; 1 more without a number on both sides"
    assert told.text.endswith(ending)
    assert told.confirmed is (label == "gain confirmed")


@pytest.mark.parametrize("lower", [True, False])
def test_the_gain_is_above_zero_where_the_number_became_better(lower: bool) -> None:
    """The sign follows the goal."""
    sides: dict[str, Any] = {"before": 3.0, "after": 2.0} if lower else {"before": 2.0, "after": 3.0}
    found = NumberGain(**sides, lower_is_better=lower)
    assert found.gain == 1.0
    assert found.confirmed
