from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.evaluation import disagreement_in_order, disagreement_in_winner

DIFFERENCES = st.lists(st.tuples(st.integers(-3, 3).map(float), st.integers(-3, 3).map(float)), min_size=0, max_size=40)


def test_opposite_winners_are_told() -> None:
    """The judge sees one version win and the references the other, with the counts of both."""
    seen = [(-0.1, 0.2)] * 8 + [(-0.1, -0.2)] * 3
    found = disagreement_in_winner(seen, "references")
    assert found is not None
    assert found.text == "judge: A better in 11 of 11; references: B better in 8 of 11"
    assert (found.against, found.cases) == ("references", 11)


@pytest.mark.parametrize(
    "seen",
    [
        [(1.0, 1.0)] * 20,
        [(-0.1, 0.2)] * 5,
        [(-0.1, 0.2)] * 4 + [(0.0, 0.0)] * 20,
        [(-0.1, 0.2)] * 7 + [(-0.1, -0.2)] * 5,
    ],
    ids=["the same winner", "few cases", "mostly ties", "no majority of two thirds"],
)
def test_what_is_no_direction_is_no_finding(seen: list[tuple[float, float]]) -> None:
    """Agreement, fewer than six cases that differ, and majorities below two thirds say nothing."""
    assert disagreement_in_winner(seen, "ratings") is None


@given(DIFFERENCES)
def test_the_names_of_the_versions_do_not_matter(seen: list[tuple[float, float]]) -> None:
    """Seen from the other version the finding is the same with the names exchanged."""
    found = disagreement_in_winner(seen, "references")
    turned = disagreement_in_winner([(-one, -other) for one, other in seen], "references", names=("B", "A"))
    assert (found and found.text) == (turned and turned.text)


@given(DIFFERENCES, st.floats(1e-3, 1e3))
def test_units_do_not_matter(seen: list[tuple[float, float]], unit: float) -> None:
    """Only directions count, so each side may be in a unit of its own."""
    assert disagreement_in_winner(seen, "references") == disagreement_in_winner(
        [(one * unit, other) for one, other in seen], "references"
    )


def rows(rho: float, count: int, seed: int = 0) -> list[tuple[float, float, str]]:
    """Return cases whose two numbers correlate about so much."""
    chance = random.Random(seed)
    found: list[tuple[float, float, str]] = []
    for number in range(count):
        one = chance.gauss(0, 1)
        found.append((one, rho * one + (1 - rho**2) ** 0.5 * chance.gauss(0, 1), str(number)))
    return found


def test_opposite_orders_are_told_with_an_interval() -> None:
    """The correlation is Spearman's, and its interval lies wholly below 0."""
    cases = rows(-0.7, 30)
    found = disagreement_in_order(cases, "references")
    assert found is not None
    told = re.fullmatch(
        r"judge and references order these cases against each other "
        r"\(Spearman (-\.\d\d), (-\.\d\d) to (-\.\d\d), on 30 cases\)",
        found.text,
    )
    assert told is not None
    rho, low, high = map(float, told.groups())
    one, other = (np.argsort(np.argsort([case[:2][side] for case in cases])).astype(float) for side in (0, 1))
    assert rho == pytest.approx(float(np.corrcoef(one, other)[0, 1]), abs=0.005)
    assert low < rho < high < 0


@pytest.mark.parametrize(
    "cases",
    [
        rows(0.7, 30),
        rows(-0.99, 7),
        rows(-0.2, 12, seed=3),
        [(one, 1.0, unit) for one, _, unit in rows(0, 20)],
        [(one, other, str(int(unit) % 5)) for one, other, unit in rows(-0.9, 40)],
        [],
    ],
    ids=["agreement", "few cases", "an interval around 0", "all alike", "few sources", "nothing"],
)
def test_what_may_be_luck_is_no_finding(cases: list[tuple[float, float, str]]) -> None:
    """Nothing is said where the orders agree, where an interval holds 0, or where there is too little to tell."""
    assert disagreement_in_order(cases, "ratings") is None


def test_a_wholly_reversed_order_is_told() -> None:
    """An exact -1, of which Fisher's z is infinite, has a finding too."""
    found = disagreement_in_order([(float(n), float(-n), str(n)) for n in range(8)], "ratings")
    assert found is not None
    assert "Spearman -1.00, " in found.text


def test_chance_alone_is_rarely_told() -> None:
    """Unrelated numbers give a finding in about one of forty runs, as the interval has it."""
    found = [disagreement_in_order(rows(0.0, 20, seed), "references") for seed in range(400)]
    assert sum(one is not None for one in found) < 24
