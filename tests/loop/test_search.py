from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.errors import DocumentError, LoopError, TenwardError, UsageError
from tenward.loop import Engine, Journal, LoopPhase, LoopRecord, LoopSpec, journal_path
from tenward.loop._brief import Measured, build_brief
from tenward.loop._ideas import IdeaBook, PastIdea
from tenward.loop._ledger import Status
from tenward.loop._search_spec import SearchSpec, searched
from tenward.loop._settings import read_settings
from tenward.loop.proposers import Portfolio, SearchProposer, make_proposer, proposer_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenward.loop.proposers import Proposal

    Score = Callable[[Mapping[str, object]], float | None]

TEXT = """\
kind = "round"        # "round" or "square"
x = 5.0               # -10 to 10
y = 3                 # how many, 0 to 20
corner = 0.5          # of a square one, 0 to 1
plain = true          # true or false
loose = true
label = "of no matter"
"""
SEARCH = SearchSpec(file="s.toml")
LOOP = """\
loop: s/v1
goal: Lower is better.
edit: [s.toml]
propose: {{search: {search}}}
score: {{number: {{command: {command}, goal: minimize}}}}
{more}
budget: {{rounds: 30}}
"""


def worth(values: Mapping[str, object]) -> float:
    """Return what is to be made small: 0 at x 2, y 7, plain off, round."""
    x, y = float(str(values["x"])), float(str(values["y"]))
    return (x - 2) ** 2 + (y - 7) ** 2 + 5 * (values["plain"] is True) + 3 * (values["kind"] == "square")


class Play:
    """A search that is played by itself: every proposal is scored, and told as the loop tells it."""

    def __init__(
        self, spec: SearchSpec = SEARCH, score: Callable[[Mapping[str, object]], float | None] = worth
    ) -> None:
        self.book = IdeaBook()
        self.proposer = SearchProposer(spec, TEXT, maximize=False, past=self.book.since)
        self.score = score
        self.seen: list[dict[str, object]] = []

    def propose(self, number: int) -> Proposal:
        """Return the proposal for attempt N."""
        brief = build_brief(
            number=number,
            goal="Lower.",
            editable=["s.toml"],
            files={"s.toml": TEXT},
            measured=Measured(value=worth(now()), goal="minimize"),
            chance=number * 0.618 % 1,
        )
        return asyncio.run(self.proposer.propose(brief, Path()))

    def round(self, number: int) -> float | None:
        """Propose, score and tell; return the score."""
        proposal = self.propose(number)
        assert proposal.idea is not None, proposal.faults
        found = {name: one.value for name, one in read_settings("s.toml", proposal.files["s.toml"]).items()}
        self.seen.append(dict(found))
        value = self.score(found)
        status = Status.CRASHED if value is None else Status.DISCARD
        past = PastIdea(number=number, idea=proposal.idea, status=status, score=value, beside=worth(now()))
        self.book.add(past)
        return value


def now() -> dict[str, object]:
    """Return the settings as they are at first."""
    return {name: one.value for name, one in read_settings("s.toml", TEXT).items()}


def test_ranges_come_from_comments() -> None:
    """Numbers with a range, texts with their values in quotes, and what is true or false; the rest is left alone."""
    found = {one.name: one.words for one in searched(SEARCH, TEXT)}
    assert found == {
        "kind": "round, square",
        "x": "-10 to 10",
        "y": "whole numbers 0 to 20",
        "corner": "0 to 1",
        "plain": "false, true",
    }


def test_a_search_finds_what_is_better_than_chance() -> None:
    """Sixty rounds come near the best of five settings, of a kind each, and nothing is tried twice."""
    play = Play()
    best = min(value for number in range(1, 61) if (value := play.round(number)) is not None)
    assert best < 4
    assert len({str(one) for one in play.seen}) == 60
    assert all(one["label"] == "of no matter" for one in play.seen)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 10_000))
def test_the_same_past_and_chance_draw_the_same(start: int) -> None:
    """A process that goes on where another was stopped proposes what that one would have."""
    play = Play()
    for number in range(start, start + 14):
        play.round(number)
    other = Play()
    for past in play.book.since(0):
        other.book.add(past)
    assert other.propose(start + 14).files == play.propose(start + 14).files


def test_values_stay_in_their_ranges_and_kinds() -> None:
    """Whole numbers stay whole, steps are kept, and what has no meaning stays as it is."""
    spec = SearchSpec.model_validate(
        {
            "file": "s.toml",
            "parameters": {
                "kind": ["round", "square"],
                "y": {"low": 2, "high": 8, "step": 3},
                "x": {"low": 0.001, "high": 10, "log": True},
                "corner": {"low": 0, "high": 1, "when": {"kind": "square"}},
            },
        }
    )
    play = Play(spec)
    for number in range(1, 25):
        play.round(number)
    for one in play.seen:
        assert one["y"] in {2, 5, 8}
        assert isinstance(one["y"], int)
        assert 0.001 <= float(str(one["x"])) <= 10
        assert one["kind"] == "square" or one["corner"] == 0.5
    assert {one["kind"] for one in play.seen} == {"round", "square"}


def test_what_breaks_down_is_avoided() -> None:
    """Where half of the range crashes, the search soon stays in the other half."""
    play = Play(score=lambda found: None if float(str(found["x"])) < 0 else worth(found))
    for number in range(1, 61):
        play.round(number)
    assert sum(float(str(one["x"])) < 0 for one in play.seen[30:]) < 11


def test_a_search_that_has_tried_all_says_so() -> None:
    """Two settings of two values each have four combinations, of which the loop begins with one."""
    parameters = {"kind": ["round", "square"], "plain": [True, False]}
    play = Play(SearchSpec.model_validate({"file": "s.toml", "parameters": parameters}))
    for number in range(1, 4):
        play.round(number)
    with pytest.raises(LoopError, match="every draw was tried before, 4 in all"):
        play.propose(4)


def test_the_last_values_of_few_are_found(tmp_path: Path) -> None:
    """Of forty whole numbers all are tried before the search ends, and a loop that ends so says why."""
    spec = repository(tmp_path, search="{file: s.toml, parameters: {y: {low: 1, high: 12}}}")
    state = asyncio.run(Engine(spec, LoopRecord.open(tmp_path, spec.name), None, top=tmp_path).run())
    assert "every draw was tried before, 12 in all" in state.note
    with Journal(journal_path(LoopRecord.open(tmp_path, spec.name))) as journal:
        made = [attempt.tree for attempt in journal.attempts() if attempt.decision is not None]
    assert len(made) == len(set(made)) == 11


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("1 to 250", "whole numbers 1 to 250"),
        ("0.5 to 12.5, in days", "0.5 to 12.5"),
        ("-3 to 1e4", "whole numbers -3 to 10000"),
        ("1,000 to 5,000", ""),
        ("0 to 5.5x", ""),
        ("2024-01-02 to 2024-02-01", ""),
        ("0,1 to 7,5", ""),
        ("7 to 9, so not this one", ""),
        ("0 to 1e400", ""),
        ("none", ""),
    ],
)
def test_only_a_plain_range_in_which_the_value_lies_is_taken(comment: str, found: str) -> None:
    """What may mean something else is left alone."""
    text = f"on = true  # true or false\nn = 5  # {comment}\n"
    assert {one.name: one.words for one in searched(SEARCH, text)}.get("n", "") == found


def test_values_of_a_narrow_range_differ_and_steps_are_kept() -> None:
    """A value is written to a millionth of its range."""
    ranges = {"x": {"low": 5.00001, "high": 5.00009}, "corner": {"low": 0, "high": 50000, "step": 0.25}}
    play = Play(SearchSpec.model_validate({"file": "s.toml", "parameters": ranges}))
    for number in range(1, 21):
        play.round(number)
    assert len({one["x"] for one in play.seen}) > 15
    assert all(float(str(one["corner"])) * 4 % 1 == 0 for one in play.seen)


def test_what_has_no_meaning_makes_no_new_values() -> None:
    """Two kinds, of which one alone has a corner of two values: three combinations, the first of which is there."""
    parameters = {
        "kind": ["round", "square"],
        "plain": {"choices": [True, False], "when": {"kind": "square"}},
    }
    play = Play(SearchSpec.model_validate({"file": "s.toml", "parameters": parameters}))
    for number in (1, 2):
        play.round(number)
    with pytest.raises(LoopError, match="tried before, 3 in all"):
        play.propose(3)


def test_a_restart_knows_what_the_loop_began_with() -> None:
    """The values of the first version are not drawn again, though another has replaced them."""
    parameters = {"kind": ["round", "square"], "plain": [True, False]}
    spec = SearchSpec.model_validate({"file": "s.toml", "parameters": parameters})
    play = Play(spec)
    kept = play.propose(1)
    assert kept.idea is not None
    other = Play(spec)
    other.book.add(PastIdea(number=1, idea=kept.idea, status=Status.KEEP, score=1.0, beside=worth(now())))
    seen = {tuple(kept.idea.settings.items())}
    for number in (2, 3):
        idea = other.propose(number).idea
        assert idea is not None
        other.book.add(PastIdea(number=number, idea=idea, status=Status.DISCARD, score=2.0, beside=1.0))
        seen.add(tuple(idea.settings.items()))
    assert len(seen) == 3
    assert not any(dict(one) == {"kind": "round", "plain": True} for one in seen)


@pytest.mark.parametrize("sampler", ["cma-es", "random"])
def test_other_samplers_propose_too(sampler: str) -> None:
    """Ten rounds of each, on numbers."""
    ranges = {"x": {"low": -10, "high": 10}, "corner": {"low": 0, "high": 1}}
    play = Play(SearchSpec.model_validate({"file": "s.toml", "sampler": sampler, "parameters": ranges}))
    for number in range(1, 11):
        play.round(number)
    assert len({str(one) for one in play.seen}) == 10


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"speed": {"low": 1, "high": 2}}, "found 'speed', expected a setting of s.toml"),
        ({"x": [1, "a"]}, "expected values like 5.0"),
        ({"kind": {"low": 1, "high": 2}}, "found a range for 'round'"),
        ({"x": {"low": 1, "high": 2, "when": {"kind": "round"}}}, "a parameter that stands above x"),
        (
            {"kind": ["round", "flat"], "x": {"low": 1, "high": 2, "when": {"kind": "square"}}},
            "a parameter that stands above x",
        ),
    ],
)
def test_parameters_that_cannot_be_searched_are_named(parameters: dict[str, object], words: str) -> None:
    """Before a run: not in the file, of another kind, or hanging on what is not searched."""
    spec = SearchSpec.model_validate({"file": "s.toml", "parameters": parameters})
    with pytest.raises(LoopError, match=words):
        searched(spec, TEXT)


def test_a_file_without_ranges_is_named() -> None:
    """With how to write one."""
    with pytest.raises(LoopError, match=r"no setting in s\.toml whose comment says its range") as caught:
        searched(SEARCH, "x = 1  # of no range\n")
    assert "1 to 250" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("{file: s.toml, parameters: {x: {low: 3, high: 3}}}", "found the range 3 to 3, expected low below high"),
        ("{file: s.toml, parameters: {x: {low: 3}}}", "found one end only"),
        ("{file: s.toml, parameters: {x: {low: 0, high: 3, log: true}}}", "found log with low 0"),
        ("{file: s.toml, parameters: {x: {low: 0, high: 3, step: 4}}}", "expected at most 3"),
        ("{file: s.toml, parameters: {x: [1]}}", "at least 2"),
        ("{file: s.toml, sampler: magic}", "magic"),
        ("{file: other.toml}", "a file that edit matches"),
        ("{file: s.toml, parameters: {x: {low: -1.0e+300, high: 1}}}", "greater than or equal"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(search: str, words: str) -> None:
    """Every fault names its field."""
    with pytest.raises(DocumentError, match=words):
        LoopSpec.parse(LOOP.format(search=search, command="./run", more=""))


def test_searches_side_by_side_are_refused() -> None:
    """Each draw learns from the one before."""
    with pytest.raises(DocumentError, match=r"2 beside propose\.search"):
        LoopSpec.parse(LOOP.format(search="{file: s.toml}", command="./run", more="parallel: 2"))


def test_cma_es_needs_numbers() -> None:
    """A single choice is none."""
    spec = SearchSpec.model_validate(
        {"file": "s.toml", "sampler": "cma-es", "parameters": {"kind": ["round", "square"]}}
    )
    with pytest.raises(LoopError, match="two or more settings with a range"):
        Play(spec)


def test_without_optuna_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is run."""
    (tmp_path / "s.toml").write_text(TEXT)
    monkeypatch.setitem(sys.modules, "optuna", None)
    spec = LoopSpec.parse(LOOP.format(search="{file: s.toml}", command="./run", more=""))
    with pytest.raises(UsageError, match="found no Optuna"):
        make_proposer(spec, tmp_path)
    fault = proposer_fault(spec, tmp_path)
    assert isinstance(fault, TenwardError)
    assert "tenward[search]" in (fault.hint or "")


RUN = """\
import pathlib, sys, tomllib
s = tomllib.loads(pathlib.Path("s.toml").read_text())
if s["x"] < -8: sys.exit("too far out")
print((s["x"] - 2) ** 2 + (s["y"] - 7) ** 2)
"""


def repository(top: Path, more: str = "", search: str = "{file: s.toml}") -> LoopSpec:
    """Make a repository with a loop that searches; return its spec."""
    (top / "s.toml").write_text(TEXT)
    (top / "run.py").write_text(RUN)
    who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Begin")):
        subprocess.run(["git", "-C", str(top), *arguments], check=True)
    return LoopSpec.parse(LOOP.format(search=search, command=f"{sys.executable} run.py", more=more))


def test_a_loop_that_searches_keeps_what_is_better_and_goes_on(tmp_path: Path) -> None:
    """Keeps are commits of the one file; a second run takes up where the first ended, and repeats nothing."""
    spec = repository(tmp_path)
    record = LoopRecord.open(tmp_path, spec.name)
    first = asyncio.run(Engine(spec, record, None, top=tmp_path).run(rounds=12))
    state = asyncio.run(Engine(spec, LoopRecord.open(tmp_path, spec.name), None, top=tmp_path).run(rounds=12))
    assert state.counts["keep"] >= 2
    assert state.incumbent_score is not None
    assert first.incumbent_score is not None
    assert state.incumbent_score <= first.incumbent_score < 25
    with Journal(journal_path(record)) as journal:
        attempts = list(journal.attempts())
    assert len(attempts) == len({attempt.tree for attempt in attempts}) == 24


def test_a_stage_lets_the_best_so_far_go_on(tmp_path: Path) -> None:
    """Successive halving: of many candidates a share is measured in full."""
    stage = f"stages: [{{number: {{command: {sys.executable} run.py, goal: minimize}}, best: 0.25}}]"
    spec = repository(tmp_path, stage)
    record = LoopRecord.open(tmp_path, spec.name)
    asyncio.run(Engine(spec, record, None, top=tmp_path).run(rounds=24))
    with Journal(journal_path(record)) as journal:
        reasons = [attempt.reason for attempt in journal.attempts()]
    assert 8 <= sum(reason.startswith("discarded at number") for reason in reasons) < 24


CODE = """\
def worth(s):
    return (s["x"] - 2) ** 2 + (s["y"] - 7) ** 2 + 50
"""
MEASURE = """\
import pathlib, tomllib
import code_of_it
print(code_of_it.worth(tomllib.loads(pathlib.Path("s.toml").read_text())))
"""
IDEAS = """\
import pathlib

def main(brief):
    edit = {"path": "code_of_it.py", "find": " + 50", "replace": ""}
    return {"title": f"Leave out a constant, {brief['number']}", "edits": [edit]}
"""


def test_a_search_is_an_arm_beside_ideas(tmp_path: Path) -> None:
    """One proposer changes the code, the other its settings; both are kept, and a done search ends nothing."""
    spec = repository(tmp_path)
    (tmp_path / "run.py").write_text(MEASURE)
    (tmp_path / "code_of_it.py").write_text(CODE)
    (tmp_path / "ideas.py").write_text(IDEAS)
    who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
    for arguments in (("add", "."), (*who, "commit", "-qm", "Code")):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    search = {"file": "s.toml", "parameters": {"x": [1, 2], "y": [3, 7]}}
    data = spec.model_dump(mode="json", exclude_unset=True)
    data |= {"edit": ["s.toml", "code_of_it.py"], "propose": {"python": "ideas:main", "search": search}}
    spec = LoopSpec.parse(json.dumps(data))
    record = LoopRecord.open(tmp_path, spec.name)
    state = asyncio.run(Engine(spec, record, None, top=tmp_path).run(rounds=14))
    with Journal(journal_path(record)) as journal:
        attempts = list(journal.attempts())
    kept = {attempt.idea_file["arm"] for attempt in attempts if attempt.status is Status.KEEP}
    assert kept == {"python", "search"}
    assert set(state.arms) == {"python", "search"}
    assert state.incumbent_score == 0
    assert sum(attempt.idea_file.get("arm") == "search" for attempt in attempts if attempt.idea_file) <= 4
    assert len(attempts) == 14


def test_a_loop_ends_where_nothing_is_left_to_try(tmp_path: Path) -> None:
    """It says so, and what was kept stands, with its gain; asked again it comes to the same end."""
    spec = repository(tmp_path, search="{file: s.toml, parameters: {x: [5, 2], y: [3, 7]}}")
    for attempts in (4, 5):
        record = LoopRecord.open(tmp_path, spec.name)
        state = asyncio.run(Engine(spec, record, None, top=tmp_path).run())
        assert state.phase is LoopPhase.ENDED
        assert state.note.startswith("propose.search: every draw was tried before, 4 in all")
        assert state.incumbent_score == 0
        assert state.headline["winner_mean"] == 0
        assert sum(state.counts.values()) == attempts


def test_a_proposer_of_nothing_usable_is_not_asked_for_ever(tmp_path: Path) -> None:
    """After ten in a row the loop stops and says what the last was."""
    spec = repository(tmp_path, more="placebo: 0")
    (tmp_path / "ideas.py").write_text("def main(brief):\n    return {'title': 'x', 'edits': []}\n")
    data = spec.model_dump(mode="json", exclude_unset=True)
    spec = LoopSpec.parse(json.dumps(data | {"propose": {"python": "ideas:main"}}))
    with pytest.raises(LoopError, match=r"10 times in a row, at last: invalid: .*no edits"):
        asyncio.run(Engine(spec, LoopRecord.open(tmp_path, spec.name), None, top=tmp_path).run())


def test_a_model_that_rewrites_files_stands_beside_a_search(tmp_path: Path) -> None:
    """Both are arms unless the file chooses, also under a plan that asks nobody."""
    spec = repository(tmp_path)
    data: dict[str, Any] = spec.model_dump(mode="json", exclude_unset=True)
    data["propose"] = {"llm": {"model": "openai/m"}, "search": {"file": "s.toml"}}
    made = make_proposer(LoopSpec.parse(json.dumps(data)), tmp_path)
    assert isinstance(made, Portfolio)
    assert made.arms == ("rewrite", "search")
    assert [one.name for one in made.parameters]
    data["propose"] |= {"arms": ["search"]}
    with pytest.raises(DocumentError, match="found llm, and no arm that asks it"):
        LoopSpec.parse(json.dumps(data))
