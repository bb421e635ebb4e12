from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tenward.loop import (
    AttemptState,
    Journal,
    LoopPhase,
    LoopRecord,
    LoopState,
    Phase,
    PlaceboTally,
    Spent,
    journal_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    Run = Callable[..., CompletedProcess[str]]

LOOP = """\
loop: digits/v1
goal: A larger number.
edit: [number.txt]
propose: {command: "sh propose.sh"}
score: {number: {command: cat number.txt, goal: maximize}}
budget: {rounds: 50}
placebo: 0.0
"""
# Each attempt takes the next line of a list that lies outside of the slot; the idea is what it prints last.
PROPOSE = """\
n=$(wc -c < "{folder}/turns"); printf x >> "{folder}/turns"
line=$(sed -n "$((n + 1))p" "{folder}/answers")
[ "$line" = wait ] && sleep 60
[ "$line" = bad ] && echo 1 > other.txt
echo "$line" > number.txt
echo "try $line"
"""


class Bench:
    """A repository with a loop that climbs a list of numbers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outside = folder.parent / "outside"

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return what it prints."""
        start = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *arguments]
        return subprocess.run(start, cwd=self.folder, capture_output=True, text=True, check=True).stdout.strip()

    def answers(self, *lines: object) -> None:
        """What the next attempts write into the file."""
        with (self.outside / "answers").open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    @property
    def record(self) -> LoopRecord:
        """The record of the loop."""
        return LoopRecord.open(self.folder, "digits")

    def journal(self) -> Journal:
        """The journal of the loop."""
        return Journal(journal_path(self.record))


@pytest.fixture
def bench(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A repository with a loop in it, committed, as the current folder."""
    bench = Bench(workspace)
    bench.outside.mkdir()
    (bench.outside / "answers").touch()
    (bench.outside / "turns").touch()
    (workspace / "loop").mkdir()
    (workspace / "loop/digits.yaml").write_text(LOOP)
    (workspace / "propose.sh").write_text(PROPOSE.format(folder=bench.outside))
    (workspace / "number.txt").write_text("1\n")
    (workspace / ".gitignore").write_text(".tenward/\n")
    bench.git("init", "-q", "-b", "main")
    bench.git("add", ".")
    bench.git("commit", "-qm", "Begin")
    monkeypatch.setenv("COLUMNS", "120")
    return bench


@pytest.fixture
def running(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the loop and is at its third attempt, which does not end by itself."""
    bench.answers(3, 2, "wait")
    process = subprocess.Popen(
        [sys.executable, "-m", "tenward", "loop", "run", "digits"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    while (bench.outside / "turns").stat().st_size < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    yield process
    process.kill()
    process.communicate()


def test_plan_says_what_may_change_and_asks_nothing(run: Run, bench: Bench) -> None:
    """The plan names the editable file, what is sealed and the budget, and leaves no trace of a start."""
    ended = run("loop", "plan", "digits")
    assert ended.returncode == 0
    for part in ("A larger number.", "number.txt", "cat number.txt (maximize)", "loop/digits.yaml", "50 rounds"):
        assert part in ended.stdout
    assert bench.record.base == ""
    data = json.loads(run("loop", "plan", "digits", "--json").stdout)
    assert data["may_change"] == ["number.txt"]


def test_a_loop_runs_and_tells_each_attempt(run: Run, bench: Bench) -> None:
    """Without a terminal, run prints a line per end; the user's branch and files stay as they were."""
    bench.answers(3, 2, "bad")
    before = bench.git("rev-parse", "HEAD"), bench.git("status", "--porcelain")
    ended = run("loop", "run", "digits", "--rounds", "3")
    assert ended.returncode == 0, ended.stderr
    assert "attempt 1: try 3" in ended.stderr
    assert "attempt 1: kept: " in ended.stderr
    assert "attempt 2: discarded: " in ended.stderr
    assert "attempt 3: invalid: other.txt" in ended.stderr
    assert "1 keep, 1 discard, 1 invalid" in ended.stdout
    assert "baseline 1.0000   incumbent 3.0000" in ended.stdout
    assert (bench.git("rev-parse", "HEAD"), bench.git("status", "--porcelain")) == before
    assert bench.git("show", "tenward/digits:number.txt") == "3"


def test_resume_goes_on_where_the_loop_was(run: Run, bench: Bench) -> None:
    """Resume is run: the numbers of attempts go on, and so does the incumbent."""
    bench.answers(3, 5)
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
    ended = run("loop", "resume", "digits", "--rounds", "1", "--json")
    assert ended.returncode == 0, ended.stderr
    state = json.loads(ended.stdout)
    assert state["counts"] == {"keep": 2}
    assert state["running"] is None


def test_the_ledger_of_the_journal_and_of_git_are_one(run: Run, bench: Bench) -> None:
    """``log --from-git`` rebuilds from the refs what the journal says, in both machine-readable forms."""
    bench.answers(3, 2, "bad", 4)
    assert run("loop", "run", "digits", "--rounds", "4").returncode == 0
    tsv = run("loop", "log", "digits", "--tsv").stdout
    assert run("loop", "log", "digits", "--tsv", "--from-git").stdout == tsv
    head, *rows = [line.split("\t") for line in tsv.splitlines()]
    assert head == ["commit", "score", "status", "description"]
    assert [(row[1], row[2], row[3]) for row in rows] == [
        ("3.000000", "keep", "try 3"),
        ("2.000000", "discard", "try 2"),
        ("", "invalid", "try bad"),
        ("4.000000", "keep", "try 4"),
    ]
    assert bench.git("rev-parse", "--short=12", "tenward/digits") == rows[3][0]
    data = run("loop", "log", "digits", "--json").stdout
    assert run("loop", "log", "digits", "--json", "--from-git").stdout == data
    last = run("loop", "log", "digits", "--last", "2").stdout
    assert "try 4" in last
    assert "try 2" not in last
    assert run("loop", "log", "digits", "--tsv", "--last", "1").stdout.splitlines() == [
        "\t".join(head),
        "\t".join(rows[3]),
    ]
    journal_path(bench.record).unlink()
    assert run("loop", "log", "digits", "--tsv", "--from-git").stdout == tsv
    assert "--from-git" in run("loop", "log", "digits").stderr
    assert "try 3" in run("loop", "show", "digits", "1").stdout


def test_show_prints_an_attempt_with_its_change(run: Run, bench: Bench) -> None:
    """One attempt: idea, decision, what to try next, where it is in git, and the diff."""
    bench.answers(3)
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
    told = run("loop", "show", "digits", "1").stdout
    for part in ("digits 1   keep", "try 3", "kept: ", "refs/tenward/digits/attempts/000001", "-1\n+3\n"):
        assert part in told
    data = json.loads(run("loop", "show", "digits", "1", "--json").stdout)
    assert data["status"] == "keep"
    assert "+3" in data["diff"]
    missing = run("loop", "show", "digits", "7")
    assert missing.returncode == 2
    assert "found no attempt 7" in missing.stderr


def test_a_second_run_says_who_holds_the_loop(run: Run, running: subprocess.Popen[str]) -> None:
    """Two processes cannot run one loop; the second one names the first and says what can be done."""
    ended = run("loop", "run", "digits")
    assert ended.returncode == 2
    assert f"is run by process {running.pid} on " in ended.stderr
    assert "tenward loop watch digits" in ended.stderr


def test_status_of_a_running_loop_names_its_process(run: Run, running: subprocess.Popen[str]) -> None:
    """Status says who runs the loop and what is under way, in words and as JSON."""
    told = run("loop", "status", "digits").stdout
    assert f"run by process {running.pid}" in told
    assert "attempt 3 proposing" in told
    data = json.loads(run("loop", "status", "digits", "--json").stdout)
    assert data["running"]["pid"] == running.pid
    assert data["open"] == [3]


def test_stop_now_interrupts_and_resume_goes_on(run: Run, bench: Bench, running: subprocess.Popen[str]) -> None:
    """The attempt that was interrupted is taken up again; nothing is lost and no number is skipped."""
    ended = run("loop", "stop", "digits", "--now")
    assert ended.returncode == 0
    _, said = running.communicate(timeout=30)
    assert running.returncode == 128 + signal.SIGTERM
    assert "tenward loop resume digits" in said
    assert "nobody runs it" not in run("loop", "status", "digits").stdout
    bench.answers(6)
    assert run("loop", "resume", "digits", "--rounds", "1").returncode == 0
    state = json.loads(run("loop", "status", "digits", "--json").stdout)
    assert state["counts"]["keep"] == 2


def test_stop_lets_what_is_under_way_come_to_its_end(run: Run, bench: Bench) -> None:
    """Asked to stop, the loop opens no further attempt; watch sees it to its end from another process."""
    bench.answers(*range(2, 40))
    process = subprocess.Popen(
        [sys.executable, "-m", "tenward", "loop", "run", "digits"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        while (bench.outside / "turns").stat().st_size < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        assert run("loop", "stop", "digits").returncode == 0
        watched = run("loop", "watch", "digits")
        assert watched.returncode == 0
        assert "stopped when asked to" in watched.stderr + watched.stdout
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "stopped when asked to" in out
    finally:
        process.kill()
        process.communicate()
    with bench.journal() as journal:
        assert not journal.open_attempts()
        assert journal.last_number() < 20


def test_a_killed_loop_is_told_from_a_running_one(run: Run, running: subprocess.Popen[str]) -> None:
    """After a kill the lock is free, and status says how to go on."""
    running.kill()
    running.communicate()
    told = run("loop", "status", "digits").stdout
    assert "nobody runs it now; tenward loop resume digits goes on from here" in told


@pytest.mark.parametrize("words", [("status",), ("log",), ("report",), ("watch",)])
def test_a_loop_that_has_not_begun_says_how_to_begin(run: Run, bench: Bench, words: tuple[str, ...]) -> None:
    """Whoever looks at a loop too early is told the command that starts it."""
    ended = run("loop", *words, "digits")
    assert ended.returncode == 2
    assert ended.stderr == "error: the loop 'digits' has not begun\n\nhint: tenward loop run digits\n"


def test_stop_needs_a_running_loop(run: Run, bench: Bench) -> None:
    """There is nothing to stop where nobody runs the loop."""
    ended = run("loop", "stop", "digits")
    assert ended.returncode == 2
    assert "nobody runs the loop 'digits' now" in ended.stderr


def test_an_unknown_name_lists_what_there_is(run: Run, bench: Bench) -> None:
    """A slip of the pen is answered with the nearest loop."""
    ended = run("loop", "status", "digit")
    assert ended.returncode == 2
    assert "hint: did you mean 'digits'?" in ended.stderr


def test_a_shipped_loop_is_copied_before_it_runs(run: Run, bench: Bench) -> None:
    """A shipped loop edits files of the user's repository, so it is copied there first, and never over anything."""
    refused = run("loop", "run", "backtest")
    assert refused.returncode == 2
    assert "tenward loop copy backtest" in refused.stderr
    copied = run("loop", "copy", "backtest")
    assert copied.returncode == 0
    assert "created  loop/backtest/strategy.toml" in copied.stdout
    assert "commit" in run("loop", "plan", "backtest").stderr
    bench.git("add", ".")
    bench.git("commit", "-qm", "Add the loop")
    assert run("loop", "plan", "backtest").returncode == 0
    again = run("loop", "copy", "backtest")
    assert again.returncode == 2
    assert "found it there already" in again.stderr


def test_outside_of_a_repository_the_hint_says_what_is_missing(run: Run, workspace: Path) -> None:
    """Git keeps the record, so there must be a repository."""
    (workspace / "loop").mkdir()
    (workspace / "loop/digits.yaml").write_text(LOOP)
    ended = run("loop", "plan", "digits")
    assert ended.returncode == 2
    assert "git init" in ended.stderr


def test_a_loop_without_its_file_can_still_be_read(run: Run, bench: Bench) -> None:
    """The record outlives the loop's file: status and log go on working, run says what is missing."""
    bench.answers(3)
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
    (bench.folder / "loop/digits.yaml").unlink()
    assert "1 keep" in run("loop", "status", "digits").stdout
    assert "try 3" in run("loop", "log", "digits").stdout
    ended = run("loop", "run", "digits")
    assert ended.returncode == 2
    assert "found the record of the loop 'digits', but no file of that name" in ended.stderr


def test_the_report_shows_every_attempt(run: Run, bench: Bench) -> None:
    """One file with the attempts, their changes and the stairs of the number."""
    bench.answers(3, 2, "bad")
    assert run("loop", "run", "digits", "--rounds", "3").returncode == 0
    ended = run("loop", "report", "digits", "-o", "out.html")
    assert ended.returncode == 0
    assert ended.stderr == "wrote out.html\n"
    page = (bench.folder / "out.html").read_text(encoding="utf-8")
    for part in ("+2.0000", "from 1.0000 to <b>3.0000</b>", "try 3", "outside the editable paths", 'class="stairs"'):
        assert part in page
    assert '"diff":"diff --git a/number.txt b/number.txt' in page
    refused = run("loop", "report", "digits", "-o", "nowhere/out.html")
    assert refused.returncode == 2


def test_status_reads_the_state_and_no_attempt(run: Run, bench: Bench) -> None:
    """How a loop stands is told from one row, however many attempts there are and whatever is in them."""
    bench.answers(3)
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
    with sqlite3.connect(journal_path(bench.record)) as database:
        database.execute("UPDATE attempts SET state = 'damaged'")
    database.close()
    assert "1 keep" in run("loop", "status", "digits").stdout


def state(**changes: Any) -> LoopState:
    """A loop judged by a rubric, with a headline."""
    facts: dict[str, Any] = {
        "loop": "digits",
        "phase": LoopPhase.STOPPED,
        "baseline": "a" * 40,
        "incumbent": "b" * 40,
        "baseline_score": 0.55,
        "incumbent_score": 0.61,
        "claimed": 0.09,
        "counts": {"keep": 2, "discard": 7, "crashed": 1},
        "placebos": PlaceboTally(unchanged=3, damaged=2),
        "spent": Spent(rounds=15, seconds=4000, judged=420, calls=2100, usd=1.25),
        "calibration": {"lines": ["judge noise: sd 0.041 a pass on 30 cases"]},
        "headline": {
            "gain": 0.05,
            "low": 0.02,
            "high": 0.08,
            "units": 80,
            "confirmed": True,
            "winner": "b" * 40,
            "text": "confirmed: +0.050 (95 % interval +0.020 to +0.080) on 80 sealed units",
        },
        "note": "budget: $1.25 of $1.25 are spent",
    }
    return LoopState(**(facts | changes))


def test_status_tells_the_confirmed_gain_from_what_was_claimed(run: Run, bench: Bench) -> None:
    """The gain comes with its interval; the sum of claims is called that; placebos come with their bound."""
    bench.record.begin()
    with bench.journal() as journal:
        journal.write(loop=state())
    told = run("loop", "status", "digits").stdout
    for part in (
        "stopped: budget: $1.25 of $1.25 are spent",
        "gain confirmed: +0.050 (95 % interval +0.020 to +0.080) on 80 sealed units",
        "the running sum of what 2 keeps claimed was +0.0900",
        "placebos: 0 of 5 kept, at most 45%",
        "judge noise: sd 0.041 a pass on 30 cases",
        "15 rounds · 67 min · 420 cases judged · 2,100 calls · $1.2500",
    ):
        assert part in told
    with bench.journal() as journal:
        journal.write(loop=state(headline={}))
    told = run("loop", "status", "digits").stdout
    assert "2 keeps claimed +0.0900 in sum; that is no result before it is confirmed on sealed cases" in told


def test_what_a_model_wrote_cannot_steer_the_terminal(run: Run, bench: Bench) -> None:
    """Escapes in ideas, reasons and logs are printed as escapes."""
    bench.record.begin()
    evil = "\x1b]0;owned\x07 \x1b[2J"
    attempt = AttemptState(
        number=1,
        phase=Phase.PROPOSING,
        parent=bench.record.base,
        epoch=0,
        began=datetime.now(UTC),
        idea=evil,
        idea_note=evil,
        reason=evil,
        log=evil,
        faults=(evil,),
        retro={"why": evil, "suggested": [evil]},
    )
    with bench.journal() as journal:
        journal.write(loop=state(note=evil), attempt=attempt)
    for words in (("status",), ("log",), ("show", "1")):
        told = run("loop", words[0], "digits", *words[1:]).stdout
        assert "\x1b" not in told
        assert "\x07" not in told
