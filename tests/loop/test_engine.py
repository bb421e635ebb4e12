from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from tenward.errors import LoopError
from tenward.evaluation import Store
from tenward.judges import Failure, JudgeSpec, PlannedCalls
from tenward.loop import (
    AttemptEvent,
    AttemptState,
    Engine,
    Event,
    Journal,
    LoopEvent,
    LoopPhase,
    LoopRecord,
    LoopSpec,
    ProgressEvent,
    Status,
    journal_path,
)
from tenward.loop.proposers import LlmProposer, Proposal
from tenward.testing import Json, ScriptedJudge, ScriptedProposer, SimulatedJudge, StubServer
from tenward.testing import Status as HttpStatus

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.judges import Explain, Verdict
    from tenward.loop._brief import Brief
    from tenward.rubrics import Rubric
    from tenward.testing import Request

Change = Callable[[Any, "Path"], Mapping[str, str]]

PROMPT = "prompts/p.md"
RUBRIC = """
rubric: r/v1
about: Is it good?
scale: [0, 10]
criteria: {good: "Does the text before us say plainly and kindly what the reader should do next?"}
"""


def quality(text: str) -> float:
    """Return the quality that a text states, 0.1 if it states none."""
    return sum(float(found) for found in re.findall(r"quality ([0-9.]+)", text)) or 0.1


@dataclass
class Lab:
    """A user's repository with a loop in it."""

    top: Path
    events: list[Event] = field(default_factory=list[Event])

    def git(self, *arguments: str) -> str:
        """Run git; it must succeed."""
        who = ["-c", "user.name=U", "-c", "user.email=u@example.org"]
        ended = subprocess.run(["git", "-C", str(self.top), *who, *arguments], capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.decode().strip()

    def write(self, path: str, text: str) -> None:
        """Write a file of the user's."""
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text)

    def fill(self, dev: int = 20, sealed: int = 40, files: Mapping[str, str] | None = None) -> Lab:
        """Make the repository with one commit."""
        rows = [{"id": f"d{at}", "input": f"task {at}", "split": "dev"} for at in range(dev)]
        rows += [{"id": f"secret{at}", "input": f"hidden {at}", "split": "sealed"} for at in range(sealed)]
        self.write(PROMPT, "quality 0.40\nSay it plainly.\nBe brief.\nBe kind.\n")
        self.write("README.md", "Read me.\n")
        self.write("rubrics/r.yaml", RUBRIC)
        self.write("judges/j.yaml", "judge: j/v1\nmodel: local/qwen2.5-coder-1.5b-instruct\nread: distribution\n")
        self.write("datasets/c.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        for path, text in (files or {}).items():
            self.write(path, text)
            (self.top / path).chmod(0o755)
        self.git("init", "-q", "-b", "main")
        self.git("add", ".")
        self.git("commit", "-qm", "Begin")
        return self

    def spec(self, more: str = "", *, score: str = "", edit: str = PROMPT, placebo: float = 0.0) -> LoopSpec:
        """Return the loop, with further lines of YAML."""
        scored = score or "{rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}"
        head = f"loop: demo/v1\ngoal: Better.\nedit: [{edit}]\npropose: {{python: 'no:body'}}\nscore: {scored}\n"
        return LoopSpec.parse(f"{head}placebo: {placebo}\n{more}\n")

    def engine(
        self, spec: LoopSpec, change: Change | LlmProposer | ScriptedProposer, judge: Any = None, **options: Any
    ) -> Engine:
        """Return an engine whose proposals come from a function."""
        proposer = change if isinstance(change, LlmProposer | ScriptedProposer) else ScriptedProposer(change)
        return Engine(
            spec,
            LoopRecord.open(self.top, "demo"),
            options.pop("store", None),
            top=self.top,
            proposer=proposer,
            judge=judge or SimulatedJudge(quality, noise=0.05),
            on_event=self.events.append,
            **options,
        )

    @property
    def record(self) -> LoopRecord:
        """The record, as another process would open it."""
        return LoopRecord.open(self.top, "demo")

    def attempts(self) -> list[AttemptState]:
        """Everything the journal knows of attempts."""
        with Journal(journal_path(self.record)) as journal:
            return list(journal.attempts())

    def statuses(self) -> list[str]:
        """How the attempts of the ledger ended."""
        return [attempt.status.value for attempt in self.record.attempts()]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A repository that is not made yet."""
    (tmp_path / "work").mkdir()
    return Lab(tmp_path / "work")


def to(value: float, number: int) -> dict[str, str]:
    """Return a prompt of some quality, unlike any other."""
    words = " ".join(f"w{random.Random(number * 100 + at).randrange(10**9)}" for at in range(8))
    return {PROMPT: f"quality {value:.3f}\n{words}\nmore\n", "": f"{words} {number}"}


async def test_where_nothing_helps_almost_nothing_is_kept(lab: Lab) -> None:
    """Without any true gain a noisy judge's luck is not taken for one."""
    spec = lab.fill().spec("budget: {rounds: 40}")
    engine = lab.engine(spec, lambda brief, _: to(0.4, brief.number), SimulatedJudge(quality, noise=0.12))
    state = await engine.run()
    assert state.counts.get("keep", 0) <= 1
    assert state.spent.rounds == 40
    assert state.phase is LoopPhase.ENDED


async def test_a_true_gain_is_found_and_confirmed(lab: Lab) -> None:
    """Of many changes the good ones are kept, and the headline is measured afresh on sealed cases."""
    spec = lab.fill().spec("budget: {rounds: 14}")

    def change(brief: Any, _: Path) -> dict[str, str]:
        now = quality(brief.files[PROMPT])
        return to(now + (0.15 if brief.number % 5 == 2 else -0.1), brief.number)

    engine = lab.engine(spec, change, SimulatedJudge(quality, noise=0.1))
    state = await engine.run()
    assert state.counts["keep"] >= 2
    assert quality(lab.git("show", f"tenward/demo:{PROMPT}")) >= 0.69
    assert state.headline["confirmed"] is True
    assert 0.0 < state.calibration["smallest_gain"] < 0.15
    assert abs(float(state.headline["gain"]) - 0.15 * state.counts["keep"]) < 0.1
    kept = [one for one in lab.attempts() if one.status is Status.KEEP]
    assert all(one.looks[-1].split == "sealed" for one in kept)
    notes = lab.record.notes(kept[0].number)
    assert {"attempt.json", "decision.json", "idea.md", "retro.json", "verdicts.json"} <= set(notes)


async def test_a_loop_that_could_see_nothing_does_not_start(lab: Lab) -> None:
    """With few cases and a judge that throws dice, no proposal is paid for."""
    spec = lab.fill(4, 3).spec("budget: {rounds: 5}")
    proposer = ScriptedProposer(lambda brief, _: to(0.9, brief.number))
    with pytest.raises(LoopError, match="would see nothing: 4 dev and 3 sealed cases") as caught:
        await lab.engine(spec, proposer, SimulatedJudge(lambda _: 0.5, noise=0.6)).run()
    assert "steadier judge" in caught.value.hint
    assert proposer.briefs == []


async def test_placebos_are_never_kept_and_nobody_is_told(lab: Lab) -> None:
    """Unchanged and damaged copies are counted, move nothing, and stay out of what the proposer hears."""
    spec = lab.fill().spec("budget: {rounds: 24}", placebo=0.5)

    def change(brief: Any, _: Path) -> dict[str, str]:
        return to(quality(brief.files[PROMPT]) - 0.1, brief.number)

    proposer = ScriptedProposer(change)
    state = await lab.engine(spec, proposer).run()
    placebos = [one for one in lab.attempts() if one.placebo]
    assert state.placebos.all == len(placebos) > 4
    assert state.placebos.unchanged > 0 < state.placebos.damaged
    assert state.placebos.kept == 0
    assert state.placebos.at_most < 0.6
    assert state.counts == {"discard": 24 - len(placebos)}
    assert lab.record.incumbent == lab.record.base
    numbers = {one.number for one in placebos}
    told = {past.number for brief in proposer.briefs for past in (*brief.recent, *brief.nearest)}
    assert told
    assert not told & numbers
    assert not any("lacebo" in brief.text or "hidden" in brief.text for brief in proposer.briefs)


async def test_an_edit_out_of_bounds_is_invalid_and_the_loop_goes_on(lab: Lab) -> None:
    """What touches any other file is not even judged."""
    spec = lab.fill().spec("budget: {rounds: 3}")

    def change(brief: Any, folder: Path) -> dict[str, str]:
        if brief.number == 2:
            (folder / "README.md").write_text("10 of 10\n")
        return to(0.35, brief.number)

    await lab.engine(spec, change).run()
    assert lab.statuses() == ["discard", "invalid", "discard"]
    second = lab.attempts()[1]
    assert second.faults == ("README.md: outside the editable paths (was changed)",)
    assert second.spent.judged == 0


RUNNER = "#!/bin/sh\ngrep -q CRASH prompts/p.md && { echo 'it fell over' >&2; exit 3; }\ncat prompts/p.md\n"


async def test_a_candidate_that_crashes_is_a_result(lab: Lab) -> None:
    """It ends as crashed with the end of its log, and the next one is judged."""
    spec = lab.fill(6, 6, {"run.sh": RUNNER}).spec("produce: {command: ./run.sh}\nbudget: {rounds: 2}")
    await lab.engine(spec, lambda brief, _: {PROMPT: "CRASH\n"} if brief.number == 1 else to(0.3, 2)).run()
    assert lab.statuses() == ["crashed", "discard"]
    assert b"it fell over" in lab.record.notes(1)["log.txt"]
    assert "it fell over" in lab.attempts()[0].reason


async def test_cases_on_which_everything_crashes_decide_nothing(lab: Lab) -> None:
    """Where the incumbent crashes too, a candidate is not to blame, nor is the evaluator."""
    runner = "#!/bin/sh\ngrep -q 'task [1-6]' && exit 3\ncat prompts/p.md\n"
    lab.fill(10, 10, {"run.sh": runner})
    spec = lab.spec("produce: {command: ./run.sh}\nbudget: {rounds: 5}\nstages: [{cases: 1}]")
    await lab.engine(spec, lambda brief, _: to(0.3, brief.number)).run()
    assert lab.statuses() == ["discard"] * 5
    assert "+0.000 on 1 case," in " ".join(one.stages[0].detail for one in lab.attempts())


async def test_what_an_exact_judge_has_seen_is_not_made_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where judging twice gives the same, a new incumbent takes over the outputs that the cache holds."""
    count = lab.top.parent / "count"
    count.touch()
    monkeypatch.setenv("COUNT", str(count))
    lab.fill(6, 6, {"run.sh": '#!/bin/sh\necho one >> "$COUNT"\ncat prompts/p.md\n'})
    spec = lab.spec("produce: {command: ./run.sh}\nallow: {env: [COUNT], write: [../count]}\nbudget: {rounds: 1}")
    judge = SimulatedJudge(quality, noise=0, interaction=0.01)
    with Store(lab.top.parent / "store.sqlite") as store:
        engine = lab.engine(spec, lambda brief, _: to(0.9, brief.number), judge, store=store)
        state = await engine.run()
        made = len(count.read_text().split())
        await lab.engine(
            lab.spec("produce: {command: ./run.sh}\nallow: {env: [COUNT], write: [../count]}\nbudget: {rounds: 2}"),
            lambda brief, _: to(0.1, brief.number),
            judge,
            store=store,
        ).run()
    assert lab.statuses() == ["keep", "discard"]
    assert state.headline["confirmed"] is True
    # Of the second run, only the candidate's four outputs and the new incumbent's two unseen ones are new.
    assert len(count.read_text().split()) - made <= 6


async def test_a_broken_evaluator_stops_the_loop_before_it_costs(lab: Lab) -> None:
    """What fails on the incumbent is no fault of any candidate."""
    spec = lab.fill(6, 6, {"run.sh": "#!/bin/sh\necho 'no such model' >&2\nexit 1\n"}).spec(
        "produce: {command: ./run.sh}"
    )
    proposer = ScriptedProposer(lambda brief, _: to(0.3, 1))
    with pytest.raises(LoopError, match="no such model") as caught:
        await lab.engine(spec, proposer).run()
    assert "mend it" in caught.value.hint
    assert proposer.briefs == []
    assert lab.statuses() == []
    with Journal(journal_path(lab.record)) as journal:
        state = journal.loop()
    assert state is not None
    assert (state.phase, state.spent.rounds) == (LoopPhase.STOPPED, 0)


async def test_a_check_that_the_incumbent_fails_stops_the_loop(lab: Lab) -> None:
    """Such a check would discard every candidate."""
    spec = lab.fill().spec('stages: [{run: "grep -q nowhere prompts/p.md"}]')
    with pytest.raises(LoopError, match="fails on the incumbent: exit status 1"):
        await lab.engine(spec, lambda brief, _: to(0.3, 1)).run()


async def test_an_evaluator_that_breaks_later_stops_the_loop_and_loses_nothing(lab: Lab) -> None:
    """The attempt that met it is judged once it works again."""
    spec = lab.fill(8, 8).spec("budget: {rounds: 3}")
    works = True

    def scores(case: Any) -> dict[str, float | Failure]:
        return {"good": 10 * quality(case.output)} if works else {"good": Failure(kind="schema", detail="gibberish")}

    def change(brief: Any, _: Path) -> dict[str, str]:
        nonlocal works
        works = works and brief.number != 2
        return to(0.3, brief.number)

    judge = ScriptedJudge(scores)
    with pytest.raises(LoopError, match="gibberish"):
        await lab.engine(spec, change, judge).run()
    assert [one.open for one in lab.attempts()] == [False, True]
    works = True
    state = await lab.engine(spec, lambda brief, _: to(0.3, brief.number), judge).run()
    assert lab.statuses() == ["discard"] * 3
    assert state.spent.rounds == 3


def side_by_side(values: dict[int, dict[str, str]]) -> ScriptedProposer:
    """Return a proposer that holds the first two proposals back until both are asked for."""

    class Both(ScriptedProposer):
        async def propose(self, brief: Any, workdir: Path) -> Any:
            proposal = await super().propose(brief, workdir)
            while len(self.briefs) < 2:  # noqa: ASYNC110 - the other comes without a signal
                await asyncio.sleep(0.01)
            return proposal

    return Both(lambda brief, _: values[brief.number])


async def test_a_winner_that_comes_late_is_put_on_the_new_incumbent_and_judged_again(lab: Lab) -> None:
    """Two changes of two files, made side by side, are both kept."""
    lab.write("prompts/q.md", "quality 0.10\n")
    spec = lab.fill().spec("budget: {rounds: 2}\nparallel: 2", edit="prompts/*.md")
    first, second = {PROMPT: "quality 0.60\n", "": "lift p"}, {"prompts/q.md": "quality 0.30\n", "": "raise q"}
    state = await lab.engine(spec, side_by_side({1: first, 2: second})).run()
    assert lab.statuses() == ["keep", "keep"]
    assert sorted(one.rebased for one in lab.attempts()) == [0, 1]
    assert state.epoch == 2
    assert lab.git("show", f"tenward/demo:{PROMPT}") == "quality 0.60"
    assert lab.git("show", "tenward/demo:prompts/q.md") == "quality 0.30"


async def test_a_late_winner_that_does_not_fit_is_left_undecided(lab: Lab) -> None:
    """Two changes of the same line cannot both be had."""
    spec = lab.fill().spec("budget: {rounds: 2}\nparallel: 2")
    changes = {1: {PROMPT: "quality 0.70\n", "": "one"}, 2: {PROMPT: "quality 0.72\n", "": "other"}}
    await lab.engine(spec, side_by_side(changes)).run()
    assert sorted(lab.statuses()) == ["keep", "undecided"]
    assert "cannot be put on the new one" in next(
        one.reason for one in lab.attempts() if one.rebased == 0 and one.status is Status.UNDECIDED
    )


async def test_a_spent_budget_stops_cleanly_and_a_larger_one_goes_on(lab: Lab) -> None:
    """Calls are limited exactly, the attempt under way waits, and nothing is judged twice."""
    lab.fill(8, 8)
    judge = SimulatedJudge(quality, noise=0.05)

    def change(brief: Any, _: Path) -> dict[str, str]:
        return to(quality(brief.files[PROMPT]) + 0.2, brief.number)

    state = await lab.engine(lab.spec("budget: {calls: 30}"), change, judge, concurrency=1).run()
    assert (state.phase, judge.judged) == (LoopPhase.STOPPED, state.spent.judged)
    assert judge.judged <= 30
    assert "30 calls" in state.note
    state = await lab.engine(lab.spec("budget: {rounds: 2, calls: 500}"), change, judge, concurrency=1).run()
    assert state.phase is LoopPhase.ENDED
    assert state.spent.judged == judge.judged
    assert lab.statuses() == ["keep", "keep"]


async def test_time_and_rounds_are_limited(lab: Lab) -> None:
    """The clock counts over several runs, and a run may be told to open fewer attempts."""
    lab.fill(6, 6)
    now = 0.0

    def change(brief: Any, _: Path) -> dict[str, str]:
        nonlocal now
        now += 600
        return to(0.2, brief.number)

    engine = lab.engine(lab.spec("budget: {hours: 0.5}"), change, clock=lambda: now)
    state = await engine.run(rounds=1)
    assert (state.spent.rounds, state.spent.seconds, state.phase) == (1, 600.0, LoopPhase.ENDED)
    state = await engine.run()
    assert "the time is up" in state.note
    assert state.spent.seconds == 1800.0


NUMBER = "{number: {command: ./measure.sh, pattern: 'loss ([0-9.]+)', goal: minimize}}"
MEASURE = '#!/bin/sh\n. ./params.sh || exit 4\necho "loss $LOSS"\n'


async def test_a_number_is_minimised(lab: Lab) -> None:
    """Lower is kept, higher discarded, a crash is a crash, and no judge is asked."""
    lab.fill(files={"measure.sh": MEASURE, "params.sh": "LOSS=3.0\n"})
    spec = lab.spec("budget: {rounds: 4}", score=NUMBER, edit="params.sh")
    texts = {1: "LOSS=3.5\n", 2: "LOSS=2.5\n", 3: "exit 7\n", 4: "LOSS=2.0\n"}
    judge = SimulatedJudge(quality)
    state = await lab.engine(spec, lambda brief, _: {"params.sh": texts[brief.number]}, judge).run()
    assert lab.statuses() == ["discard", "keep", "crashed", "keep"]
    assert [one.score for one in lab.record.attempts()] == [3.5, 2.5, None, 2.0]
    assert (state.baseline_score, judge.judged) == (3.0, 0)
    assert state.headline["gain"] == 1.0
    assert state.headline["text"] == "gain: 3 → 2, better by 1 (lower is better), measured once each"
    assert lab.attempts()[0].reason.startswith("discarded: the mean is not better")


async def test_a_number_with_repeats_is_confirmed_on_fresh_ones(lab: Lab) -> None:
    """Its headline speaks of repeats and its calibration of one measurement: it has no judge and nothing sealed."""
    lab.fill(files={"measure.sh": MEASURE, "params.sh": "LOSS=3.0\n"})
    score = NUMBER.replace("goal: minimize", "goal: minimize, repeats: 3")
    spec = lab.spec("budget: {rounds: 1}\nkeep: {rule: better}", score=score, edit="params.sh")
    state = await lab.engine(spec, lambda _, __: {"params.sh": "LOSS=2.0\n"}).run()
    assert state.headline["text"] == (
        "gain confirmed: 3 → 2, better by 1 (lower is better), 95 % interval better by 1 to 1, on 3 fresh repeats"
    )
    assert list(state.calibration["lines"]) == ["noise: sd 0 of one measurement"]


async def test_a_number_without_noise_gets_no_placebos(lab: Lab) -> None:
    """It comes out the same each time, so a copy of it is never better."""
    lab.fill(files={"measure.sh": MEASURE, "params.sh": "LOSS=3.0\n"})
    spec = lab.spec("budget: {rounds: 4}", score=NUMBER, edit="params.sh", placebo=0.5)
    await lab.engine(spec, lambda brief, _: {"params.sh": f"LOSS={3 + brief.number}\n"}).run()
    assert [attempt.placebo for attempt in lab.attempts()] == [""] * 4


async def test_cheaper_numbers_come_first(lab: Lab) -> None:
    """What is worse at a cheap measurement never reaches the dear one."""
    cheap = "#!/bin/sh\n. ./params.sh\necho $CHEAP\n"
    lab.fill(files={"measure.sh": MEASURE, "cheap.sh": cheap, "params.sh": "LOSS=3.0 CHEAP=3\n"})
    spec = lab.spec("budget: {rounds: 2}\nstages: [{number: {command: ./cheap.sh}}]", score=NUMBER, edit="params.sh")
    texts = {1: "LOSS=1.0 CHEAP=4\n", 2: "LOSS=1.0 CHEAP=2\n"}
    await lab.engine(spec, lambda brief, _: {"params.sh": texts[brief.number]}).run()
    assert lab.statuses() == ["discard", "keep"]
    assert "number: ./cheap.sh" in lab.attempts()[0].reason


async def test_a_first_glance_at_a_few_cases_sifts(lab: Lab) -> None:
    """A hopeless candidate ends at a stage of few cases, before the race."""
    spec = lab.fill().spec("budget: {rounds: 2}\nstages: [{cases: 3}, {cases: all}]")
    await lab.engine(spec, lambda brief, _: to(0.0 if brief.number == 1 else 0.7, brief.number)).run()
    first, second = lab.attempts()
    assert first.reason.startswith("discarded at cases: 3: -0.")
    assert (first.spent.judged, first.looks) == (3, ())
    assert second.status is Status.KEEP
    assert [stage.stage for stage in second.stages] == ["cases: 3", "cases: all"]


async def test_commands_see_no_secret_and_leave_no_process(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's environment is scrubbed but for what is allowed, and even a daemon ends with it."""
    monkeypatch.setenv("MY_SECRET", "hunter2")
    monkeypatch.setenv("MY_SETTING", "7")
    script = '#!/bin/sh\nsetsid sleep 301.7 >/dev/null 2>&1 &\necho "${MY_SECRET:-none}" "$MY_SETTING" >&2\necho 1\n'
    lab.fill(files={"measure.sh": script, "params.sh": "x\n"})
    score = "{number: {command: ./measure.sh}}"
    spec = lab.spec("budget: {rounds: 1}\nallow: {env: [MY_SETTING]}", score=score, edit="params.sh")
    proposer = ScriptedProposer(lambda brief, _: {"params.sh": "y\n"})
    await lab.engine(spec, proposer).run()
    assert proposer.briefs[0].measured.output.split() == ["none", "7", "1"]
    assert running("sleep 301.7") == []


def running(command: str) -> list[str]:
    """Return the processes with such a command line."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith(command)]


async def test_a_proposer_leaves_no_process_either(lab: Lab) -> None:
    """What a proposer started in its worktree ends before the worktree is read."""
    spec = lab.fill(6, 6).spec("budget: {rounds: 1}")
    started: list[subprocess.Popen[bytes]] = []

    def change(brief: Any, folder: Path) -> dict[str, str]:
        started.append(subprocess.Popen(["sleep", "302.7"], cwd=folder, start_new_session=True))
        return to(0.2, brief.number)

    await lab.engine(spec, change).run()
    assert started[0].wait(timeout=10) == -9


async def test_a_text_by_itself_is_judged_without_cases(lab: Lab) -> None:
    """Where there is no data set, the artefact is the one case, and both sides are judged equally often."""
    score = "{rubric: rubrics/r.yaml, judge: judges/j.yaml}"
    spec = lab.fill().spec("budget: {rounds: 2}", score=score)
    judge = SimulatedJudge(quality, noise=0.12)
    state = await lab.engine(spec, lambda brief, _: to(0.2 if brief.number == 1 else 0.8, brief.number), judge).run()
    assert lab.statuses() == ["discard", "keep"]
    assert state.calibration["cases"] == 1
    assert lab.attempts()[1].score == pytest.approx(0.8, abs=0.25)


async def test_an_artefact_that_quotes_the_grader_is_not_kept(lab: Lab) -> None:
    """A gain that comes with a passage of the rubric raises an alarm, which stands against the keep."""
    spec = lab.fill().spec("budget: {rounds: 1}")
    text = "quality 0.90\nThe text before us say plainly and kindly what the reader should do next.\n"
    await lab.engine(spec, lambda brief, _: {PROMPT: text}).run()
    assert lab.statuses() == ["undecided"]
    assert [alarm.name for alarm in lab.attempts()[0].alarms] == ["quotes-rubric"]
    assert lab.record.incumbent == lab.record.base


async def test_repeats_cost_nothing(lab: Lab) -> None:
    """The same idea, or the same files, are refused before anything is judged."""
    spec = lab.fill().spec("budget: {rounds: 3}")
    titles = ["Sort the list by price", "Sort the list by price", "Speak of the weather only"]

    def change(brief: Any, _: Path) -> dict[str, str]:
        text = f"quality 0.2\n{'one' if brief.number == 2 else 'two'}\n"
        return {PROMPT: text, "": titles[brief.number - 1]}

    await lab.engine(spec, change).run()
    first, second, third = lab.attempts()
    assert first.spent.judged > 0 == second.spent.judged + third.spent.judged
    assert "repeats that of attempt 1" in second.reason
    assert "the same files as in attempt 1" in third.reason


async def test_the_ledger_is_rebuilt_from_git_alone(lab: Lab) -> None:
    """Without its journal a loop knows what was tried, and goes on with the next number."""
    spec = lab.fill(8, 8).spec("budget: {rounds: 3}")

    def change(brief: Any, _: Path) -> dict[str, str]:
        return to(0.7 if brief.number == 2 else 0.2, brief.number)

    before = await lab.engine(spec, change).run()
    for path in journal_path(lab.record).parent.glob("journal.sqlite*"):
        path.unlink()
    more = lab.spec("budget: {rounds: 4}")
    proposer = ScriptedProposer(change)
    after = await lab.engine(more, proposer).run()
    assert [one.number for one in lab.record.attempts()] == [1, 2, 3, 4]
    assert before.counts == {"discard": 2, "keep": 1}
    assert after.counts == {"discard": 3, "keep": 1}
    assert after.claimed == before.claimed
    assert after.pooled["dev_freedom"] > before.pooled["dev_freedom"]
    assert len(proposer.briefs) == 1
    assert {past.number for past in proposer.briefs[0].recent} == {1, 2, 3}


async def test_a_branch_that_somebody_moved_is_followed(lab: Lab) -> None:
    """The loop goes on from the new tip, judged afresh, and says so."""
    spec = lab.fill(8, 8).spec("budget: {rounds: 4}")
    engine = lab.engine(spec, lambda brief, _: to(0.3, brief.number))
    await engine.run(rounds=1)
    tree = lab.git("rev-parse", "HEAD^{tree}")
    mine = lab.git("commit-tree", tree, "-p", lab.record.base, "-m", "Mine")
    lab.git("update-ref", "refs/heads/tenward/demo", mine)
    state = await engine.run(rounds=1)
    assert lab.attempts()[1].parent == mine
    assert state.epoch == 1
    assert "somebody moved the branch" in state.warnings[0]


async def test_events_tell_every_step_in_order(lab: Lab) -> None:
    """A view can follow the loop without reading anything."""
    spec = lab.fill(6, 6).spec("budget: {rounds: 1}")
    await lab.engine(spec, lambda brief, _: to(0.2, 1)).run()
    phases = [event.attempt.phase.value for event in lab.events if isinstance(event, AttemptEvent)]
    assert phases == ["proposing", "checking", "staging", "racing", "reflecting", "recording", "settling", "closed"]
    loops = [event.loop for event in lab.events if isinstance(event, LoopEvent)]
    assert loops[0].phase is LoopPhase.TESTING
    assert loops[-1].phase is LoopPhase.ENDED
    assert any(isinstance(event, ProgressEvent) and event.doing == "dev look" for event in lab.events)


class TerseJudge(SimulatedJudge):
    """A judge whose words cost a call more, and are there only when asked for."""

    def __init__(self) -> None:
        super().__init__(quality, noise=0.05)
        self.explained: list[str] = []

    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
        """Judge, and say why if asked to."""
        verdict = await super().judge(case, rubric, explain=explain)
        if not explain:
            return verdict
        self.explained.append(case.id)
        return replace(verdict, criteria=tuple(replace(one, reason="It rambles.") for one in verdict.criteria))

    def plan(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> PlannedCalls:
        """Two calls with words, one without."""
        return PlannedCalls(calls=1 + bool(explain), most_calls=1 + bool(explain))


async def test_words_are_asked_for_only_where_a_proposer_reads_them(lab: Lab) -> None:
    """A judge whose words cost extra explains the cases of a brief, each once, and no number changes by that."""
    spec = lab.fill().spec("budget: {rounds: 3}")
    judge, proposer = TerseJudge(), ScriptedProposer(lambda brief, _: to(0.3, brief.number))
    await lab.engine(spec, proposer, judge).run()
    shown = [case for brief in proposer.briefs for case in brief.cases]
    assert {case.id for case in shown} == set(judge.explained)
    assert len(judge.explained) == len(set(judge.explained)) < 20
    assert all(case.reasons == {"good": "It rambles."} for case in shown)
    silent = TerseJudge()
    (lab.top / "other").mkdir()
    other = Lab(lab.top / "other")
    spec = other.fill().spec("budget: {rounds: 3}\nfeedback: score")
    await other.engine(spec, lambda brief, _: to(0.3, brief.number), silent).run()
    assert silent.explained == []
    assert [one.score for one in other.attempts()] == [one.score for one in lab.attempts()]


async def test_a_free_proposer_writes_the_retro(lab: Lab) -> None:
    """Its model says what was learned; where it fails, the facts stand."""
    spec = lab.fill().spec("budget: {rounds: 2}")
    asked: list[str] = []

    def answer(request: Request) -> Json | HttpStatus:
        question = str(request.body["messages"][1]["content"])
        if request.schema is not None and "true_to_idea" in request.schema["properties"]:
            asked.append(question)
            if len(asked) > 1:
                return HttpStatus(500)
            return Json({"why": "It said less.", "true_to_idea": True, "suggested": ["Say more."]})
        number = len(asked)
        text = to(0.2, number)
        return Json({"title": text[""], "rationale": "r", "ruled_out": [], "text": text[PROMPT]})

    with StubServer(default=answer) as server:
        model = JudgeSpec(judge="s/v1", model="openai/s", base_url=server.base_url, retries=0)
        await lab.engine(spec, LlmProposer(model)).run()
    first, second = lab.attempts()
    assert first.retro["why"] == "It said less."
    assert first.retro["true_to_idea"] is True
    assert json.loads(lab.record.notes(1)["retro.json"])["suggested"] == ["Say more."]
    assert "+quality 0.200" in asked[0]
    assert second.retro["why"].startswith("discarded")
    assert second.retro["true_to_idea"] is None


class FailingProposer(ScriptedProposer):
    """A proposer that is broken but for one attempt, until it is mended."""

    broken = True

    async def propose(self, brief: Brief, workdir: Path) -> Proposal:
        """Crash, as a value, or propose."""
        if self.broken and brief.number != 3:
            return Proposal(ending="crashed", faults=("no such agent",))
        return await super().propose(brief, workdir)


async def test_a_proposer_that_only_crashes_stops_the_loop(lab: Lab) -> None:
    """Five crashes in a row are no candidate's fault; the rounds that are left are saved, and it can go on."""
    proposer = FailingProposer(lambda brief, _: to(0.3, brief.number))
    engine = lab.engine(lab.fill(6, 6).spec("budget: {rounds: 30}"), proposer)
    with pytest.raises(LoopError, match=r"crashed 5 times in a row, at last with: crashed: no such agent"):
        await engine.run()
    assert lab.statuses() == ["crashed", "crashed", "discard", *["crashed"] * 5]
    proposer.broken = False
    state = await engine.run(rounds=1)
    assert state.counts["discard"] == 2


async def test_placebos_come_evenly(lab: Lab) -> None:
    """One in four: three of twelve attempts, copies and damage in turn, at places that follow from the seed alone."""
    spec = lab.fill(6, 6).spec("budget: {rounds: 12}", placebo=0.25)
    await lab.engine(spec, lambda brief, _: to(0.3, brief.number)).run()
    found = {attempt.number: attempt.placebo for attempt in lab.attempts() if attempt.placebo}
    assert [(number - 1) // 4 for number in found] == [0, 1, 2]
    kinds = [kind == "unchanged" for kind in found.values()]
    assert kinds in ([True, False, True], [False, True, False])


async def test_dear_proposals_turn_the_dial(lab: Lab) -> None:
    """After five attempts the loop knows that proposals take a minute and cases nothing; a restart knows it too."""
    now = [0.0]

    def change(brief: Any, _: Path) -> dict[str, str]:
        now[0] += 60.0
        return to(0.3, brief.number)

    spec = lab.fill(6, 6).spec("budget: {rounds: 7}")
    await lab.engine(spec, change, clock=lambda: now[0]).run(rounds=6)
    await lab.engine(spec, change, clock=lambda: now[0]).run()
    assert [attempt.drop for attempt in lab.attempts()] == [*[None] * 5, 0.01, 0.01]


async def test_a_dial_that_the_file_sets_stays(lab: Lab) -> None:
    """Whatever proposals cost."""
    now = [0.0]

    def change(brief: Any, _: Path) -> dict[str, str]:
        now[0] += 60.0
        return to(0.3, brief.number)

    spec = lab.fill(6, 6).spec("budget: {rounds: 6}\nkeep: {drop: 0.03}")
    await lab.engine(spec, change, clock=lambda: now[0]).run()
    assert [attempt.drop for attempt in lab.attempts()] == [None] * 6


async def test_the_gain_can_be_asked_for_at_any_time(lab: Lab) -> None:
    """A loop that was stopped measures its gain on request, once, and stands as before."""
    spec = lab.fill().spec("budget: {rounds: 14}")

    def change(brief: Any, _: Path) -> dict[str, str]:
        engine.stop()
        return to(0.9, brief.number)

    judge = SimulatedJudge(quality, noise=0.05)
    engine = lab.engine(spec, change, judge)
    stopped = await engine.run()
    assert (stopped.phase, stopped.headline) == (LoopPhase.STOPPED, {})
    assert stopped.counts == {"keep": 1}
    measured = await lab.engine(spec, change, judge).measure_gain()
    assert measured.headline["confirmed"] is True
    assert (measured.phase, measured.note) == (stopped.phase, stopped.note)
    asked = judge.judged
    assert (await lab.engine(spec, change, judge).measure_gain()).headline == measured.headline
    assert judge.judged == asked


async def test_references_that_contradict_the_headline_are_told(lab: Lab) -> None:
    """Where the judge sees the winner ahead and the references what the loop began with, both counts are kept."""
    start = "quality 0.40\nSay it plainly.\nBe brief.\nBe kind.\n"
    rows = [
        {"id": f"{split}{at}", "input": f"task {at}", "split": split, "references": [start]}
        for split, count in (("dev", 20), ("sealed", 40))
        for at in range(count)
    ]
    files = {
        "rubrics/r.yaml": f"{RUBRIC}references: {{chrf: 1}}\nmix: {{judge: 1, references: 0}}\n",
        "datasets/c.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
    }
    # Such a gain raises an alarm; where the loop's file overrules it, the headline says so again.
    spec = lab.fill(files=files).spec("budget: {rounds: 14}\nalarms: {overrule: [references-fall]}")

    def change(brief: Any, _: Path) -> dict[str, str]:
        engine.stop()
        return to(0.9, brief.number)

    judge = SimulatedJudge(quality, noise=0.05)
    engine = lab.engine(spec, change, judge)
    assert (await engine.run()).counts == {"keep": 1}
    state = await lab.engine(spec, change, judge).measure_gain()
    assert state.headline["disagreement"] == "judge: winner better in 40 of 40; references: baseline better in 40 of 40"
    assert "scale of the scores: raw readings" in state.calibration["lines"]


async def test_no_gain_can_be_measured_as_well(lab: Lab) -> None:
    """Where nothing was kept and somebody asks, the same version is judged twice: an interval around 0."""
    judge = SimulatedJudge(quality, noise=0.1, seed=3)
    engine = lab.engine(lab.fill().spec("budget: {rounds: 1}"), lambda brief, _: to(0.1, brief.number), judge)
    ended = await engine.run()
    assert (ended.headline, ended.counts.get("keep")) == ({}, None)
    measured = await engine.measure_gain()
    assert measured.headline["low"] < 0 < measured.headline["high"]
    assert measured.headline["winner"] == measured.baseline
    assert measured.headline["confirmed"] is False
    assert measured.headline["text"].startswith("no gain, as nothing was kept; the same version judged twice: ")


@pytest.mark.parametrize("squeeze", [1 / 50, 0.13])
async def test_a_loop_does_not_know_the_scale_of_its_judge(tmp_path: Path, squeeze: float) -> None:
    """A judge that uses a part of its scale: the same looks, decisions and keeps; what is claimed is to scale."""
    told: list[tuple[list[AttemptState], Any]] = []
    steps = [0.42, 0.40, 0.5, 0.35, 0.55, 0.6]

    def change(brief: Any, _: Path) -> dict[str, str]:
        number: int = brief.number
        return to(steps[(number - 1) % len(steps)], number)

    for part in (1.0, squeeze):
        (tmp_path / f"{part:g}").mkdir()
        lab = Lab(tmp_path / f"{part:g}").fill()
        judge = SimulatedJudge(quality, noise=0.06, interaction=0.04, spread=0.08, squeeze=part)
        await lab.engine(
            lab.spec("budget: {rounds: 6}"),
            change,
            judge,
        ).run()
        told.append((lab.attempts(), lab.record))
    (base, _), (other, _) = told
    assert [one.status for one in other] == [one.status for one in base]
    assert any(one.status is Status.KEEP for one in base)
    for one, scaled in zip(base, other, strict=True):
        assert [(look.split, look.units) for look in scaled.looks] == [(look.split, look.units) for look in one.looks]
        if one.decision is not None:
            assert scaled.decision is not None
            assert scaled.decision["effect"] == pytest.approx(squeeze * one.decision["effect"], rel=1e-3, abs=1e-9)
            assert scaled.decision["p_better"] == pytest.approx(one.decision["p_better"], abs=1e-4)
