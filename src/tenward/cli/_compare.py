"""``tenward compare``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tenward.cli._console import note, print_json, print_page, terminal_width
from tenward.cli._options import NumberRange
from tenward.errors import UsageError
from tenward.evaluation import Store, compare_runs, paired_results, result_as_dict

if TYPE_CHECKING:
    from tenward.evaluation import ComparedRun, Comparison, Difference

__all__ = ["command"]


@click.command("compare")
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@click.option(
    "--max-drop", type=NumberRange(0, 1), metavar="X", help="Exit with 1 if the mean value dropped by more than X."
)
@click.option(
    "--show",
    type=click.IntRange(0, 1000),
    default=3,
    show_default=True,
    metavar="N",
    help="Show the N cases that moved most, with both texts.",
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Write an HTML report.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), metavar="F", help="Another store file.")
def command(
    run_a: str,
    run_b: str,
    max_drop: float | None,
    show: int,
    html: Path | None,
    as_json: bool,
    store: Path | None,
) -> int:
    """Compare two runs case by case; above 0, RUN_B is better.

    A run is named by its id, by a unique start of it, or by "last". Both must have judged the same cases in the same
    way; what was judged, the outputs, may differ.

    \b
        tenward compare summaries-20261123-0415 last
        tenward compare summaries-20261123-0415 last --max-drop 0.02 --html changes.html
    """  # noqa: D301 - click looks for the backspace character itself
    if store is not None and not store.exists():
        raise UsageError(f"--store: found no file {store}, expected a store of runs", hint="tenward eval makes one")
    with Store.open(store, read_only=True) as kept:
        a, b = kept.run(run_a), kept.run(run_b)
        comparison = compare_runs(kept, a, b, most_moved=show)
        if html is not None:
            _write_html(html, kept, comparison)
        for name, record in (("A", a), ("B", b)):
            standing = kept.standing(record)
            if standing != "finished":
                why = f": {record.note}" if record.note else ""
                note(f"note: run {name} {record.id} is not finished: {standing}{why}")
    if as_json:
        print_json(_as_dict(comparison))
    else:
        from tenward.cli._compare_view import comparison_view

        print_page(comparison_view(comparison, width=terminal_width()))
    return _exit_code(comparison, max_drop)


def _exit_code(comparison: Comparison, max_drop: float | None) -> int:
    if max_drop is None:
        return 0
    if comparison.value is None:
        note("--max-drop cannot be checked: no case was scored in both runs")
        return 3
    drop = -comparison.value.mean
    if drop > max_drop + 1e-12:  # a drop of 0.1 that was added up from differences is no more than 0.1
        note(f"the mean value dropped by {drop:.4f}, more than --max-drop {max_drop:g}")
        return 1
    return 0


def _write_html(path: Path, store: Store, comparison: Comparison) -> None:
    from tenward.reports import CasePair, ComparisonView, render_comparison, write_report

    a, b = comparison.a, comparison.b
    pairs = [
        CasePair(case=pair.b.case, result_a=pair.a, result_b=pair.b, difference=pair.difference)
        for pair in paired_results(store, a.record, b.record)
    ]
    view = ComparisonView(
        record_a=a.record,
        record_b=b.record,
        summary_a=a.summary,
        summary_b=b.summary,
        pairs=pairs,
        value=comparison.value,
        quality=comparison.quality,
        criteria=comparison.criteria,
        disagreements=[one.text for one in comparison.disagreements],
        opinion=comparison.opinion,
        only_a=a.only,
        only_b=b.only,
    )
    write_report(path, render_comparison(view))
    note(f"wrote {path}")


def _as_dict(comparison: Comparison) -> dict[str, Any]:
    return {
        "disagreements": [asdict(one) for one in comparison.disagreements],
        "headline": comparison.headline,
        "intervals": comparison.opinion,
        "a": _run_as_dict(comparison.a),
        "b": _run_as_dict(comparison.b),
        "pairs": comparison.pairs,
        "value": _difference(comparison.value),
        "quality": _difference(comparison.quality),
        "criteria": {name: _difference(difference) for name, difference in comparison.criteria.items()},
        "moved": [
            {
                "case": pair.b.case.id,
                "difference": pair.difference,
                "a": result_as_dict(pair.a) | {"output": pair.a.case.output},
                "b": result_as_dict(pair.b) | {"output": pair.b.case.output},
            }
            for pair in comparison.moved
        ],
    }


def _run_as_dict(run: ComparedRun) -> dict[str, Any]:
    record, summary = run.record, run.summary
    return {
        "run": record.id,
        "created": record.created,
        "status": record.status,
        "dataset": record.dataset,
        "dataset_digest": record.dataset_digest,
        "split": record.split,
        "rubric": record.rubric.rubric,
        "judge": record.judge,
        "scale": record.scale.as_dict(),
        "cases": summary.cases,
        "scored": summary.scored,
        "coverage": summary.coverage,
        "only": list(run.only),
        "unscored": list(run.unscored),
        "gated": list(run.gated),
    }


def _difference(difference: Difference | None) -> dict[str, Any] | None:
    return None if difference is None else asdict(difference)
