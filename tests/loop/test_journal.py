from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tenward.errors import StoreError
from tenward.loop import AttemptState, Journal, LoopPhase, LoopState, Phase, PlaceboTally, Status
from tenward.loop._journal import CaseScore

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LOOP = LoopState(loop="demo", phase=LoopPhase.RUNNING, baseline="a" * 40, incumbent="b" * 40, pooled={"x": 0.1 + 0.2})


def attempt(number: int, phase: Phase = Phase.PROPOSING, tree: str = "") -> AttemptState:
    """Return an attempt at a phase."""
    return AttemptState(number=number, phase=phase, parent="b" * 40, epoch=0, began=MOMENT, tree=tree)


def test_what_was_written_is_read_by_another_process(tmp_path: Path) -> None:
    """States, scores and steps come back equal, to the last bit of a number."""
    path = tmp_path / "journal.sqlite"
    told: list[int] = []
    score = CaseScore(case_id="c", split="dev", sample=3, value=0.1 + 0.2, criteria={"good": None}, output="ö\ud800")
    with Journal(path, on_arrow=told.append) as journal:
        journal.write(loop=LOOP, arrow=True)
        journal.write(attempt=attempt(1), arrow=True, scores=("a1", [score]))
    with Journal(path) as journal:
        assert journal.loop() == LOOP
        assert journal.attempt(1) == attempt(1)
        assert journal.attempt(2) is None
        assert journal.scores("a1") == [score]
        assert [(one.attempt, one.phase) for one in journal.arrows()] == [(0, "running"), (1, "proposing")]
        assert journal.arrows(after=2) == []
        assert journal.last_step() == journal.arrows()[-1].at
    assert told == [1, 2]


def test_open_attempts_and_twins_are_found_by_index(tmp_path: Path) -> None:
    """What is under way, and what made the same files, is found without reading everything."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        for number in range(1, 8):
            phase = Phase.CLOSED if number < 6 else Phase.RACING
            journal.write(attempt=attempt(number, phase, tree=str(number % 3)))
        assert [one.number for one in journal.open_attempts()] == [6, 7]
        assert [one.number for one in journal.attempts(after=4)] == [5, 6, 7]
        assert [one.number for one in journal.twins(attempt(7, tree="1"))] == [1, 4]
        assert journal.last_number() == 7


def test_forgotten_scores_are_gone_with_the_end_of_the_attempt(tmp_path: Path) -> None:
    """One transaction closes an attempt and drops its scores."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        score = CaseScore(case_id="c", split="dev", sample=0, value=None)
        journal.write(scores=("a1", [score, replace(score, case_id="d")]))
        journal.write(scores=("e0", [score]))
        journal.write(attempt=attempt(1, Phase.CLOSED), forget=["a1"])
        assert journal.scores("a1") == []
        assert journal.scores("e0") == [score]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A reader sees all of a write or nothing of it."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.write(loop=LOOP)
        other = sqlite3.connect(path)
        other.execute("DROP TABLE attempts")
        other.commit()
        other.close()
        with pytest.raises(StoreError, match="cannot be written"):
            journal.write(loop=replace(LOOP, epoch=5), attempt=attempt(1), arrow=True)
        assert journal.loop() == LOOP
        assert journal.arrows() == []
        assert journal.last_step() is None


def test_files_that_are_no_journal_are_refused(tmp_path: Path) -> None:
    """Neither another program's file nor another version's is touched."""
    (tmp_path / "text").write_text("not a database, but long enough to be taken for one " * 20)
    with pytest.raises(StoreError, match="cannot be used as a journal"):
        Journal(tmp_path / "text")
    later = sqlite3.connect(tmp_path / "later")
    later.execute("PRAGMA user_version=99")
    later.close()
    with pytest.raises(StoreError, match="a journal of format 99"):
        Journal(tmp_path / "later")


def test_a_journal_that_is_only_read_is_not_changed(tmp_path: Path) -> None:
    """Everything can be looked at; what would write is refused."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.write(loop=LOOP, attempt=attempt(1), arrow=True)
    with Journal(path, read_only=True) as journal:
        assert (journal.loop(), journal.attempt(1), journal.last_number()) == (LOOP, attempt(1), 1)
        with pytest.raises(StoreError, match="cannot be written"):
            journal.write(loop=replace(LOOP, epoch=5))
    with pytest.raises(StoreError):
        Journal(tmp_path / "none.sqlite", read_only=True)
    assert [found.name for found in tmp_path.iterdir()] == ["journal.sqlite"]


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    """What cannot be read says where, and that git has what has ended."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.write(loop=LOOP, attempt=attempt(1))
        other = sqlite3.connect(path)
        other.execute("UPDATE loop SET state = '{}'")
        other.execute("UPDATE attempts SET state = '[]'")
        other.commit()
        other.close()
        with pytest.raises(StoreError, match="a loop that cannot be read") as caught:
            journal.loop()
        assert "git" in caught.value.hint
        with pytest.raises(StoreError, match="an attempt that cannot be read"):
            list(journal.attempts())


def test_the_bound_on_placebos_is_exact() -> None:
    """With none of n kept, the upper 95 % bound is 1 - 0.05^(1/n)."""
    assert PlaceboTally().at_most == 1.0
    assert PlaceboTally(unchanged=5, damaged=5).at_most == pytest.approx(1 - 0.05**0.1)
    assert PlaceboTally(unchanged=20, unchanged_kept=1).at_most == pytest.approx(0.2161, abs=1e-4)
    assert Status.KEEP.value == "keep"


@pytest.mark.parametrize(
    ("kept", "of", "bound"),
    [
        (1, 3, 0.8646496),
        (9, 10, 0.9948838),
        (10, 10, 1.0),
        (100, 200, 0.5603590),
        (0, 20_000, 1 - 0.05 ** (1 / 20_000)),
    ],
)
def test_the_bound_is_that_of_clopper_and_pearson(kept: int, of: int, bound: float) -> None:
    """The one-sided 95 % bounds of tables, of few placebos and of very many."""
    assert PlaceboTally(unchanged=of, unchanged_kept=kept).at_most == pytest.approx(bound, rel=1e-6)
