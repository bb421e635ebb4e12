from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenward.errors import GitError
from tenward.loop import Slots

if TYPE_CHECKING:
    from tests.loop.conftest import Lab


def test_a_slot_holds_exactly_the_files_of_its_commit(lab: Lab) -> None:
    """Bytes, executable bits and links are those of the commit; nothing else is there but the guard."""
    top = lab.slot.path
    assert sorted(str(path.relative_to(top)) for path in top.rglob("*")) == [
        ".git",
        "README.md",
        "latest",
        "rubric.yaml",
        "skill",
        "skill/SKILL.md",
        "skill/scripts",
        "skill/scripts/check.sh",
    ]
    assert (top / "skill/SKILL.md").read_text() == "Look twice.\n"
    assert (top / "skill/scripts/check.sh").stat().st_mode & 0o100
    assert not (top / "README.md").stat().st_mode & 0o111
    assert (top / "latest").readlink() == Path("skill/SKILL.md")


def test_a_reset_undoes_everything_and_spares_the_rest(lab: Lab) -> None:
    """Edits, deletions, modes, links, locked and very deep folders go; a file that is right is not written again."""
    top = lab.slot.path
    kept = (top / "README.md").stat().st_ino
    (top / "skill/SKILL.md").write_text("Changed\n")
    (top / "skill/scripts/check.sh").chmod(0o600)
    (top / "rubric.yaml").unlink()
    (top / "latest").unlink()
    (top / "latest").mkdir()
    (top / "locked/inner").mkdir(parents=True)
    (top / "locked/inner/file").touch()
    (top / "locked/inner").chmod(0)
    (top / "locked").chmod(0)
    (top / "skill").chmod(0o500)
    (top / "away").symlink_to(lab.folder)
    (top / ".git").unlink()
    (top / ".git").mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 10, dir_fd=descriptor)
        inner = os.open("d" * 10, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    before = lab.users_own()
    lab.slot.reset(lab.record.incumbent)
    assert (lab.snapshot().changes, lab.snapshot().faults) == ((), ())
    test_a_slot_holds_exactly_the_files_of_its_commit(lab)
    assert (top / "README.md").stat().st_ino == kept
    assert lab.users_own() == before


def test_a_slot_moves_between_commits(lab: Lab) -> None:
    """Set to a candidate and back, a slot holds the one and then the other, without the candidate's leftovers."""
    (lab.slot.path / "skill/SKILL.md").write_text("New.\n")
    (lab.slot.path / "skill/extra.md").write_text("Extra.\n")
    tree = lab.snapshot().tree
    (lab.slot.path / "skill/__pycache__").mkdir()
    lab.slot.reset(tree)
    assert sorted(path.name for path in (lab.slot.path / "skill").iterdir()) == ["SKILL.md", "extra.md", "scripts"]
    assert (lab.snapshot().changes, lab.slot.base) == ((), tree)
    lab.slot.reset(lab.record.incumbent)
    assert (lab.slot.path / "skill/SKILL.md").read_text() == "Look twice.\n"
    assert not (lab.slot.path / "skill/extra.md").exists()


@pytest.mark.parametrize("guarded", [True, False], ids=["guard", "no guard"])
def test_git_run_inside_a_slot_cannot_reach_the_repository(lab: Lab, guarded: bool) -> None:
    """Commands that would destroy the user's work fail in a slot; without the guard, the environment stops them."""
    before = lab.users_own()
    environment = {"PATH": os.environ["PATH"]}
    if not guarded:
        (lab.slot.path / ".git").unlink()
        environment |= lab.slot.environment
    for command in (
        ["branch", "-D", "main"],
        ["update-ref", "-d", "refs/heads/main"],
        ["config", "core.hooksPath", "/tmp"],
        ["stash", "clear"],
        ["gc", "--prune=now"],
        ["clean", "-fdx"],
        ["reset", "--hard"],
    ):
        ended = subprocess.run(
            ["git", *command], cwd=lab.slot.path / "skill", env=environment, capture_output=True, check=False
        )
        assert ended.returncode != 0
    assert lab.users_own() == before
    assert (lab.slot.path / "skill/SKILL.md").exists()


def test_no_filter_of_the_user_s_touches_a_slot(lab: Lab) -> None:
    """Smudge filters, line endings and encodings named in attributes are not applied."""
    (lab.folder / ".gitattributes").write_text("*.md filter=shout text eol=crlf ident\n")
    (lab.folder / "README.md").write_text("$Id$\nRead\n")
    lab.git("add", ".")
    lab.git("commit", "-qm", "Attributes")
    lab.git("config", "filter.shout.smudge", "tr a-z A-Z")
    lab.git("config", "filter.shout.clean", f"touch {lab.folder.parent}/ran; cat")
    lab.git("config", "filter.shout.required", "true")
    assert (lab.slot.path / "README.md").read_bytes() == b"$Id$\nRead\n"
    (lab.slot.path / "skill/SKILL.md").write_text("New\n")
    assert lab.git("cat-file", "blob", f"{lab.snapshot().tree}:skill/SKILL.md") == "New"
    assert not (lab.folder.parent / "ran").exists()


def test_prune_removes_what_killed_processes_left(lab: Lab) -> None:
    """Slots nobody uses and temporary files go; the slot in use and the record stay."""
    written = lab.record.write(lab.draft())
    slots = Slots(lab.record)
    used = slots.slot(0)
    used.reset(lab.record.incumbent)
    stale = lab.record.folder / "slots/7/a/b"
    stale.mkdir(parents=True)
    (stale / "file").touch()
    stale.chmod(0)
    (lab.record.folder / "slots/link").symlink_to(lab.folder)
    (lab.record.scratch / "grave-x/0").mkdir(parents=True)
    (lab.record.scratch / "clock-x").touch()
    before = lab.users_own()
    slots.prune()
    assert [path.name for path in (lab.record.folder / "slots").iterdir()] == ["0"]
    assert list(lab.record.scratch.iterdir()) == []
    assert (used.path / "README.md").exists()
    assert lab.record.attempts() == (written.attempt,)
    assert lab.users_own() == before


def test_a_slot_of_a_killed_process_is_set_anew(lab: Lab) -> None:
    """A process that finds a slot it did not fill trusts none of its files."""
    (lab.slot.path / "README.md").write_text("Left by another process\n")
    other = Slots(lab.open()).slot(0)
    other.reset(lab.record.incumbent)
    assert (other.path / "README.md").read_text() == "Read me.\n"


def test_a_commit_that_is_not_there_leaves_the_slot_without_a_base(lab: Lab) -> None:
    """After a reset that failed a slot must be reset again before it can be read."""
    blob = lab.git("rev-parse", "main:README.md")
    tree = lab.git("rev-parse", "main^{tree}")
    slot = Slots(lab.record).slot(1)
    (lab.folder / f".git/objects/{blob[:2]}/{blob[2:]}").unlink()
    with pytest.raises(GitError, match=f"the repository lacks the object {blob}"):
        slot.reset(tree)
    assert slot.base == ""
    with pytest.raises(GitError, match="git ls-tree failed"):
        slot.reset("1" * 40)


def test_a_slot_that_became_a_link_is_replaced(lab: Lab) -> None:
    """A slot's folder swapped for a link to the user's work tree is removed as a link."""
    top = lab.slot.path
    top.rename(top.with_name("moved"))
    top.symlink_to(lab.folder)
    before = lab.users_own()
    lab.slot.reset(lab.record.incumbent)
    assert not top.is_symlink()
    assert (top / "README.md").read_text() == "Read me.\n"
    assert lab.users_own() == before
