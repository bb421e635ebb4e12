from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tenward.datasets import Case
from tenward.evaluation import Result, RunRecord, Store
from tenward.judges import CriterionVerdict, Failure, Verdict
from tenward.rubrics import GateResult, Rubric, compute_score

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from subprocess import CompletedProcess

    Run = Callable[..., CompletedProcess[str]]
    Scores = Mapping[str, tuple[float | None, float | None]]

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
SCALE = {f"c{number}": (3.0, 3.0) for number in range(10)}
BETTER = {case: (4.0 if number % 5 else 3.0, 3.0) for number, case in enumerate(SCALE)}
FAILED = Failure(kind="timeout", detail="no answer in time")


def keep(
    name: str,
    scores: Scores,
    *,
    output: str = "text",
    gated: str = "",
    groups: Mapping[str, str] | None = None,
    **changes: Any,
) -> None:
    """Put a run with scores for ``clear`` and ``kind`` into the workspace's store.

    Args:
        name: Id of the run.
        scores: By case; None for a failure.
        output: What was judged.
        gated: The case that failed a gate.
        groups: Group by case, for cases that share a source.
        changes: Of the record.
    """
    rubric = Rubric.load("mine")
    fields: dict[str, Any] = {
        "id": name,
        "created": "2026-11-23T04:00:00+00:00",
        "status": "finished",
        "dataset": "cases/v1",
        "dataset_digest": "0" * 16,
        "split": "all",
        "cases": len(scores),
        "rubric": rubric,
        "judge": "own/v1",
        "judge_file": {},
        "fingerprint": {"judge": "own/v1"},
    }
    results: list[tuple[int, Result]] = []
    for position, (case, both) in enumerate(scores.items()):
        verdict = Verdict(
            judge="own/v1",
            model="none",
            criteria=tuple(
                CriterionVerdict(criterion=criterion, score=score, failure=FAILED if score is None else None)
                for criterion, score in zip(rubric.criteria, both, strict=True)
            ),
        )
        found = Result(
            case=Case(id=case, output=f"{output} of {case}", group=(groups or {}).get(case, "")),
            rubric=rubric,
            gates=(),
            verdict=verdict,
            score=compute_score(rubric, verdict.scores),
        )
        if case == gated:
            found = replace(found, verdict=None, score=None, gates=(GateResult(gate="g", passed=False, detail="no"),))
        results.append((position, found))
    with Store.open() as store:
        store.begin(RunRecord(**fields | changes))
        store.add(name, results)


def test_the_page_shows_what_changed(run: Run, workspace: Path) -> None:
    """Headline, a row per criterion with interval and bar, and the cases that moved most with both texts."""
    keep("before-1", SCALE, output="old text")
    keep("after-1", BETTER, output="new text")
    ended = run("compare", "before-", "after-1")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "A  before-1   mine/v1 · own/v1 · raw readings · cases/v1 · 10 of 10 cases scored"
    assert lines[3].startswith("B is better by 0.096 [0.0")
    assert lines[3].endswith(", 8 wins, 0 losses, 2 ties on 10 cases")
    rows = {line.split()[0]: line for line in lines[6:10]}
    assert list(rows) == ["clear", "kind", "quality", "value"]
    assert re.fullmatch(r"clear +3\.00 +3\.80 +\+0\.80 +\[\+0\.\d\d, \+1\.00\] +│█+─* +8 +0 +2", rows["clear"])
    assert re.fullmatch(r"kind +3\.00 +3\.00 +\+0\.00 +\[\+0\.00, \+0\.00\] +│ +0 +0 +10", rows["kind"])
    assert lines[11] == "95 % intervals are of what own/v1 would say on such cases, not of what people would"
    assert lines[13] == "cases that moved most"
    moved = ended.stdout.split("cases that moved most")[1].splitlines()
    assert moved[2:6] == [
        "  c1   value 0.600 → 0.720   +0.120",
        "    clear +1.0",
        "    A  old text of c1",
        "    B  new text of c1",
    ]
    assert sum("value 0.600" in line for line in moved) == 3


def test_the_other_way_round_it_is_worse(run: Run, workspace: Path) -> None:
    """The bars go to the left, and minus signs are real ones."""
    keep("before-1", SCALE)
    keep("after-1", BETTER)
    ended = run("compare", "after-1", "before-1")
    assert "B is worse by 0.096 [0.0" in ended.stdout
    assert re.search(r"clear .* −0\.80  \[−1\.00, −0\.\d\d\] +─*█+│ +0 +8 +2\n", ended.stdout)


def test_a_terminal_without_unicode_gets_bars_of_its_own(
    spawn: Callable[..., CompletedProcess[str]], workspace: Path
) -> None:
    """Where only ASCII can be shown nothing is a question mark but what the runs themselves say."""
    keep("before-1", SCALE)
    keep("after-1", BETTER)
    ended = spawn("compare", "before-1", "last", PYTHONIOENCODING="ascii")
    assert re.search(r"clear .*\|#+-* +8 +0 +2\n", ended.stdout)
    assert "c1   value 0.600 -> 0.720   +0.120" in ended.stdout
    assert "?" not in ended.stdout.split("\n\n", 1)[1]


def test_a_narrow_terminal_goes_without_bars(spawn: Callable[..., CompletedProcess[str]], workspace: Path) -> None:
    """The numbers matter more than their picture: a long criterion takes the place of the bars."""
    text = "rubric: mine/v1\nabout: Good\ncriteria:\n  clear: Is it so\n  very_kind_to_all_of_its_readers: Is it so\n"
    (workspace / "rubrics/mine.yaml").write_text(text, encoding="utf-8")
    keep("before-1", SCALE)
    keep("after-1", BETTER)
    shown = spawn("compare", "before-1", "after-1").stdout
    assert re.search(r"very_kind_to_all_of_its_readers +3\.00 +3\.00 +\+0\.00 +\[\+0\.00, \+0\.00\] +0 +0 +10\n", shown)
    assert "better " not in shown.split("\n\n")[2]
    assert max(map(len, shown.splitlines())) <= 100


def test_a_run_beside_itself_is_called_the_same(run: Run, workspace: Path) -> None:
    """Named once, without a table, a bar or a case; the page and the data say so too."""
    keep("before-1", BETTER)
    ended = run("compare", "before-1", "last", "--html", "same.html")
    assert ended.stdout.splitlines() == [
        "A, B  before-1   mine/v1 · own/v1 · raw readings · cases/v1 · 10 of 10 cases scored",
        "",
        "A and B are the same run: there is nothing to compare",
    ]
    assert "A and B are the same run" in (workspace / "same.html").read_text(encoding="utf-8")
    assert json.loads(run("compare", "last", "last", "--json").stdout)["headline"].startswith("A and B are the same")


def test_runs_that_came_to_the_same_have_no_bars(run: Run, workspace: Path) -> None:
    """Where nothing differs there is nothing to draw."""
    keep("before-1", BETTER)
    keep("after-1", BETTER)
    ended = run("compare", "before-1", "after-1")
    assert "A and B have the same value: 0 wins, 0 losses, 10 ties on 10 cases" in ended.stdout
    assert not {"█", "─"} & set(ended.stdout)


def test_means_of_unequal_groups_say_what_they_are_of(run: Run, workspace: Path) -> None:
    """Eight cases of one source and seven of their own: a group counts once, and the page says how eval counts."""
    groups = {f"c{number}": "one source" for number in range(8)}
    scores = {f"c{number}": (1.0 if number < 8 else 5.0, 3.0) for number in range(15)}
    keep("before-1", scores, groups=groups)
    keep("after-1", dict.fromkeys(scores, (2.0, 3.0)), groups=groups)
    shown = run("compare", "before-1", "after-1").stdout
    assert " on 15 cases in 8 independent groups" in shown
    assert re.search(r"clear +4\.50 +2\.00 +−2\.50 ", shown)  # (1 + 7 × 5) / 8, not (8 + 7 × 5) / 15
    assert (
        "Means and intervals are over 8 groups, each counted once; `tenward eval` shows the mean of the 15"
        in shown.splitlines()
    )
    ungrouped = dict.fromkeys(scores, (3.0, 3.0))
    keep("before-2", ungrouped)
    keep("after-2", ungrouped)
    assert "each counted once" not in run("compare", "before-2", "after-2").stdout


def test_what_is_missing_is_told(run: Run, workspace: Path) -> None:
    """Cases of one run, unscored ones and those that failed a gate are named under the table."""
    keep("before-1", {**SCALE, "gone": (3, 3), "c0": (None, None)})
    keep("after-1", {**BETTER, **{f"new{number}": (3.0, 3.0) for number in range(7)}}, gated="c1")
    ended = run("compare", "before-1", "after-1", "--show", "0")
    assert "1 case in A only: gone\n" in ended.stdout
    assert "1 case not scored in A and left out of the differences: c0\n" in ended.stdout
    assert "1 case failed a gate in B and left out of the differences: c1\n" in ended.stdout
    assert "7 cases in B only: new0, new1, new2, new3, new4 and 2 more\n" in ended.stdout
    assert "10 of 11 cases scored · coverage 90.9%" in ended.stdout
    assert "moved most" not in ended.stdout


def test_long_texts_are_shown_where_they_part(run: Run, workspace: Path) -> None:
    """Of two long outputs with the same beginning the place is shown where they differ; both begin there."""
    same = "These words are the same in both. " * 30
    keep("before-1", SCALE, output=f"{same}\nHere it is old,")
    keep("after-1", BETTER, output=f"{same}\nHere it is \x1b[31mnew,")
    shown = run("compare", "before-1", "after-1", "--show", "1").stdout
    assert re.search(r"    A  ….{10,60} Here it is old, of c1\n", shown)
    assert re.search(r"    B  ….{10,60} Here it is \\x1b\[31mnew, of c1\n", shown)


def test_the_same_text_is_shown_once(run: Run, workspace: Path) -> None:
    """Where only the judge's reading moved, the page says so."""
    keep("before-1", SCALE)
    keep("after-1", BETTER)
    assert "    =  text of c1 (the same text in both)\n" in run("compare", "before-1", "after-1").stdout


def test_the_comparison_as_json(run: Run, workspace: Path) -> None:
    """``--json`` holds every number, and the cases that moved most with both results and texts."""
    keep("before-1", SCALE, output="old")
    keep("after-1", {**BETTER, "new": (3, 3)}, output="new")
    ended = run("compare", "before-1", "last", "--json", "--show", "2")
    data = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert data["headline"].startswith("B is better by 0.096 ")
    assert (data["a"]["run"], data["b"]["run"], data["b"]["only"], data["pairs"]) == (
        "before-1",
        "after-1",
        ["new"],
        10,
    )
    assert data["value"]["mean"] == pytest.approx(0.096)
    assert data["value"]["low"] < 0.096 < data["value"]["high"]
    clear = data["criteria"]["clear"]
    assert (clear["before"], clear["after"], clear["wins"], clear["losses"], clear["ties"]) == (3, 3.8, 8, 0, 2)
    assert [(item["case"], item["a"]["output"], item["b"]["output"]) for item in data["moved"]] == [
        ("c1", "old of c1", "new of c1"),
        ("c2", "old of c2", "new of c2"),
    ]
    assert data["moved"][0]["b"]["criteria"]["clear"]["score"] == 4


def test_the_comparison_as_a_page(run: Run, workspace: Path) -> None:
    """``--html`` writes a report with every case, and says where."""
    keep("before-1", SCALE, output="old")
    keep("after-1", BETTER, output="new")
    ended = run("compare", "before-1", "after-1", "--html", "out/changes.html")
    assert (ended.returncode, ended.stderr) == (0, "wrote out/changes.html\n")
    page = (workspace / "out/changes.html").read_text(encoding="utf-8")
    assert "old of c9" in page
    assert "new of c9" in page


@pytest.mark.parametrize(
    ("order", "drop", "status", "said"),
    [
        (("before-1", "after-1"), "0", 0, ""),
        (("after-1", "before-1"), "0.1", 0, ""),
        (("after-1", "before-1"), "0.096", 0, ""),
        (("after-1", "before-1"), "0.09", 1, "the mean value dropped by 0.0960, more than --max-drop 0.09\n"),
        (("after-1", "before-1"), "0", 1, "the mean value dropped by 0.0960, more than --max-drop 0\n"),
        (("before-1", "before-1"), "0", 0, ""),
    ],
)
def test_a_drop_fails_the_build(
    run: Run, workspace: Path, order: tuple[str, str], drop: str, status: int, said: str
) -> None:
    """``--max-drop`` is about the mean value, allows exactly so much, and says what it found."""
    keep("before-1", SCALE)
    keep("after-1", BETTER)
    ended = run("compare", *order, "--max-drop", drop)
    assert (ended.returncode, ended.stderr) == (status, said)
    assert run("compare", *order).returncode == 0


def test_a_drop_that_cannot_be_checked_is_no_success(run: Run, workspace: Path) -> None:
    """Where nothing was scored in both runs a build must not pass."""
    keep("before-1", dict.fromkeys(SCALE, (None, None)))
    keep("after-1", BETTER)
    ended = run("compare", "before-1", "after-1", "--max-drop", "0.5")
    assert ended.returncode == 3
    assert ended.stderr == "--max-drop cannot be checked: no case was scored in both runs\n"
    assert "Nothing to compare: none of 10 cases was scored in both runs" in ended.stdout
    assert run("compare", "before-1", "after-1").returncode == 0


@pytest.mark.parametrize("drop", ["nan", "-0.1", "2"])
def test_a_drop_must_be_a_share(run: Run, workspace: Path, drop: str) -> None:
    """Numbers that no value can drop by are wrong usage."""
    keep("before-1", SCALE)
    assert run("compare", "before-1", "before-1", "--max-drop", drop).returncode == 2


def test_runs_that_measure_different_things_are_refused(run: Run, workspace: Path) -> None:
    """The refusal names component and both values, and what to do; nothing is printed as data."""
    keep("before-1", SCALE)
    keep("after-1", BETTER, fingerprint={"judge": "other/v1"})
    ended = run("compare", "before-1", "after-1", "--html", "changes.html")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: the scores of run A before-1 and run B after-1 do not measure the same\n"
        "judge: found own/v1 in A and other/v1 in B, expected the same\n"
        "\nhint: judge both with the same judge and rubric: tenward eval DATASET --rubric R --judge J\n"
    )
    assert not (workspace / "changes.html").exists()


def test_an_unfinished_run_is_compared_with_a_note(run: Run, workspace: Path) -> None:
    """What there is of a stopped run can be looked at, and standard error says that it is not all."""
    keep("before-1", SCALE)
    keep("after-1", BETTER, status="stopped", note="budget: $2")
    keep("after-2", BETTER, status="running")
    assert run("compare", "before-1", "after-1").stderr == "note: run B after-1 is not finished: stopped: budget: $2\n"
    ended = run("compare", "before-1", "after-2")
    assert ended.stderr == "note: run B after-2 is not finished: cut off\n"


def test_runs_that_are_not_there_are_named(run: Run, workspace: Path) -> None:
    """An unknown run, one of several, and a store that does not exist are wrong usage."""
    keep("before-1", SCALE)
    keep("before-2", SCALE)
    assert "holds no run 'after'" in run("compare", "before-1", "after").stderr
    assert "found several runs that start with 'before'" in run("compare", "before", "last").stderr
    ended = run("compare", "before-1", "before-2", "--store", "other.sqlite")
    assert ended.returncode == 2
    assert "--store: found no file other.sqlite" in ended.stderr
    assert not (workspace / "other.sqlite").exists()


def test_another_store_can_be_named(run: Run, workspace: Path) -> None:
    """``--store`` reads the runs of another file."""
    keep("before-1", SCALE)
    os.rename(".tenward/store.sqlite", "mine.sqlite")  # noqa: PTH104
    assert run("compare", "before-1", "last", "--store", "mine.sqlite").returncode == 0


# -- the guides --------------------------------------------------------------------------------------------------


def blocks(guide: str, language: str) -> list[str]:
    """Return the fenced blocks of a guide."""
    return re.findall(rf"```{language}\n(.*?)```", (GUIDES / guide).read_text(encoding="utf-8"), re.DOTALL)


def test_the_python_lines_of_the_guide_run(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a reader copies from the guide to comparing works as it stands."""
    keep("before-1", SCALE)
    keep("after-1", BETTER)
    (example,) = blocks("compare.md", "python")
    exec(compile(example, "compare.md", "exec"), {})
    assert capsys.readouterr().out.startswith("B is better by 0.096 ")


def test_the_workflow_of_the_guide_is_valid() -> None:
    """The example is a workflow in YAML, and each further block is a list of steps."""
    workflow, *steps = [yaml.safe_load(block) for block in blocks("ci.md", "yml")]
    assert [job["runs-on"] for job in workflow["jobs"].values()] == ["ubuntu-latest"]
    for step in [*workflow["jobs"]["score"]["steps"], *(step for found in steps for step in found)]:
        assert ("run" in step) != ("uses" in step)


@pytest.mark.parametrize("guide", ["ci.md", "compare.md"])
def test_commands_of_the_guides_know_their_options(run: Run, workspace: Path, guide: str) -> None:
    """Every option that a guide gives to a command is in the command's help."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    found = re.findall(r"tenward (eval|compare|score|model) ([^`\n]*)", text)
    assert found
    helps = {command: run(command, "--help").stdout for command in {command for command, _ in found}}
    for command, rest in found:
        for option in re.findall(r"(--[a-z-]+)", rest):
            assert option in helps[command]
