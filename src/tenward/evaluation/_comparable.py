"""Which results may be compared: the same cases, scored the same way. Everything else is refused by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from typing import TYPE_CHECKING, Any

from tenward.datasets import printable
from tenward.errors import UsageError
from tenward.guards import is_list, is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenward.evaluation._result import Result
    from tenward.evaluation._run_record import RunRecord
    from tenward.evaluation._store import Store
    from tenward.rubrics import Rubric

__all__ = ["ComparisonRefusedError", "checked_pairs"]

_SAMPLING = {"temperature", "seed", "max_tokens", "mode", "extra_body"}
_SHOWN = 60
_MOST_FAULTS = 8
_JUDGE_AGAIN = "judge both with the same judge and rubric: tenward eval DATASET --rubric R --judge J"
_WEIGH_AGAIN = (
    "weigh both alike: tenward eval again on the data set of the one, with the rubric of the other; "
    "answers are kept, so nothing is paid twice"
)
_ONE_SCALE = (
    "judge the older run again with tenward eval, which costs nothing since its answers are cached, or both with --raw"
)
_SAME_CASES = "judge both on the same cases: tenward eval again; what has not changed is not paid twice"


class ComparisonRefusedError(UsageError):
    """Two runs whose scores do not measure the same; the message names what differs, with both values."""


def checked_pairs(store: Store, a: RunRecord, b: RunRecord) -> Iterator[tuple[Result | None, Result | None]]:
    """The results of two runs, paired by case id and read one at a time; None for a case that one run lacks.

    Raises:
        ComparisonRefusedError: Fingerprints, weighing, inputs or metric signatures differ.
    """
    _refuse(a, b, _unlike_runs(a, b))
    for one, other in _merged(store.results(a), store.results(b)):
        if one is not None and other is not None:
            _refuse(a, b, _unlike_results(one, other, a.rubric))
        yield one, other


def _merged(left: Iterable[Result], right: Iterable[Result]) -> Iterator[tuple[Result | None, Result | None]]:
    """Pairs as soon as both are there; runs in one order, as runs of one data set are, leave none waiting."""
    ones: dict[str, Result] = {}
    others: dict[str, Result] = {}
    for one, other in zip_longest(left, right):
        if one is not None:
            ones[one.case.id] = one
        if other is not None:
            others[other.case.id] = other
        for case in {result.case.id for result in (one, other) if result is not None}:
            if case in ones and case in others:
                yield ones.pop(case), others.pop(case)
    yield from ((one, None) for one in ones.values())
    yield from ((None, other) for other in others.values())


@dataclass(frozen=True, kw_only=True)
class _Fault:
    component: str
    a: Any
    b: Any
    hint: str


def _refuse(a: RunRecord, b: RunRecord, faults: Iterable[_Fault]) -> None:
    found: dict[str, _Fault] = {}
    for fault in faults:
        found.setdefault(fault.component, fault)
    if not found:
        return
    # The schema follows from the wording and the reading: where they differ, they say it better.
    telling = [fault for fault in found.values() if _kind(fault.component) != "schema"] or list(found.values())
    lines = [f"the scores of run A {a.id} and run B {b.id} do not measure the same"]
    lines += [
        f"{fault.component}: found {_both(fault.a, fault.b)}, expected the same" for fault in telling[:_MOST_FAULTS]
    ]
    if len(telling) > _MOST_FAULTS:
        lines.append(f"and {len(telling) - _MOST_FAULTS} more")
    raise ComparisonRefusedError("\n".join(lines), hint=telling[0].hint)


def _both(a: Any, b: Any) -> str:
    texts = ["nothing" if item is None else item if isinstance(item, str) else str(item) for item in (a, b)]
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False)))
    if max(map(len, texts)) > _SHOWN and alike > _SHOWN // 2:
        texts = [f"…{text[alike - _SHOWN // 4 :]}" for text in texts]
    one, other = (printable(text, longest=_SHOWN) or "an empty text" for text in texts)
    return f"{one} in A and {other} in B"


def _kind(component: str) -> str:
    """The component without the member of a panel that it is of."""
    return component.rpartition(".")[2]


def _unlike_runs(a: RunRecord, b: RunRecord) -> Iterator[_Fault]:
    components = dict.fromkeys([*a.fingerprint, *b.fingerprint])
    wording = list(_unlike(_wording(a.rubric), _wording(b.rubric), _JUDGE_AGAIN))
    if not any(_kind(name) == "rubric" for name in components):
        yield from wording  # a judge of one's own need not say what of the rubric it reads
    for name in components:
        one, other = a.fingerprint.get(name), b.fingerprint.get(name)
        if one == other:
            continue
        said: list[_Fault] = []  # what the hash stands for
        if _kind(name) == "rubric":
            said = wording
        elif _kind(name) == "scale":
            said = [_Fault(component=name, a=_map_of(one), b=_map_of(other), hint=_ONE_SCALE)]
        elif _kind(name) == "sampling":
            said = list(_unlike(_sampling(a.judge_file), _sampling(b.judge_file), _JUDGE_AGAIN))
        yield from said or [_Fault(component=name, a=one, b=other, hint=_JUDGE_AGAIN)]
    yield from _unlike(_weighing(a.rubric), _weighing(b.rubric), _WEIGH_AGAIN)


def _map_of(component: str | None) -> str:
    """The scale of scores by the component of the fingerprint, which is the hash of the maps or ``raw``."""
    return "raw" if component in {None, "raw"} else f"calibrated (map {str(component)[:8]})"


def _unlike(a: Mapping[str, Any], b: Mapping[str, Any], hint: str) -> Iterator[_Fault]:
    for name in dict.fromkeys([*a, *b]):
        if a.get(name) != b.get(name):
            yield _Fault(component=name, a=a.get(name), b=b.get(name), hint=hint)


def _scale(rubric: Rubric) -> str:
    return f"{rubric.scale.lo} to {rubric.scale.hi}"


def _wording(rubric: Rubric) -> dict[str, Any]:
    found: dict[str, Any] = {"about": rubric.about, "scale": _scale(rubric)}
    found |= {f"names.{name}": word for name, word in rubric.names.model_dump().items()}
    for name, criterion in rubric.criteria.items():
        found[f"criteria.{name}.ask"] = " / ".join(criterion.ask)
        found |= {f"criteria.{name}.levels.{level}": text for level, text in criterion.levels.items()}
    return found


def _weighing(rubric: Rubric) -> dict[str, Any]:
    """What turns verdicts into the numbers compared here; floors and gates only decide who passes."""
    found: dict[str, Any] = {"scale": _scale(rubric), "normalize": rubric.normalize}
    found |= {f"criteria.{name}.weight": f"{share} of the whole" for name, share in rubric.shares.items()}
    judge = rubric.mix.judge / (rubric.mix.judge + rubric.mix.references)
    found["mix"] = f"judge {judge:.6g}, references {1 - judge:.6g}"
    if rubric.mix.references:
        counted = {name: weight for name, weight in rubric.metric_weights.items() if weight}
        whole = math.fsum(counted.values())
        found |= {f"references.{name}": f"{weight / whole:.6g} of the whole" for name, weight in counted.items()}
    return found


def _sampling(judge_file: Mapping[str, Any]) -> dict[str, Any]:
    """What a judge file says of sampling, by dotted path; a panel has it once per member."""
    found: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("", judge_file)]
    for path, data in waiting:
        items: Iterable[tuple[Any, Any]] = ()
        if is_mapping(data):
            items = data.items()
        elif is_list(data):
            items = enumerate(data, 1)
        for key, value in items:
            if key in _SAMPLING:
                found[f"{path}{key}"] = value
            else:
                waiting.append((f"{path}{key}.", value))
    return found


def _unlike_results(a: Result, b: Result, rubric: Rubric) -> Iterator[_Fault]:
    where = f"case {printable(a.case.id)}"
    for name in ("input", "context", "references", "group"):
        one, other = getattr(a.case, name), getattr(b.case, name)
        if one != other:
            yield _Fault(component=f"{where}: {name}", a=one, b=other, hint=_SAME_CASES)
    if a.verdict is not None and b.verdict is not None and a.verdict.fingerprint and b.verdict.fingerprint:
        for fault in _unlike(a.verdict.fingerprint, b.verdict.fingerprint, _JUDGE_AGAIN):
            yield _Fault(component=f"{where}: {fault.component}", a=fault.a, b=fault.b, hint=_JUDGE_AGAIN)
    if rubric.mix.references and a.references is not None and b.references is not None:
        signed = [{name: m.signature for name, m in found.metrics.items()} for found in (a.references, b.references)]
        for fault in _unlike(signed[0], signed[1], _JUDGE_AGAIN):
            yield _Fault(component=f"{where}: {fault.component} signature", a=fault.a, b=fault.b, hint=_JUDGE_AGAIN)
