"""The record of a loop in git: the incumbent's branch, and every attempt ever made.

::

    refs/heads/tenward/<loop>                the incumbent's line: base, kept candidate, kept candidate, …
    refs/tenward/<loop>/base                 the commit the loop began at
    refs/tenward/<loop>/definition           its file as it was then, a blob
    refs/tenward/<loop>/audit                what a person said of its result, see `tenward.loop.read_audit`
    refs/tenward/<loop>/attempts/000007      the record of attempt 7
        tree                                 its notes: idea.md, decision.json, retro.json, …
        first parent                         the candidate: its files, nothing else
            first parent                     the incumbent it was made from
        second parent                        the record before notes were added, if any

So with R the ref of an attempt, ``git show R:retro.json`` prints a note, ``git diff R^^ R^`` the change,
``git log R`` the story.
A kept candidate goes on the branch as it is, with no trace of the notes. One ref per attempt makes it whole or absent:
everything it names is stored before the ref is. The ledger is what the refs say; there is no other copy of it.

The refs are numbered in one flat folder. Writing one costs the same among ten and among ten thousand; only listing
all of them, which happens once when a loop starts, grows, and ``git gc`` packs them.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tenward.errors import GitError, LoopError
from tenward.loop._commits import Commit
from tenward.loop._ledger import Attempt, Draft, Status, read_message, record_message, subject
from tenward.loop._lock import hold_lock
from tenward.loop._moves import Announcements, move_refs
from tenward.loop._objects import ObjectWriter
from tenward.loop._plumbing import Git
from tenward.loop._trees import FILE, Entry, Trees, tree_body

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

__all__ = ["LoopRecord", "Outcome", "Written"]

# Not even with an ending such as -g1a2b: when there is no such ref, git takes it for an abbreviated commit.
_LOOP = re.compile(r"(?!.*-g[0-9a-f]{4,}$)[a-z0-9](?:[a-z0-9_-]|\.(?!\.|$|lock$)){0,63}")
_NOTE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?!\.|$)){0,99}")
_TRIES = 10
_NAME = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Outcome(StrEnum):
    """What became of the wish to write an attempt."""

    WRITTEN = "written"
    """It is in the record; if it is a keep, the branch has moved to it."""

    LOST_RACE = "lost race"
    """Nothing was written: the incumbent is no longer the one this attempt wants to replace."""

    NUMBER_TAKEN = "number taken"
    """Nothing was written: another attempt has this number."""

    CHECKED_OUT = "checked out"
    """Nothing was written: the branch is checked out, and moving it would put the user's files out of step."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `LoopRecord.write` did."""

    outcome: Outcome
    """Whether it was written."""

    attempt: Attempt
    """The line of the ledger; in the ledger only if it was written."""

    incumbent: str
    """The tip of the branch afterwards; empty if somebody has deleted the branch."""


class LoopRecord:
    """Reads and writes the record of one loop.

    Nothing here touches the user's HEAD, index, working tree, stash, configuration or any ref but those above, and no
    hook or filter runs. It can be used by several threads. Reading needs no lock; who writes should hold `locked`.

    Attributes:
        loop: The name of the loop.
        branch: The full name of its branch.
        folder: Its own folder inside the git directory, for files that need not outlive the machine.
        scratch: Where temporary files go.
        git: The repository.
        trees: The repository's trees.
    """

    def __init__(self, git: Git, loop: str) -> None:
        self.loop = loop
        self.branch = f"refs/heads/tenward/{loop}"
        self.folder = git.folder / "tenward" / loop
        self.scratch = self.folder / "scratch"
        self.git = git
        self.trees = Trees(git)
        self._prefix = f"refs/tenward/{loop}"
        self._definition = f"{self._prefix}/definition"
        self._announcements = Announcements(self.folder / "keeping")
        self._guard = threading.Lock()
        self._last: int | None = None

    @classmethod
    def open(cls, start: Path, loop: str) -> LoopRecord:
        """Find the repository around a folder.

        Args:
            start: A folder in a clone, a linked work tree, a submodule or a bare repository.
            loop: Lower-case letters, digits, ``-``, ``_`` and single dots; at most 64.

        Raises:
            LoopError: There is no repository, the name cannot be one, or the platform is not POSIX.
            GitError: Git cannot be run.
        """
        if os.name != "posix":
            raise LoopError(
                f"found the platform '{os.name}', expected a POSIX system", hint="run loops under Linux, macOS or WSL"
            )
        if not _LOOP.fullmatch(loop):
            raise LoopError(
                f"found the loop name {loop!r}, expected lower-case letters, digits, '-', '_' and single dots",
                hint="for example 'commit-subjects'; not more than 64, and no ending such as '-g1a2b'",
            )
        return cls(Git.discover(start), loop)

    @classmethod
    def find_all(cls, start: Path) -> tuple[LoopRecord, ...]:
        """The records of all loops that have begun in the repository around a folder, by name.

        Raises:
            LoopError: There is no repository, or the platform is not POSIX.
            GitError: Git cannot be run.
        """
        git = cls.open(start, "any").git
        refs = git.must("for-each-ref", "--format=%(refname)", "refs/tenward/*/base").out.decode("utf-8", "replace")
        names = [ref.split("/")[2] for ref in refs.splitlines()]
        return tuple(cls(git, name) for name in names if _LOOP.fullmatch(name))

    @contextmanager
    def locked(self) -> Generator[None, None, None]:
        """Hold the loop for the time of the block, after finishing what a killed process had begun.

        Raises:
            LoopError: Another process holds it; the message says which.
            GitError: The lock or the repository cannot be used.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GitError(f"{self.folder}: cannot be made: {error.strerror}", hint="may you write there?") from error
        with hold_lock(self.folder / "lock", self.loop):
            with self._guard:
                self._last = None
            self._finish_begun()
            yield

    def resolve(self, revision: str) -> str:
        """The commit a revision of the user's stands for.

        Raises:
            LoopError: It stands for none.
        """
        if found := self.git.commit_of(revision):
            return found
        if revision == "HEAD":
            raise LoopError("the repository has no commit yet", hint="commit what the loop starts from")
        raise LoopError(f"found no commit named {revision!r}", hint="try `git log --oneline`")

    @property
    def base(self) -> str:
        """The commit the loop began at; empty if it has not begun."""
        return self.git.refs(f"{self._prefix}/base").get(f"{self._prefix}/base", "")

    @property
    def incumbent(self) -> str:
        """The tip of the branch; empty if there is no branch."""
        return self.git.refs(self.branch).get(self.branch, "")

    @property
    def definition(self) -> bytes | None:
        """The loop's file as it was when the loop began; None where none was stored."""
        name = self.git.refs(self._definition).get(self._definition)
        return None if name is None else self.git.bodies([name])[0]

    def begin(self, revision: str = "", *, definition: bytes | None = None) -> str:
        """Make the branch if it is not there, and return the incumbent.

        Where attempts were kept but the branch is missing, as in a clone that fetched ``refs/tenward/*`` alone, it
        starts again at the last one kept.

        Args:
            revision: What the loop starts from. If empty, HEAD, or where the loop began when it did so before.
            definition: The loop's file, stored unless one is.

        Raises:
            LoopError: There is no such commit, the loop began at another one, or the branch cannot be used.
        """
        base, tip = self.base, self.incumbent
        commit = self.resolve(revision or base or "HEAD")
        if base and base != commit:
            raise LoopError(
                f"the loop '{self.loop}' began at {base[:12]}, found {commit[:12]}",
                hint="start from the same commit, or give the loop a new name",
            )
        if where := self.git.checked_out_in(self.branch):
            raise LoopError(
                f"the branch tenward/{self.loop} is checked out in {where}, where the loop would move it",
                hint="check out another branch there, or `git switch --detach`",
            )
        missing = definition is not None and not self.git.refs(self._definition)
        if tip and base and not missing:
            return tip
        if "refs/heads/tenward" in self.git.refs("refs/heads/tenward"):
            raise LoopError(
                f"a branch named 'tenward' is in the way of 'tenward/{self.loop}'",
                hint="rename it: `git branch -m tenward tenward-old`",
            )
        start = tip or self._last_kept() or commit
        wanted = {self.branch: start, f"{self._prefix}/base": commit}
        if definition is not None and missing:
            writer = ObjectWriter(self.git)
            wanted[self._definition] = writer.add("blob", definition)
            writer.store()
        there = self.git.refs(*wanted)
        complaint = move_refs(self.git, [(ref, value, None) for ref, value in wanted.items() if ref not in there])
        if complaint and self.git.refs(*wanted) != wanted:
            raise GitError(f"the branch tenward/{self.loop} cannot be made: {complaint}", hint="try `git fsck`")
        return start

    def withdraw(self) -> None:
        """Forget that the loop began, so that it can begin at another commit; only before anything came of it.

        Where the branch has moved, or there is an attempt, nothing happens.
        """
        refs = self.git.refs(self.branch, f"{self._prefix}/base", self._definition)
        if refs.get(self.branch) == refs.get(f"{self._prefix}/base") and not self._listed():
            lines = [f"delete {ref} {name}\n" for ref, name in refs.items()]
            self.git.must("update-ref", "--stdin", stdin="".join(lines).encode())

    def next_number(self) -> int:
        """A number that no attempt has; each call gives another one."""
        with self._guard:
            if self._last is None:
                self._last = max((number for number, _ in self._listed()), default=0)
            self._last += 1
            return self._last

    def write(self, draft: Draft) -> Written:
        """Write an attempt; if it is a keep, move the branch in the same transaction.

        The branch moves only from the attempt's parent to its candidate. A race lost to another writer is an
        outcome, not an error, and then nothing at all is written. Writing the same attempt twice is harmless.

        Raises:
            ValueError: The draft is not right: a note's name, the score, a time.
            GitError: The repository cannot be written.
        """
        keep = draft.status is Status.KEEP
        attempt = self._store(draft)
        ref = self._ref(draft.number)
        moves: list[tuple[str, str, str | None]] = [(ref, attempt.record, None)]
        if keep:
            if self.git.checked_out_in(self.branch):
                return Written(outcome=Outcome.CHECKED_OUT, attempt=attempt, incumbent=self.incumbent)
            moves.append((self.branch, attempt.candidate, attempt.parent))
        with self._announcements.announce(attempt.number, attempt.record) if keep else contextlib.nullcontext():
            complaint = move_refs(self.git, moves)
        now = self.git.refs(ref, self.branch)
        tip = now.get(self.branch, "")
        # What counts is what the refs say, not the words of git's complaint.
        if complaint and ref in now:
            there = self._read([(draft.number, now[ref])])[0]
            # The same but for notes added since: a writer that was killed may do its last step again.
            same = replace(there, record=attempt.record) == attempt
            attempt = there if same else attempt
        else:
            same = False
        if not complaint or (same and (not keep or self._is_ancestor(attempt.candidate, tip))):
            outcome = Outcome.WRITTEN
        elif ref in now:
            outcome = Outcome.NUMBER_TAKEN
        elif keep and tip != attempt.parent:
            outcome = Outcome.LOST_RACE
        else:
            raise GitError(f"attempt {draft.number} cannot be written: {complaint}", hint="try `git fsck`")
        return Written(outcome=outcome, attempt=attempt, incumbent=tip)

    def add_notes(self, number: int, notes: Mapping[str, str | bytes]) -> Attempt:
        """Add notes to an attempt, or replace some; the record as it was stays the second parent of the new one.

        Raises:
            LoopError: There is no such attempt.
            ValueError: A note's name cannot be one.
            GitError: The repository cannot be written.
        """
        ref, complaint = self._ref(number), ""
        for _ in range(_TRIES):
            old = self._name_of(number)
            attempt = self._read([(number, old)])[0]
            message = Commit.parse(self.git.bodies([old])[0]).message
            now = datetime.now(UTC)
            writer = ObjectWriter(self.git)
            tree = self._note_tree(notes, writer, self.trees.listing(old).files)
            new = writer.add(
                "commit", Commit(tree=tree, parents=[attempt.candidate, old], message=message).body(now, now)
            )
            writer.store()
            complaint = move_refs(self.git, [(ref, new, old)])
            if not complaint:
                return replace(attempt, record=new)
        raise GitError(f"notes cannot be added to attempt {number}: {complaint}", hint="try `git fsck`")

    def attempts(self) -> tuple[Attempt, ...]:
        """The ledger, rebuilt from the refs, in the order of the numbers.

        Raises:
            GitError: A ref is not the record of an attempt.
        """
        return tuple(self._read(self._listed()))

    def notes(self, number: int) -> dict[str, bytes]:
        """The notes of an attempt by file name.

        Raises:
            LoopError: There is no such attempt.
        """
        files = self.trees.listing(self._name_of(number)).files
        names = sorted(files)
        return dict(zip(names, self.git.bodies([files[name].name for name in names]), strict=True))

    def _ref(self, number: int) -> str:
        return f"{self._prefix}/attempts/{number:06d}"

    def _name_of(self, number: int) -> str:
        """The record of an attempt."""
        ref = self._ref(number)
        found = self.git.refs(ref).get(ref)
        if found is None:
            raise LoopError(
                f"found no attempt {number} of the loop '{self.loop}'", hint=f"tenward loop log {self.loop}"
            )
        return found

    def _listed(self) -> list[tuple[int, str]]:
        """All attempts by number, with the names of their records."""
        prefix = f"{self._prefix}/attempts/"
        listed = self.git.must("for-each-ref", "--format=%(refname) %(objectname)", prefix).out.decode(
            "utf-8", "replace"
        )
        found: list[tuple[int, str]] = []
        for line in listed.splitlines():
            ref, _, name = line.partition(" ")
            digits = ref.removeprefix(prefix)
            if not (digits.isascii() and digits.isdigit() and ref == self._ref(int(digits))):
                raise _foreign(ref, "its name is not a number")
            found.append((int(digits), name))
        return sorted(found)

    def _read(self, listed: Sequence[tuple[int, str]]) -> list[Attempt]:
        """Read records; what the commits themselves say counts more than their messages."""
        records = [Commit.parse(body) for body in self.git.bodies([name for _, name in listed])]
        for (number, _), record in zip(listed, records, strict=True):
            if not record.parents:
                raise _foreign(self._ref(number), "it has no candidate")
        candidates = [Commit.parse(body) for body in self.git.bodies([record.parents[0] for record in records])]
        attempts: list[Attempt] = []
        for (number, name), record, candidate in zip(listed, records, candidates, strict=True):
            try:
                parent = candidate.parents[0] if candidate.parents else ""
                read = read_message(record.message, candidate=record.parents[0], parent=parent, record=name)
            except ValueError as error:
                raise _foreign(self._ref(number), str(error)) from error
            if read.number != number or not parent:
                raise _foreign(self._ref(number), f"it is the record of attempt {read.number}")
            attempts.append(read)
        return attempts

    def _store(self, draft: Draft) -> Attempt:
        """Store all that an attempt is made of; no ref names it yet."""
        message = record_message(self.loop, draft)
        if draft.number < 1 or not _NAME.fullmatch(draft.parent) or not _NAME.fullmatch(draft.tree):
            raise ValueError("expected a number from 1, and the full names of a commit and a tree")
        told = f"{subject(draft.description, 'No description')}\n\nTenward loop {self.loop}, attempt {draft.number}.\n"
        writer = ObjectWriter(self.git)
        commit = Commit(tree=draft.tree, parents=[draft.parent], message=told)
        candidate = writer.add("commit", commit.body(draft.began, draft.ended))
        commit = Commit(tree=self._note_tree(draft.notes, writer, {}), parents=[candidate], message=message)
        record = writer.add("commit", commit.body(draft.began, draft.ended))
        writer.store()
        return read_message(message, candidate=candidate, parent=draft.parent, record=record)

    def _note_tree(self, notes: Mapping[str, str | bytes], writer: ObjectWriter, old: Mapping[str, Entry]) -> str:
        entries = dict(old)
        for name, note in notes.items():
            if not _NOTE.fullmatch(name):
                raise ValueError(f"found the note name {name!r}, expected letters, digits, '-', '_' and single dots")
            content = note.encode("utf-8", "surrogatepass") if isinstance(note, str) else note
            entries[name] = Entry(FILE, writer.add("blob", content))
        return writer.add("tree", tree_body(entries))

    def _is_ancestor(self, commit: str, of: str) -> bool:
        return bool(of) and self.git.run("merge-base", "--is-ancestor", commit, of).status == 0

    def _last_kept(self) -> str:
        """The end of the line of kept candidates; empty if none was kept."""
        kept = [attempt for attempt in self.attempts() if attempt.status is Status.KEEP]
        replaced = {attempt.parent for attempt in kept}
        return next((attempt.candidate for attempt in reversed(kept) if attempt.candidate not in replaced), "")

    def _finish_begun(self) -> None:
        """Finish the keeps whose process was killed between the one ref and the other."""
        for number, name in self._announcements.pending().items():
            if self.git.run("cat-file", "-e", f"{name}^{{commit}}").status:
                self._announcements.withdraw(number)
                continue
            attempt, ref = self._read([(number, name)])[0], self._ref(number)
            now = self.git.refs(ref, self.branch)
            tip, complaint = now.get(self.branch, ""), ""
            if ref not in now and self._is_ancestor(attempt.candidate, tip):
                complaint = move_refs(self.git, [(ref, name, None)])
            elif now.get(ref) == name and tip == attempt.parent:
                if self.git.checked_out_in(self.branch):
                    continue  # `begin` tells the user; until then this stays to be done
                complaint = move_refs(self.git, [(self.branch, attempt.candidate, tip)])
            if complaint:
                raise GitError(f"attempt {number} cannot be finished: {complaint}", hint="try `git fsck`")
            self._announcements.withdraw(number)


def _foreign(ref: str, why: str) -> GitError:
    return GitError(f"{ref} is not the record of an attempt: {why}", hint=f"remove it: `git update-ref -d {ref}`")
