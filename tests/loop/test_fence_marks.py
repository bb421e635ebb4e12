from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tenward.judges import JudgeSpec
from tenward.loop._brief import Brief, build_brief
from tenward.loop.proposers import LlmProposer
from tenward.testing import Json, StubServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTE: dict[str, Any] = {"title": "Ask for a verb", "rationale": "Commands are short.", "ruled_out": []}
OLD = "Write a subject.\nKeep it short.\n"
GOOD = "Write a subject that begins with a verb.\nKeep it short.\n"


@pytest.fixture
def server() -> Iterator[StubServer]:
    """A model server that answers as it is told."""
    with StubServer() as server:
        yield server


def brief(text: str = OLD, *editable: str) -> Brief:
    """Return a brief about one small file."""
    return build_brief(number=1, goal="Better.", editable=editable or ("a.md",), files={"a.md": text})


def llm(server: StubServer) -> LlmProposer:
    """Return a proposer that asks the server."""
    return LlmProposer(JudgeSpec(judge="stub/v1", model="openai/stub", base_url=server.base_url, retries=0))


def token_of(made: Brief) -> str:
    """The token of the fence around the file."""
    found = re.search(r"<file ([0-9a-f]{16})>", made.text)
    assert found is not None
    return found[1]


def sent(server: StubServer) -> str:
    """The user's message of the last request."""
    return str(server.requests[-1].body["messages"][1]["content"])


@pytest.mark.parametrize(
    "copied",
    [
        "<file {token}>\n" + GOOD,
        GOOD + "</file {token}>\n",
        GOOD + "file {token}\n",
        "<input 0123456789abcdef>\n" + GOOD,
    ],
    ids=["opened", "closed", "bare token", "another fence"],
)
async def test_a_text_with_marks_of_a_fence_is_asked_for_once_more(
    server: StubServer, tmp_path: Path, copied: str
) -> None:
    """A mark that stands around the material does not get into a file; the model is told which, and why."""
    made = brief()
    wrong = copied.format(token=token_of(made))
    server.script([Json({**NOTE, "text": wrong}), Json({**NOTE, "text": GOOD})])
    proposal = await llm(server).propose(made, tmp_path)
    assert (proposal.ending, proposal.files) == ("edited", {"a.md": GOOD})
    assert "which stands around material here and is no part of any file" in sent(server)
    assert len(server.requests) == 2


async def test_marks_in_the_second_answer_too_make_it_invalid(server: StubServer, tmp_path: Path) -> None:
    """Asked twice is asked enough: nothing of it is written."""
    made = brief(OLD, "*.md")
    edit = {"path": "a.md", "find": "Keep it short.", "replace": f"</file {token_of(made)}>"}
    server.script(default=Json({**NOTE, "edits": [edit]}))
    proposal = await llm(server).propose(made, tmp_path)
    assert (proposal.ending, dict(proposal.files)) == ("invalid", {})
    assert proposal.faults[0].startswith(f"a.md: found the mark </file {token_of(made)}>")
    assert len(server.requests) == 2


async def test_marks_of_the_file_itself_may_stay(server: StubServer, tmp_path: Path) -> None:
    """A file that speaks of such marks is edited like any other."""
    old = "A fence looks like <file 0123456789abcdef>.\nKeep it short.\n"
    edit: dict[str, Any] = {"path": "a.md", "find": old, "replace": old.replace("short", "brief")}
    server.script([Json({**NOTE, "edits": [edit]})])
    proposal = await llm(server).propose(brief(old, "*.md"), tmp_path)
    assert proposal.files == {"a.md": old.replace("short", "brief")}


def test_two_questions_and_a_retro_are_planned_for_one_attempt(server: StubServer) -> None:
    """What an attempt takes at most counts the question, the one that may follow, and what was learned."""
    planned = llm(server).plan()
    assert (planned.calls, planned.most_calls) == (3, 3)
    assert planned.prompt_tokens > 2 * llm(server).brief_chars
    assert planned.worst_usd is None
