from __future__ import annotations

import math

import pytest

from tenward.loop import Costs, LoopSpec, Spent

LOOP = "loop: a/v1\ngoal: b\nedit: [x.md]\npropose: {command: [y]}\nscore: {rubric: r, dataset: d}\nbudget: "
RACING = Spent(seconds=20, judged=10, calls=20, usd=0.01)
WHOLE = Spent(seconds=100, judged=10, calls=22, usd=0.11)


def costs(count: int, whole: Spent = WHOLE, racing: Spent = RACING) -> Costs:
    """Return the costs of so many equal attempts."""
    found = Costs()
    for _ in range(count):
        found = found.after(whole, racing)
    return found


@pytest.mark.parametrize(
    ("budget", "ratio"), [("{usd: 5}", 100.0), ("{calls: 500}", 1.0), ("{hours: 3}", 40.0), ("{rounds: 9}", 40.0)]
)
def test_costs_are_counted_in_what_runs_out(budget: str, ratio: float) -> None:
    """Dollars or calls where they are limited, else seconds: of an attempt before its race, over those of a case."""
    limits = LoopSpec.parse(LOOP + budget).budget
    assert costs(5).ratio(limits) == pytest.approx(ratio)
    assert costs(5).ratio(limits, parallel=2) == pytest.approx(40.0)


def test_nothing_is_told_before_five_attempts() -> None:
    """Nor where nothing was judged."""
    limits = LoopSpec.parse(f"{LOOP}{{hours: 1}}").budget
    assert costs(4).ratio(limits) is None
    assert costs(5, racing=Spent(seconds=20)).ratio(limits) is None


def test_free_judging_and_quick_proposals_are_the_ends() -> None:
    """A judge that costs nothing makes any proposal dear; one of less than a second is cheap beside any judge."""
    by_price = LoopSpec.parse(f"{LOOP}{{usd: 1}}").budget
    free = Spent(seconds=20, judged=10, calls=20)
    assert costs(5, racing=free).ratio(by_price) == math.inf
    assert costs(5, whole=free, racing=free).ratio(by_price) == 0.0
    quick = Spent(seconds=20.9, judged=10)
    assert costs(5, whole=quick).ratio(LoopSpec.parse(f"{LOOP}{{hours: 1}}").budget) == 0.0
