"""What a run was: everything that is known of it before, and without, its results."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tenward.evaluation._shown_scale import RAW_READINGS, ShownScale

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.rubrics import Rubric

__all__ = ["RunRecord", "RunStanding", "RunStatus"]

RunStatus = Literal["running", "finished", "stopped"]
"""``running`` also marks a run whose process was killed; ``stopped`` one that ended early and can go on."""

_UNREAD: Any = {"criteria": {"__all__": {"checks"}}}  # of a run without words

RunStanding = Literal["running", "cut off", "running or cut off", "stopped", "finished"]
"""How a run stands when somebody asks: ``cut off`` is a run whose process was killed, and ``running or cut off`` one of
which nobody can tell, on a system without locks."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One evaluation of a data set."""

    id: str
    """Data set and start in UTC, such as ``summaries-20261123-041500-3f2a``."""

    created: str
    """Start, as ISO 8601 in UTC, to the second."""

    status: RunStatus
    dataset: str
    """Name of the data set, or what else the cases came from."""

    dataset_digest: str
    """Hash of the data set's bytes."""

    split: str
    """``dev``, ``sealed`` or ``all``."""

    cases: int | None
    """How many cases there are to judge; None when nobody has counted them."""

    rubric: Rubric
    """The whole rubric, so that a report needs no file."""

    judge: str
    """Name and version of the judge."""

    judge_file: Mapping[str, Any]
    """The judge's file as data; empty for a judge made in Python. Never holds a key."""

    fingerprint: Mapping[str, str]
    """Hash per component that defines a score; runs with different ones are not comparable."""

    scale: ShownScale = RAW_READINGS
    """The scale of the scores, so that a report needs no judge."""

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else was asked for: ``explain``, ``limit``, the pass."""

    note: str = ""
    """Why it stopped; empty otherwise."""

    seconds: float = 0.0
    """Wall time of all its processes together."""

    command: str = ""
    """The command line that began it and that takes it up again; empty for a run that was begun in Python."""

    @property
    def identity(self) -> str:
        """Hash of what is judged, by whom and how; a run that was cut short is taken up by one of the same identity."""
        told = [
            self.dataset,
            self.dataset_digest,
            self.split,
            self.rubric.model_dump(mode="json", exclude=None if self.settings.get("explain") else _UNREAD),
            self.judge,
            self.judge_file,
            dict(self.fingerprint),  # another version of Tenward may ask in other words
            self.settings,
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()
