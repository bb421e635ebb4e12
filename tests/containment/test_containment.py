from __future__ import annotations

import os
import shlex
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tenward.containment import Containment, Level, Room, containment
from tenward.errors import UsageError
from tenward.processes import Completed, run_command, scrubbed_environment

PYTHON = shlex.quote(sys.executable)


def works(level: Level) -> bool:
    """Whether this machine has a level."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENWARD_CONTAINMENT", level)
        try:
            return containment().level is level
        except UsageError:
            return False


HERE: list[Any] = [level for level in Level if level is not Level.NONE and works(level)]
NOWHERE = pytest.param(None, marks=pytest.mark.skip("nothing here contains a command"))


@pytest.fixture(params=HERE or [NOWHERE])
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Level:
    """Each level that this machine has, as the one that is used."""
    monkeypatch.setenv("TENWARD_CONTAINMENT", request.param)
    return Level(request.param)


def sh(
    script: str, own: Path, *, read: tuple[Path, ...] = (), hide: tuple[Path, ...] = (), network: bool = False
) -> Completed:
    """Run a script of the shell in a room that may write one folder."""
    room = Room(write=(own,), read=read, hide=hide, network=network)
    env = scrubbed_environment({"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    return run_command(["/bin/sh", "-c", script], cwd=own, timeout=60, env=env, room=room)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder that a command may write, beside what it may not see."""
    folder = tmp_path / "own"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("the sealed answer")
    return folder


def test_a_machine_that_runs_these_tests_can_contain() -> None:
    """Linux with Landlock, or with bubblewrap, which the machine of the tests has."""
    assert HERE or not sys.platform.startswith("linux")


def test_only_its_own_folder_is_written(level: Level, own: Path) -> None:
    """And a temporary folder that is gone with it, which is its home as well."""
    before = set(Path(tempfile.gettempdir()).iterdir())
    ended = sh("echo a > here && echo b > $HOME/b && echo c > $TMPDIR/c && cat ~/c", own)
    assert (ended.status, ended.tail) == (0, "c")
    assert (own / "here").read_text() == "a\n"
    assert set(Path(tempfile.gettempdir()).iterdir()) <= before
    for place in ("..", "/", str(Path.home()), "/etc", "/usr", "/dev/shm", sys.prefix):
        sh(f"echo x > {place}/tenward-was-here", own)
        assert not (own / place / "tenward-was-here").exists(), place
    assert sorted(path.name for path in own.parent.iterdir()) == ["own", "secret.txt"]


def test_nothing_of_the_user_is_read(level: Level, own: Path) -> None:
    """Not a file beside its folder, not the home folder, not by a link, not what root alone may read."""
    (own / "link").symlink_to(own.parent / "secret.txt")
    mine = Path.home() / ".tenward-test-of-rooms"
    mine.write_text("private")
    try:
        for path in (own.parent / "secret.txt", own / "link", mine, Path("/etc/shadow"), Path(__file__)):
            ended = sh(f"cat {shlex.quote(str(path))}", own)
            assert ended.status != 0 or not ended.tail, path
    finally:
        mine.unlink()


def test_what_is_named_is_read_and_not_written(level: Level, own: Path) -> None:
    """A file or folder that a loop gives leave to."""
    secret = own.parent / "secret.txt"
    assert sh(f"cat {secret}", own, read=(secret,)).tail == "the sealed answer"
    assert sh(f"echo x > {secret}", own, read=(secret,)).status != 0
    assert secret.read_text() == "the sealed answer"


def test_what_is_hidden_stays_so_among_tools(level: Level, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder on the path is read, but for the part that is hidden."""
    tools = own.parent / "tools"
    (tools / "bin").mkdir(parents=True)
    (tools / "pyvenv.cfg").touch()
    (tools / "bin" / "hello").write_text("#!/bin/sh\necho hello\n")
    (tools / "bin" / "hello").chmod(0o755)
    (tools / "cases").mkdir()
    (tools / "cases" / "sealed.txt").write_text("sealed")
    script = f"{tools}/bin/hello; cat {tools}/cases/sealed.txt"
    monkeypatch.setattr("tenward.containment._system._SYSTEM", ("/usr", "/bin", "/lib", "/lib64", str(tools)))
    from tenward.containment import _system

    _system._roots.cache_clear()
    try:
        assert sh(script, own).tail == "hello\nsealed"
        hidden = sh(script, own, hide=(tools / "cases",))
        assert "hello" in hidden.tail
        assert hidden.status != 0
    finally:
        monkeypatch.undo()
        _system._roots.cache_clear()


OPEN = """
import socket, sys
try:
    found = socket.socket(getattr(socket, sys.argv[1]))
    if len(sys.argv) > 2:
        found.connect(sys.argv[2])
    print("open")
except OSError as error:
    print("refused")
"""


def test_no_socket_is_opened(level: Level, own: Path) -> None:
    """Neither of the internet nor of the file system, where a user's terminal listens; a pair of its own is."""
    (own / "o.py").write_text(OPEN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(own.parent / "s"))
        listener.listen()
        for words in ("AF_INET", "AF_INET6", f"AF_UNIX {own.parent}/s"):
            assert sh(f"{PYTHON} o.py {words}", own).tail == "refused"
            reached = sh(f"{PYTHON} o.py {words}", own, network=True, read=(own.parent,)).tail
            assert reached == ("refused" if "UNIX" in words else "open")
    assert sh(f"{PYTHON} -c 'import socket; socket.socketpair(); print(1)'", own).tail == "1"


def test_the_one_who_started_it_is_out_of_reach(level: Level, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a variable nor the memory of that process is read, and it gets no signal."""
    monkeypatch.setenv("TENWARD_TEST_KEY", "a-key-nobody-may-see")
    pid = os.getpid()
    ended = sh(
        f"cat /proc/*/environ /proc/{pid}/environ /proc/{pid}/maps; head -c 1 /proc/{pid}/mem; kill -0 {pid}", own
    )
    assert "a-key-nobody-may-see" not in ended.tail
    assert str(Path(sys.executable).name) not in ended.tail.replace("cat: ", "") or ended.status != 0


def test_tools_work(level: Level, own: Path) -> None:
    """This Python with its libraries, git, pipes, background work and odd folders."""
    ended = sh(
        f"{PYTHON} -c 'import numpy, json, multiprocessing; print(numpy.ones(2).sum())'; git --version; sleep 0 & wait",
        own,
    )
    assert ended.status == 0
    assert ended.tail.startswith("2.0\ngit version")


def test_status_and_input_are_those_of_the_command(level: Level, own: Path) -> None:
    """As without a room; a signal ends it likewise."""
    room = Room(write=(own,))
    env = scrubbed_environment()
    assert run_command(["/bin/sh", "-c", "exit 7"], cwd=own, timeout=60, env=env, room=room).status == 7
    ended = run_command(["cat"], cwd=own, timeout=60, env=env, room=room, stdin="given\n")
    assert ended.tail == "given"
    stopped = run_command(["sleep", "600"], cwd=own, timeout=0.5, env=env, room=room)
    assert stopped.status is None


def test_what_it_leaves_in_its_temporary_folder_is_removed(level: Level, own: Path) -> None:
    """However deep, and whatever its modes."""
    before = set(Path(tempfile.gettempdir()).iterdir())
    deep = "import os\nos.chdir(os.environ['TMPDIR'])\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')\n"
    (own / "d.py").write_text(deep)
    assert (
        sh(f"{PYTHON} d.py; mkdir $TMPDIR/closed && touch $TMPDIR/closed/f && chmod 0 $TMPDIR/closed", own).status == 0
    )
    assert set(Path(tempfile.gettempdir()).iterdir()) <= before


def test_without_a_room_nothing_is_contained(tmp_path: Path) -> None:
    """Commands of the user's own, such as those of eval, run as they are."""
    (tmp_path / "f").write_text("x")
    ended = run_command(["cat", str(tmp_path / "f")], cwd=Path("/"), timeout=60, env=scrubbed_environment())
    assert ended.tail == "x"


def test_a_level_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there, or none at all, is an error with a hint; every level says what it means."""
    monkeypatch.setenv("TENWARD_CONTAINMENT", "none")
    assert containment().level is Level.NONE
    monkeypatch.setenv("TENWARD_CONTAINMENT", "magic")
    with pytest.raises(UsageError, match="found 'magic', expected one of bwrap, landlock"):
        containment()
    monkeypatch.setenv("TENWARD_CONTAINMENT", "sandbox-exec" if sys.platform != "darwin" else "landlock")
    with pytest.raises(UsageError, match="does not work here"):
        containment()
    monkeypatch.delenv("TENWARD_CONTAINMENT")
    assert isinstance(containment(), Containment)
    assert all(level.words for level in Level)


def test_a_tool_in_the_home_folder_is_run_and_its_credentials_are_not_read(
    level: Level, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder on the path brings itself, not what lies around it."""
    home = own.parent / "home"
    (home / ".cargo" / "bin").mkdir(parents=True)
    (home / ".cargo" / "bin" / "hello").write_text("#!/bin/sh\necho hello\n")
    (home / ".cargo" / "bin" / "hello").chmod(0o755)
    (home / ".cargo" / "credentials.toml").write_text("token")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home}/.cargo/bin:{os.environ['PATH']}")
    assert sh("hello", own).tail == "hello"
    read = sh(f"cat {home}/.cargo/credentials.toml", own)
    assert read.status != 0
    assert read.tail != "token"
