"""Git revisions and ranges as material: what a commit, or a row of commits, changes."""

from __future__ import annotations

from pathlib import Path

from tenward.datasets._diffs import read_diff
from tenward.datasets._git import Git
from tenward.datasets._text import Limits, Material, decode_text, printable, require_content
from tenward.errors import TargetError

__all__ = ["Repository"]


class Repository:
    """The git repository around a folder, read without changing anything in it.

    Args:
        folder: Any folder of a work tree, or a bare repository.

    Raises:
        TargetError: No git program, or git finds no repository it trusts there.
    """

    def __init__(self, folder: Path) -> None:
        self._git = Git(folder)
        reply = self._git.run("rev-parse", "--git-dir")
        if reply.status:
            hint = "git says how to trust it: run the git status command there" if "dubious" in reply.error else ""
            raise TargetError(reply.complaint, hint=hint)
        self._shallow = self._git.run("rev-parse", "--is-shallow-repository").line == "true"

    @property
    def top(self) -> Path | None:
        """The top folder of the work tree; None for a bare repository."""
        reply = self._git.run("rev-parse", "--show-toplevel")
        if reply.status:
            return None
        return Path(reply.out.decode("utf-8", "surrogateescape").removesuffix("\n"))

    def knows(self, spec: str) -> bool:
        """Say whether ``spec`` is a revision, or a range between two revisions."""
        return bool(self.sides(spec)) or bool(self._git.object_name(spec))

    def names(self) -> list[str]:
        """Return names of branches and tags, for suggestions."""
        return self._git.names()

    def sides(self, spec: str) -> tuple[str, str] | None:
        """Return the two commits of a range ``A..B`` or ``A...B``; None if it is not one.

        A side left empty is ``HEAD``. For ``A...B`` the first commit is the merge base.

        Raises:
            TargetError: The two sides of ``A...B`` have no common ancestor here.
        """
        before, dots, after = spec.partition("..")
        if not dots:
            return None
        symmetric = after.startswith(".")
        after = after.removeprefix(".")
        if not before and not after:
            return None
        first, last = self._commit(before or "HEAD"), self._commit(after or "HEAD")
        if not first or not last:
            return None
        if symmetric:
            base = self._git.run("merge-base", first, last).line
            if not base:
                raise TargetError(
                    f"{printable(spec)}: the two sides have no common ancestor here",
                    hint=_DEEPEN if self._shallow else "use A..B to compare them directly",
                )
            first = base
        return first, last

    def read_range(self, spec: str, sides: tuple[str, str], limits: Limits) -> Material:
        """Read the diff between the two commits, with the messages between them, oldest first, as input.

        Raises:
            TargetError: Nothing changed between them, or no change can be shown.
        """
        first, last = sides
        count = int(self._git.must("rev-list", "--count", f"{first}..{last}", "--").line)
        what = f"{printable(spec)}, {count:,} commit{'s' * (count != 1)}"
        material = read_diff(self._git, first, last, what, limits)
        messages, cut = self._messages(limits.message_bytes, f"{first}..{last}")
        notes = (*material.notes, *cut)
        return Material(output=material.output, input=messages, context=material.context, notes=notes)

    def read_revision(self, spec: str, limits: Limits) -> Material:
        """Read what the commit changed against its first parent; or the file, for ``revision:path``.

        The commit's message becomes the input.

        Raises:
            TargetError: Not a revision, an empty commit, a folder, a parent that a shallow clone lacks, or a
                file that is not text or too large.
        """
        name = self._git.object_name(spec)
        kind = self._git.must("cat-file", "-t", name).line if name else ""
        if kind == "tag":
            name = self._git.object_name(f"{name}^{{}}")
            kind = self._git.must("cat-file", "-t", name).line
        if kind == "blob":
            return self._read_blob(name, spec, limits)
        if kind != "commit":
            raise TargetError(
                f"{printable(spec)} is {'a folder at a revision' if kind == 'tree' else 'not a revision'}, "
                "expected a commit, a range or a file at a revision",
                hint="give revision:path of one file, or check it out and give the folder",
            )
        parents = self._parents(name)
        short = self._git.must("rev-parse", "--short", name).line
        subject, cut = self._messages(limits.message_bytes, "--no-walk", name)
        title = printable(subject.partition("\n")[0], longest=72)
        what = f'commit {short} "{title}"'
        if parents and not self._commit(parents[0]):
            raise TargetError(
                f"{what}: its parent {parents[0][:12]} is not in this shallow clone, so what it changed is unknown",
                hint=_DEEPEN,
            )
        before = parents[0] if parents else self._git.must("hash-object", "-t", "tree", "--stdin").line
        material = read_diff(self._git, before, name, what, limits)
        merge = ("a merge commit, compared with its first parent",) if len(parents) > 1 else ()
        notes = (*material.notes, *merge, *cut)
        return Material(output=material.output, input=subject, context=material.context, notes=notes)

    def _commit(self, revision: str) -> str:
        return self._git.object_name(f"{revision}^{{commit}}")

    def _parents(self, commit: str) -> list[str]:
        # The commit itself names its parents even where a shallow clone hides them from rev-list.
        header = self._git.must("cat-file", "commit", commit).out.partition(b"\n\n")[0]
        return [line[7:].decode("ascii") for line in header.split(b"\n") if line.startswith(b"parent ")]

    def _messages(self, limit: int, *commits: str) -> tuple[str, tuple[str, ...]]:
        kept = bytearray()
        size = 0

        def write(piece: bytes) -> None:
            nonlocal size
            size += len(piece)
            kept.extend(piece[: max(0, limit - len(kept))])

        options = ("--reverse", "--topo-order", "--encoding=UTF-8", "--format=%B%x00")
        self._git.must("rev-list", *options, *commits, "--", write=write)
        records = bytes(kept).decode("utf-8", "replace").split("\0")
        # Each record starts with git's own line "commit <name>".
        messages = [record.lstrip("\n").partition("\n")[2].strip() for record in records]
        cut = (f"commit messages cut at {limit:,} of {size:,} bytes",) if size > limit else ()
        return "\n\n".join(message for message in messages if message), cut

    def _read_blob(self, name: str, spec: str, limits: Limits) -> Material:
        shown = printable(spec)
        size = int(self._git.must("cat-file", "-s", name).line)
        if size > limits.file_bytes:
            raise TargetError(
                f"{shown} is too large: found {size:,} bytes, expected {limits.file_bytes:,} or fewer",
                hint="judge a part of it: a judge overlooks most of a long text",
            )
        data = self._git.must("cat-file", "blob", name).out
        return Material(output=require_content(decode_text(data, shown), shown))


_DEEPEN = "this is a shallow clone: run git fetch --deepen=50, or check out with full history"
