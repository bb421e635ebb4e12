from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import git
import pytest

from tenward.cli import main
from tenward.judges import Judge
from tenward.testing import (
    AutoJudge,
    Cut,
    Garbage,
    Hang,
    Logprobs,
    NoLogprobs,
    Refusal,
    ScriptedJudge,
    Status,
    Truncated,
)
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.datasets import Case
    from tenward.judges import Explain, Verdict
    from tenward.rubrics import Rubric
    from tenward.testing import Reply, Request, StubServer

    Run = Callable[..., CompletedProcess[str]]

ANNA = git.Actor("Anna", "anna@example.invalid")
MINE = ("-r", "mine", "-j", "stated")


def put(name: str, text: str) -> None:
    """Write a file in the current folder, parents included."""
    if os.path.dirname(name):  # noqa: PTH120 - names with escapes in them are given as they are
        os.makedirs(os.path.dirname(name), exist_ok=True)  # noqa: PTH103, PTH120
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)


def is_printable(text: str) -> bool:
    """Whether nothing in a text could steer a terminal."""
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.fixture(autouse=True)
def _server(server: StubServer) -> None:
    """Every test here has a model to ask."""


@pytest.fixture
def history(workspace: Path) -> str:
    """Return the first of two commits that change ``a.txt``, as a range to the second."""
    with git.Repo.init(workspace, initial_branch="main") as repository:
        shas: list[str] = []
        for number, word in enumerate(("one", "two"), 1):
            put("a.txt", f"{word}, grade {number + 2}\n")
            repository.index.add(["a.txt"])
            made = repository.index.commit(f"Say {word}", author=ANNA, committer=ANNA)
            shas.append(made.hexsha)
    return f"{shas[0]}..{shas[1]}"


def test_a_file_is_scored(run: Run) -> None:
    """One file: the scores, the arithmetic, the words, and what it took, all on standard output."""
    put("a.txt", "This is grade 4 work.")
    ended = run("score", "a.txt", *MINE)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "a.txt   mine/v1 · stated/v1 · raw readings"
    assert "  clear      ███████████████·····      4     60%" in lines
    assert "  read as 4.0 of 5   value 0.800   raw: compares texts, is no grade" in lines
    assert "  weighted sum  0.6·4 + 0.4·4 = 4" in lines
    assert "  quality       1 + 9·0.8 = 8.2 → 8" in lines
    assert "      “This is grade 4 work.”" in lines
    assert "1 call · " in lines[-1]


def test_a_question_about_an_input_that_is_not_there_is_told(run: Run, workspace: Path) -> None:
    """A summary without its article can be judged, and the judge can only guess whether it is true."""
    asks = "criteria:\n  faithful: Is it in the article?\n  clear: Is it clear?\n"
    text = f"rubric: s/v1\nabout: S.\nnames: {{input: article}}\n{asks}"
    (workspace / "rubrics/s.yaml").write_text(text, encoding="utf-8")
    put("a.txt", "A summary.")
    put("in.txt", "An article.")
    told = run("score", "a.txt", "-r", "s", "-j", "stated")
    assert "note: no article was given (--input), about which faithful asks" in told.stderr
    assert "no article" not in run("score", "a.txt", "-r", "s", "-j", "stated", "--input", "@in.txt").stderr


def test_a_folder_is_scored_as_one_text(run: Run, server: StubServer) -> None:
    """The files of a folder are read together; what was read and left out is talk."""
    put("texts/a.txt", "first, grade 5")
    put("texts/b.txt", "second")
    put("texts/uv.lock", "locked")
    ended = run("score", "texts", *MINE)
    assert ended.returncode == 0
    assert "read as 5.0 of 5" in ended.stdout
    assert "note: texts: read 2 files, " in ended.stderr
    assert "note: texts: left out 1 file (lock file): uv.lock" in ended.stderr
    asked = server.requests[0].text()
    assert "===== a.txt =====\nfirst" in asked
    assert "===== b.txt =====\nsecond" in asked


def test_standard_input_is_scored(run: Run) -> None:
    """``-`` reads the text from standard input."""
    ended = run("score", "-", *MINE, stdin=b"grade 2")
    assert ended.returncode == 0
    assert ended.stdout.startswith("-   mine/v1")
    assert "read as 2.0 of 5" in ended.stdout


def test_a_revision_is_scored(run: Run, server: StubServer, history: str) -> None:
    """A git revision is the change it makes, and its message is what the change answers."""
    ended = run("score", "main", *MINE)
    assert ended.returncode == 0
    assert ended.stdout.startswith("main   mine/v1")
    asked = server.requests[0].text()
    assert "Say two" in asked
    assert "+two, grade 4" in asked
    assert "-one, grade 3" in asked


def test_a_range_is_scored(run: Run, history: str) -> None:
    """A range is the difference between its sides."""
    ended = run("score", history, *MINE)
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"{history}   mine/v1")


def test_several_targets_are_ranked(run: Run) -> None:
    """The best comes first, with a column per criterion where it fits."""
    for grade in (2, 5, 3):
        put(f"{grade}.txt", f"grade {grade}")
    ended = run("score", "2.txt", "5.txt", "3.txt", "-r", "mine", "-j", "stub")
    assert (ended.returncode, ended.stderr) == (0, "")
    table = [line.split() for line in ended.stdout.splitlines()]
    assert table[0] == ["mine/v1", "·", "stub/v1", "·", "raw", "readings"]
    assert table[1] == ["rank", "target", "read", "as", "value", "clear", "kind"]
    assert [row[:2] for row in table[2:5]] == [["1", "5.txt"], ["2", "3.txt"], ["3", "2.txt"]]


def test_what_has_no_score_comes_last(run: Run, server: StubServer, workspace: Path) -> None:
    """Unscored and gated targets follow the ranked ones, without a rank, and say why."""
    rubric = (workspace / "rubrics/mine.yaml").read_text(encoding="utf-8")
    (workspace / "rubrics/mine.yaml").write_text(f"{rubric}gates:\n  - max_words: 4\n", encoding="utf-8")
    put("long.txt", "one two three four five, grade 5")
    put("odd.txt", "grade 9")
    put("low.txt", "grade 1")
    put("fair.txt", "grade 4")
    ended = run("score", "long.txt", "odd.txt", "low.txt", "fair.txt", *MINE)
    assert ended.returncode == 3
    ranking = ended.stdout[ended.stdout.rindex("rank  target") :].splitlines()
    rows = [line.split() for line in ranking[1:5]]
    assert [row[:2] for row in rows[:2]] == [["1", "fair.txt"], ["2", "low.txt"]]
    assert sorted(row[:2] for row in rows[2:]) == [["–", "long.txt"], ["–", "odd.txt"]]
    assert "below floor: clear" in ranking[2]
    assert any(line.endswith("gate failed: max_words: 4 (7 words)") for line in ranking)
    assert any(line.endswith("unscored") for line in ranking)
    assert "unscored: odd.txt: all criteria: off_scale (score 9 is off the scale 1 to 5)" in ended.stderr


def test_many_criteria_get_a_table_of_their_own(run: Run, workspace: Path) -> None:
    """Where the criteria do not fit beside the ranks, they stand below, one row each."""
    names = [f"criterion_number_{number}" for number in range(8)]
    asked = "".join(f"  {name}: Is it good?\n" for name in names)
    put("rubrics/wide.yaml", f"rubric: wide/v1\nabout: Good?\ncriteria:\n{asked}")
    put("a.txt", "grade 4")
    put("b.txt", "grade 2")
    ended = run("score", "a.txt", "b.txt", "-r", "wide", "-j", "stub")
    table = [line.split() for line in ended.stdout.splitlines()]
    assert [row[:2] for row in table[1:4]] == [["rank", "target"], ["1", "a.txt"], ["2", "b.txt"]]
    assert table[7] == ["rank", "1", "2"]
    assert [row[0] for row in table[8:]] == names
    assert max(map(len, ended.stdout.splitlines())) <= 100


def test_a_crowd_of_targets_is_ranked_without_criteria(run: Run) -> None:
    """With more targets than columns, the ranking says where the scores per criterion are."""
    names = [f"a-file-with-quite-a-long-name-that-takes-its-room-{number:02}.txt" for number in range(20)]
    for name in names:
        put(name, "grade 4")
    ended = run("score", *names, "-r", "code-review", "-j", "stub")
    assert ended.returncode == 0
    assert [line.split()[1] for line in ended.stdout.splitlines()[2:22]] == names
    assert ended.stdout.endswith("\nscores per criterion: --json\n")


def test_the_model_explains_on_request(run: Run) -> None:
    """``--explain model`` shows the model's reasons, evidence, why not 2 lower, and steps with what they are worth."""
    put("a.txt", "This is grade 3 work.")
    plain = run("score", "a.txt", "-r", "mine", "-j", "stub")
    ended = run("score", "a.txt", "-r", "mine", "-j", "stub", "--explain", "model")
    assert ended.returncode == 0
    for part in (
        "The reason was read ",
        "“This is grade 3 work.”",
        "  why not 2 lower\n    The why",
        "  words of the judge's model\n",
    ):
        assert part in ended.stdout
        assert part not in plain.stdout
    assert re.search(r"^    1\.  (clear|kind) \(up to \+[01]\.\d\d of 5\)", ended.stdout, re.MULTILINE)


CHECKED = """\
rubric: checked/v1
about: Is it good?
criteria:
  clear:
    ask: How clear is it?
    levels: {1: in the dark, 3: in the dusk, 5: in the light}
    checks: [{says: It names the day, otherwise: Name the day}, It names the place]
"""


def test_a_program_explains_what_was_read(run: Run, server: StubServer, workspace: Path) -> None:
    """The levels around a score are named unasked; ``--explain`` reads the checks too, and no number changes."""
    (workspace / "rubrics/checked.yaml").write_text(CHECKED, encoding="utf-8")

    def reply(request: Request) -> Reply:
        text = request.text(role="user")
        sure = 0.2 if "names the day" in text else 0.9
        return Logprobs({"Yes": sure, "No": 1 - sure} if "Yes or No" in text else {"3": 0.5, "4": 0.5})

    server.script(default=reply)
    put("a.txt", "text")
    plain = run("score", "a.txt", "-r", "checked", "-j", "stub").stdout
    asked = run("score", "--explain", "a.txt", "-r", "checked", "-j", "stub").stdout
    for page in (plain, asked):
        assert "      Between 3 “in the dusk” and 5 “in the light”, nearer 3.\n" in page
        assert (
            "  why not 2 lower\n    clear (100% of the weight) is not 2, which lies between 1 “in the dark” and 3"
            in page
        )
        assert "put into words by a program, from the readings and the rubric" in page
        assert "read as 3.5 of 5" in page
    assert "      ✗ It names the day (20%)\n      ✓ It names the place (90%)\n" in asked
    assert "1.  clear (up to +1.20 of 5)  Name the day\n" in asked
    assert "1.  clear (up to +1.50 of 5)  Reach 5 “in the light”.\n" in plain
    assert "names the day" not in plain
    data = json.loads(run("score", "a.txt", "-r", "checked", "-j", "stub", "--explain=program", "--json").stdout)
    (result,) = data["results"]
    assert result["words"] == "program"
    assert result["criteria"]["clear"]["checks"] == [
        {"says": "It names the day", "probability": pytest.approx(0.2), "holds": False},
        {"says": "It names the place", "probability": pytest.approx(0.9), "holds": True},
    ]
    assert result["steps_to_10"] == [{"criterion": "clear", "step": "Name the day"}]


def test_explain_has_two_ways(run: Run, server: StubServer) -> None:
    """Another value is refused by name; a target that follows a bare ``--explain`` is no value."""
    put("a.txt", "text")
    ended = run("score", "a.txt", "-r", "mine", "-j", "stub", "--explain=aloud")
    assert ended.returncode == 2
    assert "'aloud' is not one of 'program', 'model'" in ended.stderr
    assert run("score", "-r", "mine", "-j", "stub", "--explain", "--", "a.txt").returncode == 0


def test_several_targets_are_explained_on_request_only(run: Run, server: StubServer) -> None:
    """A ranking stays a ranking; with ``--explain`` each target's page stands above it."""
    for name in ("a.txt", "b.txt"):
        put(name, "text")
    assert "why not 2 lower" not in run("score", "a.txt", "b.txt", "-r", "mine", "-j", "stub").stdout
    assert run("score", "a.txt", "b.txt", "-r", "mine", "-j", "stub", "--explain").stdout.count("steps to 10") == 2


def test_words_that_cannot_be_had_are_no_fault_of_the_score(run: Run, server: StubServer) -> None:
    """A judge whose scores are read but whose words are unfit still scores, and it is said why there are no words."""
    judge = AutoJudge(fixed={"reason": "", "why_not_2_lower": "{}", "steps_to_10": []})
    server.script(default=judge)
    put("a.txt", "text")
    ended = run("score", "a.txt", "-r", "mine", "-j", "stub", "--explain", "model")
    assert ended.returncode == 0
    assert "quality" in ended.stdout
    assert "words that were asked for are missing: schema (" in " ".join(ended.stdout.split())


def test_input_and_references_reach_the_judge(run: Run, server: StubServer) -> None:
    """``--input`` and ``--reference`` take text, or a file behind an @."""
    put("task.txt", "the task in a file")
    put("-dash.txt", "a name with a dash")
    put("a.txt", "text")
    options = ["--reference", "known good text", "--reference", "@-dash.txt"]
    for given, expected in (("@task.txt", "the task in a file"), ("the task itself", "the task itself")):
        assert run("score", "a.txt", *MINE, "--input", given, *options).returncode == 0
        asked = server.requests[-1].text()
        assert expected in asked
        assert "known good text" in asked
        assert "a name with a dash" in asked


def test_an_input_may_come_from_standard_input(run: Run, server: StubServer) -> None:
    """``--input @-`` reads standard input."""
    put("a.txt", "text")
    assert run("score", "a.txt", *MINE, "--input", "@-", stdin="für alle".encode()).returncode == 0
    assert "für alle" in server.requests[-1].text()


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["-", "-"], "found - and -"),
        (["-", "--input", "@-"], "found - and @-"),
        (["a.txt", "--input", "@-", "--reference", "@-"], "found @- and @-"),
    ],
)
def test_standard_input_is_read_once(run: Run, server: StubServer, args: list[str], found: str) -> None:
    """Asking for standard input twice cannot be meant, and no model is asked."""
    put("a.txt", "text")
    ended = run("score", *args, *MINE, stdin=b"text")
    assert (ended.returncode, ended.stdout, server.requests) == (2, "", [])
    assert f"error: {found}, expected at most one text from standard input" in ended.stderr


@pytest.mark.parametrize(("name", "found"), [("nosuch.txt", "no file"), ("rubrics", "a folder")])
def test_an_option_s_file_must_be_there(run: Run, name: str, found: str) -> None:
    """A file behind an @ that is not there is named, with the ways to give a text."""
    put("a.txt", "text")
    for option in ("--input", "--reference"):
        ended = run("score", "a.txt", *MINE, option, f"@{name}")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"error: {option}: found {found} {name}, expected a text file behind the @" in ended.stderr
        assert "hint: write @ and the path of a file" in ended.stderr


def test_json_is_alone_on_standard_output(spawn: Run) -> None:
    """``--json`` gives one document to standard output, and all talk to standard error."""
    put("texts/a.txt", "grade 4")
    put("b.txt", "grade 2")
    ended = spawn("score", "texts", "b.txt", *MINE, "--json")
    assert ended.returncode == 0
    assert ended.stderr.startswith("note: texts: read 1 file, ")
    data: dict[str, Any] = json.loads(ended.stdout)
    assert (data["rubric"], data["judge"]) == ("mine/v1", "stated/v1")
    first, second = data["results"]
    assert (first["target"], first["status"], first["quality"], first["value"]) == ("texts", "scored", 8, 0.8)
    assert first["criteria"]["clear"]["score"] == 4
    assert (second["target"], second["quality"]) == ("b.txt", 5)
    tool = subprocess.run(
        [sys.executable, "-m", "json.tool"], input=ended.stdout, text=True, capture_output=True, check=True
    )
    assert json.loads(tool.stdout) == data


@pytest.mark.parametrize(("least", "status"), [("8", 0), ("8.5", 1), ("9", 1), ("1", 0)])
def test_fail_under_compares_the_quality(run: Run, least: str, status: int) -> None:
    """A quality below the threshold ends with 1, at it or above with 0."""
    put("a.txt", "grade 4")
    ended = run("score", "a.txt", *MINE, "--fail-under", least)
    assert ended.returncode == status
    assert ended.stderr == (f"below --fail-under {least}: a.txt: quality 8\n" if status else "")
    assert "read as 4.0 of 5" in ended.stdout


def test_fail_under_fails_below_a_floor(run: Run) -> None:
    """A criterion below its floor fails the target, however low the threshold."""
    put("a.txt", "grade 1")
    ended = run("score", "a.txt", *MINE, "--fail-under", "1")
    assert ended.returncode == 1
    assert ended.stderr == "below --fail-under 1: a.txt: quality 3, clear below its floor\n"
    assert "failed: clear below floor" in ended.stdout
    assert run("score", "a.txt", *MINE).returncode == 0


def test_fail_under_fails_at_a_gate(run: Run, server: StubServer) -> None:
    """A failed gate fails the target before any model is asked; without a threshold it is only shown."""
    put("rubrics/short.yaml", "rubric: short/v1\nabout: Short?\ncriteria: {a: Is it}\ngates: [{max_words: 2}]\n")
    put("a.txt", "one two three")
    ended = run("score", "a.txt", "-r", "short", "-j", "stated", "--fail-under", "1")
    assert (ended.returncode, server.requests) == (1, [])
    assert "gate FAILED  max_words: 2 (3 words)\n" in ended.stdout
    assert "no model was asked" in ended.stdout
    assert ended.stderr == "below --fail-under 1: a.txt: gate failed: max_words: 2 (3 words)\n"
    assert run("score", "a.txt", "-r", "short", "-j", "stated").returncode == 0


def test_one_target_below_the_threshold_is_enough(run: Run) -> None:
    """Of several targets each has to reach the threshold; those that do not are named."""
    put("a.txt", "grade 5")
    put("b.txt", "grade 3")
    ended = run("score", "a.txt", "b.txt", *MINE, "--fail-under", "8", "--json")
    assert ended.returncode == 1
    assert ended.stderr == "below --fail-under 8: b.txt: quality 6\n"
    assert len(json.loads(ended.stdout)["results"]) == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Refusal("I will not."), "refused"),
        (Truncated('{"clear": {'), "truncated"),
        (Status(429), "rate_limited"),
        (Status(503), "transport"),
        (Cut(), "transport"),
        (Garbage(), "transport"),
        (AutoJudge(fixed={"score": 7}), "off_scale"),
        (AutoJudge(fixed={"score": "4"}), "schema"),
        (AutoJudge(fixed={"evidence": ["words that are not in the text"]}), "bad_quote"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unscored_target_names_the_class_of_failure(run: Run, server: StubServer, reply: Reply, kind: str) -> None:
    """What keeps a target from being scored is not a low score: it ends with 3 and says what happened."""
    server.script(default=reply)
    put("a.txt", "text")
    ended = run("score", "a.txt", *MINE, "--fail-under", "1")
    assert ended.returncode == 3
    assert f"unscored: a.txt: all criteria: {kind} (" in ended.stderr
    assert (ended.stderr.count("unscored: "), ended.stdout.count(f"{kind}: ")) == (1, 1)
    assert "quality" not in ended.stdout
    assert "unscored: only 0% of the weight was scored" in ended.stdout
    data = json.loads(run("score", "a.txt", *MINE, "--json").stdout)
    assert data["results"][0]["status"] == "unscored"
    assert data["results"][0]["criteria"]["clear"]["failure"]["kind"] == kind


def test_a_model_that_does_not_answer_in_time_leaves_the_target_unscored(
    run: Run, server: StubServer, workspace: Path
) -> None:
    """Silence is a time-out, within the seconds of the judge file."""
    server.script(default=Hang())
    text = (workspace / "judges/stated.yaml").read_text(encoding="utf-8")
    put("judges/hasty.yaml", f"{text}timeout: 0.3\n")
    put("a.txt", "text")
    ended = run("score", "a.txt", "-r", "mine", "-j", "hasty")
    assert ended.returncode == 3
    assert "unscored: a.txt: all criteria: timeout (no answer in time)" in ended.stderr


@pytest.mark.parametrize(
    ("reply", "judge", "found", "hint"),
    [
        (Status(401), "stated", "refused the key for openai/stub-model (status 401)", "api_key_env"),
        (Status(404), "stated", "has no model 'openai/stub-model' (status 404)", "check model: and base_url:"),
        (Status(429, code="insufficient_quota", message="insufficient_quota"), "stated", "no quota left", "top up"),
        (Status(400, message="no tools here"), "stated", "refused the request", "may lack a feature"),
        (NoLogprobs("4"), "stub", "returns no log-probabilities", "read: stated"),
    ],
    ids=["key", "model name", "quota", "request", "log-probabilities"],
)
def test_a_fault_that_every_case_would_share_ends_the_run(
    run: Run, server: StubServer, reply: Reply, judge: str, found: str, hint: str
) -> None:
    """Key, model name, quota or a missing capability end with 3, one message, a hint, and no result."""
    server.script(default=reply)
    for name in ("a.txt", "b.txt"):
        put(name, "text")
    ended = run("score", "a.txt", "b.txt", "-r", "mine", "-j", judge)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 3
    assert found in ended.stderr
    assert hint in ended.stderr.partition("\nhint: ")[2]


def test_a_missing_key_is_named_and_nothing_is_sent(run: Run, server: StubServer, workspace: Path) -> None:
    """A judge whose key variable is not set cannot work; the variable is named, with a judge that needs none."""
    text = (workspace / "judges/stated.yaml").read_text(encoding="utf-8")
    put("judges/keyed.yaml", f"{text}api_key_env: MY_MODEL_KEY\n")
    put("judges/hosted.yaml", "judge: hosted/v1\nmodel: openai/gpt-4.1-mini\n")
    put("a.txt", "text")
    for judge, variable in (("keyed", "MY_MODEL_KEY"), ("hosted", "OPENAI_API_KEY")):
        ended = run("score", "a.txt", "-r", "mine", "-j", judge)
        assert (ended.returncode, ended.stdout, server.requests) == (3, "", [])
        assert f"{variable} is not set" in ended.stderr
        assert "hint: export " in ended.stderr


def test_a_key_is_sent_and_never_shown(run: Run, server: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes to the judge's own endpoint, and not to any output, even when the endpoint quotes it."""
    monkeypatch.setenv("MY_MODEL_KEY", "sk-verysecret123")
    text = f"judge: keyed/v1\nmodel: openai/m\nbase_url: {server.base_url}\napi_key_env: MY_MODEL_KEY\n"
    put("judges/keyed.yaml", text)
    put("a.txt", "text")
    ended = run("score", "a.txt", "-r", "mine", "-j", "keyed", "--json")
    server.script(default=Status(400, message="bad key sk-verysecret123"))
    refused = run("score", "a.txt", "-r", "mine", "-j", "keyed")
    assert server.requests[0].headers["authorization"] == "Bearer sk-verysecret123"
    assert (ended.returncode, refused.returncode) == (0, 3)
    assert "verysecret" not in ended.stdout + ended.stderr + refused.stdout + refused.stderr


def test_without_the_model_the_local_judge_says_how_to_get_it(run: Run, cache: Path) -> None:
    """The default judge on a machine without its model ends with 3 and the command that pulls it."""
    put("a.txt", "text")
    ended = run("score", "a.txt", "-r", "mine")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "is not on this machine: no file " in ended.stderr
    assert "hint: tenward model pull qwen2.5-coder-1.5b-instruct (1,117,320,768 bytes)" in ended.stderr


def test_a_truncated_model_file_is_refused(run: Run, cache: Path) -> None:
    """A model file that is too short is not loaded; the sizes are named."""
    cache.mkdir(parents=True)
    (cache / "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf").write_bytes(b"GGUF and a little more")
    put("a.txt", "text")
    ended = run("score", "a.txt", "-r", "mine")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "is damaged: " in ended.stderr
    assert "has 22 bytes, expected 1,117,320,768" in ended.stderr


@pytest.mark.parametrize(
    ("option", "name", "found", "hint"),
    [
        ("-r", "mien", "found no rubric named 'mien'", "did you mean 'mine'?"),
        ("-r", "zzz", "found no rubric named 'zzz', expected one of: ", "a path to a YAML file works too"),
        ("-r", "no/such.yaml", "no/such.yaml: no such file", "give the path of a YAML file, or one of the names: "),
        ("-r", "mine/v7", "found mine/v1, expected mine/v7", "ask for 'mine/v1'"),
        ("-j", "statde", "found no judge named 'statde'", "did you mean 'stated'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(
    run: Run, server: StubServer, option: str, name: str, found: str, hint: str
) -> None:
    """An unknown rubric or judge ends with 2 before anything is read or asked."""
    other = ("-j", "stated") if option == "-r" else ("-r", "mine")
    ended = run("score", "nothing-is-read", *other, option, name)
    assert (ended.returncode, ended.stdout, server.requests) == (2, "", [])
    assert found in ended.stderr
    assert hint in ended.stderr


def test_a_rubric_and_a_judge_may_be_paths(run: Run, workspace: Path) -> None:
    """Files outside the workspace's folders are used by their paths."""
    (workspace / "rubrics/mine.yaml").rename(workspace / "elsewhere.yaml")
    (workspace / "judges/stated.yaml").rename(workspace / "who.yml")
    put("a.txt", "grade 4")
    ended = run("score", "a.txt", "-r", "elsewhere.yaml", "-j", str(workspace / "who.yml"))
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "a.txt   mine/v1 · stated/v1 · raw readings")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "a.txt is empty: found nothing, expected text to judge"),
        (b" \n\t\n", "a.txt is empty: found only white space, expected text to judge"),
        (b"PK\x03\x04\x00\x00", "a.txt is binary: found a NUL at byte 4, expected text"),
        (b"caf\xe9", "a.txt is not UTF-8 text: found byte 0xe9 at byte 3"),
    ],
)
def test_a_file_without_text_is_refused(run: Run, server: StubServer, workspace: Path, data: bytes, found: str) -> None:
    """Empty, binary and wrongly encoded files end with 2 and what was found in them."""
    (workspace / "a.txt").write_bytes(data)
    ended = run("score", "a.txt", *MINE)
    assert (ended.returncode, ended.stdout, server.requests) == (2, "", [])
    assert found in ended.stderr
    piped = run("score", "-", *MINE, stdin=data)
    assert (piped.returncode, piped.stdout) == (2, "")
    assert found.replace("a.txt", "standard input") in piped.stderr


def test_a_huge_file_is_refused_by_its_size(run: Run, workspace: Path) -> None:
    """50 megabytes are not sent to a judge; the size and the limit are named."""
    with (workspace / "a.txt").open("wb") as file:
        file.truncate(50_000_000)
    ended = run("score", "a.txt", *MINE)
    assert ended.returncode == 2
    assert "a.txt is too large: found 50,000,000 bytes, expected 1,000,000 or fewer" in ended.stderr
    assert run("score", "-", *MINE, stdin=b"x" * 2_000_000).returncode == 2


def test_a_missing_target_is_answered_with_what_was_tried(run: Run) -> None:
    """A name that is neither file nor revision says so, and what is near."""
    put("notes.txt", "text")
    ended = run("score", "note.txt", *MINE)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "error: no such target: note.txt\n  no file or folder of this name in " in ended.stderr
    assert "hint: did you mean notes.txt?" in ended.stderr


def test_a_folder_without_text_names_what_it_holds(run: Run, workspace: Path) -> None:
    """A folder of pictures and empty files has nothing to judge."""
    put("pictures/a.svg", "<svg/>")
    put("pictures/empty.txt", "")
    (workspace / "pictures/b.bin").write_bytes(b"\x00\x01")
    ended = run("score", "pictures", *MINE)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "error: pictures holds no text to judge\n" in ended.stderr
    for reason in ("(picture): a.svg", "(empty): empty.txt", "(binary or not UTF-8): b.bin"):
        assert reason in ended.stderr


@pytest.mark.parametrize("flags", [[], ["--json"], ["--explain", "--fail-under", "10"]])
def test_nothing_from_outside_steers_the_terminal(
    run: Run, server: StubServer, workspace: Path, flags: list[str]
) -> None:
    """Escapes and direction marks in names, texts, words, steps and gates reach neither output as they are."""
    evil = "\x1b[2J\x1b]0;title\x07\u202e\u2066\x9b31m\u200f"
    words = f"Quite {evil} long words, which say something of their own."
    server.script(
        default=AutoJudge(
            integers=lambda _request, _path: 4, fixed={"reason": words, "why_not_2_lower": words, "step": words}
        )
    )
    gate = "sh -c 'cat $TENWARD_CANDIDATE; exit 0'"
    put("rubrics/mine.yaml", f'rubric: mine/v1\nabout: Good?\ncriteria: {{clear: Is it}}\ngates:\n  - run: "{gate}"\n')
    folder = f"evil{evil}folder"
    put(f"{folder}/in{evil}side.txt", f"text {evil} text\r\n" * 3)
    put(f"{folder}/pic{evil}.svg", "<svg/>")
    put(f"a{evil}.txt", f"text {evil} text")
    for targets in ([folder], [folder, f"a{evil}.txt"], [f"a{evil}.txt"]):
        ended = run("score", *targets, *MINE, *flags)
        assert ended.returncode == (1 if "--fail-under" in flags else 0)
        assert is_printable(ended.stdout)
        assert is_printable(ended.stderr)
        assert "Quite [2J ]0;title 31m long words" in ended.stdout
        assert "\\x1b[2J" in ended.stdout


def test_what_fails_does_not_steer_the_terminal_either(run: Run, server: StubServer) -> None:
    """Escapes in a failing gate's output, in an endpoint's complaint and in a missing name are shown as such."""
    put("rubrics/gated.yaml", "rubric: gated/v1\nabout: Good?\ncriteria: {a: Is it}\ngates:\n  - run: sh gate.sh\n")
    put("gate.sh", "printf '\\033[31mred\\342\\200\\256\\n'; exit 1\n")
    put("a.txt", "text")
    put("b.txt", "text")
    gated = [
        run("score", *names, "-r", "gated", "-j", "stated", "--fail-under", "1")
        for names in (["a.txt"], ["a.txt", "b.txt"])
    ]
    for ended in gated:
        assert ended.returncode == 1
        assert "exit status 1: \\x1b[31mred\\u202e" in " ".join(ended.stdout.split())
    server.script(default=Status(400, message="no \x1b[31m \u202e such thing"))
    refused = run("score", "a.txt", *MINE)
    missing = run("score", "no\x1b[31m\u202e", *MINE)
    nowhere = run("score", "a.txt", *MINE, "--input", "@no\x1b[31m\u202e")
    assert [ended.returncode for ended in (refused, missing, nowhere)] == [3, 2, 2]
    assert "\\x1b[31m" in refused.stderr
    for ended in (*gated, refused, missing, nowhere):
        assert is_printable(ended.stdout)
        assert is_printable(ended.stderr)


def test_a_panel_scores_like_one_judge(run: Run, server: StubServer) -> None:
    """A judge made of judges asks each of them, and gives one result."""
    put("judges/both.yaml", "judge: both/v1\npanel: [stub, stated]\n")
    put("a.txt", "grade 4")
    ended = run("score", "a.txt", "-r", "mine", "-j", "both")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "a.txt   mine/v1 · both/v1 · raw readings")
    assert len(server.requests) == 3


def test_ctrl_c_ends_at_once(server: StubServer) -> None:
    """Interrupted while a model thinks, the command ends with 130 and one word, without a traceback."""
    server.script(default=Hang())
    put("a.txt", "text")
    with subprocess.Popen(
        [sys.executable, "-m", "tenward", "score", "a.txt", *MINE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        server.wait_for_requests(1, timeout=60)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate()
    assert (process.returncode, out, error.strip()) == (130, "", "interrupted")


def test_results_before_a_closed_pipe_are_no_fault(server: StubServer) -> None:
    """A reader that leaves while a target is judged is not taken for a target below the threshold."""
    put("a.txt", "grade 4")
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "tenward", "score", "a.txt", *MINE, "--fail-under", "1"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_the_current_folder_may_be_any(run: Run, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder inside the workspace, its rubrics and judges are found, and paths are relative to it."""
    put("deep/er/a.txt", "grade 4")
    monkeypatch.chdir(workspace / "deep/er")
    assert "read as 4.0 of 5" in run("score", "a.txt", *MINE).stdout


def test_there_may_be_no_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A process that was started without a standard input says so when it is to be read."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as left:
        main(["score", "-", *MINE])
    assert left.value.code == 2
    assert "error: there is no standard input to read" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(server: StubServer, tmp_path: Path, number: signal.Signals) -> None:
    """Stopped while a gate runs, the command ends as after Ctrl-C: the gate is dead, its folder gone, 128 + n."""
    put("rubrics/slow.yaml", "rubric: slow/v1\nabout: Good?\ncriteria: {a: Is it}\ngates:\n  - run: sh gate.sh\n")
    put("gate.sh", "echo $$ > started.new; mv started.new started; exec sleep 300\n")
    put("a.txt", "text")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "tenward", "score", "a.txt", "-r", "slow", "-j", "stated"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    ) as process:
        while not os.path.exists("started"):  # noqa: PTH110
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        out, error = process.communicate()
    assert (process.returncode, out) == (128 + number, "")
    assert error.endswith("interrupted\n")
    assert list(scratch.iterdir()) == []
    with open("started", encoding="utf-8") as file, pytest.raises(ProcessLookupError):  # noqa: PTH123
        os.kill(int(file.read()), 0)


def test_a_file_of_the_workspace_that_shadows_a_shipped_one_is_announced(run: Run, workspace: Path) -> None:
    """A rubric or judge of a shipped name is named with its path, unless it says the same or was given by path."""
    put("rubrics/code-review.yaml", "rubric: code-review/v1\nabout: Other?\ncriteria: {other: Is it other}\n")
    shipped = Library.discover().shipped
    put("judges/local.yaml", (shipped / "judges/local.yaml").read_text(encoding="utf-8"))
    put("a.txt", "text")
    note = f"note: rubric code-review is the workspace's own: {workspace / 'rubrics/code-review.yaml'}\n"
    same = run("score", "a.txt", "-r", "code-review")
    assert note in same.stderr
    assert "judge local" not in same.stderr
    put("judges/local.yaml", "judge: local/v1\nmodel: local/other-model\n")
    assert "note: judge local is the workspace's own: " in run("score", "a.txt", "-r", "code-review").stderr
    assert note not in run("score", "a.txt", "-r", "rubrics/code-review.yaml").stderr


def test_the_default_judge_of_a_workspace_sends_nothing_away(run: Run, server: StubServer, workspace: Path) -> None:
    """A workspace's ``local`` that is not local is refused until it is named by its path."""
    put("judges/local.yaml", f"judge: local/v1\nmodel: openai/m\nbase_url: {server.base_url}\n")
    put("a.txt", "grade 4")
    ended = run("score", "a.txt", "-r", "mine")
    path = workspace / "judges/local.yaml"
    assert (ended.returncode, ended.stdout, server.requests) == (2, "", [])
    assert "found openai/m, expected a model local/..." in ended.stderr
    assert f"--judge {path}" in ended.stderr
    assert run("score", "a.txt", "-r", "mine", "-j", str(path)).returncode == 0
    put("judges/local.yaml", "judge: local/v1\npanel: [stub, stated]\n")
    assert "found a panel, expected a model local/..." in run("score", "a.txt", "-r", "mine").stderr


def test_commands_of_a_workspace_s_rubric_are_announced(run: Run, server: StubServer) -> None:
    """What a rubric that was found by name will run is said first; one given by path is the user's own choice."""
    put("rubrics/gated.yaml", "rubric: gated/v1\nabout: Good?\ncriteria: {a: Is it}\ngates:\n  - run: sh -c true\n")
    put("a.txt", "grade 4")
    ended = run("score", "a.txt", "-r", "gated", "-j", "stated")
    assert ended.stderr == "note: rubric gated of the workspace runs: sh -c true\n"
    assert run("score", "a.txt", "-r", "rubrics/gated.yaml", "-j", "stated").stderr == ""


def test_the_help_keeps_its_examples_line_by_line(run: Run) -> None:
    """The examples are not run together, and no escape of the source shows."""
    said = run("score", "--help").stdout
    assert "\\b" not in said
    assert "      git diff | tenward score - --rubric code-review\n" in said


def test_an_empty_diff_gets_a_hint(run: Run, workspace: Path) -> None:
    """Nothing on standard input is most often a diff of changes that are staged already."""
    assert "hint: an empty diff has no changes that are not staged; try HEAD~1..HEAD" in run("score", "-", *MINE).stderr


def test_names_too_long_for_the_system_are_wrong_usage(run: Run, workspace: Path) -> None:
    """No name is so long that it ends in a traceback."""
    put("a.txt", "text")
    long = "x" * 5_000
    for args in (["-r", long], ["-r", f"{long}.yaml"], ["-r", "mine", "-j", f"a/{long}.yaml"]):
        assert run("score", "a.txt", *args).returncode == 2
    ended = run("score", "a.txt", "-r", "mine", "-j", "local", "--input", f"@{long}")
    assert ended.returncode == 2
    assert "--input: found no file xxx" in ended.stderr


def test_a_deleted_current_folder_is_wrong_usage(
    run: Run, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the current folder is gone, the command says so."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ended = run("score", "a.txt", *MINE)
    monkeypatch.chdir(workspace)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: the current folder does not exist any more\n")


def test_the_words_of_a_small_model_are_called_hints(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the words of a model on this machine one line says how to read them; a quote is shown once."""

    class Small(ScriptedJudge):
        model = "local/small"

        async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
            verdict = await super().judge(case, rubric, explain=explain)
            items = tuple(replace(item, evidence=("grade 4",)) for item in verdict.criteria)
            return replace(verdict, model=self.model, criteria=items)

    def load(_name: str, *, library: Library, raw: bool) -> Judge:
        return Small(dict.fromkeys(("clear", "kind"), 4), why_not_2_lower="It is fine.")

    monkeypatch.setattr(Judge, "load", load)
    put("a.txt", "grade 4")
    said = run("score", "a.txt", "-r", "mine", "--explain").stdout
    assert "\n\n  words of a small model: read them as hints; the scores do not depend on them\n\n" in said
    assert said.count("“grade 4”") == 1
    monkeypatch.setattr(Small, "model", "openai/large")
    assert "small model" not in run("score", "a.txt", "-r", "mine", "--explain").stdout
