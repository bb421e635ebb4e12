"""``tenward eval``."""

from __future__ import annotations

import asyncio
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from tenward.cli._common import announce_files, announce_scale, check_default_judge
from tenward.cli._console import note, print_json, print_page
from tenward.cli._files import check_writable, write_run_report, write_text
from tenward.cli._options import ExplainCommand, NumberRange, explain_option, raw_option
from tenward.cli._produce import explain_lost, produce_options, producer_for
from tenward.datasets import DataSet
from tenward.errors import UnknownNameError, UsageError
from tenward.evaluation import ShownScale, Store, count_cases, plan_dataset, run_as_dict, run_dataset
from tenward.judges import Judge, Usage
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Iterable, Sequence

    from tenward.cli._progress import ProgressLine
    from tenward.datasets import Case, Split
    from tenward.evaluation import Producer, Progress, Result, Run
    from tenward.judges import Explain

__all__ = ["command"]

_ROUNDING = 1e-9  # a mean of ten times 0.9 is not to fail a limit of 0.9


@click.command("eval", cls=ExplainCommand)
@click.argument("dataset", metavar="DATASET")
@click.option("-r", "--rubric", required=True, metavar="R", help="Rubric: a name, or the path of a YAML file.")
@click.option(
    "-j", "--judge", default="local", show_default=True, metavar="J", help="Judge: a name or the path of a YAML file."
)
@produce_options
@click.option("--split", type=click.Choice(["dev", "sealed", "all"]), default="all", show_default=True)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N cases.")
@explain_option
@raw_option
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be asked and what it may cost; ask nothing.")
@click.option("--max-usd", type=NumberRange(0), metavar="N", help="Stop, resumably, before N US dollars.")
@click.option("--max-calls", type=click.IntRange(0), metavar="N", help="Stop, resumably, after N calls.")
@click.option(
    "--concurrency", type=click.IntRange(1, 1000), default=16, show_default=True, metavar="N", help="Calls at once."
)
@click.option("--no-cache", is_flag=True, help="Ask again what was asked before; the new answers are kept.")
@click.option("--repeat", type=click.IntRange(0), default=0, metavar="N", help="Number of the pass, to judge again.")
@click.option("--why-missed", is_flag=True, help="Say what changed since the answers that the cache did not have.")
@click.option("--fail-under", type=NumberRange(1, 10), metavar="Q", help="Exit with 1 if the mean quality is below Q.")
@click.option("--min-coverage", type=NumberRange(0, 1), metavar="C", help="Exit with 1 if less was scored.")
@click.option("--fit-mix", is_flag=True, help="Also fit the mix of judge and references to human ratings.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Write a JUnit file.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Write an HTML report.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Another store file.")
def command(
    dataset: str,
    rubric: str,
    judge: str,
    produce: Path | None,
    model: str | None,
    max_tokens: int | None,
    produce_command: str | None,
    produce_env: tuple[str, ...],
    split: str,
    limit: int | None,
    explain: Explain,
    raw: bool,
    only_plan: bool,
    max_usd: float | None,
    max_calls: int | None,
    concurrency: int,
    no_cache: bool,
    repeat: int,
    why_missed: bool,
    fail_under: float | None,
    min_coverage: float | None,
    fit_mix: bool,
    junit: Path | None,
    html: Path | None,
    as_json: bool,
    store: Path | None,
) -> int:
    """Judge every case of a data set, after producing its output where you say how.

    DATASET is a name, or the path of a .jsonl or .csv file. What was judged is kept in .tenward/store.sqlite: the
    same command after an interruption goes on where it ended, and nothing is paid twice.

    \b
        tenward eval summaries --rubric summary --html out.html
        tenward eval commit-subjects --rubric commit-subject --produce prompts/subject.md --model local
        tenward eval mine.jsonl --rubric summary --judge gpt --plan
        tenward eval mine.jsonl --rubric summary --fail-under 7 --junit report.xml
    """  # noqa: D301 - click looks for the backspace character itself
    from tenward.cli._progress import show_progress
    from tenward.cli._run_views import plan_view, run_view
    from tenward.tracing import open_trace

    if only_plan and why_missed:
        raise UsageError(
            "found --why-missed and --plan, expected one of the two",
            hint="--plan counts the answers that the cache has; a run with --why-missed says why it lacked the others",
        )
    library = Library.discover()
    if click.get_current_context().get_parameter_source("judge") is ParameterSource.DEFAULT:
        check_default_judge(library, judge)
    loaded = Rubric.load(rubric, library=library)
    who = Judge.load(judge, library=library, raw=raw)
    data = DataSet.load(dataset, library=library)
    announce_files(library, loaded, rubric, judge)
    scale = ShownScale.of(who, loaded)
    announce_scale(scale)
    producer = producer_for(
        library, who, prompt=produce, model=model, max_tokens=max_tokens, line=produce_command, env=produce_env
    )
    _check_files(data, junit, html)
    part: Split | None = None if split == "all" else "dev" if split == "dev" else "sealed"
    if fit_mix:
        _require_ratings(data.cases(part, limit), loaded, produced=producer is not None)
    if only_plan:
        count_cases(data, part, limit, produced=producer is not None)  # what would stop the run stops its plan
        with _store_if_there(store) as there:
            plan = plan_dataset(
                data,
                loaded,
                who,
                store=there,
                split=part,
                limit=limit,
                explain=explain,
                sample=repeat,
                producer=producer,
            )
        if as_json:
            told = {"dataset": data.name, "rubric": loaded.rubric, "judge": who.name, "scale": scale.as_dict()}
            print_json(told | plan.as_dict())
        else:
            print_page(plan_view(plan, dataset=data.name, rubric=loaded.rubric, judge=f"{who.name} · {scale.words}"))
        return 0
    with Store.open(store) as kept:
        with _resumable(), closing(open_trace()) as trace, show_progress() as shown:
            start = _ThisStart(shown)
            run = asyncio.run(
                _closing(
                    [who, *([producer] if producer is not None else [])],
                    run_dataset(
                        data,
                        loaded,
                        who,
                        store=kept,
                        split=part,
                        limit=limit,
                        explain=explain,
                        concurrency=concurrency,
                        max_usd=max_usd,
                        max_calls=max_calls,
                        use_cache=not no_cache,
                        sample=repeat,
                        producer=producer,
                        sink=trace,
                        on_progress=start.update,
                        command=click.get_current_context().obj or "",
                    ),
                )
            )
        if as_json:
            print_json(run_as_dict(run.record, run.summary, kept.results(run.record)))
        else:
            print_page(run_view(run, seconds=start.seconds, usage=start.usage, store=store))
        if producer is not None:
            explain_lost(kept, run)
        _write_files(kept, run, junit=junit, html=html, fail_under=fail_under)
        if fit_mix:
            _fit(kept, run)
        if why_missed:
            _explain_misses(run)
        return _exit_code(run, fail_under=fail_under, min_coverage=min_coverage)


class _ThisStart:
    """Shows progress, and adds up what this start of a run takes: the run may have been taken up."""

    def __init__(self, shown: ProgressLine) -> None:
        self._shown = shown
        self.usage = Usage()
        self.seconds = 0.0

    def update(self, progress: Progress, result: Result) -> None:
        if result.verdict is not None:
            self.usage += result.verdict.usage
        if result.produced is not None:
            self.usage += result.produced.usage
        self.seconds = progress.seconds
        self._shown.update(progress, result)


@contextmanager
def _store_if_there(path: Path | None) -> Generator[Store | None, None, None]:
    try:
        store = Store.open(path, read_only=True)
    except UnknownNameError:  # nothing was ever judged here
        yield None
        return
    with store:
        yield store


@contextmanager
def _resumable() -> Generator[None, None, None]:
    """Say after Ctrl-C what a person who pressed it wants to know."""
    try:
        yield
    except KeyboardInterrupt:
        note("what was judged is kept; the same command goes on from here")
        raise


T = TypeVar("T")


async def _closing(used: Sequence[Judge | Producer], work: Awaitable[T]) -> T:
    try:
        return await work
    finally:
        for one in used:
            await one.aclose()


def _write_files(kept: Store, run: Run, *, junit: Path | None, html: Path | None, fail_under: float | None) -> None:
    record = run.record
    if junit is not None:
        from tenward.evaluation import junit_xml

        text = junit_xml(record, kept.results(record), fail_under=fail_under)
        write_text(junit, text)
        note(f"wrote {junit}")
    if html is not None:
        write_run_report(kept, record, html)


def _check_files(data: DataSet, junit: Path | None, html: Path | None) -> None:
    for path in (junit, html):
        check_writable(path)
    files = [path.resolve() for path in (data.path, junit, html) if path is not None]
    if len(set(files)) < len(files):
        raise UsageError(
            "found one file for two of the data set, --junit and --html, expected a file for each",
            hint="name another file",
        )


def _require_ratings(cases: Iterable[Case], rubric: Rubric, *, produced: bool) -> None:
    """Refuse at once what ``--fit-mix`` cannot do, not when the run is paid for."""
    from tenward.evaluation import require_ratings

    if produced:
        raise UsageError(
            "found --fit-mix beside outputs that are yet to be produced, expected outputs that people have rated",
            hint="leave --fit-mix out, or judge the outputs that the cases hold",
        )
    require_ratings(cases, rubric)


def _fit(kept: Store, run: Run) -> None:
    from tenward.evaluation import fit_mix

    fitted = fit_mix(kept.results(run.record), run.record.rubric)
    note(fitted.headline)
    if fitted.yaml:
        note(f"put this into the rubric:\n\n{fitted.yaml}")


def _explain_misses(run: Run) -> None:
    calls = run.calls
    note(f"cache: {calls.hits} answers were there, {calls.misses} were asked for")
    # The schema of an answer follows from the questions and the scale, and says nothing more than they do.
    follows = {"schema"} if calls.missed_for.keys() & {"questions", "scale"} else set[str]()
    for component, count in calls.missed_for.most_common():
        if component in follows:
            continue
        why = "never asked before" if component == "new" else f"{component} changed"
        note(f"  {count} because {why}" if component != "cache" else f"  {count} because of --no-cache")


def _exit_code(run: Run, *, fail_under: float | None, min_coverage: float | None) -> int:
    summary, record = run.summary, run.record
    if record.status == "stopped":
        budget = run.calls.budget
        stuck = budget is not None and budget.exhausted and budget.calls == 0
        note(f"stopped: {record.note}; {'raise the limit to go on' if stuck else 'the same command goes on from here'}")
        return 3
    if summary.scored == 0:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.failures.items())
        note(f"no case was scored ({kinds or 'every case failed a gate'})")
        return 1 if summary.gated == summary.cases else 3
    failed: list[str] = []
    quality = summary.quality.mean if summary.quality else 0.0
    if fail_under is not None and quality < fail_under - _ROUNDING:
        failed.append(f"the mean quality is {quality:.2f}, below --fail-under {fail_under:g}")
    if min_coverage is not None and summary.coverage < min_coverage - _ROUNDING:
        failed.append(f"{summary.coverage:.1%} was scored, below --min-coverage {min_coverage:g}")
    for line in failed:
        note(line)
    return 1 if failed else 0
