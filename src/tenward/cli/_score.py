"""``tenward score``."""

from __future__ import annotations

import asyncio
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from tenward.cli._common import announce_files, announce_scale, check_default_judge
from tenward.cli._console import note, print_json, print_page, terminal_width, working
from tenward.cli._options import ExplainCommand, NumberRange, explain_option, raw_option
from tenward.datasets import Target, read_target
from tenward.errors import UsageError
from tenward.evaluation import Result, ShownScale, best_first, close_calls, evaluate_case, result_as_dict
from tenward.judges import Judge
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tenward.judges import Explain

__all__ = ["command", "results_as_dict", "score_targets", "show_results"]

_AT_ONCE = 8


@click.command("score", cls=ExplainCommand)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("-r", "--rubric", required=True, metavar="R", help="Rubric: a name, or the path of a YAML file.")
@click.option(
    "-j", "--judge", default="local", show_default=True, metavar="J", help="Judge: a name or the path of a YAML file."
)
@click.option(
    "--input", "input_", metavar="TEXT", help="What the target answers, such as the task; @FILE reads a file."
)
@click.option(
    "--reference", "references", multiple=True, metavar="TEXT", help="A known good output; @FILE; repeatable."
)
@explain_option
@raw_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
@click.option(
    "--fail-under",
    type=NumberRange(1, 10),
    metavar="Q",
    help="Exit with 1 if any quality is below Q (1 to 10), or any target fails a gate or a floor.",
)
def command(
    targets: tuple[str, ...],
    rubric: str,
    judge: str,
    input_: str | None,
    references: tuple[str, ...],
    explain: Explain,
    raw: bool,
    as_json: bool,
    fail_under: float | None,
) -> int:
    """Score one or more targets against a rubric.

    TARGET is a file, a folder, "-" for standard input, a git revision (the change it makes) or a range A..B.
    Several targets are ranked; neighbours that the judge cannot tell apart share a rank.

    \b
        tenward score README.md --rubric prompt
        git diff | tenward score - --rubric code-review
        tenward score main..my-branch --rubric code-review --explain
    """  # noqa: D301 - click looks for the backspace character itself
    library = Library.discover()
    if click.get_current_context().get_parameter_source("judge") is ParameterSource.DEFAULT:
        check_default_judge(library, judge)
    loaded = Rubric.load(rubric, library=library)
    who = Judge.load(judge, library=library, raw=raw)
    announce_files(library, loaded, rubric, judge)
    scale = ShownScale.of(who, loaded)
    announce_scale(scale)
    _check([*(target for target in targets if target == "-"), *_stdin_options(input_, references)])
    given_input = _text(input_, "--input") if input_ is not None else None
    given_references = [_text(reference, "--reference") for reference in references]
    read = [read_target(target, input=given_input, references=given_references) for target in targets]
    for target in read:
        for line in target.notes:
            note(f"note: {target.case.id}: {line}")
    if about := _without_input(read, loaded):
        note(about)
    with working(f"judging with {who.name} ..."):
        results = asyncio.run(score_targets(read, loaded, who, explain=explain))
    if as_json:
        print_json(results_as_dict(results, loaded, judge=who.name, scale=scale))
    else:
        show_results(results, judge=who.name, scale=scale, explained=bool(explain))
    return _exit_code(results, fail_under)


def _without_input(read: Sequence[Target], rubric: Rubric) -> str:
    """What is asked about an input that no target has; empty where nothing is."""
    name = rubric.names.input
    word = re.compile(rf"\b{re.escape(name)}\b")
    asked = [one for one, criterion in rubric.criteria.items() if word.search(str(criterion.ask))]
    if not asked or any(target.case.input for target in read):
        return ""
    verb = "asks" if len(asked) == 1 else "ask"
    return f"note: no {name} was given (--input), about which {' and '.join(asked)} {verb}"


async def score_targets(
    targets: Sequence[Target], rubric: Rubric, judge: Judge, *, explain: Explain = False
) -> list[Result]:
    """Score the targets, a few at once, and return the results in the order given."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(target: Target) -> Result:
        async with slots:
            return await evaluate_case(target.case, rubric, judge, explain=explain, folder=target.folder)

    try:
        return list(await asyncio.gather(*(one(target) for target in targets)))
    finally:
        await judge.aclose()


def results_as_dict(results: Sequence[Result], rubric: Rubric, *, judge: str, scale: ShownScale) -> dict[str, Any]:
    """Several results under one rubric as JSON-ready data, with the neighbours that are too close to call."""
    data: dict[str, Any] = {"rubric": rubric.rubric, "judge": judge, "scale": scale.as_dict()}
    calls = close_calls(best_first(results), scale)
    data["too_close_to_call"] = None if calls is None else [asdict(call) for call in calls]
    return data | {"results": [result_as_dict(result) for result in results]}


def show_results(results: Sequence[Result], *, judge: str, scale: ShownScale, explained: bool) -> None:
    """Print a single result; of several the ranking, after each that was explained, by request or by its model."""
    from tenward.cli._views import ranking, result_view

    if len(results) == 1:
        print_page(result_view(results[0], judge=judge, scale=scale))
        return
    for result in results:
        verdict = result.verdict
        if verdict is not None and (explained or verdict.words == "model" or result.status == "unscored"):
            print_page(result_view(result, judge=judge, scale=scale))
            click.echo()
    print_page(ranking(results, judge=judge, scale=scale, width=terminal_width()))


def _exit_code(results: Sequence[Result], fail_under: float | None) -> int:
    from tenward.cli._views import shared_failure

    unscored = [result for result in results if result.status == "unscored"]
    for result in unscored:
        assert result.verdict is not None
        shared = shared_failure(result.verdict.criteria)
        failures = result.verdict.failures if shared is None else {"all criteria": shared}
        for name, failure in failures.items():
            note(f"unscored: {result.case.id}: {name}: {failure.kind} ({failure.detail})")
    if unscored:
        return 3
    if fail_under is None:
        return 0
    failed = [result for result in results if not result.passed or (result.quality or 0) < fail_under]
    for result in failed:
        note(f"below --fail-under {fail_under:g}: {result.case.id}: {_why_failed(result)}")
    return 1 if failed else 0


def _why_failed(result: Result) -> str:
    if result.score is None:
        return ", ".join(f"gate failed: {gate.gate} ({gate.detail})" for gate in result.gates if not gate.passed)
    low = "".join(f", {name} below its floor" for name in result.score.below_floor)
    return f"quality {result.quality}{low}"


def _stdin_options(input_: str | None, references: Sequence[str]) -> list[str]:
    """What the options would read from standard input."""
    return [value for value in (input_, *references) if value == "@-"]


def _check(from_stdin: Sequence[str]) -> None:
    if len(from_stdin) > 1:
        raise UsageError(
            f"found {' and '.join(from_stdin)}, expected at most one text from standard input",
            hint="save the others in files",
        )


def _text(value: str, option: str) -> str:
    if not value.startswith("@"):
        return value
    if value == "@-":
        return read_target("-").case.output
    path = Path(value[1:])
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError:  # too long for a name
        is_file = is_folder = False
    if not is_file:
        found = "a folder" if is_folder else "no file"
        raise UsageError(
            f"{option}: found {found} {path}, expected a text file behind the @",
            hint="write @ and the path of a file, @- for standard input, or the text itself",
        )
    return read_target(str(path.absolute())).case.output
