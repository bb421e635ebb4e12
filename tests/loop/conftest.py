from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tenward.loop import Candidate, Draft, LoopRecord, Slot, Slots, Status, snapshot

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FILES = {
    "skill/SKILL.md": "Look twice.\n",
    "skill/scripts/check.sh": "#!/bin/sh\nexit 0\n",
    "rubric.yaml": "scale: [1, 10]\n",
    "README.md": "Read me.\n",
}


def run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git as a user would, with no settings from outside the repository."""
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    start = ["git", "-C", str(folder), "-c", "user.name=User", "-c", "user.email=user@example.org"]
    start += ["-c", "protocol.file.allow=always"]
    return subprocess.run([*start, *arguments], capture_output=True, env=environment, check=False)


@dataclass(frozen=True)
class Lab:
    """A user's repository, with a loop in it."""

    folder: Path

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return what it prints; it must succeed."""
        ended = run_git(self.folder, *arguments)
        assert ended.returncode == 0, ended.stderr
        return os.fsdecode(ended.stdout).strip()

    def git_fails(self, *arguments: str) -> str:
        """Run git in the repository and return its complaint; it must fail."""
        ended = run_git(self.folder, *arguments)
        assert ended.returncode != 0
        return os.fsdecode(ended.stderr)

    def fill(self, *options: str) -> Lab:
        """Make the repository, with one commit of a few files."""
        self.folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", *options)
        for path, text in FILES.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        (self.folder / "skill/scripts/check.sh").chmod(0o755)
        (self.folder / "latest").symlink_to("skill/SKILL.md")
        self.git("add", ".")
        self.git("commit", "-qm", "Begin")
        return self

    def beside(self, name: str) -> Lab:
        """Return another repository, not made yet, in the same place."""
        return replace(self, folder=self.folder.parent / name)

    def open(self, loop: str = "demo") -> LoopRecord:
        """Open the record of a loop as another process would."""
        return LoopRecord.open(self.folder, loop)

    @cached_property
    def record(self) -> LoopRecord:
        """The record of the loop, which has begun."""
        record = self.open()
        record.begin()
        return record

    @cached_property
    def slot(self) -> Slot:
        """A slot set to the incumbent."""
        slot = Slots(self.record).slot(0)
        slot.reset(self.record.incumbent)
        return slot

    def snapshot(self, *editable: str, **options: Any) -> Candidate:
        """Read the slot; the skill may be edited unless told otherwise."""
        return snapshot(self.slot, editable or ("skill/**",), **options)

    def draft(self, **given: Any) -> Draft:
        """Return an attempt to be written: a discard of an unchanged candidate, unless given otherwise."""
        parent = given.get("parent") or self.record.incumbent
        facts: dict[str, Any] = {
            "number": given.get("number") or self.record.next_number(),
            "status": Status.DISCARD,
            "parent": parent,
            "tree": self.git("rev-parse", f"{parent}^{{tree}}"),
            "description": "Say less",
            "score": 0.5,
            "began": MOMENT,
            "ended": MOMENT,
            "notes": {"idea.md": "Shorter.\n", "decision.json": "{}"},
        }
        return Draft(**(facts | given))

    def improved(self, text: str = "Look three times.\n") -> Draft:
        """Return a keep, made in the slot."""
        self.slot.reset(self.record.incumbent)
        (self.slot.path / "skill/SKILL.md").write_text(text)
        return self.draft(status=Status.KEEP, tree=self.snapshot().tree)

    def users_own(self) -> dict[str, str]:
        """Return all that is the user's: the work tree, and the git directory but for objects and the loop's refs."""
        git = Path(".git" if (self.folder / ".git").is_dir() else ".")
        below = ("objects", "tenward", "refs/tenward", "refs/heads/tenward", "logs/refs/heads/tenward")
        return picture(self.folder, without={str(git / name) for name in below})


def picture(folder: Path, without: frozenset[str] | set[str] = frozenset()) -> dict[str, str]:
    """Return the modes and bytes of everything below a folder, except below the parts named."""
    seen: dict[str, str] = {}
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = [name for name in folders if str((here / name).relative_to(folder)) not in without]
        for name in (*folders, *files):
            path = here / name
            facts = path.lstat()
            content = b""
            if path.is_symlink():
                content = os.fsencode(path.readlink())
            elif path.is_file():
                content = path.read_bytes()
            seen[str(path.relative_to(folder))] = f"{facts.st_mode:o} {hashlib.sha256(content).hexdigest()}"
    return seen


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A user's repository."""
    return Lab(tmp_path / "work").fill()
