from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.errors import DocumentError
from tenward.judges import CriterionScale
from tenward.judges.heads import Head, HeadFile, TextState, head_digest, load_head, packed, unpacked

if TYPE_CHECKING:
    from pathlib import Path

DIMENSIONS, AXES, TEXTS = 12, 3, 60


def made(seed: int = 0, **changed: Any) -> tuple[dict[str, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the data of a head fitted to made-up states, those states, and the ratings it was fitted to."""
    draw = np.random.default_rng(seed)
    loadings = draw.normal(size=(AXES, DIMENSIONS))
    states = draw.normal(size=(TEXTS, AXES)) @ loadings + 6 + draw.normal(size=(TEXTS, DIMENSIONS)) * 0.05
    unit = states / np.linalg.norm(states, axis=1, keepdims=True)
    centre = unit.mean(0)
    basis = np.linalg.svd(unit - centre, full_matrices=False)[2][:AXES]
    at = (unit - centre) @ basis.T
    truth = at[:, 0] / at[:, 0].std()
    ratings = 3 + 0.7 * truth + draw.normal(size=TEXTS) * 0.3
    seen = at.T @ at
    noise, prior = 0.3, 100.0
    weights = np.asarray(
        np.linalg.solve(seen + noise**2 / prior**2 * np.eye(AXES), at.T @ (ratings - ratings.mean())), dtype=np.float64
    )
    data: dict[str, Any] = {
        "head": "r/v1",
        "range": [1, 5],
        "fitted_for": {
            "model": "0" * 64,
            "engine": "e 1",
            "state": "1",
            "prompt": "2",
            "rubric": "0" * 16,
        },
        "source": "Made up.",
        "dimensions": DIMENSIONS,
        "axes": AXES,
        "centre": packed(centre),
        "basis": packed(basis),
        "seen": packed(seen),
        "texts": TEXTS,
        "distance": 4.0,
        "residual": 0.1,
        "criteria": {
            "a": {
                "weights": packed(basis.T @ weights),
                "middle": float(ratings.mean()),
                "noise": noise,
                "prior": prior,
                "cases": TEXTS,
                "groups": TEXTS,
                "error": 0.3,
                "constant_error": 0.8,
                "spearman": 0.9,
                "given_length": 0.9,
                "length": 0.0,
            }
        },
        **changed,
    }
    data["hash"] = head_digest(data)
    return data, states, ratings


def text(state: np.ndarray[Any, Any]) -> TextState:
    """Return a text of one criterion."""
    return TextState.of({"a": state})


def test_a_head_reads_what_it_was_fitted_to() -> None:
    """Points follow the ratings, and nearly all of the texts lie inside."""
    data, states, ratings = made()
    head = Head(HeadFile.model_validate(data))
    points = [head.read(text(state))["a"].points for state in states]
    assert np.corrcoef(points, ratings)[0, 1] > 0.85
    assert sum(head.is_inside(text(state)) for state in states) > 0.9 * TEXTS


@given(scale=st.floats(0.1, 50))
@settings(max_examples=20)
def test_the_length_of_a_state_does_not_matter(scale: float) -> None:
    """A state is a direction: however long, it reads the same."""
    data, states, _ = made()
    head = Head(HeadFile.model_validate(data))
    one, other = head.read(text(states[0]))["a"], head.read(text(states[0] * scale))["a"]
    assert other.points == pytest.approx(one.points, abs=1e-9)
    assert other.spread == pytest.approx(one.spread, abs=1e-9)


def test_the_spread_covers_the_ratings() -> None:
    """Of fresh texts of the same kind about as many ratings lie within two spreads as should."""
    data, _, _ = made(0)
    head = Head(HeadFile.model_validate(data))
    within: list[bool] = []
    for seed in range(1):
        _, states, ratings = made(seed)
        within += [
            abs(reading.points - rating) < 2 * reading.spread
            for reading, rating in zip((head.read(text(state))["a"] for state in states), ratings, strict=True)
        ]
    assert np.mean(within) > 0.9


def test_a_state_of_another_kind_is_outside() -> None:
    """A direction that no text had, and one far along an axis, are noticed; the spread grows with the distance."""
    data, states, _ = made()
    head = Head(HeadFile.model_validate(data))
    odd = np.zeros(DIMENSIONS)
    odd[0] = 1
    assert not head.is_inside(text(odd))
    centre, basis = unpacked(data["centre"]), unpacked(data["basis"]).reshape(AXES, DIMENSIONS)
    far = centre + 5 * basis[2]
    assert not head.is_inside(text(far))
    assert head.read(text(far))["a"].spread > head.read(text(states[0]))["a"].spread


def test_points_stay_on_the_scale_and_take_the_map() -> None:
    """Whatever the state, points lie between the ends, and a map is applied to what the head says."""
    data, states, _ = made()
    criteria = {"a": {**data["criteria"]["a"], "scale": {"knots": [[2.0, 1.2], [4.0, 4.8]]}}}
    mapped, _, _ = made(criteria=criteria)
    plain, stretched = Head(HeadFile.model_validate(data)), Head(HeadFile.model_validate(mapped))
    knots = CriterionScale(knots=((2.0, 1.2), (4.0, 4.8)))
    for state in [*states, *(-states[:5])]:
        points = plain.read(text(state))["a"].points
        assert 1 <= points <= 5
        assert stretched.read(text(state))["a"].points == pytest.approx(knots.points(points, 1, 5))


@pytest.mark.parametrize("state", [np.zeros(DIMENSIONS), np.ones(DIMENSIONS + 1), np.full(DIMENSIONS, np.nan)])
def test_what_is_no_state_is_refused(state: np.ndarray[Any, Any]) -> None:
    """Another size, no length, no numbers: an error, and never a score."""
    data, _, _ = made()
    with pytest.raises(ValueError, match=r"state"):
        Head(HeadFile.model_validate(data)).read(text(state))


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"centre": packed(np.ones(DIMENSIONS - 1))}, "centre"),
    ({"basis": "not base 64"}, "basis"),
    ({"seen": base64.b64encode(np.full(AXES**2, np.nan, "<f2").tobytes()).decode()}, "not finite"),
    ({"range": [5, 1]}, "lowest below highest"),
    ({"criteria": {}}, "criteria"),
]


@pytest.mark.parametrize(("change", "words"), BROKEN)
def test_a_head_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """What does not fit together is refused with its field; it gives no score."""
    data = made()[0] | change
    path = tmp_path / "r.json"
    path.write_text(json.dumps(data | {"hash": head_digest(data)}), encoding="utf-8")
    with pytest.raises(DocumentError, match=words):
        load_head(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("noise", 20000.0),
        ("prior", 2000000000.0),
        ("middle", -20000.0),
        ("bend", {"weights": packed(np.ones(1)), "counted": 20000.0, "width": 1.0}),
        ("bend", {"weights": packed(np.ones(1)), "counted": 0.1, "width": 0.0}),
    ],
)
def test_a_number_out_of_all_bounds_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    """Before it makes a score of nothing."""
    data, _, _ = made()
    data["criteria"]["a"][field] = value
    path = tmp_path / "local.r.json"
    path.write_text(json.dumps(data | {"hash": head_digest(data)}), encoding="utf-8")
    with pytest.raises(DocumentError, match=f"criteria.a.{field}"):
        load_head(path)


@pytest.mark.parametrize("seen", [np.zeros((AXES, AXES)), -np.eye(AXES), np.tri(AXES)])
def test_sums_of_products_that_are_none_are_refused(tmp_path: Path, seen: np.ndarray[Any, Any]) -> None:
    """What texts leave unknown is told by them."""
    data, _, _ = made(seen=packed(seen))
    path = tmp_path / "local.r.json"
    path.write_text(json.dumps(data | {"hash": head_digest(data)}), encoding="utf-8")
    with pytest.raises(DocumentError, match="seen: found no sums of products"):
        load_head(path)


def test_a_head_that_was_changed_is_refused(tmp_path: Path) -> None:
    """A file that is not as it was written is not believed, whatever was changed in it."""
    path = tmp_path / "r.json"
    path.write_text(json.dumps(made()[0] | {"source": "Somebody else."}), encoding="utf-8")
    with pytest.raises(DocumentError, match="a head as it was written"):
        load_head(path)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00\xff"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    """Nothing of it is believed, and it is said what to do."""
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DocumentError, match=r"tenward judge tune|a mapping|dictionary"):
        load_head(path)


def test_a_head_survives_the_disk(tmp_path: Path) -> None:
    """What was written is what is read."""
    data, states, _ = made()
    path = tmp_path / "r.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    assert Head(load_head(path)).read(text(states[0])) == Head(HeadFile.model_validate(data)).read(text(states[0]))
