from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tenward.errors import GitError, LoopError
from tenward.loop import LoopRecord, Outcome, Slots, Status, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loop.conftest import Lab


def one_round(lab: Lab) -> None:
    """Keep one attempt and discard another, with notes added later."""
    with lab.record.locked():
        lab.record.begin()
        kept = lab.record.write(lab.improved())
        assert kept.outcome is Outcome.WRITTEN
        assert lab.record.write(lab.draft()).outcome is Outcome.WRITTEN
        lab.record.add_notes(1, {"retro.json": "{}"})
        Slots(lab.record).prune()
    assert [attempt.status for attempt in lab.open().attempts()] == [Status.KEEP, Status.DISCARD]
    assert lab.git("-c", "core.fsmonitor=false", "fsck", "--strict", "--no-dangling") == ""


def test_nothing_of_the_user_s_is_touched(lab: Lab) -> None:
    """Staged, changed, untracked, ignored and stashed work is byte-identical after a round, the index file included."""
    (lab.folder / ".gitignore").write_text("*.log\n")
    (lab.folder / "README.md").write_text("stashed\n")
    lab.git("stash")
    (lab.folder / "README.md").write_text("staged\n")
    lab.git("add", "README.md")
    (lab.folder / "README.md").write_text("changed\n")
    (lab.folder / "new.md").write_text("untracked\n")
    (lab.folder / "a.log").write_text("ignored\n")
    (lab.folder / "rubric.yaml").unlink()
    before = lab.users_own()
    one_round(lab)
    assert lab.users_own() == before


def test_no_hook_and_no_setting_of_the_user_s_takes_part(lab: Lab) -> None:
    """Hooks do not run, and settings for signing, monitoring and splitting the index are not followed."""
    ran = lab.folder.parent / "ran"
    for name in ("reference-transaction", "post-commit", "pre-commit", "post-checkout", "post-index-change", "update"):
        hook = lab.folder / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} >> '{ran}'\nexit 1\n")
        hook.chmod(0o755)
    for key, value in {
        "core.hooksPath": str(lab.folder / ".git/hooks"),
        "commit.gpgSign": "true",
        "gpg.program": "/bin/false",
        "core.fsmonitor": f"touch {ran}",
        "core.splitIndex": "true",
        "core.autocrlf": "true",
        "i18n.commitEncoding": "ISO-8859-1",
        "gc.auto": "1",
        "user.useConfigOnly": "true",
    }.items():
        lab.git("config", key, value)
    before = lab.users_own()
    one_round(lab)
    assert not ran.exists(), ran.read_text()
    assert lab.users_own() == before


def test_git_s_variables_of_the_caller_are_not_followed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started from a hook or a rebase, with variables that point elsewhere, the loop still works where it was told."""
    other = lab.beside("other").fill()
    theirs, mine = other.users_own(), lab.users_own()
    for name, value in {
        "GIT_DIR": str(other.folder / ".git"),
        "GIT_COMMON_DIR": str(other.folder / ".git"),
        "GIT_WORK_TREE": str(other.folder),
        "GIT_INDEX_FILE": str(lab.folder / ".git/index"),
        "GIT_OBJECT_DIRECTORY": str(other.folder / ".git/objects"),
        "GIT_NAMESPACE": "elsewhere",
        "GIT_QUARANTINE_PATH": "x",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": "/tmp",
    }.items():
        monkeypatch.setenv(name, value)
    one_round(lab)
    assert other.git("for-each-ref", "refs/tenward") == ""
    assert (other.users_own(), lab.users_own()) == (theirs, mine)


@pytest.mark.parametrize("state", ["detached", "merge", "rebase", "empty branch"])
def test_any_state_of_the_user_s_work_will_do(lab: Lab, state: str) -> None:
    """A detached HEAD, a merge or rebase half done, a branch without a commit: the loop works beside it."""
    main = lab.git("rev-parse", "main")
    lab.git("switch", "-qc", "side")
    (lab.folder / "README.md").write_text("side\n")
    lab.git("commit", "-qam", "Side")
    lab.git("switch", "-q", "main")
    (lab.folder / "README.md").write_text("main\n")
    lab.git("commit", "-qam", "Main")
    if state == "detached":
        lab.git("checkout", "-q", "--detach")
    elif state == "merge":
        lab.git_fails("merge", "side")
        assert (lab.folder / ".git/MERGE_HEAD").exists()
    elif state == "rebase":
        lab.git_fails("rebase", "side")
        assert (lab.folder / ".git/rebase-merge").is_dir()
    else:
        lab.git("checkout", "-q", "--orphan", "fresh")
    lab.open().begin(main)
    before = lab.users_own()
    one_round(lab)
    assert lab.users_own() == before


def test_a_linked_work_tree_shares_the_loop_and_has_its_own_head(lab: Lab) -> None:
    """From a linked work tree the loop begins at that tree's HEAD and is the same loop as in the main one."""
    linked = lab.beside("linked")
    lab.git("worktree", "add", "-q", "-b", "side", str(linked.folder))
    linked.git("commit", "-q", "--allow-empty", "-m", "On the side")
    before = lab.users_own()
    one_round(linked)
    assert linked.record.base == linked.git("rev-parse", "HEAD") != lab.git("rev-parse", "HEAD")
    assert linked.record.folder == lab.open().folder
    assert lab.open().attempts() == linked.record.attempts()
    with linked.record.locked(), pytest.raises(LoopError, match="already running"), lab.open().locked():
        pass
    assert lab.users_own() == before
    linked.git("switch", "-q", "tenward/demo")
    with pytest.raises(LoopError, match=r"checked out in .*linked"):
        lab.open().begin()


def test_a_submodule_keeps_its_own_record(lab: Lab) -> None:
    """Inside a submodule the record is in the submodule's git directory, not in the one around it."""
    inner = lab.beside("inner").fill()
    lab.git("submodule", "add", "-q", str(inner.folder), "parts/inner")
    lab.git("commit", "-qm", "Submodule")
    module = lab.beside("work/parts/inner")
    before = lab.users_own().items() - {item for item in lab.users_own().items() if ".git/modules" in item[0]}
    one_round(module)
    assert module.record.folder == lab.folder / ".git/modules/parts/inner/tenward/demo"
    assert lab.git("for-each-ref", "refs/tenward") == ""
    assert lab.git("status", "--porcelain") == ""
    after = lab.users_own().items()
    assert before <= after


def test_a_bare_repository_will_do(lab: Lab) -> None:
    """A repository without a work tree keeps a record like any other."""
    bare = lab.beside("bare.git")
    lab.git("clone", "-q", "--bare", str(lab.folder), str(bare.folder))
    before = bare.users_own()
    one_round(bare)
    assert bare.users_own() == before


def test_a_sha256_repository_will_do(lab: Lab) -> None:
    """Objects are named with the hash of the repository."""
    modern = lab.beside("modern").fill("--object-format=sha256")
    one_round(modern)
    assert len(modern.record.incumbent) == 64


def test_a_shallow_clone_will_do(lab: Lab) -> None:
    """A clone that holds only the latest commit keeps a record, and the ledger can be read in it."""
    lab.git("commit", "-q", "--allow-empty", "-m", "More")
    shallow = lab.beside("shallow")
    lab.git("clone", "-q", "--depth=1", f"file://{lab.folder}", str(shallow.folder))
    assert shallow.git("rev-parse", "--is-shallow-repository") == "true"
    one_round(shallow)


def test_a_shallow_copy_of_the_record_still_gives_the_ledger(lab: Lab) -> None:
    """Where the incumbents themselves were not fetched, each attempt still says what it was made from."""
    one_round(lab)
    copy = lab.beside("copy")
    copy.folder.mkdir()
    copy.git("init", "-q")
    copy.git("fetch", "-q", "--depth=2", f"file://{lab.folder}", "refs/tenward/*:refs/tenward/*")
    assert copy.open().attempts() == lab.record.attempts()


def test_a_partial_clone_says_what_it_lacks(lab: Lab) -> None:
    """Nothing is fetched behind the user's back: a missing blob is an error that says how to get it."""
    lab.git("config", "uploadpack.allowFilter", "true")
    partial = lab.beside("partial")
    lab.git("clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{lab.folder}", str(partial.folder))
    partial.record.begin()
    with pytest.raises(GitError, match=r"lacks the object(.|\n)*a partial clone must fetch"):
        Slots(partial.record).slot(0).reset(partial.record.incumbent)


def test_a_repository_without_a_commit_says_so(lab: Lab) -> None:
    """There is nothing to start from, and the hint says what to do."""
    empty = lab.beside("empty")
    empty.folder.mkdir()
    empty.git("init", "-q")
    with pytest.raises(LoopError, match=r"the repository has no commit yet\nhint: commit"):
        empty.open().begin()


def test_a_repository_git_does_not_trust_is_refused(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user's own settings tell git not to trust is refused before anything in it is read."""
    bare = lab.beside("bare.git")
    lab.git("clone", "-q", "--bare", str(lab.folder), str(bare.folder))
    (tmp_path / ".gitconfig").write_text("[safe]\n\tbareRepository = explicit\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(LoopError, match="git refuses the repository: cannot use bare repository"):
        bare.open()


@pytest.mark.parametrize("name", ["with space", "new\nline", "quo'te\"", "ünï", "%s$HOME", "-rf", "x.git"])
def test_a_repository_may_be_called_anything(lab: Lab, name: str) -> None:
    """The path of the repository is never read as anything but a path."""
    strange = lab.beside(name).fill()
    one_round(strange)


def test_replaced_objects_are_read_as_they_are(lab: Lab) -> None:
    """A replacement the user has set up for viewing does not change what a candidate is made from."""
    tree = lab.git("rev-parse", "main^{tree}")
    lab.git("commit", "-q", "--allow-empty", "-m", "Other")
    (lab.folder / "README.md").write_text("Other\n")
    lab.git("commit", "-qam", "Other")
    lab.git("replace", "main~2", "main")
    record = lab.open()
    slot = Slots(record).slot(0)
    slot.reset(record.begin("main~2"))
    assert snapshot(slot, ["x"]).tree == tree


def test_the_caller_s_folder_may_vanish(lab: Lab, tmp_path: Path) -> None:
    """A process whose current folder is gone can still write its record."""
    script = "import os, sys; from pathlib import Path; from tenward.loop import LoopRecord\n"
    script += "record = LoopRecord.open(Path(sys.argv[1]), 'demo'); os.rmdir(os.getcwd()); print(record.begin())"
    gone = tmp_path / "gone"
    gone.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", script, str(lab.folder)], cwd=gone, capture_output=True, text=True, check=False
    )
    assert ended.stdout.strip() == lab.git("rev-parse", "main"), ended.stderr


def test_a_deleted_repository_is_an_error_with_a_hint(lab: Lab) -> None:
    """A repository that vanishes under a loop is reported, not a traceback."""
    record: LoopRecord = lab.record
    lab.folder.rename(lab.folder.with_name("moved"))
    with pytest.raises(GitError, match="hint:"):
        record.attempts()
