from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tenward.errors import GateError
from tenward.rubrics import Criterion, Gate, GateResult, Rubric, run_gates


def check(gate: Gate, candidate: str, folder: Path | None = None) -> GateResult:
    """Run one gate on one candidate."""
    rubric = Rubric(rubric="gates", about="What?", criteria={"clarity": Criterion(ask=("How?",))}, gates=(gate,))
    (result,) = run_gates(rubric, candidate, folder=folder)
    return result


def python(script: str) -> str:
    """Return the command line that runs a Python script."""
    return shlex.join([sys.executable, "-c", script])


@pytest.mark.parametrize(
    ("gate", "rule"),
    [
        (Gate(max_chars=1500), "at most 1,500 characters"),
        (Gate(min_words=1), "at least 1 word"),
        (Gate(forbids="x", say="no x"), "no x"),
        (Gate(max_words=9, say="fewer than ten words"), "fewer than ten words"),
        (Gate(matches="x"), ""),
    ],
)
def test_a_gate_says_its_rule_in_words(gate: Gate, rule: str) -> None:
    """As the rubric has it, or a limit spelt out; a pattern without words has none."""
    assert gate.rule == rule
    assert check(gate, "abc").rule == rule


@pytest.mark.parametrize(
    ("gate", "candidate", "passed", "shown", "detail"),
    [
        (Gate(max_words=3), "one two  three", True, "max_words: 3", "3 words"),
        (Gate(max_words=3), "one two\nthree four", False, "max_words: 3", "4 words"),
        (Gate(min_words=2), "one two", True, "min_words: 2", "2 words"),
        (Gate(min_words=2), "one", False, "min_words: 2", "1 words"),
        (Gate(max_chars=1500), "x" * 1500, True, "max_chars: 1500", "1,500 characters"),
        (Gate(max_chars=1500), "x" * 1501, False, "max_chars: 1500", "1,501 characters"),
        (Gate(min_chars=4), "größ", True, "min_chars: 4", "4 characters"),
        (Gate(min_chars=4), "abc", False, "min_chars: 4", "3 characters"),
        (Gate(matches="^## Summary$"), "# T\n## Summary\ntext", True, "matches: ^## Summary$", "found"),
        (Gate(matches="^## Summary$"), "see ## Summary", False, "matches: ^## Summary$", "not found"),
        (Gate(forbids="(?i)todo"), "All done.", True, "forbids: (?i)todo", "not found"),
        (Gate(forbids="(?i)todo"), "a ToDo here", False, "forbids: (?i)todo", "found 'ToDo'"),
        (Gate(forbids="x+"), "x" * 500, False, "forbids: x+", f"found {'x' * 60!r}"),
        (Gate(min_words=1), "", False, "min_words: 1", "0 words"),
        (Gate(max_words=1), "", True, "max_words: 1", "0 words"),
    ],
)
def test_text_gates(gate: Gate, candidate: str, passed: bool, shown: str, detail: str) -> None:
    """Each check of the text passes up to its limit, fails beyond it, and says what it found."""
    found = check(gate, candidate)
    assert (found.gate, found.passed, found.detail) == (shown, passed, detail)


def test_every_gate_is_run_in_order() -> None:
    """A failed gate does not hide the findings of the later ones."""
    gates = (Gate(max_words=1), Gate(run="false"), Gate(min_chars=1))
    rubric = Rubric(rubric="gates", about="What?", criteria={"clarity": Criterion(ask=("How?",))}, gates=gates)
    assert [result.passed for result in run_gates(rubric, "one two")] == [False, False, True]


def test_a_rubric_without_gates_has_no_results() -> None:
    """No gates give no results."""
    rubric = Rubric(rubric="gates", about="What?", criteria={"clarity": Criterion(ask=("How?",))})
    assert run_gates(rubric, "text") == ()


def test_the_exit_status_decides() -> None:
    """Status 0 passes; any other fails, with the status and the last line printed."""
    assert check(Gate(run="true"), "text") == GateResult(gate="run: true", passed=True, detail="exit status 0")
    failed = check(Gate(run="sh -c 'echo first; echo last line >&2; exit 3'"), "text")
    assert (failed.passed, failed.detail) == (False, "exit status 3: last line")


def test_the_candidate_is_on_standard_input_and_in_a_file() -> None:
    """The command reads the candidate's very text from standard input and from TENWARD_CANDIDATE."""
    candidate = "größe\n\n  twö  "
    script = (
        "import os, pathlib, sys; given = sys.stdin.buffer.read(); "
        "kept = pathlib.Path(os.environ['TENWARD_CANDIDATE']).read_bytes(); "
        f"sys.exit(not (given == kept == {candidate.encode()!r}))"
    )
    assert check(Gate(run=python(script)), candidate).passed


def test_a_candidate_with_a_lone_surrogate_reaches_the_command() -> None:
    """Text that JSON can hold but UTF-8 cannot does not stop the gate."""
    assert check(Gate(run="sh -c 'test $(wc -c) = 4 && test -s $TENWARD_CANDIDATE'"), "a\ud800").passed


def test_a_command_runs_in_the_folder_of_the_target(tmp_path: Path) -> None:
    """The working folder is the given one; the candidate's file is not left in it."""
    (tmp_path / "marker").touch()
    assert check(Gate(run="test -f marker"), "text", tmp_path).passed
    assert [path.name for path in tmp_path.iterdir()] == ["marker"]


def test_without_a_folder_a_command_runs_in_a_temporary_one(tmp_path: Path) -> None:
    """Nothing a command writes lands in the current folder, and its scratch folder is gone afterwards."""
    where = tmp_path / "where"
    assert check(Gate(run=f"sh -c 'pwd > {where}; touch made'"), "text").passed
    scratch = Path(where.read_text(encoding="utf-8").strip())
    assert scratch != Path.cwd()
    assert not scratch.exists()


def test_no_shell_reads_the_command() -> None:
    """Shell characters are plain arguments, so the command line cannot be widened by accident."""
    assert check(Gate(run="test '$HOME' = \\$HOME"), "text").passed
    assert not check(Gate(run="false || true"), "text").passed


def test_a_command_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the caller's environment are not passed on; PATH is."""
    for name in ("OPENAI_API_KEY", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_SERVICE"):
        monkeypatch.setenv(name, "s3cr3t")
    result = check(Gate(run="sh -c 'env; test -n \"$PATH\" && ! env | grep -q s3cr3t'"), "text")
    assert result.passed, result.detail


def test_a_timeout_fails_the_gate_and_kills_grandchildren(tmp_path: Path) -> None:
    """A command that hangs fails its gate, and what it started is dead afterwards."""
    script = tmp_path / "hang.sh"
    script.write_text("sleep 300 &\necho $! > grandchild\necho waiting\nsleep 300\n", encoding="utf-8")
    result = check(Gate(run="sh hang.sh", timeout=1), "text", tmp_path)
    assert (result.passed, result.detail) == (False, "stopped after 1 s: waiting")
    assert_ends(int((tmp_path / "grandchild").read_text(encoding="utf-8")))


def test_a_missing_command_is_no_verdict_on_the_candidate() -> None:
    """A command that is not there raises, naming the gate and how to mend it."""
    with pytest.raises(GateError) as caught:
        check(Gate(run="no-such-program --check"), "text")
    assert caught.value.message == (
        "gate 'run: no-such-program --check' could not be started: No such file or directory"
    )
    assert caught.value.hint == "is 'no-such-program' installed and on PATH? commands run without a shell"


def test_a_command_that_may_not_be_executed_is_no_verdict(tmp_path: Path) -> None:
    """A file without the right to execute raises as well."""
    (tmp_path / "check").write_text("#!/bin/sh\n", encoding="utf-8")
    with pytest.raises(GateError, match="could not be started: Permission denied"):
        check(Gate(run=str(tmp_path / "check")), "text")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("sh -c 'exit 0", "No closing quotation", "balance the quotes of the command"),
        ("   ", "found an empty command", "name a program, such as run: make test"),
        ("echo \0", "could not be started: embedded null byte", "is 'echo' installed"),
        ("''", "could not be started", "is '' installed"),
    ],
)
def test_a_command_line_that_cannot_be_run(line: str, message: str, hint: str) -> None:
    """Unbalanced quotes, blank commands and NUL characters are named for what they are."""
    with pytest.raises(GateError) as caught:
        check(Gate(run=line), "text")
    assert message in caught.value.message
    assert hint in caught.value.hint


def assert_ends(pid: int) -> None:
    """Fail unless the process is gone; a zombie that waits for its new parent is gone as well."""
    state = ""
    for _ in range(100):
        shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        state = shown.stdout.strip()
        if state[:1] in {"", "Z"}:
            return
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} still runs, in state {state}")


def test_a_pattern_that_never_ends_fails_its_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that backtracks without end is stopped; neither kind of gate passes then."""
    monkeypatch.setattr("tenward.rubrics._gates._PATTERN_SECONDS", 0.5)
    for gate in (Gate(matches="(a+)+$"), Gate(forbids="(a|aa)+$")):
        result = check(gate, "a" * 60 + "b")
        assert (result.passed, result.detail) == (False, "the pattern took longer than 0.5 s")


def test_a_search_in_a_process_of_its_own_finds_the_same() -> None:
    """Patterns with several quantifiers, and long texts, give the results of any other search."""
    text = "größe \ud800 x1\n" + "filler " * 3_000
    assert check(Gate(forbids="gr.+e .*$"), text).detail == f"found {'größe ' + chr(0xD800) + ' x1'!r}"
    assert check(Gate(matches="^(x|filler )+$"), text) == GateResult(
        gate="matches: ^(x|filler )+$", passed=True, detail="found"
    )
    assert check(Gate(matches="nowhere"), text).detail == "not found"
