"""How a rubric looks in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tenward.rubrics import Gate, Rubric

__all__ = ["rubric_view"]


def rubric_view(rubric: Rubric) -> RenderableType:
    """Criteria with shares, questions and levels; gates; and in words how ``value`` is made."""
    lines: list[RenderableType] = [
        Text(rubric.rubric, style="bold"),
        Text(rubric.about),
        Text(f"scale {rubric.scale.lo} to {rubric.scale.hi}", style="dim"),
    ]
    shares = rubric.shares
    for name, criterion in rubric.criteria.items():
        head = Text(f"\n{name}", style="bold")
        head.append(f"  {float(shares[name]):.0%}", style="green")
        if criterion.floor is not None:
            head.append(f"  floor {criterion.floor}", style="red")
        lines.append(head)
        lines.extend(Padding(Text(ask), (0, 0, 0, 2), expand=False) for ask in criterion.ask)
        lines.extend(
            Padding(Text(f"{level}  {text}", style="dim"), (0, 0, 0, 4), expand=False)
            for level, text in sorted(criterion.levels.items(), reverse=True)
        )
    if rubric.gates:
        lines.append(Text("\ngates, run before any model is asked", style="bold"))
        lines.extend(Text(f"  {_gate(gate)}") for gate in rubric.gates)
    lines.append(Text("\nvalue", style="bold"))
    lines.extend(Padding(Text(line), (0, 0, 0, 2), expand=False) for line in _mix(rubric))
    return Group(*lines)


def _gate(gate: Gate) -> str:
    given = gate.model_dump(exclude_none=True, exclude_defaults=True)
    return ", ".join(f"{name}: {value}" for name, value in given.items())


def _mix(rubric: Rubric) -> list[str]:
    formula = "(weighted sum − {lo}) / ({hi} − {lo})" if rubric.normalize == "range" else "weighted sum / {hi}"
    lines = [f"judge part: {formula.format(lo=rubric.scale.lo, hi=rubric.scale.hi)}"]
    total = rubric.mix.judge + rubric.mix.references
    if rubric.references and rubric.mix.references:
        weights = sum(rubric.references.values())
        parts = ", ".join(f"{name} {weight / weights:.0%}" for name, weight in rubric.references.items())
        lines.append(
            f"with references: {rubric.mix.judge / total:.0%} judge, {rubric.mix.references / total:.0%} {parts}"
        )
        lines.append("without references: the judge alone")
    else:
        lines.append("the judge alone; no reference metric takes part")
    lines.append(f"a case is scored when at least {rubric.min_coverage:.0%} of the weight is")
    return lines
