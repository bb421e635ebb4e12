"""What a proposer gives back, and the protocol all of them follow."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from tenward.errors import LoopError
from tenward.guards import is_list, is_mapping
from tenward.judges import Failure, Usage
from tenward.loop._ideas import Idea

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenward.loop._brief import Brief

__all__ = ["Ending", "NothingLeftError", "Proposal", "Proposer"]

Ending = Literal["edited", "invalid", "crashed"]
_ENDINGS: tuple[Ending, ...] = ("edited", "invalid", "crashed")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What came of one brief."""

    ending: Ending
    """``edited``: there is a change; ``invalid``: none that can be applied; ``crashed``: the proposer failed."""

    idea: Idea | None = None
    """What was tried; None where it did not come to one."""

    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """New text per path, to be written by :func:`tenward.loop.write_files`; empty with :attr:`in_place`."""

    in_place: bool = False
    """Whether the change, if any, was made in the worktree already."""

    faults: tuple[str, ...] = ()
    """Why it is invalid, or how it crashed."""

    failure: Failure | None = None
    """Of the last call of a model, where that is why it crashed; kind ``budget``: the money or calls are used up."""

    log: str = ""
    """What was printed or answered, at most some thousand characters."""

    usage: Usage = field(default_factory=Usage)
    """What it took, as far as the proposer can tell; the cost of a command is unknown."""

    seconds: float = 0.0

    @classmethod
    def crash(
        cls, failure: Failure, *, idea: Idea | None = None, usage: Usage, log: str = "", seconds: float = 0.0
    ) -> Proposal:
        """What comes of a model that failed."""
        fault = f"{failure.kind}: {failure.detail}"
        return cls(ending="crashed", idea=idea, faults=(fault,), failure=failure, log=log, usage=usage, seconds=seconds)

    def to_json(self) -> dict[str, object]:
        """Plain values, which :meth:`from_json` reads."""
        return {
            "ending": self.ending,
            "idea": None if self.idea is None else self.idea.to_json(),
            "files": dict(self.files),
            "in_place": self.in_place,
            "faults": list(self.faults),
            "failure": None if self.failure is None else asdict(self.failure),
            "log": self.log,
            "usage": asdict(self.usage),
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: object) -> Proposal:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        if not is_mapping(value):
            raise ValueError(f"found {type(value).__name__}, expected a proposal")
        ending: Ending | None = next((name for name in _ENDINGS if name == value.get("ending")), None)
        files, faults, usage, failure = (value.get(name) for name in ("files", "faults", "usage", "failure"))
        if ending is None or not is_mapping(files) or not is_list(faults) or not is_mapping(usage):
            raise ValueError("found other values, expected a proposal with ending, files, faults and usage")
        try:
            return cls(
                ending=ending,
                idea=None if value.get("idea") is None else Idea.from_json(value["idea"]),
                files={str(path): str(text) for path, text in files.items()},
                in_place=bool(value.get("in_place")),
                faults=tuple(map(str, faults)),
                failure=Failure(**failure) if is_mapping(failure) else None,
                log=str(value.get("log", "")),
                usage=Usage(**usage),
                seconds=float(value.get("seconds", 0.0)),
            )
        except TypeError as error:
            raise ValueError(f"found other fields, expected those of a proposal ({error})") from error


class NothingLeftError(LoopError):
    """A proposer has tried all that it can propose."""


class Proposer(Protocol):
    """Turns a brief into a change."""

    @property
    def brief_chars(self) -> int:
        """How long a brief it reads well, in characters; for :class:`tenward.loop.BriefLimits`."""
        ...

    async def propose(self, brief: Brief, workdir: Path) -> Proposal:
        """Propose one change. What goes wrong with this brief alone is a value, not an exception.

        Cancelled, it leaves no process behind.

        Args:
            brief: What the proposer is told.
            workdir: A worktree at the incumbent, for those that edit in place.

        Raises:
            TenwardError: No other brief would fare better.
        """
        ...
