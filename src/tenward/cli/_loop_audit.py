"""``tenward loop audit``: a person scores outputs of the first and the last version, not knowing which is which."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenward.cli._console import clean, lively, note, print_json, print_page, working
from tenward.cli._loop_open import open_loop
from tenward.errors import LoopError, UsageError
from tenward.guards import is_list, is_mapping

if TYPE_CHECKING:
    from tenward.cli._loop_open import OpenedLoop
    from tenward.loop import Audit, AuditPair, AuditScores, LoopState

__all__ = ["command"]

_SCORES = re.compile(r"(10|[1-9])[\s,;/]+(10|[1-9])")
_ASKED = "two scores from 1 to 10, such as 6 8, or s to pass, or q to stop"
_LONGEST_INPUT = 30
_ONE_PAIR = """\
The artefact itself is judged here, so there is one pair only: what the loop began with, and what it ended with. No
blind comparison and no interval can be made of one pair. Read the change below; your own reading is the check.

What cannot be known: how much of the judge's gain a person would see on average, for there is nothing to average
over; and whether the judges share a taste that you do not. Placebos and repeats bound a judge's noise, not its taste.
"""


@click.command("audit", short_help="Score outputs of the first and the last version blind.")
@click.argument("loop", metavar="LOOP")
@click.option(
    "--cases",
    type=click.IntRange(6, 1000),
    default=30,
    metavar="N",
    show_default=True,
    help="How many cases to draw; sealed ones first.",
)
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the pairs as an HTML page, to be answered in a browser, instead of asking here.",
)
@click.option(
    "--answers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Take in the answers that such a page has let you download.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON to standard output.")
def command(loop: str, cases: int, page: Path | None, answers: Path | None, as_json: bool) -> None:
    """Have a person score outputs of the first and the last version, and correct the gain with it.

    Each case shows two outputs in random order; give each a score from 1 to 10. Answers are kept in git as they are
    given: stop at any time, and the same command goes on. Where all judges share a weakness, this is the only defence.
    """
    from tenward.cli._loop_check import check_data, check_page

    if page is not None and answers is not None:
        raise UsageError("found both --page and --answers, expected one of them", hint="first the one, then the other")
    opened = open_loop(loop)
    state = opened.begun()
    if _one_pair(opened, state):
        if page is not None or answers is not None or as_json:
            raise LoopError(
                f"the loop '{opened.name}' has one pair only, the artefact itself, expected outputs for cases",
                hint=f"tenward loop audit {loop} shows the change to read",
            )
        _show_change(opened, state)
        return
    audit = _opened(opened, state, cases)
    if page is not None:
        _write_page(opened, audit, cases, page)
        return
    audit = _ask(opened, audit, cases) if answers is None else _take(opened, audit, answers)
    if as_json:
        print_json(check_data(audit, cases))
    else:
        print_page(check_page(audit, cases, asked=opened.asked))


def _one_pair(opened: OpenedLoop, state: LoopState) -> bool:
    """Whether the artefact itself is judged.

    Raises:
        LoopError: There is nothing that a person could compare.
    """
    spec = opened.need_spec()
    if spec.score.number is not None:
        raise LoopError(
            f"the loop '{opened.name}' is scored by a number that a command prints, expected outputs for a person",
            hint="a number has no taste that a person could correct; whether it is the right number is yours to say",
        )
    if state.incumbent == state.baseline:
        raise LoopError(
            f"the loop '{opened.name}' has kept nothing yet, so its first and its last version are the same",
            hint=f"tenward loop run {opened.asked} goes on",
        )
    return spec.produce is None


def _show_change(opened: OpenedLoop, state: LoopState) -> None:
    from tenward.cli._loop_views import print_diff

    note(_ONE_PAIR)
    print_diff(opened.record.trees.diff(state.baseline, state.incumbent))


def _opened(opened: OpenedLoop, state: LoopState, cases: int) -> Audit:
    """The check that is kept, or a new one; outputs that there are none of are made."""
    from tenward.loop import read_audit, write_audit

    record = opened.record
    kept = read_audit(record)
    same = kept is not None and (kept.first, kept.last) == (state.baseline, state.incumbent)
    if kept is not None and same and (kept.complete or len(kept.pairs) >= cases):
        return kept
    opened.require_rest()
    import asyncio

    from tenward.evaluation import Store
    from tenward.loop import Engine

    with Store.open() as store, working("making the outputs that are not there yet"):
        engine = Engine(opened.need_spec(), record, store, top=opened.top, library=opened.library)
        audit = asyncio.run(engine.draw_audit(cases))
    if kept is not None and same:
        known = {pair.case for pair in kept.pairs}
        more = tuple(pair for pair in audit.pairs if pair.case not in known)
        audit = replace(kept, pairs=(*kept.pairs, *more), complete=audit.complete)
    elif kept is not None:
        audit = replace(audit, commit=kept.commit)
        if kept.given:
            note(f"the {kept.given} answers about {kept.last[:12]} stay in git; these are about {audit.last[:12]}")
    return write_audit(record, audit)


def _ask(opened: OpenedLoop, audit: Audit, cases: int) -> Audit:
    """Ask in the terminal, pair by pair; each answer is kept before the next is asked for."""
    from tenward.loop import write_audit

    waiting = audit.waiting(cases)
    if not waiting:
        return audit
    total = len(audit.to_ask(cases))
    _introduce(audit)
    for pair in waiting:
        _show(audit, pair, f"{total - len(audit.waiting(cases)) + 1} of {total}")
        try:
            scores = _answer(pair)
        except EOFError:
            note(f"what was answered is kept; tenward loop audit {opened.asked} goes on")
            break
        audit = write_audit(opened.record, audit.answered(pair, scores))
    return audit


def _introduce(audit: Audit) -> None:
    matter = audit.matter
    note(matter.about)
    for name, ask in matter.criteria.items():
        note(f"  {name}: {ask}")
    note(f"Score each {matter.output} as a whole: {_ASKED}.")


def _show(audit: Audit, pair: AuditPair, place: str) -> None:
    note("")
    _heading(f"Pair {place}", strong=True)
    for name, text in ((audit.matter.input, pair.input), ("context", pair.context)):
        if text.strip():
            lines = text.rstrip().split("\n")
            _heading(name)
            note("\n".join(lines[:_LONGEST_INPUT]))
            if len(lines) > _LONGEST_INPUT:
                note(f"[{len(lines) - _LONGEST_INPUT} more lines; --page shows all]")
    for letter, text in zip("AB", pair.sides, strict=True):
        _heading(f"{audit.matter.output} {letter}", strong=True)
        note(text.rstrip() or "(nothing was written)")


def _heading(text: str, *, strong: bool = False) -> None:
    told = clean(text)
    click.echo(click.style(told, bold=strong, dim=not strong) if lively() else told, err=True)


def _answer(pair: AuditPair) -> AuditScores | None:
    """The scores; None where a person passes.

    Raises:
        EOFError: They stop.
    """
    while True:
        click.echo("A B> ", nl=False, err=True)
        line = sys.stdin.readline()
        words = line.strip().lower()
        if not line:
            note("")
        if not line or words in ("q", "quit"):
            raise EOFError
        if words in ("s", "skip"):
            return None
        if found := _SCORES.fullmatch(words):
            return pair.scores(int(found[1]), int(found[2]))
        note(f"found {line.strip()!r}, expected {_ASKED}")


def _write_page(opened: OpenedLoop, audit: Audit, cases: int, path: Path) -> None:
    from tenward.cli._files import check_writable
    from tenward.reports import AuditPageView, BlindPair, render_audit, write_report

    check_writable(path)
    waiting = audit.waiting(cases)
    if not waiting:
        raise UsageError(
            f"found no pair among {len(audit.drawn(cases))} cases that is still to be answered",
            hint=f"tenward loop audit {opened.asked} shows the result; --cases N draws more",
        )
    view = AuditPageView(
        loop=opened.name,
        about=audit.matter.about,
        criteria=audit.matter.criteria,
        output=audit.matter.output,
        input=audit.matter.input,
        pairs=[
            BlindPair(token=pair.token, input=pair.input, context=pair.context, a=pair.sides[0], b=pair.sides[1])
            for pair in waiting
        ],
    )
    write_report(path, render_audit(view))
    note(f"wrote {path} with {len(waiting)} pairs; open it in a browser, download the answers, and then")
    note(f"tenward loop audit {opened.asked} --answers FILE.json")


def _take(opened: OpenedLoop, audit: Audit, path: Path) -> Audit:
    """Take in a file of answers; all of it, or nothing."""
    from tenward.loop import write_audit

    by_token = {pair.token: pair for pair in audit.pairs}
    found = _read_answers(path, opened.name)
    before = audit
    for token, scores in found.items():
        pair = by_token.get(token)
        if pair is None:
            raise UsageError(
                f"{path}: found the pair {token[:40]!r}, which is none of this check",
                hint="the loop has another version now, or the file comes from another repository: write a new page",
            )
        try:
            audit = audit.answered(pair, None if scores is None else pair.scores(*scores))
        except ValueError as error:
            raise UsageError(f"{path}: pair {token}: {error}") from error
    if audit != before:
        audit = write_audit(opened.record, audit)
    note(f"took {len(found)} answers from {path}")
    return audit


def _read_answers(path: Path, loop: str) -> dict[str, tuple[int, int] | None]:
    """The scores of A and B by pair.

    Raises:
        UsageError: The file is none that a page has written, or one of another loop.
    """
    hint = "it is the file that the page of tenward loop audit --page has let you download"
    try:
        data: object = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as answers ({error})", hint=hint) from error
    answers = data.get("answers") if is_mapping(data) else None
    if not is_mapping(data) or not is_mapping(answers) or data.get("human_check") != 1:
        raise UsageError(f"{path}: found other data, expected the answers of a human check", hint=hint)
    if data.get("loop") != loop:
        raise UsageError(f"{path}: found answers about the loop {data.get('loop')!r}, expected '{loop}'", hint=hint)
    found: dict[str, tuple[int, int] | None] = {}
    for token, scores in answers.items():
        if scores is None:
            found[str(token)] = None
            continue
        if not is_list(scores) or len(scores) != 2 or not all(type(score) is int for score in scores):
            raise UsageError(f"{path}: pair {token}: found {scores!r}, expected two whole numbers", hint=hint)
        found[str(token)] = (int(scores[0]), int(scores[1]))
    return found
