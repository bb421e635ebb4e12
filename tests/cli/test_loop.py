from __future__ import annotations

import hashlib
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
from tenward.testing import LangSmithFake
from tenward.tracing import traces_folder
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    Run = Callable[..., CompletedProcess[str]]

LOOP = """\
loop: digits/v1
goal: A larger number.
edit: [number.txt]
propose: {command: "sh propose.sh", allow: {write: [../outside]}}
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
    assert "hint: tenward loop log digits\n" in missing.stderr


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
    """A shipped loop edits files of the user's repository: it is copied there, never over anything, and committed."""
    refused = run("loop", "run", "backtest")
    assert refused.returncode == 2
    assert "tenward loop copy backtest" in refused.stderr
    copied = run("loop", "copy", "backtest")
    assert copied.returncode == 0
    assert "created  loop/backtest/strategy.toml" in copied.stdout
    planned = run("loop", "plan", "backtest")
    assert planned.returncode == 0
    assert "loop/backtest/loop.yaml: found it outside of the commit" in " ".join(planned.stdout.split())
    refused = run("loop", "run", "backtest")
    assert refused.returncode == 2
    assert "loop/backtest/strategy.toml, commit, and run it again" in refused.stderr
    bench.git("add", ".")
    bench.git("commit", "-qm", "Add the loop")
    assert "note" not in run("loop", "plan", "backtest").stdout
    again = run("loop", "copy", "backtest")
    assert again.returncode == 2
    assert "found it there already" in again.stderr


def test_where_nothing_contains_commands_a_loop_says_that_it_is_not_sealed(
    run: Run, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts only if that is said to be meant, on the command line or in its file, and tells it ever after."""
    monkeypatch.setenv("TENWARD_CONTAINMENT", "none")
    bench.answers(3, 4)
    assert "not contained: a command can open every file" in " ".join(run("loop", "plan", "digits").stdout.split())
    refused = run("loop", "run", "digits", "--rounds", "1")
    assert refused.returncode == 2
    assert "not sealed: the candidates of this loop are programs" in refused.stderr
    assert "--unsealed runs it all the same" in refused.stderr
    assert bench.git("for-each-ref", "refs/tenward") == ""
    assert run("loop", "run", "digits", "--rounds", "1", "--unsealed").returncode == 0
    assert "not sealed: the candidates of this loop" in " ".join(run("loop", "status", "digits").stdout.split())
    (bench.folder / "loop/digits.yaml").write_text(LOOP.replace("digits/v1", "again/v1") + "unsealed: true\n")
    bench.git("add", ".")
    bench.git("commit", "-qm", "Mean it")
    assert run("loop", "run", "again", "--rounds", "1").returncode == 0


def test_what_a_search_found_is_told(run: Run, bench: Bench) -> None:
    """With 0 rounds the start alone is measured; then the values that were kept stand beside those of the start."""
    run("loop", "copy", "curve-fit")
    bench.git("add", ".")
    bench.git("commit", "-qm", "Add the loop")
    begun = run("loop", "run", "curve-fit", "--rounds", "0")
    assert begun.returncode == 0
    assert "no attempt has ended yet" in begun.stdout
    assert "found:" not in begun.stdout
    run("loop", "run", "curve-fit", "--rounds", "8")
    status = run("loop", "status", "curve-fit").stdout
    data = json.loads(run("loop", "status", "curve-fit", "--json").stdout)
    assert data["found"]
    for name, (old, new) in data["found"].items():
        assert f"{name} {new} (was {old})" in " ".join(status.split())


def test_outside_of_a_repository_the_hint_says_what_is_missing(run: Run, workspace: Path) -> None:
    """Git keeps the record, so there must be a repository."""
    (workspace / "loop").mkdir()
    (workspace / "loop/digits.yaml").write_text(LOOP)
    ended = run("loop", "plan", "digits")
    assert ended.returncode == 2
    assert "git init" in ended.stderr


def test_a_loop_without_its_file_goes_on_as_it_began(run: Run, bench: Bench) -> None:
    """Git keeps the definition: status, log and run go on working, and the user is told that the file is gone."""
    bench.answers(3, 4)
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
    (bench.folder / "loop/digits.yaml").unlink()
    assert "1 keep" in run("loop", "status", "digits").stdout
    assert "try 3" in run("loop", "log", "digits").stdout
    ended = run("loop", "run", "digits", "--rounds", "1")
    assert ended.returncode == 0, ended.stderr
    assert "the file of the loop is gone; the loop 'digits' goes by what it began with" in ended.stderr
    assert "2 keep" in ended.stdout
    bench.git("update-ref", "-d", "refs/tenward/digits/definition")
    ended = run("loop", "run", "digits")
    assert ended.returncode == 2
    assert "found the record of the loop 'digits', but no file of that name" in ended.stderr


@pytest.mark.parametrize("path", ["loop/digits.yaml", "propose.sh"])
def test_what_is_not_committed_is_planned_and_not_run(run: Run, bench: Bench, path: str) -> None:
    """A file that differs from the commit is a note in the plan; a run names it and begins nothing."""
    with (bench.folder / path).open("a") as file:
        file.write("\n# later\n")
    planned = run("loop", "plan", "digits")
    assert planned.returncode == 0
    assert f"{path}: found it changed since the commit" in " ".join(planned.stdout.split())
    base = bench.git("rev-parse", "HEAD")[:12]
    ended = run("loop", "run", "digits")
    assert ended.returncode == 2
    assert f"{path}: found it changed since the commit {base} that the loop 'digits' begins at" in ended.stderr
    assert f"hint: commit it: git add {path} && git commit, or put the change back: git checkout" in ended.stderr
    assert bench.git("for-each-ref", "refs/tenward", "refs/heads/tenward") == ""
    bench.answers(3)
    bench.git("commit", "-qam", "As it is")
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0


def test_a_new_loop_is_committed_before_it_runs(run: Run, bench: Bench) -> None:
    """An author writes a loop, plans it, is told to commit it, and runs it then."""
    (bench.folder / "loop/more.yaml").write_text(LOOP.replace("digits", "more"))
    planned = run("loop", "plan", "more")
    assert planned.returncode == 0
    assert "loop/more.yaml: found it outside of the commit" in " ".join(planned.stdout.split())
    ended = run("loop", "run", "more")
    assert ended.returncode == 2
    assert "loop/more.yaml: found it outside of the commit" in ended.stderr
    assert "hint: commit it: git add loop/more.yaml && git commit\n" in ended.stderr


def test_a_loop_goes_by_the_definition_it_began_with(run: Run, bench: Bench) -> None:
    """A change of the file after the start, committed or not, is told by its fields and not followed."""
    bench.answers(3, 2)
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
    path = bench.folder / "loop/digits.yaml"
    path.write_text(LOOP.replace("goal: maximize", "goal: minimize").replace("A larger", "A smaller"))
    bench.git("commit", "-qam", "The other way round")
    planned = " ".join(run("loop", "plan", "digits").stdout.split())
    assert "A larger number." in planned
    assert "digits.yaml was changed since the loop began (goal, score.number.goal)" in planned
    ended = run("loop", "resume", "digits", "--rounds", "1")
    assert ended.returncode == 0, ended.stderr
    assert "digits.yaml was changed since the loop began (goal, score.number.goal)" in ended.stderr
    assert "put the change back, or give the loop another name to begin with it" in ended.stderr
    assert "1 keep, 1 discard" in ended.stdout
    assert bench.git("show", "refs/tenward/digits/definition") == LOOP.strip()


def test_another_budget_is_given_on_the_command_line(run: Run, bench: Bench) -> None:
    """Whoever changes the limits in the file is told how to set them for a loop that has begun."""
    bench.answers(3)
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
    (bench.folder / "loop/digits.yaml").write_text(LOOP.replace("rounds: 50", "rounds: 60"))
    ended = run("loop", "resume", "digits", "--hours", "0.000001")
    assert ended.returncode == 0, ended.stderr
    assert "(budget.rounds)" in ended.stderr
    assert "give limits on the command line (--rounds, --hours, --usd, --calls, --parallel)" in ended.stderr


def test_a_broken_file_does_not_stop_a_loop_that_has_begun(run: Run, bench: Bench) -> None:
    """What cannot be read any more is told, and the loop goes on by what it began with."""
    bench.answers(3, 4)
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
    (bench.folder / "loop/digits.yaml").write_text("loop: digits/v1\ngoal: [\n")
    ended = run("loop", "resume", "digits", "--rounds", "1")
    assert ended.returncode == 0, ended.stderr
    assert "(it cannot be read any more)" in ended.stderr


def test_a_loop_that_came_to_nothing_begins_at_the_mended_commit(run: Run, bench: Bench) -> None:
    """A broken evaluator is mended by a commit, and the loop begins there under the same name."""
    path = bench.folder / "loop/digits.yaml"
    path.write_text(LOOP.replace("cat number.txt", "cat nowhere.txt"))
    bench.git("commit", "-qam", "Break it")
    ended = run("loop", "run", "digits")
    assert ended.returncode == 2
    assert "nowhere.txt" in ended.stderr
    assert "hint: mend it and commit that, then run the loop again" in ended.stderr
    path.write_text(LOOP)
    bench.git("commit", "-qam", "Mend it")
    bench.answers(3)
    ended = run("loop", "run", "digits", "--rounds", "1")
    assert ended.returncode == 0, ended.stderr
    assert "1 keep" in ended.stdout
    assert bench.record.base == bench.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("cat number.txt", "no-such-program", "score.number.command: found 'no-such-program', expected a program"),
        ("cat number.txt", "./measure", "score.number.command: found './measure', expected the file measure among"),
        (
            "sh propose.sh",
            "./propose.sh",
            "found './propose.sh', expected propose.sh to be executable",
        ),
        (
            "sh propose.sh",
            "sh nowhere.sh",
            "propose.command: found 'sh nowhere.sh', expected the file nowhere.sh",
        ),
        ("budget:", "stages: [{run: /no/where}]\nbudget:", "stages[0].run: found '/no/where', expected a program at"),
    ],
)
def test_a_command_that_is_not_there_is_told_before_the_start(
    run: Run, bench: Bench, old: str, new: str, told: str
) -> None:
    """Program and script are looked for on PATH and among the committed files; the plan says so, a run refuses."""
    (bench.folder / "loop/digits.yaml").write_text(LOOP.replace(old, new))
    bench.git("commit", "-qam", "Name another command")
    planned = run("loop", "plan", "digits")
    assert planned.returncode == 2
    assert told in " ".join(planned.stdout.split())
    assert json.loads(run("loop", "plan", "digits", "--json").stdout)["errors"][0].find(told) >= 0
    ended = run("loop", "run", "digits")
    assert ended.returncode == 2
    assert told in ended.stderr
    assert bench.record.base == ""


def test_plan_lists_what_is_sealed_with_hashes(run: Run, bench: Bench) -> None:
    """The loop's file and the files that commands name are listed with the hash of what is committed."""
    sealed = json.loads(run("loop", "plan", "digits", "--json").stdout)["sealed"]
    assert list(sealed) == ["loop/digits.yaml", "propose.sh"]
    digest = hashlib.sha256((bench.folder / "propose.sh").read_bytes()).hexdigest()[:16]
    assert sealed["propose.sh"] == digest
    assert f"{digest}  propose.sh" in run("loop", "plan", "digits").stdout


def test_plan_bounds_what_a_proposing_model_takes(run: Run, bench: Bench) -> None:
    """Where a model proposes for a number, the plan gives calls, tokens, the worst price and the time."""
    model = "{model: openai/m, base_url: 'http://127.0.0.1:9/v1', price: {input: 1, output: 2}, max_tokens: 1000}"
    text = LOOP.replace('{command: "sh propose.sh", allow: {write: [../outside]}}', f"{{llm: {model}}}").replace(
        "rounds: 50", "rounds: 3"
    )
    (bench.folder / "loop/digits.yaml").write_text(text)
    bench.git("commit", "-qam", "Let a model propose")
    plan = json.loads(run("loop", "plan", "digits", "--json").stdout)
    assert (plan["round_calls"], plan["proposer_calls"]) == (3, 3)  # two questions, and what was learned
    tokens = plan["round_tokens"]
    assert tokens == plan["proposer_tokens"]
    assert plan["round_usd"] == pytest.approx((tokens - 3000) / 1e6 + 3000 * 2 / 1e6)
    # Three times asked within 1,200 s each, and measured once, and once more should it win, within 600 s each.
    assert plan["round_seconds"] == 3 * 1200 + 2 * 600
    told = run("loop", "plan", "digits").stdout
    assert f"at most 9 calls, {3 * tokens:,} tokens, $" in told
    assert "at most 80 min an attempt, by the time-outs" in told


def test_the_committed_schema_is_what_the_command_prints(run: Run) -> None:
    """``loop/loop.schema.json`` is the output of ``tenward loop schema``, to the letter."""
    ended = run("loop", "schema")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (Library.discover().shipped / "loop/loop.schema.json").read_text(encoding="utf-8") == ended.stdout


def test_a_killed_loop_leaves_its_brief_where_the_next_start_removes_it(
    run: Run, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A brief lies in the loop's own folder, not among temporary files, and is gone once the loop goes on."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    bench.answers("wait", 3, 4)
    process = subprocess.Popen(
        [sys.executable, "-m", "tenward", "loop", "run", "digits"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    while (bench.outside / "turns").stat().st_size < 1:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    slots = bench.record.folder / "slots"
    briefs = list(slots.glob("*.brief-*/brief.md"))
    assert len(briefs) == 1
    assert list(temporary.iterdir()) == []
    ended = run("loop", "resume", "digits", "--rounds", "1")
    assert ended.returncode == 0, ended.stderr
    assert list(slots.glob("*.brief-*")) == []
    files = bench.git("ls-tree", "-r", "--name-only", "refs/tenward/digits/attempts/000001^")
    assert "brief" not in files


def test_the_report_shows_every_attempt(run: Run, bench: Bench) -> None:
    """One file with the attempts, their changes and the stairs of the number."""
    bench.answers(3, 2, "bad")
    assert run("loop", "run", "digits", "--rounds", "3").returncode == 0
    ended = run("loop", "report", "digits", "-o", "out.html")
    assert ended.returncode == 0
    assert ended.stderr == "wrote out.html\n"
    page = (bench.folder / "out.html").read_text(encoding="utf-8")
    for part in (
        "+2.0000",
        "1 → 3, better by 2 (higher is better)",
        "measured once each",
        "try 3",
        "outside the editable paths",
        'class="stairs"',
    ):
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
            "text": "confirmed: +0.050 (95 % interval +0.020 to +0.080) on 80 sealed cases",
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
        "gain confirmed: +0.050 (95 % interval +0.020 to +0.080) on 80 sealed cases",
        "the running sum of what 2 keeps claimed was +0.0900",
        "placebos: 0 of 5 kept, true share at most 45%",
        "judge noise: sd 0.041 a pass on 30 cases",
        "15 rounds · 67 min · 420 cases judged · 2,100 calls · $1.2500",
    ):
        assert part in told
    against = "judge: winner better in 80 of 80; references: baseline better in 60 of 80"
    with bench.journal() as journal:
        journal.write(loop=state(headline={**state().headline, "disagreement": against}))
    contradicted = run("loop", "status", "digits").stdout
    assert contradicted.index(against) < contradicted.index("gain confirmed: ")
    with bench.journal() as journal:
        journal.write(loop=state(headline={}))
    told = run("loop", "status", "digits").stdout
    assert "2 keeps claimed +0.0900 in sum; that is no result before it is confirmed on sealed cases" in told


@pytest.mark.parametrize(
    ("incumbent", "told"),
    [
        ("a" * 40, "of an earlier incumbent; nothing is kept now\n"),
        ("c" * 40, "of an earlier incumbent; it is measured anew when the loop ends\n"),
    ],
)
def test_a_gain_of_an_earlier_incumbent_is_not_that_of_the_present_one(
    run: Run, bench: Bench, incumbent: str, told: str
) -> None:
    """Where the branch was set back, or a later keep is not measured yet, the status says of which one the gain is."""
    bench.record.begin()
    with bench.journal() as journal:
        journal.write(loop=state(incumbent=incumbent))
    assert told in run("loop", "status", "digits").stdout


def test_a_number_is_told_from_where_to_where(run: Run, bench: Bench) -> None:
    """Status and its JSON say the same of the last measurement, and nothing of judges or sealed cases."""
    bench.answers(3, 2)
    assert run("loop", "run", "digits", "--rounds", "2").returncode == 0
    told = run("loop", "status", "digits").stdout
    change = "1 → 3, better by 2 (higher is better)"
    assert f"gain: {change}, measured once each" in told
    for part in ("not judged", "not measured", "sealed", "judge noise", "claimed"):
        assert part not in told
    assert change in run("loop", "status", "digits", "--json").stdout
    shown = run("loop", "show", "digits", "1").stdout
    assert "the mean is better" in shown


@pytest.mark.parametrize("by_number", [True, False])
def test_an_end_whose_winner_has_its_headline_alone_does_not_call_it_unjudged(
    run: Run, bench: Bench, *, by_number: bool
) -> None:
    """A winner that is judged again only when the loop goes on is not told to be waiting for it."""
    bench.record.begin()
    calibration: dict[str, Any] = {"lines": [], **({"goal": "minimize"} if by_number else {})}
    with bench.journal() as journal:
        journal.write(loop=state(incumbent_score=None, calibration=calibration))
    told = run("loop", "status", "digits").stdout
    assert "baseline 0.5500" in told
    assert "incumbent" not in told
    with bench.journal() as journal:
        journal.write(loop=state(incumbent_score=None, headline={}, calibration=calibration))
    told = run("loop", "status", "digits").stdout
    assert f"incumbent not {'measured' if by_number else 'judged'} yet" in told


def test_a_loop_whose_process_died_is_not_called_running(run: Run, bench: Bench) -> None:
    """Nobody holds it, so whatever it was at was interrupted."""
    bench.record.begin()
    with bench.journal() as journal:
        journal.write(loop=state(phase=LoopPhase.RUNNING, note=""))
    told = run("loop", "status", "digits").stdout
    assert "digits   interrupted while running\n" in told
    assert "nobody runs it now; tenward loop resume digits goes on from here" in told


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


def test_gain_says_when_there_is_none(run: Run, bench: Bench) -> None:
    """A loop that kept nothing has no gain to measure, and one that never ran is an error."""
    assert run("loop", "gain", "digits").returncode == 2
    bench.answers(*[1] * 5)
    assert run("loop", "run", "digits", "--rounds", "2").returncode == 0
    ended = run("loop", "gain", "digits")
    assert ended.returncode == 0
    assert "no attempt was kept" in ended.stdout


def test_every_round_is_a_trace(run: Run, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds go to the local file, to LangSmith where a key is set, and from the file by a push; none twice."""
    bench.answers(2, 3, 1, 4)
    with LangSmithFake() as server:
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_pt_0123456789")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", server.endpoint)
        assert run("loop", "run", "digits", "--rounds", "3").returncode == 0
        sent = {one["name"]: one for one in server.runs}
        assert list(sent) == ["attempt 1", "attempt 2", "attempt 3"]
        assert sent["attempt 1"]["outputs"]["status"] in ("keep", "discard")
        assert all(one["session_name"].startswith("loop-digits-") for one in sent.values())
        monkeypatch.delenv("LANGSMITH_API_KEY")
        assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
        (path,) = traces_folder().glob("loop-digits-*.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["position"] for line in lines if line["kind"] == "trace"] == [1, 2, 3, 4]
        assert len(server.runs) == 3
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_pt_0123456789")
        assert run("trace", "push", path.stem).returncode == 0
        assert [one["name"] for one in server.runs] == [f"attempt {number}" for number in range(1, 5)]
