from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenward.errors import LoopError
from tenward.loop import Audit, AuditMatter, AuditPair, AuditScores, LoopRecord, read_audit, write_audit

if TYPE_CHECKING:
    from tests.loop.conftest import Lab


def pair(number: int, *, last: str = "", judged: float = 0.2, dev: bool = False) -> AuditPair:
    """A pair of outputs; sides are exchanged in every second one."""
    return AuditPair(
        case=f"c{number}",
        split="dev" if dev else "sealed",
        input=f"task {number}",
        context="",
        first=f"first {number}",
        last=last or f"last {number}",
        judged=judged,
        last_is_a=number % 2 == 0,
    )


def audit(*pairs: AuditPair, complete: bool = True) -> Audit:
    """A check of some pairs without answers."""
    return Audit(first="a" * 40, last="b" * 40, matter=AuditMatter(about="Is it good?"), pairs=pairs, complete=complete)


def answered(found: Audit, *, points: int, count: int) -> Audit:
    """The check in which a person sees the last version so many points above the first, on the first so many pairs."""
    for one in found.waiting(count):
        found = found.answered(one, AuditScores(first=4, last=4 + points))
    return found


def test_scores_of_sides_become_scores_of_versions() -> None:
    """A and B are exchanged where side A shows the last version; what is off the scale is refused."""
    even, odd = pair(0), pair(1)
    assert even.sides == ("last 0", "first 0")
    assert odd.sides == ("first 1", "last 1")
    assert even.scores(9, 3) == odd.scores(3, 9) == AuditScores(first=3, last=9)
    for a, b in ((0, 5), (5, 11)):
        with pytest.raises(ValueError, match="expected a whole number from 1 to 10"):
            even.scores(a, b)


def test_a_token_belongs_to_its_texts_and_sides() -> None:
    """Answers to other texts, or to the same with sides exchanged, cannot be taken for answers to these."""
    one = pair(0)
    others = [pair(1), replace(one, last="other"), replace(one, last_is_a=False), replace(one, case="other")]
    assert len({one.token, *(other.token for other in others)}) == 5
    assert replace(one, judged=0.9, input="other").token == one.token


def test_nine_points_are_the_whole_scale() -> None:
    """Three points better on every case is a gain of a third, in the judge's unit."""
    found = answered(audit(*(pair(number) for number in range(20))), points=3, count=10).check
    assert found is not None
    assert found.gain == pytest.approx(3 / 9)
    assert found.bias == pytest.approx(0.2 - 3 / 9)
    assert (found.answers, found.further) == (10, 10)


def test_six_answers_are_the_least() -> None:
    """Below six scores there is no result, however many pairs were passed or are the same."""
    same = [pair(number, last=f"first  {number}\n") for number in range(10, 20)]
    five = answered(audit(*same, *(pair(number) for number in range(9))), points=1, count=15)
    assert (five.given, five.check) == (5, None)
    six = answered(five, points=1, count=16)
    assert six.check is not None
    assert six.check.answers == 16


def test_same_texts_count_only_as_far_as_the_draw_has_come() -> None:
    """Texts that are equal but for blanks are no difference to anybody; those behind the last answer do not count."""
    pairs = [pair(number, last=f"first {number}" if number in (2, 15) else "") for number in range(20)]
    found = answered(audit(*pairs), points=9, count=10)
    assert found.same == 1
    assert found.check is not None
    assert found.check.answers == 10
    assert found.check.human_gain == pytest.approx(0.9)
    assert found.check.judge_gain == pytest.approx(0.2 * 18 / 20)


def test_passed_cases_count_nowhere() -> None:
    """A case that a person could not judge is neither an answer nor one of the judge's further cases."""
    pairs = [pair(number) for number in range(12)]
    found = answered(audit(*pairs).answered(pairs[0], None), points=1, count=8)
    assert found.check is not None
    assert (found.given, found.skipped, found.check.answers, found.check.further) == (7, 1, 7, 4)


def test_an_answered_dev_case_takes_the_judges_help_away() -> None:
    """The judge's further scores are on sealed cases alone, so they say nothing of a mixture."""
    pairs = [pair(number, judged=0.1 * (number % 3)) for number in range(12)]
    mixed = audit(*pairs, pair(12, dev=True))
    sealed = answered(mixed, points=2, count=8).check
    both = answered(mixed, points=2, count=8).answered(mixed.pairs[12], AuditScores(first=4, last=6)).check
    assert sealed is not None
    assert both is not None
    assert (sealed.further, both.further) == (4, 0)


def test_a_check_comes_back_from_git_as_it_was(lab: Lab) -> None:
    """Texts with anything in them, scores and passed pairs survive; a second reader sees the same."""
    wild = replace(pair(1), input="null \0, line\u2028, emoji 🦊 </script>", last="\r\n\t")
    written = write_audit(lab.record, audit(pair(0), wild).answered(wild, None))
    written = write_audit(lab.record, written.answered(pair(0), AuditScores(first=1, last=10)))
    assert read_audit(LoopRecord.open(lab.folder, "demo")) == written
    assert lab.git("rev-list", "--count", "refs/tenward/demo/audit") == "2"
    assert read_audit(LoopRecord.open(lab.folder, "other")) is None


def test_two_people_at_once_do_not_overwrite_each_other(lab: Lab) -> None:
    """Who answers on top of a check that has moved on since is refused, and nothing is lost."""
    begun = write_audit(lab.record, audit(pair(0), pair(1)))
    kept = write_audit(lab.record, begun.answered(pair(0), AuditScores(first=2, last=3)))
    with pytest.raises(LoopError, match="somebody else has answered"):
        write_audit(lab.record, begun.answered(pair(1), AuditScores(first=5, last=5)))
    assert read_audit(lab.record) == kept


def test_a_ref_that_holds_something_else_is_named(lab: Lab) -> None:
    """What is no human check is not taken for one; the hint says how to begin anew."""
    lab.git("update-ref", "refs/tenward/demo/audit", "HEAD")
    with pytest.raises(LoopError, match="refs/tenward/demo/audit is not a human check") as caught:
        read_audit(lab.record)
    assert "git update-ref -d refs/tenward/demo/audit" in caught.value.hint
