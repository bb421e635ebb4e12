"""How a loop, its plan and its attempts look in a terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Group
from rich.text import Text

from tenward.cli._bars import bar
from tenward.cli._layout import columns, hanging, indented
from tenward.datasets import printable
from tenward.loop import arm_shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from tenward.cli._loop_open import Holder, Row
    from tenward.loop import ArmTally, AttemptState, LookState, LoopState, Spent

__all__ = [
    "arm_lines",
    "attempt_view",
    "duration",
    "ends_line",
    "gain_lines",
    "ledger_view",
    "log_view",
    "one_line",
    "phase_words",
    "print_diff",
    "spent_line",
    "standing",
    "status_style",
    "status_view",
]

_STYLES = {"keep": "bold green", "discard": "", "undecided": "yellow", "invalid": "red", "crashed": "red"}
_LABEL = 11
_DIGITS = 4
_IDLE = ("stopped", "ended")
_LONGEST_GAIN = 400


def one_line(text: str, *, longest: int = 200) -> str:
    """The text on one line, with nothing a terminal might obey."""
    return printable(" ".join(text.split()), longest=longest)


def status_style(status: str) -> str:
    """The style of an end."""
    return _STYLES.get(status, "dim")


def phase_words(state: LoopState) -> str:
    """What a loop is at, and why it ended: ``stopped: budget: $5.00 of $5 are spent``."""
    phase, note = state.phase.value, one_line(state.note)
    if phase not in _IDLE or not note:
        return phase
    return note if note.startswith(phase) else f"{phase}: {note}"


def standing(state: LoopState, *, held: bool) -> str:
    """What a loop is at; where no process holds it though it has not come to an end, that it was interrupted."""
    words = phase_words(state)
    return words if held or state.phase.value in _IDLE else f"interrupted while {words}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def spent_line(spent: Spent) -> str:
    """Such as ``12 rounds · 1.2 h · 2,130 cases judged · 8,123 calls · $0.41``; what is nothing is left out."""
    parts = [f"{spent.rounds:,} round{'s' * (spent.rounds != 1)}"] * bool(spent.rounds)
    parts.append(duration(spent.seconds))
    parts += [f"{spent.judged:,} case{'s' * (spent.judged != 1)} judged"] * bool(spent.judged)
    parts += [f"{spent.calls:,} call{'s' * (spent.calls != 1)}"] * bool(spent.calls)
    return " · ".join([*parts, *[f"${spent.usd:.4f}"] * bool(spent.usd)])


def gain_lines(state: LoopState) -> list[Text]:
    """The confirmed gain, what the keeps claimed, and the scores on dev."""
    lines: list[Text] = []
    head: Mapping[str, Any] = state.headline
    by_number = "goal" in state.calibration
    if head.get("disagreement"):
        lines.append(Text(one_line(str(head["disagreement"])), style="bold red"))
    if head.get("text"):
        good = bool(head.get("confirmed"))
        told = one_line(str(head.get("text", "")), longest=_LONGEST_GAIN)
        line = Text("" if told.startswith(("gain", "no gain")) else "gain ", style="bold")
        line.append(told, style="bold green" if good else "yellow")
        lines.append(line)
        if head.get("winner") not in (None, state.incumbent):
            unchanged = state.incumbent == state.baseline
            rest = "nothing is kept now" if unchanged else "it is measured anew when the loop ends"
            lines.append(Text(f"of an earlier incumbent; {rest}", style="dim"))
    without: Mapping[str, Any] = head.get("without", {})
    if without.get("text"):
        lines.append(Text(one_line(str(without["text"]), longest=_LONGEST_GAIN)))
    if head.get("loaded"):
        lines.append(Text(one_line(str(head["loaded"]), longest=_LONGEST_GAIN)))
    kept = state.counts.get("keep", 0)
    if not kept and not head and state.phase == "ended":
        lines.append(Text("no attempt was kept", style="bold"))
    if state.baseline_score is not None:
        lines.append(_dev_line(state, by_number=by_number))
    if by_number:
        return lines
    if kept and not head:
        claims = f"{kept} keep{'s' * (kept != 1)} claimed {state.claimed:+.{_DIGITS}f} in sum"
        lines.append(Text(f"{claims}; that is no result before it is confirmed on sealed cases", style="dim"))
    elif kept:
        lines.append(
            Text(
                f"the running sum of what {kept} keep{'s' * (kept != 1)} claimed was {state.claimed:+.{_DIGITS}f}",
                style="dim",
            )
        )
    return lines


def _dev_line(state: LoopState, *, by_number: bool) -> Text:
    """What the incumbent scored before the headline; nothing of an end whose winner has its headline alone."""
    line = Text(f"baseline {state.baseline_score:.{_DIGITS}f}")
    verb = "measured" if by_number else "judged"
    if state.incumbent_score is not None:
        line.append(f"   incumbent {state.incumbent_score:.{_DIGITS}f}", style="bold")
    elif state.headline.get("winner") != state.incumbent:
        line.append(f"   incumbent not {verb} yet", style="bold")
    else:
        line.append("   at the start" if by_number else "   on dev", style="dim")
        return line
    where = "" if by_number else "on dev, "
    line.append(f"   {where}{verb} afresh after each keep", style="dim")
    return line


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
        line.append(
            f"   placebos: {tally.kept} of {tally.all} kept, true share at most {tally.at_most:.0%}", style="dim"
        )
    if tally.sure is not None:
        line.append(f"   tightened: a keep takes P(better) {tally.sure:g}", style="yellow")
    return line


def arm_lines(arms: Mapping[str, ArmTally]) -> list[Text]:
    """What the kinds of change have come to, one line each, and how often each is drawn next."""
    if not arms:
        return []
    shares = arm_shares(list(arms), arms)
    wide = max(map(len, arms))
    return [
        Text(
            f"{name:<{wide}}  {told.kept} kept of {told.tried}, brought {told.brought:+.3f} in {told.cases:,} cases"
            f"{f'; drawn {shares[name]:.0%} of the time' if len(arms) > 1 else ''}",
            style="dim",
        )
        for name, told in arms.items()
    ]


def status_view(
    state: LoopState,
    *,
    holder: Holder | None,
    now: Sequence[AttemptState],
    resume: str,
    more: Sequence[Text] = (),
) -> RenderableType:
    """How a loop stands; ``more`` is what was found, and what a person said of its gain."""
    title = Text(state.loop, style="bold")
    title.append(f"   {standing(state, held=holder is not None)}", style="cyan" if holder else "yellow")
    blocks: list[RenderableType] = [title]
    if holder is not None:
        blocks.append(indented(Text(f"run by process {holder.pid} on {holder.host} since {holder.since}"), by=2))
    elif state.phase.value not in _IDLE:
        blocks.append(indented(Text(f"nobody runs it now; {resume} goes on from here", style="yellow"), by=2))
    blocks += [indented(line, by=2) for line in (*gain_lines(state), *more)]
    blocks.append(indented(ends_line(state), by=2))
    blocks += [indented(line, by=2) for line in arm_lines(state.arms)]
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


def log_view(attempts: Iterable[AttemptState]) -> RenderableType:
    """Attempts, one line each."""
    table = columns("attempt", "commit", "score", "effect", "status", "idea", right=("attempt", "score", "effect"))
    for attempt in attempts:
        status = attempt.phase.value if attempt.status is None else attempt.status.value
        effect = None if attempt.decision is None else attempt.decision.get("effect")
        words = attempt.reason if attempt.placebo else attempt.idea or attempt.reason
        table.add_row(
            str(attempt.number),
            Text(attempt.candidate[:12], style="dim"),
            "–" if attempt.score is None else f"{attempt.score:.{_DIGITS}f}",
            "–" if not isinstance(effect, int | float) else f"{effect:+.{_DIGITS}f}",
            Text(f"placebo, {status}" if attempt.placebo else status, style=status_style(status)),
            one_line(words, longest=120),
        )
    return table


def ledger_view(rows: Iterable[Row]) -> RenderableType:
    """The ledger as git has it, one line an attempt."""
    table = columns("attempt", "commit", "score", "status", "description", right=("attempt", "score"))
    for row in rows:
        table.add_row(
            str(row.number),
            Text(row.commit[:12], style="dim"),
            "–" if row.score is None else f"{row.score:.{_DIGITS}f}",
            Text(row.status, style=status_style(row.status)),
            one_line(row.description, longest=120),
        )
    return table


def attempt_view(attempt: AttemptState, *, loop: str) -> RenderableType:
    """One attempt: idea, stages, looks, decision, retro, cost. Its diff is printed after it."""
    status = attempt.phase.value if attempt.status is None else attempt.status.value
    title = Text(f"{loop} {attempt.number}", style="bold")
    title.append(f"   {status}", style=status_style(status))
    parts = [*_tried(attempt), *_found(attempt), *_ended(attempt, status)]
    parts.append(("took", Text(spent_line(attempt.spent), style="dim")))
    if attempt.candidate:
        parts.append(("in git", Text(f"refs/tenward/{loop}/attempts/{attempt.number:06d}", style="dim")))
    told = (hanging(Text(label, style="dim"), text, indent=2, width=_LABEL) for label, text in parts)
    return Group(title, *told)


def _tried(attempt: AttemptState) -> Iterator[tuple[str, Text | str]]:
    """The idea, and the files that were changed."""
    if attempt.placebo:
        yield "placebo", f"{one_line(attempt.placebo)}: no idea was asked for, and a keep would be false"
    else:
        yield "idea", Text(one_line(attempt.idea) or "none was noted", style="bold")
        if attempt.idea_note:
            yield "why", _lines(attempt.idea_note)
        if ruled_out := attempt.idea_file.get("ruled_out"):
            yield "ruled out", one_line("; ".join(map(str, ruled_out)), longest=1000)
    for change in attempt.changes:
        yield change.kind, printable(change.path, longest=sys.maxsize)


def _found(attempt: AttemptState) -> Iterator[tuple[str, Text | str]]:
    """What was measured."""
    for stage in attempt.stages:
        line = Text("passed " if stage.passed else "failed ", style="green" if stage.passed else "red")
        line.append(f"{one_line(stage.stage)}: {one_line(stage.detail)}", style="default")
        line.append(f"   {duration(stage.seconds)}", style="dim")
        yield "stage", line
    if attempt.looks:
        yield "looks", _looks(attempt.looks)
    if attempt.score is not None:
        beside = "" if attempt.incumbent_score is None else f", the incumbent {attempt.incumbent_score:.{_DIGITS}f}"
        yield "score", f"{attempt.score:.{_DIGITS}f}{beside} on the same cases"


def _ended(attempt: AttemptState, status: str) -> Iterator[tuple[str, Text | str]]:
    """How it ended, and what was learned."""
    for line in attempt.faults:
        yield "fault", Text(one_line(line, longest=500), style="red")
    for alarm in attempt.alarms:
        yield "alarm", Text(one_line(alarm.text, longest=500), style="yellow" if alarm.overruled else "red")
    if attempt.reason:
        yield "decision", Text(one_line(attempt.reason, longest=500), style=status_style(status))
    fooling = (attempt.decision or {}).get("fooling")
    if isinstance(fooling, float):
        yield "fooling", f"P(worse, and fools the judge) {fooling:.3f}"
    for floor in (attempt.decision or {}).get("floors", ()):
        yield "floor", one_line(str(floor), longest=300)
    if attempt.rebased:
        yield "rebased", f"{attempt.rebased} times, onto a newer incumbent"
    if (why := str(attempt.retro.get("why", ""))) and why != attempt.reason:
        yield "retro", _lines(why)
    for direction in attempt.retro.get("suggested", ()):
        yield "next", one_line(str(direction), longest=300)
    if attempt.log.strip() and status in ("crashed", "invalid"):
        yield "log", _lines(attempt.log.strip())


def print_diff(text: str) -> None:
    """Print a unified diff, coloured on a terminal, its lines as long as they are."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in text.rstrip("\n").split("\n"):
        headed = line.startswith(("+++ ", "--- ", "diff --git", "index "))
        colour = "cyan" if line.startswith("@@") else {"+": "green", "-": "red"}.get(line[:1])
        told = printable(line, longest=sys.maxsize)
        click.echo(click.style(told, fg=None if headed else colour, dim=headed) if coloured else told)


def _lines(text: str) -> str:
    return "\n".join(printable(line, longest=1000) for line in text.strip().split("\n"))


def _looks(looks: Sequence[LookState]) -> Text:
    """One line a look: how far, how many better, and the mean of what was new."""
    view = Text()
    for look in looks:
        better = sum(difference > 0 for difference in look.differences)
        worse = sum(difference < 0 for difference in look.differences)
        count = len(look.differences)
        mean = sum(look.differences) / count if count else 0.0
        view.append(f"{look.split:<6} to {look.units:>3}  ")
        view.append_text(bar(better / max(1, count), style="green"))
        view.append(f"  {better} better, {worse} worse   mean {mean:+.{_DIGITS}f}\n", style="dim")
    view.right_crop(1)
    return view
