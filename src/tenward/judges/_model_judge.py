"""A judge that is one model, read by distribution or by the scores it states."""

from __future__ import annotations

import hashlib
import json
import math
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from tenward.judges._answers import Words, answer_model
from tenward.judges._connection import Connection
from tenward.judges._distribution import join_readings, probes_for, read_distribution, rounded
from tenward.judges._engine import engine_turn
from tenward.judges._judge import Judge
from tenward.judges._passages import passages
from tenward.judges._prompts import PROMPT_VERSION, build_prompt
from tenward.judges._retry import CallFailedError, Deadline, all_of
from tenward.judges._verdict import CriterionVerdict, Failure, Step, Usage, Verdict
from tenward.judges._words import Answered, ask_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from tenward.datasets import Case
    from tenward.judges._distribution import Reading
    from tenward.judges._prompts import Prompt
    from tenward.judges._spec import JudgeSpec
    from tenward.rubrics import Rubric

__all__ = ["ModelJudge"]

_LOCAL_SENTENCE = 240  # characters; two short sentences


class ModelJudge(Judge):
    """A judge made of one model, as its YAML file describes it.

    Args:
        spec: The judge file.
    """

    def __init__(self, spec: JudgeSpec) -> None:
        self.spec = spec
        self._connection = Connection(spec)

    @property
    def name(self) -> str:
        """Name and version, such as ``local/v1``."""
        return self.spec.judge

    async def aclose(self) -> None:
        """Close the connections of the current event loop."""
        await self._connection.aclose()

    async def judge(self, case: Case, rubric: Rubric, *, explain: bool = False) -> Verdict:
        """Judge one case; see :meth:`Judge.judge`. The embedded engine takes one case at a time."""
        async with engine_turn() if self.spec.local else nullcontext():
            return await self._judge(case, rubric, explain=explain)

    async def _judge(self, case: Case, rubric: Rubric, *, explain: bool) -> Verdict:
        began = time.monotonic()
        deadline = Deadline(seconds=self.spec.deadline)
        by_levels = self.spec.anchors == "without-input" and not case.input
        anchored = self.spec.anchors is True or by_levels
        prompt = build_prompt(rubric, case, anchors=anchored, digits=self.spec.read == "distribution")
        try:
            spent, timings = await self._connection.begin_case(prompt.shared, deadline=deadline)
        except CallFailedError as error:
            return Verdict.of_failure(
                error.failure,
                judge=self.name,
                model=self.spec.model,
                criteria=tuple(rubric.criteria),
                usage=error.usage,
                seconds=time.monotonic() - began,
                fingerprint=fingerprint(self.spec, rubric),
            )
        if self.spec.read == "stated":
            verdict = await self._stated(case, rubric, prompt, deadline)
        else:
            form: Literal["digits", "by-form"] = "digits" if by_levels else self.spec.probe
            verdict = await self._distribution(rubric, prompt, deadline, form)
            if explain or self.spec.writes_words:
                verdict = await self._explained(verdict, case, rubric, prompt, deadline)
        if timings:
            calls: Sequence[Mapping[str, float]] = verdict.engine.get("calls", [])
            verdict = replace(verdict, engine={"calls": [timings, *calls]})
        return replace(
            verdict,
            usage=spent + verdict.usage,
            seconds=time.monotonic() - began,
            fingerprint=fingerprint(self.spec, rubric),
        )

    async def _distribution(
        self, rubric: Rubric, prompt: Prompt, deadline: Deadline, form: Literal["digits", "by-form"]
    ) -> Verdict:
        engine: list[Mapping[str, float]] = []
        spent: list[Usage] = []

        async def read(criterion: str) -> CriterionVerdict:
            readings: list[Reading] = []
            for probe in probes_for(rubric, criterion, form):
                try:
                    token = await self._connection.first_token(prompt.asking(probe.question), deadline=deadline)
                except CallFailedError as error:
                    spent.append(error.usage)
                    return CriterionVerdict(criterion=criterion, failure=error.failure)
                spent.append(token.usage)
                engine.append(token.timings)
                reading = read_distribution(token.probabilities, probe)
                if reading is None:
                    said = max(token.probabilities, key=token.probabilities.__getitem__, default="")
                    detail = f"the answer starts with {said[:20]!r}, not with a label of the scale"
                    return CriterionVerdict(criterion=criterion, failure=Failure(kind="schema", detail=detail))
                readings.append(reading)
            joined = join_readings(readings)
            return CriterionVerdict(
                criterion=criterion,
                score=joined.score,
                distribution=joined.distribution,
                spread=joined.spread,
                label_mass=joined.label_mass,
            )

        names = list(rubric.criteria)
        # The first question fills the prefix cache that the others reuse; one local slot serves one at a time.
        read_so_far = [await read(names[0])]
        if self.spec.local:
            read_so_far += [await read(name) for name in names[1:]]
        else:
            read_so_far += await all_of(read(name) for name in names[1:])
        return Verdict(
            judge=self.name,
            model=self.spec.model,
            criteria=tuple(read_so_far),
            usage=_total(spent),
            engine={"calls": [timings for timings in engine if timings]},
        )

    async def _explained(
        self, verdict: Verdict, case: Case, rubric: Rubric, prompt: Prompt, deadline: Deadline
    ) -> Verdict:
        scores = {name: score for name, score in verdict.scores.items() if score is not None}
        if not scores:
            return verdict
        answers = await self._ask(case, rubric, prompt, deadline, tuple(scores), scores=scores)
        said = {name: checked for answer in answers for name, checked in answer.criteria.items()}
        criteria = tuple(
            replace(item, reason=said[item.criterion].reason, evidence=said[item.criterion].evidence)
            if item.criterion in said
            else item
            for item in verdict.criteria
        )
        return replace(
            verdict,
            criteria=criteria,
            usage=verdict.usage + _total([answer.usage for answer in answers]),
            **_overall(answers),
        )

    async def _stated(self, case: Case, rubric: Rubric, prompt: Prompt, deadline: Deadline) -> Verdict:
        samples = await all_of(
            self._ask(case, rubric, prompt, deadline, tuple(rubric.criteria), scores={})
            for _ in range(self.spec.samples)
        )
        criteria = tuple(_combine(name, samples) for name in rubric.criteria)
        fullest = max(samples, key=lambda answers: sum(bool(answer.why_not_2_lower) for answer in answers))
        return Verdict(
            judge=self.name,
            model=self.spec.model,
            criteria=criteria,
            usage=_total([answer.usage for answers in samples for answer in answers]),
            **_overall(fullest),
        )

    async def _ask(
        self,
        case: Case,
        rubric: Rubric,
        prompt: Prompt,
        deadline: Deadline,
        criteria: tuple[str, ...],
        *,
        scores: Mapping[str, float],
    ) -> list[Answered]:
        stated = not scores
        most = _LOCAL_SENTENCE if self.spec.local else None
        if self.spec.ask == "together":
            asked = [Words(criteria=criteria, scores=stated, why=True, steps=True, most_chars=most)]
        else:
            choice = passages(case.output) if self.spec.local else ()
            asked = [
                Words(criteria=(name,), scores=stated, why=False, steps=False, passages=choice, most_chars=most)
                for name in criteria
            ]
            asked.append(Words(criteria=(), scores=False, why=True, steps=False, most_chars=most))
            asked.append(Words(criteria=(), scores=False, why=False, steps=True, most_chars=most))

        def ask(words: Words) -> Awaitable[Answered]:
            return ask_words(
                self._connection,
                prompt,
                rubric,
                words,
                candidate=case.output,
                scores={name: scores[name] for name in words.criteria if name in scores} or scores,
                deadline=deadline,
                max_tokens=self.spec.max_tokens,
            )

        if self.spec.local:
            return [await ask(words) for words in asked]
        return await all_of(map(ask, asked))


def fingerprint(spec: JudgeSpec, rubric: Rubric) -> dict[str, str]:
    """What defines the scores of this judge under this rubric, one hash or name per component.

    Weights, floors, gates and mix are left out: they are applied after judging.
    """
    told = {
        "about": rubric.about if spec.anchors else "",
        "names": [rubric.names.candidate, rubric.names.input],
        "scale": [rubric.scale.lo, rubric.scale.hi],
        "criteria": {
            name: [criterion.ask, sorted(criterion.levels.items()) if spec.anchors else []]
            for name, criterion in rubric.criteria.items()
        },
    }
    if spec.read == "distribution":
        schema: Any = [[probe.question for probe in probes_for(rubric, name, spec.probe)] for name in rubric.criteria]
    else:
        words = Words(criteria=tuple(rubric.criteria), scores=True, why=True, steps=True)
        schema = answer_model(rubric, words).model_json_schema()
    sampling = [spec.temperature, spec.seed, spec.max_tokens, spec.mode, spec.extra_body]
    return {
        "rubric": _digest(told),
        "prompt": PROMPT_VERSION,
        "schema": _digest(schema),
        "model": spec.model,
        "endpoint": spec.base_url or spec.provider,
        "reading": f"{spec.read}/{spec.ask}/{spec.samples}/{spec.probe}/{spec.anchors}",
        "sampling": _digest(sampling),
    }


def _digest(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _total(usages: Sequence[Usage]) -> Usage:
    total = Usage()
    for usage in usages:
        total += usage
    return total


def _overall(answers: Sequence[Answered]) -> dict[str, Any]:
    why = next((answer.why_not_2_lower for answer in answers if answer.why_not_2_lower), "")
    steps: tuple[Step, ...] = tuple(step for answer in answers for step in answer.steps_to_10)
    failure = next((answer.failure for answer in answers if answer.failure is not None), None)
    return {"why_not_2_lower": why, "steps_to_10": steps, "words_failure": failure}


def _combine(criterion: str, samples: Sequence[Sequence[Answered]]) -> CriterionVerdict:
    """Mean and spread of the samples that gave a score; unscored when fewer than half of them did."""
    checked = [answer.criteria[criterion] for answers in samples for answer in answers if criterion in answer.criteria]
    scored = [(item.score, item) for item in checked if item.score is not None]
    if not scored or 2 * len(scored) < len(samples):
        failure = next((item.failure for item in checked if item.failure is not None), None)
        failure = failure or next(
            (answer.failure for answers in samples for answer in answers if answer.failure is not None), None
        )
        words = checked[0] if checked else None
        return CriterionVerdict(
            criterion=criterion,
            failure=failure or Failure(kind="schema", detail="no answer named this criterion"),
            reason=words.reason if words else "",
            evidence=words.evidence if words else (),
        )
    mean = rounded(math.fsum(score for score, _ in scored) / len(scored))
    # The words shown are those of the sample closest to the mean, so that they argue for the score shown.
    score, words = min(scored, key=lambda pair: abs(pair[0] - mean))
    spread = None
    if len(scored) > 1:
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value, _ in scored) / (len(scored) - 1))
    return CriterionVerdict(
        criterion=criterion,
        score=float(score) if len(scored) == 1 else mean,
        spread=spread,
        reason=words.reason,
        evidence=words.evidence,
    )
