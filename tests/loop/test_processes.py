from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenward.errors import LoopError
from tenward.loop import Outcome, Slots, Status

if TYPE_CHECKING:
    from tests.loop.conftest import Lab

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tenward.loop import *

record = LoopRecord.open(Path(sys.argv[1]), "demo")
with record.locked():
    tip = record.begin()
    slots = Slots(record)
    slots.prune()
    slot = slots.slot(0)
    print("ready", flush=True)
    for count in range(int(sys.argv[2])):
        slot.reset(tip)
        number = record.next_number()
        (slot.path / "skill/SKILL.md").write_text(f"Attempt {number}\\n")
        candidate = snapshot(slot, ["skill/**"])
        assert not candidate.faults
        now = datetime.now(UTC)
        written = record.write(Draft(
            number=number, status=Status.KEEP if number % 2 else Status.DISCARD, parent=tip, tree=candidate.tree,
            description=f"attempt {number}", score=float(number), began=now, ended=now,
            notes={"idea.md": f"idea {number}", "log.txt": f"log {number}" * 50},
        ))
        assert written.outcome is Outcome.WRITTEN, written
        record.add_notes(number, {"retro.json": f"retro {number}"})
        tip = written.incumbent
"""

RACER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tenward.loop import *

record = LoopRecord.open(Path(sys.argv[1]), "demo")
first, tree = int(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
now = datetime.now(UTC)
for number in range(first, first + 100, 2):
    tip = record.incumbent
    written = record.write(Draft(number=number, status=Status.KEEP, parent=tip, tree=tree, description="race",
        score=None, began=now, ended=now, notes={}))
    print(number, written.outcome.name, written.attempt.candidate, flush=True)
    if number > first + 20:
        break
"""

HOLDER = """
import sys
from pathlib import Path
from tenward.loop import LoopRecord

with LoopRecord.open(Path(sys.argv[1]), "demo").locked():
    print("held", flush=True)
    sys.stdin.readline()
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python process in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def check_whole(lab: Lab) -> None:
    """Check that the record is one that whole attempts alone could have made."""
    assert lab.git("fsck", "--strict", "--no-dangling") == ""
    record = lab.open()
    attempts = record.attempts()
    line = [record.base]
    for attempt in attempts:
        assert attempt.description == f"attempt {attempt.number}"
        assert attempt.parent == line[-1]
        assert lab.git("show", f"{attempt.candidate}:skill/SKILL.md") == f"Attempt {attempt.number}"
        notes = record.notes(attempt.number)
        assert {"idea.md", "log.txt"} <= set(notes) <= {"idea.md", "log.txt", "retro.json"}
        if attempt.status is Status.KEEP:
            line.append(attempt.candidate)
    assert lab.git("rev-list", "--reverse", "tenward/demo").splitlines() == line


def test_a_writer_killed_at_any_moment_leaves_whole_attempts_only(lab: Lab) -> None:
    """After each of many kills the record is consistent, the user's work untouched, and the next writer goes on."""
    lab.record.begin()
    before = lab.users_own()
    chance = random.Random(7)
    for _ in range(14):
        writer = start(WRITER, str(lab.folder), "1000")
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n", writer.stderr and writer.stderr.read()
        time.sleep(chance.uniform(0, 0.25))
        os.killpg(writer.pid, signal.SIGKILL)
        writer.communicate()
        with lab.open().locked():
            check_whole(lab)
        assert lab.users_own() == before
    last = start(WRITER, str(lab.folder), "3")
    assert last.communicate()[1] == ""
    check_whole(lab)
    assert len(lab.open().attempts()) >= 3
    Slots(lab.open()).prune()
    assert list((lab.record.folder / "slots").iterdir()) == list(lab.record.scratch.iterdir()) == []


@pytest.mark.parametrize("reached", ["branch only", "attempt only", "neither", "both"])
def test_a_keep_cut_off_between_its_two_refs_is_finished(lab: Lab, reached: str) -> None:
    """Whichever of the two refs git had renamed when it was killed, the next holder of the lock makes it both."""
    written = lab.record.write(lab.improved())
    attempt, ref = written.attempt, "refs/tenward/demo/attempts/000001"
    keeping = lab.record.folder / "keeping"
    (keeping / "1").write_text(attempt.record)
    if reached in {"branch only", "neither"}:
        lab.git("update-ref", "-d", ref)
    if reached in {"attempt only", "neither"}:
        lab.git("update-ref", "refs/heads/tenward/demo", attempt.parent)
    with lab.open().locked():
        if reached == "neither":
            assert (lab.open().attempts(), lab.open().incumbent) == ((), attempt.parent)
        else:
            assert (lab.open().attempts(), lab.open().incumbent) == ((attempt,), attempt.candidate)
    assert list(keeping.iterdir()) == []


def test_an_announcement_of_nothing_is_dropped(lab: Lab) -> None:
    """A keep whose objects a power cut took is forgotten."""
    keeping = lab.record.folder / "keeping"
    keeping.mkdir(parents=True)
    (keeping / "1").write_text("1" * 40)
    (keeping / "2.new").write_text("")
    with lab.open().locked():
        assert lab.open().attempts() == ()
    assert not (keeping / "1").exists()


def test_the_lock_file_git_left_when_killed_is_removed(lab: Lab) -> None:
    """An old lock on a ref of the loop does not stop it for ever."""
    keep = lab.improved()
    lock = lab.folder / ".git/refs/heads/tenward/demo.lock"
    lock.touch()
    os.utime(lock, (time.time() - 60, time.time() - 60))
    assert lab.record.write(keep).outcome is Outcome.WRITTEN
    assert not lock.exists()


def test_only_one_process_holds_a_loop_and_the_other_learns_who(lab: Lab) -> None:
    """The second is told pid, host and time; when the first is killed the lock is free at once."""
    holder = start(HOLDER, str(lab.folder))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    owner = json.loads((lab.record.folder / "lock").read_text())
    assert owner["pid"] == holder.pid
    with (
        pytest.raises(LoopError, match=rf"by process {holder.pid} on .* since 20\d\d-.*\+00:00\nhint: "),
        lab.open().locked(),
    ):
        pass
    os.killpg(holder.pid, signal.SIGKILL)
    holder.communicate()
    with lab.open().locked():
        assert json.loads((lab.record.folder / "lock").read_text())["pid"] == os.getpid()
    with lab.open().locked():
        pass


def test_a_lock_whose_owner_cannot_be_read_still_holds(lab: Lab) -> None:
    """A garbled lock file keeps others out all the same."""
    with lab.record.locked():
        (lab.record.folder / "lock").write_text("{")
        with pytest.raises(LoopError, match="already running: by another process"), lab.open().locked():
            pass


def test_a_lock_file_that_was_removed_is_made_anew(lab: Lab) -> None:
    """Removing the folder of the loop frees no lock twice."""
    with lab.record.locked():
        pass
    (lab.record.folder / "lock").unlink()
    with lab.open().locked(), pytest.raises(LoopError), lab.open().locked():
        pass


def test_two_processes_racing_for_the_branch_never_both_win(lab: Lab) -> None:
    """Of keeps made from one incumbent exactly one is written; the branch is the line of the winners."""
    tree = lab.git("rev-parse", "main^{tree}")
    base = lab.record.incumbent
    racers = [start(RACER, str(lab.folder), str(first), tree) for first in (1, 2)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    told = [racer.communicate() for racer in racers]
    assert [error for _, error in told] == ["", ""]
    results = [line.split() for out, _ in told for line in out.splitlines()]
    assert {outcome for _, outcome, _ in results} <= {"WRITTEN", "LOST_RACE"}
    won = {int(number): candidate for number, outcome, candidate in results if outcome == "WRITTEN"}
    attempts = lab.open().attempts()
    assert {attempt.number: attempt.candidate for attempt in attempts} == won
    line = lab.git("rev-list", "--reverse", "tenward/demo").splitlines()
    assert line[0] == base
    assert sorted(line[1:]) == sorted(won.values())
    assert lab.git("fsck", "--strict", "--no-dangling") == ""


def test_the_lock_s_path_is_where_it_is_said_to_be(lab: Lab) -> None:
    """The lock is a file in the loop's folder of the git directory."""
    with lab.record.locked():
        assert Path(lab.folder / ".git/tenward/demo/lock").is_file()
