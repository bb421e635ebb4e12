from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.errors import DocumentError
from tenward.loop import Engine, Journal, LoopRecord, LoopSpec, Status, journal_path
from tenward.loop._ideas import Idea, PastIdea
from tenward.loop._pool import pool_members
from tenward.testing import ScriptedJudge, ScriptedProposer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.loop import AttemptState

RUBRIC = (
    'rubric: r/v1\nabout: Is it good?\nscale: [0, 10]\ncriteria: {good: "How good is it?", tone: "Is it polite?"}\n'
)
LOOP = """\
loop: demo/v1
goal: Better.
edit: [p.md]
propose: {python: 'no:body'}
placebo: 0
score: {rubric: r.yaml, judge: local, dataset: datasets/c.jsonl}
"""


def past(number: int, **more: Any) -> PastIdea:
    """Return an attempt at the incumbent ``i`` that was discarded."""
    facts: dict[str, Any] = {"status": Status.DISCARD, "incumbent": "i", "tree": f"t{number}", **more}
    return PastIdea(number=number, idea=Idea(title=f"idea {number}"), **facts)


def test_members_are_near_misses_and_what_leads_on_some_case() -> None:
    """A version weighs the cases on which none is better, and a near-miss one more; the rest are no members."""
    found = pool_members(
        [
            past(1, by_unit={"a": 0.3, "b": -0.5}, p_better=0.2),
            past(2, by_unit={"a": 0.2, "b": 0.1, "c": 0.1}, p_better=0.6),
            past(3, by_unit={"a": 0.1, "c": 0.0}, p_better=0.3),
            past(4, by_unit={"a": 0.9}, incumbent="old", p_better=0.4),
            past(5, incumbent="old", p_better=0.7),
            past(6, by_unit={"a": 5.0}, status=Status.KEEP),
            past(7, by_unit={"a": 5.0}, status=Status.CRASHED, tree=""),
        ],
        9,
        incumbent="i",
    )
    assert [(one.number, weight) for one, weight in found] == [(2, 3), (5, 1), (1, 1)]


def test_a_lead_within_the_noise_is_none() -> None:
    """A judge's error of .1 a pass makes any version lead somewhere."""
    every = [past(1, by_unit={"a": 0.3, "b": 0.15}, p_better=0.2), past(2, by_unit={"b": 0.19}, p_better=0.2)]
    found = pool_members(every, 9, incumbent="i", noise=0.1)
    assert [(one.number, weight) for one, weight in found] == [(1, 1)]


UNITS = st.dictionaries(st.sampled_from("abcd"), st.floats(-1, 1), max_size=4)


@given(shown=st.lists(UNITS, max_size=6), size=st.integers(1, 4))
def test_every_case_that_something_improves_has_a_leader(shown: list[Mapping[str, float]], size: int) -> None:
    """Without a limit each is led by somebody; with one there are no more members than it says, the heaviest."""
    every = [past(number, by_unit=units, p_better=0.1) for number, units in enumerate(shown)]
    whole = pool_members(every, len(every), incumbent="i")
    led = {unit for one, _ in whole for unit, value in one.by_unit.items() if value > 1e-9}
    assert led == {unit for units in shown for unit, value in units.items() if value > 1e-9}
    assert pool_members(every, size, incumbent="i") == whole[:size]


def run(top: Path, change: Callable[..., Mapping[str, str]], judge: ScriptedJudge, more: str) -> list[AttemptState]:
    """Run a loop on a text of three lines; return its attempts."""
    rows = [
        {"id": f"{split[0]}{at}", "input": f"task {at}", "split": split}
        for split in ("dev", "sealed")
        for at in range(12)
    ]
    (top / "datasets").mkdir(parents=True)
    (top / "datasets/c.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (top / "r.yaml").write_text(RUBRIC)
    (top / "p.md").write_text("one\n\nmiddle\n\ntwo\n")
    who = ("-c", "user.name=B", "-c", "user.email=b@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Begin")):
        subprocess.run(["git", "-C", str(top), *words], check=True)
    record = LoopRecord.open(top, "demo")
    spec = LoopSpec.parse(LOOP + more)
    engine = Engine(spec, record, None, top=top, proposer=ScriptedProposer(change), judge=judge)
    asyncio.run(engine.run())
    with Journal(journal_path(record)) as journal:
        return list(journal.attempts())


def by_halves(case: Case) -> dict[str, float]:
    """Score a text whose two halves do nothing alone and much together; one of them seems to help on some cases."""
    first, second = "ONE" in case.output, "TWO" in case.output
    lucky = case.id[1:] in {"0", "1", "2", "3", "4"}
    return {"tone": 5.0, "good": 9.0 if first and second else 5.0 + (0.6 if (first or second) and lucky else 0.0)}


def alone(brief: Any, _: Path) -> Mapping[str, str]:
    """Improve one half by turns, whatever the other is."""
    text = brief.files["p.md"]
    old, new = ("one", "ONE") if brief.number % 2 else ("two", "TWO")
    changed = text.replace(old, new) if old in text else f"{text}\nmore {brief.number}\n"
    return {"p.md": changed, "": f"line {brief.number} {new} {'abcdefghij'[brief.number % 10] * 9}"}


def test_an_attempt_goes_on_from_one_that_was_not_kept(tmp_path: Path) -> None:
    """Two changes that help only together are found with a pool, each by an attempt of its own, and one keep."""
    assert not [
        one for one in run(tmp_path / "off", alone, ScriptedJudge(by_halves), BUDGET) if one.status is Status.KEEP
    ]
    attempts = run(tmp_path / "on", alone, ScriptedJudge(by_halves), f"pool: 4\n{BUDGET}")
    (kept,) = [one for one in attempts if one.status is Status.KEEP]
    assert len(kept.start) == 1
    assert kept.parent == attempts[0].parent
    assert {change.path for change in kept.changes} == {"p.md"}


BUDGET = "combine_every: null\nbudget: {rounds: 10}\n"


def by_tone(case: Case) -> dict[str, float]:
    """Score a text whose halves each help and each cost tone, which only both together do not."""
    halves = ("ONE" in case.output) + ("TWO" in case.output)
    return {"good": (4.0, 8.0, 9.0)[halves], "tone": 4.0 if halves == 1 else 6.0}


def test_two_near_misses_are_put_together_by_git(tmp_path: Path) -> None:
    """No proposer is asked where their changes go together, and the attempt names both."""
    more = "pool: 4\ncombine_every: 2\nkeep: {never_lower: [tone]}\nbudget: {rounds: 3}\n"
    attempts = run(tmp_path / "on", alone, ScriptedJudge(by_tone), more)
    merged = attempts[2]
    assert [one.status for one in attempts] == [Status.DISCARD, Status.DISCARD, Status.KEEP]
    assert (merged.idea_file["combines"], merged.idea_file["arm"]) == ([1, 2], "merge")
    assert merged.start == (1, 2)


def test_a_pool_is_a_number() -> None:
    """Anything else names the field."""
    with pytest.raises(DocumentError, match=r"pool: "):
        LoopSpec.parse(f"{LOOP}pool: many\n")
