from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tenward.evaluation import Store
from tenward.testing import AutoJudge, Hang, Logprobs, Refusal, Status
from tests.cli.conftest import JUDGE, RUBRIC, grade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

    from tenward.testing import Request, StubServer

    Run = Callable[..., CompletedProcess[str]]

MINE = ("eval", "cases.jsonl", "-r", "mine", "-j", "stated")
STORE = Path(".tenward/store.sqlite")


@pytest.fixture(autouse=True)
def _server(server: StubServer) -> Iterator[None]:
    """Every test here has a model to ask, and forty cases; no process it started outlives it."""
    write(40)
    yield
    while Started.open:
        one = Started.open.pop()
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def write(count: int, name: str = "cases.jsonl", **more: Any) -> None:
    """Write a data set of so many cases, with grades from 1 to 5; two in three are of the split dev."""
    rows = (
        {"id": f"c{n}", "output": f"Case {n}, grade {n % 5 + 1} work.", "split": "sealed" if n % 3 == 2 else "dev"}
        for n in range(count)
    )
    Path(name).write_text("".join(f"{json.dumps({**row, **more})}\n" for row in rows), encoding="utf-8")


def change(path: str, old: str, new: str) -> None:
    """Replace a part of a file."""
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new), encoding="utf-8")


def cases_of(bodies: list[bytes]) -> list[int]:
    """Return the numbers of the cases that requests were about."""
    return [int(re.findall(rb"Case (\d+),", body)[-1]) for body in bodies]


def bodies(server: StubServer) -> list[bytes]:
    """Return the bodies of all requests so far."""
    return [request.raw for request in server.requests]


def stored() -> set[int]:
    """Return the numbers of the cases whose answers are in the store."""
    with Store(STORE) as store:
        return {int(result.case.id[1:]) for result in store.results(store.run("last"))}


def told(output: str) -> dict[str, Any]:
    """Return what a run comes to, to nine digits, without its name and what it took."""
    data = json.loads(output, parse_float=lambda text: round(float(text), 9))
    summary = {key: value for key, value in data["summary"].items() if "usage" not in key}
    results = [{**row, "usage": 0, "seconds": 0} for row in data["results"]]
    return {"summary": summary, "results": results}


class Started:
    """The command line in a process of its own, in a group of its own."""

    open: ClassVar[list[Started]] = []

    def __init__(self, *args: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tenward", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        self.open.append(self)

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Send the group a signal, if any, and return the status and what was printed."""
        if number is not None:
            os.killpg(self.process.pid, number)
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err


# -- what a run says ---------------------------------------------------------------------------------------------


def test_a_data_set_is_judged(run: Run, server: StubServer) -> None:
    """The page holds the headline with its interval, the criteria, how cases spread, and how to get a report."""
    ended = run(*MINE)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "cases   mine/v1 · stated/v1 · raw readings · 40 cases"
    assert re.fullmatch(
        r"  read as 3\.00 of 5 \[2\.54, 3\.46\]   value 0\.600 \[0\.508, 0\.692\]   mean of 40 cases", lines[1]
    )
    assert lines[2] == "  raw: compares texts, is no grade (as quality 6.40 of 10)"
    assert sum(line.endswith(("60%", "40%")) for line in lines) == 2
    assert "  8 cases below a floor" in lines
    assert any("40 calls · " in line and "cost unknown" in line for line in lines)
    assert re.fullmatch(r"  run cases-\d{8}-\d{6}-[0-9a-f]{4} · tenward report \S+ -o FILE\.html", lines[-1])
    assert len(server.requests) == 40
    again = run(*MINE)
    assert "  0 results of an earlier start, 40 answers from the cache" in again.stdout.splitlines()
    assert len(server.requests) == 40


def test_json_is_whole_and_alone_on_standard_output(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run, summary and every result, in the order of the data set; progress is told on standard error only."""
    monkeypatch.setattr("tenward.cli._progress._PRINT_EVERY", 0.0)
    ended = run(*MINE, "--json", "--why-missed")
    assert ended.returncode == 0
    data = json.loads(ended.stdout)
    assert list(data) == [
        *("run", "created", "status", "note", "dataset", "dataset_digest", "split", "rubric", "judge", "scale"),
        *("fingerprint", "seconds", "summary", "results"),
    ]
    assert (data["status"], data["note"], data["dataset"], data["split"]) == ("finished", None, "cases", "all")
    assert [row["target"] for row in data["results"]] == [f"c{n}" for n in range(40)]
    assert [row["criteria"]["clear"]["score"] for row in data["results"]] == [n % 5 + 1 for n in range(40)]
    summary = data["summary"]
    assert (summary["cases"], summary["scored"], summary["coverage"], summary["below_floor"]) == (40, 40, 1, 8)
    assert summary["quality"]["n"] == summary["quality"]["units"] == 40
    assert summary["quality_counts"] == {"3": 8, "5": 8, "6": 8, "8": 8, "10": 8}
    assert summary["usage"]["calls"] == 40
    assert summary["usage"]["cost_usd"] is None
    lines = ended.stderr.splitlines()
    assert len(lines) == 42
    assert re.fullmatch(r"40/40 cases · value 0\.600 · coverage 100 % · 0 s left · cost unknown", lines[39])
    assert lines[40:] == ["cache: 0 answers were there, 40 were asked for", "  40 because never asked before"]


def test_split_limit_and_repeat_choose_what_is_judged(run: Run, server: StubServer) -> None:
    """A split alone, the first few, and the same once more; each is a run of its own, no answer asked for twice."""

    def judged(*args: str) -> tuple[list[str], int]:
        before = len(server.requests)
        ended = run(*MINE, "--json", *args)
        assert ended.returncode == 0
        return [row["target"] for row in json.loads(ended.stdout)["results"]], len(server.requests) - before

    assert judged("--split", "sealed") == ([f"c{n}" for n in range(2, 40, 3)], 13)
    assert judged("--limit", "5") == ([f"c{n}" for n in range(5)], 4)
    assert judged("--split", "dev", "--limit", "2") == (["c0", "c1"], 0)
    assert judged("--limit", "3", "--repeat", "1") == (["c0", "c1", "c2"], 3)
    assert judged("--limit", "3", "--repeat", "1") == (["c0", "c1", "c2"], 0)
    assert judged("--limit", "3", "--no-cache") == (["c0", "c1", "c2"], 3)
    assert judged() == ([f"c{n}" for n in range(40)], 23)


def test_thresholds_are_exit_codes(run: Run, server: StubServer) -> None:
    """Below one of them 1, with the reason on standard error; nothing is asked for it twice."""
    for args, status, reason in (
        (["--fail-under", "6.4"], 0, ""),
        (["--fail-under", "6.5"], 1, "the mean quality is 6.40, below --fail-under 6.5\n"),
        (["--min-coverage", "1"], 0, ""),
        (["--fail-under", "6.4", "--min-coverage", "1"], 0, ""),
    ):
        ended = run(*MINE, *args)
        assert (ended.returncode, ended.stderr) == (status, reason)
    assert len(server.requests) == 40
    server.script([AutoJudge(integers=grade)] * 3, default=Status(500))
    ended = run(*MINE, "--repeat", "1", "--limit", "4", "--concurrency", "1", "--min-coverage", "0.9")
    assert (ended.returncode, ended.stderr) == (1, "75.0% was scored, below --min-coverage 0.9\n")
    assert "  1 case unscored; criteria that failed: 2 transport" in ended.stdout.splitlines()


def test_a_threshold_that_is_just_met_is_met(run: Run, server: StubServer) -> None:
    """Ten cases of which each covers 0.9 of the weight: their mean is not below 0.9, whatever floats make of it."""
    change("rubrics/mine.yaml", "weight: 60, floor: 2", "weight: 90")
    change("rubrics/mine.yaml", "weight: 40", "weight: 10")
    change("judges/stated.yaml", "read: stated", "read: distribution")
    server.script(
        default=lambda request: Refusal("No.") if "kind to" in request.text(role="user") else Logprobs({"4": 1.0})
    )
    ended = run(*MINE, "--limit", "10", "--min-coverage", "0.9")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "criteria that failed: 10 refused" in ended.stdout


def test_nothing_scored_is_a_fault(run: Run, server: StubServer) -> None:
    """An endpoint that always fails is 3, gates that stop every case are 1; both say so."""
    server.script(default=Status(500))
    ended = run(*MINE, "--limit", "4")
    assert (ended.returncode, ended.stderr) == (3, "no case was scored (8 transport)\n")
    change("rubrics/mine.yaml", "criteria:", "gates: [{max_words: 1}]\ncriteria:")
    ended = run(*MINE, "--limit", "4")
    assert (ended.returncode, ended.stderr) == (1, "no case was scored (every case failed a gate)\n")


# -- plan and budget ---------------------------------------------------------------------------------------------


def test_a_plan_asks_nothing(run: Run, server: StubServer) -> None:
    """Cases, calls, tokens and price before and after a run; an unknown price is called unknown."""
    ended = run(*MINE, "--plan")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "unknown (no price in the judge file)" in ended.stdout
    before = json.loads(run(*MINE, "--plan", "--json").stdout)
    assert (before["cases"], before["calls"], before["cached"], before["most_calls"]) == (40, 40, 0, 120)
    assert before["worst_usd"] is None
    assert server.requests == []
    change("judges/stated.yaml", "retries: 0", "retries: 0\nprice: {input: 1, output: 2}")
    before = json.loads(run(*MINE, "--plan", "--json").stdout)
    took = json.loads(run(*MINE, "--json").stdout)["summary"]["usage"]
    assert took["calls"] == 40 <= before["most_calls"]
    assert took["prompt_tokens"] <= before["prompt_tokens"]
    assert took["completion_tokens"] <= before["completion_tokens"]
    assert 0 < took["cost_usd"] <= before["worst_usd"]
    after = json.loads(run(*MINE, "--plan", "--json").stdout)
    assert (after["cached"], after["most_calls"], after["worst_usd"]) == (40, 0, 0)
    assert len(server.requests) == 40


def test_a_limit_on_calls_stops_and_goes_on(run: Run, server: StubServer) -> None:
    """Sixteen at once never make one call too many; 3 says it is not finished, and how to go on."""
    for start in range(1, 3):
        ended = run(*MINE, "--max-calls", "16")
        assert ended.returncode == 3
        assert ended.stderr == "stopped: budget: all 16 calls are used; the same command goes on from here\n"
        assert len(server.requests) == 16 * start
    ended = run(*MINE, "--max-calls", "16", "--json")
    assert (ended.returncode, ended.stderr, len(server.requests)) == (0, "", 40)
    assert len(set(bodies(server))) == 40
    assert told(ended.stdout) == told(run(*MINE, "--json").stdout)


def test_a_limit_in_dollars_stops_and_goes_on(run: Run, server: StubServer) -> None:
    """What is spent stays below the limit, whatever runs at once; without a limit the same run is completed."""
    change("judges/stated.yaml", "retries: 0", "retries: 0\nmax_tokens: 200\nprice: {input: 1, output: 2}")
    ended = run(*MINE, "--max-usd", "0.01", "--json")
    assert ended.returncode == 3
    assert re.fullmatch(
        r"stopped: budget: the next call may cost \$0\.00\d\d, of \$0\.01 only \$0\.00\d\d left; "
        r"the same command goes on from here\n",
        ended.stderr,
    )
    first = json.loads(ended.stdout)
    assert first["status"] == "stopped"
    assert 0 < first["summary"]["usage"]["cost_usd"] <= 0.01
    ended = run(*MINE, "--json")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["run"] == first["run"]
    assert len(server.requests) == len(set(bodies(server))) == 40


@pytest.mark.parametrize("limit", [("--max-usd", "0.000001"), ("--max-calls", "0")])
def test_a_limit_below_one_call_says_so(run: Run, server: StubServer, limit: tuple[str, str]) -> None:
    """The same command would never get any further, so nobody is told to repeat it."""
    change("judges/stated.yaml", "retries: 0", "retries: 0\nprice: {input: 1, output: 2}")
    ended = run(*MINE, *limit)
    assert ended.returncode == 3
    assert ended.stderr.startswith("stopped: budget: ")
    assert ended.stderr.endswith("; raise the limit to go on\n")
    assert server.requests == []


def test_a_limit_in_dollars_needs_a_price(run: Run, server: StubServer) -> None:
    """Wrong usage, with what to add to the judge file; nothing was sent."""
    ended = run(*MINE, "--max-usd", "1")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: a budget in dollars needs the price of every model, and the judge stated/v1")
    assert "hint: add `price: {input: …, output: …}`" in ended.stderr
    assert server.requests == []


def test_a_plan_fails_where_the_run_would(run: Run, server: StubServer) -> None:
    """A table without a column of outputs: the same message and status, before anything is asked or made."""
    Path("table.csv").write_text("id,input\na,Say something.\nb,Say more.\n")
    args = ("eval", "table.csv", "-r", "mine", "-j", "stated")
    plan, ended = run(*args, "--plan"), run(*args)
    assert (plan.returncode, plan.stdout) == (ended.returncode, ended.stdout) == (2, "")
    assert plan.stderr == ended.stderr
    assert "table.csv: found 2 of 2 cases without an output to judge, the first is 'a'" in plan.stderr
    assert run(*args, "--produce-command", "cat", "--plan").returncode == 0
    assert server.requests == []


def test_a_plan_makes_no_store(run: Run) -> None:
    """Where nothing was ever judged nothing is in the cache, and no file is needed to know it."""
    assert json.loads(run(*MINE, "--plan", "--json").stdout)["cached"] == 0
    assert not STORE.parent.exists()


def test_a_plan_cannot_say_why_answers_were_missed(run: Run, server: StubServer) -> None:
    """Both options at once are wrong usage, and the hint says which does what."""
    ended = run(*MINE, "--plan", "--why-missed")
    assert (ended.returncode, ended.stdout, server.requests) == (2, "", [])
    assert ended.stderr.startswith(
        "error: found --why-missed and --plan, expected one of the two\n\nhint: --plan counts"
    )


# -- what changed ------------------------------------------------------------------------------------------------


def test_changes_are_judged_again_only_where_they_matter(run: Run, server: StubServer) -> None:
    """Weights, floors and mix ask nothing and count at once; a level, the temperature or the model ask, and say so."""
    change("rubrics/mine.yaml", "ask: Is it kind", "levels: {1: rude}, ask: Is it kind")
    server.script(default=AutoJudge(integers=lambda request, path: 1 if "kind" in path else grade(request, path)))
    first = json.loads(run(*MINE, "--json").stdout)["summary"]

    def again() -> tuple[int, dict[str, Any], list[str]]:
        sent = len(server.requests)
        ended = run(*MINE, "--json", "--why-missed")
        assert ended.returncode == 0
        return len(server.requests) - sent, json.loads(ended.stdout)["summary"], ended.stderr.splitlines()

    change("rubrics/mine.yaml", "weight: 60, floor: 2", "weight: 10, floor: 3")
    change("rubrics/mine.yaml", "criteria:", "references: {rouge_l: 1}\nmix: {judge: 0.5, references: 0.5}\ncriteria:")
    asked, summary, said = again()
    assert (asked, said) == (0, ["cache: 40 answers were there, 0 were asked for"])
    assert first["value"]["mean"] == pytest.approx((0.6 * 3 + 0.4) / 5)
    assert summary["value"]["mean"] == pytest.approx((0.2 * 3 + 0.8) / 5)
    assert (first["below_floor"], summary["below_floor"]) == (8, 16)
    for path, old, new, component in (
        ("rubrics/mine.yaml", "1: rude", "1: impolite", "levels"),
        ("judges/stated.yaml", "retries: 0", "retries: 0\ntemperature: 0.5", "sampling"),
        ("judges/stated.yaml", "openai/stub-model", "openai/another", "model"),
    ):
        change(path, old, new)
        asked, _, said = again()
        assert asked == 40
        assert said[0] == "cache: 0 answers were there, 40 were asked for"
        assert f"  40 because {component} changed" in said


# -- runs that are there -----------------------------------------------------------------------------------------


def test_a_resumed_run_tells_its_starts_apart(run: Run, server: StubServer) -> None:
    """What this start took and what all starts took stand on lines of their own; a run of one start has one line."""
    change("judges/stated.yaml", "retries: 0", "retries: 0\nprice: {input: 1, output: 2}")
    first = run(*MINE, "--max-calls", "16")
    assert "this start" not in first.stdout
    second = run(*MINE).stdout
    assert re.search(
        r"\n  this start: .* s · 24 calls · .* · \$0\.\d{4}\n  in all: .* s · 40 calls · .* · \$0\.", second
    )
    costs = [float(cost) for shown in (first.stdout, second) for cost in re.findall(r"written · \$([\d.]+)", shown)]
    assert costs[0] + costs[1] == pytest.approx(costs[2], abs=2e-4)


def test_runs_are_told_apart(run: Run, server: StubServer) -> None:
    """Each says what was judged, how, by whom, what it came to and when; what is as usual goes unsaid."""
    Path("prompt.md").write_text("Write a case of grade 4.")
    run(*MINE)
    run(*MINE, "--split", "dev", "--limit", "5", "--repeat", "1", "--explain")
    run(*MINE, "--limit", "2", "--produce-command", "cat")
    listed = run("runs")
    assert (listed.returncode, listed.stderr) == (0, "")
    third, second, first = [block.splitlines() for block in listed.stdout.split("\n\n")]
    assert re.fullmatch(r"cases-\d{8}-\d{6}-[0-9a-f]{4}   complete   \d{4}-\d\d-\d\d \d\d:\d\d UTC", first[0])
    assert first[1:] == [
        "  cases · mine/v1 · stated/v1 · raw readings",
        "  value 0.600 [0.508, 0.692] · 40 of 40 cases · coverage 100 % · cost unknown",
    ]
    assert second[1] == "  cases · split dev · first 5 cases · pass 1 · explained · mine/v1 · stated/v1 · raw readings"
    assert third[1] == "  cases · first 2 cases · mine/v1 · stated/v1 · raw readings · outputs by cat"
    rows = json.loads(run("runs", "--json").stdout)
    assert [(row["status"], row["scored"], row["settings"]["limit"]) for row in rows] == [
        ("finished", 2, 2),
        ("finished", 5, 5),
        ("finished", 40, None),
    ]
    assert rows[2]["quality"]["mean"] == pytest.approx(6.4)
    assert rows[1]["command"].startswith("tenward eval cases.jsonl -r mine -j stated --split dev --limit 5 ")


def test_a_run_that_goes_on_is_not_one_that_was_cut_off(run: Run, server: StubServer) -> None:
    """Running while its process lives, cut off once that is killed, complete when the command it names was repeated."""
    server.script([AutoJudge(integers=grade)] * 3, default=Hang())
    first = Started(*MINE, "--concurrency", "2")
    server.wait_for_requests(5, timeout=60)

    def listed() -> list[str]:
        ended = run("runs")
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout.splitlines()

    running = listed()
    assert running[0].split("   ")[1] == "running"
    assert " · 3 of 40 cases · " in running[2]
    assert len(running) == 3
    first.end(signal.SIGKILL)
    again = "tenward eval cases.jsonl -r mine -j stated --concurrency 2"
    cut_off = listed()
    assert cut_off[0].split("   ")[1] == "cut off"
    assert cut_off[3:] == [f"  resume with: {again}"]
    assert json.loads(run("runs", "--json").stdout)[0]["status"] == "cut off"
    server.script(default=AutoJudge(integers=grade))
    assert run(*again.split()[1:]).returncode == 0
    complete = listed()
    assert complete[0] == cut_off[0].replace("cut off", "complete")
    assert len(complete) == 3


def test_a_run_that_was_stopped_says_why_and_how_to_go_on(run: Run) -> None:
    """The note of the run, and below it the command that began it, limits included."""
    run(*MINE, "--max-calls", "8")
    lines = run("runs").stdout.splitlines()
    assert lines[0].split("   ")[1] == "stopped"
    assert lines[-2:] == [
        "  budget: all 8 calls are used",
        "  resume with: tenward eval cases.jsonl -r mine -j stated --max-calls 8",
    ]


def test_another_store_is_named_in_what_to_do_next(run: Run) -> None:
    """The command for the report can be copied as it stands."""
    shown = run(*MINE, "--limit", "2", "--store", "my store.sqlite").stdout
    found = re.search(r"tenward (report \S+ --store) '(my store\.sqlite)' -o FILE\.html", " ".join(shown.split()))
    assert found
    ended = run(*found[1].split(), found[2], "-o", "page.html")
    assert (ended.returncode, ended.stderr) == (0, "wrote page.html\n")


def test_a_mean_over_groups_says_what_its_interval_counts(run: Run) -> None:
    """The mean is of the cases; where cases share a source, the interval counts the sources."""
    text = Path("cases.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{**json.loads(line), "group": f"g{number // 4}"} for number, line in enumerate(text)]
    Path("cases.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    lines = run(*MINE).stdout.splitlines()
    assert lines[1].endswith("]   mean of 40 cases")
    assert "  means are over cases, intervals over 10 groups of cases with the same source" in lines
    few = run(*MINE, "--limit", "4").stdout.splitlines()
    assert "  the cases come from 1 group, too few for an interval: 6 are needed" in few


# -- kills -------------------------------------------------------------------------------------------------------


def test_a_run_that_is_killed_twice_comes_to_the_same(run: Run, server: StubServer) -> None:
    """SIGKILL at random moments, then the same command: the numbers of an undisturbed run.

    No answer that was in the store is asked for again; only what was in flight is.
    """
    server._latency = [0.05 + 0.01 * (n % 7) for n in range(200)].__getitem__
    dice, concurrency = random.Random(), 4
    args = (*MINE, "--json", "--concurrency", str(concurrency))
    known: set[int] = set()
    for _ in range(2):
        sent = len(server.requests)
        started = Started(*args)
        server.wait_for_requests(sent + dice.randint(concurrency + 2, 14), timeout=60)
        status, out, err = started.end(signal.SIGKILL)
        assert (status, out, err) == (-signal.SIGKILL, "", "")
        assert known.isdisjoint(cases_of(bodies(server)[sent:]))
        known = stored()
        assert known
    sent = len(server.requests)
    status, out, err = Started(*args).end()
    assert (status, err) == (0, "")
    assert known.isdisjoint(cases_of(bodies(server)[sent:]))
    assert sorted({*cases_of(bodies(server))}) == list(range(40))
    assert len(set(bodies(server))) == 40
    assert len(server.requests) <= 40 + 2 * concurrency
    server._latency = 0.0
    undisturbed = run(*MINE, "--json", "--repeat", "1")
    assert told(out) == told(undisturbed.stdout)


def test_control_c_stops_and_goes_on(server: StubServer) -> None:
    """Interrupted amid calls that hang: no traceback, the shell's status, and the same command completes the run."""
    server.script([AutoJudge(integers=grade)] * 6, default=Hang())
    started = Started(*MINE, "--json", "--concurrency", "4")
    server.wait_for_requests(10, timeout=60)
    status, out, err = started.end(signal.SIGINT)
    assert (status, out) == (130, "")
    assert err == "what was judged is kept; the same command goes on from here\n\ninterrupted\n"
    known, sent = stored(), len(server.requests)
    assert len(known) == 6
    server.script(default=AutoJudge(integers=grade))
    status, out, err = Started(*MINE, "--json").end()
    assert (status, err) == (0, "")
    assert json.loads(out)["summary"]["scored"] == 40
    assert sorted([*known, *cases_of(bodies(server)[sent:])]) == list(range(40))


def test_processes_share_a_store(server: StubServer) -> None:
    """Two under different rubrics at the same moment, on a store that is not there yet: both complete, untangled."""
    Path("rubrics/other.yaml").write_text(RUBRIC.replace("mine/v1", "other/v1").replace("kind to", "good to"))
    server._latency = 0.02
    started = [Started("eval", "cases.jsonl", "-r", name, "-j", "stated", "--json") for name in ("mine", "other")]
    ended = [one.end() for one in started]
    for (status, out, err), name in zip(ended, ("mine/v1", "other/v1"), strict=True):
        assert (status, err) == (0, "")
        data = json.loads(out)
        assert data["rubric"] == name
        assert [row["target"] for row in data["results"]] == [f"c{n}" for n in range(40)]
    assert len(set(bodies(server))) == len(server.requests) == 80


def test_the_same_run_is_not_judged_twice_at_once(run: Run, server: StubServer) -> None:
    """The second process is told so and asks nothing; when the first is killed, the run is free at once."""
    server.script([AutoJudge(integers=grade)] * 3, default=Hang())
    first = Started(*MINE, "--concurrency", "2")
    server.wait_for_requests(5, timeout=60)
    ended = run(*MINE)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: another process is judging the same cases")
    assert "hint: wait until it ends" in ended.stderr
    assert len(server.requests) == 5
    server.script(default=AutoJudge(integers=grade))
    assert run(*MINE, "--limit", "1", "--repeat", "1").returncode == 0
    first.end(signal.SIGKILL)
    assert run(*MINE).returncode == 0
    assert len(server.requests) == 5 + 1 + 37


# -- what can be wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"id": "c29", "output": "x"', "cases.jsonl:30: found invalid JSON"),
        ('{"id": "c29", "output": "x", "answer": 1}', "cases.jsonl:30: answer: found an unknown key"),
        ('{"id": "c29"}', "cases.jsonl: found 1 of 40 cases without an output to judge, the first is 'c29'"),
    ],
    ids=["json", "key", "output"],
)
def test_a_fault_in_line_30_is_found_before_anything_is_asked(
    run: Run, server: StubServer, line: str, found: str
) -> None:
    """Wrong usage that names file and place; once it is mended, the run is a new one and complete."""
    lines = Path("cases.jsonl").read_text().splitlines()
    Path("cases.jsonl").write_text("\n".join([*lines[:29], line, *lines[30:]]))
    ended = run(*MINE)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert found in ended.stderr
    assert server.requests == []
    write(40)
    ended = run(*MINE)
    assert (ended.returncode, len(server.requests)) == (0, 40)
    assert "results of an earlier start" not in ended.stdout


def test_every_hint_has_a_line_of_its_own(run: Run) -> None:
    """Two faults that are mended in different ways."""
    Path("cases.jsonl").write_text('{"id": 7, "output": "x"}\n{"id": "a", "output": "x", "human": 3}\n')
    ended = run("dataset", "check", "cases.jsonl")
    assert ended.returncode == 2
    hints = [line for line in ended.stderr.splitlines() if line.startswith("hint: ")]
    assert len(hints) == 2
    assert not any("; hint" in hint or "double quotes; " in hint for hint in hints)


def test_a_trace_that_cannot_be_written_says_what_is_lost(run: Run) -> None:
    """The run and its results are as ever; one line says what will not be there."""
    STORE.parent.mkdir()
    (STORE.parent / "traces").write_text("a file where the folder should be")
    ended = run(*MINE, "--limit", "2")
    assert ended.returncode == 0
    assert ended.stderr.startswith("note: the trace of this run cannot be written any further; its results are kept, ")
    assert "LocalSink" not in ended.stderr


def make_noise() -> None:
    """Put something else where the store would be."""
    STORE.parent.mkdir()
    STORE.write_bytes(b"noise " * 999)


@pytest.mark.parametrize(
    ("make", "status", "found"),
    [
        (lambda: Path("cases.jsonl").write_text(""), 2, "cases.jsonl: found a file without cases"),
        (lambda: Path("cases.jsonl").unlink(), 2, "cases.jsonl"),
        (make_noise, 3, "store.sqlite: found a file that"),
        (lambda: STORE.parent.write_text("a file"), 3, "store.sqlite: cannot be written (File exists)"),
    ],
    ids=["empty", "missing", "noise", "no folder"],
)
def test_what_cannot_work_is_said_and_asks_nothing(
    run: Run, server: StubServer, make: Callable[[], object], status: int, found: str
) -> None:
    """An empty data set, none, a store that is none: a message with a hint, the right status, and no traceback."""
    make()
    ended = run(*MINE)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr.startswith("error: ")
    assert found in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert server.requests == []


def test_a_split_without_cases_is_wrong_usage(run: Run, server: StubServer) -> None:
    """Told before a run begins."""
    write(4, split="dev")
    ended = run(*MINE, "--split", "sealed")
    assert ended.returncode == 2
    assert "cases.jsonl: found no case in the split sealed, expected one to judge" in ended.stderr
    assert server.requests == []


def test_a_store_of_another_version_is_left_alone(run: Run, server: StubServer) -> None:
    """Its format is named; another store can be chosen for the run."""
    run(*MINE, "--limit", "1")
    with closing(sqlite3.connect(STORE)) as database:
        database.execute("PRAGMA user_version=9")
    ended = run(*MINE)
    assert ended.returncode == 3
    assert "found a store of format 9, expected a store of format 1" in ended.stderr
    assert run(*MINE, "--store", "another.sqlite").returncode == 0
    assert Path("another.sqlite").exists()
    assert len(server.requests) == 41


def test_a_key_that_is_refused_stops_at_once(run: Run, server: StubServer) -> None:
    """A systemic fault is one message, not forty; what was judged before is there when the key is right."""
    server.script([AutoJudge(integers=grade)] * 5, default=Status(401))
    ended = run(*MINE, "--concurrency", "1")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "refused the key" in ended.stderr
    assert len(server.requests) == 6
    server.script(default=AutoJudge(integers=grade))
    assert "  5 results of an earlier start, 0 answers from the cache" in run(*MINE).stdout.splitlines()


def test_a_panel_is_judged_by_all_its_members(run: Run, server: StubServer) -> None:
    """Two models, weighed; the mean of both is the score, and half the answers are kept if one of them fails."""

    def by_model(request: Request, path: str) -> int:
        return 5 if request.body["model"] == "second" else 1

    server.script(default=AutoJudge(integers=by_model))
    second = JUDGE.format(name="second", url=server.base_url, read="stated").replace("stub-model", "second")
    Path("judges/second.yaml").write_text(second)
    Path("judges/both.yaml").write_text("judge: both/v1\npanel: {stated: 1, second: 3}\n")
    ended = run("eval", "cases.jsonl", "-r", "mine", "-j", "both", "--json", "--limit", "5")
    data = json.loads(ended.stdout)
    assert (ended.returncode, len(server.requests)) == (0, 10)
    assert data["summary"]["criteria"]["clear"]["mean"] == 4
    assert data["summary"]["usage"]["calls"] == 10


@pytest.mark.parametrize("option", ["--max-usd", "--fail-under", "--min-coverage"])
def test_a_limit_that_is_no_number_is_refused(run: Run, server: StubServer, option: str) -> None:
    """A limit of ``nan`` would never hold: wrong usage, and nothing is asked."""
    ended = run(*MINE, option, "nan")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"'{option}': found nan" in ended.stderr
    assert not server.requests


def test_a_mix_that_cannot_be_fitted_is_refused_before_anything_is_asked(run: Run, server: StubServer) -> None:
    """A rubric without metrics, cases without ratings, and outputs that nobody can have rated yet."""
    assert "found no reference metrics" in run(*MINE, "--fit-mix").stderr
    Path("rubrics/mine.yaml").write_text(f"{RUBRIC}references: {{chrf: 1}}\n", encoding="utf-8")
    assert "found 0 cases with references and human ratings" in run(*MINE, "--fit-mix").stderr
    ended = run(*MINE, "--fit-mix", "--produce-command", "cat")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "found --fit-mix beside outputs that are yet to be produced" in ended.stderr
    assert not server.requests


@pytest.mark.parametrize("files", [("--html", "cases.jsonl"), ("--junit", "a.out", "--html", "./a.out")])
def test_no_report_takes_the_place_of_another_file_of_the_run(
    run: Run, server: StubServer, files: tuple[str, ...]
) -> None:
    """Neither the data set nor the other report is written over; that is said before anything is asked."""
    before = Path("cases.jsonl").read_bytes()
    ended = run(*MINE, *files)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "found one file for two of the data set, --junit and --html" in ended.stderr
    assert Path("cases.jsonl").read_bytes() == before
    assert not server.requests
