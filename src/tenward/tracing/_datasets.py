"""Data sets to LangSmith and from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenward.errors import UnknownNameError, UsageError
from tenward.tracing._client import Connection
from tenward.tracing._examples import case_of, example_id, example_of
from tenward.tracing._sender import BATCH
from tenward.tracing._settings import LangSmithSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from tenward.datasets import Case

__all__ = ["PushedDataset", "pull_dataset", "push_dataset"]


@dataclass(frozen=True, kw_only=True)
class PushedDataset:
    """What became of the cases."""

    name: str
    endpoint: str
    added: int
    changed: int
    """Cases that were there with other content, which was replaced."""

    unchanged: int


def pull_dataset(name: str, *, settings: LangSmithSettings | None = None) -> Iterator[Case]:
    """Read a data set from LangSmith as cases, page by page.

    Examples that were not made by Tenward are read as far as that goes: the only text of their inputs is the input,
    that of their outputs a reference, and several values become JSON.

    Args:
        name: Name of the data set there.
        settings: Endpoint and key; those in the environment by default.

    Raises:
        UnknownNameError: There is no data set of that name.
        LangSmithError: No key, a key that is not accepted, or no answer.
    """
    settings = settings or LangSmithSettings.required()
    connection = Connection(settings)
    try:
        dataset = connection.find_dataset(name)
        if dataset is None:
            raise UnknownNameError(f"{settings.shown} has no data set '{name}'", hint="names are written exactly")
        for example in connection.examples(dataset):
            yield case_of(example)
    finally:
        connection.close()


def push_dataset(
    name: str,
    cases: Iterable[Case],
    *,
    settings: LangSmithSettings | None = None,
    progress: Callable[[int], None] | None = None,
) -> PushedDataset:
    """Write cases to a data set in LangSmith, which is made if it is not there.

    A case is known by its id: one that is there already is replaced where it differs, and none is ever removed.
    :func:`pull_dataset` gives the same cases back, but for keys and e-mail addresses in them, which are not sent.

    Args:
        name: Name of the data set there.
        cases: The cases; taken one batch at a time.
        settings: Endpoint and key; those in the environment by default.
        progress: Told after each batch how many cases are dealt with.

    Raises:
        UsageError: There are no cases, or two have one id.
        LangSmithError: No key, a key that is not accepted, or no answer.
    """
    settings = settings or LangSmithSettings.required()
    connection = Connection(settings)
    try:
        return _push(connection, settings, name, cases, progress or (lambda _done: None))
    finally:
        connection.close()


def _push(
    connection: Connection,
    settings: LangSmithSettings,
    name: str,
    cases: Iterable[Case],
    progress: Callable[[int], None],
) -> PushedDataset:
    dataset: UUID | None = None
    seen: set[str] = set()
    added = changed = unchanged = 0
    for batch in _batches(cases):
        for case in batch:
            if case.id in seen:
                raise UsageError(f"found two cases with the id '{case.id}', expected each id once")
            seen.add(case.id)
        # Made only now: no cases, no data set.
        dataset = dataset or connection.find_dataset(name)
        dataset = dataset or connection.create_dataset(name, description="Written by Tenward", metadata={})
        there = {item.id: item for item in connection.examples(dataset, [example_id(dataset, c.id) for c in batch])}
        new: list[dict[str, Any]] = []
        for case in batch:
            example = example_of(case, dataset)
            old = there.get(example_id(dataset, case.id))
            if old is None:
                new.append(example)
            elif connection.differs(example, old):
                connection.update_example(dataset, example)
                changed += 1
            else:
                unchanged += 1
        if new:
            connection.add_examples(dataset, new)
            added += len(new)
        progress(added + changed + unchanged)
    if not seen:
        raise UsageError("found no cases to send, expected at least one")
    return PushedDataset(name=name, endpoint=settings.shown, added=added, changed=changed, unchanged=unchanged)


def _batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    batch: list[Case] = []
    for case in cases:
        batch.append(case)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
