"""Which scale scores are on, how far apart is enough, and who contradicts the judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tenward.judges import MAPPED_COMPONENTS, Judge
from tenward.rubrics import Rubric

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from tenward.testing import StubServer

    Run = Callable[..., CompletedProcess[str]]

MINE = ("-r", "mine", "-j", "stated")
OFF = "typically off by 0.9 points of 5"


@pytest.fixture(autouse=True)
def _server(server: StubServer) -> None:
    """Every test here has a model to ask."""


def calibrate(**changes: Any) -> None:
    """Write a map for the judge ``stated`` that takes 2 to 1.5 and 4 to 4.5, and is off by 0.9 points."""
    fingerprint = Judge.load("stated", raw=True).fingerprint(Rubric.load("mine"))
    one = {"knots": [[2, 1.5], [4, 4.5]]}
    maps = {
        "range": [1, 5],
        "fitted_for": {name: fingerprint[name] for name in MAPPED_COMPONENTS},
        "source": "ratings of two people",
        "error": 0.9,
        "criteria": {"clear": one, "kind": one},
    }
    data = {"scale": "stated/v1", "rubrics": {"mine/v1": maps | changes}}
    Path("judges/stated.scale.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")


def write(*grades: int) -> list[str]:
    """Write a text per grade and return their names."""
    names = [f"{grade}.txt" for grade in grades]
    for name, grade in zip(names, grades, strict=True):
        Path(name).write_text(f"grade {grade}", encoding="utf-8")
    return names


def cases(*rows: dict[str, Any]) -> None:
    """Write a data set."""
    lines = (json.dumps({"id": f"c{number}", **row}) for number, row in enumerate(rows))
    Path("cases.jsonl").write_text("\n".join(lines), encoding="utf-8")


def test_a_calibrated_score_is_a_grade_with_its_error(run: Run) -> None:
    """Quality stands large, beside what it is typically off by; the raw reading stands beside each score."""
    calibrate()
    write(4)
    ended = run("score", "4.txt", *MINE)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "4.txt   mine/v1 · stated/v1 · calibrated"
    assert lines[1].split()[-3:] == ["score", "raw", "weight"]
    assert lines[2].split()[-3:] == ["4.5", "4.00", "60%"]
    assert f"  quality 9/10   value 0.900   {OFF}" in lines


def test_raw_leaves_the_map_alone(run: Run) -> None:
    """``--raw`` shows what was read, which is no grade and is not printed as one; nothing is asked again."""
    calibrate()
    write(4)
    ended = run("score", "4.txt", *MINE, "--raw")
    lines = ended.stdout.splitlines()
    assert lines[0] == "4.txt   mine/v1 · stated/v1 · raw readings"
    assert "  read as 4.0 of 5   value 0.800   raw: compares texts, is no grade" in lines
    assert "8/10" not in ended.stdout


def test_a_map_that_does_not_fit_is_told_of(run: Run) -> None:
    """Where a map was fitted for other readings, they stay raw, and standard error says why."""
    calibrate(fitted_for={"rubric": "another"})
    write(4)
    ended = run("score", "4.txt", *MINE)
    assert "the map for mine/v1 was fitted for another rubric" in ended.stderr
    assert "raw readings" in ended.stdout.splitlines()[0]


def test_targets_that_are_too_close_share_a_rank(run: Run) -> None:
    """Half a point apart is less than the 0.9 that the judge can tell; the third is far enough."""
    calibrate()
    ended = run("score", *write(3, 5, 4), *MINE)
    lines = ended.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("rank"))
    rows = [line.split()[:3] for line in lines[start + 1 : start + 4]]
    assert rows == [["1=", "5.txt", "10/10"], ["1=", "4.txt", "9/10"], ["3", "3.txt", "6/10"]]
    told = " ".join(" ".join(lines[start + 4 :]).split())
    assert "5.txt and 4.txt are too close to call: 0.5 points apart, 0.9 are needed to be right three times of" in told
    assert OFF in told


def test_an_unknown_distance_is_told(run: Run) -> None:
    """Raw readings are ranked, as what was read, and it is said that nobody knows how far apart is enough."""
    ended = run("score", *write(3, 4), *MINE)
    told = " ".join(ended.stdout.split())
    assert "how far apart is enough is not known for this judge and rubric" in told
    assert "4.00 of 5" in told
    assert "10 " not in told.split("rank target")[1]


def test_the_data_hold_scale_and_raw(run: Run) -> None:
    """JSON names the scale, the raw reading per criterion, and the neighbours that are too close."""
    calibrate()
    data = json.loads(run("score", *write(5, 4), *MINE, "--json").stdout)
    assert (data["scale"]["label"], data["scale"]["error"]) == ("calibrated", 0.9)
    (call,) = data["too_close_to_call"]
    assert (call["first"], call["second"], call["apart"], call["needed"]) == ("5.txt", "4.txt", 0.5, 0.9)
    second = data["results"][1]
    assert (second["scale"], second["quality"]) == ("calibrated", 9)
    assert (second["criteria"]["clear"]["score"], second["criteria"]["clear"]["raw"]) == (4.5, 4)
    raw = json.loads(run("score", *write(5, 4), *MINE, "--json", "--raw").stdout)
    assert (raw["scale"]["label"], raw["too_close_to_call"]) == ("raw", None)
    assert raw["results"][1]["criteria"]["clear"]["raw"] is None


def test_a_run_says_its_scale_and_compares_only_on_one(run: Run, server: StubServer) -> None:
    """The headline, the list of runs and the data name the scale; a raw run and a calibrated one are not compared."""
    cases(*({"output": f"Case {number}, grade {number % 5 + 1}"} for number in range(10)))
    calibrate()
    assert run("eval", "cases.jsonl", *MINE, "--raw").returncode == 0
    asked = len(server.requests)
    ended = run("eval", "cases.jsonl", *MINE)
    lines = ended.stdout.splitlines()
    assert lines[0] == "cases   mine/v1 · stated/v1 · calibrated · 10 cases"
    assert lines[1].startswith("  quality 6.")
    assert lines[2] == f"  {OFF}, each case by itself"
    assert len(server.requests) == asked
    assert "mine/v1 · stated/v1 · calibrated" in run("runs").stdout
    refused = run("compare", "last~1", "last")
    assert refused.returncode == 2
    assert "scale: found raw in A and calibrated (map " in refused.stderr
    assert "--raw" in refused.stderr


def test_references_that_contradict_the_judge_come_first(run: Run, workspace: Path) -> None:
    """Where better readings are less like the references, that stands above the headline, and in the data."""
    rubric = (workspace / "rubrics/mine.yaml").read_text(encoding="utf-8")
    (workspace / "rubrics/mine.yaml").write_text(f"{rubric}references: {{chrf: 1}}\n", encoding="utf-8")
    rows = [
        {"output": f"grade {number % 5 + 1}{' other words' * (number % 5)}", "references": ["grade"]}
        for number in range(20)
    ]
    cases(*rows)
    ended = run("eval", "cases.jsonl", *MINE)
    told = ended.stdout.splitlines()[1]
    assert told.startswith("  judge and references order these cases against each other (Spearman -")
    data = json.loads(run("eval", "cases.jsonl", *MINE, "--json").stdout)
    assert data["summary"]["disagreements"][0]["against"] == "references"


def test_references_that_see_another_winner_come_first(run: Run, workspace: Path) -> None:
    """Of two runs the judge prefers the one, and the references the other: that is said before the headline."""
    rubric = (workspace / "rubrics/mine.yaml").read_text(encoding="utf-8")
    (workspace / "rubrics/mine.yaml").write_text(f"{rubric}references: {{chrf: 1}}\n", encoding="utf-8")
    same = {"references": ["a plain sentence about the cache"]}
    cases(*({"output": "a plain sentence about the cache, grade 2", **same} for _ in range(8)))
    run("eval", "cases.jsonl", *MINE)
    cases(*({"output": "wholly unlike it: grade 5", **same} for _ in range(8)))
    run("eval", "cases.jsonl", *MINE)
    lines = run("compare", "last~1", "last", "--html", "both.html").stdout.splitlines()
    told = "judge: B better in 8 of 8; references: A better in 8 of 8"
    assert lines[3] == told
    assert lines[4].startswith("B is better by ")
    page = (workspace / "both.html").read_text(encoding="utf-8")
    assert page.index(f"{told[:1].upper()}{told[1:]}.") < page.index("Difference, B")
    data = json.loads(run("compare", "last~1", "last", "--json").stdout)
    assert data["disagreements"][0]["text"] == told
    assert data["intervals"].startswith("95 % intervals are of what stated/v1 would say")
