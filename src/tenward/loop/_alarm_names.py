"""The alarms by name: what a loop's file may overrule, and what is kept of one that was raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Alarm", "AlarmName"]

AlarmName = Literal[
    "quotes-rubric", "quotes-judge", "quotes-reference", "length", "references-fall", "abstains", "dev-only", "drift"
]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A sign that a gain may be bought, or measured by a judge that has moved. It stands against a keep."""

    name: AlarmName
    """Which one."""

    evidence: str
    """What was found, in a line."""

    overruled: bool = False
    """Whether the loop's file says that this one may not stand against a keep."""

    @property
    def text(self) -> str:
        """Name and evidence, such as ``length (overruled): its outputs have 300 words, the incumbent's 90``."""
        return f"{self.name}{' (overruled)' if self.overruled else ''}: {self.evidence}"
