from __future__ import annotations

import numpy as np
import pytest

from tenward.errors import UsageError
from tenward.evaluation import StateOf, fit_general, fit_head, rank_correlation
from tenward.judges.heads import Head, HeadFile, HeadFor, TextState
from tenward.rubrics import Rubric

DIMENSIONS = 80
WORLD = np.random.default_rng(11)
GOOD, OTHER = WORLD.normal(size=DIMENSIONS), WORLD.normal(size=(25, DIMENSIONS))
RUBRIC = Rubric.parse("rubric: r/v1\nabout: Good?\ncriteria:\n  a: Is it a?\n")
FOR = HeadFor(model="0" * 64, engine="e 1", state="2", prompt="2", rubric="0" * 16)


def kind(seed: int, *, count: int = 80, names: tuple[str, ...] = ("a", "b"), scale: float = 1.0) -> list[StateOf]:
    """Return texts of one kind: their states lie elsewhere, and good ones in the same direction as of any other."""
    draw = np.random.default_rng(seed)
    centre = 6 * draw.normal(size=DIMENSIONS)
    found: list[StateOf] = []
    for number in range(count):
        good, rest = draw.normal(), draw.normal(size=25)
        state = centre + 1.2 * good * GOOD + rest @ OTHER
        rating = {name: scale * (good + 0.7 * draw.normal()) for name in names}
        found.append(
            StateOf(
                case=f"{seed}-{number}",
                group=f"g{number % 20}",
                state=TextState.of({"a": state}),
                rating=rating,
                length=9,
            )
        )
    return found


def test_it_orders_texts_of_a_kind_it_never_saw() -> None:
    """Whatever the kinds have in common is found, whether their ratings go from 1 to 5 or from 0 to 100."""
    found = fit_general({"one": kind(1), "two": kind(2, scale=25.0), "three": kind(3, names=("x",))})
    assert set(found.left_out) == {"one", "two", "three"}
    assert min(found.left_out.values()) > 0.4
    fresh = kind(4)
    said = np.array([text.state.mean @ found.direction for text in fresh])
    assert rank_correlation(said, np.array([text.rating["a"] for text in fresh])) > 0.5


def test_a_head_of_few_labels_gains_by_it() -> None:
    """Thirty labels on top of it order other texts better than thirty labels alone."""
    general = fit_general({"one": kind(1, count=200), "two": kind(2, count=200)})
    few, rest = kind(5, count=160)[:30], kind(5, count=160)[30:]
    few = [StateOf(case=t.case, group=t.case, state=t.state, rating={"a": 3 + t.rating["a"]}, length=9) for t in few]

    def order(**more: object) -> float:
        fitted = fit_head(few, RUBRIC, FOR, "Made up.", **more)  # type: ignore[arg-type]
        head = Head(HeadFile.model_validate(fitted.data))
        said = [head.read(text.state)["a"].linear for text in rest]
        return rank_correlation(np.array(said), np.array([text.rating["a"] for text in rest]))

    assert order(general=general) > order() + 0.05


def test_kinds_without_ratings_that_differ_are_refused() -> None:
    """There is nothing to learn from, and the message says so."""
    same = [StateOf(case=t.case, group=t.group, state=t.state, rating={"a": 3.0}, length=9) for t in kind(1)]
    with pytest.raises(UsageError, match="found no texts whose ratings differ"):
        fit_general({"one": same})
    assert fit_general({"one": same, "two": kind(2)}).left_out == {}
