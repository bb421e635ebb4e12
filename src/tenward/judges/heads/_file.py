"""A head as it lies on disk: numbers as base 64, provenance and held-out figures as text, and a hash over all of it."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from tenward.documents import Document, FieldError, VersionedName, validate_document
from tenward.errors import DocumentError, Problem
from tenward.guards import is_mapping
from tenward.judges._calls import digest
from tenward.judges._scale import CriterionScale  # noqa: TC001 - pydantic reads the annotation
from tenward.judges.heads._bend import SKETCH
from tenward.judges.heads._counts import COUNTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "HeadBend",
    "HeadCounts",
    "HeadCriterion",
    "HeadFile",
    "HeadFor",
    "HeadLandmarks",
    "head_digest",
    "load_head",
    "packed",
    "unpacked",
]

_MOST_NUMBERS = 4_000_000
_STORED = "<f2"
_ROUNDED = 1e-2
"""Share of the largest number by which half precision may make a symmetric table uneven."""

_Count = Annotated[int, Field(ge=0)]
_Correlation = Annotated[float, Field(ge=-1, le=1)]
_Points = Annotated[float, Field(gt=-1e4, lt=1e4)]
_Spread = Annotated[float, Field(gt=0, lt=1e4)]
_Packed = Annotated[str, Field(max_length=8 * _MOST_NUMBERS)]


class HeadFor(Document):
    """What the states hang on: a head reads those of nothing else."""

    model: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the model file, which fixes its quantisation too."""

    engine: str
    """Name and version of the engine that computed the states."""

    state: str
    """Version of what a state is."""

    prompt: str
    """Version of the words around the texts."""

    rubric: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """Hash of what the rubric asks, at whose ends states are read: names, scale, questions and levels."""


class HeadLandmarks(Document):
    """Some of the texts it was fitted to, near which points may differ from the weighted sum."""

    count: Annotated[int, Field(ge=1, le=1024)]
    sketches: _Packed
    """Of their states, one after the other."""

    counts: _Packed
    """What a program counts in them, in standard deviations, one text after the other."""


class HeadBend(Document):
    """How one criterion bends near the landmarks (:class:`~tenward.judges.heads.Bends`)."""

    weights: _Packed
    """One per landmark."""

    counted: Annotated[float, Field(ge=0, lt=1e4)]
    """What one standard deviation of one count adds to the squared distance of two texts."""

    width: Annotated[float, Field(ge=1e-6, lt=1e4)]
    """Squared distance at which nearness has fallen to 1/e."""


class HeadCounts(Document):
    """How what a program counts spread among the texts (:class:`~tenward.judges.heads.CountScale`)."""

    mean: _Packed
    spread: _Packed
    low: _Packed
    high: _Packed


class HeadCriterion(Document):
    """One criterion: points as a weighted sum of the state's numbers, and how well that does."""

    weights: _Packed
    """One per dimension, of a state of length 1 around the centre."""

    own: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the state at the end of the criterion's own question in the one that is weighted; the rest is the mean
    over all questions."""

    counted: _Packed | None = None
    """Points per standard deviation of what a program counts in the text; None where that is not looked at."""

    bend: HeadBend | None = None
    """None where the points are the weighted sum alone."""

    middle: _Points
    """Points at the centre."""

    noise: _Spread
    """Standard deviation of ratings around the weighted sum, in points."""

    prior: Annotated[float, Field(gt=0, lt=1e9)]
    """Standard deviation of a weight before any text was seen, in points per unit of its coordinate."""

    scale: CriterionScale | None = None
    """The map from the weighted sum to points that spread as ratings do; None where none holds out."""

    cases: _Count
    groups: _Count
    error: Annotated[float, Field(ge=0)]
    """Root mean squared difference from the ratings, in points, on texts whose source took no part."""

    constant_error: Annotated[float, Field(ge=0)]
    """The same of always saying the mean rating."""

    spearman: _Correlation | None = None
    """Rank correlation with the ratings, held out likewise; None where only pairs are known, as in what follows."""

    given_length: _Correlation | None = None
    """The same where the length of the text is held fixed (partial rank correlation)."""

    length: _Correlation | None = None
    """Rank correlation of the mere length with the ratings."""

    pairs: _Count = 0
    """Pairs of which it was told which text is better."""


class HeadFile(Document):
    """The head of one rubric: ``judges/heads/NAME.json``."""

    head: VersionedName
    """Name and version of the rubric whose criteria it reads."""

    range: tuple[int, int]
    """The rubric's scale."""

    fitted_for: HeadFor
    source: Annotated[str, Field(min_length=1, max_length=1000)]
    """What it was fitted on, under which licence, and who rated it."""

    anchors: Literal["ratings", "ladder"] = "ratings"
    """What the points stand for: ``ratings`` of the texts, or a ``ladder`` of texts made better and worse by program,
    which nobody rated."""

    error: Annotated[float, Field(ge=0)] | None = None
    """Root of the mean squared difference between the weighted sums of points and of ratings, held out; None where a
    criterion is missing."""

    dimensions: Annotated[int, Field(ge=1, le=65_536)]
    """Numbers of a state."""

    axes: Annotated[int, Field(ge=1, le=512)]
    """Directions in which the texts differ most; what a head does not know is told by coordinates along them."""

    centre: _Packed
    """Mean of the states it was fitted to, each of length 1; one number per dimension."""

    basis: _Packed
    """The axes, orthonormal, one after the other: axes times dimensions."""

    seen: _Packed
    """Sum of the products of coordinates over the texts it was fitted to, axes times axes: what they leave unknown."""

    texts: Annotated[int, Field(ge=1, le=10_000_000)]
    """How many those are."""

    distance: Annotated[float, Field(gt=0)]
    """How far from the centre a state may lie in the coordinates, in standard deviations of theirs (Mahalanobis)."""

    residual: Annotated[float, Field(gt=0)]
    """How far from the span of the axes it may lie."""

    counts: HeadCounts | None = None
    landmarks: HeadLandmarks | None = None
    criteria: Annotated[dict[str, HeadCriterion], Field(min_length=1, max_length=24)]
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """Of everything else, so that a file that was changed or cut is not believed."""

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, data: Any) -> Any:
        told = data.get("hash") if is_mapping(data) else None
        if isinstance(told, str) and told != (found := head_digest(data)):
            raise FieldError(
                "hash",
                found=f"{told[:40]!r}, where the rest of the file has {found}",
                expected="a head as it was written",
                hint="get the file again",
            )
        return data

    @model_validator(mode="after")
    def _agree(self) -> HeadFile:
        lo, hi = self.range
        if not lo < hi:
            raise FieldError("range", found=f"[{lo}, {hi}]", expected="lowest below highest")
        sizes = {"centre": self.dimensions, "basis": self.axes * self.dimensions, "seen": self.axes**2}
        for name, size in sizes.items():
            _require_numbers(name, getattr(self, name), size)
        seen = unpacked(self.seen).reshape(self.axes, self.axes)
        if abs(seen - seen.T).max() > _ROUNDED * abs(seen).max() or seen.diagonal().min() < 0 or not seen.trace() > 0:
            raise FieldError("seen", found="no sums of products", expected="a symmetric table, not below 0")
        landmarks = 0 if self.landmarks is None else self.landmarks.count
        if self.landmarks is not None:
            if self.counts is None:
                raise FieldError("counts", found="none", expected="how they spread, since landmarks have counts")
            _require_numbers("landmarks.sketches", self.landmarks.sketches, landmarks * min(self.dimensions, SKETCH))
            _require_numbers("landmarks.counts", self.landmarks.counts, landmarks * len(COUNTS))
        if self.counts is not None:
            for name in HeadCounts.model_fields:
                _require_numbers(f"counts.{name}", getattr(self.counts, name), len(COUNTS))
            low, high, spread = (unpacked(getattr(self.counts, name)) for name in ("low", "high", "spread"))
            if (low > high).any() or (spread < 0).any():
                raise FieldError("counts", found="low above high, or a spread below 0", expected="how counts spread")
        for name, one in self.criteria.items():
            _require_numbers(f"criteria.{name}.weights", one.weights, self.dimensions)
            if one.counted is not None:
                _require_numbers(f"criteria.{name}.counted", one.counted, 0 if self.counts is None else len(COUNTS))
            if one.bend is not None:
                _require_numbers(f"criteria.{name}.bend.weights", one.bend.weights, landmarks)
        return self


def _require_numbers(name: str, value: str, size: int) -> None:
    try:
        count = unpacked(value).size
    except ValueError as error:
        raise FieldError(*name.split("."), found=str(error), expected="base 64 of numbers of half precision") from error
    if count != size:
        raise FieldError(*name.split("."), found=f"{count} numbers", expected=f"{size}")


def head_digest(data: Mapping[str, Any]) -> str:
    """The hash of a head's data, its own field left out."""
    return digest({name: value for name, value in data.items() if name != "hash"})


def packed(numbers: NDArray[np.floating[Any]]) -> str:
    """Numbers as base 64 of half precision, row by row: what a state itself is kept in.

    Raises:
        ValueError: A number is not finite, or beyond 65,504.
    """
    import numpy as np

    if not (abs(numbers) <= np.finfo(_STORED).max).all():
        raise ValueError("numbers that half precision cannot hold")
    return base64.b64encode(numbers.astype(_STORED).tobytes()).decode("ascii")


def unpacked(text: str) -> NDArray[np.float64]:
    """What :func:`packed` made text of, as one row.

    Raises:
        ValueError: It is damaged, or a number is not finite.
    """
    import numpy as np

    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("what is no base 64") from error
    if not raw or len(raw) % 2:
        raise ValueError(f"{len(raw)} bytes")
    numbers = np.frombuffer(raw, dtype=_STORED).astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("a number that is not finite")
    return numbers


def load_head(path: Path) -> HeadFile:
    """Read the file of a head.

    Raises:
        DocumentError: It cannot be read, is no head, or is not as it was written.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        found = error.strerror if isinstance(error, OSError) and error.strerror else "no whole JSON"
        hint = "restore it, or write it anew with tenward judge tune; without it the judge reads as it did before"
        problem = Problem(line=None, field="", found=found, expected="the JSON file of a head", hint=hint)
        raise DocumentError(path, [problem]) from error
    return validate_document(data, HeadFile, path)
