from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenward.errors import DocumentError, UnknownNameError
from tenward.judges import CheckReading
from tenward.tracing import (
    LocalSink,
    RunEnd,
    RunStart,
    Trace,
    TraceSink,
    find_trace,
    open_trace,
    read_trace,
    traces_folder,
)

if TYPE_CHECKING:
    from tests.tracing.conftest import Bench

RUN = "subjects-20261123-041500-3f2a"


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a trace file, parsed."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def traces(path: Path) -> list[Trace]:
    """The traces of a file."""
    return [record for record in read_trace(path) if isinstance(record, Trace)]


def test_a_run_is_one_file_of_its_start_its_traces_and_its_end(bench: Bench) -> None:
    """Each line says what it is, in the order in which things happened."""
    path = bench.write()
    assert [line["kind"] for line in lines(path)] == ["run", "trace", "trace", "trace", "end"]
    start, *_, end = read_trace(path)
    assert isinstance(start, RunStart)
    assert isinstance(end, RunEnd)
    assert (start.run, start.dataset, start.dataset_digest, start.rubric, start.scale, start.criteria) == (
        RUN,
        "subjects/v1",
        "0123456789abcdef",
        "subject/v1",
        (1, 5),
        ("clear", "short"),
    )
    assert start.fingerprint == {"rubric": "aa", "model": "bb"}
    assert (end.status, end.seconds, end.summary["scored"]) == ("finished", 4.5, 3)


def test_a_verdict_is_a_root_span_with_the_judge_s_span_below_it(bench: Bench) -> None:
    """The root holds case and scores, its child model, tokens and latency."""
    root, judge = traces(bench.write())[0].spans
    assert (root.name, root.kind, root.parent_id) == ("evaluate case-0", "chain", None)
    assert root.inputs == {"input": "The change 0", "context": "A style guide"}
    assert root.outputs["output"] == "Change 0"
    assert root.outputs["value"] == pytest.approx(0.7)
    assert root.outputs["criteria"]["clear"]["reason"] == "It says so."
    assert (judge.name, judge.kind, judge.parent_id, judge.trace_id) == (
        "judge acme/v1",
        "llm",
        root.span_id,
        root.trace_id,
    )
    assert judge.metadata["ls_model_name"] == "acme/judge-1"
    assert judge.metadata["ls_provider"] == "acme"
    assert judge.usage is not None
    assert (judge.usage.prompt_tokens, judge.usage.completion_tokens, judge.usage.cost_usd) == (120, 30, 0.25)
    assert (judge.end - judge.start).total_seconds() == 1.5
    assert (len(root.trace_id), len(root.span_id)) == (32, 16)


def test_feedback_is_one_number_per_criterion_and_the_value(bench: Bench) -> None:
    """Criteria are on the rubric's scale with the judge's reason, the value is from 0 to 1."""
    feedback = traces(bench.write())[0].feedback
    assert [(item.key, item.comment) for item in feedback] == [
        ("tenward.clear", "It says so."),
        ("tenward.short", "It says so."),
        ("tenward.value", ""),
    ]
    assert [item.score for item in feedback] == [4.0, 3.0, pytest.approx(0.7)]


def test_checks_stand_in_the_comment_of_their_criterion(bench: Bench) -> None:
    """Whoever reads the feedback sees what holds and what fails, and the judge's span says who wrote the words."""
    (case,) = bench.cases(1)
    result = bench.result(case, (4.0, 3.0))
    assert result.verdict is not None
    checks = (CheckReading(says="It is short", probability=0.25),)
    criteria = (replace(result.verdict.criteria[0], checks=checks), *result.verdict.criteria[1:])
    told = replace(result, verdict=replace(result.verdict, criteria=criteria, words="program"))
    bench.tell(LocalSink(bench.folder), bench.record(), [told])
    (trace,) = traces(bench.folder / f"{RUN}.jsonl")
    assert trace.feedback[0].comment == "It says so. Fails: “It is short” (25%)."
    assert trace.spans[1].outputs["words"] == "program"


def test_what_has_no_score_gets_no_feedback(bench: Bench) -> None:
    """A failure is told as the root's error; a failed gate has no judge's span at all."""
    unscored, gated = bench.cases(2)
    sink = LocalSink(bench.folder)
    results = [bench.result(unscored, (4.0, None)), bench.gated(gated, "exit status 1")]
    bench.tell(sink, bench.record(), results)
    first, second = traces(bench.folder / f"{RUN}.jsonl")
    assert [item.key for item in first.feedback] == ["tenward.clear"]
    assert first.spans[0].error == "unscored: short: timeout, no answer in 30 s"
    assert (len(second.spans), second.feedback, second.spans[0].error) == (1, (), None)
    assert second.spans[0].outputs["status"] == "gated"


def test_each_result_is_on_disk_as_soon_as_it_was_told(bench: Bench) -> None:
    """Nothing waits in a buffer of the process."""
    sink = LocalSink(bench.folder)
    sink.begin_run(bench.record())
    path = bench.folder / f"{RUN}.jsonl"
    for position, case in enumerate(bench.cases()):
        sink.result(position, bench.result(case))
        assert len(traces(path)) == position + 1
    sink.close()
    sink.close()


def test_a_run_that_goes_on_goes_on_in_its_file(bench: Bench) -> None:
    """The half line that a kill left is removed, what was whole stays."""
    path = bench.write(end=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert len(traces(path)) == 2
    sink = LocalSink(bench.folder)
    sink.begin_run(bench.record())
    sink.result(2, bench.result(bench.cases()[2]))
    sink.close()
    assert [line["kind"] for line in lines(path)] == ["run", "trace", "trace", "run", "trace"]
    assert [trace.position for trace in traces(path)] == [0, 1, 2]


def test_a_half_line_longer_than_a_chunk_is_removed_too(bench: Bench) -> None:
    """The search for the last whole line goes back as far as it must, to the beginning if need be."""
    path = bench.write(end=False)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind": "trace", "x": "' + b"y" * 200_000)
    sink = LocalSink(bench.folder)
    sink.begin_run(bench.record())
    sink.close()
    assert path.read_bytes().startswith(whole + b'{"kind": "run"')
    path.write_bytes(b"x" * 100_000)
    sink.begin_run(bench.record())
    sink.close()
    assert [line["kind"] for line in lines(path)] == ["run"]


def test_what_a_killed_process_recorded_can_be_read(bench: Bench) -> None:
    """A kill -9 in the middle of a run leaves every result that was told."""
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from conftest import Bench
from tenward.tracing import LocalSink
bench = Bench(Path({str(bench.folder)!r}))
results = [bench.result(case) for case in bench.cases(2)]
bench.tell(LocalSink(bench.folder), bench.record(), results, end=False)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert [trace.case.id for trace in traces(bench.folder / f"{RUN}.jsonl")] == ["case-0", "case-1"]


def test_a_trace_says_nothing_about_the_machine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither variables nor host, user, folders or commands are recorded, whatever programs said of them."""
    monkeypatch.setenv("SECRET_PHRASE", "correct-horse-battery")
    root = Path.cwd()
    detail = f"{root}/lint.py:3 and /srv/{getpass.getuser()}-home/notes.txt failed"
    sink = LocalSink(bench.folder)
    record = bench.record(dataset="/srv/private/cases", note="see /srv/private/log")
    bench.tell(sink, record, [bench.gated(bench.cases()[0], detail)])
    text = (bench.folder / f"{RUN}.jsonl").read_text(encoding="utf-8")
    assert "./lint.py:3 and …/notes.txt failed" in text
    for private in ("correct-horse-battery", "/srv/", str(root), socket.gethostname(), str(Path.home())):
        assert private not in text


@pytest.mark.parametrize("text", ["half an emoji \ud83d", "nul \0, line\u2028end, é 漢字"])
def test_any_text_can_be_recorded(bench: Bench, text: str) -> None:
    """Texts that are no valid Unicode, or hold any kind of line end, come back as they were."""
    case = type(bench.cases()[0])(id="odd", input=text, output=text)
    bench.tell(LocalSink(bench.folder), bench.record(), [bench.result(case)])
    root = traces(bench.folder / f"{RUN}.jsonl")[0].spans[0]
    assert (root.inputs["input"], root.outputs["output"]) == (text, text)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "found an empty file"),
        (b"{}\n", "expected a record of a trace"),
        (b'{"kind": "run"}\n{"kind"', "format"),
        (b"hello\n", "no JSON"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    """The complaint names the file, and the line where there is one."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    if told == "format":
        told = "x.jsonl:1"
    with pytest.raises(DocumentError, match=told):
        list(read_trace(path))


def test_a_trace_file_begins_with_its_run(bench: Bench) -> None:
    """A file whose beginning was lost is refused, and so is one that is not there."""
    path = bench.write()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    with pytest.raises(DocumentError, match="found a line of kind 'trace', expected a line of kind 'run'"):
        list(read_trace(path))
    with pytest.raises(DocumentError, match="cannot be read"):
        list(read_trace(path.with_name("gone.jsonl")))


def test_a_run_is_found_by_a_unique_beginning(bench: Bench) -> None:
    """An id, the beginning of one, a path, or the run that was written last."""
    first, second = bench.write("a-1"), bench.write("a-2")
    os.utime(first, (1, 1))
    assert find_trace("a-1", bench.folder) == first
    assert find_trace("last", bench.folder) == second
    assert find_trace(first) == find_trace(str(first)) == first
    with pytest.raises(UnknownNameError, match="found several runs that start with 'a': a-2, a-1"):
        find_trace("a", bench.folder)
    with pytest.raises(UnknownNameError, match="the latest are: a-2, a-1"):
        find_trace("b", bench.folder)
    with pytest.raises(UnknownNameError, match="no such file"):
        find_trace("b.jsonl")
    with pytest.raises(UnknownNameError, match="tenward eval"):
        find_trace("last", bench.folder / "none")


def test_traces_lie_in_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any folder of a workspace its one hidden folder is used; elsewhere, the current folder's."""
    (tmp_path / "rubrics").mkdir()
    (tmp_path / "rubrics" / "mine.yaml").write_text("rubric: mine/v1\n")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert traces_folder() == tmp_path / ".tenward" / "traces"
    (tmp_path / "rubrics" / "mine.yaml").unlink()
    assert traces_folder() == tmp_path / "deep" / ".tenward" / "traces"


def test_without_a_key_only_the_file_is_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no LangSmith: nothing is sent, nothing is said, and git is told to pass the folder over."""
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    told: list[str] = []
    sink: TraceSink = open_trace(bench.folder, warn=told.append)
    bench.tell(sink, bench.record(), [bench.result(case) for case in bench.cases()])
    sink.close()
    assert sorted(path.name for path in bench.folder.iterdir()) == [".gitignore", f"{RUN}.jsonl"]
    assert (len(traces(bench.folder / f"{RUN}.jsonl")), told) == (3, [])


def test_a_full_disk_stops_the_trace_and_not_the_run(bench: Bench) -> None:
    """What cannot be written is told once, and the run goes on."""
    bench.folder.parent.mkdir(parents=True, exist_ok=True)
    bench.folder.write_text("a file where the folder should be")
    told: list[str] = []
    sink = open_trace(bench.folder, warn=told.append)
    bench.tell(sink, bench.record(), [bench.result(case) for case in bench.cases()])
    sink.close()
    assert len(told) == 1
    assert told[0].startswith("note: the trace of this run cannot be written any further; its results are kept")
    assert "File exists" in told[0]


def test_the_sdk_is_not_loaded_before_it_is_used() -> None:
    """Writing and reading traces needs neither LangSmith's client nor what it brings along."""
    script = """
import sys
from tenward.tracing import LocalSink, open_trace, push, read_trace
open_trace(environ={})
print({"langsmith", "requests"} & {name.partition(".")[0] for name in sys.modules})
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "set()"
