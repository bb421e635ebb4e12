from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tenward.datasets import Limits, Target, read_target
from tenward.errors import TargetError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class GitFolder:
    """A work tree that a test fills with the real git program."""

    path: Path

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run git and return what it prints."""
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.path, check=True, capture_output=True, encoding="utf-8"
        )
        return done.stdout.strip()

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file, with the folders it needs."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def commit(self, message: str, **files: str | bytes) -> str:
        """Write files (``__`` in a keyword stands for a dot) and commit everything."""
        for name, content in files.items():
            self.write(name.replace("__", "."), content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    """A fresh repository, apart from the configuration of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
        monkeypatch.setenv(f"GIT_{role}_DATE", "2026-01-02T03:04:05+00:00")
    folder = GitFolder(tmp_path / "work")
    folder.path.mkdir()
    folder.git("init", "--quiet", "--initial-branch=main")
    return folder


def read(repo: GitFolder, spec: str, cwd: Path | None = None, limits: Limits | None = None) -> Target:
    """Read a target from the top of the work tree, or from elsewhere."""
    return read_target(spec, cwd=cwd or repo.path, limits=limits)


def refusal(repo: GitFolder, spec: str, cwd: Path | None = None, limits: Limits | None = None) -> str:
    """Return what the reading of a target complains about."""
    with pytest.raises(TargetError) as caught:
        read(repo, spec, cwd, limits)
    return str(caught.value)


def fingerprint(folder: Path) -> dict[str, str]:
    """Names, modification times and content of everything below a folder."""
    return {
        f"{path.relative_to(folder)} {path.lstat().st_mtime_ns}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def history(repo: GitFolder) -> GitFolder:
    """Three commits on main; ``side`` leaves after the first."""
    repo.commit("Start here", code__py="a = 1\nb = 2\n")
    repo.git("branch", "side")
    repo.commit("Change a\n\nBecause 1 was too small.", code__py="a = 10\nb = 2\n")
    repo.commit("Add notes", notes__md="# Notes\n")
    return repo


def test_a_revision_is_its_change_and_its_message(history: GitFolder) -> None:
    """A commit's diff is the output, its message the input, and a note sums it up."""
    target = read(history, "HEAD~1")
    assert (target.kind, target.case.id, target.folder) == ("revision", "HEAD~1", history.path)
    assert target.case.input == "Change a\n\nBecause 1 was too small."
    assert target.case.output.startswith("diff --git a/code.py b/code.py\nindex ")
    assert target.case.output.endswith("@@ -1,2 +1,2 @@\n-a = 1\n+a = 10\n b = 2\n")
    short = history.git("rev-parse", "--short", "HEAD~1")
    assert target.notes == (f'commit {short} "Change a": 1 file, +1 −1',)
    assert read_target("HEAD", input="mine", cwd=history.path).case.input == "mine"


@pytest.mark.parametrize("spec", ["main", "v1", "refs/tags/v1", "HEAD^{/Add}", ":/Add", "@"])
def test_every_spelling_git_knows_names_the_commit(history: GitFolder, spec: str) -> None:
    """Branches, annotated tags and searches by message all lead to the commit."""
    history.git("tag", "--annotate", "v1", "--message", "first")
    assert "+# Notes" in read(history, spec).case.output


def test_the_first_commit_is_compared_with_nothing(history: GitFolder) -> None:
    """A commit without a parent adds all its files."""
    assert "+a = 1\n+b = 2\n" in read(history, "HEAD~2").case.output


def test_a_merge_is_compared_with_its_first_parent(history: GitFolder) -> None:
    """A merge shows what it brought to the branch, and a note says how it was compared."""
    history.git("checkout", "--quiet", "side")
    history.commit("On the side", side__txt="s\n")
    history.git("checkout", "--quiet", "main")
    history.git("merge", "--quiet", "--no-edit", "side")
    target = read(history, "HEAD")
    assert "side.txt" in target.case.output
    assert "notes.md" not in target.case.output
    assert any("first parent" in note for note in target.notes)


def test_a_range_is_the_difference_of_its_ends(history: GitFolder) -> None:
    """``A..B`` compares the ends; the messages between come oldest first; an empty side is HEAD."""
    target = read(history, "HEAD~2..HEAD")
    assert target.kind == "range"
    assert target.case.input == "Change a\n\nBecause 1 was too small.\n\nAdd notes"
    assert "+a = 10" in target.case.output
    assert "+# Notes" in target.case.output
    assert target.notes == ("HEAD~2..HEAD, 2 commits: 2 files, +2 −1",)
    assert read(history, "side..").case.output == target.case.output
    assert "-# Notes" in read(history, "..side").case.output


def test_three_dots_start_where_the_branches_parted(history: GitFolder) -> None:
    """``A...B`` leaves out what A changed since."""
    history.git("checkout", "--quiet", "side")
    history.commit("On the side", side__txt="s\n")
    target = read(history, "main...side")
    assert target.case.input == "On the side"
    assert [line for line in target.case.output.splitlines() if line.startswith("diff")] == [
        "diff --git a/side.txt b/side.txt"
    ]
    assert "notes.md" in read(history, "main..side").case.output


def test_branches_without_a_common_ancestor_have_no_three_dots(history: GitFolder) -> None:
    """Unrelated histories are told apart from unknown names."""
    history.git("checkout", "--quiet", "--orphan", "other")
    history.commit("Unrelated", code__py="z = 0\n")
    assert "no common ancestor" in refusal(history, "main...other")
    assert "+z = 0" in read(history, "main..other").case.output


def test_a_change_of_nothing_is_refused(history: GitFolder) -> None:
    """An empty commit and an empty range have nothing to judge."""
    history.commit("Nothing")
    assert "nothing changed in commit" in refusal(history, "HEAD")
    assert "nothing changed in HEAD~1..HEAD, 1 commit" in refusal(history, "HEAD~1..HEAD")


def test_a_file_at_a_revision_is_its_text(history: GitFolder) -> None:
    """``revision:path`` reads the file as it was; a folder, a binary and a missing file are refused."""
    history.commit("More", pic__png=b"\x89PNG\0")
    history.write("sub/x.txt", "x")
    history.commit("Sub")
    target = read(history, "HEAD~3:code.py")
    assert (target.kind, target.case.output, target.case.input) == ("revision", "a = 10\nb = 2\n", "")
    assert "HEAD:pic.png is not UTF-8 text" in refusal(history, "HEAD:pic.png")
    assert "is a folder at a revision" in refusal(history, "HEAD:sub")
    assert "no git revision" in refusal(history, "HEAD:gone.py")
    assert "too large: found 13 bytes" in refusal(history, "HEAD:code.py", limits=Limits(file_bytes=12))
    assert read(history, "HEAD:./x.txt", history.path / "sub").case.output == "x"


def test_a_path_wins_over_a_revision_and_says_so(history: GitFolder) -> None:
    """A file called like a branch is read, with a note on how to name the branch."""
    history.write("side", "a file")
    target = read(history, "side")
    assert (target.kind, target.case.output) == ("file", "a file")
    assert any("git revision too" in note and "side^0" in note for note in target.notes)
    assert read(history, "side^0").kind == "revision"
    history.write("side..main", "dots")
    assert read(history, "side..main").case.output == "dots"


def test_an_unknown_revision_says_what_was_tried(history: GitFolder) -> None:
    """Inside a repository near branch names are suggested, and full names of missing objects are unknown."""
    message = refusal(history, "sid")
    assert "no git revision of this name either" in message
    assert "did you mean side?" in message
    assert "no such target" in refusal(history, "0123456789" * 4)
    assert "no such target" in refusal(history, "HEAD..nowhere")
    for spec in ("^HEAD", "HEAD --output=x", "HEAD\n", "...", "HEAD^@", "HEAD^!"):
        assert "no such target" in refusal(history, spec)


def test_a_repository_without_commits_has_no_revisions(repo: GitFolder) -> None:
    """An unborn branch is no revision."""
    assert "no such target" in refusal(repo, "HEAD")


def test_it_works_below_the_top_in_worktrees_detached_and_bare(history: GitFolder, tmp_path: Path) -> None:
    """A revision gives the same text from every kind of checkout; a bare one has no folder for gates."""
    expected = read(history, "main").case.output
    (history.path / "sub").mkdir()
    below = read(history, "main", history.path / "sub")
    assert (below.case.output, below.folder) == (expected, history.path)
    history.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"), "HEAD~1")
    elsewhere = read(history, "main", tmp_path / "tree")
    assert (elsewhere.case.output, elsewhere.folder) == (expected, tmp_path / "tree")
    assert "+a = 10" in read(history, "HEAD", tmp_path / "tree").case.output
    history.git("clone", "--quiet", "--bare", str(history.path), str(tmp_path / "bare.git"))
    bare = read(history, "main", tmp_path / "bare.git")
    assert (bare.case.output, bare.folder) == (expected, None)


def test_a_shallow_clone_refuses_to_guess(history: GitFolder, tmp_path: Path) -> None:
    """Where the parent is missing the change is unknown, not the whole tree; with the parent it works."""
    for depth in ("1", "2"):
        history.git("clone", "--quiet", "--depth", depth, history.path.as_uri(), str(tmp_path / depth))
    message = refusal(history, "HEAD", tmp_path / "1")
    assert "not in this shallow clone" in message
    assert "--deepen" in message
    assert read(history, "HEAD:notes.md", tmp_path / "1").case.output == "# Notes\n"
    assert read(history, "HEAD", tmp_path / "2").case.output == read(history, "HEAD").case.output


def test_the_users_configuration_changes_nothing_and_runs_nothing(history: GitFolder, tmp_path: Path) -> None:
    """Diff drivers, text converters, hooks, aliases, pagers and format settings have no say."""
    history.commit("Attributes", __gitattributes="*.py diff=evil filter=evil\n", code__py="a = 10\n\nb = 2\n")
    history.commit("Beside an empty line", code__py="a = 11\n\nb = 2\n")
    plain = [read(history, spec).case for spec in ("HEAD", "HEAD~2..HEAD")]
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!{sys.executable}\nopen({str(sprung)!r}, 'w')\nprint('pwned')\n", encoding="utf-8")
    trap.chmod(0o755)
    hooks = history.path / ".git/hooks"
    for hook in ("post-index-change", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        (hooks / hook).write_bytes(trap.read_bytes())
        (hooks / hook).chmod(0o755)
    settings = {
        "core.fsmonitor": str(trap),
        "core.pager": str(trap),
        "diff.external": str(trap),
        "diff.evil.command": str(trap),
        "diff.evil.textconv": str(trap),
        "filter.evil.clean": str(trap),
        "filter.evil.smudge": str(trap),
        "gpg.program": str(trap),
        "pager.diff-tree": str(trap),
        "alias.diff-tree": f"!{trap}",
        "alias.rev-parse": f"!{trap}",
        "color.ui": "always",
        "color.diff": "always",
        "core.abbrev": "40",
        "core.quotePath": "true",
        "diff.algorithm": "patience",
        "diff.context": "0",
        "diff.mnemonicPrefix": "true",
        "diff.noprefix": "true",
        "diff.orderFile": str(trap),
        "diff.renames": "false",
        "diff.suppressBlankEmpty": "true",
        "format.pretty": "oneline",
        "log.showSignature": "true",
    }
    for name, value in settings.items():
        history.git("config", name, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_EXTERNAL_DIFF", str(trap))
        patch.setenv("GIT_DIFF_OPTS", "--unified=0")
        patch.setenv("GIT_PAGER", str(trap))
        changed = [read(history, spec).case for spec in ("HEAD", "HEAD~2..HEAD")]
        assert "a = 11" in read(history, ".").case.output
    assert changed == plain
    assert not sprung.exists()


def test_reading_leaves_the_repository_as_it_was(history: GitFolder) -> None:
    """Every kind of target leaves each byte and date of the work tree and of .git alone."""
    history.write("code.py", "dirty = True\n")
    history.write("new.txt", "untracked\n")
    before = fingerprint(history.path)
    for spec in ("HEAD", "HEAD~2", "side..main", "side...main", "HEAD:code.py", ".", "code.py"):
        read(history, spec)
    refusal(history, "nowhere")
    assert fingerprint(history.path) == before


@pytest.mark.parametrize("branch", ["-evil", "--output=x", "über/größe", "a;touch x", "$(touch x)"])
def test_hostile_branch_names_are_only_names(history: GitFolder, branch: str) -> None:
    """Whatever a branch is called, it can be read by its full name and runs nothing."""
    history.git("update-ref", "--", f"refs/heads/{branch}".replace(" ", ""), "HEAD")
    before = fingerprint(history.path)
    target = read(history, f"refs/heads/{branch}".replace(" ", ""))
    assert "+# Notes" in target.case.output
    assert fingerprint(history.path) == before


def test_hostile_file_names_in_a_change_are_only_names(repo: GitFolder) -> None:
    """Names with line feeds, dashes, quotes, spaces and escapes neither break the splitting nor the notes."""
    names = [
        "--output=x",
        "a\nb.txt",
        "diff --git a",
        'quo"te',
        "sp ace",
        "tab\there",
        "ünï.txt",
        "\x1b[31m.bin",
    ]
    for name in names:
        repo.write(name, b"\0" if name.endswith(".bin") else b"\ndiff --git a/x b/x\n")
    repo.write(os.fsdecode(b"caf\xe9"), "latin\n")
    repo.commit("Names")
    target = read(repo, "HEAD")
    assert target.notes[0].endswith("9 files, +15 −0")
    assert target.case.output.count("\n+diff --git a/x b/x\n") == 7
    assert "b/ünï.txt" in target.case.output
    assert all(note.isprintable() for note in target.notes)
    assert "\\x1b[31m.bin" in target.notes[-1]
    folder = read(repo, ".")
    assert folder.case.output.count("\ndiff --git a/x b/x\n") == 7


def test_binary_files_are_named_not_shown(repo: GitFolder) -> None:
    """A binary file beside text is named; alone it is nothing to judge."""
    repo.commit("Both", pic__png=b"\0\1", code__py="x = 1\n")
    target = read(repo, "HEAD")
    assert "Binary files /dev/null and b/pic.png differ" in target.case.output
    assert "1 binary file named, content not shown: pic.png" in target.notes
    repo.commit("Only binary", pic__png=b"\0\2")
    assert "no change of text to judge" in refusal(repo, "HEAD")


def test_lock_files_and_secrets_are_not_shown(repo: GitFolder) -> None:
    """What nobody writes by hand, and what may hold secrets, is named in the notes and the context."""
    repo.commit("Add", uv__lock="v = 1\n", __env="TOKEN=hunter2\n", code__py="x = 1\n")
    target = read(repo, "HEAD")
    assert "hunter2" not in target.case.output
    assert "v = 1" not in target.case.output
    assert "left out 1 file (lock file): uv.lock" in target.case.context
    assert "left out 1 file (may hold secrets): .env" in target.notes


def test_a_diff_that_does_not_fit_loses_whole_files(repo: GitFolder) -> None:
    """Files that fit stay whole, the others are named with their size; if none fits, that is an error."""
    repo.commit("Big", a__txt="a\n", b__txt="b" * 300_000, c__txt="c\n")
    target = read(repo, "HEAD")
    assert [line for line in target.case.output.splitlines() if line.startswith("+++")] == [
        "+++ b/a.txt",
        "+++ b/c.txt",
    ]
    assert any("b.txt (300," in note for note in target.notes)
    message = refusal(repo, "HEAD", limits=Limits(diff_bytes=50))
    assert "no change of text to judge" in message
    assert "b.txt (300," in message


def test_the_limit_of_a_diff_is_exact(history: GitFolder) -> None:
    """A diff of exactly the limit is whole; one byte less leaves something out."""
    whole = read(history, "side..main").case.output
    size = len(whole.encode())
    assert read(history, "side..main", limits=Limits(diff_bytes=size)).case.output == whole
    less = read(history, "side..main", limits=Limits(diff_bytes=size - 1)).case.output
    assert whole.startswith(less)
    assert less.count("diff --git") == 1


def test_a_long_diff_is_split_where_git_split_it(repo: GitFolder) -> None:
    """However the pieces of git's output fall, many files of many lengths come out as they went in."""
    for number in range(400):
        repo.write(f"{number:03}.txt", "".join(f"{number} {'x' * (line % 90)}\n" for line in range(number % 37 + 1)))
    repo.commit("Many")
    whole = read(repo, "HEAD", limits=Limits(diff_bytes=10**7)).case.output
    assert whole.strip() == repo.git("show", "--format=", "--abbrev=12", "HEAD")
    part = read(repo, "HEAD", limits=Limits(diff_bytes=50_000)).case.output
    kept = part.split("diff --git ")[1:]
    assert 0 < len(kept) < 400
    assert all(f"diff --git {section}" in whole for section in kept)
    assert len(part.encode()) <= 50_000


def test_files_that_become_links_and_renames_keep_their_names(repo: GitFolder) -> None:
    """A file that becomes a link takes two diffs, a rename one, and the names after them stay right."""
    repo.commit("Start", a__txt="a\n", m__txt="one\ntwo\nthree\n", z__txt="z\n")
    (repo.path / "a.txt").unlink()
    (repo.path / "a.txt").symlink_to("z.txt")
    repo.git("mv", "m.txt", "n.txt")
    repo.commit("Change", z__txt="zz" * 300)
    target = read(repo, "HEAD", limits=Limits(diff_bytes=500))
    assert "rename from m.txt\nrename to n.txt" in target.case.output
    assert target.case.output.count("diff --git a/a.txt b/a.txt") == 2
    assert any(": z.txt (" in note for note in target.notes)


def test_context_lines_follow_the_limit(repo: GitFolder) -> None:
    """The number of unchanged lines around a change is the caller's."""
    lines = [f"{number}\n" for number in range(40)]
    repo.commit("Start", f__txt="".join(lines))
    repo.commit("Change", f__txt="".join([*lines[:20], "new\n", *lines[21:]]))
    for wanted in (0, 8):
        output = read(repo, "HEAD", limits=Limits(context_lines=wanted)).case.output
        assert sum(line.startswith(" ") for line in output.splitlines()) == 2 * wanted


def test_other_encodings_in_a_change_are_readable(repo: GitFolder) -> None:
    """A line that is not UTF-8 does not cost the change; its bytes become replacement characters."""
    repo.commit("Latin", f__txt=b"caf\xe9\nand tea\n")
    assert "+caf�\n+and tea" in read(repo, "HEAD").case.output


def test_long_messages_are_cut_and_said(repo: GitFolder) -> None:
    """Commit messages have their own limit."""
    repo.commit("Subject\n\n" + "word " * 100, f__txt="x\n")
    target = read(repo, "HEAD", limits=Limits(message_bytes=100))
    assert len(target.case.input) <= 100
    assert any("commit messages cut at 100" in note for note in target.notes)


def test_without_git_files_and_folders_are_still_read(history: GitFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no git program can be run, only revisions are refused, and the message says why."""
    from git.cmd import Git

    monkeypatch.setattr(Git, "GIT_PYTHON_GIT_EXECUTABLE", "/nowhere/git")
    assert "===== code.py =====" in read(history, ".").case.output
    assert "no git program was found" in refusal(history, "HEAD")


def test_a_folder_in_a_repository_follows_its_ignore_rules(repo: GitFolder) -> None:
    """Git decides: ignored files go, hidden and new files stay, a nested repository goes."""
    repo.commit("start", __gitignore="*.log\n", kept__py="k\n", gone__py="g\n")
    repo.write("x.log", "noise")
    repo.write("new.py", "n\n")
    (repo.path / "gone.py").unlink()
    repo.git("init", "--quiet", "nested")
    repo.write("nested/inner.py", "i")
    target = read_target(".", cwd=repo.path)
    headers = [line for line in target.case.output.splitlines() if line.startswith("=====")]
    assert headers == ["===== .gitignore =====", "===== kept.py =====", "===== new.py ====="]
    assert "another repository" in "\n".join(target.notes)


def test_an_ignored_folder_that_is_named_is_read(repo: GitFolder) -> None:
    """Who names an ignored folder means it."""
    repo.commit("start", __gitignore="out/\n")
    repo.write("out/answer.md", "42\n")
    assert read_target("out", cwd=repo.path).case.output == "===== answer.md =====\n42\n"


def test_attributes_of_the_candidate_do_not_hide_its_change(repo: GitFolder) -> None:
    """Text that ``.gitattributes`` calls binary is shown; what holds a NUL is named only, as before."""
    repo.commit("Start", a__py="one\n", b__py="b\n")
    repo.git("mv", "b.py", "c.py")
    repo.commit("Hide", a__py="two\n", d__py="new\n", pic__png=b"\0\1\n--- x", __gitattributes="*.py -diff\n")
    target = read_target("HEAD", cwd=repo.path)
    for line in ("-one\n", "+two\n", "+new\n", "rename to c.py\n"):
        assert line in target.case.output
    assert target.case.output.endswith("\nBinary files differ\n")
    assert "\0" not in target.case.output
    assert target.notes == (target.notes[0], "1 binary file named, content not shown: pic.png")
    assert target.notes[0].endswith(": 5 files, +3 −1")
