from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tenward.loop import Journal, LoopRecord, journal_path

if TYPE_CHECKING:
    from pathlib import Path

# More kills, at more instants: TENWARD_KILLS=200 tests/loop/test_kill.py
KILLS = int(os.environ.get("TENWARD_KILLS", "40"))
ROUNDS = max(6, KILLS // 6)

YAML = f"""
loop: demo/v1
goal: A higher quality.
edit: [prompts/p.md]
propose: {{python: "nobody:calls_it"}}
score: {{rubric: rubrics/r.yaml, judge: judges/j.yaml, dataset: datasets/c.jsonl}}
stages: [{{run: "test -s prompts/p.md"}}]
placebo: 0.3
seed: 7
budget: {{rounds: {ROUNDS}}}
"""

# Forks a process for each run: it has everything imported, so a run that is killed soon costs little.
DRIVER = r"""
import asyncio, json, os, random, re, signal, sys, time
from pathlib import Path  # noqa: TC003 - as a type, and to be read at run time
from tenward.loop import Engine, LoopRecord, LoopSpec
from tenward.testing import ScriptedProposer, SimulatedJudge

top = Path(sys.argv[1])
spec = LoopSpec.parse((top / "loop/demo.yaml").read_text())

def quality(text):
    if spec.propose.arms:
        return 0.3 + 0.01 * min(len(text.split()), 60)
    found = re.search(r"quality ([0-9.]+)", text)
    return float(found[1]) if found and text.startswith("quality") else 0.1

def change(brief, folder):
    dice = random.Random(brief.number)
    if brief.number % 5 == 4:
        (folder / "README.md").write_text("out of bounds")
    if brief.number % 5 == 3:
        return {"prompts/p.md": "", "": "nothing left"}
    now = quality(brief.files["prompts/p.md"])
    value = now + (0.2 if brief.number % 2 else -0.1)
    lines = " ".join(f"word{dice.random()}" for _ in range(9))
    return {"prompts/p.md": f"quality {value:.2f}\n{lines}\n", "": f"idea {dice.random()} of {brief.number}"}

def run(kill_at):
    seen = 0
    def on_arrow(_):
        nonlocal seen
        seen += 1
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    engine = Engine(
        spec, LoopRecord.open(top, "demo"), None, top=top,
        proposer=None if spec.propose.arms else ScriptedProposer(change),
        judge=SimulatedJudge(quality, noise=0.05), on_arrow=on_arrow,
    )
    asyncio.run(engine.run())

for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        try:
            run(order.get("arrow"))
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if "after" in order:
        until = time.monotonic() + order["after"]
        while time.monotonic() < until:
            gone, status = os.waitpid(child, os.WNOHANG)
            if gone:
                break
            time.sleep(0.002)
        else:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    else:
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps(code), flush=True)
"""

Driver = Callable[..., int]


def git(folder: Path, *arguments: str) -> str:
    """Run git as a user would; it must succeed."""
    options = ["-c", "user.name=U", "-c", "user.email=u@example.org"]
    ended = subprocess.run(["git", "-C", str(folder), *options, *arguments], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.decode().strip()


def make(folder: Path, more: str = "", *, yaml: str = YAML) -> Path:
    """Make a repository with a prompt, its evaluator and a loop."""
    rows = [
        {"id": f"{split}{n}", "input": f"{split} task {n}", "references": [f"{split} answer {n}"], "split": split}
        for split in ("dev", "sealed")
        for n in range(20)
    ]
    files = {
        "prompts/p.md": "quality 0.30\nSay it plainly, be brief and be kind.\n",
        "rubrics/r.yaml": 'rubric: r/v1\nabout: Good?\nscale: [0, 10]\ncriteria: {good: "How good?"}\n',
        "judges/j.yaml": "judge: j/v1\nmodel: local/qwen2.5-coder-1.5b-instruct\nread: distribution\n",
        "datasets/c.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "loop/demo.yaml": yaml + more,
        "docs/style.md": "Use words of higher quality. Never shout where a good word will do.\n",
        "README.md": "The user's own.\n",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Begin")
    (folder / "untracked.txt").write_text("mine\n")
    return folder


@contextmanager
def driver(top: Path) -> Generator[Driver, None, None]:
    """Start a process that runs the loop in processes of its own and kills them as told."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(top)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def run(**order: Any) -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        return int(json.loads(process.stdout.readline()))

    try:
        yield run
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def picture(top: Path) -> dict[str, bytes]:
    """Return the bytes of all the user's files, and where HEAD and the index stand."""
    seen = {
        str(path): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file() and ".git" not in path.parts
    }
    seen["HEAD"] = (top / ".git/HEAD").read_bytes()
    seen["status"] = git(top, "status", "--porcelain").encode()
    return {name.removeprefix(str(top)): content for name, content in seen.items()}


def end_of(top: Path) -> dict[str, Any]:
    """Return the end of a loop without what depends on the time of day."""
    record = LoopRecord.open(top, "demo")
    with Journal(journal_path(record)) as journal:
        state = journal.loop()
        assert state is not None
        assert journal.open_attempts() == []
        inside = [(one.number, one.status, one.reason, one.tree, one.placebo) for one in journal.attempts()]
    return {
        "ledger": [
            (one.number, one.status, one.description, one.score, git(top, "rev-parse", f"{one.candidate}^{{tree}}"))
            for one in record.attempts()
        ],
        "inside": inside,
        "incumbent": git(top, "rev-parse", f"{record.incumbent}^{{tree}}"),
        "keeps": git(top, "rev-list", "--count", f"{record.base}..{record.incumbent}"),
        "pooled": state.pooled,
        "effects": state.effects,
        "calibration": state.calibration,
        "counts": state.counts,
        "placebos": state.placebos,
        "claimed": state.claimed,
        "headline": {name: value for name, value in state.headline.items() if name != "winner"},
        "rounds": state.spent.rounds,
        "epoch": state.epoch,
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The end of a loop that nobody kills."""
    top = make(tmp_path_factory.mktemp("undisturbed") / "work")
    before = picture(top)
    with driver(top) as run:
        assert run() == 0
    assert picture(top) == before
    end = end_of(top)
    statuses = {one[1].value for one in end["ledger"]}
    assert {"keep", "discard", "invalid", "crashed"} & statuses >= {"keep", "discard", "invalid"}
    return end


def check(top: Path, undisturbed: dict[str, Any], before: dict[str, bytes]) -> None:
    """See that a loop came to the end of the undisturbed one, and harmed nothing."""
    assert end_of(top) == undisturbed
    assert picture(top) == before
    assert "error" not in git(top, "fsck", "--strict", "--no-dangling")


def test_killed_at_every_step_it_comes_to_the_same_end(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """A process that is killed as soon as it has announced a step, again and again, loses and doubles nothing."""
    top = make(tmp_path / "work")
    before = picture(top)
    kills = 0
    with driver(top) as run:
        while run(arrow=1) != 0:
            kills += 1
            assert kills < 20 * ROUNDS
    assert kills > 5 * ROUNDS
    check(top, undisturbed, before)


def test_killed_at_any_instant_it_comes_to_the_same_end(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """A process that is killed in the middle of whatever it does, git included, loses and doubles nothing."""
    top = make(tmp_path / "work")
    before = picture(top)
    dice = random.Random(5)
    with driver(top) as run:
        for _ in range(KILLS):
            if run(after=dice.uniform(0.03, 0.25)) == 0:
                break
        assert run() == 0
    check(top, undisturbed, before)


def test_side_by_side_attempts_survive_kills_too(tmp_path: Path) -> None:
    """Whichever of two attempts a kill meets, each is in the ledger once, and the keeps are one line."""
    top = make(tmp_path / "work", "parallel: 2\n")
    before = picture(top)
    dice = random.Random(6)
    with driver(top) as run:
        for _ in range(KILLS // 2):
            if run(after=dice.uniform(0.05, 0.3)) == 0:
                break
        assert run() == 0
    end = end_of(top)
    assert [line[0] for line in end["ledger"]] == list(range(1, ROUNDS + 1)) == [one[0] for one in end["inside"]]
    assert end["rounds"] == ROUNDS
    kept = [line for line in end["ledger"] if line[1].value == "keep"]
    assert end["keeps"] == str(len(kept)) == str(end["epoch"])
    assert picture(top) == before
    assert "error" not in git(top, "fsck", "--strict", "--no-dangling")


def test_every_arm_survives_kills_and_sees_no_sealed_case(tmp_path: Path) -> None:
    """Killed at every step, a portfolio draws the same arms and beginnings, and shows no word of a sealed case."""
    arms = (
        "{arms: [examples, rules, sources, playbook, drop]}\npool: 3\nkeep: {sure: 0.999}\nideas: {from: [docs/*.md]}"
    )
    yaml = YAML.replace('{python: "nobody:calls_it"}', arms).replace(f"rounds: {ROUNDS}", "rounds: 18")
    assert yaml != YAML
    ends: list[dict[str, Any]] = []
    for name in ("undisturbed", "killed"):
        top = make(tmp_path / name, yaml=yaml)
        kills = 0
        with driver(top) as run:
            while run(**({} if name == "undisturbed" else {"arrow": 1})) != 0:
                kills += 1
                assert kills < 300
        assert (kills > 0) is (name == "killed")
        ends.append(end_of(top))
        with Journal(journal_path(LoopRecord.open(top, "demo"))) as journal:
            attempts = list(journal.attempts())
        tried = {one.idea_file["arm"] for one in attempts if not one.placebo and one.idea_file}
        assert tried == {"examples", "rules", "sources", "playbook", "drop"}
        for one in attempts:
            shown = git(top, "show", f"{one.tree}:prompts/p.md") + json.dumps(dict(one.idea_file or {}))
            assert "sealed" not in shown
        assert any(one.start for one in attempts)
        assert any("dev answer" in git(top, "show", f"{one.tree}:prompts/p.md") for one in attempts)
    assert ends[0] == ends[1]
