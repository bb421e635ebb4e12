from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tenward.testing import AutoJudge, StubServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.testing import Request

    Run = Callable[..., CompletedProcess[str]]

JUDGE = "judge: free/v1\nmodel: openai/stub-model\nbase_url: {url}\nread: stated\nretries: 0\nprice: {price}\n"
FREE = "{input: 0, output: 0}"
ASK = ("--rubric", "mine", "--dataset", "towns")


def see(request: Request, path: str) -> int:
    """Return 4 for an output that names the town of its task, in order and to its end; 2 for all else."""
    text = request.text(role="user")
    town = re.search(r"Tell of (\w+)", text)
    output = re.split(r"<[\w-]+ [0-9a-f]{16}>\n", text)[-1]
    return 4 if town and f"The town of {town[1]} met. It voted. It went home." in output else 2


@pytest.fixture
def towns(workspace: Path) -> Path:
    """A data set whose outputs name what their inputs ask for."""
    (workspace / "datasets").mkdir()
    names = ["Ulm", "Bern", "Oslo", "Lyon", "Bath", "Gent", "Jena", "Riga"]
    rows = [
        {"id": name, "input": f"Tell of {name}.", "output": f"The town of {name} met. It voted. It went home."}
        for name in names
    ]
    rows += [{**row, "id": f"{row['id']}2", "split": "sealed"} for row in rows]
    (workspace / "datasets/towns.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return workspace


@pytest.fixture
def judging(towns: Path) -> Iterator[StubServer]:
    """A model that sees everything; judge ``free`` costs nothing, ``dear`` does, ``odd`` does not say."""
    with StubServer(default=AutoJudge(integers=see)) as running:
        (towns / "judges").mkdir()
        for name, price in (("free", FREE), ("dear", "{input: 1, output: 1}"), ("odd", "null")):
            text = JUDGE.format(url=running.base_url, price=price).replace("free/v1", f"{name}/v1")
            (towns / f"judges/{name}.yaml").write_text(text)
        yield running


def test_sight_is_planned_measured_and_told(run: Run, judging: StubServer) -> None:
    """What it takes is said first; then a table of criteria and rungs, the span, and what fools the judge."""
    ended = run("judge", "sight", "free", *ASK, "--cases", "6")
    assert ended.returncode == 0, ended.stderr
    planned = re.search(r"^6 cases, (\d+) texts to judge: at most [\d,]+ calls, [\d,]+ tokens, no cost", ended.stderr)
    assert planned
    assert len(judging.requests) == int(planned[1])
    assert re.search(r"^ +other +half +shuffled +vague +facts +all +95 % +span *$", ended.stdout, re.MULTILINE)
    assert re.search(r"^ +value +1.00 +1.00 +1.00 +1.00 .* to 1.00 +\+0.400 +sees$", ended.stdout, re.MULTILINE)
    assert re.search(r"^ +clear +1.00 .* \+2.000 +sees$", ended.stdout, re.MULTILINE)
    assert re.search(r"^ +mere length +\.\d\d +1.00 +\.50 ", ended.stdout, re.MULTILINE)
    assert "sight, 6 cases: value: sees (AUC 1.00" in ended.stdout
    assert "span from the worst text it sees to the best: 0.400 of value" in ended.stdout
    assert "blind" not in ended.stdout
    assert not any("sealed" in case for case in ended.stdout.split())


def test_sight_as_json_and_nothing_asked_twice(run: Run, judging: StubServer) -> None:
    """``--json`` is all that was found; the same command again costs nothing and finds the same."""
    first = run("judge", "sight", "free", *ASK, "--json")
    asked = len(judging.requests)
    found = json.loads(first.stdout)
    assert (found["cases"], found["blind"], found["dataset"]) == (8, [], "towns")
    assert found["span"] == pytest.approx(0.4)
    assert found["plan"]["most_calls"] >= asked
    assert {null["null"] for null in found["nulls"]} == {"other", "lgtm", "praise", "nothing", "task words"}
    again = run("judge", "sight", "free", *ASK, "--json")
    assert len(judging.requests) == asked
    assert "at most 0 calls" in again.stderr
    assert {**json.loads(again.stdout), "plan": 0} == {**found, "plan": 0}


def test_a_blind_judge_is_named_and_fails_the_command(run: Run, judging: StubServer) -> None:
    """The finding stands first in words, with the null candidates that win; the exit status is 1."""
    judging.script(default=AutoJudge(integers=lambda request, path: 3))
    ended = run("judge", "sight", "free", *ASK)
    assert ended.returncode == 1
    assert "value: blind here (AUC .50" in ended.stdout
    assert "cannot tell better from worse" in " ".join(ended.stdout.split())
    assert "lgtm in 8 of 8" in ended.stdout
    assert re.search(r"^ +kind .* blind$", ended.stdout, re.MULTILINE)


def test_what_may_cost_money_waits_for_consent(run: Run, judging: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The price stands there first; without a person to ask only ``--yes`` goes on, and a person may say no."""
    for judge, price in (("dear", r"\$\d\.\d+"), ("odd", "price unknown")):
        ended = run("judge", "sight", judge, *ASK)
        assert ended.returncode == 2
        assert re.search(price, ended.stderr)
        assert "hint: add --yes" in ended.stderr
    monkeypatch.setattr("tenward.cli._judge_sight._somebody_is_there", lambda: True)
    assert "nothing was asked" in run("judge", "sight", "dear", *ASK, stdin=b"n\n").stderr
    assert judging.requests == []
    assert run("judge", "sight", "dear", *ASK, stdin=b"y\n").returncode == 0
    assert run("judge", "sight", "odd", *ASK, "--yes").returncode == 0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (3 * [{"output": "one"}], "found 3 cases with an output or a reference, expected at least 4"),
        (6 * [{"output": "same"}], "all outputs are alike"),
        (6 * [{"input": "task"}], "found no case with an output or a reference"),
    ],
)
def test_data_without_a_ladder_are_refused(
    run: Run, judging: StubServer, towns: Path, rows: list[dict[str, str]], said: str
) -> None:
    """Each reason has its own words and a hint, and nothing is asked."""
    text = "".join(f"{json.dumps({'id': str(at), **row})}\n" for at, row in enumerate(rows))
    (towns / "datasets/towns.jsonl").write_text(text)
    ended = run("judge", "sight", "free", *ASK)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert "\nhint: " in ended.stderr
    assert judging.requests == []


def test_a_judge_that_answers_nothing_is_unknown(run: Run, judging: StubServer) -> None:
    """Failures are no low scores: nothing is known, and the exit status is that of a fault."""
    judging.script(default=AutoJudge(integers=lambda request, path: 77))
    ended = run("judge", "sight", "free", *ASK, "--cases", "4")
    assert ended.returncode == 3
    assert "nothing is known" in ended.stderr


def test_sight_of_a_loop_is_planned_and_told(run: Run, judging: StubServer, towns: Path) -> None:
    """``loop plan`` says what looking takes, and afterwards what was seen; status and report say it too."""
    (towns / "make.py").write_text(
        "import json, sys\ntown = json.load(sys.stdin)['input'][8:-1]\n"
        "print(f'The town of {town} met. It voted. It went home.')\n"
    )
    (towns / "loop").mkdir()
    (towns / "loop/towns.yaml").write_text(
        f"loop: towns/v1\ngoal: Right towns.\nedit: [make.py]\npropose: {{command: 'true'}}\n"
        f"produce: {{command: {sys.executable} make.py}}\nscore: {{rubric: mine, judge: free, dataset: towns}}\n"
    )
    (towns / ".gitignore").write_text(".tenward/\n")
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-qm", "Begin")):
        start = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *words]
        subprocess.run(start, cwd=towns, check=True)
    plan = json.loads(run("loop", "plan", "towns", "--json").stdout)
    assert (plan["sight_cases"], plan["sight"]) == (8 * 5, [])
    assert "at most 40 texts judged, once, to see whether" in " ".join(run("loop", "plan", "towns").stdout.split())
    ended = run("loop", "run", "towns", "--rounds", "1", "--anyway")
    assert ended.returncode == 0, ended.stderr
    plan = json.loads(run("loop", "plan", "towns", "--json").stdout)
    assert plan["sight_cases"] == 0
    told = "sight, 8 cases: value: sees (AUC 1.00"
    assert plan["sight"][0].startswith(told)
    assert told in " ".join(run("loop", "plan", "towns").stdout.split())
    assert told in run("loop", "status", "towns").stdout
    assert run("loop", "report", "towns", "-o", "out.html").returncode == 0
    assert told in (towns / "out.html").read_text(encoding="utf-8")
