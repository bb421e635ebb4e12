"""A judge whose truth is known, and a proposer that does what it is told: a loop without models."""

from __future__ import annotations

import hashlib
import math
import random
from typing import TYPE_CHECKING, Any

from tenward.judges import CriterionVerdict, Judge, Verdict, lent_calls
from tenward.loop.proposers import Proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.judges import Explain
    from tenward.rubrics import Rubric

__all__ = ["ScriptedProposer", "SimulatedJudge"]


class SimulatedJudge(Judge):
    """A noisy judge of a quality that is known: the same text, case and pass always get the same score.

    Args:
        quality: True quality of a text, 0 to 1; what it raises, the judge raises.
        noise: Standard deviation of one pass.
        interaction: Standard deviation of how differently cases take to a text.
        seed: Another seed is another judge.
        spread: Standard deviation of how hard cases are, whatever the text.
        squeeze: What is left of every distance from 0.5: 1 for all, 0.1 for a judge that uses a tenth of its scale.
    """

    def __init__(
        self,
        quality: Callable[[str], float],
        *,
        noise: float = 0.1,
        interaction: float = 0.05,
        seed: int = 0,
        spread: float = 0.0,
        squeeze: float = 1.0,
    ) -> None:
        self._quality = quality
        self._noise = noise
        self._interaction = interaction
        self._seed = seed
        self._spread = spread
        self._squeeze = squeeze
        self.judged = 0
        """Cases judged so far."""

    @property
    def name(self) -> str:
        """Always ``simulated/v1``."""
        return "simulated/v1"

    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:  # noqa: ARG002
        """The quality with its noise, as the score of every criterion."""
        self.judged += 1
        value = self._quality(case.output)
        value += self._interaction * _normal(self._seed, case.output, case.id)
        value += self._noise * _normal(self._seed, case.output, case.id, lent_calls().sample)
        value += self._spread * _normal(self._seed, "level", case.id)
        value = 0.5 + self._squeeze * (value - 0.5)
        scale = rubric.scale
        score = min(max(value, 0.0), 1.0) * scale.hi
        return Verdict(
            judge=self.name,
            model="simulated",
            criteria=tuple(
                CriterionVerdict(criterion=name, score=min(max(score, scale.lo), scale.hi)) for name in rubric.criteria
            ),
            fingerprint={"judge": self.name},
        )


class ScriptedProposer:
    """A proposer that calls a function in this process.

    Args:
        change: Gets the brief and the worktree; returns new text per path. It may edit the worktree itself, and may
            return ``{"": title}`` beside the files to name the idea; it is named after the attempt if not.
    """

    brief_chars = 20_000

    def __init__(self, change: Callable[[Any, Path], Mapping[str, str]]) -> None:
        self._change = change
        self.briefs: list[Any] = []
        """The briefs so far."""

    async def propose(self, brief: Any, workdir: Path) -> Proposal:
        """What the function says."""
        self.briefs.append(brief)
        files = dict(self._change(brief, workdir))
        title = files.pop("", f"scripted change {brief.number}")
        idea: dict[str, Any] = {"title": title}
        said: dict[str, Any] = {"ending": "edited", "idea": idea, "files": files, "faults": [], "usage": {}}
        return Proposal.from_json(said)


def _normal(*names: object) -> float:
    told = "|".join(map(str, names)).encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.sha256(told).digest()[:8], "big")
    value = random.Random(number).gauss()  # noqa: S311 - a simulation that must repeat itself
    return max(-4.0, min(4.0, value)) if math.isfinite(value) else 0.0
