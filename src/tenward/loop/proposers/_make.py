"""The proposer that a loop's file asks for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tenward.errors import LoopError
from tenward.judges import PlannedCalls
from tenward.loop._arms import ARM_OWNERS, ARMS
from tenward.loop.proposers._command import CommandProposer
from tenward.loop.proposers._llm import LlmProposer
from tenward.loop.proposers._portfolio import Portfolio
from tenward.loop.proposers._python import PythonProposer
from tenward.loop.proposers._search import SearchProposer
from tenward.loop.proposers._sentence import SentenceProposer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenward.judges import JudgeSpec
    from tenward.loop._definition import LoopSpec
    from tenward.loop._ideas import Idea, PastIdea
    from tenward.loop._search_spec import SearchSpec
    from tenward.loop._snapshot import Limits
    from tenward.loop.proposers._proposal import Proposer
    from tenward.workspace import Library

__all__ = ["make_proposer", "plan_proposals"]


def plan_proposals(spec: LoopSpec, model: JudgeSpec) -> PlannedCalls:
    """What the model of ``propose.llm`` takes for one attempt at most.

    Args:
        spec: The loop.
        model: The model it names.
    """
    planned = PlannedCalls()
    for proposer in _of_model(spec, model).values():
        planned += proposer.plan()
    return planned


def _arms(spec: LoopSpec, model: JudgeSpec | None) -> tuple[str, ...] | None:
    """The arms of a portfolio, also where the file leaves them out; None for a proposer alone."""
    propose = spec.propose
    if propose.arms is not None:
        return propose.arms
    if model is not None and model.local and propose.change is None and spec.edits_one_text:
        return ARMS
    named = [arm for arm, owner in ARM_OWNERS.items() if arm != "sentence" and getattr(propose, owner) is not None]
    return tuple(named) if len(named) > 1 else None


def _of_model(
    spec: LoopSpec,
    model: JudgeSpec,
    *,
    refuse: Callable[[Idea], str | None] | None = None,
    limits: Limits | None = None,
) -> dict[str, LlmProposer | SentenceProposer]:
    """The proposers that ask a model, by their arm."""
    asked = _arms(spec, model) or ("sentence" if spec.propose.change == "sentence" else "rewrite",)
    kinds: dict[str, type[LlmProposer | SentenceProposer]] = {"sentence": SentenceProposer, "rewrite": LlmProposer}
    return {arm: kind(model, refuse=refuse, limits=limits) for arm, kind in kinds.items() if arm in asked}


def make_proposer(
    spec: LoopSpec,
    top: Path,
    *,
    library: Library | None = None,
    refuse: Callable[[Idea], str | None] | None = None,
    limits: Limits | None = None,
    past: Callable[[int], Sequence[PastIdea]] | None = None,
    settings: str | None = None,
    mark: str = "",
    hide: Sequence[Path] = (),
) -> Proposer:
    """Make the proposer of a loop.

    Args:
        spec: The loop.
        top: Top of the repository: relative paths start here, and a function's package is looked for here.
        library: Where judge files are looked up.
        refuse: Says why an idea is refused, or None to take it; asked by a model's proposer before its edits are read.
        limits: How large files may become.
        past: Gives the ideas of ended attempts, all but so many of the first; None for none.
        settings: The file whose settings are searched, as it was when the loop began; None to read it.
        mark: What the processes of the loop carry in their environment.
        hide: What a command or function is not to see, wherever it lies, besides the repository.

    Raises:
        UnknownNameError: There is no judge file of that name.
        UsageError: The judge file is a panel, or not valid; a library that the proposer needs is not installed.
        LoopError: Settings cannot be searched as the file says.
    """
    propose = spec.propose
    others: dict[str, Proposer] = {}
    room = partial(propose.allow.room, top=top, hide=(top, *hide))
    model = None if propose.llm is None else propose.llm.spec(library, top=top)
    if model is not None:
        others.update(_of_model(spec, model, refuse=refuse, limits=limits))
    if propose.command is not None:
        others["command"] = CommandProposer(
            propose.command, timeout=propose.timeout, allow_env=propose.allow.env, mark=mark, room=room
        )
    if propose.python is not None:
        others["python"] = PythonProposer(
            propose.python,
            folders=[top],
            timeout=propose.timeout,
            allow_env=propose.allow.env,
            mark=mark,
            room=room,
            limits=limits,
        )
    if propose.search is not None:
        others["search"] = search_proposer(spec, propose.search, top, past=past, settings=settings)
    arms = _arms(spec, model)
    if arms is not None:
        return Portfolio(arms, others, refuse=refuse, limits=limits)
    (proposer,) = others.values()
    return proposer


def search_proposer(
    spec: LoopSpec,
    search: SearchSpec,
    top: Path,
    *,
    past: Callable[[int], Sequence[PastIdea]] | None = None,
    settings: str | None = None,
) -> SearchProposer:
    """Make the search of a loop; arguments and errors as of :func:`make_proposer`.

    Args:
        spec: The loop.
        search: Its search.
        top: Top of the repository.
        past: Gives past ideas.
        settings: The file as it was; None to read it.
    """
    return SearchProposer(
        search,
        settings_text(top, search.file) if settings is None else settings,
        maximize=spec.score.number is None or spec.score.number.goal == "maximize",
        past=past or _none,
    )


def settings_text(top: Path, file: str) -> str:
    """The text of a file whose settings are searched.

    Raises:
        LoopError: It cannot be read.
    """
    try:
        return (top / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) and error.strerror else "no UTF-8 text"
        raise LoopError(f"propose.search.file: {file}: found {found.lower()}, expected a file of settings") from error


def _none(_k: int) -> Sequence[PastIdea]:
    return ()
