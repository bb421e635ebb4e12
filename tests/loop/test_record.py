from __future__ import annotations

import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenward.errors import GitError, LoopError
from tenward.loop import Attempt, LoopRecord, Outcome, Slots, Status, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loop.conftest import Lab


def test_an_attempt_s_ref_leads_to_its_notes_its_candidate_and_its_parent(lab: Lab) -> None:
    """Plain git commands find the notes, the candidate's files and the incumbent from one ref."""
    base = lab.record.incumbent
    draft = lab.improved()
    written = lab.record.write(draft)
    assert written.outcome is Outcome.WRITTEN
    ref = "refs/tenward/demo/attempts/000001"
    assert lab.git("show", f"{ref}:idea.md") == "Shorter."
    assert lab.git("rev-parse", f"{ref}^", f"{ref}^^", f"{ref}^^{{tree}}").splitlines() == [
        written.attempt.candidate,
        base,
        draft.tree,
    ]
    assert lab.git("diff", "--name-only", f"{ref}^^", f"{ref}^") == "skill/SKILL.md"
    assert lab.git("log", "-1", "--format=%s", ref) == "demo 1: keep: Say less"


def test_a_keep_moves_the_branch_and_carries_no_notes(lab: Lab) -> None:
    """The branch of the loop goes from candidate to candidate, with the candidates' files only."""
    first = lab.record.write(lab.improved("One.\n"))
    second = lab.record.write(lab.improved("Two.\n"))
    assert lab.git("rev-list", "tenward/demo").splitlines() == [
        second.attempt.candidate,
        first.attempt.candidate,
        lab.record.base,
    ]
    assert lab.record.incumbent == second.incumbent == second.attempt.candidate
    assert lab.git("show", "tenward/demo:skill/SKILL.md") == "Two."
    assert lab.git("ls-tree", "-r", "--name-only", "tenward/demo") == lab.git("ls-tree", "-r", "--name-only", "main")


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.KEEP])
def test_every_other_end_is_recorded_and_leaves_the_branch(lab: Lab, status: Status) -> None:
    """Discarded, crashed, invalid and undecided attempts are kept in git beside the branch."""
    base = lab.record.incumbent
    written = lab.record.write(lab.draft(status=status, score=None, notes={}))
    assert (written.outcome, written.incumbent, lab.record.incumbent) == (Outcome.WRITTEN, base, base)
    assert lab.record.attempts() == (written.attempt,)
    assert lab.record.notes(written.attempt.number) == {}


def test_a_lost_race_is_a_value_and_writes_nothing(lab: Lab) -> None:
    """Of two keeps made from one incumbent the second is told that the incumbent has moved."""
    late = lab.improved("Late.\n")
    early = lab.record.write(lab.improved("Early.\n"))
    lost = lab.record.write(late)
    assert lost.outcome is Outcome.LOST_RACE
    assert lost.incumbent == early.attempt.candidate == lab.record.incumbent
    assert lab.record.attempts() == (early.attempt,)
    assert list((lab.record.folder / "keeping").iterdir()) == []


def test_a_deleted_branch_is_a_lost_race(lab: Lab) -> None:
    """A keep for a branch that the user has deleted is refused, and beginning again brings the branch back."""
    lab.record.write(lab.improved("One.\n"))
    tip, keep = lab.record.incumbent, lab.improved("Two.\n")
    lab.git("branch", "-qD", "tenward/demo")
    lost = lab.record.write(keep)
    assert (lost.outcome, lost.incumbent) == (Outcome.LOST_RACE, "")
    assert lab.record.begin() == tip
    assert lab.record.write(keep).outcome is Outcome.WRITTEN


def test_a_taken_number_is_a_value(lab: Lab) -> None:
    """Another attempt under the same number is refused, the very same one is not."""
    draft = lab.draft(number=3)
    first = lab.record.write(draft)
    assert lab.record.write(draft) == first
    assert lab.record.write(lab.draft(number=3, description="Other")).outcome is Outcome.NUMBER_TAKEN
    assert lab.record.attempts() == (first.attempt,)


def test_writing_a_keep_again_is_harmless_even_later(lab: Lab) -> None:
    """A keep that is written once more after the branch went on is still written once."""
    draft = lab.improved("One.\n")
    first = lab.record.write(draft)
    second = lab.record.write(lab.improved("Two.\n"))
    later = lab.record.add_notes(first.attempt.number, {"retro.json": "{}"})
    again = lab.record.write(draft)
    assert (again.outcome, again.attempt) == (Outcome.WRITTEN, later)
    assert lab.record.incumbent == second.attempt.candidate


def test_numbers_go_on_where_they_ended(lab: Lab) -> None:
    """A number is given once, and a new process goes on after the highest in the record."""
    assert [lab.record.next_number() for _ in range(3)] == [1, 2, 3]
    lab.record.write(lab.draft(number=41))
    assert lab.open().next_number() == 42


def test_notes_can_be_added_and_the_earlier_record_stays(lab: Lab) -> None:
    """A retro joins the other notes; the line of the ledger stays, and so does the old record in git."""
    first = lab.record.write(lab.draft()).attempt
    later = lab.record.add_notes(1, {"retro.json": b"{}", "idea.md": "Longer."})
    assert lab.record.notes(1) == {"decision.json": b"{}", "idea.md": b"Longer.", "retro.json": b"{}"}
    assert lab.record.attempts() == (later,)
    assert (later.candidate, later.description, later.score) == (first.candidate, first.description, first.score)
    ref = "refs/tenward/demo/attempts/000001"
    assert lab.git("rev-parse", f"{ref}^1", f"{ref}^2").splitlines() == [first.candidate, first.record]
    lab.git("fsck", "--strict")


def test_an_attempt_that_is_not_there_is_named(lab: Lab) -> None:
    """Asking for the notes of a missing attempt, or adding to it, says which one is missing."""
    with pytest.raises(LoopError, match="found no attempt 7 of the loop 'demo'"):
        lab.record.notes(7)
    with pytest.raises(LoopError, match="found no attempt 7 of the loop 'demo'"):
        lab.record.add_notes(7, {"retro.json": ""})


@pytest.mark.parametrize("name", ["", ".git", "a/b", "..", "-rf", "a\nb", "a..b", "a.", "ä"])
def test_a_note_s_name_is_checked(lab: Lab, name: str) -> None:
    """A note has a plain file name; nothing else gets into a tree."""
    with pytest.raises(ValueError, match="found the note name"):
        lab.record.write(lab.draft(notes={name: "text"}))
    assert lab.record.attempts() == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": math.nan},
        {"score": math.inf},
        {"began": datetime(2026, 1, 1)},  # noqa: DTZ001 - the fault
        {"number": -1},
        {"tree": "--help"},
        {"tree": "HEAD"},
        {"parent": "refs/heads/main"},
    ],
)
def test_a_draft_is_checked(lab: Lab, wrong: dict[str, object]) -> None:
    """A score that is no number, a time without a zone, or anything but full names is refused."""
    with pytest.raises(ValueError, match=r"found|expected"):
        lab.record.write(lab.draft(**wrong))
    assert lab.record.attempts() == ()


def test_a_tree_that_is_not_there_is_refused(lab: Lab) -> None:
    """Git itself checks that what an attempt names exists, so no broken attempt gets a ref."""
    with pytest.raises(GitError, match="unpack-objects failed"):
        lab.record.write(lab.draft(tree="1" * 40))
    assert lab.record.attempts() == ()


TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)
TIMES = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - the zone comes from the strategy
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)
ATTEMPTS = st.fixed_dictionaries(
    {
        "status": st.sampled_from(Status),
        "description": TEXT | st.sampled_from(["Tenward-Attempt: {}", "a\n\nTenward-Attempt: {}\n", "\0", "#", ""]),
        "score": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "began": TIMES,
        "ended": TIMES,
        "notes": st.dictionaries(st.sampled_from(["idea.md", "log.txt", "a"]), TEXT | st.binary(max_size=60)),
    }
)


def as_bytes(note: str | bytes) -> bytes:
    """Return a note as it is stored."""
    return note.encode("utf-8", "surrogatepass") if isinstance(note, str) else note


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(ATTEMPTS, min_size=1, max_size=5))
def test_the_ledger_rebuilt_is_the_ledger_written(lab: Lab, made: list[dict[str, Any]]) -> None:
    """Whatever is written, another process reads the same from the refs alone."""
    loop = f"loop{len(lab.git('for-each-ref', 'refs/tenward').splitlines())}"
    record = lab.open(loop)
    record.begin()
    written: list[Attempt] = []
    for number, facts in enumerate(made, start=1):
        ended = record.write(lab.draft(number=number, parent=record.incumbent, **facts))
        assert ended.outcome is Outcome.WRITTEN
        told = asdict(ended.attempt)
        assert {name: told[name] for name in facts if name != "notes"} | {"notes": facts["notes"]} == facts
        written.append(ended.attempt)
    again = lab.open(loop)
    assert again.attempts() == tuple(written)
    for number, facts in enumerate(made, start=1):
        assert again.notes(number) == {name: as_bytes(note) for name, note in facts["notes"].items()}


def test_a_fresh_clone_that_fetched_only_the_loop_s_refs_has_it_all(lab: Lab) -> None:
    """Ledger, notes and incumbent come back from refs/tenward/* alone, though there is no branch."""
    lab.record.write(lab.improved("One.\n"))
    lab.record.write(lab.draft(status=Status.CRASHED))
    last = lab.record.write(lab.improved("Two.\n"))
    clone = lab.beside("clone")
    clone.folder.mkdir()
    clone.git("init", "-q")
    clone.git("fetch", "-q", str(lab.folder), "refs/tenward/*:refs/tenward/*")
    record = clone.open()
    assert record.attempts() == lab.record.attempts()
    assert record.notes(3) == lab.record.notes(3)
    assert record.begin() == last.incumbent == record.incumbent


def test_a_ref_that_is_no_attempt_is_named(lab: Lab) -> None:
    """A hand-made ref among the attempts is refused with the way to remove it."""
    lab.record.write(lab.draft())
    lab.git("update-ref", "refs/tenward/demo/attempts/000002", "main")
    with pytest.raises(GitError, match=r"attempts/000002 is not the record.*\n.*git update-ref -d refs/tenward/demo"):
        lab.record.attempts()
    lab.git("update-ref", "-d", "refs/tenward/demo/attempts/000002")
    lab.git("update-ref", "refs/tenward/demo/attempts/latest", "main")
    with pytest.raises(GitError, match="attempts/latest is not the record of an attempt: its name is not a number"):
        lab.open().next_number()


def test_refs_packed_by_the_user_are_read_and_written_as_before(lab: Lab) -> None:
    """After a `git gc` the record is the same, and goes on."""
    lab.record.write(lab.improved("One.\n"))
    before = lab.record.attempts()
    lab.git("gc", "-q", "--prune=now")
    assert not (lab.folder / ".git/refs/tenward/demo/attempts/000001").exists()
    assert lab.open().attempts() == before
    after = lab.record.write(lab.improved("Two.\n"))
    assert after.outcome is Outcome.WRITTEN
    assert lab.record.add_notes(1, {"retro.json": "{}"}).number == 1
    assert [attempt.number for attempt in lab.open().attempts()] == [1, 2]


@pytest.mark.parametrize(
    "name", ["", "Demo", "a/b", "-a", ".a", "a..b", "a.lock", "a.", "a b", "a\n", "x" * 65, "a~1", "tool-gface"]
)
def test_a_loop_s_name_is_checked(lab: Lab, name: str) -> None:
    """A name that could be an option, a path, or another revision for git is refused."""
    with pytest.raises(LoopError, match="found the loop name"):
        LoopRecord.open(lab.folder, name)


def test_two_loops_in_one_repository_do_not_meet(lab: Lab) -> None:
    """Each loop has its own branch, numbers and ledger."""
    other = lab.open("demo.2")
    other.begin()
    lab.record.write(lab.improved())
    assert (other.attempts(), other.next_number(), other.incumbent) == ((), 1, lab.record.base)


def test_all_loops_that_have_begun_are_found(lab: Lab) -> None:
    """By name, and only where there is a base under a name that a loop can have."""
    assert LoopRecord.find_all(lab.folder) == ()
    for name in ("second", "first"):
        lab.open(name).begin()
    lab.git("update-ref", "refs/tenward/third/definition", "HEAD")
    lab.git("update-ref", "refs/tenward/Odd/base", "HEAD")
    found = LoopRecord.find_all(lab.folder / "skill")
    assert [record.loop for record in found] == ["first", "second"]
    assert found[0].base == lab.git("rev-parse", "HEAD")


def test_beginning_twice_goes_on_from_the_incumbent(lab: Lab) -> None:
    """The user's HEAD may move on: a loop that has begun stays with its own base."""
    written = lab.record.write(lab.improved())
    lab.git("commit", "-q", "--allow-empty", "-m", "Meanwhile")
    assert lab.open().begin() == written.incumbent
    with pytest.raises(LoopError, match=r"began at .* found"):
        lab.open().begin("HEAD")


@pytest.mark.parametrize("revision", ["no-such", "-h", "^main", "--all", "main\nmain", "main:README.md"])
def test_a_base_that_is_no_commit_is_refused(lab: Lab, revision: str) -> None:
    """What git does not take for a commit is named in the error."""
    with pytest.raises(LoopError, match="found no commit named"):
        lab.open().begin(revision)


def test_a_branch_that_is_checked_out_is_never_moved(lab: Lab) -> None:
    """Moving it would put the user's files out of step: beginning is refused, a keep is a value."""
    keep = lab.improved()
    lab.git("switch", "-q", "tenward/demo")
    before = lab.users_own()
    written = lab.record.write(keep)
    assert (written.outcome, lab.record.attempts()) == (Outcome.CHECKED_OUT, ())
    with pytest.raises(LoopError, match="tenward/demo is checked out in "):
        lab.open().begin()
    assert lab.users_own() == before
    assert lab.git("status", "--porcelain") == ""


def test_a_branch_in_the_way_is_named(lab: Lab) -> None:
    """A branch called tenward leaves no room for tenward/demo, and the error says so."""
    lab.git("branch", "tenward")
    with pytest.raises(LoopError, match="a branch named 'tenward' is in the way"):
        lab.open().begin()


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    """No repository, no loop; the hint says how to get one."""
    with pytest.raises(LoopError, match=r"found no git repository(.|\n)*git init"):
        LoopRecord.open(tmp_path, "demo")
    with pytest.raises(LoopError, match="found no git repository"):
        LoopRecord.open(tmp_path / "gone", "demo")


def test_the_user_s_identity_is_not_needed(lab: Lab) -> None:
    """Attempts are signed by Tenward, whether or not git knows who the user is."""
    written = lab.record.write(lab.draft())
    assert lab.git("log", "-1", "--format=%an <%ae> %ai", written.attempt.candidate) == (
        "Tenward <tenward@localhost> 2026-01-02 03:04:05 +0000"
    )


def test_the_description_cannot_reach_the_record_s_last_line(lab: Lab) -> None:
    """A description that imitates the record's own line is only a description."""
    forged = f"x\n\nTenward-Attempt: {json.dumps({'status': 'keep'})}"
    written = lab.record.write(lab.draft(description=forged))
    read = lab.open().attempts()[0]
    assert (read.status, read.description) == (Status.DISCARD, forged)
    assert written.attempt == read
    assert os.linesep not in lab.git("log", "-1", "--format=%s", read.candidate)


def test_parallel_attempts_share_a_record(lab: Lab) -> None:
    """Threads with a slot each write beside one another: every attempt is recorded, and each keep is on the branch."""
    slots = Slots(lab.record)

    def work(place: int) -> list[Outcome]:
        slot, outcomes = slots.slot(place), list[Outcome]()
        for step in range(6):
            tip = lab.record.incumbent
            slot.reset(tip)
            (slot.path / "skill/SKILL.md").write_text(f"{place} {step}\n")
            tree = snapshot(slot, ["skill/**"]).tree
            given: dict[str, Any] = {"number": lab.record.next_number(), "parent": tip, "tree": tree}
            written = lab.record.write(lab.draft(status=Status.KEEP, **given))
            outcomes.append(written.outcome)
            if written.outcome is Outcome.LOST_RACE:
                written = lab.record.write(lab.draft(status=Status.UNDECIDED, **given))
            assert written.outcome is Outcome.WRITTEN
        return outcomes

    lab.record.next_number()
    with ThreadPoolExecutor(3) as pool:
        outcomes = [outcome for each in pool.map(work, range(3)) for outcome in each]
    attempts = lab.open().attempts()
    assert [attempt.number for attempt in attempts] == list(range(2, 20))
    kept = [attempt.candidate for attempt in attempts if attempt.status is Status.KEEP]
    assert len(kept) == outcomes.count(Outcome.WRITTEN)
    assert set(lab.git("rev-list", "tenward/demo").splitlines()) == {lab.record.base, *kept}
    assert lab.git("fsck", "--strict", "--no-dangling") == ""
