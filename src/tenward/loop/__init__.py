"""The loop: attempts at a better artefact, kept or discarded, with git as the record."""

from __future__ import annotations

from tenward.loop._ledger import Attempt, Draft, Status
from tenward.loop._paths import PathPatterns
from tenward.loop._record import LoopRecord, Outcome, Written
from tenward.loop._slots import Slot, Slots
from tenward.loop._snapshot import Candidate, Change, Fault, FaultKind, Limits, snapshot

__all__ = [
    "Attempt",
    "Candidate",
    "Change",
    "Draft",
    "Fault",
    "FaultKind",
    "Limits",
    "LoopRecord",
    "Outcome",
    "PathPatterns",
    "Slot",
    "Slots",
    "Status",
    "Written",
    "snapshot",
]
