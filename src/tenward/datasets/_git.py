"""Git, read only: without hooks, drivers, pagers, locks or the network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from tenward.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Git", "Reply"]

# On the command line, so that they win over the user's and the repository's configuration.
_SETTINGS = {
    "core.fsmonitor": "",
    "core.hooksPath": os.devnull,
    "core.quotePath": "false",
    "core.untrackedCache": "false",
    "color.ui": "false",
    "diff.mnemonicPrefix": "false",
    "diff.noprefix": "false",
    "diff.renameLimit": "1000",
    "diff.suppressBlankEmpty": "false",
    "log.showSignature": "false",
}

# No lock, no question, no fetching of what a partial clone lacks, no diff options from the shell.
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_DIFF_OPTS": "",
    "GIT_EXTERNAL_DIFF": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a git command said."""

    status: int
    out: bytes
    error: str

    @property
    def line(self) -> str:
        """The first line of the output, or nothing if the command failed."""
        return "" if self.status else self.out.decode("utf-8", "replace").partition("\n")[0]

    @property
    def complaint(self) -> str:
        """The line in which git says what is wrong, without its ``fatal:``."""
        lines = self.error.strip().splitlines() or [f"git ended with status {self.status}"]
        chosen = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0])
        return chosen.removeprefix("fatal: ").removeprefix("error: ")


class _Sink:
    """The writable side of a stream, for GitPython."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write


class Git:
    """Runs plumbing commands of git in one folder.

    Plumbing is used because it does not change its format with the user's configuration. Argument lists go
    through GitPython's ``execute``, never through its dynamic methods, which turn values into options.

    Args:
        folder: Where the commands run; the repository is the one git itself finds from there.

    Raises:
        TargetError: No usable git program is installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from git.cmd import Git as Runner
        except ImportError as error:  # GitPython refuses to be imported where there is no git
            raise TargetError(
                "git cannot be run: no git program was found", hint="install git, or give a file or folder"
            ) from error
        self._runner = Runner(folder)
        # GitPython falls back to another folder if this one cannot be entered; -C makes git refuse instead.
        self._start = [Runner.GIT_PYTHON_GIT_EXECUTABLE or "git", "-C", str(folder.absolute()), "--no-pager"]
        for key, value in _SETTINGS.items():
            self._start += ["-c", f"{key}={value}"]

    def run(self, *arguments: str, write: Callable[[bytes], object] | None = None) -> Reply:
        """Run one command to its end.

        Args:
            arguments: The command and its arguments; text from outside stands behind ``--end-of-options``.
            write: Takes the output piece by piece, for output of unknown size; `Reply.out` is then empty.

        Raises:
            TargetError: The git program has vanished.
        """
        from git.exc import GitCommandNotFound

        try:
            status, out, error = self._runner.execute(
                [*self._start, *arguments],
                env=_ENVIRONMENT,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                output_stream=None if write is None else cast("BinaryIO", _Sink(write)),
            )
        except GitCommandNotFound as missing:
            raise TargetError("git cannot be run: no git program was found", hint="install git") from missing
        return Reply(status=status, out=b"" if write else out, error=error)

    def must(self, *arguments: str, write: Callable[[bytes], object] | None = None) -> Reply:
        """Run one command that can only fail if the repository is damaged or incomplete.

        Raises:
            TargetError: It failed.
        """
        reply = self.run(*arguments, write=write)
        if reply.status:
            raise TargetError(
                f"git {arguments[0]} failed: {reply.complaint}",
                hint="the repository is damaged, or a partial clone without these objects; try git fsck",
            )
        return reply

    def object_name(self, revision: str) -> str:
        """Return the full object name ``revision`` stands for, or nothing if it stands for none."""
        if not revision or revision[0] in "-^" or any(ord(c) < 32 or ord(c) == 127 for c in revision):
            return ""
        try:
            revision.encode()
        except UnicodeEncodeError:
            return ""
        found = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", revision).line
        if not found or set(found) - set("0123456789abcdef"):
            return ""
        # A full object name is taken at its word by rev-parse, whether or not there is such an object.
        missing = len(found) == len(revision) and self.run("cat-file", "-e", found).status
        return "" if missing else found

    def listed_files(self) -> list[str] | None:
        """Return the files below the folder that git tracks or would track, or None outside a work tree."""
        reply = self.run("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        if reply.status:
            return None
        return sorted({os.fsdecode(name) for name in reply.out.split(b"\0") if name})

    def names(self, most: int = 1_000) -> list[str]:
        """Return short names of branches and tags, at most ``most``."""
        reply = self.run("for-each-ref", f"--count={most}", "--format=%(refname:short)", "refs")
        return [] if reply.status else reply.out.decode("utf-8", "replace").splitlines()
