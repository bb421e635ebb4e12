from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from tenward.testing import AutoJudge, Garbage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.testing import Reply, Request, StubServer

    Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def rated(workspace: Path) -> Path:
    """Return a data set whose texts are graded 3 to 5 by the stub judge and rated 1 to 5 by people who agree."""
    draw = random.Random(1)
    path = workspace / "rated.jsonl"
    lines: list[str] = []
    for number in range(30):
        grade = draw.choice([3, 4, 5])
        human = {"clear": 2.0 * grade - 5, "kind": float(draw.choice([1, 5]))}
        case = {
            "id": f"c{number}",
            "output": f"text {number}, grade {grade}",
            "human": human,
            "group": f"g{number % 10}",
        }
        lines.append(json.dumps(case))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_scale_is_fitted_written_and_used(run: Run, server: StubServer, workspace: Path, rated: Path) -> None:
    """The map stands beside the judge; from then on scores are points, and no question is asked again for it."""
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", str(rated), "--source", "Two of us.")
    assert ended.returncode == 0, ended.stderr
    assert "wrote" in ended.stderr
    assert "kind" in ended.stdout
    assert "stays raw" in ended.stdout
    file = yaml.safe_load((workspace / "judges/stub.scale.yaml").read_text(encoding="utf-8"))
    assert (file["scale"], file["rubrics"]["mine/v1"]["source"]) == ("stub/v1", "Two of us.")
    assert set(file["rubrics"]["mine/v1"]["criteria"]) == {"clear"}
    asked = len(server.requests)
    (workspace / "poor.txt").write_text("grade 3", encoding="utf-8")
    scored = json.loads(run("score", "poor.txt", "-r", "mine", "-j", "stub", "--json").stdout)
    assert scored["results"][0]["criteria"]["clear"]["score"] < 2
    assert 2 < scored["results"][0]["criteria"]["kind"]["score"] < 4
    assert len(server.requests) == asked + 2
    again = run("judge", "scale", "stub", "-r", "mine", "-d", str(rated), "-o", "other.scale.yaml")
    assert again.returncode == 0
    assert len(server.requests) == asked + 2  # what was read is kept


def test_maps_of_other_rubrics_stay(run: Run, server: StubServer, workspace: Path, rated: Path) -> None:
    """Fitting a second rubric adds to the file."""
    text = (workspace / "rubrics/mine.yaml").read_text(encoding="utf-8")
    (workspace / "rubrics/second.yaml").write_text(text.replace("mine/v1", "second/v1"), encoding="utf-8")
    for rubric in ("mine", "second"):
        assert run("judge", "scale", "stub", "-r", rubric, "-d", str(rated)).returncode == 0
    file = yaml.safe_load((workspace / "judges/stub.scale.yaml").read_text(encoding="utf-8"))
    assert set(file["rubrics"]) == {"mine/v1", "second/v1"}


def test_unrated_texts_are_refused_before_anything_is_asked(run: Run, server: StubServer, workspace: Path) -> None:
    """Without `human` there is nothing to fit to."""
    (workspace / "plain.jsonl").write_text('{"id": "a", "output": "grade 4"}\n', encoding="utf-8")
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", "plain.jsonl")
    assert ended.returncode == 2
    assert "found no case with a rating of clear, kind" in ended.stderr
    assert "hint:" in ended.stderr
    assert server.requests == []


def test_ratings_off_the_scale_are_refused(run: Run, server: StubServer, workspace: Path, rated: Path) -> None:
    """The case and the field are named, and no file is written."""
    rated.write_text(rated.read_text(encoding="utf-8").replace('"clear": 5.0', '"clear": 50.0'), encoding="utf-8")
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", str(rated))
    assert ended.returncode == 2
    assert "human.clear: found the rating 50, expected 1 to 5" in ended.stderr
    assert not (workspace / "judges/stub.scale.yaml").exists()


def test_a_ladder_stands_in_for_ratings(run: Run, server: StubServer, workspace: Path) -> None:
    """References anchor the top and other cases' outputs the bottom; what they do not lower gets no map."""
    lines = [
        json.dumps(
            {
                "id": f"c{n}",
                "input": f"task {n}",
                "output": f"text {n}, grade {2 + n % 2}",
                "references": [f"text {n}, grade 5"],
            }
        )
        for n in range(16)
    ]
    (workspace / "plain.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", "plain.jsonl", "--ladder")
    assert ended.returncode == 0, ended.stderr
    file = yaml.safe_load((workspace / "judges/stub.scale.yaml").read_text(encoding="utf-8"))
    assert "not rated by anybody" in file["rubrics"]["mine/v1"]["source"]
    assert file["rubrics"]["mine/v1"]["anchors"] == "ladder"
    assert "anchors" in ended.stdout
    for name in ("good", "poor"):
        (workspace / f"{name}.txt").write_text(f"grade {5 if name == 'good' else 2}", encoding="utf-8")
    scored = json.loads(
        run("score", "good.txt", "poor.txt", "-r", "mine", "-j", "stub", "--input", "A task.", "--json").stdout
    )
    good, poor = (one["criteria"]["clear"]["score"] for one in scored["results"])
    assert good > 4
    assert poor < 2


def test_a_ladder_needs_cases(run: Run, server: StubServer, workspace: Path) -> None:
    """Three cases are no ladder, and the message says what is."""
    lines = [json.dumps({"id": f"c{n}", "input": f"task {n}", "output": f"text {n}, grade 4"}) for n in range(3)]
    (workspace / "few.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", "few.jsonl", "--ladder")
    assert ended.returncode == 2
    assert "hint:" in ended.stderr
    assert server.requests == []


def test_without_a_map_that_holds_out_nothing_is_written(run: Run, server: StubServer, workspace: Path) -> None:
    """Ratings that have nothing to do with the readings end with 1, and leave the scale as it was."""
    draw = random.Random(2)
    lines = [
        json.dumps(
            {
                "id": f"c{n}",
                "input": f"task {n}",
                "output": f"text {n}, grade {3 + n % 3}",
                "human": {"clear": draw.choice([2, 4])},
            }
        )
        for n in range(40)
    ]
    (workspace / "noise.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", "noise.jsonl")
    assert ended.returncode == 1
    assert "no file was written" in ended.stderr
    assert not (workspace / "judges/stub.scale.yaml").exists()


@pytest.mark.parametrize("kind", ["off the scale", "few groups", "another judge", "broken file", "long source"])
def test_what_can_be_refused_costs_no_call(
    run: Run, server: StubServer, workspace: Path, rated: Path, kind: str
) -> None:
    """Ratings, sources, the file to write to and the words for it are looked at before anything is asked."""
    more: tuple[str, ...] = ()
    text = rated.read_text(encoding="utf-8")
    if kind == "off the scale":
        rated.write_text(text.replace('"clear": 5.0', '"clear": 0.0'), encoding="utf-8")
    elif kind == "few groups":
        rated.write_text("\n".join(re.sub(r'"g\d"', '"g0"', line) for line in text.splitlines()), encoding="utf-8")
    elif kind == "another judge":
        (workspace / "judges/stub.scale.yaml").write_text("scale: other/v1\nrubrics: {}\n", encoding="utf-8")
    elif kind == "broken file":
        (workspace / "judges/stub.scale.yaml").write_text("scale: [\n", encoding="utf-8")
    else:
        more = ("--source", "x" * 1001)
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", str(rated), *more)
    assert ended.returncode == 2, ended.stderr
    assert "error:" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert server.requests == []


def test_a_small_ladder_costs_no_call(run: Run, server: StubServer, workspace: Path) -> None:
    """Five cases make ten texts, which are too few for a map; the message says what a ladder takes."""
    lines = [json.dumps({"id": f"c{n}", "input": f"task {n}", "output": f"text {n}, grade {1 + n}"}) for n in range(5)]
    (workspace / "plain.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", "plain.jsonl", "--ladder")
    assert ended.returncode == 2
    assert "found at most 10 texts of 5 sources" in ended.stderr
    assert "a ladder takes two texts of each case" in ended.stderr
    assert server.requests == []


def test_a_ladder_stops_at_its_budget_and_goes_on(run: Run, server: StubServer, workspace: Path) -> None:
    """What a budget cuts short gives no map; the same command with more money asks only for the rest."""
    judge = workspace / "judges/stub.yaml"
    judge.write_text(judge.read_text(encoding="utf-8") + "price: {input: 100, output: 100}\n", encoding="utf-8")
    lines = [
        json.dumps(
            {"id": f"c{n}", "input": f"task {n}", "output": f"text {n}, grade 2", "references": [f"text {n}, grade 5"]}
        )
        for n in range(16)
    ]
    (workspace / "plain.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = ("judge", "scale", "stub", "-r", "mine", "-d", "plain.jsonl", "--ladder", "--max-usd")
    ended = run(*command, "1")
    assert ended.returncode == 3
    assert "stopped: the budget of $1 is used up; the same command goes on from here" in ended.stderr
    assert not (workspace / "judges/stub.scale.yaml").exists()
    asked = len(server.requests)
    assert 0 < asked < 96
    assert run(*command, "1000").returncode == 0
    assert len(server.requests) == 96  # the output, another one and the reference of 16 cases, by two criteria


@pytest.mark.parametrize(("fail_after", "status"), [(50, 0), (10, 3)])
def test_texts_without_a_reading_are_counted(
    run: Run, server: StubServer, workspace: Path, rated: Path, fail_after: int, status: int
) -> None:
    """A map of most texts says how many are missing; of fewer than half of them there is none."""

    def answer(request: Request) -> Reply:
        return Garbage() if len(server.requests) > fail_after else AutoJudge(integers=_grade)

    server.script(default=answer)
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", str(rated))
    assert ended.returncode == status, ended.stderr
    assert re.search(r"\d+ of 30 texts got no reading on some criterion", ended.stderr)
    assert (workspace / "judges/stub.scale.yaml").exists() == (status == 0)


def test_a_judge_elsewhere_may_have_the_name_of_one_of_the_workspace(
    run: Run, server: StubServer, workspace: Path, rated: Path
) -> None:
    """Its map is written beside itself, and neither is kept from working by the map of the other."""
    (workspace / "other").mkdir()
    text = (workspace / "judges/stub.yaml").read_text(encoding="utf-8")
    (workspace / "other/stub.yaml").write_text(text.replace("stub/v1", "stub2/v1"), encoding="utf-8")
    assert run("judge", "scale", "other/stub.yaml", "-r", "mine", "-d", str(rated)).returncode == 0
    assert (workspace / "other/stub.scale.yaml").exists()
    assert not (workspace / "judges/stub.scale.yaml").exists()
    assert run("judge", "scale", "stub", "-r", "mine", "-d", str(rated)).returncode == 0
    (workspace / "a.txt").write_text("grade 4", encoding="utf-8")
    for judge in ("stub", "other/stub.yaml"):
        ended = run("score", "a.txt", "-r", "mine", "-j", judge)
        assert ended.returncode == 0, ended.stderr
        assert "calibrated" in ended.stdout


def _grade(request: Request, path: str) -> int:
    found = re.findall(r"grade (\d)", request.text(role="user"))
    return int(found[-1])
