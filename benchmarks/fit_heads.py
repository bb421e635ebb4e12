"""Fit the heads that ship with the embedded judge, and measure them on texts that took no part.

Run: python benchmarks/fit_heads.py read DATA --save FILE [--rubric R]       states of a rated file, or of a data set
     python benchmarks/fit_heads.py write judges/heads --from FOLDER         fit all rubrics that have states there
     python benchmarks/fit_heads.py report FILE --rubric R --heads FOLDER    heads on states of texts they never saw
     python benchmarks/fit_heads.py pairs FILE --rubric R --heads FOLDER     the better of any two texts of one source
     python benchmarks/fit_heads.py tune FILE --rubric R [--labels 50]       what so many labels would gain

FOLDER/decoys/RUBRIC.jsonl, if there, are states of empty texts (decoys.py).

States are JSON lines: case, group, ratings by criterion, characters, counts, and one state per criterion. A file
that is there is gone on with. DATA is a data set, or a gzipped file of public ratings that human_rated.py knows.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from human_rated import read_rated
from scipy import stats

from tenward.datasets import DataSet
from tenward.evaluation import StateOf, fit_general, fit_head, partial_rank_correlation, rank_correlation
from tenward.judges import Failure, Judge, ModelJudge, pack_state, unpack_state
from tenward.judges.heads import Head, HeadFile, TextState, load_head
from tenward.rubrics import Rubric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tenward.datasets import Case

    Array = NDArray[np.float64]

OURS = "of this project, rated by their author, a model, by the levels of the rubric; not by people"
SOURCES = {
    "summary": "summaries of articles of SummEval (Fabbri et al., 2021; Apache-2.0); experts' ratings",
    "review-comment": "review comments on diffs of CRScore (Naik et al., 2024; MIT); people's ratings",
    "code-review": f"small programs of the data sets code-revisions and code-pairs {OURS}",
} | {
    name: f"texts of the data set rated-{name} {OURS}"
    for name in ("answer", "commit-subject", "error-explanation", "prompt", "skill", "spec-quality")
}
_RESAMPLES = 1000
_LEAST = 25, 8


def main() -> None:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = parser.add_subparsers(dest="command", required=True)
    read = known.add_parser("read", help="read the states of rated texts")
    read.add_argument("data")
    read.add_argument("--rubric")
    read.add_argument("--save", type=Path, required=True)
    read.add_argument("--half", choices=["choose", "report", "all"], default="choose")
    read.add_argument("--groups", type=int, default=10**9)
    read.add_argument("--per-group", type=int, default=10**9)
    read.add_argument("--seed", type=int, default=0)
    write = known.add_parser("write", help="fit and write heads")
    write.add_argument("folder", type=Path)
    write.add_argument("--from", dest="states", type=Path, required=True, help="folder of RUBRIC.jsonl files of states")
    for name, words in (
        ("report", "measure a head"),
        ("pairs", "measure a head on pairs"),
        ("tune", "measure heads fitted to few labels"),
    ):
        one = known.add_parser(name, help=words)
        one.add_argument("states", type=Path)
        one.add_argument("--rubric", required=True)
        if name in {"report", "pairs"}:
            one.add_argument("--heads", type=Path, default=Path("judges/heads"))
        if name == "tune":
            one.add_argument("--labels", type=int, default=50)
            one.add_argument("--draws", type=int, default=20)
            one.add_argument(
                "--from", dest="others", type=Path, help="start from what other rubrics there have in common"
            )
    options = parser.parse_args()
    commands = {"read": read_all, "write": write_heads, "report": report, "pairs": pairs, "tune": tune}
    commands[options.command](options)


def read_all(options: argparse.Namespace) -> None:
    """Read the states of all texts that the file does not hold yet."""
    if options.data.endswith(".gz"):
        rated = read_rated(
            Path(options.data),
            half=options.half,
            groups=options.groups,
            per_group=options.per_group,
            seed=options.seed,
        )
        rubric, cases = Rubric.load(options.rubric or rated.rubric), list(rated.cases)
    else:
        rubric, cases = Rubric.load(options.rubric), list(DataSet.load(options.data).cases())
    there = {row["case"] for row in rows(options.save)} if options.save.exists() else set[str]()
    left = [case for case in sorted(cases, key=lambda case: case.group) if case.id not in there]
    asyncio.run(_read(left, rubric, options.save))


async def _read(cases: Sequence[Case], rubric: Rubric, save: Path) -> None:
    judge = Judge.load("local")
    assert isinstance(judge, ModelJudge)
    with save.open("a", encoding="utf-8") as file:
        for case in cases:
            text = await judge.read_states(case, rubric)
            if isinstance(text, Failure):
                print(f"{case.id}: {text.kind} {text.detail}")
                continue
            row = {
                "case": case.id,
                "group": case.group or case.id,
                "human": dict(case.human),
                "length": len(case.output),
                "states": [pack_state(state) for state in text.own.values()],
                "counts": text.counts.tolist(),
            }
            file.write(json.dumps(row) + "\n")
            file.flush()
    await judge.aclose()


def rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of states."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def texts(path: Path, rubric: Rubric, *, decoys: bool = False) -> list[StateOf]:
    """What was read and rated; ``decoys`` says that nobody rated it."""
    return [
        StateOf(
            case=row["case"],
            group=row["group"],
            state=replace(
                TextState.of(dict(zip(rubric.criteria, map(unpack_state, row["states"]), strict=True))),
                counts=np.array(row["counts"]),
            ),
            rating=row["human"],
            length=row["length"],
            decoy=decoys,
        )
        for row in rows(path)
    ]


def read_kinds(folder: Path) -> dict[str, list[StateOf]]:
    """What was read and rated under each rubric that has a file there."""
    return {path.stem: texts(path, Rubric.load(path.stem)) for path in sorted(folder.glob("*.jsonl"))}


def write_heads(options: argparse.Namespace) -> None:
    """Fit a head for every rubric that has states, print how well each does held out, and write them."""
    judge = Judge.load("local")
    assert isinstance(judge, ModelJudge)
    options.folder.mkdir(parents=True, exist_ok=True)
    kinds = read_kinds(options.states)
    print("a direction for all kinds, on each when it took no part:", _told(fit_general(kinds).left_out))
    for name, source in SOURCES.items():
        if name not in kinds:
            print(f"{name}: no states in {options.states}")
            continue
        rubric, known = Rubric.load(name), kinds[name]
        groups = len({text.group for text in known})
        others = {other: texts for other, texts in kinds.items() if other != name}
        general = fit_general(others) if others else None
        origin = f"{len(known)} {source}, of {groups} sources"
        empty = options.states / "decoys" / f"{name}.jsonl"
        if empty.exists():
            decoys = texts(empty, rubric, decoys=True)
            known = [*known, *decoys]
            origin += f"; beside {len(decoys)} empty ones (praise, filler) by program, taken for the lowest level"
        if others:
            origin += f"; started from what these have in common: {', '.join(others)}"
        fitted = fit_head(known, rubric, judge.states(rubric), origin, general=general, least=_LEAST)
        print(f"{name}: {len(known)} texts of {groups} sources, whole off by {fitted.data['error']} points")
        for criterion, one in fitted.criteria.items():
            told = one.data or {}
            given = f"; given length {told['given_length']:.2f}, length alone {told['length']:.2f}" if told else ""
            print(f"  {criterion:<18} {one.why}{given}")
        if fitted.data["criteria"]:
            (options.folder / f"local.{name}.json").write_text(json.dumps(fitted.data) + "\n", encoding="utf-8")


def _told(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number:.2f}" for name, number in numbers.items()) or "–"


def report(options: argparse.Namespace) -> None:
    """Print what a head makes of rated texts: their order, given length too, and their scale."""
    rubric = Rubric.load(options.rubric)
    known = texts(options.states, rubric)
    head = Head(load_head(options.heads / f"local.{rubric.rubric.partition('/')[0]}.json"))
    inside = sum(head.is_inside(text.state) for text in known)
    print(f"{rubric.rubric}: {len(known)} texts of {len({text.group for text in known})} sources, {inside} inside")
    heads = ("n", "Spearman", "95 %", "given length", "length", "sd ratio", "bias", "within 1 sd")
    print(f"{'criterion':<18}" + "".join(f"{one:>14}" for one in heads))
    every: list[tuple[float, float]] = []
    for name in head.file.criteria:
        rated = [(text, head.read(text.state)[name]) for text in known if name in text.rating]
        rating = np.array([text.rating[name] for text, _ in rated])
        said = np.array([reading.points for _, reading in rated])
        length = np.array([float(text.length) for text, _ in rated])
        low, high = _interval(said, rating, [text.group for text, _ in rated])
        every.append((rank_correlation(said, rating), partial_rank_correlation(said, rating, length)))
        within = np.mean([abs(text.rating[name] - reading.points) <= reading.spread for text, reading in rated])
        told = (
            str(len(rated)),
            f"{every[-1][0]:.3f}",
            f"{low:.2f} to {high:.2f}",
            f"{every[-1][1]:.3f}",
            f"{rank_correlation(length, rating):.2f}",
            f"{said.std() / rating.std():.2f}",
            f"{said.mean() - rating.mean():+.2f}",
            f"{within:.0%}",
        )
        print(f"{name:<18}" + "".join(f"{one:>14}" for one in told))
    rho, given = np.mean(every, axis=0).tolist()
    print(f"{'mean':<18}{rho:>28.3f}{given:>28.3f}")


def pairs(options: argparse.Namespace) -> None:
    """Print how often the weighted sum of a head has the better of two texts higher, by the kind of source."""
    rubric = Rubric.load(options.rubric)
    head = Head(load_head(options.heads / f"local.{rubric.rubric.partition('/')[0]}.json"))
    shares = {name: float(share) for name, share in rubric.shares.items() if name in head.file.criteria}
    by_group: dict[str, list[tuple[float, float]]] = {}
    for text in texts(options.states, rubric):
        found = head.read(text.state)
        said = sum(share * found[name].points for name, share in shares.items())
        whole = sum(float(share) * text.rating[name] for name, share in rubric.shares.items() if name in text.rating)
        by_group.setdefault(text.group, []).append((text.rating.get("value", whole), said))
    right: dict[str, list[float]] = {}
    for group, several in by_group.items():
        for (better, high), (worse, low) in itertools.permutations(several, 2):
            if better > worse:
                right.setdefault(group.rpartition("/")[0], []).append((high > low) + (high == low) / 2)
    for kind, some in {**right, "": [one for several in right.values() for one in several]}.items():
        share, interval = sum(some) / len(some), stats.binomtest(round(sum(some)), len(some)).proportion_ci(0.95)
        told = f"{sum(some):g} of {len(some)} right ({share:.2f}, {interval.low:.2f} to {interval.high:.2f})"
        print(f"{kind or 'all':<30} {told}")


def tune(options: argparse.Namespace) -> None:
    """Print how heads that were fitted to a few labelled texts order the others; labels come from whole sources."""
    rubric = Rubric.load(options.rubric)
    known = texts(options.states, rubric)
    judge = Judge.load("local")
    assert isinstance(judge, ModelJudge)
    groups = sorted({text.group for text in known})
    others = read_kinds(options.others) if options.others else {}
    others.pop(options.rubric, None)
    general = fit_general(others) if others else None
    found: dict[str, list[float]] = {}
    for draw in range(options.draws):
        order = random.Random(draw).sample(groups, len(groups))  # noqa: S311 - a sample, not a secret
        labelled: list[StateOf] = []
        while len(labelled) < options.labels:
            group = order.pop(0)
            labelled += [text for text in known if text.group == group][: options.labels - len(labelled)]
        rest = [text for text in known if text.group in set(order)]
        fitted = fit_head(labelled, rubric, judge.states(rubric), "draw", general=general, least=(10, 2), seed=draw)
        if not fitted.data["criteria"]:
            continue
        head = Head(HeadFile.model_validate(fitted.data))
        for name in head.file.criteria:
            rated = [text for text in rest if name in text.rating]
            said = np.array([head.read(text.state)[name].points for text in rated])
            found.setdefault(name, []).append(rank_correlation(said, np.array([text.rating[name] for text in rated])))
    for name, rhos in found.items():
        print(f"{name:<18} {len(rhos)} of {options.draws} draws hold out; Spearman on the rest {np.mean(rhos):.3f}")


def _interval(said: Array, rating: Array, groups: Sequence[str]) -> tuple[float, float]:
    """95 % bootstrap interval of the rank correlation, over sources."""
    at: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        at.setdefault(group, []).append(place)
    names, draws = sorted(at), np.random.default_rng(0)
    drawn: list[float] = []
    for _ in range(_RESAMPLES):
        chosen = [at[names[one]] for one in draws.integers(len(names), size=len(names)).tolist()]
        places = np.array([place for some in chosen for place in some])
        drawn.append(rank_correlation(said[places], rating[places]))
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return low, high


if __name__ == "__main__":
    main()
