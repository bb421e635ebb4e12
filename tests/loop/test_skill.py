from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tenward.loop import Engine, LoopRecord, LoopSpec, LoopState
from tenward.testing import ScriptedJudge, ScriptedProposer

if TYPE_CHECKING:
    from pathlib import Path

RUBRIC = 'rubric: r/v1\nabout: Is it good?\nscale: [0, 10]\ncriteria: {good: "How good is it?"}\n'
# As agents do: the skill is read only where the task seems to be one for it.
AGENT = """
import json, os, pathlib, sys
case = json.load(sys.stdin)
skill = pathlib.Path("skill/SKILL.md")
used = skill.exists() and (ASKED or "hard" in case["input"])
pathlib.Path(os.environ["TENWARD_TRANSCRIPT"]).write_text("Skill(demo) loaded" if used else "answered at once")
print(skill.read_text() if used else "quality 4")
"""


def make(top: Path, *, asked: bool) -> None:
    """Make a repository with a skill, an agent that may load it, and cases."""
    rows = [
        {"id": f"{split}{at}", "input": "hard" if at % 3 == 0 else "easy", "split": split}
        for split in ("dev", "sealed")
        for at in range(12)
    ]
    files = {
        "skill/SKILL.md": "quality 5\n",
        "agent.py": AGENT.replace("ASKED", str(asked)),
        "r.yaml": RUBRIC,
        "j.yaml": "judge: j/v1\nmodel: local/qwen2.5-coder-1.5b-instruct\nread: distribution\n",
        "datasets/c.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows),
    }
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
    who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Begin")):
        subprocess.run(["git", "-C", str(top), *words], check=True)


async def ended(top: Path) -> LoopState:
    """Run a loop over the skill, for which a better one is proposed, to its end."""
    spec = LoopSpec.parse(
        "loop: demo/v1\ngoal: Better.\nedit: [skill/SKILL.md]\npropose: {python: 'no:body'}\nplacebo: 0\n"
        f"produce:\n  command: {sys.executable} agent.py\n  transcript: 'logs/{{case}}.txt'\n"
        "  loaded: Skill\\(demo\\)\n  without: true\n"
        "score: {rubric: r.yaml, judge: j.yaml, dataset: datasets/c.jsonl}\nbudget: {rounds: 1}\n"
    )

    def scores(case: Any) -> dict[str, float]:
        found = re.match(r"quality (\d)", case.output)
        return {"good": float(found[1]) if found else 0.0}

    proposer = ScriptedProposer(lambda _brief, _folder: {"skill/SKILL.md": "quality 9\n", "": "a better skill"})
    engine = Engine(spec, LoopRecord.open(top, "demo"), None, top=top, proposer=proposer, judge=ScriptedJudge(scores))
    return await engine.run()


async def test_a_skill_is_measured_beside_doing_without(tmp_path: Path) -> None:
    """The headline says what the agent does with no skill at all, and on how many cases it loaded the skill."""
    make(tmp_path, asked=True)
    state = await ended(tmp_path)
    assert state.counts == {"keep": 1}
    assert state.headline["gain"] == pytest.approx(0.4)
    assert state.headline["without"]["mean"] == pytest.approx(0.4)
    assert state.headline["without"]["gain"] == pytest.approx(0.5)
    assert state.headline["without"]["text"].startswith("winner beside doing without: +0.500")
    assert state.headline["loaded"] == "made use of in 12 of 12 sealed cases, by their transcripts"


async def test_a_skill_that_is_rarely_loaded_is_told_from_the_start(tmp_path: Path) -> None:
    """Where an agent hardly ever loads the skill, the calibration says so before anything is proposed."""
    make(tmp_path, asked=False)
    state = await ended(tmp_path)
    told = "made use of in 4 of 12 dev cases, by their transcripts: what may change can hardly matter where it is not"
    assert any(line.startswith(told) for line in state.calibration["lines"])
