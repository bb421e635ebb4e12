from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from tenward.errors import DocumentError
from tenward.judges import MAPPED_COMPONENTS, CriterionScale, Judge, ModelJudge, ScaleFile
from tenward.testing import Logprobs
from tenward.workspace import Library
from tests.judges.conftest import CASE, RUBRIC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.judges import ScaleInUse, Verdict
    from tests.judges.conftest import Bench

KNOTS = [[3.5, 2.0], [4.0, 3.0], [4.5, 4.2]]


def scale_file(bench: Bench, *, judge: str = "stub/v1", rubric: str = RUBRIC.rubric, **changed: Any) -> dict[str, Any]:
    """Return a scale file that fits the bench's judge, as data; ``changed`` replaces fields of its one rubric."""
    mine = ModelJudge(bench.spec(read="distribution")).fingerprint(RUBRIC)
    one = {
        "range": [1, 5],
        "fitted_for": {name: mine[name] for name in MAPPED_COMPONENTS},
        "source": "made up",
        "error": 0.8,
        "criteria": {"clarity": {"knots": KNOTS}, "tests": {"knots": KNOTS}},
    }
    return {"scale": judge, "rubrics": {rubric: one | changed}}


def judge_with(bench: Bench, data: Mapping[str, Any]) -> ModelJudge:
    """Return the bench's judge with a scale file."""
    return ModelJudge(bench.spec(read="distribution"), [(Path("stub.scale.yaml"), ScaleFile.model_validate(data))])


async def judged(bench: Bench, data: Mapping[str, Any], probabilities: Mapping[str, float]) -> Verdict:
    """Return the verdict of a judge with a scale file on an endpoint that reports these probabilities."""
    bench.server.script(default=Logprobs(probabilities))
    judge = judge_with(bench, data)
    try:
        return await judge.judge(CASE, RUBRIC)
    finally:
        await judge.aclose()


async def test_a_mapped_score_keeps_its_raw_reading(bench: Bench) -> None:
    """The score is what the knots make of the reading, straight between them, and the reading stands beside it."""
    verdict = await judged(bench, scale_file(bench), {"4": 0.75, "5": 0.25})
    assert verdict.scores == pytest.approx({"clarity": 3.6, "tests": 3.6})
    assert verdict.raw_scores == pytest.approx({"clarity": 4.25, "tests": 4.25})
    assert verdict.scale == "calibrated"
    assert verdict.criteria[0].spread == pytest.approx(3**0.5 / 4)  # of the reading, as its distribution is


async def test_a_criterion_without_a_map_stays_raw(bench: Bench) -> None:
    """Only the criterion that has one is mapped, and the scale says so."""
    verdict = await judged(bench, scale_file(bench, criteria={"clarity": {"knots": KNOTS}}), {"4": 1.0})
    assert verdict.scores == pytest.approx({"clarity": 3.0, "tests": 4.0})
    assert verdict.scale == "calibrated but for tests"
    assert verdict.criteria[1].raw is None


@pytest.mark.parametrize(("inputs", "scale"), [("without", "calibrated"), ("either", "calibrated"), ("with", "raw")])
async def test_a_map_holds_for_the_kind_of_text_it_was_fitted_on(bench: Bench, inputs: str, scale: str) -> None:
    """The case has no input, and readings of texts with one may mean something else."""
    assert (await judged(bench, scale_file(bench, inputs=inputs), {"4": 1.0})).scale == scale


async def test_a_map_is_part_of_the_fingerprint_and_asks_nothing_again(bench: Bench) -> None:
    """Another map is another fingerprint, while the questions and what they are made of stay the same."""
    plain, first = ModelJudge(bench.spec(read="distribution")), judge_with(bench, scale_file(bench))
    other = judge_with(bench, scale_file(bench, criteria={"clarity": {"knots": [[3.5, 2.0], [4.0, 3.1]]}}))
    prints = [judge.fingerprint(RUBRIC) for judge in (plain, first, other)]
    assert len({one["scale"] for one in prints}) == 3
    assert prints[0]["scale"] == "raw"
    assert len({tuple(sorted((name, one[name]) for name in one if name != "scale")) for one in prints}) == 1


@pytest.mark.parametrize("component", MAPPED_COMPONENTS)
async def test_a_map_fitted_for_another_reading_is_left_alone(bench: Bench, component: str) -> None:
    """Readings stay raw where what they hang on has changed, and a note names it."""
    data = scale_file(bench)
    data["rubrics"][RUBRIC.rubric]["fitted_for"][component] = "other"
    verdict = await judged(bench, data, {"4": 1.0})
    assert verdict.scale == "raw"
    used: ScaleInUse = judge_with(bench, data).scale(RUBRIC)
    assert used.note == f"stub.scale.yaml: the map for test/v1 was fitted for another {component}: readings are raw"


def test_a_map_for_another_rubric_is_not_used(bench: Bench) -> None:
    """Maps go by the name of the rubric."""
    used = judge_with(bench, scale_file(bench, rubric="other/v1")).scale(RUBRIC)
    assert (used.label(RUBRIC), used.note) == ("raw", "")


@pytest.mark.parametrize(
    ("knots", "words"),
    [
        ([[3.5, 3.0], [4.0, 2.0]], "must never change an order"),
        ([[4.0, 2.0], [3.5, 3.0]], "must never change an order"),
        ([[3.5, 2.0], [4.0, 2.0]], "nor make equal what differs"),
        ([[3.5, 0.5], [4.0, 2.0]], "inside the scale, 1 to 5"),
        ([[3.5, 2.0], [4.0, 5.0]], "only the ends of the scale"),
        ([[1.0, 2.0], [4.0, 5.5]], "inside the scale, 1 to 5"),
    ],
)
def test_a_map_that_is_none_is_refused(bench: Bench, knots: list[list[float]], words: str) -> None:
    """What does not rise strictly, or leaves the scale, is refused with its field."""
    with pytest.raises(ValidationError) as refused:
        ScaleFile.model_validate(scale_file(bench, criteria={"clarity": {"knots": knots}}))
    error: Any = refused.value.errors()[0].get("ctx", {}).get("error")
    assert words in f"{error.expected} {error.hint}"


rising = st.lists(st.floats(1.01, 4.99), min_size=2, max_size=8, unique=True).map(sorted)


@given(xs=rising, ys=rising, readings=st.lists(st.floats(1, 5), min_size=2, max_size=20))
@example(xs=[1.5, 2.0], ys=[1.5, 1.959964], readings=[1.0, 1.0])
def test_a_map_never_changes_an_order(xs: list[float], ys: list[float], readings: list[float]) -> None:
    """Whatever the knots, readings that are clearly apart keep their order, and none leaves the scale."""
    count = min(len(xs), len(ys))
    scale = CriterionScale(knots=tuple(zip(xs[:count], ys[:count], strict=True)))
    ordered = sorted(readings)
    mapped = [scale.points(reading, 1, 5) for reading in ordered]
    assert mapped == sorted(mapped)
    assert all(1 <= points <= 5 for points in mapped)
    assert (scale.points(1, 1, 5), scale.points(5, 1, 5)) == (1, 5)


def write(folder: Path, data: Mapping[str, Any]) -> Path:
    """Write a workspace with the bench's judge and its scale file, and return the judge's path."""
    (folder / "judges").mkdir(parents=True)
    (folder / "judges/stub.scale.yaml").write_text(yaml.safe_dump(dict(data)), encoding="utf-8")
    judge = "judge: stub/v1\nmodel: openai/stub\nbase_url: http://127.0.0.1:9/v1\nread: distribution\n"
    (folder / "judges/stub.yaml").write_text(judge, encoding="utf-8")
    return folder / "judges/stub.yaml"


def test_the_file_beside_the_judge_is_read_and_is_no_judge(bench: Bench, tmp_path: Path) -> None:
    """A judge is loaded with the scale file of its name, which no list of judges shows; ``raw`` leaves it out."""
    data = scale_file(bench)
    data["rubrics"][RUBRIC.rubric]["fitted_for"]["model"] = "openai/stub"
    write(tmp_path, data)
    library = Library(roots=(tmp_path, Library.discover().shipped))
    assert "stub.scale" not in library.names("judges")
    other = bench.spec(read="distribution")
    assert other.model == "openai/stub"
    assert Judge.load("stub", library=library).scale(RUBRIC).label(RUBRIC) == "calibrated"
    assert Judge.load("stub", library=library, raw=True).scale(RUBRIC).label(RUBRIC) == "raw"


def test_the_file_of_another_judge_is_refused(bench: Bench, tmp_path: Path) -> None:
    """A map of another judge, or of another version of it, is an error that names file and field."""
    path = write(tmp_path, scale_file(bench, judge="other/v1"))
    with pytest.raises(DocumentError, match=r"stub\.scale\.yaml.*scale: found a map of the judge other/v1") as refused:
        Judge.load(path)
    assert "tenward judge scale" in str(refused.value)
