from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenward.judges import JudgeSpec
from tenward.loop import LoopSpec, Status
from tenward.loop._brief import Brief, Weakness, build_brief
from tenward.loop._directions import direction, use_of_files
from tenward.loop._ideas import Idea, PastIdea
from tenward.loop.proposers import LlmProposer, Portfolio, SentenceProposer, make_proposer
from tenward.testing import Json, StubServer
from tenward.testing import Status as HttpStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATH = "prompts/a.md"
PROMPT = "Write a subject for this change.\n\n{input}\n"
LONG = "# Task\n\n- Read the text first. Then say what it says.\n- Use few words only.\n- Answer in one line.\n"
GOOD = {"sentence": "Name the part that changed.", "why": "Readers search for it."}


@pytest.fixture
def server() -> Iterator[StubServer]:
    """A model server that answers as it is told."""
    with StubServer() as server:
        yield server


def proposer(server: StubServer, refuse: Callable[[Idea], str | None] | None = None) -> SentenceProposer:
    """Return a proposer that asks the server."""
    spec = JudgeSpec(judge="stub/v1", model="openai/stub", base_url=server.base_url, retries=0)
    return SentenceProposer(spec, refuse=refuse)


def brief(text: str = PROMPT, **changes: Any) -> Brief:
    """Return a brief about one prompt."""
    usual: dict[str, Any] = {"number": 1, "goal": "Better subjects.", "files": {PATH: text}}
    return build_brief(editable=[PATH], **{**usual, **changes})


@pytest.mark.parametrize(
    ("text", "new"),
    [
        (PROMPT, "Write a subject for this change.\nName the part that changed.\n\n{input}\n"),
        ("Do this.\n{input}\n", "Do this.\nName the part that changed.\n\n{input}\n"),
        ("Do this.\n", "Do this.\nName the part that changed.\n"),
        ("- Do this.\n- Do that.\n", "- Do this.\n- Do that.\n- Name the part that changed.\n"),
        ("", "Name the part that changed.\n"),
        ("{input}\n", "Name the part that changed.\n\n{input}\n"),
    ],
)
async def test_a_sentence_is_added_where_instructions_stand(
    server: StubServer, tmp_path: Path, text: str, new: str
) -> None:
    """The model writes one sentence; the program puts it before the placeholder, or at the end."""
    server.script([Json(GOOD)])
    proposal = await proposer(server).propose(brief(text), tmp_path)
    assert proposal.ending == "edited"
    assert proposal.files == {PATH: new}
    assert proposal.idea == Idea(title=GOOD["sentence"], rationale=GOOD["why"])


async def test_sentences_are_replaced_and_left_out_by_turns(server: StubServer, tmp_path: Path) -> None:
    """Some attempts put the sentence in place of another; some leave one out and ask nothing."""
    server.script(default=Json(GOOD))
    replaced = await proposer(server).propose(brief(LONG, number=4), tmp_path)
    assert replaced.files == {PATH: LONG.replace("Then say what it says.", GOOD["sentence"])}
    asked = len(server.requests)
    dropped = await proposer(server).propose(brief(LONG, number=12), tmp_path)
    assert dropped.files == {PATH: LONG.replace("- Use few words only.\n", "")}
    assert dropped.idea is not None
    assert dropped.idea.title == "Without: Use few words only."
    assert len(server.requests) == asked


async def test_near_misses_are_joined_without_a_model(server: StubServer, tmp_path: Path) -> None:
    """Two sentences that nearly helped are both added."""
    past = [PastIdea(number=n, idea=Idea(title=f"Say {n} things."), status=Status.DISCARD) for n in (3, 7)]
    proposal = await proposer(server).propose(brief(combine=past), tmp_path)
    assert proposal.files == {PATH: "Write a subject for this change.\nSay 3 things.\nSay 7 things.\n\n{input}\n"}
    assert proposal.idea is not None
    assert proposal.idea.combines == (3, 7)
    assert server.requests == []


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("Write it.", "expected a sentence"),
        ("Put {input} at the end of it.", "placeholder"),
        ("Write one sentence to add to the task.", "found the question"),
        ("Write a subject for this change.", "already"),
        ("very " * 60, "expected a sentence"),
    ],
)
async def test_what_is_no_instruction_is_asked_for_once_more(
    server: StubServer, tmp_path: Path, sentence: str, fault: str
) -> None:
    """A sentence that cannot stand in the text is told to the model, which may try again; twice is invalid."""
    bad = Json({"sentence": sentence, "why": ""})
    server.script([bad, Json(GOOD), bad, bad])
    assert (await proposer(server).propose(brief(), tmp_path)).ending == "edited"
    assert "Tried already" in str(server.requests[1].body["messages"])
    proposal = await proposer(server).propose(brief(), tmp_path)
    assert (proposal.ending, proposal.files) == ("invalid", {})
    assert fault in proposal.faults[0]
    assert len(server.requests) == 4


async def test_quotes_and_bullets_around_a_sentence_are_taken_off(server: StubServer, tmp_path: Path) -> None:
    """What small models put around a sentence does not get into the text."""
    long = "Name the part that changed. " + "And then go on, " * 20
    server.script([Json({**GOOD, "sentence": long})])
    proposal = await proposer(server).propose(brief("Do it.\n"), tmp_path)
    assert proposal.files == {PATH: "Do it.\nName the part that changed.\n"}
    server.script([Json({**GOOD, "sentence": '- "Name the part\nthat changed."'})])
    proposal = await proposer(server).propose(brief("Do it.\n"), tmp_path)
    assert proposal.files == {PATH: "Do it.\nName the part that changed.\n"}


async def test_a_repeat_is_refused_and_a_failed_call_is_a_crash(server: StubServer, tmp_path: Path) -> None:
    """Both end as values, with their reason."""
    server.script([Json(GOOD), Json(GOOD), HttpStatus(500)])
    repeat = await proposer(server, lambda _: "attempt 3 tried that").propose(brief(), tmp_path)
    assert (repeat.ending, repeat.faults) == ("invalid", ("attempt 3 tried that",))
    crash = await proposer(server).propose(brief(), tmp_path)
    assert crash.failure is not None
    assert (crash.ending, crash.failure.kind) == ("crashed", "transport")


def loop(**changes: Any) -> LoopSpec:
    """Return the definition of a loop on one prompt."""
    usual: dict[str, Any] = {
        "loop": "demo/v1",
        "goal": "Better.",
        "edit": [PATH],
        "propose": {"llm": "local/small"},
        "produce": {"prompt": PATH, "model": "local/small"},
        "score": {"rubric": "summary", "dataset": "summaries"},
    }
    return LoopSpec.model_validate({**usual, **changes})


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Portfolio),
        ({"propose": {"llm": "openai/gpt"}}, LlmProposer),
        ({"propose": {"llm": "openai/gpt", "change": "sentence"}}, SentenceProposer),
        ({"propose": {"llm": "local/small", "change": "files"}}, LlmProposer),
        ({"edit": ["prompts/*.md"]}, LlmProposer),
        ({"produce": None, "edit": ["a.py"], "score": {"rubric": "code-review"}}, LlmProposer),
    ],
)
def test_who_writes_sentences(tmp_path: Path, changes: dict[str, Any], kind: type) -> None:
    """The embedded engine changes prose by sentences unless the loop's file says otherwise."""
    assert type(make_proposer(loop(**changes), tmp_path)) is kind


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"propose": {"llm": "openai/gpt", "change": "sentence"}, "edit": ["a/*.md"]}, "one file ending in .md"),
        ({"propose": {"command": "agent", "change": "files"}}, "change only beside llm"),
    ],
)
def test_a_change_that_cannot_be_is_an_error(changes: dict[str, Any], said: str) -> None:
    """Sentences need one file of prose, and a model."""
    with pytest.raises(ValueError, match=said):
        loop(**changes)


WEAK = [Weakness(criterion=name, share=0.5, mean=2, top=5, headroom=1.5, ask=f"How {name}?") for name in ("a", "b_c")]


def test_every_attempt_starts_from_another_direction() -> None:
    """Failing checks and weak criteria come by turns with the usual ways, until all were given."""
    told = [direction(number, WEAK, failing=["max_words: 5"], ways="text") for number in range(1, 12)]
    assert len(set(told)) == 11
    assert "max_words: 5" in told[0]
    assert told[2] == "Make the results better in a. The question there: How a?"
    assert told[4] == "Make the results better in b c. The question there: How b_c?"
    assert direction(12, WEAK, failing=["max_words: 5"], ways="text") == told[0]
    assert direction(1, [], ways="number") != direction(1, [], ways="sentence")


def test_a_brief_says_what_becomes_of_the_files() -> None:
    """A proposer that takes a prompt for its own task is told what it is."""
    assert f"{PATH} is a prompt" in use_of_files(loop())
    assert "A judge reads these files" in use_of_files(loop(produce=None, score={"rubric": "summary"}))
    assert "A command turns" in use_of_files(loop(produce={"command": "./run"}))
    assert "prints a number" in use_of_files(loop(produce=None, score={"number": {"command": "./run"}}))
    assert "is a prompt" in brief(use=use_of_files(loop())).text
