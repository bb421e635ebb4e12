from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.errors import DocumentError, UnknownNameError
from tenward.judges import Failure, Judge, PanelJudge
from tenward.rubrics import Rubric
from tenward.testing import ScriptedJudge
from tenward.workspace import Library

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.judges import Explain, Verdict

RUBRIC = Rubric.parse("rubric: r/v1\nabout: Is it good?\ncriteria:\n  a: Is it a?\n  b: Is it b?\n")
CASE = Case(id="x", output="some text")
MEMBER = "judge: {name}/v1\nmodel: openai/{name}\nbase_url: http://127.0.0.1:9/v1\n"


def library(folder: Path, **files: str) -> Library:
    """A library in ``folder`` with these judge files."""
    (folder / "judges").mkdir()
    for name, text in files.items():
        (folder / "judges" / f"{name}.yaml").write_text(text)
    return Library(roots=(folder,))


@given(
    st.lists(st.tuples(st.floats(1, 5), st.floats(0.1, 10)), min_size=2, max_size=6),
)
async def test_the_score_is_the_weighted_mean_of_the_members(said: list[tuple[float, float]]) -> None:
    """Each member counts by its weight, and the spread is that of the members."""
    members = [(ScriptedJudge({"a": score, "b": 3}), weight) for score, weight in said]
    verdict = await PanelJudge("p/v1", members).judge(CASE, RUBRIC)
    mean = sum(score * weight for score, weight in said) / sum(weight for _, weight in said)
    spread = math.sqrt(sum(w * (s - mean) ** 2 for s, w in said) / sum(w for _, w in said))
    assert verdict.criteria[0].score == pytest.approx(mean)
    assert verdict.criteria[0].spread == pytest.approx(spread, abs=1e-9)
    assert verdict.criteria[1].score == pytest.approx(3)


async def test_a_member_that_fails_is_left_out_and_half_the_weight_is_needed() -> None:
    """A failure is no low vote; with less than half of the weight there is no score."""
    failure = Failure(kind="refused", detail="no")
    good, bad = ScriptedJudge({"a": 4, "b": 4}), ScriptedJudge({"a": failure, "b": failure})
    most = await PanelJudge("p/v1", [(good, 2.0), (bad, 1.0)]).judge(CASE, RUBRIC)
    assert most.scores == {"a": 4, "b": 4}
    few = await PanelJudge("p/v1", [(good, 1.0), (bad, 2.0)]).judge(CASE, RUBRIC)
    assert few.scores == {"a": None, "b": None}
    assert few.failures["a"] == failure


async def test_the_fingerprint_names_members_and_weights() -> None:
    """Two panels with other weights do not compare."""
    members = [ScriptedJudge({"a": 4, "b": 4}), ScriptedJudge({"a": 3, "b": 3})]
    one = await PanelJudge("p/v1", [(members[0], 1.0), (members[1], 1.0)]).judge(CASE, RUBRIC)
    two = await PanelJudge("p/v1", [(members[0], 1.0), (members[1], 2.0)]).judge(CASE, RUBRIC)
    assert {key for key in one.fingerprint if one.fingerprint[key] != two.fingerprint[key]} == {"panel"}


@pytest.mark.parametrize("panel", ["[one, two]", "{one: 1, two: 2.5}"])
def test_a_panel_is_loaded_with_its_members(tmp_path: Path, panel: str) -> None:
    """A list of names weighs them equally; a mapping gives weights."""
    files = library(
        tmp_path, one=MEMBER.format(name="one"), two=MEMBER.format(name="two"), all=f"judge: all/v1\npanel: {panel}\n"
    )
    assert Judge.load("all", library=files).name == "all/v1"


@pytest.mark.parametrize(
    ("panel", "expected"),
    [
        ("[one]", "at least 2"),
        ("[one, one]", "each judge once"),
        ("{one: 0, two: 1}", "greater than 0"),
        ("[one, all]", "judges that end in models"),
    ],
)
def test_a_panel_that_makes_no_sense_is_refused(tmp_path: Path, panel: str, expected: str) -> None:
    """One member, a member twice, a weight of 0 and a panel inside itself are errors in the file."""
    files = library(
        tmp_path, one=MEMBER.format(name="one"), two=MEMBER.format(name="two"), all=f"judge: all/v1\npanel: {panel}\n"
    )
    with pytest.raises(DocumentError, match=expected):
        Judge.load("all", library=files)


def test_an_unknown_member_is_named(tmp_path: Path) -> None:
    """A member that no library holds is an error with its name."""
    files = library(tmp_path, one=MEMBER.format(name="one"), all="judge: all/v1\npanel: [one, owt]\n")
    with pytest.raises(UnknownNameError, match="owt"):
        Judge.load("all", library=files)


@pytest.mark.parametrize(("weights", "score"), [((0.3, 0.6), 5.0), ((0.1, 0.3), 3.0), ((0.1, 0.2, 0.7), 1.0)])
async def test_members_that_agree_are_the_mean(weights: tuple[float, ...], score: float) -> None:
    """No rounding error lifts the mean off the scale or puts it under a floor."""
    members = [(ScriptedJudge({"a": score, "b": score}), weight) for weight in weights]
    verdict = await PanelJudge("p/v1", members).judge(CASE, RUBRIC)
    assert verdict.scores == {"a": score, "b": score}
    assert verdict.criteria[0].spread == 0


async def test_members_of_one_name_keep_their_own_fingerprint() -> None:
    """What defines the scores of each member is kept, whatever the members are called."""
    one, two = ScriptedJudge({"a": 4, "b": 4}), ScriptedJudge({"a": 3, "b": 3})
    alone = (await one.judge(CASE, RUBRIC)).fingerprint
    both = (await PanelJudge("p/v1", [(one, 1.0), (two, 1.0)]).judge(CASE, RUBRIC)).fingerprint
    assert len(both) == 2 * len(alone) + 1


async def test_points_and_raw_readings_are_not_mixed() -> None:
    """Where one member has a map and another has none, the panel reads raw, and says so."""

    class Mapped(ScriptedJudge):
        async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
            verdict = await super().judge(case, rubric, explain=explain)
            return replace(verdict, criteria=tuple(replace(item, raw=4.5) for item in verdict.criteria))

    mapped, plain = Mapped({"a": 2, "b": 2}), ScriptedJudge({"a": 3, "b": 3})
    mixed = await PanelJudge("p/v1", [(mapped, 1.0), (plain, 1.0)]).judge(CASE, RUBRIC)
    assert [(item.score, item.raw) for item in mixed.criteria] == [(3.75, None)] * 2
    both = await PanelJudge("p/v1", [(mapped, 1.0), (mapped, 3.0)]).judge(CASE, RUBRIC)
    assert [(item.score, item.raw) for item in both.criteria] == [(2.0, 4.5)] * 2
