"""Every error a user can meet, in one tree.

::

    TenwardError                     message + hint + exit code
    ├── UsageError                   2  the request cannot be right as written
    │   ├── DocumentError               a YAML, JSON or CSV file says something it may not (file, line, field)
    │   ├── UnknownNameError            a rubric, judge, data set or model name that no library holds
    │   ├── TargetError                 the thing to judge cannot be read as text
    │   └── LoopError                   a loop cannot start here or now: no repository, no commit, held by another
    └── SystemicError                3  the request was right, the machine or a service was not
        ├── JudgeUnavailableError       no key, wrong model name, endpoint not reachable, no log-probabilities
        ├── EngineError                 the embedded engine is missing or cannot load the model
        ├── ModelStoreError             a model cannot be downloaded, stored or verified
        ├── LangSmithError              no key, or the service does not answer or accept (in tenward.tracing)
        ├── StoreError                  the file of runs and verdicts cannot be read or written
        ├── GateError                   a gate's command could not be started
        └── GitError                    git, or the repository a loop keeps its record in, failed

A judge that fails on *one* case raises nothing: the case is *unscored*, with a
:class:`tenward.judges.Failure` that says why. Exceptions are for faults that every further case would share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "DocumentError",
    "EngineError",
    "GateError",
    "GitError",
    "JudgeUnavailableError",
    "LoopError",
    "ModelStoreError",
    "Problem",
    "StoreError",
    "SystemicError",
    "TargetError",
    "TenwardError",
    "UnknownNameError",
    "UsageError",
]


class TenwardError(Exception):
    """Root of the tree: what went wrong, and what the user can do about it.

    Attributes:
        message: One or more lines, without a final full stop on one-sentence messages.
        hint: What to do next; each line of it is printed as a ``hint:`` line. Empty when nothing can be advised.
        exit_code: The exit status of the command line for this class of error.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"hint: {line}" for line in self.hint.splitlines())])


class UsageError(TenwardError):
    """The request cannot be right as it was written."""

    exit_code = 2


class Problem:
    """One fault in a document, as a person needs it to mend the file.

    Attributes:
        line: 1-based line in the file; None when the fault is about the whole file.
        field: Dotted path of the field, such as ``criteria.clarity.weight``; empty for the whole file.
        found: What stands there.
        expected: What may stand there.
        hint: How to mend it; may be empty.
    """

    def __init__(self, *, line: int | None, field: str, found: str, expected: str, hint: str = "") -> None:
        self.line = line
        self.field = field
        self.found = found
        self.expected = expected
        self.hint = hint


class DocumentError(UsageError):
    """A YAML, JSON or CSV document says something it may not."""

    def __init__(self, path: Path | str, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        lines: list[str] = []
        for problem in self.problems:
            where = f"{path}:{problem.line}" if problem.line else str(path)
            field = f" {problem.field}:" if problem.field else ""
            lines.append(f"{where}:{field} found {problem.found}, expected {problem.expected}")
        hints = dict.fromkeys(problem.hint for problem in self.problems if problem.hint)
        super().__init__("\n".join(lines), hint="\n".join(hints))

    def __reduce__(self) -> tuple[type[DocumentError], tuple[Path | str, tuple[Problem, ...]]]:
        """Pickle and copy by what the error was made from; by default it would be its message."""
        return type(self), (self.path, self.problems)


class UnknownNameError(UsageError):
    """A name that neither the workspace nor the shipped library holds."""


class TargetError(UsageError):
    """The thing to judge cannot be read as text: missing, empty, binary, too large, no such revision."""


class LoopError(UsageError):
    """A loop cannot start here or now: no repository, no commit, a name that cannot be, held by another process."""


class SystemicError(TenwardError):
    """The request was right; the machine or a service was not."""


class JudgeUnavailableError(SystemicError):
    """No further case could be judged either: key, model name, endpoint or capability is missing."""


class EngineError(SystemicError):
    """The embedded engine is not installed, or cannot load the model."""


class ModelStoreError(SystemicError):
    """A model cannot be downloaded, stored or verified."""


class StoreError(SystemicError):
    """The file that holds runs and verdicts cannot be opened, read or written."""


class GateError(SystemicError):
    """A gate's command could not be started at all; says nothing about the candidate."""


class GitError(SystemicError):
    """Git, or the repository a loop keeps its record in, failed."""
