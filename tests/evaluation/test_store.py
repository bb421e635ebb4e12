from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenward.datasets import Case
from tenward.errors import StoreError, UnknownNameError, UsageError
from tenward.evaluation import Result, RunRecord, Store, Tally
from tenward.judges import Asked, CriterionVerdict, Failure, Step, Usage, Verdict
from tenward.metrics import score_references
from tenward.rubrics import GateResult, Rubric, compute_score
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUBRIC = Rubric.parse(
    "rubric: r/v1\nabout: Is it good?\ncriteria:\n  a: {ask: Is it a, weight: 1, floor: 2}\n"
    "  b: {ask: Is it b, weight: 3}\nreferences: {rouge_l: 2, bm25: 1}\nmix: {judge: 0.75, references: 0.25}\n"
)
ASKED = Asked(slot="judge|rubric|case|question", components={"output": "1", "levels": "1"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Yield an empty store."""
    with Store(tmp_path / "store.sqlite") as kept:
        yield kept


def record(name: str = "run-1", **fields: Any) -> RunRecord:
    """Return a run's record; ``fields`` replace the usual ones."""
    usual: dict[str, Any] = {
        "id": name,
        "created": "2026-11-23T04:15:00+00:00",
        "status": "running",
        "dataset": "set/v1",
        "dataset_digest": "0" * 16,
        "split": "all",
        "cases": 3,
        "rubric": RUBRIC,
        "judge": "judge/v1",
        "judge_file": {"judge": "judge/v1", "price": {"input": 1}},
        "fingerprint": {"model": "m"},
        "settings": {"explain": False, "limit": None},
    }
    return RunRecord(**{**usual, **fields})


def result(name: str, score: float | None = 4.0) -> Result:
    """Return a result with something in every field."""
    output = "The cat ran, 猫も走った 🐈."
    failure = Failure(kind="bad_quote", detail="the text does not contain 'x'")
    verdict = Verdict(
        judge="judge/v1",
        model="m",
        criteria=(
            CriterionVerdict(
                criterion="a",
                score=score,
                failure=failure if score is None else None,
                reason="So it is.",
                evidence=("The cat",),
                distribution={1.0: 0.25, 5.0: 0.75},
                spread=1.5,
                label_mass=0.9,
            ),
            CriterionVerdict(criterion="b", score=2.5),
        ),
        why_not_2_lower="Because of the cat.",
        steps_to_10=(Step(criterion="b", text="Add a dog."),),
        words_failure=failure,
        usage=Usage(calls=2, prompt_tokens=7, cached_tokens=3, completion_tokens=5, cost_usd=None),
        seconds=0.5,
        fingerprint={"model": "m"},
        engine={"calls": [{"ms": 1.5}]},
    )
    references = score_references(output, ["A cat ran."], RUBRIC.metric_weights, corpus=["A cat ran.", "A dog."])
    return Result(
        case=Case(
            id=name,
            output=output,
            input="in",
            references=("A cat ran.",),
            context="c",
            human={"a": 3.5},
            group="g",
            split="sealed",
        ),
        rubric=RUBRIC,
        gates=(GateResult(gate="max_words: 9", passed=True, detail="5 words"),),
        verdict=verdict,
        score=compute_score(RUBRIC, verdict.scores, references=references.value),
        references=references,
    )


# -- calls -------------------------------------------------------------------------------------------------------


def test_an_answer_is_recalled_by_its_request(store: Store) -> None:
    """Whatever characters it holds; what was never answered is None."""
    for key, answer in (("one", '{"a": "猫 🐈 \\u0000"}'), ("two", "")):
        store.remember(key, ASKED, answer)
        assert store.recall(key) == answer
    assert store.recall("three") is None


def test_a_miss_is_explained_by_the_latest_answer_to_the_question(store: Store) -> None:
    """New, changed in named components, or changed in what no component names."""
    assert store.why_missed(ASKED) == ()
    store.remember("one", ASKED, "1")
    assert store.why_missed(replace(ASKED, components={"output": "2", "levels": "1"})) == ("output",)
    assert store.why_missed(replace(ASKED, components={"output": "2", "levels": "2", "new": "1"})) == (
        "output",
        "levels",
        "new",
    )
    assert store.why_missed(ASKED) == ("request",)
    assert store.why_missed(replace(ASKED, slot="another")) == ()
    store.remember("two", replace(ASKED, components={"output": "2", "levels": "1"}), "2")
    assert store.why_missed(ASKED) == ("output",)
    assert (store.recall("one"), store.recall("two")) == ("1", "2")


def test_what_was_kept_survives_a_kill(tmp_path: Path) -> None:
    """A process that ends itself with SIGKILL right after an answer and a result has lost neither."""
    path = tmp_path / "store.sqlite"
    program = (
        "import os, sys; from pathlib import Path\n"
        "from tenward.evaluation import Store; from tenward.judges import Asked\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for n in range(50): store.remember(str(n), Asked(slot=str(n), components={}), f'answer {n}')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -signal.SIGKILL
    with Store(path) as store:
        assert [store.recall(str(n)) for n in range(50)] == [f"answer {n}" for n in range(50)]


def test_many_processes_share_one_new_file(tmp_path: Path) -> None:
    """All make the file at the same moment and write at the same time; nobody fails and nothing is lost."""
    path = tmp_path / "folder" / "store.sqlite"
    go = tmp_path / "go"
    program = (
        "import sys, time; from pathlib import Path\n"
        "from tenward.evaluation import Store; from tenward.judges import Asked\n"
        "while not Path(sys.argv[3]).exists(): time.sleep(0.001)\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "    for n in range(40): store.remember(f'{sys.argv[2]}.{n}', Asked(slot='s', components={}), 'x')\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(n), str(go)], stderr=subprocess.PIPE)
        for n in range(4)
    ]
    go.touch()
    for process in started:
        _, error = process.communicate(timeout=60)
        assert (process.returncode, error) == (0, b"")
    with Store(path) as store:
        assert all(store.recall(f"{one}.{n}") == "x" for one in range(4) for n in range(40))


# -- runs --------------------------------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was(store: Store) -> None:
    """Rubric, settings and all; status, note and time are what the last update said, times added up."""
    store.begin(record())
    assert store.run("run-1") == record()
    store.update("run-1", status="stopped", note="budget: gone", seconds=1.5)
    store.update("run-1", status="finished", seconds=2.0)
    assert store.run("run-1") == record(status="finished", seconds=3.5)


def test_what_a_run_came_to_is_kept_when_it_finishes(store: Store) -> None:
    """The numbers of its summary, read without its results; before that they are counted from what is there."""
    tally = Tally()
    for position in range(7):
        found = result(f"c{position}", None if position == 3 else 4.0)
        tally.add(found)
        store.add("run-1", [(position, found)])
    store.begin(record())
    so_far = store.outcome(store.run("run-1"))
    assert (so_far.cases, so_far.scored, so_far.cost_usd) == (7, tally.summary().scored, None)
    store.update("run-1", status="stopped", summary=tally.summary())
    store.add("run-1", [(7, result("c7"))])
    assert store.outcome(store.run("run-1")).cases == 8
    store.update("run-1", status="finished", summary=tally.summary())
    assert store.outcome(store.run("run-1")) == so_far
    assert (so_far.value, so_far.quality) == (tally.summary().value, tally.summary().quality)
    assert store.run("run-1") == record(status="finished")


def test_how_a_run_stands_depends_on_whoever_holds_it(store: Store) -> None:
    """Running while it is held, cut off or stopped when it is not; only the latest of its identity is held."""
    store.begin(record("older"))
    store.begin(record("stopped", created="2027"))
    store.begin(record("other", judge="other/v1"))
    store.update("stopped", status="stopped", note="budget: gone")
    names = ("older", "stopped", "other")

    def standings() -> list[str]:
        return [store.standing(store.run(name)) for name in names]

    assert standings() == ["cut off", "stopped", "cut off"]
    with store.hold(record().identity):
        assert standings() == ["cut off", "running", "cut off"]
        with store.hold(record(judge="other/v1").identity):
            assert standings() == ["cut off", "running", "running"]
        assert standings() == ["cut off", "running", "cut off"]
        store.update("stopped", status="finished")
        assert standings() == ["cut off", "finished", "cut off"]
    assert standings() == ["cut off", "finished", "cut off"]


HOLD = """
import sys
from pathlib import Path
from tenward.evaluation import Store
with Store(Path(sys.argv[1])) as store, store.hold(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_is_held_against_other_processes_and_this_one(store: Store) -> None:
    """To look at it does not free it; the death of its process does."""
    identity, other = record().identity, record(judge="other/v1").identity
    store.begin(record())
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store.path), identity], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with store.hold(other):
        for _ in range(3):
            assert store.standing(store.run("run-1")) == "running"
        with pytest.raises(UsageError, match="another process is judging"), store.hold(identity):
            pass
        with pytest.raises(UsageError, match="this process is judging"), store.hold(other):
            pass
        ended = subprocess.run(
            [sys.executable, "-c", HOLD, str(store.path), other], input=b"", capture_output=True, check=False
        )
        assert b"another process is judging" in ended.stderr  # what was tried here in vain has freed nothing
    holder.kill()
    holder.communicate()
    assert store.standing(store.run("run-1")) == "cut off"
    with store.hold(identity), store.hold(other):
        pass


FULL = """\
rubric: full/v2
about: Is it good?
names: {candidate: summary}
scale: [0, 10]
criteria:
  a: How is it
  b: {ask: [Is it b, "Is it b, really?"], weight: 0.5, floor: 2, levels: {0: none, 10: all}}
gates: [{max_words: 4}, {min_chars: 1}, {forbids: x}, {matches: y}, {run: "true"}, {run: "true", timeout: 5}]
references: {rouge_l: 2, bm25: 1}
mix: {judge: 0.8, references: 0.2}
normalize: range
min_coverage: 0.5
"""


def shipped() -> list[Rubric]:
    """Return every rubric of the library."""
    library = Library.discover()
    return [Rubric.load(name, library=library) for name in library.names("rubrics")]


@pytest.mark.parametrize("rubric", [Rubric.parse(FULL), *shipped()], ids=lambda rubric: rubric.rubric)
def test_every_rubric_comes_back_as_it_was(store: Store, rubric: Rubric) -> None:
    """Gates, floors, levels, mix and all that was left out."""
    store.begin(record(rubric=rubric))
    found = store.run("run-1")
    assert found.rubric.model_dump() == rubric.model_dump()
    assert found.identity == record(rubric=rubric).identity


def test_a_run_is_found_by_id_start_or_last(store: Store) -> None:
    """An exact id wins over a start; wildcards of SQL are ordinary characters."""
    for name in ("a-1", "a-12", "b_1", "b%1", "bx1"):
        store.begin(record(name))
    assert [item.id for item in store.runs()] == ["bx1", "b%1", "b_1", "a-12", "a-1"]
    assert store.run("last").id == "bx1"
    assert store.run("a-1").id == "a-1"
    assert store.run("a-12").id == "a-12"
    assert store.run("b_").id == "b_1"
    assert store.run("b%").id == "b%1"
    with pytest.raises(UnknownNameError, match="several runs that start with 'a-'"):
        store.run("a-")
    with pytest.raises(UnknownNameError, match="holds no run 'c'") as caught:
        store.run("c")
    assert caught.value.hint == "the latest are: bx1, b%1, b_1, a-12, a-1"


def test_an_empty_store_says_how_to_make_a_run(store: Store) -> None:
    """There is no last run, and the hint names the command."""
    for name in ("last", "x"):
        with pytest.raises(UnknownNameError) as caught:
            store.run(name)
        assert "tenward eval" in caught.value.hint


CHANGED: dict[str, dict[str, Any]] = {
    "data set": {"dataset": "other/v1"},
    "bytes": {"dataset_digest": "1" * 16},
    "split": {"split": "dev"},
    "rubric": {"rubric": Rubric.parse("rubric: r/v1\nabout: Is it good?\ncriteria: {a: Is it a, b: Is it b}\n")},
    "judge": {"judge": "other/v1"},
    "file": {"judge_file": {"judge": "judge/v1", "temperature": 1}},
    "fingerprint": {"fingerprint": {"model": "m", "prompt": "3"}},
    "settings": {"settings": {"explain": True, "limit": None}},
}


def test_only_the_latest_run_of_the_same_identity_goes_on(store: Store) -> None:
    """A killed or stopped run is taken up; a finished one never, nor one that an other finished run followed."""
    identity = record().identity
    assert store.unfinished(identity) is None
    store.begin(record("first"))
    found = store.unfinished(identity)
    assert found is not None
    assert found.id == "first"
    store.update("first", status="stopped", note="interrupted")
    assert (found := store.unfinished(identity)) is not None
    assert found.note == "interrupted"
    store.begin(record("second"))
    store.update("second", status="finished")
    assert store.unfinished(identity) is None


@pytest.mark.parametrize("name", CHANGED)
def test_a_run_of_anything_else_is_not_taken_up(store: Store, name: str) -> None:
    """Data, rubric, judge, settings or our own words have changed: it is another run."""
    store.begin(record())
    assert store.unfinished(record(**CHANGED[name]).identity) is None
    assert store.unfinished(record("another", created="later", status="stopped", note="x").identity) is not None


# -- results -----------------------------------------------------------------------------------------------------


def test_results_come_back_as_they_were_in_the_order_of_the_data_set(store: Store) -> None:
    """Whatever order they came in and however they are paged; a later one of the same position counts."""
    store.begin(record())
    store.begin(record("another"))
    for position in (7, 2, 9, 0, 4, 1):
        store.add("run-1", [(position, result(f"c{position}"))])
    store.add("run-1", [(4, result("c4", None)), (3, result("c3"))])
    store.add("another", [(0, result("x"))])
    expected = [(n, result(f"c{n}", None if n == 4 else 4.0)) for n in (0, 1, 2, 3, 4, 7, 9)]
    for page in (1, 2, 7, 8, 200):
        assert list(store.numbered_results(record(), page=page)) == expected
    assert list(store.results(record())) == [found for _, found in expected]


def test_a_gated_result_comes_back(store: Store) -> None:
    """Without verdict, score and references."""
    gated = Result(
        case=Case(id="x", output="o"),
        rubric=RUBRIC,
        gates=(GateResult(gate="max_words: 0", passed=False, detail="1 word"),),
        verdict=None,
        score=None,
    )
    store.add("run-1", [(0, gated)])
    assert list(store.results(record())) == [gated]


def test_weights_are_applied_when_results_are_read(store: Store) -> None:
    """What is stored is what was found; the arithmetic is that of the rubric it is read with."""
    store.add("run-1", [(0, result("x"))])
    other = Rubric.model_validate({**RUBRIC.model_dump(), "mix": {"judge": 1, "references": 0}, "scale": [1, 5]})
    (found,) = store.results(record(rubric=other))
    assert found.value == pytest.approx((4 * 0.25 + 2.5 * 0.75) / 5)
    assert found.value != result("x").value


# -- what can be wrong with the file -----------------------------------------------------------------------------


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    """Noise, another program's database and a folder are named, left alone, and an exit is offered."""
    noise, foreign = tmp_path / "noise.sqlite", tmp_path / "foreign.sqlite"
    noise.write_bytes(bytes(range(256)) * 40)
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    for path in (noise, foreign, tmp_path, noise / "store.sqlite"):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(StoreError) as caught:
            Store(path)
        assert str(path) in caught.value.message
        assert "--store" in caught.value.hint
        assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    """The versions are named, and nothing is written into it."""
    path = tmp_path / "store.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=7")
    database.close()
    with pytest.raises(StoreError, match="found a store of format 7, expected a store of format 1") as caught:
        Store(path)
    assert "version of tenward" in caught.value.hint


def test_a_lock_file_that_cannot_be_written_is_a_fault_with_a_hint(tmp_path: Path) -> None:
    """Something else stands in its place: it is named, and what to do with it."""
    (tmp_path / "store.sqlite-lock").mkdir()
    with Store(tmp_path / "store.sqlite") as store, pytest.raises(StoreError) as caught, store.hold("0" * 16):
        pytest.fail("nothing keeps others away")
    assert "store.sqlite-lock: cannot be written" in caught.value.message
    assert "delete it" in caught.value.hint


@pytest.mark.parametrize("damage", ["{", "[]", "7", '{"id": "run-1"}', "[" * 100_000])
def test_a_damaged_row_is_a_fault_with_a_hint(tmp_path: Path, damage: str) -> None:
    """The database finds its pages in order; what stands in one of them was not written by us."""
    path = tmp_path / "store.sqlite"

    def put(statement: str) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(statement, (damage,))

    def refused(use: Callable[[], object]) -> None:
        with pytest.raises(StoreError, match=r"store\.sqlite: found a damaged row") as caught:
            use()
        assert "--store" in caught.value.hint

    with Store(path) as store:
        first = record()
        store.begin(first)
        store.add("run-1", [(0, result("a"))])
        put("UPDATE results SET result = ?")
        refused(lambda: list(store.results(first)))
        put("UPDATE runs SET record = ?")
        refused(store.runs)
        refused(lambda: store.run("last"))
        refused(lambda: store.unfinished(first.identity))


def test_a_store_that_is_damaged_later_is_a_fault_with_a_hint(tmp_path: Path) -> None:
    """Pages in the middle of the file are overwritten: an error of ours, not one of the database library."""
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.begin(record())
        for n in range(60):
            store.remember(str(n), ASKED, "x" * 2000)
            store.add("run-1", [(n, result(str(n)))])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))

    def use() -> None:
        with Store(path) as store:
            store.remember("new", ASKED, "x")
            list(store.results(store.run("last")))

    with pytest.raises(StoreError, match=r"store\.sqlite") as caught:
        use()
    assert "--store" in caught.value.hint


@pytest.fixture
def shut() -> Iterator[Path]:
    """Yield a folder in which this process, root or not, may read but not write; it holds a store."""
    folder = Path(tempfile.mkdtemp())
    Store(folder / "store.sqlite").close()
    (folder / "store.sqlite").chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["store.sqlite", "new.sqlite", "new/store.sqlite"])
def test_a_folder_that_cannot_be_written_is_a_fault_with_a_hint(shut: Path, name: str) -> None:
    """A store that is there, one that would have to be made, and a folder that would have to be made."""
    with pytest.raises(StoreError) as caught:
        Store(shut / name)
    assert str(shut / name) in caught.value.message
    assert caught.value.hint


def fill(store: Store) -> None:
    """Keep a megabyte of answers."""
    for n in range(50):
        store.remember(f"big {n}", ASKED, "x" * 20_000)


def test_a_full_disk_is_a_fault_and_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    """The file may not grow any further: what was kept before can be read, what failed left nothing behind."""
    path = tmp_path / "store.sqlite"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store(path) as store:
        store.remember("one", ASKED, "kept")
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        try:
            with pytest.raises(StoreError, match="cannot be written") as caught:
                fill(store)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "disk space" in caught.value.hint
        assert store.recall("one") == "kept"
        store.remember("two", ASKED, "kept as well")
    with Store(path) as store:
        assert (store.recall("one"), store.recall("two")) == ("kept", "kept as well")


def test_the_workspace_has_a_store_that_git_leaves_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in a hidden folder of the workspace, also seen from below; outside of one, in the current folder."""
    for name in ("rubrics", "judges"):
        (tmp_path / "work" / name).mkdir(parents=True)
    (tmp_path / "work/rubrics/mine.yaml").write_text("rubric: mine/v1\nabout: x\ncriteria: {a: Is it a}\n")
    (tmp_path / "work/below").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for here, there in (("work", "work"), ("work/below", "work"), ("elsewhere", "elsewhere")):
        monkeypatch.chdir(tmp_path / here)
        with Store.open() as store:
            assert store.path == tmp_path / there / ".tenward/store.sqlite"
        assert (tmp_path / there / ".tenward/.gitignore").read_text() == "*\n"
    with Store.open(read_only=True) as store:
        assert store.path == tmp_path / "elsewhere/.tenward/store.sqlite"
    with pytest.raises(UnknownNameError, match="found no store"):
        Store.open(tmp_path / "named.sqlite", read_only=True)
    with Store.open(tmp_path / "named.sqlite") as store:
        assert store.path == tmp_path / "named.sqlite"
