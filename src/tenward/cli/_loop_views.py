"""How a loop, its plan and its attempts look in a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from tenward.cli._bars import bar
from tenward.cli._layout import columns, hanging, indented
from tenward.datasets import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType

    from tenward.cli._loop_open import Holder
    from tenward.loop import AttemptState, LookState, LoopState, Spent

__all__ = [
    "attempt_view",
    "diff_view",
    "duration",
    "ends_line",
    "gain_lines",
    "log_view",
    "one_line",
    "spent_line",
    "status_style",
    "status_view",
]

_STYLES = {"keep": "bold green", "discard": "", "undecided": "yellow", "invalid": "red", "crashed": "red"}
_LABEL = 11


def one_line(text: str, *, longest: int = 200) -> str:
    """The text on one line, with nothing a terminal might obey."""
    return printable(" ".join(text.split()), longest=longest)


def status_style(status: str) -> str:
    """The style of an end."""
    return _STYLES.get(status, "dim")


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def spent_line(spent: Spent) -> str:
    """Such as ``12 rounds · 1.2 h · 2,130 cases judged · 8,123 calls · $0.41``."""
    rounds = f"{spent.rounds:,} round{'s' * (spent.rounds != 1)}"
    parts = [rounds, duration(spent.seconds), f"{spent.judged:,} cases judged", f"{spent.calls:,} calls"]
    return " · ".join([*parts, f"${spent.usd:.4f}" if spent.usd else "no cost known"])


def gain_lines(state: LoopState, *, decimals: int) -> list[Text]:
    """The confirmed gain, what the keeps claimed, and the scores on dev."""
    lines: list[Text] = []
    head: Mapping[str, Any] = state.headline
    if head:
        good = bool(head.get("confirmed"))
        line = Text("gain ", style="bold")
        line.append(one_line(str(head.get("text", ""))), style="bold green" if good else "yellow")
        lines.append(line)
        if head.get("winner") not in (None, state.incumbent):
            lines.append(Text("of an earlier incumbent; it is measured anew when the loop ends", style="dim"))
    kept = state.counts.get("keep", 0)
    if state.baseline_score is not None:
        line = Text(f"baseline {state.baseline_score:.{decimals}f}")
        now = "being judged afresh" if state.incumbent_score is None else f"{state.incumbent_score:.{decimals}f}"
        line.append(f"   incumbent {now}", style="bold")
        line.append("   on dev, judged afresh after each keep", style="dim")
        lines.append(line)
    if kept and not head:
        claims = f"{kept} keep{'s' * (kept != 1)} claimed {state.claimed:+.{decimals}f} in sum"
        lines.append(Text(f"{claims}; that is no result before it is confirmed on sealed cases", style="dim"))
    elif kept:
        lines.append(
            Text(f"the running sum of what {kept} keeps claimed was {state.claimed:+.{decimals}f}", style="dim")
        )
    return lines


def ends_line(state: LoopState) -> Text:
    """How attempts ended, and what became of the placebos."""
    line = Text()
    for status in _STYLES:
        if found := state.counts.get(status, 0):
            line.append(", " if line else "")
            line.append(f"{found:,} {status}", style=status_style(status))
    if not line:
        line.append("no attempt has ended yet", style="dim")
    tally = state.placebos
    if tally.all:
        line.append(f"   placebos: {tally.kept} of {tally.all} kept, at most {tally.at_most:.0%}", style="dim")
    return line


def status_view(
    state: LoopState, *, holder: Holder | None, now: Sequence[AttemptState], decimals: int, resume: str
) -> RenderableType:
    """How a loop stands."""
    title = Text(state.loop, style="bold")
    title.append(f"   {state.phase.value}", style="cyan" if holder else "yellow")
    idle = state.phase.value in ("stopped", "ended")
    if state.note and idle:
        title.append(f": {one_line(state.note)}", style="dim")
    blocks: list[RenderableType] = [title]
    if holder is not None:
        blocks.append(indented(Text(f"run by process {holder.pid} on {holder.host} since {holder.since}"), by=2))
    elif not idle:
        blocks.append(indented(Text(f"nobody runs it now; {resume} goes on from here", style="yellow"), by=2))
    blocks += [indented(line, by=2) for line in gain_lines(state, decimals=decimals)]
    blocks.append(indented(ends_line(state), by=2))
    blocks += [indented(Text(one_line(str(line)), style="dim"), by=2) for line in state.calibration.get("lines", ())]
    blocks += [indented(Text(one_line(line), style="yellow"), by=2) for line in state.warnings]
    for attempt in now:
        words = "a placebo" if attempt.placebo else one_line(attempt.idea, longest=80)
        line = Text(f"attempt {attempt.number} ", style="bold")
        line.append(attempt.phase.value, style="cyan")
        line.append(f"   {words}" if words else "")
        blocks.append(indented(line, by=2))
    blocks.append(indented(Text(spent_line(state.spent), style="dim"), by=2))
    where = f"branch tenward/{state.loop} at {state.incumbent[:12]}, began at {state.baseline[:12]}"
    blocks.append(indented(Text(where, style="dim"), by=2))
    return Group(*blocks)


def log_view(attempts: Iterable[AttemptState], *, decimals: int) -> RenderableType:
    """Attempts, one line each."""
    table = columns("attempt", "commit", "score", "effect", "status", "idea", right=("attempt", "score", "effect"))
    for attempt in attempts:
        status = attempt.phase.value if attempt.status is None else attempt.status.value
        effect = None if attempt.decision is None else attempt.decision.get("effect")
        words = attempt.reason if attempt.placebo else attempt.idea or attempt.reason
        table.add_row(
            str(attempt.number),
            Text(attempt.candidate[:12], style="dim"),
            "–" if attempt.score is None else f"{attempt.score:.{decimals}f}",
            "–" if not isinstance(effect, int | float) else f"{effect:+.{decimals}f}",
            Text(f"placebo, {status}" if attempt.placebo else status, style=status_style(status)),
            one_line(words, longest=120),
        )
    return table


def attempt_view(attempt: AttemptState, *, loop: str, decimals: int) -> RenderableType:
    """One attempt: idea, stages, looks, decision, retro, cost. Its diff is printed after it."""
    status = attempt.phase.value if attempt.status is None else attempt.status.value
    title = Text(f"{loop} {attempt.number}", style="bold")
    title.append(f"   {status}", style=status_style(status))
    blocks: list[RenderableType] = [title]

    def part(label: str, text: Text | str) -> None:
        blocks.append(hanging(Text(label, style="dim"), text, indent=2, width=_LABEL))

    if attempt.placebo:
        part("placebo", f"{one_line(attempt.placebo)}: no idea was asked for, and a keep would be false")
    else:
        part("idea", Text(one_line(attempt.idea) or "none was noted", style="bold"))
        if attempt.idea_note:
            part("why", _lines(attempt.idea_note))
        if ruled_out := attempt.idea_file.get("ruled_out"):
            part("ruled out", one_line("; ".join(map(str, ruled_out)), longest=1000))
    for change in attempt.changes:
        part(change.kind, printable(change.path, longest=sys.maxsize))
    for stage in attempt.stages:
        line = Text("passed " if stage.passed else "failed ", style="green" if stage.passed else "red")
        line.append(f"{one_line(stage.stage)}: {one_line(stage.detail)}", style="default")
        line.append(f"   {duration(stage.seconds)}", style="dim")
        part("stage", line)
    if attempt.looks:
        part("looks", _looks(attempt.looks, decimals=decimals))
    if attempt.score is not None:
        beside = "" if attempt.incumbent_score is None else f", the incumbent {attempt.incumbent_score:.{decimals}f}"
        part("score", f"{attempt.score:.{decimals}f}{beside} on the same cases")
    for fault in (*attempt.faults, *attempt.alarms):
        part("fault" if fault in attempt.faults else "alarm", Text(one_line(fault, longest=500), style="red"))
    if attempt.reason:
        part("decision", Text(one_line(attempt.reason, longest=500), style=status_style(status)))
    if attempt.decision is not None:
        for floor in attempt.decision.get("floors", ()):
            part("floor", one_line(str(floor), longest=300))
    if attempt.rebased:
        part("rebased", f"{attempt.rebased} times, onto a newer incumbent")
    if why := attempt.retro.get("why"):
        part("retro", _lines(str(why)))
        for direction in attempt.retro.get("suggested", ()):
            part("next", one_line(str(direction), longest=300))
    if attempt.log.strip() and status in ("crashed", "invalid"):
        part("log", _lines(attempt.log.strip()))
    part("took", Text(spent_line(attempt.spent).partition(" · ")[2], style="dim"))
    if attempt.candidate:
        part("in git", Text(f"refs/tenward/{loop}/attempts/{attempt.number:06d}", style="dim"))
    return Group(*blocks)


def diff_view(text: str) -> RenderableType:
    """A unified diff, coloured."""
    view = Text()
    for line in text.rstrip("\n").split("\n"):
        headed = line.startswith(("+++ ", "--- ", "diff --git", "index "))
        style = "dim" if headed else "green" if line[:1] == "+" else "red" if line[:1] == "-" else ""
        view.append(printable(line, longest=2000) + "\n", style="cyan" if line.startswith("@@") else style)
    view.right_crop(1)
    return view


def _lines(text: str) -> str:
    return "\n".join(printable(line, longest=1000) for line in text.strip().split("\n"))


def _looks(looks: Sequence[LookState], *, decimals: int) -> Text:
    """One line a look: how far, how many better, and the mean of what was new."""
    view = Text()
    for look in looks:
        better = sum(difference > 0 for difference in look.differences)
        worse = sum(difference < 0 for difference in look.differences)
        count = len(look.differences)
        mean = sum(look.differences) / count if count else 0.0
        view.append(f"{look.split:<6} to {look.units:>3}  ")
        view.append_text(bar(better / max(1, count), style="green"))
        view.append(f"  {better} better, {worse} worse   mean {mean:+.{decimals}f}\n", style="dim")
    view.right_crop(1)
    return view
