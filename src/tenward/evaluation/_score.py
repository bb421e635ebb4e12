"""``tenward.score``: a text in, a result out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenward.datasets import Case
from tenward.errors import TargetError, UsageError
from tenward.evaluation._result import Result, evaluate_case
from tenward.judges import Judge
from tenward.rubrics import Rubric

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tenward.judges import Explain

__all__ = ["ascore", "score"]


async def ascore(
    text: str,
    *,
    rubric: Rubric | str | Path,
    judge: Judge | str | Path = "local",
    input: str = "",  # noqa: A002 - the design's word for what a candidate answers
    references: Sequence[str] = (),
    context: str = "",
    explain: Explain = False,
) -> Result:
    """Judge one text against a rubric.

    Args:
        text: The candidate.
        rubric: A rubric, its name, or the path of its YAML file.
        judge: A judge, its name, or the path of its YAML file.
        input: What the candidate answers: a task, a source text, a diff.
        references: Known good outputs.
        context: Anything else the judge should see.
        explain: Also ask for words: by the ``program``, by the ``model``, or, where True, as the judge's file has it.

    Raises:
        TargetError: ``text`` is empty.
        UsageError: An unknown name or an invalid file, ``text`` is no text, or ``references`` is one text.
        SystemicError: The judge cannot work at all.
    """
    _check(text, references)
    if not text.strip():
        raise TargetError("found an empty text, expected something to judge")
    loaded = rubric if isinstance(rubric, Rubric) else Rubric.load(rubric)
    who = judge if isinstance(judge, Judge) else Judge.load(judge)
    case = Case(id="text", output=text, input=input, references=tuple(references), context=context)
    try:
        return await evaluate_case(case, loaded, who, explain=explain)
    finally:
        if who is not judge:
            await who.aclose()


def _check(text: object, references: object) -> None:
    if not isinstance(text, str):
        raise UsageError(
            f"text: found {type(text).__name__}, expected str", hint="decode bytes, or read the file first"
        )
    if isinstance(references, str):
        raise UsageError("references: found one str, expected a list of them", hint="write references=[text]")


def score(
    text: str,
    *,
    rubric: Rubric | str | Path,
    judge: Judge | str | Path = "local",
    input: str = "",  # noqa: A002 - as in ascore
    references: Sequence[str] = (),
    context: str = "",
    explain: Explain = False,
) -> Result:
    """Judge one text against a rubric; :func:`ascore` without the await.

    Raises:
        UsageError: Called inside a running event loop, or as :func:`ascore`.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise UsageError("score() was called inside a running event loop", hint="await tenward.ascore(...) there")

    async def run() -> Result:
        who = judge if isinstance(judge, Judge) else Judge.load(judge)
        try:
            return await ascore(
                text,
                rubric=rubric,
                judge=who,
                input=input,
                references=references,
                context=context,
                explain=explain,
            )
        finally:
            await who.aclose()  # the loop ends here, and the connections belong to it

    return asyncio.run(run())
