from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenward.errors import UsageError
from tenward.testing import LangSmithFake
from tenward.tracing import LangSmithSettings, LangSmithSink, TraceSink, open_trace, push

if TYPE_CHECKING:
    from tenward.evaluation import Result
    from tests.tracing.conftest import Bench

KEY = "lsv2_pt_0123456789abcdef_0123456789"
RUN = "subjects-20261123-041500-3f2a"
PATIENT = 60.0


def experiments(fake: LangSmithFake) -> dict[str, dict[str, Any]]:
    """Experiments by name."""
    return {row["name"]: row for row in fake.sessions if row["reference_dataset_id"] is not None}


def live(bench: Bench, settings: LangSmithSettings, run: str = RUN, results: list[Result] | None = None) -> list[str]:
    """A whole run with a sink that is given all the time it wants; returns what was told."""
    told: list[str] = []
    sink = LangSmithSink(settings, bench.folder, warn=told.append)
    bench.tell(sink, bench.record(run), results or [bench.result(case) for case in bench.cases()])
    sink.close(PATIENT)
    return told


def test_two_runs_are_two_experiments_on_one_data_set(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings
) -> None:
    """LangSmith can lay them side by side: same examples, other experiment, feedback under the same names."""
    cases = bench.cases()
    assert live(bench, settings, "run-1") == []
    assert live(bench, settings, "run-2", [bench.result(case, (5.0, 5.0)) for case in cases]) == []
    assert [row["name"] for row in fake.datasets] == ["subjects/v1@0123456789abcdef"]
    assert len(fake.examples) == 3
    found = experiments(fake)
    assert sorted(found) == ["run-1", "run-2"]
    assert {row["reference_dataset_id"] for row in found.values()} == {fake.datasets[0]["id"]}
    roots = {
        name: [r for r in fake.runs if r["session_id"] == row["id"] and "parent_run_id" not in r]
        for name, row in found.items()
    }
    first, second = (sorted(row["reference_example_id"] for row in roots[name]) for name in ("run-1", "run-2"))
    assert first == second == sorted(row["id"] for row in fake.examples)
    for name, scores in (("run-1", [4.0, 3.0, 0.7]), ("run-2", [5.0, 5.0, 1.0])):
        for root in roots[name]:
            given = {row["key"]: row["score"] for row in fake.feedback if row["run_id"] == root["id"]}
            assert given == pytest.approx(
                dict(zip(("tenward.clear", "tenward.short", "tenward.value"), scores, strict=True))
            )


def test_an_experiment_says_what_was_measured_and_how(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings
) -> None:
    """Its metadata name rubric, scale, judge and fingerprint, and its end comes with the mean."""
    live(bench, settings)
    session = experiments(fake)[RUN]
    metadata = session["extra"]["metadata"]
    assert (metadata["rubric"], metadata["scale"], metadata["judge"]) == ("subject/v1", [1, 5], "scripted/v1")
    assert metadata["fingerprint"] == {"rubric": "aa", "model": "bb"}
    assert (metadata["status"], metadata["value"]["mean"]) == ("finished", pytest.approx(0.7))
    assert metadata["dataset_splits"] == ["dev", "sealed"]
    assert session["end_time"] is not None
    assert session["num_examples"] == 3


def test_runs_form_a_tree_with_tokens(bench: Bench, fake: LangSmithFake, settings: LangSmithSettings) -> None:
    """The judge's run is a child of the case's run, of type llm, with model, tokens and cost."""
    live(bench, settings, results=[bench.result(bench.cases()[0])])
    root, judge = fake.runs
    assert (root["run_type"], judge["run_type"], judge["parent_run_id"]) == ("chain", "llm", root["id"])
    assert root["trace_id"] == judge["trace_id"] == root["id"]
    assert judge["dotted_order"].startswith(f"{root['dotted_order']}.")
    assert (root["inputs"], root["outputs"]["output"]) == (
        {"input": "The change 0", "context": "A style guide"},
        "Change 0",
    )
    metadata = judge["extra"]["metadata"]
    assert metadata["ls_model_name"] == "acme/judge-1"
    assert metadata["usage_metadata"] == {
        "input_tokens": 120,
        "output_tokens": 30,
        "total_tokens": 150,
        "input_token_details": {"cache_read": 20},
        "total_cost": 0.25,
    }


def test_the_examples_hold_the_case_and_not_what_was_produced(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings
) -> None:
    """Input, references, ratings and split belong to the data set; the judged text belongs to the run."""
    live(bench, settings)
    example = fake.examples[2]
    assert example["inputs"] == {"input": "The change 2"}
    assert example["outputs"] == {"references": ["Do the change 2", "Or so"]}
    assert example["metadata"] == {
        "id": "case-2",
        "human": {"clear": 4.5},
        "group": "even",
        "dataset_split": ["sealed"],
    }


SECRETS = [
    "sk-proj-Abc123Abc123Abc123Abc123",
    "lsv2_sk_ffffffffffffffff_00000000",
    "AIzaSyA1234567890abcdefghijklmnopqrstu",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl",
    "abcdefgh12345678.token",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    "jane.doe@example.co.uk",
    "git-login:hunter2222",
    "plain-value-of-a-variable",
    "a-token-of-a-longer-variable",
]
SPOKEN = f"""Keys {SECRETS[0]}, {SECRETS[1]} and {SECRETS[2]}; {SECRETS[3]}; {SECRETS[4]}
Authorization: Bearer {SECRETS[5]}
-----BEGIN RSA PRIVATE KEY-----
{SECRETS[6]}
-----END RSA PRIVATE KEY-----
<{SECRETS[7]}> https://{SECRETS[8]}@example.org/x {SECRETS[9]} {SECRETS[10]}"""


def test_no_secret_is_on_the_wire(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keys, tokens, private keys, addresses, variables and the git author stay here, wherever they stood."""
    monkeypatch.setenv("SECRET", SECRETS[9])
    monkeypatch.setenv("MY_API_TOKEN", SECRETS[10])
    monkeypatch.setenv("LANGCHAIN_FOO", "value-of-langchain-foo")
    monkeypatch.setenv("LANGSMITH_FOO", "value-of-langsmith-foo")
    monkeypatch.setenv("GITHUB_SHA", "value-of-github-sha")
    repository = tmp_path / "repository"
    repository.mkdir()
    for command in (["init", "-q"], ["config", "user.name", "Grace Author"], ["config", "user.email", "g@author.test"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "first"], cwd=repository, check=True)
    monkeypatch.chdir(repository)
    case = bench.cases()[0]
    case = type(case)(id="case", input=SPOKEN, output=SPOKEN, context=SPOKEN, references=(SPOKEN,), group=SPOKEN)
    sink = LangSmithSink(settings, bench.folder)
    results = [bench.result(case, reason=SPOKEN), bench.gated(case, SPOKEN)]
    bench.tell(sink, bench.record(note=SPOKEN, dataset=f"set {SPOKEN}", settings={"said": (SPOKEN,)}), results)
    sink.close(PATIENT)
    assert len(fake.runs) == 3
    private = [*SECRETS, "Grace Author", "author.test", str(Path.home()), os.uname().nodename, os.uname().release]
    private += [f"value-of-{name}" for name in ("langchain-foo", "langsmith-foo", "github-sha")]
    assert [text for text in private if text.encode() in fake.raw] == []
    assert b"[redacted]" in fake.raw
    assert b"[e-mail]" in fake.raw


@pytest.mark.parametrize("text", ["sk-" * 100_000, "eyJaaaaaaaa." * 30_000, "a@" * 100_000, "-eyJaaaaaaaa" * 30_000])
def test_no_text_brings_the_search_for_secrets_to_a_halt(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings, text: str
) -> None:
    """Texts full of beginnings of secrets are sent like others; were each searched to the end, none would be."""
    case = type(bench.cases()[0])(id="case", output=text)
    live(bench, settings, results=[bench.result(case)])
    assert len(fake.runs) == 2


def test_the_key_is_in_its_header_only(bench: Bench, fake: LangSmithFake, settings: LangSmithSettings) -> None:
    """No body and no address holds it, and no local file does."""
    live(bench, settings)
    push(RUN, settings=settings, folder=_written(bench))
    assert fake.raw.count(KEY.encode()) == len(fake.requests)
    assert all(request.headers["x-api-key"] == KEY for request in fake.requests)
    assert [path.name for path in bench.folder.iterdir() if KEY.encode() in path.read_bytes()] == []
    assert KEY not in repr(settings)


def _written(bench: Bench) -> Path:
    bench.write()
    return bench.folder


def test_hidden_inputs_and_outputs_stay_here(bench: Bench, fake: LangSmithFake) -> None:
    """Who sets LangSmith's own variables for that sends scores, and neither texts nor words."""
    environ = {
        "LANGSMITH_API_KEY": KEY,
        "LANGSMITH_ENDPOINT": fake.endpoint,
        "LANGSMITH_HIDE_INPUTS": "true",
        "LANGSMITH_HIDE_OUTPUTS": "true",
    }
    settings = LangSmithSettings.from_environment(environ)
    assert settings is not None
    live(bench, settings)
    assert len(fake.feedback) == 9
    assert [text for text in (b"The change", b"Change 0", b"Do the change", b"It says so") if text in fake.raw] == []


@pytest.mark.parametrize("fault", ["dead", "hang", 401, 429, 500])
def test_a_close_takes_no_more_than_its_budget(bench: Bench, fault: Any) -> None:
    """Whatever the server does, the close returns and says in one line what to do about it."""
    with LangSmithFake(fault=fault) as fake:
        told: list[str] = []
        sink = LangSmithSink(LangSmithSettings(api_key=KEY, endpoint=fake.endpoint), bench.folder, warn=told.append)
        bench.tell(sink, bench.record(), [bench.result(case) for case in bench.cases()])
        fake.wait_for_requests(1)
        sink.close(budget=PATIENT if fault != "hang" else 0.1)
        sink.close()
    assert len(told) == 1
    assert told[0].startswith("LangSmith: 4 of 4 records were not sent (")
    assert told[0].endswith(f"); `tenward trace push {RUN}` sends them later")
    assert "\n" not in told[0]


def test_the_budget_of_a_close_leaves_time_for_the_rest_of_the_exit() -> None:
    """A close that is not told otherwise gives up before two seconds have passed."""
    assert inspect.signature(LangSmithSink.close).parameters["budget"].default < 2


EXITING = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from conftest import Bench
from tenward.tracing import open_trace
bench = Bench(Path(sys.argv[2]))
sink = open_trace(bench.folder)
bench.tell(sink, bench.record(), [bench.result(case) for case in bench.cases()])
sink.close()
"""


@pytest.mark.parametrize("fault", ["refused", "hang", 500])
def test_a_process_ends_whatever_the_server_does(bench: Bench, fault: Any) -> None:
    """No thread and no exit handler of the client holds the process back or changes its exit status."""
    with LangSmithFake(fault=None if fault == "refused" else fault) as fake:
        if fault == "refused":
            fake.close()
        environ = {**os.environ, "LANGSMITH_API_KEY": KEY, "LANGSMITH_ENDPOINT": fake.endpoint}
        command = [sys.executable, "-W", "error", "-c", EXITING, str(Path(__file__).parent), str(bench.folder)]
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "`tenward trace push" in ended.stderr
    assert len((bench.folder / f"{RUN}.jsonl").read_bytes().splitlines()) == 5


def test_a_fault_that_passes_is_waited_out(bench: Bench, fake: LangSmithFake, settings: LangSmithSettings) -> None:
    """A server that fails and recovers during the run gets everything, once."""
    told: list[str] = []
    fake.fault = 500
    sink = LangSmithSink(settings, bench.folder, warn=told.append)
    bench.tell(sink, bench.record(), [bench.result(case) for case in bench.cases()])
    fake.wait_for_requests(1)
    fake.fault = None
    sink.close(PATIENT)
    assert (told, len(fake.runs), len(fake.feedback)) == ([], 6, 9)


def test_more_than_the_queue_holds_is_left_to_a_push(bench: Bench) -> None:
    """The memory in use is bounded; the file has what was left out."""
    results = [bench.result(case) for case in bench.cases(20)]
    told: list[str] = []
    with LangSmithFake(api_key=KEY, fault="hang") as fake:
        settings = LangSmithSettings(api_key=KEY, endpoint=fake.endpoint)
        sink = LangSmithSink(settings, bench.folder, warn=told.append, queue=5)
        bench.tell(sink, bench.record(), results)
        sink.close(0.1)
    assert told[0].startswith("LangSmith: 21 of 21 records were not sent")
    with LangSmithFake(api_key=KEY) as fake:
        settings = LangSmithSettings(api_key=KEY, endpoint=fake.endpoint)
        bench.write(count=20)
        assert push(RUN, settings=settings, folder=bench.folder).sent == 20


def test_what_was_sent_live_is_not_pushed_again(bench: Bench, fake: LangSmithFake) -> None:
    """A run that was sent while it went on has nothing left for a push."""
    environ = {"LANGSMITH_API_KEY": KEY, "LANGSMITH_ENDPOINT": fake.endpoint}
    told: list[str] = []
    sink: TraceSink = open_trace(bench.folder, warn=told.append, environ=environ)
    bench.tell(sink, bench.record(), [bench.result(case) for case in bench.cases()])
    while len(fake.feedback) < 9 or any("end_time" not in row for row in fake.sessions):
        fake.wait_for_requests(len(fake.requests) + 1)
    sink.close()
    before = (len(fake.runs), len(fake.feedback))
    settings = LangSmithSettings.from_environment(environ)
    report = push(RUN, settings=settings, folder=bench.folder)
    assert (told, report.sent, report.already) == ([], 0, 3)
    assert (len(fake.runs), len(fake.feedback)) == before == (6, 9)


def test_a_trace_that_is_refused_does_not_take_others_with_it(
    bench: Bench, fake: LangSmithFake, settings: LangSmithSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server does not accept is left out and told; the rest of its batch is sent."""
    answer = LangSmithFake._answer

    def picky(self: LangSmithFake, request: Any) -> Any:
        if request.path == "/runs/multipart" and b"evaluate case-1" in request.body:
            return 422, {"detail": "not this one"}
        return answer(self, request)

    monkeypatch.setattr(LangSmithFake, "_answer", picky)
    told = live(bench, settings)
    assert {row["name"] for row in fake.runs if "parent_run_id" not in row} == {"evaluate case-0", "evaluate case-2"}
    assert len(told) == 1
    assert told[0].startswith("LangSmith: 1 of 4 records were not sent (")
    assert "did not accept what was sent (status 422)" in told[0]


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, None),
        ({"LANGSMITH_API_KEY": "  "}, None),
        ({"LANGSMITH_API_KEY": "k"}, ("k", "https://api.smith.langchain.com", "")),
        ({"LANGCHAIN_API_KEY": "k", "LANGCHAIN_ENDPOINT": "http://h/"}, ("k", "http://h", "")),
        (
            {"LANGSMITH_API_KEY": '"a"', "LANGCHAIN_API_KEY": "b", "LANGSMITH_WORKSPACE_ID": "w"},
            ("a", "https://api.smith.langchain.com", "w"),
        ),
    ],
)
def test_the_account_is_read_from_the_environment(environ: dict[str, str], found: Any) -> None:
    """The names LangSmith's own client reads, old and new; without a key there is no account."""
    settings = LangSmithSettings.from_environment(environ)
    assert (settings and (settings.api_key, settings.endpoint, settings.workspace)) == found


def test_a_wrong_endpoint_is_told_before_anything_is_sent(bench: Bench) -> None:
    """A run is traced locally; who asks for the account gets an error."""
    environ = {"LANGSMITH_API_KEY": KEY, "LANGSMITH_ENDPOINT": "localhost:1984"}
    with pytest.raises(UsageError, match="LANGSMITH_ENDPOINT is 'localhost:1984'"):
        LangSmithSettings.from_environment(environ)
    told: list[str] = []
    sink = open_trace(bench.folder, warn=told.append, environ=environ)
    bench.tell(sink, bench.record(), [])
    sink.close()
    assert (len(told), (bench.folder / f"{RUN}.jsonl").exists()) == (1, True)


def test_a_login_in_the_endpoint_is_not_shown() -> None:
    """Messages and marks name the address only."""
    settings = LangSmithSettings(api_key=KEY, endpoint="https://user:pass@host.example:8443/api")
    assert settings.shown == "https://host.example:8443/api"
