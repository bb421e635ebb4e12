"""Judges that need no model: scripted, recording, replaying."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.errors import DocumentError, JudgeUnavailableError, Problem
from tenward.judges import (
    CriterionVerdict,
    Failure,
    Judge,
    Verdict,
    case_key,
    verdict_as_dict,
    verdict_from_dict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenward.datasets import Case
    from tenward.judges import Explain
    from tenward.rubrics import Rubric

__all__ = ["RecordingJudge", "ReplayJudge", "ScriptedJudge"]


class ScriptedJudge(Judge):
    """A judge that says what it is told to.

    Args:
        scores: Score (or failure) per criterion, the same for every case, or a function of the case. A criterion
            that is left out is unscored.
        why_not_2_lower: Words for every verdict; empty for none.
    """

    def __init__(
        self,
        scores: Mapping[str, float | Failure] | Callable[[Case], Mapping[str, float | Failure]],
        *,
        why_not_2_lower: str = "",
    ) -> None:
        self._scores = scores
        self._why = why_not_2_lower
        self.cases: list[Case] = []
        """The cases judged so far, in order."""

    @property
    def name(self) -> str:
        """Always ``scripted/v1``."""
        return "scripted/v1"

    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
        """The scripted verdict."""
        self.cases.append(case)
        scores = self._scores(case) if callable(self._scores) else self._scores
        return Verdict(
            judge=self.name,
            model="scripted",
            criteria=tuple(_part(name, scores.get(name)) for name in rubric.criteria),
            words="model" if explain and self._why else "",
            why_not_2_lower=self._why if explain else "",
            fingerprint={"judge": self.name},
        )


class RecordingJudge(Judge):
    """Passes every case to another judge and writes its verdict to a file of JSON lines.

    Args:
        judge: The judge that is asked.
        path: Where the verdicts go; lines are appended.
    """

    def __init__(self, judge: Judge, path: Path | str) -> None:
        self._judge = judge
        self._path = Path(path)

    @property
    def name(self) -> str:
        """The name of the judge that is asked."""
        return self._judge.name

    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
        """Ask the judge, record, and return its verdict."""
        verdict = await self._judge.judge(case, rubric, explain=explain)
        line = json.dumps({"key": case_key(case, rubric), "case": case.id, "verdict": verdict_as_dict(verdict)})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        return verdict

    async def aclose(self) -> None:
        """Close the judge that is asked."""
        await self._judge.aclose()


class ReplayJudge(Judge):
    """Gives the verdicts that :class:`RecordingJudge` wrote; asks no model.

    Args:
        path: A file of JSON lines.

    Raises:
        DocumentError: The file cannot be read, or a line is no recorded verdict; empty lines are passed over.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._verdicts: dict[str, Verdict] = {}
        try:
            lines = self._path.read_bytes().decode("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            found = f"a file that cannot be read ({error})"
            problem = Problem(line=None, field="", found=found, expected="recorded verdicts in JSON lines")
            raise DocumentError(self._path, [problem]) from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    record = json.loads(line)
                    self._verdicts[record["key"]] = verdict_from_dict(record["verdict"])
                except (ValueError, KeyError, TypeError) as error:
                    problem = Problem(
                        line=number, field="", found=repr(line[:40].strip()), expected="a recorded verdict in JSON"
                    )
                    raise DocumentError(self._path, [problem]) from error

    @property
    def name(self) -> str:
        """Always ``replay/v1``."""
        return "replay/v1"

    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:  # noqa: ARG002
        """The recorded verdict.

        Raises:
            JudgeUnavailableError: This case was not recorded under this rubric.
        """
        verdict = self._verdicts.get(case_key(case, rubric))
        if verdict is None:
            raise JudgeUnavailableError(
                f"{self._path} holds no verdict on case {case.id!r} under {rubric.rubric}",
                hint="record it again: the case's texts or the rubric's questions have changed",
            )
        return verdict


def _part(name: str, score: float | Failure | None) -> CriterionVerdict:
    if score is None:
        return CriterionVerdict(criterion=name, failure=Failure(kind="schema", detail="not in the script"))
    if isinstance(score, Failure):
        return CriterionVerdict(criterion=name, failure=score)
    return CriterionVerdict(criterion=name, score=float(score))
