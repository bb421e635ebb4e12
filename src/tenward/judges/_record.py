"""Verdicts as JSON lines, so that a run can be replayed without a model."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenward.judges._verdict import Verdict

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from tenward.datasets import Case
    from tenward.rubrics import Rubric

__all__ = ["case_key", "verdict_as_dict", "verdict_from_dict"]


def case_key(case: Case, rubric: Rubric) -> str:
    """Hash of what is judged and by which rubric's questions; the case's id and human ratings are left out."""
    asked = {name: [item.ask, sorted(item.levels.items())] for name, item in rubric.criteria.items()}
    told: list[Any] = [case.output, case.input, list(case.references), case.context, rubric.about, asked]
    told.append([rubric.scale.lo, rubric.scale.hi])
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def verdict_as_dict(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON-ready data; :func:`verdict_from_dict` gives an equal one back."""
    return dict(_adapter().dump_python(verdict, mode="json"))


def verdict_from_dict(data: dict[str, Any]) -> Verdict:
    """The verdict that :func:`verdict_as_dict` made ``data`` from.

    Raises:
        pydantic.ValidationError: ``data`` is no verdict.
    """
    return _adapter().validate_python(data)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Verdict]:
    from pydantic import TypeAdapter

    return TypeAdapter(Verdict)
