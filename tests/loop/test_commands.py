from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from tenward.loop._commands import Commands

if TYPE_CHECKING:
    from pathlib import Path

BWRAP = """#!/bin/sh
echo "$@" >> "{log}"
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


def commands(folder: Path, *, network: bool = False) -> Commands:
    """Return the commands of a loop whose slots are in a folder."""
    return Commands(mark=str(folder), slots=folder, network=network)


@pytest.fixture
def bwrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program named bwrap, first on PATH, that notes what it is told; the notes."""
    log = tmp_path / "bwrap.log"
    program = tmp_path / "bin" / "bwrap"
    program.parent.mkdir()
    program.write_text(BWRAP.format(log=log))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return log


def test_where_bwrap_works_commands_have_no_network(tmp_path: Path, bwrap: Path) -> None:
    """The command runs inside, without network and in a process space that ends with it."""
    ended = asyncio.run(commands(tmp_path).run("echo inside", cwd=tmp_path, timeout=30))
    assert (ended.status, ended.tail) == (0, "inside")
    probe, told = bwrap.read_text().splitlines()
    assert probe.endswith("-- true")
    assert {"--unshare-net", "--unshare-pid", "--die-with-parent"} <= set(told.split())
    assert told.endswith("sh echo inside")


def test_where_bwrap_does_not_work_commands_run_without(tmp_path: Path, bwrap: Path) -> None:
    """Many containers forbid it; then nothing is wrapped around a command."""
    (tmp_path / "bin/bwrap").write_text("#!/bin/sh\nexit 1\n")
    assert commands(tmp_path).sandbox == ()
    assert asyncio.run(commands(tmp_path).run("echo plain", cwd=tmp_path, timeout=30)).tail == "plain"


def test_commands_that_may_use_the_network_are_still_ended(tmp_path: Path, bwrap: Path) -> None:
    """Only the wall around the network is left out."""
    assert "--unshare-net" in commands(tmp_path).sandbox
    words = commands(tmp_path, network=True).sandbox
    assert "--unshare-net" not in words
    assert "--die-with-parent" in words


async def test_a_command_that_does_not_exist_ends_with_127(tmp_path: Path) -> None:
    """That is for the caller to judge: it may be the candidate's fault or the loop's."""
    ended = await commands(tmp_path).run("./nowhere --at all", cwd=tmp_path, timeout=30)
    assert ended.status == 127
    assert "nowhere" in ended.tail


@pytest.mark.parametrize("line", ["", "   ", "'open"])
async def test_what_is_no_command_is_refused(tmp_path: Path, line: str) -> None:
    """An empty line or an open quote never reaches a shell."""
    with pytest.raises(ValueError, match=r"empty command|quotation"):
        await commands(tmp_path).run(line, cwd=tmp_path, timeout=30)


def test_the_sweep_spares_other_slots_and_other_loops(tmp_path: Path) -> None:
    """Only what was started for this slot ends; then, for the whole loop, what stands in any of its slots."""
    slots = [tmp_path / "mine" / "0", tmp_path / "mine" / "1", tmp_path / "other" / "0"]
    processes: list[subprocess.Popen[bytes]] = []
    for slot in slots:
        slot.mkdir(parents=True)
        processes.append(subprocess.Popen(["sleep", "60"], cwd=slot, start_new_session=True))
    try:
        mine = commands(tmp_path / "mine")
        assert mine.sweep(slots[0]) == 1
        assert processes[0].wait(timeout=10) == -9
        assert mine.sweep() == 1
        assert processes[1].wait(timeout=10) == -9
        assert processes[2].poll() is None
    finally:
        processes[2].kill()
        processes[2].wait()
