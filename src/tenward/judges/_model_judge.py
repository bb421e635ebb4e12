"""A judge that is one model, read by distribution or by the scores it states."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenward.judges._answers import Words, answer_model, schema_digest
from tenward.judges._calls import Asked, PlannedCalls, digest, lent_calls
from tenward.judges._checks import read_checks
from tenward.judges._connection import Connection
from tenward.judges._distribution import join_readings, probes_for, read_distribution, rounded
from tenward.judges._echo import as_read, lower_of, orders_of
from tenward.judges._engine import engine_turn
from tenward.judges._explain import explain_by_program
from tenward.judges._hidden import HiddenReading, read_hidden, read_states, states_under
from tenward.judges._judge import Judge
from tenward.judges._plan import plan_case, probes_of, prompt_for, shows_levels, words_wanted
from tenward.judges._prompts import PROMPT_VERSION
from tenward.judges._retry import CallFailedError, Deadline, all_of
from tenward.judges._scale import ScaleInUse, apply_scale, scale_in_use, scale_with_head
from tenward.judges._verdict import CriterionVerdict, Failure, Step, Usage, Verdict, total_usage
from tenward.judges._words import Answered, ask_words
from tenward.judges.heads import HeadInUse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.judges._distribution import Reading
    from tenward.judges._prompts import Prompt
    from tenward.judges._scale import ScaleFile
    from tenward.judges._spec import Explain, JudgeSpec
    from tenward.judges.heads import Head, HeadFor, HeadShelf, TextState
    from tenward.rubrics import Rubric

__all__ = ["ModelJudge"]


class ModelJudge(Judge):
    """A judge made of one model, as its YAML file describes it.

    Args:
        spec: The judge file.
        scales: Scale files that may hold maps of its readings, in the order in which they count.
        heads: Where heads of a judge that reads states may lie; without it, it reads plainly.
    """

    def __init__(
        self, spec: JudgeSpec, scales: Sequence[tuple[Path, ScaleFile]] = (), heads: HeadShelf | None = None
    ) -> None:
        self.spec = spec
        self._scales = tuple(scales)
        self._heads = heads if spec.read == "hidden" else None
        self._connection = Connection(spec)
        self._states = Connection(spec, shortened=True)
        self._last: tuple[Rubric, _Under] | None = None

    @property
    def name(self) -> str:
        """Name and version, such as ``local/v1``."""
        return self.spec.judge

    def describe(self) -> dict[str, Any]:
        """The judge file; see :meth:`Judge.describe`."""
        return self.spec.model_dump(mode="json", exclude_unset=True)

    def fingerprint(self, rubric: Rubric) -> Mapping[str, str]:
        """See :meth:`Judge.fingerprint`."""
        return self._under(rubric).fingerprint

    def scale(self, rubric: Rubric) -> ScaleInUse:
        """See :meth:`Judge.scale`."""
        return self._under(rubric).scale

    def _under(self, rubric: Rubric) -> _Under:
        if self._last is None or self._last[0] is not rubric:
            readings = _fingerprint(self.spec, rubric)
            scale = scale_in_use(self._scales, rubric, readings)
            fingerprint = {**readings, "scale": scale.digest}
            used = HeadInUse()
            if self.spec.states_scores:
                scale = replace(scale, repeats=self.spec.samples)
            elif self._heads is not None:
                used = self._heads.under(rubric, self.states(rubric))
                scale = scale_with_head(scale, used, rubric)
                fingerprint["head"] = used.digest
            self._last = rubric, _Under(fingerprint=fingerprint, scale=scale, used=used)
        return self._last[1]

    def states(self, rubric: Rubric) -> HeadFor:
        """What the states of texts hang on that this judge reads under a rubric; a head holds for no others.

        Raises:
            ModelStoreError: The judge's model is a file of one's own that is missing.
        """
        asks = digest(_of_the_rubric(rubric, anchored=True))
        return states_under(model=self._states.model_file, asks=asks)

    def head(self, rubric: Rubric) -> Head | None:
        """The head by which it reads under a rubric; None where it reads plainly."""
        return self._under(rubric).used.head

    def head_in_use(self, rubric: Rubric) -> HeadInUse:
        """That head with its file, or why there is none."""
        return self._under(rubric).used

    def without_head(self, path: Path) -> ModelJudge:
        """The same judge, as it would read if one of its heads did not lie there."""
        return ModelJudge(self.spec, self._scales, None if self._heads is None else self._heads.without(path))

    async def read_states(self, case: Case, rubric: Rubric) -> TextState | Failure:
        """One text as heads read it; only of an embedded model.

        Raises:
            SystemicError: No further state could be read either.
        """
        async with engine_turn():
            case, _ = as_read(self.spec, case, rubric)
            prompt = prompt_for(self.spec, case, rubric)
            asking = _Asking(self.spec, case, rubric, self.fingerprint(rubric))
            try:
                read = await read_states(
                    self._states, prompt, case, rubric, asked=asking.of, deadline=Deadline(seconds=self.spec.deadline)
                )
            except CallFailedError as error:
                return error.failure
        return read.text

    def plan(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> PlannedCalls:
        """See :meth:`Judge.plan`."""
        head = self.head(rubric)
        by_head = None if head is None else (head, self._states)
        return plan_case(self.spec, self._connection, case, rubric, explain=explain, head=by_head)

    async def aclose(self) -> None:
        """Close the connections of the current event loop."""
        await self._connection.aclose()
        await self._states.aclose()

    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
        """Judge one case; see :meth:`Judge.judge`. The embedded engine takes one case at a time."""
        async with engine_turn() if self.spec.local else nullcontext():
            return await self._judge(case, rubric, explain=explain)

    async def _judge(self, case: Case, rubric: Rubric, *, explain: Explain) -> Verdict:
        began = time.monotonic()
        deadline = Deadline(seconds=self.spec.deadline)
        case, echoes = as_read(self.spec, case, rubric)
        prompt = prompt_for(self.spec, case, rubric)
        self._connection.begin_case(prompt.shared)
        asking = _Asking(self.spec, case, rubric, self.fingerprint(rubric))
        if self.spec.states_scores:
            verdict = await self._stated(case, rubric, prompt, deadline, asking)
            verdict = apply_scale(verdict, self.scale(rubric), rubric, has_input=bool(case.input))
        else:
            verdict = await self._read(case, rubric, prompt, deadline, asking)
            rest, orders = orders_of(self.spec, case)
            if orders:
                verdict = lower_of(verdict, await self._read_rest(rest, rubric, deadline), orders)
            # Here every score is final; below it is put into words.
            if self.spec.asks_model(explain):
                verdict = await self._explained(verdict, case, rubric, prompt, deadline, asking)
            elif self.spec.asks_checks(explain):
                verdict = await self._checked(verdict, rubric, prompt, deadline, asking)
            verdict = explain_by_program(verdict, rubric)
        seconds = time.monotonic() - began
        return replace(verdict, echoes=echoes, seconds=seconds, fingerprint=self.fingerprint(rubric))

    async def _read_rest(self, case: Case, rubric: Rubric, deadline: Deadline) -> Verdict:
        """A text without what seems to speak to its judge."""
        prompt = prompt_for(self.spec, case, rubric)
        self._connection.begin_case(prompt.shared)
        asking = _Asking(self.spec, case, rubric, self.fingerprint(rubric))
        return await self._read(case, rubric, prompt, deadline, asking)

    async def _read(self, case: Case, rubric: Rubric, prompt: Prompt, deadline: Deadline, asking: _Asking) -> Verdict:
        """By the head where there is one, and plainly what is left; both ways where it knows no such texts."""
        head = self.head(rubric)
        hidden = HiddenReading()
        if head is not None:
            hidden = await read_hidden(self._states, prompt, case, rubric, head, asked=asking.of, deadline=deadline)
        plain = [name for name in rubric.criteria if hidden.plain or name not in hidden.criteria]
        verdict = await self._distribution(case, rubric, prompt, deadline, asking, plain)
        verdict = apply_scale(verdict, self.scale(rubric), rubric, has_input=bool(case.input))
        read = {item.criterion: item for item in verdict.criteria}
        for name, by_head in hidden.criteria.items():
            # Being unlike all known texts must gain nothing: whatever is odd about them may be there for the judge.
            if name not in read or by_head.is_below(read[name]):
                read[name] = by_head
        return replace(
            verdict,
            criteria=tuple(read[name] for name in rubric.criteria),
            plain=hidden.plain,
            usage=hidden.usage + verdict.usage,
            engine={"calls": [*hidden.engine, *verdict.engine["calls"]]},
        )

    async def _distribution(
        self, case: Case, rubric: Rubric, prompt: Prompt, deadline: Deadline, asking: _Asking, names: Sequence[str]
    ) -> Verdict:
        engine: list[Mapping[str, float]] = []
        spent: list[Usage] = []
        known = probes_of(self.spec, case, rubric)
        probes = {name: known[name] for name in names}
        messages = {name: [prompt.asking(probe.question) for probe in probes[name]] for name in probes}
        from_cache = not self.spec.local or self._connection.knows_first_tokens(
            [one for several in messages.values() for one in several]
        )

        async def read(criterion: str) -> CriterionVerdict:
            readings: list[Reading] = []
            for number, (probe, asked_in) in enumerate(zip(probes[criterion], messages[criterion], strict=True)):
                try:
                    token = await self._connection.first_token(
                        asked_in, asked=asking.of(criterion, number), deadline=deadline, from_cache=from_cache
                    )
                except CallFailedError as error:
                    spent.append(error.usage)
                    return CriterionVerdict(criterion=criterion, failure=error.failure)
                spent.append(token.usage)
                engine.extend(timings for timings in (token.begun, token.timings) if timings)
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
                read="distribution",
                distribution=joined.distribution,
                spread=joined.spread,
                label_mass=joined.label_mass,
            )

        # The first question fills the prefix cache that the others reuse; one local slot serves one at a time.
        read_so_far = [await read(name) for name in names[:1]]
        if self.spec.local:
            read_so_far += [await read(name) for name in names[1:]]
        else:
            read_so_far += await all_of(read(name) for name in names[1:])
        return Verdict(
            judge=self.name,
            model=self.spec.model,
            criteria=tuple(read_so_far),
            usage=total_usage(spent),
            engine={"calls": engine},
        )

    async def _checked(
        self, verdict: Verdict, rubric: Rubric, prompt: Prompt, deadline: Deadline, asking: _Asking
    ) -> Verdict:
        if all(score is None for score in verdict.scores.values()):
            return verdict
        checked = await read_checks(
            self._connection, prompt, rubric, asked=asking.of, deadline=deadline, local=self.spec.local
        )
        return replace(
            verdict,
            criteria=tuple(replace(item, checks=checked.readings.get(item.criterion, ())) for item in verdict.criteria),
            words_failure=checked.failure,
            usage=verdict.usage + checked.usage,
            engine={"calls": [*verdict.engine["calls"], *checked.engine]},
        )

    async def _explained(
        self, verdict: Verdict, case: Case, rubric: Rubric, prompt: Prompt, deadline: Deadline, asking: _Asking
    ) -> Verdict:
        scores = {name: score for name, score in verdict.scores.items() if score is not None}
        if not scores:
            return verdict
        answers = await self._ask(case, rubric, prompt, deadline, asking, tuple(scores), scores=scores)
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
            usage=verdict.usage + total_usage([answer.usage for answer in answers]),
            **_overall(answers),
        )

    async def _stated(self, case: Case, rubric: Rubric, prompt: Prompt, deadline: Deadline, asking: _Asking) -> Verdict:
        samples = await all_of(
            self._ask(case, rubric, prompt, deadline, asking, tuple(rubric.criteria), scores={}, sample=sample)
            for sample in range(self.spec.samples)
        )
        criteria = tuple(_combine(name, samples) for name in rubric.criteria)
        fullest = max(samples, key=lambda answers: sum(bool(answer.why_not_2_lower) for answer in answers))
        return Verdict(
            judge=self.name,
            model=self.spec.model,
            criteria=criteria,
            usage=total_usage([answer.usage for answers in samples for answer in answers]),
            **_overall(fullest),
        )

    async def _ask(
        self,
        case: Case,
        rubric: Rubric,
        prompt: Prompt,
        deadline: Deadline,
        asking: _Asking,
        criteria: tuple[str, ...],
        *,
        scores: Mapping[str, float],
        sample: int = 0,
    ) -> list[Answered]:
        asked = words_wanted(self.spec, case, criteria, stated=not scores)

        def ask(words: Words) -> Awaitable[Answered]:
            return ask_words(
                self._connection,
                prompt,
                rubric,
                words,
                candidate=case.output,
                scores={name: scores[name] for name in words.criteria if name in scores} or scores,
                asked=asking.of("+".join(words.criteria) or ("why" if words.why else "steps"), sample),
                sample=sample,
                deadline=deadline,
                max_tokens=self.spec.max_tokens,
            )

        if self.spec.local:
            return [await ask(words) for words in asked]
        return await all_of(map(ask, asked))


@dataclass(frozen=True, kw_only=True)
class _Under:
    """What the judge is under one rubric."""

    fingerprint: Mapping[str, str]
    scale: ScaleInUse
    used: HeadInUse


class _Asking:
    """Names the questions of one verdict, and hashes what they are made of."""

    def __init__(self, spec: JudgeSpec, case: Case, rubric: Rubric, fingerprint: Mapping[str, str]) -> None:
        anchored = shows_levels(spec, case)
        self._slot = f"{spec.judge}|{rubric.rubric}|{case.id}|{lent_calls().sample}"
        self._components = {
            **_of_the_rubric(rubric, anchored=anchored),
            # A map or a head is applied to what was read, and asks nothing.
            **{name: value for name, value in fingerprint.items() if name not in {"rubric", "scale", "head"}},
            "output": digest(case.output),
            "input": digest(case.input),
            "references": digest(case.references),
            "context": digest(case.context),
        }

    def of(self, question: str, number: int) -> Asked:
        """One question, by the name of its criterion or of the words it asks for, and its number among those."""
        return Asked(slot=f"{self._slot}|{question}|{number}", components=self._components)


def _of_the_rubric(rubric: Rubric, *, anchored: bool) -> dict[str, str]:
    criteria = rubric.criteria.items()
    return {
        "about": digest(rubric.about if anchored else ""),
        "names": digest([rubric.names.candidate, rubric.names.input]),
        "scale": digest([rubric.scale.lo, rubric.scale.hi]),
        "questions": digest([[name, criterion.ask] for name, criterion in criteria]),
        "levels": digest([sorted(criterion.levels.items()) if anchored else [] for _, criterion in criteria]),
    }


def _fingerprint(spec: JudgeSpec, rubric: Rubric) -> dict[str, str]:
    """What defines the scores of this judge under this rubric, one hash or name per component.

    Weights, floors, gates and mix are left out: they are applied after judging.
    """
    if not spec.states_scores:
        schema: Any = [[probe.question for probe in probes_for(rubric, name, spec.probe)] for name in rubric.criteria]
    else:
        words = Words(criteria=tuple(rubric.criteria), scores=True, why=True, steps=True)
        schema = schema_digest(answer_model(rubric, words))
    sampling = [spec.temperature, spec.seed, spec.max_tokens, spec.mode, spec.extra_body]
    # What a head leaves to the plain reading is read as by a judge that has none.
    read = "stated" if spec.states_scores else "distribution"
    return {
        "rubric": digest(_of_the_rubric(rubric, anchored=bool(spec.anchors))),
        "prompt": PROMPT_VERSION,
        "schema": digest(schema),
        "model": spec.model,
        "endpoint": spec.base_url or spec.provider,
        "reading": f"{read}/{spec.ask}/{spec.samples}/{spec.probe}/{spec.anchors}",
        "sampling": digest(sampling),
    }


def _overall(answers: Sequence[Answered]) -> dict[str, Any]:
    why = next((answer.why_not_2_lower for answer in answers if answer.why_not_2_lower), "")
    steps: tuple[Step, ...] = tuple(step for answer in answers for step in answer.steps_to_10)
    failure = next((answer.failure for answer in answers if answer.failure is not None), None)
    wrote = why or steps or any(item.reason for answer in answers for item in answer.criteria.values())
    return {
        "words": "model" if wrote else "",
        "why_not_2_lower": why,
        "steps_to_10": steps,
        "words_failure": failure,
    }


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
        read="stated",
        spread=spread,
        reason=words.reason,
        evidence=words.evidence,
    )
