from __future__ import annotations

import math

import pytest

from tenward.loop import Costs, LoopSpec, Spent

LOOP = "loop: a/v1\ngoal: b\nedit: [x.md]\nscore: {rubric: r, dataset: d}\n"
MODEL, COMMAND = "propose: {llm: local}\n", "propose: {command: [y]}\n"
RACING = Spent(seconds=20, judged=10, calls=20, usd=0.01)
WHOLE = Spent(seconds=100, judged=10, calls=22, usd=0.11)


def costs(count: int, whole: Spent = WHOLE, racing: Spent = RACING) -> Costs:
    """Return the costs of so many equal attempts."""
    found = Costs()
    for _ in range(count):
        found = found.after(whole, racing)
    return found


def loop(budget: str, propose: str = MODEL, parallel: int = 1) -> LoopSpec:
    """Return a loop with these limits."""
    return LoopSpec.parse(f"{LOOP}{propose}parallel: {parallel}\nbudget: {budget}\n")


@pytest.mark.parametrize(
    ("budget", "ratio"), [("{usd: 5}", 100.0), ("{calls: 500}", 1.0), ("{hours: 3}", 40.0), ("{rounds: 9}", 40.0)]
)
def test_costs_are_counted_in_what_runs_out(budget: str, ratio: float) -> None:
    """Dollars or calls where they are limited, else seconds: of an attempt before its race, over those of a case.

    Of attempts side by side nobody knows which took what.
    """
    assert costs(5).ratio(loop(budget)) == pytest.approx(ratio)
    assert costs(5).ratio(loop(budget, parallel=2)) is None


def test_a_command_without_a_bill_is_counted_in_seconds() -> None:
    """What it pays nobody knows; one that tells its bill is believed."""
    untold = Spent(seconds=100, judged=10, calls=20, usd=0.01)
    assert costs(5, whole=untold).ratio(loop("{usd: 5}", COMMAND)) == pytest.approx(40.0)
    assert costs(5, whole=untold).ratio(loop("{usd: 5}", MODEL)) == 0.0
    assert costs(5).ratio(loop("{usd: 5}", COMMAND)) == pytest.approx(100.0)


def test_nothing_is_told_before_five_attempts() -> None:
    """Nor where nothing was judged."""
    limits = loop("{hours: 1}")
    assert costs(4).ratio(limits) is None
    assert costs(5, racing=Spent(seconds=20)).ratio(limits) is None


def test_free_judging_and_quick_proposals_are_the_ends() -> None:
    """A judge that costs nothing makes any proposal dear; one of less than a second is cheap beside any judge."""
    by_price = loop("{usd: 1}")
    free = Spent(seconds=20, judged=10, calls=20)
    assert costs(5, racing=free).ratio(by_price) == math.inf
    assert costs(5, whole=free, racing=free).ratio(by_price) == 0.0
    quick = Spent(seconds=20.9, judged=10)
    assert costs(5, whole=quick).ratio(loop("{hours: 1}")) == 0.0
