from __future__ import annotations

import numpy as np
import pytest

from tenward.errors import UsageError
from tenward.evaluation import StateOf, fit_head, partial_rank_correlation
from tenward.judges.heads import Head, HeadFile, HeadFor, TextState
from tenward.rubrics import Rubric

RUBRIC = Rubric.parse("rubric: r/v1\nabout: Good?\ncriteria:\n  a: Is it a?\n  b: Is it b?\n")
FOR = HeadFor(model="0" * 64, engine="e 1", state="1", prompt="2", rubric="0" * 16)
DIMENSIONS = 48


def texts(count: int = 120, *, groups: int = 30, noise: float = 0.5, seed: int = 1) -> list[StateOf]:
    """Return texts whose state shows the rating of `a` beside much else, and knows nothing of that of `b`."""
    world = np.random.default_rng(99)
    directions, centre = world.normal(size=(6, DIMENSIONS)), 4 * world.normal(size=DIMENSIONS)
    draw = np.random.default_rng(seed)
    found: list[StateOf] = []
    for number in range(count):
        hidden = draw.normal(size=6)
        state = centre + hidden @ directions + 0.3 * draw.normal(size=DIMENSIONS)
        rating = float(np.clip(3 + hidden[1] + noise * draw.normal(), 1, 5))
        found.append(
            StateOf(
                case=f"c{number}",
                group=f"g{number % groups}",
                state=TextState.of({"a": state}),
                rating={"a": rating, "b": float(draw.integers(1, 6))},
                length=int(draw.integers(50, 500)),
            )
        )
    return found


def test_a_head_orders_fresh_texts_and_says_how_far_it_is_off() -> None:
    """On texts of other sources the points follow the ratings as the file's figures promise, with their spread."""
    head = Head(HeadFile.model_validate(fit_head(texts(), RUBRIC, FOR, "Made up.").data))
    fresh = texts(300, seed=2)
    points = np.array([head.read(text.state)["a"].points for text in fresh])
    rating = np.array([text.rating["a"] for text in fresh])
    one = head.file.criteria["a"]
    assert one.error < 0.8 * one.constant_error
    assert np.corrcoef(points, rating)[0, 1] > 0.75
    assert np.sqrt(((points - rating) ** 2).mean()) == pytest.approx(one.error, abs=0.25)
    assert 0.6 < points.std() / rating.std() < 1.2
    assert sum(head.is_inside(text.state) for text in fresh) > 270


def test_the_spread_holds_the_share_of_ratings_that_it_should() -> None:
    """Two thirds of fresh ratings lie within one spread of the points, nearly all within two."""
    head = Head(HeadFile.model_validate(fit_head(texts(), RUBRIC, FOR, "Made up.").data))
    off = [
        abs(text.rating["a"] - reading.points) / reading.spread
        for text, reading in ((text, head.read(text.state)["a"]) for text in texts(300, seed=3))
    ]
    assert 0.55 < np.mean(np.array(off) < 1) < 0.9
    assert np.mean(np.array(off) < 2) > 0.9


def test_what_states_do_not_show_gets_no_head() -> None:
    """A criterion whose ratings have nothing to do with the states is left out, and the reason is said."""
    fitted = fit_head(texts(), RUBRIC, FOR, "Made up.")
    assert set(fitted.data["criteria"]) == {"a"}
    assert "always saying the mean" in fitted.criteria["b"].why


def test_ratings_that_do_not_vary_are_named() -> None:
    """Constant ratings teach nothing."""
    same = [
        StateOf(case=one.case, group=one.group, state=one.state, rating={"a": 4.0}, length=one.length)
        for one in texts()
    ]
    fitted = fit_head(same, RUBRIC, FOR, "Made up.")
    assert fitted.data["criteria"] == {}
    assert {name: one.why for name, one in fitted.criteria.items()} == {
        "a": "every text has the rating 4, so nothing can be learned"
    }


@pytest.mark.parametrize(("count", "groups"), [(20, 20), (60, 4)])
def test_too_few_texts_or_sources_are_refused(count: int, groups: int) -> None:
    """The message says how many there are and how many are needed."""
    with pytest.raises(UsageError, match=r"expected 30 or more of 8 or more sources"):
        fit_head(texts(count, groups=groups), RUBRIC, FOR, "Made up.")


def test_a_figure_given_length_is_less_where_length_tells_it_all() -> None:
    """What follows the length alone has nothing left when it is held fixed; what does not keeps all."""
    draw = np.random.default_rng(5)
    length, other = draw.normal(size=400), draw.normal(size=400)
    assert abs(partial_rank_correlation(length + 0.1 * draw.normal(size=400), length + 0.1 * other, length)) < 0.15
    assert partial_rank_correlation(other, other + 0.3 * draw.normal(size=400), length) > 0.9


def seen(
    number: int, rating: float, states: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]], output: str = "x"
) -> StateOf:
    """Return one text that is rated on `a`."""
    return StateOf(
        case=f"c{number}",
        group=f"g{number % 30}",
        state=TextState.of(states, output=output),
        rating={"a": float(np.clip(rating, 1, 5))},
        length=9,
    )


def read(head: Head, some: list[StateOf]) -> float:
    """Return how points and ratings of `a` go together."""
    points = [head.read(text.state)["a"].points for text in some]
    return float(np.corrcoef(points, [text.rating["a"] for text in some])[0, 1])


def test_what_only_the_own_question_shows_is_found() -> None:
    """Where the states of other questions are mere noise beside that of the criterion, it looks at its own alone."""
    draw = np.random.default_rng(7)
    good, bad = draw.normal(size=DIMENSIONS), 6 * draw.normal(size=DIMENSIONS)
    some: list[StateOf] = []
    for number in range(400):
        hidden, other = draw.normal(size=2)
        own = bad + hidden * good + 0.3 * draw.normal(size=DIMENSIONS)
        rest = bad - hidden * good + 4 * other * draw.normal(size=DIMENSIONS)
        some.append(seen(number, 3 + hidden, {"a": own, "b": rest}))
    head = Head(HeadFile.model_validate(fit_head(some[:200], RUBRIC, FOR, "Made up.").data))
    assert head.file.criteria["a"].own == 1
    assert read(head, some[200:]) > 0.8


def test_a_middle_that_is_best_is_learned_from_many_texts() -> None:
    """A weighted sum cannot say that both ends are poor; nearness to texts in the middle can."""
    draw = np.random.default_rng(8)
    axes, centre = draw.normal(size=(3, DIMENSIONS)), 5 * draw.normal(size=DIMENSIONS)
    some: list[StateOf] = []
    for number in range(600):
        hidden = draw.normal(size=3)
        state = centre + (3 * hidden) @ axes + 0.2 * draw.normal(size=DIMENSIONS)
        some.append(seen(number, 5 - 2 * abs(hidden[0]), {"a": state}))
    head = Head(HeadFile.model_validate(fit_head(some[:300], RUBRIC, FOR, "Made up.").data))
    assert head.file.landmarks is not None
    assert read(head, some[300:]) > 0.6


def test_what_a_program_counts_is_learned() -> None:
    """A rating that follows repetition is read from the text where its state shows nothing of it."""
    draw = np.random.default_rng(9)
    some: list[StateOf] = []
    for number in range(240):
        words = [f"word{one}" for one in draw.integers(0, int(draw.integers(3, 60)), size=40)]
        share = 1 - len(set(words)) / 40
        state = 5 * np.ones(DIMENSIONS) + draw.normal(size=DIMENSIONS)
        some.append(seen(number, 5 - 4 * share, {"a": state}, output=" ".join(words)))
    head = Head(HeadFile.model_validate(fit_head(some[:120], RUBRIC, FOR, "Made up.").data))
    assert read(head, some[120:]) > 0.8


def test_what_nobody_rated_teaches_and_enters_no_figure() -> None:
    """Decoys in a direction of their own are read low afterwards; without them they look good."""
    aside = 6 * np.random.default_rng(3).normal(size=DIMENSIONS)
    known = texts(240)
    up = np.mean([one.state.mean for one in known if one.rating["a"] > 4], axis=0)

    def decoys(count: int, seed: int) -> list[StateOf]:
        dice = np.random.default_rng(seed)
        return [
            StateOf(
                case=f"d{seed}-{number}",
                group=f"g{number % 30}",
                state=TextState.of({"a": 10 * up + aside / 6 + 0.3 * dice.normal(size=DIMENSIONS)}),
                rating={"a": 1.0},
                length=20,
                decoy=True,
            )
            for number in range(count)
        ]

    with_them = fit_head([*known, *decoys(40, 1)], RUBRIC, FOR, "Made up.")
    without = fit_head(known, RUBRIC, FOR, "Made up.")
    heads = [Head(HeadFile.model_validate(one.data)) for one in (without, with_them)]
    before, after = (np.mean([head.read(one.state)["a"].points for one in decoys(20, 2)]) for head in heads)
    assert before > 3
    assert after < 2
    figures = heads[1].file.criteria["a"]
    assert (figures.cases, heads[1].file.texts) == (240, 240)
    assert not any(name.startswith("d") for name in with_them.criteria["a"].points)


def test_texts_that_are_nearly_all_one_get_no_landmarks_to_bend_at() -> None:
    """Where most states are the same, nothing is near that is not the same, and no number is divided by 0."""
    some = texts(120)
    same = [
        StateOf(case=f"s{at}", group=f"g{at % 30}", state=some[0].state, rating={"a": 1.0}, length=9)
        for at in range(480)
    ]
    data = fit_head([*some, *same], RUBRIC, FOR, "Made up.").data
    assert all("bend" not in one for one in data["criteria"].values())
