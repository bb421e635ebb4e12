"""Decision rules in a simulated world, or over recorded scores: true gain, false keeps and calls. No network.

Run: python benchmarks/decisions.py [table] [--rows main|all|NAME …] [--runs 200] [--json] [--plot PATH] [--quick]
     python benchmarks/decisions.py dial [--rows NAME …] [--runs 100] [--json] [--quick]
     python benchmarks/decisions.py scale [--json]
     python benchmarks/decisions.py replay FILE [--dev 30] [--orders 400] [--json]

The rules are those of ``tenward.decisions``, and so are calibration, learning and headline. Only the world is made up.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from deciding.contenders import CONTENDERS, TENWARD
from deciding.dial import RATIOS, print_dial, turn
from deciding.matrix import read_matrix
from deciding.plot import draw
from deciding.replay import replay
from deciding.scale import flat, in_a_row, print_scale
from deciding.table import HEADLINE_ROWS, ROWS, as_json, cost_per_look, measure, print_table

SHOWN = ("judge .12, cases .10", "judge .20, cases .10", "5 % fooling")


def main() -> None:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser("table", help="the simulated world")
    table.add_argument("--rows", nargs="+", default=["main"], help="main, all, or names of rows")
    table.add_argument("--rules", nargs="+", help="names of rules; strictly greater is always there")
    table.add_argument("--runs", type=int, default=200, help="runs a row and rule")
    table.add_argument("--calls", type=int, default=6000, help="judge calls a run may spend")
    table.add_argument("--proposals", type=int, help="proposals a run meets, whatever they cost, instead of calls")
    table.add_argument("--first-seed", type=int, default=100_000)
    table.add_argument("--plot", type=Path, help="write a picture (SVG) of three rows")
    table.add_argument("--quick", action="store_true", help="a smoke run: 2 runs of 600 calls")
    table.add_argument("--json", action="store_true", help="print JSON and nothing else")
    dial = commands.add_parser("dial", help="the dial `drop`, by what a proposal costs")
    dial.add_argument("--rows", nargs="+", default=list(SHOWN), help="names of rows")
    dial.add_argument("--runs", type=int, default=100, help="runs a price and place of the dial")
    dial.add_argument("--first-seed", type=int, default=100_000)
    dial.add_argument("--quick", action="store_true", help="a smoke run: 2 runs at one price")
    dial.add_argument("--json", action="store_true", help="print JSON and nothing else")
    scale = commands.add_parser("scale", help="the default rule on other scales, and forty alike in a row")
    scale.add_argument("--json", action="store_true", help="print JSON and nothing else")
    again = commands.add_parser("replay", help="recorded scores; the format is in benchmarks/README.md")
    again.add_argument("file", type=Path)
    again.add_argument("--dev", type=int, default=30, help="items of the dev split; the others are sealed")
    again.add_argument("--orders", type=int, default=400, help="random orders of the systems")
    again.add_argument("--budget", type=int, help="scores a climb may read, systems drawn again; default: each once")
    again.add_argument("--seed", type=int, default=1)
    again.add_argument("--json", action="store_true", help="print JSON and nothing else")
    words = sys.argv[1:]
    if not words or (words[0].startswith("-") and words[0] not in {"-h", "--help"}):
        words.insert(0, "table")
    options = parser.parse_args(words)
    if options.command == "replay":
        _replay(options)
    elif options.command == "dial":
        _dial(options)
    elif options.command == "scale":
        _scale(options)
    else:
        _table(options)


def _table(options: argparse.Namespace) -> None:
    if options.quick:
        options.runs, options.calls = 2, 600
    named = {"main": list(HEADLINE_ROWS), "all": list(ROWS)}
    rows = [row for name in options.rows for row in named.get(name, [name])]
    if unknown := [row for row in rows if row not in ROWS]:
        raise SystemExit(f"--rows: found {unknown[0]!r}; expected main, all, or some of: {'; '.join(ROWS)}")
    rules = [one for one in CONTENDERS if options.rules is None or one.name in options.rules]
    results = measure(
        rows,
        rules,
        runs=options.runs,
        calls=options.calls,
        first_seed=options.first_seed,
        proposals=options.proposals,
    )
    told = list(results) if options.json else print_table(results)
    cost = cost_per_look(TENWARD, runs=min(options.runs, 20), calls=options.calls, first_seed=options.first_seed)
    if options.json:
        print(json.dumps({"calls": options.calls, "ms_per_look": cost, "results": as_json(told)}, indent=1))
    else:
        print(f"\n{TENWARD.name}: {cost:.3f} ms inside the rule per look")
    if options.plot:
        options.plot.write_text(draw(told, [row for row in SHOWN if row in rows], TENWARD.name), encoding="utf-8")


def _dial(options: argparse.Namespace) -> None:
    if unknown := [row for row in options.rows if row not in ROWS]:
        raise SystemExit(f"--rows: found {unknown[0]!r}; expected some of: {'; '.join(ROWS)}")
    runs, ratios = (2, (100.0,)) if options.quick else (options.runs, RATIOS)
    results = turn(options.rows, runs=runs, first_seed=options.first_seed, ratios=ratios)
    if options.json:
        print(json.dumps([asdict(one) for one in results], indent=1))
    else:
        print_dial(results)


def _scale(options: argparse.Namespace) -> None:
    tables = {
        "true gain in standard deviations over cases; the rule knows differences only": flat(),
        "the same; a calibration has seen how far cases lie apart": flat(cases_unit=10.0),
        "true gain, forty candidates in a row": in_a_row(),
    }
    if options.json:
        print(json.dumps([[asdict(cell) for cell in cells] for cells in tables.values()], indent=1))
        return
    for title, cells in tables.items():
        print_scale(cells, title=title)


def _replay(options: argparse.Namespace) -> None:
    matrix = read_matrix(options.file)
    results = replay(matrix, dev=options.dev, orders=options.orders, seed=options.seed, budget=options.budget)
    if options.json:
        print(json.dumps([asdict(one) for one in results], indent=1))
        return
    spread = max(matrix.truth) - min(matrix.truth)
    against = "human ratings" if matrix.human else "the mean of all items"
    print(
        f"{len(matrix.systems)} systems, {len(matrix.items)} items, truth: {against}, from worst to best {spread:.3f}"
    )
    print(f"{'':36}gain         reached    met  keeps  false keeps  scores/decision")
    for one in results:
        wrong = "–" if one.false_keeps is None else f"{100 * one.false_keeps:.1f} %"
        print(
            f"{one.rule:36}{one.gain:.3f}±{one.gain_se:.3f}  {one.reached:7.3f}  {one.candidates:5.0f}  "
            f"{one.keeps:5.2f}  {wrong:>11}  {one.calls_per_decision:15.1f}"
        )


if __name__ == "__main__":
    main()
