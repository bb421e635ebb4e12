"""Cases as LangSmith's examples, and back.

==================  ==============================================
case                example
==================  ==============================================
input, context      ``inputs.input``, ``inputs.context``
references, output  ``outputs.references``, ``outputs.output``
id, human, group    ``metadata.id``, ``metadata.human``, ``metadata.group``
split               the split of the same name
==================  ==============================================
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from tenward.datasets import Case
from tenward.guards import is_list, is_mapping
from tenward.tracing._trace import case_inputs

if TYPE_CHECKING:
    from langsmith.schemas import Example

__all__ = ["case_of", "example_id", "example_of"]


def example_id(dataset: UUID, case: str) -> UUID:
    """Id of a case's example: the same in every run and for every user of the data set."""
    # The data set's own id takes part, since two accounts may hold the same cases on one server.
    return uuid5(dataset, case)


def example_of(case: Case, dataset: UUID, *, output: bool = True) -> dict[str, Any]:
    """A case as an example, ready to be sent; empty fields are left out.

    Args:
        case: The case.
        dataset: Id of its data set on the server.
        output: Whether the judged text is part of it.
    """
    outputs: dict[str, Any] = {"references": list(case.references)} if case.references else {}
    if output and case.output:
        outputs["output"] = case.output
    metadata: dict[str, Any] = {"id": case.id}
    if case.human:
        metadata["human"] = dict(case.human)
    if case.group:
        metadata["group"] = case.group
    return {
        "id": str(example_id(dataset, case.id)),
        "inputs": case_inputs(case),
        "outputs": outputs,
        "metadata": metadata,
        "split": case.split,
    }


def case_of(example: Example) -> Case:
    """An example as a case.

    For examples that others made: an ``inputs`` or ``outputs`` without our names gives its only text, or all of it
    as JSON; outputs are then references, and the example's id is the case's.
    """
    inputs, outputs, metadata = example.inputs or {}, example.outputs or {}, example.metadata or {}
    ours = set(outputs) <= {"references", "output"}
    references = outputs.get("references", []) if ours else [_only_text(outputs)]
    references = [references] if isinstance(references, str) else references
    name, human, splits = metadata.get("id"), metadata.get("human"), metadata.get("dataset_split")
    return Case(
        id=name if isinstance(name, str) and name else str(example.id),
        input=_text(inputs["input"]) if "input" in inputs else _only_text(inputs),
        context=_text(inputs.get("context", "")) if "input" in inputs else "",
        output=_text(outputs.get("output", "")) if ours else "",
        references=tuple(_text(item) for item in references) if is_list(references) else (_text(references),),
        human=_ratings(human),
        group=_text(metadata.get("group", "")),
        split="sealed" if splits == "sealed" or (is_list(splits) and "sealed" in splits) else "dev",
    )


def _only_text(data: dict[str, Any]) -> str:
    values = list(data.values())
    return _text(values[0] if len(values) == 1 else data) if values else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ratings(value: Any) -> dict[str, float]:
    if not is_mapping(value):
        return {}
    numbers = {name: item for name, item in value.items() if isinstance(item, int | float)}
    return {
        str(name): float(item) for name, item in numbers.items() if not isinstance(item, bool) and math.isfinite(item)
    }
