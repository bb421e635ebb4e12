from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.sight._interval import auc_interval

WINS = st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=8), min_size=1, max_size=30).filter(any)


def clopper_pearson(won: int, of: int) -> tuple[float, float]:
    """Return the interval by its definition: the shares at which as much or more, or as little, has 2.5 %."""

    def tail(share: float, hits: range) -> float:
        return sum(math.comb(of, hit) * share**hit * (1 - share) ** (of - hit) for hit in hits)

    grid = [step / 20_000 for step in range(20_001)]
    low = next(share for share in grid if won == 0 or tail(share, range(won, of + 1)) >= 0.025)
    high = next(share for share in reversed(grid) if won == of or tail(share, range(won + 1)) >= 0.025)
    return low, high


@pytest.mark.parametrize(("won", "of"), [(0, 12), (4, 4), (6, 6), (7, 12), (10, 12), (12, 12), (29, 30)])
def test_single_pairs_have_the_interval_of_clopper_and_pearson(won: int, of: int) -> None:
    """With one pair a case it is the textbook's."""
    auc, low, high = auc_interval([[1.0]] * won + [[0.0]] * (of - won))
    assert auc == pytest.approx(won / of)
    assert (low, high) == pytest.approx(clopper_pearson(won, of), abs=1e-4)


@given(WINS)
def test_an_interval_holds_its_estimate(wins: list[list[float]]) -> None:
    """AUC and ends lie in order between 0 and 1, and turning every pair round mirrors them."""
    auc, low, high = auc_interval(wins)
    assert 0 <= low <= auc <= high <= 1
    mirrored = auc_interval([[1 - win for win in case] for case in wins])
    assert mirrored == pytest.approx((1 - auc, 1 - high, 1 - low), abs=1e-9)


@given(WINS, st.integers(2, 4))
def test_more_cases_make_it_shorter_and_more_pairs_of_a_case_hardly(wins: list[list[float]], times: int) -> None:
    """Cases count in full, pairs that share an output for at most three."""
    _, low, high = auc_interval(wins)
    _, low_more, high_more = auc_interval(wins * times)
    assert high_more - low_more <= high - low + 1e-9
    many = [[1.0] * 1000] * 4
    assert auc_interval(many)[1] == pytest.approx(auc_interval([[1.0]] * 12)[1], abs=0.003)


def test_nothing_has_no_interval() -> None:
    """Without a pair there is nothing to say."""
    with pytest.raises(ValueError, match="no pair"):
        auc_interval([[], []])


def test_it_covers_one_half_for_a_judge_that_sees_nothing() -> None:
    """Readings drawn at random, an output shared by the pairs of its case, lie above one half 2.5 % of the time."""
    dice = random.Random(0)
    above = 0
    for _ in range(2000):
        wins: list[list[float]] = []
        for _ in range(12):
            output = dice.random()
            wins.append([float(output > dice.random()) for _ in range(5)])
        above += auc_interval(wins)[1] > 0.5
    assert above <= 0.025 * 2000 + 3 * math.sqrt(0.025 * 2000)
