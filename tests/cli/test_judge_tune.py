from __future__ import annotations

import json
import os
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tenward.judges.heads import head_digest, load_head
from tenward.judges.models import ModelStore
from tenward.testing import Logprobs, State, Status, StubServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenward.testing import Request

    Run = Callable[..., Any]

RUBRIC = (
    "rubric: mine/v1\nabout: Is it good?\ncriteria:\n"
    "  clarity: How clear is the text to a newcomer?\n  tests: How well is it tested?\n"
)
DRAW = np.random.default_rng(5)
CENTRE, DIRECTIONS = 3 * DRAW.normal(size=24), DRAW.normal(size=(4, 24))
TEXTS, GROUPS = 48, 12


def state_of(number: int) -> list[float]:
    """Return the state of text number N: its clarity stands in it, how well it is tested does not."""
    draw = np.random.default_rng(number)
    return [float(one) for one in CENTRE + draw.normal(size=4) @ DIRECTIONS * 0.5 + 0.05 * draw.normal(size=24)]


def clarity_of(number: int) -> float:
    """Return its rating."""
    return float(np.clip(round(3 + 1.2 * np.random.default_rng(number).normal(size=4)[0]), 1, 5))


def the_same(engine: SimpleNamespace, _path: Path, *, context_tokens: int) -> SimpleNamespace:
    """Return the engine for any model."""
    return engine


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace with an embedded judge whose engine is a stub; its plain reading of clarity is noise."""
    for folder in ("rubrics", "judges", "datasets"):
        (tmp_path / folder).mkdir()
    (tmp_path / "rubrics/mine.yaml").write_text(RUBRIC)
    (tmp_path / "m.gguf").write_bytes(b"GGUF and more")
    (tmp_path / "judges/e.yaml").write_text(f"judge: e/v2\nmodel: local/{tmp_path}/m.gguf\nread: hidden\nretries: 0\n")
    write_cases(tmp_path, lambda number: {"clarity": clarity_of(number), "tests": float(1 + number % 5)})

    def numbered(request: Request) -> int:
        return int((request.text() or str(request.body["prompt"])).split("text number ")[1].split(".")[0])

    def plain(request: Request) -> Logprobs:
        return Logprobs({str(1 + numbered(request) * 7 % 5): 0.9})

    with StubServer(default=plain, states=lambda request: State(state_of(numbered(request)))) as server:
        engine = SimpleNamespace(base_url=server.base_url, api_key="k", prefix=None)
        monkeypatch.setattr("tenward.judges._clients.engine_for", partial(the_same, engine))
        monkeypatch.setattr(ModelStore, "shortened", ModelStore.resolve)
        monkeypatch.chdir(tmp_path)
        yield tmp_path


def write_cases(folder: Path, rating: Callable[[int], dict[str, float]], count: int = TEXTS) -> None:
    """Write the labelled data set."""
    lines = [
        {"id": f"c{number}", "output": f"This is text number {number}.", "group": f"g{number % GROUPS}"}
        | ({"human": rating(number)} if rating(number) else {})
        for number in range(count)
    ]
    (folder / "datasets/mine.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


ASK = ("judge", "tune", "e", "-r", "mine", "-d", "mine")


def test_a_head_of_ones_own_is_written_and_used(workspace: Path, run: Run) -> None:
    """What states show is kept with its gain and a picture; what they do not show is left; scores follow at once."""
    ended = run(*ASK)
    assert ended.returncode == 0, ended.stderr
    path = workspace / "judges/heads/e.mine.json"
    assert set(load_head(path).criteria) == {"clarity"}
    row = next(line for line in ended.stdout.splitlines() if line.strip().startswith("clarity"))
    assert row.rstrip().endswith("kept")
    assert "48" in row
    assert "rated  5" in ended.stdout
    assert "●" in ended.stdout
    left = next(line for line in ended.stdout.splitlines() if line.strip().startswith("tests"))
    assert left.rstrip().endswith("left")
    (workspace / "good.txt").write_text("This is text number 1000.")
    scored = json.loads(run("score", "good.txt", "-r", "mine", "-j", "e", "--json").stdout)
    found = scored["results"][0]["criteria"]
    assert found["clarity"]["read"] == "hidden"
    assert abs(found["clarity"]["score"] - clarity_of(1000)) < 1


def test_the_heads_of_a_judge_are_listed(workspace: Path, run: Run) -> None:
    """Who rated what a head learned, and how well it does beside the length of the texts, is one command away."""
    assert "judge e has no heads" in run("judge", "heads", "e").stdout
    assert run(*ASK, "--source", "Ours, rated by Ada.").returncode == 0
    shown = run("judge", "heads", "e")
    assert shown.returncode == 0, shown.stderr
    row = next(line.split() for line in shown.stdout.splitlines() if line.startswith("mine/v1 "))
    assert row[:3] == ["mine/v1", "clarity", str(TEXTS)]
    assert "Ours, rated by Ada." in shown.stdout
    (head,) = json.loads(run("judge", "heads", "e", "--json").stdout)
    assert head["source"] == "Ours, rated by Ada."
    assert float(row[3]) == pytest.approx(head["criteria"]["clarity"]["spearman"], abs=0.005)
    refused = run("judge", "heads", "local.scale")
    assert refused.returncode == 2
    assert "hint:" in refused.stderr


def test_texts_that_are_the_same_count_once(workspace: Path, run: Run) -> None:
    """Copies under other ids are one source, and pairs said twice are one: figures are of what was not learned."""
    lines = [
        {"id": f"c{at}", "output": f"This is text number {at % 2}.", "human": {"clarity": 1 + 4 * (at % 2)}}
        for at in range(20)
    ]
    (workspace / "datasets/mine.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    copies = run(*ASK)
    assert copies.returncode == 2
    assert "found 20 rated texts or pairs of 2 sources" in copies.stderr
    write_cases(workspace, lambda _: {})
    pair = json.dumps({"better": "c1", "worse": "c2", "criterion": "clarity"})
    (workspace / "pairs.jsonl").write_text(f"{pair}\n" * 20)
    said_twice = run(*ASK, "--pairs", "pairs.jsonl")
    assert said_twice.returncode == 2
    assert "found 1 rated texts or pairs" in said_twice.stderr


def test_equal_ratings_beside_pairs_leave_the_pairs(workspace: Path, run: Run) -> None:
    """Where all ratings are alike, the pairs teach, and nothing is claimed of the error of the sum."""
    write_cases(workspace, lambda _: {"clarity": 3.0, "tests": 3.0})
    pairs = [
        {"better": f"c{one}", "worse": f"c{one + GROUPS}"}
        for one in range(TEXTS - GROUPS)
        if clarity_of(one) > clarity_of(one + GROUPS)
    ]
    (workspace / "pairs.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs))
    ended = run(*ASK, "--pairs", "pairs.jsonl")
    assert ended.returncode in {0, 1}, ended.stderr
    assert "fault in tenward" not in ended.stderr


def test_rated_cases_without_an_output_are_refused(workspace: Path, run: Run) -> None:
    """A rating belongs to a text; where there is none, nothing is read."""
    write_cases(workspace, lambda number: {"clarity": clarity_of(number)})
    path = workspace / "datasets/mine.jsonl"
    path.write_text(path.read_text().replace('"output": "This', '"input": "This'))
    ended = run(*ASK)
    assert ended.returncode == 2
    assert "labelled cases without an output, the first is 'c0'" in ended.stderr


def test_a_head_elsewhere_is_not_said_to_be_in_use(workspace: Path, run: Run) -> None:
    """With -o the head is written where one likes, and reads nothing there; a device is not replaced by it."""
    pipe = workspace / "pipe"
    os.mkfifo(pipe)
    refused = run(*ASK, "-o", "pipe")
    assert refused.returncode == 2
    assert "found a device or pipe" in refused.stderr
    ended = run(*ASK, "-o", "mine.json")
    assert "it reads nothing there" in ended.stderr
    assert "by it from now on" not in ended.stderr


def test_heads_that_read_nothing_are_told(workspace: Path, run: Run) -> None:
    """A head of another model is passed over and said to be; a damaged one is an error, after the others."""
    assert run(*ASK).returncode == 0
    path = workspace / "judges/heads/e.mine.json"
    head = json.loads(path.read_text())
    head["fitted_for"]["model"] = "0" * 64
    path.write_text(json.dumps({**head, "hash": head_digest(head)}))
    shown = run("judge", "heads", "e")
    assert shown.returncode == 0
    assert "fitted for another model file; no head reads" in shown.stderr
    path.write_text("{")
    damaged = run("judge", "heads", "e")
    assert damaged.returncode == 2
    assert "e.mine.json" in damaged.stderr


def test_pairs_teach_as_well(workspace: Path, run: Run) -> None:
    """Which of two texts is better is enough, without a single rating."""
    write_cases(workspace, lambda _: {})
    pairs = [
        {"better": f"c{one}", "worse": f"c{other}", "criterion": "clarity"}
        for one in range(TEXTS)
        for other in (one + GROUPS, one + 2 * GROUPS)
        if other < TEXTS and clarity_of(one) > clarity_of(other)
    ]
    (workspace / "pairs.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs))
    ended = run(*ASK, "--pairs", "pairs.jsonl", "--json", "-o", "head.json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)["criteria"]["clarity"]
    assert (told["measure"], told["labels"], told["kept"]) == ("pairs", len(pairs), True)
    assert told["tuned"] > 0.8
    one = load_head(workspace / "head.json").criteria["clarity"]
    assert (one.cases, one.pairs, one.spearman) == (0, len(pairs), None)


def test_a_few_equal_ratings_beside_pairs_leave_the_pairs_to_teach(workspace: Path, run: Run) -> None:
    """Ratings that tell nothing apart do not stand in the way of pairs that do."""
    write_cases(workspace, lambda number: {"clarity": 3.0} if number < 2 else {})
    pairs = [
        {"better": f"c{one}", "worse": f"c{other}", "criterion": "clarity"}
        for one in range(TEXTS)
        for other in (one + GROUPS, one + 2 * GROUPS)
        if other < TEXTS and clarity_of(one) > clarity_of(other)
    ]
    (workspace / "pairs.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs))
    ended = run(*ASK, "--pairs", "pairs.jsonl", "--json", "-o", "head.json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)["criteria"]["clarity"]
    assert (told["measure"], told["kept"]) == ("pairs", True)


def test_sources_that_pairs_connect_are_one_before_anything_is_read(workspace: Path, run: Run) -> None:
    """Texts that are compared with each other cannot be on both sides, so their sources count once."""
    write_cases(workspace, lambda _: {})
    chain = [{"better": f"c{number}", "worse": f"c{number + 1}"} for number in range(TEXTS - 1)]
    (workspace / "pairs.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in chain))
    ended = run(*ASK, "--pairs", "pairs.jsonl")
    assert ended.returncode == 2
    assert f"found {TEXTS - 1} rated texts or pairs of 1 sources" in ended.stderr


def test_labels_that_states_do_not_show_gain_nothing(workspace: Path, run: Run) -> None:
    """No file is written, and the exit code says so."""
    write_cases(workspace, lambda number: {"tests": float(1 + number % 5)})
    ended = run(*ASK)
    assert ended.returncode == 1
    assert "no file was written" in ended.stderr
    assert not (workspace / "judges/heads").exists()


def test_the_same_labels_again_are_compared_with_what_was_read_without_them(workspace: Path, run: Run) -> None:
    """A head that was fitted to these labels takes no part when they are learned anew, so the figures are the same."""
    first = run(*ASK)
    again = run(*ASK)
    assert again.returncode == first.returncode == 0, again.stderr
    rows = [
        next(line for line in one.stdout.splitlines() if line.strip().startswith("clarity")) for one in (first, again)
    ]
    assert rows[0] == rows[1]
    assert load_head(workspace / "judges/heads/e.mine.json").criteria["clarity"].cases == TEXTS


def test_what_has_no_labels_any_more_is_kept(workspace: Path, run: Run) -> None:
    """A criterion that was learned before stays as it is when others are learned."""
    assert run(*ASK).returncode == 0
    write_cases(workspace, lambda number: {"tests": 3 + 1.5 * float(state_of(number)[0] > CENTRE[0])})
    ended = run(*ASK)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    file = load_head(workspace / "judges/heads/e.mine.json")
    assert set(file.criteria) == {"clarity", "tests"}
    assert file.criteria["clarity"].cases == TEXTS


@pytest.mark.parametrize(
    ("ratings", "count", "told"),
    [
        ([1, 2, 3, 4, 5], 6, "found 6 rated texts or pairs of 6 sources"),
        ([4], TEXTS, "found the rating 4 for every text"),
        ([3, 0, 5], TEXTS, "found the rating 0, expected 1 to 5"),
        ([], TEXTS, "found 0 rated texts"),
    ],
    ids=["few", "constant", "scale", "none"],
)
def test_unfit_labels_are_refused_before_anything_is_read(
    workspace: Path, run: Run, ratings: list[int], count: int, told: str
) -> None:
    """The message says what was found and what is needed."""

    def rating(number: int) -> dict[str, float]:
        return {"clarity": float(ratings[number % len(ratings)])} if ratings else {}

    write_cases(workspace, rating, count)
    ended = run(*ASK)
    assert ended.returncode == 2
    assert told in ended.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"better": "c1"}', "worse: found nothing"),
        ('{"better": "c1", "worse": "c1"}', "the same case twice"),
        ('{"better": "c1", "worse": "x"}', "pairs.jsonl:1: worse: found 'x', expected the id of a case"),
        ('{"better": "c1", "worse": "c2", "criterion": "x"}', "one of clarity, tests"),
        ('{"better": "c1", "worse": "c2", "by": "me"}', "an unknown key"),
        ("{", "invalid JSON"),
        ("", "found no pair"),
    ],
)
def test_bad_pairs_are_named(workspace: Path, run: Run, line: str, told: str) -> None:
    """File, line and field, what was found and what was expected."""
    (workspace / "pairs.jsonl").write_text(f"{line}\n")
    ended = run(*ASK, "--pairs", "pairs.jsonl")
    assert ended.returncode == 2
    assert told in ended.stderr


def test_only_a_judge_of_states_can_be_tuned(workspace: Path, run: Run) -> None:
    """Any other is named, with the command that fits it."""
    (workspace / "judges/e.yaml").write_text("judge: e/v1\nmodel: openai/m\nread: distribution\n")
    ended = run(*ASK)
    assert ended.returncode == 2
    assert "gives no states" in ended.stderr
    assert "tenward judge scale" in ended.stderr


def test_states_that_cannot_be_read_end_it(workspace: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine fails on most texts, no head is fitted to the rest."""
    with StubServer(default=Logprobs({"3": 0.9}), states=Status(500)) as server:
        engine = SimpleNamespace(base_url=server.base_url, api_key="k", prefix=None)
        monkeypatch.setattr("tenward.judges._clients.engine_for", partial(the_same, engine))
        ended = run(*ASK)
    assert ended.returncode == 3
    assert "48 of 48 texts could not be read" in ended.stderr
    assert not (workspace / "judges/heads").exists()
