from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import tenward
from tenward import pytest_plugin
from tenward.errors import UsageError
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, ScriptedJudge, Status, StubServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenward.testing import Request

pytest_plugins = ["pytester"]

RUBRIC = """\
rubric: mine/v1
about: Is it good?
criteria:
  clear: {ask: Is it clear enough to act on, weight: 60, floor: 2}
  kind: {ask: Is it kind to its reader, weight: 40, checks: [{says: It says thanks, otherwise: Say thanks}]}
"""
JUDGE = (
    "judge: {name}/v1\nmodel: openai/stub\nbase_url: {url}\nretries: 0\nread: {read}\nprice: {{input: 1, output: 1}}\n"
)
GOOD = """
def test_good(tenward_score):
    result = tenward_score("A text of grade 4.", rubric="mine", at_least=8)
    assert result.quality == 8
"""


def grade(request: Request, path: str) -> int:
    """Return the number behind ``grade`` in the judged text."""
    return int(request.text(role="user").rpartition("grade ")[2][0])


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest on what the test has written, in this process."""
    return pytester.runpytest_inprocess(*options, plugins=[pytest_plugin])


@pytest.fixture
def server(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubServer]:
    """Yield the model behind the judges ``stub`` and ``bare`` of a workspace, which is the current folder."""
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the outer run's own plugins
    monkeypatch.setenv("TENWARD_CACHE", str(pytester.path / "cache"))
    with StubServer(default=AutoJudge(integers=grade)) as running:
        files = {
            "rubrics/mine.yaml": RUBRIC,
            "judges/stub.yaml": JUDGE.format(name="stub", url=running.base_url, read="stated"),
            "judges/bare.yaml": JUDGE.format(name="bare", url=running.base_url, read="distribution"),
            "pytest.ini": "[pytest]\ntenward_judge = stub\n",
        }
        for name, text in files.items():
            path = pytester.path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        # What the inner run imports it also forgets, and numpy cannot be imported twice.
        tenward.score(
            "Of grade 3.", rubric=pytester.path / "rubrics/mine.yaml", judge=pytester.path / "judges/stub.yaml"
        )
        yield running


def test_a_good_text_passes_and_a_second_run_asks_nothing(pytester: pytest.Pytester, server: StubServer) -> None:
    """The answers are kept in the workspace's store; the last line tells calls, cached answers and cost."""
    pytester.makepyfile(GOOD)
    asked = len(server.requests)
    first = run(pytester)
    first.assert_outcomes(passed=1)
    first.stdout.re_match_lines([r"tenward: 1 text judged, 1 call, 0 cached, \$0\.000\d"])
    assert len(server.requests) == asked + 1
    assert (pytester.path / ".tenward/store.sqlite").is_file()
    second = run(pytester)
    second.assert_outcomes(passed=1)
    second.stdout.fnmatch_lines(["tenward: 1 text judged, 0 calls, 1 cached, $0.0000"])
    assert len(server.requests) == asked + 1


def test_a_bad_text_fails_with_everything_that_was_said(pytester: pytest.Pytester, server: StubServer) -> None:
    """The message holds scores, reasons, the arithmetic and steps, and shows no line of the plugin."""
    pytester.makepyfile("""
        def test_bad(tenward_score):
            tenward_score("A text of grade 2.", rubric="mine", at_least=8)
    """)
    ended = run(pytester)
    ended.assert_outcomes(failed=1)
    ended.stdout.fnmatch_lines(
        [
            '>*tenward_score("A text of grade 2.", rubric="mine", at_least=8)',
            "E*AssertionError: mine/v1 by stub/v1: quality 5: expected at least 8",
            "E*clear     2 of 5  The *reason *",
            "E*kind      2 of 5  The *reason *",
            "E*weighted sum  0.6·2 + 0.4·2 = 2",
            "E*step, clear: The step *",
        ]
    )
    ended.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_words_are_asked_for_only_where_a_test_fails(pytester: pytest.Pytester, server: StubServer) -> None:
    """A judge that reads distributions reads no check of what is good enough, and the checks of what is not."""
    pytester.makepyfile("""
        def test_good(tenward_score):
            result = tenward_score("A text of grade 5.", rubric="mine", judge="bare", at_least=8)
            assert [item.checks for item in result.verdict.criteria] == [(), ()]

        def test_bad(tenward_score):
            tenward_score("A text of grade 1.", rubric="mine", judge="bare", at_least=8)
    """)
    ended = run(pytester)
    ended.assert_outcomes(passed=1, failed=1)
    ended.stdout.fnmatch_lines(
        [
            "E*clear *of 5  Between 1 and 2 on *",
            "E*kind *of 5  * Fails: “It says thanks” (*%).",
            "E*step, kind: Say thanks",
        ]
    )
    ended.stdout.re_match_lines([r"tenward: 2 texts judged, 5 calls, 2 cached, \$0\.00\d+"])


def test_a_text_without_a_score_never_passes(pytester: pytest.Pytester, server: StubServer) -> None:
    """An endpoint that fails makes a test fail with the class of the failure, even where nothing was to be reached."""
    server.script(default=Status(500))
    pytester.makepyfile("""
        def test_unscored(tenward_score):
            tenward_score("A text of grade 4.", rubric="mine")
    """)
    ended = run(pytester)
    ended.assert_outcomes(failed=1)
    ended.stdout.fnmatch_lines(["E*AssertionError: mine/v1 by stub/v1: unscored: transport", "E*clear * transport (*"])


def test_a_judge_that_cannot_work_is_an_error_with_a_hint(pytester: pytest.Pytester, server: StubServer) -> None:
    """Without the model of the local judge the test fails with the error's class and what to do about it."""
    pytester.makepyfile(GOOD)
    ended = run(pytester, "--tenward-judge=local")
    ended.assert_outcomes(failed=1)
    ended.stdout.fnmatch_lines(["E*tenward.errors.ModelStoreError: *", "E*hint: *"])
    ended.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_asynchronous_tests_and_changed_folders(pytester: pytest.Pytester, server: StubServer) -> None:
    """A test may have an event loop of its own, and may change the folder: names and store stay the workspace's."""
    pytester.makepyfile("""
        import asyncio

        def test_in_a_loop(tenward_score, tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)

            async def run():
                return tenward_score("A text of grade 4.", rubric="mine").quality

            assert asyncio.run(run()) == 8
            assert list(tmp_path.iterdir()) == []
    """)
    run(pytester).assert_outcomes(passed=1)


@pytest.mark.parametrize("ini", [True, False])
def test_the_store_can_be_named(pytester: pytest.Pytester, server: StubServer, ini: bool) -> None:
    """By an option, relative to the current folder, or in the ini file, relative to that file."""
    pytester.makepyfile(GOOD)
    if ini:
        with (pytester.path / "pytest.ini").open("a") as file:
            file.write("tenward_store = kept/answers.sqlite\n")
    run(pytester, *([] if ini else ["--tenward-store=kept/answers.sqlite"])).assert_outcomes(passed=1)
    assert (pytester.path / "kept/answers.sqlite").is_file()
    assert not (pytester.path / ".tenward").exists()


def test_a_run_that_scores_nothing_says_nothing(pytester: pytest.Pytester, server: StubServer) -> None:
    """Tests that do not use the fixture see no further line and no store."""
    pytester.makepyfile("def test_other(): pass")
    ended = run(pytester)
    ended.assert_outcomes(passed=1)
    ended.stdout.no_fnmatch_line("*tenward*judged*")
    assert not (pytester.path / ".tenward").exists()


def test_assert_quality_names_gates_and_floors() -> None:
    """What keeps a text from passing is named, whatever its quality."""
    rubric = Rubric.parse(RUBRIC + "gates:\n  - max_chars: 20\n")
    judge = ScriptedJudge({"clear": 1, "kind": 5})
    with pytest.raises(AssertionError, match=r"(?s)mine/v1: gated\n  gate max_chars"):
        pytest_plugin.assert_quality(tenward.score("word " * 9, rubric=rubric, judge=judge), 1)
    with pytest.raises(AssertionError, match="quality 6: clear below its floor"):
        pytest_plugin.assert_quality(tenward.score("Short.", rubric=rubric, judge=judge), 1)


@pytest.mark.parametrize("at_least", [0, 0.8, 80, float("nan")])
def test_a_threshold_off_the_scale_is_refused(at_least: float) -> None:
    """A share or a percentage in place of a quality would let everything or nothing pass."""
    result = tenward.score("Short.", rubric=Rubric.parse(RUBRIC), judge=ScriptedJudge({"clear": 4, "kind": 5}))
    with pytest.raises(UsageError, match="expected a quality from 1 to 10"):
        pytest_plugin.assert_quality(result, at_least)


def test_pytest_finds_the_plugin() -> None:
    """The installed package declares it, and a real pytest run knows its options and loads no more for them."""
    (entry,) = importlib.metadata.entry_points(group="pytest11", name="tenward")
    assert entry.load() is pytest_plugin
    script = "import sys, pytest; pytest.main(['--help']); print(*sys.modules, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "--tenward-judge" in ended.stdout
    loaded = {name for name in ended.stderr.split() if name.partition(".")[0] == "tenward"}
    assert loaded == {"tenward", "tenward.pytest_plugin"}
