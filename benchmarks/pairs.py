"""How often the judge reads the better of two revisions higher, from readings that fit_scales.py has saved. No model.

Run: python benchmarks/fit_scales.py read code-review code-revisions --save READINGS      first: judge, raw
     python benchmarks/pairs.py code-review READINGS

A pair are the cases NAME-better and NAME-worse. Per criterion: over the pairs whose ratings differ in it, the share
that is read in the right order (ties count half), with its exact 95 % interval (Clopper and Pearson, 1934); then the
weighted sum over all pairs, raw and mapped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy import stats

from tenward.judges import Judge
from tenward.rubrics import Rubric

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = dict[str, Any]


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rubric")
    parser.add_argument("readings", type=Path)
    parser.add_argument("--judge", default="local")
    options = parser.parse_args()
    rubric = Rubric.load(options.rubric)
    maps = Judge.load(options.judge).scale(rubric).maps
    lo, hi = rubric.scale.lo, rubric.scale.hi
    rows: dict[str, Row] = {}
    for line in options.readings.read_text(encoding="utf-8").splitlines():
        row: Row = json.loads(line)
        rows[row["case"]] = row
    names = [name.removesuffix("-better") for name in rows if name.endswith("-better")]
    pairs = [(rows[f"{name}-better"], rows[f"{name}-worse"]) for name in names]

    def mapped(row: Row) -> dict[str, float]:
        return {n: maps[n].points(one, lo, hi) if n in maps else one for n, one in row["scores"].items()}

    def whole(scores: Mapping[str, float]) -> float:
        return sum(float(share) * scores[name] for name, share in rubric.shares.items())

    for name in rubric.criteria:
        differing = [(one, other) for one, other in pairs if one["human"][name] > other["human"][name]]
        differences = [one["scores"][name] - other["scores"][name] for one, other in differing]
        points = [mapped(one)[name] - mapped(other)[name] for one, other in differing]
        tell(name, differences, f"{mean(differences):+.3f} raw, {mean(points):+.2f} mapped")
    differences = [whole(one["scores"]) - whole(other["scores"]) for one, other in pairs]
    points = [whole(mapped(one)) - whole(mapped(other)) for one, other in pairs]
    tell("weighted sum, raw", differences, f"{mean(differences):+.3f}")
    tell("weighted sum, mapped", points, f"{mean(points):+.2f}")
    missed = [name for name, one in zip(names, points, strict=True) if one <= 0]
    print(f"wrong way round: {', '.join(missed) or 'none'}")


def mean(numbers: list[float]) -> float:
    """Their mean; 0 for none."""
    return sum(numbers) / len(numbers) if numbers else 0.0


def tell(name: str, differences: list[float], span: str) -> None:
    """One line of the table."""
    if not differences:
        print(f"{name:<22} no pair differs in it")
        return
    n, right = len(differences), sum((one > 0) + 0.5 * (one == 0) for one in differences)
    found = stats.binomtest(round(right), n).proportion_ci(0.95)
    print(f"{name:<22} {right:g} of {n} right ({right / n:.2f}, {found.low:.2f} to {found.high:.2f}), span {span}")


if __name__ == "__main__":
    main()
