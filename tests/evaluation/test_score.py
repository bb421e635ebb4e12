from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import tenward
from tenward.datasets import Case
from tenward.errors import JudgeUnavailableError, TargetError, UnknownNameError, UsageError
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, ScriptedJudge, Status, StubServer

if TYPE_CHECKING:
    from pathlib import Path

RUBRIC = Rubric.parse("rubric: r/v1\nabout: Is it good?\ncriteria:\n  clear: Is it clear?\n")


def judge_file(folder: Path, server: StubServer) -> Path:
    """Write the YAML file of a judge that asks the server."""
    path = folder / "stub.yaml"
    path.write_text(f"judge: stub/v1\nmodel: openai/stub\nbase_url: {server.base_url}\nretries: 0\n")
    return path


def test_a_text_is_scored() -> None:
    """Text and rubric in, result out; what else is known of the case reaches the judge."""
    judge = ScriptedJudge({"clear": 4}, why_not_2_lower="It can be read in one go.")
    result = tenward.score(
        "Some text.", rubric=RUBRIC, judge=judge, input="a task", references=["good"], context="rules", explain=True
    )
    assert (result.quality, result.value) == (8, 0.8)
    assert judge.cases == [Case(id="text", output="Some text.", input="a task", references=("good",), context="rules")]
    assert result.verdict is not None
    assert result.verdict.why_not_2_lower == "It can be read in one go."


async def test_ascore_is_score_with_an_await() -> None:
    """In a running event loop the same is awaited."""
    result = await tenward.ascore("Some text.", rubric=RUBRIC, judge=ScriptedJudge({"clear": 4}))
    assert result.quality == 8


async def test_score_in_an_event_loop_says_what_to_do() -> None:
    """A blocking call would stop the loop that runs; the hint names the other function."""
    with pytest.raises(UsageError, match="inside a running event loop") as caught:
        tenward.score("Some text.", rubric=RUBRIC, judge=ScriptedJudge({"clear": 4}))
    assert caught.value.hint == "await tenward.ascore(...) there"


@pytest.mark.parametrize("text", ["", "  \n\t "])
async def test_nothing_cannot_be_judged(text: str) -> None:
    """An empty text is refused before a judge is asked."""
    judge = ScriptedJudge({"clear": 4})
    with pytest.raises(TargetError, match="empty text"):
        await tenward.ascore(text, rubric=RUBRIC, judge=judge)
    assert judge.cases == []


def test_unknown_names_are_refused() -> None:
    """A rubric or judge that no library holds is named."""
    with pytest.raises(UnknownNameError, match="no rubric named 'nonsense'"):
        tenward.score("Some text.", rubric="nonsense", judge=ScriptedJudge({}))
    with pytest.raises(UnknownNameError, match="no judge named 'nobody'"):
        tenward.score("Some text.", rubric="prompt", judge="nobody")


def test_a_judge_file_is_used_and_closed(tmp_path: Path) -> None:
    """A judge given as a file asks its endpoint, and its connections do not outlive the call."""
    with StubServer(default=AutoJudge()) as server:
        path = judge_file(tmp_path, server)
        for judge in (path, str(path)):
            result = tenward.score("Some text to read.", rubric=RUBRIC, judge=judge)
            assert result.status == "scored"
        assert server.connections == 2


async def test_a_judge_of_ones_own_stays_open(tmp_path: Path) -> None:
    """A judge object may be used for many texts; its owner closes it."""
    with StubServer(default=AutoJudge()) as server:
        judge = tenward.Judge.load(judge_file(tmp_path, server))
        for number in range(3):
            await tenward.ascore(f"Text number {number}.", rubric=RUBRIC, judge=judge)
        assert server.connections == 1
        await judge.aclose()


def test_the_same_judge_serves_several_calls(tmp_path: Path) -> None:
    """Each call of ``score`` has an event loop of its own, and the judge follows."""
    with StubServer(default=AutoJudge()) as server:
        judge = tenward.Judge.load(judge_file(tmp_path, server))
        values = {tenward.score("The same text.", rubric=RUBRIC, judge=judge).value for _ in range(3)}
    assert len(values) == 1


def test_a_systemic_fault_is_raised(tmp_path: Path) -> None:
    """A wrong key is no property of the text: it is raised, and the connection closed."""
    with StubServer(default=Status(401)) as server, pytest.raises(JudgeUnavailableError, match="refused the key"):
        tenward.score("Some text.", rubric=RUBRIC, judge=judge_file(tmp_path, server))


def test_the_package_offers_what_it_names() -> None:
    """Every public name of the package resolves, and no other."""
    for name in tenward.__all__:
        assert getattr(tenward, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(tenward, "nonsense")  # noqa: B009 - mypy knows that it is not there


@pytest.mark.parametrize(
    ("text", "references", "found"),
    [("text", "one", "references: found one str"), (b"text", [], "text: found bytes"), (None, [], "text: found None")],
)
def test_texts_of_the_wrong_type_are_wrong_usage(text: Any, references: Any, found: str) -> None:
    """One str where a list is wanted, and anything but str as the text, is refused before a judge is asked."""
    judge = ScriptedJudge({"clear": 3})
    with pytest.raises(UsageError, match=found):
        tenward.score(text, rubric=RUBRIC, judge=judge, references=references)
    assert judge.cases == []
