"""What a run came to, in the few numbers that a list of runs shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tenward.evaluation._summary import Mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.evaluation._summary import Summary

__all__ = ["RunOutcome"]


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """The head of a :class:`Summary`; see there for what the numbers mean."""

    cases: int
    """Cases with a result."""

    scored: int
    coverage: float
    value: Mean | None
    quality: Mean | None
    cost_usd: float | None
    """Of all results together; None when a price is unknown."""

    @classmethod
    def of(cls, summary: Summary) -> RunOutcome:
        """The head of a summary."""
        return cls(
            cases=summary.cases,
            scored=summary.scored,
            coverage=summary.coverage,
            value=summary.value,
            quality=summary.quality,
            cost_usd=summary.usage.cost_usd,
        )

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunOutcome:
        """What :meth:`as_dict` gave."""
        value, quality = (None if data[name] is None else Mean(**data[name]) for name in ("value", "quality"))
        return cls(
            cases=data["cases"],
            scored=data["scored"],
            coverage=data["coverage"],
            value=value,
            quality=quality,
            cost_usd=data["cost_usd"],
        )
