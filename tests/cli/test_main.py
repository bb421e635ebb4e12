from __future__ import annotations

import importlib.metadata
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.testing import StubServer

    Run = Callable[..., CompletedProcess[str]]

COMMANDS = ["demo", "doctor", "init", "judge", "model", "rubric", "score"]


def on_a_terminal(*args: str, **variables: str) -> str:
    """Return what a command writes to a terminal of 80 columns, standard error included."""
    ours, its = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "tenward", *args], stdin=its, stdout=its, stderr=its, env=environment
    ) as process:
        os.close(its)
        read = b""
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # how Linux says that the other side has closed
                break
            if not piece:
                break
            read += piece
    os.close(ours)
    assert process.returncode == 0
    return read.decode()


def test_version_is_that_of_the_distribution(spawn: Run) -> None:
    """``--version`` prints name and version, and nothing else."""
    ended = spawn("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        0,
        f"tenward {importlib.metadata.version('tenward')}\n",
        "",
    )


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command_and_the_exit_codes(run: Run, flag: str) -> None:
    """The root's help names each command, and says what the exit codes mean."""
    ended = run(flag)
    assert ended.returncode == 0
    assert all(f"  {name} " in ended.stdout for name in COMMANDS)
    assert "Exit codes: 0 ok, 1 below a threshold, 2 usage, 3" in ended.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_fits_a_terminal(run: Run, command: str) -> None:
    """``COMMAND -h`` prints help to standard output, in lines of at most 80 columns."""
    ended = run(command, "-h")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Usage: tenward {command}")
    assert max(map(len, ended.stdout.splitlines())) <= 80


def test_nothing_to_do_shows_the_help_as_talk(run: Run) -> None:
    """Without a command the help goes to standard error, with the exit code of wrong usage."""
    ended = run()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Commands:" in ended.stderr


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["scor"], "error: found no command 'scor', did you mean 'score'?"),
        (["quux"], "error: found no command 'quux', expected one of: compare, dataset, demo, doctor, eval, "),
        (["score"], "error: Missing argument 'TARGET...'."),
        (["score", "x"], "error: Missing option '-r' / '--rubric'."),
        (["score", "x", "-r", "mine", "--fail-under", "11"], "error: Invalid value for '--fail-under'"),
        (["score", "x", "-r", "mine", "--fail-under", "nan"], "error: Invalid value for '--fail-under': found nan"),
        (["--nosuch"], "error: No such option"),
        (["model", "path", "a", "b"], "error: Got unexpected extra argument (b)"),
    ],
)
def test_wrong_usage_names_what_was_found(run: Run, workspace: Path, args: list[str], found: str) -> None:
    """A command that cannot be right ends with 2, one complaint on standard error, and nothing else."""
    ended = run(*args)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(found)


def test_wrong_usage_says_how_to_go_on(run: Run, workspace: Path) -> None:
    """The hint shows the form of the command and where there is more to read."""
    hint = run("score", "x").stderr.splitlines()[-1]
    assert hint == "hint: the form is tenward score [OPTIONS] TARGET...; tenward score -h says more"


def test_an_escape_in_an_argument_is_not_repeated_raw(run: Run, workspace: Path) -> None:
    """What a complaint quotes of the command line cannot steer the terminal."""
    for args in (["\x1b[2J"], ["model", "path", "a", "\x1b[2J"], ["rubric", "show", "\x1b[2J\u202e"]):
        ended = run(*args)
        assert ended.returncode == 2
        assert "\\x1b[2J" in ended.stderr
        assert all(c.isprintable() or c == "\n" for c in ended.stderr)


@pytest.mark.parametrize("args", [["rubric", "show", "code-review"], ["rubric", "schema"], ["--help"]])
def test_a_reader_that_leaves_is_no_fault(workspace: Path, args: list[str]) -> None:
    """With the pipe closed at the other end a command ends as the signal would end it, without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "tenward", *args], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_head_gets_its_line(workspace: Path) -> None:
    """``tenward rubric show code-review | head -1`` prints one line and no complaint."""
    line = f"{sys.executable} -m tenward rubric show code-review | head -1"
    ended = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("code-review/v1\n", "")


def test_a_terminal_gets_colour_and_a_pipe_does_not(workspace: Path, spawn: Run) -> None:
    """Styles are written for a terminal only."""
    assert "\x1b[1mcode-review/v1\x1b[0m" in on_a_terminal("rubric", "show", "code-review")
    assert "\x1b" not in spawn("rubric", "show", "code-review").stdout


@pytest.mark.parametrize("args", [["rubric", "show", "code-review"], ["doctor"], ["model", "list"]])
def test_no_color_holds_on_a_terminal(workspace: Path, args: list[str]) -> None:
    """With ``NO_COLOR`` set even a terminal gets plain text, progress included."""
    assert "\x1b" not in on_a_terminal(*args, NO_COLOR="1")


def test_no_color_holds_while_a_judge_works(workspace: Path, server: StubServer) -> None:
    """With ``NO_COLOR`` set a score is plain text on a terminal; without it there is colour."""
    (workspace / "a.txt").write_text("grade 4", encoding="utf-8")
    args = ["score", "a.txt", "-r", "mine", "-j", "stub", "--explain"]
    assert "\x1b" not in on_a_terminal(*args, NO_COLOR="1")
    assert "\x1b[32m█" in on_a_terminal(*args)


@pytest.mark.parametrize("width", ["60", "80", "140"])
@pytest.mark.parametrize("command", ["rubric show code-review", "rubric show", "judge show", "doctor", "model list"])
def test_pages_fit_the_terminal(workspace: Path, command: str, width: str) -> None:
    """No line is longer than the terminal is wide, and none ends in blanks."""
    lines = on_a_terminal(*command.split(), COLUMNS=width, NO_COLOR="1").splitlines()
    assert max(map(len, lines)) <= int(width)
    assert [line for line in lines if line != line.rstrip()] == []


def test_an_ascii_terminal_gets_plain_bars(workspace: Path, server: StubServer, spawn: Run) -> None:
    """Where standard output cannot take Unicode, bars are made of ``#`` and nothing is raised."""
    (workspace / "a.txt").write_text("grade 3", encoding="utf-8")
    ended = spawn("score", "a.txt", "-r", "mine", "-j", "stated", PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "clear      ##########.........." in ended.stdout


def test_a_programming_error_is_not_hidden(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is not made for people keeps its traceback, and is not taken for a score below a threshold."""

    def fail(_store: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tenward.cli._model.ModelStore.list_models", fail)
    ended = run("model", "list")
    assert ended.returncode == 3
    assert ended.stderr.startswith("Traceback (most recent call last):")
    assert ended.stderr.endswith("ZeroDivisionError\n\nerror: this is a fault in tenward, please report it\n")


@pytest.mark.parametrize("args", ["rubric show code-review", "rubric schema", "--help"])
@pytest.mark.parametrize(
    ("output", "reason"), [("/dev/full", "output cannot be written (No space"), ("&-", "standard output is closed")]
)
def test_output_that_cannot_be_written_is_no_low_score(workspace: Path, args: str, output: str, reason: str) -> None:
    """A full disk or a closed standard output ends with 3 and one line."""
    line = f"{sys.executable} -m tenward {args} >{output}"
    ended = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert ended.stderr.startswith(f"error: {reason}")
    assert len(ended.stderr.splitlines()) == 1
