"""What measures a tree of files: a rubric over cases, or a command that prints a number."""

from __future__ import annotations

import asyncio
import json
import math
import re
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from tenward.decisions import group_units
from tenward.evaluation import ShownScale, evaluate_case, evaluate_produced, result_to_data
from tenward.guards import is_mapping
from tenward.loop._commands import in_thread
from tenward.loop._journal import CaseScore
from tenward.rubrics import compute_score
from tenward.sight import judged_alone

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.evaluation import Producer, Result
    from tenward.judges import Judge
    from tenward.loop._control import Control
    from tenward.loop._definition import NumberSpec
    from tenward.loop._slots import Slot
    from tenward.metrics import MetricPool
    from tenward.processes import Completed
    from tenward.rubrics import Rubric

__all__ = ["Bench", "NumberBench", "RubricBench", "Unit", "read_number"]

_LINE_CHARS = 200
_LARGEST = 1e60
"""Numbers beyond it, and shares of numbers below its inverse, could not be squared and added up."""

_OWN_FAULTS = {"crashed", "schema", "truncated", "too_long", "refused"}
"""Why there is no output where that is the doing of the artefact, and never of the machine or the network: it crashed,
printed nothing, rambled to its limit, outgrew the model, or asked for what the model refuses."""

Unit = tuple[str, ...]
"""The cases that count as one: a case, or a group of cases."""

Split = Literal["dev", "sealed"]


class Bench(ABC):
    """What measures. Cases of a number are its repeats."""

    dev: tuple[Unit, ...] = ()
    sealed: tuple[Unit, ...] = ()
    groups: Mapping[str, str] = {}
    noun = "case"
    sign: float = 1
    """1 where more is better, -1 where less is."""

    scored_by_judge = True
    """Whether values lie between 0 and 1 and a judge gave them."""

    runs_commands = False
    """Whether anything runs in the slot, and may leave it changed."""

    @abstractmethod
    async def measure(self, case: str, *, split: Split, sample: int, tree: str, slot: Slot, explain: bool) -> CaseScore:
        """Measure one case once. The slot holds the tree; what fails with this candidate alone is a value.

        Raises:
            OutOfBudgetError: A limit was reached; nothing was measured.
            TenwardError: No further case could be measured either.
        """

    def words_cost_extra(self) -> bool:
        """Whether the judge of dev cases says more, in further calls, if it is asked to explain."""
        return False

    def judge_alone(self, score: CaseScore) -> float | None:  # noqa: ARG002 - for rubrics
        """What the judge says of a case without references, as a share of the scale; None where it says nothing."""
        return None

    @property
    def scale_line(self) -> str:
        """Which scale scores are on, in a line; empty where no judge gives them."""
        return ""

    def factor(self, incumbent: float | None) -> float:  # noqa: ARG002 - for numbers
        """What differences of values are multiplied with, so that more is better; the incumbent's mean is given."""
        return self.sign


class RubricBench(Bench):
    """A rubric and a judge, over the cases of a data set or over the artefact itself.

    Args:
        control: The loop.
        rubric: What good is.
        judges: Who says so, for dev and for sealed cases.
        producer: Makes the producer of what lies in a slot; None where the artefact itself is judged.
        metrics: Computes reference metrics.
    """

    def __init__(
        self,
        control: Control,
        rubric: Rubric,
        judges: tuple[Judge, Judge],
        producer: Callable[[Slot], Producer] | None,
        metrics: MetricPool,
    ) -> None:
        self._control = control
        self.rubric = rubric
        """What is asked."""

        self.deciding = _without(rubric, control.state.calibration.get("left_out", ()))
        """The same with the weights of the value that decides."""
        self._judges: dict[Split, Judge] = {"dev": judges[0], "sealed": judges[1]}
        self._producer = producer
        self.runs_commands = control.spec.produce is not None and control.spec.produce.command is not None
        self._producers: dict[Path, tuple[str, Producer]] = {}
        self._metrics = metrics
        self._cases: dict[str, Case] = {case.id: case for case in control.sealed.cases}
        self._artefacts: dict[str, str] = {}
        self.groups = {case.id: case.group for case in control.sealed.cases if case.group}
        self.noun = "group" if self.groups else "case"
        cases = control.sealed.cases
        self.dev = group_units([case.id for case in cases if case.split == "dev"], self.groups)
        sealed = group_units([case.id for case in cases if case.split == "sealed"], self.groups)
        confirm = control.spec.confirm
        self.sealed = _drawn(sealed, confirm.cases if confirm else None, control.dice("sealed"))

    async def measure(self, case: str, *, split: Split, sample: int, tree: str, slot: Slot, explain: bool) -> CaseScore:
        """Produce an output and have it judged; see :meth:`Bench.measure`."""
        given, judge = self._cases[case], self._judges[split]
        with self._control.purse.lend(sample, judging=True, shared=self._control.exact):
            if self._producer is not None:
                producer = await self._made_by(slot, tree)
                result = await evaluate_produced(
                    given, producer, self.deciding, judge, explain=explain, metrics=self._metrics
                )
            else:
                text = self._artefact(tree)
                if not text.strip():
                    return self._lost(case, split, sample, "the artefact is empty")
                result = await evaluate_case(
                    replace(given, output=text, human={}), self.deciding, judge, explain=explain, metrics=self._metrics
                )
        return self._read(result, split, sample)

    @property
    def dev_judge(self) -> Judge:
        """Who judges dev cases."""
        return self._judges["dev"]

    def case(self, name: str) -> Case:
        """A case as the data set has it."""
        return self._cases[name]

    def leave_out(self, criteria: Iterable[str]) -> None:
        """Take the weight of criteria out of the value of whatever is measured from now on."""
        self.deciding = _without(self.rubric, criteria)

    def weighed(self, score: CaseScore) -> CaseScore:
        """A judge's score with the value that decides now; any other as it is."""
        if score.value is None or score.result is None:
            return score
        lo, hi = self.rubric.scale.lo, self.rubric.scale.hi
        points = {
            name: None if share is None else min(max(lo + share * (hi - lo), lo), hi)
            for name, share in score.criteria.items()
        }
        return replace(score, value=compute_score(self.deciding, points, references=score.references).value)

    async def judge_output(self, case: str, output: str, *, sample: int, alone: bool = False) -> CaseScore:
        """Have an output that is there already judged as those of dev cases are.

        Args:
            case: The case.
            output: What is judged.
            sample: Number of the pass.
            alone: Whether to leave gates and reference metrics out.

        Raises:
            OutOfBudgetError: A limit was reached; nothing was judged.
            TenwardError: No further case could be judged either.
        """
        given = replace(self._cases[case], output=output, human={})
        rubric = judged_alone(self.deciding) if alone else self.deciding
        with self._control.purse.lend(sample, judging=True, shared=self._control.exact):
            result = await evaluate_case(given, rubric, self._judges["dev"], metrics=self._metrics)
        return self._read(result, "dev", sample)

    def judge_alone(self, score: CaseScore) -> float | None:
        """See :meth:`Bench.judge_alone`; criteria count by their weight."""
        shares = self.deciding.shares
        known = [(float(shares[name]), one) for name, one in score.criteria.items() if one is not None]
        whole = math.fsum(share for share, _ in known)
        return math.fsum(share * one for share, one in known) / whole if whole else None

    @property
    def scale_line(self) -> str:
        """See :meth:`Bench.scale_line`."""
        words = dict.fromkeys(ShownScale.of(judge, self.rubric).words for judge in self._judges.values())
        return f"scale of the scores: {' on dev cases, '.join(words)}{' on sealed ones' * (len(words) > 1)}"

    def words_cost_extra(self) -> bool:
        """As its plan says; see :meth:`Bench.words_cost_extra`."""
        judge, case = self._judges["dev"], self._cases[self.dev[0][0]]
        with_words, without = (judge.plan(case, self.deciding, explain=words) for words in (True, False))
        return with_words.most_calls > without.most_calls

    async def aclose(self) -> None:
        """Release what producers hold."""
        for _, producer in self._producers.values():
            await producer.aclose()
        self._producers.clear()

    async def _made_by(self, slot: Slot, tree: str) -> Producer:
        """The producer of what lies in a slot; it reads its prompt once."""
        assert self._producer is not None
        there = self._producers.get(slot.path)
        if there is None or there[0] != tree:
            if there is not None:
                await there[1].aclose()
            there = self._producers[slot.path] = (tree, self._producer(slot))
        return there[1]

    def _artefact(self, tree: str) -> str:
        """The editable files of a tree as one text."""
        if tree not in self._artefacts:
            record = self._control.record
            patterns = self._control.editable
            files = record.trees.listing(tree).files
            paths = [path for path, entry in sorted(files.items()) if patterns.match(path) and entry.mode[:3] == "100"]
            texts = record.git.bodies([files[path].name for path in paths])
            parts = [text.decode("utf-8", "replace") for text in texts]
            if len(parts) > 1:
                parts = [f"==> {path} <==\n{text}" for path, text in zip(paths, parts, strict=True)]
            if len(self._artefacts) > 8:
                self._artefacts.clear()
            self._artefacts[tree] = "\n\n".join(parts)
        return self._artefacts[tree]

    def _read(self, result: Result, split: Split, sample: int) -> CaseScore:
        case, made = result.case.id, result.produced
        if made is not None and made.failure is not None:
            told = f"{made.failure.kind}: {made.failure.detail}"
            if made.failure.kind in _OWN_FAULTS or (self.runs_commands and made.failure.kind == "timeout"):
                crashed = made.failure.kind in {"crashed", "timeout"}
                return self._lost(case, split, sample, told, crashed=crashed)
            return CaseScore(case_id=case, split=split, sample=sample, value=None, problem=told)
        failed = [f"{gate.gate}: {gate.detail}" for gate in result.gates if not gate.passed]
        if failed:
            why = f"a gate failed: {failed[0]}"
            return replace(
                self._lost(case, split, sample, why), output=result.case.output, result=result_to_data(result)
            )
        lo, hi = self.deciding.scale.lo, self.deciding.scale.hi
        scores = result.verdict.scores if result.verdict is not None else {}
        problem = ""
        if result.value is None and result.verdict is not None:
            failure = next(iter(result.verdict.failures.values()), None)
            if any(one.kind == "too_long" for one in result.verdict.failures.values()):
                told = "the output is longer than the judge can read"
                return replace(
                    self._lost(case, split, sample, told), output=result.case.output, result=result_to_data(result)
                )
            problem = "too little was scored" if failure is None else f"{failure.kind}: {failure.detail}"
        return CaseScore(
            case_id=case,
            split=split,
            sample=sample,
            value=result.value,
            criteria={name: None if score is None else (score - lo) / (hi - lo) for name, score in scores.items()},
            references=None if result.references is None else result.references.value,
            output=result.case.output,
            result=result_to_data(result),
            problem=problem,
        )

    def _lost(self, case: str, split: Split, sample: int, why: str, *, crashed: bool = False) -> CaseScore:
        """A case that is worth nothing, and not by the judge's word: leaving it out would reward the failure."""
        return CaseScore(
            case_id=case,
            split=split,
            sample=sample,
            value=0.0,
            criteria=dict.fromkeys(self.deciding.criteria, 0.0),
            problem=why,
            crashed=crashed,
        )


def _without(rubric: Rubric, criteria: Iterable[str]) -> Rubric:
    """The rubric with no weight on some criteria."""
    nothing = {name: rubric.criteria[name].model_copy(update={"weight": 0.0}) for name in criteria}
    return rubric.model_copy(update={"criteria": {**rubric.criteria, **nothing}}) if nothing else rubric


class NumberBench(Bench):
    """A command that prints a number.

    Args:
        control: The loop.
        number: The command.
    """

    scored_by_judge = False
    runs_commands = True
    noun = "repeat"

    def __init__(self, control: Control, number: NumberSpec) -> None:
        self._control = control
        self._number = number
        self.sign = -1 if number.goal == "minimize" else 1
        self.dev = tuple((f"{at:04d}",) for at in range(number.repeats))
        # A rule that confirms does so on measurements of their own; a single number has none.
        repeats = number.repeats if number.repeats > 1 else 0
        self.sealed = tuple((f"{number.repeats + at:04d}",) for at in range(repeats))
        self._relative = control.spec.rule_name != "better"
        self._turn = asyncio.Lock()

    async def measure(
        self,
        case: str,
        *,
        split: Split,
        sample: int,
        tree: str,
        slot: Slot,
        explain: bool,  # noqa: ARG002 - a number has no words
    ) -> CaseScore:
        """Run the command; see :meth:`Bench.measure`."""
        async with self._turn:  # side by side, commands would slow each other down
            self._control.purse.check()
            return await self.run(self._number, case, split=split, sample=sample, tree=tree, slot=slot)

    async def run(
        self, number: NumberSpec, case: str, *, split: Split, sample: int, tree: str, slot: Slot
    ) -> CaseScore:
        """Run a command that prints a number, in a slot that is set to the tree once more before it."""
        await in_thread(lambda: slot.reset(self._control.laid(tree)))
        ended = await self._control.commands.run(
            number.command, cwd=slot.path, timeout=number.timeout, env=slot.environment
        )
        value, problem = _outcome(number, ended)
        return CaseScore(
            case_id=case,
            split=split,
            sample=sample,
            value=value,
            output=ended.tail,
            problem=problem,
            crashed=value is None,
        )

    def factor(self, incumbent: float | None) -> float:
        """Turns differences into shares of the incumbent's number for a rule that has sizes of gains in mind."""
        size = abs(incumbent) if self._relative and incumbent is not None else 0.0
        return self.sign / size if size >= 1 / _LARGEST else self.sign


def _outcome(number: NumberSpec, ended: Completed) -> tuple[float | None, str]:
    """The number, or in a line what went wrong, with what was printed below."""
    lines = [line.strip() for line in ended.tail.splitlines() if line.strip()]
    last = f": {lines[-1][:_LINE_CHARS]}" if lines else ""
    # A single line stands in the reason already.
    below = f"\n{ended.tail}" if len(lines) > 1 or len("".join(lines)) > _LINE_CHARS else ""
    if ended.status is None:
        return None, f"stopped after {ended.seconds:.0f} s of {number.timeout:g} s{last}{below}"
    if ended.status:
        return None, f"exit status {ended.status}{last}{below}"
    value = read_number(number, ended.tail)
    if value is not None:
        return value, ""
    said = f"; the last line is{last}" if last else "; it printed nothing"
    below = "".join(f"\n{line}" for line in lines[:-1])
    if number.pattern is not None and re.search(number.pattern, ended.tail, re.MULTILINE) is None:
        return None, f"the pattern {number.pattern!r} found nothing in what it printed{said}{below}"
    if number.pattern is None and number.json_key is None and not _is_number(lines[-1] if lines else ""):
        return None, f"found no number, expected the last line to be one, or a pattern that finds it{said}{below}"
    return None, f"no usable number in what it printed{last}{below}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_number(number: NumberSpec, printed: str) -> float | None:
    """The number in what a command printed; None if there is none, or it is not finite or beyond 1e60 in size."""
    text = printed
    if number.pattern is not None:
        hits = list(re.finditer(number.pattern, printed, re.MULTILINE))
        if not hits:
            return None
        text = hits[-1].group(hits[-1].re.groups)
    else:
        lines = [line for line in printed.splitlines() if line.strip()]
        text = lines[-1] if lines else ""
    if number.json_key is not None:
        try:
            found: object = json.loads(text)
        except ValueError:
            return None
        for name in number.json_key.split("."):
            found = found.get(name) if is_mapping(found) else None
        text = "" if isinstance(found, bool) else str(found)
    try:
        value = float(text.strip())
    except (ValueError, AttributeError):
        return None
    return value if abs(value) <= _LARGEST else None


def _drawn(units: tuple[Unit, ...], cases: int | None, dice: random.Random) -> tuple[Unit, ...]:
    """So many units that they have a number of cases, or the most that fit in it; all without one."""
    if cases is None:
        return units
    left, chosen = cases, set[Unit]()
    for unit in dice.sample(units, len(units)):
        if len(unit) <= left:
            chosen.add(unit)
            left -= len(unit)
    return tuple(unit for unit in units if unit in chosen)
