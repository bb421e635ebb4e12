from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.errors import DocumentError
from tenward.evaluation import Result, evaluate_case, read_chat
from tenward.judges import CriterionVerdict, Verdict
from tenward.loop import LoopSpec, Status
from tenward.loop._arms import ARMS, ArmTally, arm_order, arm_shares
from tenward.loop._brief import Brief, build_brief
from tenward.loop._ideas import Idea, IdeaBook, PastIdea
from tenward.loop._lent import lent_cases
from tenward.loop._sources import read_sources
from tenward.loop.proposers import NothingLeftError, Portfolio, Proposal, make_proposer
from tenward.loop.proposers._playbook import MOVES
from tenward.rubrics import Rubric, compute_score
from tenward.testing import ScriptedJudge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATH = "prompts/a.md"
PROMPT = "Write a subject for this change.\n\n{input}\n"
GOAL = "A prompt for subjects that a maintainer takes: accurate, specific, imperative."
RUBRIC = Rubric.parse(
    "rubric: r/v1\nabout: Good?\ncriteria: {a: 'Is it?'}\n"
    "gates: [{max_chars: 40}, {forbids: '[.]$', say: no period at the end}]\n"
)


def done(name: str, text: str, reference: str = "") -> Result:
    """Return a judged dev case."""
    references = (reference,) if reference else ()
    return Result(
        case=Case(id=name, input=text, output="Update", references=references, split="dev"),
        rubric=RUBRIC,
        gates=(),
        verdict=Verdict(judge="j/v1", model="m", criteria=(CriterionVerdict(criterion="a", score=2.0),)),
        score=compute_score(RUBRIC, {"a": 2.0}),
    )


CASES = [done(f"c{at}", f"diff {at} of part{at}", f"Change part {at}") for at in range(12)]


def brief(text: str = PROMPT, **changes: Any) -> Brief:
    """Return a brief about one prompt."""
    usual: dict[str, Any] = {"number": 1, "goal": GOAL, "files": {PATH: text}, "results": CASES}
    return build_brief(editable=[PATH], **{**usual, **changes})


async def proposed(arms: Sequence[str], told: Brief, tmp_path: Path, past: Sequence[str] = ()) -> Proposal:
    """Return what arms without a model propose, where ideas of these titles are refused."""
    portfolio = Portfolio(arms, {}, refuse=lambda idea: "tried" if idea.title in past else None)
    return await portfolio.propose(told, tmp_path)


async def gone_through(arm: str, told: Brief, tmp_path: Path) -> list[str]:
    """Return the titles of an arm until it has nothing left."""
    titles: list[str] = []
    while True:
        try:
            proposal = await proposed([arm], told, tmp_path, titles)
        except NothingLeftError:
            return titles
        assert proposal.ending == "edited"
        assert proposal.idea is not None
        assert proposal.idea.arm == arm
        titles.append(proposal.idea.title)


async def test_rules_that_outputs_break_are_said_first(tmp_path: Path) -> None:
    """As an instruction, limits of characters as ones of words; then what the goal demands; nothing is said twice."""
    long = await evaluate_case(Case(id="x", input="d", output="word " * 60 + "."), RUBRIC, ScriptedJudge({}))
    told = brief(results=[*CASES, long])
    proposal = await proposed(["rules"], told, tmp_path)
    assert proposal.files[PATH] == (
        "Write a subject for this change.\nAnswer with at most 5 words, no period at the end.\n\n{input}\n"
    )
    titles = await gone_through("rules", told, tmp_path)
    assert titles[1] == "Make it accurate, specific, imperative."
    assert titles[2] == "Mind this above all: at most 5 words."
    again = await gone_through("rules", brief(proposal.files[PATH], results=[*CASES, long]), tmp_path)
    assert titles[0] not in again


async def test_the_users_own_documents_are_a_source(tmp_path: Path) -> None:
    """Their instructions become sentences of the prompt, and other sentences do not."""
    text = "# Commits\n\nWe have many commits of subjects.\nsubjects must name the part that changes. Avoid update.\n"
    (tmp_path / "CONTRIBUTING.md").write_text(text)
    sources = read_sources(tmp_path, ["*.md"])
    titles = await gone_through("sources", brief(sources=sources), tmp_path)
    assert "Subjects must name the part that changes." in titles
    assert not any("many commits" in title for title in titles)


async def test_the_playbook_is_gone_through_in_order(tmp_path: Path) -> None:
    """Every move once; what the prompt says already is left out."""
    assert await gone_through("playbook", brief(), tmp_path) == list(MOVES)
    said = brief(f"{MOVES[0]}\n\n{{input}}\n")
    assert await gone_through("playbook", said, tmp_path) == list(MOVES[1:])
    assert all(len(move) <= 200 for move in MOVES)
    assert len(set(MOVES)) == len(MOVES)


async def test_sentences_are_left_out_one_at_a_time(tmp_path: Path) -> None:
    """Each of a prompt of several, none of a prompt of one."""
    titles = await gone_through("drop", brief("Say it plainly now. Be very brief.\n\n{input}\n"), tmp_path)
    assert sorted(titles) == ["Without: Be very brief.", "Without: Say it plainly now."]
    assert await gone_through("drop", brief(), tmp_path) == []


async def test_examples_become_turns_of_a_chat(tmp_path: Path) -> None:
    """Two cases with their references before the case that is asked; the instructions become the system turn."""
    proposal = await proposed(["examples"], brief(chance=0.3), tmp_path)
    turns = read_chat(proposal.files[PATH])
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert turns[0].text == "Write a subject for this change."
    assert turns[-1].text == "{input}"
    shown = {(turns[1].text, turns[2].text), (turns[3].text, turns[4].text)}
    assert shown <= {(one.case.input, one.case.references[0]) for one in CASES}
    assert proposal.idea is not None
    assert proposal.idea.title.startswith("Show 2 worked examples: c")
    lent = lent_cases(proposal.files.values(), [one.case for one in CASES])
    assert {f"diff {name[1:]} of part{name[1:]}" for name in lent} == {turns[1].text, turns[3].text}


async def test_examples_replace_those_that_a_chat_has(tmp_path: Path) -> None:
    """Others are shown in their place, in another number; the turns around them stay."""
    first = await proposed(["examples"], brief(chance=0.3), tmp_path)
    tried = IdeaBook([PastIdea(number=1, idea=Idea(title="t", arm="examples"), status=Status.DISCARD)])
    second = await proposed(["examples"], brief(first.files[PATH], book=tried, chance=0.9), tmp_path)
    turns = read_chat(second.files[PATH])
    assert len(turns) == 2 + 2 * 4
    assert (turns[0].text, turns[-1].text) == ("Write a subject for this change.", "{input}")


@pytest.mark.parametrize(
    ("prompt", "first", "last"),
    [
        ("Do it.\n\nDiff:\n{input}", "Do it.", "Diff:\n{input}"),
        ("Do it.", "Do it.", "{input}"),
        ("Do it: {input}\nNow.", "Do it: diff", "Do it: {input}\nNow."),
    ],
)
async def test_any_prompt_can_show_examples(tmp_path: Path, prompt: str, first: str, last: str) -> None:
    """With what instructs as the system turn, or the whole prompt in every turn where the text stands amid it."""
    turns = read_chat((await proposed(["examples"], brief(prompt), tmp_path)).files[PATH])
    assert turns[0].text.startswith(first)
    assert turns[-1].text == last


async def test_what_has_no_examples_shows_none(tmp_path: Path) -> None:
    """Too few dev cases, no known good output, a prompt that holds a context."""
    bare = [done(f"c{at}", f"diff {at}") for at in range(12)]
    for told in (brief(results=CASES[:2]), brief(results=bare), brief("{context}\n\n{input}")):
        with pytest.raises(NothingLeftError):
            await proposed(["examples"], told, tmp_path)


async def test_an_arm_with_nothing_left_gives_way(tmp_path: Path) -> None:
    """The next one is asked in the same attempt, so that nothing is paid for a repeat."""
    proposal = await proposed(["drop", "sources", "playbook"], brief(), tmp_path)
    assert proposal.idea is not None
    assert proposal.idea.title == MOVES[0]


def test_a_tally_counts_what_was_judged() -> None:
    """Keeps count whole, near-misses half, losses nothing; what crashed was never tried."""

    def past(arm: str, status: Status, effect: float | None, p: float | None = None) -> PastIdea:
        return PastIdea(number=1, idea=Idea(title="t", arm=arm), status=status, effect=effect, p_better=p, cases=10)

    book = IdeaBook(
        [
            past("rules", Status.KEEP, 0.2, 0.99),
            past("rules", Status.DISCARD, 0.1, 0.7),
            past("rules", Status.DISCARD, -0.3, 0.1),
            past("rules", Status.CRASHED, None),
            past("", Status.KEEP, 0.5),
        ]
    )
    (told,) = book.arms.values()
    assert (told.tried, told.kept, told.cases) == (3, 1, 30)
    assert told.brought == pytest.approx(0.25)


TALLIES: st.SearchStrategy[dict[str, ArmTally]] = st.dictionaries(
    st.sampled_from([str(arm) for arm in ARMS]),
    st.builds(
        ArmTally,
        tried=st.integers(1, 50),
        cases=st.integers(0, 5000),
        brought=st.floats(0, 3, allow_nan=False),
    ),
)


@given(tallies=TALLIES, chance=st.floats(0, 1))
def test_every_arm_keeps_a_chance(tallies: dict[str, ArmTally], chance: float) -> None:
    """Shares sum to 1, none falls below its floor, and the same chance gives the same order of all arms."""
    shares = arm_shares(ARMS, tallies)
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) >= 0.2 / len(ARMS) - 1e-12
    order = arm_order(ARMS, tallies, chance)
    assert sorted(order) == sorted(ARMS)
    assert order == arm_order(ARMS, tallies, chance)
    untried = [arm for arm in ARMS if arm not in tallies]
    assert order[: len(untried)] == untried


def test_what_brought_more_is_drawn_more_often() -> None:
    """In proportion to gain per judged case."""
    tallies: dict[str, ArmTally] = {arm: ArmTally(tried=3, cases=100, brought=0.01) for arm in ARMS}
    tallies["examples"] = ArmTally(tried=3, kept=1, cases=100, brought=0.3)
    drawn = Counter(arm_order(ARMS, tallies, at / 1000)[0] for at in range(1000))
    assert drawn.most_common(1)[0][0] == "examples"
    assert drawn["examples"] / 1000 == pytest.approx(arm_shares(ARMS, tallies)["examples"], abs=0.06)


def loop(**propose: Any) -> LoopSpec:
    """Return the definition of a loop on one prompt."""
    return LoopSpec.parse(
        "loop: demo/v1\ngoal: Better.\nedit: [prompts/a.md]\nplacebo: 0\n"
        "produce: {prompt: prompts/a.md, model: local/small}\nscore: {rubric: summary, dataset: summaries}\n"
        f"propose: {propose}\n"
    )


def test_a_small_model_means_the_whole_portfolio(tmp_path: Path) -> None:
    """Arms can be chosen, with a model or without one, and a command may be one of them."""
    for propose in ({"llm": "local/small"}, {"arms": ["rules"]}, {"command": ["true"], "arms": ["rules", "command"]}):
        assert type(make_proposer(loop(**propose), tmp_path)) is Portfolio
    assert type(make_proposer(loop(command=["true"]), tmp_path)) is not Portfolio


@pytest.mark.parametrize(
    ("propose", "fault"),
    [
        ({"arms": ["rules", "magic"]}, "propose.arms[1]: found 'magic', expected one of rules, examples, sources"),
        ({"arms": ["sentence"]}, "propose.arms[0]: found sentence, expected it only beside llm"),
        ({"llm": "local", "arms": ["rules"]}, "propose.arms: found llm, and no arm that asks it"),
        ({"llm": "local", "arms": ["sentence"], "change": "sentence"}, "propose.change: found change beside arms"),
        ({"arms": []}, "propose.arms: "),
        ({}, "propose: found none of them, expected one of llm, command and python"),
        ({"llm": "local", "python": "a:b"}, "propose: found llm and python, expected one of llm, command and python"),
        ({"arms": ["search"]}, "propose.arms[0]: found search, expected it only beside search"),
        ({"arms": ["rewrite"]}, "propose.arms[0]: found rewrite, expected it only beside llm"),
    ],
)
def test_arms_that_cannot_be_are_named(propose: dict[str, Any], fault: str) -> None:
    """The field, what was found and what was expected."""
    with pytest.raises(DocumentError) as caught:
        loop(**propose)
    assert fault in str(caught.value)


def test_only_a_case_that_is_shown_answered_is_lent() -> None:
    """Not one that is only asked, nor one in a prompt that is no chat."""
    cases = [Case(id="a", input="diff  one"), Case(id="b", input="diff two"), Case(id="c")]
    chat = "# user\nDo: diff one\n\n# assistant\nyes\n\n# user\ndiff two {input}\n"
    assert lent_cases([chat], cases) == {"a"}
    assert lent_cases(["Do: diff one\n\n{input}"], cases) == frozenset()
    assert lent_cases(["# user\nbroken"], cases) == frozenset()
