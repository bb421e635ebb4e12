from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenward.errors import GitError, LoopError
from tenward.loop import Change, FaultKind, Limits, PathPatterns, Slots, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import Lab


def test_an_untouched_slot_has_no_changes(lab: Lab) -> None:
    """What was only written by the reset is the base's own tree."""
    candidate = lab.snapshot()
    assert (candidate.changes, candidate.faults) == ((), ())
    assert candidate.tree == lab.git("rev-parse", "main^{tree}")


def test_allowed_changes_become_the_candidate_s_tree(lab: Lab) -> None:
    """Files edited, added and deleted in the editable paths are in the tree, all else is the base's."""
    top = lab.slot.path
    (top / "skill/SKILL.md").write_text("New.\n")
    (top / "skill/more/deep").mkdir(parents=True)
    (top / "skill/more/deep/a.md").write_text("A\n")
    (top / "skill/run.sh").write_text("#!/bin/sh\n")
    (top / "skill/run.sh").chmod(0o755)
    (top / "skill/scripts/check.sh").unlink()
    candidate = lab.snapshot()
    assert candidate.faults == ()
    assert candidate.changes == (
        Change(path="skill/SKILL.md", kind="modified"),
        Change(path="skill/more/deep/a.md", kind="added"),
        Change(path="skill/run.sh", kind="added"),
        Change(path="skill/scripts/check.sh", kind="deleted"),
    )
    listed = lab.git("ls-tree", "-r", "--format=%(objectmode) %(path)", candidate.tree)
    assert listed.splitlines() == [
        "100644 README.md",
        "120000 latest",
        "100644 rubric.yaml",
        "100644 skill/SKILL.md",
        "100644 skill/more/deep/a.md",
        "100755 skill/run.sh",
    ]
    assert lab.git("show", f"{candidate.tree}:skill/SKILL.md") == "New."


def test_a_file_may_become_a_folder_and_a_folder_a_file(lab: Lab) -> None:
    """Within the editable paths the candidate may rearrange what it likes."""
    top = lab.slot.path
    (top / "skill/SKILL.md").unlink()
    (top / "skill/SKILL.md").mkdir()
    (top / "skill/SKILL.md/part.md").write_text("Part\n")
    (top / "skill/scripts/check.sh").unlink()
    (top / "skill/scripts").rmdir()
    (top / "skill/scripts").write_text("None\n")
    candidate = lab.snapshot()
    assert candidate.faults == ()
    assert lab.git("ls-tree", "-r", "--name-only", candidate.tree, "skill/").splitlines() == [
        "skill/SKILL.md/part.md",
        "skill/scripts",
    ]
    lab.record.write(lab.draft(tree=candidate.tree))
    lab.git("fsck", "--strict")


def test_bytes_are_kept_exactly(lab: Lab) -> None:
    """No line ending, encoding or attribute of the repository changes what the candidate wrote."""
    lab.git("config", "core.autocrlf", "true")
    lab.git("config", "core.eol", "crlf")
    content = b"one\r\ntwo\nthree\r\0\xff"
    (lab.slot.path / "skill/SKILL.md").write_bytes(content)
    tree = lab.snapshot().tree
    lab.slot.reset(tree)
    assert (lab.slot.path / "skill/SKILL.md").read_bytes() == content


NAMES = [
    "-rf",
    "--help",
    "a b",
    "a\nb",
    "a\tb",
    "q\"uo'te",
    "back\\slash",
    "\udcff\udcfe",
    "ünï",
    " ",
    "~",
    "*",
    "a;b&",
]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_file_names_are_only_names(lab: Lab, name: str) -> None:
    """Whatever a file is called, it is stored and written back under that name and no other."""
    (lab.slot.path / "skill" / name).write_text("x\n")
    (lab.slot.path / "skill" / f"{name}d").mkdir()
    (lab.slot.path / "skill" / f"{name}d" / name).write_text("y\n")
    candidate = lab.snapshot()
    assert candidate.faults == ()
    assert {change.path for change in candidate.changes} == {f"skill/{name}", f"skill/{name}d/{name}"}
    lab.slot.reset(lab.record.incumbent)
    assert not (lab.slot.path / "skill" / name).exists()
    written = lab.record.write(lab.draft(tree=candidate.tree, description=name))
    lab.slot.reset(written.attempt.candidate)
    assert (lab.slot.path / "skill" / f"{name}d" / name).read_text() == "y\n"
    lab.git("fsck", "--strict")


def write(text: str = "x\n") -> Callable[[Path], object]:
    """Return a deed that writes a file."""

    def deed(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return deed


def instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return a deed that puts something in place of whatever is there."""

    def deed(path: Path) -> None:
        path.unlink(missing_ok=True)
        make(path)

    return deed


def link(target: str) -> Callable[[Path], object]:
    """Return a deed that puts a symbolic link in place of whatever is there."""
    return instead(lambda path: path.symlink_to(target))


def listen(path: Path) -> None:
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


DEEDS: list[tuple[str, Callable[[Path], object], FaultKind]] = [
    ("rubric.yaml", write(), FaultKind.OUTSIDE),
    ("rubric.yaml", Path.unlink, FaultKind.OUTSIDE),
    ("new.md", write(), FaultKind.OUTSIDE),
    ("SKILL/SKILL.md", write(), FaultKind.OUTSIDE),
    ("README.md", lambda path: path.chmod(0o755), FaultKind.OUTSIDE),
    ("skill/SKILL.md", lambda path: path.chmod(0o755), FaultKind.MODE),
    ("skill/scripts/check.sh", lambda path: path.chmod(0o644), FaultKind.MODE),
    ("skill/SKILL.md", lambda path: path.chmod(0o4644), FaultKind.MODE),
    ("skill/SKILL.md", link("/etc/passwd"), FaultKind.SYMLINK),
    ("skill/new", link("../rubric.yaml"), FaultKind.SYMLINK),
    ("skill/new", link("missing"), FaultKind.SYMLINK),
    ("latest", link("rubric.yaml"), FaultKind.SYMLINK),
    ("skill/.git", write(), FaultKind.GIT),
    ("skill/.git", Path.mkdir, FaultKind.GIT),
    ("skill/.GIT/config", write(), FaultKind.GIT),
    ("skill/git~1", write(), FaultKind.GIT),
    ("skill/.g\u200cit/hooks", write(), FaultKind.GIT),
    ("skill/.git ", write(), FaultKind.GIT),
    ("skill/.git.", write(), FaultKind.GIT),
    ("skill/.git::$INDEX_ALLOCATION", write(), FaultKind.GIT),
    ("skill/a\\.git\\config", write(), FaultKind.GIT),
    ("skill/.gitmodules", write(), FaultKind.GIT),
    ("skill/.GitAttributes", write(), FaultKind.GIT),
    ("skill/GITMOD~1", write(), FaultKind.GIT),
    (".git", Path.unlink, FaultKind.GIT),
    (".git", write(), FaultKind.GIT),
    (".git", instead(Path.mkdir), FaultKind.GIT),
    ("skill/skill.md", write(), FaultKind.COLLISION),
    ("skill/Scripts/more.sh", write(), FaultKind.COLLISION),
    ("skill/s\u200dcripts/more.sh", write(), FaultKind.COLLISION),
    ("skill/SKILL.md", write("x" * 2_000_000), FaultKind.LARGE),
    ("skill/pipe", os.mkfifo, FaultKind.SPECIAL),
    ("skill/SKILL.md", instead(os.mkfifo), FaultKind.SPECIAL),
    ("skill/talk", listen, FaultKind.SPECIAL),
    ("skill/stolen", lambda path: path.hardlink_to(path.parent.parent / "README.md"), FaultKind.HARD_LINK),
    ("skill/" + "/".join("d" * 80) + "/f", write(), FaultKind.DEEP),
]


@pytest.mark.parametrize(("path", "deed", "kind"), DEEDS, ids=[f"{kind.name}-{path[:24]!a}" for path, _, kind in DEEDS])
def test_what_no_candidate_may_contain_is_a_fault(
    lab: Lab, path: str, deed: Callable[[Path], object], kind: FaultKind
) -> None:
    """Each forbidden thing is reported as a value, stays out of the tree, and is gone after a reset."""
    base = lab.git("rev-parse", "main^{tree}")
    deed(lab.slot.path / path)
    candidate = lab.snapshot()
    assert kind in {fault.kind for fault in candidate.faults}
    assert all(str(fault).isprintable() for fault in candidate.faults)
    assert candidate.tree == base
    lab.slot.reset(lab.record.incumbent)
    assert (lab.snapshot().changes, lab.snapshot().faults) == ((), ())


def test_names_that_differ_in_normalisation_collide(lab: Lab) -> None:
    """Of two new names that another file system takes for one, the second is a fault."""
    (lab.slot.path / "skill/caf\u00e9.md").write_text("1\n")
    (lab.slot.path / "skill/cafe\u0301.md").write_text("2\n")
    candidate = lab.snapshot()
    assert [fault.kind for fault in candidate.faults] == [FaultKind.COLLISION]
    assert len(candidate.changes) == 1


def test_a_file_cannot_take_the_place_of_a_folder_that_must_stay(lab: Lab) -> None:
    """Where deleting the folder's files is not allowed, the file in its place is no change either."""
    top = lab.slot.path
    (top / "skill/scripts/check.sh").unlink()
    (top / "skill/scripts").rmdir()
    (top / "skill/scripts").write_text("x\n")
    candidate = lab.snapshot("skill/*")
    assert {fault.kind for fault in candidate.faults} == {FaultKind.OUTSIDE, FaultKind.COLLISION}
    assert candidate.tree == lab.git("rev-parse", "main^{tree}")


def test_a_submodule_cannot_be_filled_or_replaced(lab: Lab) -> None:
    """A submodule of the base stays in the tree as it is; anything put into its folder is a fault."""
    other = lab.beside("other").fill()
    lab.git("submodule", "add", "-q", str(other.folder), "skill/sub")
    lab.git("commit", "-qm", "Submodule")
    base = lab.git("rev-parse", "HEAD^{tree}")
    slot = Slots(lab.record).slot(0)
    slot.reset(lab.git("rev-parse", "HEAD"))
    clean = snapshot(slot, ["skill/**"])
    assert (clean.tree, clean.faults) == (base, ())
    (slot.path / "skill/sub/a.md").write_text("x\n")
    filled = snapshot(slot, ["skill/**"])
    assert (filled.tree, [fault.kind for fault in filled.faults]) == (base, [FaultKind.SUBMODULE])
    slot.reset(lab.git("rev-parse", "HEAD"))
    (slot.path / "skill/sub").rmdir()
    (slot.path / "skill/sub").write_text("x\n")
    assert [fault.kind for fault in snapshot(slot, ["skill/**"]).faults] == [FaultKind.SUBMODULE]


def test_limits_bound_what_is_read(lab: Lab) -> None:
    """Too many files, or too many bytes in all, are faults; what is over the limit is not in the tree."""
    for number in range(6):
        (lab.slot.path / f"skill/{number}.md").write_text("x" * 100)
    few = lab.snapshot(limits=Limits(files=4))
    assert [fault.kind for fault in few.faults] == [FaultKind.MANY] * 2
    assert len(few.changes) == 4
    small = lab.snapshot(limits=Limits(total_bytes=250))
    assert [fault.kind for fault in small.faults] == [FaultKind.LARGE] * 4
    stopped = lab.snapshot(limits=Limits(strays=3))
    assert [fault.kind for fault in stopped.faults] == [FaultKind.MANY]
    assert stopped.changes == ()


def test_a_flood_of_faults_is_cut_short(lab: Lab) -> None:
    """At most a hundred faults are reported, however many there are."""
    for number in range(150):
        (lab.slot.path / f"{number}.md").touch()
    assert len(lab.snapshot().faults) == 100


def test_leftovers_are_neither_changes_nor_faults(lab: Lab) -> None:
    """New files that match a leftover pattern are passed over; those of the base are not."""
    cache = lab.slot.path / "skill/__pycache__"
    cache.mkdir()
    (cache / "a.pyc").write_bytes(b"x")
    (cache / "link").symlink_to("/etc/passwd")
    (lab.slot.path / "rubric.yaml").write_text("x\n")
    candidate = lab.snapshot(leftovers=["**/__pycache__/**", "*.yaml"])
    assert candidate.changes == ()
    assert [(fault.path, fault.kind) for fault in candidate.faults] == [("rubric.yaml", FaultKind.OUTSIDE)]


def test_a_change_that_hides_behind_size_and_time_is_seen(lab: Lab) -> None:
    """A file rewritten with the same size and the old time stamp is still read again."""
    target = lab.slot.path / "rubric.yaml"
    old = target.stat()
    target.write_text(target.read_text().replace("10", "99"))
    os.utime(target, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert target.stat().st_size == old.st_size
    assert [fault.kind for fault in lab.snapshot().faults] == [FaultKind.OUTSIDE]


def test_a_file_that_changes_while_it_is_read_never_yields_a_mixture(lab: Lab) -> None:
    """A process that swaps a file for a link to a secret gets no secret into the tree."""
    secret = lab.folder.parent / "secret"
    secret.write_text("secret\n")
    target, stop = lab.slot.path / "skill/SKILL.md", threading.Event()

    def swap() -> None:
        while not stop.is_set():
            other = target.with_name("other")
            other.symlink_to(secret)
            other.replace(target)
            other.write_text("plain\n")
            other.replace(target)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        trees = {lab.snapshot().tree for _ in range(30)}
    finally:
        stop.set()
        thread.join()
    for tree in trees:
        assert "secret" not in lab.git("grep", "-h", "-e", "", tree)


def test_a_slot_without_a_base_cannot_be_read(lab: Lab) -> None:
    """Without a base there is nothing to compare with."""
    with pytest.raises(GitError, match="the slot has no base"):
        snapshot(Slots(lab.record).slot(1), ["skill/**"])


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a.md", "a.md", True),
        ("a.md", "b/a.md", False),
        ("a.md", "A.md", False),
        ("*.md", "a.md", True),
        ("*.md", "b/a.md", False),
        ("b/*", "b/.hidden", True),
        ("b/*", "b/c/d", False),
        ("b/", "b/c/d", True),
        ("b/**", "b/c/d", True),
        ("b/**", "b", False),
        ("**", "x/y", True),
        ("**/a.md", "a.md", True),
        ("**/a.md", "x/y/a.md", True),
        ("**/x/**/z", "x/x/y/z", True),
        ("a/**/b/**/c", "a/b/b/x/c", True),
        ("a/**/b/**/c", "a/c", False),
        ("a/**/c", "a/c", True),
        ("[ab].md", "b.md", True),
        ("a?c", "a/c", False),
        ("a?c", "a\nc", True),
    ],
)
def test_patterns_match_whole_paths(pattern: str, path: str, matches: bool) -> None:
    """Stars stay within a name, two stars cross folders, a final slash means everything below."""
    assert PathPatterns([pattern]).match(path) is matches


@pytest.mark.parametrize("pattern", ["", "/a", "../a", "a/../b", "./a", "a//b"])
def test_a_pattern_must_be_a_path_from_the_top(pattern: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(LoopError, match="found the path pattern"):
        PathPatterns([pattern])


def test_a_hard_pattern_is_still_fast() -> None:
    """Many double stars against a long path that nearly matches come to an end."""
    assert not PathPatterns(["/".join(["**", "a"] * 30) + "/b"]).match("/".join("a" * 200))
