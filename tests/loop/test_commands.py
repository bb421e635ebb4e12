from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tenward.containment import Level, containment
from tenward.loop._allow_spec import AllowSpec
from tenward.loop._commands import Commands

if TYPE_CHECKING:
    from pathlib import Path


def commands(folder: Path, **allow: Any) -> Commands:
    """Return the commands of a loop whose slots are in a folder."""
    return Commands(mark=str(folder), slots=folder, allow=AllowSpec(**allow), top=folder, hide=())


@pytest.mark.skipif(containment().level is Level.NONE, reason="nothing here contains a command")
async def test_a_command_reaches_its_slot_and_what_the_loop_allows(tmp_path: Path) -> None:
    """Nothing beside it, unless the loop's file names it."""
    (tmp_path / "0").mkdir()
    (tmp_path / "beside.txt").write_text("other")
    words = "sh -c 'echo mine > own; cat own ../beside.txt'"
    ended = await commands(tmp_path).run(words, cwd=tmp_path / "0", timeout=30)
    assert ended.status != 0
    assert ended.tail.startswith("mine\n")
    assert "other" not in ended.tail
    allowed = await commands(tmp_path, read=("beside.txt",)).run(words, cwd=tmp_path / "0", timeout=30)
    assert (allowed.status, allowed.tail) == (0, "mine\nother")


async def test_where_nothing_contains_commands_they_run_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plan and headline say so; see the tests there."""
    monkeypatch.setenv("TENWARD_CONTAINMENT", "none")
    (tmp_path / "0").mkdir()
    (tmp_path / "beside.txt").write_text("other")
    assert (await commands(tmp_path).run("cat ../beside.txt", cwd=tmp_path / "0", timeout=30)).tail == "other"


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
