from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.errors import UsageError
from tenward.evaluation import Rated, fit_scale
from tenward.rubrics import Rubric

RUBRIC = Rubric.parse("rubric: r/v1\nabout: Good?\ncriteria:\n  a: Is it a?\n  b: Is it b?\n")


def texts(count: int = 80, *, noise: float = 1.0, squeeze: float = 8.0, groups: int = 20, seed: int = 1) -> list[Rated]:
    """Return texts whose truth is rated as it is, and read with noise, squeezed around 4."""
    draw = random.Random(seed)
    found: list[Rated] = []
    for number in range(count):
        truth = {name: draw.uniform(1, 5) for name in "ab"}
        raw = {name: min(4.9, max(1.1, 4 + (one - 3 + draw.gauss(0, noise)) / squeeze)) for name, one in truth.items()}
        found.append(Rated(case=f"c{number}", group=f"g{number % groups}", raw=raw, rating=truth))
    return found


def sd(values: list[float]) -> float:
    """Standard deviation."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((one - mean) ** 2 for one in values) / len(values))


def test_squeezed_readings_get_the_spread_and_mean_of_ratings_they_were_not_fitted_to() -> None:
    """On fresh texts the mean is the ratings', the spread above half of theirs, the error below a constant's."""
    fitted = fit_scale(texts(), RUBRIC)
    fresh = texts(400, seed=2)
    for name, one in fitted.maps.items():
        mapped = [one.points(text.raw[name], 1, 5) for text in fresh]
        rated = [text.rating[name] for text in fresh]
        assert sd([text.raw[name] for text in fresh]) < 0.3
        assert 0.5 < sd(mapped) / sd(rated) < 1.1
        assert abs(math.fsum(mapped) - math.fsum(rated)) / len(fresh) < 0.3
        error = math.sqrt(math.fsum((m - r) ** 2 for m, r in zip(mapped, rated, strict=True)) / len(fresh))
        assert error < 0.9 * sd(rated)
        assert one.error == pytest.approx(error, abs=0.25)
    assert set(fitted.maps) == {"a", "b"}
    assert fitted.error is not None
    assert 0.3 < fitted.error < max(one.error or 9 for one in fitted.maps.values())


def test_ratings_that_crowd_at_the_top_keep_half_of_their_spread() -> None:
    """Where most texts have the best rating, neither the end of the scale nor a few low readings eat the spread."""

    def crowded(count: int, seed: int) -> list[Rated]:
        draw = random.Random(seed)
        found: list[Rated] = []
        for number in range(count):
            rating = 5.0 if draw.random() < 0.85 else draw.choice([1.0, 2.0, 3.0])
            raw = min(4.9, 4.4 + 0.06 * (rating - 5) + draw.gauss(0, 0.12) - (0.6 if draw.random() < 0.02 else 0))
            found.append(Rated(case=f"c{number}", group=f"g{number % 25}", raw={"a": raw}, rating={"a": rating}))
        return found

    one = fit_scale(crowded(400, 4), RUBRIC).maps["a"]
    fresh = crowded(2000, 5)
    mapped, rated = [one.points(text.raw["a"], 1, 5) for text in fresh], [text.rating["a"] for text in fresh]
    assert 0.5 < sd(mapped) / sd(rated) < 0.9
    error = math.sqrt(math.fsum((m - r) ** 2 for m, r in zip(mapped, rated, strict=True)) / len(fresh))
    assert error < sd(rated)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 4), st.floats(1, 40), st.integers(16, 60))
def test_a_map_always_rises(seed: int, noise: float, squeeze: float, count: int) -> None:
    """Whatever was read, a map that is found is a valid one, so that no order changes."""
    fitted = fit_scale(texts(count, noise=noise, squeeze=squeeze, groups=8, seed=seed), RUBRIC)
    for one in fitted.maps.values():
        assert all(x0 < x1 and y0 < y1 for (x0, y0), (x1, y1) in zip(one.knots, one.knots[1:], strict=False))
        assert all(1 < y < 5 for _, y in one.knots)


def test_a_judge_that_reads_nothing_gets_no_map() -> None:
    """Readings without correlation to the ratings stay raw, and the reason says how little they know."""
    draw = random.Random(3)
    blind = [
        Rated(case=text.case, group=text.group, raw={"a": draw.uniform(3.9, 4.1)}, rating=text.rating)
        for text in texts(200)
    ]
    one = fit_scale(blind, RUBRIC).criteria["a"]
    assert one.scale is None
    assert "more than the judge knows" in one.why


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"rating": {"a": 4.0}}, "every text has the rating 4"), ({"raw": {"a": 3.5}}, "reads the same from every text")],
)
def test_what_does_not_vary_gets_no_map(changed: dict[str, Any], why: str) -> None:
    """Ratings or readings that are all alike say nothing of what a reading means."""
    alike = [replace(text, **changed) for text in texts()]
    assert why in fit_scale(alike, RUBRIC).criteria["a"].why


def test_a_rating_off_the_scale_is_named() -> None:
    """The case, the criterion, what was found and what the scale is."""
    bad = [*texts(), Rated(case="odd", group="odd", raw={"a": 4.0}, rating={"a": 7.0})]
    with pytest.raises(UsageError, match=r"case 'odd', human\.a: found the rating 7, expected 1 to 5"):
        fit_scale(bad, RUBRIC)


@pytest.mark.parametrize(("count", "groups"), [(11, 11), (40, 3)])
def test_too_few_texts_or_sources_are_refused(count: int, groups: int) -> None:
    """A dozen texts of four sources is the least."""
    with pytest.raises(UsageError, match=r"expected 12 of 4 or more"):
        fit_scale(texts(count, groups=groups), RUBRIC)


def stated(count: int = 90, *, seed: int = 1) -> list[Rated]:
    """Return texts read as 3, 4 or 5, most of them 5, where people use the whole scale."""
    draw = random.Random(seed)
    found: list[Rated] = []
    for number in range(count):
        truth = draw.choice([1.0, 2.0, 3.0, 4.0, 5.0])
        raw = {"a": min(5.0, max(3.0, 3.0 + (truth + draw.choice([-1, 0, 1])) // 2))}
        found.append(Rated(case=f"c{number}", group=f"g{number % 30}", raw=raw, rating={"a": truth}))
    return found


def test_readings_at_the_end_of_the_scale_are_mapped_like_others() -> None:
    """A judge that says 5 to most does not keep its 5: what it gives most comes near to what people give there."""
    fitted = fit_scale(stated(), RUBRIC).criteria["a"]
    assert fitted.scale is not None
    at_top = [text.rating["a"] for text in stated() if text.raw["a"] == 5]
    assert fitted.scale.points(5, 1, 5) == pytest.approx(math.fsum(at_top) / len(at_top), abs=0.6)
    assert fitted.mapped_mean == pytest.approx(fitted.mean, abs=0.3)


@given(order=st.permutations(range(90)))
@settings(max_examples=20)
def test_the_order_of_the_texts_does_not_matter(order: list[int]) -> None:
    """Equal readings are one, however their ratings follow each other."""
    rated = stated()
    one, other = (fit_scale(some, RUBRIC).criteria["a"].scale for some in (rated, [rated[at] for at in order]))
    assert one is not None
    assert other is not None
    for raw in (3.0, 4.0, 5.0):
        assert one.points(raw, 1, 5) == pytest.approx(other.points(raw, 1, 5), abs=0.35)  # the folds are others


@given(seed=st.integers(0, 10_000), noise=st.floats(0.5, 4), count=st.integers(12, 40))
def test_no_map_is_farther_off_than_the_mean(seed: int, noise: float, count: int) -> None:
    """A map that errs more on texts it was not fitted to than their mean does is none."""
    for one in fit_scale(texts(count, noise=noise, seed=seed), RUBRIC).maps.values():
        assert one.error is not None
        assert one.constant_error is not None
        assert one.error <= one.constant_error
