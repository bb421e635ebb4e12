from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tenward.processes import run_command, scrubbed_environment

if TYPE_CHECKING:
    from pathlib import Path


def test_a_command_reports_status_and_output(tmp_path: Path) -> None:
    """Standard output and standard error come back in the order of printing, with the exit status."""
    script = "echo one; echo two >&2; echo three; exit 7"
    ended = run_command(["sh", "-c", script], cwd=tmp_path, timeout=60, env=scrubbed_environment())
    assert (ended.status, ended.tail) == (7, "one\ntwo\nthree")
    assert ended.seconds > 0


def test_a_command_killed_by_a_signal_has_a_negative_status(tmp_path: Path) -> None:
    """A signal is not taken for an exit status."""
    ended = run_command(["sh", "-c", "kill -TERM $$"], cwd=tmp_path, timeout=60, env=scrubbed_environment())
    assert ended.status == -15


def test_only_the_end_of_long_output_is_kept(tmp_path: Path) -> None:
    """Of a long output the last 4,000 bytes remain, broken characters replaced."""
    script = "print('ä' * 100_000 + 'end')"
    ended = run_command([sys.executable, "-X", "utf8", "-c", script], cwd=tmp_path, timeout=60, env={})
    assert ended.tail.endswith("äend")
    assert len(ended.tail.encode()) <= 4002


def test_standard_output_goes_whole_into_a_file_that_is_given(tmp_path: Path) -> None:
    """The tail is then of standard error alone."""
    script = "import sys; print('x' * 100_000); print('talk', file=sys.stderr)"
    with (tmp_path / "output").open("w+b") as output:
        ended = run_command([sys.executable, "-c", script], cwd=tmp_path, timeout=60, env={}, output=output)
        assert (ended.status, ended.tail) == (0, "talk")
    assert (tmp_path / "output").read_text() == "x" * 100_000 + "\n"


def test_standard_input_is_the_given_text(tmp_path: Path) -> None:
    """The command reads the text, to its end, even when it is larger than a pipe holds."""
    text = "grün\n" * 50_000
    ended = run_command(["wc", "-c"], cwd=tmp_path, timeout=60, env=scrubbed_environment(), stdin=text)
    assert int(ended.tail) == len(text.encode())


def test_a_command_that_does_not_read_is_no_fault(tmp_path: Path) -> None:
    """A command may end without reading a large input."""
    ended = run_command(["true"], cwd=tmp_path, timeout=60, env=scrubbed_environment(), stdin="x" * 1_000_000)
    assert ended.status == 0


def test_any_string_can_be_standard_input(tmp_path: Path) -> None:
    """A lone surrogate, as JSON can hold, does not stop the command."""
    ended = run_command(["wc", "-c"], cwd=tmp_path, timeout=60, env=scrubbed_environment(), stdin="\ud800")
    assert int(ended.tail) == 3


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    """Arguments with shell characters arrive unchanged."""
    ended = run_command(["echo", "$HOME; *"], cwd=tmp_path, timeout=60, env=scrubbed_environment())
    assert ended.tail == "$HOME; *"


def test_the_command_runs_in_its_folder_and_its_own_session(tmp_path: Path) -> None:
    """The working folder is the given one, and the process leads a session of its own."""
    script = "import os; print(os.getcwd()); print(os.getsid(0) == os.getpid())"
    ended = run_command([sys.executable, "-c", script], cwd=tmp_path, timeout=60, env={})
    assert ended.tail.splitlines() == [str(tmp_path.resolve()), "True"]


def test_a_command_left_behind_by_its_child_is_not_waited_for(tmp_path: Path) -> None:
    """A background process that keeps the output open neither delays the end nor outlives it."""
    script = "sleep 300 & echo $! > pid"
    ended = run_command(["sh", "-c", script], cwd=tmp_path, timeout=200, env=scrubbed_environment())
    assert ended.status == 0
    assert_ends(int((tmp_path / "pid").read_text()))


def test_a_timeout_ends_the_whole_family(tmp_path: Path) -> None:
    """At the timeout the command and everything it started is killed, and what it printed is kept."""
    script = "sleep 300 & echo $! > pid; echo started; sleep 300"
    ended = run_command(["sh", "-c", script], cwd=tmp_path, timeout=1, env=scrubbed_environment())
    assert (ended.status, ended.tail) == (None, "started")
    assert_ends(int((tmp_path / "pid").read_text()))


def test_a_command_that_ignores_signals_is_killed_at_its_timeout(tmp_path: Path) -> None:
    """Ignoring the polite signals does not help."""
    script = "trap '' TERM INT HUP; while :; do sleep 300; done"
    ended = run_command(["sh", "-c", script], cwd=tmp_path, timeout=1, env=scrubbed_environment())
    assert ended.status is None


def test_an_unknown_command_cannot_be_started(tmp_path: Path) -> None:
    """A missing program is an error of the machine, not an exit status."""
    with pytest.raises(FileNotFoundError):
        run_command(["no-such-program"], cwd=tmp_path, timeout=60, env=scrubbed_environment())


def test_the_environment_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the caller's variables only the few that find tools remain, plus what is given."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("TZ", "UTC")
    environment = scrubbed_environment({"EXTRA": "1"})
    assert environment["PATH"] == os.environ["PATH"]
    assert (environment["TZ"], environment["EXTRA"]) == ("UTC", "1")
    assert not any("secret" in value for value in environment.values())


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


def test_a_command_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    """Before a command fills the disk it is stopped, and the tail says why."""
    ended = run_command(["yes"], cwd=tmp_path, timeout=300, env=scrubbed_environment())
    assert ended.status is None
    assert ended.tail.splitlines()[-2:] == ["y", "printed more than 50,000,000 bytes"]
