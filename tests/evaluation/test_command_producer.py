from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.errors import UsageError
from tenward.evaluation import CommandProducer, PromptProducer
from tenward.judges import Calls, JudgeSpec, Limiter, Usage, lend_calls

if TYPE_CHECKING:
    from tenward.evaluation import Produced
    from tests.evaluation.conftest import Lab

CASE = Case(id="one", input="The diff.", context="Rules.", output="old", references=("good",), human={"x": 1.0})


def program(folder: Path, text: str) -> list[str]:
    """Write a Python program and return the command that runs it."""
    (folder / "run.py").write_text(text, encoding="utf-8")
    return [sys.executable, "run.py"]


async def made(folder: Path, text: str, case: Case = CASE, **settings: Any) -> Produced:
    """Produce one output with a Python program."""
    producer = CommandProducer(program(folder, text), folder=folder, **settings)
    try:
        return await producer.produce(case)
    finally:
        await producer.aclose()


async def test_a_command_reads_the_case_and_prints_its_output(tmp_path: Path) -> None:
    """It is told the input and what belongs to it, none of the answers; what it prints is the output."""
    produced = await made(tmp_path, "import sys; print('talk', file=sys.stderr); print(sys.stdin.read(), '\\n\\n')")
    assert json.loads(produced.output) == {"id": "one", "input": "The diff.", "context": "Rules."}
    assert (produced.failure, produced.usage) == (None, Usage())
    assert produced.seconds > 0


@pytest.mark.parametrize("text", ["\ud800", "\0", "é👩🏽‍💻\u202e", '"}\n{"id": 1}', "x" * 150_000])
async def test_any_text_reaches_the_command(tmp_path: Path, text: str) -> None:
    """JSON carries it, whatever it is."""
    program = "import json, sys; print(ascii(json.load(sys.stdin)['input']))"
    produced = await made(tmp_path, program, Case(id="x", input=text))
    assert produced.output == ascii(text)


async def test_what_a_command_left_behind_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of its transcript comes with the output, without secrets; that of an earlier pass does not."""
    monkeypatch.setenv("MY_KEY", "s3cret")
    text = """
import os, pathlib, sys
place = pathlib.Path(os.environ["TENWARD_TRANSCRIPT"])
assert place == pathlib.Path("logs/a_b.txt").absolute() and not place.exists()
place.write_text("x" * 30_000 + "used s3cret, then gave up")
print("done")
"""
    case = Case(id="a/b", input="x")
    for _ in range(2):
        produced = await made(tmp_path, text, case, transcript="logs/{case}.txt", env=["MY_KEY"])
        assert produced.output == "done"
        assert produced.transcript.endswith("xused [secret], then gave up")
        assert len(produced.transcript) <= 20_000 + len("[secret]")
    assert (await made(tmp_path, "print(1)", case, transcript="logs/{case}.txt")).transcript == ""


@pytest.mark.parametrize("link", ["logs", "logs/a.txt"])
async def test_a_transcript_that_is_a_link_tells_nothing(tmp_path: Path, link: str) -> None:
    """A program under test cannot have a file from elsewhere told to whoever proposes."""
    (tmp_path / "sealed").mkdir()
    (tmp_path / "sealed/a.txt").write_text("sealed")
    work = tmp_path / "work"
    (work / "logs").mkdir(parents=True)
    target = "../sealed" if link == "logs" else "../../sealed/a.txt"
    text = f"""
import os, shutil
shutil.rmtree("logs")
os.makedirs(os.path.dirname({link!r}) or ".", exist_ok=True)
os.symlink({target!r}, {link!r})
print(open("logs/a.txt").read())
"""
    produced = await made(work, text, Case(id="a", input="x"), transcript="logs/{case}.txt")
    assert (produced.output, produced.transcript) == ("sealed", "")


@pytest.mark.parametrize(
    ("text", "kind", "detail"),
    [
        ("raise SystemExit('no such model')", "crashed", "exit status 1: no such model"),
        ("print('one\\ntwo\\nthree\\nfour'); raise SystemExit(7)", "crashed", "exit status 7: two / three / four"),
        ("import os; print(1, flush=True); os.kill(os.getpid(), 9)", "crashed", "exit status -9: 1"),
        ("print('x' * 60_000_000)\nimport time; time.sleep(60)", "crashed", "printed more than 50,000,000 bytes"),
        ("print('x' * 200_001)", "truncated", "it printed 200,002 bytes, more than 200,000"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\xfe')", "schema", "what it printed is no UTF-8 text"),
        ("print()", "schema", "it printed no text"),
        ("import sys; print('quota', file=sys.stderr)", "schema", "it printed no text: quota"),
    ],
    ids=["raised", "status", "signal", "flood", "long", "binary", "empty", "silent"],
)
async def test_a_command_that_fails_is_a_failure_of_the_case(tmp_path: Path, text: str, kind: str, detail: str) -> None:
    """How it ended and the last lines of its log are told; there is no output."""
    produced = await made(tmp_path, text)
    assert produced.failure is not None
    assert produced.failure.kind == kind
    assert detail in produced.failure.detail
    assert "\n" not in produced.failure.detail
    assert produced.output == ""


async def test_a_command_that_takes_too_long_is_stopped_with_its_children(tmp_path: Path) -> None:
    """Nothing that it started is left."""
    text = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('child', 'w').write(str(child.pid)); print('waiting', file=sys.stderr, flush=True); time.sleep(600)"
    )
    produced = await made(tmp_path, text, timeout=3.0)
    assert produced.failure is not None
    assert (produced.failure.kind, produced.failure.detail) == ("timeout", "stopped after 3 s: waiting")
    assert_gone(int((tmp_path / "child").read_text()))


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.02)
    pytest.fail(f"{path.name} never came")


def assert_gone(process: int) -> None:
    """Wait until a process that was killed is no more, or only waits to be noticed by its parent."""
    for _ in range(200):
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
            time.sleep(0.05)
            continue
        return
    pytest.fail(f"process {process} is still there")


async def test_a_cancelled_case_leaves_no_process(tmp_path: Path) -> None:
    """Once the producer is closed, the command is gone."""
    text = (
        "import os, time; open('pid.part', 'w').write(str(os.getpid())); os.rename('pid.part', 'pid'); time.sleep(600)"
    )
    producer = CommandProducer(program(tmp_path, text), folder=tmp_path)
    work = asyncio.ensure_future(producer.produce(CASE))
    await asyncio.to_thread(wait_for, tmp_path / "pid")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await producer.aclose()
    assert_gone(int((tmp_path / "pid").read_text()))


async def test_the_environment_is_scrubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only named variables are passed on, and their values never stand in a failure."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-you")
    monkeypatch.setenv("MY_KEY", "hunter2hunter2")
    text = "import os; print(os.environ.get('OPENAI_API_KEY'), os.environ.get('MY_KEY'), os.environ.get('GONE'))"
    assert (await made(tmp_path, text)).output == "None None None"
    assert (await made(tmp_path, text, env=["MY_KEY", "GONE"])).output == "None hunter2hunter2 None"
    failed = await made(tmp_path, f"{text}; raise SystemExit(1)", env=["MY_KEY"])
    assert failed.failure is not None
    assert failed.failure.detail == "exit status 1: None [secret] None"


async def test_a_command_that_cannot_be_started_is_a_mistake_of_the_request(tmp_path: Path) -> None:
    """No further case could be produced, so it is raised; nothing else than a program is looked for."""
    for command in (["./missing"], ["no-such-program-anywhere"], ["a\0b"], "echo; true"):
        producer = CommandProducer(command, folder=tmp_path)
        with pytest.raises(UsageError, match="could not be started"):
            await producer.produce(CASE)
        await producer.aclose()


@pytest.mark.parametrize(
    ("command", "settings", "fault"),
    [
        ("", {}, "found an empty command"),
        ([], {}, "found an empty command"),
        ("echo 'half", {}, "No closing quotation"),
        ("true", {"timeout": 0}, "timeout: found 0"),
        ("true", {"folder": Path("/nowhere/at/all")}, "no such folder"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    tmp_path: Path, command: str | list[str], settings: dict[str, Any], fault: str
) -> None:
    """They are refused before any case."""
    arguments: dict[str, Any] = {"folder": tmp_path, **settings}
    with pytest.raises(UsageError, match=fault):
        CommandProducer(command, **arguments)


async def test_a_limiter_holds_commands_back(tmp_path: Path) -> None:
    """No more run at once than calls may."""
    text = "import os, time; open(str(os.getpid()), 'w').close(); time.sleep(0.3); print(len(os.listdir('.')))"
    (tmp_path / "here").mkdir()
    (tmp_path / "run.py").write_text(f"{text}; os.unlink(str(os.getpid()))")
    producer = CommandProducer([sys.executable, "../run.py"], folder=tmp_path / "here")
    with lend_calls(Calls(limiter=Limiter(2))):
        produced = await asyncio.gather(*[producer.produce(CASE) for _ in range(6)])
    await producer.aclose()
    assert {int(one.output) for one in produced} <= {1, 2}


async def test_outputs_are_kept_only_where_a_version_is_named(lab: Lab, tmp_path: Path) -> None:
    """Without one a command is run each time; with one, once per version, case text and pass."""
    command = program(tmp_path, "open('runs', 'a').write('x'); print('done')")

    async def runs(version: str, case: Case = CASE, sample: int = 0) -> bool:
        before = (tmp_path / "runs").stat().st_size if (tmp_path / "runs").exists() else 0
        producer = CommandProducer(command, folder=tmp_path, version=version)
        with lend_calls(Calls(cache=lab.store, sample=sample)):
            assert (await producer.produce(case)).output == "done"
        await producer.aclose()
        return (tmp_path / "runs").stat().st_size > before

    assert await runs("")
    assert await runs("")
    assert await runs("a1")
    assert not await runs("a1")
    assert await runs("b2")
    assert await runs("a1", Case(id="one", input="Other."))
    assert await runs("a1", sample=1)


async def test_a_damaged_output_in_the_cache_is_made_again(lab: Lab, tmp_path: Path) -> None:
    """What the store holds and is no output counts as none."""
    producer = CommandProducer(program(tmp_path, "print('done')"), folder=tmp_path, version="a1")
    with lend_calls(Calls(cache=lab.store)):
        await producer.produce(CASE)
        with contextlib.closing(sqlite3.connect(lab.store.path)) as db, db:
            assert db.execute("UPDATE calls SET answer = 'not json'").rowcount == 1
        assert (await producer.produce(CASE)).output == "done"
    await producer.aclose()


async def test_a_crash_is_not_kept(lab: Lab, tmp_path: Path) -> None:
    """Only outputs are."""
    command = program(tmp_path, "import os; print('up' if os.path.exists('mended') else 1 / 0)")
    producer = CommandProducer(command, folder=tmp_path, version="a1")
    with lend_calls(Calls(cache=lab.store)):
        assert (await producer.produce(CASE)).failure is not None
        (tmp_path / "mended").touch()
        assert (await producer.produce(CASE)).output == "up"
    await producer.aclose()


def test_a_description_tells_commands_apart(tmp_path: Path) -> None:
    """The files that a command names are part of it, as long as no version stands for them."""
    command = program(tmp_path, "print(1)")
    before = CommandProducer(command, folder=tmp_path).describe()
    versioned = CommandProducer(command, folder=tmp_path, version="a1").describe()
    assert before == CommandProducer(command, folder=tmp_path).describe()
    program(tmp_path, "print(2)")
    assert CommandProducer(command, folder=tmp_path).describe() != before
    assert CommandProducer(command, folder=tmp_path, version="a1").describe() == versioned
    assert CommandProducer(["sh", "-c", "x" * 5000, "\0"], folder=tmp_path).describe()["files"] == {}
    json.dumps(before)


async def test_a_producer_can_be_used_after_it_was_closed(tmp_path: Path) -> None:
    """Closing ends what runs, not the producer."""
    producer = CommandProducer(program(tmp_path, "print(1)"), folder=tmp_path)
    await producer.aclose()
    assert (await producer.produce(CASE)).output == "1"
    await producer.aclose()
    assert (await producer.produce(CASE)).output == "1"
    await producer.aclose()


def test_plans_bound_what_will_be_written(tmp_path: Path) -> None:
    """A command costs no call that is known of; a prompt costs one, of unknown price where nobody states it."""
    calls, longest = CommandProducer("true", folder=tmp_path).plan(CASE)
    assert (calls.calls, calls.worst_usd, len(longest)) == (0, 0.0, 200_000)
    calls, longest = PromptProducer("Do it.", JudgeSpec(judge="x/v1", model="openai/x"), max_tokens=50).plan(CASE)
    assert (calls.calls, calls.most_calls, calls.completion_tokens, calls.worst_usd) == (1, 1, 50, None)
    assert len(longest) == 200
