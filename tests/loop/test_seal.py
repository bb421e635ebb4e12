from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tenward.errors import LoopError
from tenward.judges import ModelJudge
from tenward.judges.heads import head_digest
from tenward.loop import Engine, LoopRecord, LoopSpec, LoopState
from tenward.loop._evaluator import evaluator_files
from tenward.loop._seal import seal
from tenward.rubrics import Rubric
from tenward.testing import ScriptedProposer, SimulatedJudge
from tenward.workspace import Library

if TYPE_CHECKING:
    from pathlib import Path

LOOP = """
loop: demo/v1
goal: Better.
edit: [skill.md]
propose: {python: "no:body"}
score: {rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}
placebo: 0
"""
RUBRIC = 'rubric: r/v1\nabout: Good?\nscale: [0, 10]\ncriteria: {good: "How good is it?"}\n'


@dataclass
class Lab:
    """A user's repository with a loop that changes nothing for the better."""

    top: Path

    def git(self, *arguments: str) -> None:
        """Run git; it must succeed."""
        who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
        subprocess.run(["git", "-C", str(self.top), *who, *arguments], check=True, capture_output=True)

    def write(self, path: str, text: str) -> None:
        """Write a file of the user's."""
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text)

    async def run(self, more: str = "", *, change: Any = None, judge: SimulatedJudge | None = None) -> LoopState:
        """Run one round."""
        engine = Engine(
            LoopSpec.parse(LOOP + more),
            LoopRecord.open(self.top, "demo"),
            None,
            top=self.top,
            proposer=ScriptedProposer(change or (lambda brief, _: {"skill.md": f"Look {brief.number} times.\n"})),
            judge=judge or SimulatedJudge(lambda _: 0.5),
        )
        return await engine.run(rounds=1)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The repository, all of it committed."""
    lab = Lab(tmp_path)
    rows = [{"id": f"{split}{at}", "split": split} for split in ("dev", "sealed") for at in range(5)]
    lab.write("skill.md", "Look twice.\n")
    lab.write("rubrics/r.yaml", RUBRIC)
    lab.write("judges/j.yaml", "judge: j/v1\nmodel: local/qwen2.5-coder-1.5b-instruct\nread: distribution\n")
    lab.write("datasets/c.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    lab.git("init", "-q")
    lab.git("add", ".")
    lab.git("commit", "-qm", "Begin")
    return lab


async def test_the_working_tree_cannot_change_the_evaluator(lab: Lab) -> None:
    """A rubric edited after the loop began is not used, and the user is told."""
    first = await lab.run()
    lab.write("rubrics/r.yaml", RUBRIC.replace("How good", "How long"))
    second = await lab.run()
    assert second.seal == first.seal
    assert first.warnings == ()
    assert second.warnings[0].startswith("rubrics/r.yaml: the loop uses it as it was in ")


async def test_an_evaluator_that_is_not_committed_is_refused(lab: Lab) -> None:
    """What the loop rests on must be in the commit it begins at."""
    lab.git("rm", "-q", "--cached", "rubrics/r.yaml")
    lab.git("commit", "-qm", "Without")
    with pytest.raises(LoopError, match=r"rubrics/r\.yaml: found it outside of the commit"):
        await lab.run()


@pytest.mark.parametrize(
    ("more", "section"),
    [("keep: {sure: 0.95}", "keep"), ("stages: [{run: 'true'}]", "stages"), ("produce: {command: cat}", "produce")],
)
async def test_another_way_to_decide_is_another_loop(lab: Lab, more: str, section: str) -> None:
    """What makes a score or a decision cannot change on the way; the refusal names the section."""
    await lab.run()
    with pytest.raises(LoopError, match=f"the section '{section}'") as caught:
        await lab.run(more)
    assert "a new name" in caught.value.hint


async def test_other_settings_may_change_on_the_way(lab: Lab) -> None:
    """Budget, goal and parallel attempts decide nothing about a score."""
    await lab.run()
    state = await lab.run("budget: {rounds: 7}\nparallel: 2\nfeedback: score")
    assert state.spent.rounds == 2


async def test_another_judge_is_refused_by_name(lab: Lab) -> None:
    """Scores of different judges are never compared."""

    class Other(SimulatedJudge):
        def fingerprint(self, rubric: Any) -> dict[str, str]:
            return {"judge": self.name, "prompt": "v2"}

    await lab.run()
    with pytest.raises(LoopError, match="the judge, prompt"):
        await lab.run(judge=Other(lambda _: 0.5))


async def test_a_proposer_finds_no_evaluator_in_its_worktree(lab: Lab) -> None:
    """Rubric, judge and cases are missing where it works, and are there again in what it made."""
    seen: list[str] = []

    def change(brief: Any, folder: Path) -> dict[str, str]:
        seen.extend(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        return {"skill.md": "Look three times.\n"}

    await lab.run(change=change)
    assert sorted(seen) == [".git", "skill.md"]
    record = LoopRecord.open(lab.top, "demo")
    made = record.trees.listing(record.attempts()[0].candidate).files
    assert sorted(made) == ["datasets/c.jsonl", "judges/j.yaml", "rubrics/r.yaml", "skill.md"]
    assert not (record.folder / "sealed").exists()


async def test_a_proposer_that_puts_an_evaluator_there_is_invalid(lab: Lab) -> None:
    """A file in the place of the rubric is out of bounds like any other."""

    def change(brief: Any, folder: Path) -> dict[str, str]:
        (folder / "rubrics").mkdir()
        (folder / "rubrics/r.yaml").write_text("criteria: {}")
        return {"skill.md": "Look three times.\n"}

    state = await lab.run(change=change)
    assert state.counts == {"invalid": 1}


async def test_what_readings_mean_is_sealed_with_their_judge(lab: Lab) -> None:
    """The scale file that counts under the rubric is part of the seal, and is refused where it is not committed."""
    fitted_for = "{rubric: a, prompt: b, schema: c, model: d, reading: e}"
    maps = "criteria: {good: {knots: [[4, 2], [6, 8]]}}"
    one = f"{{range: [0, 10], fitted_for: {fitted_for}, source: made up, {maps}}}"
    lab.write("judges/j.scale.yaml", f"scale: j/v1\nrubrics: {{other/v1: {one}}}\n")
    assert "judges/j.scale.yaml" not in (await lab.run()).seal_parts
    lab.write("judges/j.scale.yaml", f"scale: j/v1\nrubrics: {{r/v1: {one}}}\n")
    with pytest.raises(LoopError, match=r"judges/j\.scale\.yaml: found it outside of the commit"):
        await lab.run()


async def test_a_committed_scale_file_is_a_part_of_the_seal(lab: Lab) -> None:
    """Fitted anew it would be another evaluator: its name is among the parts."""
    maps = "fitted_for: {model: d}, source: made up, criteria: {good: {knots: [[4, 2], [6, 8]]}}"
    lab.write("judges/j.scale.yaml", f"scale: j/v1\nrubrics: {{r/v1: {{range: [0, 10], {maps}}}}}\n")
    lab.git("add", ".")
    lab.git("commit", "-qm", "Say what readings mean")
    assert "judges/j.scale.yaml" in (await lab.run()).seal_parts


def test_the_shipped_judge_reads_by_its_head_in_a_loop(lab: Lab) -> None:
    """What score and eval read by, a loop reads by as well: the head is a part of the seal."""
    lab.write("datasets/c.jsonl", "".join(json.dumps({"id": f"c{at}", "input": "A."}) + "\n" for at in range(20)))
    lab.git("add", ".")
    lab.git("commit", "-qm", "Cases")
    scored = "score: {rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}"
    spec = LoopSpec.parse(LOOP.replace(scored, "score: {rubric: summary, judge: local, dataset: datasets/c.jsonl}"))
    record, library = LoopRecord.open(lab.top, "demo"), Library.discover(lab.top)
    sealed = seal(spec, evaluator_files(spec, lab.top, library), record, record.resolve("HEAD"), library)
    judge, _ = sealed.load_judges()
    sealed.remove_copies()
    assert isinstance(judge, ModelJudge)
    assert sealed.rubric is not None
    assert judge.fingerprint(Rubric.load("commit-subject"))["head"] == "none"
    assert judge.head(sealed.rubric) is not None
    assert "heads/local.summary.json" in sealed.parts


def test_a_head_for_another_model_is_not_sealed_in_place_of_the_one_that_reads(lab: Lab) -> None:
    """Which head reads is decided once: that of the workspace does not fit, so the shipped one reads in loops too."""
    shipped = Library.discover(lab.top).shipped / "judges" / "heads" / "local.summary.json"
    head = json.loads(shipped.read_text())
    head["fitted_for"]["model"] = "0" * 64
    head.pop("hash")
    lab.write("judges/heads/local.summary.json", json.dumps({**head, "hash": head_digest(head)}))
    lab.git("add", ".")
    lab.git("commit", "-qm", "A head of another model")
    spec = LoopSpec.parse(
        LOOP.replace("score: {rubric: rubrics/r.yaml, judge: judges/j.yaml", "score: {rubric: summary, judge: local")
    )
    files = evaluator_files(spec, lab.top, Library.discover(lab.top))
    assert files.heads == (shipped.resolve(),)
