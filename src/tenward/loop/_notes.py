"""What is kept of an attempt in git, beside its files."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tenward.loop._scores import mean
from tenward.loop._states import write_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenward.loop._journal import CaseScore
    from tenward.loop._scores import ScoreTable
    from tenward.loop._states import AttemptState

__all__ = ["STATE_NOTE", "attempt_notes", "change_of_criteria"]

STATE_NOTE = "attempt.json"


def attempt_notes(attempt: AttemptState, scores: Sequence[CaseScore]) -> dict[str, str]:
    """The notes of an attempt, by file name. The same attempt has the same notes.

    ``attempt.json`` is the whole state, from which the ledger can be rebuilt; the others are for people.

    Args:
        attempt: Its end is known.
        scores: Of its cases.
    """
    notes = {STATE_NOTE: write_state(attempt) + "\n"}
    if attempt.idea and not attempt.placebo:
        ruled_out = attempt.idea_file.get("ruled_out") or ()
        lines = [f"# {attempt.idea}", "", attempt.idea_note or "(no reason was given)"]
        if ruled_out:
            lines += ["", "Ruled out:", *(f"- {direction}" for direction in ruled_out)]
        notes["idea.md"] = "\n".join(lines) + "\n"
    if attempt.decision is not None:
        notes["decision.json"] = _pretty({**attempt.decision, "alarms": [asdict(alarm) for alarm in attempt.alarms]})
    if attempt.retro:
        notes["retro.json"] = _pretty(dict(attempt.retro))
    if attempt.log.strip():
        notes["log.txt"] = attempt.log.strip() + "\n"
    told = [_told(score) for score in scores]
    if told:
        notes["verdicts.json"] = _pretty(told)
    return notes


def change_of_criteria(candidate: ScoreTable, incumbent: ScoreTable) -> dict[str, float]:
    """Mean difference per criterion on the dev cases that both met, as shares of the scale."""
    cases = [row.case_id for row in candidate.all() if row.split == "dev"]
    names = {name for row in candidate.all() for name in row.criteria}
    changes: dict[str, float] = {}
    for name in sorted(names):
        new, old = candidate.criterion(name, cases), incumbent.criterion(name, cases)
        pairs = [(new[case], old[case]) for case in new]
        change = mean(mine - its for mine, its in pairs if mine is not None and its is not None)
        if change is not None:
            changes[name] = change
    return changes


def _told(score: CaseScore) -> dict[str, object]:
    verdict: dict[str, Any] = (score.result or {}).get("verdict") or {}
    parts: list[dict[str, Any]] = list(verdict.get("criteria", ()))
    return {
        "case": score.case_id,
        "split": score.split,
        "value": score.value,
        "criteria": dict(score.criteria),
        "output": score.output,
        "problem": score.problem,
        "reasons": {part["criterion"]: part["reason"] for part in parts if part.get("reason")},
    }


def _pretty(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
