from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tenward.containment import Level, containment
from tenward.errors import LoopError, UsageError
from tenward.loop import Engine, Journal, LoopRecord, LoopSpec, Status, journal_path
from tenward.testing import ScriptedJudge, ScriptedProposer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.loop import AttemptState, LoopState
    from tenward.loop.proposers import Proposer

RUBRIC = 'rubric: r/v1\nabout: Is it right?\nscale: [0, 10]\ncriteria: {right: "Is it right?"}\n'
JUDGED = """\
loop: demo/v1
goal: The right answers.
edit: [answer.py]
propose: {propose}
produce: {{command: python3 answer.py}}
score: {{rubric: rubrics/r.yaml, judge: local, dataset: datasets/c.jsonl}}
placebo: 0
budget: {{rounds: 1}}
"""
NUMBER = """\
loop: demo/v1
goal: A larger number.
edit: [number.txt]
propose: {propose}
score: {{number: {{command: sh measure.sh, goal: maximize}}}}
budget: {{rounds: 1}}
"""
ANSWER = "import json, sys\nprint('no answer to', json.load(sys.stdin)['id'])\n"
# Looks for the answer of its case wherever a program could: in its folder, above it, in the user's tree, in git.
CHEAT = """\
import glob, json, subprocess, sys
case, found = json.load(sys.stdin)["id"], []
for place in ["datasets/c.jsonl", "{top}/datasets/c.jsonl", *glob.glob("../*/datasets/*")]:
    try:
        found.append(open(place).read())
    except OSError:
        pass
git = ["git", "--git-dir", "{top}/.git", "show", "HEAD:datasets/c.jsonl"]
found.append(subprocess.run(git, capture_output=True, text=True).stdout)
for line in "\\n".join(found).splitlines():
    row = json.loads(line)
    if row["id"] == case:
        print(row["references"][0])
        break
else:
    print("found nothing")
"""
contained = pytest.mark.skipif(containment().level is Level.NONE, reason="nothing here contains a command")


def make(top: Path, files: Mapping[str, str]) -> None:
    """Make a repository of these files."""
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "Begin")):
        git(top, *words)


def git(top: Path, *words: str) -> str:
    """Run git as a user would."""
    who = ("-c", "user.name=U", "-c", "user.email=u@example.org")
    return subprocess.run(["git", "-C", str(top), *who, *words], check=True, capture_output=True, text=True).stdout


def run(top: Path, text: str, proposer: Proposer | None = None) -> tuple[LoopState, list[AttemptState]]:
    """Run a loop; return how it stands and its attempts. Its judge knows the answers of the cases."""

    def judged(case: Case) -> dict[str, float]:
        return {"right": 9.0 if case.output == f"the answer is {case.id}" else 3.0}

    record = LoopRecord.open(top, "demo")
    engine = Engine(LoopSpec.parse(text), record, None, top=top, proposer=proposer, judge=ScriptedJudge(judged))
    state = asyncio.run(engine.run())
    with Journal(journal_path(record)) as journal:
        return state, list(journal.attempts())


def cases() -> dict[str, str]:
    """Return the evaluator's files."""
    rows = [
        {
            "id": f"{split[0]}{at}",
            "input": f"task {at}",
            "references": [f"the answer is {split[0]}{at}"],
            "split": split,
        }
        for split in ("dev", "sealed")
        for at in range(12)
    ]
    return {"rubrics/r.yaml": RUBRIC, "datasets/c.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows)}


@contained
@pytest.mark.parametrize("level", ["bwrap", "landlock"])
def test_a_candidate_finds_no_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """A program that looks for the answers everywhere answers no better than one that has none."""
    monkeypatch.setenv("TENWARD_CONTAINMENT", level)
    try:
        containment()
    except UsageError as error:  # this level is not there
        pytest.skip(str(error))
    make(tmp_path, {**cases(), "answer.py": ANSWER})
    cheat = ScriptedProposer(lambda _brief, _: {"answer.py": CHEAT.format(top=tmp_path), "": "look it up"})
    _, (attempt,) = run(tmp_path, JUDGED.format(propose="{python: 'no:body'}"), cheat)
    assert attempt.status is Status.DISCARD
    assert set(attempt.by_unit.values()) == {0.0}


def test_not_even_uncontained_does_it_lie_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the evaluation reads is not among the files that a candidate is measured with."""
    monkeypatch.setenv("TENWARD_CONTAINMENT", "none")
    make(tmp_path, {**cases(), "answer.py": ANSWER})
    cheat = ScriptedProposer(lambda _brief, _: {"answer.py": CHEAT.format(top="/nowhere"), "": "look it up"})
    _, (attempt,) = run(tmp_path, JUDGED.format(propose="{python: 'no:body'}") + "unsealed: true\n", cheat)
    assert attempt.status is Status.DISCARD
    assert set(attempt.by_unit.values()) == {0.0}


def test_uncontained_a_candidate_would_find_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the user's own tree: which is why such a loop needs leave to start, and says that it is not sealed."""
    monkeypatch.setenv("TENWARD_CONTAINMENT", "none")
    make(tmp_path, {**cases(), "answer.py": ANSWER})
    cheat = ScriptedProposer(lambda _brief, _: {"answer.py": CHEAT.format(top=tmp_path), "": "look it up"})
    text = JUDGED.format(propose="{python: 'no:body'}")
    with pytest.raises(LoopError, match="not sealed: the candidates of this loop are programs"):
        run(tmp_path, text, cheat)
    state, (attempt,) = run(tmp_path, f"{text}unsealed: true\n", cheat)
    assert attempt.status is Status.KEEP
    assert [warning.partition(":")[0] for warning in state.warnings] == ["not sealed"]


def test_a_commit_that_somebody_puts_in_place_brings_no_scorer(tmp_path: Path) -> None:
    """Whatever may not change is taken from the first commit, whatever the incumbent's branch says."""
    make(tmp_path, {"number.txt": "1\n", "measure.sh": "cat number.txt\n"})
    text = NUMBER.format(propose="{python: 'no:body'}")
    keep = ScriptedProposer(lambda brief, _: {"number.txt": f"{brief.number + 1}\n", "": f"try {brief.number}"})
    state, _ = run(tmp_path, text, keep)
    assert state.incumbent_score == 2
    git(tmp_path, "checkout", "-q", "tenward/demo")
    (tmp_path / "measure.sh").write_text("echo 42\n")
    git(tmp_path, "commit", "-qam", "Measure more")
    git(tmp_path, "checkout", "-q", "-")
    state, attempts = run(tmp_path, text.replace("rounds: 1", "rounds: 2"), keep)
    assert state.incumbent_score == 3
    assert [attempt.score for attempt in attempts] == [2, 3]


@contained
def test_a_proposer_sees_its_worktree_alone(tmp_path: Path) -> None:
    """Not the user's files, not the repository, not the loop's journal; and what its loop allows."""
    top = tmp_path / "work"
    script = (
        f"cat {top}/secret.txt {top}/.git/config {top}/.git/tenward/demo/journal.sqlite {tmp_path}/more.txt\n"
        "echo 5 > number.txt; echo $HOME; echo done\n"
    )
    make(top, {"number.txt": "1\n", "measure.sh": "cat number.txt\n", "propose.sh": script})
    (top / "secret.txt").write_text("SECRET\n")
    (tmp_path / "more.txt").write_text("MORE\n")
    _, (attempt,) = run(
        top, NUMBER.format(propose=f"{{command: sh propose.sh, allow: {{read: ['{tmp_path}/more.txt']}}}}")
    )
    assert attempt.status is Status.KEEP
    assert "MORE" in attempt.log
    for word in ("SECRET", "[core]", "SQLite"):
        assert word not in attempt.log


@contained
def test_a_function_sees_its_module_and_those_beside_it(tmp_path: Path) -> None:
    """And none of the other files around it."""
    ideas = (
        "import pathlib, helper\n"
        "def main(brief):\n"
        "    try:\n"
        f"        seen = pathlib.Path({str(tmp_path)!r}, 'secret.txt').read_text()\n"
        "    except OSError:\n"
        "        seen = 'nothing'\n"
        "    return {'title': f'saw {seen}', 'edits': [{'path': 'number.txt', 'text': helper.NUMBER}]}\n"
    )
    make(
        tmp_path,
        {"number.txt": "1\n", "measure.sh": "cat number.txt\n", "ideas.py": ideas, "helper.py": "NUMBER = '7'\n"},
    )
    (tmp_path / "secret.txt").write_text("SECRET\n")
    state, (attempt,) = run(tmp_path, NUMBER.format(propose="{python: 'ideas:main'}"))
    assert (attempt.idea, state.incumbent_score) == ("saw nothing", 7)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("src/json.py", "stands in for Python's own json"),
        ("src/random/__init__.py", "stands in for Python's own random"),
        ("src/conftest.py", "other programs load it by themselves"),
        ("src/a/sitecustomize.py", "other programs load it by themselves"),
        ("src/x.pth", "other programs load it by themselves"),
        ("src/package.json", "other programs load it by themselves"),
        ("src/Makefile", "other programs load it by themselves"),
    ],
)
def test_a_new_file_that_is_loaded_unasked_is_invalid(tmp_path: Path, path: str, words: str) -> None:
    """A wildcard does not open what could take over the scorer; a name does, and so does any other new file."""
    make(tmp_path, {"src/number.txt": "1\n", "measure.sh": "cat src/number.txt\n"})
    text = NUMBER.format(propose="{python: 'no:body'}").replace("[number.txt]", "['src/**']")
    more = ScriptedProposer(lambda brief, _: {path: "x = 1\n", "src/number.txt": "2\n", "": f"try {brief.number}"})
    _, (attempt,) = run(tmp_path, text, more)
    assert attempt.status is Status.INVALID
    assert words in attempt.reason
    other = tmp_path / "other"
    make(other, {"src/number.txt": "1\n", "measure.sh": "cat src/number.txt\n"})
    _, (attempt,) = run(other, text.replace("'src/**'", f"'src/**', {path}"), more)
    assert attempt.status is Status.KEEP
