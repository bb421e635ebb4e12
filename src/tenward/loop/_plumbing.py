"""Git's plumbing in one repository: no hooks, no filters, no signatures, no user settings, no work tree."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.errors import GitError, LoopError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Git", "Reply"]

# On the command line, so that they win over the repository's own configuration.
_SETTINGS = {
    "commit.gpgSign": "false",
    "core.autocrlf": "false",
    "core.filesRefLockTimeout": "5000",
    # The default leaves new objects to the system: after a power cut a ref could name what was never written. Here
    # each is handed to the disk as it is written, and the flush before a ref moves makes all of them last at once.
    "core.fsync": "committed,loose-object,reference",
    "core.fsyncMethod": "writeout-only",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.splitIndex": "false",
    "core.untrackedCache": "false",
    "core.warnAmbiguousRefs": "false",
    "gc.auto": "0",
    "i18n.commitEncoding": "UTF-8",
    "index.sparse": "false",
    "maintenance.auto": "false",
}

# What a git process may inherit. Every GIT_ variable stays out: in a hook they point at another index or repository.
_INHERITED = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")

_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_AUTHOR_EMAIL": "tenward@localhost",
    "GIT_AUTHOR_NAME": "Tenward",
    "GIT_COMMITTER_EMAIL": "tenward@localhost",
    "GIT_COMMITTER_NAME": "Tenward",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}

# Only once the repository is found: a user's `safe.directory` must have been heard before.
_NO_USER_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a git command said."""

    status: int
    out: bytes
    error: str

    @property
    def line(self) -> str:
        """The first line of the output; empty if the command failed."""
        return "" if self.status else os.fsdecode(self.out.partition(b"\n")[0])

    @property
    def complaint(self) -> str:
        """The line in which git says what is wrong, without its ``fatal:``."""
        lines = self.error.strip().splitlines() or [f"git ended with status {self.status}"]
        chosen = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0])
        return chosen.removeprefix("fatal: ").removeprefix("error: ")


@dataclass(frozen=True, kw_only=True)
class Git:
    """Runs plumbing commands in one repository.

    GitPython finds the git program and the repository. The commands themselves run as processes with an
    environment of their own, since GitPython hands on every variable of the caller: with a ``GIT_DIR`` or
    ``GIT_INDEX_FILE`` that a hook or a rebase has set, git would write into another repository or the user's index.

    Every command runs as in a bare repository, so none can reach the user's working tree.
    """

    program: str
    """The git program."""

    folder: Path
    """The git directory that all work trees of the repository share."""

    own: Path
    """The git directory of the work tree that was found: there its HEAD is."""

    @classmethod
    def discover(cls, start: Path) -> Git:
        """Find the repository around ``start``: a clone, a linked work tree, a submodule or a bare repository.

        Raises:
            LoopError: There is no repository, or git does not trust it.
            GitError: No usable git program is installed.
        """
        try:
            from git import Git as Runner
            from git import InvalidGitRepositoryError, NoSuchPathError, Repo
        except ImportError as error:  # GitPython refuses to be imported where there is no git
            raise GitError("git cannot be run: no git program was found", hint="install git 2.31 or later") from error
        try:
            with Repo(start.absolute(), search_parent_directories=True, expand_vars=False) as repository:
                inside = Path(repository.working_tree_dir or repository.git_dir)
        except (InvalidGitRepositoryError, NoSuchPathError) as error:
            raise LoopError(
                f"{start}: found no git repository, expected one that keeps the record of the loop",
                hint="run `git init` and commit what the loop starts from",
            ) from error
        program = Runner.GIT_PYTHON_GIT_EXECUTABLE or "git"
        # Git itself is asked as well: it alone knows `safe.directory`.
        folders: list[Path] = []
        for wanted in ("--git-common-dir", "--git-dir"):
            asked = subprocess.run(
                [program, "rev-parse", "--path-format=absolute", wanted],
                cwd=inside,
                env=_environment({}),
                capture_output=True,
                check=False,
            )
            if asked.returncode:
                reply = Reply(status=asked.returncode, out=b"", error=os.fsdecode(asked.stderr))
                raise LoopError(
                    f"{start}: git refuses the repository: {reply.complaint}", hint="what does `git status` say there?"
                )
            folders.append(Path(os.fsdecode(asked.stdout.removesuffix(b"\n"))))
        return cls(program=program, folder=folders[0], own=folders[1])

    @cached_property
    def algorithm(self) -> str:
        """The hash the repository names its objects with, as `hashlib` calls it: ``sha1`` or ``sha256``."""
        return self.must("rev-parse", "--show-object-format").line

    def command(self, *arguments: str) -> list[str]:
        """The whole command line of a git command."""
        settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
        return [self.program, "--bare", f"--git-dir={self.folder}", "--no-pager", *settings, *arguments]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """All the variables a git command sees."""
        return _environment(_NO_USER_CONFIG | dict(extra or {}))

    def run(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Reply:
        """Run one command to its end.

        Args:
            arguments: The command and its arguments; text from outside goes through ``stdin``, or stands behind
                ``--end-of-options``.
            stdin: What it reads.
            env: Variables besides the usual ones.
            cwd: Where it runs; the git directory if not given.

        Raises:
            GitError: The git program or the git directory has vanished.
        """
        try:
            ended = subprocess.run(
                self.command(*arguments),
                cwd=cwd or self.folder,
                env=self.environment(env),
                input=stdin,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise GitError(f"git cannot be run: {error}", hint="is the repository still there?") from error
        return Reply(status=ended.returncode, out=ended.stdout, error=os.fsdecode(ended.stderr))

    def must(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Reply:
        """Run one command that can only fail if the repository or the disk is at fault.

        Raises:
            GitError: It failed.
        """
        reply = self.run(*arguments, stdin=stdin, env=env, cwd=cwd)
        if reply.status:
            raise GitError(
                f"git {arguments[0]} failed: {reply.complaint}",
                hint="is the disk full, or the repository damaged? try `git fsck`",
            )
        return reply

    def refs(self, *names: str) -> dict[str, str]:
        """The object names of refs, by full ref name; what does not exist is left out.

        Each ref is looked up by itself: ``for-each-ref`` would read every other ref in the same folder too.
        """
        asked = "".join(f"{name}\n" for name in names).encode()
        lines = self.must("cat-file", "--batch-check=%(objectname)", stdin=asked).out.decode().splitlines()
        return {name: line for name, line in zip(names, lines, strict=True) if " " not in line}

    def commit_of(self, revision: str) -> str:
        """The commit a revision stands for, as seen from the work tree that was found; empty if it stands for none."""
        if not revision or revision[0] in "-^" or not revision.isprintable():
            return ""
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        # The folder of a linked work tree knows the way to the common one.
        return replace(self, folder=self.own).run(*asked).line

    def checked_out_in(self, ref: str) -> str:
        """The work tree in which a branch is checked out; empty if in none."""
        return self.must("for-each-ref", "--format=%(worktreepath)", "--", ref).line

    def bodies(self, names: Sequence[str]) -> list[bytes]:
        """The contents of small objects, in order.

        Raises:
            GitError: One is missing.
        """
        out = self.must("cat-file", "--batch", stdin="".join(f"{name}\n" for name in names).encode()).out
        found: list[bytes] = []
        at = 0
        for name in names:
            header_end = out.index(b"\n", at)
            header = out[at:header_end].split()
            if len(header) != 3:
                raise self.missing(name)
            size = int(header[2])
            found.append(out[header_end + 1 : header_end + 1 + size])
            at = header_end + 2 + size
        return found

    def missing(self, name: str) -> GitError:
        """The error for an object that is named but not there."""
        return GitError(
            f"the repository lacks the object {name}",
            hint="a partial clone must fetch its blobs first (`git fetch --refetch --no-filter`), a shallow one what "
            "it lacks (`git fetch --unshallow`); else try `git fsck`",
        )


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | _ENVIRONMENT | dict(extra)
