"""The loop: attempts at a better artefact, kept or discarded, with git as the record."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenward.loop._alarm_names import Alarm
    from tenward.loop._arms import ArmTally, arm_shares
    from tenward.loop._audit import Audit, AuditMatter, AuditPair, AuditScores, read_audit, write_audit
    from tenward.loop._committed import Uncommitted, definition_notes, sealed_definition, uncommitted
    from tenward.loop._definition import LoopSpec
    from tenward.loop._engine import Engine, journal_path
    from tenward.loop._evaluator import EvaluatorFiles, evaluator_files
    from tenward.loop._journal import Journal
    from tenward.loop._ledger import Attempt, Draft, Status
    from tenward.loop._notes import STATE_NOTE
    from tenward.loop._paths import PathPatterns
    from tenward.loop._programs import MissingProgram, missing_programs
    from tenward.loop._record import LoopRecord, Outcome, Written
    from tenward.loop._schema import loop_schema
    from tenward.loop._seal import sealed_hashes
    from tenward.loop._settings import SettingValue, read_settings
    from tenward.loop._sight import sight_cases, sight_span
    from tenward.loop._slots import Slot, Slots
    from tenward.loop._snapshot import Candidate, Change, Fault, FaultKind, Limits, snapshot
    from tenward.loop._spent import Costs, Spent
    from tenward.loop._states import (
        AttemptEvent,
        AttemptState,
        Event,
        LookState,
        LoopEvent,
        LoopPhase,
        LoopState,
        Phase,
        PlaceboTally,
        ProgressEvent,
        SentinelState,
        StageState,
        read_state,
        write_state,
    )
    from tenward.loop._strictness import set_drop

__all__ = [
    "STATE_NOTE",
    "Alarm",
    "ArmTally",
    "Attempt",
    "AttemptEvent",
    "AttemptState",
    "Audit",
    "AuditMatter",
    "AuditPair",
    "AuditScores",
    "Candidate",
    "Change",
    "Costs",
    "Draft",
    "Engine",
    "EvaluatorFiles",
    "Event",
    "Fault",
    "FaultKind",
    "Journal",
    "Limits",
    "LookState",
    "LoopEvent",
    "LoopPhase",
    "LoopRecord",
    "LoopSpec",
    "LoopState",
    "MissingProgram",
    "Outcome",
    "PathPatterns",
    "Phase",
    "PlaceboTally",
    "ProgressEvent",
    "SentinelState",
    "SettingValue",
    "Slot",
    "Slots",
    "Spent",
    "StageState",
    "Status",
    "Uncommitted",
    "Written",
    "arm_shares",
    "definition_notes",
    "evaluator_files",
    "journal_path",
    "loop_schema",
    "missing_programs",
    "read_audit",
    "read_settings",
    "read_state",
    "sealed_definition",
    "sealed_hashes",
    "set_drop",
    "sight_cases",
    "sight_span",
    "snapshot",
    "uncommitted",
    "write_audit",
    "write_state",
]

_HOMES = {
    "_alarm_names": ("Alarm",),
    "_arms": ("ArmTally", "arm_shares"),
    "_audit": ("Audit", "AuditMatter", "AuditPair", "AuditScores", "read_audit", "write_audit"),
    "_committed": ("Uncommitted", "definition_notes", "sealed_definition", "uncommitted"),
    "_definition": ("LoopSpec",),
    "_engine": ("Engine", "journal_path"),
    "_evaluator": ("EvaluatorFiles", "evaluator_files"),
    "_journal": ("Journal",),
    "_ledger": ("Attempt", "Draft", "Status"),
    "_notes": ("STATE_NOTE",),
    "_paths": ("PathPatterns",),
    "_programs": ("MissingProgram", "missing_programs"),
    "_record": ("LoopRecord", "Outcome", "Written"),
    "_schema": ("loop_schema",),
    "_seal": ("sealed_hashes",),
    "_settings": ("SettingValue", "read_settings"),
    "_sight": ("sight_cases", "sight_span"),
    "_slots": ("Slot", "Slots"),
    "_snapshot": ("Candidate", "Change", "Fault", "FaultKind", "Limits", "snapshot"),
    "_spent": ("Costs", "Spent"),
    "_states": (
        "AttemptEvent",
        "AttemptState",
        "Event",
        "LookState",
        "LoopEvent",
        "LoopPhase",
        "LoopState",
        "Phase",
        "PlaceboTally",
        "ProgressEvent",
        "SentinelState",
        "StageState",
        "read_state",
        "write_state",
    ),
    "_strictness": ("set_drop",),
}


def __getattr__(name: str) -> object:
    # Resolved on first use: who only asks how a loop stands must not pay for judges and metrics.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(_import_module(f"tenward.loop.{module}"), name)
    raise AttributeError(f"module 'tenward.loop' has no attribute {name!r}")
