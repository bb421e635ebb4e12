"""``tenward loop list``: the loops of a repository, by their files and by their records in git."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenward.cli._console import note, print_json, print_page, terminal_width
from tenward.cli._loop_files import loop_files
from tenward.cli._loop_open import OpenedLoop, repository_around
from tenward.errors import DocumentError, GitError, StoreError
from tenward.loop import LoopRecord
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType

    from tenward.cli._loop_open import Holder

__all__ = ["command"]

_LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """One loop."""

    name: str
    """As its file and its refs have it."""

    files: Sequence[str]
    """Those that give a loop this name, from the top of the repository; a shipped one by its whole path."""

    goal: str = ""
    """Empty where nothing that can be read says it."""

    begun: bool = False
    """Whether there is a record of it in git."""

    attempts: int = 0
    """Placebos included."""

    keeps: int = 0

    phase: str | None = None
    """What it is at; None before it has begun, and where this clone has no journal of it."""

    standing: str = "not begun"
    """The same for a person, with the reason where it has come to an end."""

    last: str | None = None
    """When its latest step was taken, in UTC; None before the first."""

    running: Holder | None = None
    """Who runs it now."""

    problems: Sequence[str] = ()
    """Why it cannot be run as it is, or why not all of it is told."""


@click.command("list", short_help="List the loops of this repository.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def command(as_json: bool) -> None:
    """List the loops of this repository: those with a file in loop/, and those with a record in git."""
    loops = list(_all(Library.discover(), repository_around(Path.cwd())))
    if as_json:
        print_json([asdict(loop) for loop in loops])
    elif loops:
        print_page(_page(loops))
    else:
        note("found no loop in this repository; tenward loop copy curve-fit puts a shipped one into it")


def _all(library: Library, top: Path) -> Iterator[_Listed]:
    """All loops by name."""
    records = {record.loop: record for record in LoopRecord.find_all(top)}
    files: dict[str, list[Path]] = {}
    for root in library.roots:
        for path, declared in loop_files(root).items():
            name = declared or (path.parent.name if path.name == "loop.yaml" else path.stem)
            # A shipped file matters where its loop has begun and the repository has no file of that name.
            if path.is_relative_to(top) or (name in records and name not in files):
                files.setdefault(name, []).append(path)
    for name in sorted({*records, *files}):
        known, record = files.get(name, []), records.get(name)
        told = [path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path) for path in known]
        listed = _with_goal(_Listed(name=name, files=told), known, record)
        listed = listed if record is None else _with_record(listed, record, library, top)
        yield replace(listed, problems=[problem.replace(f"{top}/", "") for problem in listed.problems])


def _with_goal(listed: _Listed, files: Sequence[Path], record: LoopRecord | None) -> _Listed:
    """The goal as the file says it, or where that is gone, as it was when the loop began."""
    from tenward.loop import LoopSpec

    problems: list[str] = []
    if len(files) > 1:
        problems.append("several files give their loop this name; expected one, for it names the record in git")
    goals: list[str] = []
    stored = record.definition if record is not None and not files else None
    for path in files:
        try:
            goals.append(LoopSpec.load(path).goal)
        except DocumentError as error:
            problems.append(error.message)
    if stored is not None:
        try:
            goals.append(LoopSpec.parse(stored.decode("utf-8-sig", "replace")).goal)
        except DocumentError as error:
            problems.append(error.message)
    return replace(listed, goal=goals[0] if goals else "", problems=problems)


def _with_record(listed: _Listed, record: LoopRecord, library: Library, top: Path) -> _Listed:
    """How it stands, by its journal, or by the refs alone where there is none that can be read."""
    from tenward.cli._loop_views import standing

    name = listed.name
    loop = OpenedLoop(name=name, asked=name, wanted=name, source=None, record=record, library=library, start=top)
    begun = replace(listed, begun=True, running=loop.holder)
    try:
        if loop.journal is not None and (state := loop.journal.loop()) is not None:
            last = loop.journal.last_step()
            return replace(
                begun,
                attempts=state.spent.rounds,
                keeps=state.counts.get("keep", 0),
                phase=state.phase.value,
                standing=standing(state, held=begun.running is not None),
                last=None if last is None else last.isoformat(timespec="seconds"),
            )
        journal = "no journal in this clone"
    except StoreError as error:
        begun = replace(begun, problems=[*begun.problems, error.message])
        journal = "its journal cannot be read"
    try:
        ended = record.attempts()
    except GitError as error:
        return replace(begun, standing="begun", problems=[*begun.problems, error.message])
    return replace(
        begun,
        attempts=len(ended),
        keeps=sum(attempt.status.value == "keep" for attempt in ended),
        standing=f"begun; {journal}",
        last=max(attempt.ended for attempt in ended).isoformat(timespec="seconds") if ended else None,
    )


def _page(loops: Iterable[_Listed]) -> RenderableType:
    """A few lines a loop."""
    from rich.console import Group
    from rich.text import Text

    from tenward.cli._layout import indented
    from tenward.cli._loop_views import one_line

    blocks: list[RenderableType] = []
    for loop in loops:
        title = Text(loop.name, style="bold")
        style = "cyan" if loop.running else "yellow" if loop.begun else "dim"
        title.append(f"   {one_line(loop.standing)}", style=f"not bold {style}")
        if loop.last is not None:
            title.append(f"   {loop.last[:16].replace('T', ' ')} UTC", style="not bold dim")
        blocks.append(title)
        if loop.goal:
            blocks.append(indented(one_line(loop.goal, longest=max(40, terminal_width() - 4)), by=2))
        parts = [", ".join(loop.files) or "no file in loop/"]
        if loop.begun:
            parts += [f"{loop.attempts:,} attempt{'s' * (loop.attempts != 1)}", f"{loop.keeps:,} kept"]
        blocks.append(indented(Text(one_line(" · ".join(parts), longest=_LONGEST), style="dim"), by=2))
        told = (Text(one_line(problem, longest=_LONGEST), style="yellow") for problem in loop.problems)
        blocks += [*(indented(line, by=2) for line in told), Text("")]
    return Group(*blocks[:-1])
