from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Run = Callable[..., CompletedProcess[str]]

LOOP = """\
loop: {name}/v1
goal: A {kind} number.
edit: ["art/**"]
propose: {propose}
score: {{number: {{command: sh art/measure.sh, goal: maximize}}}}
budget: {{rounds: 2}}
placebo: 0.0
"""
COMMAND = '{command: "sh propose.sh", allow: {write: [../outside]}}'
PROPOSE = """\
cat > "{folder}/brief"
[ -f "{folder}/wait" ] && {{ touch "{folder}/waiting"; sleep 60; }}
echo $(($(cat art/number.txt) + 1)) > art/number.txt
echo "one more"
"""


class Bench:
    """A repository with loops that count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outside = folder.parent / "outside"

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return what it prints."""
        start = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *arguments]
        return subprocess.run(start, cwd=self.folder, capture_output=True, text=True, check=True).stdout.strip()

    def loop(self, path: str, name: str, *, kind: str = "larger", propose: str = COMMAND) -> None:
        """Write and commit the file of a loop."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(LOOP.format(name=name, kind=kind, propose=propose))
        self.git("add", ".")
        self.git("commit", "-qm", path)


@pytest.fixture
def bench(workspace: Path) -> Bench:
    """A repository without a loop, with what loops need, as the current folder."""
    bench = Bench(workspace)
    bench.outside.mkdir()
    (workspace / "art").mkdir()
    (workspace / "art/number.txt").write_text("1\n")
    (workspace / "art/measure.sh").write_text("cat art/number.txt\n")
    (workspace / "propose.sh").write_text(PROPOSE.format(folder=bench.outside))
    (workspace / ".gitignore").write_text(".tenward/\n__pycache__/\n")
    bench.git("init", "-q", "-b", "main")
    bench.git("add", ".")
    bench.git("commit", "-qm", "Begin")
    return bench


def listed(run: Run) -> dict[str, dict[str, Any]]:
    """Return what is listed, by name."""
    ended = run("loop", "list", "--json")
    assert ended.returncode == 0, ended.stderr
    return {loop["name"]: loop for loop in json.loads(ended.stdout)}


def test_a_repository_without_loops_says_so(run: Run, bench: Bench) -> None:
    """Nothing on standard output but an empty list, and a word on how to get a loop."""
    assert bench.folder.is_dir()
    ended = run("loop", "list")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "found no loop in this repository; tenward loop copy curve-fit" in ended.stderr
    assert listed(run) == {}


def test_where_there_is_no_repository_nothing_is_listed(run: Run, workspace: Path) -> None:
    """Records lie in git, so its absence is named."""
    assert workspace.is_dir()
    ended = run("loop", "list")
    assert ended.returncode == 2
    assert "found no git repository" in ended.stderr


def test_loops_are_listed_with_their_files_and_how_they_stand(run: Run, bench: Bench) -> None:
    """One that has not begun beside one that has ended; also from a folder further down."""
    bench.loop("loop/first.yaml", "digits")
    bench.loop("loop/other/loop.yaml", "other", kind="smaller")
    assert run("loop", "run", "digits").returncode == 0
    loops = listed(run)
    assert list(loops) == ["digits", "other"]
    digits, other = loops.values()
    assert digits["files"] == ["loop/first.yaml"]
    assert [digits[name] for name in ("goal", "begun", "attempts", "keeps", "phase", "running", "problems")] == [
        *("A larger number.", True, 2, 2, "ended", None, [])
    ]
    assert digits["last"].endswith("+00:00")
    assert (other["begun"], other["phase"], other["standing"], other["last"]) == (False, None, "not begun", None)
    os.chdir(bench.folder / "loop")
    page = run("loop", "list").stdout
    for part in ("digits   ended: all 2 rounds are done", "loop/first.yaml · 2 attempts · 2 kept", "other   not begun"):
        assert part in page
    assert "A smaller number.\n  loop/other/loop.yaml\n" in page


def test_a_record_outlives_its_file(run: Run, bench: Bench) -> None:
    """The goal is then that of the file as the loop began."""
    bench.loop("loop/digits.yaml", "digits")
    run("loop", "run", "digits", "--rounds", "1")
    (bench.folder / "loop/digits.yaml").unlink()
    found = listed(run)["digits"]
    assert (found["files"], found["goal"], found["attempts"]) == ([], "A larger number.", 1)
    assert "no file in loop/ · 1 attempt · 1 kept" in run("loop", "list").stdout


def test_without_a_journal_the_refs_tell(run: Run, bench: Bench) -> None:
    """In a clone that fetched the record, and where the journal cannot be read, which is said."""
    bench.loop("loop/digits.yaml", "digits")
    run("loop", "run", "digits")
    journal = bench.folder / ".git/tenward/digits/journal.sqlite"
    journal.write_bytes(b"rubbish")
    for path in journal.parent.glob("journal.sqlite-*"):
        path.unlink()
    found = listed(run)["digits"]
    assert (found["attempts"], found["keeps"], found["standing"]) == (2, 2, "begun; its journal cannot be read")
    assert found["problems"][0].startswith(".git/tenward/digits/journal.sqlite: found a file that cannot be used")
    shutil.rmtree(journal.parent)
    found = listed(run)["digits"]
    assert (found["attempts"], found["keeps"], found["standing"]) == (2, 2, "begun; no journal in this clone")
    assert found["phase"] is None
    assert found["problems"] == []
    assert not journal.exists()


def test_a_foreign_ref_is_told_and_the_rest_is_listed(run: Run, bench: Bench) -> None:
    """What somebody else put among the attempts takes no other loop away."""
    bench.loop("loop/digits.yaml", "digits")
    bench.loop("loop/other.yaml", "other")
    run("loop", "run", "digits")
    shutil.rmtree(bench.folder / ".git/tenward/digits")
    bench.git("update-ref", "refs/tenward/digits/attempts/mine", "HEAD")
    loops = listed(run)
    assert list(loops) == ["digits", "other"]
    assert "refs/tenward/digits/attempts/mine is not the record of an attempt" in loops["digits"]["problems"][0]


def test_a_faulty_file_is_listed_with_its_fault(run: Run, bench: Bench) -> None:
    """It goes by its own name where its text says none."""
    bench.loop("loop/digits.yaml", "digits")
    (bench.folder / "loop/digits.yaml").write_text("loop: digits/v1\nnothing: else\n")
    (bench.folder / "loop/odd.yaml").write_text("[")
    loops = listed(run)
    assert list(loops) == ["digits", "odd"]
    assert all(loop["problems"][0].startswith(f"loop/{name}.yaml:") for name, loop in loops.items())


def test_who_runs_a_loop_is_listed(run: Run, bench: Bench) -> None:
    """A loop under way names its process; one whose process was killed is told to be interrupted."""
    bench.loop("loop/digits.yaml", "digits")
    (bench.outside / "wait").touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "tenward", "loop", "run", "digits"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (bench.outside / "waiting").exists():
            assert process.poll() is None
            time.sleep(0.05)
        found = listed(run)["digits"]
        assert (found["phase"], found["standing"], found["running"]["pid"]) == ("running", "running", process.pid)
    finally:
        process.kill()
        process.wait()
    found = listed(run)["digits"]
    assert (found["standing"], found["running"]) == ("interrupted while running", None)


def test_a_loop_is_found_by_the_name_in_its_file(run: Run, bench: Bench) -> None:
    """The name that is listed serves every command, whatever the file is called; its version is checked."""
    bench.loop("loop/first.yaml", "digits")
    for name in ("digits", "digits/v1", "first", "loop/first.yaml"):
        assert json.loads(run("loop", "plan", name, "--json").stdout)["loop"] == "digits/v1"
    ended = run("loop", "plan", "digits/v2")
    assert ended.returncode == 2
    assert "found digits/v1, expected digits/v2" in ended.stderr


def test_the_workspace_comes_before_a_shipped_loop_of_the_name(run: Run, bench: Bench) -> None:
    """Also where only the text of its file has the name of a shipped one."""
    bench.loop("loop/mine.yaml", "curve-fit", kind="smaller")
    assert "A smaller number." in run("loop", "plan", "curve-fit").stdout


@pytest.mark.parametrize("second", ["loop/b.yaml", "loop/b.yml", "loop/b/loop.yaml"])
def test_two_files_of_one_name_are_refused(run: Run, bench: Bench, second: str) -> None:
    """Git has one record per name, so neither file runs, by whatever name; the message has both files and a way out."""
    bench.loop("loop/a.yaml", "digits")
    bench.loop(second, "digits", kind="smaller")
    bench.loop("loop/c.yaml", "digits-two")
    for words in (("plan", "a"), ("plan", "b"), ("run", "digits"), ("resume", "loop/a.yaml")):
        ended = run("loop", *words)
        assert ended.returncode == 2
        assert f"found the loop name 'digits' in 2 files (loop/a.yaml, {second}), expected it in one" in ended.stderr
        assert "give all but one another name" in ended.stderr
    assert listed(run)["digits"]["files"] == ["loop/a.yaml", second]
    assert "several files give their loop this name" in run("loop", "list").stdout
    assert run("loop", "plan", "c").returncode == 0


def test_a_record_that_two_files_share_can_still_be_read(run: Run, bench: Bench) -> None:
    """A copy of the file does not lock its loop away: how it stands is told, and what is wrong beside it."""
    bench.loop("loop/a.yaml", "digits")
    run("loop", "run", "a")
    bench.loop("loop/b.yaml", "digits", kind="smaller")
    ended = run("loop", "status", "a")
    assert (ended.returncode, "2 keep" in ended.stdout) == (0, True)
    assert "found the loop name 'digits' in 2 files (loop/a.yaml, loop/b.yaml)" in ended.stderr
    assert run("loop", "log", "a").returncode == 0


def test_a_link_to_a_file_is_no_second_file(run: Run, bench: Bench) -> None:
    """Two ways to one text are one loop."""
    bench.loop("loop/a.yaml", "digits")
    (bench.folder / "loop/b.yaml").symlink_to("a.yaml")
    assert run("loop", "plan", "b").returncode == 0
    assert listed(run)["digits"]["files"] == ["loop/a.yaml"]


def test_a_function_that_is_not_there_is_told_before_anything_is_paid(run: Run, bench: Bench) -> None:
    """By the plan as an error and by a run before it begins; once it is there, both go on."""
    bench.loop("loop/digits.yaml", "digits", propose="{python: 'ideas:main'}")
    told = f"propose.python: found 'ideas:main', expected a module 'ideas' in {bench.folder}"
    ended = run("loop", "plan", "digits", "--json")
    assert ended.returncode == 2
    assert json.loads(ended.stdout)["errors"][0].startswith(told)
    ended = run("loop", "run", "digits")
    assert (ended.returncode, told in ended.stderr) == (2, True)
    assert bench.git("for-each-ref", "refs/tenward") == ""
    answer = "{'title': 'Seven', 'edits': [{'path': 'art/number.txt', 'text': '7'}]}"
    (bench.folder / "ideas.py").write_text(f"def main(brief):\n    return {answer}\n")
    assert run("loop", "plan", "digits").returncode == 0
    assert run("loop", "run", "digits", "--rounds", "1").returncode == 0
    assert bench.git("show", "tenward/digits:art/number.txt") == "7"


def test_the_brief_says_what_a_pattern_does_not_open(run: Run, bench: Bench) -> None:
    """The program that scores is named as what may not change, and its text is not among the files."""
    bench.loop("loop/digits.yaml", "digits")
    run("loop", "run", "digits", "--rounds", "1")
    brief = (bench.outside / "brief").read_text()
    assert "Only these paths may be changed:\n- art/**\nbut not: art/measure.sh\n" in brief
    assert "art/measure.sh:" not in brief


def test_a_function_that_edits_what_scores_is_told(run: Run, bench: Bench) -> None:
    """Its proposal is invalid as it is, and nothing of it is written."""
    bench.loop("loop/digits.yaml", "digits", propose="{python: 'ideas:main'}")
    answer = "{'title': 'Cheat', 'edits': [{'path': brief['but_not'][0], 'text': 'echo 9'}]}"
    (bench.folder / "ideas.py").write_text(f"def main(brief):\n    return {answer}\n")
    run("loop", "run", "digits", "--rounds", "1")
    shown = json.loads(run("loop", "show", "digits", "1", "--json").stdout)
    assert (shown["status"], shown["reason"]) == ("invalid", "invalid: art/measure.sh may not be edited")
