"""The proposer that a loop's file asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.loop.proposers._command import CommandProposer
from tenward.loop.proposers._llm import LlmProposer
from tenward.loop.proposers._python import PythonProposer
from tenward.loop.proposers._sentence import SentenceProposer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenward.judges import JudgeSpec
    from tenward.loop._definition import LoopSpec
    from tenward.loop._ideas import Idea
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
) -> LlmProposer | SentenceProposer:
    """The proposer for a model: by sentences where the loop's file says so, or where it says nothing and that is best.

    Args:
        spec: The loop.
        model: The model it names.
        refuse: As for :func:`make_proposer`.
        limits: As for :func:`make_proposer`.
    """
    change = spec.propose.change
    if change is None:
        change = "sentence" if model.local and spec.edits_one_text else "files"
    kind = SentenceProposer if change == "sentence" else LlmProposer
    return kind(model, refuse=refuse, limits=limits)


def make_proposer(
    spec: LoopSpec,
    top: Path,
    *,
    library: Library | None = None,
    refuse: Callable[[Idea], str | None] | None = None,
    limits: Limits | None = None,
    mark: str = "",
) -> Proposer:
    """Make the proposer of a loop.

    Args:
        spec: The loop.
        top: Top of the repository: relative paths start here, and a function's package is looked for here.
        library: Where judge files are looked up.
        refuse: Says why an idea is refused, or None to take it; asked by a model's proposer before its edits are read.
        limits: How large files may become.
        mark: What the processes of the loop carry in their environment.

    Raises:
        UnknownNameError: There is no judge file of that name.
        UsageError: The judge file is a panel, or not valid.
    """
    propose = spec.propose
    if propose.llm is not None:
        return model_proposer(spec, propose.llm.spec(library, top=top), refuse=refuse, limits=limits)
    if propose.command is not None:
        return CommandProposer(propose.command, timeout=propose.timeout, allow_env=spec.allow_env, mark=mark)
    assert propose.python is not None
    return PythonProposer(
        propose.python, folders=[top], timeout=propose.timeout, allow_env=spec.allow_env, mark=mark, limits=limits
    )
