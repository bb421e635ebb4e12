"""From raw readings to points that mean the levels: a monotone map per judge, rubric and criterion.

A small judge orders texts better than it scales them: its readings crowd into a fraction of a point. A map, fitted on
rated texts, stretches them until their mean and spread are those of the levels. It is strictly rising, so no order ever
changes. Maps stand in ``<judge>.scale.yaml`` beside the judge's file; the workspace's own come before the shipped ones.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from tenward.documents import Document, FieldError, VersionedName, line_of, load_document, raise_faults
from tenward.errors import DocumentError, Problem
from tenward.judges._calls import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tenward.judges._verdict import CriterionVerdict, Verdict
    from tenward.judges.heads import HeadInUse
    from tenward.rubrics import Rubric
    from tenward.workspace import Library

__all__ = [
    "MAPPED_COMPONENTS",
    "RAW",
    "CriterionScale",
    "RubricScale",
    "ScaleFile",
    "ScaleInUse",
    "apply_scale",
    "load_scales",
    "scale_file_for",
    "scale_in_use",
    "scale_schema",
    "scale_with_head",
]

_SUFFIX = ".scale"
MAPPED_COMPONENTS = ("rubric", "prompt", "schema", "model", "reading")
"""Components of a judge's fingerprint on which its raw readings hang: a map holds only where all of them agree."""

_CLOSEST = 1e-6  # points between two knots; closer ones could make equal readings of unequal ones
_Count = Annotated[int, Field(ge=0)]
_Knot = Annotated[tuple[float, float], Field()]


class CriterionScale(Document):
    """The map of one criterion, and how well it did on texts it was not fitted to."""

    knots: Annotated[tuple[_Knot, ...], Field(min_length=2, max_length=64)]
    """Pairs of raw reading and points, both strictly rising and inside the scale; straight lines between them, and on
    to the ends of the scale, which stay what they are unless a pair begins or ends there."""

    cases: _Count = 0
    """Rated texts it was fitted on."""

    groups: _Count = 0
    """Independent sources among them."""

    error: Annotated[float, Field(ge=0)] | None = None
    """Root of the mean squared difference from the ratings, in points, cross-validated by group."""

    constant_error: Annotated[float, Field(ge=0)] | None = None
    """The same of always saying the mean rating."""

    spearman: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Rank correlation of the raw readings with the ratings, which no map can change."""

    def points(self, raw: float, lo: float, hi: float) -> float:
        """The points of a raw reading, both from ``lo`` to ``hi``."""
        xs, ys = self._ends(lo, hi)
        at = min(max(bisect_right(xs, raw), 1), len(xs) - 1)
        x0, x1, y0, y1 = xs[at - 1], xs[at], ys[at - 1], ys[at]
        if raw >= x1:  # exactly, whatever rounding would make of it
            return min(y1, hi)
        return min(max(y0 + (y1 - y0) * (raw - x0) / (x1 - x0), lo), y1)

    def _ends(self, lo: float, hi: float) -> tuple[list[float], list[float]]:
        knots = [*self.knots]
        if knots[0][0] > lo:
            knots.insert(0, (lo, lo))
        if knots[-1][0] < hi:
            knots.append((hi, hi))
        return [x for x, _ in knots], [y for _, y in knots]


class RubricScale(Document):
    """The maps of one rubric's criteria."""

    range: tuple[int, int]
    """The rubric's scale, such as ``[1, 5]``."""

    inputs: Literal["with", "without", "either"] = "either"
    """Whether the texts had an input. A judge with ``anchors: without-input`` is told other things where there is none,
    so its readings of texts of the other kind stay raw; ``either`` maps all."""

    fitted_for: dict[str, str]
    """What the raw readings hang on: components of the judge's fingerprint under the rubric. Where one differs, the
    maps are left alone and the readings stay raw."""

    source: Annotated[str, Field(min_length=1, max_length=1000)]
    """What the maps were fitted on, and by whom it was rated."""

    anchors: Literal["ratings", "ladder"] = "ratings"
    """What the points stand for: ``ratings`` of the texts, or a ``ladder``: right outputs near the top and other cases'
    ones near the bottom, which nobody rated."""

    error: Annotated[float, Field(ge=0)] | None = None
    """Root of the mean squared difference between the weighted sums of points and of ratings, cross-validated."""

    criteria: Annotated[dict[str, CriterionScale], Field(max_length=24)]
    """Maps by criterion; one that is left out stays raw."""

    @model_validator(mode="after")
    def _agree(self) -> RubricScale:
        lo, hi = self.range
        if not lo < hi:
            raise FieldError("range", found=f"[{lo}, {hi}]", expected="lowest below highest", hint="such as [1, 5]")
        raise_faults([fault for name, one in self.criteria.items() for fault in _knot_faults(name, one, lo, hi)])
        return self


def _knot_faults(name: str, one: CriterionScale, lo: int, hi: int) -> Iterator[FieldError]:
    place = ("criteria", name, "knots")
    for raw, points in one.knots:
        if not (lo <= raw <= hi and lo <= points <= hi):
            expected = f"readings and points inside the scale, {lo} to {hi}"
            yield FieldError(*place, found=f"[{raw:g}, {points:g}]", expected=expected)
            return
        if points in {lo, hi} and raw not in {lo, hi}:
            expected = f"points between {lo} and {hi}: only the ends of the scale are mapped to its ends"
            yield FieldError(*place, found=f"[{raw:g}, {points:g}]", expected=expected)
            return
    for (x0, y0), (x1, y1) in zip(one.knots, one.knots[1:], strict=False):
        if x1 - x0 < _CLOSEST or y1 - y0 < _CLOSEST:
            found = f"[{x0:g}, {y0:g}] and then [{x1:g}, {y1:g}]"
            hint = "a map must never change an order, nor make equal what differs; delete the file and fit it again"
            yield FieldError(*place, found=found, expected="readings and points that rise together", hint=hint)
            return


class ScaleFile(Document):
    """What the readings of one judge mean: ``<judge>.scale.yaml``, written by ``tenward judge scale``."""

    scale: VersionedName
    """Name and version of the judge whose readings are mapped, such as ``local/v1``."""

    rubrics: Annotated[dict[VersionedName, RubricScale], Field(max_length=500)]
    """Maps by the name and version of the rubric."""


@dataclass(frozen=True, kw_only=True)
class ScaleInUse:
    """On which scale a judge reads under one rubric."""

    maps: Mapping[str, CriterionScale] = field(default_factory=dict[str, CriterionScale])
    """The maps by criterion; a criterion without one is read raw."""

    source: str = ""
    """What they were fitted on; empty where there are none."""

    error: float | None = None
    """Root mean squared error of the weighted sum, in points; None if unknown. Two texts that are as far apart are in
    the right order three times of four, since the difference of two such errors is √2 times as large."""

    anchors: Literal["ratings", "ladder"] = "ratings"
    """What the points of the maps stand for; see :class:`RubricScale`."""

    inputs: Literal["with", "without", "either"] = "either"
    """Of which texts: those with an input, those without one, or all."""

    note: str = ""
    """Why a map that there is was left alone, in a line; empty otherwise."""

    by_members: frozenset[str] = frozenset()
    """Criteria that every member of a panel maps by itself; empty for a single judge."""

    by_head: frozenset[str] = frozenset()
    """Criteria that a head reads, wherever it knows such texts."""

    repeats: int = 1
    """Stated answers that each score is the mean of; above 1, their spread tells the judge's own noise."""

    @property
    def digest(self) -> str:
        """Hash of the maps, a component of the fingerprint; ``raw`` without any."""
        maps = [[name, one.knots] for name, one in sorted(self.maps.items())]
        return digest([self.inputs, maps]) if self.maps else "raw"

    @property
    def mapped(self) -> frozenset[str]:
        """Criteria whose scores mean the levels."""
        return self.by_members.union(self.maps, self.by_head)

    def label(self, rubric: Rubric) -> str:
        """The scale in a few words: ``calibrated``, ``raw``, ``anchored, not rated``, ``calibrated but for tests``."""
        told = "calibrated" if self.anchors == "ratings" else "anchored, not rated"
        raw = [name for name in rubric.criteria if name not in self.mapped]
        if not raw:
            return told
        return f"{told} but for {', '.join(raw)}" if len(raw) < len(rubric.criteria) else "raw"


RAW = ScaleInUse()


def scale_in_use(files: Sequence[tuple[Path, ScaleFile]], rubric: Rubric, fingerprint: Mapping[str, str]) -> ScaleInUse:
    """The first map that was fitted for this rubric as this judge reads it.

    Args:
        files: Scale files in the order in which they count.
        rubric: The rubric.
        fingerprint: The judge's under the rubric.
    """
    note = ""
    for path, file in files:
        one = file.rubrics.get(rubric.rubric)
        if one is None:
            continue
        unlike = [name for name in MAPPED_COMPONENTS if one.fitted_for.get(name) != fingerprint.get(name)]
        if unlike:
            other = " and ".join(unlike)
            note = note or f"{path}: the map for {rubric.rubric} was fitted for another {other}: readings are raw"
            continue
        unknown = sorted(set(one.criteria) - set(rubric.criteria))
        if unknown or tuple(one.range) != (rubric.scale.lo, rubric.scale.hi):
            found = f"criteria {', '.join(unknown)}" if unknown else f"the scale {list(one.range)}"
            problem = Problem(
                line=line_of(path, "rubrics", rubric.rubric),
                field=f"rubrics.{rubric.rubric}",
                found=found,
                expected=f"the criteria and the scale of {rubric.rubric}, {', '.join(rubric.criteria)} from "
                f"{rubric.scale.lo} to {rubric.scale.hi}",
                hint="fit it again: tenward judge scale",
            )
            raise DocumentError(path, [problem])
        error = (
            one.error if one.anchors == "ratings" else None
        )  # how far anchors are off is how far from made-up points
        return ScaleInUse(maps=one.criteria, source=one.source, error=error, anchors=one.anchors, inputs=one.inputs)
    return ScaleInUse(note=note)


def scale_with_head(scale: ScaleInUse, used: HeadInUse, rubric: Rubric) -> ScaleInUse:
    """The scale of a judge whose head reads some of the criteria, or all.

    Args:
        scale: Of its plain readings.
        used: Its head under the rubric.
        rubric: The rubric.
    """
    if used.head is None:
        return replace(scale, note="; ".join(note for note in (used.note, scale.note) if note))
    file = used.head.file
    left = [name for name in rubric.criteria if name not in file.criteria]
    if not left:
        error = file.error if file.anchors == "ratings" else None
        return replace(
            scale,
            source=file.source,
            error=error,
            anchors=file.anchors,
            note=used.note,
            by_head=frozenset(file.criteria),
        )
    sources = [f"{', '.join(file.criteria)}: {file.source}", *([scale.source] if scale.source else [])]
    anchors: Literal["ratings", "ladder"] = "ladder" if "ladder" in {file.anchors, scale.anchors} else "ratings"
    note = "; ".join(note for note in (used.note, scale.note) if note)
    return replace(
        scale,
        source="; ".join(sources),
        error=None,
        anchors=anchors,
        note=note,
        by_head=frozenset(file.criteria),
    )


def apply_scale(verdict: Verdict, scale: ScaleInUse, rubric: Rubric, *, has_input: bool) -> Verdict:
    """The verdict with mapped scores; the raw readings stand beside them.

    Args:
        verdict: What the judge read.
        scale: Its maps under the rubric.
        rubric: The rubric.
        has_input: Whether the judged text had an input.
    """
    if not scale.maps or scale.inputs == ("without" if has_input else "with"):
        return verdict
    return replace(verdict, criteria=tuple(_mapped(item, scale, rubric) for item in verdict.criteria))


def _mapped(item: CriterionVerdict, scale: ScaleInUse, rubric: Rubric) -> CriterionVerdict:
    one = scale.maps.get(item.criterion)
    if one is None or item.score is None:
        return item
    lo, hi = float(rubric.scale.lo), float(rubric.scale.hi)
    return replace(item, score=one.points(item.score, lo, hi), raw=item.score)


def load_scales(library: Library, path: Path, judge: str) -> tuple[tuple[Path, ScaleFile], ...]:
    """The scale files of a judge: of the workspace, of the shipped library, and beside the judge's file.

    Args:
        library: Where to look.
        path: The judge's file.
        judge: What the judge calls itself, with its version.

    Raises:
        DocumentError: One of them is no valid scale file, or is that of another judge.
    """
    name = f"{path.stem}{_SUFFIX}.yaml"
    found: list[tuple[Path, ScaleFile]] = []
    for place in dict.fromkeys([*(root / "judges" / name for root in library.roots), path.with_name(name)]):
        if not (place.exists() or place.is_symlink()):
            continue
        file = load_document(place, ScaleFile)
        if file.scale != judge and place != path.with_name(name):
            continue  # a judge elsewhere may have the same name
        if file.scale != judge:
            problem = Problem(
                line=line_of(place, "scale"),
                field="scale",
                found=f"a map of the judge {file.scale}",
                expected=judge,
                hint="readings of different judges mean different things; delete or rename the file, then fit one of "
                "this judge: tenward judge scale",
            )
            raise DocumentError(place, [problem])
        found.append((place, file))
    return tuple(found)


def scale_file_for(library: Library, path: Path, judge: str, rubric: str) -> Path | None:
    """The scale file that counts under one rubric; None where no file has maps for it.

    Args:
        library: As for :func:`load_scales`, which raises the same.
        path: As there.
        judge: As there.
        rubric: Name and version of the rubric.
    """
    return next((place for place, file in load_scales(library, path, judge) if rubric in file.rubrics), None)


def scale_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a scale file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ScaleFile.model_json_schema()}
