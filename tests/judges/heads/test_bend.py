from __future__ import annotations

import numpy as np
import pytest

from tenward.judges.heads import SKETCH, Bends, Landmarks, sketch


def units(count: int, dimensions: int = 1536) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return states of length 1 that lie at many different distances from another."""
    draw = np.random.default_rng(4)
    states = draw.normal(size=(count, 6)) @ draw.normal(size=(6, dimensions)) + draw.normal(size=(count, dimensions))
    return np.asarray(states / np.linalg.norm(states, axis=1, keepdims=True), dtype=np.float64)


def test_a_sketch_keeps_distances() -> None:
    """Of any two texts about as far from another as the states, in a sixth of the numbers."""
    states = units(40)
    small = sketch(states)
    assert small.shape == (40, SKETCH)
    for first, second in [(0, 1), (2, 30), (7, 8)]:
        far, kept = (np.linalg.norm(one[first] - one[second]) for one in (states, small))
        assert kept == pytest.approx(far, rel=0.2)
    assert np.array_equal(sketch(states[:, :100]), states[:, :100])
    assert sketch(units(3, 300)).shape == (3, SKETCH)


def counts(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return what was counted in texts, in standard deviations."""
    return np.random.default_rng(5).normal(size=(count, 16))


def squares(
    one: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the squared distances of any two."""
    return np.asarray(((one[:, np.newaxis] - one) ** 2).sum(axis=2), dtype=np.float64)


def test_products_of_features_are_nearness_to_landmarks() -> None:
    """At the landmarks they are the kernel of states and counts; far from all of them in either, nothing is left."""
    landmarks = Landmarks(sketches=sketch(units(20)), counts=counts(20))
    bends = Bends(landmarks, counted=0.05, width=1.2)
    features = bends.features(units(20), counts(20))
    wanted = np.exp(-(squares(landmarks.sketches) + 0.05 * squares(landmarks.counts)) / 1.2)
    assert np.allclose(features @ features.T, wanted, atol=5e-3)
    assert abs(bends.features(np.full((1, 1536), 3.0), counts(1))).max() < 1e-6
    assert abs(bends.features(units(1), counts(1) + 30)).max() < 1e-6
