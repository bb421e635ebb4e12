from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.testing import StubServer

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
        json.dumps({"id": f"c{n}", "output": f"text {n}, grade {2 + n % 2}", "references": [f"text {n}, grade 5"]})
        for n in range(16)
    ]
    (workspace / "plain.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", "plain.jsonl", "--ladder")
    assert ended.returncode == 0, ended.stderr
    file = yaml.safe_load((workspace / "judges/stub.scale.yaml").read_text(encoding="utf-8"))
    assert "not rated by anybody" in file["rubrics"]["mine/v1"]["source"]
    for name in ("good", "poor"):
        (workspace / f"{name}.txt").write_text(f"grade {5 if name == 'good' else 2}", encoding="utf-8")
    scored = json.loads(run("score", "good.txt", "poor.txt", "-r", "mine", "-j", "stub", "--json").stdout)
    good, poor = (one["criteria"]["clear"]["score"] for one in scored["results"])
    assert good > 4
    assert poor < 2


def test_a_ladder_needs_cases(run: Run, server: StubServer, workspace: Path) -> None:
    """Three cases are no ladder, and the message says what is."""
    lines = [json.dumps({"id": f"c{n}", "output": f"text {n}, grade 4"}) for n in range(3)]
    (workspace / "few.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", "few.jsonl", "--ladder")
    assert ended.returncode == 2
    assert "hint:" in ended.stderr
    assert server.requests == []


def test_without_a_map_that_holds_out_nothing_is_written(run: Run, server: StubServer, workspace: Path) -> None:
    """Ratings that have nothing to do with the readings end with 1, and leave the scale as it was."""
    draw = random.Random(2)
    lines = [
        json.dumps({"id": f"c{n}", "output": f"text {n}, grade {3 + n % 3}", "human": {"clear": draw.choice([2, 4])}})
        for n in range(40)
    ]
    (workspace / "noise.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ended = run("judge", "scale", "stub", "-r", "mine", "-d", "noise.jsonl")
    assert ended.returncode == 1
    assert "no file was written" in ended.stderr
    assert not (workspace / "judges/stub.scale.yaml").exists()
