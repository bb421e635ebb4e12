from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from tenward.loop import LoopRecord, read_audit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.loop import Audit
    from tenward.testing import StubServer

    Run = Callable[..., CompletedProcess[str]]

LOOP = """\
loop: answers/v1
goal: Answers of a better grade.
edit: [answer.txt, same.txt]
propose: {{command: "sh propose.sh"}}
{produce}
score: {{rubric: mine, judge: stated, dataset: questions}}
keep: {{in_play: 8, sealed: {sealed}}}
confirm: {{split: sealed}}
budget: {{rounds: 20}}
placebo: 0.0
"""
# Two cases of the sealed split get the same answer from both versions.
ANSWER = '#!/bin/sh\ncase "$(cat)" in *"Question 1"[12]*) echo "of grade 3, as ever";; *) cat answer.txt;; esac\n'


PRODUCE = "produce: {command: sh answer.sh}"
BETTER = """\
if grep -q 4 answer.txt; then echo 'of grade 5' > answer.txt; else echo 'of grade 4' > answer.txt; fi
echo "a better grade than $(cat answer.txt)"
"""


def make(
    workspace: Path,
    *,
    dev: int = 10,
    sealed: int = 15,
    produce: str = PRODUCE,
    propose: str = BETTER,
    in_group: int = 1,
) -> None:
    """Commit a loop whose first proposal is better by four tenths, and the second one by two more."""
    (workspace / "loop").mkdir()
    (workspace / "datasets").mkdir()
    (workspace / "loop/answers.yaml").write_text(LOOP.format(produce=produce, sealed=max(12, sealed - 3)))
    (workspace / "propose.sh").write_text(propose)
    (workspace / "answer.sh").write_text(ANSWER)
    (workspace / "answer.txt").write_text("of grade 2\n")
    (workspace / ".gitignore").write_text(".tenward/\n")
    cases = [
        {"id": f"q{number:02}", "input": f"Question {number}", "split": "dev" if number < dev else "sealed"}
        for number in range(dev + sealed)
    ]
    if in_group > 1:
        cases = [{**case, "group": f"{case['split']}-{at // in_group}"} for at, case in enumerate(cases)]
    (workspace / "datasets/questions.jsonl").write_text("".join(f"{json.dumps(case)}\n" for case in cases))
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-qm", "Begin")):
        start = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *words]
        subprocess.run(start, cwd=workspace, check=True)


@pytest.fixture
def ended(workspace: Path, server: StubServer, run: Run) -> Path:
    """A repository whose loop has kept one attempt and measured its gain."""
    assert server.base_url
    make(workspace)
    assert run("loop", "run", "answers", "--rounds", "1").returncode == 0
    return workspace


def audit_of(folder: Path) -> Audit:
    """The check as git has it."""
    found = read_audit(LoopRecord.open(folder, "answers"))
    assert found is not None
    return found


def typed(folder: Path, *, first: int, last: int, count: int) -> bytes:
    """What a person types who gives the first version one score and the last one another."""
    lines: list[str] = []
    for pair in audit_of(folder).waiting(30)[:count]:
        a, b = (last, first) if pair.last_is_a else (first, last)
        lines.append(f"{a} {b}")
    return "\n".join([*lines, ""]).encode()


def test_a_person_answers_stops_and_goes_on(run: Run, ended: Path) -> None:
    """Answers are kept one by one; the next call asks what is left, and the corrected gain is in status and report."""
    begun = run("loop", "audit", "answers", "--cases", "15", stdin=b"q\n")
    assert begun.returncode == 0, begun.stderr
    assert "Pair 1 of 13" in begun.stderr
    assert "what was answered is kept; tenward loop audit answers goes on" in begun.stderr
    assert "no person has checked it" in run("loop", "status", "answers").stdout
    few = run("loop", "audit", "answers", "--cases", "15", stdin=typed(ended, first=5, last=6, count=4))
    assert "human check: 4 answers, at least 6 are needed" in few.stdout
    assert "9 of 13 pairs are left" in few.stdout
    rest = typed(ended, first=5, last=6, count=9)
    wrong = b"11 3\nhello\n" + rest[: rest.rindex(b"\n", 0, -1) + 1] + b"s\n"
    done = run("loop", "audit", "answers", "--cases", "15", stdin=wrong)
    assert "Pair 5 of 13" in done.stderr
    assert "found '11 3', expected two scores from 1 to 10" in done.stderr
    assert "found 'hello'" in done.stderr
    assert "12 scored; 1 passed" in done.stdout
    assert "human check confirmed by a person: +0.0" in done.stdout
    assert "a person is the only defence where all judges share a weakness" in done.stdout
    data = json.loads(run("loop", "audit", "answers", "--json", stdin=b"").stdout)
    assert data["check"]["answers"] == 12 + data["same_texts"]
    assert data["check"]["judge_gain"] == pytest.approx(0.4 * 12 / (12 + data["same_texts"]))
    assert 0 < data["check"]["gain"] < 1 / 9 + 0.001
    assert (data["answers"], data["passed"]) == (12, 1)
    status = run("loop", "status", "answers")
    assert "gain confirmed: +0.3" in status.stdout
    assert "human check confirmed by a person" in status.stdout
    assert json.loads(run("loop", "status", "answers", "--json").stdout)["human_check"] == data
    assert run("loop", "report", "answers", "-o", "out.html").returncode == 0
    assert "A person who did not know which was which" in (ended / "out.html").read_text(encoding="utf-8")


def test_the_answers_are_in_git_with_their_history(run: Run, ended: Path) -> None:
    """Each answer is a commit on a ref beside the attempts, and nothing of it is in the user's branch."""
    run("loop", "audit", "answers", stdin=b"q\n")
    run("loop", "audit", "answers", stdin=typed(ended, first=3, last=7, count=3))
    listed = ["git", "log", "--format=%s", "refs/tenward/answers/audit"]
    told = subprocess.run(listed, cwd=ended, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == [f"Human check of the loop answers: {count} answers" for count in (3, 2, 1, 0)]
    audit = audit_of(ended)
    assert {(scores.first, scores.last) for scores in audit.answers.values() if scores} == {(3, 7)}
    assert {pair.split for pair in audit.pairs[:15]} == {"sealed"}


def test_the_same_loop_has_the_same_draw(run: Run, ended: Path) -> None:
    """Cases, their order and their sides follow from the loop; both sides come up."""
    run("loop", "audit", "answers", stdin=b"q\n")
    before = audit_of(ended)
    subprocess.run(["git", "update-ref", "-d", "refs/tenward/answers/audit"], cwd=ended, check=True)
    run("loop", "audit", "answers", stdin=b"q\n")
    assert audit_of(ended).pairs == before.pairs
    assert {pair.last_is_a for pair in before.pairs} == {True, False}
    assert [pair.case for pair in before.pairs] != sorted(pair.case for pair in before.pairs)


def test_one_case_of_a_group_is_drawn(run: Run, workspace: Path, server: StubServer) -> None:
    """Cases that share a source are one unit: a person sees one of them, drawn among all."""
    assert server.base_url
    make(workspace, dev=20, sealed=30, in_group=2)
    assert run("loop", "run", "answers", "--rounds", "1").returncode == 0
    assert run("loop", "audit", "answers", "--cases", "20", stdin=b"q\n").returncode == 0
    pairs = audit_of(workspace).pairs
    assert [pair.split for pair in pairs] == ["sealed"] * 15 + ["dev"] * 5
    assert len({int(pair.case[1:]) // 2 for pair in pairs}) == 20
    assert {int(pair.case[1:]) % 2 for pair in pairs} == {0, 1}


def test_what_is_word_for_word_the_same_is_not_asked(run: Run, ended: Path) -> None:
    """Two of the fifteen sealed cases have one text; they count as no difference, once the draw has come so far."""
    run("loop", "audit", "answers", stdin=b"q\n")
    audit = audit_of(ended)
    same = [pair.case for pair in audit.pairs if pair.same]
    assert set(same) & {"q11", "q12"} == {"q11", "q12"}
    run("loop", "audit", "answers", "--cases", "15", stdin=typed(ended, first=4, last=5, count=13))
    audit = audit_of(ended)
    assert audit.check is not None
    assert audit.check.answers == 13 + audit.same
    assert audit.check.human_gain == pytest.approx(13 / 9 / (13 + audit.same))


def test_dev_cases_fill_up_and_are_named(run: Run, ended: Path) -> None:
    """With more cases than are sealed, dev cases follow; they are said to be such, and the judge helps no more."""
    run("loop", "audit", "answers", "--cases", "20", stdin=b"q\n")
    assert [pair.split for pair in audit_of(ended).pairs] == ["sealed"] * 15 + ["dev"] * 5
    done = run("loop", "audit", "answers", "--cases", "20", stdin=typed(ended, first=4, last=6, count=20))
    assert "5 are dev cases, which the proposer may have seen" in done.stdout
    found = audit_of(ended).check
    assert found is not None
    assert (found.weight, found.further) == (0, 0)
    more = run("loop", "audit", "answers", "--cases", "30", stdin=b"q\n")
    assert "Pair 19 of 23" in more.stderr
    assert audit_of(ended).complete


def test_a_page_is_answered_and_taken_in(run: Run, ended: Path) -> None:
    """The page has texts and tokens, nothing that tells the versions apart; its file of answers becomes the check."""
    wrote = run("loop", "audit", "answers", "--cases", "15", "--page", "check.html")
    assert wrote.returncode == 0, wrote.stderr
    audit, page = audit_of(ended), (ended / "check.html").read_text(encoding="utf-8")
    for told in (audit.first, audit.last, audit.first[:12], audit.last[:12], "last_is_a", "q11", "sealed", "incumbent"):
        assert told not in page
    tokens = re.findall(r'<section class="blind" data-pair="([0-9a-f]{12})"', page)
    assert tokens == [pair.token for pair in audit.waiting(15)]
    answers: dict[str, list[int] | None] = {pair.token: list(pair_of(pair.last_is_a)) for pair in audit.waiting(15)}
    answers[tokens[0]] = None
    (ended / "mine.json").write_text(json.dumps({"human_check": 1, "loop": "answers", "answers": answers}))
    took = run("loop", "audit", "answers", "--cases", "15", "--answers", "mine.json")
    assert took.returncode == 0, took.stderr
    assert "took 13 answers from mine.json" in took.stderr
    assert "12 scored; 1 passed" in took.stdout
    assert {(one.first, one.last) for one in audit_of(ended).answers.values() if one} == {(8, 2)}
    assert "not confirmed by a person: -0." in took.stdout
    again = run("loop", "audit", "answers", "--cases", "15", "--page", "check.html")
    assert again.returncode == 2
    assert "found no pair among 15 cases that is still to be answered" in again.stderr


def pair_of(last_is_a: bool) -> tuple[int, int]:
    """Scores of A and B that prefer the first version."""
    return (2, 8) if last_is_a else (8, 2)


WRONG = {
    "{": "cannot be read as answers",
    '{"human_check": 2, "answers": {}}': "expected the answers of a human check",
    '{"human_check": 1, "loop": "other", "answers": {}}': "found answers about the loop 'other'",
    '{"human_check": 1, "loop": "answers", "answers": {"TOKEN": [5, 5], "no": [1, 2]}}': "which is none of this check",
    '{"human_check": 1, "loop": "answers", "answers": {"TOKEN": [1, 2.5]}}': "expected two whole numbers",
    '{"human_check": 1, "loop": "answers", "answers": {"TOKEN": [0, 5]}}': "found the score 0, expected a whole",
}


def test_a_wrong_file_of_answers_changes_nothing(run: Run, ended: Path) -> None:
    """What is no file of answers to this check is refused with what was found; no answer of it is taken."""
    run("loop", "audit", "answers", stdin=b"q\n")
    for text, complaint in WRONG.items():
        (ended / "mine.json").write_text(text.replace("TOKEN", audit_of(ended).waiting(30)[0].token))
        refused = run("loop", "audit", "answers", "--answers", "mine.json")
        assert refused.returncode == 2
        assert complaint in refused.stderr
    assert audit_of(ended).answers == {}


def test_outputs_that_are_not_there_are_made(run: Run, ended: Path) -> None:
    """Where the journal has lost the headline, outputs are made again the loop's own way."""
    journal = ended / ".git/tenward/answers/journal.sqlite"
    with sqlite3.connect(journal) as db:
        db.execute("DELETE FROM scores WHERE subject LIKE 'h%'")
        state = json.loads(db.execute("SELECT state FROM loop").fetchone()[0])
        db.execute("UPDATE loop SET state = ?", (json.dumps({**state, "headline": {}}),))
    db.close()
    begun = run("loop", "audit", "answers", "--cases", "15", stdin=b"q\n")
    assert begun.returncode == 0, begun.stderr
    outputs = {(pair.first, pair.last) for pair in audit_of(ended).pairs if not pair.same}
    assert {(first.strip(), last.strip()) for first, last in outputs} == {("of grade 2", "of grade 4")}
    state = json.loads(run("loop", "status", "answers", "--json").stdout)
    assert state["phase"] == "ended"
    assert state["headline"]["confirmed"] is True


def test_a_new_incumbent_needs_new_answers(run: Run, ended: Path) -> None:
    """Answers about an earlier incumbent are not counted for the present one; they stay in git."""
    run("loop", "audit", "answers", "--cases", "15", stdin=b"q\n")
    run("loop", "audit", "answers", "--cases", "15", stdin=typed(ended, first=4, last=6, count=13))
    assert run("loop", "run", "answers", "--rounds", "1").returncode == 0
    assert "no person has checked it" in run("loop", "status", "answers").stdout
    begun = run("loop", "audit", "answers", stdin=b"q\n")
    assert "the 13 answers about " in begun.stderr
    assert audit_of(ended).answers == {}


def test_one_pair_is_to_be_read(run: Run, workspace: Path, server: StubServer) -> None:
    """Where the artefact itself is judged, the change is shown with what cannot be known of one pair."""
    assert server.base_url
    make(workspace, produce="feedback: score")
    assert run("loop", "run", "answers", "--rounds", "1").returncode == 0
    told = run("loop", "audit", "answers")
    assert told.returncode == 0, told.stderr
    assert "there is one pair only" in told.stderr
    assert "What cannot be known" in told.stderr
    assert "+of grade 4" in told.stdout
    assert "no person has checked it" not in run("loop", "status", "answers").stdout
    refused = run("loop", "audit", "answers", "--page", "x.html")
    assert refused.returncode == 2
    assert "has one pair only" in refused.stderr


def test_without_a_keep_there_is_nothing_to_compare(run: Run, workspace: Path, server: StubServer) -> None:
    """A loop that has kept nothing is refused, and so is a page together with answers."""
    assert server.base_url
    make(workspace, propose="echo 'of grade 1' > answer.txt; echo worse\n")
    assert run("loop", "run", "answers", "--rounds", "1").returncode == 0
    refused = run("loop", "audit", "answers")
    assert refused.returncode == 2
    assert "has kept nothing yet" in refused.stderr
    both = run("loop", "audit", "answers", "--page", "x.html", "--answers", "propose.sh")
    assert "found both --page and --answers" in both.stderr


def test_a_number_is_no_matter_of_taste(run: Run, workspace: Path) -> None:
    """A loop whose score a command prints is refused."""
    (workspace / "loop").mkdir()
    (workspace / "answer.txt").write_text("3\n")
    score = "score: {number: {command: cat answer.txt, goal: maximize}}"
    text = (
        f"loop: n/v1\ngoal: More.\nedit: [answer.txt]\npropose: {{command: echo 5}}\n{score}\nbudget: {{rounds: 1}}\n"
    )
    (workspace / "loop/n.yaml").write_text(text)
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-qm", "Begin")):
        start = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *words]
        subprocess.run(start, cwd=workspace, check=True)
    assert run("loop", "run", "n", "--rounds", "1").returncode == 0
    refused = run("loop", "audit", "n")
    assert refused.returncode == 2
    assert "is scored by a number that a command prints" in refused.stderr
