"""What the shipped maps make of readings they were not fitted to, beside people's ratings. No model, no network.

Run: python benchmarks/agreement.py FILE.jsonl.gz --half report --save READINGS      first: judge, raw
     python benchmarks/calibration.py RUBRIC READINGS [--plot docs/concepts/scale.svg]

Per criterion: mean and standard deviation of people's ratings, of raw and of mapped readings; the spread of the
mapped ones as a share of people's; how far their mean is off; the root mean squared error beside that of always
saying people's mean; and Spearman's ρ, which a map cannot change.
"""

from __future__ import annotations

import argparse
import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from tenward.judges import Judge
from tenward.rubrics import Rubric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rubric")
    parser.add_argument("readings", type=Path, nargs="+", help="what agreement.py saved")
    parser.add_argument("--judge", default="local")
    parser.add_argument("--plot", type=Path, help="write a picture (SVG) of raw and mapped readings against ratings")
    options = parser.parse_args()
    rubric, judge = Rubric.load(options.rubric), Judge.load(options.judge)
    scale = judge.scale(rubric)
    rows: list[dict[str, Any]] = [
        json.loads(line) for path in options.readings for line in path.read_text().splitlines()
    ]
    print(f"{rubric.rubric}, {judge.name}: {len(rows)} texts of {len({row['group'] for row in rows})} sources")
    print(
        "criterion            people        raw           mapped        spread  bias   error  constant  rho    same rho"
    )
    panels: list[tuple[str, Array, Array, Array]] = []
    lo, hi = rubric.scale.lo, rubric.scale.hi
    for name in rubric.criteria:
        pairs = [(row["scores"].get(name), row["human"].get(name)) for row in rows]
        there = np.array([(raw, human) for raw, human in pairs if raw is not None and human is not None])
        if not len(there) or name not in scale.maps:
            print(f"{name:<20} {'no ratings' if not len(there) else 'no map: raw'}")
            continue
        raw, human = there[:, 0], there[:, 1]
        mapped = np.array([scale.maps[name].points(float(one), lo, hi) for one in raw])
        rho, again = rank_correlation(raw, human), rank_correlation(mapped, human)
        error, alone = float(np.sqrt(((mapped - human) ** 2).mean())), float(human.std())
        spreads = "  ".join(f"{one.mean():.2f} ± {one.std():.2f}" for one in (human, raw, mapped))
        ratio, bias = mapped.std() / human.std(), mapped.mean() - human.mean()
        print(
            f"{name:<20} {spreads}  {ratio:6.2f}  {bias:+.2f}  {error:.3f}  {alone:8.3f}  {rho:+.2f}  "
            f"{'yes' if abs(rho - again) < 1e-9 else f'no, {again:+.4f}'}"
        )
        panels.append((name, human, raw, mapped))
    if options.plot:
        options.plot.write_text(draw(panels, lo, hi), encoding="utf-8")


def rank_correlation(one: Array, other: Array) -> float:
    """Spearman's ρ."""
    found: Any = stats.spearmanr(one, other)
    return float(found.statistic)


WIDE, GAP, TOP, LEFT = 150, 26, 46, 40
_TITLE = "People’s rating (across) against the judge’s reading (up), one dot a text"
_LOOK = (
    'font-family="system-ui, sans-serif" font-size="11" role="img" '
    'aria-label="Raw readings lie in a narrow band; mapped ones spread as ratings do"'
)


def draw(panels: list[tuple[str, Array, Array, Array]], lo: int, hi: int) -> str:
    """Raw readings above, mapped ones below, against people's ratings; one column a criterion."""
    width, height = LEFT + len(panels) * (WIDE + GAP), TOP + 2 * (WIDE + 34) + 8
    jitter = np.random.default_rng(0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_LOOK}>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="16" font-size="13" font-weight="600" fill="#222">{_TITLE}</text>',
    ]
    for column, (name, human, raw, mapped) in enumerate(panels):
        x0 = LEFT + column * (WIDE + GAP)
        parts.append(f'<text x="{x0}" y="36" fill="#222" font-weight="600">{escape(name)}</text>')
        for line, (values, colour) in enumerate(((raw, "#b3541e"), (mapped, "#1b6e4b"))):
            y0 = TOP + line * (WIDE + 34)
            parts.append(f'<rect x="{x0}" y="{y0}" width="{WIDE}" height="{WIDE}" fill="#f7f7f5" stroke="#ccc"/>')
            parts.append(f'<path d="M{x0} {y0 + WIDE}L{x0 + WIDE} {y0}" stroke="#bbb" stroke-dasharray="3 3"/>')
            for level in range(lo, hi + 1):
                at = (level - lo + 0.35) / (hi - lo + 0.7) * WIDE
                parts.append(
                    f'<text x="{x0 + at:.1f}" y="{y0 + WIDE + 13}" fill="#666" text-anchor="middle">{level}</text>'
                )
                if column == 0:
                    parts.append(
                        f'<text x="{x0 - 8}" y="{y0 + WIDE - at + 4:.1f}" fill="#666" text-anchor="end">{level}</text>'
                    )
            for rating, value in zip(human, values, strict=True):
                x = x0 + (rating - lo + 0.35 + jitter.uniform(-0.06, 0.06)) / (hi - lo + 0.7) * WIDE
                y = y0 + WIDE - (value - lo + 0.35) / (hi - lo + 0.7) * WIDE
                parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{colour}" fill-opacity=".55"/>')
            parts.append(
                f'<text x="{x0 + 5}" y="{y0 + 13}" fill="{colour}" font-weight="600">{("raw", "mapped")[line]}</text>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
