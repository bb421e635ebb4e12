from __future__ import annotations

import json
from typing import Any

import pytest

from tenward.decisions import Decision, Evidence, Sample
from tenward.loop import Status
from tenward.loop._ideas import REPEAT_THRESHOLD, Idea, IdeaBook, PastIdea
from tenward.loop._retro import Retro, template_retro, trend_of

# Ideas on one prompt, each with a paraphrase.
PAIRS = [
    ("Ask for the imperative mood in the subject line", "Require subject lines to be written in the imperative mood"),
    ("Tell the model to name the module that changed", "Instruct the model to mention which module was changed"),
    ("Have the model draft three candidates and pick the best", "Draft three candidate subjects, then choose the best"),
    ("Add two worked examples of good commit subjects", "Give two examples of good commit subjects"),
    ("Mention breaking changes with an exclamation mark", "Mark breaking changes by an exclamation mark"),
    ("Demand lower case after the prefix", "Use lower case for the text after the prefix"),
    ("Set the role of a senior maintainer", "Give the model the role of a senior maintainer"),
    ("Show a bad example next to a good one", "Contrast a good example with a bad one"),
    ("Ask the model to read the diff twice before writing", "Have the model read the diff twice before it writes"),
    ("State that a merge commit needs no subject", "Say that merge commits do not need a subject"),
    ("Drop the section about emoji", "Drop the emoji section entirely"),
    ("Require a scope prefix such as parser: or cli:", "Ask for a scope prefix like cli: or parser:"),
]


def past(number: int, title: str, status: Status = Status.DISCARD, **parts: Any) -> PastIdea:
    """Return a past idea; ``combines`` and ``ruled_out`` are those of the idea itself."""
    own = {name: parts.pop(name) for name in ("combines", "ruled_out", "rationale") if name in parts}
    return PastIdea(number=number, idea=Idea(title=title, **own), status=status, **parts)


def decision(outcome: Any, *, p_better: float | None = None, effect: float = 0.0) -> Decision:
    """Return a decision as a rule gives it."""
    nothing = Sample(n=0, mean=0.0, squares=0.0)
    evidence = Evidence(dev=nothing, sealed=nothing, dev_variance=0.01, sealed_variance=0.01)
    return Decision(
        outcome=outcome,
        reason=f"{outcome}ed: P(better) {p_better}",
        effect=effect,
        low=None,
        high=None,
        p_better=p_better,
        evidence=evidence,
    )


@pytest.mark.parametrize(("title", "again"), PAIRS)
def test_a_paraphrase_is_a_repeat(title: str, again: str) -> None:
    """An idea in nearly the same words is recognised among others, whatever their order and endings."""
    book = IdeaBook(past(number, one) for number, (one, _) in enumerate(PAIRS, 1))
    found = book.is_repeat(Idea(title=again))
    assert found is not None
    assert found.idea.title == title


def test_different_ideas_on_one_subject_are_no_repeats() -> None:
    """Each of the ideas is new beside all the others, and far from the threshold."""
    for number, (title, again) in enumerate(PAIRS):
        others = IdeaBook(past(place, one) for place, (one, _) in enumerate(PAIRS) if place != number)
        assert others.is_repeat(Idea(title=title)) is None
        assert others.is_repeat(Idea(title=again)) is None
    assert 0.3 < REPEAT_THRESHOLD < 0.6


def test_a_repeat_with_another_reason_is_a_repeat() -> None:
    """The same title counts, even when the rationale was written anew."""
    book = IdeaBook([past(1, PAIRS[0][0], rationale="Maintainers of this project write commands.")])
    again = Idea(title=PAIRS[0][0], rationale="A verb at the beginning tells at once what happens.")
    assert book.is_repeat(again) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Limit the subject to 50 characters", "Limit the subject to 72 characters"),
        ("Increase the learning rate of the optimiser", "Decrease the learning rate of the optimiser"),
        ("Add the section on merge commits", "Remove the section on merge commits"),
    ],
)
def test_other_numbers_and_opposites_are_new(one: str, other: str) -> None:
    """A sweep over a number, and the step back, are ideas of their own though all other words agree."""
    book = IdeaBook([past(1, one)])
    assert book.is_repeat(Idea(title=other)) is None
    assert book.is_repeat(Idea(title=one)) is not None


@pytest.mark.parametrize("status", [Status.CRASHED, Status.INVALID])
def test_what_was_never_tried_may_be_tried_again(status: Status) -> None:
    """A crash says nothing about the idea."""
    assert IdeaBook([past(1, PAIRS[0][0], status)]).is_repeat(Idea(title=PAIRS[0][0])) is None


def test_a_near_miss_may_be_tried_against_another_incumbent() -> None:
    """What looked better than not is worth another try once the incumbent has moved; a clear loss is not."""
    book = IdeaBook(
        [
            past(1, PAIRS[0][0], p_better=0.7, incumbent="aaa"),
            past(2, PAIRS[1][0], p_better=0.1, incumbent="aaa"),
        ]
    )
    assert book.is_repeat(Idea(title=PAIRS[0][0]), incumbent="aaa") is not None
    assert book.is_repeat(Idea(title=PAIRS[0][0]), incumbent="bbb") is None
    assert book.is_repeat(Idea(title=PAIRS[1][0]), incumbent="bbb") is not None
    assert [one.number for one in book.near_misses(5, incumbent="bbb")] == [1]
    assert book.near_misses(5, incumbent="aaa") == ()


def test_near_misses_are_paired_once() -> None:
    """The most promising pair of different near-misses comes first, and is not offered again when it was combined."""
    book = IdeaBook(
        [
            past(1, PAIRS[0][0], p_better=0.6),
            past(2, PAIRS[1][0], Status.UNDECIDED, p_better=0.8),
            past(3, PAIRS[2][0], p_better=0.7),
            past(4, PAIRS[2][1], p_better=0.75),
            past(5, PAIRS[3][0], Status.KEEP, p_better=0.99),
            past(6, PAIRS[4][0], p_better=0.2),
        ]
    )
    pairs = [(one.number, other.number) for one, other in book.combinable(9)]
    assert pairs[0] == (2, 4)
    assert (3, 4) not in pairs  # they say the same
    assert {number for pair in pairs for number in pair} == {1, 2, 3, 4}
    both = Idea(title=f"{PAIRS[1][0]}; {PAIRS[2][1]}", combines=(2, 4))
    assert book.is_repeat(both) is None
    book.add(PastIdea(number=7, idea=both, status=Status.CRASHED))
    assert book.is_repeat(both) is None
    book.add(PastIdea(number=8, idea=both, status=Status.DISCARD))
    assert (2, 4) not in [(one.number, other.number) for one, other in book.combinable(9)]
    assert book.is_repeat(both) is not None


def test_the_nearest_and_the_latest_are_found() -> None:
    """A text finds the ideas that share its rarest words; the latest come latest first."""
    book = IdeaBook(past(number, one) for number, (one, _) in enumerate(PAIRS, 1))
    assert book.nearest("merge commits", 1)[0].number == 10
    assert book.nearest("zebra", 3) == ()
    assert [one.number for one in book.last(2)] == [12, 11]
    assert book.last(0) == ()
    assert len(book) == 12


def test_directions_that_were_ruled_out_are_listed_once() -> None:
    """The latest first, equal ones in other words of the same stems only once."""
    book = IdeaBook(
        [
            past(1, "A", ruled_out=("longer prompts", "more examples")),
            past(2, "B", ruled_out=("Longer prompt", "an emoji per line")),
        ]
    )
    assert book.ruled_out() == ("Longer prompt", "an emoji per line", "more examples")
    assert book.ruled_out(1) == ("Longer prompt",)


def test_an_index_of_thousands_finds_what_a_small_one_finds() -> None:
    """Common words are not followed in a large book, and the repeat is found all the same."""
    book = IdeaBook(
        past(number, f"Change rule {number} of section x{number % 40}", rationale="Common words in every idea here")
        for number in range(4000)
    )
    book.add(past(4000, PAIRS[2][0], rationale="Common words in every idea here"))
    found = book.is_repeat(Idea(title=PAIRS[2][1], rationale="Common words in every idea here"))
    assert found is not None
    assert found.number == 4000
    assert book.nearest(PAIRS[2][1], 1)[0].number == 4000


def test_ideas_in_scripts_without_spaces_are_compared() -> None:
    """Chinese ideas are told apart and recognised by their characters."""
    book = IdeaBook([past(1, "要求使用祈使语气"), past(2, "把主题限制在五十个字符以内")])
    found = book.is_repeat(Idea(title="要求使用祈使语气写主题"))
    assert found is not None
    assert found.number == 1
    assert book.is_repeat(Idea(title="添加两个例子")) is None


def test_an_idea_written_by_anyone_is_cut_to_size() -> None:
    """White space is put right, long parts are cut, parts of another kind refused."""
    idea = Idea.from_json({"title": " a\n b ", "rationale": None, "ruled_out": ["x " * 200, 3, " "], "more": 1})
    assert (idea.title, idea.rationale, len(idea.ruled_out[0])) == ("a b", "", 199)
    assert Idea.from_json(json.loads(json.dumps(idea.to_json()))) == idea
    for wrong in ({}, {"title": " "}, {"title": "a", "ruled_out": "b"}, {"title": "a", "rationale": 3}, [1]):
        with pytest.raises(ValueError, match="expected"):
            Idea.from_json(wrong)


@pytest.mark.parametrize(
    ("status", "facts", "why", "suggested"),
    [
        (Status.KEEP, {"criteria": {"tests": -0.05, "clarity": 0.1}}, "clarity +0.100, tests -0.050", "regain tests"),
        (Status.KEEP, {"criteria": {"clarity": 0.1}}, "keeped", "go on"),
        (Status.DISCARD, {"criteria": {"tests": -0.05, "clarity": 0.1}}, "discarded", "what lifted clarity"),
        (Status.DISCARD, {}, "discarded: P(better) 0.02", "leave this direction"),
        (Status.INVALID, {"faults": ["a.md may not be edited"]}, "a.md may not be edited", "the same idea"),
        (Status.CRASHED, {"faults": ["exit status 1"]}, "exit status 1", "how it crashed"),
        (Status.CRASHED, {}, "ended as crashed", "how it crashed"),
    ],
)
def test_a_retro_without_a_model_says_what_the_facts_say(
    status: Status, facts: dict[str, Any], why: str, suggested: str
) -> None:
    """The decision's reason, the criteria that moved, and one direction that follows."""
    decided = {Status.KEEP: "keep", Status.DISCARD: "discard"}.get(status)
    made = template_retro(status, decision=None if decided is None else decision(decided, p_better=0.02), **facts)
    assert why in made.why
    assert suggested in made.suggested[0]
    assert made.true_to_idea is None
    assert Retro.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_a_near_miss_is_suggested_again() -> None:
    """What was more likely better than not is to be combined or tried again."""
    for facts in (decision("discard", p_better=0.7), decision("undecided", effect=0.02)):
        assert "nearly" in template_retro(Status.DISCARD, decision=facts).suggested[0]


def test_the_trend_is_that_of_the_last_eight() -> None:
    """Too few attempts tell nothing; then it depends on the keeps among the last eight."""
    keep, discard = Status.KEEP, Status.DISCARD

    def trend(*ends: Status) -> str:
        return trend_of(IdeaBook(past(number, "x", end) for number, end in enumerate(ends[:-1])), ends[-1])

    assert trend(keep, keep, keep) == "unknown"
    assert trend(keep, discard, keep, discard) == "rising"
    assert trend(discard, discard, discard, keep) == "flat"
    assert trend(keep, *[discard] * 8) == "stuck"


def test_a_damaged_retro_is_refused() -> None:
    """Only what was written by to_json is read."""
    for wrong in ("x", {}, {"why": "x", "trend": "up"}, {"why": "x", "trend": "flat", "suggested": "y"}):
        with pytest.raises(ValueError, match="expected"):
            Retro.from_json(wrong)


def test_what_a_program_printed_last_is_no_repeat() -> None:
    """Programs that end with the same words did not do the same; only ideas that were written down are compared."""
    done = Idea(title="All done, the file was changed.", stated=False)
    book = IdeaBook([PastIdea(number=1, idea=done, status=Status.DISCARD)])
    assert book.is_repeat(done) is None
    assert book.is_repeat(Idea(title=done.title)) is None
    assert Idea.from_json(done.to_json()) == done
