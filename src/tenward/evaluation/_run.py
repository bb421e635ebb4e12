"""A run: cases in, results out, many at a time; what was paid for is kept, and what was cut short goes on."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tenward.errors import UsageError
from tenward.evaluation._produce import Produced, evaluate_produced
from tenward.evaluation._result import Result, evaluate_case
from tenward.evaluation._run_record import RunRecord
from tenward.evaluation._shown_scale import ShownScale
from tenward.evaluation._summary import Tally
from tenward.judges import Budget, Calls, Judge, Limiter, all_of, lend_calls, refusals
from tenward.metrics import MetricPool

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tenward.datasets import Case, DataSet, Split
    from tenward.evaluation._produce import Producer
    from tenward.evaluation._store import Store
    from tenward.evaluation._summary import Summary
    from tenward.judges import Explain
    from tenward.rubrics import Rubric

__all__ = ["Progress", "Run", "RunSink", "count_cases", "run_cases", "run_dataset"]

_MOST_REFERENCES = 20_000  # whose words weigh the words of bm25


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is, told after every case."""

    done: int
    total: int | None
    """Cases in all; None when nobody has counted them."""

    reused: int
    """Cases of ``done`` whose result an earlier process of this run had stored."""

    tally: Tally
    calls: Calls
    seconds: float
    """Since this process began."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of it."""

    record: RunRecord
    summary: Summary
    calls: Calls
    reused: int
    """Cases whose result an earlier process of this run had stored."""


class RunSink(Protocol):
    """Is told what happens in a run, for instance to trace it; must not raise."""

    def begin_run(self, record: RunRecord) -> None:
        """A run begins, or is taken up again."""
        ...

    def result(self, position: int, result: Result) -> None:
        """A case has a result that was not there before; its place in the data set comes with it."""
        ...

    def end_run(self, record: RunRecord, summary: Summary) -> None:
        """The run is finished or stopped."""
        ...


@dataclass
class _State:
    tally: Tally = field(default_factory=Tally)
    done: int = 0
    reused: int = 0
    produced: dict[int, Produced] = field(default_factory=dict[int, Produced])
    """What an earlier process of this run produced and could not have judged, by the position of its case."""
    out_of_budget: str = ""


async def run_dataset(
    dataset: DataSet,
    rubric: Rubric,
    judge: Judge,
    *,
    store: Store,
    split: Split | None = None,
    limit: int | None = None,
    explain: Explain = False,
    concurrency: int = 16,
    max_usd: float | None = None,
    max_calls: int | None = None,
    use_cache: bool = True,
    sample: int = 0,
    producer: Producer | None = None,
    sink: RunSink | None = None,
    on_progress: Callable[[Progress, Result], None] | None = None,
    command: str = "",
) -> Run:
    """Judge the cases of a data set and store every result as soon as it is there.

    A run of the same data, rubric, judge and settings that was killed or stopped is taken up where it ended; its
    unscored cases are judged again.

    Args:
        dataset: The data set.
        rubric: What good is.
        judge: Who says so.
        store: Where results and paid answers are kept.
        split: Only this part.
        limit: At most so many cases.
        explain: Also ask for words, as of :meth:`tenward.judges.Judge.judge`.
        concurrency: Most cases at the same time, and most calls; fewer while the endpoint complains.
        max_usd: Hard limit in US dollars; the run stops before it and can go on later.
        max_calls: Hard limit on calls.
        use_cache: Whether answers that were paid for before count; new ones are kept either way.
        sample: Number of the pass, for judging the same cases again on purpose.
        producer: Writes the output of every case before it is judged; outputs that cases hold are then not judged.
        sink: Is told of the run and of every new result.
        on_progress: Called after every case, in the order they finish.
        command: The command line that begins the run, to be told to whoever wants to go on with it.

    Raises:
        UsageError: The data set is faulty, has no case to judge, or one without an output, or a limit in dollars meets
            a model without a price, or another process is at this run; nothing was asked then. Or the file of the
            data set was written to while it was judged: what was judged is kept.
        SystemicError: No further case could be judged; what was judged so far is kept, and the run can go on.
    """
    if max_usd is not None:
        _require_price(dataset, rubric, judge, producer, explain=explain)
    settings: dict[str, Any] = {"explain": explain, "limit": limit, "sample": sample, "cache": use_cache}
    if producer is not None:
        settings["produce"] = dict(producer.describe())
    record = RunRecord(
        id=_run_id(dataset.name),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        status="running",
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        split=split or "all",
        cases=count_cases(dataset, split, limit, produced=producer is not None),
        rubric=rubric,
        judge=judge.name,
        judge_file=judge.describe(),
        fingerprint=judge.fingerprint(rubric),
        scale=ShownScale.of(judge, rubric),
        settings=settings,
        command=command,
    )
    calls = Calls(
        cache=store if use_cache else _WriteOnly(store),
        budget=Budget(max_usd=max_usd, max_calls=max_calls),
        limiter=Limiter(concurrency),
        sample=sample,
    )
    with store.hold(record.identity):
        return await run_cases(
            _unchanged(dataset.cases(split, limit), dataset, record.dataset_digest),
            record,
            judge,
            store=store,
            calls=calls,
            concurrency=concurrency,
            corpus=_corpus(dataset, rubric),
            producer=producer,
            sink=sink,
            on_progress=on_progress,
        )


async def run_cases(
    cases: Iterable[Case],
    record: RunRecord,
    judge: Judge,
    *,
    store: Store,
    calls: Calls,
    concurrency: int,
    corpus: Sequence[str] = (),
    producer: Producer | None = None,
    sink: RunSink | None = None,
    on_progress: Callable[[Progress, Result], None] | None = None,
) -> Run:
    """Judge ``cases`` as the run ``record``, or as an unfinished run of the same identity; see :func:`run_dataset`."""
    began = time.monotonic()
    earlier = store.unfinished(record.identity)
    state = _State()
    if earlier is not None:
        record = earlier
    else:
        store.begin(record)
    have = _stored(store, record, state) if earlier is not None else set[int]()
    told = sink or _Nobody()
    told.begin_run(record)
    waiting = ((position, case) for position, case in enumerate(cases) if position not in have)
    explain: Explain = record.settings.get("explain", False)

    def finish(position: int, result: Result) -> None:
        store.add(record.id, [(position, result)])
        told.result(position, result)
        state.tally.add(result)
        state.done += 1
        if on_progress is not None:
            seconds = time.monotonic() - began
            on_progress(
                Progress(
                    done=state.done,
                    total=record.cases,
                    reused=state.reused,
                    tally=state.tally,
                    calls=calls,
                    seconds=seconds,
                ),
                result,
            )

    async def evaluate(position: int, case: Case, pool: MetricPool) -> Result:
        if producer is None:
            return await evaluate_case(case, record.rubric, judge, explain=explain, metrics=pool)
        made = state.produced.get(position)
        return await evaluate_produced(
            case, producer, record.rubric, judge, explain=explain, metrics=pool, produced=made
        )

    async def work(pool: MetricPool) -> None:
        for position, case in waiting:
            with refusals() as refused:
                result = await evaluate(position, case, pool)
            if refused:
                state.out_of_budget = refused[0]
            else:
                finish(position, result)
            if state.out_of_budget:
                return

    status: Literal["finished", "stopped"] = "stopped"
    note = "interrupted"
    try:
        with MetricPool(corpus=corpus) as pool, lend_calls(calls):
            await all_of(work(pool) for _ in range(concurrency))
        note = f"budget: {state.out_of_budget}" if state.out_of_budget else ""
        status = "stopped" if state.out_of_budget else "finished"
    except Exception as error:
        note = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise
    finally:
        summary = state.tally.summary()
        store.update(record.id, status=status, note=note, seconds=time.monotonic() - began, summary=summary)
        told.end_run(store.run(record.id), summary)
    return Run(record=store.run(record.id), summary=state.tally.summary(), calls=calls, reused=state.reused)


def _stored(store: Store, record: RunRecord, state: _State) -> set[int]:
    """Count the results there are; the positions of those that need not be judged again."""
    have: set[int] = set()
    for position, result in store.numbered_results(record):
        if result.status != "unscored":
            have.add(position)
            state.tally.add(result)
            state.done += 1
            state.reused += 1
        elif result.produced is not None and result.produced.failure is None:
            state.produced[position] = result.produced
    return have


def count_cases(dataset: DataSet, split: Split | None, limit: int | None, *, produced: bool) -> int:
    """How many cases there are to judge; reads the whole file, so that no fault is met after something was paid.

    Args:
        dataset: The data set.
        split: Only this part.
        limit: At most so many cases.
        produced: Whether outputs will be produced, so that cases need not hold any.

    Raises:
        UsageError: The data set is faulty, has no case to judge, or one without an output.
    """
    cases = without = 0
    first = ""
    for case in dataset.cases():
        if (split is None or case.split == split) and (limit is None or cases < limit):
            cases += 1
            if not produced and not case.output.strip():
                without += 1
                first = first or case.id
    if without:
        raise UsageError(
            f"{dataset.path}: found {without:,} of {cases:,} cases without an output to judge, the first is {first!r}",
            hint="judge a data set whose cases hold an `output`, or have them produced first: --produce PROMPT.md",
        )
    if not cases:
        raise UsageError(
            f"{dataset.path}: found no case in the split {split}, expected one to judge", hint="leave --split out"
        )
    return cases


def _unchanged(cases: Iterable[Case], dataset: DataSet, digest: str) -> Iterator[Case]:
    """The cases of a file that stays as it was counted: a run names its content by one digest.

    A file that another has replaced is no fault: it is read on as it was when it was opened.
    """
    last: os.stat_result | None = None

    def check() -> None:
        nonlocal last
        try:
            now = dataset.path.stat()
        except OSError:  # taken away, and still open here
            return
        if last is not None and now.st_ino != last.st_ino:
            return
        if last is not None and (now.st_mtime_ns, now.st_size) == (last.st_mtime_ns, last.st_size):
            return
        last = now
        if dataset.digest != digest:
            raise UsageError(
                f"{dataset.path}: the file was changed while its cases were judged, expected it to stay as it was",
                hint="start the command again: what was judged is kept, and a case that has not changed costs nothing",
            )

    check()
    for case in cases:
        check()
        yield case
    check()


def _require_price(
    dataset: DataSet, rubric: Rubric, judge: Judge, producer: Producer | None, *, explain: Explain
) -> None:
    for case in dataset.cases(limit=1):
        if producer is not None and producer.plan(case)[0].worst_usd is None:
            raise UsageError(
                "a budget in dollars needs the price of every model, and that of the one that writes is not known",
                hint="write a judge file for it with `price: {input: …, output: …}`, or limit calls instead",
            )
        if judge.plan(case, rubric, explain=explain).worst_usd is None:
            raise UsageError(
                f"a budget in dollars needs the price of every model, and the judge {judge.name} does not know it",
                hint="add `price: {input: …, output: …}` (US dollars per million tokens), or limit calls instead",
            )


def _corpus(dataset: DataSet, rubric: Rubric) -> tuple[str, ...]:
    """The references of the whole data set, whichever split is judged, so that a word weighs the same in each."""
    if "bm25" not in rubric.references:
        return ()

    def references() -> Iterator[str]:
        for case in dataset.cases():
            yield from case.references

    return tuple(reference for reference, _ in zip(references(), range(_MOST_REFERENCES), strict=False))


def _run_id(dataset: str) -> str:
    name = re.sub(r"[^\w.-]+", "-", dataset.partition("/")[0])
    return f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class _Nobody:
    """A sink for runs that nobody listens to."""

    def begin_run(self, record: RunRecord) -> None: ...

    def result(self, position: int, result: Result) -> None: ...

    def end_run(self, record: RunRecord, summary: Summary) -> None: ...


class _WriteOnly:
    """A cache that forgets what it is asked for: new answers are kept, old ones do not count."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def recall(self, key: str) -> str | None:  # noqa: ARG002 - as the protocol has it
        return None

    def remember(self, key: str, asked: Any, answer: str) -> None:
        self._store.remember(key, asked, answer)

    def why_missed(self, asked: Any) -> tuple[str, ...]:  # noqa: ARG002 - as the protocol has it
        return ("cache",)
