from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.loop._brief import build_brief
from tenward.loop.proposers import CommandProposer
from tenward.loop.proposers._said import noted_in, read_said

GUIDE = Path(__file__).parents[2] / "docs/guides/loops.md"
RECIPES = {
    found[1].split()[0]: found[1]
    for found in re.finditer(r"^\| [\w ]+ \| `([a-z]+ .+)` \|$", GUIDE.read_text(), re.MULTILINE)
}
EDIT = "import json, os, pathlib, sys\nfor name in pathlib.Path('prompts').iterdir():\n    name.write_text('Better.')\n"
NOTE = '{"title": "Say it shorter", "rationale": "Long answers fail."}'
AGENTS = {
    "claude": f"""
assert sys.argv[1:] == ["-p", "--output-format", "json", "--permission-mode", "acceptEdits"], sys.argv
assert "# What to do" in sys.stdin.read()
print(json.dumps({{"type": "result", "subtype": "success", "is_error": False, "num_turns": 3, "session_id": "s",
    "result": "I cut two sentences." + chr(10) + {NOTE!r}, "total_cost_usd": 0.0421, "usage": {{"input_tokens": 9}}}}))
""",
    "codex": f"""
assert sys.argv[1:] == ["exec", "--json", "--sandbox", "workspace-write", "--skip-git-repo-check", "-"], sys.argv
assert "# What to do" in sys.stdin.read()
for event in (
    {{"type": "thread.started", "thread_id": "t"}},
    {{"type": "turn.started"}},
    {{"type": "item.completed", "item": {{"id": "i0", "type": "reasoning", "text": "Hm."}}}},
    {{"type": "item.completed", "item": {{"id": "i1", "type": "agent_message", "text": {NOTE!r}}}}},
    {{"type": "item.completed", "item": {{"id": "i2", "type": "command_execution", "command": "ls", "text": "x"}}}},
    {{"type": "turn.completed", "usage": {{"input_tokens": 100, "cached_input_tokens": 0, "output_tokens": 7}}}},
):
    print(json.dumps(event))
""",
    "aider": """
told = pathlib.Path(sys.argv[4])
assert sys.argv[1:4] == ["--yes-always", "--no-git", "--message-file"], sys.argv
assert sys.argv[5:] == ["prompts/greeting.md"]
assert "# What to do" in told.read_text()
pathlib.Path(os.environ["TENWARD_IDEA"]).write_text('{"title": "Say it shorter", "rationale": "Long answers fail."}')
print("Applied edit to prompts/greeting.md")
print("Tokens: 4.2k sent, 210 received. Cost: $0.02 message, $0.05 session.")
""",
    "openhands": f"""
assert sys.argv[1:4] == ["--headless", "--json", "-f"], sys.argv
assert "# What to do" in pathlib.Path(sys.argv[4]).read_text()
print("Starting")
for event in (
    {{"type": "action", "action": "write", "path": "prompts/greeting.md"}},
    {{"type": "observation", "content": "File created successfully"}},
    {{"type": "action", "action": "finish", "message": {NOTE!r}}},
):
    print(json.dumps(event))
""",
}
COSTS = {"claude": 0.0421, "codex": None, "aider": 0.05, "openhands": None}


@pytest.mark.parametrize("agent", AGENTS)
async def test_the_recipes_of_the_guide_work_with_what_the_agents_take_and_print(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of the guide runs an agent of that name, whose words, idea and cost are kept in its own format."""
    programs, worktree = tmp_path / "bin", tmp_path / "worktree"
    programs.mkdir()
    (worktree / "prompts").mkdir(parents=True)
    (worktree / "prompts/greeting.md").write_text("Long.")
    (programs / agent).write_text(f"#!{sys.executable}\n{EDIT}{AGENTS[agent]}")
    (programs / agent).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    brief = build_brief(number=1, goal="Better.", editable=["prompts/*.md"], files={"prompts/greeting.md": "Long."})
    proposal = await CommandProposer(shlex.split(RECIPES[agent])).propose(brief, worktree)
    assert (proposal.ending, proposal.faults) == ("edited", ()), proposal.log
    assert proposal.idea is not None
    assert (proposal.idea.title, proposal.idea.rationale) == ("Say it shorter", "Long answers fail.")
    assert proposal.usage.cost_usd == COSTS[agent]
    assert (worktree / "prompts/greeting.md").read_text() == "Better."
    assert '"type"' not in proposal.log


def test_the_guide_has_a_recipe_for_every_agent() -> None:
    """What is tested here is what the guide says, and nothing of it is left untested."""
    assert RECIPES.keys() == AGENTS.keys()


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ('{"type":"result","is_error":true,"result":"Credit balance is too low"}', "Credit balance is too low"),
        ('{"type":"turn.started"}\n{"type":"turn.failed","error":{"message":"limit"}}', "limit"),
    ],
)
def test_an_agent_that_says_it_failed_has_failed(printed: str, text: str) -> None:
    """An exit status of 0 beside a failure in the agent's own words is a failure, with these words."""
    said = read_said(printed)
    assert (said.failed, said.text) == (True, text)


def test_an_error_that_an_agent_got_over_is_no_failure() -> None:
    """Only the end of a turn or a run says how it went."""
    said = read_said('{"type": "error", "message": "retrying"}\n{"type": "action", "message": "Done."}')
    assert (said.failed, said.text) == (False, "Done.")


def test_what_is_in_no_known_format_is_taken_as_it_stands() -> None:
    """Plain text, JSON of another kind and halves of JSON are words."""
    for printed in ("done", '{"a": 1}', '{"type": "result", "resu', "[1, 2]"):
        assert read_said(printed).text == printed


@given(st.text() | st.text(alphabet='{}[]":,\\ntyperesult1.'))
def test_nothing_printed_breaks_the_reading(printed: str) -> None:
    """Whatever an agent prints, there are some words, and no failure that it does not name."""
    said = read_said(printed)
    noted_in(said.text)
    assert len(said.text) <= len(printed)
