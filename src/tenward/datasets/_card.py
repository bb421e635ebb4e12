"""The card of a data set: what it is, where it comes from, how it is split. Markdown with YAML front matter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from tenward.datasets._case import SPLITS, Split
from tenward.datasets._fields import close_to, hash_of
from tenward.documents import MAX_DOCUMENT_BYTES, Document, FieldError, VersionedName, parse_document, raise_faults
from tenward.errors import DocumentError, Problem
from tenward.guards import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Card", "load_card"]

_FENCE = "---"
_LARGEST = 1_000_000_000

Text = Annotated[str, Field(min_length=1, max_length=4000)]
FieldName = Literal["id", "input", "output", "references", "context", "human", "group", "split"]


class _Ratings(Document):
    """Who rated the cases, and on which scale."""

    scale: tuple[float, float]
    """Lowest and highest rating; a rating outside is a fault of its case."""

    by: Text
    """Who rated: how many people, of what kind, asked what."""

    @field_validator("scale", mode="before")
    @classmethod
    def _read_scale(cls, value: Any) -> Any:
        ends = value if is_list(value) else []
        if len(ends) != 2 or not all(type(end) in {int, float} and abs(end) <= _LARGEST for end in ends):
            raise FieldError(
                found=repr(value), expected="two numbers, lowest and highest rating", hint="such as [1, 5]"
            )
        if ends[0] >= ends[1]:
            raise FieldError(found=repr(value), expected="lowest below highest")
        return tuple(ends)


class Card(Document):
    """What a data set says of itself."""

    dataset: VersionedName
    """Name and version, such as ``commit-subjects/v1``."""

    about: Text
    """What the cases are and what they are good for."""

    source: Text
    """Where the texts come from."""

    licence: Text
    """Under which terms they may be used."""

    cases: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Number of cases; checked when the file has been read to its end."""

    splits: dict[Split, int | float] | None = None
    """Whole numbers are counts, checked when the file has been read to its end. Fractions that sum to 1 are shares:
    they assign the cases that name no split themselves."""

    fields: dict[FieldName, Text] = Field(default_factory=dict[FieldName, str])
    """What the fields of a case hold in this data set."""

    ratings: _Ratings | None = None
    """About the human ratings, where there are any."""

    def split_of(self, unit: str) -> Split:
        """The split of a case that names none: by a hash of ``unit`` and the shares, ``dev`` where there are none.

        The same unit is in the same split on every machine and in every data set with the same shares.

        Args:
            unit: The group of the case, or its id where it has no group.
        """
        if self.splits is None or not _are_shares(self.splits):
            return "dev"
        point = (hash_of(unit) >> 11) / 2**53  # the bits a float holds, so that it is below 1
        return "dev" if point < self.splits.get("dev", 0) else "sealed"

    def disagreements(self, counts: Mapping[Split, int]) -> list[Problem]:
        """Where the numbers on the card are not those of the file.

        Args:
            counts: Cases of the file per split.
        """
        claims = {"cases": (self.cases, sum(counts.values()))}
        if self.splits is not None and not _are_shares(self.splits):
            claims |= {f"splits.{split}": (int(self.splits.get(split, 0)), counts[split]) for split in SPLITS}
        return [
            Problem(
                line=None,
                field=field,
                found=f"{claimed:,}",
                expected=f"{counted:,}, the number in the file",
                hint="mend the card, or look for cases that were lost or added",
            )
            for field, (claimed, counted) in claims.items()
            if claimed is not None and claimed != counted
        ]

    @field_validator("splits", mode="before")
    @classmethod
    def _read_splits(cls, value: Any) -> Any:
        if not is_mapping(value) or not value:
            if value is None:
                return value
            raise FieldError(
                found=repr(value),
                expected="counts or shares of the splits",
                hint="such as {dev: 20, sealed: 40} or {dev: 0.33, sealed: 0.67}",
            )
        faults: list[FieldError] = []
        for name, number in value.items():
            if name not in SPLITS:
                faults.append(
                    FieldError(
                        str(name),
                        found=f"the name {name!r}",
                        expected=" or ".join(SPLITS),
                        hint=close_to(str(name), SPLITS),
                    )
                )
            elif type(number) not in {int, float} or not 0 <= number <= _LARGEST:
                expected = "a count, such as 20, or a share, such as 0.33"
                faults.append(FieldError(str(name), found=repr(number), expected=expected))
        if not faults and _are_shares(value) and not math.isclose(sum(value.values()), 1, abs_tol=1e-6):
            found = f"shares that sum to {sum(value.values()):g}"
            faults.append(FieldError(found=found, expected="shares that sum to 1", hint="counts are whole numbers"))
        raise_faults(faults)
        return value

    @model_validator(mode="after")
    def _add_up(self) -> Card:
        if self.cases is not None and self.splits is not None and not _are_shares(self.splits):
            total = sum(self.splits.values())
            if total != self.cases:
                raise FieldError("cases", found=str(self.cases), expected=f"{total:,}, the sum of the splits")
        return self


def load_card(path: Path) -> Card:
    """Read the card in a Markdown file.

    Raises:
        DocumentError: The file cannot be read, does not begin with front matter, or says something it may not.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise _refused(path, None, f"a file that cannot be read ({error.strerror})", "a card") from error
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise _refused(path, None, "a longer file", f"a card of at most {MAX_DOCUMENT_BYTES:,} bytes")
    try:
        lines = raw.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        found, line = f"the byte 0x{raw[error.start]:02x}, which is not UTF-8", raw.count(b"\n", 0, error.start) + 1
        raise _refused(path, line, found, "UTF-8 text") from error
    if lines[0].rstrip() != _FENCE:
        hint = "begin the card with its front matter; rename the file if it is no card"
        raise _refused(path, 1, "no front matter", f"a line {_FENCE}, the keys of the card, and a line {_FENCE}", hint)
    end = next((number for number, line in enumerate(lines) if number and line.rstrip() == _FENCE), None)
    if end is None:
        raise _refused(path, 1, "front matter without an end", f"a line {_FENCE} after the keys of the card")
    # An empty line in place of the first fence keeps the line numbers of the errors those of the file.
    return parse_document("\n".join(["", *lines[1:end]]), Card, path)


def _are_shares(splits: Mapping[Any, int | float]) -> bool:
    return any(isinstance(number, float) for number in splits.values())


def _refused(path: Path, line: int | None, found: str, expected: str, hint: str = "") -> DocumentError:
    return DocumentError(path, [Problem(line=line, field="", found=found, expected=expected, hint=hint)])
