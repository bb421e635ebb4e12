from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tenward.errors import JudgeUnavailableError, LoopError
from tenward.judges import Asked, Budget, Calls, JudgeSpec, Price, lend_calls
from tenward.loop import Status
from tenward.loop._brief import Brief, BriefLimits, build_brief
from tenward.loop._definition import LoopSpec
from tenward.loop._ideas import Idea, PastIdea
from tenward.loop._retro import Retro
from tenward.loop.proposers import (
    CommandProposer,
    LlmProposer,
    Proposal,
    PythonProposer,
    make_proposer,
    write_retro,
)
from tenward.testing import Json, Refusal, StubServer, Text, Truncated
from tenward.testing import Status as HttpStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OLD = "Write a subject.\nKeep it short.\n"
NOTE = {"title": "Ask for a verb", "rationale": "Commands are short.", "ruled_out": ["emoji"]}
WHOLE = {**NOTE, "text": "Write a subject that begins with a verb.\nKeep it short.\n"}
EDIT = {"path": "prompts/a.md", "find": "Write a subject.", "replace": "Write a command."}


@pytest.fixture
def server() -> Iterator[StubServer]:
    """A model server that answers as it is told."""
    with StubServer() as server:
        yield server


def brief(*, editable: tuple[str, ...] = ("prompts/a.md",), **changes: Any) -> Brief:
    """Return a brief about one small file."""
    usual: dict[str, Any] = {"number": 1, "goal": "Better subjects.", "files": {"prompts/a.md": OLD}}
    return build_brief(editable=editable, **{**usual, **changes})


def llm(server: StubServer, refuse: Callable[[Idea], str | None] | None = None, **fields: Any) -> LlmProposer:
    """Return a proposer that asks the server."""
    usual: dict[str, Any] = {"judge": "stub/v1", "model": "openai/stub", "base_url": server.base_url, "retries": 0}
    return LlmProposer(JudgeSpec(**{**usual, **fields}), refuse=refuse)


def names_below(folder: Path) -> list[str]:
    """Return the names of all files and folders below a folder."""
    return sorted(path.name for path in folder.rglob("*"))


def sent(server: StubServer, number: int = -1) -> str:
    """Return the user's message of a request."""
    return str(server.requests[number].body["messages"][1]["content"])


@pytest.mark.parametrize("mode", [None, "tool_call"], ids=["json schema", "tools"])
async def test_a_model_writes_one_small_file_anew(server: StubServer, tmp_path: Path, mode: str | None) -> None:
    """For one file the whole new text is asked for; idea, new text and cost come back, the worktree stays."""
    server.script([Json(WHOLE, usage=(100, 50))])
    proposal = await llm(server, mode=mode, price=Price(input=10, output=20)).propose(brief(), tmp_path)
    assert proposal.ending == "edited"
    assert proposal.files == {"prompts/a.md": WHOLE["text"]}
    assert proposal.idea == Idea(title="Ask for a verb", rationale="Commands are short.", ruled_out=("emoji",))
    assert proposal.usage.calls == 1
    assert proposal.usage.cost_usd == pytest.approx(0.002)
    assert names_below(tmp_path) == []
    schema = server.requests[0].schema
    assert schema is not None
    assert list(schema["properties"]) == ["title", "rationale", "ruled_out", "text"]
    assert sent(server).startswith(brief().text)


async def test_a_model_edits_passages_of_several_files(server: StubServer, tmp_path: Path) -> None:
    """With a pattern, passages are asked for; an empty find makes a new file."""
    new = {"path": "prompts/b.md", "find": "", "replace": "New.\n"}
    server.script([Json({**NOTE, "edits": [EDIT, new]})])
    proposal = await llm(server).propose(brief(editable=("prompts/*.md",)), tmp_path)
    assert proposal.files == {"prompts/a.md": "Write a command.\nKeep it short.\n", "prompts/b.md": "New.\n"}


async def test_a_file_that_the_brief_cuts_is_never_asked_for_whole(server: StubServer, tmp_path: Path) -> None:
    """What the model has not seen in full it cannot write anew, nor what does not fit its answer."""
    long = "line of the file\n" * 400
    server.script(default=Json({**NOTE, "edits": [{**EDIT, "find": "never there"}]}))
    cut = brief(files={"prompts/a.md": long}, limits=BriefLimits(chars=2_000))
    await llm(server).propose(cut, tmp_path)
    await llm(server, max_tokens=500).propose(brief(files={"prompts/a.md": long}), tmp_path)
    schemas = [request.schema for request in server.requests]
    assert all(schema is not None and "edits" in schema["properties"] for schema in schemas)


async def test_a_file_that_does_not_exist_yet_can_be_written(server: StubServer, tmp_path: Path) -> None:
    """A loop may begin with nothing."""
    server.script([Json(WHOLE)])
    proposal = await llm(server).propose(brief(files={}), tmp_path)
    assert proposal.files == {"prompts/a.md": WHOLE["text"]}


@pytest.mark.parametrize(
    "written",
    [
        "```\nNew text.\nTwo.\n```",
        "```markdown\nNew text.\nTwo.\n```\n",
        "<file 0123456789abcdef>\nNew text.\nTwo.\n\n</file 0123456789abcdef>",
        "New text.\nTwo.",
    ],
)
async def test_wrappings_of_small_models_are_taken_off(server: StubServer, tmp_path: Path, written: str) -> None:
    """A whole text in a code block or in the fence it was shown in is the text inside."""
    server.script([Json({**NOTE, "text": written})])
    proposal = await llm(server).propose(brief(), tmp_path)
    assert proposal.files == {"prompts/a.md": "New text.\nTwo.\n"}


async def test_marks_of_the_fence_do_not_get_into_a_file(server: StubServer, tmp_path: Path) -> None:
    """A file with a control token is shown with a mark in it, and edited without."""
    old = "Say <s>nothing</s> of it.\n"
    made = brief(files={"prompts/a.md": old}, editable=("prompts/*",))
    assert "<\u200bs>" in made.text
    edit = {"path": "prompts/a.md", "find": "<\u200bs>nothing<\u200b/s>", "replace": "<\u200bs>all<\u200b/s>"}
    server.script([Json({**NOTE, "edits": [edit]})])
    proposal = await llm(server).propose(made, tmp_path)
    assert proposal.files == {"prompts/a.md": "Say <s>all</s> of it.\n"}


async def test_an_answer_that_does_not_fit_is_asked_for_once_more(server: StubServer, tmp_path: Path) -> None:
    """The second question tells what was wrong, inside a fence, and what both took is added up."""
    wrong = {**NOTE, "edits": [{**EDIT, "find": "Write the subject."}]}
    server.script([Json(wrong, usage=(10, 5)), Json({**NOTE, "edits": [EDIT]}, usage=(10, 5))])
    proposal = await llm(server).propose(brief(editable=("prompts/*",)), tmp_path)
    assert proposal.ending == "edited"
    assert (proposal.usage.calls, proposal.usage.prompt_tokens) == (2, 20)
    assert "The nearest lines are:\n1: Write a subject." in sent(server)
    assert "<reasons " in sent(server)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (Json({**NOTE, "text": OLD}), "change nothing"),
        (Json({**NOTE, "title": " ", "text": "x"}), "found no title"),
        (Text("no JSON at all"), "not JSON"),
        (Truncated('{"title": "x"'), "cut off"),
    ],
)
async def test_what_is_wrong_twice_is_invalid(server: StubServer, tmp_path: Path, reply: Any, fault: str) -> None:
    """After the second unfit answer the proposal is invalid, a value with its reasons; there is no third."""
    server.script([reply, reply])
    proposal = await llm(server).propose(brief(), tmp_path)
    assert (proposal.ending, proposal.files) == ("invalid", {})
    assert fault in proposal.faults[0]
    assert len(server.requests) == 2


async def test_a_repeat_is_refused_before_it_costs_a_round(server: StubServer, tmp_path: Path) -> None:
    """Whoever runs the loop may refuse an idea; the model is told why and may bring another."""
    other = {**WHOLE, "title": "Give an example"}
    server.script([Json(WHOLE), Json(other)])

    def refuse(idea: Idea) -> str | None:
        return "attempt 3 tried that" if "verb" in idea.title else None

    proposal = await llm(server, refuse).propose(brief(), tmp_path)
    assert proposal.ending == "edited"
    assert proposal.idea is not None
    assert proposal.idea.title == "Give an example"
    assert "attempt 3 tried that" in sent(server)


@pytest.mark.parametrize(("reply", "kind"), [(Refusal("no"), "refused"), (HttpStatus(500), "transport")])
async def test_a_call_that_fails_for_good_is_a_crash(server: StubServer, tmp_path: Path, reply: Any, kind: str) -> None:
    """A refusal or a broken server ends this attempt as a value."""
    server.script([reply])
    proposal = await llm(server).propose(brief(), tmp_path)
    assert proposal.ending == "crashed"
    assert proposal.failure is not None
    assert proposal.failure.kind == kind


async def test_a_spent_budget_is_told_apart(server: StubServer, tmp_path: Path) -> None:
    """Without calls left no request is made, and the failure says that it is the budget."""
    with lend_calls(Calls(budget=Budget(max_calls=0))):
        proposal = await llm(server).propose(brief(), tmp_path)
    assert proposal.failure is not None
    assert proposal.failure.kind == "budget"
    assert server.requests == []


class Remembered:
    """A cache of answers in memory."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}

    def recall(self, key: str) -> str | None:
        """Return the answer under this key."""
        return self.answers.get(key)

    def remember(self, key: str, asked: Asked, answer: str) -> None:
        """Keep an answer."""
        self.answers[key] = answer

    def why_missed(self, asked: Asked) -> tuple[str, ...]:
        """Nothing was ever asked before."""
        return ()


async def test_an_attempt_that_goes_on_pays_nothing_twice(server: StubServer, tmp_path: Path) -> None:
    """After a kill the same attempt gets the same answers from the cache; another attempt asks anew."""
    server.script([Json(WHOLE), Json({**WHOLE, "title": "Another"})])
    cache = Remembered()
    titles: list[str] = []
    for number in (1, 1, 2):
        with lend_calls(Calls(cache=cache)):
            proposal = await llm(server).propose(brief(number=number), tmp_path)
        assert proposal.idea is not None
        titles.append(proposal.idea.title)
    assert titles == ["Ask for a verb", "Ask for a verb", "Another"]
    assert len(server.requests) == 2


async def test_a_wrong_key_ends_the_loop(server: StubServer, tmp_path: Path) -> None:
    """What every further attempt would share is an error."""
    server.script([HttpStatus(401)])
    with pytest.raises(JudgeUnavailableError):
        await llm(server).propose(brief(), tmp_path)


async def test_a_combination_names_its_parts(server: StubServer, tmp_path: Path) -> None:
    """The idea of a brief that asks for a combination remembers the attempts it combines."""
    pair = [PastIdea(number=number, idea=Idea(title="x"), status=Status.DISCARD) for number in (4, 9)]
    server.script([Json(WHOLE)])
    proposal = await llm(server).propose(brief(combine=pair), tmp_path)
    assert proposal.idea is not None
    assert proposal.idea.combines == (4, 9)


def test_an_embedded_model_samples_and_reads_little() -> None:
    """At temperature 0 the same brief would bring the same idea; its briefs are short, since it reads slowly."""
    local = LlmProposer(JudgeSpec(judge="l/v1", model="local/some-model", max_tokens=1000))
    assert local.model.temperature == 0.8
    assert local.brief_chars == 12_000
    assert (
        LlmProposer(JudgeSpec(judge="l/v1", model="local/m1", context_tokens=2048, max_tokens=1000)).brief_chars < 2_200
    )
    assert LlmProposer(JudgeSpec(judge="o/v1", model="openai/m")).brief_chars == 60_000


async def test_a_proposal_survives_the_journal(server: StubServer, tmp_path: Path) -> None:
    """Whatever came of a brief is read back from JSON as it was; anything else is refused."""
    server.script([Json(WHOLE), Refusal("no")])
    for _ in range(2):
        proposal = await llm(server).propose(brief(), tmp_path)
        assert Proposal.from_json(json.loads(json.dumps(proposal.to_json()))) == proposal
    for wrong in ("x", {}, {**Proposal(ending="edited").to_json(), "ending": "other"}):
        with pytest.raises(ValueError, match="expected"):
            Proposal.from_json(wrong)
    with pytest.raises(ValueError, match="other fields"):
        Proposal.from_json({**Proposal(ending="edited").to_json(), "usage": {"x": 1}})


def script(folder: Path, code: str) -> list[str]:
    """Return the command that runs some Python code."""
    path = folder / "agent.py"
    path.write_text(f"import json, os, pathlib, subprocess, sys, time\n{code}\n")
    return [sys.executable, str(path)]


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    """A worktree with the editable file."""
    folder = tmp_path / "worktree"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts/a.md").write_text(OLD)
    return folder


async def test_a_command_edits_its_worktree(worktree: Path, tmp_path: Path) -> None:
    """It runs in the worktree with the brief beside it, and leaves a note of its idea."""
    code = """
brief = pathlib.Path(sys.argv[1]).read_text()
assert sys.argv[2] == "@" + sys.argv[1] == "@" + os.environ["TENWARD_BRIEF"]
assert sys.stdin.read() == brief
assert "Better subjects." in brief
parts = json.loads(pathlib.Path(os.environ["TENWARD_BRIEF_JSON"]).read_text())
pathlib.Path("prompts/a.md").write_text(parts["files"]["prompts/a.md"] + "More.")
pathlib.Path(os.environ["TENWARD_IDEA"]).write_text(json.dumps({"title": "Add a line", "ruled_out": ["less"]}))
assert os.environ["TENWARD_IDEA"] in brief
print("done")
"""
    proposal = await CommandProposer([*script(tmp_path, code), "{brief}", "@brief.md"]).propose(brief(), worktree)
    assert (proposal.ending, proposal.faults, proposal.log) == ("edited", (), "done")
    assert proposal.in_place
    assert proposal.idea == Idea(title="Add a line", ruled_out=("less",))
    assert proposal.usage.cost_usd is None
    assert (worktree / "prompts/a.md").read_text() == OLD + "More."
    assert names_below(worktree) == ["a.md", "prompts"]


@pytest.mark.parametrize("note", ["", "pathlib.Path(os.environ['TENWARD_IDEA']).write_text('{')"])
async def test_a_command_without_a_note_is_named_after_what_it_said(worktree: Path, tmp_path: Path, note: str) -> None:
    """The last line printed is the title; a note that cannot be read is mentioned in the log."""
    code = f"{note}\nprint('thinking')\nprint('Made it shorter')\nprint()"
    proposal = await CommandProposer(script(tmp_path, code)).propose(brief(), worktree)
    assert proposal.idea is not None
    assert proposal.idea.title == "Made it shorter"
    assert ("cannot be read" in proposal.log) is bool(note)
    silent = await CommandProposer(script(tmp_path, "")).propose(brief(), worktree)
    assert silent.idea is not None
    assert silent.idea.title.startswith("a change by python")


async def test_a_command_sees_only_what_is_allowed(
    worktree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets of the environment stay hidden unless they are allowed by name."""
    monkeypatch.setenv("MY_KEY", "open")
    monkeypatch.setenv("OTHER_KEY", "hidden")
    code = "print(os.environ.get('MY_KEY'), os.environ.get('OTHER_KEY'))"
    proposal = await CommandProposer(script(tmp_path, code), allow_env=["MY_KEY", "UNSET"]).propose(brief(), worktree)
    assert proposal.log == "open None"


async def test_a_command_that_fails_is_a_crash(worktree: Path, tmp_path: Path) -> None:
    """The exit status and the last line say how; a flood of words is cut."""
    code = "print('x' * 100_000)\nsys.exit('no model')"
    proposal = await CommandProposer(script(tmp_path, code)).propose(brief(), worktree)
    assert (proposal.ending, proposal.faults) == ("crashed", ("exit status 1: no model",))
    assert len(proposal.log) <= 4_000


def is_alive(pid: int) -> bool:
    """Whether a process runs and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123 - a file of the kernel's
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


GRANDCHILD = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(600)
"""


async def comes_true(condition: Callable[[], object]) -> bool:
    """Whether a condition becomes true within some seconds."""
    for _ in range(400):
        if condition():
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_command_is_stopped_at_its_timeout_with_all_it_started(worktree: Path, tmp_path: Path) -> None:
    """The whole process group is killed, and the attempt is a crash that says so."""
    noted = tmp_path / "pid"
    command = [*script(tmp_path, GRANDCHILD), str(noted)]
    proposal = await CommandProposer(command, timeout=3).propose(brief(), worktree)
    assert (proposal.ending, proposal.faults) == ("crashed", ("stopped after 3 s",))
    assert await comes_true(lambda: not is_alive(int(noted.read_text())))


async def test_a_cancelled_proposal_leaves_no_process(worktree: Path, tmp_path: Path) -> None:
    """Cancelling waits until the command and what it started are dead."""
    noted = tmp_path / "pid"
    command = [*script(tmp_path, GRANDCHILD), str(noted)]
    task = asyncio.ensure_future(CommandProposer(command).propose(brief(), worktree))
    assert await comes_true(lambda: noted.exists() and noted.read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await comes_true(lambda: not is_alive(int(noted.read_text())))


async def test_a_command_that_cannot_start_ends_the_loop(worktree: Path) -> None:
    """A missing program would be missing for every attempt."""
    with pytest.raises(LoopError, match="'no-such-agent' could not be started"):
        await CommandProposer(["no-such-agent"]).propose(brief(), worktree)


def module(folder: Path, code: str) -> Path:
    """Write a package with a proposing function, and return the folder it lies in."""
    package = folder / "repo/ideas"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "make.py").write_text(f"import os, pathlib\n{code}\n")
    return folder / "repo"


async def call(folder: Path, worktree: Path, body: str, *, seconds: float = 60) -> Proposal:
    """Propose by a function with this body."""
    top = module(folder, f"def main(brief):\n    {body}")
    return await PythonProposer("ideas.make:main", folders=[top], timeout=seconds).propose(brief(), worktree)


async def test_a_function_returns_edits(worktree: Path, tmp_path: Path) -> None:
    """It gets the brief as a dict, and its edits are applied to the texts of the brief."""
    (worktree / "json.py").write_text("raise SystemExit('the worktree was imported')")
    body = "return {'title': brief['goal'], 'edits': [{'path': p, 'text': t + 'x'} for p, t in brief['files'].items()]}"
    proposal = await call(tmp_path, worktree, body)
    assert proposal.faults == ()
    assert proposal.files == {"prompts/a.md": OLD + "x\n"}
    assert proposal.idea == Idea(title="Better subjects.")
    assert not proposal.in_place


async def test_a_function_may_edit_the_worktree_itself(worktree: Path, tmp_path: Path) -> None:
    """Without edits in its answer, the current folder is what it changed."""
    body = "pathlib.Path('prompts/a.md').write_text('mine'); return {'title': 'Mine'}"
    proposal = await call(tmp_path, worktree, body)
    assert (proposal.ending, proposal.in_place, proposal.files) == ("edited", True, {})
    assert (worktree / "prompts/a.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("body", "ending", "fault"),
    [
        ("return 3", "invalid", "found int, expected a dict"),
        ("return {'edits': []}", "invalid", "found no title"),
        ("return {'title': 'x', 'edits': []}", "invalid", "there are no edits"),
        ("return {'title': 'x', 'edits': 'y'}", "invalid", "expected a list"),
        ("return {'title': 'x', 'edits': [{'path': 'a'}]}", "invalid", "a: found path"),
        ("return {'title': 'x', 'edits': [{'path': 'b', 'text': ''}]}", "invalid", "b may not be edited"),
        ("return {'title': {1}}", "crashed", "TypeError"),
        ("raise ValueError('broken')", "crashed", "ValueError: broken"),
        ("os._exit(0)", "crashed", "no answer that can be read"),
        ("os.kill(os.getpid(), 11)", "crashed", "exit status -11"),
    ],
)
async def test_a_function_cannot_harm_the_loop(
    worktree: Path, tmp_path: Path, body: str, ending: str, fault: str
) -> None:
    """Whatever it returns or does, the outcome is a value with a reason."""
    proposal = await call(tmp_path, worktree, body)
    assert proposal.ending == ending
    assert fault in proposal.faults[0]


async def test_a_function_that_hangs_is_stopped(worktree: Path, tmp_path: Path) -> None:
    """It has its timeout, as a command has."""
    proposal = await call(tmp_path, worktree, "__import__('time').sleep(600)", seconds=2)
    assert proposal.faults == ("stopped after 2 s",)


def loop(**propose: Any) -> LoopSpec:
    """Return a loop with this proposer."""
    data = {"loop": "x/v1", "goal": "Better.", "edit": "a.md", "propose": propose, "score": {"rubric": "skill"}}
    return LoopSpec.parse(json.dumps(data))


def test_the_file_decides_who_proposes(tmp_path: Path) -> None:
    """llm, command and python become the proposer of that kind."""
    assert isinstance(make_proposer(loop(command="agent -p"), tmp_path), CommandProposer)
    assert isinstance(make_proposer(loop(python="a.b:c"), tmp_path), PythonProposer)
    made = make_proposer(loop(llm={"model": "openai/m", "temperature": 0.3}), tmp_path)
    assert isinstance(made, LlmProposer)
    assert made.model.temperature == 0.3


async def test_a_model_writes_a_retro(server: StubServer) -> None:
    """Its words count, the trend stays that of the template; where it fails the template is the retro."""
    template = Retro(why="discarded: P(better) 0.03", trend="flat", suggested=("leave this direction",))
    spec = llm(server).model
    said = {"why": " Verbs were there before. ", "true_to_idea": True, "suggested": ["an example", " "]}
    server.script([Json(said, usage=(7, 3)), Text("nonsense"), Refusal("no")])
    facts: dict[str, Any] = {"idea": Idea(title="Ask"), "change": "-a\n+b", "status": Status.DISCARD}
    retro, usage = await write_retro(spec, template=template, **facts)
    assert retro == Retro(why="Verbs were there before.", true_to_idea=True, trend="flat", suggested=("an example",))
    assert usage.prompt_tokens == 7
    assert "P(better) 0.03" in sent(server, 0)
    for _ in range(2):
        assert (await write_retro(spec, template=template, **facts))[0] == template
