"""The proposer that a loop's file asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.errors import LoopError
from tenward.loop._arms import ARMS
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
    from tenward.loop._snapshot import Limits
    from tenward.loop.proposers._proposal import Proposer
    from tenward.workspace import Library

__all__ = ["make_proposer", "model_proposer"]


def model_proposer(
    spec: LoopSpec,
    model: JudgeSpec,
    *,
    refuse: Callable[[Idea], str | None] | None = None,
    limits: Limits | None = None,
) -> LlmProposer | SentenceProposer | Portfolio:
    """The proposer for a model: as the loop's file says, or else a portfolio where a small model edits one text.

    Args:
        spec: The loop.
        model: The model it names.
        refuse: As for :func:`make_proposer`.
        limits: As for :func:`make_proposer`.
    """
    change, arms = spec.propose.change, spec.propose.arms
    if arms is None and change is None and model.local and spec.edits_one_text:
        arms = ARMS
    if arms is not None:
        sentence = {"sentence": SentenceProposer(model, refuse=refuse, limits=limits)} if "sentence" in arms else {}
        return Portfolio(arms, sentence, refuse=refuse, limits=limits)
    kind = SentenceProposer if change == "sentence" else LlmProposer
    return kind(model, refuse=refuse, limits=limits)


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

    Raises:
        UnknownNameError: There is no judge file of that name.
        UsageError: The judge file is a panel, or not valid; a library that the proposer needs is not installed.
        LoopError: Settings cannot be searched as the file says.
    """
    propose = spec.propose
    if propose.search is not None:
        return SearchProposer(
            propose.search,
            settings_text(top, propose.search.file) if settings is None else settings,
            maximize=spec.score.number is None or spec.score.number.goal == "maximize",
            past=past or _none,
        )
    if propose.llm is not None:
        return model_proposer(spec, propose.llm.spec(library, top=top), refuse=refuse, limits=limits)
    others: dict[str, Proposer] = {}
    if propose.command is not None:
        others["command"] = CommandProposer(
            propose.command, timeout=propose.timeout, allow_env=spec.allow_env, mark=mark
        )
    if propose.python is not None:
        others["python"] = PythonProposer(
            propose.python, folders=[top], timeout=propose.timeout, allow_env=spec.allow_env, mark=mark, limits=limits
        )
    if propose.arms is not None:
        return Portfolio(propose.arms, others, refuse=refuse, limits=limits)
    (proposer,) = others.values()
    return proposer


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
