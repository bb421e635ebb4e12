"""The pytest plugin: the fixture ``tenward_score``, and :func:`assert_quality`.

pytest loads this module in every project that has Tenward installed, so it imports nothing but pytest until a test
asks for a score.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from tenward.evaluation import Result, Store
    from tenward.judges import Judge
    from tenward.rubrics import Rubric

__all__ = ["Scorer", "assert_quality", "pytest_addoption", "pytest_configure", "tenward_score"]

_PROPERTY = "tenward_"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and their ini equivalents."""
    group = parser.getgroup("tenward", "scores of texts against rubrics")
    group.addoption("--tenward-judge", metavar="J", help="Judge where a test names none: a name or a YAML file.")
    group.addoption("--tenward-store", metavar="PATH", help="File of answers paid for; default: the workspace's.")
    parser.addini("tenward_judge", "Judge where neither a test nor --tenward-judge names one.", default="local")
    parser.addini("tenward_store", "As --tenward-store; relative to the ini file.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the line at the end of the report."""
    config.pluginmanager.register(_Totals(), "tenward-totals")


def assert_quality(result: Result, at_least: float) -> None:
    """Fail unless the text was scored, passed its gates and floors, and has this quality.

    Args:
        result: What :func:`tenward.score` or the fixture gave.
        at_least: Lowest whole-number quality that is good enough, 1 to 10.

    Raises:
        AssertionError: It is not so; the message holds each criterion's score and reason, the arithmetic, and steps.
        UsageError: ``at_least`` is outside of 1 to 10.
    """
    __tracebackhide__ = True
    from tenward.errors import UsageError

    if not 1 <= at_least <= 10:
        raise UsageError(f"at_least: found {at_least:g}, expected a quality from 1 to 10")
    _assert_scored(result)
    if not result.passed or result.quality is None or result.quality < at_least:
        raise AssertionError(_report(result, at_least))


class Scorer:
    """What the fixture ``tenward_score`` gives: call it with a text and a rubric."""

    def __init__(self, session: _Session, properties: list[tuple[str, object]]) -> None:
        self._session = session
        self._properties = properties

    def __call__(
        self,
        output: str,
        *,
        rubric: Rubric | str | Path,
        judge: Judge | str | Path | None = None,
        input: str = "",  # noqa: A002 - as in tenward.score
        references: Sequence[str] = (),
        at_least: float | None = None,
    ) -> Result:
        """Score a text; answers the store holds are not asked for again.

        Args:
            output: The text to judge.
            rubric: A rubric, its name, or the path of its YAML file.
            judge: A judge, its name, or the path of its YAML file; the one of ``--tenward-judge`` when left out.
            input: What the text answers.
            references: Known good outputs.
            at_least: Quality from 1 to 10 below which the test fails, as by :func:`assert_quality`. A judge that
                gave a score without words is then asked for them.

        Raises:
            AssertionError: The text is unscored, or not as good as ``at_least``.
            UsageError: As :func:`tenward.score`.
            SystemicError: The judge cannot work at all.
        """
        __tracebackhide__ = True
        from tenward.errors import TenwardError

        asked = {"output": output, "rubric": rubric, "judge": judge, "input": input, "references": references}
        try:
            result, took = self._session.score(asked, at_least)
        except TenwardError as error:
            raise error.with_traceback(None) from None  # the way it took says nothing about the test
        self._properties += [(_PROPERTY + name, value) for name, value in took.items()]
        _assert_scored(result)
        if at_least is not None:
            assert_quality(result, at_least)
        return result


@pytest.fixture
def tenward_score(request: pytest.FixtureRequest, _tenward_session: _Session) -> Scorer:
    """Score a text against a rubric: ``tenward_score(text, rubric="summary", at_least=7)``."""
    node: pytest.Item = request.node
    return Scorer(_tenward_session, node.user_properties)


@pytest.fixture(scope="session")
def _tenward_session(pytestconfig: pytest.Config) -> Generator[_Session]:
    session = _Session(pytestconfig)
    try:
        yield session
    finally:
        session.close()


class _Session:
    """One event loop in a thread of its own, so that tests may be synchronous or not, and connections are kept."""

    def __init__(self, config: pytest.Config) -> None:
        import asyncio

        self._root = config.rootpath
        self._judge: str = config.getoption("--tenward-judge") or config.getini("tenward_judge")
        self._path = _store_path(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tenward-pytest", daemon=True)
        self._store: Store | None = None
        self._judges: dict[str, Judge] = {}

    def score(self, asked: dict[str, Any], at_least: float | None) -> tuple[Result, dict[str, Any]]:
        from asyncio import run_coroutine_threadsafe

        if not self._thread.is_alive():
            self._thread.start()
        future = run_coroutine_threadsafe(self._score(asked, at_least), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _score(self, asked: dict[str, Any], at_least: float | None) -> tuple[Result, dict[str, Any]]:
        from tenward.evaluation import Store, ascore
        from tenward.judges import Calls, Judge, lend_calls
        from tenward.rubrics import Rubric
        from tenward.workspace import Library

        library = Library.discover(self._root)
        rubric: Rubric | str | Path = asked["rubric"]
        loaded = rubric if isinstance(rubric, Rubric) else Rubric.load(rubric, library=library)
        judge: Judge | str | Path = self._judge if asked["judge"] is None else asked["judge"]
        if isinstance(judge, Judge):
            who = judge
        elif str(judge) in self._judges:
            who = self._judges[str(judge)]
        else:
            who = self._judges[str(judge)] = Judge.load(judge, library=library)
        if self._store is None:
            self._store = Store.open(self._path, start=self._root)
        calls = Calls(cache=self._store)

        async def ask(*, explain: bool) -> Result:
            return await ascore(
                asked["output"],
                rubric=loaded,
                judge=who,
                input=asked["input"],
                references=asked["references"],
                explain=explain,
            )

        try:
            with lend_calls(calls):
                results = [await ask(explain=False)]
                if at_least is not None and _wants_words(results[0], at_least):
                    results.append(await ask(explain=True))
        finally:
            if who is judge:
                await who.aclose()
        # Words of another judging argue for another score.
        best = results[-1] if results[-1].score == results[0].score else results[0]
        return best, _took(results, cached=calls.hits)

    def close(self) -> None:
        """Close connections and store, and end the thread."""
        from asyncio import run_coroutine_threadsafe

        if self._thread.is_alive():
            run_coroutine_threadsafe(self._aclose(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()
        if self._store is not None:
            self._store.close()

    async def _aclose(self) -> None:
        for judge in self._judges.values():
            await judge.aclose()
        await self._loop.shutdown_default_executor()


class _Totals:
    """Adds up what the tests took; they tell it through their reports, which also come from other processes."""

    def __init__(self) -> None:
        self._took: defaultdict[str, list[Any]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties if report.when == "teardown" else ():
            if name.startswith(_PROPERTY):
                self._took[name.removeprefix(_PROPERTY)].append(value)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._took:
            return
        costs = self._took["cost_usd"]
        cost = "cost unknown" if None in costs else f"${sum(costs):.4f}"
        texts, calls = _number(len(costs), "text"), _number(sum(self._took["calls"]), "call")
        terminalreporter.write_line(f"tenward: {texts} judged, {calls}, {sum(self._took['cached'])} cached, {cost}")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _store_path(config: pytest.Config) -> Path | None:
    option: str | None = config.getoption("--tenward-store")
    if option:
        return config.invocation_params.dir / option
    ini: str = config.getini("tenward_store")
    return (config.inipath.parent if config.inipath else config.rootpath) / ini if ini else None


def _took(results: Sequence[Result], *, cached: int) -> dict[str, Any]:
    usages = [result.verdict.usage for result in results if result.verdict is not None]
    costs = [usage.cost_usd for usage in usages]
    return {
        "quality": results[0].quality,
        "calls": sum(usage.calls for usage in usages),
        "cached": cached,
        "cost_usd": None if None in costs else sum(cost or 0.0 for cost in costs),
    }


def _wants_words(result: Result, at_least: float) -> bool:
    """Whether the test will fail on a score of which more could be said."""
    if result.status != "scored" or result.verdict is None:
        return False
    low = not result.passed or (result.quality or 0) < at_least
    wrote = any(item.reason for item in result.verdict.criteria)
    return low and (result.verdict.words == "program" or not wrote)


def _assert_scored(result: Result) -> None:
    __tracebackhide__ = True
    if result.status == "unscored":
        raise AssertionError(_report(result, None))


def _report(result: Result, at_least: float | None) -> str:
    """Why a test failed, in lines for a person."""
    verdict, score = result.verdict, result.score
    if verdict is None or score is None:
        failed = [gate for gate in result.gates if not gate.passed]
        return "\n".join([f"{result.rubric.rubric}: gated", *(f"  gate {gate.gate}: {gate.detail}" for gate in failed)])
    if score.scored:
        wrong = [f"expected at least {at_least:g}"] if at_least and (score.quality or 0) < at_least else []
        wrong += [f"{name} below its floor" for name in score.below_floor]
        head = f"quality {score.quality}: {', '.join(wrong)}"
    else:
        head = f"unscored: {', '.join(dict.fromkeys(failure.kind for failure in verdict.failures.values()))}"
    lines = [f"{result.rubric.rubric} by {verdict.judge}: {head}"]
    width = max(len(item.criterion) for item in verdict.criteria)
    for item in verdict.criteria:
        said = f"{item.failure.kind} ({item.failure.detail})" if item.failure is not None else item.in_words
        number = "–" if item.score is None else f"{item.score:.3g}"
        lines.append(f"  {item.criterion:<{width}}  {number:>4} of {score.top}  {said}".rstrip())
    lines += [f"  {line}" for line in score.arithmetic]
    lines += [f"  step, {step.criterion}: {step.text}" for step in result.steps]
    return "\n".join(lines)
