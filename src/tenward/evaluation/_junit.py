"""A run as JUnit XML, which every CI service shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenward.evaluation._result import Result
    from tenward.evaluation._run_record import RunRecord

__all__ = ["junit_xml"]

# What XML 1.0 may not hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(record: RunRecord, results: Iterable[Result], *, fail_under: float | None = None) -> str:
    """A run as one JUnit test suite with a test case per case.

    A case **fails** when it does not pass a gate, a criterion is below its floor, or its quality is below
    ``fail_under``. It is an **error** when it is unscored: that says something about the judge, not about the output.

    Args:
        record: What the run was.
        results: Its results.
        fail_under: Lowest quality that passes, 1 to 10; None for floors and gates only.

    Returns:
        An XML document. Characters that XML cannot hold are left out.
    """
    suite = ET.Element("testsuite", name=_text(f"{record.dataset} {record.rubric.rubric}"))
    properties = ET.SubElement(suite, "properties")
    told = {"run": record.id, "judge": record.judge, "rubric": record.rubric.rubric, "split": record.split}
    told |= {"scale": record.scale.words, "status": record.status}
    for name, value in told.items():
        ET.SubElement(properties, "property", name=name, value=_text(value))
    tests = failures = errors = 0
    for result in results:
        tests += 1
        seconds = result.verdict.seconds if result.verdict else 0.0
        case = ET.SubElement(
            suite, "testcase", classname=_text(record.dataset), name=_text(result.case.id), time=f"{seconds:.3f}"
        )
        if result.status == "unscored":
            errors += 1
            _add(case, "error", [("unscored", _why_unscored(result))], result)
        elif faults := list(_faults(result, fail_under)):
            failures += 1
            _add(case, "failure", faults, result)
    for name, count in (("tests", tests), ("failures", failures), ("errors", errors), ("skipped", 0)):
        suite.set(name, str(count))
    suite.set("time", f"{record.seconds:.3f}")
    suite.set("timestamp", record.created)
    ET.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'


def _faults(result: Result, fail_under: float | None) -> Iterator[tuple[str, str]]:
    """Kind and description of everything that fails a case."""
    for gate in result.gates:
        if not gate.passed:
            yield "gate", f"gate failed: {gate.gate} ({gate.detail})"
    scores = result.verdict.scores if result.verdict else {}
    for name in result.score.below_floor if result.score else ():
        yield "floor", f"{name} is {scores[name]:g}, below its floor {result.rubric.criteria[name].floor}"
    if fail_under is not None and result.quality is not None and result.quality < fail_under:
        yield "quality", f"quality is {result.quality}, below {fail_under:g}"


def _why_unscored(result: Result) -> str:
    failures = result.verdict.failures if result.verdict else {}
    kinds = dict.fromkeys(failure.kind for failure in failures.values())
    covered = f"only {result.score.covered} of the weight was scored" if result.score else "there is no score"
    return f"{covered} ({', '.join(kinds)})" if kinds else covered


def _add(case: ET.Element, tag: str, faults: list[tuple[str, str]], result: Result) -> None:
    message = "; ".join(what for _, what in faults)
    element = ET.SubElement(case, tag, type=faults[0][0], message=_text(message))
    element.text = _text("\n".join(_body(result)))


def _body(result: Result) -> Iterator[str]:
    """Scores, words and arithmetic, as far as there are any."""
    for item in result.verdict.criteria if result.verdict else ():
        found = f"{item.score:g}" if item.score is not None else "unscored"
        found += f", {item.raw:.4g} raw" if item.raw is not None else ""
        words = f"{item.failure.kind}: {item.failure.detail}" if item.failure is not None else item.in_words
        yield f"{item.criterion}: {found}{f' ({words})' if words else ''}"
    yield from result.score.arithmetic if result.score else ()
    for step in result.steps:
        yield f"step to 10, {step.criterion}: {step.text}"


def _text(text: str) -> str:
    return _FORBIDDEN.sub("", text)
