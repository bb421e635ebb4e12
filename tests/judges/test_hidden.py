from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from tenward.datasets import Case
from tenward.errors import DocumentError, JudgeUnavailableError
from tenward.evaluation import StateOf, Store, fit_head
from tenward.judges import Calls, JudgeSpec, ModelJudge, lend_calls
from tenward.judges._hidden import OUTSIDE
from tenward.judges._state import STATE_NUMBERS
from tenward.judges.heads import Head, HeadShelf, TextState, head_digest, load_head
from tenward.judges.models import ModelStore
from tenward.rubrics import Rubric
from tenward.testing import Logprobs, State, Status, StubServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tenward.judges import Verdict
    from tenward.testing import Request

TEXT = (
    "rubric: test/v1\nabout: Is it good?\ncriteria:\n"
    "  clarity: How clear is the text to a newcomer?\n  tests: How well is it tested?\n"
)
RUBRIC = Rubric.parse(TEXT)
DIMENSIONS = 24
DRAW = np.random.default_rng(5)
CENTRE, DIRECTIONS = 3 * DRAW.normal(size=DIMENSIONS), DRAW.normal(size=(4, DIMENSIONS))


def state_of(*hidden: float, noise: int = 0) -> list[float]:
    """Return the state of a text with these hidden qualities; the first is clarity, the second tests."""
    added = 0.05 * np.random.default_rng(noise).normal(size=DIMENSIONS)
    return [float(number) for number in CENTRE + np.array(hidden) @ DIRECTIONS * 0.5 + added]


def as_read(numbers: list[float]) -> NDArray[np.float64]:
    """Return the state of a text for which the engine gives these numbers, over and over."""
    state = np.tile(numbers, STATE_NUMBERS // DIMENSIONS) - np.mean(numbers)
    return np.asarray(state / np.linalg.norm(state), dtype=np.float64)


@dataclass
class Embedded:
    """An embedded judge whose engine is a stub, with a folder for its heads."""

    server: StubServer
    folder: Path
    state: Any
    """What the engine gives: numbers, or a reply."""

    def answer(self, _request: Request) -> Any:
        """Return the state that is set, as a reply."""
        return State(cast("list[float]", self.state)) if isinstance(self.state, list) else self.state

    @property
    def spec(self) -> JudgeSpec:
        """The judge file; its model is a file of one's own."""
        model = self.folder / "m.gguf"
        return JudgeSpec(judge="e/v2", model=f"local/{model}", read="hidden", retries=0, timeout=20, deadline=30)

    def judge(self) -> ModelJudge:
        """Return the judge, with the heads of its folder."""
        return ModelJudge(self.spec, (), HeadShelf(folders=(self.folder,), judge="e"))

    def fit(self, *names: str, rubric: Rubric = RUBRIC) -> Path:
        """Write a head for some criteria, fitted to made-up texts, and return its path."""
        draw = np.random.default_rng(3)
        texts: list[StateOf] = []
        for number in range(100):
            hidden = draw.normal(size=4)
            rating = {"clarity": 3 + 0.8 * hidden[0], "tests": 3 + 0.8 * hidden[1]}
            said = {name: float(np.clip(rating[name], 1, 5)) for name in names}
            state = as_read(state_of(*hidden, noise=number))
            texts.append(
                StateOf(
                    case=f"c{number}",
                    group=f"g{number % 25}",
                    state=TextState.of(dict.fromkeys(rubric.criteria, state)),
                    rating=said,
                    length=9,
                )
            )
        fitted = fit_head(texts, rubric, self.judge().states(rubric), "Made up.")
        path = self.folder / "e.test.json"
        path.write_text(json.dumps(fitted.data), encoding="utf-8")
        return path

    async def ask(self, rubric: Rubric = RUBRIC, *, output: str = "A text.", cache: Store | None = None) -> Verdict:
        """Judge one text."""
        judge = self.judge()
        try:
            with lend_calls(Calls(cache=cache)):
                return await judge.judge(Case(id="one", output=output), rubric)
        finally:
            await judge.aclose()

    @property
    def paths(self) -> list[str]:
        """What was asked of the engine, without the template."""
        return [one.path for one in self.server.requests if one.path != "/apply-template"]


def the_same(engine: SimpleNamespace, _path: Path, *, context_tokens: int) -> SimpleNamespace:
    """Return the engine for any model."""
    return engine


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    """An embedded judge whose plain reading says 2."""
    (tmp_path / "m.gguf").write_bytes(b"GGUF and more")
    found: list[Embedded] = []

    def answer(request: Request) -> Any:
        return found[0].answer(request)

    with StubServer(default=Logprobs({"2": 0.9}), states=answer) as server:
        engine = SimpleNamespace(base_url=server.base_url, api_key="k", prefix=None)
        monkeypatch.setattr("tenward.judges._clients.engine_for", partial(the_same, engine))
        monkeypatch.setattr(ModelStore, "shortened", ModelStore.resolve)
        found.append(Embedded(server=server, folder=tmp_path, state=state_of(0, 0, 0, 0)))
        yield found[0]


async def test_a_head_reads_every_criterion_in_one_pass(embedded: Embedded) -> None:
    """Its points follow the state, with their spread; the shortened model is asked once per question, and no other."""
    embedded.fit("clarity", "tests")
    embedded.state = state_of(1.5, -1.5, 0, 0, noise=1000)
    verdict = await embedded.ask()
    clarity, tests = verdict.criteria
    assert clarity.score is not None
    assert tests.score is not None
    assert clarity.score > 3.6
    assert tests.score < 2.4
    for item in (clarity, tests):
        assert (item.read, item.failure) == ("hidden", None)
        assert item.raw is not None
        assert item.spread is not None
        assert 0 < item.spread < 1
        assert sum(item.distribution.values()) == pytest.approx(1)
        likeliest = max(item.distribution, key=lambda level: item.distribution[level])
        assert abs(likeliest - (item.score or 0)) <= 0.6
    assert embedded.paths == ["/completion", "/completion"]
    assert (verdict.plain, verdict.usage.calls, verdict.scale) == ("", 2, "calibrated")
    assert "ratings of such texts lie around" in verdict.why_not_2_lower


async def test_a_text_unlike_the_others_is_read_both_ways(embedded: Embedded) -> None:
    """Where the state lies outside of what the head was fitted to, the lower reading stands and the verdict says so."""
    path = embedded.fit("clarity", "tests")
    embedded.state = [float(number) for number in np.random.default_rng(8).normal(size=DIMENSIONS)]
    verdict = await embedded.ask()
    assert verdict.plain == OUTSIDE
    by_head = Head(load_head(path)).read(TextState.of({"clarity": as_read(embedded.state)}, output="A text."))
    assert verdict.scores == {name: pytest.approx(min(2.0, one.points), abs=0.05) for name, one in by_head.items()}
    assert [item.read for item in verdict.criteria] == [
        "hidden" if one.points < 2 else "distribution" for one in by_head.values()
    ]
    assert embedded.paths.count("/completion") == 2


async def test_what_a_head_does_not_cover_is_read_plainly(embedded: Embedded) -> None:
    """One criterion by the head, the other by its question."""
    embedded.fit("tests")
    verdict = await embedded.ask()
    assert [item.read for item in verdict.criteria] == ["distribution", "hidden"]
    assert verdict.scores["clarity"] == 2.0
    assert verdict.plain == ""
    assert "tests" in embedded.judge().scale(RUBRIC).mapped


async def test_a_judge_without_a_head_reads_as_before(embedded: Embedded) -> None:
    """No state is asked for, and the fingerprint says that there is no head."""
    verdict = await embedded.ask()
    assert verdict.scores == {"clarity": 2.0, "tests": 2.0}
    assert "/completion" not in embedded.paths
    assert verdict.fingerprint["head"] == "none"


async def test_a_state_is_read_once(embedded: Embedded, tmp_path: Path) -> None:
    """A second run takes it from the store, and the plan knows it."""
    embedded.fit("clarity", "tests")
    with Store.open(tmp_path / "store.sqlite") as kept:
        judge = embedded.judge()
        case = Case(id="one", output="A text.")
        with lend_calls(Calls(cache=kept)):
            before = judge.plan(case, RUBRIC)
            first = await embedded.ask(cache=kept)
            after = judge.plan(case, RUBRIC)
            second = await embedded.ask(cache=kept)
        other = await embedded.ask(output="Another text.", cache=kept)
    assert (before.calls, before.cached, before.most_calls) == (2, 0, 4)
    assert (after.calls, after.cached, after.most_calls) == (2, 2, 0)
    assert second.scores == first.scores
    assert (first.usage.calls, second.usage.calls, other.usage.calls) == (2, 0, 2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": "f" * 64}, "another model file"),
        ({"state": "0"}, "another kind of state"),
        ({"prompt": "0"}, "another wording of the prompt"),
    ],
)
async def test_a_head_of_other_states_reads_nothing(embedded: Embedded, change: dict[str, str], told: str) -> None:
    """What it was fitted for is compared, and the note says what differs."""
    path = embedded.fit("clarity", "tests")
    data = json.loads(path.read_text())
    data["fitted_for"] |= change
    path.write_text(json.dumps({**data, "hash": head_digest(data)}))
    verdict = await embedded.ask()
    assert {item.read for item in verdict.criteria} == {"distribution"}
    assert told in embedded.judge().scale(RUBRIC).note


async def test_another_build_of_the_engine_is_told(embedded: Embedded) -> None:
    """States of two builds differ by rounding: the head reads on, and the note names both."""
    path = embedded.fit("clarity", "tests")
    data = json.loads(path.read_text())
    data["fitted_for"]["engine"] = "xllamacpp 0.1"
    path.write_text(json.dumps({**data, "hash": head_digest(data)}))
    assert {item.read for item in (await embedded.ask()).criteria} == {"hidden"}
    assert "states of xllamacpp 0.1" in embedded.judge().scale(RUBRIC).note


async def test_a_rubric_that_was_changed_is_read_plainly(embedded: Embedded) -> None:
    """Criteria that were renamed or asked for in other words are not those that people rated."""
    embedded.fit("clarity", "tests")
    renamed = Rubric.parse(TEXT.replace("clarity:", "plainness:"))
    verdict = await embedded.ask(renamed)
    assert set(verdict.scores) == {"plainness", "tests"}
    assert {item.read for item in verdict.criteria} == {"distribution"}
    assert "another text of the rubric" in embedded.judge().scale(renamed).note
    other = Rubric.parse(TEXT.replace("test/v1", "test/v2"))
    assert "another rubric than test/v2" in embedded.judge().scale(other).note


@pytest.mark.parametrize(
    ("how", "told"), [("cut", "no whole JSON"), ("changed", "as it was written"), ("empty", "head")]
)
async def test_a_corrupt_head_is_refused(embedded: Embedded, how: str, told: str) -> None:
    """Nothing is judged by a file that is not whole."""
    path = embedded.fit("clarity", "tests")
    text = path.read_text()
    spoilt = {"cut": text[:-200], "changed": text.replace('"Made up."', '"Made down."'), "empty": "{}"}
    path.write_text(spoilt[how], encoding="utf-8")
    with pytest.raises(DocumentError, match=told):
        await embedded.ask()


async def test_a_call_that_failed_is_no_low_score(embedded: Embedded) -> None:
    """The head's criteria stay unscored, and nothing is read in their place."""
    embedded.fit("clarity", "tests")
    embedded.state = Status(500)
    verdict = await embedded.ask()
    assert verdict.scores == {"clarity": None, "tests": None}
    assert {failure.kind for failure in verdict.failures.values()} == {"transport"}


async def test_an_engine_without_states_says_what_to_do(embedded: Embedded) -> None:
    """An answer without numbers ends the run, with a hint."""
    embedded.fit("clarity", "tests")
    embedded.state = []
    with pytest.raises(JudgeUnavailableError, match="gives no states"):
        await embedded.ask()


def test_only_an_embedded_model_has_states(embedded: Embedded) -> None:
    """The name of the folder's judge decides which heads are its own."""
    embedded.fit("clarity", "tests")
    other = ModelJudge(embedded.spec, (), HeadShelf(folders=(embedded.folder,), judge="other"))
    assert other.fingerprint(RUBRIC)["head"] == "none"
    plain = ModelJudge(
        embedded.spec.model_copy(update={"read": "distribution"}), (), HeadShelf(folders=(embedded.folder,), judge="e")
    )
    assert "head" not in plain.fingerprint(RUBRIC)
