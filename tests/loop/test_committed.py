from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tenward.errors import LoopError
from tenward.loop import Engine, LoopRecord, LoopSpec, LoopState
from tenward.testing import ScriptedProposer, SimulatedJudge, StubServer, Text

if TYPE_CHECKING:
    from pathlib import Path

LOOP = """\
loop: demo/v1
goal: Better.
edit: [skill.md]
propose: {python: "no:body"}
score: {rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}
stages: [{run: sh check.sh}]
placebo: 0
"""
FILES = {
    "loop/demo.yaml": LOOP,
    "check.sh": "exit 0\n",
    "skill.md": "Look twice.\n",
    "rubrics/r.yaml": 'rubric: r/v1\nabout: Good?\nscale: [0, 10]\ncriteria: {good: "How good is it?"}\n',
    "judges/j.yaml": "judge: j/v1\nmodel: local/qwen2.5-coder-1.5b-instruct\nread: distribution\n",
    "datasets/c.jsonl": "".join(
        json.dumps({"id": f"{split}{at}", "split": split}) + "\n" for split in ("dev", "sealed") for at in range(5)
    ),
}
EVALUATOR = [path for path in FILES if path != "skill.md"]


@dataclass
class Lab:
    """A user's repository with a loop in a file."""

    top: Path

    def git(self, *arguments: str) -> str:
        """Run git and return what it prints; it must succeed."""
        who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
        start = ["git", "-C", str(self.top), *who, *arguments]
        return subprocess.run(start, check=True, capture_output=True, text=True).stdout.strip()

    @property
    def record(self) -> LoopRecord:
        """The record of the loop."""
        return LoopRecord.open(self.top, "demo")

    def change(self, path: str, old: str, new: str) -> None:
        """Change a file of the working tree."""
        (self.top / path).write_text((self.top / path).read_text().replace(old, new))

    def spec(self) -> LoopSpec:
        """The loop as its file says."""
        return LoopSpec.load(self.top / "loop/demo.yaml")

    async def run(self, spec: LoopSpec | None = None) -> LoopState:
        """Run one round."""
        engine = Engine(
            spec or self.spec(),
            self.record,
            None,
            top=self.top,
            proposer=ScriptedProposer(lambda brief, _: {"skill.md": f"Look {brief.number} times.\n"}),
            judge=SimulatedJudge(lambda _: 0.5),
        )
        return await engine.run(rounds=1)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The repository, all of it committed."""
    lab = Lab(tmp_path)
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    lab.git("init", "-q")
    lab.git("add", ".")
    lab.git("commit", "-qm", "Begin")
    return lab


@pytest.mark.parametrize("path", EVALUATOR)
async def test_what_differs_from_the_commit_keeps_the_loop_from_beginning(lab: Lab, path: str) -> None:
    """Definition, rubric, judge, cases and checks are refused by name as long as they are not committed as they are."""
    with (lab.top / path).open("a") as file:
        file.write("\n")
    with pytest.raises(LoopError) as caught:
        await lab.run()
    assert caught.value.message.startswith(f"{path}: found it changed since the commit ")
    assert caught.value.hint.startswith("commit it: ")
    assert lab.record.base == ""


@pytest.mark.parametrize("path", EVALUATOR)
async def test_what_is_not_in_the_commit_keeps_the_loop_from_beginning(lab: Lab, path: str) -> None:
    """So is what git does not know at all."""
    lab.git("rm", "-q", "--cached", path)
    lab.git("commit", "-qm", "Without")
    with pytest.raises(LoopError) as caught:
        await lab.run()
    assert caught.value.message.startswith(f"{path}: found it outside of the commit ")
    assert caught.value.hint == f"commit it: git add {path} && git commit"
    assert lab.record.base == ""


async def test_other_line_ends_are_no_change(lab: Lab) -> None:
    """Git may write other line ends into a working tree than it stores."""
    for path in ("loop/demo.yaml", "check.sh"):
        (lab.top / path).write_bytes((lab.top / path).read_bytes().replace(b"\n", b"\r\n"))
    assert (await lab.run()).spent.rounds == 1
    assert lab.record.definition == LOOP.encode()


async def test_a_check_that_was_deleted_is_missed(lab: Lab) -> None:
    """A file that a command names and only the commit holds is not what the user works with."""
    (lab.top / "check.sh").unlink()
    with pytest.raises(LoopError, match=r"check\.sh: found it changed since the commit"):
        await lab.run()


async def test_the_definition_is_kept_in_git_and_sealed(lab: Lab) -> None:
    """The loop's file is stored beside the base; its hash is among the sealed parts, so nobody can change it there."""
    state = await lab.run()
    assert lab.git("show", "refs/tenward/demo/definition") == LOOP.strip()
    assert "the loop's file" in state.seal_parts
    (lab.top / "other").write_text(LOOP + "# mine\n")
    lab.git("update-ref", "refs/tenward/demo/definition", lab.git("hash-object", "-w", "other"))
    with pytest.raises(LoopError, match="is judged by other things than when it began: the loop's file"):
        await lab.run()


async def test_other_fields_than_the_loop_began_with_are_refused(lab: Lab) -> None:
    """The engine runs no loop under the name of another; limits are its caller's."""
    await lab.run()
    began = lab.spec()
    lab.change("loop/demo.yaml", "placebo: 0", "placebo: 0\nseed: 7\nkeep: {sure: 0.95}\nbudget: {rounds: 9}")
    with pytest.raises(LoopError, match=r"demo\.yaml: found other fields than the loop began with: keep\.sure, seed"):
        await lab.run()
    limits = {"budget": lab.spec().budget, "parallel": 2}
    assert (await lab.run(began.model_copy(update=limits))).spent.rounds == 2


async def test_the_prompted_model_is_sealed_as_well(lab: Lab) -> None:
    """The file that says which model is prompted is read from the first commit, whatever it says by now."""
    with StubServer(default=Text("Fine.")) as server:
        writer = f"judge: writer/v1\nmodel: openai/m\nbase_url: {server.base_url}\nretries: 0\n"
        (lab.top / "judges/writer.yaml").write_text(writer)
        made = "produce: {prompt: skill.md, model: judges/writer.yaml}"
        lab.change("loop/demo.yaml", "placebo: 0", f"placebo: 0\n{made}")
        lab.git("add", ".")
        lab.git("commit", "-qm", "Prompt a model")
        await lab.run()
        asked = len(server.requests)
        lab.change("judges/writer.yaml", server.base_url, "http://127.0.0.1:9/v1")
        state = await lab.run()
        assert len(server.requests) > asked
    assert any(warning.startswith("judges/writer.yaml: the loop uses it as it was in") for warning in state.warnings)


async def test_a_shipped_definition_is_kept_as_it_was(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A loop's file from outside of the repository needs no commit, and a later version of it is not followed."""
    shipped = tmp_path_factory.mktemp("shipped") / "demo.yaml"
    shipped.write_text(LOOP)
    lab.git("rm", "-q", "loop/demo.yaml")
    lab.git("commit", "-qm", "Without")
    await lab.run(LoopSpec.load(shipped))
    assert lab.record.definition == LOOP.encode()
    shipped.write_text(LOOP.replace("Better.", "Best."))
    with pytest.raises(LoopError, match="found other fields than the loop began with: goal"):
        await lab.run(LoopSpec.load(shipped))
