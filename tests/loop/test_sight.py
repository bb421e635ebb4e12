from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tenward.errors import DocumentError, LoopError, SystemicError
from tenward.evaluation import Produced
from tenward.judges import PlannedCalls
from tenward.loop import Engine, LoopPhase, LoopRecord, LoopSpec, ProgressEvent
from tenward.loop._sight import sight_cases, sight_span
from tenward.sight import Sight
from tenward.testing import ScriptedJudge, ScriptedProposer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.loop import Event, LoopState, Slot

    Scores = Callable[[Case], Mapping[str, float]]

PROMPT = "prompts/p.md"
RUBRIC = """
rubric: r/v1
about: Is it good?
scale: [0, 10]
criteria: {right: {ask: Is it right, weight: 60}, shiny: {ask: Is it shiny, weight: 40}}
gates: [{min_words: 5}]
"""
LOOP = """
loop: demo/v1
goal: Better.
edit: [prompts/p.md]
propose: {python: 'no:body'}
score: {rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}
placebo: 0.0
"""


def output_for(case: str, prompt: str = "plain") -> str:
    """Return what a prompt makes of a case."""
    number = int("".join(filter(str.isdigit, case)) or 0)
    return f"It is {prompt} that Anna{number} met {number + 100} people there. They went home. Town{number} was quiet."


class Writer:
    """A producer whose outputs name their case, and hold the prompt."""

    def __init__(self, slot: Slot) -> None:
        self._prompt = (slot.path / PROMPT).read_text().strip()

    async def produce(self, case: Case) -> Produced:
        """The output of a case."""
        return Produced(output=output_for(case.id, self._prompt))

    def describe(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def plan(self, case: Case) -> tuple[PlannedCalls, str]:
        """Nothing is called."""
        return PlannedCalls(), output_for(case.id)

    async def aclose(self) -> None:
        """Nothing is held."""


def is_right(case: Case) -> bool:
    """Whether a text is all that belongs to its case, whichever prompt made it."""
    number = int("".join(filter(str.isdigit, case.id)) or 0)
    ending = output_for(case.id).partition("that ")[2]
    return case.output.endswith(ending) and f"Anna{number} met" in case.output


def seeing(case: Case) -> dict[str, float]:
    """Score 6 what is right, 3 what is not, with more for what is shiny."""
    return {"right": 6.0 if is_right(case) else 3.0, "shiny": 9.0 if "shiny" in case.output else 4.0}


class Lab:
    """A user's repository with a loop in it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.events: list[Event] = []
        self.judges: list[ScriptedJudge] = []

    def git(self, *arguments: str) -> None:
        """Run git; it must succeed."""
        who = ["-c", "user.name=U", "-c", "user.email=u@example.org"]
        subprocess.run(["git", "-C", str(self.top), *who, *arguments], capture_output=True, check=True)

    def fill(self, dev: int = 14, sealed: int = 20, **more: Any) -> Lab:
        """Make the repository with one commit."""
        rows = [{"id": f"d{at}", "input": f"task {at}", "split": "dev", **more} for at in range(dev)]
        rows += [{"id": f"secret{at}", "input": f"hidden {at}", "split": "sealed", **more} for at in range(sealed)]
        files = {
            PROMPT: "plain\n",
            "rubrics/r.yaml": RUBRIC,
            "judges/j.yaml": "judge: j/v1\nmodel: local/qwen2.5-coder-1.5b-instruct\nread: distribution\n",
            "datasets/c.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        }
        for path, text in files.items():
            (self.top / path).parent.mkdir(parents=True, exist_ok=True)
            (self.top / path).write_text(text)
        self.git("init", "-q", "-b", "main")
        self.git("add", ".")
        self.git("commit", "-qm", "Begin")
        return self

    async def run(
        self, scores: Scores, *, rounds: int = 0, more: str = "", prompts: tuple[str, ...] = (), **options: Any
    ) -> LoopState:
        """Run the loop; each attempt takes the next prompt."""
        waiting = iter(prompts)
        self.judges.append(ScriptedJudge(scores))
        engine = Engine(
            LoopSpec.parse(options.pop("loop", LOOP) + more),
            LoopRecord.open(self.top, "demo"),
            None,
            top=self.top,
            proposer=ScriptedProposer(lambda brief, folder: {PROMPT: f"{next(waiting)}\n"}),
            judge=self.judges[-1],
            producer=options.pop("producer", Writer),
            on_event=self.events.append,
            **options,
        )
        return await engine.run(rounds)

    @property
    def judged(self) -> list[Case]:
        """Everything judged, in order."""
        return [case for judge in self.judges for case in judge.cases]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A repository that is not made yet."""
    (tmp_path / "work").mkdir()
    return Lab(tmp_path / "work")


async def test_what_the_judge_sees_is_known_before_the_first_attempt(lab: Lab) -> None:
    """A dozen dev outputs of the calibration are set beside their rungs; only these are judged, and no sealed case."""
    state = await lab.fill().run(seeing)
    found = Sight.from_json(state.calibration["sight"])
    assert (found.cases, found.value.seen, found.seed, found.judge) == (12, "sees", 0, "scripted/v1")
    assert {rung.rung for rung in found.value.rungs} == {"other", "half", "vague", "facts"}
    assert {null.null for null in found.nulls} == {"other"}
    rungs = [case for case in lab.judged if case.output != output_for(case.id)]
    assert len(rungs) == sum(rung.pairs for rung in found.value.rungs) <= sight_cases(14)
    assert not any(case.id.startswith("secret") for case in lab.judged)
    assert found.lines[0] in state.calibration["lines"]
    assert ("sight", len(rungs)) in {
        (event.doing, event.total) for event in lab.events if isinstance(event, ProgressEvent)
    }


async def test_a_reference_is_one_more_rung(lab: Lab) -> None:
    """Where cases have references, the better side is judged too; it is no part of what a gate or a metric says."""
    state = await lab.fill(references=["Short."]).run(
        lambda case: {name: score + (case.output == "Short.") for name, score in seeing(case).items()}
    )
    found = Sight.from_json(state.calibration["sight"])
    reference = next(rung for rung in found.value.rungs if rung.rung == "reference")
    assert (reference.pairs, reference.dropped) == (12, 0)


async def test_a_blind_criterion_has_no_say(lab: Lab) -> None:
    """Its weight is left out of every value, the incumbent's included; a candidate that only it likes is not kept."""
    state = await lab.fill().run(seeing, rounds=2, prompts=("shiny and bright", "shiny and new"))
    assert state.calibration["left_out"] == ["shiny"]
    assert state.baseline_score == pytest.approx(0.6)
    assert (state.counts.get("keep", 0), state.counts["discard"]) == (0, 2)
    assert "left out of what decides, for they see nothing: shiny (40% of the weight)" in "\n".join(
        state.calibration["lines"]
    )
    assert sight_span(state.calibration) == pytest.approx(0.3)


async def test_the_author_may_insist_on_a_blind_criterion(lab: Lab) -> None:
    """With ``blind: use`` it counts, as the report says it would not, and the same candidate is kept."""
    state = await lab.fill().run(seeing, rounds=1, more="keep: {blind: use}\n", prompts=("shiny and bright",))
    assert state.calibration["left_out"] == []
    assert state.baseline_score == pytest.approx(0.6 * 0.6 + 0.4 * 0.4)
    assert state.counts == {"keep": 1}
    assert sight_span(state.calibration) == pytest.approx(0.6 * 0.3)
    assert "shiny: blind here" in "\n".join(state.calibration["lines"])


async def test_what_was_left_out_stays_out_in_another_process(lab: Lab) -> None:
    """A loop that goes on looks no second time, and its values are still those without the criterion."""
    lab.fill()
    first = await lab.run(seeing)
    before = len(lab.judged)
    state = await lab.run(seeing, rounds=1, prompts=("shiny and bright",))
    assert state.calibration == first.calibration
    assert state.counts == {"discard": 1}
    again = [case for case in lab.judged[before:] if "shiny" not in case.output]
    assert [case for case in again if not case.id.startswith("secret")] == []


async def test_a_loop_that_was_killed_while_looking_judges_no_rung_twice(lab: Lab) -> None:
    """What was read before a fault is in the journal, and what is found is the same as without it."""
    left = 40

    def failing(case: Case) -> dict[str, float]:
        nonlocal left
        left -= 1
        if left < 0:
            raise SystemicError("the service is down", hint="later")
        return seeing(case)

    lab.fill()
    with pytest.raises(SystemicError):
        await lab.run(failing, concurrency=1)
    assert lab.judges[0].cases[-1].output != output_for(lab.judges[0].cases[-1].id)
    state = await lab.run(seeing, concurrency=1)
    asked = [(case.id, case.output) for case in lab.judged if case.output != output_for(case.id)]
    assert len(asked) - 1 == len(set(asked))  # the one that failed is asked once more
    assert Sight.from_json(state.calibration["sight"]).value.pooled.pairs == len(set(asked))


async def test_a_judge_that_sees_nothing_stops_the_loop(lab: Lab) -> None:
    """It stops before anything is proposed, with what would help; ``anyway`` goes on, and a warning says so."""

    def same(case: Case) -> dict[str, float]:
        return {"right": 5.0, "shiny": 5.0}

    with pytest.raises(LoopError, match="led by a judge that sees nothing: sight, 12 cases: value: blind") as refused:
        await lab.fill().run(same, rounds=1, prompts=("new",))
    assert "larger judge" in refused.value.hint
    assert "--anyway" in refused.value.hint
    assert not any("new" in case.output for case in lab.judged)
    before = len(lab.judged)
    state = await lab.run(same, rounds=1, prompts=("new",), anyway=True)
    assert any("started although its judge sees nothing" in line for line in state.warnings)
    assert state.calibration["left_out"] == []
    assert sight_span(state.calibration) is None
    assert sum(state.counts.values()) == 1
    again = [case for case in lab.judged[before:] if "new" not in case.output and case.id.startswith("d")]
    assert len(again) == 1  # to see that the evaluator works; the calibration and the rungs are there


class SameWriter(Writer):
    """A producer that writes the same for every case."""

    async def produce(self, case: Case) -> Produced:
        """The same output."""
        return Produced(output=output_for("d1"))


@pytest.mark.parametrize(
    ("dev", "options", "said"),
    [
        (3, {}, "sight: unknown: found 3 cases"),
        (14, {"producer": SameWriter}, "sight: unknown: all outputs are alike"),
        (
            14,
            {"loop": LOOP.replace(", dataset: datasets/c.jsonl", ""), "producer": None},
            "a single text has no others",
        ),
    ],
)
async def test_where_there_is_no_ladder_sight_is_unknown(
    lab: Lab, dev: int, options: dict[str, Any], said: str
) -> None:
    """Too few dev cases, outputs that are alike, and a single text are no reason to stop; the loop says so."""
    (lab.top / "prompts").mkdir()
    lab.fill(dev)
    (lab.top / PROMPT).write_text(output_for("d1"))
    lab.git("commit", "-qam", "Write more")
    state = await lab.run(seeing, **options)
    assert state.phase is LoopPhase.ENDED
    assert any(said in line for line in state.calibration["lines"])
    assert "sight" not in state.calibration
    assert sight_span(state.calibration) is None


async def test_outputs_that_fail_a_gate_are_no_ladder(lab: Lab) -> None:
    """What no judge has read says nothing of its sight."""

    class Short(Writer):
        async def produce(self, case: Case) -> Produced:
            return Produced(output=f"Too short {case.id}")

    state = await lab.fill().run(seeing, producer=Short, anyway=True)
    assert any(
        "sight: unknown, since no output came as far as the judge" in line for line in state.calibration["lines"]
    )


async def test_looking_is_within_the_budget(lab: Lab) -> None:
    """A limit stops the loop while it looks; with a higher one it goes on from there."""
    state = await lab.fill().run(seeing, more="budget: {calls: 40}\n")
    assert state.phase is LoopPhase.STOPPED
    assert "budget" in state.note
    assert len(lab.judged) == 40
    state = await lab.run(seeing, more="budget: {calls: 400}\n")
    assert Sight.from_json(state.calibration["sight"]).value.seen == "sees"
    rungs = [(case.id, case.output) for case in lab.judged if case.output != output_for(case.id)]
    assert len(rungs) == len(set(rungs))


def test_blind_criteria_are_no_matter_of_a_number() -> None:
    """``blind`` beside a number is refused, and so is any other word for it."""
    number = LOOP.replace(
        "{rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}", "{number: {command: x}}"
    )
    with pytest.raises(DocumentError, match=r"keep\.blind: found blind beside a number"):
        LoopSpec.parse(f"{number}keep: {{blind: use}}\n")
    with pytest.raises(DocumentError, match=r"keep\.blind"):
        LoopSpec.parse(f"{LOOP}keep: {{blind: count}}\n")
