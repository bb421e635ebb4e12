from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tenward.testing import AutoJudge, Request, StubServer, Text
from tests.cli.conftest import grade

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tenward.testing import Reply

    RunFn = Callable[..., subprocess.CompletedProcess[str]]

EVAL = ("eval", "cases.jsonl", "--rubric", "mine", "--judge", "stated")


def writes(request: Request) -> Reply:
    """Answer judges with the grade in the text, and producers with a text of grade 4."""
    return AutoJudge(integers=grade) if request.schema is not None else Text("```\nOf grade 4.\n```")


@pytest.fixture
def cases(workspace: Path, server: StubServer) -> Path:
    """Return a data set of three cases without outputs, beside a prompt and a program."""
    server.script(default=writes)
    (workspace / "prompt.md").write_text("Answer {input} in one line.\n")
    (workspace / "run.py").write_text(
        "import json, os, sys; print('Of grade 5:', json.load(sys.stdin)['id'], os.environ.get('MY_SETTING'))"
    )
    path = workspace / "cases.jsonl"
    path.write_text("".join(json.dumps({"id": f"c{n}", "input": f"Case {n}."}) + "\n" for n in range(3)))
    return path


def command(text: str = "run.py") -> str:
    """Return the line that runs a program of the current folder."""
    return shlex.join([sys.executable, text])


def test_a_prompt_is_tried_on_the_cases(cases: Path, server: StubServer, run: RunFn) -> None:
    """Each output is written by the model, judged, and printed; a second start asks nothing."""
    done = run(*EVAL, "--produce", "prompt.md", "--model", "stated", "--max-tokens", "77", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert [result["produced"]["output"] for result in data["results"]] == ["```\nOf grade 4.\n```"] * 3
    assert data["summary"]["criteria"]["clear"]["mean"] == 4.0
    asked = [request for request in server.requests if request.schema is None]
    assert sorted(request.text() for request in asked) == [f"Answer Case {n}. in one line.\n" for n in range(3)]
    assert {request.body["max_tokens"] for request in asked} == {77}
    before = len(server.requests)
    assert run(*EVAL, "--produce", "prompt.md", "--model", "stated", "--max-tokens", "77").returncode == 0
    assert len(server.requests) == before


def test_a_plan_asks_nothing_and_counts_both(cases: Path, server: StubServer, run: RunFn) -> None:
    """Calls to write and calls to judge are in the plan, and no case lacks an output."""
    done = run(*EVAL, "--produce", "prompt.md", "--model", "stated", "--plan", "--json")
    data = json.loads(done.stdout)
    assert (data["calls"], data["without_output"], server.requests) == (6, 0, [])


def test_a_command_is_tried_on_the_cases(cases: Path, run: RunFn, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is announced, sees the case and the variables it was given, and its output is judged."""
    monkeypatch.setenv("MY_SETTING", "loud")
    done = run(*EVAL, "--produce-command", command(), "--produce-env", "MY_SETTING", "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert [result["produced"]["output"] for result in results] == [f"Of grade 5: c{n} loud" for n in range(3)]
    assert f"note: runs for every case: {command()}" in done.stderr


def test_why_nothing_was_produced_is_said(cases: Path, server: StubServer, run: RunFn) -> None:
    """When every case crashes, the exit code is that of a fault, and the first failure is shown."""
    cases.with_name("run.py").write_text("raise SystemExit('the model file is missing')")
    done = run(*EVAL, "--produce-command", command())
    assert done.returncode == 3
    assert "case c0 was not produced: crashed: exit status 1: the model file is missing" in done.stderr
    assert "no case was scored (6 produce)" in done.stderr
    assert server.requests == []


def test_a_program_that_is_not_there_stops_the_run(cases: Path, run: RunFn) -> None:
    """That no case can be produced is a mistake of the request."""
    done = run(*EVAL, "--produce-command", "./no-such-program --fast")
    assert done.returncode == 2
    assert "the command './no-such-program --fast' could not be started" in done.stderr


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--produce", "prompt.md", "--produce-command", "true"], "found --produce and --produce-command"),
        (["--model", "local"], "found --model without --produce"),
        (["--max-tokens", "9"], "found --max-tokens without --produce"),
        (["--produce-env", "X", "--produce", "prompt.md"], "found --produce-env without --produce-command"),
        (["--produce", "missing.md"], "missing.md: cannot be read"),
        (["--produce", "prompt.md", "--model", "nobody"], "found 'nobody', expected provider/model such as openai/"),
        (["--produce", "prompt.md", "--model", "nobody"], "or the name of a judge: local, stated, stub\n"),
        (["--produce-command", ""], "found an empty command"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    cases: Path, server: StubServer, run: RunFn, options: list[str], fault: str
) -> None:
    """Nothing is asked, and the message says what to mend."""
    done = run(*EVAL, *options)
    assert done.returncode == 2
    assert fault in done.stderr
    assert "hint:" in done.stderr
    assert server.requests == []


def test_cases_go_to_no_service_that_only_a_file_has_chosen(cases: Path, server: StubServer, run: RunFn) -> None:
    """Where the workspace's own `local` is a service, it has to be named to be used."""
    judges = cases.parent / "judges"
    (judges / "local.yaml").write_text((judges / "stated.yaml").read_text().replace("stated/v1", "local/v1"))
    done = run(*EVAL, "--produce", "prompt.md")
    assert done.returncode == 2
    assert "the default model 'local' is the workspace's own" in done.stderr
    assert server.requests == []
    assert run(*EVAL, "--produce", "prompt.md", "--model", "local").returncode == 0


def test_cases_without_outputs_lead_to_the_option(cases: Path, run: RunFn) -> None:
    """Who forgets to produce outputs is told how."""
    done = run(*EVAL)
    assert done.returncode == 2
    assert "--produce" in done.stderr
