"""What a person's answers came to, wherever a loop's gain is shown."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from tenward.cli._layout import indented
from tenward.decisions import FEWEST_ANSWERS
from tenward.loop import read_audit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tenward.cli._loop_open import OpenedLoop
    from tenward.loop import Audit, LoopState
    from tenward.reports import CheckView

__all__ = ["check_data", "check_lines", "check_of", "check_page", "check_view"]

_ONLY_DEFENCE = "a person is the only defence where all judges share a weakness"


def check_of(opened: OpenedLoop, state: LoopState) -> Audit | None:
    """The human check of the present incumbent; None where there is none."""
    audit = read_audit(opened.record)
    return audit if audit is not None and (audit.first, audit.last) == (state.baseline, state.incumbent) else None


def _could_be(opened: OpenedLoop, state: LoopState) -> bool:
    """Whether there is a gain that a person could look at, pair by pair."""
    spec = opened.spec
    return spec is not None and spec.produce is not None and not spec.score.number and state.incumbent != state.baseline


def _missing(audit: Audit) -> str:
    return f"{audit.given} answers, at least {FEWEST_ANSWERS} are needed"


def _counted(audit: Audit) -> list[str]:
    """What was counted and what was not, a sentence each."""
    found = audit.check
    parts = [f"{audit.given} scored"]
    parts += [f"{audit.skipped} passed"] * bool(audit.skipped)
    parts += [f"{audit.same} the same on both sides, counted as no difference"] * bool(audit.same)
    lines = ["; ".join(parts)]
    if found is not None and found.weight > 0:
        lines.append(f"{found.further} more cases by the judge alone, with weight {found.weight:.2f}")
    dev = sum(pair.split == "dev" and audit.answers.get(pair.case) is not None for pair in audit.pairs)
    return [*lines, *[f"{dev} are dev cases, which the proposer may have seen"] * bool(dev)]


def check_lines(opened: OpenedLoop, state: LoopState) -> list[Text]:
    """The human-corrected gain for a terminal; that nobody has looked, where nobody has."""
    audit = check_of(opened, state)
    if audit is None or not audit.answers:
        words = f"no person has checked it: tenward loop audit {opened.asked}; {_ONLY_DEFENCE}"
        return [Text(words, style="dim")] if _could_be(opened, state) else []
    found = audit.check
    if found is None:
        return [Text(f"human check: {_missing(audit)}: tenward loop audit {opened.asked} goes on", style="dim")]
    line = Text("human check ", style="bold")
    line.append(found.text, style="bold green" if found.confirmed else "yellow")
    return [line, Text(f"{found.agreement}; {_ONLY_DEFENCE}", style="dim")]


def check_page(audit: Audit, cases: int, *, asked: str) -> RenderableType:
    """The result of a check, as its own command shows it."""
    found = audit.check
    left = len(audit.waiting(cases))
    if found is None:
        told = Text(f"human check: {_missing(audit)}", style="yellow")
    else:
        told = Text("human check ", style="bold")
        told.append(found.text, style="bold green" if found.confirmed else "yellow")
    lines = [] if found is None else [found.agreement]
    lines += _counted(audit)
    if left:
        lines.append(f"{left} of {len(audit.to_ask(cases))} pairs are left: tenward loop audit {asked} goes on")
    elif found is None:
        lines.append("no pair is left; --cases N draws more" if not audit.complete else "there are no more cases")
    lines.append(_ONLY_DEFENCE)
    return Group(told, *(indented(Text(line, style="dim"), by=2) for line in lines))


def check_data(audit: Audit, cases: int) -> dict[str, Any]:
    """The same as data."""
    found = audit.check
    return {
        "first": audit.first,
        "last": audit.last,
        "answers": audit.given,
        "passed": audit.skipped,
        "same_texts": audit.same,
        "waiting": len(audit.waiting(cases)),
        "check": None if found is None else {**asdict(found), "confirmed": found.confirmed},
    }


def check_view(opened: OpenedLoop, state: LoopState) -> CheckView | None:
    """The same for the report; None where a person could not look at pairs."""
    from tenward.reports import CheckView

    audit = check_of(opened, state)
    if audit is None or not audit.answers:
        return CheckView(note=f"tenward loop audit {opened.name}") if _could_be(opened, state) else None
    found = audit.check
    if found is None:
        return CheckView(note=_missing(audit))
    return CheckView(
        gain=found.gain,
        low=found.low,
        high=found.high,
        answers=found.answers,
        confirmed=found.confirmed,
        agreement=found.agreement,
        note="; ".join(_counted(audit)),
    )
