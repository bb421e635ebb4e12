from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.testing import StubServer

    Run = Callable[..., CompletedProcess[str]]

LOOP = """\
loop: answers/v1
goal: Answers of a better grade.
edit: [answer.txt]
propose: {command: "sh propose.sh", allow: {write: [../outside]}}
produce: {command: cat answer.txt}
score: {rubric: mine, judge: stated, dataset: questions}
stages: [{cases: 2}]
keep: {never_lower: [clear], in_play: 8, sealed: 12}
confirm: {split: sealed}
budget: {rounds: 20}
placebo: 0.0
"""
PROPOSE = """\
n=$(wc -c < "{folder}/turns"); printf x >> "{folder}/turns"
case $n in
0) echo 'of grade 4' > answer.txt; echo 'a better grade' ;;
1) echo 'of grade 1' > answer.txt; echo 'a much worse grade' ;;
*) echo 'without any number' > answer.txt; echo 'no number at all' ;;
esac
"""


@pytest.fixture
def repository(workspace: Path, server: StubServer) -> Path:
    """A repository whose loop is judged case by case, with 10 dev and 15 sealed cases."""
    outside = workspace.parent / "outside"
    outside.mkdir()
    (outside / "turns").touch()
    (workspace / "loop").mkdir()
    (workspace / "datasets").mkdir()
    (workspace / "loop/answers.yaml").write_text(LOOP)
    (workspace / "propose.sh").write_text(PROPOSE.format(folder=outside))
    (workspace / "answer.txt").write_text("of grade 2\n")
    (workspace / ".gitignore").write_text(".tenward/\n")
    cases = [
        {"id": f"q{number:02}", "input": f"Question {number}", "split": "dev" if number < 10 else "sealed"}
        for number in range(25)
    ]
    (workspace / "datasets/questions.jsonl").write_text("".join(f"{json.dumps(case)}\n" for case in cases))
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-qm", "Begin")):
        start = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *words]
        subprocess.run(start, cwd=workspace, check=True)
    assert server.base_url
    return workspace


def test_a_judged_loop_is_planned_run_confirmed_and_reported(run: Run, repository: Path) -> None:
    """From the plan to the report: bounds, calibration, a keep, a discard, and a gain from sealed cases."""
    plan = json.loads(run("loop", "plan", "answers", "--json").stdout)
    assert (plan["dev"], plan["sealed_units"], plan["round_cases"]) == (10, 15, 8 + 3 * 12)
    assert {"rubrics/mine.yaml", "judges/stated.yaml", "datasets/questions.jsonl"} <= set(plan["sealed"])
    assert (plan["drop"], plan["cost_ratio"]) == (0.05, None)
    patience = (
        "drop 0.05 (0.05 thrifty with judging, 0.01 thorough) until five attempts have shown what a proposal costs"
    )
    assert patience in " ".join(run("loop", "plan", "answers").stdout.split())
    ended = run("loop", "run", "answers", "--rounds", "2")
    assert ended.returncode == 0, ended.stderr
    assert "attempt 1: kept: " in ended.stderr
    assert "attempt 2: discarded" in ended.stderr
    assert "judge noise: sd 0.000" in ended.stderr
    assert "gain confirmed: +0.400 (95 % interval +0.400 to +0.400) on 15 sealed cases" in ended.stdout
    assert "known after the calibration" not in run("loop", "plan", "answers").stdout
    shown = run("loop", "show", "answers", "1").stdout
    assert "dev    to   4" in shown
    assert "sealed to" in shown
    assert run("loop", "report", "answers", "-o", "out.html").returncode == 0
    page = (repository / "out.html").read_text(encoding="utf-8")
    assert "unknown (a model without a price)" in page
    for part in ("Confirmed: the winner is better", "+0.400", "15 sealed cases", "rubrics/mine.yaml", "judge noise"):
        assert part in page


def test_a_branch_that_was_set_back_has_no_confirmed_gain(run: Run, repository: Path) -> None:
    """The winner's gain is told as that of an earlier incumbent, by the status and by the report."""
    assert "gain confirmed: +0.400" in run("loop", "run", "answers", "--rounds", "1").stdout
    subprocess.run(["git", "update-ref", "refs/heads/tenward/answers", "HEAD"], cwd=repository, check=True)
    ended = run("loop", "run", "answers", "--rounds", "1")
    assert ended.returncode == 0, ended.stderr
    assert "of an earlier incumbent; nothing is kept now" in run("loop", "status", "answers").stdout
    assert run("loop", "report", "answers", "-o", "out.html").returncode == 0
    page = (repository / "out.html").read_text(encoding="utf-8")
    assert "The gain has not been measured for the present incumbent." in page
    assert "An earlier incumbent was measured: +0.400" in page
    assert "Confirmed: the winner is better" not in page


def test_another_loop_does_not_repeat_the_luck_of_the_first(run: Run, repository: Path, server: StubServer) -> None:
    """Under another name the same versions are judged afresh, from the calibration on."""
    assert run("loop", "run", "answers", "--rounds", "1").returncode == 0
    first = len(server.requests)
    text = LOOP.replace("answers/v1", "again/v1").replace("sh propose.sh", "true")
    (repository / "loop/again.yaml").write_text(text)
    for words in (("add", "."), ("commit", "-qm", "Again")):
        start = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *words]
        subprocess.run(start, cwd=repository, check=True)
    ended = run("loop", "run", "again", "--rounds", "1")
    assert ended.returncode == 0, ended.stderr
    assert len(server.requests) - first >= 2 * 8


def test_a_limit_on_the_command_line_stops_the_loop_and_can_be_raised(run: Run, repository: Path) -> None:
    """``--calls`` stands in place of the file's limit; the loop stops, says why, and goes on with a higher one."""
    assert repository.is_dir()
    ended = run("loop", "run", "answers", "--calls", "20")
    assert ended.returncode == 0, ended.stderr
    assert "stopped: budget: " in ended.stdout
    state = json.loads(run("loop", "resume", "answers", "--calls", "5000", "--rounds", "1", "--json").stdout)
    assert state["counts"] == {"keep": 1}
    assert state["spent"]["calls"] > 20


def test_the_plan_says_what_the_simplest_rule_risks(run: Run, repository: Path) -> None:
    """Before anything is spent, `rule: better` over cases is told to keep luck; the race is not."""
    assert "keeps luck" not in run("loop", "plan", "answers").stdout
    text = LOOP.replace("{never_lower: [clear], in_play: 8, sealed: 12}", "{rule: better}")
    (repository / "loop/answers.yaml").write_text(text)
    planned = " ".join(run("loop", "plan", "answers").stdout.split())
    assert "half to four fifths of such keeps are no gain" in planned
    assert "rule: race confirms a keep on sealed cases" in planned
